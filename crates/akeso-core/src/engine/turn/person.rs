//! `AwaitingApproval`, `Escalated`: a person was asked. Is that still needed?

use super::{Next, Turn};
use crate::{
    cluster::Workload,
    engine::{Incident, State},
    gate::{self, Decision},
    verify::{self, Progress, Watch},
};
use jiff::SignedDuration;

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
    pub(super) fn wait_for_person(&mut self, incident: &Incident, workload: &Workload<'a>) -> Next {
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
pub(super) fn quiet_time(incident: &Incident) -> SignedDuration {
    let diagnosis = incident.diagnoses.first();
    verify::recurrence(diagnosis.map(|diagnosis| &diagnosis.symptom))
}
