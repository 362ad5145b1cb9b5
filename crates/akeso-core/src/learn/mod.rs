//! LEARN: what verified heals taught. A pattern is made only from the verified heal of the
//! workload that was changed, and carries no workload's name.

use std::collections::BTreeMap;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Container;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::{act::Action, digest::hex};

/// What makes two failures the same: the fault, the image, the command and, where it matters, the
/// detail (which variables are missing). The workload's name is not part of it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Fingerprint(pub String);

impl Fingerprint {
    /// The fingerprint of a fault of a container.
    pub fn of(fault: &str, container: &Container, detail: &str) -> Self {
        let mut hasher = Sha256::new();
        for word in container
            .command
            .iter()
            .flatten()
            .chain(container.args.iter().flatten())
        {
            hasher.update(word.as_bytes());
            hasher.update([0]);
        }
        let command = hex(&hasher.finalize()[..6]);
        let image = container.image.as_deref().unwrap_or_default();
        let detail = if detail.is_empty() {
            String::new()
        } else {
            format!(" {detail}")
        };
        Self(format!("{fault} {image} {command}{detail}"))
    }

    /// A short name for people to type: eight hexadecimal digits.
    pub fn id(&self) -> String {
        hex(&Sha256::digest(&self.0)[..4])
    }
}

impl std::fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// What helped against a fingerprint, and how often.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pattern {
    /// The failure.
    pub fingerprint: Fingerprint,
    /// What helped last.
    pub action: Action,
    /// Verified heals.
    pub successes: u32,
    /// Uses that did not heal.
    pub failures: u32,
    /// When it was used last.
    pub last_used: Timestamp,
}

impl Pattern {
    /// Whether it has helped more often than not.
    pub const fn is_trusted(&self) -> bool {
        self.successes > self.failures
    }
}

/// All patterns.
#[derive(Debug, Default)]
pub struct Patterns {
    by_fingerprint: BTreeMap<Fingerprint, Pattern>,
}

impl Patterns {
    /// The pattern of a failure, if it can be trusted.
    pub fn recall(&self, fingerprint: &Fingerprint) -> Option<&Pattern> {
        self.by_fingerprint
            .get(fingerprint)
            .filter(|pattern| pattern.is_trusted())
    }

    /// Counts a verified heal.
    pub fn succeeded(&mut self, fingerprint: &Fingerprint, action: &Action, at: Timestamp) {
        let pattern = self
            .by_fingerprint
            .entry(fingerprint.clone())
            .or_insert_with(|| Pattern {
                fingerprint: fingerprint.clone(),
                action: action.clone(),
                successes: 0,
                failures: 0,
                last_used: at,
            });
        if pattern.action != *action {
            pattern.failures = 0; // what failed was another action
        }
        pattern.action = action.clone();
        pattern.successes += 1;
        pattern.last_used = at;
    }

    /// Counts an attempt that did not heal, if it was this pattern's.
    pub fn failed(&mut self, fingerprint: &Fingerprint, action: &Action, at: Timestamp) {
        if let Some(pattern) = self
            .by_fingerprint
            .get_mut(fingerprint)
            .filter(|p| p.action == *action)
        {
            pattern.failures += 1;
            pattern.last_used = at;
        }
    }

    /// Forgets a pattern.
    pub fn forget(&mut self, fingerprint: &Fingerprint) {
        self.by_fingerprint.remove(fingerprint);
    }

    /// Puts those of a checkpoint in the place of all.
    pub fn replace(&mut self, patterns: &[Pattern]) {
        let named = |pattern: &Pattern| (pattern.fingerprint.clone(), pattern.clone());
        self.by_fingerprint = patterns.iter().map(named).collect();
    }

    /// Every pattern, in the order of the fingerprints.
    pub fn iter(&self) -> impl Iterator<Item = &Pattern> {
        self.by_fingerprint.values()
    }
}
