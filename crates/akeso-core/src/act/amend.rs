//! The values of an action that a person may choose otherwise, and within which bounds. Everything
//! else of it (which container, which field) stays as it was proposed.

use super::{
    Action, ActionKind, EnvValue, FixImageName, Found, IncreaseMemory, SetRequest, UpdateEnv,
    Variable,
};
use crate::{image_reference::ImageReference, quantity::Bytes};

/// No value that is written down for a person is longer: a command line is no file.
const LONGEST: usize = 1_024;
/// The longest name of a ConfigMap or Secret, and of a key of one
/// (<https://kubernetes.io/docs/concepts/overview/working-with-objects/names/>).
const LONGEST_NAME: usize = 253;

/// Why a value cannot take the place of the one that is proposed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotAmendable {
    /// The action has no such value.
    #[error("{}", no_such_value(*.action, .field, .fields))]
    NoSuchValue {
        /// The action.
        action: ActionKind,
        /// What was to be chosen.
        field: String,
        /// What can be.
        fields: Vec<String>,
    },
    /// The text is no such value.
    #[error("{field}: {why}")]
    Malformed {
        /// The value's name.
        field: String,
        /// What is wrong with it; a value that may be a credential is not repeated.
        why: String,
    },
    /// It is out of what the action can do.
    #[error("{field}: {why}")]
    OutOfBounds {
        /// The value's name.
        field: String,
        /// Which bound it is beyond.
        why: String,
    },
    /// It would stand in the workload, in the journal and in the history of a shell.
    #[error(
        "{0} holds a credential, which is not written down in plain: name the Secret that holds it, {0}=secret/NAME/KEY"
    )]
    Credential(String),
    /// More than such values would be another.
    #[error("{0} would do something else than what was proposed")]
    Another(ActionKind),
}

fn no_such_value(action: ActionKind, field: &str, fields: &[String]) -> String {
    if fields.is_empty() {
        return format!("{action} has no value that can be chosen");
    }
    format!(
        "{action} has no value `{field}`: what can be chosen is {}",
        fields.join(", ")
    )
}

/// A value that can be chosen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Choice {
    /// Its name.
    pub field: String,
    /// What is proposed, as it may be shown.
    pub proposed: String,
}

impl Action {
    /// The values that a person may choose otherwise.
    pub fn choices(&self) -> Vec<Choice> {
        let values = self.values().into_iter();
        let hidden = |field: &str| {
            let Self::UpdateEnv(update) = self else {
                return None;
            };
            let mut variables = update.variables.iter();
            variables.find(|variable| variable.name == field && variable.shown() == "***")
        };
        values
            .map(|(field, value)| Choice {
                proposed: hidden(&field).map_or(value, Variable::shown),
                field,
            })
            .collect()
    }

    /// The same action with another value.
    pub fn with_value(&self, field: &str, value: &str) -> Result<Self, NotAmendable> {
        let values = self.values();
        let Some((_, proposed)) = values.iter().find(|(known, _)| known == field) else {
            return Err(NotAmendable::NoSuchValue {
                action: self.kind(),
                field: field.to_owned(),
                fields: values.into_iter().map(|(field, _)| field).collect(),
            });
        };
        if value == proposed {
            return Ok(self.clone());
        }
        Ok(match self {
            Self::FixImageName(fix) => Self::FixImageName(image(fix, field, value)?),
            Self::IncreaseMemory(raise) => Self::IncreaseMemory(memory(raise, field, value)?),
            Self::UpdateEnv(update) => Self::UpdateEnv(variable(update, field, value)?),
            Self::SetRequest(set) => Self::SetRequest(request(set, field, value)?),
            // they have none, which was said above
            Self::RestartPod(_)
            | Self::RollbackToRevision(_)
            | Self::FixReference(_)
            | Self::FixProbe(_)
            | Self::FixNodeSelector(_)
            | Self::FixService(_)
            | Self::FixIngress(_)
            | Self::FixClaim(_)
            | Self::AddPullSecret(_)
            | Self::GrantAccess(_)
            | Self::RerunJob(_)
            | Self::ExtendProbe(_) => self.clone(),
        })
    }

    /// Whether `other` is this action with other values that a person may choose, and nothing else.
    pub fn is_amended_by(&self, other: &Self) -> Result<(), NotAmendable> {
        let mut amended = self.clone();
        for (field, value) in other.values() {
            amended = amended.with_value(&field, &value)?;
        }
        if amended == *other && amended != *self {
            return Ok(());
        }
        Err(NotAmendable::Another(other.kind()))
    }

    /// Each value that can be chosen, with what is proposed.
    fn values(&self) -> Vec<(String, String)> {
        match self {
            Self::FixImageName(fix) => vec![("image".to_owned(), fix.to.clone())],
            Self::IncreaseMemory(raise) => vec![("memory".to_owned(), raise.to.to_string())],
            Self::UpdateEnv(update) => {
                let variables = update.variables.iter();
                variables.map(|it| (it.name.clone(), text(it))).collect()
            }
            // what is set in one container says nothing of another
            Self::SetRequest(set) => match set.requests.as_slice() {
                [only] => vec![(set.resource.as_str().to_owned(), only.to.clone())],
                _ => Vec::new(),
            },
            Self::RestartPod(_)
            | Self::RollbackToRevision(_)
            | Self::FixReference(_)
            | Self::FixProbe(_)
            | Self::FixNodeSelector(_)
            | Self::FixService(_)
            | Self::FixIngress(_)
            | Self::FixClaim(_)
            | Self::AddPullSecret(_)
            | Self::GrantAccess(_)
            | Self::RerunJob(_)
            | Self::ExtendProbe(_) => Vec::new(),
        }
    }
}

