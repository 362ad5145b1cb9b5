//! DIAGNOSE: symptoms + evidence → diagnoses. One file a fault.
//!
//! A fault looks at one symptom, asks for the evidence that it needs ([`Examination::ask`]) and,
//! once it has it, names the cause in a sentence and a remedy that the cluster can justify.

mod access_forbidden;
mod api_unknown;
mod autoscaler;
mod bad_command;
mod certificate_expired;
mod changes;
mod claim_in_use;
mod claim_meant;
mod claim_missing;
mod claim_unbound;
mod container_config;
mod dependency;
mod dependency_unreachable;
mod disruption_budget;
mod evicted;
mod exhausted;
mod exits_successfully;
mod host_port_taken;
mod image;
mod image_back_off;
mod image_malformed;
mod image_never_pulled;
mod image_unavailable;
mod ingress_backend;
mod ingress_class;
mod ingress_tls;
mod injected_container;
mod invalid_value;
mod job_failed;
mod job_flawed;
mod job_given_up;
mod limit_range;
mod measured;
mod missing_reference;
mod missing_variable;
mod missing_volume_source;
mod mount_failed;
mod near_right;
mod no_room;
mod no_space_left;
mod node_affinity_unmatched;
mod node_cordoned;
mod node_missing;
mod node_selector_unmatched;
mod node_unwell;
mod old_pod_held;
mod out_of_memory;
mod placement;
mod pod_affinity_unmatched;
mod pod_anti_affinity;
mod pod_security;
mod pods_refused;
mod probe_failing;
mod probe_too_eager;
mod probe_wrong_answer;
mod probe_wrong_port;
mod program_not_found;
mod pull_refused;
mod quota_exceeded;
mod read_only_file_system;
mod registry_unavailable;
mod request_above_limit;
mod request_lowered;
mod request_missing;
mod request_too_large;
mod requests;
pub(crate) mod rerun;
mod rollout_blocked;
mod rollout_overdue;
mod script_syntax;
mod service_account_missing;
mod service_external_name;
mod service_port;
mod service_selector;
mod similar_image;
mod stuck_deleting;
mod stuck_stateful_set;
mod suggested;
mod taint_untolerated;
mod token_not_mounted;
mod topology_spread;
mod undo;
mod unknown_crash;
mod unschedulable;
mod variable_names;
mod volume_attached_elsewhere;
mod volume_elsewhere;
mod webhook_unavailable;
mod written_path;
mod wrong_architecture;
mod wrong_argument;

use std::{cell::RefCell, collections::BTreeSet};

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Container;
use regex::{Captures, Regex};
use serde::{Deserialize, Serialize};

use crate::{
    act::Action,
    cluster::Workload,
    consult::{Suggested, shortened},
    evidence::{Answer, Evidence, Life, Listed, Question},
    learn::{Fingerprint, template},
    observe::{Flaw, Sign, Symptom},
    plan::{Advice, Origin, Proof, Step},
    policy::Settings,
    workload::WorkloadRef,
};

pub use suggested::Checked;

/// A cause in one plain sentence, and what can be done about it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Diagnosis {
    /// The fault's name: `missing-variable`.
    pub fault: String,
    /// The symptom that it explains.
    pub symptom: Symptom,
    /// The cause, naming object, field and value.
    pub cause: String,
    /// How sure it is, in percent.
    pub confidence: u8,
    /// What it rests on, a line each.
    pub evidence: Vec<String>,
    /// What tells this fault from another of its kind, for instance which variables are missing.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub detail: String,
    /// What it depends on that other workloads may depend on as well, for instance
    /// `ConfigMap shop/settings`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dependency: Option<String>,
    /// What is broken itself and has broken this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub caused_by: Option<WorkloadRef>,
    /// Who should answer and does not, though nothing is seen to be wrong with them: they may be
    /// starting, or being healed. The journal holds what is made of it.
    #[serde(skip)]
    pub rests_on: Vec<WorkloadRef>,
    /// Whether it may be that a change helps of which no playbook knows.
    #[serde(skip)]
    pub is_open: bool,
    /// What was changed shortly before, and by whom, a line each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub changed_before: Vec<String>,
    /// What makes the same failure known again.
    pub fingerprint: Fingerprint,
    /// What can be done.
    #[serde(skip, default = "Remedy::unknown")]
    pub remedy: Remedy,
}

