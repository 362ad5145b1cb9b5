//! Whatever is done to a store, verification finds it and names the first entry that is affected.

use std::{
    path::{Path, PathBuf},
    sync::LazyLock,
};

use akeso_core::{
    journal::{Chain, End, Entry, Fact},
    workload::{IncidentId, WorkloadKind, WorkloadRef},
};
use jiff::Timestamp;
use proptest::prelude::*;
use rusqlite::{Connection, params};
use tempfile::TempDir;

use super::*;
use crate::store::{Store, signing::Signer};

fn fact(n: u64) -> Fact {
    let incident = IncidentId(n.div_ceil(2));
    if n % 2 == 1 {
        let workload = WorkloadRef {
            kind: WorkloadKind::Deployment,
            namespace: "shop".to_owned(),
            name: format!("web-{n}"),
        };
        Fact::Opened {
            incident,
            workload,
            symptoms: Vec::new(),
            uid: None,
            was_well: false,
            good: None,
        }
    } else {
        Fact::Closed {
            incident,
            end: End::Healed,
        }
    }
}

fn append(chain: &mut Chain, count: u64) -> Vec<Entry> {
    let next = chain.seq() + 1;
    (next..next + count)
        .map(|n| chain.append(fact(n), Timestamp::UNIX_EPOCH))
        .collect()
}

fn sealed(chain: &mut Chain, last: &Entry) -> Entry {
    let fact = Fact::Sealed {
        through: last.seq,
        through_hash: last.hash.clone(),
        patterns: Vec::new(),
        standings: Vec::new(),
        articles: std::collections::BTreeMap::new(),
        store: None,
        last_incident: 0,
        last_attempt: 0,
    };
    chain.append(fact, Timestamp::UNIX_EPOCH)
}

/// A store, and where its key and head are.
#[derive(Debug)]
struct Case {
    folder: TempDir,
}

impl Case {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("keys")).unwrap();
        Self { folder }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("akeso.db")
    }

    fn key(&self) -> PathBuf {
        self.folder.path().join("keys/key.pem")
    }

    fn head(&self) -> HeadFile {
        HeadFile::of(&self.path(), &self.key())
    }

    fn open(&self) -> Store {
        Store::open(&self.path(), &self.key()).unwrap()
    }

    /// The same store once more.
    fn copy(&self) -> Self {
        let copy = Self::new();
        std::fs::copy(self.path(), copy.path()).unwrap();
        std::fs::copy(self.key(), copy.key()).unwrap();
        std::fs::copy(self.head().path(), copy.head().path()).unwrap();
        copy
    }

    fn verify(&self) -> Finding {
        let key = PublicKey::of_signing_key(&self.key()).unwrap();
        let reader = Reader::open(&self.path()).unwrap();
        verify(&reader, key.as_ref(), &self.head()).unwrap()
    }

    fn sql(&self) -> Connection {
        let connection = Connection::open(self.path()).unwrap();
        // what a test does to a store need not outlive a power failure
        connection
            .pragma_update(None, "synchronous", "OFF")
            .unwrap();
        connection
    }

    fn entry(&self, seq: u64) -> Entry {
        let entry = "SELECT entry FROM journal WHERE seq = ?1";
        let text: String = self
            .sql()
            .query_row(entry, [seq.cast_signed()], |row| row.get(0))
            .unwrap();
        serde_json::from_str(&text).unwrap()
    }

    /// As somebody would who has the store, and not the key.
    fn write(&self, row: u64, entry: &Entry) {
        let sql = "INSERT OR REPLACE INTO journal (seq, at, fact, incident, entry, signature)
            VALUES (?1, ?2, ?3, ?4, ?5, (SELECT signature FROM journal WHERE seq = ?1))";
        let json = serde_json::to_value(entry).unwrap();
        self.sql()
            .execute(
                sql,
                params![
                    row.cast_signed(),
                    entry.at.to_string(),
                    json["fact"].as_str().unwrap(),
                    entry.fact.incident().map(|incident| incident.to_string()),
                    canonical(json.clone())
                ],
            )
            .unwrap();
    }
}

