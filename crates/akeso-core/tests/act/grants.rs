//! A right for a ServiceAccount: exactly what was refused, and never what leads to more.

use akeso_core::{
    act::{Action, Change, GRANT, GrantAccess, Mark, NotApplicable},
    workload::{AttemptId, WorkloadKind, WorkloadRef},
};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::world;

fn right(verb: &str, group: &str, resource: &str) -> GrantAccess {
    GrantAccess {
        account: "bot".into(),
        verb: verb.into(),
        group: group.into(),
        resource: resource.into(),
        object: None,
    }
}

/// `shop/web`, which runs as this ServiceAccount.
fn web(account: &Value) -> Value {
    world::deployment(
        &json!({"serviceAccountName": account, "containers": [{"name": "app", "image": "nginx"}]}),
    )
}

fn change_of(
    action: &GrantAccess,
    reference: &WorkloadRef,
    objects: &[Value],
) -> Result<Change, NotApplicable> {
    let cluster = world::cluster(objects);
    let workload = cluster.workload(reference).unwrap();
    Action::GrantAccess(action.clone()).change(&workload, AttemptId(7))
}

fn made(action: &GrantAccess) -> Result<Change, NotApplicable> {
    change_of(action, &world::web(), &[web(&json!("bot"))])
}

fn why_not(result: Result<Change, NotApplicable>) -> String {
    match result {
        Err(NotApplicable::Never { why }) => why,
        other => unreachable!("{other:?}"),
    }
}

#[test]
fn a_role_and_a_binding_are_made_for_just_this_right_and_just_this_account() {
    let mut action = right("get", "coordination.k8s.io", "leases");
    action.object = Some("leader".into());
    let Ok(Change::Grant {
        name,
        role,
        binding,
    }) = made(&action)
    else {
        unreachable!()
    };
    assert_eq!(name, "bot-grant-7");
    let metadata = json!({
        "name": "bot-grant-7",
        "namespace": "shop",
        "labels": {"app.kubernetes.io/managed-by": "akeso", GRANT: "attempt-7"},
        "ownerReferences": [{"apiVersion": "apps/v1", "kind": "Deployment", "name": "web",
            "uid": "web-uid", "controller": false, "blockOwnerDeletion": false}],
    });
    assert_eq!(
        role,
        json!({
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": metadata,
            "rules": [{"apiGroups": ["coordination.k8s.io"], "resources": ["leases"],
                "verbs": ["get"], "resourceNames": ["leader"]}],
        })
    );
    assert_eq!(
        binding,
        json!({
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding", "metadata": metadata,
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "bot-grant-7"},
            "subjects": [{"kind": "ServiceAccount", "name": "bot", "namespace": "shop"}],
        })
    );
}

#[test]
fn the_mark_of_the_journal_is_on_both_and_in_their_name() {
    let change = made(&right("list", "", "pods")).unwrap();
    assert_eq!(change.mark(), Some("attempt-7"));
    let change = change.marked(&Mark::from(AttemptId(12)));
    assert_eq!(change.mark(), Some("attempt-12"));
    let Change::Grant {
        name,
        role,
        binding,
    } = change
    else {
        unreachable!()
    };
    assert_eq!(name, "bot-grant-12");
    for object in [&role, &binding] {
        assert_eq!(object["metadata"]["name"], "bot-grant-12");
        assert_eq!(object["metadata"]["labels"][GRANT], "attempt-12");
    }
    assert_eq!(binding["roleRef"]["name"], "bot-grant-12");
}