/// What can be done about a fault.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Remedy {
    /// These steps, in order; and what a person should know if none helps.
    Steps {
        /// The steps.
        steps: Vec<Step>,
        /// If none helps.
        otherwise: Advice,
    },
    /// The cluster justifies no change: a person must act.
    Person(Advice),
    /// It is too early to tell, or it passes by itself.
    Wait {
        /// Why, for people.
        why: String,
    },
}

impl Remedy {
    /// The same with this fix, which the cluster confirms, tried before a person must act.
    fn with_fix(self, action: Action, reasoning: String) -> Self {
        match self {
            Self::Person(otherwise) => Self::Steps {
                steps: vec![Step {
                    action,
                    reasoning,
                    origin: Origin::Playbook,
                    proof: Proof::Confirmed,
                }],
                otherwise,
            },
            Self::Steps { .. } | Self::Wait { .. } => self,
        }
    }

    /// The journal holds the plan that was made of a remedy, not the remedy.
    fn unknown() -> Self {
        Self::Wait { why: String::new() }
    }
}

/// What a fault may look at.
#[derive(Debug)]
pub struct Examination<'a> {
    /// The workload.
    pub workload: &'a Workload<'a>,
    /// Everything that is broken about it.
    pub symptoms: &'a [Symptom],
    /// The operator's settings.
    pub settings: &'a Settings,
    /// The time.
    pub now: Timestamp,
    evidence: &'a Evidence,
    wanted: RefCell<BTreeSet<Question>>,
}

/// The outcome of an examination.
#[derive(Debug, PartialEq, Eq)]
pub enum Findings {
    /// These questions must be answered first.
    Ask(BTreeSet<Question>),
    /// A diagnosis for each symptom that could be explained, in the order of the symptoms.
    Diagnosed(Vec<Diagnosis>),
}

