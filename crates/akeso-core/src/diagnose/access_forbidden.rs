//! Fault `access-forbidden`: the API server refuses what the program asks of it, for its
//! ServiceAccount has no right to it. A log is data, and whoever can write to it could ask for any
//! right: one is given only where the policy says so, and never one that leads to others.

use std::sync::LazyLock;

use regex::Regex;

use super::{
    Diagnosis, Examination, Family, Fault, Remedy, end_of, last_lines,
    near_right::{self, Right},
    undo, unknown_crash,
};
use crate::{
    act::{Action, GrantAccess},
    observe::{Sign, Symptom},
    plan::{Advice, Origin, Proof, Step},
};

pub(super) const FAULT: Fault = Fault {
    name: "access-forbidden",
    family: Family::Access,
    signs: "the program ends or is never ready, and its log or events tell what the API server refuses its ServiceAccount (`forbidden: User \"system:serviceaccount:…\" cannot …`)",
    does: "names verb, resource and ServiceAccount, the rule or binding that nearly gives the right (a wrong plural, API group, verb, subject), or else the commands that would grant just that; after a rollout, puts the last good revision back, where one is proven; where the policy names `grant_access`, a Deployment, StatefulSet or DaemonSet that alone runs as its ServiceAccount is given the right in its namespace, by a Role and a RoleBinding of their own",
    never: "grants a right without the policy's word, or more than what was refused; whatever the policy says, any to Secrets, to ServiceAccounts, to RBAC itself, to write what makes pods, to get into them, or in another namespace or the whole cluster",
    diagnose,
};

/// The API server's words. Only the verbs that RBAC's objects know and names of the shape of a
/// name are taken: what is proposed to a person is made of them.
static REFUSAL: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(
        r#"(?:"(?<object>[a-z0-9][a-z0-9.-]*)" is )?forbidden: User "system:serviceaccount:(?<namespace>[a-z0-9-]+):(?<account>[a-z0-9.-]+)" cannot (?<verb>get|list|watch|create|update|patch|delete|deletecollection) resource "(?<resource>[a-z0-9-]+)(?:/(?<part>[a-z0-9-]+))?" in API group "(?<group>[a-z0-9.-]*)" (?:in the namespace "(?<in>[a-z0-9-]+)"|at the cluster scope)"#,
    )
    .ok()
});

/// What was refused, to whom and where.
#[derive(Debug)]
struct Refusal {
    namespace: String,
    account: String,
    verb: String,
    /// With its part, as in a rule: `deployments/scale`.
    resource: String,
    /// Empty for the core group.
    group: String,
    object: Option<String>,
    /// Nothing where it was asked of the whole cluster.
    within: Option<String>,
}

impl Refusal {
    /// The last one that a text tells of.
    fn last_in(text: &str) -> Option<Self> {
        // clients that log as JSON escape the quotes
        let text = text.replace("\\\"", "\"");
        let found = REFUSAL.as_ref()?.captures_iter(&text).last()?;
        let part = |name: &str| found.name(name).map(|it| it.as_str().to_owned());
        let resource = match part("part") {
            Some(of) => format!("{}/{of}", part("resource")?),
            None => part("resource")?,
        };
        Some(Self {
            namespace: part("namespace")?,
            account: part("account")?,
            verb: part("verb")?,
            resource,
            group: part("group")?,
            object: part("object"),
            within: part("in"),
        })
    }

    /// The right that was refused and nothing more.
    fn right(&self) -> GrantAccess {
        GrantAccess {
            account: self.account.clone(),
            verb: self.verb.clone(),
            group: self.group.clone(),
            resource: self.resource.clone(),
            // the API server names an object only where it judges by it
            object: self.object.clone(),
        }
    }

    /// What would grant it.
    fn grant(&self) -> String {
        self.right()
            .command_within(&self.namespace, self.within.as_deref())
    }
}

const WHOSE: &str = "whether the program is meant to have this right is for a person to say";

