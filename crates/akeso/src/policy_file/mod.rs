//! `akeso.yaml`: read into a policy with its own gates ready to be asked, or into what is wrong
//! with it and where.

mod checks;
mod expression;
mod finding;
mod summary;
mod tree;
mod watched;

use std::path::{Path, PathBuf};

use akeso_core::policy::{OwnGate, Policy};

pub use finding::Finding;
pub use summary::{summary, word};
pub use watched::{Look, Thoroughness, Watched};

use tree::Node;

/// A policy that can be used.
#[derive(Debug, Clone, Default)]
pub struct PolicyFile {
    /// The policy.
    pub policy: Policy,
    /// Its rules of the operator's own, ready to be asked.
    pub gates: Vec<OwnGate>,
}

/// Why a policy file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Unusable {
    /// It cannot be read at all.
    #[error("the policy {} cannot be read: {why}; give a file that there is", .path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system says.
        why: String,
    },
    /// Something in it is wrong.
    #[error("the policy {} cannot be used:{}", .path.display(), lines(.path, .findings))]
    Wrong {
        /// The file.
        path: PathBuf,
        /// What, and where.
        findings: Vec<Finding>,
    },
}

fn lines(path: &Path, findings: &[Finding]) -> String {
    let lines = findings
        .iter()
        .map(|finding| format!("\n  {}", finding.in_file(path)));
    lines.collect()
}

/// Reads a policy file.
pub fn load(path: &Path) -> Result<PolicyFile, Unusable> {
    let bytes = std::fs::read(path).map_err(|error| Unusable::Unreadable {
        path: path.to_owned(),
        why: error.to_string(),
    })?;
    from_bytes(path, &bytes)
}

/// Reads what is in a policy file.
fn from_bytes(path: &Path, bytes: &[u8]) -> Result<PolicyFile, Unusable> {
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let before = bytes[..error.valid_up_to()].split(|byte| *byte == b'\n');
        let line = before.count();
        vec![Finding::at_line(line, "this is not UTF-8 text")]
    });
    text.and_then(parse).map_err(|findings| Unusable::Wrong {
        path: path.to_owned(),
        findings,
    })
}

/// Reads a policy. What serde refuses is the only finding; else all that is found is told.
pub fn parse(text: &str) -> Result<PolicyFile, Vec<Finding>> {
    let tree = match Node::read(text) {
        Ok(Some(tree)) => tree,
        Ok(None) => return Ok(PolicyFile::default()), // an empty file changes no default
        Err(error) => return Err(vec![finding::from_yaml(&error, None)]),
    };
    let policy: Policy = serde_saphyr::from_str(text)
        .map_err(|error| vec![finding::from_yaml(&error, Some(&tree))])?;
    let mut complaints = checks::check(&policy, &tree);
    let mut gates = Vec::new();
    for (place, rule) in policy.gates.iter().enumerate() {
        match expression::compile(&rule.when) {
            Ok(condition) => gates.push(OwnGate {
                rule: rule.clone(),
                condition,
            }),
            Err(wrong) => complaints.push(checks::Complaint {
                key: format!("gates[{place}].when"),
                message: wrong.message,
                meant: wrong.meant,
            }),
        }
    }
    if complaints.is_empty() {
        return Ok(PolicyFile { policy, gates });
    }
    let mut findings: Vec<_> = complaints
        .into_iter()
        .map(|complaint| {
            let place = tree.place_of(&complaint.key);
            Finding {
                line: place.line,
                column: place.column,
                key: complaint.key,
                message: complaint.message,
                meant: complaint.meant,
            }
        })
        .collect();
    findings.sort_by_key(|finding| (finding.line, finding.column));
    Err(findings)
}

#[cfg(test)]
mod tests;
