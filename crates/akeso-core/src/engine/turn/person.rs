//! `AwaitingApproval`, `Escalated`, `Joined`: a person was asked, or another incident goes first. Is
//! that still needed?

use super::{Next, Turn};
use crate::{
    cluster::Workload,
    diagnose::rerun,
    engine::{Incident, Request, State},
    gate::{self, Consented, Decision},
    journal::{End, Fact, Proposal, Until},
    learn::template,
    observe::Symptom,
    plan::{Advice, Plan},
    policy::Autonomy,
    verify::{self, Progress, Watch},
    workload::{AttemptId, IncidentId},
};
use jiff::{SignedDuration, Timestamp};

/// On a workload: the mark of the attempt that its owner consents to, or declines.
pub const APPROVE: &str = "akeso.dev/approve";
/// See [`APPROVE`].
pub const REJECT: &str = "akeso.dev/reject";

/// What shows by nothing of the workload itself is looked for this often.
const LOOK_AGAIN: SignedDuration = SignedDuration::from_mins(1);

/// What the first crashes said need not be what is wrong for good: what a person was told of is
/// explained anew after such times, in minutes. More often would only repeat what changes to and fro.
const LOOKS_ANEW: [i64; 2] = [2, 10];

/// Something else has been broken for so long before a person's incident is explained anew.
pub(super) const SURE_AFTER: SignedDuration = SignedDuration::from_secs(30);

/// What a second look has shown.
enum Anew {
    /// Evidence is on its way.
    Asking,
    /// Another cause.
    Other,
    /// Nothing else; and when the next look is due.
    Same { next: Option<Timestamp> },
}

impl<'a> Turn<'a> {
    /// Whether nothing has been broken for as long as the fault may take to show again. Right after
    /// a change, or between two crashes, there is nothing to see either.
    pub(super) fn is_well_again(&mut self, incident: &Incident, workload: &Workload<'a>) -> bool {
        let now = self.now;
        let watch = self
            .live
            .watch
            .get_or_insert_with(|| Watch::begin(workload, quiet_time(incident), 0, now));
        let progress = watch.look(workload, &self.live.symptoms, now);
        self.live.watch_at = match progress {
            Progress::Waiting(until) => Some(until),
            Progress::Healed | Progress::Broken | Progress::Overdue { .. } => None,
        };
        progress == Progress::Healed
    }

    /// Whether the settings that stopped the plan are others now. What only time has changed is
    /// no reason: what somebody has set back is not done again because an hour has passed.
    fn would_be_decided_otherwise(&self, incident: &Incident, workload: &Workload<'_>) -> bool {
        const OF_TIME: [&str; 2] = ["set-back", "attempt-budget"];
        let stopped = incident
            .ruling
            .as_ref()
            .filter(|ruling| !OF_TIME.contains(&ruling.rule.as_str()));
        // a person's no stands until the workload is another, and so does what one has put off
        let stopped = stopped.filter(|ruling| ruling.rule != gate::ATTENDED);
        let (Some(ruling), Some(step)) = (stopped, incident.step(incident.gated)) else {
            return false;
        };
        if ruling.decision == Decision::Execute {
            return false; // it was not the gate that stopped it
        }
        let attempt = self.recorder.ledger.next_attempt();
        let change = step.action.change(workload, attempt);
        change.is_ok_and(|change| {
            let (now, _) = self.rule(workload, &step, &change, Consented::No);
            now.decision != ruling.decision
        })
    }

