//! Scenarios: a situation in a cluster and what must come of it (`scenarios/README.md`). The
//! simulated and the real cluster are held to the same expectations by the same code.

mod check;
mod health;
mod score;

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use akeso_core::{
    engine::Engine,
    policy::{Autonomy, Policy, Settings},
    workload::{SupportKind, WorkloadKind, WorkloadRef},
};
use jiff::SignedDuration;
use serde::Deserialize;
use serde_json::Value;

pub use check::{check, facts};
pub use health::{unhealthy, with_newest_run};
pub use score::Score;

use crate::{Flawless, Network, SimCluster, SimError, Simulation};

/// How long what `manifest.yaml` describes may take to become healthy before `then.yaml` follows.
pub const HEALTHY_WITHIN: SignedDuration = SignedDuration::from_secs(120);

/// How long it stays healthy before that: what has only just started has proven nothing.
pub const STEADY_FOR: SignedDuration = SignedDuration::from_secs(15);

/// Why a scenario cannot be read or run.
#[derive(Debug, thiserror::Error)]
pub enum ScenarioError {
    /// A file cannot be read.
    #[error("cannot read {}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// `expect.yaml` or `policy.yaml` is not of the form that `scenarios/README.md` describes.
    #[error("{} is not of the form of scenarios/README.md: {why}", path.display())]
    Expectation {
        /// The file.
        path: PathBuf,
        /// Why.
        why: String,
    },
    /// A key of `workloads` is not `KIND/NAME`.
    #[error("`{0}` is not of the form KIND/NAME")]
    Workload(String),
    /// The simulated cluster does not take it.
    #[error(transparent)]
    Cluster(#[from] SimError),
    /// `then.yaml` waits for a state that never comes.
    #[error("not healthy before then.yaml: {0}")]
    NeverHealthy(String),
}

/// A folder of `scenarios/`.
#[derive(Debug, Clone)]
pub struct Scenario {
    /// The folder's name.
    pub name: String,
    /// What is applied.
    pub manifest: String,
    /// What is applied once that is healthy.
    pub then: Option<String>,
    /// How the containers behave in the simulated cluster.
    pub behaviour: Option<String>,
    /// Under which policy Akeso runs; the default one if there is none.
    pub policy: Option<Policy>,
    /// What must happen.
    pub expect: Expectation,
}

/// What must happen: `expect.yaml`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expectation {
    /// What is broken and what must happen, in a line.
    pub summary: String,
    /// How much Akeso may do by itself, whatever the policy says of that.
    #[serde(default)]
    pub autonomy: Option<Autonomy>,
    /// By when.
    pub within: SignedDuration,
    /// Why a real cluster of one node that others use as well cannot show it; it is run on the
    /// simulated one only. Absent: it is run on both.
    #[serde(default)]
    pub simulated_only: Option<String>,
    /// `KIND/NAME` of each workload that matters.
    pub workloads: BTreeMap<String, Expected>,
}

/// What must happen to one workload.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expected {
    /// How it must come out.
    pub outcome: Expects,
    /// The names of the actions that are applied, in any order, and no other.
    #[serde(default)]
    pub actions: Vec<String>,
    /// How many trial pods are made first.
    #[serde(default)]
    pub trials: usize,
    /// What must have been learned from it; not looked at if absent.
    pub learns: Option<Learns>,
    /// What the sentence of a diagnosis must hold, in whatever case.
    #[serde(default)]
    pub cause: Vec<String>,
    /// JSON pointer → the value in the object as it is in the end; null: nothing is there.
    #[serde(default)]
    pub end: BTreeMap<String, Value>,
}

/// What must have been learned from a workload's incidents.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Learns {
    /// At least one pattern.
    Something,
    /// No pattern.
    Nothing,
}

/// How it must come out for a workload.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Expects {
    /// The actions were applied, the workload became healthy and was verified to stay so.
    Heal,
    /// A plan waits for a person; nothing was changed.
    Ask,
    /// The incident is escalated; nothing was changed.
    Diagnose,
    /// A step waits for its time; nobody was asked and nothing was changed.
    Wait,
    /// Nothing was planned, asked, told or changed.
    LeaveAlone,
}

impl Scenario {
    /// Reads the folder of a scenario.
    pub fn load(folder: &Path) -> Result<Self, ScenarioError> {
        let read = |file: &str| {
            let path = folder.join(file);
            fs::read_to_string(&path).map_err(|source| ScenarioError::File { path, source })
        };
        let optional = |file: &str| {
            if folder.join(file).exists() {
                read(file).map(Some)
            } else {
                Ok(None)
            }
        };
        let wrong = |file: &str, why: String| ScenarioError::Expectation {
            path: folder.join(file),
            why,
        };
        let expect = serde_saphyr::from_str(&read("expect.yaml")?)
            .map_err(|error| wrong("expect.yaml", error.to_string()))?;
        let policy = optional("policy.yaml")?
            .map(|text| serde_saphyr::from_str(&text))
            .transpose()
            .map_err(|error: serde_saphyr::Error| wrong("policy.yaml", error.to_string()))?;
        Ok(Self {
            name: folder
                .file_name()
                .map(|name| name.to_string_lossy().into_owned())
                .unwrap_or_default(),
            manifest: read("manifest.yaml")?,
            then: optional("then.yaml")?,
            behaviour: optional("behaviour.yaml")?,
            policy,
            expect,
        })
    }

