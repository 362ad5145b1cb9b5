//! The article's memory file: attempts, and what helped by status and reason.

use std::collections::BTreeMap;

use akeso_core::{
    act::{Action, ActionKind, EnvValue, Found, IncreaseMemory},
    engine::{Attempt, Incident, Ledger},
    journal::Verdict,
    learn::{Fingerprint, Pattern},
    quantity::Bytes,
    workload::{ContainerRef, ContainerRole},
};
use anyhow::ensure;
use jiff::{Timestamp, civil::DateTime, tz::TimeZone};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{MOST_USES, ONE, is_plain};

/// The file. What it holds beside this is kept, and not understood.
#[derive(Debug, Deserialize)]
pub(super) struct Article {
    attempts: Vec<Tried>,
    patterns: BTreeMap<String, Helped>,
}

#[derive(Debug, Deserialize)]
struct Tried {
    issue: Issue,
    #[expect(dead_code, reason = "it must be there")]
    action: String,
    #[serde(alias = "details")]
    #[expect(dead_code, reason = "it must be an object")]
    action_details: Map<String, Value>,
    #[expect(dead_code, reason = "it must be there")]
    success: bool,
    timestamp: String,
}

#[derive(Debug, Deserialize)]
struct Issue {
    status: String,
    reason: String,
}

#[derive(Debug, Deserialize)]
struct Helped {
    successful_actions: Vec<Done>,
    success_count: u32,
    total_count: u32,
}

#[derive(Debug, Deserialize)]
struct Done {
    action: String,
    #[serde(alias = "action_details")]
    details: Map<String, Value>,
}

/// Reads the file, and refuses what makes no sense.
pub(super) fn read(text: &str) -> anyhow::Result<Article> {
    let article: Article = serde_json::from_str(text)?;
    for (place, tried) in article.attempts.iter().enumerate() {
        ensure!(
            time(&tried.timestamp).is_some(),
            "attempts[{place}].timestamp: `{}` is no time such as 2025-10-16T10:30:45",
            tried.timestamp.escape_debug()
        );
    }
    for (key, helped) in &article.patterns {
        ensure!(
            is_plain(key),
            "patterns: a name is too long, or has control characters"
        );
        let Helped {
            success_count,
            total_count,
            ..
        } = helped;
        ensure!(
            success_count <= total_count && *total_count <= MOST_USES,
            "patterns.{key}: {success_count} of {total_count} successes cannot be"
        );
    }
    Ok(article)
}

/// Times without a zone, as the article's program writes them, are taken for UTC.
fn time(text: &str) -> Option<Timestamp> {
    let zoned = text.parse().ok();
    zoned.or_else(|| {
        let plain: DateTime = text.parse().ok()?;
        Some(plain.to_zoned(TimeZone::UTC).ok()?.timestamp())
    })
}

impl Article {
    /// What Akeso can learn of it: how much memory has helped. What else helped depends on which
    /// variables, image or pod it was, and of those the file names one workload's only.
    pub(super) fn patterns(&self, now: Timestamp) -> Vec<Pattern> {
        const KILLED: &str = "Terminated_OOMKilled";
        let Some(helped) = self.patterns.get(KILLED) else {
            return Vec::new();
        };
        let kinds = helped.successful_actions.iter();
        if !kinds
            .clone()
            .all(|it| it.action == ActionKind::IncreaseMemory.as_str())
        {
            return Vec::new(); // which of them has failed is not told
        }
        let limits =
            kinds.filter_map(|it| Bytes::parse(it.details.get("new_limit")?.as_str()?).ok());
        let action = limits.max().map(|to| {
            Action::IncreaseMemory(IncreaseMemory {
                container: ContainerRef {
                    name: String::new(),
                    role: ContainerRole::Main,
                },
                from: Bytes::new(0),
                to,
                request: None,
            })
        });
        let of_it = self
            .attempts
            .iter()
            .filter(|it| format!("{}_{}", it.issue.status, it.issue.reason) == KILLED);
        let last = of_it.filter_map(|it| time(&it.timestamp)).max();
        let failures = helped.total_count - helped.success_count;
        vec![Pattern {
            fingerprint: Fingerprint {
                fault: "out-of-memory".to_owned(),
                detail: String::new(),
                log: String::new(),
                image: None,
                command: None,
                workload: None,
            },
            kind: ActionKind::IncreaseMemory,
            action,
            successes: helped.success_count,
            failures,
            last_used: last.unwrap_or(now).min(now),
            helped: u64::from(helped.success_count) * ONE,
            failed: u64::from(failures) * ONE,
            is_demoted: false,
            from: None,
        }]
    }
}

