//! What would have been done where Akeso only observed, and what came of it there.

use std::collections::BTreeMap;

use akeso_core::{
    engine::{Incident, Ledger, State},
    gate::Decision,
    journal::{Came, End, Entry, Fact},
    plan::Step,
    workload::{IncidentId, WorkloadRef},
};
use jiff::Timestamp;
use serde::Serialize;

/// So many of the latest are listed one by one.
const LATEST: usize = 20;

/// The incidents of a time with a step that `observe` alone has kept from being done.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Shadow {
    /// From when on incidents were opened that count.
    pub since: Timestamp,
    /// The time of the evaluation.
    pub until: Timestamp,
    /// All of them.
    #[serde(flatten)]
    pub all: Counts,
    /// By the action that would have been taken.
    pub actions: BTreeMap<String, Counts>,
    /// By namespace; what lies in none is under the empty name.
    pub namespaces: BTreeMap<String, Counts>,
    /// The latest, newest first.
    pub latest: Vec<Observed>,
}

/// How many would have been decided how, and came to what.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// All.
    pub incidents: usize,
    /// Under `standard`, it would have been done without asking. With the next three less than all
    /// where builds have written that did not note it: it is not guessed.
    pub by_itself: usize,
    /// Under `standard`, a person would have been asked.
    pub asked: usize,
    /// Under `standard`, it would have waited: for the end of a freeze, a storm, a budget.
    pub waited: usize,
    /// Under `standard`, it would have been refused as well.
    pub refused: usize,
    /// The same was done by a person.
    pub same: usize,
    /// The same was changed by a person, to another value.
    pub other_value: usize,
    /// Something else of the workload was changed by a person.
    pub something_else: usize,
    /// It went away without a change of the workload.
    pub unchanged: usize,
    /// Not over yet.
    pub open: usize,
    /// Over, and what was done cannot be told.
    pub unknown: usize,
}

/// One incident.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Observed {
    /// Its number.
    pub incident: IncidentId,
    /// The workload.
    pub workload: WorkloadRef,
    /// When it was opened.
    pub opened: Timestamp,
    /// The action that would have been taken first.
    pub action: &'static str,
    /// The same in words.
    pub summary: String,
    /// What would have been decided on it under `standard`, if that was noted.
    pub standard: Option<Decision>,
    /// What was done, as soon as it is over.
    pub came: Option<Came>,
}

impl Observed {
    fn of(incident: &Incident, step: &Step, standard: Option<Decision>) -> Self {
        let came = match &incident.state {
            State::Closed(End::Dismissed { came, .. }) => Some(came.unwrap_or(Came::Unknown)),
            State::Closed(End::Healed) => Some(Came::Unknown),
            State::Observed
            | State::Planned { .. }
            | State::Waiting { .. }
            | State::Joined { .. }
            | State::AwaitingApproval { .. }
            | State::Acting { .. }
            | State::Verifying { .. }
            | State::RollingBack { .. }
            | State::Escalated { .. } => None,
        };
        Self {
            incident: incident.id,
            workload: incident.workload.clone(),
            opened: incident.opened,
            action: step.action.name(),
            summary: step.action.treatment().summary(),
            standard,
            came,
        }
    }
}

impl Shadow {
    /// Of the incidents of a journal that were opened since then. What was acted on later, because
    /// the policy had become another, is not one of them.
    pub fn of(entries: &[Entry], since: Timestamp, until: Timestamp) -> Self {
        let mut ledger = Ledger::default();
        let mut steps = BTreeMap::new();
        for entry in entries {
            ledger.fold(entry);
            let Fact::Gated {
                incident,
                step,
                ruling,
            } = &entry.fact
            else {
                continue;
            };
            let planned = ledger.get(*incident).and_then(|it| it.step(*step));
            if let Some(planned) = planned.filter(|_| ruling.only_observes()) {
                let standard = ruling.shadow.as_ref().map(|shadow| shadow.standard);
                steps.insert(*incident, (planned, standard));
            } else {
                steps.remove(incident);
            }
        }
        let mut shadow = Self {
            since,
            until,
            all: Counts::default(),
            actions: BTreeMap::new(),
            namespaces: BTreeMap::new(),
            latest: Vec::new(),
        };
        for incident in ledger.incidents().filter(|it| it.opened >= since) {
            if let Some((step, standard)) = steps.get(&incident.id) {
                shadow.add(Observed::of(incident, step, *standard));
            }
        }
        shadow
            .latest
            .sort_by_key(|it| std::cmp::Reverse((it.opened, it.incident)));
        shadow.latest.truncate(LATEST);
        shadow
    }

    fn add(&mut self, observed: Observed) {
        let counts = Counts::of(&observed);
        self.all.add(counts);
        let action = observed.action.to_owned();
        self.actions.entry(action).or_default().add(counts);
        let namespace = observed.workload.namespace.clone();
        self.namespaces.entry(namespace).or_default().add(counts);
        self.latest.push(observed);
    }
}

impl Counts {
    fn of(observed: &Observed) -> Self {
        let is = |decision| usize::from(observed.standard == Some(decision));
        let was = |came| usize::from(observed.came == came);
        Self {
            incidents: 1,
            by_itself: is(Decision::Execute),
            asked: is(Decision::Ask),
            waited: is(Decision::Wait),
            refused: is(Decision::Refuse),
            same: was(Some(Came::Same)),
            other_value: was(Some(Came::OtherValue)),
            something_else: was(Some(Came::SomethingElse)),
            unchanged: was(Some(Came::Unchanged)),
            open: was(None),
            unknown: was(Some(Came::Unknown)),
        }
    }

