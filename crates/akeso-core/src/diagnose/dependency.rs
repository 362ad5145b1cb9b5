//! What a failing workload depends on that others may depend on as well: several workloads that
//! fail for the same one are one problem.

use std::sync::LazyLock;

use regex::Regex;

use crate::observe::{Sign, Symptom};

/// The kubelet's words for a ConfigMap or Secret that is missing: `configmap "settings" not found`.
static MISSING: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r#"(?i)\b(configmap|secret) "([^"]+)" not found"#).ok());
/// ... and for a key: `couldn't find key HOST in ConfigMap shop/settings`.
static NO_KEY: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"(?i)find key \S+ in (configmap|secret) [^/\s]+/([^\s,]+)").ok());
/// The API server's words for a quota that is used up: `exceeded quota: pods, requested: ...`.
static QUOTA: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"exceeded quota: ([^\s,]+)").ok());

/// ... and for an admission webhook that does not answer: `failed calling webhook "check.io": ...`.
static WEBHOOK: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r#"failed calling webhook "([^"]+)""#).ok());

/// The dependency of a symptom in a namespace, by kind and name.
pub(super) fn of(symptom: &Symptom, namespace: &str) -> Option<String> {
    match &symptom.sign {
        Sign::Config | Sign::Mount { .. } => [&MISSING, &NO_KEY].into_iter().find_map(|pattern| {
            let found = pattern.as_ref()?.captures(&symptom.message)?;
            let is_map = found[1].eq_ignore_ascii_case("configmap");
            let kind = if is_map { "ConfigMap" } else { "Secret" };
            Some(format!("{kind} {namespace}/{}", &found[2]))
        }),
        Sign::PodsRefused => {
            let named = |pattern: &LazyLock<Option<Regex>>| {
                let found = pattern.as_ref()?.captures(&symptom.message)?;
                Some(found[1].to_owned())
            };
            let quota = named(&QUOTA).map(|name| format!("ResourceQuota {namespace}/{name}"));
            quota.or_else(|| named(&WEBHOOK).map(|name| format!("webhook {name}")))
        }
        Sign::ImagePull { image } => Some(format!("image {image}")),
        Sign::Crash(_)
        | Sign::OutOfMemory(_)
        | Sign::Start
        | Sign::Probe { .. }
        | Sign::Awaits
        | Sign::Unschedulable
        | Sign::RolloutOverdue
        | Sign::StuckOnOldPod { .. }
        | Sign::JobFailed
        | Sign::JobFlawed { .. }
        | Sign::Evicted
        | Sign::Support { .. } => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn symptom(sign: Sign, message: &str) -> Symptom {
        Symptom {
            sign,
            pod: None,
            container: None,
            status: String::new(),
            reason: String::new(),
            message: message.to_owned(),
        }
    }

    #[test]
    fn the_dependency_is_named_by_kind_and_name() {
        for (sign, message, expected) in [
            (
                Sign::Config,
                "configmap \"settings\" not found",
                "ConfigMap shop/settings",
            ),
            (Sign::Config, "secret \"db\" not found", "Secret shop/db"),
            (
                Sign::Config,
                "couldn't find key HOST in ConfigMap shop/settings",
                "ConfigMap shop/settings",
            ),
            (
                Sign::PodsRefused,
                "pods \"web-1\" is forbidden: exceeded quota: small, requested: pods=1, used: pods=2, limited: pods=2",
                "ResourceQuota shop/small",
            ),
            (
                Sign::PodsRefused,
                "Internal error occurred: failed calling webhook \"check.io\": failed to call webhook: ...",
                "webhook check.io",
            ),
        ] {
            assert_eq!(
                of(&symptom(sign, message), "shop").as_deref(),
                Some(expected)
            );
        }
        assert_eq!(of(&symptom(Sign::Config, "something else"), "shop"), None);
    }
}
