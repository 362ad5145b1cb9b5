//! What is gathered to explain an incident, on demand: a diagnosis asks, the rim answers.

mod listed;
mod usage;

use std::collections::{BTreeMap, BTreeSet};

pub use listed::{Listed, ListedKind, Objects};
use serde::{Deserialize, Serialize};
pub use usage::{PodUsage, Usage, Used};

use crate::{
    certificate::TlsSecret,
    quantity::{Bytes, MilliCpu},
};

/// One thing that a diagnosis wants to know, or that an object cannot be judged without; about the
/// incident's namespace unless it names one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(tag = "question", rename_all = "kebab-case")]
pub enum Question {
    /// The last 200 lines that a container logged.
    Logs {
        /// The pod.
        pod: String,
        /// The container.
        container: String,
        /// Which of its lives.
        life: Life,
    },
    /// What the registry says of an image reference, asked with the pod's pull secrets.
    Image {
        /// The reference, as it would stand in a manifest.
        reference: String,
        /// Secrets of type `kubernetes.io/dockerconfigjson` that the pod names.
        pull_secrets: Vec<String>,
    },
    /// Names and keys (never values) of the ConfigMaps and Secrets.
    Keys,
    /// What bounds memory and requests: LimitRanges and ResourceQuotas.
    Bounds,
    /// What a Secret for TLS says to everybody.
    Certificate {
        /// Where it is.
        namespace: String,
        /// Its name.
        secret: String,
    },
    /// What containers use, as the metrics API has measured it.
    Usage {
        /// Where.
        namespace: String,
    },
    /// All objects of a kind that is not watched.
    Objects {
        /// The kind.
        kind: ListedKind,
        /// Where; empty for what lies in no namespace.
        namespace: String,
    },
}

/// Which life of a container a log is from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Life {
    /// The one that runs, or the last one if none does.
    Current,
    /// The one before the last restart.
    Previous,
}

/// What the rim answers.
#[derive(Debug, Clone, PartialEq)]
pub enum Answer {
    /// Log lines, oldest first.
    Logs(String),
    /// What the registry says.
    Image(ImageAnswer),
    /// Names and keys.
    Keys(Keys),
    /// Bounds of memory.
    Bounds(Bounds),
    /// What a Secret for TLS says to everybody.
    Certificate(TlsSecret),
    /// What containers use.
    Usage(Usage),
    /// Objects of a kind that is not watched.
    Objects(Objects),
    /// It could not be asked. This is no answer: nothing may be concluded from it.
    Unknown {
        /// Why, for people.
        why: String,
    },
}

impl Answer {
    /// The names and keys, if that is what was asked for and it could be asked.
    pub const fn keys(&self) -> Option<&Keys> {
        match self {
            Self::Keys(keys) => Some(keys),
            Self::Logs(_)
            | Self::Image(_)
            | Self::Bounds(_)
            | Self::Certificate(_)
            | Self::Usage(_)
            | Self::Objects(_)
            | Self::Unknown { .. } => None,
        }
    }
}

/// What a registry says of an image reference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ImageAnswer {
    /// The reference can be pulled.
    Exists,
    /// The repository is there, the tag is not; these tags are.
    NoSuchTag {
        /// The tags that the repository has, in the registry's order, at most a few thousand.
        tags: Vec<String>,
    },
    /// There is no such repository, or it is hidden from us: registries do not tell these apart.
    NoSuchRepository,
}

/// The ConfigMaps and Secrets of a namespace: name → keys.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Keys {
    /// ConfigMaps.
    pub config_maps: BTreeMap<String, BTreeSet<String>>,
    /// Secrets. Their values never come here.
    pub secrets: BTreeMap<String, BTreeSet<String>>,
    /// The Secrets with credentials for registries, which configure no program.
    pub pull_secrets: BTreeSet<String>,
}

/// What bounds a container's memory in a namespace, and its requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Bounds {
    /// The least of the LimitRanges' `max.memory` for a container.
    pub container_max: Option<Bytes>,
    /// What the ResourceQuotas leave of `limits.memory`.
    pub quota_left: Option<Bytes>,
    /// The least of the LimitRanges' `maxLimitRequestRatio.memory`, in thousandths.
    pub max_limit_to_request: Option<u64>,
    /// The greatest of the LimitRanges' `min.memory` for a container.
    pub min_memory: Option<Bytes>,
    /// The greatest of the LimitRanges' `min.cpu` for a container.
    pub min_cpu: Option<MilliCpu>,
}

impl Bounds {
    /// What is left of the quota for each of `replicas` pods that have `limit` now: all of them
    /// grow, and a rollout needs room for one more.
    #[must_use]
    pub fn for_each_of(self, replicas: i32, limit: Bytes) -> Self {
        let replicas = u64::try_from(replicas).unwrap_or(1).max(1);
        let share = |left: Bytes| {
            left.min(Bytes::new(
                limit.get().saturating_add(left.get() / replicas),
            ))
        };
        Self {
            quota_left: self.quota_left.map(share),
            ..self
        }
    }
}

/// The answers that one incident has.
#[derive(Debug, Default)]
pub struct Evidence {
    answers: BTreeMap<Question, Answer>,
}

impl Evidence {
    /// Takes an answer out.
    pub fn remove(&mut self, question: &Question) {
        self.answers.remove(question);
    }

    /// Takes in an answer.
    pub fn insert(&mut self, question: Question, answer: Answer) {
        self.answers.insert(question, answer);
    }

    /// The answer to a question, if it has come.
    pub fn get(&self, question: &Question) -> Option<&Answer> {
        self.answers.get(question)
    }

    /// What a container has logged, of whichever of its lives that was asked for and said something.
    pub fn logs(&self, pod: &str, container: &str) -> &str {
        let of = |life| Question::Logs {
            pod: pod.to_owned(),
            container: container.to_owned(),
            life,
        };
        let lives = [Life::Current, Life::Previous];
        let said = lives
            .into_iter()
            .find_map(|life| match self.get(&of(life)) {
                Some(Answer::Logs(text)) if !text.trim().is_empty() => Some(text.as_str()),
                Some(_) | None => None,
            });
        said.unwrap_or_default()
    }

    /// Forgets everything, for a fresh look.
    pub fn clear(&mut self) {
        self.answers.clear();
    }
}