    /// A person was asked. When the workload is well or another by then, the incident is over.
    pub(super) fn wait_for_person(&mut self, incident: &Incident, workload: &Workload<'a>) -> Next {
        if workload.generation() < incident.taken_back_at() {
            self.live.forget_evidence();
            return Next::Done; // the watch has not told of our own change yet
        }
        let next_look = match self.has_another_cause(incident, workload) {
            Anew::Asking => {
                self.live.forget_watch(); // times that are over would wake it without end
                self.live.retry_at = None;
                return Next::Done;
            }
            Anew::Other => {
                self.reconsider("it shows another cause since");
                return Next::Again;
            }
            Anew::Same { next } => next,
        };
        self.live.forget_evidence();
        let is_told = matches!(incident.state, State::Escalated { .. });
        if is_told && !self.live.symptoms.is_empty() && incident.guess_in_vain().is_some() {
            self.lower_what_was_raised_in_vain(); // it was forbidden, or the program ended before
            let ledger = &self.recorder.ledger;
            if ledger
                .get(self.id)
                .is_none_or(|it| it.state != incident.state)
            {
                return Next::Done;
            }
        }
        if let State::AwaitingApproval { question } = &incident.state
            && let Some(next) = self.look_for_answer(incident, workload, question)
        {
            return next;
        }
        if self.has_another_fault(incident) {
            self.reconsider("what was told of is gone, and something else is broken");
            return Next::Again;
        }
        if may_run_again(incident, workload) {
            self.reconsider("what it needs answers since");
            return Next::Again;
        }
        let (mut is_well, mut is_set_otherwise) = (false, false);
        let over = match &incident.state {
            State::Escalated {
                until: Some(until), ..
            } if *until <= self.now => Some("the time for which it was closed is over"),
            _ if self.is_well_again(incident, workload) => {
                is_well = true;
                Some("its symptoms went away, and not by Akeso")
            }
            _ if self.would_be_decided_otherwise(incident, workload) => {
                is_set_otherwise = true;
                Some("it is decided anew, for the settings are others now")
            }
            _ => {
                let template = workload.template().cloned();
                let known = self
                    .live
                    .template
                    .get_or_insert_with(|| template.clone().unwrap_or_default());
                let is_other = template.is_some_and(|template| template != *known);
                is_other.then_some("somebody has changed the workload")
            }
        };
        let ends = match &incident.state {
            State::Escalated { until, .. } => *until,
            State::AwaitingApproval { question } => Some(question.expires),
            _ => None,
        };
        let looks = workload.job.is_some() && is_told;
        let again = looks
            .then(|| self.now.checked_add(LOOK_AGAIN).ok())
            .flatten();
        self.live.retry_at = ends
            .into_iter()
            .chain(again)
            .chain(next_look)
            .filter(|at| *at > self.now)
            .min();
        match over {
            // a new incident would know nothing of it
            Some(why) if !is_well && incident.guess_in_vain().is_some() => {
                self.reconsider(why);
                return Next::Again;
            }
            // it goes on as another incident: nothing has come of this one
            Some(why) if is_set_otherwise => self.close(End::dismissed(why)),
            Some(why) => self.dismiss(why),
            None => {}
        }
        Next::Done
    }

    /// Whether what a person was told of has another cause by now than was found at first. Where
    /// something was tried already, that has been looked at anew since.
    fn has_another_cause(&mut self, incident: &Incident, workload: &Workload<'a>) -> Anew {
        let told = incident.diagnoses.first();
        let (State::Escalated { until: None, .. }, Some(told), true) =
            (&incident.state, told, incident.attempts.is_empty())
        else {
            return Anew::Same { next: None };
        };
        let due = |looks: u8| {
            let minutes = LOOKS_ANEW.get(usize::from(looks))?;
            let after = SignedDuration::from_mins(*minutes);
            incident.updated.checked_add(after).ok()
        };
        let next = due(self.live.looks);
        let is_due = next.is_some_and(|at| at <= self.now);
        let shows = self
            .live
            .symptoms
            .iter()
            .any(|it| it.is_like(&told.symptom));
        if !is_due || !shows {
            return Anew::Same { next };
        }
        let Some(now) = self.diagnoses(incident, workload) else {
            return Anew::Asking;
        };
        self.live.evidence_due = None;
        self.live.looks += 1;
        let known = now
            .iter()
            .any(|it| template(&it.cause) == template(&told.cause));
        let is_surer = now
            .first()
            .is_some_and(|it| it.confidence >= told.confidence);
        if !known && is_surer {
            return Anew::Other;
        }
        Anew::Same {
            next: due(self.live.looks),
        }
    }