fn malformed(field: &str, why: impl Into<String>) -> NotAmendable {
    let (field, why) = (field.to_owned(), why.into());
    NotAmendable::Malformed { field, why }
}

fn out_of_bounds(field: &str, why: impl Into<String>) -> NotAmendable {
    let (field, why) = (field.to_owned(), why.into());
    NotAmendable::OutOfBounds { field, why }
}

fn image(fix: &FixImageName, field: &str, value: &str) -> Result<FixImageName, NotAmendable> {
    let is_digest = |digest: &str| {
        let hex = digest.strip_prefix("sha256:").unwrap_or_default();
        hex.len() == 64 && hex.bytes().all(|b| b.is_ascii_hexdigit())
    };
    let is_host = |host: &str| {
        host.bytes()
            .all(|b| b.is_ascii_alphanumeric() || b".-:".contains(&b))
    };
    let reference = ImageReference::parse(value).filter(|it| {
        value.len() <= LONGEST
            && it.digest.as_deref().is_none_or(is_digest)
            && it.host.as_deref().is_none_or(is_host)
    });
    if reference.is_none() {
        let why = format!("`{value}` is no image reference: write for instance nginx:1.27");
        return Err(malformed(field, why));
    }
    if value == fix.from {
        return Err(out_of_bounds(field, "it is the image that it has"));
    }
    Ok(FixImageName {
        to: value.to_owned(),
        ..fix.clone()
    })
}

fn memory(
    raise: &IncreaseMemory,
    field: &str,
    value: &str,
) -> Result<IncreaseMemory, NotAmendable> {
    let to = Bytes::parse(value).map_err(|why| malformed(field, why.to_string()))?;
    let least = raise.request.unwrap_or(raise.from).max(raise.from);
    if to <= least {
        let why = format!("the limit is raised: it must be more than {least}");
        return Err(out_of_bounds(field, why));
    }
    Ok(IncreaseMemory {
        to,
        ..raise.clone()
    })
}

fn request(set: &SetRequest, field: &str, value: &str) -> Result<SetRequest, NotAmendable> {
    let amount = set.resource.parse(value);
    let amount = amount.map_err(|why| malformed(field, why.to_string()))?;
    if amount == 0 {
        return Err(out_of_bounds(field, "a request of nothing is none"));
    }
    let mut amended = set.clone();
    for requested in &mut amended.requests {
        let from = requested.from.as_deref();
        let most = from.and_then(|from| set.resource.parse(from).ok());
        if most.is_some_and(|most| amount >= most) {
            let why = format!(
                "the request is lowered: it must be less than {}",
                from.unwrap_or_default()
            );
            return Err(out_of_bounds(field, why));
        }
        value.clone_into(&mut requested.to);
    }
    Ok(amended)
}

/// A value as it is typed; a reference as `secret/NAME/KEY` or `configmap/NAME/KEY`.
fn text(variable: &Variable) -> String {
    match &variable.value {
        EnvValue::Literal(value) => value.clone(),
        EnvValue::ConfigMapKey { name, key } => format!("configmap/{name}/{key}"),
        EnvValue::SecretKey { name, key } => format!("secret/{name}/{key}"),
    }
}

fn variable(update: &UpdateEnv, field: &str, value: &str) -> Result<UpdateEnv, NotAmendable> {
    let chosen = |known: &Variable| -> Result<Variable, NotAmendable> {
        let amended = Variable {
            value: env_value(field, value)?,
            found: Found::Operator,
            source: "chosen by a person".to_owned(),
            ..known.clone()
        };
        let is_plain = matches!(amended.value, EnvValue::Literal(_));
        if is_plain && amended.is_credential() {
            return Err(NotAmendable::Credential(field.to_owned()));
        }
        Ok(amended)
    };
    let mut amended = update.clone();
    for known in &mut amended.variables {
        if known.name == field {
            *known = chosen(known)?;
        }
    }
    Ok(amended)
}

fn env_value(field: &str, value: &str) -> Result<EnvValue, NotAmendable> {
    let is_name = |text: &str| {
        let is_known = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-.".contains(&b);
        !text.is_empty() && text.len() <= LONGEST_NAME && text.bytes().all(is_known)
    };
    let is_key = |text: &str| {
        let is_known = |b: u8| b.is_ascii_alphanumeric() || b"-._".contains(&b);
        !text.is_empty() && text.len() <= LONGEST_NAME && text.bytes().all(is_known)
    };
    let reference = value
        .split_once('/')
        .filter(|(kind, _)| matches!(*kind, "secret" | "configmap"));
    let Some((kind, rest)) = reference else {
        if value.len() > LONGEST || value.chars().any(char::is_control) {
            let why = format!(
                "a value is one line of at most {LONGEST} bytes; put more into a ConfigMap"
            );
            return Err(malformed(field, why));
        }
        return Ok(EnvValue::Literal(value.to_owned()));
    };
    let (name, key) = rest
        .split_once('/')
        .filter(|(name, key)| is_name(name) && is_key(key))
        .ok_or_else(|| malformed(field, format!("write a reference as {kind}/NAME/KEY")))?;
    let (name, key) = (name.to_owned(), key.to_owned());
    Ok(match kind {
        "secret" => EnvValue::SecretKey { name, key },
        _ => EnvValue::ConfigMapKey { name, key },
    })
}
