//! Which namespaces are meant, and what holds in them.

use std::{collections::BTreeMap, fmt};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use serde::{Deserialize, Serialize};

use super::{Autonomy, Consent, Policy};
use crate::{act::ActionKind, cluster::label_selector_matches};

/// The label by which a namespace lowers its level, or raises it where the policy trusts it.
pub const AUTONOMY_LABEL: &str = "akeso.dev/autonomy";

/// Labels of a namespace.
type Labels = BTreeMap<String, String>;

/// A name, or a pattern of names: `*` stands for any characters, `?` for one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Glob(String);

/// Why a text is no pattern of namespaces.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` matches no namespace: write lower-case letters, digits and -, with * and ? as wildcards"
)]
pub struct InvalidGlob(String);

impl TryFrom<String> for Glob {
    type Error = InvalidGlob;

    fn try_from(text: String) -> Result<Self, InvalidGlob> {
        let is_known = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-*?".contains(c);
        if text.is_empty() || !text.chars().all(is_known) {
            return Err(InvalidGlob(text));
        }
        Ok(Self(text))
    }
}

impl From<Glob> for String {
    fn from(glob: Glob) -> Self {
        glob.0
    }
}

impl fmt::Display for Glob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Glob {
    /// Whether a name matches.
    pub fn matches(&self, name: &str) -> bool {
        matches(self.0.as_bytes(), name.as_bytes())
    }

    /// Whether it is this very name, without a wildcard.
    pub fn is_exactly(&self, name: &str) -> bool {
        self.0 == name
    }
}

fn matches(pattern: &[u8], name: &[u8]) -> bool {
    match pattern.split_first() {
        None => name.is_empty(),
        Some((b'*', rest)) => (0..=name.len()).any(|skipped| matches(rest, &name[skipped..])),
        Some((b'?', rest)) => !name.is_empty() && matches(rest, &name[1..]),
        Some((literal, rest)) => name.first() == Some(literal) && matches(rest, &name[1..]),
    }
}

/// What differs in some namespaces.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct NamespaceRule {
    /// Namespaces by name; any, if none is given.
    pub names: Vec<Glob>,
    /// Namespaces by label; any, if there is no selector.
    pub selector: Option<LabelSelector>,
    /// The level there.
    pub autonomy: Option<Autonomy>,
    /// What is said there of single actions.
    pub actions: BTreeMap<ActionKind, Consent>,
    /// Whether placeholders for credentials are written there without asking.
    pub credential_placeholders: Option<Consent>,
    /// After how many approved and verified uses an action that asks there acts by itself.
    pub promote_after: Option<u32>,
    /// Whether a language model may be shown what fails there.
    pub model: Option<bool>,
}

/// What holds for an action in a namespace, and what says so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Effective {
    /// The level.
    pub autonomy: Autonomy,
    /// What the level comes from, for people.
    pub source: String,
    /// What is said of the action by name.
    pub consent: Option<Consent>,
    /// What is said of placeholders for credentials.
    pub credential_placeholders: Option<Consent>,
    /// After how many approved and verified uses it acts by itself where it asks; never, if absent.
    pub promote_after: Option<u32>,
    /// Whether a language model may be shown what fails there.
    pub model: bool,
}

impl NamespaceRule {
    fn matches(&self, namespace: &str, labels: Option<&Labels>) -> bool {
        let by_name = self.names.is_empty() || self.names.iter().any(|g| g.matches(namespace));
        by_name
            && self.selector.as_ref().is_none_or(|selector| {
                // labels that are not known are selected by nothing
                labels.is_some() && label_selector_matches(Some(selector), labels)
            })
    }
}

