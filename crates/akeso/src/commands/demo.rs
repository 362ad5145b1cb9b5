//! `akeso demo`: the article's four broken workloads, in a simulated cluster.

use std::{io::IsTerminal, process::ExitCode, thread::sleep, time::Duration};

use akeso_core::{
    engine::Engine,
    journal::{End, Entry, Fact},
    policy::{Autonomy, Settings},
};
use akeso_sim::{SimCluster, Simulation, listed_images};
use jiff::{SignedDuration, Timestamp};

use super::{
    demo_on_cluster::{MANIFESTS, NAMESPACE},
    open_store,
};
use crate::{
    cli::{Demo, Format, Global},
    report::{Reporter, reporter},
    store::Store,
};

/// How the four behave.
const BEHAVIOURS: [&str; 4] = [
    include_str!("../../../../scenarios/mysql-client/behaviour.yaml"),
    include_str!("../../../../scenarios/memory-hungry/behaviour.yaml"),
    include_str!("../../../../scenarios/web-server/behaviour.yaml"),
    include_str!("../../../../scenarios/alpine-app/behaviour.yaml"),
];
/// The images that exist.
const IMAGES: &str = include_str!("../../../../devcluster/images.json");
/// The four are healed long before, in virtual time.
const LONGEST: SignedDuration = SignedDuration::from_mins(30);
/// On a terminal, what happens minutes apart is shown this far apart, so that one can follow.
const GLANCE: Duration = Duration::from_millis(600);

/// Heals them before your eyes.
pub fn run(global: &Global, arguments: &Demo) -> anyhow::Result<ExitCode> {
    let mut cluster = SimCluster::new(listed_images(IMAGES)?);
    for ((_, manifest), behaviour) in MANIFESTS.into_iter().zip(BEHAVIOURS) {
        cluster.behave_yaml(behaviour)?;
        cluster.apply_yaml(NAMESPACE, manifest)?;
    }
    let mut store = global
        .store
        .as_deref()
        .map(|path| open_store(global, path))
        .transpose()?;
    let journal = store
        .as_ref()
        .map(Store::journal)
        .transpose()?
        .unwrap_or_default();
    let settings = Settings::at(Autonomy::Full);
    let mut simulation = Simulation::new(
        cluster,
        Engine::restore_after(journal.sealed, settings, &journal.entries)?,
    );

    if global.output == Format::Text {
        println!(
            "A simulated cluster in virtual time: four workloads were deployed, and all are broken."
        );
    }
    let pause = match (arguments.realtime, std::io::stdout().is_terminal()) {
        (true, _) => Duration::MAX,
        (false, true) => GLANCE,
        (false, false) => Duration::ZERO,
    };
    let mut show = Show::new(
        reporter(
            global.output,
            Duration::from_secs(30),
            std::io::stdout(),
            &journal.entries,
        ),
        pause,
        simulation.cluster.now(),
    );
    let mut failed = None;
    let end = simulation.cluster.after(LONGEST);
    simulation.run_until_or(
        end,
        |entry| {
            show.entry(entry);
            if let Some(store) = &mut store
                && let Err(error) = store.append(std::slice::from_ref(entry))
            {
                failed.get_or_insert(error);
            }
        },
        |simulation| healed(simulation) >= MANIFESTS.len(),
    );
    show.reporter.close();
    failed.map_or(Ok(()), Err)?;
    let healed = healed(&simulation);
    if healed < MANIFESTS.len() {
        anyhow::bail!("{healed} of {} workloads were healed", MANIFESTS.len());
    }
    Ok(ExitCode::SUCCESS)
}

fn healed(simulation: &Simulation) -> usize {
    let ends = simulation.journal.iter().filter(|entry| {
        matches!(
            entry.fact,
            Fact::Closed {
                end: End::Healed,
                ..
            }
        )
    });
    ends.count()
}

/// Shows the journal at a speed that can be followed.
struct Show {
    reporter: Box<dyn Reporter>,
    longest_pause: Duration,
    shown: Timestamp,
}

impl Show {
    const fn new(reporter: Box<dyn Reporter>, longest_pause: Duration, start: Timestamp) -> Self {
        Self {
            reporter,
            longest_pause,
            shown: start,
        }
    }

    fn entry(&mut self, entry: &Entry) {
        let passed =
            Duration::try_from(entry.at.duration_since(self.shown)).unwrap_or(Duration::ZERO);
        sleep(passed.min(self.longest_pause));
        self.shown = entry.at;
        self.reporter.entry(entry);
    }
}
