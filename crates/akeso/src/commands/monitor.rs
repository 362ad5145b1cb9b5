//! `akeso monitor`: the loop.

use std::process::ExitCode;

use akeso_core::{
    act::ActionKind,
    engine::Engine,
    policy::{Autonomy, Canary, Settings},
};
use akeso_kube::{Hands, permissions::Purpose};
use jiff::Timestamp;

use super::{Place, find, settings, store_path};
use crate::{
    cli::{Global, Monitor},
    drive::{Drive, Until},
    report::reporter,
    store::Store,
    write_ahead::WriteAhead,
};

/// Watches a cluster and heals what can be proven.
pub async fn run(global: &Global, arguments: Monitor) -> anyhow::Result<ExitCode> {
    let mut store = Store::open(&store_path(global))?;
    let journal = store.entries()?;
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
    check_permissions(&place, &mut settings).await;
    let mut engine = Engine::restore(settings, &journal)?;
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
    Drive::new(
        engine,
        hands,
        WriteAhead::new(Some(store)),
        reporter,
        arguments.interval,
    )
    .run(until)
    .await?;
    Ok(ExitCode::SUCCESS)
}

/// Switches off what the API server would refuse, and says so once.
async fn check_permissions(place: &Place, settings: &mut Settings) {
    let policy = &settings.policy;
    let may_act = policy.autonomy != Autonomy::Observe
        || !policy.namespaces.is_empty()
        || policy.trust_namespace_labels;
    let actions = if may_act { ActionKind::ALL } else { &[] };
    let mut purposes = Purpose::reading();
    purposes.extend(Purpose::acting(actions));
    purposes.retain(|purpose| *purpose != Purpose::Trial || policy.canary == Canary::Auto);
    let review = place.connected.review(&place.scope, &purposes).await;
    for sentence in review.sentences() {
        eprintln!("akeso: {sentence}");
    }
    review.restrict(settings);
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
