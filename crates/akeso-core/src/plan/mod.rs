//! PLAN: diagnoses + patterns → a plan. What is known to have helped comes first, then what the
//! diagnosis proposes; what can be proven neither way is a person's.

pub mod memory;
pub mod requests;
pub mod values;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{
    act::{Action, ActionKind, why_no_trial},
    cluster::Workload,
    consult::{Suggested, Suggestion},
    diagnose::{Diagnosis, Remedy},
    learn::{Fingerprint, Level, Pattern, Patterns, Standing},
    policy::{self, Settings},
    quantity::Bytes,
};

/// An ordered, immutable list of steps, or why there is none. A later step is for when the
/// earlier ones have not healed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// What to try, in order; empty if a person must act.
    pub steps: Vec<Step>,
    /// What a person should know or do if no step helps.
    pub advice: Advice,
    /// Whether a step is tried on one pod first.
    #[serde(default)]
    pub canary: Canary,
}

/// Whether a step is tried on one pod first.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(tag = "first", rename_all = "kebab-case")]
pub enum Canary {
    /// A pod of its own with the changed template must become ready and stay so.
    TrialPod,
    /// It is not, and this is why.
    Nothing {
        /// Why.
        why: String,
    },
    /// There is no step to try.
    #[default]
    NoStep,
}

impl Canary {
    /// What is done first for a plan.
    pub fn of(steps: &[Step], workload: &Workload<'_>, settings: &Settings) -> Self {
        let Some(first) = steps.first() else {
            return Self::NoStep;
        };
        let action = first.action.treatment();
        let why = match settings.policy.canary {
            policy::Canary::Off => Some("the policy says canary: off".to_owned()),
            policy::Canary::Auto => action
                .why_no_trial()
                .map(str::to_owned)
                .or_else(|| why_no_trial(workload))
                .or_else(|| {
                    let missing = settings.trials_not_permitted.as_ref()?;
                    Some(format!("a permission is missing: {missing}"))
                }),
        };
        why.map_or(Self::TrialPod, |why| Self::Nothing { why })
    }
}

/// What a person should know or do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Advice {
    /// Why nothing (more) is done.
    pub why: String,
    /// The command that shows or mends it.
    pub command: String,
}

/// One step of a plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// What is done.
    #[serde(flatten)]
    pub action: Action,
    /// Why, in one sentence.
    pub reasoning: String,
    /// Where the step comes from.
    pub origin: Origin,
    /// What it rests on.
    pub proof: Proof,
}

/// Where a step comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Origin {
    /// A learned pattern.
    Memory,
    /// A playbook.
    Playbook,
    /// A language model.
    Model,
    /// A person.
    Operator,
}

/// What a step rests on, the surest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Proof {
    /// The cluster or the registry confirms it: the tag exists, the revision runs.
    Confirmed,
    /// It is bounded and can be taken back, but only trying tells.
    Bounded,
    /// It lets the program start; somebody has to put the real value in.
    Placeholder,
}

/// Makes the plan for a diagnosis; nothing if it is better to wait.
pub fn plan(diagnosis: &Diagnosis, patterns: &Patterns, now: Timestamp) -> Option<Plan> {
    let (mut steps, advice) = match &diagnosis.remedy {
        Remedy::Wait { .. } => return None,
        Remedy::Person(advice) => (Vec::new(), advice.clone()),
        Remedy::Steps { steps, otherwise } => (steps.clone(), otherwise.clone()),
    };
    consult(patterns, &diagnosis.fingerprint, now, &mut steps);
    Some(Plan {
        steps,
        advice,
        canary: Canary::NoStep,
    })
}

/// Puts what has helped before in front, unless it rests on less than what the playbook begins
/// with, and what has not helped at the end.
fn consult(patterns: &Patterns, failure: &Fingerprint, now: Timestamp, steps: &mut Vec<Step>) {
    let standing = |step: &Step| patterns.standing(failure, step.action.kind(), now);
    steps.sort_by_key(|step| standing(step) == Standing::DoesNotHelp);
    let Some(first) = steps.first().map(|step| step.proof) else {
        return;
    };
    let known = steps
        .iter()
        .enumerate()
        .find_map(|(place, step)| match standing(step) {
            Standing::Helps(pattern) if step.proof <= first => Some((place, pattern)),
            Standing::Helps(_) | Standing::Unknown | Standing::DoesNotHelp => None,
        });
    if let Some((place, pattern)) = known {
        let step = steps.remove(place);
        steps.insert(0, step);
        recall(pattern, steps);
    }
}

