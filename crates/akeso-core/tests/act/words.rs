//! What an action says of itself, and the command that does the same by hand.

use akeso_core::act::{
    Action, ActionKind, AddPullSecret, Change, EnvValue, FixClaim, FixImageName, FixIngress,
    FixNodeSelector, FixService, Found, GrantAccess, RestartPod, RollbackToRevision, diff,
};
use serde_json::json;

use super::corrections::{address, probe, settings};
use super::taking_back::{app, env, memory, requests, variable};
use crate::world;

fn each() -> [Action; 14] {
    [
        Action::FixImageName(FixImageName {
            container: app(),
            from: "nginx:latst".into(),
            to: "nginx:latest".into(),
        }),
        env(vec![
            variable("MODE", EnvValue::Literal("fast".into()), Found::Sibling),
            variable(
                "DB_PASSWORD",
                EnvValue::Literal("hunter2".into()),
                Found::PreviousRevision,
            ),
            variable(
                "API_TOKEN",
                EnvValue::Literal("change-me".into()),
                Found::Nowhere,
            ),
            variable(
                "HOST",
                EnvValue::ConfigMapKey {
                    name: "settings".into(),
                    key: "host".into(),
                },
                Found::Key,
            ),
            variable(
                "PIN",
                EnvValue::SecretKey {
                    name: "keys".into(),
                    key: "pin".into(),
                },
                Found::Key,
            ),
        ]),
        memory(None),
        Action::RestartPod(RestartPod {
            pod: "web-1-abcde".into(),
            uid: "u".into(),
        }),
        Action::RollbackToRevision(RollbackToRevision {
            revision: 4,
            holder: "web-4".into(),
            images: vec!["nginx:1".into(), "envoy:2".into()],
            template: String::new(),
        }),
        settings(None),
        probe(),
        Action::FixNodeSelector(FixNodeSelector {
            label: "disk".into(),
            from: "sdd".into(),
            to: "ssd".into(),
        }),
        Action::FixService(FixService {
            port: None,
            from: json!({"app": "crat"}),
            to: json!({"app": "cart"}),
        }),
        Action::FixIngress(FixIngress {
            port_of: Some("cart".into()),
            from: json!({"number": 8080}),
            to: json!({"number": 80}),
        }),
        Action::FixClaim(FixClaim {
            from: "dta".into(),
            to: "data".into(),
        }),
        Action::AddPullSecret(AddPullSecret {
            secret: "login".into(),
            in_place_of: Some("logn".into()),
        }),
        Action::GrantAccess(GrantAccess {
            account: "bot".into(),
            verb: "patch".into(),
            group: "apps".into(),
            resource: "deployments/scale".into(),
            object: Some("api".into()),
        }),
        requests(),
    ]
}

#[test]
fn each_action_says_what_it_does_and_how_a_person_would_do_it() {
    let expected = [
        (
            "set the image of container app from nginx:latst to nginx:latest",
            "kubectl -n shop set image deployment/web app=nginx:latest",
        ),
        (
            "add to the environment of container app: MODE = fast, DB_PASSWORD = ***, API_TOKEN = change-me, HOST = key host of ConfigMap settings, PIN = key pin of Secret keys",
            "kubectl -n shop set env deployment/web -c app MODE=fast DB_PASSWORD=VALUE API_TOKEN=change-me \
             && kubectl -n shop set env deployment/web -c app --from=configmap/settings --keys=host \
             && kubectl -n shop set env deployment/web -c app --from=secret/keys --keys=pin",
        ),
        (
            "raise the memory limit of container app from 128Mi to 256Mi",
            "kubectl -n shop set resources deployment/web -c app --limits=memory=256Mi",
        ),
        (
            "have pod web-1-abcde made anew",
            "kubectl -n shop delete pod web-1-abcde",
        ),
        (
            "put back revision 4 (nginx:1, envoy:2)",
            "kubectl -n shop rollout undo deployment/web --to-revision=4",
        ),
        (
            "refer to the ConfigMap settings in place of setings, which does not exist",
            "kubectl -n shop edit deployment/web  # the ConfigMap settings in place of setings",
        ),
        (
            "have the livenessProbe of container app, and what else of its probes asks port 8081, ask 8080",
            "kubectl -n shop edit deployment/web  # the port of the livenessProbe of container app, and of each that asks the same: 8080 in place of 8081",
        ),
        (
            "have the node selector ask for disk=ssd in place of sdd",
            "kubectl -n shop edit deployment/web  # nodeSelector: disk: ssd in place of sdd",
        ),
        (
            "set the selector from {\"app\":\"crat\"} to {\"app\":\"cart\"}",
            "kubectl -n shop patch deployment/web --type=merge -p '{\"spec\":{\"selector\":{\"app\":\"cart\"}}}'",
        ),
        (
            "set the port of backend cart from 8080 to 80",
            "kubectl -n shop edit deployment/web  # the port of backend cart: 80 in place of 8080",
        ),
        (
            "mount the claim data in place of dta, which does not exist",
            "kubectl -n shop edit deployment/web  # claimName: data in place of dta",
        ),
        (
            "pull with the credentials of Secret login in place of logn, which does not exist",
            "kubectl -n shop edit deployment/web  # imagePullSecrets: login in place of logn",
        ),
        (
            "let ServiceAccount bot patch deployments.apps/scale api in its namespace, by a Role and a RoleBinding",
            "kubectl -n shop create role bot-patch-deployments-apps-scale --verb=patch --resource=deployments.apps/scale --resource-name=api && kubectl -n shop create rolebinding bot-patch-deployments-apps-scale --role=bot-patch-deployments-apps-scale --serviceaccount=shop:bot",
        ),
        (
            "set the cpu request of container app from 64 to 250m, of init container proxy to 10m",
            "kubectl -n shop set resources deployment/web -c app --requests=cpu=250m \
             && kubectl -n shop set resources deployment/web -c proxy --requests=cpu=10m",
        ),
    ];
    for (action, (summary, command)) in each().iter().zip(expected) {
        assert_eq!(action.treatment().summary(), summary);
        assert_eq!(action.treatment().command(&world::web()), command);
    }
    let with_request = memory(Some(200)).treatment().command(&world::web());
    assert!(with_request.ends_with("--limits=memory=256Mi --requests=memory=200Mi"));
    let reference = variable(
        "PIN",
        EnvValue::SecretKey {
            name: "keys".into(),
            key: "pin".into(),
        },
        Found::Key,
    );
    assert_eq!(
        env(vec![reference]).treatment().command(&world::web()),
        "kubectl -n shop set env deployment/web -c app --from=secret/keys --keys=pin"
    );
}