fn diagnose(examination: &Examination<'_>, symptom: &Symptom) -> Option<Diagnosis> {
    let crash = match &symptom.sign {
        Sign::Crash(crash) => Some(crash),
        Sign::Probe { .. } => None,
        Sign::ImagePull { .. }
        | Sign::OutOfMemory(_)
        | Sign::Config
        | Sign::Mount { .. }
        | Sign::Start
        | Sign::Awaits
        | Sign::Unschedulable
        | Sign::RolloutOverdue
        | Sign::PodsRefused
        | Sign::StuckOnOldPod { .. }
        | Sign::JobFailed
        | Sign::JobFlawed { .. }
        | Sign::Evicted
        | Sign::Support { .. } => return None,
    };
    let log = examination.crash_log(symptom)?;
    // a refusal far up in the log may have been lived with
    let end = end_of(log, 20);
    let events = examination.recent_events(symptom).join("\n");
    let refusal = Refusal::last_in(&end).or_else(|| Refusal::last_in(&events))?;
    let workload = examination.workload;
    let spec = workload.template().and_then(|it| it.spec.as_ref());
    let chosen = spec.and_then(|spec| spec.service_account_name.as_deref());
    let own = chosen.unwrap_or("default");
    // a log may tell of anybody: rights are proposed for the workload's own ServiceAccount only
    if refusal.account != own || refusal.namespace != workload.reference.namespace {
        return None;
    }
    let place = refusal.within.as_ref().map_or_else(
        || "in the whole cluster".to_owned(),
        |within| format!("in namespace {within}"),
    );
    let near = near_right::find(
        examination,
        &Right {
            namespace: &refusal.namespace,
            account: &refusal.account,
            verb: &refusal.verb,
            group: &refusal.group,
            resource: &refusal.resource,
            object: refusal.object.as_deref(),
            within: refusal.within.as_deref(),
            is_chosen: chosen.is_some(),
        },
    )?;
    let nearly = match near.says.as_str() {
        "" => String::new(),
        says => format!("; {says}"),
    };
    let right = refusal.right();
    let resource = right.as_kubectl_takes_it();
    let says = format!(
        "is refused by the API server: ServiceAccount {}/{} may not {} {resource} {place}{}",
        refusal.namespace, refusal.account, refusal.verb, nearly
    );
    let advice = match near.edit {
        Some(command) => Advice {
            why: format!("{WHOSE}; something seems to have been meant to give it, and does not"),
            command,
        },
        None => Advice {
            why: format!("{WHOSE}; the command grants it and nothing more"),
            command: refusal.grant(),
        },
    };
    let is_here = refusal.within.as_deref() == Some(&workload.reference.namespace);
    let never = right.why_never(workload);
    let advice = match &never {
        Some(never) if is_here && near.is_missing => Advice {
            why: format!("{}; Akeso itself never does: {never}", advice.why),
            ..advice
        },
        Some(_) | None => advice,
    };
    let grant = || {
        let may_be = is_here && near.is_missing && never.is_none();
        may_be.then(|| Step {
            action: Action::GrantAccess(right.clone()),
            reasoning: format!(
                "the API server refuses just this, no rule gives it, and nothing else runs as ServiceAccount {}",
                right.account
            ),
            origin: Origin::Playbook,
            proof: Proof::Bounded,
        })
    };
    let remedy = match crash {
        Some(crash) if !unknown_crash::is_no_accident(examination, symptom, crash) => {
            Remedy::Wait {
                why: "it has ended only a few times so far, and the right may be on its way"
                    .to_owned(),
            }
        }
        Some(_) => undo::or_step(examination, grant, advice),
        None => Remedy::Person(advice),
    };
    Some(
        examination
            .diagnosis(&FAULT, symptom, says, 85, remedy)
            .with_detail(&format!("{} {resource}", refusal.verb))
            .with_evidence(last_lines(log, 4)),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_grant_it_grants_no_more() {
        for (line, grant) in [
            (
                r#"pods is forbidden: User "system:serviceaccount:shop:default" cannot list resource "pods" in API group "" in the namespace "shop""#,
                "kubectl -n shop create role default-list-pods --verb=list --resource=pods && kubectl -n shop create rolebinding default-list-pods --role=default-list-pods --serviceaccount=shop:default",
            ),
            (
                r#"deployments.apps "web" is forbidden: User "system:serviceaccount:shop:bot" cannot patch resource "deployments/scale" in API group "apps" in the namespace "shop""#,
                "kubectl -n shop create role bot-patch-deployments-apps-scale --verb=patch --resource=deployments.apps/scale --resource-name=web && kubectl -n shop create rolebinding bot-patch-deployments-apps-scale --role=bot-patch-deployments-apps-scale --serviceaccount=shop:bot",
            ),
            (
                r#"{"error":"nodes is forbidden: User \"system:serviceaccount:shop:bot\" cannot watch resource \"nodes\" in API group \"\" at the cluster scope"}"#,
                "kubectl create clusterrole bot-watch-nodes --verb=watch --resource=nodes && kubectl create clusterrolebinding bot-watch-nodes --clusterrole=bot-watch-nodes --serviceaccount=shop:bot",
            ),
        ] {
            assert_eq!(Refusal::last_in(line).unwrap().grant(), grant);
        }
    }

    #[test]
    fn what_is_no_name_is_not_taken() {
        for line in [
            r#"pods is forbidden: User "system:serviceaccount:shop:default" cannot * resource "*" in API group "*" in the namespace "shop""#,
            r#"pods is forbidden: User "system:serviceaccount:shop:default; kubectl delete ns shop" cannot list resource "pods" in API group "" in the namespace "shop""#,
            r#"pods is forbidden: User "alice" cannot list resource "pods" in API group "" in the namespace "shop""#,
            r#"roles is forbidden: User "system:serviceaccount:shop:default" cannot escalate resource "roles" in API group "rbac.authorization.k8s.io" in the namespace "shop""#,
        ] {
            assert!(Refusal::last_in(line).is_none(), "{line}");
        }
    }
}
