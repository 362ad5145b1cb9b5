//! `Verifying` a trial: does one pod with the change become well, and stay so?

use super::{Next, Turn};
use crate::{
    act::Change,
    cluster::Workload,
    engine::{Incident, incident::Attempt},
    journal::Verdict,
    observe::{Sign, Symptom, observe},
    verify::{self, Progress, Watch},
};
use jiff::SignedDuration;

/// The watch tells of a pod that was made within this time.
const TIME_TO_SHOW: SignedDuration = SignedDuration::from_secs(60);

impl<'a> Turn<'a> {
    /// `Verifying` → a verdict on the trial, after which its pod is removed; or more time.
    pub(super) fn verify_trial(
        &mut self,
        incident: &Incident,
        workload: &Workload<'a>,
        attempt: &Attempt,
    ) -> Next {
        let Change::Trial { name, .. } = &attempt.change else {
            return Next::Done;
        };
        if attempt.verdict.is_some() {
            self.take_back(incident, attempt); // the program ended before it could
            return Next::Done;
        }
        let Some(trial) = self.cluster.trial(&incident.workload.namespace, name) else {
            let late = attempt.at.checked_add(TIME_TO_SHOW).unwrap_or(self.now);
            if self.live.watch.is_none() && self.now < late {
                self.live.watch_at = Some(late);
                return Next::Done; // the watch has not told of it yet
            }
            let why = "its trial pod is gone".to_owned();
            return self.end_trial(incident, attempt, Verdict::NotHealed, why);
        };
        let observation = observe(&trial, self.now);
        let symptom = &attempt.diagnosis.symptom;
        let window = verify::window(symptom, &attempt.step.action, None);
        let now = self.now;
        let watch = self
            .live
            .watch
            .get_or_insert_with(|| Watch::begin(&trial, window, 0, now));
        let progress = watch.look(&trial, &observation.symptoms, now);
        self.live.watch_at = None;
        let (verdict, why) = match progress {
            Progress::Waiting(until) => {
                let again = observation.again.into_iter().chain([until]);
                self.live.watch_at = again.min();
                return Next::Done;
            }
            Progress::Healed => {
                let why = format!(
                    "its trial pod became ready and ran for {} s without a restart",
                    window.as_secs()
                );
                (Verdict::Passed, why)
            }
            Progress::Broken => judge_broken(workload, &observation.symptoms, symptom),
            Progress::Overdue { why, .. } => (
                Verdict::NotHealed,
                format!("its trial pod did not become well: {why}"),
            ),
        };
        self.end_trial(incident, attempt, verdict, why)
    }

    fn end_trial(
        &mut self,
        incident: &Incident,
        attempt: &Attempt,
        verdict: Verdict,
        why: String,
    ) -> Next {
        self.live.forget_watch();
        self.judged(attempt, verdict, why);
        self.take_back(incident, attempt);
        Next::Done
    }
}

/// What is broken about a trial pod: the fault that the change is for, or another one?
fn judge_broken(workload: &Workload<'_>, found: &[Symptom], before: &Symptom) -> (Verdict, String) {
    let lasting = found.iter().find(|symptom| symptom.is_lasting());
    let what = lasting.map(ToString::to_string).unwrap_or_default();
    if found.iter().any(|symptom| symptom.is_like(before)) {
        return (
            Verdict::NotHealed,
            format!("its trial pod has the same fault: {what}"),
        );
    }
    let has_no_room = lasting.is_some_and(|symptom| symptom.sign == Sign::Unschedulable);
    if has_no_room {
        let why = format!("there is no room for a trial pod: {what}");
        return (Verdict::Passed, why);
    }
    if workload.ready_pods() == 0 {
        let why = format!(
            "what it is for is gone from its trial pod, and another fault has come to light; none of its pods is ready, so there is nothing to lose: {what}"
        );
        return (Verdict::Passed, why);
    }
    (
        Verdict::NotHealed,
        format!("its trial pod has another fault: {what}"),
    )
}