    /// Every scenario in a folder, by name.
    pub fn load_all(folder: &Path) -> Result<Vec<Self>, ScenarioError> {
        let failed = |source| ScenarioError::File {
            path: folder.to_owned(),
            source,
        };
        let mut folders = Vec::new();
        for entry in fs::read_dir(folder).map_err(failed)? {
            let path = entry.map_err(failed)?.path();
            if path.is_dir() {
                folders.push(path);
            }
        }
        folders.sort();
        folders.iter().map(|folder| Self::load(folder)).collect()
    }

    /// The workloads that matter, with what must happen to each.
    pub fn workloads(
        &self,
        namespace: &str,
    ) -> Result<Vec<(WorkloadRef, &Expected)>, ScenarioError> {
        let all = self.expect.workloads.iter();
        all.map(|(key, expected)| Ok((workload(namespace, key)?, expected)))
            .collect()
    }

    /// Runs it on a simulated cluster whose registry has `images`, in a namespace named after it,
    /// until `within` is over.
    pub fn run(&self, images: &[String]) -> Result<Simulation, ScenarioError> {
        let mut simulation = self.prepare(images, Box::new(Flawless))?;
        self.play(&mut simulation)?;
        let end = simulation.cluster.after(self.expect.within);
        simulation.run_until(end, |_| {});
        Ok(simulation)
    }

    /// The settings under which it is run.
    pub fn settings(&self) -> Settings {
        let mut policy = self.policy.clone().unwrap_or_default();
        policy.autonomy = self.expect.autonomy.unwrap_or(policy.autonomy);
        Settings {
            policy,
            ..Settings::default()
        }
    }

    /// An empty simulated cluster whose registry has `images`, and an engine that speaks with it
    /// over a network.
    pub fn prepare(
        &self,
        images: &[String],
        network: Box<dyn Network>,
    ) -> Result<Simulation, ScenarioError> {
        let mut cluster = SimCluster::new(images.iter().cloned());
        if let Some(behaviour) = &self.behaviour {
            cluster.behave_yaml(behaviour)?;
        }
        let engine = Engine::new(self.settings());
        Ok(Simulation::over(network, cluster, engine))
    }

    /// Applies what is to be applied, in a namespace named after it. From here on `within` counts.
    pub fn play(&self, simulation: &mut Simulation) -> Result<(), ScenarioError> {
        simulation.cluster.apply_yaml(&self.name, &self.manifest)?;
        let Some(then) = &self.then else {
            return Ok(());
        };
        let workloads = self.workloads(&self.name)?;
        let broken = |cluster: &SimCluster| {
            workloads.iter().find_map(|(workload, _)| {
                let object =
                    cluster.object(workload.kind.as_str(), &workload.namespace, &workload.name);
                unhealthy(workload.kind, object.as_ref()).map(|why| format!("{workload}: {why}"))
            })
        };
        let latest = simulation.cluster.after(HEALTHY_WITHIN);
        if !simulation.run_until_or(
            latest,
            |_| {},
            |simulation| broken(&simulation.cluster).is_none(),
        ) {
            return Err(ScenarioError::NeverHealthy(
                broken(&simulation.cluster).unwrap_or_default(),
            ));
        }
        simulation.run_until(simulation.cluster.after(STEADY_FOR), |_| {});
        simulation.cluster.apply_yaml(&self.name, then)?;
        Ok(())
    }

    /// Everything that did not come out as it must, a line each.
    pub fn failures(&self, simulation: &Simulation) -> Result<Vec<String>, ScenarioError> {
        let mut failures = Vec::new();
        for (workload, expected) in self.workloads(&self.name)? {
            let object = simulation.cluster.as_it_runs(&workload);
            failures.extend(check(
                &workload,
                expected,
                &simulation.journal,
                object.as_ref(),
            ));
        }
        Ok(failures)
    }
}

fn workload(namespace: &str, key: &str) -> Result<WorkloadRef, ScenarioError> {
    let wrong = || ScenarioError::Workload(key.to_owned());
    let (kind, name) = key.split_once('/').ok_or_else(wrong)?;
    let mut kinds = WorkloadKind::ALL.iter().copied();
    let kind = kinds
        .find(|known| known.as_str() == kind)
        .ok_or_else(wrong)?;
    let lies_in_none = [SupportKind::Node, SupportKind::Namespace].map(WorkloadKind::Support);
    let namespace = if lies_in_none.contains(&kind) {
        ""
    } else {
        namespace
    };
    Ok(WorkloadRef {
        kind,
        namespace: namespace.to_owned(),
        name: name.to_owned(),
    })
}
