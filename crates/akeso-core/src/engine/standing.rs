//! Questions that no incident asks: what must be known of something that is not watched before an
//! object can be judged at all, such as the certificate that an Ingress names.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};

use crate::{
    evidence::{Answer, Question},
    workload::WorkloadRef,
};

/// What was found well is asked again after this.
const WELL_FOR: SignedDuration = SignedDuration::from_mins(10);
/// What was not, or had no answer, after this.
const ILL_FOR: SignedDuration = SignedDuration::from_secs(30);
/// What nobody can tell is asked again after this: it may be forbidden.
const UNKNOWN_FOR: SignedDuration = SignedDuration::from_mins(2);
/// Nobody waits longer for an answer.
const PATIENCE: SignedDuration = SignedDuration::from_secs(15);

/// What was asked, when, and for whom.
#[derive(Debug, Default)]
pub(super) struct Standing {
    asked: BTreeMap<Question, Asked>,
}

#[derive(Debug)]
struct Asked {
    at: Timestamp,
    state: Known,
    by: BTreeSet<WorkloadRef>,
}

/// What is known.
#[derive(Debug)]
enum Known {
    No,
    Yes,
    NobodyCanTell,
}

/// Whether something is known to be wrong with who asks.
#[derive(Debug, Clone, Copy)]
pub(super) enum Health {
    Well,
    Ill,
}

impl Standing {
    /// Of what a workload wants to know, what is to be asked now; and when the next is.
    pub(super) fn ask(
        &mut self,
        wanted: BTreeSet<Question>,
        by: &WorkloadRef,
        health: Health,
        now: Timestamp,
    ) -> (Vec<Question>, Option<Timestamp>) {
        let (mut due, mut next) = (Vec::new(), None);
        for question in wanted {
            let asked = self.asked.entry(question.clone()).or_insert_with(|| Asked {
                at: Timestamp::MIN,
                state: Known::No,
                by: BTreeSet::new(),
            });
            asked.by.insert(by.clone());
            let patience = match (&asked.state, health) {
                (Known::NobodyCanTell, _) => UNKNOWN_FOR,
                (Known::No, _) | (Known::Yes, Health::Ill) => ILL_FOR,
                (Known::Yes, Health::Well) => WELL_FOR,
            };
            if now.duration_since(asked.at) >= patience {
                asked.at = now;
                due.push(question);
            }
            let again = asked.at.checked_add(patience).unwrap_or(Timestamp::MAX);
            next = Some(next.map_or(again, |next: Timestamp| next.min(again)));
        }
        (due, next)
    }

    /// Who wanted to know this, which is known by now.
    pub(super) fn answered(
        &mut self,
        question: &Question,
        answer: &Answer,
    ) -> BTreeSet<WorkloadRef> {
        self.asked
            .get_mut(question)
            .map_or_else(BTreeSet::new, |asked| {
                asked.state = if matches!(answer, Answer::Unknown { .. }) {
                    Known::NobodyCanTell
                } else {
                    Known::Yes
                };
                std::mem::take(&mut asked.by)
            })
    }

    /// Forgets what was wanted by nobody for long; its answers are of another time.
    pub(super) fn forget(&mut self, now: Timestamp) -> Vec<Question> {
        let is_old = |asked: &Asked| now.duration_since(asked.at) >= WELL_FOR + WELL_FOR;
        let old = self.asked.iter().filter(|(_, asked)| is_old(asked));
        let old: Vec<_> = old.map(|(question, _)| question.clone()).collect();
        self.asked.retain(|_, asked| !is_old(asked));
        old
    }

    /// Whether an answer is on its way.
    pub(super) fn is_waiting(&self, now: Timestamp) -> bool {
        self.asked.values().any(|asked| {
            matches!(asked.state, Known::No) && now.duration_since(asked.at) < PATIENCE
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workload::{SupportKind, WorkloadKind};

    #[test]
    fn what_is_well_is_asked_seldom_and_what_is_not_soon() {
        let question = Question::Certificate {
            namespace: "shop".into(),
            secret: "tls".into(),
        };
        let ingress = WorkloadRef {
            kind: WorkloadKind::Support(SupportKind::Ingress),
            namespace: "shop".into(),
            name: "web".into(),
        };
        let start = Timestamp::UNIX_EPOCH;
        let after = |seconds| start + SignedDuration::from_secs(seconds);
        let mut standing = Standing::default();
        let is_asked = |standing: &mut Standing, health, at| {
            let wanted = BTreeSet::from([question.clone()]);
            !standing.ask(wanted, &ingress, health, at).0.is_empty()
        };
        assert!(is_asked(&mut standing, Health::Well, start));
        assert!(standing.is_waiting(start) && !standing.is_waiting(after(15)));
        assert!(
            !is_asked(&mut standing, Health::Well, after(20)),
            "it is on its way"
        );
        assert!(
            is_asked(&mut standing, Health::Well, after(30)),
            "it was lost"
        );
        let here = Answer::Certificate(crate::certificate::TlsSecret::Missing);
        assert_eq!(
            standing.answered(&question, &here),
            [ingress.clone()].into()
        );
        assert!(!standing.is_waiting(after(31)));
        assert!(!is_asked(&mut standing, Health::Well, after(61)));
        assert!(is_asked(&mut standing, Health::Ill, after(62)));
        assert!(is_asked(&mut standing, Health::Well, after(662)));
        let why = "forbidden".to_owned();
        standing.answered(&question, &Answer::Unknown { why });
        assert!(!is_asked(&mut standing, Health::Ill, after(700)));
        assert_eq!(
            standing.forget(after(2000)),
            std::slice::from_ref(&question)
        );
        assert!(is_asked(&mut standing, Health::Well, after(2000)));
    }
}
