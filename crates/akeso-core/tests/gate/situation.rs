//! A step on `shop/web`, and all that the gate is told of it.

use akeso_core::{
    act::{
        Action, Change, EnvValue, FixImageName, FixReference, Found, GrantAccess, IncreaseMemory,
        PatchOp, Referred, Requested, Resource, RestartPod, RollbackToRevision, SetRequest,
        UpdateEnv, Variable,
    },
    cluster::{Cluster, Workload},
    gate::{Consented, Decision, Request, Ruling, Spent, decide},
    plan::{Origin, Proof, Step},
    policy::{Autonomy, Policy, Settings},
    quantity::Bytes,
    workload::{ContainerRef, ContainerRole, WorkloadKind, WorkloadRef},
};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::world;

pub struct Situation {
    pub step: Step,
    pub change: Change,
    pub objects: Vec<Value>,
    pub workload: WorkloadRef,
    pub settings: Settings,
    pub spent: Spent,
    pub shared_cause: Option<&'static str>,
    pub store_failure: Option<&'static str>,
    pub consent: Consented,
}

/// The time at which everything is decided here.
pub fn now() -> Timestamp {
    Timestamp::UNIX_EPOCH + SignedDuration::from_hours(500_000)
}

/// So many minutes ago.
pub fn ago(minutes: i64) -> Timestamp {
    now() - SignedDuration::from_mins(minutes)
}

impl Situation {
    /// A step on a Deployment that nobody minds, at the level `full`.
    pub fn of(action: Action) -> Self {
        Self {
            step: Step {
                action,
                reasoning: String::new(),
                origin: Origin::Playbook,
                proof: Proof::Confirmed,
            },
            change: Change::Patch {
                forward: Vec::new(),
                inverse: Vec::new(),
            },
            objects: vec![world::deployment(
                &json!({"containers": [{"name": "app", "image": "nginx:latst"}]}),
            )],
            workload: world::web(),
            settings: Settings::at(Autonomy::Full),
            spent: Spent::default(),
            shared_cause: None,
            store_failure: None,
            consent: Consented::No,
        }
    }

    pub fn at(mut self, autonomy: Autonomy) -> Self {
        self.settings.policy.autonomy = autonomy;
        self
    }

    pub fn resting_on(mut self, proof: Proof) -> Self {
        self.step.proof = proof;
        self
    }

    pub fn policy(mut self, yaml: &str) -> Self {
        self.settings.policy = serde_saphyr::from_str::<Policy>(yaml).unwrap();
        self
    }

    /// The workload's object is another.
    pub fn on(mut self, object: Value) -> Self {
        self.workload.kind = match object["kind"].as_str().unwrap() {
            "StatefulSet" => WorkloadKind::StatefulSet,
            "DaemonSet" => WorkloadKind::DaemonSet,
            _ => WorkloadKind::Deployment,
        };
        let namespace = object["metadata"]["namespace"].as_str().unwrap();
        namespace.clone_into(&mut self.workload.namespace);
        self.objects[0] = object;
        self
    }

    /// The workload's object is changed.
    pub fn with(self, path: &str, value: Value) -> Self {
        let mut object = self.objects[0].clone();
        put(&mut object, path, value);
        self.on(object)
    }

    /// There is this object too.
    pub fn beside(mut self, object: Value) -> Self {
        self.objects.push(object);
        self
    }

    pub fn writing(mut self, forward: &Value) -> Self {
        self.change = Change::Patch {
            forward: serde_json::from_value::<Vec<PatchOp>>(forward.clone()).unwrap(),
            inverse: Vec::new(),
        };
        self
    }

    pub fn consented(mut self) -> Self {
        self.consent = Consented::Yes;
        self
    }

    pub fn cluster(&self) -> Cluster {
        world::cluster(&self.objects)
    }

