//! Sealing: retention takes the oldest entries out, and a signed row ties the chain together where
//! they were.

use akeso_core::{journal::Entry, retention::Segment};
use rusqlite::{Connection, OptionalExtension, params};

use super::{
    StoreError,
    signing::{Signer, Statement},
};

/// Takes out every entry through `through`. Nothing that is not as it was written is sealed: the
/// seal would vouch for it.
pub(super) fn take_out(
    connection: &Connection,
    through: u64,
    through_hash: &str,
    signed_from: u64,
    signer: &Signer,
) -> Result<(), StoreError> {
    let unsealable = || StoreError::Unsealable { through };
    let entry = |order: &str| -> Result<Entry, StoreError> {
        let first =
            format!("SELECT entry FROM journal WHERE seq <= ?1 ORDER BY seq {order} LIMIT 1");
        let text: Option<String> = connection
            .query_row(&first, [through.cast_signed()], |row| row.get(0))
            .optional()?;
        text.and_then(|text| serde_json::from_str(&text).ok())
            .ok_or_else(unsealable)
    };
    let (first, last) = (entry("ASC")?, entry("DESC")?);
    if last.seq != through || last.hash != through_hash {
        return Err(unsealable());
    }
    if through >= signed_from {
        let signature: Option<Vec<u8>> = connection.query_row(
            "SELECT signature FROM journal WHERE seq = ?1",
            [through.cast_signed()],
            |row| row.get(0),
        )?;
        let statement = Statement::Entry { hash: &last.hash };
        // the last entry's hash covers those before it, and so does its signature
        if !signature.is_some_and(|found| signer.public().verifies(statement, &found)) {
            return Err(unsealable());
        }
    }
    let segment = Segment {
        first: first.seq,
        last: last.seq,
        previous: first.previous,
        hash: last.hash,
    };
    connection.execute(
        "INSERT INTO sealed (first, last, previous, hash, signature) VALUES (?1, ?2, ?3, ?4, ?5)",
        params![
            segment.first.cast_signed(),
            segment.last.cast_signed(),
            segment.previous,
            segment.hash,
            signer.sign(Statement::Sealed(&segment)),
        ],
    )?;
    let gone = connection.execute(
        "DELETE FROM journal WHERE seq <= ?1",
        [through.cast_signed()],
    )?;
    if gone as u64 != segment.last - segment.first + 1 {
        return Err(unsealable());
    }
    Ok(())
}