/// Twelve entries.
static PLAIN: LazyLock<Case> = LazyLock::new(|| {
    let case = Case::new();
    case.open()
        .append(&append(&mut Chain::default(), 12))
        .unwrap();
    case
});
/// Two sealed segments, through 2 and 6, and the entries from 7 to 14; 13 and 14 seal.
static SEALED: LazyLock<Case> = LazyLock::new(|| {
    let case = Case::new();
    let mut store = case.open();
    let mut chain = Chain::default();
    let entries = append(&mut chain, 12);
    store.append(&entries).unwrap();
    for last in [&entries[1], &entries[5]] {
        let sealed = sealed(&mut chain, last);
        store.append(&[sealed]).unwrap();
    }
    case
});

/// A case, the first entry that is there, and the last.
fn any_store() -> impl Strategy<Value = (Case, u64, u64)> {
    any::<bool>().prop_map(|is_plain| {
        if is_plain {
            (PLAIN.copy(), 1, 12)
        } else {
            (SEALED.copy(), 7, 14)
        }
    })
}

/// A store, and the number of one of its entries.
fn any_entry() -> impl Strategy<Value = (Case, u64, u64)> {
    (any_store(), any::<prop::sample::Index>()).prop_map(|((case, first, last), index)| {
        let count = usize::try_from(last - first + 1).unwrap();
        (case, first + index.index(count) as u64, last)
    })
}

fn broken(case: &Case) -> (u64, Flaw) {
    match case.verify() {
        Finding::Broken { seq, flaw } => (seq, flaw),
        Finding::Whole(whole) => panic!("nothing was found: {whole:?}"),
    }
}

#[test]
fn a_store_that_nobody_touched_is_whole() {
    for (case, entries, segments) in [(PLAIN.copy(), 12, 0), (SEALED.copy(), 8, 2)] {
        match case.verify() {
            Finding::Whole(whole) => {
                assert_eq!((whole.entries, whole.segments), (entries, segments));
                assert!(whole.has_head && whole.unsigned == 0);
            }
            Finding::Broken { seq, flaw } => panic!("entry {seq} {flaw}"),
        }
        case.open(); // and is written on
    }
}

