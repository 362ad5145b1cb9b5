//! What came of a scenario, against what must have come of it.

use std::{collections::BTreeMap, fmt::Write};

use akeso_core::{
    act::Change,
    gate::Decision,
    journal::{End, Entry, Fact},
    plan::Plan,
    workload::{IncidentId, WorkloadRef},
};
use serde_json::Value;

use super::{Expected, Expects, Learns, unhealthy};

/// What the journal says of one workload.
#[derive(Debug, Default)]
pub(super) struct Story<'a> {
    causes: Vec<&'a str>,
    plans: BTreeMap<IncidentId, &'a Plan>,
    actions: Vec<&'static str>,
    trials: usize,
    learned: usize,
    planned: usize,
    asked: usize,
    waits: usize,
    escalated: usize,
    /// Incidents in the order in which they were opened, with how they ended.
    incidents: Vec<(IncidentId, Option<&'a End>)>,
}

impl<'a> Story<'a> {
    pub(super) fn of(workload: &WorkloadRef, journal: &'a [Entry]) -> Self {
        let mut story = Self::default();
        for entry in journal {
            if let Fact::Opened {
                incident,
                workload: opened,
                ..
            } = &entry.fact
                && opened == workload
            {
                story.incidents.push((*incident, None));
            }
            let incident = entry.fact.incident();
            if story
                .incidents
                .iter()
                .any(|(known, _)| Some(*known) == incident)
            {
                story.read(&entry.fact);
            }
        }
        story
    }

    fn read(&mut self, fact: &'a Fact) {
        match fact {
            Fact::Diagnosed { diagnoses, .. } => {
                self.causes
                    .extend(diagnoses.first().map(|diagnosis| diagnosis.cause.as_str()));
            }
            Fact::Planned { incident, plan } => {
                self.planned += 1;
                self.plans.insert(*incident, plan);
            }
            // a trial is not the change itself
            Fact::Intended {
                change: Change::Trial { .. },
                ..
            } => self.trials += 1,
            Fact::Intended { incident, step, .. } => {
                let planned = self
                    .plans
                    .get(incident)
                    .and_then(|plan| plan.steps.get(*step));
                self.actions
                    .push(planned.map_or("a step of no plan", |step| step.action.name()));
            }
            Fact::Asked { .. } => self.asked += 1,
            Fact::Escalated { .. } => self.escalated += 1,
            Fact::Closed { incident, end } => {
                for (_, ended) in self
                    .incidents
                    .iter_mut()
                    .filter(|(known, _)| known == incident)
                {
                    *ended = Some(end);
                }
            }
            Fact::Gated { ruling, .. } => {
                self.waits += usize::from(ruling.decision == Decision::Wait);
            }
            Fact::Opened { .. }
            | Fact::SharedOpened { .. }
            | Fact::Joined { .. }
            | Fact::Reconsidered { .. }
            | Fact::Reopened { .. }
            | Fact::Consulted { .. }
            | Fact::Advised { .. }
            | Fact::Consented { .. }
            | Fact::Declined { .. }
            | Fact::Recalled { .. }
            | Fact::Applied { .. }
            | Fact::Judged { .. }
            | Fact::RollbackIntended { .. }
            | Fact::RolledBack { .. }
            | Fact::TrialSwept { .. }
            | Fact::Forgotten { .. }
            | Fact::Imported { .. }
            | Fact::Promoted { .. }
            | Fact::Demoted { .. }
            | Fact::Sealed { .. } => {}
            Fact::Learned { .. } => self.learned += 1,
        }
    }

    pub(super) fn actions(&self) -> &[&'static str] {
        &self.actions
    }

    pub(super) fn is_diagnosed(&self) -> bool {
        !self.causes.is_empty()
    }

    /// Whether one sentence holds all of these words, in whatever case.
    pub(super) fn names(&self, words: &[String]) -> bool {
        let holds = |cause: &&str| {
            let cause = cause.to_lowercase();
            words
                .iter()
                .all(|word| cause.contains(&word.to_lowercase()))
        };
        words.is_empty() || self.causes.iter().any(holds)
    }

    pub(super) const fn is_disturbed(&self) -> bool {
        self.planned + self.asked + self.escalated > 0
    }

    pub(super) fn has(&self, incident: IncidentId) -> bool {
        self.incidents.iter().any(|(known, _)| *known == incident)
    }

    fn has_open_incident(&self) -> bool {
        self.incidents.iter().any(|(_, end)| end.is_none())
    }
}

