//! Faults `probe-wrong-path`, `probe-wrong-scheme` and `probe-wrong-command`: the program runs and
//! the probe asks it the wrong thing, which the kubelet's own words tell.

use super::{Diagnosis, Examination, Family, Fault, file_not_found::lies_elsewhere, probe_failing};
use crate::{
    evidence::Question,
    observe::{Probe, Sign, Symptom},
    plan::Advice,
};

const DOES: &str = "names the field and the answer it got; after a rollout, puts the last good revision back, where one is proven";

pub(super) const PATH: Fault = Fault {
    name: "probe-wrong-path",
    family: Family::Probes,
    signs: "a probe is answered with 404, or with 401 or 403 (`HTTP probe failed with statuscode`)",
    does: DOES,
    never: "changes a probe's path, or gives it credentials",
    diagnose: path,
};

pub(super) const SCHEME: Fault = Fault {
    name: "probe-wrong-scheme",
    family: Family::Probes,
    signs: "a probe asks by HTTPS what answers by HTTP, or the other way round (`server gave HTTP response to HTTPS client`, `malformed HTTP response`)",
    does: DOES,
    never: "changes a probe's scheme",
    diagnose: scheme,
};

pub(super) const COMMAND: Fault = Fault {
    name: "probe-wrong-command",
    family: Family::Probes,
    signs: "a probe's command is not in the image (`executable file not found`)",
    does: DOES,
    never: "changes a probe's command",
    diagnose: command,
};

fn path(examination: &Examination<'_>, symptom: &Symptom) -> Option<Diagnosis> {
    let probe = probe_of(symptom)?;
    let (_, status) = symptom
        .message
        .split_once("HTTP probe failed with statuscode: ")?;
    let status = status.split_whitespace().next()?;
    let get = spec(examination, symptom, probe)?.http_get.as_ref()?;
    let path = get.path.as_deref().unwrap_or("/");
    let field = probe.field();
    let (says, why) = match status {
        "404" => (
            format!("asks for {path}, which the program does not have (404)"),
            format!("the {field} must ask for a path that the program serves"),
        ),
        "401" | "403" => (
            format!(
                "asks for {path}, which the program gives to nobody without credentials ({status})"
            ),
            format!("the {field} must ask for a path that needs no credentials"),
        ),
        _ => return None,
    };
    Some(diagnosis(examination, symptom, &PATH, probe, &says, why))
}

fn scheme(examination: &Examination<'_>, symptom: &Symptom) -> Option<Diagnosis> {
    let probe = probe_of(symptom)?;
    spec(examination, symptom, probe)?.http_get.as_ref()?;
    let message = &symptom.message;
    let says = if message.contains("first record does not look like a TLS handshake") {
        "asks by HTTPS (scheme), the program answers without TLS"
    } else if message.contains("server gave HTTP response to HTTPS client") {
        "asks by HTTPS (scheme), the program answers by HTTP"
    } else if message.contains("malformed HTTP response \"\\x15\\x03") {
        // what a TLS server says to a client that does not speak TLS: an alert
        "asks by HTTP (scheme), the program answers by TLS"
    } else if message.contains("malformed HTTP response") {
        "asks by HTTP (scheme), the program answers by another protocol"
    } else {
        return None;
    };
    let why = format!("the scheme of the {} must be the program's", probe.field());
    Some(diagnosis(examination, symptom, &SCHEME, probe, says, why))
}

fn command(examination: &Examination<'_>, symptom: &Symptom) -> Option<Diagnosis> {
    let probe = probe_of(symptom)?;
    let exec = spec(examination, symptom, probe)?.exec.as_ref()?;
    let program = exec.command.as_ref()?.first()?;
    // the runtime's words; a shell's `not found` would be about what its script calls
    let is_missing = symptom.message.contains("executable file not found")
        || symptom
            .message
            .contains(&format!("stat {program}: no such file or directory"));
    if !is_missing {
        return None;
    }
    let container = examination.container(symptom)?;
    let pod = examination.workload.pod_spec()?;
    let keys = examination.ask(Question::Keys)?.keys();
    let elsewhere = keys.and_then(|keys| lies_elsewhere(pod, container, program, keys));
    let (says, why) = match elsewhere {
        Some(hint) => (
            format!("runs `{program}`, which does not exist{hint}"),
            format!("the {} must run a file that is mounted", probe.field()),
        ),
        None => (
            format!("runs `{program}`, which is not in the image"),
            format!("the {} must run what the image has", probe.field()),
        ),
    };
    Some(diagnosis(examination, symptom, &COMMAND, probe, &says, why))
}

fn probe_of(symptom: &Symptom) -> Option<Probe> {
    let Sign::Probe { probe } = &symptom.sign else {
        return None;
    };
    Some(*probe)
}

fn spec<'a>(
    examination: &Examination<'a>,
    symptom: &Symptom,
    probe: Probe,
) -> Option<&'a k8s_openapi::api::core::v1::Probe> {
    probe.of(examination.container(symptom)?)
}

fn diagnosis(
    examination: &Examination<'_>,
    symptom: &Symptom,
    fault: &Fault,
    probe: Probe,
    says: &str,
    why: String,
) -> Diagnosis {
    let advice = Advice {
        why,
        command: examination.describe(symptom),
    };
    let remedy = probe_failing::remedy(examination, probe, advice);
    let says = format!("fails: its {} {says}", probe.field());
    examination
        .diagnosis(fault, symptom, says, 90, remedy)
        .with_evidence([symptom.message.clone()])
}