fn config() -> ProptestConfig {
    ProptestConfig::with_cases(16)
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn an_edited_character_of_an_entry_is_found((case, seq, _) in any_entry(), at in any::<prop::sample::Index>(), new in "[ -~]") {
        let mut text = canonical(serde_json::to_value(case.entry(seq)).unwrap());
        let at = at.index(text.len());
        prop_assume!(text.is_char_boundary(at) && text.is_char_boundary(at + 1) && text[at..=at] != new);
        text.replace_range(at..=at, &new);
        case.sql().execute("UPDATE journal SET entry = ?1 WHERE seq = ?2", params![text, seq.cast_signed()]).unwrap();
        let (found, flaw) = broken(&case);
        prop_assert_eq!((found, flaw.name()), (seq, "edited"));
    }

    #[test]
    fn an_edited_column_is_found((case, seq, _) in any_entry(), column in 0_usize..6, new in "[a-z0-9]{0,9}") {
        let columns = ["at", "fact", "incident", "entry", "signature", "seq"];
        let sql = match columns[column] {
            "signature" => "UPDATE journal SET signature = CAST(?1 AS BLOB) WHERE seq = ?2".to_owned(),
            "seq" => "UPDATE journal SET seq = seq + 100 + length(?1) WHERE seq = ?2".to_owned(),
            column => format!("UPDATE journal SET {column} = ?1 WHERE seq = ?2"),
        };
        case.sql().execute(&sql, params![new, seq.cast_signed()]).unwrap();
        let (found, flaw) = broken(&case);
        let named = ["edited", "edited", "edited", "edited", "wrong-signature", "moved"];
        prop_assert_eq!((found, flaw.name()), (seq, named[column]));
    }

    #[test]
    fn a_deleted_row_is_found((case, seq, last) in any_entry()) {
        case.sql().execute("DELETE FROM journal WHERE seq = ?1", [seq.cast_signed()]).unwrap();
        let (found, flaw) = broken(&case);
        prop_assert_eq!((found, flaw.name()), (seq, if seq == last { "cut-off" } else { "removed" }));
    }

    #[test]
    fn a_journal_that_was_cut_off_is_found_and_not_written_on((case, seq, _) in any_entry()) {
        case.sql().execute("DELETE FROM journal WHERE seq >= ?1", [seq.cast_signed()]).unwrap();
        let (found, flaw) = broken(&case);
        prop_assert_eq!((found, flaw.name()), (seq, "cut-off"));
        let error = Store::open(&case.path(), &case.key()).unwrap_err().to_string();
        prop_assert!(error.contains("akeso audit verify") && error.contains("delete"), "{}", error);
    }

    #[test]
    fn two_rows_that_were_swapped_are_found((case, one, last) in any_entry(), shift in 1_u64..8) {
        let other = one + shift;
        prop_assume!(other <= last);
        case.sql().execute_batch(&format!(
            "UPDATE journal SET seq = -1 WHERE seq = {one};
             UPDATE journal SET seq = {one} WHERE seq = {other};
             UPDATE journal SET seq = {other} WHERE seq = -1;"
        )).unwrap();
        prop_assert_eq!(broken(&case), (one, Flaw::Moved(other.cast_signed())));
    }

    #[test]
    fn a_copy_that_was_put_in_is_found((case, seq, last) in any_entry(), copied in any::<prop::sample::Index>(), is_at_end in any::<bool>()) {
        let first = if last == 12 { 1 } else { 7 };
        let copied = first + copied.index(usize::try_from(last - first + 1).unwrap()) as u64;
        prop_assume!(is_at_end || copied != seq); // a copy beside its original has an original in its place
        let place = if is_at_end { last + 1 } else { seq };
        let sql = case.sql();
        sql.execute_batch(&format!(
            "CREATE TEMP TABLE copy AS SELECT * FROM journal WHERE seq = {copied};
             UPDATE journal SET seq = -seq WHERE seq >= {place};
             UPDATE journal SET seq = 1 - seq WHERE seq < 0;
             INSERT INTO journal SELECT {place}, at, fact, incident, entry, signature FROM copy;"
        )).unwrap();
        let (found, flaw) = broken(&case);
        prop_assert_eq!((found, flaw.name()), (place, "inserted"));
    }

    #[test]
    fn an_entry_that_was_forged_without_the_key_is_found((case, _, last) in any_entry(), is_signed in any::<bool>()) {
        let mut chain = Chain::after(last, case.entry(last).hash);
        let forged = chain.append(fact(1), Timestamp::UNIX_EPOCH);
        case.write(last + 1, &forged);
        if is_signed {
            let other = Signer::load_or_make(&case.folder.path().join("other.pem")).unwrap();
            let signature = other.sign(Statement::Entry { hash: &forged.hash });
            case.sql().execute("UPDATE journal SET signature = ?1 WHERE seq = ?2", params![signature, (last + 1).cast_signed()]).unwrap();
        }
        let (found, flaw) = broken(&case);
        prop_assert_eq!((found, flaw.name()), (last + 1, if is_signed { "wrong-signature" } else { "not-signed" }));
        // nor is it acted on
        prop_assert!(Store::open(&case.path(), &case.key()).is_err());
    }

    #[test]
    fn a_history_that_was_rewritten_without_the_key_is_found((case, seq, last) in any_entry(), keeps_signatures in any::<bool>()) {
        let mut chain = Chain::after(seq - 1, case.entry(seq).previous);
        for row in seq..=last {
            let entry = case.entry(row);
            let fact = if row == seq { fact(row + 2) } else { entry.fact };
            case.write(row, &chain.append(fact, entry.at));
        }
        if !keeps_signatures {
            case.sql().execute("UPDATE journal SET signature = NULL", []).unwrap();
        }
        let (found, flaw) = broken(&case);
        // without any signature the first entry of all is to blame
        let expected = if keeps_signatures { (seq, "wrong-signature") } else { (if last == 12 { 1 } else { 7 }, "not-signed") };
        prop_assert_eq!((found, flaw.name()), expected);
        prop_assert!(Store::open(&case.path(), &case.key()).is_err());
    }

    #[test]
    fn a_signature_that_was_changed_or_taken_away_is_found((case, seq, _) in any_entry(), byte in 0_usize..64, is_removed in any::<bool>()) {
        let signature = "SELECT signature FROM journal WHERE seq = ?1";
        let mut signature: Vec<u8> = case.sql().query_row(signature, [seq.cast_signed()], |row| row.get(0)).unwrap();
        signature[byte] ^= 1;
        let signature = (!is_removed).then_some(signature);
        case.sql().execute("UPDATE journal SET signature = ?1 WHERE seq = ?2", params![signature, seq.cast_signed()]).unwrap();
        let (found, flaw) = broken(&case);
        // the oldest may be unsigned, but the head knows from where on they are signed
        prop_assert_eq!((found, flaw.name()), (seq, if is_removed { "not-signed" } else { "wrong-signature" }));
    }

    #[test]
    fn a_seal_that_was_changed_or_removed_is_found(which in 0_usize..2, column in 0_usize..6) {
        let case = SEALED.copy();
        let first = [1, 3][which];
        let change = ["first = first + 10", "last = last + 1", "previous = hash", "hash = previous", "signature = x'00'"];
        let sql = match change.get(column) {
            Some(change) => format!("UPDATE sealed SET {change} WHERE first = {first}"),
            None => format!("DELETE FROM sealed WHERE first = {first}"),
        };
        prop_assert_eq!(case.sql().execute(&sql, []).unwrap(), 1);
        let (found, flaw) = broken(&case);
        prop_assert_eq!(found, first);
        prop_assert_eq!(flaw.name(), if [0, 5].contains(&column) { "removed" } else { "bad-seal" });
    }
}