    const fn add(&mut self, other: Self) {
        self.incidents += other.incidents;
        self.by_itself += other.by_itself;
        self.asked += other.asked;
        self.waited += other.waited;
        self.refused += other.refused;
        self.same += other.same;
        self.other_value += other.other_value;
        self.something_else += other.something_else;
        self.unchanged += other.unchanged;
        self.open += other.open;
        self.unknown += other.unknown;
    }

    /// Of how many it is known that a person has changed the workload.
    pub const fn changed(&self) -> usize {
        self.same + self.other_value + self.something_else
    }

    /// The share of those in which that was the same, in percent.
    pub const fn percent_same(&self) -> Option<usize> {
        (100 * self.same).checked_div(self.changed())
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use akeso_core::{
        act::PatchOp,
        engine::Engine,
        journal::Outcome,
        policy::{Policy, Settings},
        workload::WorkloadKind,
    };
    use akeso_sim::{SimCluster, Simulation, listed_images};
    use jiff::SignedDuration;
    use serde_json::json;

    use super::*;

    const IMAGE: &str = "/spec/template/spec/containers/0/image";

    /// Of a simulation in which a person sets images to these after a minute, where there is one; in
    /// namespace `dev` Akeso acts by itself.
    pub fn observed(people: &[(&str, &str, Option<&str>)]) -> Shadow {
        let journal = journal(people);
        let last = journal.last().map_or(Timestamp::UNIX_EPOCH, |it| it.at);
        Shadow::of(&journal, Timestamp::UNIX_EPOCH, last)
    }

    fn journal(people: &[(&str, &str, Option<&str>)]) -> Vec<Entry> {
        const POLICY: &str =
            "{autonomy: observe, namespaces: [{names: [dev], autonomy: standard}], canary: off}";
        let names: Vec<_> = people.iter().map(|it| (it.0, it.1)).collect();
        let mut simulation = broken(POLICY, &names);
        for (namespace, name, image) in people {
            let Some(image) = image else { continue };
            let operation = json!({"op": "replace", "path": IMAGE, "value": image});
            let patch: PatchOp = serde_json::from_value(operation).unwrap();
            let workload = WorkloadRef {
                kind: WorkloadKind::Deployment,
                namespace: (*namespace).to_owned(),
                name: (*name).to_owned(),
            };
            let outcome = simulation.cluster.patch(&workload, &[patch]);
            assert!(matches!(outcome, Outcome::Done { .. }), "{outcome:?}");
        }
        run(&mut simulation);
        simulation.journal
    }

    /// A minute.
    pub fn run(simulation: &mut Simulation) {
        let end = simulation.cluster.after(SignedDuration::from_secs(60));
        simulation.run_until(end, |_| {});
    }

    /// A minute under this policy, with Deployments whose image is misspelt.
    pub fn broken(policy: &str, names: &[(&str, &str)]) -> Simulation {
        let images = include_str!("../../../../devcluster/images.json");
        let policy: Policy = serde_saphyr::from_str(policy).unwrap();
        let cluster = SimCluster::new(listed_images(images).unwrap());
        let settings = Settings {
            policy,
            ..Settings::default()
        };
        let mut simulation = Simulation::new(cluster, Engine::new(settings));
        for (namespace, name) in names {
            let manifest = format!(
                "{{apiVersion: apps/v1, kind: Deployment, metadata: {{name: {name}}}, spec: {{selector: {{matchLabels: {{app: {name}}}}}, \
                 template: {{metadata: {{labels: {{app: {name}}}}}, spec: {{containers: [{{name: app, image: 'nginx:latst'}}]}}}}}}}}"
            );
            simulation.cluster.apply_yaml(namespace, &manifest).unwrap();
        }
        run(&mut simulation);
        simulation
    }

    #[test]
    fn what_was_only_observed_is_counted_by_what_a_person_has_done() {
        let shadow = observed(&[
            ("shop", "a", Some("nginx:latest")),
            ("shop", "b", Some("nginx:1.27")),
            ("shop", "c", None),
            ("data", "d", Some("nginx:latest")),
            ("dev", "e", None),
        ]);
        let all = shadow.all;
        assert_eq!((all.incidents, all.by_itself, all.asked), (4, 4, 0));
        assert_eq!((all.same, all.other_value, all.open), (2, 1, 1));
        assert_eq!((all.changed(), all.percent_same()), (3, Some(66)));
        assert_eq!(shadow.actions["fix_image_name"], all);
        let names: Vec<_> = shadow.namespaces.keys().collect();
        assert_eq!(names, ["data", "shop"], "dev is acted on");
        assert_eq!(shadow.namespaces["shop"].incidents, 3);
        assert_eq!(shadow.latest.len(), 4);
    }

    #[test]
    fn what_a_build_has_not_noted_is_not_guessed() {
        let mut journal = journal(&[("shop", "a", Some("nginx:latest"))]);
        for entry in &mut journal {
            if let Fact::Gated { ruling, .. } = &mut entry.fact {
                ruling.shadow = None;
            }
            if let Fact::Closed { end, .. } = &mut entry.fact {
                *end = End::dismissed("somebody has changed it");
            }
        }
        let shadow = Shadow::of(&journal, Timestamp::UNIX_EPOCH, Timestamp::UNIX_EPOCH);
        let all = shadow.all;
        assert_eq!((all.incidents, all.by_itself, all.asked), (1, 0, 0));
        assert_eq!((all.unknown, all.percent_same()), (1, None));
    }

    #[test]
    fn what_is_older_is_left_out() {
        let journal = journal(&[("shop", "a", None)]);
        let last = journal.last().unwrap().at + SignedDuration::from_secs(1);
        assert_eq!(Shadow::of(&journal, last, last).all, Counts::default());
    }
}
