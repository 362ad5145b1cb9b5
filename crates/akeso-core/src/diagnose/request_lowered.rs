//! The remedy for a request that fits on no node, where the workload's own pods show that less is
//! enough: the request that the last good revision has for the same program, or what the pods that
//! are ready were measured to use.

use k8s_openapi::api::core::v1::{Container, Pod};

use super::{
    Examination, Remedy,
    measured::{bounds, with_requests, within},
    placement::Placement,
    requests::{allocatable, amount, of_pod, request},
    undo,
};
use crate::{
    act::{Action, Requested, Resource, SetRequest},
    cluster::{Controller, find_container, is_ready},
    evidence::{Answer, Bounds},
    observe::{PENDING_LONG, Symptom, unscaled::usage_in},
    plan::{
        Advice, Origin, Proof, Step,
        requests::{peaks, request as sized},
    },
    workload::{ContainerRef, ContainerRole},
};

/// What may be done about it.
enum Lowered {
    /// Nothing is justified.
    No,
    /// Nothing, for nobody measures what the pods use.
    Unmeasured(String),
    /// Nothing, for what was measured does not say how much is enough, and this is why.
    Unclear(String),
    /// This step.
    By(Step),
}

/// A container that requests more than it needs to, as far as somebody knows.
struct Large<'a> {
    container: ContainerRef,
    spec: &'a Container,
    asks: u64,
}

/// What the pods that are ready justify. Nothing at all if an answer has not come yet.
fn lowered(
    examination: &Examination<'_>,
    place: &Placement<'_>,
    resource: Resource,
) -> Option<Lowered> {
    if let Some(step) = by_history(examination, place, resource) {
        return Some(Lowered::By(step));
    }
    by_use(examination, place, resource)
}

/// Whether a node that the pod may go to is large enough for it with these requests.
fn fits(examination: &Examination<'_>, place: &Placement<'_>, set: &SetRequest) -> bool {
    let resource = set.resource.as_str();
    let nodes = place.tolerated();
    let most = nodes
        .filter_map(|node| allocatable(node, resource))
        .max_by_key(|(most, _)| *most);
    let spec = with_requests(examination, set.resource, &set.requests);
    let total = spec.map(|spec| of_pod(&spec, resource));
    total
        .zip(most)
        .is_some_and(|(total, (most, _))| total <= most)
}

fn step_of(set: SetRequest, reasoning: String, proof: Proof) -> Step {
    Step {
        action: Action::SetRequest(set),
        reasoning,
        origin: Origin::Playbook,
        proof,
    }
}

/// The containers of the template that request some of a resource.
fn asking<'a>(examination: &Examination<'a>, resource: Resource) -> Vec<Large<'a>> {
    let spec = examination.workload.pod_spec();
    let containers = spec.into_iter().flat_map(|spec| &spec.containers);
    let asking = containers.filter_map(|spec| {
        let quantity = request(spec, resource.as_str())?;
        Some(Large {
            container: ContainerRef {
                name: spec.name.clone(),
                role: ContainerRole::Main,
            },
            spec,
            asks: amount(resource.as_str(), quantity)?,
        })
    });
    asking.filter(|it| it.asks > 0).collect()
}

/// The request as it is written: a limit counts as one, but is none.
fn written(container: &Container, resource: Resource) -> Option<String> {
    let requests = container.resources.as_ref()?.requests.as_ref()?;
    Some(requests.get(resource.as_str())?.0.clone())
}

fn is_same_program(one: &Container, other: &Container) -> bool {
    one.image == other.image && one.command == other.command && one.args == other.args
}

/// Each request that is larger than in the last good revision gets back what it was there, where
/// the same program is ready with it.
fn by_history(
    examination: &Examination<'_>,
    place: &Placement<'_>,
    resource: Resource,
) -> Option<Step> {
    undo::step(examination)?; // it is proven, and no pod of the new one is well
    let good = examination.workload.last_good_revision()?;
    let spec = good.template.spec.as_ref()?;
    let mut requests = Vec::new();
    for large in asking(examination, resource) {
        let Some((_, before)) = find_container(spec, &large.container) else {
            continue;
        };
        let was = request(before, resource.as_str());
        let was = was.and_then(|it| Some((it, amount(resource.as_str(), it)?)));
        let Some((quantity, was)) = was.filter(|(_, was)| *was < large.asks) else {
            continue;
        };
        let limit = within(large.spec, resource, Bounds::default()).limit;
        let is_within = limit.is_none_or(|limit| was <= limit);
        if !is_within || !is_same_program(before, large.spec) {
            return None;
        }
        requests.push(Requested {
            from: written(large.spec, resource),
            container: large.container,
            to: quantity.0.clone(),
        });
    }
    let reasoning = format!(
        "revision {} works with the same program and this request: {}",
        good.number, good.good
    );
    let set = SetRequest { resource, requests };
    (!set.requests.is_empty() && fits(examination, place, &set))
        .then(|| step_of(set, reasoning, Proof::Confirmed))
}