    /// What the gate says, and whether it approves.
    pub fn ruling(&self) -> Ruling {
        self.asked(|request| {
            let (ruling, approved) = decide(request);
            assert_eq!(
                approved.map(akeso_core::gate::Approved::into_change),
                (ruling.decision == Decision::Execute).then(|| self.change.clone()),
                "exactly the change is approved, exactly when it is to be executed"
            );
            ruling
        })
    }

    pub fn decision(&self) -> (Decision, String) {
        let ruling = self.ruling();
        (ruling.decision, ruling.rule)
    }

    pub fn asked<T>(&self, ask: impl FnOnce(&Request<'_>) -> T) -> T {
        let cluster = self.cluster();
        let workload = cluster.workload(&self.workload).unwrap();
        ask(&Request {
            step: &self.step,
            change: &self.change,
            workload: &workload,
            settings: &self.settings,
            spent: &self.spent,
            shared_cause: self.shared_cause,
            store_failure: self.store_failure,
            consent: self.consent,
            now: now(),
        })
    }

    pub fn seen<T>(&self, look: impl FnOnce(&Workload<'_>) -> T) -> T {
        self.asked(|request| look(request.workload))
    }
}

/// Puts a value at a JSON pointer, making the objects on the way; `:` stands for `/` in a key.
fn put(object: &mut Value, path: &str, value: Value) {
    let mut at = object;
    for part in path.split('/').skip(1) {
        at = &mut at[part.replace(':', "/")];
    }
    *at = value;
}

pub fn container() -> ContainerRef {
    ContainerRef {
        name: "app".into(),
        role: ContainerRole::Main,
    }
}

pub fn image() -> Action {
    Action::FixImageName(FixImageName {
        container: container(),
        from: "nginx:latst".into(),
        to: "nginx:latest".into(),
    })
}

/// Another name of a Service, or another port of one.
pub fn address(port: bool) -> Action {
    Action::FixReference(FixReference {
        object: Referred::Service,
        key_of: port.then(|| "db".into()),
        from: if port { "5433" } else { "bd" }.into(),
        to: if port { "5432" } else { "db" }.into(),
    })
}

/// The CPU request of `app` is set to 100m.
pub fn request(from: Option<&str>) -> Action {
    Action::SetRequest(SetRequest {
        resource: Resource::Cpu,
        requests: vec![Requested {
            container: ContainerRef {
                name: "app".into(),
                role: ContainerRole::Main,
            },
            from: from.map(str::to_owned),
            to: "100m".into(),
        }],
    })
}

pub fn memory(factor: u64) -> Action {
    let from = Bytes::mebi(128);
    Action::IncreaseMemory(IncreaseMemory {
        container: container(),
        from,
        to: from.times(factor),
        request: None,
    })
}

pub fn env(name: &str, found: Found) -> Action {
    let variable = Variable {
        name: name.into(),
        value: EnvValue::Literal("x".into()),
        source: String::new(),
        found,
    };
    Action::UpdateEnv(UpdateEnv {
        container: container(),
        variables: vec![variable],
    })
}

pub fn undo() -> Action {
    Action::RollbackToRevision(RollbackToRevision {
        revision: 1,
        holder: "web-0".into(),
        images: vec![],
        template: String::new(),
    })
}

pub fn restart() -> Action {
    Action::RestartPod(RestartPod {
        pod: "web-1-abcde".into(),
        uid: "pod-uid".into(),
    })
}

pub fn grant() -> Action {
    Action::GrantAccess(GrantAccess {
        account: "bot".into(),
        verb: "list".into(),
        group: String::new(),
        resource: "pods".into(),
        object: None,
    })
}

/// One of each action, and of what the levels tell apart in it.
pub fn actions() -> Vec<Action> {
    vec![
        image(),
        memory(2),
        memory(4),
        env("MODE", Found::Nowhere),
        env("DB_PASSWORD", Found::Nowhere),
        env("DB_PASSWORD", Found::PreviousRevision),
        undo(),
        restart(),
    ]
}
