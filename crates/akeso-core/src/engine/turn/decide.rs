//! `Planned`, `Acting`, `RollingBack`: the gate decides on a step, the change is made or taken back.

use super::{Next, Turn};
use crate::{
    cluster::Workload,
    engine::{Announcement, ChangeRequest, Effect, Incident, State, incident::Attempt},
    gate::{self, Decision},
    journal::{Fact, Outcome, Verdict},
    plan::{Advice, Plan, Proof},
    workload::AttemptId,
};
use jiff::SignedDuration;

/// After a conflict or a failed request, the workload is looked at again this much later.
const RETRY: SignedDuration = SignedDuration::from_secs(2);
/// So many changes that could not be made, one after another, and a person is asked.
const MOST_REFUSALS: u8 = 5;

impl Turn<'_> {
    /// `Planned` → the gate's decision on the next step.
    pub(super) fn decide(
        &mut self,
        incident: &Incident,
        workload: &Workload<'_>,
        place: usize,
    ) -> Next {
        let Some(plan) = incident.plan.clone() else {
            self.dismiss("its plan is lost");
            return Next::Done;
        };
        if workload.generation() < incident.taken_back_at() {
            return Next::Done; // the watch has not told of our own change yet
        }
        let Some(step) = plan.steps.get(place) else {
            return self.give_up(incident, plan);
        };
        let failures = self.recorder.ledger.failures(&incident.workload).to_vec();
        let request = gate::Request {
            step,
            workload,
            settings: self.settings,
            failures: &failures,
            set_back: self.recorder.ledger.set_back(&incident.workload),
            now: self.now,
        };
        let (ruling, approved) = gate::decide(&request);
        let (decision, why, until) = (ruling.decision, ruling.why.clone(), ruling.until);
        self.record(Fact::Gated {
            incident: self.id,
            step: place,
            ruling,
        });
        let command = step.action.treatment().command(&incident.workload);
        let Some(approved) = approved else {
            self.live.template = workload.template().cloned();
            match decision {
                Decision::Ask => {
                    self.announce(
                        incident,
                        Announcement::NeedsAttention,
                        format!("{why}; to do it: {command}"),
                    );
                    self.record(Fact::Asked {
                        incident: self.id,
                        step: step.clone(),
                        command,
                    });
                    self.live.forget_evidence();
                    self.live.watch = None;
                }
                Decision::Refuse | Decision::Execute => {
                    self.escalate(incident, &Advice { why, command }, until);
                }
            }
            return Next::Done;
        };
        let attempt = self.recorder.ledger.next_attempt();
        match approved.change(workload, attempt) {
            Ok(change) => {
                let request = ChangeRequest::from(&change);
                self.live.ready_before = workload.ready_pods();
                self.record(Fact::Intended {
                    incident: self.id,
                    attempt,
                    step: place,
                    change,
                });
                let note = format!("{}: {}", step.action.treatment().summary(), step.reasoning);
                self.recorder.effects.push(Effect::Apply {
                    attempt,
                    workload: incident.workload.clone(),
                    request,
                });
                self.announce(incident, Announcement::Remediating, note);
                Next::Done
            }
            Err(why) => {
                self.live.template = workload.template().cloned();
                self.escalate(
                    incident,
                    &Advice {
                        why: why.to_string(),
                        command,
                    },
                    None,
                );
                Next::Done
            }
        }
    }

    /// No step is left: takes back what was only a guess, then asks a person.
    fn give_up(&mut self, incident: &Incident, plan: Plan) -> Next {
        let guess = incident.attempts.iter().rev().find(|attempt| {
            attempt.is_kept()
                && attempt.step.proof != Proof::Confirmed
                && attempt.verdict != Some(Verdict::Healed)
        });
        if let Some(attempt) = guess.filter(|attempt| attempt.inverse().is_some()) {
            self.take_back(incident, attempt);
            return Next::Done;
        }
        self.live.template = self
            .cluster
            .workload(&incident.workload)
            .and_then(|w| w.template().cloned());
        let Plan { steps, mut advice } = plan;
        if let (Some(Outcome::Refused { why }), false) = (
            incident.attempts.last().and_then(|a| a.outcome.clone()),
            steps.is_empty(),
        ) {
            advice.why = format!("the API server refuses the change: {why}");
        }
        self.escalate(incident, &advice, None);
        Next::Done
    }

    /// Takes a change back, if the gate allows changes there by now; else a person is told.
    pub(super) fn take_back(&mut self, incident: &Incident, attempt: &Attempt) {
        let (Some(inverse), Some(workload)) = (
            attempt.inverse().cloned(),
            self.cluster.workload(&incident.workload),
        ) else {
            return;
        };
        if let Some(ruling) = gate::forbids_any_change(&workload, self.settings) {
            let summary = attempt.step.action.treatment().summary();
            let advice = Advice {
                why: format!(
                    "it did not help to {summary}, and it is not taken back: {}",
                    ruling.why
                ),
                command: format!(
                    "akeso incidents show {} -o json   # its attempts hold the patch that takes it back",
                    incident.id
                ),
            };
            self.live.template = workload.template().cloned();
            self.escalate(incident, &advice, None);
            return;
        }
        self.record(Fact::RollbackIntended {
            incident: self.id,
            attempt: attempt.id,
            patch: inverse.clone(),
        });
        let request = ChangeRequest::taking_back(attempt.id, &inverse);
        self.recorder.effects.push(Effect::Apply {
            attempt: attempt.id,
            workload: incident.workload.clone(),
            request,
        });
    }

    /// The API server's answer to a change, or to taking one back.
    pub fn take_outcome(&mut self, id: AttemptId, outcome: Outcome) {
        let Some(incident) = self.recorder.ledger.get(self.id).cloned() else {
            return;
        };
        let Some(attempt) = incident.attempt(id) else {
            return;
        };
        if incident.state == (State::Acting { attempt: id }) {
            self.take_change_outcome(&incident, id, outcome);
        } else if incident.state == (State::RollingBack { attempt: id }) {
            self.take_rollback_outcome(&incident, attempt, outcome);
        }
    }

    fn take_change_outcome(&mut self, incident: &Incident, attempt: AttemptId, outcome: Outcome) {
        let refusal = match &outcome {
            Outcome::Done { .. } => {
                self.live.refusals = 0;
                self.live.watch = None;
                None
            }
            Outcome::Conflict { why } | Outcome::Failed { why } => Some(why.clone()),
            Outcome::Refused { .. } => None,
        };
        self.live.forget_evidence();
        self.record(Fact::Applied {
            incident: self.id,
            attempt,
            outcome,
        });
        let Some(why) = refusal else { return };
        self.live.refusals += 1;
        if self.live.refusals >= MOST_REFUSALS {
            let command = format!(
                "kubectl -n {} get {} -o yaml --show-managed-fields",
                incident.workload.namespace,
                incident.workload.kubectl()
            );
            let why = format!("the change could not be made {MOST_REFUSALS} times: {why}");
            self.escalate(incident, &Advice { why, command }, None);
        } else {
            self.live.retry_at = self.now.checked_add(RETRY).ok();
        }
    }

    fn take_rollback_outcome(&mut self, incident: &Incident, attempt: &Attempt, outcome: Outcome) {
        let failure = match &outcome {
            Outcome::Done { .. } => None,
            Outcome::Conflict { why } | Outcome::Refused { why } | Outcome::Failed { why } => {
                Some(why.clone())
            }
        };
        self.record(Fact::RolledBack {
            incident: self.id,
            attempt: attempt.id,
            outcome,
        });
        let summary = attempt.step.action.treatment().summary();
        match failure {
            None => self.announce(
                incident,
                Announcement::RolledBack,
                format!("taken back: {summary}"),
            ),
            Some(why) => {
                let why = format!("it could not be taken back ({summary}): {why}");
                let command = format!(
                    "kubectl -n {} get {} -o yaml",
                    incident.workload.namespace,
                    incident.workload.kubectl()
                );
                self.escalate(incident, &Advice { why, command }, None);
            }
        }
    }
}
