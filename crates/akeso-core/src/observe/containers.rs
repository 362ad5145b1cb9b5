//! What the container statuses of the pods say, init and sidecar containers included.

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::{ContainerStateTerminated, ContainerStatus, Pod};

use super::{CRASH_MEMORY, Crash, Held, Look, Sign, Symptom, mounts, scheduling};
use crate::{
    cluster::{Controller, is_ready},
    image_reference::ImageReference,
    workload::{ContainerRef, ContainerRole},
};

/// A ConfigMap or Secret may come so much later than the pod that wants it.
const CONFIG_GRACE: SignedDuration = SignedDuration::from_secs(30);
/// From this many restarts on a crash is no accident.
const REPEATED: i32 = 2;
/// From this many on only [`CRASH_MEMORY`] tells that it is over.
const HABITUAL: i32 = 5;

pub(super) fn symptoms(look: &Look<'_>) -> Vec<Symptom> {
    if look.workload.job.is_some_and(super::jobs::is_complete) {
        return Vec::new();
    }
    let current = look.workload.pods.iter().flat_map(|pod| of_pod(look, pod));
    let stuck = stuck_on_old_pod(look).or_else(|| stuck_on_old_run(look));
    current.chain(stuck).collect()
}

fn of_pod(look: &Look<'_>, pod: &Pod) -> Vec<Symptom> {
    let Some(status) = &pod.status else {
        return Vec::new();
    };
    let restarts_always = restarts_always(pod);
    match status.phase.as_deref() {
        Some("Succeeded") => return Vec::new(),
        // evicted, or lost with its node: its controller has already made another
        Some("Failed") if restarts_always => return Vec::new(),
        _ => {}
    }
    // sidecars are ended once the work is done, and how they take that is no fault
    let has_ended =
        |s: &ContainerStatus| s.state.as_ref().is_some_and(|it| it.terminated.is_some());
    let is_done = status
        .container_statuses
        .as_ref()
        .is_some_and(|all| !restarts_always && !all.is_empty() && all.iter().all(has_ended));
    let init = status
        .init_container_statuses
        .iter()
        .flatten()
        .filter(|_| !is_done)
        .map(|s| (ContainerRole::Init, s));
    let main = status
        .container_statuses
        .iter()
        .flatten()
        .map(|s| (ContainerRole::Main, s));
    init.chain(main)
        .filter_map(|(role, container)| of_container(look, pod, role, container))
        .collect()
}

fn restarts_always(pod: &Pod) -> bool {
    let policy = pod
        .spec
        .as_ref()
        .and_then(|spec| spec.restart_policy.as_deref());
    policy.unwrap_or("Always") == "Always"
}

fn of_container(
    look: &Look<'_>,
    pod: &Pod,
    role: ContainerRole,
    status: &ContainerStatus,
) -> Option<Symptom> {
    let symptom = |sign, state: &str, reason: &str, message: &str| {
        Some(Symptom {
            sign,
            pod: pod.metadata.name.clone(),
            container: Some(ContainerRef {
                name: status.name.clone(),
                role,
            }),
            status: state.to_owned(),
            reason: reason.to_owned(),
            message: message.to_owned(),
        })
    };
    let state = status.state.as_ref()?;
    let last = status
        .last_state
        .as_ref()
        .and_then(|last| last.terminated.as_ref());

    if let Some(waiting) = &state.waiting {
        let reason = waiting.reason.as_deref().unwrap_or_default();
        let message = waiting.message.as_deref().unwrap_or_default();
        return match reason {
            "ImagePullBackOff"
            | "ErrImagePull"
            | "InvalidImageName"
            | "ErrImageNeverPull"
            | "ImageInspectError"
            | "RegistryUnavailable" => {
                let image = tried_image(pod, role, status, message)?;
                symptom(Sign::ImagePull { image }, "Waiting", reason, message)
            }
            "CreateContainerConfigError" => {
                // what is applied together may come seconds later
                let made = pod.metadata.creation_timestamp.as_ref()?.0;
                let is_time = look.has_come(made.checked_add(CONFIG_GRACE).ok()?);
                is_time.then(|| symptom(Sign::Config, "Waiting", reason, message))?
            }
            // the runtime is slow or busy: it tries again by itself
            "CreateContainerError"
                if message.contains("deadline exceeded")
                    || message.contains("failed to reserve") =>
            {
                None
            }
            "RunContainerError" | "CreateContainerError" => {
                symptom(Sign::Start, "Waiting", reason, message)
            }
            "CrashLoopBackOff" => {
                let ended = last?;
                let sign = sign_of(ended, status, look.now);
                // while it backs off, only the last state says why the program did not start
                let why = ended.message.as_deref().filter(|_| sign == Sign::Start);
                symptom(sign, "Waiting", reason, why.unwrap_or(message))
            }
            _ => None, // ContainerCreating, PodInitializing: it is on its way
        };
    }
    let must_run = role == ContainerRole::Main && restarts_always(pod);
    let has_failed = |ended: &ContainerStateTerminated| {
        ended.exit_code != 0 || (must_run && ends_again_and_again(ended, status))
    };
    if let Some(ended) = &state.terminated {
        if !has_failed(ended) {
            return None;
        }
        let reason = ended.reason.as_deref().unwrap_or("Error");
        let message = ended.message.as_deref().unwrap_or_default();
        return symptom(
            sign_of(ended, status, look.now),
            "Terminated",
            reason,
            message,
        );
    }
    // Running. Between two crashes a container looks healthy, so its last state counts as well.
    let ended = last.filter(|ended| has_failed(ended))?;
    let sign = sign_of(ended, status, look.now);
    let begun = state.running.as_ref()?.started_at.as_ref();
    if look.has_come(forgotten(&sign, ended, begun.map(|begun| begun.0))?) {
        return None;
    }
    let reason = ended.reason.as_deref().unwrap_or("Error");
    let message = ended.message.as_deref().unwrap_or_default();
    symptom(sign, "Running", reason, message)
}

