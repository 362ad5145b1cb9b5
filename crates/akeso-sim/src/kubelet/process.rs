//! One life of a container's program, decided at its start from how it behaves, its variables and
//! its memory limit.

use std::collections::BTreeMap;

use akeso_core::quantity::Bytes;
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::Container;

use super::probes::Probes;
use crate::{behaviour::Behaviour, world::later};

/// A program that runs.
#[derive(Debug, Clone)]
pub(super) struct Process {
    pub(super) since: Timestamp,
    /// How it ends, unless somebody ends it before.
    pub(super) end: Option<End>,
    /// When its readiness probe passes.
    pub(super) ready_at: Timestamp,
    /// Whether the kubelet has seen that it runs.
    pub(super) is_seen: bool,
    /// When its readiness probe fails next.
    pub(super) probe_at: Option<Timestamp>,
    /// Its probes, if it says what it answers to them.
    pub(super) probes: Option<Box<Probes>>,
    /// Whether it is being killed for them.
    pub(super) is_killed: bool,
}

/// How a program ends.
#[derive(Debug, Clone)]
pub(super) struct End {
    pub(super) at: Timestamp,
    pub(super) code: i32,
    pub(super) reason: &'static str,
    pub(super) log: Vec<String>,
}

impl End {
    fn new(at: Timestamp, code: i32, log: &[String]) -> Self {
        let reason = if code == 0 { "Completed" } else { "Error" };
        Self {
            at,
            code,
            reason,
            log: log.to_vec(),
        }
    }

    /// Killed from outside, after it was asked to stop and did not.
    pub(super) fn killed(at: Timestamp) -> Self {
        Self::new(at, 137, &[])
    }
}

/// The container's memory limit.
pub(super) fn memory_limit(container: &Container) -> Option<Bytes> {
    let limits = container.resources.as_ref()?.limits.as_ref()?;
    Bytes::parse(&limits.get("memory")?.0).ok()
}

/// Starts a container's program for the `nth` time, from 1; with what it logs at once. `pod` is
/// the pod's address and name.
pub(super) fn start(
    container: &Container,
    behaviour: &Behaviour,
    variables: &BTreeMap<String, String>,
    pod: (&str, &str),
    nth: u32,
    at: Timestamp,
) -> (Process, Vec<String>) {
    let log = behaviour
        .logs
        .iter()
        .map(|line| expanded(line, variables))
        .collect();
    let empty = |name: &String| variables.get(name).is_none_or(String::is_empty);
    let missing = behaviour
        .missing
        .as_ref()
        .filter(|_| behaviour.requires.iter().any(empty));
    let end = match (missing, &behaviour.needs) {
        (Some(missing), _) => Some(End::new(at, missing.exit, &missing.log)),
        (None, Some(needs)) => {
            let said = needs.log.iter().map(|line| expanded(line, variables));
            Some(End::new(at, needs.exit, &said.collect::<Vec<_>>()))
        }
        (None, None) => by_itself(behaviour, nth, at)
            .into_iter()
            .chain(out_of_memory(container, behaviour, at))
            .min_by_key(|end| end.at),
    };
    let probe = container.readiness_probe.as_ref();
    let delay = probe.map_or(0, |probe| probe.initial_delay_seconds.unwrap_or(0));
    let first_probe = later(at, SignedDuration::from_secs(delay.into()));
    let ready_at = later(at, behaviour.ready_after.unwrap_or_default()).max(first_probe);
    let probe_at = probe.map(|_| first_probe).filter(|first| *first < ready_at);
    let probes = Probes::new(container, behaviour.answers.as_ref(), pod, at).map(Box::new);
    (
        Process {
            since: at,
            end,
            ready_at,
            is_seen: false,
            probe_at: probe_at.filter(|_| probes.is_none()),
            probes,
            is_killed: false,
        },
        log,
    )
}

fn by_itself(behaviour: &Behaviour, nth: u32, at: Timestamp) -> Option<End> {
    let exits = behaviour.exits.as_ref()?;
    let happens = exits.times.is_none_or(|times| nth <= times);
    let exits = if happens {
        exits
    } else {
        exits.then.as_deref()?
    };
    Some(End::new(later(at, exits.after), exits.code, &exits.log))
}

fn out_of_memory(container: &Container, behaviour: &Behaviour, at: Timestamp) -> Option<End> {
    let after = behaviour.memory?.exceeds(memory_limit(container)?)?;
    Some(End {
        at: later(at, after),
        code: 137,
        reason: "OOMKilled",
        log: Vec::new(),
    })
}

/// `$NAME` and `${NAME}` stand for the variable's value, as in a shell.
pub(super) fn expanded(line: &str, variables: &BTreeMap<String, String>) -> String {
    let mut text = String::new();
    let mut rest = line;
    while let Some(at) = rest.find('$') {
        text.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        let (braced, body) = match rest.strip_prefix('{') {
            Some(body) => (true, body),
            None => (false, rest),
        };
        let end = body
            .find(|c: char| !c.is_ascii_alphanumeric() && c != '_')
            .unwrap_or(body.len());
        let name = &body[..end];
        if name.is_empty() {
            text.push('$');
            continue;
        }
        text.push_str(variables.get(name).map(String::as_str).unwrap_or_default());
        rest = &body[end..];
        if braced {
            rest = rest.strip_prefix('}').unwrap_or(rest);
        }
    }
    text.push_str(rest);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_expanded_as_a_shell_would() {
        let variables = BTreeMap::from([
            ("A".to_owned(), "1".to_owned()),
            ("AB".to_owned(), "2".to_owned()),
        ]);
        assert_eq!(expanded("$A ${AB}x $C| 5$ $", &variables), "1 2x | 5$ $");
    }
}