/// One fault: how it is recognised, and what docs/faults.md says of it.
#[derive(Debug, Clone, Copy)]
pub struct Fault {
    /// Its name, as in the output: `missing-variable`.
    pub name: &'static str,
    /// What it belongs to.
    pub family: Family,
    /// What shows it.
    pub signs: &'static str,
    /// What Akeso does about it, and what that rests on.
    pub does: &'static str,
    /// What Akeso never does about it.
    pub never: &'static str,
    diagnose: fn(&Examination<'_>, &Symptom) -> Option<Diagnosis>,
}

/// The families of faults, in the order of docs/faults.md.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[expect(missing_docs, reason = "each says what it is about by its name")]
pub enum Family {
    Image,
    Configuration,
    Command,
    Resources,
    Scheduling,
    Probes,
    Service,
    Storage,
    Rollout,
    Jobs,
    Access,
    Autoscaling,
    Network,
    Cluster,
}

/// The faults, the more telling first: the first that recognises a symptom explains it. To add
/// one, add its file and a line here.
pub const FAULTS: &[Fault] = &[
    injected_container::FAULT,
    stuck_stateful_set::FAULT,
    old_pod_held::FAULT,
    image::FAULT,
    image_back_off::FAULT,
    image_malformed::FAULT,
    image_never_pulled::FAULT,
    registry_unavailable::FAULT,
    pull_refused::FAULT,
    wrong_architecture::FAULT,
    image_unavailable::FAULT,
    out_of_memory::FAULT,
    missing_variable::FAULT,
    missing_reference::FAULT,
    missing_volume_source::FAULT,
    volume_attached_elsewhere::FAULT,
    mount_failed::FAULT,
    container_config::FAULT,
    program_not_found::FAULT,
    bad_command::FAULT,
    script_syntax::FAULT,
    wrong_argument::FAULT,
    invalid_value::FAULT,
    exhausted::SHARED_MEMORY,
    exhausted::FILES,
    access_forbidden::FAULT,
    token_not_mounted::FAULT,
    api_unknown::FAULT,
    certificate_expired::FAULT,
    dependency_unreachable::FAULT,
    probe_wrong_port::FAULT,
    probe_wrong_answer::PATH,
    probe_wrong_answer::SCHEME,
    probe_wrong_answer::COMMAND,
    probe_too_eager::FAULT,
    probe_failing::FAULT,
    read_only_file_system::FAULT,
    no_space_left::FAULT,
    exits_successfully::FAULT,
    job_given_up::BACKOFF,
    unknown_crash::FAULT,
    rollout_blocked::FAULT,
    evicted::LIMIT,
    evicted::PRESSURE,
    claim_missing::FAULT,
    claim_unbound::FAULT,
    claim_in_use::FAULT,
    volume_elsewhere::FAULT,
    node_missing::FAULT,
    node_selector_unmatched::FAULT,
    node_affinity_unmatched::FAULT,
    taint_untolerated::FAULT,
    request_too_large::FAULT,
    node_cordoned::FAULT,
    host_port_taken::FAULT,
    pod_anti_affinity::FAULT,
    pod_affinity_unmatched::FAULT,
    topology_spread::FAULT,
    no_room::FAULT,
    unschedulable::FAULT,
    quota_exceeded::FAULT,
    pod_security::FAULT,
    service_account_missing::FAULT,
    limit_range::FAULT,
    request_above_limit::FAULT,
    webhook_unavailable::FAULT,
    pods_refused::FAULT,
    rollout_overdue::FAULT,
    job_given_up::DEADLINE,
    job_failed::FAULT,
    job_flawed::KEPT,
    job_flawed::NEVER_DUE,
    node_unwell::NOT_READY,
    node_unwell::PRESSURE,
    stuck_deleting::FAULT,
    service_selector::FAULT,
    service_port::FAULT,
    ingress_backend::FAULT,
    ingress_class::FAULT,
    ingress_tls::SECRET,
    ingress_tls::CERTIFICATE,
    service_external_name::FAULT,
    autoscaler::TARGET_MISSING,
    autoscaler::AMBIGUOUS,
    request_missing::FAULT,
    autoscaler::NO_METRICS,
    autoscaler::AT_MAXIMUM,
    disruption_budget::BLOCKS,
    disruption_budget::OVERLAP,
];

/// Explains the symptoms of a workload, or asks for what it takes to do so.
pub fn diagnose(
    workload: &Workload<'_>,
    symptoms: &[Symptom],
    evidence: &Evidence,
    settings: &Settings,
    now: Timestamp,
) -> Findings {
    let examination = Examination::new(workload, symptoms, evidence, settings, now);
    let mut diagnoses: Vec<Diagnosis> = Vec::new();
    for symptom in symptoms {
        if diagnoses.iter().any(|known| known.symptom.is_like(symptom)) {
            continue; // another replica shows the same
        }
        let found = FAULTS.iter().find_map(|fault| {
            // a fault that still waits for its evidence holds back those behind it
            let asked = examination.wanted.borrow().len();
            (fault.diagnose)(&examination, symptom)
                .map(Some)
                .or((examination.wanted.borrow().len() > asked).then_some(None))
        });
        diagnoses.extend(found.flatten());
    }
    let wanted = examination.wanted.into_inner();
    if wanted.is_empty() {
        Findings::Diagnosed(diagnoses)
    } else {
        Findings::Ask(wanted)
    }
}

/// Checks what was suggested for a diagnosis of a workload, or asks for what it takes to do so.
pub fn check(
    (workload, symptoms): (&Workload<'_>, &[Symptom]),
    diagnosis: &Diagnosis,
    (suggestions, origin): (&[Suggested], Origin),
    evidence: &Evidence,
    settings: &Settings,
    now: Timestamp,
) -> Result<Checked, BTreeSet<Question>> {
    let examination = Examination::new(workload, symptoms, evidence, settings, now);
    let checked = suggested::check(&examination, diagnosis, suggestions, origin);
    checked.ok_or_else(|| examination.wanted.into_inner())
}

impl<'a> Examination<'a> {
    fn new(
        workload: &'a Workload<'a>,
        symptoms: &'a [Symptom],
        evidence: &'a Evidence,
        settings: &'a Settings,
        now: Timestamp,
    ) -> Self {
        Self {
            workload,
            symptoms,
            settings,
            now,
            evidence,
            wanted: RefCell::default(),
        }
    }

    /// The answer to a question. If it has not come yet, it is asked for and the examination is
    /// done again when it has.
    pub fn ask(&self, question: Question) -> Option<&'a Answer> {
        let answer = self.evidence.get(&question);
        if answer.is_none() {
            self.wanted.borrow_mut().insert(question);
        }
        answer
    }

    /// All objects of a kind that is not watched, in a namespace or, if they lie in none, in the
    /// cluster; an error where nobody can tell, from which nothing may be concluded. Nothing if
    /// the answer has not come yet.
    fn list<T: Listed + 'a>(&self, namespace: &str) -> Option<Result<&'a [T], &'a str>> {
        let namespace = if T::KIND.is_cluster_wide() {
            String::new()
        } else {
            namespace.to_owned()
        };
        let kind = T::KIND;
        Some(match self.ask(Question::Objects { kind, namespace })? {
            Answer::Objects(objects) => T::of(objects).ok_or("another kind was told of"),
            Answer::Unknown { why } => Err(why),
            Answer::Logs(_)
            | Answer::Image(_)
            | Answer::Keys(_)
            | Answer::Bounds(_)
            | Answer::Certificate(_)
            | Answer::Usage(_) => Err("something else was told"),
        })
    }

