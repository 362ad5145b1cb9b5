//! Made-up clusters: namespaces with workloads of all kinds, some healthy, some broken.

use akeso_core::workload::{WorkloadKind, WorkloadRef};
use akeso_sim::SimCluster;
use serde_json::{Map, Value, json};

use crate::{
    dice::Dice,
    faults::{Container, Fault},
};

/// A made-up cluster.
#[derive(Debug, Clone)]
pub struct World {
    pub namespaces: Vec<Place>,
    pub workloads: Vec<Made>,
}

/// A namespace.
#[derive(Debug, Clone)]
pub struct Place {
    pub name: String,
    /// Its label `akeso.dev/autonomy`.
    pub level: Option<&'static str>,
    pub is_ignored: bool,
    /// How many pods its quota allows.
    pub quota: Option<u64>,
}

/// A workload, and what came with it.
#[derive(Debug, Clone)]
pub struct Made {
    pub reference: WorkloadRef,
    pub fault: Fault,
    /// Everything that is applied at first: the workload itself comes first.
    pub manifests: Vec<Value>,
    /// A second revision, applied when the first has had time to become well.
    pub then: Option<Value>,
    pub behaviour: Value,
    pub marks: Marks,
}

/// What is special about a workload.
#[derive(Debug, Clone, Copy, Default)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each stands on the object by itself"
)]
pub struct Marks {
    pub is_ignored: bool,
    pub is_reconciled: bool,
    pub is_owned: bool,
    pub scales_by_memory: bool,
}

const NAMES: [&str; 4] = ["shop", "team-a", "team-b", "billing"];
const KINDS: [WorkloadKind; 10] = [
    WorkloadKind::Deployment,
    WorkloadKind::Deployment,
    WorkloadKind::Deployment,
    WorkloadKind::Deployment,
    WorkloadKind::Deployment,
    WorkloadKind::StatefulSet,
    WorkloadKind::DaemonSet,
    WorkloadKind::Job,
    WorkloadKind::CronJob,
    WorkloadKind::Pod,
];

impl World {
    /// A cluster as the dice fall.
    pub fn thrown(dice: &mut Dice) -> Self {
        let mut namespaces = vec![place(dice, (*dice.clone().one_of(&NAMES)).to_owned())];
        for name in NAMES {
            if dice.happens(20) && namespaces.iter().all(|place| place.name != name) {
                namespaces.push(place(dice, name.to_owned()));
            }
        }
        if dice.happens(10) {
            namespaces.push(place(dice, "kube-system".to_owned()));
        }
        let count = 1 + dice.below(*dice.clone().one_of(&[2, 5, 12]));
        let workloads = (0..count)
            .map(|number| {
                let place = dice.one_of(&namespaces).name.clone();
                made(dice, &place, number)
            })
            .collect();
        Self {
            namespaces,
            workloads,
        }
    }

    pub fn place(&self, name: &str) -> Option<&Place> {
        self.namespaces.iter().find(|place| place.name == name)
    }

    pub fn made(&self, workload: &WorkloadRef) -> Option<&Made> {
        self.workloads.iter().find(|it| it.reference == *workload)
    }

    /// Whether nothing at all may be done to a workload, by its own or its namespace's mark.
    pub fn is_ignored(&self, workload: &WorkloadRef) -> bool {
        self.made(workload).is_some_and(|it| it.marks.is_ignored)
            || self
                .place(&workload.namespace)
                .is_some_and(|place| place.is_ignored)
    }

    /// Says how the containers behave.
    pub fn behave(&self, cluster: &mut SimCluster) {
        let all: Map<_, _> = self
            .workloads
            .iter()
            .flat_map(|it| it.behaviour.as_object().unwrap().clone())
            .collect();
        let behaviours = json!({"containers": all}).to_string();
        cluster.behave_yaml(&behaviours).unwrap();
    }

    pub fn make_namespaces(&self, cluster: &mut SimCluster) {
        for place in &self.namespaces {
            let mut labels = json!({});
            if let Some(level) = place.level {
                labels["akeso.dev/autonomy"] = level.into();
            }
            let annotations = if place.is_ignored {
                json!({"akeso.dev/ignore": "true"})
            } else {
                json!({})
            };
            let manifest = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {
                "name": place.name, "labels": labels, "annotations": annotations}});
            cluster
                .apply_yaml(&place.name, &manifest.to_string())
                .unwrap();
            if let Some(pods) = place.quota {
                let quota = json!({"apiVersion": "v1", "kind": "ResourceQuota",
                    "metadata": {"name": "small"}, "spec": {"hard": {"pods": pods.to_string()}}});
                cluster.apply_yaml(&place.name, &quota.to_string()).unwrap();
            }
        }
    }
}

fn place(dice: &mut Dice, name: String) -> Place {
    Place {
        name,
        level: dice
            .happens(15)
            .then(|| *dice.one_of(&["observe", "cautious", "standard", "full"])),
        is_ignored: dice.happens(4),
        quota: dice.happens(7).then(|| 2 + dice.below(8)),
    }
}

