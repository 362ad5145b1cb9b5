//! Objects that are being deleted and do not go
//! (<https://kubernetes.io/docs/concepts/overview/working-with-objects/finalizers/>).

use jiff::SignedDuration;
use k8s_openapi::api::core::v1::Namespace;

use super::{Flaw, Look, Symptom, on_support};
use crate::cluster::{Controller, Support};

/// What has to be cleared away first is cleared away by then.
const TIME_TO_GO: SignedDuration = SignedDuration::from_mins(5);
/// It holds a claim as long as a pod uses it, as it is meant to.
const IN_USE: &str = "kubernetes.io/pvc-protection";

/// The sign on an object that is being deleted.
pub(super) fn symptom(look: &Look<'_>) -> Option<Symptom> {
    let metadata = look.workload.metadata();
    let since = metadata.deletion_timestamp.as_ref()?.0;
    let what = match look.workload.controller {
        Controller::Support(Support::Namespace(namespace)) => left_in(namespace),
        // a pod waits for its processes and its node
        Controller::Pod(_) => return None,
        Controller::Deployment(_)
        | Controller::StatefulSet(_)
        | Controller::DaemonSet(_)
        | Controller::ReplicaSet(_)
        | Controller::CronJob(_)
        | Controller::Job(_)
        | Controller::Support(_) => {
            let finalizers = metadata.finalizers.iter().flatten();
            let held: Vec<_> = finalizers
                .filter(|it| *it != IN_USE)
                .map(String::as_str)
                .collect();
            (!held.is_empty()).then(|| format!("the finalizer {} holds it", held.join(", ")))
        }
    }?;
    look.has_lasted(since, TIME_TO_GO).then(|| {
        let message = format!("is being deleted since {since} and does not go: {what}");
        on_support(Flaw::StuckDeleting, "Terminating", message)
    })
}

/// What the namespace controller says is left in a namespace.
fn left_in(namespace: &Namespace) -> Option<String> {
    let conditions = namespace.status.as_ref()?.conditions.iter().flatten();
    let said = conditions
        .filter(|it| it.status == "True")
        .filter_map(|it| it.message.as_deref())
        .map(str::trim_end);
    let said: Vec<_> = said.collect();
    (!said.is_empty()).then(|| said.join("; "))
}
