//! Fault `address-in-use`: the program ends since something else listens on its port already. The
//! containers of a pod share one network
//! (<https://kubernetes.io/docs/concepts/workloads/pods/#pod-networking>).

use std::sync::LazyLock;

use k8s_openapi::api::core::v1::{Container, PodSpec};
use regex::Regex;

use super::{Diagnosis, Examination, Family, Fault, last_lines, unknown_crash, words::words};
use crate::{cluster::is_sidecar, observe::Symptom};

pub(super) const FAULT: Fault = Fault {
    name: "address-in-use",
    family: Family::Network,
    signs: "the program ends, and its last words are that its address is in use",
    does: "puts the last good revision back, where one is proven; else names the port and the other container of the pod that uses it",
    never: "changes a port",
    diagnose,
};

const PHRASES: [&str; 3] = ["address already in use", "eaddrinuse", "was already in use"];
/// Advice and a stack trace may stand behind it.
const LAST_LINES: usize = 15;

/// `listen tcp :8080: bind: …`, `bind() to 0.0.0.0:80 failed`, `in use :::8080`, `Port 8080 was …`.
static PORT: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(r"(?i)\bport:? (?<named>\d{2,5})\b|(?:\btcp[46]? |\bto |\bin use:? |\bon )\S*?:(?<bound>\d{2,5})\b").ok()
});

fn diagnose(examination: &Examination<'_>, symptom: &Symptom) -> Option<Diagnosis> {
    let (crash, log) = unknown_crash::own_end(examination, symptom)?;
    let mut lines = log.lines().rev().take(LAST_LINES);
    let line = lines.find(|line| {
        let line = line.to_lowercase();
        PHRASES.iter().any(|phrase| line.contains(phrase))
    })?;
    let container = examination.container(symptom)?;
    let spec = examination.workload.pod_spec()?;
    let said = PORT.as_ref().and_then(|port| port.captures(line));
    let said = said.and_then(|it| it.name("named").or_else(|| it.name("bound")));
    let declared = container.ports.iter().flatten();
    let declared = declared.map(|port| port.container_port.to_string());
    // a program that does not say which port means one that it declares
    let ports: Vec<String> = match said {
        Some(port) => vec![port.as_str().to_owned()],
        None => declared.collect(),
    };
    let another = ports.iter().find_map(|port| {
        let (other, how) = others(spec, container).find_map(|it| Some((it, uses(it, port)?)))?;
        Some(format!(
            "port {port} is taken: container {} of the same pod, which shares its network, uses it as well ({how})",
            other.name
        ))
    });
    let taken = another.unwrap_or_else(|| {
        let port = match ports.as_slice() {
            [port] => format!("port {port}"),
            _ => "its port".to_owned(),
        };
        let whose = if spec.host_network == Some(true) {
            "by another program of the node, whose network the pod has (hostNetwork)"
        } else {
            "by another process of the pod"
        };
        format!("{port} is taken {whose}")
    });
    let says = format!("ends because {taken}");
    let why = "one of the two must listen on another port".to_owned();
    let remedy = unknown_crash::remedy(examination, symptom, crash, why);
    Some(
        examination
            .diagnosis(&FAULT, symptom, says, 85, remedy)
            .with_evidence([format!("log: {}", line.trim())])
            .with_evidence(last_lines(log, 3)),
    )
}

/// The containers that run beside another.
fn others<'s>(spec: &'s PodSpec, own: &'s Container) -> impl Iterator<Item = &'s Container> {
    let sidecars = spec.init_containers.iter().flatten();
    let sidecars = sidecars.filter(|it| is_sidecar(it));
    let all = spec.containers.iter().chain(sidecars);
    all.filter(|it| it.name != own.name)
}

/// By what of a container it shows that it listens on a port.
fn uses(container: &Container, port: &str) -> Option<String> {
    let mut declared = container.ports.iter().flatten();
    if declared.any(|it| it.container_port.to_string() == port) {
        return Some(format!("containerPort {port}"));
    }
    let is_it = |text: &str| text == port || text.ends_with(&format!(":{port}"));
    let mut variables = container.env.iter().flatten();
    let variable = variables.find_map(|it| {
        let value = it.value.as_deref().filter(|value| is_it(value))?;
        Some(format!("{}={value}", it.name))
    });
    let mut words = words(container).flat_map(|(_, word)| word.split([' ', '=', '\n', '"', '\'']));
    variable.or_else(|| Some(words.find(|word| is_it(word))?.to_owned()))
}
