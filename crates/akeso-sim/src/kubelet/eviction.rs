//! Evictions for what a pod writes
//! (<https://kubernetes.io/docs/concepts/scheduling-eviction/node-pressure-eviction/>).

use akeso_core::{cluster::Key, quantity::Bytes};
use jiff::SignedDuration;
use k8s_openapi::{
    api::core::v1::{
        ContainerState, ContainerStateTerminated, Pod, PodCondition, PodSpec, PodStatus,
    },
    apimachinery::pkg::apis::meta::v1::Time,
};

use super::{PodLife, set_condition};
use crate::{agenda::Work, store::key_of, warnings::Saying, world::World};

/// The kubelet looks at what is used this often.
const EVERY: SignedDuration = SignedDuration::from_secs(10);

/// A pod that is evicted.
pub(super) struct Evicted {
    message: String,
    status: PodStatus,
    now: Time,
}

/// Looks at what a pod's containers have written by now, and whether that is more than they may.
pub(super) fn look(
    world: &mut World,
    pod: &Pod,
    life: &PodLife,
    status: &PodStatus,
) -> Option<Evicted> {
    let spec = pod.spec.as_ref()?;
    let limit = limit(spec)?;
    let runs_for = |name: &str| {
        let mut statuses = status.container_statuses.iter().flatten();
        let running = statuses.find(|it| it.name == name)?.state.as_ref()?;
        let since = running.running.as_ref()?.started_at.as_ref()?.0;
        Some(world.now.duration_since(since))
    };
    let written = spec.containers.iter().filter_map(|container| {
        let image = container.image.as_deref().unwrap_or_default();
        let behaviour = world.behaviours.of(&life.workload, &container.name, image);
        Some((behaviour.disk?.get(), runs_for(&container.name)?))
    });
    let (bytes, times): (Vec<_>, Vec<_>) = written.unzip();
    if bytes.iter().sum::<u64>() <= limit.get() {
        return None;
    }
    let running = *times.iter().min()?;
    if running < EVERY {
        let key: Key = key_of(&pod.metadata);
        world.wake(Work::Kubelet(key), EVERY);
        return None;
    }
    let message = format!(
        "Pod ephemeral local storage usage exceeds the total limit of containers {limit}. "
    );
    Some(Evicted {
        message,
        status: status.clone(),
        now: world.stamp(),
    })
}

/// The limits of the containers together; nothing unless each has one.
fn limit(spec: &PodSpec) -> Option<Bytes> {
    let limits = spec.containers.iter().map(|container| {
        let limits = container.resources.as_ref()?.limits.as_ref()?;
        Bytes::parse(&limits.get("ephemeral-storage")?.0).ok()
    });
    let limits: Option<Vec<_>> = limits.collect();
    Some(Bytes::new(limits?.into_iter().map(Bytes::get).sum()))
}

impl Evicted {
    /// What the kubelet says of it.
    pub(super) fn saying(&self) -> Saying {
        Saying::warning("Evicted", self.message.clone(), "kubelet")
    }

    /// The pod as it is left.
    pub(super) fn pod(self, pod: Pod) -> Pod {
        let Self {
            message,
            mut status,
            now,
        } = self;
        for container in status.container_statuses.iter_mut().flatten() {
            let state = container.state.take().and_then(|state| state.running);
            container.state = Some(ContainerState {
                terminated: Some(ContainerStateTerminated {
                    exit_code: 137,
                    reason: Some("Error".to_owned()),
                    started_at: state.and_then(|running| running.started_at),
                    finished_at: Some(now.clone()),
                    ..ContainerStateTerminated::default()
                }),
                ..ContainerState::default()
            });
            container.ready = false;
            container.started = Some(false);
        }
        for type_ in ["Ready", "ContainersReady"] {
            let condition = PodCondition {
                type_: type_.to_owned(),
                status: "False".to_owned(),
                reason: Some("PodFailed".to_owned()),
                ..PodCondition::default()
            };
            set_condition(status.conditions.get_or_insert_default(), condition, &now);
        }
        status.phase = Some("Failed".to_owned());
        status.reason = Some("Evicted".to_owned());
        status.message = Some(message);
        Pod {
            status: Some(status),
            ..pod
        }
    }
}
