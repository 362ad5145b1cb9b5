//! Whom a command asks, where nothing else tells. The command of a probe that does not end in its
//! time says nothing of why, and by default it has one second: less than some clusters take to say
//! that a name is not known.

use super::unreachable::{Failure, Unreachable};
use crate::observe::{Sign, Symptom, awaited::asked};

/// The one host that a probe, or a container that waits, asks by a command.
pub(super) fn in_vain(command: &str, symptom: &Symptom) -> Option<Unreachable> {
    let said = symptom.message.to_ascii_lowercase();
    let is_late = ["timed out", "timeout", "deadline"]
        .iter()
        .any(|it| said.contains(it));
    if !is_late && symptom.sign != Sign::Awaits {
        return None;
    }
    let asked = asked(command)?;
    Some(Unreachable {
        host: asked.host,
        port: asked.port,
        failure: Failure::TimedOut,
    })
}
