//! One incident's turn: from how it stands to what is done next.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::PodTemplateSpec;

use super::{Announcement, ChangeRequest, Effect, Incident, Recorder, State, incident::Attempt};
use crate::{
    act::Action,
    cluster::{Cluster, Workload},
    diagnose::{Diagnosis, Findings, diagnose},
    evidence::{Answer, Evidence, Question},
    gate::{self, Decision},
    journal::{End, Fact, Outcome, Verdict},
    observe::{Observation, Symptom, is_left_alone},
    plan::{Advice, Plan, Proof, plan},
    settings::{Autonomy, Settings},
    verify::{self, Progress, Watch},
    workload::{AttemptId, IncidentId},
};

/// A question that has not been answered by then counts as unanswerable.
const EVIDENCE_TIME: SignedDuration = SignedDuration::from_secs(15);
/// After a conflict or a failed request, the workload is looked at again this much later.
const RETRY: SignedDuration = SignedDuration::from_secs(2);
/// So many changes that could not be made, one after another, and a person is asked.
const MOST_REFUSALS: u8 = 5;
/// So many faults may come to light one after another in one incident.
const MOST_LAYERS: u8 = 5;

/// What is known of an incident beside the journal, and can be found out again.
#[derive(Debug, Default)]
pub(super) struct Live {
    symptoms: Vec<Symptom>,
    again: Option<Timestamp>,
    evidence: Evidence,
    asked: BTreeSet<Question>,
    evidence_due: Option<Timestamp>,
    /// The symptoms that say too little yet.
    waited_on: Option<Vec<Symptom>>,
    retry_at: Option<Timestamp>,
    refusals: u8,
    layers: u8,
    ready_before: usize,
    watch: Option<Watch>,
    watch_at: Option<Timestamp>,
    /// The pod template for which a person was asked.
    template: Option<PodTemplateSpec>,
}

impl Live {
    /// When time alone moves the incident on.
    pub(super) fn wake(&self) -> Option<Timestamp> {
        [self.again, self.evidence_due, self.retry_at, self.watch_at]
            .into_iter()
            .flatten()
            .min()
    }

    /// Whether there is nothing to do but to see how it goes on.
    pub(super) const fn is_waiting(&self) -> bool {
        self.waited_on.is_some()
    }

    pub(super) fn see(&mut self, observation: Observation) {
        self.symptoms = observation.symptoms;
        self.again = observation.again;
    }

    /// Takes in an answer. One that comes after its question has been dropped tells of the past.
    pub(super) fn answer(&mut self, question: Question, answer: Answer) {
        if self.asked.contains(&question) {
            self.evidence.insert(question, answer);
        }
    }

    fn forget_evidence(&mut self) {
        self.evidence.clear();
        self.asked.clear();
        self.evidence_due = None;
    }
}

pub(super) struct Turn<'a> {
    pub id: IncidentId,
    pub cluster: &'a Cluster,
    pub settings: &'a Settings,
    pub recorder: &'a mut Recorder,
    pub live: &'a mut Live,
    pub now: Timestamp,
}

/// Whether the turn goes on with the next state, or ends here.
enum Next {
    Again,
    Done,
}

impl<'a> Turn<'a> {
    /// Moves the incident on as far as it goes now.
    pub fn advance(&mut self) {
        while let Some(incident) = self.recorder.ledger.get(self.id).cloned() {
            if incident.is_closed() {
                return;
            }
            let Some(workload) = self.cluster.workload(&incident.workload) else {
                self.dismiss("the workload is gone");
                return;
            };
            let next = match &incident.state {
                State::Observed => self.explain(&incident, &workload),
                State::Planned { step } => self.decide(&incident, &workload, *step),
                State::Verifying { attempt } => self.verify(&incident, &workload, *attempt),
                State::AwaitingApproval { .. } | State::Escalated { .. } => {
                    self.wait_for_person(&incident, &workload)
                }
                State::Acting { .. } | State::RollingBack { .. } | State::Closed(_) => Next::Done,
            };
            if matches!(next, Next::Done) {
                return;
            }
        }
    }

    fn record(&mut self, fact: Fact) {
        self.recorder.record(fact, self.now);
    }

