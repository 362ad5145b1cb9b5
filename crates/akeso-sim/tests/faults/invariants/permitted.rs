//! Nothing outside the policy was changed: each intent is held against the policy that was in force
//! when it was written.
//!
//! Every intent is a change, that of a trial pod as well; taking a change back is none.

use std::collections::BTreeMap;

use akeso_core::{
    act::{Action, Change, Found, PatchOp},
    journal::{End, Entry, Fact, Outcome, Proposal, SharedCause, Verdict},
    plan::{Plan, Proof, Step},
    quantity::Bytes,
    workload::{AttemptId, IncidentId, WorkloadKind, WorkloadRef},
};
use jiff::{SignedDuration, Timestamp};

use super::Run;
use crate::policies::{LEVELS, Rules};

const HOUR: SignedDuration = SignedDuration::from_hours(1);
/// So many failed attempts within an hour close a workload; the made-up policies leave it at that.
const MOST_FAILURES: usize = 3;

/// What is known of an incident so far.
#[derive(Debug)]
struct Case {
    workload: WorkloadRef,
    plan: Option<Plan>,
    asked: Option<Proposal>,
    consented: Option<Proposal>,
    is_busy: bool,
}

/// What the journal has told so far.
#[derive(Debug, Default)]
struct Story {
    cases: BTreeMap<IncidentId, Case>,
    verdicts: BTreeMap<AttemptId, Verdict>,
    changes: Vec<(Timestamp, String)>,
    failures: Vec<(Timestamp, WorkloadRef)>,
    set_back: BTreeMap<WorkloadRef, Timestamp>,
    storms: Vec<IncidentId>,
}

pub(super) fn broken(run: &Run) -> Vec<String> {
    let mut story = Story::default();
    let mut broken = Vec::new();
    for entry in &run.simulation.journal {
        if let Fact::Intended {
            incident,
            attempt,
            step,
            change,
            ..
        } = &entry.fact
        {
            let found = story.judge(run, entry, *incident, *attempt, *step, change);
            let at = entry.at;
            broken.extend(
                found
                    .into_iter()
                    .map(|why| format!("{attempt} at {at}: {why}")),
            );
        }
        story.read(entry);
    }
    broken
}

