//! Faults of what is used up beside memory: shared memory and open files. Who may have more of it
//! is decided by the pod template or the runtime; only a person can.

use super::{Diagnosis, Examination, Family, Fault, last_lines, latest, unknown_crash};
use crate::observe::{Sign, Symptom};

/// `/dev/shm` is full.
pub(super) const SHARED_MEMORY: Fault = Fault {
    name: "shared-memory",
    family: Family::Resources,
    signs: "the log says that `/dev/shm` or a shared memory segment has no space left, or the program ends by a bus error (exit code 135) without a volume at `/dev/shm`",
    does: "puts the last good revision back, where one is proven; else says how a larger `/dev/shm` is mounted",
    never: "mounts a volume",
    diagnose: shared_memory,
};

/// There are no more file descriptors.
pub(super) const FILES: Fault = Fault {
    name: "too-many-files",
    family: Family::Resources,
    signs: "the last words of the log are that too many files are open",
    does: "puts the last good revision back, where one is proven; else tells a person",
    never: "raises a limit of the runtime, or restarts as if that were a cure",
    diagnose: files,
};

const SHM: &str = "/dev/shm";
/// SIGBUS: what was mapped is not there when it is written to.
const BUS_ERROR: i32 = 128 + 7;
/// A program that ends says why last: so many lines are read.
const LAST_LINES: usize = 8;

fn shared_memory(examination: &Examination<'_>, symptom: &Symptom) -> Option<Diagnosis> {
    let Sign::Crash(crash) = &symptom.sign else {
        return None;
    };
    let container = examination.container(symptom)?;
    let mut mounts = container.volume_mounts.iter().flatten();
    let is_mounted = mounts.any(|mount| mount.mount_path.trim_end_matches('/') == SHM);
    let log = examination.crash_log(symptom)?;
    let is_said = has_line(log, |line| {
        (line.contains(SHM) || line.contains("shared memory"))
            && line.to_lowercase().contains("no space left on device")
    });
    let size = if is_mounted {
        "its volume"
    } else {
        "the runtime's 64Mi, since no volume is mounted there"
    };
    let (says, confidence) = if is_said {
        (format!("has no space left in {SHM}, which is {size}"), 90)
    } else if crash.exit_code == BUS_ERROR && !is_mounted {
        let says = format!(
            "ends by a bus error (exit code {BUS_ERROR}), as a program does that maps more shared \
             memory than {SHM} has; that is {size}"
        );
        (says, 60)
    } else {
        return None;
    };
    let why = format!(
        "an emptyDir with medium Memory and a large enough sizeLimit must be mounted at {SHM}; it \
         counts against the memory limit"
    );
    let remedy = unknown_crash::remedy(examination, symptom, crash, why);
    Some(
        examination
            .diagnosis(&SHARED_MEMORY, symptom, says, confidence, remedy)
            .with_evidence(last_lines(log, 4)),
    )
}

fn files(examination: &Examination<'_>, symptom: &Symptom) -> Option<Diagnosis> {
    let Sign::Crash(crash) = &symptom.sign else {
        return None;
    };
    let log = examination.crash_log(symptom)?;
    let is_said = has_line(log, |line| {
        let line = line.to_lowercase();
        line.contains("too many open files") || line.contains("emfile") || line.contains("enfile")
    });
    if crash.exit_code == 0 || !is_said {
        return None;
    }
    let says = "ends because it has too many files or connections open at once";
    let why = "the program must close what it opens, or be given a larger limit of open files by \
               its own start script or the node's runtime; Kubernetes has no field for it";
    let remedy = unknown_crash::remedy(examination, symptom, crash, why.to_owned());
    Some(
        examination
            .diagnosis(&FILES, symptom, says, 85, remedy)
            .with_evidence(last_lines(log, 4)),
    )
}

fn has_line(log: &str, is_it: impl Fn(&str) -> bool) -> bool {
    let lines = latest(log);
    lines.take(LAST_LINES).any(is_it)
}