/// Everything about a workload that did not come out as it must, a line each. `object` is the
/// workload's object as it is in the end.
pub fn check(
    workload: &WorkloadRef,
    expected: &Expected,
    journal: &[Entry],
    object: Option<&Value>,
) -> Vec<String> {
    let story = Story::of(workload, journal);
    let mut failures = match expected.outcome {
        Expects::Heal => heal(workload, &story, object),
        Expects::Ask => ask(&story),
        Expects::Diagnose => diagnose(&story),
        Expects::Wait => wait(&story),
        Expects::LeaveAlone => leave_alone(&story),
    };
    // which of two faults shows first is chance
    let (mut done, mut wanted) = (story.actions.clone(), expected.actions.clone());
    done.sort_unstable();
    wanted.sort_unstable();
    if done != wanted {
        failures.push(format!(
            "actions are {:?}, not {:?}",
            story.actions, expected.actions
        ));
    }
    if story.trials != expected.trials {
        failures.push(format!(
            "{} trial pods were made, not {}",
            story.trials, expected.trials
        ));
    }
    match (expected.learns, story.learned) {
        (Some(Learns::Nothing), learned @ 1..) => {
            failures.push(format!(
                "{learned} patterns were learned, and none should be"
            ));
        }
        (Some(Learns::Something), 0) => failures.push("nothing was learned".to_owned()),
        (Some(Learns::Nothing | Learns::Something) | None, _) => {}
    }
    if !story.names(&expected.cause) {
        failures.push(format!(
            "no diagnosis names all of {:?}: {:?}",
            expected.cause, story.causes
        ));
    }
    for (pointer, wanted) in &expected.end {
        let found = object
            .and_then(|object| object.pointer(pointer))
            .unwrap_or(&Value::Null);
        if found != wanted {
            failures.push(format!("{pointer} is {found} in the end, not {wanted}"));
        }
    }
    failures
        .iter()
        .map(|failure| format!("{workload}: {failure}"))
        .collect()
}

fn heal(workload: &WorkloadRef, story: &Story<'_>, object: Option<&Value>) -> Vec<String> {
    let mut failures = Vec::new();
    if !story
        .incidents
        .iter()
        .any(|(_, end)| *end == Some(&End::Healed))
    {
        failures.push("no incident was closed as healed".to_owned());
    }
    if story.has_open_incident() {
        failures.push("an incident is open in the end".to_owned());
    }
    failures.extend(
        unhealthy(workload.kind, object).map(|why| format!("not healthy in the end: {why}")),
    );
    failures
}

fn ask(story: &Story<'_>) -> Vec<String> {
    let asked = (story.asked == 0).then(|| "nobody was asked".to_owned());
    asked.into_iter().chain(escalation(story)).collect()
}

fn diagnose(story: &Story<'_>) -> Vec<String> {
    let told = (story.escalated == 0).then(|| "nobody was told".to_owned());
    let asked = (story.asked > 0).then(|| "somebody was asked".to_owned());
    told.into_iter().chain(asked).collect()
}

fn wait(story: &Story<'_>) -> Vec<String> {
    let waits = (story.waits == 0).then(|| "nothing waits".to_owned());
    let asked = (story.asked > 0).then(|| "somebody was asked".to_owned());
    let told = waits.into_iter().chain(asked);
    told.chain(escalation(story)).collect()
}

fn escalation(story: &Story<'_>) -> Option<String> {
    (story.escalated > 0).then(|| "it was escalated".to_owned())
}

/// An incident that only watches (a crash may have been the last one) is no interference.
fn leave_alone(story: &Story<'_>) -> Vec<String> {
    let facts = [
        ("planned", story.planned),
        ("asked", story.asked),
        ("escalated", story.escalated),
    ];
    let too_much = facts.into_iter().filter(|(_, count)| *count > 0);
    too_much
        .map(|(fact, count)| format!("{fact} {count} time(s)"))
        .collect()
}

