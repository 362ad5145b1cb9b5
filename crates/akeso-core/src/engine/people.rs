//! What people say by a command: they consent, decline, ask, or have a change taken back.

use jiff::Timestamp;

use super::{Attempt, Engine, Incident, Request, State, turn::Live};
use crate::{
    act::{Action, NotAmendable, NotApplicable},
    cluster::Key,
    consult::Spend,
    gate::{self, Consented, Decision},
    journal::{End, Fact, Proposal},
    plan::{Canary, Origin, Plan, Proof, Step, memory},
    quantity::Bytes,
    workload::{AttemptId, IncidentId},
};

/// Why a step that asks is not asked about with other values.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotAmended {
    /// Nobody is asked about it any more.
    #[error("nothing waits under {0} any more")]
    NotAsked(AttemptId),
    /// The values are not to be chosen, or not so.
    #[error(transparent)]
    Value(#[from] NotAmendable),
    /// There is no node for it.
    #[error("no node has more than {most} of memory")]
    NoRoom {
        /// The most that a node can give.
        most: Bytes,
    },
    /// The workload is another by now.
    #[error(transparent)]
    NotApplicable(#[from] NotApplicable),
    /// The gate would refuse it.
    #[error("{why} ({rule})")]
    Refused {
        /// The rule.
        rule: String,
        /// Why.
        why: String,
    },
}

impl Engine {
    /// A person has said something. What is about nothing that is open is left unsaid.
    pub(super) fn take_request(&mut self, request: &Request, now: Timestamp) {
        let (incident, attempt) = match request {
            Request::Consent { attempt, .. } | Request::Decline { attempt, .. } => {
                let asked = self.asked(*attempt);
                (asked.map(|(incident, _)| incident.id), *attempt)
            }
            Request::Amend {
                attempt,
                action,
                by,
            } => {
                let asked = self.asked(*attempt).map(|(incident, _)| incident.id);
                let amended = asked.zip(self.amended(*attempt, action, by).ok());
                if let Some((id, plan)) = amended {
                    self.turn(id, now, |turn| turn.amend(plan, by));
                    self.advance(id, now);
                }
                return;
            }
            Request::Reconsider { incident, by } => {
                let open = self.watched().find(|it| it.id == *incident);
                let told = open.filter(|it| matches!(it.state, State::Escalated { .. }));
                if let Some(id) = told.map(|it| it.id) {
                    self.turn(id, now, |turn| turn.look_anew(by));
                    self.advance(id, now);
                }
                return;
            }
            Request::Ask {
                incident,
                question,
                by,
            } => {
                if self.why_not_ask(*incident).is_none() {
                    self.turn(*incident, now, |turn| turn.pass_on(question, by));
                }
                return;
            }
            Request::TakeBack {
                incident, attempt, ..
            } => {
                let is_attended = self.settings.attends(&incident.workload);
                let is_free = is_attended && self.make_room_for(incident, *attempt, now);
                (Some(incident.id).filter(|_| is_free), *attempt)
            }
        };
        if let Some(id) = incident {
            self.live.entry(id).or_default();
            self.turn(id, now, |turn| turn.take_request(request, attempt));
            self.advance(id, now);
        }
    }

    /// Why a question about an incident cannot be passed on to a language model, if so.
    pub fn why_not_ask(&self, incident: IncidentId) -> Option<String> {
        let settings = &self.settings;
        if settings.model.is_none() {
            return Some("no language model is set up: give --model, and its key".to_owned());
        }
        let ledger = &self.recorder.ledger;
        let open = ledger.get(incident).filter(|it| !it.is_closed());
        let Some(open) = open.filter(|it| !it.diagnoses.is_empty()) else {
            return Some(format!("{incident} is not open, or has no cause yet"));
        };
        let namespace = &open.workload.namespace;
        let labels = self.cluster.namespaces.get(&Key::new("", namespace));
        let labels = labels.and_then(|it| it.metadata.labels.as_ref());
        if !settings.may_consult(namespace, labels) {
            return Some(format!(
                "no model may be shown what fails in the namespace {namespace}"
            ));
        }
        if let Some(why) = &self.store_failure {
            return Some(format!("the journal cannot be written: {why}"));
        }
        let limits = &settings.policy.model;
        let calls = ledger.calls();
        let is_consulting = self.live.get(&incident).is_some_and(Live::is_consulting);
        if is_consulting || calls.of(incident).is_some() {
            return Some("it is being asked about this already: wait for its answer".to_owned());
        }
        let why = calls.why_not(Spend::default(), limits, self.now)?;
        Some(why.words(limits, calls.spent(self.now)))
    }

    /// The incident whose step waits under this attempt, and what is asked; of what is looked after.
    fn asked(&self, attempt: AttemptId) -> Option<(&Incident, &Proposal)> {
        let mut open = self.watched();
        open.find_map(|incident| {
            let State::AwaitingApproval { question } = &incident.state else {
                return None;
            };
            (question.attempt == attempt).then_some((incident, &**question))
        })
    }

    /// The plan that [`Request::Amend`] leads to: the step as a person wants it, and what comes
    /// behind it. It must pass the same gate as any other, and is asked about again.
    pub fn amended(
        &self,
        attempt: AttemptId,
        action: &Action,
        by: &str,
    ) -> Result<Plan, NotAmended> {
        let not_asked = || NotAmended::NotAsked(attempt);
        let (incident, question) = self.asked(attempt).ok_or_else(not_asked)?;
        question.step.action.is_amended_by(action)?;
        let workload = self.cluster.workload(&incident.workload);
        let workload = workload.ok_or_else(not_asked)?;
        let room = memory::largest_node(&self.cluster);
        if let (Some(wanted), Some(most)) = (action.as_memory(), room)
            && wanted.to > most
        {
            return Err(NotAmended::NoRoom { most });
        }
        let step = Step {
            action: action.clone(),
            reasoning: format!(
                "{by} has chosen it instead of what was proposed: {}",
                question.step.action.treatment().summary()
            ),
            origin: Origin::Operator,
            proof: Proof::Bounded,
        };
        let change = action.change(&workload, self.recorder.ledger.next_attempt())?;
        let spent = self
            .recorder
            .ledger
            .spent(&incident.workload, &self.settings);
        let shared_cause = self.shared_cause(&incident.workload);
        let (ruling, _) = gate::decide(&gate::Request {
            step: &step,
            change: &change,
            workload: &workload,
            settings: &self.settings,
            spent: &spent,
            shared_cause: shared_cause.as_ref().map(|(_, why)| why.as_str()),
            store_failure: self.store_failure.as_deref(),
            consent: Consented::Yes,
            now: self.now,
        });
        if ruling.decision == Decision::Refuse {
            let (rule, why) = (ruling.rule, ruling.why);
            return Err(NotAmended::Refused { rule, why });
        }
        let plan = incident.plan.as_ref().ok_or_else(not_asked)?;
        let behind = plan.steps.iter().skip(question.place + 1).cloned();
        let steps = follow(step, behind.collect());
        Ok(Plan {
            canary: Canary::of(&steps, &workload, &self.settings),
            advice: plan.advice.clone(),
            steps,
        })
    }

    /// An incident that is over is about to be opened again: one that is open on the same workload
    /// is dismissed. Not while something is being done for that one, nor if there is nothing to
    /// take back.
    fn make_room_for(&mut self, again: &Incident, attempt: AttemptId, now: Timestamp) -> bool {
        let ledger = &mut self.recorder.ledger;
        let open = ledger.open_incident(&again.workload);
        let Some(open) = open.filter(|open| *open != again.id) else {
            ledger.take_in(again.clone());
            return true;
        };
        let is_busy = |it: &Incident| it.state.is_between_change_and_verdict();
        let again = ledger.get(again.id).unwrap_or(again);
        let can_be_recalled = again.attempt(attempt).is_some_and(Attempt::can_be_recalled);
        if !can_be_recalled || ledger.get(open).is_some_and(is_busy) {
            return false;
        }
        let again = again.clone();
        let why = format!("a person has a change of {} taken back", again.id);
        let (incident, end) = (open, End::dismissed(why));
        self.recorder.ledger.take_in(again);
        self.live.remove(&open);
        self.recorder.record(Fact::Closed { incident, end }, now);
        true
    }
}

/// What comes behind a step that a person has chosen. A memory limit goes on from there, and no
/// lower one is tried.
fn follow(first: Step, mut behind: Vec<Step>) -> Vec<Step> {
    if let Some(to) = first.action.as_memory().map(|it| it.to) {
        behind.retain(|step| step.action.as_memory().is_none_or(|next| next.to > to));
        for step in &mut behind {
            if let Action::IncreaseMemory(next) = &mut step.action {
                next.from = to;
                break;
            }
        }
    }
    std::iter::once(first).chain(behind).collect()
}
