//! `akeso monitor`: the loop.

use std::process::ExitCode;

use akeso_core::{engine::Engine, policy::Autonomy};
use akeso_kube::Hands;
use jiff::Timestamp;

use super::{find, settings, store_path};
use crate::{
    cli::{Global, Monitor},
    configuration::{Configuration, Said},
    drive::{Drive, Until},
    report::reporter,
    store::Store,
    write_ahead::WriteAhead,
};

/// Watches a cluster and heals what can be proven.
pub async fn run(global: &Global, arguments: Monitor) -> anyhow::Result<ExitCode> {
    let level = arguments.target.autonomy.map(Autonomy::from);
    let said = Said {
        autonomy: arguments.no_auto.then_some(Autonomy::Observe).or(level),
        memory_ceiling: arguments.memory_ceiling,
        protect: arguments.protect,
    };
    let mut configuration = Configuration::load(said, arguments.target.policy.as_deref())?;
    let mut store = Store::open(&store_path(global))?;
    let journal = store.entries()?;
    let place = find(global, arguments.target).await?;
    configuration.base = settings(Autonomy::Standard, &place.scope); // its policy is not used
    let mut engine = Engine::restore(configuration.settings(), &journal)?;
    if arguments.fresh {
        forget_everything(&mut engine, &mut store)?;
    }
    let hands = Hands::start(
        place.connected.client,
        &place.scope,
        &place.access,
        place.mirrors,
    );
    let reporter = reporter(
        global.output,
        arguments.interval,
        std::io::stdout(),
        &journal,
    );
    drop(journal);
    let until = if arguments.once {
        Until::AtRest
    } else {
        Until::Stopped
    };
    let mut drive = Drive::new(
        engine,
        hands,
        WriteAhead::new(Some(store)),
        reporter,
        arguments.interval,
    );
    drive.configuration = Some(configuration);
    drive.run(until).await?;
    Ok(ExitCode::SUCCESS)
}

fn forget_everything(engine: &mut Engine, store: &mut Store) -> anyhow::Result<()> {
    let known: Vec<_> = engine
        .ledger()
        .patterns()
        .iter()
        .map(|pattern| pattern.fingerprint.clone())
        .collect();
    for fingerprint in known {
        let entries: Vec<_> = super::memory::entries(engine.forget(&fingerprint, Timestamp::now()));
        store.append(&entries)?;
    }
    Ok(())
}