fn made(dice: &mut Dice, namespace: &str, number: u64) -> Made {
    let kind = *dice.one_of(&KINDS);
    let name = format!("w{number}");
    let fault = Fault::thrown(dice, kind);
    let first = fault.container(dice, kind, &name);
    let marks = Marks {
        is_ignored: dice.happens(5),
        is_reconciled: dice.happens(6),
        is_owned: dice.happens(4),
        scales_by_memory: kind == WorkloadKind::Deployment && dice.happens(6),
    };
    let shape = Shape {
        replicas: 1 + dice.below(5),
        is_alone: dice.happens(12).then(|| dice.below(3)),
        holds_back: dice.happens(4),
    };
    let reference = WorkloadRef {
        kind,
        namespace: namespace.to_owned(),
        name: name.clone(),
    };
    let object = |container: &Container| object(&reference, container, marks, &shape);
    let mut manifests = vec![object(&first)];
    if dice.happens(30) {
        manifests.push(json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": format!("{name}-svc")},
            "spec": {"selector": {"app": name}, "ports": [{"port": 80}]}}));
    }
    if marks.scales_by_memory || dice.happens(4) && kind == WorkloadKind::Deployment {
        let metric = if marks.scales_by_memory {
            "memory"
        } else {
            "cpu"
        };
        manifests.push(json!({"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": {"name": format!("{name}-hpa")},
            "spec": {"maxReplicas": 6, "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": name},
                "metrics": [{"type": "Resource", "resource": {"name": metric, "target": {"type": "Utilization", "averageUtilization": 80}}}]}}));
    }
    Made {
        then: fault.second(&first).map(|second| object(&second)),
        behaviour: fault.behaviour(dice, kind, &name),
        reference,
        fault,
        manifests,
        marks,
    }
}

/// How a workload is laid out.
struct Shape {
    replicas: u64,
    /// Why no second instance may run beside it, if so.
    is_alone: Option<u64>,
    /// Whether somebody replaces its pods by hand.
    holds_back: bool,
}

fn object(workload: &WorkloadRef, container: &Container, marks: Marks, shape: &Shape) -> Value {
    let name = &workload.name;
    let mut metadata = json!({"name": name});
    if marks.is_ignored {
        metadata["annotations"] = json!({"akeso.dev/ignore": "true"});
    } else if marks.is_reconciled {
        metadata["annotations"] =
            json!({"argocd.argoproj.io/tracking-id": format!("site:apps/{name}")});
    }
    if marks.is_owned {
        metadata["ownerReferences"] = json!([{"apiVersion": "example.com/v1", "kind": "Site", "name": "site", "uid": "9", "controller": true}]);
    }
    let mut pod = json!({"terminationGracePeriodSeconds": 1, "containers": [container.manifest()]});
    let labels = json!({"labels": {"app": name}});
    let selector = json!({"matchLabels": {"app": name}});
    match workload.kind {
        WorkloadKind::Deployment => {
            let mut spec = json!({"replicas": shape.replicas, "selector": selector});
            match shape.is_alone {
                Some(0) => spec["strategy"] = json!({"type": "Recreate"}),
                Some(1) => {
                    pod["volumes"] =
                        json!([{"name": "data", "persistentVolumeClaim": {"claimName": "data"}}]);
                }
                Some(_) => {
                    pod["containers"][0]["ports"] =
                        json!([{"containerPort": 80, "hostPort": 8080}]);
                }
                None => {}
            }
            spec["template"] = json!({"metadata": labels, "spec": pod});
            json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": spec})
        }
        WorkloadKind::StatefulSet => {
            let mut spec = json!({"replicas": 1 + shape.replicas % 3, "selector": selector, "serviceName": name,
                "template": {"metadata": labels, "spec": pod}});
            if shape.holds_back {
                spec["updateStrategy"] = json!({"type": "OnDelete"});
            }
            json!({"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": metadata, "spec": spec})
        }
        WorkloadKind::DaemonSet => {
            json!({"apiVersion": "apps/v1", "kind": "DaemonSet", "metadata": metadata,
            "spec": {"selector": selector, "template": {"metadata": labels, "spec": pod}}})
        }
        WorkloadKind::Job => {
            pod["restartPolicy"] = "Never".into();
            json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": metadata,
                "spec": {"backoffLimit": 1, "template": {"metadata": labels, "spec": pod}}})
        }
        WorkloadKind::CronJob => {
            pod["restartPolicy"] = "Never".into();
            json!({"apiVersion": "batch/v1", "kind": "CronJob", "metadata": metadata, "spec": {
                "schedule": "* * * * *", "concurrencyPolicy": "Replace",
                "jobTemplate": {"spec": {"backoffLimit": 0, "template": {"spec": pod}}}}})
        }
        WorkloadKind::ReplicaSet | WorkloadKind::Pod | WorkloadKind::Support(_) => {
            metadata["labels"] = labels["labels"].clone();
            json!({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": pod})
        }
    }
}
