//! Explaining a workload with answers that a test gives.

use akeso_core::{
    cluster::Cluster,
    diagnose::{Diagnosis, Findings, diagnose},
    evidence::{Answer, Evidence, ListedKind, Objects, Question},
    for_each_listed_kind,
    observe::{Symptom, observe},
    policy::Settings,
    workload::{SupportKind, WorkloadKind, WorkloadRef},
};
use jiff::Timestamp;
use k8s_openapi::api::{
    core::v1::ServiceAccount,
    networking::v1::{IngressClass, NetworkPolicy},
    rbac::v1::{ClusterRole, ClusterRoleBinding, Role, RoleBinding},
    storage::v1::StorageClass,
};
use serde_json::Value;

use crate::world;

pub const NOW: &str = "2026-01-01T12:00:00Z";

/// `shop/web` of a kind that is no workload.
pub fn support(kind: SupportKind) -> WorkloadRef {
    WorkloadRef {
        kind: WorkloadKind::Support(kind),
        namespace: "shop".into(),
        name: "web".into(),
    }
}

/// The diagnoses of a workload among these objects.
pub fn of(
    reference: &WorkloadRef,
    objects: &[Value],
    answer: impl Fn(&Question) -> Answer,
) -> Vec<Diagnosis> {
    of_symptoms(&world::cluster(objects), reference, answer).1
}

/// The symptoms of a workload of this cluster, and their diagnoses.
pub fn of_symptoms(
    cluster: &Cluster,
    reference: &WorkloadRef,
    answer: impl Fn(&Question) -> Answer,
) -> (Vec<Symptom>, Vec<Diagnosis>) {
    let now: Timestamp = NOW.parse().unwrap();
    let workload = cluster.workload(reference).unwrap();
    let symptoms = observe(&workload, now).symptoms;
    let mut evidence = Evidence::default();
    loop {
        match diagnose(&workload, &symptoms, &evidence, &Settings::default(), now) {
            Findings::Diagnosed(found) => return (symptoms, found),
            Findings::Ask(questions) => {
                for question in questions {
                    let answer = answer(&question);
                    evidence.insert(question, answer);
                }
            }
        }
    }
}

macro_rules! per_kind {
    ($($kind:ident => $scope:ident,)*) => {
        fn objects(kind: ListedKind, namespace: &str, all: &[Value]) -> Objects {
            let of_kind = |kind: &'static str| {
                let mut all = all.to_vec();
                all.retain(|it| {
                    it["kind"] == kind && it["metadata"]["namespace"].as_str().unwrap_or("") == namespace
                });
                all
            };
            match kind {
                $(ListedKind::$kind => Objects::$kind(
                    of_kind(stringify!($kind))
                        .into_iter()
                        .map(|it| serde_json::from_value::<$kind>(it).unwrap())
                        .collect(),
                ),)*
            }
        }
    };
}
for_each_listed_kind!(per_kind);

/// What is answered of these objects, if objects are asked for. Where one is of the kind
/// `unknown`, nothing may be read.
pub fn listed(question: &Question, all: &[Value]) -> Option<Answer> {
    let Question::Objects { kind, namespace } = question else {
        return None;
    };
    if all.iter().any(|it| it["kind"] == "unknown") {
        let why = "forbidden".to_owned();
        return Some(Answer::Unknown { why });
    }
    Some(Answer::Objects(objects(*kind, namespace, all)))
}
