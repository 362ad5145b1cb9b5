//! What is wrong with a policy file, where, and what was probably meant.

use std::{fmt, path::Path};

use akeso_core::{policy::time_zones, similar::closest};
use serde::Serialize;
use serde_saphyr::Error;

use super::tree::{Node, Place, Wanted};

/// Something that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The line, from 1.
    pub line: u64,
    /// The column, from 1.
    pub column: u64,
    /// The key, for instance `namespaces[1].actions.restart_pod`; empty if it is about no key.
    pub key: String,
    /// What is wrong.
    pub message: String,
    /// What was probably meant.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub meant: Option<String>,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.key.is_empty() {
            write!(f, "{}: ", self.key)?;
        }
        f.write_str(&self.message)?;
        match &self.meant {
            Some(meant) => write!(f, "; did you mean `{meant}`?"),
            None => Ok(()),
        }
    }
}

impl Finding {
    /// About a line as a whole.
    pub fn at_line(line: usize, message: &str) -> Self {
        Self {
            line: u64::try_from(line).unwrap_or(u64::MAX),
            column: 1,
            key: String::new(),
            message: message.to_owned(),
            meant: None,
        }
    }

    /// As compilers write it, so that editors find the place: `FILE:LINE:COLUMN: KEY: message`.
    pub fn in_file(&self, path: &Path) -> String {
        format!("{}:{}:{}: {self}", path.display(), self.line, self.column)
    }
}

/// What the YAML reader or serde has to say, in words that say what to do.
pub fn from_yaml(error: &Error, tree: Option<&Node>) -> Finding {
    let error = error.without_snippet();
    let place = error
        .location()
        .map_or(Place { line: 1, column: 1 }, Place::from);
    let said = says(error);
    let found = tree.and_then(|tree| tree.find(place, said.about));
    let (mut at, mut key, mut text) = (place, String::new(), None);
    if let Some((path, node)) = found {
        text = node.scalar();
        key = path;
        // an error about a whole mapping names the value that is wrong: show that one
        let culprit = node.members().find(|(_, member)| {
            let value = member.scalar();
            value.is_some_and(|value| said.message.contains(&format!("`{value}`")))
        });
        if let (Some((name, member)), Wanted::Value) = (culprit, said.about) {
            (at, text) = (member.at, member.scalar());
            key = format!("{key}.{name}");
        }
    }
    let (message, meant) = said.about_value(text, &key);
    Finding {
        line: at.line,
        column: at.column,
        key,
        message,
        meant,
    }
}

/// What an error says.
struct Said {
    about: Wanted,
    message: String,
    meant: Option<String>,
}

impl Said {
    fn about(about: Wanted, message: impl Into<String>) -> Self {
        Self {
            about,
            message: message.into(),
            meant: None,
        }
    }

    /// The same, once it is known which value it is about.
    fn about_value(self, text: Option<&str>, key: &str) -> (String, Option<String>) {
        let Some(text) = text else {
            return (self.message, self.meant);
        };
        if self.message.contains("duration format") || self.message.contains("ISO 8601") {
            let message = format!("`{text}` is no duration: write for instance 90s, 30m or 24h");
            return (message, None);
        }
        if self.message.contains("is not a Kubernetes quantity") {
            return (self.message, binary_unit(text));
        }
        if key.ends_with(".timeZone") {
            return (self.message, closest(text, time_zones().map(str::to_owned)));
        }
        let message = self.message.replace("{value}", &format!("`{text}`"));
        (message, self.meant)
    }
}

/// `4Gb` and `4gi` are meant to be `4Gi`.
fn binary_unit(text: &str) -> Option<String> {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.')?;
    let (number, unit) = text.split_at(end);
    let units = ["Ki", "Mi", "Gi", "Ti"].map(str::to_owned);
    let unit = closest(&unit.trim().to_uppercase().replace('I', "i"), units)?;
    (!number.is_empty()).then(|| format!("{number}{unit}"))
}

fn says(error: &Error) -> Said {
    let similar =
        |name: &str, names: &[&str]| closest(name, names.iter().copied().map(str::to_owned));
    match error {
        Error::SerdeUnknownField {
            field, expected, ..
        } => {
            let meant = similar(field, expected);
            let known = match meant {
                Some(_) => String::new(),
                None => format!("; the keys here are {}", expected.join(", ")),
            };
            let message = format!("there is no key `{field}` here{known}");
            Said {
                about: Wanted::Key,
                message,
                meant,
            }
        }
        Error::SerdeUnknownVariant {
            variant, expected, ..
        } if variant == "~" => Said::about(
            Wanted::Scalar,
            format!("a value is missing: write one of {}", expected.join(", ")),
        ),
        Error::SerdeUnknownVariant {
            variant, expected, ..
        } => Said {
            about: Wanted::Scalar,
            message: format!("`{variant}` is none of {}", expected.join(", ")),
            meant: similar(variant, expected),
        },
        Error::SerdeMissingField { field, .. } => {
            Said::about(Wanted::Value, format!("the key `{field}` is missing"))
        }
        Error::DuplicateMappingKey { .. } => {
            Said::about(Wanted::Key, "this key is given twice: keep one of them")
        }
        Error::MultipleDocuments { .. } => Said::about(
            Wanted::Key,
            "a policy is one YAML document: remove the `---` and what follows",
        ),
        Error::InvalidScalar { ty, .. } => {
            let range = match *ty {
                "u8" => "a whole number from 0 to 255",
                "u32" => "a whole number from 0 to 4294967295",
                "boolean" | "bool" => "a truth value: write true or false",
                other => other,
            };
            Said::about(Wanted::Scalar, format!("{{value}} is not {range}"))
        }
        Error::Unexpected { expected, .. } => Said::about(
            Wanted::Value,
            match *expected {
                "mapping start" => "keys with values are expected here, as in `autonomy: standard`",
                "sequence start" => "a list is expected here, as in `[shop, blog-*]`",
                "string scalar" => "a single text is expected here",
                other => other,
            },
        ),
        // the others are told in words of their own, which end with the place
        other => {
            let text = other.to_string();
            let message = text.split(" at line ").next().unwrap_or_default();
            let message = if message.starts_with("budget breached") {
                "this is more than a policy can be: fewer parts, and no aliases of aliases"
            } else {
                message.lines().next().unwrap_or_default()
            };
            Said::about(Wanted::Value, message)
        }
    }
}
