//! The article's learning curve: twenty failures a week for twelve weeks, whose causes repeat under
//! new names, and how often a language model has to be asked.

use akeso_core::{
    consult::{Prompt, Reply, Tokens},
    engine::{Engine, State},
    journal::{End, Fact},
    policy::{Autonomy, Settings},
    workload::{WorkloadKind, WorkloadRef},
};
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use serde_json::json;

use crate::{Model, SimCluster, SimError, Simulation};

/// So many weeks, …
const WEEKS: u64 = 12;
/// … with so many failures in each.
const A_WEEK: u64 = 20;
/// From one failure to the next.
const APART: SignedDuration = SignedDuration::from_mins(7 * 24 * 60 / 20);
/// What is not healed by then is removed as it is.
const LONGEST: SignedDuration = SignedDuration::from_hours(2);
const NAMESPACE: &str = "shop";
/// How many causes the hard mix has, and where the article's "rest" begins among them.
const CAUSES: u64 = 30;

/// Which failures there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mix {
    /// The article's: misspelt images, missing variables, too little memory, and a rest of two
    /// causes that no rule knows.
    Article,
    /// Only what no rule knows: thirty causes, some of them frequent and most of them rare, a fifth
    /// of them in a program that is started in another way than before.
    Hard,
}

impl Mix {
    /// The mix of this name.
    pub fn named(name: &str) -> Option<Self> {
        match name {
            "article" => Some(Self::Article),
            "hard" => Some(Self::Hard),
            _ => None,
        }
    }

    /// The article acts on its own; what is hard is left to the default.
    const fn autonomy(self) -> Autonomy {
        match self {
            Self::Article => Autonomy::Full,
            Self::Hard => Autonomy::Standard,
        }
    }
}

/// What a week came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Week {
    /// Its number, from 1.
    pub week: u64,
    /// Failures.
    pub incidents: usize,
    /// Healed, and verified.
    pub healed: usize,
    /// How often the model was asked.
    pub model_calls: usize,
}

/// One failure.
#[derive(Debug, Clone, Copy)]
enum Failure {
    Typo(u64),
    Variable,
    Memory(u64),
    /// One of the causes that no rule knows; and whether its program is started in another way.
    Unknown(u64, bool),
}

/// A model that knows what helps against each of the unknown causes, by the log line that it is
/// shown. It is right, as the article's was.
#[derive(Debug)]
struct Knowing;

impl Model for Knowing {
    fn reply(&mut self, prompt: &Prompt) -> (SignedDuration, Reply) {
        let cause = (0..CAUSES).find(|cause| prompt.user.contains(&complaint(*cause)));
        let steps = match cause {
            Some(cause) if needs_memory(cause) => json!([
                {"action": "increase_memory", "name": null, "value": "256Mi", "reasoning": "its arena does not fit"},
            ]),
            Some(cause) => json!([
                {"action": "update_env", "name": variable(cause), "value": null, "reasoning": "it looks for it"},
            ]),
            None => json!([]),
        };
        let text = json!({"cause": "as the log says", "steps": steps}).to_string();
        let tokens = Some(Tokens {
            input: 900,
            output: 120,
        });
        (SignedDuration::from_secs(2), Reply::Text { text, tokens })
    }
}

/// Half of the unknown causes are too little memory of which no kernel tells, half a setting that
/// lies in a ConfigMap.
const fn needs_memory(cause: u64) -> bool {
    cause.is_multiple_of(2)
}

/// Each in its own words: a letter for what a number would hide from the log's form.
fn word(cause: u64) -> String {
    let letter = |place: u64| char::from(b'A' + u8::try_from(place % 26).unwrap_or_default());
    format!("{}{}", letter(cause / 26), letter(cause))
}

fn variable(cause: u64) -> String {
    format!("TUNING_{}", word(cause))
}

fn complaint(cause: u64) -> String {
    if needs_memory(cause) {
        format!("arena {} cannot be mapped", word(cause))
    } else {
        format!("tuning at {} is nil", variable(cause))
    }
}

/// A sequence of numbers that looks like chance and is always the same (Marsaglia's xorshift).
#[derive(Debug)]
struct Sequence(u64);

impl Sequence {
    const fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }
}

fn failure(mix: Mix, nth: u64, sequence: &mut Sequence) -> Failure {
    match mix {
        Mix::Article => match nth % A_WEEK {
            0..=6 => Failure::Typo(nth),
            7..=12 => Failure::Variable,
            13..=17 => Failure::Memory(nth),
            rest => Failure::Unknown(rest % 2, false),
        },
        Mix::Hard => {
            // the square of chance: few are frequent, most are rare
            let (one, two) = (sequence.next() % CAUSES, sequence.next() % CAUSES);
            let is_other = sequence.next().is_multiple_of(5);
            Failure::Unknown(one * two / CAUSES, is_other)
        }
    }
}

