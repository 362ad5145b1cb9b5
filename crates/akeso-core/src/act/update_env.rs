//! `update_env`: environment variables are added to one container, behind those it has.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{
    Change, NotApplicable, PLACEHOLDER, PatchOp, Treatment,
    patch::{annotate, annotation_path, container_path, guard},
};
use crate::{
    cluster::Workload,
    workload::{AttemptId, ContainerRef, WorkloadRef},
};

/// Adds environment variables to a container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UpdateEnv {
    /// The container.
    pub container: ContainerRef,
    /// The variables, none of which the container sets by now.
    pub variables: Vec<Variable>,
}

/// One variable that is missing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Variable {
    /// Its name.
    pub name: String,
    /// Its value, or where the value is.
    pub value: EnvValue,
    /// Where the value was found.
    pub found: Found,
    /// The same in words.
    pub source: String,
}

/// Where a value was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Found {
    /// The workload itself had it, in a revision that runs well.
    PreviousRevision,
    /// Other workloads of the namespace have it.
    Sibling,
    /// A ConfigMap or Secret has one key of that name.
    Key,
    /// A Service has that name.
    Service,
    /// A person has chosen it.
    Operator,
    /// Nowhere: it is a placeholder that only lets the program start.
    Nowhere,
}

/// A value, or a reference to one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EnvValue {
    /// The value itself.
    Literal(String),
    /// A key of a ConfigMap.
    ConfigMapKey {
        /// The ConfigMap.
        name: String,
        /// Its key.
        key: String,
    },
    /// A key of a Secret; the value stays where it is.
    SecretKey {
        /// The Secret.
        name: String,
        /// Its key.
        key: String,
    },
}

impl EnvValue {
    fn entry(&self, name: &str) -> Value {
        match self {
            Self::Literal(value) => json!({"name": name, "value": value}),
            Self::ConfigMapKey { name: map, key } => {
                json!({"name": name, "valueFrom": {"configMapKeyRef": {"name": map, "key": key}}})
            }
            Self::SecretKey { name: secret, key } => {
                json!({"name": name, "valueFrom": {"secretKeyRef": {"name": secret, "key": key}}})
            }
        }
    }
}

impl Variable {
    /// Whether the value only lets the program start.
    pub fn is_placeholder(&self) -> bool {
        self.found == Found::Nowhere
    }

    /// Whether it holds a credential: by its name, because it is kept in a Secret, or because its
    /// value is a URL with a password.
    pub fn is_credential(&self) -> bool {
        const WORDS: [&str; 6] = ["PASS", "PWD", "KEY", "APIKEY", "SALT", "DSN"];
        // these are told at the end of another word as well: `PGPASSWORD`
        const ENDINGS: [&str; 8] = [
            "PASSWORD",
            "PASSWD",
            "PASSPHRASE",
            "SECRET",
            "SECRETS",
            "TOKEN",
            "CREDENTIAL",
            "CREDENTIALS",
        ];
        let by_value = match &self.value {
            EnvValue::Literal(value) => value.contains("://") && value.contains('@'),
            EnvValue::SecretKey { .. } => true,
            EnvValue::ConfigMapKey { .. } => false,
        };
        by_value
            || self
                .name
                .to_uppercase()
                .split(|c: char| !c.is_ascii_alphanumeric())
                .any(|word| {
                    WORDS.contains(&word) || ENDINGS.iter().any(|ending| word.ends_with(ending))
                })
    }

    /// The value as it may be shown: a credential only if it is a placeholder or a reference.
    pub fn shown(&self) -> String {
        match &self.value {
            EnvValue::Literal(_) if self.is_credential() && !self.is_placeholder() => {
                "***".to_owned()
            }
            EnvValue::Literal(value) => value.clone(),
            EnvValue::ConfigMapKey { name, key } => format!("key {key} of ConfigMap {name}"),
            EnvValue::SecretKey { name, key } => format!("key {key} of Secret {name}"),
        }
    }
}

