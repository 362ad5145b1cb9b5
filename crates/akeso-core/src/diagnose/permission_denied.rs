//! Fault `permission-denied`: the program ends since its user may not use a file or do what it does.

use k8s_openapi::api::core::v1::{Container, PodSpec};

use super::{Diagnosis, Examination, Family, Fault, last_lines, unknown_crash, written_path};
use crate::observe::Symptom;

pub(super) const FAULT: Fault = Fault {
    name: "permission-denied",
    family: Family::Storage,
    signs: "the program ends, and its last words are that it has no permission to use a path, or `Operation not permitted`",
    does: "puts the last good revision back, where one is proven; else names the path, what is mounted there, and the user that the program runs as",
    never: "gives a container another user, group or capability",
    diagnose,
};

const PHRASES: [&str; 5] = [
    "permission denied",
    "operation not permitted",
    "eacces",
    "eperm",
    "accessdeniedexception",
];

fn diagnose(examination: &Examination<'_>, symptom: &Symptom) -> Option<Diagnosis> {
    let (crash, log) = unknown_crash::own_end(examination, symptom)?;
    let (line, path) = written_path::complaint(log, &PHRASES)?;
    let lower = line.to_ascii_lowercase();
    // databases have permissions of their own
    let is_of_system = [
        "operation not permitted",
        "bind",
        "chown",
        "chmod",
        "setgroups",
    ];
    if path.is_none() && !is_of_system.iter().any(|it| lower.contains(it)) {
        return None;
    }
    let container = examination.container(symptom)?;
    let spec = examination.workload.pod_spec()?;
    let what = path.map_or_else(
        || "do what it wants".to_owned(),
        |path| format!("use {path}"),
    );
    let says = format!(
        "has no permission to {what} (`{line}`): {}{}",
        user(spec, container),
        path.map(|path| mounted(spec, container, path))
            .unwrap_or_default()
    );
    let why = "the files must be its user's or its group's (securityContext.fsGroup), or the program run as another user or without that step";
    let remedy = unknown_crash::remedy(examination, symptom, crash, why.to_owned());
    Some(
        examination
            .diagnosis(&FAULT, symptom, says, 80, remedy)
            .with_evidence(last_lines(log, 4)),
    )
}

/// Whom the container runs as, as far as the pod says.
fn user(spec: &PodSpec, container: &Container) -> String {
    let own = container.security_context.as_ref();
    let of_pod = spec.security_context.as_ref();
    let user = own
        .and_then(|it| it.run_as_user)
        .or_else(|| of_pod.and_then(|it| it.run_as_user));
    let dropped = own
        .and_then(|it| it.capabilities.as_ref()?.drop.as_ref())
        .is_some_and(|drop| drop.iter().any(|it| it.eq_ignore_ascii_case("all")));
    let user = user.map_or_else(
        || "it runs as the user of its image".to_owned(),
        |user| format!("it runs as user {user} (securityContext.runAsUser)"),
    );
    let dropped = if dropped {
        ", without any capability"
    } else {
        ""
    };
    format!("{user}{dropped}")
}

/// What lies at a path, and whose it is.
fn mounted(spec: &PodSpec, container: &Container, path: &str) -> String {
    let Some((mount, volume)) = written_path::mount_of(spec, container, path) else {
        return String::new();
    };
    let is_configuration = volume.is_some_and(|volume| {
        volume.config_map.is_some() || volume.secret.is_some() || volume.projected.is_some()
    });
    let group = spec.security_context.as_ref().and_then(|it| it.fs_group);
    let whose = match (is_configuration, group) {
        (true, _) => ", whose files have the mode that its defaultMode says".to_owned(),
        (false, Some(group)) => format!(", whose group is {group} (fsGroup)"),
        (false, None) => {
            ", and the pod has no securityContext.fsGroup to make it its own".to_owned()
        }
    };
    format!(
        "; the volume {} is mounted at {}{whose}",
        mount.name, mount.mount_path
    )
}
