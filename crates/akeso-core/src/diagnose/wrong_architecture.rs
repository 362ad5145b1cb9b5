//! Fault `wrong-architecture`: the kernel cannot execute the program, since its image is for
//! another CPU than the node's. A script that does not begin with `#!` looks the same.

use super::{Diagnosis, Examination, Family, Fault, last_lines, latest, undo, unknown_crash};
use crate::{
    cluster::Key,
    observe::{Sign, Symptom},
    plan::Advice,
};

pub(super) const FAULT: Fault = Fault {
    name: "wrong-architecture",
    family: Family::Image,
    signs: "the runtime or the log says `exec format error` (exit codes 1, 126 and 255), or the image is for no platform of the node",
    does: "puts the last good revision back, where one is proven; else names the image and the node's architecture",
    never: "guesses another image, or moves pods to other nodes",
    diagnose,
};

const NO_FORMAT: &str = "exec format error";
/// The runtime's, for an image that has a list of platforms: `no match for platform in manifest`.
const NO_PLATFORM: &str = "no match for platform";

fn diagnose(examination: &Examination<'_>, symptom: &Symptom) -> Option<Diagnosis> {
    let message = &symptom.message;
    let is_start = matches!(symptom.sign, Sign::Start) && says_so(message, NO_FORMAT);
    let is_pull = matches!(symptom.sign, Sign::ImagePull { .. }) && says_so(message, NO_PLATFORM);
    let lines = if is_start || is_pull {
        vec![message.clone()]
    } else if let Sign::Crash(crash) = &symptom.sign
        && matches!(crash.exit_code, 1 | 126 | 255)
    {
        let log = examination.crash_log(symptom)?;
        // only the last line is about what ended it
        let last = latest(log).next()?;
        if !says_so(last, NO_FORMAT) {
            return None;
        }
        last_lines(log, 2)
    } else {
        return None;
    };
    let image = examination.container(symptom)?.image.as_deref()?;
    let on = node(examination, symptom).unwrap_or_else(|| "its node".to_owned());
    let says = if is_pull {
        format!("has the image {image}, which is not built for the CPU architecture of {on}")
    } else {
        format!(
            "cannot be executed on {on} ({NO_FORMAT}): the image {image} is for another CPU \
             architecture, or its program is a script without `#!`"
        )
    };
    let why =
        format!("{image} must be built for the node's architecture, or run on nodes of its own");
    let remedy = if let Sign::Crash(crash) = &symptom.sign {
        unknown_crash::remedy(examination, symptom, crash, why)
    } else {
        let command = "kubectl get nodes -L kubernetes.io/arch".to_owned();
        undo::or_person(examination, Advice { why, command })
    };
    Some(
        examination
            .diagnosis(&FAULT, symptom, says, 85, remedy)
            .with_evidence(lines),
    )
}

fn says_so(text: &str, words: &str) -> bool {
    text.to_lowercase().contains(words)
}

/// The pod's node with its architecture, where it is known.
fn node(examination: &Examination<'_>, symptom: &Symptom) -> Option<String> {
    let mut pods = examination.workload.pods.iter();
    let pod = pods.find(|pod| pod.metadata.name == symptom.pod)?;
    let name = pod.spec.as_ref()?.node_name.as_deref()?;
    let nodes = &examination.workload.cluster().nodes;
    let labels = nodes.get(&Key::new("", name))?.metadata.labels.as_ref()?;
    let architecture = labels.get("kubernetes.io/arch")?;
    Some(format!("node {name} ({architecture})"))
}
