//! The kubelet: it runs the containers of the pods that are bound to its node.

mod backoff;
mod container;
mod environment;
mod eviction;
mod probes;
mod process;
mod shown;
mod status;
mod usage;
mod volumes;

use std::collections::BTreeMap;

use akeso_core::{
    cluster::{Key, is_ready, is_sidecar, selects},
    evidence::Life,
};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::{Pod, Service};

use crate::{
    agenda::Work,
    api_server::may,
    behaviour::Needs,
    nodes,
    warnings::say,
    world::{World, later},
};
use container::{ContainerLife, RestartPolicy, Setting};
pub(crate) use environment::docker_configs;
pub(crate) use status::set_condition;
pub(crate) use usage::usage;

/// From the binding of a pod until its first container can be started.
const SANDBOX: SignedDuration = SignedDuration::from_millis(400);
/// From the end of the last process until the pod is gone.
const CLEAN_UP: SignedDuration = SignedDuration::from_millis(500);

/// What the kubelet knows of one pod.
#[derive(Debug)]
pub(crate) struct PodLife {
    /// The name of the pod's root owner, by which behaviours are found.
    workload: String,
    ip: String,
    /// When its volumes are mounted and its sandbox is made, or tried again.
    sandbox_at: Timestamp,
    has_sandbox: bool,
    failed_mounts: u32,
    /// When it is gone, if it is being deleted.
    gone_at: Option<Timestamp>,
    /// Init containers first, in the order in which they are started.
    containers: Vec<(Role, ContainerLife)>,
}

/// Which list of the spec a container is from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    Init,
    Main,
}

impl PodLife {
    fn new(world: &World, pod: &Pod) -> Self {
        let spec = pod.spec.clone().unwrap_or_default();
        let init = spec.init_containers.unwrap_or_default();
        let reason = if init.is_empty() {
            "ContainerCreating"
        } else {
            "PodInitializing"
        };
        let mut containers = Vec::new();
        for (index, container) in init.iter().enumerate() {
            let reason = if index == 0 {
                "ContainerCreating"
            } else {
                "PodInitializing"
            };
            let mut life = ContainerLife::new(container, reason);
            life.is_init = true;
            life.is_sidecar = is_sidecar(container);
            containers.push((Role::Init, life));
        }
        containers.extend(
            spec.containers
                .iter()
                .map(|c| (Role::Main, ContainerLife::new(c, reason))),
        );
        let number = world.lives.len();
        Self {
            workload: world.root_name(&pod.metadata),
            ip: format!("10.244.{}.{}", number / 250, number % 250 + 2),
            sandbox_at: world.after(SANDBOX),
            has_sandbox: false,
            failed_mounts: 0,
            gone_at: None,
            containers,
        }
    }

    fn main(&self) -> impl Iterator<Item = &ContainerLife> {
        self.containers
            .iter()
            .filter(|(role, _)| *role == Role::Main)
            .map(|(_, life)| life)
    }

    fn sidecars(&self) -> impl Iterator<Item = &ContainerLife> {
        self.containers
            .iter()
            .map(|(_, life)| life)
            .filter(|life| life.is_sidecar)
    }

    fn init(&self) -> impl Iterator<Item = &ContainerLife> {
        self.containers
            .iter()
            .filter(|(role, _)| *role == Role::Init)
            .map(|(_, life)| life)
    }

    /// Whether every init container has done its work, and every sidecar runs.
    fn is_initialized(&self) -> bool {
        self.init().all(ContainerLife::lets_next_start)
    }

    /// Whether an init container has failed for good.
    fn has_failed_init(&self) -> bool {
        self.init()
            .filter_map(ContainerLife::final_code)
            .any(|code| code != 0)
    }

    /// What a container logged.
    fn log(&self, container: &str, life: Life) -> Option<&[String]> {
        let (_, found) = self
            .containers
            .iter()
            .find(|(_, life)| life.name == container)?;
        match life {
            Life::Current => found.log(),
            Life::Previous => found.previous_log(),
        }
    }
}