    fn announce(&mut self, incident: &Incident, reason: Announcement, note: String) {
        if self.settings.autonomy == Autonomy::Observe {
            return; // an Event would be a change as well
        }
        let workload = self.cluster.workload(&incident.workload);
        self.recorder.effects.push(Effect::Announce {
            workload: incident.workload.clone(),
            uid: workload.and_then(|workload| workload.metadata().uid.clone()),
            reason,
            note,
        });
    }

    fn dismiss(&mut self, why: &str) {
        self.record(Fact::Closed {
            incident: self.id,
            end: End::Dismissed {
                why: why.to_owned(),
            },
        });
    }

    fn escalate(&mut self, incident: &Incident, advice: &Advice, until: Option<Timestamp>) {
        self.record(Fact::Escalated {
            incident: self.id,
            why: advice.why.clone(),
            command: advice.command.clone(),
            until,
        });
        self.announce(
            incident,
            Announcement::NeedsAttention,
            format!("{}; begin with: {}", advice.why, advice.command),
        );
        self.live.forget_evidence();
        self.live.watch = None;
    }

    /// Diagnoses what is broken, or asks for the evidence that takes. Nothing if it is not here yet.
    fn diagnoses(
        &mut self,
        incident: &Incident,
        workload: &Workload<'_>,
    ) -> Option<Vec<Diagnosis>> {
        let symptoms = self.live.symptoms.clone();
        loop {
            match diagnose(
                workload,
                &symptoms,
                &self.live.evidence,
                self.settings,
                self.now,
            ) {
                Findings::Diagnosed(diagnoses) => return Some(diagnoses),
                Findings::Ask(questions) => {
                    if self.live.evidence_due.is_some_and(|due| due <= self.now) {
                        let why = "no answer in time".to_owned();
                        for question in questions {
                            let answer = Answer::Unknown { why: why.clone() };
                            self.live.evidence.insert(question, answer);
                        }
                        continue;
                    }
                    for question in questions {
                        if self.live.asked.insert(question.clone()) {
                            let namespace = incident.workload.namespace.clone();
                            self.recorder.effects.push(Effect::Gather {
                                incident: self.id,
                                namespace,
                                question,
                            });
                        }
                    }
                    if self.live.evidence_due.is_none() {
                        self.live.evidence_due = self.now.checked_add(EVIDENCE_TIME).ok();
                    }
                    return None;
                }
            }
        }
    }

    /// `Observed` → a plan, or a person, or nothing yet.
    fn explain(&mut self, incident: &Incident, workload: &Workload<'a>) -> Next {
        if self.live.symptoms.is_empty() {
            // right after a change or a start, "nothing is broken" may only mean "not seen yet"
            let has_changes = incident.attempts.iter().any(Attempt::is_kept);
            if has_changes && self.is_well_again(incident, workload) {
                self.healed(incident, workload, quiet_time(incident));
            } else if !has_changes && workload.is_settled() {
                self.dismiss("it went away by itself");
            }
            // nothing to retry and nothing to ask; times that are over would wake it without end
            self.live.retry_at = self.live.retry_at.filter(|at| *at > self.now);
            self.live.forget_evidence();
            return Next::Done;
        }
        if self.live.retry_at.is_some_and(|at| at > self.now)
            || self.live.waited_on.as_ref() == Some(&self.live.symptoms)
        {
            return Next::Done;
        }
        self.live.retry_at = None;
        self.live.waited_on = None;
        let Some(mut diagnoses) = self.diagnoses(incident, workload) else {
            return Next::Done;
        };
        self.live.forget_evidence();
        let plans: Vec<_> = diagnoses
            .iter()
            .map(|d| plan(d, self.recorder.ledger.patterns()))
            .collect();
        // what can be healed first, then what a person must know; what needs time waits
        let chosen = plans
            .iter()
            .position(|plan| plan.as_ref().is_some_and(|plan| !plan.steps.is_empty()))
            .or_else(|| plans.iter().position(Option::is_some));
        let Some((index, plan)) =
            chosen.and_then(|index| Some((index, plans.into_iter().nth(index)??)))
        else {
            self.live.waited_on = Some(self.live.symptoms.clone());
            return Next::Done;
        };
        diagnoses.swap(0, index);
        self.record(Fact::Diagnosed {
            incident: self.id,
            diagnoses,
        });
        self.record(Fact::Planned {
            incident: self.id,
            plan,
        });
        Next::Again
    }

