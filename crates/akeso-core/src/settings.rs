//! What the operator has chosen.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::quantity::Bytes;

/// How much Akeso does by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Autonomy {
    /// Says what it would do; changes nothing.
    Observe,
    /// Image and memory fixes act, with conservative ceilings; everything else asks.
    Cautious,
    /// Every reversible, proven fix acts; credentials ask.
    Standard,
    /// Everything that the gates allow acts.
    Full,
}

/// The engine's settings.
#[derive(Debug, Clone)]
pub struct Settings {
    /// How much Akeso does by itself.
    pub autonomy: Autonomy,
    /// The only namespace that is watched; all if none is named.
    pub namespace: Option<String>,
    /// Namespaces in which nothing is ever changed.
    pub protected_namespaces: BTreeSet<String>,
    /// No memory limit is raised beyond this.
    pub memory_ceiling: Bytes,
}

impl Settings {
    /// Whether a namespace is watched.
    pub fn watches(&self, namespace: &str) -> bool {
        self.namespace
            .as_deref()
            .is_none_or(|only| only == namespace)
    }
}

impl Default for Settings {
    fn default() -> Self {
        let protected = [
            "kube-system",
            "kube-public",
            "kube-node-lease",
            "akeso-system",
        ];
        Self {
            autonomy: Autonomy::Standard,
            namespace: None,
            protected_namespaces: protected.map(str::to_owned).into(),
            memory_ceiling: Bytes::mebi(4096),
        }
    }
}
