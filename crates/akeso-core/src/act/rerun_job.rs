//! `rerun_job`: a Job that has given up is run once more, by a copy of it that belongs to it. A Job
//! makes no further tries, so nothing but a new run shows that what it failed for is gone. What is
//! marked, or built, to run only once is never run again.

use k8s_openapi::api::batch::v1::Job;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{Change, Mark, NotApplicable, Treatment};
use crate::{
    cluster::{Controller, Workload, in_namespace},
    workload::{AttemptId, WorkloadRef},
};

/// The label of a Job that Akeso has made: the [`Mark`] of the attempt.
pub const RERUN: &str = "akeso.dev/rerun";

/// What a Job's controller writes into it and into its template
/// (<https://kubernetes.io/docs/concepts/workloads/controllers/job/#specifying-your-own-pod-selector>).
const CONTROLLERS_LABELS: [&str; 4] = [
    "controller-uid",
    "job-name",
    "batch.kubernetes.io/controller-uid",
    "batch.kubernetes.io/job-name",
];
/// By these a Job is a step of somebody's release, which has gone on without it.
const HOOKS: [&str; 2] = ["helm.sh/hook", "argocd.argoproj.io/hook"];
/// A Job's name is a label of its pods.
const LONGEST_NAME: usize = 63;

/// Runs a Job again that has given up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RerunJob {
    /// The uid of the Job.
    pub uid: String,
    /// Whether the program of one of its pods was started.
    pub has_started: bool,
}

impl RerunJob {
    /// The Job as it is to be run again, if it may be.
    pub fn of(job: &Job, has_started: bool) -> Option<Self> {
        let uid = job.metadata.uid.clone()?;
        Some(Self { uid, has_started })
    }

    /// Why the Job is not run again, whatever the policy says; nothing if it may be.
    pub fn why_never(&self, workload: &Workload<'_>) -> Option<String> {
        let Controller::Job(job) = workload.controller else {
            return Some(format!(
                "a {} runs again by itself",
                workload.reference.kind.as_str()
            ));
        };
        let spec = job.spec.as_ref()?;
        let annotations = job.metadata.annotations.as_ref();
        let hook = HOOKS
            .into_iter()
            .find(|hook| annotations.is_some_and(|all| all.contains_key(*hook)));
        if let Some(hook) = hook {
            return Some(format!(
                "it is a step of a release ({hook}), which has gone on without it"
            ));
        }
        let owners = job.metadata.owner_references.as_deref().unwrap_or_default();
        if let Some(owner) = owners.first() {
            return Some(format!(
                "whether it runs again is for {} {} to say",
                owner.kind, owner.name
            ));
        }
        if spec.managed_by.is_some()
            || spec.manual_selector == Some(true)
            || spec.suspend == Some(true)
        {
            return Some("somebody else looks after its pods, or keeps it from running".to_owned());
        }
        let status = job.status.as_ref();
        if status.and_then(|status| status.succeeded).unwrap_or(0) > 0 {
            return Some("a part of its work is done, which would be done twice".to_owned());
        }
        if spec.ttl_seconds_after_finished.is_some() {
            return Some("it is removed some time after its end (ttlSecondsAfterFinished), and its new run would be with it".to_owned());
        }
        if self.has_started && (spec.backoff_limit == Some(0) || spec.pod_failure_policy.is_some())
        {
            return Some("its backoffLimit of 0, or its podFailurePolicy, says that its program is not to be started twice".to_owned());
        }
        ran_since(workload, job).map(|newer| format!("Job {newer} has run the same program since"))
    }
}

/// A newer Job of the same namespace with the same program: somebody has run it again.
fn ran_since(workload: &Workload<'_>, job: &Job) -> Option<String> {
    let program = |job: &Job| {
        Some(
            job.spec
                .as_ref()?
                .template
                .spec
                .as_ref()?
                .containers
                .clone(),
        )
    };
    let made = &job.metadata.creation_timestamp;
    let own = &workload.reference.namespace;
    let mut others = in_namespace(&workload.cluster().jobs, own).map(|(_, other)| other);
    let newer = others.find(|other| {
        other.metadata.uid != job.metadata.uid
            && other.metadata.creation_timestamp >= *made
            && program(other) == program(job)
    });
    newer?.metadata.name.clone()
}

