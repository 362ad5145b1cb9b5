//! Fault `no-space-left`: the program ends since there is no room where it writes.

use k8s_openapi::api::core::v1::{Volume, VolumeMount};

use super::{Diagnosis, Examination, Family, Fault, last_lines, unknown_crash, written_path};
use crate::{cluster::Key, observe::Symptom};

pub(super) const FAULT: Fault = Fault {
    name: "no-space-left",
    family: Family::Storage,
    signs: "the program ends, and its last words are `No space left on device`",
    does: "puts the last good revision back, where one is proven; else names the path, the volume that is full and its size",
    never: "deletes what is stored, or changes a volume's size",
    diagnose,
};

fn diagnose(examination: &Examination<'_>, symptom: &Symptom) -> Option<Diagnosis> {
    let (crash, log) = unknown_crash::own_end(examination, symptom)?;
    let (line, path) = written_path::complaint(log, &["no space left on device", "enospc"])?;
    let container = examination.container(symptom)?;
    let spec = examination.workload.pod_spec()?;
    let mounts = || container.volume_mounts.iter().flatten();
    let full = match path {
        Some(path) if path.starts_with("/dev/shm") => {
            "/dev/shm, which has 64Mi unless an emptyDir with medium Memory is mounted there"
                .to_owned()
        }
        Some(path) => match written_path::mount_of(spec, container, path) {
            Some((mount, volume)) => size(examination, mount, volume),
            None => "the container's own file system, which lies on its node's disk".to_owned(),
        },
        None => {
            let volumes = mounts().map(|mount| {
                let mut volumes = spec.volumes.iter().flatten();
                let volume = volumes.find(|volume| volume.name == mount.name);
                size(examination, mount, volume)
            });
            let volumes: Vec<_> = volumes.collect();
            match volumes.as_slice() {
                [] => "the container's own file system, which lies on its node's disk".to_owned(),
                all => format!("its own file system or {}", all.join(" or ")),
            }
        }
    };
    let what = path.map_or_else(|| "a file".to_owned(), str::to_owned);
    let says =
        format!("cannot write to {what} (`{line}`): no space, or no inodes, are left on {full}");
    let why =
        "the volume must be larger, or something must be cleared away by who knows what it holds";
    let remedy = unknown_crash::remedy(examination, symptom, crash, why.to_owned());
    Some(
        examination
            .diagnosis(&FAULT, symptom, says, 85, remedy)
            .with_evidence(last_lines(log, 4)),
    )
}

/// A mount with what its volume is and how much it holds.
fn size(examination: &Examination<'_>, mount: &VolumeMount, volume: Option<&Volume>) -> String {
    let place = format!("volume {} at {}", mount.name, mount.mount_path);
    let Some(volume) = volume else {
        return place;
    };
    if let Some(directory) = &volume.empty_dir {
        let medium = directory.medium.as_deref().filter(|it| !it.is_empty());
        let medium = medium.map_or(String::new(), |it| format!(" with medium {it}"));
        let limit = directory.size_limit.as_ref();
        let limit = limit.map_or(String::new(), |it| format!(", sizeLimit {}", it.0));
        return format!("{place} (emptyDir{medium}{limit})");
    }
    let Some(source) = &volume.persistent_volume_claim else {
        return place;
    };
    let workload = examination.workload;
    let key = Key::new(&workload.reference.namespace, &source.claim_name);
    let claim = workload.cluster().claims.get(&key);
    let capacity = claim.and_then(|it| it.status.as_ref()?.capacity.as_ref()?.get("storage"));
    let capacity = capacity.map_or(String::new(), |it| format!(" of {}", it.0));
    format!(
        "{place} (PersistentVolumeClaim {}{capacity})",
        source.claim_name
    )
}