/// Each request that is more than twice what the same program was measured to use is brought down
/// to that.
fn by_use(
    examination: &Examination<'_>,
    place: &Placement<'_>,
    resource: Resource,
) -> Option<Lowered> {
    let asking = asking(examination, resource);
    let pods = same_program(examination, &asking);
    if pods.is_empty() {
        return Some(Lowered::No);
    }
    let usage = match examination.ask(usage_in(examination.workload))? {
        Answer::Usage(usage) => usage,
        Answer::Unknown { why } => return Some(Lowered::Unmeasured(why.clone())),
        Answer::Logs(_)
        | Answer::Image(_)
        | Answer::Keys(_)
        | Answer::Bounds(_)
        | Answer::Certificate(_)
        | Answer::Objects(_) => return Some(Lowered::No),
    };
    let names: Vec<_> = asking.iter().map(|it| it.container.name.as_str()).collect();
    let peaks = match peaks(usage, &pods, &names, resource) {
        Ok(peaks) => peaks,
        Err(why) => return Some(Lowered::Unclear(why)),
    };
    let bounds = bounds(examination)?;
    let used: Vec<_> = asking
        .iter()
        .zip(&peaks)
        .map(|(it, peak)| {
            format!(
                "{} uses {resource} {}",
                it.container,
                resource.quantity(*peak)
            )
        })
        .collect();
    let used = used.join(", ");
    let set = SetRequest {
        resource,
        requests: smaller(asking, &peaks, resource, bounds),
    };
    if set.requests.is_empty() || !fits(examination, place, &set) {
        let why = format!("{used}, and twice of that is no smaller request that fits a node");
        return Some(Lowered::Unclear(why));
    }
    let reasoning = format!(
        "{used} at the most, measured on {} pod(s) that had been ready for five minutes; the request is twice that",
        pods.len()
    );
    Some(Lowered::By(step_of(set, reasoning, Proof::Bounded)))
}

fn smaller(
    asking: Vec<Large<'_>>,
    peaks: &[u64],
    resource: Resource,
    bounds: Bounds,
) -> Vec<Requested> {
    let smaller = asking.into_iter().zip(peaks).filter_map(|(large, peak)| {
        let to = sized(resource, *peak, within(large.spec, resource, bounds))?;
        (to < large.asks).then(|| Requested {
            from: written(large.spec, resource),
            container: large.container,
            to: resource.quantity(to),
        })
    });
    smaller.collect()
}

/// The pods that are ready and run the same program in these containers, of whatever revision.
fn same_program<'a>(examination: &Examination<'a>, asking: &[Large<'a>]) -> Vec<&'a Pod> {
    let workload = examination.workload;
    let good = workload.last_good_revision();
    let is_same = good.as_ref().is_some_and(|good| {
        let spec = good.template.spec.as_ref();
        asking.iter().all(|it| {
            let before = spec.and_then(|spec| find_container(spec, &it.container));
            before.is_some_and(|(_, before)| is_same_program(before, it.spec))
        })
    });
    // of a revision before the last good one, nobody knows what it runs
    let is_of_good = |pod: &Pod| {
        asking.iter().all(|it| {
            let spec = pod.spec.as_ref();
            let found = spec.and_then(|spec| find_container(spec, &it.container));
            found.is_some_and(|(_, found)| found.image == it.spec.image)
        })
    };
    let current = workload.pods.iter().filter(|pod| is_ready(pod));
    let old = workload.old_pods.iter();
    let old = old.filter(|pod| is_same && is_ready(pod) && is_of_good(pod));
    current.chain(old).copied().collect()
}

/// The remedy with what is justified. A Deployment's rollout has its deadline to get its pods: until
/// then, and where the request is all that it has changed, it is undone or not as any other.
pub(super) fn remedy(
    examination: &Examination<'_>,
    place: &Placement<'_>,
    symptom: &Symptom,
    resource: &str,
    remedy: Remedy,
) -> Option<Remedy> {
    let Some(resource) = Resource::named(resource) else {
        return Some(remedy);
    };
    let is_rolled_out = match examination.workload.controller {
        Controller::Deployment(_) => undo::step(examination).is_some(),
        Controller::StatefulSet(_) => false,
        Controller::DaemonSet(_)
        | Controller::ReplicaSet(_)
        | Controller::CronJob(_)
        | Controller::Job(_)
        | Controller::Pod(_)
        | Controller::Support(_) => return Some(remedy),
    };
    Some(match remedy {
        Remedy::Wait { .. } => remedy,
        Remedy::Steps { otherwise, steps } => {
            let alone = by_history(examination, place, resource);
            let alone = alone.filter(|step| is_more_changed(examination, step));
            let steps = alone.map_or(steps, |step| vec![step]);
            Remedy::Steps { steps, otherwise }
        }
        Remedy::Person(_) if is_rolled_out => remedy,
        Remedy::Person(otherwise) => match lowered(examination, place, resource)? {
            Lowered::By(_) | Lowered::Unclear(_) if symptom.status != PENDING_LONG => {
                Remedy::Wait {
                    why: "a node that is large enough may be added within five minutes".to_owned(),
                }
            }
            Lowered::By(step) => Remedy::Steps {
                steps: vec![step],
                otherwise,
            },
            Lowered::Unmeasured(why) | Lowered::Unclear(why) => {
                let why = format!(
                    "{}; what its pods use does not say how much is enough: {why}",
                    otherwise.why
                );
                Remedy::Person(Advice { why, ..otherwise })
            }
            Lowered::No => Remedy::Person(otherwise),
        },
    })
}

/// Whether the rollout has changed more than what a step gives back: the rest of it is kept.
fn is_more_changed(examination: &Examination<'_>, step: &Step) -> bool {
    let Action::SetRequest(set) = &step.action else {
        return false;
    };
    let spec = with_requests(examination, set.resource, &set.requests);
    let good = examination.workload.last_good_revision();
    good.is_some_and(|good| good.template.spec != spec)
}
