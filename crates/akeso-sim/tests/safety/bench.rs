//! A cluster with an engine, and what can be said and seen there.

use std::path::Path;

use akeso_core::{
    act::PatchOp,
    cluster::{Kind, Object},
    engine::{ChangeRequest, Effect, Engine, Event, Incident, Ledger, Request, State},
    journal::{Chain, Fact, Outcome, Proposal},
    policy::{Policy, Settings},
    retention::Search,
    workload::{AttemptId, WorkloadKind, WorkloadRef},
};
use akeso_sim::{Death, Flawless, Model, Network, SimCluster, Simulation, listed_images};
use jiff::SignedDuration;
use serde_json::{Value, json};

pub const IMAGE: &str = "/spec/template/spec/containers/0/image";

pub struct Bench {
    pub simulation: Simulation,
    settings: Settings,
}

pub fn deployment(name: &str) -> WorkloadRef {
    WorkloadRef {
        kind: WorkloadKind::Deployment,
        namespace: "shop".to_owned(),
        name: name.to_owned(),
    }
}

impl Bench {
    pub fn under(policy: &str) -> Self {
        Self::over(Box::new(Flawless), policy)
    }

    pub fn over(network: Box<dyn Network>, policy: &str) -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let images = std::fs::read_to_string(root.join("devcluster/images.json")).unwrap();
        let policy: Policy = serde_saphyr::from_str(policy).unwrap();
        let cluster = SimCluster::new(listed_images(&images).unwrap());
        let settings = settings(&policy);
        let engine = Engine::new(settings.clone());
        Self {
            simulation: Simulation::over(network, cluster, engine),
            settings,
        }
    }

    /// From here on this model is asked.
    pub fn with_model(mut self, model: impl Model + 'static) -> Self {
        self.simulation.set_model(Box::new(model));
        self.settings.model = Some("script".to_owned());
        let settings = Box::new(self.settings.clone());
        self.simulation.say(Event::Configured(settings));
        self
    }

    /// Applies a Deployment of one container `app`; `more` goes into the container.
    pub fn apply(&mut self, name: &str, replicas: u32, image: &str, more: &str) {
        self.apply_in("shop", name, replicas, image, more);
    }

    pub fn apply_in(
        &mut self,
        namespace: &str,
        name: &str,
        replicas: u32,
        image: &str,
        more: &str,
    ) {
        let manifest = format!(
            "{{apiVersion: apps/v1, kind: Deployment, metadata: {{name: {name}}}, spec: {{replicas: {replicas}, selector: {{matchLabels: {{app: {name}}}}}, \
             template: {{metadata: {{labels: {{app: {name}}}}}, spec: {{terminationGracePeriodSeconds: 1, containers: [{{name: app, image: '{image}', {more}}}]}}}}}}}}"
        );
        self.simulation
            .cluster
            .apply_yaml(namespace, &manifest)
            .unwrap();
    }

    pub fn behave(&mut self, behaviours: &str) {
        self.simulation.cluster.behave_yaml(behaviours).unwrap();
    }

    pub fn run(&mut self, seconds: i64) {
        let end = self
            .simulation
            .cluster
            .after(SignedDuration::from_secs(seconds));
        self.simulation.run_until(end, |_| {});
    }

    /// The program is started again with what it has written.
    pub fn restart(&mut self) {
        let engine = Engine::restore(self.settings.clone(), &self.simulation.journal).unwrap();
        self.simulation.restart(engine);
    }

    /// The program is started again after retention has taken out all that is over.
    pub fn seal(&mut self) {
        let now = self.simulation.cluster.now();
        let mut search = Search::before(now);
        for entry in &self.simulation.journal {
            search.see(entry);
        }
        let segment = search.segment().unwrap();
        for effect in self.simulation.engine.seal(&segment, now) {
            let Effect::Journal(entry) = effect else {
                panic!("{effect:?}");
            };
            self.simulation.journal.push(entry);
            self.simulation.written_at.push(now);
        }
        let left = self.simulation.journal.iter();
        let left = left.filter(|entry| entry.seq > segment.last);
        let sealed = Chain::after(segment.last, segment.hash);
        let engine = Engine::restore_after(sealed, self.settings.clone(), left).unwrap();
        self.simulation.restart(engine);
    }

    /// The program is started again with a store that is new.
    pub fn forget_store(&mut self) {
        let engine = Engine::new(self.settings.clone());
        self.simulation.journal.clear();
        self.simulation.written_at.clear();
        self.simulation.restart(engine);
    }

    /// The policy is another from here on.
    pub fn configure(&mut self, policy: &str) {
        self.settings.policy = serde_saphyr::from_str(policy).unwrap();
        let settings = Box::new(self.settings.clone());
        self.simulation.say(Event::Configured(settings));
    }

    /// The program is started again, and watches one namespace only.
    pub fn watch_only(&mut self, namespace: &str) {
        self.settings.namespace = Some(namespace.to_owned());
        self.restart();
    }

    /// A person looks after this workload, and every step on it asks.
    pub fn attend(&mut self, workload: &WorkloadRef) {
        self.settings.attended = Some(workload.clone());
        let settings = Box::new(self.settings.clone());
        self.simulation.say(Event::Configured(settings));
    }

    /// Nobody looks after one of them any more.
    pub fn attend_all(&mut self) {
        self.settings.attended = None;
    }

    /// Runs until the program dies, and starts it again.
    pub fn survive(&mut self, death: Death, seconds: i64) {
        self.simulation.dies(death);
        let end = self
            .simulation
            .cluster
            .after(SignedDuration::from_secs(seconds));
        self.simulation
            .run_until_or(end, |_| {}, Simulation::is_down);
        if self.simulation.is_down() {
            self.restart();
        }
    }

    pub fn patch(&mut self, name: &str, path: &str, value: &Value) {
        let operations = json!([{"op": "add", "path": path, "value": value}]);
        let operations: Vec<PatchOp> = serde_json::from_value(operations).unwrap();
        let outcome = self
            .simulation
            .cluster
            .patch(&deployment(name), &operations);
        assert!(matches!(outcome, Outcome::Done { .. }), "{outcome:?}");
    }

    /// Deletes the pods of a Deployment, which makes new ones.
    pub fn delete_pods(&mut self, name: &str) {
        let cluster = &mut self.simulation.cluster;
        for object in cluster.list(Kind::Pod) {
            let Object::Pod(pod) = object else { continue };
            let pod = pod.metadata.name.unwrap();
            if pod.starts_with(&format!("{name}-")) {
                cluster.delete("Pod", "shop", &pod).unwrap();
            }
        }
    }

    pub fn object(&self, name: &str, pointer: &str) -> Value {
        let object = self.simulation.cluster.object("Deployment", "shop", name);
        object
            .unwrap()
            .pointer(pointer)
            .cloned()
            .unwrap_or_default()
    }

    pub fn state(&self, name: &str) -> Option<State> {
        let ledger = self.simulation.engine.ledger();
        let open = ledger.open_incident(&deployment(name))?;
        Some(ledger.get(open)?.state.clone())
    }

    pub fn question(&self, name: &str) -> Proposal {
        match self.state(name) {
            Some(State::AwaitingApproval { question }) => *question,
            other => panic!("nobody is asked: {other:?}\n{}", self.story()),
        }
    }

    pub fn consent(&mut self, attempt: AttemptId) {
        let by = "ada".to_owned();
        self.simulation
            .say(Event::Requested(Request::Consent { attempt, by }));
    }

    /// An incident as the journal has it, however old.
    pub fn incident(&self, name: &str) -> Incident {
        let mut ledger = Ledger::default();
        for entry in &self.simulation.journal {
            ledger.fold(entry);
        }
        let mut all = ledger
            .incidents()
            .filter(|it| it.workload == deployment(name));
        all.next().cloned().unwrap()
    }

    pub fn take_back(&mut self, name: &str) {
        let incident = Box::new(self.incident(name));
        let attempt = incident.attempts.iter().find(|it| it.is_kept()).unwrap().id;
        let by = "ada".to_owned();
        self.simulation.say(Event::Requested(Request::TakeBack {
            incident,
            attempt,
            by,
        }));
    }

    /// What reached the cluster, in order: `create`, `remove`, `patch`, `back`, `evict`.
    pub fn made(&self) -> Vec<&'static str> {
        let accepted = self.simulation.cluster.accepted().iter();
        let what = accepted.map(|change| match &change.request {
            ChangeRequest::Patch(_) if change.request.takes_back() => "back",
            ChangeRequest::Patch(_) => "patch",
            ChangeRequest::Evict { .. } => "evict",
            ChangeRequest::Create { .. } => "create",
            ChangeRequest::Remove(_) => "remove",
            ChangeRequest::Grant(_) => "grant",
            ChangeRequest::Revoke(_) => "revoke",
        });
        what.collect()
    }

    pub fn count(&self, is_meant: impl Fn(&Fact) -> bool) -> usize {
        self.simulation
            .journal
            .iter()
            .filter(|entry| is_meant(&entry.fact))
            .count()
    }

    pub fn heals(&self) -> usize {
        let healed = akeso_core::journal::End::Healed;
        self.count(|fact| matches!(fact, Fact::Closed { end, .. } if *end == healed))
    }

    pub fn story(&self) -> String {
        akeso_sim::scenario::facts(&self.simulation.journal)
    }
}

fn settings(policy: &Policy) -> Settings {
    Settings {
        policy: policy.clone(),
        ..Settings::default()
    }
}
