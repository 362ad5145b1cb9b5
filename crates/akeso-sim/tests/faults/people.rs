//! People who work on the same cluster, and answer Akeso, or do what they should not.

use std::collections::BTreeMap;

use akeso_core::{
    act::{PatchOp, TRIAL},
    cluster::{Kind, Object},
    engine::{ChangeRequest, Event, Ledger, Request, State},
    journal::{Fact, Outcome},
    workload::{AttemptId, WorkloadRef},
};
use akeso_sim::{SimCluster, Simulation};
use serde_json::{Value, json};

use crate::{dice::Dice, world::World};

/// The specs of workloads as others than Akeso have left them.
#[derive(Debug, Default)]
pub struct Others {
    pub left: BTreeMap<WorkloadRef, Option<Value>>,
    /// Workloads that were deleted, whatever came after.
    pub deleted: Vec<WorkloadRef>,
}

impl Others {
    /// Notes what somebody has made of a workload just now.
    pub fn note(&mut self, cluster: &SimCluster, workload: &WorkloadRef) {
        let object = read(cluster, workload);
        let spec = object.map(|object| object["spec"].clone());
        self.left.insert(workload.clone(), spec);
    }
}

pub fn read(cluster: &SimCluster, workload: &WorkloadRef) -> Option<Value> {
    cluster.object(workload.kind.as_str(), &workload.namespace, &workload.name)
}

fn replace(cluster: &mut SimCluster, workload: &WorkloadRef, path: &str, value: &Value) {
    let operations = json!([{"op": "add", "path": path, "value": value}]);
    let operations: Vec<PatchOp> = serde_json::from_value(operations).unwrap();
    // what the kind does not have is not changed
    let _: Outcome = cluster.patch(workload, &operations);
}

/// Somebody else works on the same object.
pub fn meddle(dice: &mut Dice, cluster: &mut SimCluster, workload: &WorkloadRef) {
    let number = dice.below(1_000);
    let (path, value) = match dice.below(3) {
        // who scales up what was switched off wants it to run
        0 if workload.name != "scaled-to-zero" => ("/spec/replicas", 1 + number % 3),
        0 | 1 => ("/spec/revisionHistoryLimit", 5 + number % 50),
        _ => ("/spec/minReadySeconds", number % 3),
    };
    replace(cluster, workload, path, &value.into());
}

/// Somebody does something to a workload of a made-up cluster.
pub fn interfere(dice: &mut Dice, simulation: &mut Simulation, world: &World, others: &mut Others) {
    let made = dice.one_of(&world.workloads);
    let workload = &made.reference;
    let cluster = &mut simulation.cluster;
    match dice.below(9) {
        0..=2 => meddle(dice, cluster, workload),
        3 => replace(cluster, workload, "/spec/replicas", &dice.below(5).into()),
        4 | 5 => set_back(dice, cluster, workload),
        6 => {
            others.deleted.push(workload.clone());
            let (kind, namespace) = (workload.kind.as_str(), &workload.namespace);
            cluster.delete(kind, namespace, &workload.name).unwrap();
            if dice.happens(80) {
                // while a pod of that name is still being deleted it is refused
                let again = made.manifests[0].to_string();
                drop(cluster.apply_yaml(namespace, &again));
            }
        }
        7 => delete_trials(cluster),
        _ => {
            let image = json!(dice.one_of(&["nginx:latest", "nginx:1.27", "nginx:latst"]));
            let path = format!("{}/containers/0/image", workload.kind.pod_spec_path());
            replace(cluster, workload, &path, &image);
        }
    }
    others.note(cluster, workload);
}

/// Sets Akeso's last change of a workload back, by putting the spec there that was there before.
fn set_back(dice: &mut Dice, cluster: &mut SimCluster, workload: &WorkloadRef) {
    let mut changes = cluster.accepted().iter().rev();
    let last = changes.find(|it| {
        it.workload == *workload
            && matches!(it.request, ChangeRequest::Patch(_))
            && dice.happens(90)
    });
    let before = last.and_then(|change| change.before.as_ref()?.get("spec").cloned());
    if let Some(before) = before {
        replace(cluster, workload, "/spec", &before);
    }
}

pub fn trial_pods(cluster: &SimCluster) -> Vec<(String, String, String)> {
    let pods = cluster.list(Kind::Pod).into_iter().filter_map(|object| {
        let Object::Pod(pod) = object else {
            return None;
        };
        let metadata = pod.metadata;
        let attempt = metadata.labels?.get(TRIAL)?.clone();
        metadata.deletion_timestamp.is_none().then_some((
            metadata.namespace?,
            metadata.name?,
            attempt,
        ))
    });
    pods.collect()
}

fn delete_trials(cluster: &mut SimCluster) {
    for (namespace, name, _) in trial_pods(cluster) {
        cluster.delete("Pod", &namespace, &name).unwrap();
    }
}

/// Somebody answers Akeso, or tells it to take a change back; sometimes wrongly, twice or late.
pub fn speak(dice: &mut Dice, simulation: &mut Simulation) {
    let asked: Vec<_> = simulation
        .engine
        .ledger()
        .open()
        .filter_map(|incident| match &incident.state {
            State::AwaitingApproval { question } => {
                Some((question.attempt, question.mark(), incident.workload.clone()))
            }
            _ => None,
        })
        .collect();
    let by = "ada".to_owned();
    if dice.happens(10) {
        let attempt = AttemptId(dice.below(12));
        let wrong = Event::Requested(Request::Consent {
            attempt,
            by: by.clone(),
        });
        simulation.say(wrong);
    }
    if dice.happens(25) {
        take_back(dice, simulation);
    }
    if asked.is_empty() {
        return;
    }
    let (attempt, shown, workload) = dice.one_of(&asked).clone();
    match dice.below(10) {
        0..=4 => {
            for _ in 0..=dice.below(2) {
                let by = by.clone();
                simulation.say(Event::Requested(Request::Consent { attempt, by }));
            }
        }
        5 | 6 => simulation.say(Event::Requested(Request::Decline { attempt, by })),
        7 => mark(simulation, &workload, "akeso.dev/approve", &shown),
        8 => mark(simulation, &workload, "akeso.dev/reject", &shown),
        _ => {}
    }
}

fn mark(simulation: &mut Simulation, workload: &WorkloadRef, key: &str, value: &str) {
    let _: Outcome = simulation.cluster.annotate(workload, key, value);
}

/// Somebody wants one of the changes taken back, whichever it is.
fn take_back(dice: &mut Dice, simulation: &mut Simulation) {
    let attempts: Vec<_> = simulation
        .journal
        .iter()
        .filter_map(|entry| match &entry.fact {
            Fact::Intended {
                attempt, incident, ..
            } => Some((*incident, *attempt)),
            _ => None,
        })
        .collect();
    if attempts.is_empty() {
        return;
    }
    let (incident, attempt) = *dice.one_of(&attempts);
    let mut ledger = Ledger::default();
    for entry in &simulation.journal {
        ledger.fold(entry);
    }
    let Some(incident) = ledger.get(incident).cloned() else {
        return;
    };
    simulation.say(Event::Requested(Request::TakeBack {
        incident: Box::new(incident),
        attempt,
        by: "ada".to_owned(),
    }));
}
