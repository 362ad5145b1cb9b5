//! What the metrics API tells of what containers use: as much as their behaviour says.

use akeso_core::{
    cluster::is_sidecar,
    evidence::{PodUsage, Usage, Used},
    quantity::Bytes,
};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::{Container, ContainerStatus, Pod};

use crate::world::World;

/// A pod is not told of before metrics-server has looked at it twice
/// (<https://github.com/kubernetes-sigs/metrics-server/blob/master/FAQ.md>).
const TWO_LOOKS: SignedDuration = SignedDuration::from_secs(30);
/// What a program holds of which nothing is said.
const PLAIN: Bytes = Bytes::mebi(4);

/// What the containers of a namespace use; nothing where nobody measures it.
pub(crate) fn usage(world: &World, namespace: &str) -> Option<Usage> {
    if world.behaviours.unmeasured {
        return None;
    }
    let pods = world.store.list::<Pod>(namespace);
    let pods = pods.filter_map(|pod| Some((pod.metadata.name.clone()?, of_pod(world, pod)?)));
    Some(Usage {
        pods: pods.collect(),
    })
}

fn of_pod(world: &World, pod: &Pod) -> Option<PodUsage> {
    let life = world.lives.get(pod.metadata.uid.as_ref()?)?;
    let (spec, status) = (pod.spec.as_ref()?, pod.status.as_ref()?);
    let of = |container: &Container, statuses: &[ContainerStatus]| {
        let status = statuses.iter().find(|it| it.name == container.name)?;
        let age = world.now.duration_since(running_since(status)?);
        let image = container.image.as_deref().unwrap_or_default();
        let behaviour = world.behaviours.of(&life.workload, &container.name, image);
        let used = Used {
            cpu: behaviour.cpu,
            memory: behaviour.memory.map_or(PLAIN, |memory| memory.at(age)),
        };
        (age >= TWO_LOOKS).then(|| (container.name.clone(), used))
    };
    let statuses = status.container_statuses.as_deref().unwrap_or_default();
    let of_init = status
        .init_container_statuses
        .as_deref()
        .unwrap_or_default();
    let main = spec.containers.iter().map(|it| of(it, statuses));
    let init = spec.init_containers.iter().flatten();
    let sidecars = init.filter(|it| is_sidecar(it));
    let sidecars = sidecars.map(|it| of(it, of_init));
    Some(PodUsage {
        at: world.stamp().0,
        // it tells of a pod as a whole, or not at all
        containers: main.chain(sidecars).collect::<Option<_>>()?,
    })
}

fn running_since(status: &ContainerStatus) -> Option<Timestamp> {
    let running = status.state.as_ref()?.running.as_ref()?;
    Some(running.started_at.as_ref()?.0)
}
