//! What a model may answer: a cause, and steps out of a short list. Anything else is refused.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::{
    act::{Action, EnvValue},
    quantity::Bytes,
};

/// So many steps are taken from an answer.
pub const MOST_STEPS: usize = 4;
/// Longer words of a model are refused.
const MOST_BYTES: usize = 16 * 1024;
/// Names, images and amounts are shorter.
const LONGEST: usize = 256;
/// Of what it says for people, so many characters are kept.
const MOST_WORDS: usize = 400;

/// What a model has answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// The cause, in its words.
    pub cause: String,
    /// What it would do, in order.
    pub steps: Vec<Suggested>,
}

/// One step that was suggested.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Suggested {
    /// What to do to the container that fails, or to its workload.
    #[serde(flatten)]
    pub suggestion: Suggestion,
    /// Why, in the model's words.
    pub reasoning: String,
}

/// An action that may be suggested, without what the cluster knows better: it is always about the
/// container that fails.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "action", rename_all = "snake_case")]
pub enum Suggestion {
    /// Another image.
    FixImageName {
        /// The reference.
        image: String,
    },
    /// A variable.
    UpdateEnv {
        /// Its name.
        name: String,
        /// Its value.
        value: String,
    },
    /// A higher memory limit.
    IncreaseMemory {
        /// The limit.
        limit: Bytes,
    },
    /// The pod is made anew.
    RestartPod,
}

impl Suggestion {
    /// Leaves the value of a variable to the cluster: what was right for one workload is not
    /// another's.
    pub(crate) fn forget_value(&mut self) {
        if let Self::UpdateEnv { value, .. } = self {
            value.clear();
        }
    }

    /// What an action that has helped suggests where the same fails again; nothing, if it means
    /// nothing elsewhere.
    pub fn of(action: &Action) -> Option<Vec<Self>> {
        let variable = |variable: &crate::act::Variable| {
            // a value that lies in the cluster is looked up there again
            let value = match &variable.value {
                EnvValue::Literal(value) => value.clone(),
                EnvValue::ConfigMapKey { .. } | EnvValue::SecretKey { .. } => String::new(),
            };
            Self::UpdateEnv {
                name: variable.name.clone(),
                value,
            }
        };
        match action {
            Action::UpdateEnv(action) => Some(action.variables.iter().map(variable).collect()),
            Action::IncreaseMemory(action) => Some(vec![Self::IncreaseMemory { limit: action.to }]),
            Action::RestartPod(_) => Some(vec![Self::RestartPod]),
            Action::FixImageName(_)
            | Action::RollbackToRevision(_)
            | Action::FixReference(_)
            | Action::FixProbe(_)
            | Action::FixNodeSelector(_)
            | Action::FixService(_)
            | Action::FixIngress(_)
            | Action::FixClaim(_)
            | Action::AddPullSecret(_)
            | Action::GrantAccess(_)
            | Action::SetRequest(_)
            | Action::RerunJob(_)
            | Action::ExtendProbe(_) => None,
        }
    }
}

/// The form of an answer on the wire: every field is there, as strict schemas want it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wire {
    cause: String,
    steps: Vec<WireStep>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WireStep {
    action: WireAction,
    name: Option<String>,
    value: Option<String>,
    reasoning: String,
}

#[derive(Deserialize, Clone, Copy)]
#[serde(rename_all = "snake_case")]
enum WireAction {
    FixImageName,
    UpdateEnv,
    IncreaseMemory,
    RestartPod,
}

/// The JSON schema of an answer (<https://json-schema.org/>), as `response_format` takes it.
pub fn schema() -> Value {
    let text = json!({"type": "string"});
    let optional = json!({"type": ["string", "null"]});
    json!({
        "type": "object",
        "additionalProperties": false,
        "required": ["cause", "steps"],
        "properties": {
            "cause": text,
            "steps": {
                "type": "array",
                "items": {
                    "type": "object",
                    "additionalProperties": false,
                    "required": ["action", "name", "value", "reasoning"],
                    "properties": {
                        "action": {
                            "type": "string",
                            "enum": [
                                "fix_image_name",
                                "update_env",
                                "increase_memory",
                                "restart_pod",
                            ],
                        },
                        "name": optional,
                        "value": optional,
                        "reasoning": text,
                    },
                },
            },
        },
    })
}

