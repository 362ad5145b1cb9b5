//! What a person may choose of an action, and what stays as it was proposed.

use akeso_core::act::{Action, EnvValue, FixImageName, Found, NotAmendable};
use proptest::prelude::*;

use super::taking_back::{app, env, memory, requests, variable};

fn image() -> Action {
    Action::FixImageName(FixImageName {
        container: app(),
        from: "nginx:latst".into(),
        to: "nginx:latest".into(),
    })
}

fn variables() -> Action {
    env(vec![
        variable("MODE", EnvValue::Literal("default".into()), Found::Nowhere),
        variable(
            "DB_PASSWORD",
            EnvValue::Literal("hunter2".into()),
            Found::PreviousRevision,
        ),
    ])
}

fn shown(action: &Action) -> Vec<String> {
    let choices = action.choices().into_iter();
    choices
        .map(|it| format!("{}={}", it.field, it.proposed))
        .collect()
}

fn refused(action: &Action, field: &str, value: &str) -> String {
    action.with_value(field, value).unwrap_err().to_string()
}

#[test]
fn what_can_be_chosen_is_named_with_what_is_proposed_and_a_credential_is_not_shown() {
    assert_eq!(shown(&image()), ["image=nginx:latest"]);
    assert_eq!(shown(&variables()), ["MODE=default", "DB_PASSWORD=***"]);
    let unknown = refused(&variables(), "MOED", "x");
    assert!(
        unknown.ends_with("what can be chosen is MODE, DB_PASSWORD"),
        "{unknown}"
    );
}

#[test]
fn another_value_changes_nothing_but_itself() {
    let Action::FixImageName(fix) = image().with_value("image", "nginx:1.27").unwrap() else {
        unreachable!("another action");
    };
    assert_eq!(
        (fix.container, fix.from.as_str(), fix.to.as_str()),
        (app(), "nginx:latst", "nginx:1.27")
    );
    let amended = variables().with_value("MODE", "fast").unwrap();
    assert_eq!(shown(&amended), ["MODE=fast", "DB_PASSWORD=***"]);
    assert_eq!(variables().is_amended_by(&amended), Ok(()));
}

#[test]
fn a_value_that_is_none_is_told_with_one_that_would_be() {
    for value in [
        "",
        "nginx:",
        "Nginx",
        "nginx;rm",
        "nginx@sha256:12",
        "re;g.io/nginx",
        "--privileged",
    ] {
        let why = refused(&image(), "image", value);
        assert!(why.contains("nginx:1.27"), "{why}");
    }
    assert!(refused(&image(), "image", "nginx:latst").contains("that it has"));
    assert!(refused(&memory(None), "memory", "much").contains("Mi"));
    assert!(refused(&memory(None), "memory", "1Ki").contains("more than"));
    assert!(refused(&variables(), "MODE", "a\nb").contains("one line"));
    assert!(refused(&variables(), "MODE", "secret/only").contains("secret/NAME/KEY"));
}

#[test]
fn a_credential_is_named_by_its_secret_and_never_typed() {
    let why = variables()
        .with_value("DB_PASSWORD", "swordfish")
        .unwrap_err();
    assert_eq!(why, NotAmendable::Credential("DB_PASSWORD".into()));
    assert!(!why.to_string().contains("swordfish"));
    assert!(
        variables()
            .with_value("MODE", "postgres://me:pw@db/shop")
            .is_err()
    );
    let named = variables()
        .with_value("DB_PASSWORD", "secret/db/password")
        .unwrap();
    assert_eq!(variables().is_amended_by(&named), Ok(()));
    assert!(named.treatment().brings_credential());
}

#[test]
fn what_differs_in_anything_else_is_another_action() {
    let Action::FixImageName(mut other) = image() else {
        unreachable!("an image");
    };
    other.to = "nginx:1.27".into();
    assert_eq!(
        image().is_amended_by(&Action::FixImageName(other.clone())),
        Ok(())
    );
    other.container.name = "sidecar".into();
    assert!(image().is_amended_by(&Action::FixImageName(other)).is_err());
    assert!(image().is_amended_by(&memory(None)).is_err());
    // the same is no other value
    assert!(image().is_amended_by(&image()).is_err());
}

#[test]
fn a_request_is_chosen_only_where_one_container_gets_one() {
    let set = requests();
    let Action::SetRequest(several) = &set else {
        unreachable!("requests");
    };
    assert_eq!(several.requests.len() > 1, set.choices().is_empty());
}

proptest! {
    #[test]
    fn memory_only_rises_and_is_what_was_said(mebibytes in 0_u64..1 << 16) {
        let Action::IncreaseMemory(before) = memory(None) else { unreachable!("memory") };
        let text = format!("{mebibytes}Mi");
        match memory(None).with_value("memory", &text) {
            Ok(Action::IncreaseMemory(after)) => {
                prop_assert!(after.to > before.from);
                prop_assert_eq!(after.to.get(), mebibytes << 20);
                prop_assert_eq!((after.container, after.from, after.request), (before.container, before.from, before.request));
            }
            Ok(other) => prop_assert!(false, "{:?}", other),
            Err(_) => prop_assert!(mebibytes << 20 <= before.from.get()),
        }
    }

    #[test]
    fn whatever_is_typed_is_refused_or_one_value_and_never_a_credential_in_plain(field in "(MODE|DB_PASSWORD)", value in "\\PC{0,40}|[a-z]{1,9}://[a-z]+:[a-z]+@[a-z]+|(secret|configmap)/[a-z/.]{0,12}") {
        if let Ok(amended) = variables().with_value(&field, &value) {
            prop_assert!(amended == variables() || variables().is_amended_by(&amended).is_ok());
            let Action::UpdateEnv(update) = &amended else { return Err(TestCaseError::fail("another action")) };
            for variable in update.variables.iter().filter(|it| it.found == Found::Operator) {
                let is_plain = matches!(variable.value, EnvValue::Literal(_));
                prop_assert!(!(is_plain && variable.is_credential()));
            }
        }
    }
}
