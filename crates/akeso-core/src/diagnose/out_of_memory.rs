//! Fault `out-of-memory`: the kernel killed a container that reached its memory limit.

use std::collections::BTreeSet;

use super::{Diagnosis, Examination, Family, Fault, Remedy};
use crate::{
    act::{Action, IncreaseMemory},
    cluster::{Key, is_ready},
    evidence::{Answer, Bounds, Question},
    observe::{CRASH_MEMORY, Crash, Sign, Symptom},
    plan::{Advice, Origin, Proof, Step, memory},
    quantity::Bytes,
};
use k8s_openapi::api::core::v1::Container;

/// The same program with a limit that was raised so often, and killed again, is not helped by more.
const RAISED_IN_VAIN: usize = 2;

pub(super) const FAULT: Fault = Fault {
    name: "out-of-memory",
    family: Family::Resources,
    signs: "the kernel has killed the container at its memory limit (`OOMKilled`)",
    does: "raises the limit in few steps, within node, quota, LimitRange and ceiling",
    never: "raises it without a bound, again when two raises were in vain, while its node is short of memory, or where an autoscaler owns it",
    diagnose,
};

fn diagnose(examination: &Examination<'_>, symptom: &Symptom) -> Option<Diagnosis> {
    let Sign::OutOfMemory(crash) = &symptom.sign else {
        return None;
    };
    let container = examination.container(symptom)?;
    let reference = symptom.container.clone()?;
    let limit = match (
        memory(container, Which::Limit),
        limit_of_pod(examination, symptom),
    ) {
        (Some(limit), Some(of_pod)) if limit == of_pod => limit,
        (Some(limit), None) => limit,
        (_, Some(of_pod)) => {
            let why = "a LimitRange, a VerticalPodAutoscaler or a webhook sets the limit: it is theirs to raise";
            let advice = Advice {
                why: why.to_owned(),
                command: examination.describe(symptom),
            };
            let says =
                format!("was killed at a memory limit of {of_pod} that is not the workload's own");
            return Some(examination.diagnosis(&FAULT, symptom, says, 90, Remedy::Person(advice)));
        }
        (None, None) => {
            let why =
                "the container has no memory limit, so it was its node that ran out of memory";
            let advice = Advice {
                why: why.to_owned(),
                command: "kubectl top nodes".to_owned(),
            };
            let says = "was killed for its memory, though it has no limit";
            return Some(examination.diagnosis(&FAULT, symptom, says, 70, Remedy::Person(advice)));
        }
    };
    let says = format!("was killed at its memory limit of {limit}{}", after(crash));
    if crash.restarts <= 1
        && crash
            .lifetime
            .is_some_and(|lifetime| lifetime > CRASH_MEMORY)
    {
        let remedy = Remedy::Wait {
            why: "it ran well for long before: one kill alone is no pattern".to_owned(),
        };
        return Some(examination.diagnosis(&FAULT, symptom, says, 60, remedy));
    }
    if let Some(node) = short_of_memory(examination, symptom) {
        let says = format!("{says}, while its node {node} is short of memory");
        let why = "more memory for one program would take it from the others of the node";
        let advice = Advice {
            why: why.to_owned(),
            command: format!("kubectl describe node {node}"),
        };
        return Some(examination.diagnosis(&FAULT, symptom, says, 80, Remedy::Person(advice)));
    }
    let raised = raised_from(examination, symptom, limit);
    if raised.len() >= RAISED_IN_VAIN {
        let from: Vec<_> = raised.iter().map(ToString::to_string).collect();
        let says = format!(
            "{says}, though its limit was raised from {} before: it leaks, or its need has no bound",
            from.join(" and ")
        );
        let why = "the program must be made to give memory back; a higher limit only makes the next kill come later";
        let command = format!(
            "kubectl -n {} top pod --containers",
            examination.workload.reference.namespace
        );
        let advice = Advice {
            why: why.to_owned(),
            command,
        };
        return Some(examination.diagnosis(&FAULT, symptom, says, 85, Remedy::Person(advice)));
    }
    let Answer::Bounds(bounds) = examination.ask(Question::Bounds)? else {
        let why = "the LimitRanges and ResourceQuotas of the namespace cannot be read, so nothing bounds the limit";
        let command = format!(
            "kubectl -n {} get limitranges,resourcequotas",
            examination.workload.reference.namespace
        );
        let remedy = Remedy::Person(Advice {
            why: why.to_owned(),
            command,
        });
        return Some(examination.diagnosis(&FAULT, symptom, says, 90, remedy));
    };
    let bounds = bounds.for_each_of(examination.workload.desired(), limit);
    let node = memory::largest_node(examination.workload.cluster());
    let (most, bound) = memory::most(
        limit,
        bounds,
        node,
        examination.settings.policy.ceilings.memory,
    );
    let known = limits_of_similar(examination, container);
    let mut from = limit;
    let steps: Vec<_> = memory::growth(limit, &known, most)
        .into_iter()
        .map(|to| {
            let request = request_for(container, limit, to, bounds);
            let action = Action::IncreaseMemory(IncreaseMemory {
                container: reference.clone(),
                from,
                to,
                request,
            });
            from = to;
            let reasoning = if known.contains(&to) {
                format!("similar pods run well with {to}")
            } else {
                format!("killed at {limit}; {to} is within {bound} ({most})")
            };
            Step {
                action,
                reasoning,
                origin: Origin::Playbook,
                proof: Proof::Bounded,
            }
        })
        .collect();
    let why = format!(
        "{bound} ({most}) leaves no room for more memory, or more did not help: the program may leak"
    );
    let advice = Advice {
        why,
        command: format!(
            "kubectl -n {} top pod --containers",
            examination.workload.reference.namespace
        ),
    };
    let remedy = if steps.is_empty() {
        Remedy::Person(advice)
    } else {
        Remedy::Steps {
            steps,
            otherwise: advice,
        }
    };
    let evidence = format!(
        "exit code {}, {} restart(s)",
        crash.exit_code, crash.restarts
    );
    Some(
        examination
            .diagnosis(&FAULT, symptom, says, 95, remedy)
            .with_evidence([evidence]),
    )
}