fn is_over(pod: &Pod) -> bool {
    let phase = pod
        .status
        .as_ref()
        .and_then(|status| status.phase.as_deref());
    matches!(phase, Some("Succeeded" | "Failed"))
}

/// Looks at a pod: starts, restarts or ends its containers and tells the API server how it is.
pub(crate) fn sync(world: &mut World, key: &Key) {
    let Some(pod) = world.store.get::<Pod>(key).cloned() else {
        return;
    };
    let Some(uid) = pod.metadata.uid.clone() else {
        return;
    };
    if pod
        .spec
        .as_ref()
        .is_none_or(|spec| spec.node_name.is_none())
    {
        return;
    }
    if nodes::is_unknown(world, &pod) {
        nodes::clear_away(world, key, &pod);
        return;
    }
    if nodes::is_lost(world, &pod) {
        return; // it is looked at again when its node is back
    }
    let mut life = world
        .lives
        .remove(&uid)
        .unwrap_or_else(|| PodLife::new(world, &pod));
    if pod.metadata.deletion_timestamp.is_some() {
        end(world, key, &pod, &mut life);
        world.lives.insert(uid, life);
        return;
    }
    if is_over(&pod) {
        world.lives.insert(uid, life);
        return;
    }
    let sayings = run(world, &pod, &mut life);
    let status = status::status(&pod, &life, &world.stamp());
    if let Some(evicted) = eviction::look(world, &pod, &life, &status) {
        world.lives.insert(uid, life);
        say::<Pod>(world, &pod.metadata, evicted.saying());
        world.put(evicted.pod(pod));
        world.wake_unscheduled();
        return;
    }
    for (_, container) in life
        .containers
        .iter()
        .filter(|(_, container)| container.shown.pulled)
    {
        world.registry.keep(&container.image);
    }
    let next = life
        .containers
        .iter()
        .filter_map(|(_, container)| container.next_at())
        .min();
    let next = if world.now < life.sandbox_at {
        Some(life.sandbox_at)
    } else {
        next
    };
    if let Some(at) = next {
        world
            .agenda
            .add(Work::Kubelet(key.clone()), at.max(world.now));
    }
    world.lives.insert(uid, life);
    for saying in sayings {
        say::<Pod>(world, &pod.metadata, saying);
    }
    world.put(Pod {
        status: Some(status),
        ..pod
    });
}

/// Has each container live until now, and starts those whose turn has come.
fn run(world: &World, pod: &Pod, life: &mut PodLife) -> Vec<crate::warnings::Saying> {
    let mut sayings = Vec::new();
    if world.now < life.sandbox_at {
        return sayings;
    }
    if !life.has_sandbox {
        let failed = volumes::failed(&world.store, pod);
        if !failed.is_empty() {
            life.failed_mounts += 1;
            life.sandbox_at = world.after(backoff::next_mount(life.failed_mounts));
            return failed;
        }
        life.has_sandbox = true;
    }
    let spec = pod.spec.clone().unwrap_or_default();
    let containers = spec
        .init_containers
        .iter()
        .flatten()
        .chain(&spec.containers);
    let credentials = environment::credentials(&world.store, pod);
    let [namespace, name, uid] = [
        &pod.metadata.namespace,
        &pod.metadata.name,
        &pod.metadata.uid,
    ]
    .map(|part| part.as_deref().unwrap_or_default());
    let mut may_start = true;
    let ip = life.ip.clone();
    let grace = spec.termination_grace_period_seconds.unwrap_or(30);
    for (container, (role, life_of)) in containers.zip(&mut life.containers) {
        let restarts = match (spec.restart_policy.as_deref(), *role) {
            _ if is_sidecar(container) => RestartPolicy::Always,
            (Some("Never"), _) => RestartPolicy::Never,
            // an init container that has done its work is not run again
            (Some("OnFailure"), _) | (_, Role::Init) => RestartPolicy::OnFailure,
            (_, Role::Main) => RestartPolicy::Always,
        };
        let image = container.image.as_deref().unwrap_or_default();
        let mut behaviour = world.behaviours.of(&life.workload, &container.name, image);
        let variables = environment::environment(&world.store, pod, container);
        let account = spec.service_account_name.as_deref().unwrap_or("default");
        let is_there = |needs: &Needs| {
            let service = needs.service.as_ref();
            let right = needs.right.as_ref();
            let none = BTreeMap::new();
            let variables = variables.as_ref().unwrap_or(&none);
            let service = service.map(|it| process::expanded(it, variables));
            service.is_none_or(|service| answers(world, namespace, &service))
                && right.is_none_or(|right| may(&world.store, namespace, account, right))
                && needs.memory <= process::memory_limit(container)
        };
        behaviour.needs = behaviour.needs.filter(|needs| !is_there(needs));
        let setting = Setting {
            container,
            behaviour,
            variables,
            registry: &world.registry,
            credentials: credentials.clone(),
            restarts,
            pod: format!("{name}_{namespace}({uid})"),
            name,
            ip: &ip,
            grace: SignedDuration::from_secs(grace),
        };
        if life_of.image != image {
            life_of.change_image(&setting, world.now);
        }
        if may_start && life_of.is_idle() {
            life_of.begin(&setting, world.now);
        }
        sayings.extend(life_of.live(&setting, world.now));
        if *role == Role::Init {
            may_start &= life_of.lets_next_start();
        }
    }
    sayings
}

