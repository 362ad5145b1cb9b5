//! Pods that no node takes.

use jiff::SignedDuration;

use super::{Look, Sign, Symptom};

/// A healthy start may be unschedulable for a moment: a claim that is not bound yet, a node that
/// is being added.
const GRACE: SignedDuration = SignedDuration::from_secs(15);

pub(super) fn symptoms(look: &Look<'_>) -> Vec<Symptom> {
    let of_pod = |pod: &&k8s_openapi::api::core::v1::Pod| {
        let conditions = pod.status.as_ref()?.conditions.as_ref()?;
        let condition = conditions
            .iter()
            .find(|c| c.type_ == "PodScheduled" && c.status == "False")?;
        if condition.reason.as_deref() != Some("Unschedulable") {
            return None; // SchedulingGated: somebody holds it back on purpose
        }
        let since = condition
            .last_transition_time
            .as_ref()
            .or(pod.metadata.creation_timestamp.as_ref())?
            .0;
        look.has_come(since.checked_add(GRACE).ok()?)
            .then(|| Symptom {
                sign: Sign::Unschedulable,
                pod: pod.metadata.name.clone(),
                container: None,
                status: "Pending".to_owned(),
                reason: "Unschedulable".to_owned(),
                message: condition.message.clone().unwrap_or_default(),
            })
    };
    look.workload.pods.iter().filter_map(of_pod).collect()
}
