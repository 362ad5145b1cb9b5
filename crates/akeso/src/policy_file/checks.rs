//! What a policy says that no type forbids, and that nobody means: rules that nothing can come of,
//! zeroes that stop everything, selectors that select all.

use std::collections::BTreeSet;

use akeso_core::{
    gate::Decision,
    policy::{Expression, Glob, NamespaceRule, Policy},
    quantity::Bytes,
    similar::closest,
};
use jiff::SignedDuration;

use super::tree::Node;

/// Something that nobody means; where it stands is found by its key.
#[derive(Debug)]
pub struct Complaint {
    /// The key.
    pub key: String,
    /// What is wrong with it.
    pub message: String,
    /// What was probably meant.
    pub meant: Option<String>,
}

/// A memory ceiling below this was written without its unit.
const LEAST_MEMORY: Bytes = Bytes::mebi(1);
/// What a label selector has
/// (<https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/label-selector/>).
const SELECTOR: [&str; 2] = ["matchLabels", "matchExpressions"];
const REQUIREMENT: [&str; 3] = ["key", "operator", "values"];
const OPERATORS: [&str; 4] = ["In", "NotIn", "Exists", "DoesNotExist"];

/// All that nobody means.
pub fn check(policy: &Policy, tree: &Node) -> Vec<Complaint> {
    let mut list = List::default();
    namespaces(&policy.namespaces, tree, &mut list);
    amounts(policy, &mut list);
    money(policy, &mut list);
    durations(policy, &mut list);
    gates(&policy.gates, &mut list);
    list.complaints
}

#[derive(Default)]
struct List {
    complaints: Vec<Complaint>,
}

impl List {
    fn add(&mut self, key: impl Into<String>, message: impl Into<String>) {
        self.add_meant(key, message, None);
    }

    fn add_meant(
        &mut self,
        key: impl Into<String>,
        message: impl Into<String>,
        meant: Option<String>,
    ) {
        self.complaints.push(Complaint {
            key: key.into(),
            message: message.into(),
            meant,
        });
    }
}

fn namespaces(rules: &[NamespaceRule], tree: &Node, list: &mut List) {
    for (place, rule) in rules.iter().enumerate() {
        let key = format!("namespaces[{place}]");
        let selects_all = rule.selector.as_ref().is_none_or(|selector| {
            selector.match_labels.iter().flatten().next().is_none()
                && selector.match_expressions.iter().flatten().next().is_none()
        });
        if rule.selector.is_some() {
            let written = tree
                .member("namespaces")
                .and_then(|it| it.items().get(place));
            let written = written.and_then(|rule| rule.member("selector"));
            selector(written, &format!("{key}.selector"), list);
        }
        if rule.names.is_empty() && selects_all {
            list.add(
                &key,
                "this holds in every namespace: give names or a selector, or write it at the top level",
            );
        }
        if *rule
            == (NamespaceRule {
                names: rule.names.clone(),
                selector: rule.selector.clone(),
                ..NamespaceRule::default()
            })
        {
            list.add(
                &key,
                "this changes nothing: give autonomy, actions, model or credentialPlaceholders, or remove it",
            );
        }
        let hidden_by = rules[..place]
            .iter()
            .position(|earlier| hides(earlier, rule));
        if let Some(earlier) = hidden_by {
            list.add(
                &key,
                format!(
                    "this is never reached, for namespaces[{earlier}] matches the same namespaces and the first match holds: put it before that one"
                ),
            );
        }
    }
}

/// Whether whatever a rule matches is matched by an earlier one.
fn hides(earlier: &NamespaceRule, later: &NamespaceRule) -> bool {
    let is_plain = earlier.selector.is_none() && !earlier.names.is_empty();
    let is_hidden = |name: &Glob| earlier.names.iter().any(|wider| covers(wider, name));
    let is_every_name = earlier.names.iter().any(|name| name.is_exactly("*"));
    is_plain && (is_every_name || (!later.names.is_empty() && later.names.iter().all(is_hidden)))
}

/// Whether a pattern matches all that another one matches; only what is certain counts.
fn covers(wider: &Glob, name: &Glob) -> bool {
    let (pattern, text) = (wider.to_string(), name.to_string());
    // as a literal character, a `*` of the name would be matched by `?`
    pattern == text || (wider.matches(&text) && !(text.contains('*') && pattern.contains('?')))
}

/// The API's own type leaves out keys that it does not know, and a selector without any selects
/// every namespace: so its keys are looked at as they are written.
fn selector(written: Option<&Node>, key: &str, list: &mut List) {
    let Some(written) = written else { return };
    unknown_keys(written, key, &SELECTOR, list);
    let requirements = written.member("matchExpressions").map(Node::items);
    for (place, requirement) in requirements.unwrap_or_default().iter().enumerate() {
        let key = format!("{key}.matchExpressions[{place}]");
        unknown_keys(requirement, &key, &REQUIREMENT, list);
        let operator = requirement.member("operator").and_then(Node::scalar);
        let has_values = requirement
            .member("values")
            .is_some_and(|values| !values.items().is_empty());
        match operator.unwrap_or_default() {
            "In" | "NotIn" if !has_values => {
                list.add(
                    &key,
                    "In and NotIn compare with `values`: give at least one",
                );
            }
            "Exists" | "DoesNotExist" if has_values => list.add(
                format!("{key}.values"),
                "Exists and DoesNotExist compare with no values: remove them, or use In or NotIn",
            ),
            "" => list.add(&key, "the key `operator` is missing"),
            known if OPERATORS.contains(&known) => {}
            other => list.add_meant(
                format!("{key}.operator"),
                format!("`{other}` is none of {}", OPERATORS.join(", ")),
                closest(other, OPERATORS.map(str::to_owned)),
            ),
        }
        if requirement
            .member("key")
            .and_then(Node::scalar)
            .is_none_or(str::is_empty)
        {
            list.add(&key, "the key `key`, which names the label, is missing");
        }
    }
}

