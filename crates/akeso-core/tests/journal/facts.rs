//! Every fact reads back as it was written, and tells which incident it is about.

use akeso_core::{
    act::diff,
    gate::Decision,
    journal::{Broken, Came, Chain, End, Entry, Fact, Outcome, Proposal, SharedCause, Verdict},
    workload::{AttemptId, IncidentId},
};
use serde_json::json;

use crate::world::story::{
    applied, at, closed, diagnosed, done, fingerprint, gated, image, intended, judged, opened,
    patch, planned, step, taken_back, taking_back, workload,
};

const IT: IncidentId = IncidentId(7);

pub fn proposal(attempt: u64, place: usize) -> Proposal {
    Proposal {
        mark: None,
        attempt: AttemptId(attempt),
        place,
        step: step(image()),
        change: patch(),
        decided_on: String::new(),
        diff: diff(&patch()),
        command: "kubectl set image".into(),
        instead: None,
        expires: at(60),
    }
}

fn storm() -> SharedCause {
    SharedCause::Storm { broken: 6, of: 20 }
}

fn node() -> SharedCause {
    SharedCause::Node {
        name: "worker-2".into(),
        why: "Kubelet stopped posting node status.".into(),
    }
}

/// One of each fact about incident 7, by its name in the journal.
fn each() -> Vec<(&'static str, Fact)> {
    let (incident, attempt, by) = (IT, AttemptId(3), "ada".to_owned());
    let why = "it was".to_owned();
    let instead = Some("Argo CD: the source of the Application shop".to_owned());
    vec![
        ("opened", opened(7, &workload("shop", "web"))),
        (
            "shared-opened",
            Fact::SharedOpened {
                incident,
                cause: storm(),
            },
        ),
        (
            "shared-opened",
            Fact::SharedOpened {
                incident,
                cause: node(),
            },
        ),
        (
            "joined",
            Fact::Joined {
                incident,
                into: IncidentId(2),
                until: akeso_core::journal::Until::End,
                why: why.clone(),
            },
        ),
        (
            "reconsidered",
            Fact::Reconsidered {
                incident,
                why: why.clone(),
            },
        ),
        (
            "reopened",
            Fact::Reopened {
                incident,
                attempt,
                why: why.clone(),
            },
        ),
        ("diagnosed", diagnosed(7)),
        ("planned", planned(7)),
        ("gated", gated(7, 1, Decision::Wait)),
        ("intended", intended(7, 3, 0)),
        ("applied", applied(7, 3, done())),
        (
            "applied",
            applied(7, 3, Outcome::Conflict { why: why.clone() }),
        ),
        (
            "applied",
            applied(7, 3, Outcome::Refused { why: why.clone() }),
        ),
        (
            "applied",
            applied(7, 3, Outcome::Failed { why: why.clone() }),
        ),
        ("judged", judged(7, 3, Verdict::Superseded)),
        ("rollback-intended", taking_back(7, 3)),
        ("rolled-back", taken_back(7, 3, done())),
        (
            "learned",
            Fact::Learned {
                incident,
                fingerprint: fingerprint(),
                action: image(),
            },
        ),
        (
            "asked",
            Fact::Asked {
                incident,
                question: Box::new(Proposal {
                    instead,
                    ..proposal(3, 1)
                }),
            },
        ),
        (
            "consented",
            Fact::Consented {
                incident,
                attempt,
                by: by.clone(),
            },
        ),
        (
            "declined",
            Fact::Declined {
                incident,
                attempt,
                by: by.clone(),
            },
        ),
        (
            "recalled",
            Fact::Recalled {
                incident,
                attempt,
                by,
            },
        ),
        (
            "escalated",
            Fact::Escalated {
                incident,
                why: why.clone(),
                command: "kubectl".into(),
                until: Some(at(9)),
            },
        ),
        ("closed", closed(7, End::Healed)),
        ("closed", closed(7, End::dismissed(&why))),
        (
            "closed",
            closed(
                7,
                End::Dismissed {
                    why,
                    came: Some(Came::OtherValue),
                },
            ),
        ),
    ]
}