#[test]
fn what_leads_to_more_rights_is_never_given() {
    for (verb, group, resource) in [
        ("*", "", "pods"),
        ("get", "*", "pods"),
        ("get", "", "*"),
        ("get", "", "*/log"),
        ("get", "", "pods/*"),
        ("get", "", ""),
        ("get", "", "pods/log/more"),
        ("get", "", "pods log"),
        ("escalate", "rbac.authorization.k8s.io", "roles"),
        ("bind", "rbac.authorization.k8s.io", "clusterroles"),
        ("impersonate", "", "serviceaccounts"),
        ("impersonate", "", "users"),
        ("use", "policy", "podsecuritypolicies"),
        ("get", "", "secrets"),
        ("list", "", "secrets"),
        ("create", "", "secrets"),
        ("get", "rbac.authorization.k8s.io", "roles"),
        ("create", "rbac.authorization.k8s.io", "rolebindings"),
        ("get", "rbac.authorization.k8s.io", "anything"),
        ("create", "", "serviceaccounts/token"),
        ("patch", "", "serviceaccounts"),
        ("create", "", "pods/exec"),
        ("get", "", "pods/exec"),
        ("create", "", "pods/attach"),
        ("create", "", "pods/portforward"),
        ("get", "", "pods/proxy"),
        ("get", "", "services/proxy"),
        ("patch", "", "pods/ephemeralcontainers"),
        ("get", "", "nodes"),
        ("get", "", "nodes/proxy"),
        ("get", "metrics.k8s.io", "nodes"),
        ("get", "", "namespaces"),
        ("list", "", "persistentvolumes"),
        (
            "create",
            "certificates.k8s.io",
            "certificatesigningrequests",
        ),
        (
            "patch",
            "admissionregistration.k8s.io",
            "mutatingwebhookconfigurations",
        ),
        ("patch", "example.org", "validatingwebhookconfigurations"),
        ("create", "authentication.k8s.io", "tokenreviews"),
        ("create", "authorization.k8s.io", "subjectaccessreviews"),
        ("patch", "apiregistration.k8s.io", "apiservices"),
        ("patch", "apiextensions.k8s.io", "customresourcedefinitions"),
        ("create", "", "pods"),
        ("patch", "apps", "deployments"),
        ("update", "apps", "statefulsets"),
        ("create", "batch", "jobs"),
        ("patch", "batch", "cronjobs"),
    ] {
        let why = why_not(made(&right(verb, group, resource)));
        assert!(!why.is_empty(), "{verb} {resource}.{group}");
    }
    let mut named = right("get", "", "configmaps");
    for object in ["*", "", "../secrets", "a b", "A"] {
        named.object = Some(object.into());
        assert!(
            why_not(made(&named)).contains("no single resource"),
            "{object}"
        );
    }
    for (verb, group, resource) in [
        ("list", "", "pods"),
        ("get", "", "pods/log"),
        ("delete", "", "pods"),
        ("patch", "apps", "deployments/scale"),
        ("list", "apps", "deployments"),
        ("update", "coordination.k8s.io", "leases"),
        ("create", "", "events"),
        ("watch", "example.org", "widgets"),
    ] {
        assert!(
            made(&right(verb, group, resource)).is_ok(),
            "{verb} {resource}"
        );
    }
}

#[test]
fn an_account_that_others_have_too_or_that_is_not_its_own_is_given_nothing() {
    let list = right("list", "", "pods");
    let other = |namespace: &str, account: &str| {
        let mut other = web(&json!(account));
        for (field, value) in [
            ("name", "api"),
            ("uid", "api-uid"),
            ("namespace", namespace),
        ] {
            other["metadata"][field] = json!(value);
        }
        other["spec"]["replicas"] = json!(0);
        other
    };
    let of = |objects: &[Value]| change_of(&list, &world::web(), objects);
    assert_eq!(
        why_not(of(&[web(&json!("bot")), other("shop", "bot")])),
        "Deployment api runs as ServiceAccount bot as well"
    );
    assert!(of(&[web(&json!("bot")), other("blog", "bot")]).is_ok());
    assert!(of(&[web(&json!("bot")), other("shop", "api")]).is_ok());
    // its own pods have it, those of nobody known too
    let mut pod = world::pod(&json!([]));
    pod["spec"]["serviceAccountName"] = json!("bot");
    let own = [web(&json!("bot")), world::replica_set(), pod.clone()];
    assert!(of(&own).is_ok());
    pod["metadata"]["ownerReferences"] = json!([{"apiVersion": "argoproj.io/v1", "kind": "Workflow",
        "name": "x", "uid": "x", "controller": true}]);
    pod["metadata"]["name"] = json!("x-1");
    let foreign = why_not(of(&[web(&json!("bot")), pod]));
    assert!(
        foreign.contains("x-1 runs as ServiceAccount bot"),
        "{foreign}"
    );
    for account in [json!(null), json!("default"), json!("other")] {
        assert!(why_not(of(&[web(&account)])).contains("ServiceAccount"));
    }
    let shared = GrantAccess {
        account: "default".into(),
        ..list.clone()
    };
    let why = why_not(change_of(&shared, &world::web(), &[web(&json!("default"))]));
    assert!(why.starts_with("every pod of the namespace"), "{why}");
}

