//! `Planned`, `Waiting`: the gate decides on a step, and the change, or first its trial, is made.

use super::{Next, Turn, person::APPROVE};
use crate::{
    act::{self, Change, NotApplicable, PatchOp},
    cluster::Workload,
    engine::{Announcement, ChangeRequest, Effect, Incident, State},
    gate::{self, Approved, Consented, Decision, Ruling},
    journal::{Fact, Outcome, Proposal},
    plan::{Advice, Canary, Plan, Step},
    workload::AttemptId,
};
use jiff::SignedDuration;

/// After a conflict or a failed request, the workload is looked at again this much later.
pub(super) const RETRY: SignedDuration = SignedDuration::from_secs(2);
/// So many changes that could not be made, one after another, and a person is asked.
pub(super) const MOST_REFUSALS: u8 = 5;
/// What waits for something of which nobody says when it ends is looked at again after this.
const LOOK_AGAIN: SignedDuration = SignedDuration::from_secs(10);
/// After a longer wait than this, the plan is made anew: it rests on what was seen before.
const STALE: SignedDuration = SignedDuration::from_mins(1);
/// A wait that is longer than this is told.
const LONG_WAIT: SignedDuration = SignedDuration::from_mins(5);

impl<'a> Turn<'a> {
    /// `Waiting` → the same step again, or nothing if it went away.
    pub(super) fn wait(
        &mut self,
        incident: &Incident,
        workload: &Workload<'a>,
        place: usize,
    ) -> Next {
        if self.went_away(incident, workload) {
            return Next::Done;
        }
        if self.live.retry_at.is_some_and(|at| at > self.now) {
            return Next::Done;
        }
        self.decide(incident, workload, place)
    }

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
        let Some(step) = incident.step(place) else {
            return self.give_up(incident, workload, plan);
        };
        let step = &step;
        let shown = incident
            .consented
            .as_ref()
            .filter(|shown| shown.place == place);
        let attempt = shown.map_or_else(|| self.recorder.ledger.next_attempt(), |it| it.attempt);
        let change = match step.action.change(workload, attempt) {
            Ok(change) => change.marked(&self.recorder.ledger.mark(attempt)),
            Err(why) => return self.not_applicable(incident, workload, step, &why),
        };
        let is_as_shown = |shown: &Proposal| {
            shown.decided_on == workload.spec_digest() && is_same(&shown.change, &change)
        };
        if shown.is_some_and(|shown| !is_as_shown(shown)) {
            self.reconsider("the workload has changed since the step was shown");
            return Next::Again;
        }
        let consent = if shown.is_some() {
            Consented::Yes
        } else {
            Consented::No
        };
        let (ruling, approved) = self.rule(workload, step, &change, consent);
        if ruling.decision != Decision::Wait && shown.is_none() && self.has_waited_long(incident) {
            self.reconsider("what it waited for has passed");
            return Next::Again;
        }
        let is_news = incident.ruling.as_ref().is_none_or(|known| {
            known.decision != Decision::Wait
                || known.rule != ruling.rule
                || known.until != ruling.until
        });
        if ruling.decision != Decision::Wait || is_news || incident.gated != place {
            self.record(Fact::Gated {
                incident: self.id,
                step: place,
                ruling: ruling.clone(),
            });
        }
        match approved {
            Some(approved) => self.act(
                incident,
                workload,
                (plan.canary, place, step),
                approved,
                attempt,
            ),
            None => self.hold(
                incident,
                workload,
                (place, step),
                change,
                attempt,
                ruling,
                is_news,
            ),
        }
        Next::Done
    }

    fn has_waited_long(&self, incident: &Incident) -> bool {
        matches!(incident.state, State::Waiting { .. })
            && self.now.duration_since(incident.updated) >= STALE
    }

    /// What the gate says of a change.
    pub(super) fn rule(
        &self,
        workload: &Workload<'_>,
        step: &Step,
        change: &Change,
        consent: Consented,
    ) -> (Ruling, Option<Approved>) {
        let spent = self
            .recorder
            .ledger
            .spent(&workload.reference, self.settings);
        gate::decide(&gate::Request {
            step,
            change,
            workload,
            settings: self.settings,
            spent: &spent,
            shared_cause: self.shared_cause.as_ref().map(|(_, why)| why.as_str()),
            store_failure: self.store_failure,
            consent,
            now: self.now,
        })
    }

    /// Journals the intent, then has the change made, on a trial pod first where that can be done.
    fn act(
        &mut self,
        incident: &Incident,
        workload: &Workload<'_>,
        (canary, place, step): (Canary, usize, &Step),
        approved: Approved,
        attempt: AttemptId,
    ) {
        let is_tried = incident
            .attempts
            .iter()
            .any(|it| it.place == place && it.step == *step && it.lets_the_change_follow());
        // what was planned for two replicas may be for one by now
        let is_possible =
            || Canary::of(std::slice::from_ref(step), workload, self.settings) == Canary::TrialPod;
        let wants_trial = canary == Canary::TrialPod && !is_tried && is_possible();
        // what a person was shown keeps its number; its trial has one of its own
        let trial_id = self.recorder.ledger.next_attempt();
        let trial = wants_trial
            .then(|| approved.as_trial(workload, &self.recorder.ledger.mark(trial_id)))
            .flatten();
        let (attempt, approved) = match trial {
            Some(trial) => (trial_id, trial),
            None => (attempt, approved),
        };
        let change = approved.into_change();
        let request = ChangeRequest::making(&change);
        let on_trial = if matches!(change, Change::Trial { .. }) {
            "on a trial pod: "
        } else {
            ""
        };
        let summary = step.action.treatment().summary();
        self.record(Fact::Intended {
            incident: self.id,
            attempt,
            step: place,
            change,
            ready_before: workload.ready_pods(),
        });
        self.live.retry_at = None;
        self.recorder.effects.push(Effect::Apply {
            attempt,
            workload: incident.workload.clone(),
            request,
        });
        let note = format!("{on_trial}{summary}: {}", step.reasoning);
        self.announce(incident, Announcement::Remediating, note);
    }

    /// What is not executed: it waits, a person is asked, or a person must act.
    #[expect(clippy::too_many_arguments, reason = "all of it is what is held")]
    fn hold(
        &mut self,
        incident: &Incident,
        workload: &Workload<'_>,
        (place, step): (usize, &Step),
        change: Change,
        attempt: AttemptId,
        ruling: Ruling,
        is_news: bool,
    ) {
        let command = step.action.treatment().command(&incident.workload);
        self.live.template = workload.template().cloned();
        self.live.forget_evidence();
        self.live.forget_watch();
        let why = ruling.why;
        match ruling.decision {
            Decision::Wait => {
                let again = self.now.checked_add(LOOK_AGAIN).ok();
                self.live.retry_at = ruling.until.or(again);
                let is_long = ruling
                    .until
                    .is_some_and(|until| until.duration_since(self.now) > LONG_WAIT);
                if is_news && is_long {
                    let note = format!("{why}; to do it before: {command}");
                    self.announce(incident, Announcement::NeedsAttention, note);
                }
            }
            Decision::Ask => {
                let diff = act::diff(&change);
                let instead = gate::instead(workload);
                let expires = self
                    .now
                    .checked_add(self.settings.policy.approvals.expire_after);
                let mark = self.recorder.ledger.mark(attempt).to_string();
                let note = format!(
                    "{why}; to allow it: akeso approve {attempt}, or the annotation {APPROVE}: {mark}; to do it by hand: {command}"
                );
                self.announce(incident, Announcement::NeedsAttention, note);
                let question = Box::new(Proposal {
                    attempt,
                    mark: Some(mark),
                    place,
                    step: step.clone(),
                    change,
                    decided_on: workload.spec_digest(),
                    diff,
                    command,
                    instead,
                    expires: expires.unwrap_or(self.now),
                });
                self.record(Fact::Asked {
                    incident: self.id,
                    question,
                });
            }
            Decision::Refuse | Decision::Execute => {
                self.escalate(incident, &Advice { why, command }, ruling.until);
            }
        }
    }

    fn not_applicable(
        &mut self,
        incident: &Incident,
        workload: &Workload<'_>,
        step: &Step,
        why: &NotApplicable,
    ) -> Next {
        match why {
            NotApplicable::Changed { .. } | NotApplicable::Gone { .. }
                if self.live.refusals < MOST_REFUSALS =>
            {
                self.live.refusals += 1;
                self.reconsider(&why.to_string());
                self.live.retry_at = self.now.checked_add(RETRY).ok();
                Next::Again
            }
            NotApplicable::Changed { .. }
            | NotApplicable::Gone { .. }
            | NotApplicable::NoContainer { .. }
            | NotApplicable::Never { .. }
            | NotApplicable::Immutable { .. } => {
                self.live.template = workload.template().cloned();
                let advice = Advice {
                    why: why.to_string(),
                    command: step.action.treatment().command(&incident.workload),
                };
                self.escalate(incident, &advice, None);
                Next::Done
            }
        }
    }

    /// No step is left: takes back what was only a guess, then asks a person.
    fn give_up(&mut self, incident: &Incident, workload: &Workload<'_>, plan: Plan) -> Next {
        if let Some(attempt) = incident.guess_in_vain() {
            self.take_back(incident, attempt);
            return Next::Done;
        }
        self.live.template = workload.template().cloned();
        let Plan {
            steps, mut advice, ..
        } = plan;
        if let (Some(Outcome::Refused { why }), false) = (
            incident.attempts.last().and_then(|a| a.outcome.clone()),
            steps.is_empty(),
        ) {
            advice.why = format!("the API server refuses the change: {why}");
        }
        self.escalate(incident, &advice, None);
        Next::Done
    }
}

/// Whether a change is the one that was shown. Annotations, by which a person may have answered,
/// are left out of account, and the generation, which they raise on a Deployment.
fn is_same(shown: &Change, now: &Change) -> bool {
    let but_annotations = |operations: &[PatchOp]| -> Vec<PatchOp> {
        let rest = operations.iter().filter(|it| !it.is_about_annotations());
        rest.cloned().collect()
    };
    match (shown, now) {
        (Change::Patch { forward: shown, .. }, Change::Patch { forward: now, .. }) => {
            but_annotations(shown) == but_annotations(now)
        }
        (shown, now) => shown == now,
    }
}