#[test]
fn an_older_copy_that_was_put_back_is_found() {
    let case = PLAIN.copy();
    let before = std::fs::read(case.path()).unwrap();
    let mut chain = Chain::after(12, case.entry(12).hash);
    case.open().append(&append(&mut chain, 3)).unwrap();
    std::fs::write(case.path(), before).unwrap();
    assert_eq!(broken(&case), (13, Flaw::CutOff(2)));
}

#[test]
fn a_store_ahead_of_its_head_is_whole() {
    let case = PLAIN.copy();
    let head = std::fs::read(case.head().path()).unwrap();
    let mut chain = Chain::after(12, case.entry(12).hash);
    case.open().append(&append(&mut chain, 3)).unwrap();
    std::fs::write(case.head().path(), head).unwrap();
    assert!(matches!(case.verify(), Finding::Whole(whole) if whole.entries == 15));
    case.open();
}

#[test]
fn another_key_is_refused_before_anything_is_written_with_it() {
    let case = PLAIN.copy();
    let other = case.folder.path().join("keys/other.pem");
    let refusal = |key: &Path| Store::open(&case.path(), key).unwrap_err().to_string();
    assert!(refusal(&other).contains("--signing-key"));
    std::fs::remove_file(case.head().path()).unwrap();
    assert!(refusal(&other).contains("--signing-key"));
    case.open();
}

