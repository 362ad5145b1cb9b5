//! Which rule of RBAC a refused right is told with.

use akeso_core::{
    act::{Action, GrantAccess},
    diagnose::{Diagnosis, Remedy},
    evidence::Answer,
    plan::{Advice, Proof, Step},
};
use serde_json::{Value, json};

use crate::{explain, world};

const REFUSED: &str = r#"pods is forbidden: User "system:serviceaccount:shop:bot" cannot list resource "pods" in API group "" in the namespace "shop""#;
const LOGS: &str = r#"pods "web-1" is forbidden: User "system:serviceaccount:shop:bot" cannot get resource "pods/log" in API group "" in the namespace "shop""#;
const SCALE: &str = r#"deployments.apps "web" is forbidden: User "system:serviceaccount:shop:bot" cannot patch resource "deployments" in API group "apps" in the namespace "shop""#;
const WIDE: &str = r#"pods is forbidden: User "system:serviceaccount:shop:bot" cannot list resource "pods" in API group "" at the cluster scope"#;

/// Deployment `shop/web`, which runs as this ServiceAccount and crashes with this log, among these
/// objects of kinds that are not watched.
fn crash(account: Option<&str>, log: &str, listed: &[Value]) -> Diagnosis {
    let mut spec = json!({"containers": [{"name": "app", "image": "nginx:1.27"}]});
    spec["serviceAccountName"] = json!(account);
    let objects = [
        world::deployment(&spec),
        world::replica_set(),
        world::pod(&json!([{
            "name": "app", "image": "", "imageID": "", "ready": false, "restartCount": 4,
            "state": {"waiting": {"reason": "CrashLoopBackOff"}},
            "lastState": {"terminated": {"reason": "Error", "exitCode": 1,
                "startedAt": "2026-01-01T11:59:00Z", "finishedAt": "2026-01-01T11:59:10Z"}}
        }])),
    ];
    let mut found = explain::of(&world::web(), &objects, |question| {
        explain::listed(question, listed).unwrap_or_else(|| Answer::Logs(log.to_owned()))
    });
    assert_eq!(found.len(), 1, "{found:?}");
    found.remove(0)
}

fn role(name: &str, rules: &Value) -> Value {
    json!({"kind": "Role", "metadata": {"name": name, "namespace": "shop"}, "rules": rules})
}

fn rule(group: &str, resource: &str, verbs: &Value) -> Value {
    json!([{"apiGroups": [group], "resources": [resource], "verbs": verbs}])
}

