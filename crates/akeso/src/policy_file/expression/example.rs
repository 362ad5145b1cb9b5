//! An example of the facts of every action, on which expressions are tried when they are read.

use akeso_core::{
    act::{
        Action, ActionKind, AddPullSecret, EnvValue, ExtendProbe, FixClaim, FixImageName,
        FixIngress, FixNodeSelector, FixProbe, FixReference, FixService, Found, GrantAccess,
        IncreaseMemory, Referred, Requested, RerunJob, Resource, RestartPod, RollbackToRevision,
        SetRequest, UpdateEnv, Variable,
    },
    observe::Probe,
    quantity::Bytes,
    workload::{ContainerRef, ContainerRole},
};
use serde_json::{Value, json};

/// The facts of a step with this action, in the form of
/// [`gate::facts`](akeso_core::gate::facts).
pub fn example(kind: ActionKind) -> Value {
    let action = example_action(kind);
    let mut members = json!(action);
    if let Some(members) = members.as_object_mut() {
        members.insert("name".to_owned(), action.name().into());
        members.remove("action");
    }
    json!({
        "workload": {
            "kind": "Deployment", "name": "web", "labels": {}, "annotations": {}, "replicas": 2,
        },
        "namespace": {"name": "shop", "labels": {}},
        "action": members,
        "step": {"origin": "playbook", "proof": "confirmed"},
        "now": "2026-11-23T12:00:00Z",
    })
}

fn example_action(kind: ActionKind) -> Action {
    let container = ContainerRef {
        name: "web".to_owned(),
        role: ContainerRole::Main,
    };
    match kind {
        ActionKind::FixImageName => Action::FixImageName(FixImageName {
            container,
            from: "ngnix".to_owned(),
            to: "nginx".to_owned(),
        }),
        ActionKind::UpdateEnv => Action::UpdateEnv(UpdateEnv {
            container,
            variables: vec![Variable {
                name: "PORT".to_owned(),
                value: EnvValue::Literal("8080".to_owned()),
                found: Found::Sibling,
                source: "Deployment api has it".to_owned(),
            }],
        }),
        ActionKind::IncreaseMemory => Action::IncreaseMemory(IncreaseMemory {
            container,
            from: Bytes::mebi(128),
            to: Bytes::mebi(256),
            request: Some(Bytes::mebi(128)),
        }),
        ActionKind::RestartPod => Action::RestartPod(RestartPod {
            pod: "web-0".to_owned(),
            uid: "uid".to_owned(),
        }),
        ActionKind::RollbackToRevision => Action::RollbackToRevision(RollbackToRevision {
            revision: 3,
            holder: "web-5d9".to_owned(),
            images: vec!["nginx:1.27".to_owned()],
            template: "hash".to_owned(),
        }),
        ActionKind::FixReference => Action::FixReference(FixReference {
            object: Referred::ConfigMap,
            key_of: None,
            from: "setings".to_owned(),
            to: "settings".to_owned(),
        }),
        ActionKind::FixProbe => Action::FixProbe(FixProbe {
            container,
            probe: Probe::Readiness,
            from: json!(8081),
            to: 8080,
        }),
        ActionKind::FixNodeSelector => Action::FixNodeSelector(FixNodeSelector {
            label: "disk".to_owned(),
            from: "sdd".to_owned(),
            to: "ssd".to_owned(),
        }),
        ActionKind::FixService => Action::FixService(FixService {
            port: Some(80),
            from: json!("htpp"),
            to: json!("http"),
        }),
        ActionKind::FixIngress => Action::FixIngress(FixIngress {
            port_of: None,
            from: json!("crat"),
            to: json!("cart"),
        }),
        ActionKind::FixClaim => Action::FixClaim(FixClaim {
            from: "dta".to_owned(),
            to: "data".to_owned(),
        }),
        ActionKind::AddPullSecret => Action::AddPullSecret(AddPullSecret {
            secret: "registry-login".to_owned(),
            in_place_of: None,
        }),
        ActionKind::GrantAccess => Action::GrantAccess(GrantAccess {
            account: "web".to_owned(),
            verb: "list".to_owned(),
            group: String::new(),
            resource: "configmaps".to_owned(),
            object: None,
        }),
        ActionKind::RerunJob => Action::RerunJob(RerunJob {
            uid: "6f1c7f0e-0000-4000-8000-000000000001".to_owned(),
            has_started: true,
        }),
        ActionKind::ExtendProbe => Action::ExtendProbe(ExtendProbe {
            container,
            from: 15,
            to: 300,
        }),
        ActionKind::SetRequest => Action::SetRequest(SetRequest {
            resource: Resource::Cpu,
            requests: vec![Requested {
                container,
                from: Some("64".to_owned()),
                to: "250m".to_owned(),
            }],
        }),
    }
}
