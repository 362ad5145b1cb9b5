//! One incident, as the journal tells it.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::ChangeRequest;
use crate::{
    act::{Action, Change, is_about_the_pod},
    cluster::GoodRevision,
    diagnose::Diagnosis,
    gate::{Decision, Ruling},
    journal::{End, Fact, Outcome, Proposal, Until, Verdict},
    observe::Symptom,
    plan::{Plan, Proof, Step},
    workload::{AttemptId, IncidentId, WorkloadKind, WorkloadRef},
};

/// The open problem of one workload.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Incident {
    /// Its number.
    pub id: IncidentId,
    /// The workload.
    pub workload: WorkloadRef,
    /// When it was opened.
    pub opened: Timestamp,
    /// When it last moved.
    pub updated: Timestamp,
    /// What was seen first.
    pub symptoms: Vec<Symptom>,
    /// The uid of the workload's object.
    pub uid: Option<String>,
    /// Whether the workload was well before.
    pub was_well: bool,
    /// The revision that was good until its pods were deleted, if Akeso saw it.
    pub good: Option<GoodRevision>,
    /// The causes; the plan is for the first.
    pub diagnoses: Vec<Diagnosis>,
    /// The plan.
    pub plan: Option<Plan>,
    /// The gate's last decision.
    pub ruling: Option<Ruling>,
    /// The step that it was about, from 0.
    pub gated: usize,
    /// What was tried, in order.
    pub attempts: Vec<Attempt>,
    /// The step to which a person has consented.
    pub consented: Option<Proposal>,
    /// Who wants an attempt of it taken back.
    pub recalled: Option<String>,
    /// How it stands.
    pub state: State,
    /// What a person was told, while a guess is taken back because of it.
    #[serde(skip)]
    pub(super) told: Option<State>,
}

/// How an incident stands.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "kebab-case")]
pub enum State {
    /// Something is broken; the cause is looked for.
    Observed,
    /// There is a plan, and this step (from 0) is next.
    Planned {
        /// The step's place in the plan.
        step: usize,
    },
    /// A step waits until what is against it has passed: a budget, a freeze, a storm.
    Waiting {
        /// The step's place in the plan.
        step: usize,
    },
    /// The cause is another incident's as well, which goes first.
    Joined {
        /// The other incident.
        into: IncidentId,
        /// What of it is waited for.
        until: Until,
    },
    /// A step waits for a person.
    AwaitingApproval {
        /// What the person is asked.
        question: Box<Proposal>,
    },
    /// A change is being made.
    Acting {
        /// The attempt.
        attempt: AttemptId,
    },
    /// A change was made; whether it helps is being watched.
    Verifying {
        /// The attempt.
        attempt: AttemptId,
    },
    /// A change is being taken back.
    RollingBack {
        /// The attempt.
        attempt: AttemptId,
    },
    /// A person must act.
    Escalated {
        /// Why Akeso does not.
        why: String,
        /// The command to begin with.
        command: String,
        /// When Akeso looks at it again by itself.
        until: Option<Timestamp>,
    },
    /// Over.
    Closed(End),
}

impl State {
    /// The attempt that is under way.
    pub(super) const fn attempt(&self) -> Option<AttemptId> {
        match self {
            Self::Acting { attempt }
            | Self::Verifying { attempt }
            | Self::RollingBack { attempt } => Some(*attempt),
            Self::Observed
            | Self::Planned { .. }
            | Self::Waiting { .. }
            | Self::Joined { .. }
            | Self::AwaitingApproval { .. }
            | Self::Escalated { .. }
            | Self::Closed(_) => None,
        }
    }

    /// Whether something is being changed, or watched after a change.
    pub const fn is_between_change_and_verdict(&self) -> bool {
        self.attempt().is_some()
    }
}