fn binding(role: &str, subject: &Value) -> Value {
    json!({"kind": "RoleBinding", "metadata": {"name": "bot", "namespace": "shop"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": role},
        "subjects": [subject]})
}

fn account(namespace: &str, name: &str) -> Value {
    json!({"kind": "ServiceAccount", "name": name, "namespace": namespace})
}

#[test]
fn an_account_that_a_binding_names_without_a_namespace_is_of_its_own() {
    let listed = [
        role("reader", &rule("", "pod", &json!(["list"]))),
        binding("reader", &json!({"kind": "ServiceAccount", "name": "bot"})),
    ];
    let found = crash(Some("bot"), REFUSED, &listed);
    let near = r#"Role shop/reader allows "pod", the resource is "pods""#;
    assert!(found.cause.contains(near), "{}", found.cause);
}

#[test]
fn a_refusal_at_the_end_of_a_long_line_is_read() {
    let prefix = "E0301 10:00:00.000000       1 reflector.go:147] pkg/mod/k8s.io/client-go@v0.29.0/tools/cache/reflector.go:229: Failed to watch *v1.Pod: failed to list *v1.Pod: ";
    let found = crash(Some("bot"), &format!("{prefix}{REFUSED}"), &[]);
    assert_eq!(found.fault, "access-forbidden");
}

#[test]
fn the_rule_that_nearly_gives_a_refused_right_is_named() {
    let bot = account("shop", "bot");
    let bound = |rules: Value| vec![role("reader", &rules), binding("reader", &bot)];
    let list = json!(["get", "list"]);
    let by_name = json!([{"apiGroups": [""], "resources": ["pods"], "verbs": ["list"], "resourceNames": ["web-1"]}]);
    for (log, listed, says) in [
        (
            REFUSED,
            bound(rule("", "pod", &list)),
            r#"; Role shop/reader allows "pod", the resource is "pods""#,
        ),
        (
            REFUSED,
            bound(rule("", "Pods", &list)),
            r#"allows "Pods", the resource is "pods""#,
        ),
        (
            REFUSED,
            bound(rule("", "po", &list)),
            r#"allows "po", the resource is "pods""#,
        ),
        (
            REFUSED,
            bound(rule("v1", "pods", &list)),
            r#"allows "pods" of API group "v1", the resource is of API group """#,
        ),
        (
            SCALE,
            bound(rule("", "deployments", &json!(["patch"]))),
            r#"allows "deployments" of API group "", the resource is of API group "apps""#,
        ),
        (
            SCALE,
            bound(rule("apps", "deployments.apps", &json!(["*"]))),
            r#"allows "deployments.apps", the resource is "deployments""#,
        ),
        (
            REFUSED,
            bound(rule("", "pods", &json!(["get", "watch"]))),
            r#"allows "get", "watch" of "pods", not "list""#,
        ),
        (
            REFUSED,
            bound(by_name),
            r#"for "web-1" only (resourceNames), and who may list needs it for all"#,
        ),
        (
            LOGS,
            bound(rule("", "pods", &list)),
            r#"allows "pods", which does not include "pods/log""#,
        ),
        (
            WIDE,
            bound(rule("", "pods", &list)),
            "Role shop/reader allows it in namespace shop only",
        ),
        (
            REFUSED,
            vec![
                role("reader", &rule("", "pods", &list)),
                binding("raeder", &bot),
            ],
            "RoleBinding shop/bot refers to Role raeder, which does not exist; Role reader does",
        ),
        (
            REFUSED,
            vec![
                role("reader", &rule("", "pods", &list)),
                binding("reader", &account("billing", "bot")),
            ],
            "RoleBinding shop/bot allows it to ServiceAccount billing/bot, not to shop/bot",
        ),
        (
            REFUSED,
            vec![
                role("reader", &rule("", "pods", &list)),
                binding("reader", &json!({"kind": "User", "name": "bot"})),
            ],
            "shop/bot is a ServiceAccount, no User",
        ),
        (
            REFUSED,
            vec![role("reader", &rule("", "pods", &list))],
            "Role shop/reader allows it, and no RoleBinding refers to it",
        ),
    ] {
        let found = crash(Some("bot"), log, &listed);
        assert_eq!(found.fault, "access-forbidden");
        assert!(found.cause.contains(says), "{}", found.cause);
        assert!(matches!(found.remedy, Remedy::Person(_)));
    }
}

#[test]
fn a_pod_that_names_no_service_account_is_told_whose_the_right_is() {
    let log = REFUSED.replace("shop:bot", "shop:default");
    let listed = [
        role("reader", &rule("", "pods", &json!(["list"]))),
        binding("reader", &account("shop", "bot")),
        json!({"kind": "ServiceAccount", "metadata": {"name": "bot", "namespace": "shop"}}),
    ];
    let found = crash(None, &log, &listed);
    let says = "allows it to ServiceAccount shop/bot, and the pod names no serviceAccountName, so it runs as default";
    assert!(found.cause.ends_with(says), "{}", found.cause);
    // it chose `default`: nothing tells that it should have chosen another
    let found = crash(Some("default"), &log, &listed);
    assert!(
        found.cause.ends_with("in namespace shop"),
        "{}",
        found.cause
    );
}

#[test]
fn a_rule_of_something_else_is_not_taken_for_near() {
    let bot = account("shop", "bot");
    let list = json!(["list"]);
    for listed in [
        vec![
            role("reader", &rule("", "podtemplates", &list)),
            binding("reader", &bot),
        ],
        vec![
            role("reader", &rule("", "pod", &json!(["get"]))),
            binding("reader", &bot),
        ],
        vec![
            role("reader", &rule("", "pod", &list)),
            binding("reader", &account("shop", "other")),
        ],
        vec![
            role("reader", &rule("", "pods", &list)),
            binding("reader", &account("shop", "other")),
        ],
        vec![],
    ] {
        let found = crash(Some("bot"), REFUSED, &listed);
        assert!(
            found.cause.ends_with("in namespace shop"),
            "{}",
            found.cause
        );
        let (step, advice) = granting(found.remedy);
        assert!(advice.command.contains("create role"), "{}", advice.command);
        assert_eq!(step.proof, Proof::Bounded);
        assert_eq!(
            step.action,
            Action::GrantAccess(GrantAccess {
                account: "bot".into(),
                verb: "list".into(),
                group: String::new(),
                resource: "pods".into(),
                object: None,
            })
        );
    }
}

/// The one step that gives a right, and what a person is told otherwise.
fn granting(remedy: Remedy) -> (Step, Advice) {
    let Remedy::Steps { steps, otherwise } = remedy else {
        unreachable!("{remedy:?}")
    };
    let [step] = <[Step; 1]>::try_from(steps).unwrap();
    (step, otherwise)
}

#[test]
fn an_object_that_the_refusal_names_is_the_only_one_that_is_meant() {
    let (step, _) = granting(crash(Some("bot"), LOGS, &[]).remedy);
    let Action::GrantAccess(action) = step.action else {
        unreachable!()
    };
    assert_eq!(action.resource, "pods/log");
    assert_eq!(action.object.as_deref(), Some("web-1"));
}

#[test]
fn what_nobody_may_be_given_stays_a_proposal_and_says_why() {
    let refused = |account: &str, verb: &str, resource: &str, place: &str| {
        format!(
            r#"x is forbidden: User "system:serviceaccount:shop:{account}" cannot {verb} resource "{resource}" in API group "" {place}"#
        )
    };
    let here = r#"in the namespace "shop""#;
    for (account, log, why) in [
        (
            Some("bot"),
            refused("bot", "list", "secrets", here),
            "never does: a right to secrets",
        ),
        (
            Some("bot"),
            refused("bot", "create", "pods/exec", here),
            "a right to pods/exec",
        ),
        (
            Some("bot"),
            refused("bot", "create", "pods", here),
            "with any Secret and ServiceAccount",
        ),
        (
            Some("default"),
            refused("default", "list", "pods", here),
            "that names no ServiceAccount",
        ),
        (
            None,
            refused("default", "list", "pods", here),
            "that names no ServiceAccount",
        ),
        (Some("bot"), WIDE.to_owned(), "nothing more"),
        (
            Some("bot"),
            refused("bot", "list", "pods", r#"in the namespace "blog""#),
            "nothing more",
        ),
    ] {
        let Remedy::Person(advice) = crash(account, &log, &[]).remedy else {
            unreachable!("{log}")
        };
        assert!(advice.why.contains(why), "{log}: {}", advice.why);
    }
}

#[test]
fn a_right_that_rbac_gives_by_now_is_not_given_again() {
    let bot = account("shop", "bot");
    let listed = [
        role("reader", &rule("", "pods", &json!(["list"]))),
        binding("reader", &bot),
    ];
    let found = crash(Some("bot"), REFUSED, &listed);
    assert!(matches!(found.remedy, Remedy::Person(_)));
}

#[test]
fn where_roles_may_not_be_read_the_right_is_told_alone() {
    let found = crash(Some("bot"), REFUSED, &[json!({"kind": "unknown"})]);
    assert!(matches!(found.remedy, Remedy::Person(_)), "it may be there");
    assert!(
        found.cause.ends_with("in namespace shop"),
        "{}",
        found.cause
    );
}

#[test]
fn a_token_that_is_not_mounted_is_told_with_the_field_that_keeps_it_away() {
    let quiet = |mounts: Value| {
        json!({"kind": "ServiceAccount", "automountServiceAccountToken": mounts,
        "metadata": {"name": "default", "namespace": "shop"}})
    };
    for log in [
        "open /var/run/secrets/kubernetes.io/serviceaccount/token: no such file or directory",
        "FileNotFoundError: [Errno 2] No such file or directory: '/var/run/secrets/kubernetes.io/serviceaccount/token'",
        "cat: can't open '/var/run/secrets/kubernetes.io/serviceaccount/token': No such file or directory",
    ] {
        let found = crash(None, log, &[quiet(json!(false))]);
        assert_eq!(found.fault, "token-not-mounted", "{log}");
        assert!(found.cause.ends_with("in ServiceAccount shop/default"));
        for listed in [
            vec![quiet(json!(null))],
            vec![quiet(json!(true))],
            vec![],
            vec![json!({"kind": "unknown"})],
        ] {
            assert_eq!(crash(None, log, &listed).fault, "file-not-found");
        }
    }
    let other = "open /etc/app/token: no such file or directory";
    let found = crash(None, other, &[quiet(json!(false))]);
    assert_ne!(found.fault, "token-not-mounted");
}