impl Policy {
    /// What holds for an action in a namespace with these labels; none, if they are not known.
    pub fn effective(
        &self,
        action: Option<ActionKind>,
        namespace: &str,
        labels: Option<&Labels>,
    ) -> Effective {
        let rule = self
            .namespaces
            .iter()
            .enumerate()
            .find(|(_, rule)| rule.matches(namespace, labels));
        let said = |actions: &BTreeMap<ActionKind, Consent>| {
            action.and_then(|action| actions.get(&action).copied())
        };
        let by_rule = rule.and_then(|(place, rule)| Some((rule.autonomy?, place)));
        let (mut autonomy, mut source) = match by_rule {
            Some((level, place)) => (level, format!("namespaces[{place}].autonomy")),
            None => (self.autonomy, "autonomy".to_owned()),
        };
        let label = labels.and_then(|labels| labels.get(AUTONOMY_LABEL));
        // a level that nobody knows is taken for the most careful one
        let wish = label.map(|label| Autonomy::named(label).unwrap_or(Autonomy::Observe));
        if let Some(wish) = wish.filter(|wish| *wish < autonomy || self.trust_namespace_labels) {
            autonomy = wish;
            source = format!("the label {AUTONOMY_LABEL} of the namespace");
        }
        Effective {
            autonomy,
            source,
            consent: rule
                .and_then(|(_, rule)| said(&rule.actions))
                .or_else(|| said(&self.actions)),
            credential_placeholders: rule.and_then(|(_, rule)| rule.credential_placeholders),
            promote_after: rule
                .and_then(|(_, rule)| rule.promote_after)
                .or(self.approvals.promote_after)
                .filter(|uses| *uses > 0),
            model: self.model.enabled && rule.and_then(|(_, rule)| rule.model).unwrap_or(true),
        }
    }
}

impl Autonomy {
    /// The level of this name.
    pub fn named(name: &str) -> Option<Self> {
        serde_json::from_value(name.into()).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn glob(text: &str) -> Glob {
        text.to_owned().try_into().unwrap()
    }

    fn labels(pairs: &[(&str, &str)]) -> Labels {
        pairs
            .iter()
            .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
            .collect()
    }

    fn policy(yaml: &str) -> Policy {
        serde_saphyr::from_str(yaml).unwrap()
    }

    #[test]
    fn a_pattern_matches_whole_names() {
        assert!(glob("team-*").matches("team-a") && glob("t?am").matches("team"));
        assert!(!glob("team-*").matches("my-team-a") && !glob("team").matches("team-a"));
        assert!(Glob::try_from("Team".to_owned()).is_err());
    }

    #[test]
    fn a_label_lowers_the_level_and_raises_it_only_where_labels_are_trusted() {
        let lower = labels(&[(AUTONOMY_LABEL, "observe")]);
        let raise = labels(&[(AUTONOMY_LABEL, "full")]);
        let nonsense = labels(&[(AUTONOMY_LABEL, "fulll")]);
        let level = |policy: &Policy, labels| policy.effective(None, "shop", Some(labels)).autonomy;
        let default = Policy::default();
        assert_eq!(level(&default, &lower), Autonomy::Observe);
        assert_eq!(level(&default, &raise), Autonomy::Standard);
        assert_eq!(level(&default, &nonsense), Autonomy::Observe);
        let trusting = policy("trustNamespaceLabels: true");
        assert_eq!(level(&trusting, &raise), Autonomy::Full);
    }

    #[test]
    fn the_first_rule_that_matches_by_name_and_label_holds() {
        let policy = policy(
            "{autonomy: full, actions: {restart_pod: never}, namespaces: [\
             {names: [shop-*], selector: {matchExpressions: [{key: env, operator: In, values: [prod]}]}, autonomy: observe},\
             {names: [shop-*], autonomy: cautious, actions: {restart_pod: ask}}]}",
        );
        let at = |name: &str, env: &str| {
            let labels = labels(&[("env", env)]);
            policy.effective(Some(ActionKind::RestartPod), name, Some(&labels))
        };
        assert_eq!(at("shop-a", "prod").autonomy, Autonomy::Observe);
        assert_eq!(at("shop-a", "prod").consent, Some(Consent::Never));
        assert_eq!(at("shop-a", "test").autonomy, Autonomy::Cautious);
        assert_eq!(at("shop-a", "test").consent, Some(Consent::Ask));
        assert_eq!(at("blog", "prod").autonomy, Autonomy::Full);
        // whose labels cannot be read is not selected by them
        let unread = policy.effective(None, "shop-a", None);
        assert_eq!(unread.autonomy, Autonomy::Cautious);
    }

    proptest! {
        #[test]
        fn a_name_without_wildcards_matches_itself_only(a in "[a-z0-9-]{1,8}", b in "[a-z0-9-]{1,8}") {
            prop_assert!(glob(&a).matches(&a));
            prop_assert_eq!(glob(&a).matches(&b), a == b);
            let prefix = glob(&format!("{a}*")).matches(&format!("{a}{b}"));
            prop_assert!(prefix);
        }
    }
}
