//! What somebody else reconciles is proposed, with the place where it belongs.

use akeso_core::{
    gate::{Decision, drift, instead},
    workload::WorkloadKind,
};
use serde_json::{Value, json};

use super::situation::{Situation, actions, image, memory, restart};

fn annotated(mark: &str, value: &str) -> Situation {
    let path = format!("/metadata/annotations/{}", mark.replace('/', ":"));
    Situation::of(image()).with(&path, json!(value))
}

fn labelled(mark: &str, value: &str) -> Situation {
    Situation::of(image()).with("/metadata/labels", json!({mark: value}))
}

fn owned() -> Situation {
    Situation::of(image()).with(
        "/metadata/ownerReferences",
        json!([{"apiVersion": "db.example.org/v1", "kind": "Database", "name": "main", "uid": "u", "controller": true}]),
    )
}

fn of_kind(kind: &str, strategy: &Value) -> Situation {
    let mut object = crate::world::deployment(&json!({"containers": [{"name": "app"}]}));
    object["kind"] = json!(kind);
    object["spec"]["updateStrategy"] = strategy.clone();
    object["status"] = if kind == "DaemonSet" {
        json!({"currentNumberScheduled": 1, "desiredNumberScheduled": 1, "numberMisscheduled": 0, "numberReady": 1})
    } else {
        json!({"replicas": 1})
    };
    Situation::of(image()).on(object)
}

#[test]
fn every_mark_of_a_gitops_tool_asks_and_names_the_source() {
    for (situation, why, place) in [
        (
            annotated(
                "argocd.argoproj.io/tracking-id",
                "shop:apps/Deployment:shop/web",
            ),
            "Argo CD manages it and would set the change back: change it in the source of the Application shop",
            "Argo CD: the source of the Application shop",
        ),
        (
            labelled("argocd.argoproj.io/instance", "shop"),
            "Argo CD manages it and would set the change back: change it in the source of the Application shop",
            "Argo CD: the source of the Application shop",
        ),
        (
            labelled("kustomize.toolkit.fluxcd.io/name", "apps"),
            "Flux manages it and would set the change back: change it in the source of the Kustomization apps",
            "Flux: the source of the Kustomization apps",
        ),
        (
            labelled("helm.toolkit.fluxcd.io/name", "web"),
            "Flux manages it and would set the change back: change it in the source of the HelmRelease web",
            "Flux: the source of the HelmRelease web",
        ),
    ] {
        let ruling = situation.ruling();
        assert_eq!(
            (ruling.decision, ruling.rule.as_str()),
            (Decision::Ask, "gitops")
        );
        assert_eq!(ruling.why, why);
        assert_eq!(situation.seen(instead).as_deref(), Some(place));
        assert_eq!(situation.consented().decision().0, Decision::Execute);
    }
}

#[test]
fn the_file_is_named_where_the_object_tells_it() {
    let from = |mark: &str, text: &str| {
        let path = format!("/metadata/annotations/{}", mark.replace('/', ":"));
        labelled("kustomize.toolkit.fluxcd.io/name", "apps")
            .with(&path, json!(text))
            .seen(instead)
            .unwrap()
    };
    assert_eq!(
        from(
            "config.kubernetes.io/origin",
            "path: web/deployment.yaml\nref: main\n"
        ),
        "Flux: the source of the Kustomization apps, file path: web/deployment.yaml, ref: main"
    );
    for mark in [
        "config.kubernetes.io/path",
        "internal.config.kubernetes.io/path",
    ] {
        assert!(from(mark, "web.yaml").ends_with(", file web.yaml"));
    }
    let unmanaged = annotated("config.kubernetes.io/path", "web.yaml");
    assert_eq!(unmanaged.seen(instead), None);
    assert_eq!(unmanaged.decision().0, Decision::Execute);
}

#[test]
fn what_an_operator_owns_is_changed_in_its_own_resource() {
    let ruling = owned().ruling();
    assert_eq!(
        (ruling.decision, ruling.rule.as_str()),
        (Decision::Ask, "owned")
    );
    assert_eq!(
        ruling.why,
        "Database main (db.example.org/v1) owns it and would set the change back: change it there"
    );
    let place = owned().seen(instead);
    assert_eq!(place.as_deref(), Some("kubectl -n shop edit database main"));
}

#[test]
fn a_pod_that_is_made_anew_is_no_matter_of_its_workloads_owner() {
    let mut situation = owned();
    for action in actions() {
        let is_restart = action == restart();
        situation.step.action = action;
        let expected = if is_restart {
            Decision::Execute
        } else {
            Decision::Ask
        };
        assert_eq!(situation.decision().0, expected);
    }
}

#[test]
fn a_rollout_that_somebody_steers_by_hand_asks() {
    let on_delete = json!({"type": "OnDelete"});
    let held = json!({"type": "RollingUpdate", "rollingUpdate": {"partition": 1}});
    let free = json!({"type": "RollingUpdate", "rollingUpdate": {"partition": 0}});
    for (kind, strategy, why) in [
        ("StatefulSet", &on_delete, Some("OnDelete")),
        ("DaemonSet", &on_delete, Some("OnDelete")),
        ("StatefulSet", &held, Some("partition")),
        ("StatefulSet", &free, None),
        ("StatefulSet", &json!({}), None),
        ("StatefulSet", &Value::Null, None),
        ("DaemonSet", &json!({"type": "RollingUpdate"}), None),
    ] {
        let situation = of_kind(kind, strategy);
        assert_ne!(situation.workload.kind, WorkloadKind::Deployment);
        let ruling = situation.ruling();
        let Some(why) = why else {
            assert_eq!(ruling.decision, Decision::Execute, "{kind} {strategy}");
            continue;
        };
        assert_eq!(
            (ruling.decision, ruling.rule.as_str()),
            (Decision::Ask, "update-strategy")
        );
        assert!(ruling.why.contains(why), "{}", ruling.why);
    }
}

#[test]
fn what_helm_installed_is_changed_and_a_person_told_that_its_values_must_follow() {
    let release = annotated("meta.helm.sh/release-name", "shop-web");
    assert_eq!(release.seen(instead), None);
    let ruling = release.ruling();
    assert_eq!(ruling.decision, Decision::Execute);
    assert_eq!(
        ruling.why,
        "within what autonomy allows; it belongs to the Helm release shop-web, whose next upgrade sets it back: change its values too"
    );
    let labelled_only = labelled("app.kubernetes.io/managed-by", "Helm");
    let told = labelled_only.seen(drift).unwrap();
    assert!(
        told.contains("it belongs to a Helm release, whose"),
        "{told}"
    );
    let another = labelled("app.kubernetes.io/managed-by", "kustomize");
    assert_eq!(another.seen(drift), None);
    assert_eq!(Situation::of(memory(2)).seen(drift), None);
}
