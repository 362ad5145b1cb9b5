//! OBSERVE: objects → symptoms. One file a family of symptoms.
//!
//! A symptom is something broken **now**, by the workload's **current** revision. What heals by
//! itself within the time Kubernetes gives it (a claim being bound, an image being pulled, a pod
//! becoming ready) is no symptom; see "What a real cluster does" in ARCHITECTURE.md.

mod autoscalers;
pub(crate) mod awaited;
mod certificates;
mod claims;
mod containers;
mod deletions;
mod disruption_budgets;
mod evictions;
pub(crate) mod ingresses;
mod jobs;
mod mounts;
mod nodes;
mod probes;
mod rollout;
mod scheduling;
pub(crate) mod services;
pub(crate) mod unscaled;

pub(crate) use claims::{claims_of, pods_with, unbound};
pub(crate) use scheduling::{NODE_MISSING, NOWHERE, PENDING_LONG, selector_slip};

use std::{
    cell::{Cell, RefCell},
    collections::BTreeSet,
    fmt,
};

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::{
    api::core::v1::{self, Container, Event, Pod},
    apimachinery::pkg::apis::meta::v1::ObjectMeta,
};
use serde::{Deserialize, Serialize};

use crate::{
    cluster::{Controller, Workload},
    evidence::{Answer, Question},
    workload::ContainerRef,
};

pub use probes::ProbeTiming;

/// Marks a workload or a namespace that Akeso must not touch, as a label or an annotation.
pub const IGNORE: &str = "akeso.dev/ignore";

/// A container that ran this long without a crash is well again: the kubelet forgets its restart
/// back-off after the same time
/// (<https://kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle/#restart-policy>).
pub const CRASH_MEMORY: SignedDuration = SignedDuration::from_mins(10);

/// What is applied together comes one after the other, and its pods later still.
pub(crate) const TIME_TO_MEET: SignedDuration = SignedDuration::from_secs(60);

/// Until who calls what has become ready has asked again, and has given up what it asked before.
pub(crate) const TIME_TO_REACH: SignedDuration = SignedDuration::from_secs(60);

/// One observable sign on one object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Symptom {
    /// What was seen.
    pub sign: Sign,
    /// The pod that shows it; some signs leave no pod.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pod: Option<String>,
    /// The container that shows it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub container: Option<ContainerRef>,
    /// `Waiting`, `Terminated`, `Running`, `Pending`: the state in which it was seen.
    pub status: String,
    /// The reason as Kubernetes gives it, for instance `ImagePullBackOff`.
    pub reason: String,
    /// Kubernetes' own words; where it says nothing, what does not fit together.
    pub message: String,
}

/// What a symptom is a sign of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "sign", rename_all = "kebab-case")]
pub enum Sign {
    /// The kubelet cannot pull the image.
    ImagePull {
        /// The reference that it tried.
        image: String,
    },
    /// The container's program ends when it should not.
    Crash(Crash),
    /// The kernel killed the container for its memory.
    OutOfMemory(Crash),
    /// The container cannot be configured: a ConfigMap, Secret or key is missing.
    Config,
    /// The kubelet cannot mount a volume of the pod.
    Mount {
        /// The volume's name in the pod's spec.
        volume: String,
    },
    /// The container's program cannot be started.
    Start,
    /// A probe fails.
    Probe {
        /// Which one.
        probe: Probe,
    },
    /// An init container waits for somebody who cannot answer.
    Awaits,
    /// No node takes the pod.
    Unschedulable,
    /// The rollout has passed its progress deadline.
    RolloutOverdue,
    /// The controller is not allowed to create its pods: quota, admission, missing ServiceAccount.
    PodsRefused,
    /// A StatefulSet waits for a broken pod of an old revision, which it will never replace by
    /// itself (<https://kubernetes.io/docs/concepts/workloads/controllers/statefulset/#forced-rollback>).
    StuckOnOldPod {
        /// The pod's uid, so that no other pod of its name is meant.
        uid: String,
        /// What its owner has said that keeps it from being replaced.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        held: Option<Held>,
    },
    /// The Job has given up.
    JobFailed,
    /// A Job that never ends, or a CronJob that never begins one.
    JobFlawed {
        /// What is wrong with it.
        flaw: JobFlaw,
    },
    /// The kubelet ends the pods again and again, for what they take or for what their node lacks.
    Evicted,
    /// What workloads rely on does not fit together.
    Support {
        /// What does not fit.
        flaw: Flaw,
    },
}