#[test]
fn a_service_and_its_port_are_named_in_what_corrects_them() {
    let summary = |port| address(port).treatment().summary();
    assert_eq!(
        summary(false),
        "refer to the Service database in place of databse, which does not exist"
    );
    assert_eq!(
        summary(true),
        "refer to the port of Service database 5432 in place of 5433, which does not exist"
    );
}

#[test]
fn each_action_has_one_name_everywhere() {
    for (action, kind) in each().iter().zip(ActionKind::ALL) {
        assert_eq!(action.kind(), *kind);
        assert_eq!(action.name(), kind.as_str());
        assert_eq!(kind.to_string(), kind.as_str());
        assert_eq!(json!(action)["action"], kind.as_str());
        assert_eq!(json!(kind), kind.as_str());
    }
    // the article's, and what its memory file calls them
    let names: Vec<_> = ActionKind::ALL.iter().map(|kind| kind.as_str()).collect();
    assert_eq!(
        names[..4],
        [
            "fix_image_name",
            "update_env",
            "increase_memory",
            "restart_pod"
        ]
    );
}

#[test]
fn what_is_a_workloads_own_means_nothing_for_another_workload() {
    for action in each() {
        let is_own = matches!(
            action.kind(),
            ActionKind::RestartPod
                | ActionKind::RollbackToRevision
                | ActionKind::FixService
                | ActionKind::FixIngress
                | ActionKind::FixClaim
                | ActionKind::AddPullSecret
                | ActionKind::GrantAccess
                | ActionKind::SetRequest
                | ActionKind::RerunJob
        );
        assert_eq!(action.treatment().is_transferable(), !is_own, "{action:?}");
    }
}

#[test]
fn what_is_no_patch_is_told_in_a_line_too() {
    let evict = Change::Evict {
        pod: "web-0".into(),
        uid: "u".into(),
    };
    assert_eq!(diff(&evict), ["- pod web-0 (its controller makes it anew)"]);
    let trial = Change::Trial {
        name: "web-trial-1".into(),
        pod: json!({}),
    };
    assert_eq!(
        diff(&trial),
        ["+ pod web-trial-1 (a trial, removed afterwards)"]
    );
    let grant = Change::Grant {
        name: "bot-grant-1".into(),
        role: json!({"rules": [{"apiGroups": [""], "resources": ["pods"], "verbs": ["list"]}]}),
        binding: json!({"subjects": [{"kind": "ServiceAccount", "name": "bot", "namespace": "shop"}]}),
    };
    assert_eq!(
        diff(&grant),
        [
            r#"+ role bot-grant-1: [{"apiGroups":[""],"resources":["pods"],"verbs":["list"]}]"#,
            r#"+ rolebinding bot-grant-1: [{"kind":"ServiceAccount","name":"bot","namespace":"shop"}]"#,
        ]
    );
    let patch = Change::Patch {
        forward: serde_json::from_value(
            json!([{"op": "replace", "path": "/spec/replicas", "value": 3}]),
        )
        .unwrap(),
        inverse: Vec::new(),
    };
    assert_eq!(diff(&patch), ["~ spec.replicas: (another value) -> 3"]);
}
