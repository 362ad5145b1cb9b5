//! `Acting`, `RollingBack`: the API server's answers, and how a change is taken back.

use super::{
    Next, Turn,
    decide::{MOST_REFUSALS, RETRY},
};
use crate::{
    act::Change,
    cluster::Workload,
    engine::{Announcement, Effect, Incident, State, incident::Attempt},
    gate::{self, Ruling},
    journal::{Fact, Outcome},
    plan::Advice,
    workload::AttemptId,
};

impl Turn<'_> {
    /// Takes a change back, if the gate allows changes there by now; else a person is told. A trial
    /// pod is Akeso's own and is always removed.
    pub(super) fn take_back(&mut self, incident: &Incident, attempt: &Attempt) {
        let (Some(request), Some(workload)) =
            (attempt.inverse(), self.cluster.workload(&incident.workload))
        else {
            return;
        };
        let patch = match &attempt.change {
            Change::Patch { inverse, .. } => inverse.clone(),
            Change::Evict { .. }
            | Change::Trial { .. }
            | Change::Rerun { .. }
            | Change::Grant { .. } => Vec::new(),
        };
        let forbidden = gate::forbids_any_change(&workload, self.settings);
        if let Some(ruling) = forbidden.filter(|_| !attempt.is_trial()) {
            let summary = attempt.step.action.treatment().summary();
            let advice = Advice {
                why: format!(
                    "it did not help to {summary}, and it is not taken back: {}",
                    ruling.why
                ),
                command: format!(
                    "akeso rollback {}   # when that is no longer so",
                    attempt.id
                ),
            };
            self.live.template = workload.template().cloned();
            self.escalate(incident, &advice, None);
            return;
        }
        // a time to try something else again is none to take this back again
        self.live.retry_at = None;
        self.live.failed_take_backs = 0;
        self.record(Fact::RollbackIntended {
            incident: self.id,
            attempt: attempt.id,
            patch,
        });
        self.recorder.effects.push(Effect::Apply {
            attempt: attempt.id,
            workload: incident.workload.clone(),
            request,
        });
    }

    /// Takes back what was only a guess and did not help, now that a person must act: nobody else
    /// would. What that person was told stands meanwhile, and afterwards.
    pub(super) fn lower_what_was_raised_in_vain(&mut self) {
        let Some(incident) = self.recorder.ledger.get(self.id).cloned() else {
            return;
        };
        // who wants another change taken back is being served
        let Some(guess) = incident
            .guess_in_vain()
            .filter(|_| incident.recalled.is_none())
        else {
            return;
        };
        let workload = self.cluster.workload(&incident.workload);
        let is_forbidden = |it| gate::forbids_any_change(&it, self.settings).is_some();
        if workload.is_none_or(is_forbidden) {
            return; // when it is allowed again, it is done
        }
        self.take_back(&incident, guess);
    }

    /// `RollingBack` → the same request again, when it has failed. It may have arrived all the same,
    /// so it is settled: read first, and sent where it is not there.
    pub(super) fn take_back_again(
        &mut self,
        incident: &Incident,
        workload: &Workload<'_>,
        attempt: AttemptId,
    ) -> Next {
        if self.live.retry_at.is_none_or(|at| at > self.now) {
            return Next::Done;
        }
        self.live.retry_at = None;
        let Some(attempt) = incident.attempt(attempt) else {
            return Next::Done;
        };
        let forbidden = gate::forbids_any_change(workload, self.settings);
        if let Some(Ruling { why, .. }) = forbidden.filter(|_| !attempt.is_trial()) {
            self.take_rollback_outcome(incident, attempt, Outcome::Refused { why });
            return Next::Done;
        }
        if let Some(request) = attempt.inverse() {
            self.recorder.effects.push(Effect::Settle {
                attempt: attempt.id,
                workload: incident.workload.clone(),
                request,
            });
        }
        Next::Done
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
                self.live.forget_watch();
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
        if matches!(outcome, Outcome::Failed { .. }) {
            let failures = self.live.failed_take_backs.saturating_add(1);
            self.live.failed_take_backs = failures;
            // a trial pod is Akeso's own and must not stay: it is removed when that can be done
            if attempt.is_trial() || failures < MOST_REFUSALS {
                let pause = RETRY.saturating_mul(1 << failures.min(5));
                self.live.retry_at = self.now.checked_add(pause).ok();
                return;
            }
        }
        self.live.refusals = 0;
        // if a person was told before: the workload is another by this, and not by that person
        self.live.template = None;
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
        match (failure, &incident.recalled) {
            (None, Some(by)) => {
                let why = format!("{by} had it taken back: {summary}");
                self.announce(incident, Announcement::RolledBack, why.clone());
                self.dismiss(&why);
            }
            (None, None) if attempt.is_trial() => {}
            (None, None) => {
                let note = format!("taken back: {summary}");
                self.announce(incident, Announcement::RolledBack, note);
            }
            (Some(why), _) => {
                let why = format!("it could not be taken back ({summary}): {why}");
                let command = format!(
                    "kubectl -n {} get {} -o yaml --show-managed-fields",
                    incident.workload.namespace,
                    incident.workload.kubectl()
                );
                self.escalate(incident, &Advice { why, command }, None);
            }
        }
    }
}