/// One executed step.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Attempt {
    /// Its number.
    pub id: AttemptId,
    /// The step.
    pub step: Step,
    /// The step's place in its plan.
    pub place: usize,
    /// What it was for.
    pub diagnosis: Diagnosis,
    /// The exact change.
    pub change: Change,
    /// When it was decided.
    pub at: Timestamp,
    /// How many pods were ready before it.
    pub ready_before: usize,
    /// The API server's answer.
    pub outcome: Option<Outcome>,
    /// Whether it helped.
    pub verdict: Option<Verdict>,
    /// The API server's answer to taking it back.
    pub rolled_back: Option<Outcome>,
}

impl Attempt {
    /// Whether its change is in the workload and has not been taken back.
    pub const fn is_kept(&self) -> bool {
        matches!(self.outcome, Some(Outcome::Done { .. }))
            && self.rolled_back.is_none()
            && !self.is_trial()
    }

    /// Whether a person can have it taken back: it was made, and is not taken back yet, though that
    /// may have been tried.
    pub fn can_be_recalled(&self) -> bool {
        matches!(self.outcome, Some(Outcome::Done { .. }))
            && !self.is_taken_back()
            && !self.is_trial()
            && self.inverse().is_some()
    }

    /// Whether it is tried on a pod of its own.
    pub const fn is_trial(&self) -> bool {
        matches!(self.change, Change::Trial { .. })
    }

    /// Whether it was tried on a pod of its own, and the workload may follow: the trial passed, or
    /// there was no room for it.
    pub fn lets_the_change_follow(&self) -> bool {
        self.is_trial()
            && match &self.outcome {
                Some(Outcome::Refused { why }) => !is_about_the_pod(why),
                Some(Outcome::Done { .. } | Outcome::Conflict { .. } | Outcome::Failed { .. })
                | None => self.verdict == Some(Verdict::Passed),
            }
    }

    /// Whether its change has been taken back.
    pub const fn is_taken_back(&self) -> bool {
        matches!(self.rolled_back, Some(Outcome::Done { .. }))
    }

    /// The request that takes it back, if it can be taken back.
    pub fn inverse(&self) -> Option<ChangeRequest> {
        ChangeRequest::taking_back(self.id, &self.change)
    }
}

impl Incident {
    pub(super) fn open(
        id: IncidentId,
        workload: &WorkloadRef,
        symptoms: &[Symptom],
        at: Timestamp,
    ) -> Self {
        Self {
            id,
            workload: workload.clone(),
            opened: at,
            updated: at,
            symptoms: symptoms.to_vec(),
            was_well: false,
            good: None,
            uid: None,
            diagnoses: Vec::new(),
            plan: None,
            ruling: None,
            gated: 0,
            attempts: Vec::new(),
            consented: None,
            recalled: None,
            state: State::Observed,
            told: None,
        }
    }

    /// Whether it is over.
    pub const fn is_closed(&self) -> bool {
        matches!(self.state, State::Closed(_))
    }

    /// Whether others may have to wait until something has its verdict here. What runs to its end
    /// has it with the end of its next run, whenever that is.
    pub(super) fn takes_a_place(&self) -> bool {
        let is_left_to_its_run =
            self.runs_to_its_end() && matches!(self.state, State::Verifying { .. });
        self.state.is_between_change_and_verdict() && !is_left_to_its_run
    }

    /// Whether its workload does its work once, and not all the time.
    pub(super) const fn runs_to_its_end(&self) -> bool {
        matches!(
            self.workload.kind,
            WorkloadKind::CronJob | WorkloadKind::Job
        )
    }

    /// An attempt of this incident.
    pub fn attempt(&self, id: AttemptId) -> Option<&Attempt> {
        self.attempts.iter().find(|attempt| attempt.id == id)
    }