#[test]
fn what_does_not_run_for_ever_is_given_nothing() {
    let job = json!({
        "apiVersion": "batch/v1", "kind": "Job",
        "metadata": {"name": "web", "namespace": "shop", "uid": "web-uid"},
        "spec": {"template": {"spec": {"serviceAccountName": "bot", "containers": []}}},
    });
    let reference = WorkloadRef {
        kind: WorkloadKind::Job,
        ..world::web()
    };
    let why = why_not(change_of(&right("list", "", "pods"), &reference, &[job]));
    assert_eq!(why, "a Job is given no right");
}

/// Whether a rule allows a request, as RBAC judges it.
fn allows(rule: &Value, verb: &str, group: &str, resource: &str, object: Option<&str>) -> bool {
    let has = |field: &str, wanted: &str| {
        let all = rule[field].as_array().unwrap();
        all.iter().any(|it| it == "*" || it == wanted)
    };
    let names = rule.get("resourceNames").and_then(Value::as_array);
    let is_named =
        names.is_none_or(|names| object.is_some_and(|object| names.iter().any(|it| it == object)));
    has("verbs", verb) && has("apiGroups", group) && has("resources", resource) && is_named
}

proptest! {
    #[test]
    fn the_role_never_allows_more_than_what_was_refused(
        verb in "(get|list|watch|create|update|patch|delete|deletecollection|bind|\\*)",
        group in "(|apps|batch|\\*|coordination\\.k8s\\.io|rbac\\.authorization\\.k8s\\.io)",
        resource in "(pods|pods/log|pods/exec|secrets|configmaps|leases|nodes|\\*|[a-z]{1,6}(/[a-z*]{1,6})?)",
        object in proptest::option::of("(settings|leader|\\*|[a-z]{0,4})"),
        asked in ("(get|list|watch|create|update|patch|delete)", "(|apps|batch|coordination\\.k8s\\.io)",
            "(pods|pods/log|pods/exec|secrets|configmaps|leases|nodes)", proptest::option::of("(settings|leader)")),
    ) {
        let action = GrantAccess { object: object.clone(), ..right(&verb, &group, &resource) };
        if let Ok(Change::Grant { role, binding, .. }) = made(&action) {
            let rules = role["rules"].as_array().unwrap();
            prop_assert_eq!(rules.len(), 1);
            let (of_verb, of_group, of_resource, of_object) = &asked;
            let is_allowed = allows(&rules[0], of_verb, of_group, of_resource, of_object.as_deref());
            let is_refused = *of_verb == verb && *of_group == group && *of_resource == resource
                && (object.is_none() || *of_object == object);
            prop_assert_eq!(is_allowed, is_refused);
            prop_assert!(!role.to_string().contains('*') && !resource.starts_with("secrets"));
            prop_assert_eq!(binding["subjects"].as_array().unwrap().len(), 1);
            prop_assert_eq!(&binding["subjects"][0]["name"], "bot");
            prop_assert_eq!(&binding["metadata"]["namespace"], "shop");
        }
    }
}