    /// Whether what a person was told of is gone, and something else has been broken since, for
    /// longer than a workload takes to go from one state to the next.
    fn has_another_fault(&mut self, incident: &Incident) -> bool {
        let told = incident
            .diagnoses
            .first()
            .map(|diagnosis| &diagnosis.symptom);
        let symptoms = &self.live.symptoms;
        let is_other = told.is_some_and(|told| {
            symptoms.iter().any(Symptom::is_lasting) && !symptoms.iter().any(|it| it.is_like(told))
        });
        if !is_other {
            self.live.other_since = None;
            return false;
        }
        let since = *self.live.other_since.get_or_insert(self.now);
        let sure = since.checked_add(SURE_AFTER).unwrap_or(self.now);
        if self.now < sure {
            return false;
        }
        self.live.other_since = None;
        true
    }

    /// The answer that stands on the workload, or that the question has expired.
    fn look_for_answer(
        &mut self,
        incident: &Incident,
        workload: &Workload<'a>,
        question: &Proposal,
    ) -> Option<Next> {
        let attempt = question.attempt;
        let is_marked = |mark| workload.mark(mark) == Some(question.mark().as_str());
        let by = || {
            let who = workload.last_writer();
            who.unwrap_or_else(|| "somebody".to_owned()) + ", by annotation"
        };
        if is_marked(REJECT) {
            self.decline(incident, attempt, by());
            return Some(Next::Done);
        }
        if question.expires <= self.now {
            let advice = Advice {
                why: format!("nobody answered whether to do it ({attempt}) in time"),
                command: question.command.clone(),
            };
            self.live.template = workload.template().cloned();
            self.escalate(incident, &advice, None);
            return Some(Next::Done);
        }
        if is_marked(APPROVE) {
            self.consent(attempt, by());
            return Some(Next::Again);
        }
        None
    }

    /// What a person has said by a command.
    pub fn take_request(&mut self, request: &Request, attempt: AttemptId) {
        let Some(incident) = self.recorder.ledger.get(self.id).cloned() else {
            return;
        };
        match request {
            Request::Consent { by, .. } => self.consent(attempt, by.clone()),
            Request::Decline { by, .. } => self.decline(&incident, attempt, by.clone()),
            Request::TakeBack { by, .. } => self.recall(&incident, attempt, by.clone()),
            // they are about no attempt
            Request::Ask { .. } | Request::Amend { .. } | Request::Reconsider { .. } => {}
        }
    }

    fn consent(&mut self, attempt: AttemptId, by: String) {
        self.record(Fact::Consented {
            incident: self.id,
            attempt,
            by,
        });
        self.live.forget_watch();
        self.live.retry_at = None;
    }

    fn decline(&mut self, incident: &Incident, attempt: AttemptId, by: String) {
        let State::AwaitingApproval { question } = &incident.state else {
            return;
        };
        let workload = self.cluster.workload(&incident.workload);
        self.live.template = workload.and_then(|workload| workload.template().cloned());
        let advice = Advice {
            why: format!(
                "{by} has declined it: {}",
                question.step.action.treatment().summary()
            ),
            command: question.command.clone(),
        };
        self.record(Fact::Declined {
            incident: self.id,
            attempt,
            by,
        });
        self.escalate(incident, &advice, None);
    }

    /// A person wants something else done than what was proposed; that is asked about.
    pub fn amend(&mut self, plan: Plan, by: &str) {
        let wanted = plan.steps.first();
        let wanted = wanted.map(|step| step.action.treatment().summary());
        self.reconsider(&format!("{by} wants to {}", wanted.unwrap_or_default()));
        self.record(Fact::Planned {
            incident: self.id,
            plan,
        });
    }