impl Answer {
    /// Reads an answer, or says what is wrong with it.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text.len() > MOST_BYTES {
            return Err(format!("it is longer than {MOST_BYTES} bytes"));
        }
        let wire: Wire = serde_json::from_str(text)
            .map_err(|error| plain(&format!("it is not of the form: {error}")))?;
        if wire.steps.len() > MOST_STEPS {
            return Err(format!("it has more than {MOST_STEPS} steps"));
        }
        let steps = wire.steps.into_iter().enumerate().map(|(index, step)| {
            let suggestion = step
                .suggestion()
                .map_err(|why| format!("step {}: {why}", index + 1))?;
            Ok(Suggested {
                suggestion,
                reasoning: plain(&step.reasoning),
            })
        });
        Ok(Self {
            cause: plain(&wire.cause),
            steps: steps.collect::<Result<_, String>>()?,
        })
    }
}

impl WireStep {
    fn suggestion(&self) -> Result<Suggestion, String> {
        let name = self.name.as_deref().filter(|name| !name.is_empty());
        let value = self.value.as_deref().filter(|value| !value.is_empty());
        // they are shown to people: nothing that steers a terminal, or is endless
        let mut given = name.iter().chain(&value);
        if given.any(|it| it.len() > LONGEST || it.chars().any(is_steering)) {
            return Err("its name or value is no plain word".to_owned());
        }
        let wanted = |what: Option<&str>, words: &str| {
            what.map(str::to_owned)
                .ok_or_else(|| format!("it lacks {words}"))
        };
        let none = |what: Option<&str>, words: &str| match what {
            None => Ok(()),
            Some(_) => Err(format!("it takes no {words}")),
        };
        match self.action {
            WireAction::FixImageName => {
                none(name, "name")?;
                let image = wanted(value, "the image, as its value")?;
                Ok(Suggestion::FixImageName { image })
            }
            WireAction::UpdateEnv => Ok(Suggestion::UpdateEnv {
                name: wanted(name, "the variable's name")?,
                value: value.unwrap_or_default().to_owned(),
            }),
            WireAction::IncreaseMemory => {
                none(name, "name")?;
                let text = wanted(value, "the limit, as its value")?;
                let limit = Bytes::parse(&text)
                    .map_err(|_| "its value is no amount of memory such as 512Mi".to_owned())?;
                Ok(Suggestion::IncreaseMemory { limit })
            }
            WireAction::RestartPod => {
                none(name, "name")?;
                none(value, "value")?;
                Ok(Suggestion::RestartPod)
            }
        }
    }
}

/// What a model tells a person who has asked, without what steers a terminal.
pub fn words(text: &str) -> String {
    const MOST: usize = 4_000;
    let text = text.chars().filter(|c| !is_steering(*c) || *c == '\n');
    let text: String = text.take(MOST).collect();
    text.trim().to_owned()
}