impl Story {
    fn read(&mut self, entry: &Entry) {
        let at = entry.at;
        match &entry.fact {
            Fact::Opened {
                incident, workload, ..
            } => {
                let case = Case {
                    workload: workload.clone(),
                    plan: None,
                    asked: None,
                    consented: None,
                    is_busy: false,
                };
                self.cases.insert(*incident, case);
            }
            Fact::SharedOpened { incident, cause } => {
                if matches!(cause, SharedCause::Storm { .. }) {
                    self.storms.push(*incident);
                }
            }
            Fact::Planned { incident, plan } => self.case(*incident).plan = Some(plan.clone()),
            Fact::Reconsidered { incident, .. } => self.case(*incident).consented = None,
            Fact::Asked { incident, question } => {
                self.case(*incident).asked = Some((**question).clone());
            }
            Fact::Consented {
                incident, attempt, ..
            } => {
                let case = self.case(*incident);
                let asked = case.asked.take();
                case.consented = asked.filter(|asked| asked.attempt == *attempt);
            }
            Fact::Intended {
                incident, change, ..
            } => {
                let case = self.case(*incident);
                case.is_busy = true;
                if !matches!(change, Change::Trial { .. }) {
                    case.consented = None;
                }
                let namespace = case.workload.namespace.clone();
                self.changes.push((at, namespace));
            }
            Fact::Applied {
                incident, outcome, ..
            } => {
                let case = self.case(*incident);
                // a CronJob has its verdict with its next run, and holds nobody up until then
                let has_a_verdict_soon = case.workload.kind != WorkloadKind::CronJob;
                case.is_busy = has_a_verdict_soon && matches!(outcome, Outcome::Done { .. });
            }
            Fact::Judged {
                incident,
                attempt,
                verdict,
                ..
            } => {
                let workload = self.case(*incident).workload.clone();
                self.case(*incident).is_busy = false;
                self.verdicts.insert(*attempt, *verdict);
                match verdict {
                    Verdict::NotHealed | Verdict::Worse => self.failures.push((at, workload)),
                    Verdict::Superseded => {
                        self.set_back.insert(workload, at);
                    }
                    Verdict::Healed | Verdict::Partly | Verdict::Passed => {}
                }
            }
            Fact::RollbackIntended { incident, .. } => self.case(*incident).is_busy = true,
            Fact::RolledBack {
                incident, attempt, ..
            } => {
                let case = self.case(*incident);
                case.is_busy = false;
                let workload = case.workload.clone();
                let is_counted = matches!(
                    self.verdicts.get(attempt),
                    Some(Verdict::NotHealed | Verdict::Worse | Verdict::Passed)
                );
                if !is_counted {
                    self.failures.push((at, workload));
                }
            }
            Fact::Reopened { incident, .. } => {
                let workload = self.case(*incident).workload.clone();
                self.failures.push((at, workload));
            }
            Fact::Recalled { incident, .. } => {
                let workload = self.case(*incident).workload.clone();
                self.set_back.insert(workload, at);
            }
            Fact::Closed { incident, end } => {
                self.storms.retain(|storm| storm != incident);
                if let Some(case) = self.cases.get_mut(incident) {
                    case.is_busy = false;
                    case.consented = None;
                    let _: &End = end;
                }
            }
            Fact::Joined { .. }
            | Fact::Diagnosed { .. }
            | Fact::Consulted { .. }
            | Fact::Advised { .. }
            | Fact::Gated { .. }
            | Fact::Learned { .. }
            | Fact::TrialSwept { .. }
            | Fact::Forgotten { .. }
            | Fact::Imported { .. }
            | Fact::Promoted { .. }
            | Fact::Demoted { .. }
            | Fact::Declined { .. }
            | Fact::Sealed { .. }
            | Fact::Escalated { .. } => {}
        }
    }

    fn case(&mut self, incident: IncidentId) -> &mut Case {
        self.cases.get_mut(&incident).unwrap()
    }

    /// Everything that is against an intent.
    fn judge(
        &self,
        run: &Run,
        entry: &Entry,
        incident: IncidentId,
        attempt: AttemptId,
        place: usize,
        change: &Change,
    ) -> Vec<String> {
        let rules = run.rules_at(entry.seq);
        let case = &self.cases[&incident];
        let (workload, namespace) = (&case.workload, &case.workload.namespace);
        let Some(step) = case.plan.as_ref().and_then(|plan| plan.steps.get(place)) else {
            return vec!["it is a step of no plan".to_owned()];
        };
        let mut found = Vec::new();
        let mut check = |is_wrong: bool, why: &str| {
            if is_wrong {
                found.push(format!("{workload} was to be changed, but {why}"));
            }
        };
        check(rules.protects(namespace), "its namespace is protected");
        check(run.world.is_ignored(workload), "it is to be ignored");
        let level = rules.level(&run.world, namespace);
        check(level == 0, "Akeso only observes there");
        let consent = rules.consent(step.action.name(), namespace);
        check(consent == Some("never"), "the action is never done there");
        let is_named = matches!(consent, Some("ask" | "act"));
        let is_grant = matches!(step.action, Action::GrantAccess(_));
        check(is_grant && !is_named, "the policy does not name the action");
        check(rules.is_frozen(entry.at), "nothing is changed at that time");
        check(!self.storms.is_empty(), "a storm is on");
        if let Action::IncreaseMemory(memory) = &step.action {
            let ceiling = Bytes::parse(rules.ceiling()).unwrap();
            check(memory.to > ceiling, "it is beyond the ceiling");
        }
        let recent = |at: &Timestamp| entry.at.duration_since(*at) < HOUR;
        let failed = self
            .failures
            .iter()
            .filter(|(at, of)| recent(at) && of == workload);
        check(
            failed.count() >= MOST_FAILURES,
            "too many attempts have failed",
        );
        for (scope, is_in_scope) in [
            (
                "namespace",
                &(|place: &str| place == namespace) as &dyn Fn(&str) -> bool,
            ),
            ("cluster", &|_: &str| true),
        ] {
            let changes = self.changes.iter();
            let changes = changes
                .filter(|(at, place)| recent(at) && is_in_scope(place))
                .count();
            let most = rules.budget(scope, "perHour");
            check(
                changes >= most,
                &format!("{changes} changes an hour in the {scope} are enough"),
            );
            let busy = self.cases.iter().filter(|(id, other)| {
                **id != incident && other.is_busy && is_in_scope(&other.workload.namespace)
            });
            let busy = busy.count();
            let most = rules.budget(scope, "concurrent");
            check(
                busy >= most,
                &format!("{busy} others in the {scope} are being changed"),
            );
        }
        let asks = self.asks(run, rules, level, consent, entry.at, workload, step);
        if let Some(why) = asks {
            match case.consented.as_ref().filter(|shown| shown.place == place) {
                None => check(true, &format!("{why}, and nobody has consented")),
                Some(shown) => {
                    let is_trial = matches!(change, Change::Trial { .. });
                    let is_it =
                        is_trial || shown.attempt == attempt && is_same(&shown.change, change);
                    check(
                        !is_it || shown.step.action.name() != step.action.name(),
                        "it is not what was consented to",
                    );
                }
            }
        }
        found
    }

