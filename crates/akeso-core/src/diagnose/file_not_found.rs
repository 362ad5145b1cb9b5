//! Fault `file-not-found`: the program ends since a file is not where it looks. Where the pod mounts
//! one of that name elsewhere, or under another name, that is told.

use std::{collections::BTreeSet, sync::LazyLock};

use k8s_openapi::api::core::v1::{Container, PodSpec, Volume};
use regex::Regex;

use super::{
    Diagnosis, Examination, Family, Fault, last_lines, latest, unknown_crash,
    written_path::mount_of,
};
use crate::{
    evidence::{Keys, Question},
    observe::Symptom,
    similar::closest,
};

pub(super) const FAULT: Fault = Fault {
    name: "file-not-found",
    family: Family::Configuration,
    signs: "the program ends, and its last words are that a file does not exist, or is a directory",
    does: "puts the last good revision back, where one is proven; else names the file, and the ConfigMap or Secret of the pod that has it elsewhere or under a name close to it",
    never: "mounts or makes a file",
    diagnose,
};

const LAST_LINES: usize = 15;

/// The path in quotes or right before the words; of Python, Node, Java, Go, shells and others.
static MISSING: LazyLock<Option<Regex>> = LazyLock::new(|| {
    const PATH: &str = r"[^\s'\x22`:,()]*[^\s'\x22`:,().]";
    Regex::new(&format!(
        r"(?:(?i:can't open(?: file)?|cannot find module|unable to access jarfile|cannot open|could not open(?: file)?|no such file or directory:|\[Errno 21\] is a directory:|no such file or directory, \w+) ['\x22`]?(?<behind>{PATH}))|['\x22`]?(?<before>/{PATH})['\x22`]?:? \(?(?i:no such file or directory|is a directory)"
    ))
    .ok()
});

fn diagnose(examination: &Examination<'_>, symptom: &Symptom) -> Option<Diagnosis> {
    let (crash, log) = unknown_crash::own_end(examination, symptom)?;
    let missing = MISSING.as_ref()?;
    let lines = latest(log);
    let (line, path) = lines.take(LAST_LINES).find_map(|line| {
        let is_warning = line.to_lowercase().contains("warn");
        let found = missing.captures(line).filter(|_| !is_warning)?;
        let path = found.name("behind").or_else(|| found.name("before"))?;
        Some((line.trim(), path.as_str()))
    })?;
    let container = examination.container(symptom)?;
    let spec = examination.workload.pod_spec()?;
    let directory = container.working_dir.as_deref();
    let path = match directory {
        Some(directory) if !path.starts_with('/') => {
            format!("{}/{path}", directory.trim_end_matches('/'))
        }
        _ => path.to_owned(),
    };
    let keys = examination.ask(Question::Keys)?.keys();
    let hint = keys.and_then(|keys| lies_elsewhere(spec, container, &path, keys));
    let hint = hint.or_else(|| {
        let directory = directory.filter(|it| path.starts_with(*it))?;
        Some(format!("; its workingDir is {directory}"))
    });
    let hint = hint.unwrap_or_default();
    let says = if line.to_lowercase().contains("is a directory") {
        format!("ends because {path} is a directory, and no file{hint}")
    } else {
        format!("ends because it finds no file {path}{hint}")
    };
    let why = "the file must be where the program looks, or the program be told where it is";
    let remedy = unknown_crash::remedy(examination, symptom, crash, why.to_owned());
    Some(
        examination
            .diagnosis(&FAULT, symptom, says, 75, remedy)
            .with_evidence([format!("log: {line}")])
            .with_evidence(last_lines(log, 3)),
    )
}

/// A ConfigMap or Secret of a volume: in words, with its keys.
fn source<'k>(volume: &Volume, keys: &'k Keys) -> Option<(String, &'k BTreeSet<String>)> {
    if let Some(map) = &volume.config_map {
        return Some((
            format!("ConfigMap {}", map.name),
            keys.config_maps.get(&map.name)?,
        ));
    }
    let name = volume.secret.as_ref()?.secret_name.as_ref()?;
    Some((format!("Secret {name}"), keys.secrets.get(name)?))
}

/// Where the pod has the file that a path does not lead to.
pub(super) fn lies_elsewhere(
    spec: &PodSpec,
    container: &Container,
    path: &str,
    keys: &Keys,
) -> Option<String> {
    if let Some((mount, Some(volume))) = mount_of(spec, container, path)
        && let Some((object, has)) = source(volume, keys)
    {
        let rest = path.get(mount.mount_path.trim_end_matches('/').len()..)?;
        let wanted = mount
            .sub_path
            .as_deref()
            .unwrap_or_else(|| rest.trim_start_matches('/'));
        if wanted.is_empty() || has.contains(wanted) {
            return None;
        }
        let field = if mount.sub_path.is_some() {
            "subPath "
        } else {
            ""
        };
        let close = closest(wanted, has.iter().cloned());
        let close = close
            .map(|close| format!("; it has {close}"))
            .unwrap_or_default();
        return Some(format!(
            ": {field}{wanted} is no key of {object}, which is mounted at {}{close}",
            mount.mount_path
        ));
    }
    let name = path.rsplit('/').next()?;
    let mounts = container.volume_mounts.iter().flatten();
    mounts
        .filter(|mount| mount.sub_path.is_none())
        .find_map(|mount| {
            let mut volumes = spec.volumes.iter().flatten();
            let volume = volumes.find(|volume| volume.name == mount.name)?;
            let (object, has) = source(volume, keys)?;
            has.contains(name).then(|| {
                format!(
                    "; {object}, which has {name}, is mounted at {}",
                    mount.mount_path
                )
            })
        })
}