/// The smaller limits that the same program had in earlier revisions.
fn raised_from(examination: &Examination<'_>, symptom: &Symptom, limit: Bytes) -> BTreeSet<Bytes> {
    let (Some(now), Some(reference)) = (examination.container(symptom), symptom.container.as_ref())
    else {
        return BTreeSet::new();
    };
    let earlier = examination.workload.earlier_templates();
    let earlier = earlier.into_iter().filter_map(|template| {
        let (_, before) = crate::cluster::find_container(template.spec.as_ref()?, reference)?;
        let is_same =
            before.image == now.image && before.command == now.command && before.args == now.args;
        memory(before, Which::Limit).filter(|before| is_same && *before < limit)
    });
    earlier.collect()
}

/// The pod's node, if it has no memory left for anybody.
fn short_of_memory(examination: &Examination<'_>, symptom: &Symptom) -> Option<String> {
    let mut pods = examination.workload.pods.iter();
    let pod = pods.find(|pod| pod.metadata.name == symptom.pod)?;
    let name = pod.spec.as_ref()?.node_name.as_ref()?;
    let nodes = &examination.workload.cluster().nodes;
    let status = nodes.get(&Key::new("", name))?.status.as_ref()?;
    let mut conditions = status.conditions.iter().flatten();
    let is_short = conditions.any(|it| it.type_ == "MemoryPressure" && it.status == "True");
    is_short.then(|| name.clone())
}

/// The limit that the killed container really had.
pub(super) fn limit_of_pod(examination: &Examination<'_>, symptom: &Symptom) -> Option<Bytes> {
    let mut pods = examination.workload.pods.iter();
    let pod = pods.find(|pod| pod.metadata.name == symptom.pod)?;
    let (_, container) =
        crate::cluster::find_container(pod.spec.as_ref()?, symptom.container.as_ref()?)?;
    memory(container, Which::Limit)
}

fn after(crash: &Crash) -> String {
    crash
        .lifetime
        .map(|lifetime| format!(" after {} s", lifetime.as_secs()))
        .unwrap_or_default()
}

#[derive(Clone, Copy)]
pub(super) enum Which {
    Limit,
    Request,
}

pub(super) fn memory(container: &Container, which: Which) -> Option<Bytes> {
    let resources = container.resources.as_ref()?;
    let list = match which {
        Which::Limit => resources.limits.as_ref()?,
        Which::Request => resources.requests.as_ref()?,
    };
    Bytes::parse(&list.get("memory")?.0).ok()
}

/// The request is kept. Where none is written the old limit was the request, and stays it; where
/// a LimitRange bounds the ratio of limit to request, the request follows.
pub(super) fn request_for(
    container: &Container,
    old_limit: Bytes,
    new_limit: Bytes,
    bounds: Bounds,
) -> Option<Bytes> {
    let written = memory(container, Which::Request);
    let kept = written.unwrap_or(old_limit);
    let least = bounds
        .max_limit_to_request
        .filter(|ratio| *ratio > 0)
        .map(|ratio| Bytes::new(new_limit.get().saturating_mul(1_000).div_ceil(ratio)));
    let wanted = least.map_or(kept, |least| least.max(kept));
    (written != Some(wanted)).then_some(wanted)
}

/// The limits with which containers of the same image and command run well.
fn limits_of_similar(examination: &Examination<'_>, container: &Container) -> Vec<Bytes> {
    let cluster = examination.workload.cluster();
    let here = &examination.workload.reference;
    let mut limits: Vec<_> = cluster
        .roots()
        .into_iter()
        .filter(|other| other.namespace == here.namespace && other != here)
        .filter_map(|other| cluster.workload(&other))
        .filter(|other| {
            !other.pods.is_empty()
                && other
                    .pods
                    .iter()
                    .all(|pod| is_ready(pod) && never_restarted(pod))
        })
        .filter_map(|other| other.pod_spec())
        .flat_map(|spec| &spec.containers)
        .filter(|other| {
            other.image == container.image
                && other.command == container.command
                && other.args == container.args
        })
        .filter_map(|other| memory(other, Which::Limit))
        .collect();
    limits.sort_unstable();
    limits.dedup();
    limits
}

fn never_restarted(pod: &k8s_openapi::api::core::v1::Pod) -> bool {
    let statuses = pod
        .status
        .as_ref()
        .and_then(|status| status.container_statuses.as_ref());
    statuses
        .into_iter()
        .flatten()
        .all(|status| status.restart_count == 0)
}