    /// `Planned` → the gate's decision on the next step.
    fn decide(&mut self, incident: &Incident, workload: &Workload<'_>, place: usize) -> Next {
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
    fn take_back(&mut self, incident: &Incident, attempt: &Attempt) {
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

    /// `Verifying` → a verdict, or more time.
    fn verify(&mut self, incident: &Incident, workload: &Workload<'a>, id: AttemptId) -> Next {
        let Some(attempt) = incident.attempt(id).cloned() else {
            self.dismiss("its attempt is lost");
            return Next::Done;
        };
        let written = match attempt.outcome {
            Some(Outcome::Done { generation }) => generation.unwrap_or_default(),
            _ => 0,
        };
        let treatment = attempt.step.action.treatment();
        if workload.generation() < written || !treatment.is_seen(workload) {
            return Next::Done; // the watch has not told of our own change yet
        }
        let superseded = if is_left_alone(workload) {
            Some("somebody has put it to sleep or marked it since")
        } else {
            (!treatment.holds(workload))
                .then_some("somebody else has changed the same fields since")
        };
        if let Some(why) = superseded {
            let why = why.to_owned();
            self.record(Fact::Judged {
                incident: self.id,
                attempt: id,
                verdict: Verdict::Superseded,
                why: why.clone(),
            });
            self.dismiss(&why);
            return Next::Done;
        }
        let window = verify::window(
            &attempt.diagnosis.symptom,
            &attempt.step.action,
            killed_at(incident),
        );
        let (now, ready_before) = (self.now, self.live.ready_before);
        let watch = self
            .live
            .watch
            .get_or_insert_with(|| Watch::begin(workload, window, ready_before, now));
        let progress = watch.look(workload, &self.live.symptoms, now);
        self.live.watch_at = None;
        match progress {
            Progress::Waiting(until) => {
                self.live.watch_at = Some(until);
                self.live.forget_evidence();
                Next::Done
            }
            Progress::Healed => {
                self.healed(incident, workload, window);
                Next::Done
            }
            Progress::Overdue { why, is_worse } => {
                let verdict = if is_worse {
                    Verdict::Worse
                } else {
                    Verdict::NotHealed
                };
                self.not_healed(
                    incident,
                    &attempt,
                    verdict,
                    format!("it did not become well in time: {why}"),
                )
            }
            Progress::Broken => self.judge_broken(incident, workload, &attempt),
        }
    }

    /// Something is broken after the change: the same thing, or what lay behind it?
    fn judge_broken(
        &mut self,
        incident: &Incident,
        workload: &Workload<'a>,
        attempt: &Attempt,
    ) -> Next {
        let Some(diagnoses) = self.diagnoses(incident, workload) else {
            return Next::Done;
        };
        self.live.forget_evidence();
        if let Some(same) = diagnoses
            .iter()
            .find(|diagnosis| diagnosis.is_same_as(&attempt.diagnosis))
        {
            let why = format!("it is still broken: {}", same.cause);
            return self.not_healed(incident, attempt, Verdict::NotHealed, why);
        }
        let worse = workload.ready_pods() < self.live.ready_before;
        let Some(other) = diagnoses
            .first()
            .filter(|_| !worse && self.live.layers < MOST_LAYERS)
        else {
            let verdict = if worse {
                Verdict::Worse
            } else {
                Verdict::NotHealed
            };
            let what = self
                .live
                .symptoms
                .first()
                .map(ToString::to_string)
                .unwrap_or_default();
            return self.not_healed(
                incident,
                attempt,
                verdict,
                format!("something else is broken since: {what}"),
            );
        };
        self.live.layers += 1;
        self.live.watch = None;
        let why = format!(
            "what it was for is gone, and another fault has come to light: {}",
            other.cause
        );
        self.record(Fact::Judged {
            incident: self.id,
            attempt: attempt.id,
            verdict: Verdict::Partly,
            why,
        });
        Next::Again
    }

    fn not_healed(
        &mut self,
        incident: &Incident,
        attempt: &Attempt,
        verdict: Verdict,
        why: String,
    ) -> Next {
        self.live.watch = None;
        self.record(Fact::Judged {
            incident: self.id,
            attempt: attempt.id,
            verdict,
            why,
        });
        let next = incident
            .plan
            .as_ref()
            .and_then(|plan| plan.steps.get(attempt.place + 1));
        let goes_on_from_here = match (&attempt.step.action, next.map(|step| &step.action)) {
            (Action::IncreaseMemory(this), Some(Action::IncreaseMemory(next))) => {
                next.from == this.to
            }
            _ => false,
        };
        if goes_on_from_here && verdict == Verdict::NotHealed || attempt.inverse().is_none() {
            return Next::Again;
        }
        self.take_back(incident, attempt);
        Next::Done
    }

    fn healed(&mut self, incident: &Incident, workload: &Workload<'a>, window: SignedDuration) {
        let kept: Vec<_> = incident
            .attempts
            .iter()
            .filter(|attempt| attempt.is_kept())
            .cloned()
            .collect();
        let why = format!(
            "rolled out, ready and without a restart for {} s",
            window.as_secs()
        );
        // what an attempt on the way did not bring about, or what is not there any more, is not
        // called its heal
        let helped = kept.iter().filter(|attempt| {
            let failed = matches!(attempt.verdict, Some(Verdict::NotHealed | Verdict::Worse));
            !failed && attempt.step.action.treatment().holds(workload)
        });
        let mut summaries = Vec::new();
        for attempt in helped {
            self.record(Fact::Judged {
                incident: self.id,
                attempt: attempt.id,
                verdict: Verdict::Healed,
                why: why.clone(),
            });
            let (fingerprint, action) = (
                attempt.diagnosis.fingerprint.clone(),
                attempt.step.action.clone(),
            );
            if action.is_transferable() {
                self.record(Fact::Learned {
                    incident: self.id,
                    fingerprint,
                    action,
                });
            }
            summaries.push(attempt.step.action.treatment().summary());
        }
        self.record(Fact::Closed {
            incident: self.id,
            end: End::Healed,
        });
        self.announce(
            incident,
            Announcement::Remediated,
            format!("{why}: {}", summaries.join("; ")),
        );
    }

    /// Whether nothing has been broken for as long as the fault may take to show again. Right after
    /// a change, or between two crashes, there is nothing to see either.
    fn is_well_again(&mut self, incident: &Incident, workload: &Workload<'a>) -> bool {
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

    /// Whether the autonomy level that stopped the plan is another now.
    fn would_be_decided_otherwise(&self, incident: &Incident, workload: &Workload<'a>) -> bool {
        let stopped = incident
            .ruling
            .as_ref()
            .filter(|ruling| ruling.rule == "autonomy");
        let step = incident
            .plan
            .as_ref()
            .and_then(|plan| plan.steps.get(incident.gated));
        let (Some(ruling), Some(step)) = (stopped, step) else {
            return false;
        };
        if ruling.decision == Decision::Execute {
            return false; // it was not the gate that stopped it
        }
        let request = gate::Request {
            step,
            workload,
            settings: self.settings,
            failures: self.recorder.ledger.failures(&incident.workload),
            set_back: self.recorder.ledger.set_back(&incident.workload),
            now: self.now,
        };
        gate::decide(&request).0.decision != ruling.decision
    }

    /// A person was asked. When the workload is well or another by then, the incident is over.
    fn wait_for_person(&mut self, incident: &Incident, workload: &Workload<'a>) -> Next {
        self.live.forget_evidence();
        let over = match &incident.state {
            State::Escalated {
                until: Some(until), ..
            } if *until <= self.now => Some("the time for which it was closed is over"),
            _ if self.is_well_again(incident, workload) => {
                Some("its symptoms went away, and not by Akeso")
            }
            _ if self.would_be_decided_otherwise(incident, workload) => {
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
        if let State::Escalated {
            until: Some(until), ..
        } = &incident.state
        {
            self.live.retry_at = (*until > self.now).then_some(*until);
        }
        if let Some(why) = over {
            self.dismiss(why);
        }
        Next::Done
    }
}

/// How long a fault must be gone before a person is no longer needed.
fn quiet_time(incident: &Incident) -> SignedDuration {
    let diagnosis = incident.diagnoses.first();
    verify::recurrence(diagnosis.map(|diagnosis| &diagnosis.symptom))
}

/// The memory limit for which an incident's plan was made: that of its first step.
fn killed_at(incident: &Incident) -> Option<crate::quantity::Bytes> {
    match &incident.plan.as_ref()?.steps.first()?.action {
        Action::IncreaseMemory(first) => Some(first.from),
        Action::FixImageName(_)
        | Action::UpdateEnv(_)
        | Action::RestartPod(_)
        | Action::RollbackToRevision(_) => None,
    }
}