/// What keeps a broken pod of an old revision.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Held {
    /// The update strategy `OnDelete`.
    OnDelete,
    /// The partition of a rolling update, which the pod is below.
    Partition,
    /// The concurrency policy `Forbid`: its run must end first, and cannot.
    Forbid,
}

/// What is wrong with a Job or a CronJob that does not fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum JobFlaw {
    /// Its work is done, and a container that never ends keeps it running.
    KeptRunning,
    /// Its schedule names no day that there is.
    NeverDue,
}

/// What is wrong with what workloads rely on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Flaw {
    /// A Service selects no pod.
    SelectsNothing,
    /// A Service sends to a port that its pods do not declare.
    PortUnmatched,
    /// An Ingress leads to a Service or a port that is not there.
    BackendMissing,
    /// A claim gets no volume.
    ClaimUnbound,
    /// A node is not ready.
    NodeNotReady,
    /// A node lacks memory, disk or process ids.
    NodePressure,
    /// What is being deleted does not go; this may be a workload as well.
    StuckDeleting,
    /// No controller takes an Ingress, for nothing has its class.
    ClassMissing,
    /// The Secret that an Ingress names for TLS is missing, or has not what it must have.
    TlsSecretUnusable,
    /// The certificate that an Ingress names is not valid now, or not for its host.
    CertificateInvalid,
    /// A Service of type `ExternalName` leads to a Service that does not exist.
    ExternalNameUnknown,
    /// An autoscaler scales what does not exist.
    ScaleTargetMissing,
    /// Several autoscalers scale the same pods.
    AmbiguousAutoscaler,
    /// An autoscaler scales by a percentage of a request that is not there.
    NoRequests,
    /// An autoscaler gets no metric.
    NoMetrics,
    /// An autoscaler would go higher than it may.
    AtMaximum,
    /// A disruption budget forbids every eviction, however well the pods are.
    BudgetBlocks,
    /// Two disruption budgets select the same pods.
    BudgetsOverlap,
}

/// How a container ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Crash {
    /// Its exit code.
    pub exit_code: i32,
    /// How often it has been restarted.
    pub restarts: i32,
    /// How long it had run, where the kubelet tells.
    pub lifetime: Option<SignedDuration>,
    /// Whether it has been seen often enough to be no accident.
    pub repeated: bool,
}

/// The three kinds of probe.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "each is the probe of the same name")]
pub enum Probe {
    Liveness,
    Readiness,
    Startup,
}

impl Probe {
    /// The field of the container that holds it.
    pub const fn field(self) -> &'static str {
        match self {
            Self::Liveness => "livenessProbe",
            Self::Readiness => "readinessProbe",
            Self::Startup => "startupProbe",
        }
    }

    /// The probe as the container's template has it.
    pub const fn of(self, container: &Container) -> Option<&v1::Probe> {
        match self {
            Self::Liveness => container.liveness_probe.as_ref(),
            Self::Readiness => container.readiness_probe.as_ref(),
            Self::Startup => container.startup_probe.as_ref(),
        }
    }
}

impl Symptom {
    /// Whether the same thing is wrong in the same place, whatever its details.
    pub fn is_like(&self, other: &Self) -> bool {
        match (&self.sign, &other.sign) {
            (Sign::Support { flaw }, Sign::Support { flaw: other }) => flaw == other,
            (one, another) => {
                self.container == other.container
                    && std::mem::discriminant(one) == std::mem::discriminant(another)
            }
        }
    }