/// The name of a run: of one attempt, as that of a trial pod.
fn name(job: &str, mark: &Mark) -> String {
    let suffix = format!("-rerun-{}", mark.suffix());
    let kept: String = job.chars().take(LONGEST_NAME - suffix.len()).collect();
    format!("{}{suffix}", kept.trim_end_matches(['-', '.']))
}

/// The run with another mark, and so with another name.
pub(super) fn marked(mut job: Value, mark: &Mark) -> Change {
    let of = job
        .pointer("/metadata/ownerReferences/0/name")
        .and_then(Value::as_str);
    let name = name(of.unwrap_or_default(), mark);
    job["metadata"]["name"] = name.clone().into();
    job["metadata"]["labels"][RERUN] = mark.to_string().into();
    Change::Rerun { name, job }
}

impl Treatment for RerunJob {
    fn summary(&self) -> String {
        "run the Job again, by a copy of it".to_owned()
    }

    fn command(&self, workload: &WorkloadRef) -> String {
        let WorkloadRef {
            namespace, name, ..
        } = workload;
        format!(
            "kubectl -n {namespace} get job {name} -o json | jq 'del(.status, .metadata, .spec.selector) | .metadata.name = \"{name}-again\" | .spec.template.metadata.labels |= with_entries(select(.key | test(\"controller-uid|job-name\") | not))' | kubectl -n {namespace} create -f -"
        )
    }

    fn change(&self, workload: &Workload<'_>, attempt: AttemptId) -> Result<Change, NotApplicable> {
        let gone = || NotApplicable::Gone {
            what: workload.reference.to_string(),
        };
        if let Some(why) = self.why_never(workload) {
            return Err(NotApplicable::Never { why });
        }
        let (Controller::Job(job), Some(uid)) = (workload.controller, &workload.metadata().uid)
        else {
            return Err(gone());
        };
        if *uid != self.uid {
            return Err(gone());
        }
        let reference = &workload.reference;
        let mut spec = job.spec.clone().ok_or_else(gone)?;
        spec.selector = None;
        let labels = spec
            .template
            .metadata
            .as_mut()
            .and_then(|it| it.labels.as_mut());
        if let Some(labels) = labels {
            labels.retain(|label, _| !CONTROLLERS_LABELS.contains(&label.as_str()));
        }
        let made = json!({
            "apiVersion": reference.kind.api_version(),
            "kind": reference.kind.as_str(),
            "metadata": {
                "namespace": reference.namespace,
                "labels": {"app.kubernetes.io/managed-by": "akeso"},
                // it goes when the Job does, and shows as a run of it
                "ownerReferences": [{
                    "apiVersion": reference.kind.api_version(),
                    "kind": reference.kind.as_str(),
                    "name": reference.name,
                    "uid": uid,
                    "controller": true,
                    "blockOwnerDeletion": false,
                }],
            },
            "spec": spec,
        });
        Ok(marked(made, &Mark::from(attempt)))
    }

    fn is_seen(&self, workload: &Workload<'_>) -> bool {
        self.holds(workload)
    }

    fn holds(&self, workload: &Workload<'_>) -> bool {
        let run = workload.job.and_then(|job| job.metadata.uid.as_ref());
        run.is_some_and(|run| *run != self.uid)
    }

    fn is_done(&self, _: &Workload<'_>) -> Option<bool> {
        None // a Job that is made anew by hand is another workload
    }

    fn is_transferable(&self) -> bool {
        false
    }

    fn why_no_trial(&self) -> Option<&'static str> {
        Some("a Job is its own trial")
    }

    fn needs_confirmation(&self) -> Option<&'static str> {
        Some("what its program did before it failed cannot be taken back, and would be done twice")
    }
}
