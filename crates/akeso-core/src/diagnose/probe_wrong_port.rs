//! Fault `probe-wrong-port`: a probe asks a port on which the container does not listen. What it
//! listens on is told by its log or by the only port that it declares; the probe is corrected only
//! where both say the same (see [`right_port`]).

use std::sync::LazyLock;

use k8s_openapi::{
    api::core::v1::{self, Container},
    apimachinery::pkg::util::intstr::IntOrString,
};
use regex::Regex;

use super::{Diagnosis, Examination, Family, Fault, last_lines, probe_failing, undo};
use crate::{
    act::{Action, FixProbe},
    cluster::selects,
    observe::{Sign, Symptom},
    plan::Advice,
    similar::closest,
};

pub(super) const FAULT: Fault = Fault {
    name: "probe-wrong-port",
    family: Family::Probes,
    signs: "a probe is refused (`connection refused`) and the container's log or its only declared port tells of another one; or the probe names a port that the container does not declare",
    does: "names both ports; after a rollout, puts the last good revision back, where one is proven; else has the probe ask the one port on which the log says that the container listens, where that is the only port that it declares or the one to which a Service sends",
    never: "changes a probe's port by the log or the manifest alone, or to another than the one that is meant for traffic",
    diagnose,
};

/// What servers say when they begin to listen, the address and the port.
static LISTENING: LazyLock<Vec<Regex>> = LazyLock::new(|| {
    [
        // `listening on :8080`, `Uvicorn running on http://0.0.0.0:8000`, `Listening at: http://[::]:80`
        r"(?i)\b(?:listening|running|serving|started|listen)(?: \w+){0,2}? (?:on|at):? ?(?:https?://|tcp://)?(?<host>[\w.-]*|\[[0-9a-f:]*\]):(?<port>\d{2,5})\b",
        // `Serving HTTP on 0.0.0.0 port 8000`, `listening on port 8080`, `started on port(s): 8080`
        r"(?i)\b(?:listening|running|serving|started|listen)(?: \w+){0,3}?(?: (?<host>\d+\.\d+\.\d+\.\d+|localhost))? (?:on )?port(?:\(s\))?:? ?(?<port>\d{2,5})\b",
    ]
    .iter()
    .filter_map(|form| Regex::new(form).ok())
    .collect()
});

/// A place at which a program says that it listens.
struct Listens<'a> {
    port: i32,
    /// Whether nobody but the pod itself can reach it.
    is_local: bool,
    line: &'a str,
}

fn listens(log: &str) -> Vec<Listens<'_>> {
    let of_line = |line| {
        let found = LISTENING.iter().find_map(|form| form.captures(line))?;
        let host = found.name("host").map_or("", |host| host.as_str());
        if host.parse::<u32>().is_ok() {
            return None; // `started at 12:30:10` is a time
        }
        Some(Listens {
            port: found.name("port")?.as_str().parse().ok()?,
            is_local: host == "localhost" || host == "[::1]" || host.starts_with("127."),
            line,
        })
    };
    log.lines().filter_map(of_line).collect()
}

/// Whether a log tells that the program has come so far as to listen.
pub(super) fn has_begun_to_listen(log: &str) -> bool {
    !listens(log).is_empty()
}

fn diagnose(examination: &Examination<'_>, symptom: &Symptom) -> Option<Diagnosis> {
    let Sign::Probe { probe } = &symptom.sign else {
        return None;
    };
    let container = examination.container(symptom)?;
    let asked = probe.of(container).and_then(asked_port)?;
    let log = examination.crash_log(symptom)?;
    let port = match asked {
        IntOrString::Int(port) => Some(port),
        IntOrString::String(ref name) => name.parse().ok().or_else(|| declared(container, name)),
    };
    let field = probe.field();
    let (says, confidence) = match port {
        None => {
            let IntOrString::String(name) = &asked else {
                return None;
            };
            let names = container.ports.iter().flatten();
            let similar = closest(name, names.filter_map(|port| port.name.clone()))
                .map(|similar| format!("; it declares {similar}"))
                .unwrap_or_default();
            (
                format!(
                    "{field} asks the port {name}, which the container does not declare{similar}"
                ),
                95,
            )
        }
        Some(port) if symptom.message.contains("connection refused") => {
            let (says, confidence) = elsewhere(container, port, log)?;
            (format!("{field} asks port {port}, {says}"), confidence)
        }
        Some(_) => return None,
    };
    let advice = Advice {
        why: format!("the {field} must ask the port on which the program listens"),
        command: examination.describe(symptom),
    };
    let remedy = probe_failing::remedy(examination, *probe, advice);
    let remedy = match right_port(examination, container, &asked, port, log) {
        Some((to, reasoning)) if undo::step(examination).is_none() => {
            let action = Action::FixProbe(FixProbe {
                container: symptom.container.clone()?,
                probe: *probe,
                from: serde_json::json!(asked),
                to,
            });
            remedy.with_fix(action, reasoning)
        }
        Some(_) | None => remedy,
    };
    let evidence = std::iter::once(symptom.message.clone()).chain(last_lines(log, 3));
    Some(
        examination
            .diagnosis(
                &FAULT,
                symptom,
                format!("fails: its {says}"),
                confidence,
                remedy,
            )
            .with_evidence(evidence),
    )
}