    /// Whether it will not go away by itself within seconds.
    pub const fn is_lasting(&self) -> bool {
        match &self.sign {
            Sign::Crash(crash) => crash.repeated,
            Sign::ImagePull { .. }
            | Sign::OutOfMemory(_)
            | Sign::Config
            | Sign::Mount { .. }
            | Sign::Start
            | Sign::Probe { .. }
            | Sign::Awaits
            | Sign::Unschedulable
            | Sign::RolloutOverdue
            | Sign::PodsRefused
            | Sign::StuckOnOldPod { .. }
            | Sign::JobFailed
            | Sign::JobFlawed { .. }
            | Sign::Evicted
            | Sign::Support { .. } => true,
        }
    }

    /// Whether something does not run, or is not reached, for it. A workload that no autoscaler can
    /// scale runs as well as before.
    pub const fn is_failure(&self) -> bool {
        !matches!(
            self.sign,
            Sign::Support {
                flaw: Flaw::NoRequests
            }
        )
    }
}

impl fmt::Display for Symptom {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(pod) = &self.pod {
            write!(f, "pod {pod}: ")?;
        }
        if let Some(container) = &self.container {
            write!(f, "{container}: ")?;
        }
        write!(f, "{}", self.reason)
    }
}

/// A look at one workload: what the families of symptoms read, and when to look again.
#[derive(Debug)]
pub struct Look<'a> {
    workload: &'a Workload<'a>,
    now: Timestamp,
    again: Cell<Option<Timestamp>>,
    wanted: RefCell<BTreeSet<Question>>,
}

impl<'a> Look<'a> {
    /// What was found out about something that is not watched. Nothing if nobody knows yet: then it
    /// is asked.
    fn ask(&self, question: Question) -> Option<&'a Answer> {
        let answer = self.workload.cluster().answer(&question);
        self.wanted.borrow_mut().insert(question);
        answer
    }

    /// Whether `moment` has come; if not, the workload is looked at again then.
    fn has_come(&self, moment: Timestamp) -> bool {
        if moment > self.now {
            self.again.set(Some(
                self.again
                    .get()
                    .map_or(moment, |earlier| earlier.min(moment)),
            ));
        }
        moment <= self.now
    }

    /// Whether what began at `since` has been so for as long as it may take to pass by itself.
    fn has_lasted(&self, since: Timestamp, time: SignedDuration) -> bool {
        self.has_come(since.checked_add(time).unwrap_or(Timestamp::MAX))
    }

    /// Whether it is so; if not, the workload is looked at again in a while, though nothing may tell
    /// of what is awaited.
    fn awaits(&self, is_so: bool) -> bool {
        is_so || {
            self.has_lasted(self.now, TIME_TO_MEET);
            false
        }
    }
}

/// The symptoms of a workload, and when it must be looked at again though nothing changes.
#[derive(Debug, Default)]
pub struct Observation {
    /// What is broken now.
    pub symptoms: Vec<Symptom>,
    /// When time alone may change that.
    pub again: Option<Timestamp>,
    /// What must be known of what is not watched, to judge it.
    pub wanted: BTreeSet<Question>,
}