fn unknown_keys(node: &Node, key: &str, known: &[&str], list: &mut List) {
    for (name, _) in node.members().filter(|(name, _)| !known.contains(name)) {
        let meant = closest(name, known.iter().copied().map(str::to_owned));
        list.add_meant(
            format!("{key}.{name}"),
            format!(
                "there is no key `{name}` here; the keys are {}",
                known.join(", ")
            ),
            meant,
        );
    }
}

fn amounts(policy: &Policy, list: &mut List) {
    let budgets = &policy.budgets;
    let zeroes = [
        ("budgets.workload.failures", budgets.workload.failures),
        ("budgets.namespace.concurrent", budgets.namespace.concurrent),
        ("budgets.namespace.perHour", budgets.namespace.per_hour),
        ("budgets.cluster.concurrent", budgets.cluster.concurrent),
        ("budgets.cluster.perHour", budgets.cluster.per_hour),
    ];
    for (key, _) in zeroes.into_iter().filter(|(_, amount)| *amount == 0) {
        list.add(
            key,
            "0 would stop every change: to stop them, write `autonomy: observe`; else give at least 1",
        );
    }
    if policy.ceilings.memory < LEAST_MEMORY {
        let digits = policy.ceilings.memory.get();
        let meant = (digits != 0).then(|| format!("{digits}Gi"));
        let message = format!(
            "{} bytes is less than any container needs: write it with its unit, as in 4Gi",
            policy.ceilings.memory.get()
        );
        list.add_meant("ceilings.memory", message, meant);
    }
    if policy.ceilings.cpu.is_some_and(|cpu| cpu.get() == 0) {
        list.add(
            "ceilings.cpu",
            "0 leaves no container any CPU: leave it out for no bound",
        );
    }
    if policy.ceilings.replicas == Some(0) {
        list.add(
            "ceilings.replicas",
            "0 leaves no replica: leave it out for no bound",
        );
    }
    if policy.storm.share_percent > 100 {
        let message = format!(
            "{} is no share in percent: give 0 to 100",
            policy.storm.share_percent
        );
        list.add("storm.sharePercent", message);
    }
}

/// No amount of money is less than nothing, and none is no number.
fn money(policy: &Policy, list: &mut List) {
    let model = &policy.model;
    let all = [
        ("model.dailyCost", model.daily_cost.unwrap_or_default()),
        ("model.inputPrice", model.input_price),
        ("model.outputPrice", model.output_price),
    ];
    for (key, _) in all
        .iter()
        .filter(|(_, amount)| !amount.is_finite() || *amount < 0.0)
    {
        list.add(
            *key,
            "an amount of money is a number, 0 or more, such as 0.15",
        );
    }
    if model.daily_cost.is_some() && model.input_price <= 0.0 && model.output_price <= 0.0 {
        list.add(
            "model.dailyCost",
            "without prices nothing costs anything, so this bounds nothing: give inputPrice and outputPrice",
        );
    }
    if model.daily_tokens == 0 {
        list.add(
            "model.dailyTokens",
            "0 allows no call: to ask no model, write `model: {enabled: false}`",
        );
    }
}

fn durations(policy: &Policy, list: &mut List) {
    let budget = &policy.budgets.workload;
    let all = [
        ("budgets.workload.closedFor", budget.closed_for),
        ("budgets.workload.longest", budget.longest),
        ("storm.within", policy.storm.within),
        ("storm.quietFor", policy.storm.quiet_for),
        ("approvals.expireAfter", policy.approvals.expire_after),
        ("regressionWithin", policy.regression_within),
    ];
    for (key, duration) in all {
        if duration <= SignedDuration::ZERO {
            list.add(
                key,
                "a duration is longer than nothing: write for instance 90s, 30m or 24h",
            );
        }
    }
    if budget.longest < budget.closed_for {
        list.add(
            "budgets.workload.longest",
            format!(
                "{:#} is shorter than closedFor, which is {:#}: a workload is never closed for longer than `longest`",
                budget.longest, budget.closed_for
            ),
        );
    }
}

fn gates(gates: &[Expression], list: &mut List) {
    let mut names = BTreeSet::new();
    for (place, gate) in gates.iter().enumerate() {
        let key = format!("gates[{place}]");
        if gate.name.trim().is_empty() {
            list.add(
                format!("{key}.name"),
                "a gate needs a name: it is shown as the rule that decided",
            );
        } else if !names.insert(&gate.name) {
            list.add(
                format!("{key}.name"),
                format!(
                    "a gate before this one is named `{}` as well: names tell them apart",
                    gate.name
                ),
            );
        }
        let wrong = match gate.decision {
            Decision::Ask | Decision::Refuse => continue,
            Decision::Execute => {
                "a gate cannot allow what other rules forbid: write ask or refuse; what is to act without asking stands in `actions`"
            }
            Decision::Wait => {
                "a gate cannot say when a wait ends: write ask or refuse; times in which nothing is changed stand in `freeze`"
            }
        };
        list.add(format!("{key}.decision"), wrong);
    }
}