/// The one port that can have been meant, and why: the container says in its log that it listens
/// there and nowhere else, and it is the only port that the container declares or, where it declares
/// none, one to which a Service sends. A port that serves figures about the program is not meant.
fn right_port(
    examination: &Examination<'_>,
    container: &Container,
    asked: &IntOrString,
    number: Option<i32>,
    log: &str,
) -> Option<(u16, String)> {
    const ASIDE: [&str; 6] = [
        "metric",
        "admin",
        "debug",
        "pprof",
        "management",
        "telemetry",
    ];
    let mut told = listens(log).into_iter();
    let first = told.next()?;
    let line = first.line.to_lowercase();
    let is_meant = !first.is_local && !ASIDE.iter().any(|word| line.contains(word));
    if !is_meant || told.any(|other| other.port != first.port) {
        return None;
    }
    let workload = examination.workload;
    let services = workload.cluster().services.values().filter(|service| {
        service.metadata.namespace.as_ref() == Some(&workload.reference.namespace)
            && workload.pods.iter().any(|pod| selects(service, pod))
    });
    let targets: Vec<_> = services
        .filter_map(|service| service.spec.as_ref()?.ports.as_ref())
        .flatten()
        .map(|port| {
            port.target_port
                .clone()
                .unwrap_or(IntOrString::Int(port.port))
        })
        .collect();
    // where traffic is sent to the port that is asked, it is the program that listens elsewhere
    if targets.contains(asked) || number.is_some_and(|n| targets.contains(&IntOrString::Int(n))) {
        return None;
    }
    let ports = container.ports.as_deref().unwrap_or_default();
    let by = match ports {
        [only] if only.container_port == first.port => "the only port that it declares",
        [] if targets.contains(&IntOrString::Int(first.port)) => "the one to which a Service sends",
        _ => return None,
    };
    let to = u16::try_from(first.port).ok()?;
    Some((
        to,
        format!("the container says that it listens on {to}, which is {by}"),
    ))
}

/// The port that a probe asks in the pod itself.
fn asked_port(probe: &v1::Probe) -> Option<IntOrString> {
    if let Some(get) = &probe.http_get {
        return get.host.is_none().then(|| get.port.clone());
    }
    if let Some(socket) = &probe.tcp_socket {
        return socket.host.is_none().then(|| socket.port.clone());
    }
    let grpc = probe.grpc.as_ref()?;
    Some(IntOrString::Int(grpc.port))
}

fn declared(container: &Container, name: &str) -> Option<i32> {
    let mut ports = container.ports.iter().flatten();
    let port = ports.find(|port| port.name.as_deref() == Some(name))?;
    Some(port.container_port)
}

/// Where the container listens instead, if it is not at this port.
fn elsewhere(container: &Container, asked: i32, log: &str) -> Option<(String, u8)> {
    let told = listens(log);
    let by = |it: &Listens<'_>| {
        last_lines(it.line, 1)
            .pop()
            .map(|line| format!(" ({line})"))
            .unwrap_or_default()
    };
    if let Some(here) = told.iter().find(|it| it.port == asked) {
        let says = format!(
            "on which the container listens for itself only, not for the kubelet{}",
            by(here)
        );
        return here.is_local.then_some((says, 85));
    }
    if let Some(last) = told.last() {
        return Some((
            format!("the container listens on {}{}", last.port, by(last)),
            90,
        ));
    }
    let ports = container.ports.as_deref().unwrap_or_default();
    match ports {
        [only] if only.container_port != asked => Some((
            format!("the container declares {} only", only.container_port),
            65,
        )),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_server_says_when_it_begins_to_listen_is_read() {
        for (line, port, is_local) in [
            ("listening on :8080", 8080, false),
            ("listening on 0.0.0.0:8080", 8080, false),
            ("Server listening on port 8080", 8080, false),
            (
                "INFO: Uvicorn running on http://0.0.0.0:8000 (Press CTRL+C to quit)",
                8000,
                false,
            ),
            (
                "Serving HTTP on 0.0.0.0 port 8000 (http://0.0.0.0:8000/) ...",
                8000,
                false,
            ),
            ("Tomcat started on port(s): 8080 (http)", 8080, false),
            ("[INFO] Listening at: http://127.0.0.1:8000 (1)", 8000, true),
            (" * Running on http://127.0.0.1:5000", 5000, true),
        ] {
            let found = listens(line);
            assert_eq!(found.len(), 1, "{line}");
            assert_eq!(
                (found[0].port, found[0].is_local),
                (port, is_local),
                "{line}"
            );
        }
        for line in [
            "connecting to db:5432",
            "started at 12:30:10",
            "port 8080 is in use",
        ] {
            assert!(listens(line).is_empty(), "{line}");
        }
    }
}