impl Failure {
    /// The behaviour of the workload's container, and its manifest.
    fn of(self, name: &str) -> (String, String) {
        let (behaviour, image, container) = match self {
            Self::Typo(nth) => {
                let image = ["nginx:latst", "apline:3.18", "ngnix:latest"];
                let place = usize::try_from(nth).unwrap_or_default() % image.len();
                ("{}".to_owned(), image[place], String::new())
            }
            Self::Variable => (
                "{requires: [MYSQL_HOST], missing: {log: [\"ERROR: environment variable MYSQL_HOST is not set\"], exit: 1}}".to_owned(),
                "busybox:latest",
                String::new(),
            ),
            Self::Memory(nth) => {
                let peak = 150 + 20 * (nth % 3);
                (
                    format!("{{memory: {{start: 10Mi, step: 20Mi, every: 1s, peak: {peak}Mi}}}}"),
                    "busybox:latest",
                    "command: [process], resources: {limits: {memory: 128Mi}}".to_owned(),
                )
            }
            Self::Unknown(cause, is_other) => {
                let says = format!("exit: 3, log: [\"E1042: {}\"]", complaint(cause));
                let behaviour = if needs_memory(cause) {
                    format!("{{needs: {{memory: 256Mi, {says}}}}}")
                } else {
                    format!("{{requires: [{}], missing: {{{says}}}}}", variable(cause))
                };
                let shard = if is_other { ", --shard" } else { "" };
                let container = format!(
                    "command: [serve, {}{shard}], resources: {{limits: {{memory: 128Mi}}}}",
                    word(cause)
                );
                (behaviour, "alpine:latest", container)
            }
        };
        let behaviour = format!("containers: {{{name}/app: {behaviour}}}");
        let manifest = format!(
            "{{apiVersion: apps/v1, kind: Deployment, metadata: {{name: {name}}}, spec: {{selector: {{matchLabels: {{app: {name}}}}}, \
             template: {{metadata: {{labels: {{app: {name}}}}}, spec: {{terminationGracePeriodSeconds: 1, containers: [{{name: app, image: '{image}', {container}}}]}}}}}}}}"
        );
        (behaviour, manifest)
    }
}

/// The curve of a mix. `images` are those that the registry has.
pub fn curve(mix: Mix, images: impl IntoIterator<Item = String>) -> Result<Vec<Week>, SimError> {
    let mut cluster = SimCluster::new(images);
    for cause in 0..CAUSES {
        let name = variable(cause);
        let map = format!(
            "{{apiVersion: v1, kind: ConfigMap, metadata: {{name: {}}}, data: {{{name}: small}}}}",
            name.to_lowercase().replace('_', "-")
        );
        cluster.apply_yaml(NAMESPACE, &map)?;
    }
    let settings = Settings {
        model: Some("knowing".to_owned()),
        ..Settings::at(mix.autonomy())
    };
    let mut simulation = Simulation::new(cluster, Engine::new(settings));
    simulation.set_model(Box::new(Knowing));
    let mut sequence = Sequence(0x5DEE_CE66_D1CE_CAFE);
    let mut weeks = Vec::new();
    for week in 0..WEEKS {
        let written = simulation.journal.len();
        for nth in 0..A_WEEK {
            let failure = failure(mix, week * A_WEEK + nth, &mut sequence);
            let name = format!("w{week}-{nth}");
            fail(&mut simulation, failure, &name)?;
        }
        weeks.push(count(&simulation, written, week + 1));
    }
    Ok(weeks)
}

/// Lets a new workload fail, and be healed or not.
fn fail(simulation: &mut Simulation, failure: Failure, name: &str) -> Result<(), SimError> {
    let begun = simulation.cluster.now();
    let after = |begun: Timestamp, time| begun.checked_add(time).unwrap_or(begun);
    let (behaviour, manifest) = failure.of(name);
    simulation.cluster.behave_yaml(&behaviour)?;
    simulation.cluster.apply_yaml(NAMESPACE, &manifest)?;
    let workload = WorkloadRef {
        kind: WorkloadKind::Deployment,
        namespace: NAMESPACE.to_owned(),
        name: name.to_owned(),
    };
    simulation.run_until_or(after(begun, LONGEST), |_| {}, |it| is_over(it, &workload));
    simulation.cluster.delete("Deployment", NAMESPACE, name)?;
    simulation.run_until(after(begun, APART), |_| {});
    Ok(())
}

/// Whether the incident of a workload is healed.
fn is_over(simulation: &Simulation, workload: &WorkloadRef) -> bool {
    let mut incidents = simulation.engine.ledger().incidents();
    let healed = State::Closed(End::Healed);
    incidents.any(|it| it.workload == *workload && it.state == healed)
}

fn count(simulation: &Simulation, written: usize, week: u64) -> Week {
    let facts = || simulation.journal[written..].iter().map(|it| &it.fact);
    let healed = |fact: &&Fact| {
        matches!(
            fact,
            Fact::Closed {
                end: End::Healed,
                ..
            }
        )
    };
    let asked = |fact: &&Fact| matches!(fact, Fact::Consulted { .. });
    let opened = |fact: &&Fact| matches!(fact, Fact::Opened { .. });
    Week {
        week,
        incidents: facts().filter(opened).count(),
        healed: facts().filter(healed).count(),
        model_calls: facts().filter(asked).count(),
    }
}
