//! `akeso monitor`: the loop.

use std::process::ExitCode;

use akeso_core::{engine::Engine, policy::Autonomy};
use akeso_kube::Hands;
use jiff::Timestamp;

use super::{find, open_store, settings, store_path};
use crate::{
    cli::{Global, Monitor},
    drive::{Drive, Until},
    report::reporter,
    store::{Requests, Store},
    write_ahead::WriteAhead,
};

/// Watches a cluster and heals what can be proven.
pub async fn run(global: &Global, arguments: Monitor) -> anyhow::Result<ExitCode> {
    let path = store_path(global);
    let mut store = open_store(global, &path)?;
    let journal = store.journal()?;
    let autonomy = if arguments.no_auto {
        Autonomy::Observe
    } else {
        arguments.target.autonomy.into()
    };
    let place = find(global, arguments.target).await?;
    let mut settings = settings(autonomy, &place.scope);
    settings.policy.ceilings.memory = arguments.memory_ceiling;
    settings
        .policy
        .protected_namespaces
        .extend(arguments.protect);
    let mut engine = Engine::restore_after(journal.sealed, settings, &journal.entries)?;
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
        &journal.entries,
    );
    drop(journal.entries);
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
    )
    .with_retention(arguments.retention.duration());
    drive.requests = Some(Requests::open(&path)?);
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