    /// A person wants what was given up looked at anew.
    pub fn look_anew(&mut self, by: &str) {
        self.reconsider(&format!("{by} has it looked at anew"));
    }

    /// A person wants a change taken back. While something is under way, that comes to its end
    /// first.
    fn recall(&mut self, incident: &Incident, attempt: AttemptId, by: String) {
        let is_busy = match &incident.state {
            State::Acting { .. } | State::RollingBack { .. } => true,
            // what is being verified may itself be recalled; another change, or its trial, may not
            // be left without a verdict
            State::Verifying { attempt: verified } => *verified != attempt,
            State::Observed
            | State::Planned { .. }
            | State::Waiting { .. }
            | State::Joined { .. }
            | State::AwaitingApproval { .. }
            | State::Escalated { .. }
            | State::Closed(_) => false,
        };
        let is_there = self.cluster.workload(&incident.workload).is_some();
        let kept = incident.attempt(attempt).filter(|it| it.can_be_recalled());
        let Some(kept) = kept.filter(|_| !is_busy && is_there) else {
            return;
        };
        self.record(Fact::Recalled {
            incident: self.id,
            attempt,
            by,
        });
        self.live.forget_watch();
        self.take_back(incident, kept);
    }

    /// Waits for the incident that concerns all, if there is one. Where nothing is ever done, nothing
    /// has to pause, and it is explained all the same.
    pub(super) fn joins_shared_cause(&mut self, workload: &Workload<'_>) -> bool {
        let Some((into, why)) = self.shared_cause.clone() else {
            return false;
        };
        if gate::level(workload, self.settings) == Autonomy::Observe {
            return false;
        }
        self.join(into, Until::End, why);
        true
    }

    pub(super) fn join(&mut self, into: IncidentId, until: Until, why: String) {
        self.record(Fact::Joined {
            incident: self.id,
            into,
            until,
            why,
        });
        self.live.forget_evidence();
        self.live.forget_watch();
        self.live.retry_at = None;
    }

    /// Another incident goes first; when what is waited for has come, this one is looked at anew.
    pub(super) fn wait_for_another(
        &mut self,
        incident: &Incident,
        workload: &Workload<'a>,
        (into, until): (IncidentId, Until),
    ) -> Next {
        let ledger = &self.recorder.ledger;
        let goes_on = |other: &Incident| match until {
            Until::Verdict => other.state.is_between_change_and_verdict(),
            Until::End => !other.is_closed(),
        };
        // who looks after one workload sees no end of another's
        let other = ledger.get(into);
        let other = other.filter(|it| self.settings.attends(&it.workload));
        let goes_on = ledger.shared().any(|(id, _)| id == into) || other.is_some_and(goes_on);
        if !goes_on {
            self.reconsider("what it waited for is over");
            return Next::Again;
        }
        self.went_away(incident, workload);
        Next::Done
    }

    /// Ends what waits if nothing has been broken for long enough, and says whether it has.
    pub(super) fn went_away(&mut self, incident: &Incident, workload: &Workload<'a>) -> bool {
        if !self.live.symptoms.is_empty() {
            self.live.forget_watch();
            return false;
        }
        let is_well = self.is_well_again(incident, workload);
        if is_well {
            self.dismiss("its symptoms went away, and not by Akeso");
        }
        is_well
    }
}

/// Whether a Job has given up over what answers since its person was told: nothing of the Job
/// itself will ever show that.
fn may_run_again(incident: &Incident, workload: &Workload<'_>) -> bool {
    let told = incident.diagnoses.first();
    matches!(incident.state, State::Escalated { .. })
        && told.is_some_and(|told| rerun::is_over_since(workload, told, incident.updated))
}

/// How long a fault must be gone before a person is no longer needed.
pub(super) fn quiet_time(incident: &Incident) -> SignedDuration {
    let diagnosis = incident.diagnoses.first();
    verify::recurrence(diagnosis.map(|diagnosis| &diagnosis.symptom))
}
