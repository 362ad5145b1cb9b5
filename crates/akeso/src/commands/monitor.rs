//! `akeso monitor`: the loop.

use std::{collections::BTreeSet, process::ExitCode};

use akeso_core::{
    act::ActionKind,
    engine::Engine,
    learn::Level,
    policy::{Autonomy, Canary},
};
use akeso_kube::{Hands, permissions::Purpose};
use jiff::Timestamp;

use super::{Place, find, open_store, settings, store_path};
use crate::{
    cli::{Global, Monitor},
    configuration::{Configuration, Said},
    drive::{Drive, Until},
    model::Endpoint,
    report::reporter,
    store::{Requests, Store},
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
    let model = Endpoint::from(&arguments.model)?;
    let mut configuration = Configuration::load(said, arguments.target.policy.as_deref())?;
    let path = store_path(global);
    let mut store = open_store(global, &path)?;
    let journal = store.journal()?;
    let place = find(global, arguments.target).await?;
    configuration.base = settings(Autonomy::Standard, &place.scope); // its policy is not used
    configuration.base.model = model.as_ref().map(|it| it.model().to_owned());
    check_permissions(&place, &mut configuration).await;
    let mut engine =
        Engine::restore_after(journal.sealed, configuration.settings(), &journal.entries)?;
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
    drive.model = model;
    drive.configuration = Some(configuration);
    drive.run(until).await?;
    Ok(ExitCode::SUCCESS)
}

/// Switches off what the API server would refuse, and says so once.
pub(super) async fn check_permissions(place: &Place, configuration: &mut Configuration) {
    let policy = configuration.settings().policy;
    let may_act = policy.autonomy != Autonomy::Observe
        || !policy.namespaces.is_empty()
        || policy.trust_namespace_labels;
    let actions = if may_act { ActionKind::ALL } else { &[] };
    let mut purposes = Purpose::reading();
    purposes.extend(Purpose::acting(actions));
    purposes.retain(|purpose| *purpose != Purpose::Trial || policy.canary == Canary::Auto);
    let review = place.connected.review(&place.scope, &purposes).await;
    // what the policy does not name is not missed
    let mut told = review.clone();
    told.off
        .retain(|action, _| !action.is_opt_in() || policy.names(*action));
    for sentence in told.sentences() {
        eprintln!("akeso: {sentence}");
    }
    review.restrict(&mut configuration.base);
}

fn forget_everything(engine: &mut Engine, store: &mut Store) -> anyhow::Result<()> {
    let known = engine.ledger().patterns().iter();
    // with a failure, all that is narrower is forgotten
    let known: BTreeSet<_> = known
        .map(|pattern| pattern.fingerprint.at(Level::Fault))
        .collect();
    for fingerprint in known {
        let entries: Vec<_> =
            super::memory::entries(engine.forget(&fingerprint, None, Timestamp::now()));
        store.append(&entries)?;
    }
    Ok(())
}