/// What was taken out is gone from SQLite's write-ahead log as well. Somebody who reads just now
/// puts that off.
pub(super) fn truncate_log(connection: &Connection) {
    let truncated = connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()));
    if let Err(error) = truncated {
        tracing::debug!(%error, "the write-ahead log was not truncated");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{
        HeadFile, Reader, Store,
        verify::{Finding, verify},
    };
    use akeso_core::{
        act::{Action, Change, IncreaseMemory},
        engine::{Effect, Engine},
        journal::{Chain, End, Fact},
        learn::Fingerprint,
        policy::Settings,
        quantity::Bytes,
        workload::{AttemptId, ContainerRef, ContainerRole, IncidentId, WorkloadKind, WorkloadRef},
    };
    use jiff::{SignedDuration, Timestamp};
    use k8s_openapi::api::core::v1::Container;

    fn day(day: i64) -> Timestamp {
        Timestamp::UNIX_EPOCH + SignedDuration::from_hours(24 * day)
    }

    /// An incident, healed by an attempt, and a pattern learned of it.
    fn healed(n: u64, image: &str) -> [Fact; 4] {
        let (incident, attempt) = (IncidentId(n), AttemptId(n));
        let workload = WorkloadRef {
            kind: WorkloadKind::Deployment,
            namespace: "shop".to_owned(),
            name: format!("web-{n}"),
        };
        let container = ContainerRef {
            name: "web".to_owned(),
            role: ContainerRole::Main,
        };
        let of_image = Container {
            image: Some(image.to_owned()),
            ..Container::default()
        };
        let fingerprint = Fingerprint::of("out-of-memory", &of_image, &workload);
        let action = Action::IncreaseMemory(IncreaseMemory {
            container,
            from: Bytes::parse("128Mi").unwrap(),
            to: Bytes::parse("256Mi").unwrap(),
            request: None,
        });
        [
            Fact::Opened {
                incident,
                workload,
                symptoms: Vec::new(),
                uid: None,
                was_well: false,
                good: None,
            },
            Fact::Intended {
                incident,
                attempt,
                step: 0,
                change: Change::Patch {
                    forward: Vec::new(),
                    inverse: Vec::new(),
                },
                ready_before: 0,
            },
            Fact::Learned {
                incident,
                fingerprint,
                action,
            },
            Fact::Closed {
                incident,
                end: End::Healed,
            },
        ]
    }

    /// An incident a day.
    fn journal(days: u64) -> Vec<Entry> {
        let mut chain = Chain::default();
        let mut entries = Vec::new();
        for n in 1..=days {
            for fact in healed(n, &format!("web:{}", n % 3)) {
                entries.push(chain.append(fact, day(n.cast_signed())));
            }
        }
        entries
    }

    /// 100 incidents a week for a year, each of a workload and, nearly, an image of its own, with a
    /// retention of four weeks.
    #[test]
    fn the_store_of_a_busy_year_does_not_grow_without_end() {
        let folder = tempfile::tempdir().unwrap();
        let (path, key) = (
            folder.path().join("akeso.db"),
            folder.path().join("key.pem"),
        );
        let mut store = Store::open(&path, &key).unwrap();
        let mut chain = Chain::default();
        let mut sizes = Vec::new();
        for week in 0..52_u64 {
            let today = day(7 * week.cast_signed());
            let incidents = (0..100).map(|n| week * 100 + n);
            let facts = incidents.flat_map(|n| healed(n + 1, &format!("web:{}", n / 3)));
            let written: Vec<_> = facts.map(|fact| chain.append(fact, today)).collect();
            store.append(&written).unwrap();
            let cutoff = today - SignedDuration::from_hours(28 * 24);
            if let Some(segment) = store.oldest_before(cutoff).unwrap() {
                let sealed = entries(restore(&store).seal(&segment, today));
                for entry in &sealed {
                    assert_eq!(chain.append(entry.fact.clone(), today), *entry);
                }
                store.append(&sealed).unwrap();
            }
            sizes.push(std::fs::metadata(&path).unwrap().len());
        }
        let steady = &sizes[12..];
        let (least, most) = (steady.iter().min().unwrap(), steady.iter().max().unwrap());
        assert!(*most < least + least / 10, "{sizes:?}");
    }

    fn entries(effects: Vec<Effect>) -> Vec<Entry> {
        crate::commands::memory::entries(effects)
    }

    /// What an engine would write down of everything that it knows.
    fn knowledge(mut engine: Engine) -> Fact {
        let nothing = Segment {
            first: 1,
            last: 0,
            previous: String::new(),
            hash: String::new(),
        };
        entries(engine.seal(&nothing, day(99)))[0].fact.clone()
    }

    fn restore(store: &Store) -> Engine {
        let journal = store.journal().unwrap();
        Engine::restore_after(journal.sealed, Settings::default(), &journal.entries).unwrap()
    }

    #[test]
    fn what_is_pruned_is_gone_and_what_it_taught_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let (path, key) = (
            folder.path().join("akeso.db"),
            folder.path().join("key.pem"),
        );
        let mut store = Store::open(&path, &key).unwrap();
        store.append(&journal(10)).unwrap();
        let before = knowledge(restore(&store));
        for cutoff in [day(3), day(3), day(8)] {
            let mut engine = restore(&store);
            if let Some(segment) = store.oldest_before(cutoff).unwrap() {
                store
                    .append(&entries(engine.seal(&segment, day(11))))
                    .unwrap();
            }
            assert_eq!(knowledge(restore(&store)), before);
            assert_eq!(knowledge(engine), before);
        }
        let left = store.journal().unwrap();
        assert_eq!(left.entries[0].at, day(8));
        assert_eq!(left.sealed.seq(), 28);
        drop(store);

        let head = HeadFile::of(&path, &key);
        let public = crate::store::signing::PublicKey::of_signing_key(&key).unwrap();
        let reader = Reader::open(&path).unwrap();
        match verify(&reader, public.as_ref(), &head).unwrap() {
            Finding::Whole(whole) => assert_eq!(
                (
                    whole.entries,
                    whole.segments,
                    whole.sealed_through,
                    whole.has_head
                ),
                (14, 2, 28, true)
            ),
            Finding::Broken { seq, flaw } => panic!("entry {seq} {flaw}"),
        }
        // nor is it anywhere else in the file
        let raw = std::fs::read(&path).unwrap();
        let holds = |name: &[u8]| raw.windows(name.len()).any(|window| window == name);
        assert!(holds(b"web-9\"") && !holds(b"web-3\""));
    }

    #[test]
    fn everything_may_be_sealed_and_the_journal_goes_on() {
        let folder = tempfile::tempdir().unwrap();
        let (path, key) = (
            folder.path().join("akeso.db"),
            folder.path().join("key.pem"),
        );
        let mut store = Store::open(&path, &key).unwrap();
        store.append(&journal(2)).unwrap();
        let mut engine = restore(&store);
        let segment = store.oldest_before(day(9)).unwrap().unwrap();
        store
            .append(&entries(engine.seal(&segment, day(9))))
            .unwrap();
        drop(store);
        let store = Store::open(&path, &key).unwrap();
        assert_eq!(store.journal().unwrap().entries.len(), 1);
        // a checkpoint alone is not replaced by another
        assert_eq!(store.oldest_before(day(99)).unwrap(), None);
    }

    #[test]
    fn what_is_not_as_it_was_written_is_not_sealed() {
        let folder = tempfile::tempdir().unwrap();
        let (path, key) = (
            folder.path().join("akeso.db"),
            folder.path().join("key.pem"),
        );
        let mut store = Store::open(&path, &key).unwrap();
        store.append(&journal(3)).unwrap();
        let mut engine = restore(&store);
        let mut segment = store.oldest_before(day(2)).unwrap().unwrap();
        segment.hash = "0".repeat(64);
        let sealed = entries(engine.seal(&segment, day(9)));
        assert!(matches!(
            store.append(&sealed),
            Err(StoreError::Unsealable { through: 4 })
        ));
        assert_eq!(store.journal().unwrap().entries.len(), 12);
    }
}