impl UpdateEnv {
    fn names(&self) -> Vec<&str> {
        self.variables
            .iter()
            .map(|variable| variable.name.as_str())
            .collect()
    }
}

impl Treatment for UpdateEnv {
    fn summary(&self) -> String {
        let pairs: Vec<_> = self
            .variables
            .iter()
            .map(|v| format!("{} = {}", v.name, v.shown()))
            .collect();
        format!(
            "add to the environment of {}: {}",
            self.container,
            pairs.join(", ")
        )
    }

    fn command(&self, workload: &WorkloadRef) -> String {
        let set = |pairs: &str| {
            format!(
                "kubectl -n {} set env {} -c {} {pairs}",
                workload.namespace,
                workload.kubectl(),
                self.container.name
            )
        };
        let literals: Vec<_> = self
            .variables
            .iter()
            .filter(|v| matches!(v.value, EnvValue::Literal(_)))
            .map(|v| {
                format!(
                    "{}={}",
                    v.name,
                    if v.shown() == "***" {
                        "VALUE".to_owned()
                    } else {
                        v.shown()
                    }
                )
            })
            .collect();
        let references = self.variables.iter().filter_map(|v| match &v.value {
            EnvValue::Literal(_) => None,
            EnvValue::ConfigMapKey { name, key } => {
                Some(set(&format!("--from=configmap/{name} --keys={key}")))
            }
            EnvValue::SecretKey { name, key } => {
                Some(set(&format!("--from=secret/{name} --keys={key}")))
            }
        });
        let literals = (!literals.is_empty()).then(|| set(&literals.join(" ")));
        literals
            .into_iter()
            .chain(references)
            .collect::<Vec<_>>()
            .join(" && ")
    }

    fn change(&self, workload: &Workload<'_>, attempt: AttemptId) -> Result<Change, NotApplicable> {
        let path = container_path(workload, &self.container)?;
        let present = workload
            .container(&self.container)
            .and_then(|(_, c)| c.env.as_deref())
            .unwrap_or_default();
        if let Some(taken) = self
            .variables
            .iter()
            .find(|v| present.iter().any(|env| env.name == v.name))
        {
            return Err(NotApplicable::Changed {
                workload: workload.reference.clone(),
                field: format!("the variable {} of {}", taken.name, self.container),
                expected: "not set".to_owned(),
                found: "set".to_owned(),
            });
        }
        let name_test = PatchOp::test(format!("{path}/name"), self.container.name.clone());
        let mut forward = guard(workload);
        forward.push(name_test.clone());
        let entries = self.variables.iter().map(|v| v.value.entry(&v.name));
        if present.is_empty() {
            forward.push(PatchOp::add(
                format!("{path}/env"),
                entries.clone().collect::<Vec<_>>(),
            ));
        } else {
            forward.extend(entries.clone().enumerate().map(|(offset, entry)| {
                PatchOp::add(format!("{path}/env/{}", present.len() + offset), entry)
            }));
        }
        let mut inverse = vec![name_test];
        if present.is_empty() {
            // the list is ours as a whole, or somebody has added to it since
            inverse.push(PatchOp::test(
                format!("{path}/env"),
                entries.collect::<Vec<_>>(),
            ));
            inverse.push(PatchOp::remove(format!("{path}/env")));
        } else {
            let added = present.len()..present.len() + self.variables.len();
            let paths = added.map(|index| format!("{path}/env/{index}"));
            inverse.extend(
                paths
                    .clone()
                    .zip(entries)
                    .map(|(path, entry)| PatchOp::test(path, entry)),
            );
            inverse.extend(paths.rev().map(PatchOp::remove));
        }
        let placeholders = self
            .variables
            .iter()
            .filter(|v| v.is_placeholder())
            .map(|v| v.name.as_str());
        let before = workload
            .metadata()
            .annotations
            .as_ref()
            .and_then(|all| all.get(PLACEHOLDER));
        let all: Vec<_> = before
            .map(String::as_str)
            .into_iter()
            .chain(placeholders.clone())
            .collect();
        let mark = placeholders
            .clone()
            .next()
            .map(|_| (PLACEHOLDER, all.join(",")));
        if let Some((name, written)) = &mark {
            let path = annotation_path(name);
            if let Some(before) = before {
                forward.push(PatchOp::test(path.clone(), before.clone()));
            }
            inverse.push(PatchOp::test(path.clone(), written.clone()));
            inverse.push(match before {
                Some(before) => PatchOp::replace(path, before.clone()),
                None => PatchOp::remove(path),
            });
        }
        forward.extend(annotate(workload.metadata(), attempt, mark.as_slice()));
        Ok(Change::Patch { forward, inverse })
    }