#[test]
fn every_fact_reads_back_as_it_was_written_and_names_its_incident() {
    let mut chain = Chain::default();
    let forgotten = (
        "forgotten",
        Fact::Forgotten {
            fingerprint: fingerprint(),
            action: None,
        },
    );
    let swept = (
        "trial-swept",
        Fact::TrialSwept {
            attempt: AttemptId(3),
            workload: workload("shop", "web"),
            pod: "web-trial-3-3f9a2c".into(),
        },
    );
    let of_none = [forgotten, swept];
    for (name, fact) in each().into_iter().chain(of_none) {
        let about = (!["forgotten", "trial-swept"].contains(&name)).then_some(IT);
        assert_eq!(fact.incident(), about, "{name}");
        let entry = chain.append(fact, at(1));
        let line = serde_json::to_string(&entry).unwrap();
        assert_eq!(json!(entry)["fact"], name);
        assert_eq!(
            serde_json::from_str::<Entry>(&line).unwrap(),
            entry,
            "{line}"
        );
    }
}

#[test]
fn entries_are_numbered_from_one_and_each_holds_the_hash_before_it() {
    let mut chain = Chain::default();
    let entries: Vec<_> = each()
        .into_iter()
        .map(|(_, fact)| chain.append(fact, at(1)))
        .collect();
    assert_eq!(entries[0].previous, "0".repeat(64));
    for (place, pair) in entries.windows(2).enumerate() {
        assert_eq!(pair[1].seq, u64::try_from(place).unwrap() + 2);
        assert_eq!(pair[1].previous, pair[0].hash);
        assert_eq!(pair[1].hash.len(), 64);
        assert_ne!(pair[1].hash, pair[0].hash);
    }
    let mut followed = Chain::default();
    assert!(entries.iter().all(|entry| followed.follow(entry) == Ok(())));
    // what is appended after reading goes on where the writer would have
    assert_eq!(
        followed.append(each().remove(0).1, at(2)),
        chain.append(each().remove(0).1, at(2))
    );
}

#[test]
fn an_entry_that_is_not_what_was_written_is_found_wherever_it_was_changed() {
    let mut chain = Chain::default();
    let first = chain.append(closed(1, End::Healed), at(1));
    let second = chain.append(closed(2, End::Healed), at(2));
    let third = chain.append(closed(3, End::Healed), at(3));
    let follow = |entry: &Entry| {
        let mut chain = Chain::default();
        chain.follow(&first).unwrap();
        chain.follow(entry)
    };
    assert_eq!(follow(&second), Ok(()));
    assert_eq!(
        follow(&third),
        Err(Broken::Gap {
            expected: 2,
            found: 3
        })
    );
    let changed = Err(Broken::Changed { seq: 2 });
    assert_eq!(
        follow(&Entry {
            at: at(9),
            ..second.clone()
        }),
        changed
    );
    assert_eq!(
        follow(&Entry {
            hash: "0".repeat(64),
            ..second.clone()
        }),
        changed
    );
    assert_eq!(
        follow(&Entry {
            previous: "0".repeat(64),
            ..second.clone()
        }),
        changed
    );
    // whole in itself, but of another chain
    let mut other = Chain::default();
    other.append(closed(1, End::Healed), at(5));
    assert_eq!(
        follow(&other.append(closed(2, End::Healed), at(2))),
        changed
    );
}

#[test]
fn the_hash_is_that_of_the_entrys_json_with_its_keys_in_order() {
    let entry = Chain::default().append(closed(1, End::Healed), at(1));
    // SHA-256 of {"at":"1970-01-01T00:01:00Z","end":{"end":"healed"},"fact":"closed","incident":"incident-1","previous":"00…","seq":1}
    assert_eq!(
        entry.hash,
        "eeb3ef20ccf3e5fc4a8c2610ed03c29e4a4daea75716fb4fb0f38b1d5299093e"
    );
}

#[test]
fn a_shared_cause_is_told_with_the_command_to_begin_with() {
    assert_eq!(
        storm().to_string(),
        "6 of 20 workloads have broken within minutes: look for what they have in common"
    );
    assert_eq!(
        node().to_string(),
        "the node worker-2 is not ready: Kubelet stopped posting node status."
    );
    assert_eq!(node().command(), "kubectl describe node worker-2");
    assert!(
        storm()
            .command()
            .starts_with("kubectl get nodes; kubectl get events -A")
    );
}
