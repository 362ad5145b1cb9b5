//! DIAGNOSE: symptoms + evidence → diagnoses. One file a fault.
//!
//! A fault looks at one symptom, asks for the evidence that it needs ([`Examination::ask`]) and,
//! once it has it, names the cause in a sentence and a remedy that the cluster can justify.

mod access_forbidden;
mod address_in_use;
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
mod credentials_refused;
mod dependency;
mod dependency_unreachable;
mod disruption_budget;
mod evicted;
mod examination;
mod exhausted;
mod exits_successfully;
mod file_not_found;
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
mod memory_without_unit;
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
mod permission_denied;
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
mod words;
mod written_path;
mod wrong_architecture;
mod wrong_argument;

use std::collections::BTreeSet;

use jiff::Timestamp;
use regex::{Captures, Regex};
use serde::{Deserialize, Serialize};

use crate::{
    act::Action,
    cluster::Workload,
    consult::{Suggested, shortened},
    evidence::{Evidence, Question},
    learn::{Fingerprint, template},
    observe::Symptom,
    plan::{Advice, Origin, Proof, Step},
    policy::Settings,
    workload::WorkloadRef,
};

pub use examination::Examination;
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
    /// This step if there is one, else a person.
    fn by(step: Option<Step>, otherwise: Advice) -> Self {
        match step {
            Some(step) => Self::Steps {
                steps: vec![step],
                otherwise,
            },
            None => Self::Person(otherwise),
        }
    }

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
    memory_without_unit::FAULT,
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
    address_in_use::FAULT,
    credentials_refused::FAULT,
    permission_denied::FAULT,
    file_not_found::FAULT,
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

/// The lines of a log that say something, the last one first.
fn latest(log: &str) -> impl Iterator<Item = &str> {
    log.lines().rev().filter(|line| !line.trim().is_empty())
}

/// The last lines of a log that say something, whole: what is looked for in them may stand at the
/// end of a long one.
fn end_of(log: &str, count: usize) -> String {
    let mut lines: Vec<&str> = latest(log).take(count).collect();
    lines.reverse();
    lines.join("\n")
}

/// The same for the evidence, where long ones are cut off.
fn last_lines(log: &str, count: usize) -> Vec<String> {
    const LONGEST: usize = 240;
    let mut lines: Vec<String> = latest(log)
        .take(count)
        .map(|line| format!("log: {}", shortened(line.trim(), LONGEST)))
        .collect();
    lines.reverse();
    lines
}
