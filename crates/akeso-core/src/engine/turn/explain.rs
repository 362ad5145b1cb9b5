//! `Observed`: evidence is gathered, the cause is named, a plan is made.

use super::{Next, Turn, consult::Further, person::quiet_time};
use crate::{
    cluster::Workload,
    diagnose::{Diagnosis, Findings, diagnose},
    engine::{Effect, Incident, State, incident::Attempt},
    evidence::{Answer, Question},
    gate,
    journal::{Fact, Until, Verdict},
    observe::Sign,
    plan::{Canary, Origin, Plan, plan},
    workload::{IncidentId, WorkloadRef},
};
use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};

/// What may pass by itself, and shows nothing when it does not, is looked at again after this.
const LOOK_AGAIN: SignedDuration = SignedDuration::from_mins(1);
/// A question that has not been answered by then counts as unanswerable.
const EVIDENCE_TIME: SignedDuration = SignedDuration::from_secs(15);

/// What is broken because something else is broken, whose incident is to be opened, is looked at
/// again after this.
const SOON: SignedDuration = SignedDuration::from_secs(10);

/// Of those that wait for each other in a row, so many are looked at.
const LONGEST_CHAIN: usize = 100;

/// What goes before an incident.
enum Before {
    /// The incident of what has broken its workload, and why.
    Open(IncidentId, String),
    /// The same, which is not open yet.
    Soon,
    /// Nothing.
    Nothing,
}