    fn holds(&self, workload: &Workload<'_>) -> bool {
        let Some((_, container)) = workload.container(&self.container) else {
            return false;
        };
        let present = container.env.as_deref().unwrap_or_default();
        self.names()
            .iter()
            .all(|name| present.iter().any(|env| env.name == *name))
    }

    /// With these very values: a person's are others than a placeholder.
    fn is_done(&self, workload: &Workload<'_>) -> Option<bool> {
        let env = workload
            .container(&self.container)
            .and_then(|(_, container)| container.env.as_ref());
        let entries: Vec<_> = env.into_iter().flatten().map(|env| json!(env)).collect();
        let mut variables = self.variables.iter();
        Some(variables.all(|it| entries.contains(&it.value.entry(&it.name))))
    }

    fn brings_credential(&self) -> bool {
        let mut new = self
            .variables
            .iter()
            .filter(|variable| variable.found != Found::PreviousRevision);
        new.any(Variable::is_credential)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn variable(name: &str, value: EnvValue, found: Found) -> Variable {
        Variable {
            name: name.to_owned(),
            value,
            found,
            source: String::new(),
        }
    }

    fn literal(name: &str, value: &str) -> Variable {
        variable(name, EnvValue::Literal(value.to_owned()), Found::Sibling)
    }

    #[test]
    fn a_credential_is_known_by_its_name_its_secret_or_the_password_in_its_url() {
        for name in [
            "DB_PASSWORD",
            "PGPASSWORD",
            "MYSQL_PWD",
            "spring.datasource.password",
            "github-token",
            "ACCESSTOKEN",
            "AWS_SECRET_ACCESS_KEY",
            "SENTRY_DSN",
            "api_key",
            "CLIENTSECRET",
        ] {
            assert!(literal(name, "x").is_credential(), "{name}");
        }
        for name in [
            "MODE",
            "KEYBOARD",
            "MONKEY",
            "COMPASS",
            "PASSAGE",
            "DSNS",
            "TOKENIZER",
        ] {
            assert!(!literal(name, "x").is_credential(), "{name}");
        }
        let key = |secret: bool| {
            let (name, key) = ("shop".to_owned(), "mode".to_owned());
            let value = if secret {
                EnvValue::SecretKey { name, key }
            } else {
                EnvValue::ConfigMapKey { name, key }
            };
            variable("MODE", value, Found::Key).is_credential()
        };
        assert!(key(true) && !key(false));
        assert!(literal("DATABASE", "postgres://me:pw@db/shop").is_credential());
        assert!(!literal("DATABASE", "postgres://db/shop").is_credential());
        assert!(!literal("MAIL", "me@example.org").is_credential());
    }

    #[test]
    fn a_credential_is_shown_only_where_it_is_a_placeholder() {
        let shown =
            |name: &str, found| variable(name, EnvValue::Literal("x".to_owned()), found).shown();
        assert_eq!(shown("MODE", Found::Sibling), "x");
        assert_eq!(shown("MODE", Found::Nowhere), "x");
        assert_eq!(shown("API_TOKEN", Found::Sibling), "***");
        assert_eq!(shown("API_TOKEN", Found::PreviousRevision), "***");
        assert_eq!(shown("API_TOKEN", Found::Nowhere), "x");
    }
}