    /// A step of its plan, from 0. What failed on a trial pod has not changed the workload: the
    /// next growth of memory begins where the one before it would have.
    pub fn step(&self, place: usize) -> Option<Step> {
        let mut step = self.plan.as_ref()?.steps.get(place)?.clone();
        if let Action::IncreaseMemory(next) = &mut step.action {
            let tried = self.attempts.iter().rev().find_map(|attempt| {
                let Action::IncreaseMemory(tried) = &attempt.step.action else {
                    return None;
                };
                let leads_here = tried.to == next.from && tried.container == next.container;
                let has_failed = attempt.verdict == Some(Verdict::NotHealed);
                (leads_here && has_failed && attempt.is_trial()).then_some(tried.from)
            });
            next.from = tried.unwrap_or(next.from);
        }
        Some(step)
    }

    fn attempt_mut(&mut self, id: AttemptId) -> Option<&mut Attempt> {
        self.attempts.iter_mut().find(|attempt| attempt.id == id)
    }

    /// The generation that the workload has by the last change that was taken back.
    pub(super) fn taken_back_at(&self) -> i64 {
        let outcomes = self
            .attempts
            .iter()
            .filter_map(|attempt| attempt.rolled_back.as_ref());
        let generations = outcomes.filter_map(|outcome| match outcome {
            Outcome::Done { generation } => *generation,
            Outcome::Conflict { .. } | Outcome::Refused { .. } | Outcome::Failed { .. } => None,
        });
        generations.max().unwrap_or_default()
    }

    /// The last change that was only a guess, did not help, and is still in the workload.
    pub(super) fn guess_in_vain(&self) -> Option<&Attempt> {
        self.attempts.iter().rev().find(|attempt| {
            attempt.is_kept()
                && attempt.step.proof != Proof::Confirmed
                && attempt.verdict != Some(Verdict::Healed)
                && attempt.inverse().is_some()
        })
    }

    /// The change whose outcome is not known.
    pub(super) fn unsettled(&self) -> Option<(AttemptId, ChangeRequest)> {
        match &self.state {
            State::Acting { attempt } => Some((
                *attempt,
                ChangeRequest::making(&self.attempt(*attempt)?.change),
            )),
            State::RollingBack { attempt } => Some((*attempt, self.attempt(*attempt)?.inverse()?)),
            State::Observed
            | State::Planned { .. }
            | State::Waiting { .. }
            | State::Joined { .. }
            | State::AwaitingApproval { .. }
            | State::Verifying { .. }
            | State::Escalated { .. }
            | State::Closed(_) => None,
        }
    }