#[test]
fn a_head_that_cannot_be_written_stops_nothing() {
    let case = PLAIN.copy();
    let mut store = case.open();
    std::fs::remove_file(case.head().path()).unwrap();
    std::fs::create_dir(case.head().path()).unwrap();
    let mut chain = Chain::after(12, case.entry(12).hash);
    store.append(&append(&mut chain, 1)).unwrap();
    assert_eq!(store.journal().unwrap().entries.len(), 13);
}

#[test]
fn a_store_from_before_there_were_signatures_is_read_pinned_and_written_on() {
    let case = Case::new();
    let mut old = case.sql();
    crate::store::migrations::migrations::runner()
        .set_target(refinery::Target::Version(1))
        .run(&mut old)
        .unwrap();
    let mut chain = Chain::default();
    for entry in append(&mut chain, 4) {
        let json = serde_json::to_value(&entry).unwrap();
        let incident = entry.fact.incident().map(|incident| incident.to_string());
        old.execute(
            "INSERT INTO journal (seq, at, fact, incident, entry) VALUES (?1, ?2, ?3, ?4, ?5)",
            params![
                entry.seq.cast_signed(),
                entry.at.to_string(),
                json["fact"].as_str(),
                incident,
                json.to_string()
            ],
        )
        .unwrap();
    }
    drop(old);
    let unsigned = |case: &Case| match case.verify() {
        Finding::Whole(whole) => (whole.entries, whole.unsigned, whole.has_head),
        Finding::Broken { seq, flaw } => panic!("entry {seq} {flaw}"),
    };
    assert_eq!(unsigned(&case), (4, 4, false));
    case.open();
    assert_eq!(unsigned(&case), (4, 4, true));
    case.open().append(&append(&mut chain, 2)).unwrap();
    assert_eq!(unsigned(&case), (6, 4, true));
    // from here on nobody can say that it was never signed
    case.sql()
        .execute("UPDATE journal SET signature = NULL", [])
        .unwrap();
    assert_eq!(broken(&case), (5, Flaw::NotSigned));
}

#[test]
fn a_signed_journal_without_a_key_to_verify_it_is_an_error() {
    let case = PLAIN.copy();
    let reader = Reader::open(&case.path()).unwrap();
    let verified = verify(&reader, None, &case.head());
    assert!(matches!(verified, Err(VerifyError::NoKey)));
}

#[test]
fn an_edit_that_changes_no_meaning_is_one_all_the_same() {
    for change in [
        "replace(entry, ',\"', ', \"')",
        "replace(entry, '{\"at\"', '{\"at\":\"1999-01-01T00:00:00Z\",\"at\"')",
        "entry || ' '",
    ] {
        let case = PLAIN.copy();
        let sql = format!("UPDATE journal SET entry = {change} WHERE seq = 5");
        case.sql().execute(&sql, []).unwrap();
        let (found, flaw) = broken(&case);
        assert_eq!((found, flaw.name()), (5, "edited"), "{change}");
    }
}

/// A journal of as many entries that the same key has signed, and that tells something else.
fn another_journal(case: &Case) -> Case {
    let other = Case::new();
    std::fs::copy(case.key(), other.key()).unwrap();
    let mut chain = Chain::default();
    let entries: Vec<_> = (0..12)
        .map(|n| chain.append(fact(n + 21), Timestamp::UNIX_EPOCH))
        .collect();
    other.open().append(&entries).unwrap();
    other
}

#[test]
fn an_entry_of_another_journal_with_the_same_key_is_found() {
    let case = PLAIN.copy();
    let other = another_journal(&case);
    let sql = format!(
        "ATTACH '{}' AS other;
         DELETE FROM main.journal WHERE seq = 4;
         INSERT INTO main.journal SELECT * FROM other.journal WHERE seq = 4;",
        other.path().display()
    );
    case.sql().execute_batch(&sql).unwrap();
    let (found, flaw) = broken(&case);
    assert_eq!((found, flaw.name()), (4, "edited"));
}