    /// Why somebody must consent to a step.
    #[expect(clippy::too_many_arguments, reason = "all of it has a say")]
    fn asks(
        &self,
        run: &Run,
        rules: &Rules,
        level: usize,
        consent: Option<&str>,
        at: Timestamp,
        workload: &WorkloadRef,
        step: &Step,
    ) -> Option<&'static str> {
        let marks = run.world.made(workload)?.marks;
        let is_restart = matches!(step.action, Action::RestartPod(_));
        let is_memory = matches!(step.action, Action::IncreaseMemory(_));
        if (marks.is_reconciled || marks.is_owned) && !is_restart {
            return Some("somebody else reconciles it");
        }
        if marks.scales_by_memory && is_memory {
            return Some("an autoscaler goes by its memory");
        }
        let set_back = self.set_back.get(workload);
        if set_back.is_some_and(|then| at.duration_since(*then) < HOUR) {
            return Some("somebody has set a change back");
        }
        match consent {
            Some("ask") => return Some("the policy asks first"),
            Some("act") => return None,
            _ => {}
        }
        let by_level = match (LEVELS[level], &step.action) {
            ("cautious" | "standard", Action::FixImageName(_)) => step.proof == Proof::Confirmed,
            ("cautious", Action::IncreaseMemory(memory)) => {
                memory.to.get() <= 2 * memory.from.get()
            }
            ("cautious", _) => false,
            ("standard", Action::UpdateEnv(update)) => {
                rules.credentials_act(&workload.namespace)
                    || update.variables.iter().all(|variable| {
                        variable.found == Found::PreviousRevision || !variable.is_credential()
                    })
            }
            _ => true,
        };
        (!by_level).then_some("the level asks first")
    }
}

/// Whether two changes are the same but for annotations, by which people answer, and for the
/// generation, which annotations raise.
fn is_same(shown: &Change, made: &Change) -> bool {
    let rest = |operations: &[PatchOp]| -> Vec<serde_json::Value> {
        let all = operations
            .iter()
            .map(|it| serde_json::to_value(it).unwrap());
        all.filter(|it| {
            let path = it["path"].as_str().unwrap();
            // the approving annotation itself raises them
            let is_version = ["/metadata/generation", "/metadata/resourceVersion"].contains(&path);
            !is_version && !path.starts_with("/metadata/annotations")
        })
        .collect()
    };
    match (shown, made) {
        (Change::Patch { forward: shown, .. }, Change::Patch { forward: made, .. }) => {
            rest(shown) == rest(made)
        }
        _ => shown == made,
    }
}