/// The journal in lines that a person can read: when, what, and the telling part of each fact.
pub fn facts(journal: &[Entry]) -> String {
    let mut text = String::new();
    for entry in journal {
        let what = match &entry.fact {
            Fact::Opened {
                workload, symptoms, ..
            } => {
                let symptoms: Vec<_> = symptoms.iter().map(ToString::to_string).collect();
                format!("opened {workload}: {}", symptoms.join("; "))
            }
            Fact::Diagnosed { diagnoses, .. } => {
                let causes: Vec<_> = diagnoses
                    .iter()
                    .map(|d| format!("[{}] {}", d.fault, d.cause))
                    .collect();
                format!("diagnosed {}", causes.join(" | "))
            }
            Fact::Consulted { model, after, .. } => format!("consulted {model}, after {after:?}"),
            Fact::Planned { plan, .. } => {
                let steps: Vec<_> = plan
                    .steps
                    .iter()
                    .map(|step| step.action.treatment().summary())
                    .collect();
                format!("planned {steps:?}, else {}", plan.advice.why)
            }
            fact @ (Fact::SharedOpened { .. }
            | Fact::Advised { .. }
            | Fact::Joined { .. }
            | Fact::Reconsidered { .. }
            | Fact::Reopened { .. }
            | Fact::Consented { .. }
            | Fact::Declined { .. }
            | Fact::Recalled { .. }
            | Fact::Gated { .. }
            | Fact::Intended { .. }
            | Fact::Applied { .. }
            | Fact::Judged { .. }
            | Fact::RollbackIntended { .. }
            | Fact::RolledBack { .. }
            | Fact::Learned { .. }
            | Fact::TrialSwept { .. }
            | Fact::Forgotten { .. }
            | Fact::Imported { .. }
            | Fact::Promoted { .. }
            | Fact::Demoted { .. }
            | Fact::Asked { .. }
            | Fact::Escalated { .. }
            | Fact::Closed { .. }
            | Fact::Sealed { .. }) => serde_json::to_string(fact).unwrap_or_default(),
        };
        // writing to a String cannot fail
        if writeln!(text, "  {} {what}", entry.at).is_err() {
            break;
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use akeso_core::{
        journal::Chain,
        workload::{AttemptId, WorkloadKind},
    };
    use serde_json::json;

    const INCIDENT: IncidentId = IncidentId(1);

    fn web() -> WorkloadRef {
        WorkloadRef {
            kind: WorkloadKind::Deployment,
            namespace: "shop".to_owned(),
            name: "web".to_owned(),
        }
    }

    fn opened() -> Fact {
        Fact::Opened {
            incident: INCIDENT,
            workload: web(),
            symptoms: Vec::new(),
            uid: None,
            was_well: false,
            good: None,
        }
    }

    fn escalated() -> Fact {
        Fact::Escalated {
            incident: INCIDENT,
            why: String::new(),
            command: String::new(),
            until: None,
        }
    }

    fn closed() -> Fact {
        Fact::Closed {
            incident: INCIDENT,
            end: End::Healed,
        }
    }

    fn changed() -> Fact {
        let change = akeso_core::act::Change::Evict {
            pod: "web-0".to_owned(),
            uid: "1".to_owned(),
        };
        Fact::Intended {
            incident: INCIDENT,
            attempt: AttemptId(1),
            step: 0,
            change,
            ready_before: 0,
        }
    }

    fn well() -> Value {
        json!({"spec": {"replicas": 1}, "status": {"updatedReplicas": 1, "replicas": 1, "availableReplicas": 1, "readyReplicas": 1}})
    }

    fn failures(expect: &str, facts: Vec<Fact>) -> Vec<String> {
        let expected: Expected = serde_saphyr::from_str(expect).unwrap();
        let mut chain = Chain::default();
        let journal: Vec<_> = facts
            .into_iter()
            .map(|fact| chain.append(fact, jiff::Timestamp::UNIX_EPOCH))
            .collect();
        check(&web(), &expected, &journal, Some(&well()))
    }

    #[test]
    fn silence_is_what_leaving_alone_wants_and_nothing_else_does() {
        assert!(failures("{outcome: leave-alone}", vec![]).is_empty());
        for outcome in ["heal", "ask", "diagnose"] {
            assert!(
                !failures(&format!("{{outcome: {outcome}}}"), vec![]).is_empty(),
                "{outcome}"
            );
        }
    }

    #[test]
    fn a_change_that_was_not_expected_is_a_failure_whatever_the_outcome() {
        for (outcome, end) in [
            ("leave-alone", closed()),
            ("diagnose", escalated()),
            ("heal", closed()),
        ] {
            let expect = format!("{{outcome: {outcome}}}");
            let found = failures(&expect, vec![opened(), changed(), end]);
            assert!(
                found.iter().any(|failure| failure.contains("actions are")),
                "{outcome}: {found:?}"
            );
        }
    }

    #[test]
    fn an_incident_that_is_still_open_is_not_healed() {
        assert!(failures("{outcome: heal}", vec![opened(), closed()]).is_empty());
        assert_eq!(failures("{outcome: heal}", vec![opened()]).len(), 2);
        assert!(failures("{outcome: diagnose}", vec![opened(), escalated()]).is_empty());
    }

    #[test]
    fn the_end_is_read_by_pointer_and_null_means_nothing_is_there() {
        let facts = Vec::new;
        assert!(
            failures(
                "{outcome: leave-alone, end: {/spec/replicas: 1, /spec/paused: null}}",
                facts()
            )
            .is_empty()
        );
        assert_eq!(
            failures("{outcome: leave-alone, end: {/spec/replicas: 2}}", facts()).len(),
            1
        );
    }

    #[test]
    fn a_cause_must_be_in_one_sentence_of_a_diagnosis() {
        assert_eq!(
            failures(
                "{outcome: diagnose, cause: [quota]}",
                vec![opened(), escalated()]
            )
            .len(),
            1
        );
    }
}