#[test]
fn another_journal_with_the_same_key_is_found_by_its_head() {
    let case = PLAIN.copy();
    std::fs::copy(another_journal(&case).path(), case.path()).unwrap();
    let (found, flaw) = broken(&case);
    assert_eq!((found, flaw.name()), (12, "other-head"));
    let error = Store::open(&case.path(), &case.key()).unwrap_err();
    assert!(error.to_string().contains("entry 12"), "{error}");
}

#[test]
fn a_seal_of_another_journal_with_the_same_key_is_found() {
    let case = SEALED.copy();
    let segment = Segment {
        first: 1,
        last: 2,
        previous: "0".repeat(64),
        hash: "1".repeat(64),
    };
    let signer = Signer::load_or_make(&case.key()).unwrap();
    let sql = "UPDATE sealed SET hash = ?1, signature = ?2 WHERE first = 1";
    let signature = signer.sign(Statement::Sealed(&segment));
    case.sql()
        .execute(sql, params![segment.hash, signature])
        .unwrap();
    let (found, flaw) = broken(&case);
    assert_eq!((found, flaw.name()), (3, "bad-seal"));
}

#[test]
fn sealed_entries_that_were_put_back_are_found() {
    let case = Case::new();
    let mut chain = Chain::default();
    let mut store = case.open();
    let entries = append(&mut chain, 4);
    store.append(&entries).unwrap();
    case.sql()
        .execute_batch("CREATE TABLE kept AS SELECT * FROM journal")
        .unwrap();
    store.append(&[sealed(&mut chain, &entries[1])]).unwrap();
    drop(store);
    case.sql()
        .execute_batch("INSERT INTO journal SELECT * FROM kept WHERE seq <= 2; DELETE FROM sealed;")
        .unwrap();
    let (found, flaw) = broken(&case);
    assert_eq!((found, flaw.name()), (2, "bad-seal"));
}

#[test]
fn a_head_that_was_edited_is_found() {
    let case = PLAIN.copy();
    case.sql()
        .execute("DELETE FROM journal WHERE seq = 12", [])
        .unwrap();
    let head = std::fs::read_to_string(case.head().path()).unwrap();
    let (before, after) = (case.entry(11).hash, "\"seq\":11");
    let hash = head.split('"').nth(7).unwrap();
    let forged = head.replace(hash, &before).replace("\"seq\":12", after);
    assert_ne!(forged, head);
    std::fs::write(case.head().path(), forged).unwrap();
    let (found, flaw) = broken(&case);
    assert_eq!((found, flaw.name()), (11, "other-head"));
    assert!(Store::open(&case.path(), &case.key()).is_err());
}

#[test]
fn an_unsigned_history_that_was_rewritten_is_found_where_the_signatures_begin() {
    let case = PLAIN.copy();
    case.sql()
        .execute("UPDATE journal SET signature = NULL WHERE seq <= 4", [])
        .unwrap();
    std::fs::remove_file(case.head().path()).unwrap();
    case.open(); // from here on only what is behind entry 4 is said to be signed
    assert!(matches!(case.verify(), Finding::Whole(whole) if whole.unsigned == 4));
    let mut chain = Chain::after(1, case.entry(1).hash);
    for row in 2..=4 {
        let entry = chain.append(fact(row + 2), Timestamp::UNIX_EPOCH);
        case.write(row, &entry);
    }
    let (found, flaw) = broken(&case);
    assert_eq!((found, flaw.name()), (5, "edited"));
}

#[test]
fn a_history_that_was_rewritten_under_a_running_program_is_not_sealed() {
    let case = PLAIN.copy();
    let mut store = case.open();
    let mut chain = Chain::after(1, case.entry(1).hash);
    for row in 2..=12 {
        let entry = chain.append(fact(row + 2), Timestamp::UNIX_EPOCH);
        case.write(row, &entry);
    }
    let rewritten = case.entry(6);
    let error = store.append(&[sealed(&mut chain, &rewritten)]);
    assert!(matches!(error, Err(StoreError::Unsealable { through: 6 })));
}