    /// Takes in a fact about this incident.
    pub(super) fn fold(&mut self, fact: &Fact, at: Timestamp) {
        self.updated = at;
        match fact {
            Fact::Diagnosed { diagnoses, .. } => self.diagnoses.clone_from(diagnoses),
            Fact::Planned { plan, .. } => {
                self.plan = Some(plan.clone());
                self.state = State::Planned { step: 0 };
            }
            Fact::Gated { ruling, step, .. } => {
                if ruling.decision == Decision::Wait {
                    self.state = State::Waiting { step: *step };
                }
                self.ruling = Some(ruling.clone());
                self.gated = *step;
            }
            Fact::Intended {
                attempt,
                step,
                change,
                ready_before,
                ..
            } => {
                if !matches!(change, Change::Trial { .. }) {
                    self.consented = None;
                }
                if let Some((planned, diagnosis)) =
                    self.step(*step).zip(self.diagnoses.first().cloned())
                {
                    self.attempts.push(Attempt {
                        id: *attempt,
                        step: planned,
                        place: *step,
                        diagnosis,
                        change: change.clone(),
                        at,
                        ready_before: *ready_before,
                        outcome: None,
                        verdict: None,
                        rolled_back: None,
                    });
                }
                self.state = State::Acting { attempt: *attempt };
            }
            Fact::Applied {
                attempt, outcome, ..
            } => {
                let place = self.attempt(*attempt).map_or(0, |attempt| attempt.place);
                if let Some(attempt) = self.attempt_mut(*attempt) {
                    attempt.outcome = Some(outcome.clone());
                }
                let follows = self
                    .attempt(*attempt)
                    .is_some_and(Attempt::lets_the_change_follow);
                self.state = match outcome {
                    Outcome::Done { .. } => State::Verifying { attempt: *attempt },
                    Outcome::Refused { .. } => State::Planned {
                        step: place + usize::from(!follows),
                    },
                    Outcome::Conflict { .. } | Outcome::Failed { .. } => State::Observed,
                };
            }
            Fact::Judged {
                attempt, verdict, ..
            } => {
                let place = self.attempt(*attempt).map_or(0, |attempt| attempt.place);
                let is_trial = self.attempt(*attempt).is_some_and(Attempt::is_trial);
                if let Some(attempt) = self.attempt_mut(*attempt) {
                    attempt.verdict = Some(*verdict);
                }
                match verdict {
                    Verdict::NotHealed | Verdict::Worse if is_trial => {} // its pod goes first
                    Verdict::Partly => self.state = State::Observed,
                    Verdict::NotHealed | Verdict::Worse => {
                        self.state = State::Planned { step: place + 1 }
                    }
                    Verdict::Healed | Verdict::Superseded | Verdict::Passed => {}
                }
            }
            Fact::RollbackIntended { attempt, .. } => {
                let before =
                    std::mem::replace(&mut self.state, State::RollingBack { attempt: *attempt });
                self.told = matches!(before, State::Escalated { .. }).then_some(before);
            }
            Fact::RolledBack {
                attempt, outcome, ..
            } => {
                // what is taken back may be a guess of an earlier plan: the plan goes on behind
                // the last step that was tried, and with the same step when its trial has passed
                let last = self.attempts.last();
                let next = last.map_or(0, |last| {
                    last.place + usize::from(last.verdict != Some(Verdict::Passed))
                });
                if let Some(attempt) = self.attempt_mut(*attempt) {
                    attempt.rolled_back = Some(outcome.clone());
                }
                self.state = self.told.take().unwrap_or(State::Planned { step: next });
            }
            Fact::Joined { into, until, .. } => {
                self.state = State::Joined {
                    into: *into,
                    until: *until,
                }
            }
            Fact::Reconsidered { .. } => {
                self.plan = None;
                self.consented = None;
                self.state = State::Observed;
            }
            Fact::Reopened { attempt, .. } => {
                if let Some(attempt) = self.attempt_mut(*attempt) {
                    attempt.verdict = Some(Verdict::NotHealed);
                }
                self.plan = None;
                self.state = State::Observed;
            }
            Fact::Recalled { by, .. } => {
                self.recalled = Some(by.clone());
                if self.is_closed() {
                    self.state = State::Observed; // it is open again
                }
            }
            Fact::Asked { question, .. } => {
                self.state = State::AwaitingApproval {
                    question: question.clone(),
                }
            }
            Fact::Consented { .. } => {
                if let State::AwaitingApproval { question } = &self.state {
                    self.consented = Some((**question).clone());
                    self.state = State::Planned {
                        step: question.place,
                    };
                }
            }
            Fact::Escalated {
                why,
                command,
                until,
                ..
            } => {
                self.state = State::Escalated {
                    why: why.clone(),
                    command: command.clone(),
                    until: *until,
                };
            }
            Fact::Closed { end, .. } => self.state = State::Closed(end.clone()),
            Fact::Opened { .. }
            | Fact::SharedOpened { .. }
            | Fact::Consulted { .. }
            | Fact::Advised { .. }
            | Fact::Declined { .. }
            | Fact::Learned { .. }
            | Fact::Forgotten { .. }
            | Fact::Imported { .. }
            | Fact::Promoted { .. }
            | Fact::Demoted { .. }
            | Fact::TrialSwept { .. }
            | Fact::Sealed { .. } => {}
        }
    }
}