impl<'a> Turn<'a> {
    /// Diagnoses what is broken, or asks for the evidence that takes. Nothing if it is not here yet.
    pub(super) fn diagnoses(
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
                    let due = self.live.evidence_due.or_else(|| self.evidence_time());
                    self.live.evidence_due = due;
                    if !self.gather(incident, questions, due) {
                        return None;
                    }
                }
            }
        }
    }

    /// By when what is asked now must be answered.
    pub(super) fn evidence_time(&self) -> Option<Timestamp> {
        self.now.checked_add(EVIDENCE_TIME).ok()
    }

    /// Asks for evidence. Says whether it was due by now, so that what has not come is unknown.
    pub(super) fn gather(
        &mut self,
        incident: &Incident,
        questions: BTreeSet<Question>,
        due: Option<Timestamp>,
    ) -> bool {
        if due.is_some_and(|due| due <= self.now) {
            let why = "no answer in time".to_owned();
            for question in questions {
                let answer = Answer::Unknown { why: why.clone() };
                self.live.evidence.insert(question, answer);
            }
            return true;
        }
        for question in questions {
            if self.live.asked.insert(question.clone()) {
                let namespace = incident.workload.namespace.clone();
                self.recorder.effects.push(Effect::Gather {
                    incident: Some(self.id),
                    namespace,
                    question,
                });
            }
        }
        false
    }

    /// `Observed` → a plan, or a person, or nothing yet.
    pub(super) fn explain(&mut self, incident: &Incident, workload: &Workload<'a>) -> Next {
        if !self.live.is_seen {
            return Next::Done;
        }
        if self.live.symptoms.is_empty() {
            // right after a change or a start, "nothing is broken" may only mean "not seen yet"
            let kept = || incident.attempts.iter().filter(|attempt| attempt.is_kept());
            let is_judged = |attempt: &Attempt| match attempt.verdict {
                Some(Verdict::NotHealed | Verdict::Worse | Verdict::Healed) => true,
                Some(Verdict::Partly | Verdict::Superseded | Verdict::Passed) | None => false,
            };
            if kept().next().is_none() {
                if workload.is_settled() {
                    self.dismiss("it went away by itself");
                }
            } else if self.is_well_again(incident, workload) {
                if kept().all(is_judged) {
                    self.dismiss("it went away by itself");
                } else {
                    self.healed(incident, workload, quiet_time(incident));
                }
            }
            // nothing to retry and nothing to ask; times that are over would wake it without end
            self.live.retry_at = self.live.retry_at.filter(|at| *at > self.now);
            self.live.forget_evidence();
            return Next::Done;
        }
        let is_due = self.live.retry_at.map(|at| at <= self.now);
        if is_due == Some(false)
            || (is_due.is_none() && self.live.waited_on.as_ref() == Some(&self.live.symptoms))
        {
            return Next::Done;
        }
        self.live.retry_at = None;
        self.live.waited_on = None;
        self.live.suspected.clear();
        let Some(mut diagnoses) = self.diagnoses(incident, workload) else {
            return Next::Done;
        };
        self.live.evidence_due = None; // a time that is over would wake it without end
        match self.goes_before(&diagnoses) {
            Before::Open(into, why) => {
                self.live.forget_evidence();
                diagnoses.sort_by_key(|it| it.caused_by.is_none() && it.rests_on.is_empty());
                self.record(Fact::Diagnosed {
                    incident: self.id,
                    diagnoses,
                });
                self.join(into, Until::End, why);
                return Next::Done;
            }
            Before::Soon => {
                self.live.forget_evidence();
                self.wait_for_better(diagnoses, Some(SOON));
                return Next::Done;
            }
            Before::Nothing => {}
        }
        let plans: Vec<_> = diagnoses
            .iter()
            .map(|d| plan(d, self.recorder.ledger.patterns(), self.now))
            .collect();
        // what can be healed first, then what a person must know; what needs time waits
        let chosen = plans
            .iter()
            .position(|plan| {
                plan.as_ref()
                    .is_some_and(|plan| self.may_heal(plan, workload))
            })
            .or_else(|| plans.iter().position(Option::is_some));
        let Some((index, mut plan)) =
            chosen.and_then(|index| Some((index, plans.into_iter().nth(index)??)))
        else {
            // a crash shows anew with the next one; what stands still does not
            let stands_still = |it: &Diagnosis| {
                matches!(it.symptom.sign, Sign::Probe { .. }) || !it.symptom.is_failure()
            };
            self.live.forget_evidence();
            let again = diagnoses.iter().any(stands_still).then_some(LOOK_AGAIN);
            self.wait_for_better(diagnoses, again);
            return Next::Done;
        };
        diagnoses.swap(0, index);
        if plan.steps.is_empty() {
            match self.look_further(incident, workload, &diagnoses) {
                Further::Later => return Next::Done,
                Further::Steps(steps) => plan.steps = steps,
                Further::Nothing(None) => {}
                Further::Nothing(Some(why)) => {
                    plan.advice.why = format!("{}; {why}", plan.advice.why);
                }
            }
        }
        let is_told = self.live.consultation.has_told(&diagnoses);
        self.live.forget_evidence();
        plan.canary = Canary::of(&plan.steps, workload, self.settings);
        let goes_first = self.same_cause(&diagnoses, &plan);
        if !is_told {
            self.record(Fact::Diagnosed {
                incident: self.id,
                diagnoses,
            });
        }
        if let Some((into, until, why)) = goes_first {
            self.join(into, until, why);
            return Next::Done;
        }
        self.record(Fact::Planned {
            incident: self.id,
            plan,
        });
        Next::Again
    }

    /// Whether a plan has a step that is not a person's to begin with.
    fn may_heal(&self, plan: &Plan, workload: &Workload<'_>) -> bool {
        let first = plan.steps.first();
        first.is_some_and(|step| gate::is_named(step.action.kind(), workload, self.settings))
    }

    /// The open incident of what has broken this workload, and why it goes first: unless something
    /// of its own is broken as well, nothing here can help, and nothing here is wrong.
    fn goes_before(&self, diagnoses: &[Diagnosis]) -> Before {
        let mut all = diagnoses.iter();
        let ledger = &self.recorder.ledger;
        // what has an incident need not show at this moment what is wrong with it: it is between
        // two crashes, or is being healed
        let has_incident = |it: &&WorkloadRef| ledger.open_incident(it).is_some();
        let culprit = all.find_map(|it| {
            let broken = || it.rests_on.iter().find(has_incident);
            Some((it, it.caused_by.as_ref().or_else(broken)?))
        });
        let Some((caused, culprit)) = culprit else {
            return Before::Nothing;
        };
        let follows = |it: &Diagnosis| match it.symptom.sign {
            Sign::Crash(_) | Sign::Probe { .. } => it.symptom.container == caused.symptom.container,
            Sign::RolloutOverdue | Sign::JobFailed => true,
            Sign::ImagePull { .. }
            | Sign::OutOfMemory(_)
            | Sign::Config
            | Sign::Mount { .. }
            | Sign::Start
            | Sign::Awaits
            | Sign::Unschedulable
            | Sign::PodsRefused
            | Sign::StuckOnOldPod { .. }
            | Sign::JobFlawed { .. }
            | Sign::Evicted
            | Sign::Support { .. } => false,
        };
        let all_follow = diagnoses
            .iter()
            .all(|it| it.caused_by.is_some() || it.rests_on.contains(culprit) || follows(it));
        if !all_follow || !self.settings.attends(culprit) {
            return Before::Nothing;
        }
        let Some(into) = ledger.open_incident(culprit) else {
            return Before::Soon;
        };
        let next = |id: &IncidentId| {
            let Some(State::Joined { into, .. }) = ledger.get(*id).map(|it| &it.state) else {
                return None;
            };
            Some(*into)
        };
        // two that need each other would wait for ever
        let mut ahead = std::iter::successors(Some(into), next).take(LONGEST_CHAIN);
        if ahead.any(|id| id == self.id) {
            return Before::Nothing;
        }
        Before::Open(into, format!("{culprit} has broken it ({into})"))
    }

    /// Waits for what may pass by itself: until it shows otherwise, or is looked at again.
    fn wait_for_better(&mut self, suspected: Vec<Diagnosis>, again: Option<SignedDuration>) {
        self.live.retry_at = again.and_then(|again| self.now.checked_add(again).ok());
        self.live.waited_on = Some(self.live.symptoms.clone());
        self.live.suspected = suspected;
    }

    /// The open incident of another workload with the same cause, and what of it is waited for:
    /// its verdict, where this workload has a fix of its own; its end, where a person must act on
    /// what they share. What has been learned needs nobody to go first.
    fn same_cause(
        &self,
        diagnoses: &[Diagnosis],
        plan: &Plan,
    ) -> Option<(IncidentId, Until, String)> {
        let mine = diagnoses.first()?;
        let dependency = mine.dependency.as_ref()?;
        let ledger = &self.recorder.ledger;
        if plan
            .steps
            .first()
            .is_some_and(|step| step.origin == Origin::Memory)
        {
            return None;
        }
        let until = if plan.steps.is_empty() {
            Until::End
        } else {
            Until::Verdict
        };
        let other = ledger.open().find(|other| {
            let theirs = other.diagnoses.first();
            let goes_first = match until {
                Until::Verdict => other.state.is_between_change_and_verdict(),
                Until::End => !matches!(other.state, State::Joined { .. } | State::Observed),
            };
            goes_first
                && !other.runs_to_its_end() // its verdict comes whenever that is
                && self.settings.attends(&other.workload)
                && other.id != self.id
                && theirs.is_some_and(|it| {
                    it.fault == mine.fault && it.dependency.as_ref() == Some(dependency)
                })
        })?;
        let why = format!(
            "{dependency} is the cause of {} as well ({})",
            other.id, other.workload
        );
        Some((other.id, until, why))
    }
}
