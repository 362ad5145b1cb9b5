//! A value of a step that a person chooses otherwise.

use akeso_core::act::{Action, Choice, NotAmendable};

use crate::cli::Setting;

/// A step's action with all of these values.
pub fn with_all(action: &Action, settings: &[Setting]) -> Result<Action, NotAmendable> {
    let amend =
        |action: Action, setting: &Setting| action.with_value(&setting.field, &setting.value);
    settings.iter().try_fold(action.clone(), amend)
}

/// What was chosen instead, as it may be shown.
pub fn shown(before: &Action, after: &Action) -> String {
    let old = before.choices();
    let is_new = |choice: &Choice| !old.contains(choice);
    let changed = after.choices().into_iter().filter(is_new);
    let words = changed.map(|choice| format!("{} = {}", choice.field, choice.proposed));
    words.collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use akeso_core::{
        act::{EnvValue, Found, UpdateEnv, Variable},
        workload::{ContainerRef, ContainerRole},
    };

    fn step() -> Action {
        let variable = |name: &str| Variable {
            name: name.into(),
            value: EnvValue::Literal("default".into()),
            found: Found::Nowhere,
            source: String::new(),
        };
        Action::UpdateEnv(UpdateEnv {
            container: ContainerRef {
                name: "app".into(),
                role: ContainerRole::Main,
            },
            variables: vec![variable("MODE"), variable("DB_PASSWORD")],
        })
    }

    fn set(pairs: &[&str]) -> Result<Action, NotAmendable> {
        let settings: Vec<_> = pairs
            .iter()
            .map(|pair| crate::cli::setting(pair).unwrap())
            .collect();
        with_all(&step(), &settings)
    }

    #[test]
    fn all_values_are_chosen_together_and_told_as_they_may_be_shown() {
        let amended = set(&["MODE=fast", "DB_PASSWORD=secret/db/password"]).unwrap();
        assert_eq!(
            shown(&step(), &amended),
            "MODE = fast, DB_PASSWORD = secret/db/password"
        );
        assert_eq!(shown(&step(), &step()), "");
    }

    #[test]
    fn one_wrong_value_is_none_at_all_and_what_was_typed_is_not_repeated() {
        let why = set(&["MODE=fast", "DB_PASSWORD=swordfish"]).unwrap_err();
        assert!(!why.to_string().contains("swordfish"), "{why}");
        let why = set(&["memory=1Gi"]).unwrap_err().to_string();
        assert!(why.contains("MODE, DB_PASSWORD"), "{why}");
    }
}
