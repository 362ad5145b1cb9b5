//! Trial pods that are left over: their creation was told as failed and had arrived all the same,
//! or their removal was refused. A trial pod is Akeso's own and is always removed.

use jiff::Timestamp;

use super::{ChangeRequest, Effect, Engine, Made, Product};
use crate::{
    act::{Mark, TRIAL},
    cluster::{Kind, ObjectRef},
    journal::Fact,
    workload::{AttemptId, WorkloadRef},
};

/// A trial pod of this journal that nobody needs.
struct Leftover {
    attempt: AttemptId,
    workload: WorkloadRef,
    uid: String,
    name: String,
    mark: String,
}

impl Engine {
    /// Has the trial pods removed that bear this journal's mark and that no open incident holds;
    /// those of another store are not ours to remove. It is journalled once a pod, however often it
    /// must be tried.
    pub(super) fn remove_leftover_trials(&mut self, now: Timestamp) {
        if !self.is_synced || self.store_failure.is_some() {
            return;
        }
        for leftover in self.leftover_trials() {
            let Leftover {
                attempt,
                workload,
                uid,
                name,
                mark,
            } = leftover;
            if self.swept.insert(uid) {
                let fact = Fact::TrialSwept {
                    attempt,
                    workload: workload.clone(),
                    pod: name.clone(),
                };
                self.recorder.record(fact, now);
            }
            self.recorder.effects.push(Effect::Apply {
                attempt,
                workload,
                request: ChangeRequest::Remove(Made {
                    what: Product::TrialPod,
                    name,
                    mark,
                }),
            });
        }
    }

    fn leftover_trials(&self) -> Vec<Leftover> {
        let Some(store) = self.recorder.ledger.store() else {
            return Vec::new();
        };
        let left = self.cluster.trials().filter_map(|metadata| {
            let mark = metadata.labels.as_ref()?.get(TRIAL)?;
            let attempt = Mark::read(mark, store)?;
            let pod = ObjectRef {
                kind: Kind::Pod,
                namespace: metadata.namespace.clone()?,
                name: metadata.name.clone()?,
            };
            let is_going = metadata.deletion_timestamp.is_some();
            let workload = self.cluster.root_of(&pod)?;
            if self.is_held(attempt, is_going) || !self.settings.attends(&workload) {
                return None;
            }
            Some(Leftover {
                attempt,
                workload,
                uid: metadata.uid.clone()?,
                name: pod.name,
                mark: mark.clone(),
            })
        });
        left.collect()
    }

    /// Whether a trial is under way, or its pod is about to go: a removal that was told as done and
    /// was not is no reason to leave it.
    fn is_held(&self, attempt: AttemptId, is_going: bool) -> bool {
        self.recorder.ledger.open().any(|incident| {
            incident.state.attempt() == Some(attempt)
                || is_going
                    && incident
                        .attempt(attempt)
                        .is_some_and(super::Attempt::is_taken_back)
        })
    }
}
