//! The journal is the whole truth: read back it makes the same engine, and nothing was learned but
//! from verified heals.

use std::collections::BTreeMap;

use akeso_core::{
    engine::{Engine, Ledger},
    journal::{Fact, Verdict},
};

use super::Run;

pub(super) fn broken(run: &Run) -> Vec<String> {
    let mut broken = learned(run);
    broken.extend(restored(run));
    broken
}

/// Patterns that rest on no verified heal of their incident.
fn learned(run: &Run) -> Vec<String> {
    let mut broken = Vec::new();
    let mut healed = BTreeMap::new();
    for entry in &run.simulation.journal {
        match &entry.fact {
            Fact::Judged {
                incident,
                verdict: Verdict::Healed,
                ..
            } => {
                healed.insert(*incident, entry.seq);
            }
            Fact::Learned { incident, .. }
                if healed.get(incident).is_none_or(|seq| seq + 1 != entry.seq) =>
            {
                broken.push(format!(
                    "{incident} taught a pattern and was not judged healed"
                ));
            }
            _ => {}
        }
    }
    broken
}

/// What an engine that is restored from the journal knows otherwise than the one that wrote it.
fn restored(run: &Run) -> Vec<String> {
    let simulation = &run.simulation;
    if simulation.unwritten().next().is_some() {
        return Vec::new(); // what is not written cannot be read
    }
    let settings = run.rules.last().unwrap().1.settings();
    let restored = match Engine::restore(settings.clone(), &simulation.journal) {
        Ok(engine) => engine,
        Err(error) => return vec![format!("the journal cannot be read back: {error}")],
    };
    let (old, new) = (simulation.engine.ledger(), restored.ledger());
    let mut broken = Vec::new();
    let mut compare = |what: &str, say: &dyn Fn(&Ledger) -> Vec<String>| {
        let (old, new) = (say(old), say(new));
        if old != new {
            broken.push(format!(
                "read back, {what} differ:\n  {}\n  {}",
                old.join("\n  "),
                new.join("\n  ")
            ));
        }
    };
    compare("the open incidents", &|ledger| {
        ledger.open().map(|it| format!("{it:?}")).collect()
    });
    compare("the patterns", &|ledger| {
        ledger
            .patterns()
            .iter()
            .map(|it| format!("{it:?}"))
            .collect()
    });
    compare("the shared incidents", &|ledger| {
        ledger.shared().map(|it| format!("{it:?}")).collect()
    });
    for made in &run.world.workloads {
        compare("the budgets", &|ledger| {
            vec![format!("{:?}", ledger.spent(&made.reference, &settings))]
        });
    }
    broken
}