type Family = fn(&Look<'_>) -> Vec<Symptom>;

/// The families of symptoms. To add one, add its file and a line here.
const FAMILIES: &[Family] = &[
    containers::symptoms,
    awaited::symptoms,
    mounts::symptoms,
    probes::symptoms,
    scheduling::symptoms,
    rollout::symptoms,
    jobs::symptoms,
    services::symptoms,
    ingresses::symptoms,
    claims::symptoms,
    evictions::symptoms,
    nodes::symptoms,
    autoscalers::symptoms,
    unscaled::symptoms,
    disruption_budgets::symptoms,
];

/// What is broken about a workload now.
pub fn observe(workload: &Workload<'_>, now: Timestamp) -> Observation {
    let look = Look {
        workload,
        now,
        again: Cell::new(None),
        wanted: RefCell::default(),
    };
    let symptoms = if workload.metadata().deletion_timestamp.is_some() && !is_ignored(workload) {
        deletions::symptom(&look).into_iter().collect()
    } else if is_left_alone(workload) || !workload.is_settled() {
        Vec::new()
    } else {
        FAMILIES.iter().flat_map(|family| family(&look)).collect()
    };
    Observation {
        symptoms,
        again: look.again.get(),
        wanted: look.wanted.into_inner(),
    }
}

/// Whether the workload's owner has said, one way or another, that it is not to run or not to be
/// touched.
pub fn is_left_alone(workload: &Workload<'_>) -> bool {
    let asleep = match workload.controller {
        Controller::Deployment(o) => o.spec.paused == Some(true) || workload.desired() == 0,
        Controller::StatefulSet(_) | Controller::ReplicaSet(_) => workload.desired() == 0,
        Controller::CronJob(o) => o.spec.suspend == Some(true),
        Controller::Job(o) => o
            .spec
            .as_ref()
            .is_some_and(|spec| spec.suspend == Some(true)),
        Controller::DaemonSet(_) | Controller::Pod(_) | Controller::Support(_) => false,
    };
    asleep || workload.metadata().deletion_timestamp.is_some() || is_ignored(workload)
}

/// Whether the workload or its namespace is marked with [`IGNORE`].
pub fn is_ignored(workload: &Workload<'_>) -> bool {
    let of_namespace = || {
        let key = crate::cluster::Key::new("", &workload.reference.namespace);
        let metadata = &workload.cluster().namespaces.get(&key)?.metadata;
        let label = metadata
            .labels
            .as_ref()
            .and_then(|labels| labels.get(IGNORE));
        label
            .or_else(|| metadata.annotations.as_ref()?.get(IGNORE))
            .map(String::as_str)
    };
    workload.mark(IGNORE).or_else(of_namespace) == Some("true")
}

/// When a Kubernetes Event was last seen.
pub(crate) fn last_seen(event: &Event) -> Option<Timestamp> {
    let series = event
        .series
        .as_ref()
        .and_then(|series| series.last_observed_time.as_ref());
    series
        .map(|time| time.0)
        .or_else(|| event.last_timestamp.as_ref().map(|time| time.0))
        .or_else(|| event.event_time.as_ref().map(|time| time.0))
        .or_else(|| {
            event
                .metadata
                .creation_timestamp
                .as_ref()
                .map(|time| time.0)
        })
}

/// When an object was made, or was last written to by somebody who does not only keep its status.
pub(crate) fn written(metadata: &ObjectMeta) -> Timestamp {
    let made = metadata.creation_timestamp.as_ref();
    let writers = metadata.managed_fields.iter().flatten();
    let changed = writers.filter_map(|writer| writer.time.as_ref());
    let times = made.into_iter().chain(changed).map(|time| time.0);
    times.max().unwrap_or(Timestamp::MIN)
}

/// When the youngest of some pods was made.
fn youngest<'a>(pods: impl Iterator<Item = &'a Pod>) -> Timestamp {
    pods.filter_map(|pod| pod.metadata.creation_timestamp.as_ref())
        .map(|made| made.0)
        .max()
        .unwrap_or(Timestamp::MIN)
}

/// A sign on what workloads rely on, which has neither pods nor containers.
fn on_support(flaw: Flaw, reason: &str, message: String) -> Symptom {
    Symptom {
        sign: Sign::Support { flaw },
        pod: None,
        container: None,
        status: "Broken".to_owned(),
        reason: reason.to_owned(),
        message,
    }
}

/// Warning events about a pod with a reason, not older than `age`; the newest first.
fn recent_events<'a>(
    look: &Look<'a>,
    pod: &'a Pod,
    reason: &'static str,
    age: SignedDuration,
) -> impl Iterator<Item = &'a Event> {
    let oldest = look.now.checked_sub(age).unwrap_or(Timestamp::MIN);
    let mut events: Vec<_> = look
        .workload
        .events_of(pod.metadata.name.as_deref().unwrap_or_default(), "Pod")
        .filter(|event| event.reason.as_deref() == Some(reason))
        .filter(|event| last_seen(event).is_some_and(|seen| seen >= oldest))
        .collect();
    events.sort_by_key(|event| std::cmp::Reverse(last_seen(event)));
    events.into_iter()
}