/// Whether a pod of a Service is ready, and the Service has the port, if one is named (`db:5432`).
fn answers(world: &World, namespace: &str, service: &str) -> bool {
    let (name, port) = service.split_once(':').unzip();
    let service = world
        .store
        .get::<Service>(&Key::new(namespace, name.unwrap_or(service)));
    let has_port = |service: &Service| {
        let spec = service.spec.as_ref();
        let mut ports = spec.iter().flat_map(|spec| spec.ports.iter().flatten());
        port.is_none_or(|wanted| ports.any(|port| port.port.to_string() == wanted))
    };
    service.filter(|it| has_port(it)).is_some_and(|service| {
        let mut pods = world.store.list::<Pod>(namespace);
        pods.any(|pod| selects(service, pod) && is_ready(pod))
    })
}

/// Ends a pod that is being deleted: its processes get their grace period.
fn end(world: &mut World, key: &Key, pod: &Pod, life: &mut PodLife) {
    let runs = life
        .containers
        .iter()
        .any(|(_, container)| container.has_process());
    let grace = pod
        .metadata
        .deletion_grace_period_seconds
        .filter(|_| runs)
        .unwrap_or(0);
    let gone_at = *life
        .gone_at
        .get_or_insert_with(|| later(world.after(SignedDuration::from_secs(grace)), CLEAN_UP));
    if world.now >= gone_at {
        world.remove::<Pod>(key);
    } else {
        world.agenda.add(Work::Kubelet(key.clone()), gone_at);
    }
}

/// What a container of a pod logged, or why nobody can tell, in the API server's words.
pub(crate) fn logs(
    world: &World,
    namespace: &str,
    pod: &str,
    container: &str,
    life: Life,
) -> Result<String, String> {
    let Some(found) = world.store.get::<Pod>(&Key::new(namespace, pod)) else {
        return Err(format!("pods \"{pod}\" not found"));
    };
    let known = found
        .metadata
        .uid
        .as_ref()
        .and_then(|uid| world.lives.get(uid));
    match (known.and_then(|known| known.log(container, life)), life) {
        (Some(lines), _) => Ok(lines[lines.len().saturating_sub(200)..].join("\n")),
        (None, Life::Previous) => Err(format!(
            "previous terminated container \"{container}\" in pod \"{pod}\" not found"
        )),
        (None, Life::Current) => Err(format!(
            "container \"{container}\" in pod \"{pod}\" is waiting to start"
        )),
    }
}

#[cfg(test)]
mod tests;