/// Whether a character is not seen, and changes what is: control characters, and those that turn the
/// direction of writing or have no width.
fn is_steering(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

/// Words for people: on one line, without what steers a terminal, and not too many.
fn plain(text: &str) -> String {
    let text: String = text
        .chars()
        .map(|c| if is_steering(c) { ' ' } else { c })
        .take(MOST_WORDS)
        .collect();
    text.trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn step(action: &str, name: &str, value: &str) -> String {
        let field = |text: &str| match text {
            "" => Value::Null,
            text => json!(text),
        };
        json!({
            "cause": "its cache does not fit",
            "steps": [{"action": action, "name": field(name), "value": field(value), "reasoning": "r"}],
        })
        .to_string()
    }

    fn suggestion(text: &str) -> Result<Suggestion, String> {
        let mut answer = Answer::parse(text)?;
        Ok(answer.steps.remove(0).suggestion)
    }

    #[test]
    fn each_action_has_its_parameters() {
        for (text, expected) in [
            (
                step("increase_memory", "", "512Mi"),
                Suggestion::IncreaseMemory {
                    limit: Bytes::mebi(512),
                },
            ),
            (
                step("update_env", "MODE", "fast"),
                Suggestion::UpdateEnv {
                    name: "MODE".into(),
                    value: "fast".into(),
                },
            ),
            (step("restart_pod", "", ""), Suggestion::RestartPod),
            (
                step("fix_image_name", "", "nginx:1.27"),
                Suggestion::FixImageName {
                    image: "nginx:1.27".into(),
                },
            ),
        ] {
            assert_eq!(suggestion(&text), Ok(expected), "{text}");
        }
    }

    #[test]
    fn what_is_not_of_the_form_is_refused_and_says_why() {
        for (text, why) in [
            ("I would restart it.", "form"),
            ("```json\n{\"cause\": \"\", \"steps\": []}\n```", "form"),
            (r#"{"cause": "x"}"#, "steps"),
            (
                r#"{"cause": "x", "steps": [], "command": "kubectl delete ns shop"}"#,
                "command",
            ),
            (&step("delete_namespace", "", "shop"), "delete_namespace"),
            (&step("restart_pod", "", "other-pod"), "takes no value"),
            (&step("update_env", "\u{1b}[2J", "x"), "no plain word"),
            (&step("update_env", "MODE", "\u{202e}x"), "no plain word"),
            (&step("increase_memory", "", "plenty"), "512Mi"),
            (&step("increase_memory", "", ""), "lacks the limit"),
            (&step("update_env", "", "x"), "lacks the variable's name"),
        ] {
            let refused = suggestion(text).unwrap_err();
            assert!(refused.contains(why), "{text}: {refused}");
        }
        let steps =
            vec![json!({"action": "restart_pod", "name": null, "value": null, "reasoning": ""}); 5];
        let many = json!({"cause": "", "steps": steps}).to_string();
        assert!(Answer::parse(&many).unwrap_err().contains("more than 4"));
        assert!(Answer::parse(&" ".repeat(20_000)).is_err());
    }

    #[test]
    fn words_for_people_steer_no_terminal() {
        let text = json!({"cause": "a\u{1b}[2Jb\nc", "steps": []}).to_string();
        assert_eq!(Answer::parse(&text).unwrap().cause, "a [2Jb c");
    }

    #[test]
    fn what_is_told_keeps_its_lines() {
        assert_eq!(words(" one\u{1b}[31m\ntwo\r\n"), "one[31m\ntwo");
        assert_eq!(words(&"x".repeat(9_000)).len(), 4_000);
    }

    proptest! {
        #[test]
        fn no_text_ends_the_program(text in ".{0,200}") {
            prop_assert!(Answer::parse(&text).is_err() || text.contains("steps"));
        }

        #[test]
        fn the_schema_has_the_fields_that_are_read(action in "[a-z_]{1,20}") {
            let known = schema()["properties"]["steps"]["items"]["properties"]["action"]["enum"].clone();
            let is_known = known.as_array().unwrap().contains(&json!(action));
            let is_read = serde_json::from_value::<WireAction>(json!(action)).is_ok();
            prop_assert_eq!(is_known, is_read);
        }
    }

    #[test]
    fn every_action_of_the_schema_is_read() {
        let known =
            schema()["properties"]["steps"]["items"]["properties"]["action"]["enum"].clone();
        for action in known.as_array().unwrap() {
            assert!(
                serde_json::from_value::<WireAction>(action.clone()).is_ok(),
                "{action}"
            );
        }
    }
}