    /// The container of the workload's template that shows a symptom.
    fn container(&self, symptom: &Symptom) -> Option<&'a Container> {
        Some(self.workload.container(symptom.container.as_ref()?)?.1)
    }

    /// The last lines of the life in which the container crashed. Nothing if they are not here
    /// yet; an empty text if they cannot be had.
    fn crash_log(&self, symptom: &Symptom) -> Option<&'a str> {
        let (pod, container) = symptom.pod.as_ref().zip(symptom.container.as_ref())?;
        let question = |life| Question::Logs {
            pod: pod.clone(),
            container: container.name.clone(),
            life,
        };
        // the kubelet keeps a crashed container's log as "current" until the next one starts, and
        // as "previous" from then on
        let lives = if symptom.status == "Running" {
            [Life::Previous, Life::Current]
        } else {
            [Life::Current, Life::Previous]
        };
        for life in lives {
            if let Answer::Logs(text) = self.ask(question(life))?
                && !text.trim().is_empty()
            {
                return Some(text);
            }
        }
        Some("")
    }

    /// When the last life of the container that shows a symptom began and ended.
    fn last_life(&self, symptom: &Symptom) -> Option<(Timestamp, Timestamp)> {
        let name = symptom.pod.as_ref()?;
        let container = symptom.container.as_ref()?;
        let mut pods = self.workload.pods.iter();
        let pod = pods.find(|pod| pod.metadata.name.as_ref() == Some(name))?;
        let of_pod = pod.status.as_ref()?;
        let ordinary = of_pod.container_statuses.iter().flatten();
        let mut all = ordinary.chain(of_pod.init_container_statuses.iter().flatten());
        let status = all.find(|status| status.name == container.name)?;
        let lives = [status.state.as_ref(), status.last_state.as_ref()];
        let mut ended = lives.into_iter().flatten();
        let ended = ended.find_map(|state| state.terminated.as_ref())?;
        Some((ended.started_at.as_ref()?.0, ended.finished_at.as_ref()?.0))
    }

    /// The beginning of every cause: `Deployment shop/web: container nginx`.
    fn subject(&self, symptom: &Symptom) -> String {
        match &symptom.container {
            Some(container) => format!("{}: {container}", self.workload.reference),
            None => self.workload.reference.to_string(),
        }
    }

    /// A diagnosis of this symptom.
    fn diagnosis(
        &self,
        fault: &Fault,
        symptom: &Symptom,
        says: impl AsRef<str>,
        confidence: u8,
        remedy: Remedy,
    ) -> Diagnosis {
        let container = self.container(symptom).cloned().unwrap_or_default();
        Diagnosis {
            fault: fault.name.to_owned(),
            symptom: symptom.clone(),
            cause: format!("{} {}", self.subject(symptom), says.as_ref()),
            confidence,
            evidence: self.recent_events(symptom),
            detail: String::new(),
            dependency: dependency::of(symptom, &self.workload.reference.namespace),
            caused_by: None,
            rests_on: Vec::new(),
            is_open: false,
            changed_before: changes::changed_before(self.workload, self.now),
            fingerprint: Fingerprint::of(fault.name, &container, &self.workload.reference),
            remedy,
        }
    }

    /// A diagnosis of what workloads rely on: the symptom says what does not fit together, and a
    /// person must act.
    fn for_a_person(
        &self,
        fault: &Fault,
        symptom: &Symptom,
        confidence: u8,
        why: &str,
    ) -> Diagnosis {
        let remedy = self.person(symptom, why);
        self.diagnosis(fault, symptom, &symptom.message, confidence, remedy)
    }

    /// The same of one flaw, for which a fault stands: how sure it is, and what a person must do.
    fn flawed(
        &self,
        fault: &Fault,
        symptom: &Symptom,
        wanted: Flaw,
        (confidence, why): (u8, &str),
    ) -> Option<Diagnosis> {
        let is_it = matches!(&symptom.sign, Sign::Support { flaw } if *flaw == wanted);
        is_it.then(|| self.for_a_person(fault, symptom, confidence, why))
    }

    /// A diagnosis of why the workload gets no pod, or its pod no node: what stands in the way was
    /// told, and a person must say what gives way.
    fn refused(&self, fault: &Fault, symptom: &Symptom, says: &str, why: &str) -> Diagnosis {
        let remedy = self.person(symptom, why);
        self.diagnosis(fault, symptom, says, 95, remedy)
            .with_evidence([symptom.message.clone()])
    }

    /// A person must act, who begins by looking at what the symptom shows.
    fn person(&self, symptom: &Symptom, why: &str) -> Remedy {
        Remedy::Person(Advice {
            why: why.to_owned(),
            command: self.describe(symptom),
        })
    }

    /// The last Warning events of the pod, or of the workload where there is none.
    fn recent_events(&self, symptom: &Symptom) -> Vec<String> {
        const MOST: usize = 3;
        let reference = &self.workload.reference;
        let (name, kind) = match &symptom.pod {
            Some(pod) => (pod.as_str(), "Pod"),
            None => (reference.name.as_str(), reference.kind.as_str()),
        };
        let mut events: Vec<_> = self.workload.events_of(name, kind).collect();
        events.sort_by_key(|event| crate::observe::last_seen(event));
        let line = |event: &k8s_openapi::api::core::v1::Event| {
            let (reason, message) = (event.reason.as_deref(), event.message.as_deref());
            format!(
                "event: {}: {}",
                reason.unwrap_or_default(),
                message.unwrap_or_default()
            )
        };
        events.into_iter().rev().take(MOST).map(line).collect()
    }

    /// `kubectl describe` of the pod, or of the workload where there is none.
    fn describe(&self, symptom: &Symptom) -> String {
        let namespace = &self.workload.reference.namespace;
        let within = if namespace.is_empty() {
            String::new()
        } else {
            format!(" -n {namespace}")
        };
        match &symptom.pod {
            Some(pod) => format!("kubectl{within} describe pod {pod}"),
            None => format!(
                "kubectl{within} describe {}",
                self.workload.reference.kubectl()
            ),
        }
    }
}