/// What has healed this failure before and means something here, for when the playbook knows no
/// way. The values of variables are each workload's own, or the cluster's.
pub fn learned(failure: &Fingerprint, patterns: &Patterns, now: Timestamp) -> Vec<Suggested> {
    let known = ActionKind::ALL.iter().filter_map(|kind| {
        let Standing::Helps(pattern) = patterns.standing(failure, *kind, now) else {
            return None;
        };
        let level = pattern.fingerprint.level();
        // what ends without a word is not the same failure elsewhere
        let is_same = level <= Level::Program || !failure.log.is_empty();
        let action = pattern.action.as_ref().filter(|_| is_same)?;
        let fits = match action {
            Action::IncreaseMemory(_) | Action::UpdateEnv(_) => level <= Level::Image,
            _ => true,
        };
        let reasoning = healed_before(pattern);
        let mut suggestions = Suggestion::of(action).filter(|_| fits)?;
        if level > Level::Workload || pattern.from.is_some() {
            suggestions.iter_mut().for_each(Suggestion::forget_value);
        }
        Some(suggestions.into_iter().map(move |suggestion| Suggested {
            suggestion,
            reasoning: reasoning.clone(),
        }))
    });
    known.flatten().collect()
}

fn healed_before(pattern: &Pattern) -> String {
    let place = match &pattern.from {
        Some(from) => format!(", as {from} has learned"),
        None => String::new(),
    };
    format!(
        "this healed the same failure {} time(s) before{place}",
        pattern.successes
    )
}

/// Takes over what a pattern knows, with the parameters of this workload.
fn recall(pattern: &Pattern, steps: &mut Vec<Step>) {
    let reasoning = healed_before(pattern);
    let Some(known) = &pattern.action else {
        return;
    };
    match (known, steps.first().map(|step| &step.action)) {
        (Action::IncreaseMemory(known), Some(Action::IncreaseMemory(first)))
            if known.to > first.from && pattern.fingerprint.level() <= Level::Image =>
        {
            // never beyond what this workload's bounds allow, which the largest step tells
            let most = steps
                .iter()
                .filter_map(|step| memory_of(&step.action))
                .max();
            let to = most.map_or(known.to, |most| known.to.min(most));
            let action = Action::IncreaseMemory(crate::act::IncreaseMemory {
                to,
                ..first.clone()
            });
            let mut rest = steps.split_off(0);
            rest.retain(|step| memory_of(&step.action).is_none_or(|limit| limit > to));
            if let Some(Action::IncreaseMemory(next)) =
                rest.first_mut().map(|step| &mut step.action)
            {
                next.from = to;
            }
            steps.push(Step {
                action,
                reasoning,
                origin: Origin::Memory,
                proof: Proof::Bounded,
            });
            steps.append(&mut rest);
        }
        (Action::FixImageName(known), first) => {
            // only what the diagnosis proposes as well: what was right for one workload may be
            // wrong for another
            let is_it = |step: &Step| matches!(&step.action, Action::FixImageName(fix) if fix.to == known.to);
            if let (Some(_), Some(place)) = (first, steps.iter().position(is_it)) {
                let step = steps.remove(place);
                steps.insert(
                    0,
                    Step {
                        reasoning: format!("{}; {reasoning}", step.reasoning),
                        origin: Origin::Memory,
                        ..step
                    },
                );
            }
        }
        (known, Some(first))
            if known.kind() == first.kind() && first.treatment().is_transferable() =>
        {
            // what it writes is this workload's own; the pattern says that the way is right
            if let Some(first) = steps.first_mut() {
                first.origin = Origin::Memory;
                first.reasoning = format!("{}; {reasoning}", first.reasoning);
            }
        }
        _ => {}
    }
}

fn memory_of(action: &Action) -> Option<Bytes> {
    Some(action.as_memory()?.to)
}
