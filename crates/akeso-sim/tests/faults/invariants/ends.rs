//! How it stands in the end: no trial pod is left, what was not to be changed is as others left it,
//! and whatever is broken is with somebody.

use std::collections::BTreeSet;

use akeso_core::{
    engine::{ChangeRequest, Incident, State},
    workload::{WorkloadKind, WorkloadRef},
};
use akeso_sim::scenario::unhealthy;
use jiff::SignedDuration;

use super::Run;
use crate::{
    faults::Fault,
    people::{read, trial_pods},
    world::Made,
};

/// What is under way has moved within this time.
const LIVELY: SignedDuration = SignedDuration::from_mins(5);
/// A verification takes no longer, unless it is rolled out pod by pod.
const LONGEST_VERIFICATION: SignedDuration = SignedDuration::from_mins(45);

pub(super) fn broken(run: &Run) -> Vec<String> {
    let mut broken = left_trials(run);
    broken.extend(
        run.world
            .workloads
            .iter()
            .filter_map(|made| changed_by_nobody(run, made)),
    );
    broken.extend(
        run.world
            .workloads
            .iter()
            .filter_map(|made| left_behind(run, made)),
    );
    broken
}

/// Trial pods whose trial is over.
fn left_trials(run: &Run) -> Vec<String> {
    let under_way: BTreeSet<_> = run
        .simulation
        .engine
        .ledger()
        .open()
        .filter_map(|incident| match incident.state {
            State::Acting { attempt }
            | State::Verifying { attempt }
            | State::RollingBack { attempt } => Some(format!("{attempt}-")),
            _ => None,
        })
        .collect();
    let left = trial_pods(&run.simulation.cluster).into_iter();
    left.filter(|(_, _, mark)| !under_way.iter().any(|attempt| mark.starts_with(attempt)))
        .map(|(namespace, name, mark)| {
            format!("the trial pod {namespace}/{name} of {mark} is left over")
        })
        .collect()
}

/// A workload that no accepted change names is as others have left it.
fn changed_by_nobody(run: &Run, made: &Made) -> Option<String> {
    let workload = &made.reference;
    let is_named = run.simulation.cluster.accepted().iter().any(|change| {
        change.workload == *workload && matches!(change.request, ChangeRequest::Patch(_))
    });
    if is_named || run.meddled.contains(workload) {
        return None;
    }
    let left = run.others.left.get(workload)?.as_ref()?;
    let object = read(&run.simulation.cluster, workload)?;
    // the scheduler writes where a pod runs
    let without_node = |spec: &serde_json::Value| {
        let mut spec = spec.clone();
        if let Some(members) = spec.as_object_mut() {
            members.remove("nodeName");
        }
        spec
    };
    let is_same = without_node(left) == without_node(&object["spec"]);
    (!is_same).then(|| format!("{workload} was changed, and no change of it was accepted"))
}

/// A workload that is broken and with nobody.
fn left_behind(run: &Run, made: &Made) -> Option<String> {
    let workload = &made.reference;
    let object = read(&run.simulation.cluster, workload)?;
    let number = |pointer: &str| object.pointer(pointer).and_then(serde_json::Value::as_i64);
    let is_off = number("/spec/replicas") == Some(0);
    if is_off
        || run.world.is_ignored(workload)
        || !object["metadata"]["deletionTimestamp"].is_null()
    {
        return None;
    }
    let is_held_back = object.pointer("/spec/updateStrategy/type") == Some(&"OnDelete".into());
    if is_held_back && number("/status/updatedReplicas") < number("/spec/replicas") {
        return None; // somebody replaces its pods by hand, and has not done so yet
    }
    let why = unhealthy(workload.kind, Some(&object))?;
    let ledger = run.simulation.engine.ledger();
    let incident = ledger.open_incident(workload).and_then(|id| ledger.get(id));
    // a run that takes longer than a minute is replaced by the next, and never fails
    let is_replaced = workload.kind == WorkloadKind::CronJob && made.fault == Fault::LateCrash;
    let Some(incident) = incident else {
        let fault = made.fault;
        let nobody = format!("{workload} ({fault:?}) is with nobody, and {why}");
        return (!is_replaced).then_some(nobody);
    };
    unattended(run, workload, incident).map(|how| {
        format!(
            "{workload} ({:?}) {how}: {:?} since {}, and {why}",
            made.fault, incident.state, incident.updated
        )
    })
}

/// Why a broken workload's incident is as good as none.
fn unattended(run: &Run, workload: &WorkloadRef, incident: &Incident) -> Option<String> {
    let simulation = &run.simulation;
    let (ledger, now) = (simulation.engine.ledger(), simulation.cluster.now());
    let idle = now.duration_since(incident.updated);
    let rules = &run.rules.last().unwrap().1;
    let is_attended = match &incident.state {
        State::Escalated { .. } | State::AwaitingApproval { .. } => true,
        State::Waiting { .. } => {
            let ruling = incident.ruling.as_ref()?;
            let spent = ledger.spent(workload, &rules.settings());
            match ruling.rule.as_str() {
                "freeze" => rules.is_frozen(now),
                "hourly-budget" => {
                    spent.in_namespace.changes.len() >= rules.budget("namespace", "perHour")
                        || spent.in_cluster.changes.len() >= rules.budget("cluster", "perHour")
                }
                "concurrency-budget" => spent.in_cluster.busy > 0,
                "shared-cause" => ledger.shared().next().is_some(),
                _ => false,
            }
        }
        State::Joined { into, .. } => {
            ledger.shared().any(|(id, _)| id == *into)
                || ledger.get(*into).is_some_and(|other| !other.is_closed())
        }
        State::Verifying { .. } => idle < LONGEST_VERIFICATION,
        State::Observed
        | State::Planned { .. }
        | State::Acting { .. }
        | State::RollingBack { .. } => idle < LIVELY,
        State::Closed(_) => false,
    };
    (!is_attended && idle >= LIVELY).then(|| "is left behind".to_owned())
}