/// When a crash is over that a container runs since: it has run for clearly longer than before.
fn forgotten(
    sign: &Sign,
    ended: &ContainerStateTerminated,
    begun: Option<Timestamp>,
) -> Option<Timestamp> {
    let latest = ended
        .finished_at
        .as_ref()?
        .0
        .checked_add(CRASH_MEMORY)
        .ok()?;
    let (Sign::Crash(crash), Some(begun)) = (sign, begun) else {
        return Some(latest);
    };
    let lifetime = crash.lifetime.unwrap_or(CRASH_MEMORY);
    let (times, least) = match crash.restarts {
        ..REPEATED => (2, SignedDuration::from_secs(30)),
        REPEATED..HABITUAL => (3, SignedDuration::from_mins(3)),
        HABITUAL.. => return Some(latest),
    };
    let enough = lifetime.saturating_mul(times).max(least);
    Some(
        begun
            .checked_add(enough)
            .map_or(latest, |at| at.min(latest)),
    )
}

/// Whether a program that is to run for ever ends by itself, well, and not for the first time. What
/// has run for long was ended from outside, and ends well for that.
fn ends_again_and_again(ended: &ContainerStateTerminated, status: &ContainerStatus) -> bool {
    let lifetime = lifetime(ended);
    status.restart_count >= REPEATED && lifetime.is_some_and(|it| it < CRASH_MEMORY)
}

fn lifetime(ended: &ContainerStateTerminated) -> Option<SignedDuration> {
    let times = ended.started_at.as_ref().zip(ended.finished_at.as_ref())?;
    let lifetime = times.1.0.duration_since(times.0.0);
    (lifetime >= SignedDuration::ZERO).then_some(lifetime)
}

/// The image that the kubelet tried. Right after the image of a bare pod is corrected its status
/// still tells of the old one, in its message or in its image: that is no word about the new.
fn tried_image(
    pod: &Pod,
    role: ContainerRole,
    status: &ContainerStatus,
    message: &str,
) -> Option<String> {
    let container = ContainerRef {
        name: status.name.clone(),
        role,
    };
    let (_, spec) = crate::cluster::find_container(pod.spec.as_ref()?, &container)?;
    let wanted = spec.image.clone()?;
    let is_of_another = message.contains("image \"")
        && ImageReference::parse(&wanted).is_some_and(|wanted| {
            let tag = wanted.tag.as_deref().map(|tag| format!(":{tag}"));
            !message.contains(&format!("{}{}", wanted.name(), tag.unwrap_or_default()))
        });
    // only a bare pod's image can change under its status; for others the runtime's spelling of the
    // image may differ from the spec's
    let is_bare = pod.metadata.owner_references.is_none();
    let is_old = is_bare && !status.image.is_empty() && status.image != wanted;
    (!is_of_another && !is_old).then_some(wanted)
}

fn sign_of(ended: &ContainerStateTerminated, status: &ContainerStatus, now: Timestamp) -> Sign {
    let reason = ended.reason.as_deref().unwrap_or_default();
    // 128 and these reasons are runc's: the program never ran
    if matches!(reason, "StartError" | "ContainerCannotRun") {
        return Sign::Start;
    }
    let young = ended
        .finished_at
        .as_ref()
        .is_some_and(|end| now.duration_since(end.0) < CRASH_MEMORY);
    let crash = Crash {
        exit_code: ended.exit_code,
        restarts: status.restart_count,
        lifetime: lifetime(ended),
        repeated: status.restart_count >= REPEATED && young,
    };
    if reason == "OOMKilled" {
        Sign::OutOfMemory(crash)
    } else {
        Sign::Crash(crash)
    }
}

