//! Kubernetes Events on the workload, so that `kubectl describe` tells what Akeso did.

use akeso_core::{engine::Announcement, workload::WorkloadRef};
use k8s_openapi::api::core::v1::ObjectReference;
use kube::{
    Client,
    runtime::events::{Event, EventType, Recorder, Reporter},
};

/// In bytes; the API server takes no note of more than 1024
/// (<https://kubernetes.io/docs/reference/kubernetes-api/cluster-resources/event-v1/>).
const LONGEST_NOTE: usize = 1_000;

#[derive(Clone)]
pub(crate) struct Announcer {
    recorder: Recorder,
}

impl Announcer {
    pub(crate) fn new(client: Client) -> Self {
        let reporter = Reporter {
            controller: "akeso".to_owned(),
            instance: None,
        };
        Self {
            recorder: Recorder::new(client, reporter),
        }
    }

    /// Publishes an Event. That it cannot be published stops nothing.
    pub(crate) async fn announce(
        &self,
        workload: &WorkloadRef,
        uid: Option<String>,
        reason: Announcement,
        note: &str,
    ) {
        let event = Event {
            type_: match reason {
                Announcement::Remediating | Announcement::Remediated => EventType::Normal,
                Announcement::RolledBack | Announcement::NeedsAttention => EventType::Warning,
            },
            reason: format!("{reason:?}"),
            note: Some(note[..note.floor_char_boundary(LONGEST_NOTE)].to_owned()),
            action: format!("{reason:?}"),
            secondary: None,
        };
        let about = ObjectReference {
            api_version: Some(workload.kind.api_version().to_owned()),
            kind: Some(workload.kind.as_str().to_owned()),
            namespace: Some(workload.namespace.clone()),
            name: Some(workload.name.clone()),
            uid,
            ..ObjectReference::default()
        };
        if let Err(error) = self.recorder.publish(&event, &about).await {
            tracing::warn!(%workload, ?reason, %error, "an event could not be published");
        }
    }
}
