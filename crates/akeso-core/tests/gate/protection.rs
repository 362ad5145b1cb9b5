//! Where nothing is changed at all, not even taken back.

use akeso_core::{
    gate::{Decision, Ruling, forbids_any_change},
    policy::Autonomy,
};
use serde_json::json;

use super::situation::{Situation, image};

fn forbidden(situation: &Situation) -> Option<Ruling> {
    situation.seen(|workload| forbids_any_change(workload, &situation.settings))
}

fn in_namespace(name: &str) -> Situation {
    Situation::of(image()).with("/metadata/namespace", json!(name))
}

fn is_refused_by(situation: Situation, rule: &str, why: &str) {
    let told = forbidden(&situation).unwrap();
    assert_eq!(
        (told.decision, told.rule.as_str(), told.why.as_str()),
        (Decision::Refuse, rule, why)
    );
    for situation in [situation.at(Autonomy::Full)].into_iter().flat_map(|s| {
        let consented = Situation {
            objects: s.objects.clone(),
            workload: s.workload.clone(),
            settings: s.settings.clone(),
            ..Situation::of(image()).consented()
        };
        [s, consented]
    }) {
        assert_eq!(situation.decision(), (Decision::Refuse, rule.into()));
    }
}

#[test]
fn nothing_is_changed_in_system_namespaces_however_high_the_autonomy() {
    for namespace in [
        "kube-system",
        "kube-public",
        "kube-node-lease",
        "akeso-system",
    ] {
        let why = format!("nothing is changed in the namespace {namespace}");
        is_refused_by(in_namespace(namespace), "protected-namespace", &why);
    }
}

#[test]
fn nothing_is_changed_where_akeso_runs_where_the_policy_says_so_or_where_it_does_not_allow_it() {
    let mut own = in_namespace("ops");
    own.settings.own_namespace = Some("ops".into());
    is_refused_by(
        own,
        "protected-namespace",
        "Akeso itself runs in the namespace ops",
    );
    is_refused_by(
        in_namespace("bank-prod").policy("{protectedNamespaces: [bank-*]}"),
        "protected-namespace",
        "the policy protects the namespace bank-prod",
    );
    is_refused_by(
        in_namespace("shop").policy("{allowedNamespaces: [blog]}"),
        "protected-namespace",
        "the namespace shop is not among those in which the policy allows changes",
    );
}

#[test]
fn a_system_namespace_is_allowed_only_by_its_full_name() {
    let allowed =
        in_namespace("kube-system").policy("{autonomy: full, allowedNamespaces: [kube-system]}");
    assert_eq!(allowed.decision().0, Decision::Execute);
    assert_eq!(forbidden(&allowed), None);
    let pattern = in_namespace("kube-system").policy("{allowedNamespaces: ['*']}");
    assert_eq!(pattern.decision().0, Decision::Refuse);
    // and what is both allowed and protected is protected
    let both =
        in_namespace("shop").policy("{allowedNamespaces: [shop], protectedNamespaces: [shop]}");
    assert_eq!(both.decision().0, Decision::Refuse);
    let mut own = in_namespace("ops").policy("{autonomy: full, allowedNamespaces: [ops]}");
    own.settings.own_namespace = Some("ops".into());
    assert_eq!(own.decision().0, Decision::Execute);
}

#[test]
fn what_is_marked_to_be_ignored_is_left_alone() {
    let why = "marked with akeso.dev/ignore: \"true\"";
    let label = json!({"akeso.dev/ignore": "true"});
    let workload = Situation::of(image()).with("/metadata/labels", label.clone());
    is_refused_by(workload, "ignored", why);
    let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop", "labels": label}});
    let in_it = Situation::of(image()).beside(namespace.clone());
    is_refused_by(in_it, "ignored", why);
    // the workload's own mark goes before that of its namespace
    let but_this = Situation::of(image())
        .with("/metadata/labels", json!({"akeso.dev/ignore": "false"}))
        .beside(namespace);
    assert_eq!(but_this.decision().0, Decision::Execute);
}

#[test]
fn who_only_observes_takes_nothing_back_either_and_every_other_level_may() {
    let observing = Situation::of(image()).at(Autonomy::Observe);
    let told = forbidden(&observing).unwrap();
    assert_eq!(
        (told.decision, told.rule.as_str(), told.why.as_str()),
        (
            Decision::Refuse,
            "autonomy",
            "observe only: nothing is changed"
        )
    );
    for autonomy in [Autonomy::Cautious, Autonomy::Standard, Autonomy::Full] {
        assert_eq!(forbidden(&Situation::of(image()).at(autonomy)), None);
    }
}

#[test]
fn what_the_api_server_would_not_let_it_do_is_not_begun_and_only_that() {
    use akeso_core::act::ActionKind;
    let mut situation = Situation::of(image());
    let missing = [(ActionKind::FixImageName, "patch deployments".to_owned())];
    situation.settings.not_permitted = missing.into();
    let ruling = situation.ruling();
    assert_eq!(
        (ruling.decision, ruling.rule.as_str()),
        (Decision::Refuse, "permission")
    );
    assert_eq!(
        ruling.why,
        "fix_image_name is off, for a permission is missing: patch deployments; `akeso rbac` prints the role"
    );
    situation.step.action = super::situation::memory(2);
    assert_eq!(situation.decision().0, Decision::Execute);
}
