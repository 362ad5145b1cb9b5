//! What may be wrong with a made-up workload.

use akeso_core::workload::WorkloadKind;
use serde_json::{Value, json};

use crate::dice::Dice;

/// What is wrong with a workload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    None,
    /// A typo in the tag, of which the registry knows what was meant.
    TagTypo,
    RepositoryTypo,
    /// An image that is no typo of anything.
    NoSuchImage,
    MissingVariable,
    MissingCredential,
    /// Killed for its memory; a larger limit helps.
    OutOfMemory,
    /// No limit is large enough.
    MemoryNever,
    /// Dies at once, and says nothing that explains it.
    UnknownCrash,
    /// Dies only so long after each start.
    LateCrash,
    /// Reads a ConfigMap that several share and nobody has made.
    MissingMap,
    /// An image that does not exist and, behind it, a missing variable.
    TwoFaults,
    /// Dies once and is well after that.
    Once,
    SlowStart,
    /// A second revision that dies at once.
    BadRevision,
    /// A second revision with a typo in its image.
    BadImage,
    /// A second revision that has lost a variable.
    LostVariable,
}

/// The container of a made-up workload.
#[derive(Debug, Clone)]
pub struct Container {
    image: &'static str,
    variables: Vec<(&'static str, &'static str)>,
    reads_map: bool,
    memory: Option<&'static str>,
}

impl Container {
    pub fn manifest(&self) -> Value {
        let variables: Vec<_> = self
            .variables
            .iter()
            .map(|(name, value)| json!({"name": name, "value": value}))
            .collect();
        let mut container = json!({"name": "app", "image": self.image, "resources": {"requests": {"cpu": "10m", "memory": "16Mi"}}});
        if !variables.is_empty() {
            container["env"] = variables.into();
        }
        if self.reads_map {
            container["envFrom"] = json!([{"configMapRef": {"name": "settings"}}]);
        }
        if let Some(limit) = self.memory {
            container["resources"]["limits"] = json!({"memory": limit});
        }
        container
    }
}

impl Fault {
    pub fn thrown(dice: &mut Dice, kind: WorkloadKind) -> Self {
        if dice.happens(30) {
            return Self::None;
        }
        let any = [
            Self::TagTypo,
            Self::TagTypo,
            Self::RepositoryTypo,
            Self::NoSuchImage,
            Self::MissingVariable,
            Self::MissingVariable,
            Self::MissingCredential,
            Self::OutOfMemory,
            Self::OutOfMemory,
            Self::MemoryNever,
            Self::UnknownCrash,
            Self::LateCrash,
            Self::MissingMap,
            Self::TwoFaults,
            Self::Once,
            Self::SlowStart,
        ];
        let of_revisions = [Self::BadRevision, Self::BadImage, Self::LostVariable];
        let has_revisions = match kind {
            WorkloadKind::Deployment | WorkloadKind::StatefulSet | WorkloadKind::DaemonSet => true,
            WorkloadKind::ReplicaSet
            | WorkloadKind::CronJob
            | WorkloadKind::Job
            | WorkloadKind::Pod
            | WorkloadKind::Support(_) => false,
        };
        if has_revisions && dice.happens(30) {
            *dice.one_of(&of_revisions)
        } else {
            *dice.one_of(&any)
        }
    }

    /// The container as it is applied first.
    pub fn container(self, dice: &mut Dice, _: WorkloadKind, _: &str) -> Container {
        let image = match self {
            Self::TagTypo | Self::TwoFaults => "nginx:latst",
            Self::RepositoryTypo => "alpin:3.18",
            Self::NoSuchImage => "nginx:9.99",
            Self::None
            | Self::MissingVariable
            | Self::MissingCredential
            | Self::OutOfMemory
            | Self::MemoryNever
            | Self::UnknownCrash
            | Self::LateCrash
            | Self::MissingMap
            | Self::Once
            | Self::SlowStart
            | Self::BadRevision
            | Self::BadImage
            | Self::LostVariable => dice.one_of(&["busybox:latest", "nginx:1.27", "redis:7"]),
        };
        let memory = match self {
            Self::OutOfMemory => Some(*dice.one_of(&["64Mi", "128Mi"])),
            Self::MemoryNever => Some("128Mi"),
            _ => None,
        };
        let mut variables = Vec::new();
        if dice.happens(20) {
            variables.push(("MODE", "plain"));
        }
        if self == Self::LostVariable {
            variables.push(("DB_HOST", "db.example"));
        }
        Container {
            image,
            variables,
            reads_map: self == Self::MissingMap,
            memory,
        }
    }

    /// The container of the second revision.
    pub fn second(self, first: &Container) -> Option<Container> {
        let mut second = first.clone();
        match self {
            Self::BadRevision => second.image = "busybox:1.36",
            Self::BadImage => second.image = "nginx:latst",
            Self::LostVariable => second.variables.retain(|(name, _)| *name != "DB_HOST"),
            _ => return None,
        }
        Some(second)
    }

    /// How its container behaves, as `behaviour.yaml` has it.
    pub fn behaviour(self, dice: &mut Dice, kind: WorkloadKind, name: &str) -> Value {
        let key = format!("{name}/app");
        let ends = match kind {
            WorkloadKind::Job | WorkloadKind::CronJob => {
                Some(json!({"after": "2s", "code": 0, "log": ["done"]}))
            }
            WorkloadKind::Deployment
            | WorkloadKind::StatefulSet
            | WorkloadKind::DaemonSet
            | WorkloadKind::ReplicaSet
            | WorkloadKind::Pod
            | WorkloadKind::Support(_) => None,
        };
        let mut usual = match self {
            Self::MissingVariable | Self::TwoFaults | Self::LostVariable => {
                json!({"requires": ["DB_HOST"], "missing": {"log": ["ERROR: DB_HOST is not set"], "exit": 1}})
            }
            Self::MissingCredential => {
                json!({"requires": ["DB_PASSWORD"], "missing": {"log": ["ERROR: DB_PASSWORD is not set"], "exit": 1}})
            }
            Self::OutOfMemory => {
                let peak = dice.one_of(&["150Mi", "300Mi", "700Mi"]);
                json!({"memory": {"start": "10Mi", "step": "10Mi", "every": "500ms", "peak": peak}})
            }
            Self::MemoryNever => {
                json!({"memory": {"start": "100Mi", "step": "1Gi", "every": "1s", "peak": "100Gi"}})
            }
            Self::UnknownCrash => {
                json!({"exits": {"after": "1s", "code": 3, "log": ["flux at 7"]}})
            }
            Self::LateCrash => {
                let after = format!("{}s", 20 + dice.below(40));
                json!({"exits": {"after": after, "code": 3, "log": ["lost the plot"]}})
            }
            Self::Once => json!({"exits": {"after": "1s", "code": 1, "times": 1}}),
            Self::SlowStart => json!({"ready_after": "25s"}),
            Self::None
            | Self::TagTypo
            | Self::RepositoryTypo
            | Self::NoSuchImage
            | Self::MissingMap
            | Self::BadRevision
            | Self::BadImage => json!({}),
        };
        if let (Some(ends), true) = (ends, usual.get("exits").is_none()) {
            usual["exits"] = ends;
        }
        let mut all = json!({});
        all[&key] = usual;
        if self == Self::BadRevision {
            all[format!("{key}@busybox:1.36")] =
                json!({"exits": {"after": "0s", "code": 1, "log": ["starting"]}});
        }
        all
    }
}