/// A StatefulSet with ordered pods replaces an old pod only when it is ready, so a broken old pod
/// keeps the fixed template from ever being used. With `OnDelete`, or below a partition, it replaces
/// none; a DaemonSet neither, with `OnDelete`.
fn stuck_on_old_pod(look: &Look<'_>) -> Option<Symptom> {
    let (strategy, partition, is_parallel) = match look.workload.controller {
        Controller::StatefulSet(set) => {
            let strategy = set.spec.update_strategy.as_ref();
            (
                strategy.and_then(|strategy| strategy.type_.as_deref()),
                strategy.and_then(|strategy| strategy.rolling_update.as_ref()?.partition),
                set.spec.pod_management_policy.as_deref() == Some("Parallel"),
            )
        }
        Controller::DaemonSet(set) => {
            let strategy = set.spec.update_strategy.as_ref();
            // a rolling update replaces broken pods first
            let strategy = strategy.and_then(|strategy| strategy.type_.as_deref());
            (strategy, None, true)
        }
        Controller::Deployment(_)
        | Controller::ReplicaSet(_)
        | Controller::CronJob(_)
        | Controller::Job(_)
        | Controller::Pod(_)
        | Controller::Support(_) => return None,
    };
    let stuck = look
        .workload
        .old_pods
        .iter()
        .find(|pod| !is_ready(pod) && is_broken(look, pod))?;
    let partition = partition.unwrap_or(0);
    let held = if strategy == Some("OnDelete") {
        Some(Held::OnDelete)
    } else if ordinal(stuck).is_some_and(|ordinal| ordinal < partition) {
        Some(Held::Partition)
    } else if is_parallel || partition > 0 {
        return None; // it will be replaced
    } else {
        None
    };
    let message = match held {
        None => {
            "the StatefulSet waits for this pod of an old revision to become ready before it replaces it"
        }
        Some(_) => "this pod of an old revision is broken, and is not replaced by itself",
    };
    Some(Symptom {
        sign: Sign::StuckOnOldPod {
            uid: stuck.metadata.uid.clone()?,
            held,
        },
        pod: stuck.metadata.name.clone(),
        container: None,
        status: "Pending".to_owned(),
        reason: "StuckOnOldPod".to_owned(),
        message: message.to_owned(),
    })
}

/// With `concurrencyPolicy: Forbid` a run of the old template that can never begin keeps the mended
/// one from ever being used
/// (<https://kubernetes.io/docs/concepts/workloads/controllers/cron-jobs/#concurrency-policy>).
fn stuck_on_old_run(look: &Look<'_>) -> Option<Symptom> {
    let Controller::CronJob(cron) = look.workload.controller else {
        return None;
    };
    if cron.spec.concurrency_policy.as_deref() != Some("Forbid") {
        return None;
    }
    // what crashes comes to its end by itself, and so does what has a deadline
    let cannot_begin = |pod: &&&Pod| {
        let mut symptoms = of_pod(look, pod).into_iter();
        let waits = symptoms.any(|it| matches!(it.sign, Sign::ImagePull { .. } | Sign::Config));
        let run = look.workload.run_of(pod).and_then(|job| job.spec.as_ref());
        let has_deadline = run.is_some_and(|run| run.active_deadline_seconds.is_some());
        !has_deadline && (waits || mounts::of_pod(look, pod).is_some())
    };
    let pod = look.workload.old_pods.iter().find(cannot_begin)?;
    Some(Symptom {
        sign: Sign::StuckOnOldPod {
            uid: pod.metadata.uid.clone()?,
            held: Some(Held::Forbid),
        },
        pod: pod.metadata.name.clone(),
        container: None,
        status: "Pending".to_owned(),
        reason: "StuckOnOldRun".to_owned(),
        message: "this pod of a run from before the template was changed can never begin, and no new run begins beside it".to_owned(),
    })
}

/// Whether a pod will not become ready by itself: for its containers, its volumes, or for want of a
/// node.
fn is_broken(look: &Look<'_>, pod: &Pod) -> bool {
    of_pod(look, pod).iter().any(Symptom::is_lasting)
        || mounts::of_pod(look, pod).is_some()
        || scheduling::unschedulable(look, pod).is_some()
}

/// The number at the end of the name of a StatefulSet's pod.
fn ordinal(pod: &Pod) -> Option<i32> {
    pod.metadata
        .name
        .as_deref()?
        .rsplit_once('-')?
        .1
        .parse()
        .ok()
}