/// The attempts of a store, and of the article's files that were taken in, in the article's form.
pub fn export(ledger: &Ledger) -> Value {
    let mut attempts = Vec::new();
    let mut patterns = Map::new();
    for article in ledger.articles().values() {
        let of_file = article["attempts"].as_array();
        attempts.extend(of_file.into_iter().flatten().cloned());
        for (key, helped) in article["patterns"].as_object().into_iter().flatten() {
            add(&mut patterns, key, helped);
        }
    }
    for incident in ledger.incidents() {
        for attempt in incident.attempts.iter().filter(|it| !it.is_trial()) {
            let Some(has_helped) = attempt.verdict.map(|it| it == Verdict::Healed) else {
                continue;
            };
            let symptom = &attempt.diagnosis.symptom;
            let key = format!("{}_{}", symptom.status, symptom.reason);
            let (action, details) = (attempt.step.action.name(), details(&attempt.step.action));
            let reasoning = &attempt.step.reasoning;
            let mut done = Vec::new();
            if has_helped {
                done.push(json!({"action": action, "details": details, "reasoning": reasoning}));
            }
            let count = u32::from(has_helped);
            add(
                &mut patterns,
                &key,
                &json!({"successful_actions": done, "success_count": count, "total_count": 1}),
            );
            attempts.push(tried(incident, attempt, action, &details, has_helped));
        }
    }
    json!({"attempts": attempts, "patterns": patterns})
}

/// Adds to what is known of a status and reason.
fn add(patterns: &mut Map<String, Value>, key: &str, helped: &Value) {
    let Some(known) = patterns.get_mut(key) else {
        patterns.insert(key.to_owned(), helped.clone());
        return;
    };
    for count in ["success_count", "total_count"] {
        let sum = known[count].as_u64().unwrap_or(0) + helped[count].as_u64().unwrap_or(0);
        known[count] = sum.into();
    }
    let more = helped["successful_actions"]
        .as_array()
        .into_iter()
        .flatten();
    if let Some(all) = known["successful_actions"].as_array_mut() {
        for done in more {
            if !all.contains(done) {
                all.push(done.clone());
            }
        }
    }
}

fn tried(
    incident: &Incident,
    attempt: &Attempt,
    action: &str,
    details: &Value,
    has_helped: bool,
) -> Value {
    let at = |at: Timestamp| at.strftime("%Y-%m-%dT%H:%M:%S").to_string();
    let symptom = &attempt.diagnosis.symptom;
    let workload = &incident.workload;
    json!({
        "issue": {
            "pod_name": symptom.pod.as_ref().unwrap_or(&workload.name),
            "namespace": workload.namespace,
            "status": symptom.status,
            "reason": symptom.reason,
            "message": symptom.message,
            "timestamp": at(incident.opened),
            "container_name": symptom.container.as_ref().map(|it| &it.name),
        },
        "action": action,
        "action_details": details,
        "success": has_helped,
        "timestamp": at(attempt.at),
        "reasoning": attempt.step.reasoning,
    })
}

/// The parameters of an action; a value that came from the cluster is not told.
fn details(action: &Action) -> Value {
    match action {
        Action::IncreaseMemory(memory) => json!({"new_limit": memory.to}),
        Action::FixImageName(image) => json!({"new_image": image.to}),
        Action::UpdateEnv(env) => {
            let variables = env.variables.iter().map(|variable| {
                let value = match (&variable.value, variable.found) {
                    (EnvValue::Literal(value), Found::Nowhere) => value.as_str(),
                    _ => "(from the cluster)",
                };
                (variable.name.clone(), Value::from(value))
            });
            json!({"env_vars": variables.collect::<Map<_, _>>()})
        }
        other => {
            let mut parameters = json!(other);
            if let Some(members) = parameters.as_object_mut() {
                members.remove("action");
            }
            parameters
        }
    }
}
