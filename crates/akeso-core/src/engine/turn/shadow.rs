//! What a person has done where Akeso only observed: was it what Akeso would have done?

use super::Turn;
use crate::{
    act::NotApplicable, cluster::Workload, gate::Shadow, journal::Came, observe::is_left_alone,
    plan::Step,
};

impl Turn<'_> {
    /// What was done on the workload in place of the step that was only observed, if there was one
    /// and nothing else was tried.
    pub(super) fn what_came(&self) -> Option<Came> {
        let incident = self.recorder.ledger.get(self.id)?;
        let shadow = incident.ruling.as_ref()?.shadow.as_ref()?;
        let step = incident.step(incident.gated)?;
        if !incident.attempts.is_empty() {
            return None;
        }
        let workload = self.cluster.workload(&incident.workload);
        Some(workload.map_or(Came::Unknown, |workload| {
            self.compared(&step, shadow, &workload)
        }))
    }

    fn compared(&self, step: &Step, shadow: &Shadow, workload: &Workload<'_>) -> Came {
        let is_done = step.action.treatment().is_done(workload);
        if is_done == Some(true) {
            return Came::Same;
        }
        if workload.metadata().deletion_timestamp.is_some() {
            return Came::Unknown;
        }
        if shadow.spec != workload.spec_digest_but_replicas() {
            let attempt = self.recorder.ledger.next_attempt();
            let change = step.action.change(workload, attempt);
            let is_same_field = matches!(change, Err(NotApplicable::Changed { .. }));
            return if is_same_field {
                Came::OtherValue
            } else {
                Came::SomethingElse
            };
        }
        if is_left_alone(workload) {
            return Came::SomethingElse; // it was put to sleep, or marked
        }
        is_done.map_or(Came::Unknown, |_| Came::Unchanged)
    }
}
