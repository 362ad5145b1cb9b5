//! Fault `read-only-file-system`: the program ends since it may not write where it wants to.

use super::{Diagnosis, Examination, Family, Fault, last_lines, unknown_crash, written_path};
use crate::observe::Symptom;

pub(super) const FAULT: Fault = Fault {
    name: "read-only-file-system",
    family: Family::Storage,
    signs: "the program ends, and its last words are `Read-only file system`",
    does: "puts the last good revision back, where one is proven; else names the path and the field that makes it read-only",
    never: "makes a file system or a volume writable",
    diagnose,
};

fn diagnose(examination: &Examination<'_>, symptom: &Symptom) -> Option<Diagnosis> {
    let (crash, log) = unknown_crash::own_end(examination, symptom)?;
    let (line, path) = written_path::complaint(log, &["read-only file system", "erofs"])?;
    let container = examination.container(symptom)?;
    let spec = examination.workload.pod_spec()?;
    let context = container.security_context.as_ref();
    let is_root_read_only = context.is_some_and(|it| it.read_only_root_filesystem == Some(true));
    let mount = path.and_then(|path| written_path::mount_of(spec, container, path));
    let (because, why) = match mount {
        Some((mount, _)) if mount.read_only == Some(true) => (
            format!(
                "volumeMounts {} ({}) has readOnly: true",
                mount.name, mount.mount_path
            ),
            "the mount must be writable, or the program must write elsewhere",
        ),
        Some((mount, Some(volume)))
            if volume.config_map.is_some()
                || volume.secret.is_some()
                || volume.projected.is_some()
                || volume.downward_api.is_some() =>
        {
            (
                format!(
                    "the volume {} at {} is made of configuration, which is never writable",
                    mount.name, mount.mount_path
                ),
                "the program must write elsewhere, for instance to an emptyDir",
            )
        }
        Some((mount, _)) => (
            format!(
                "the volume {} at {} is read-only, though nothing in the pod says so",
                mount.name, mount.mount_path
            ),
            "the storage or its node has made it read-only, which it does after an error: look at the node's kernel log before anything is written",
        ),
        None if is_root_read_only => (
            "securityContext.readOnlyRootFilesystem is true, and no volume is mounted there"
                .to_owned(),
            "mount an emptyDir where the program must write, or set readOnlyRootFilesystem to false",
        ),
        None => (
            "nothing in the pod makes it read-only".to_owned(),
            "the image or the node's disk is read-only there: look at the node's kernel log",
        ),
    };
    let what = path.map_or_else(|| "its file system".to_owned(), str::to_owned);
    let says = format!("cannot write to {what} (`{line}`): {because}");
    let remedy = unknown_crash::remedy(examination, symptom, crash, why.to_owned());
    Some(
        examination
            .diagnosis(&FAULT, symptom, says, 85, remedy)
            .with_evidence(last_lines(log, 4)),
    )
}