impl Diagnosis {
    fn with_evidence(mut self, lines: impl IntoIterator<Item = String>) -> Self {
        let said = |line: &String| self.evidence.iter().any(|known| known.contains(line));
        let new: Vec<_> = lines
            .into_iter()
            .filter(|line| !line.is_empty() && !said(line))
            .collect();
        self.evidence.extend(new);
        self
    }

    fn with_detail(mut self, detail: &str) -> Self {
        detail.clone_into(&mut self.fingerprint.detail);
        detail.clone_into(&mut self.detail);
        self
    }

    /// Where no playbook knows a way, another may be looked for.
    const fn open(mut self) -> Self {
        self.is_open = true;
        self
    }

    /// The end of a log, which tells this failure from others of the same fault.
    fn with_log(mut self, log: &str) -> Self {
        let last = last_lines(log, 1).pop().unwrap_or_default();
        self.fingerprint.log = template(last.trim_start_matches("log: "));
        self
    }

    /// Whether it is the same fault in the same place, so that what was done has not helped.
    pub fn is_same_as(&self, other: &Self) -> bool {
        self.fault == other.fault
            && self.symptom.container == other.symptom.container
            && self.detail == other.detail
    }
}

/// What a program has said of this, the last time, if it said so shortly before its end.
fn last_words<'l>(log: &'l str, said: &Regex) -> Option<Captures<'l>> {
    /// A stack trace may stand behind the line, but not another story.
    const LAST: usize = 30;
    let mut last = log.lines().rev().take(LAST);
    last.find_map(|line| said.captures(line))
}

/// The last lines of a log that say something, for the evidence.
fn last_lines(log: &str, count: usize) -> Vec<String> {
    const LONGEST: usize = 240;
    let mut lines: Vec<String> = log
        .lines()
        .rev()
        .filter(|line| !line.trim().is_empty())
        .take(count)
        .map(|line| format!("log: {}", shortened(line.trim(), LONGEST)))
        .collect();
    lines.reverse();
    lines
}
