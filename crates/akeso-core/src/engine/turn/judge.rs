//! `Verifying`: did it help? Then it is learned from; else the next step, or the change is taken back.

use super::{Next, Turn};
use crate::{
    act::Action,
    cluster::Workload,
    engine::{Announcement, Incident, incident::Attempt},
    journal::{End, Fact, Outcome, Verdict},
    observe::{Symptom, is_left_alone},
    quantity::Bytes,
    verify::{self, Progress, Watch, neighbours, next_start},
    workload::AttemptId,
};
use jiff::SignedDuration;

/// What was made and has not been seen after this was removed before anybody saw it.
const LONGEST_UNSEEN: SignedDuration = SignedDuration::from_mins(10);

/// So many faults may come to light one after another in one incident.
const MOST_LAYERS: u8 = 5;

impl<'a> Turn<'a> {
    /// `Verifying` → a verdict, or more time.
    pub(super) fn verify(
        &mut self,
        incident: &Incident,
        workload: &Workload<'a>,
        id: AttemptId,
    ) -> Next {
        let Some(attempt) = incident.attempt(id).cloned() else {
            self.dismiss("its attempt is lost");
            return Next::Done;
        };
        let written = match attempt.outcome {
            Some(Outcome::Done { generation }) => generation.unwrap_or_default(),
            _ => 0,
        };
        if attempt.is_trial() {
            return self.verify_trial(incident, workload, &attempt);
        }
        let treatment = attempt.step.action.treatment();
        if workload.generation() < written {
            return Next::Done; // the watch has not told of our own change yet
        }
        let late = attempt.at.checked_add(LONGEST_UNSEEN).unwrap_or(self.now);
        if !treatment.is_seen(workload) && self.live.watch.is_none() && self.now < late {
            self.live.watch_at = Some(late);
            return Next::Done; // neither has it told of what we made
        }
        let superseded = if is_left_alone(workload) {
            Some("it was put to sleep or marked since".to_owned())
        } else {
            let who = workload.last_writer();
            let who = who.unwrap_or_else(|| "somebody else".to_owned());
            (!treatment.holds(workload)).then(|| format!("{who} has changed the same fields since"))
        };
        if let Some(why) = superseded {
            self.record(Fact::Judged {
                incident: self.id,
                attempt: id,
                verdict: Verdict::Superseded,
                why: why.clone(),
                by: workload.last_writer(),
            });
            self.dismiss(&why);
            return Next::Done;
        }
        if let Some(why) =
            neighbours::harmed(self.cluster, &self.recorder.ledger, workload, &attempt)
        {
            return self.not_healed(incident, &attempt, Verdict::Worse, why);
        }
        if treatment.shows_at_next_start() && !self.has_shown(workload, &attempt) {
            return Next::Done;
        }
        let window = verify::window(
            &attempt.diagnosis.symptom,
            &attempt.step.action,
            killed_at(incident),
        );
        let (now, ready_before) = (self.now, attempt.ready_before);
        let watch = self
            .live
            .watch
            .get_or_insert_with(|| Watch::begin(workload, window, ready_before, now));
        // what is no failure was none before, and is looked at after it
        let of_attempt = &attempt.diagnosis.symptom;
        let mut symptoms = self.live.symptoms.clone();
        symptoms.retain(|it| it.is_failure() || it.is_like(of_attempt));
        let progress = watch.look(workload, &symptoms, now);
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

    /// Whether what is broken tells of a change that touches no pod; what does not is left out. What
    /// has ended before the change is forgotten some time after it runs again.
    fn has_shown(&mut self, workload: &Workload<'a>, attempt: &Attempt) -> bool {
        let late = next_start::patience(attempt.at);
        if self.now >= late {
            return true;
        }
        let (old, new) = next_start::split(workload, &self.live.symptoms, attempt.at);
        if old.is_empty() || new.iter().any(Symptom::is_lasting) {
            self.live.symptoms = new;
            return true;
        }
        self.live.forget_watch();
        self.live.watch_at = Some(late);
        self.live.forget_evidence();
        false
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
        let worse = workload.ready_pods() < attempt.ready_before;
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
        self.live.forget_watch();
        let why = format!(
            "what it was for is gone, and another fault has come to light: {}",
            other.cause
        );
        self.judged(attempt, Verdict::Partly, why);
        Next::Again
    }

    /// Writes a verdict down that nobody else has brought about.
    pub(super) fn judged(&mut self, attempt: &Attempt, verdict: Verdict, why: String) {
        self.record(Fact::Judged {
            incident: self.id,
            attempt: attempt.id,
            verdict,
            why,
            by: None,
        });
    }

    fn not_healed(
        &mut self,
        incident: &Incident,
        attempt: &Attempt,
        verdict: Verdict,
        why: String,
    ) -> Next {
        self.live.forget_watch();
        self.live.forget_evidence();
        self.judged(attempt, verdict, why);
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

    pub(super) fn healed(
        &mut self,
        incident: &Incident,
        workload: &Workload<'a>,
        window: SignedDuration,
    ) {
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
            self.judged(attempt, Verdict::Healed, why.clone());
            let (fingerprint, action) = (
                attempt.diagnosis.fingerprint.clone(),
                attempt.step.action.clone(),
            );
            if action.treatment().is_transferable() {
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
}

/// The memory limit for which an incident's plan was made: that of the first step, also where a
/// person has had it planned otherwise since.
fn killed_at(incident: &Incident) -> Option<Bytes> {
    let first = incident.plan.as_ref()?.steps.first()?;
    let planned = first.action.as_memory()?;
    let of_same = |attempt: &&Attempt| Some(&attempt.diagnosis) == incident.diagnoses.first();
    let tried = incident.attempts.iter().filter(of_same);
    let tried = tried.filter_map(|attempt| attempt.step.action.as_memory());
    let before = tried.filter(|tried| tried.container == planned.container);
    before.chain([planned]).map(|raise| raise.from).min()
}
