//! The store: the journal in a SQLite file, appended to, signed and read back, never changed. Only
//! retention takes entries out, and leaves a signed seal in their place.

mod file;
mod head;
mod reader;
mod requests;
mod seal;
pub mod signing;
pub mod verify;

use std::{
    fs::File,
    path::{Path, PathBuf},
};

use akeso_core::{
    journal::{Entry, Fact, canonical},
    retention::Segment,
};
use jiff::Timestamp;
use rusqlite::{Connection, OpenFlags, params};

pub use file::{default_path, is_written};
pub use head::HeadFile;
pub use reader::{Journal, Reader};
pub use requests::{Pending, Requests, Wish};

use head::Head;
use signing::{KeyError, Signer, Statement};

mod migrations {
    refinery::embed_migrations!("src/store/migrations");
}

/// Why the store cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Another process writes to it.
    #[error("the store {path} is in use by another akeso; stop that one, or give this one another --store", path = .0.display())]
    Locked(PathBuf),
    /// There is none.
    #[error("there is no store at {path}; `akeso monitor` makes one, or name another with --store", path = .0.display())]
    Missing(PathBuf),
    /// It cannot be opened.
    #[error("the store {path} cannot be opened: {why}; check the path and its permissions, or give another --store", path = .path.display())]
    Unusable {
        /// Where.
        path: PathBuf,
        /// Why.
        why: String,
    },
    /// It is no store, or damaged.
    #[error("the store {path} is damaged or no akeso store: {why}; it is left as it is: move it away, or give another --store", path = .path.display())]
    Corrupt {
        /// Where.
        path: PathBuf,
        /// Why.
        why: String,
    },
    /// Its journal is not what was written.
    #[error("the journal in {path} is not what akeso wrote: {why}; `akeso audit verify` shows where. It is left as it is: put it right, or give another --store", path = .path.display())]
    Tampered {
        /// Where.
        path: PathBuf,
        /// Why.
        why: String,
    },
    /// What is to be signed cannot be.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// It cannot be written.
    #[error("the store cannot be written: {0}")]
    Unwritable(#[from] rusqlite::Error),
    /// What retention would take out is not there as it was.
    #[error(
        "the entries through {through} cannot be sealed: they are not what akeso wrote; `akeso audit verify` shows where"
    )]
    Unsealable {
        /// The last of them.
        through: u64,
    },
}

/// An open store that is written to.
#[derive(Debug)]
pub struct Store {
    reader: Reader,
    signer: Signer,
    head: HeadFile,
    signed_from: u64,
    /// A warning that was given is not repeated with every entry.
    head_fails: bool,
    /// Held, not read: the lock ends with the process, however it ends.
    _lock: File,
}

impl Store {
    /// Opens a store for writing, and makes it, and the signing key at `key`, where there is none.
    /// Only one process can. A journal that goes less far than its head says, or another way, is
    /// refused: to write on would cover the traces.
    pub fn open(path: &Path, key: &Path) -> Result<Self, StoreError> {
        let unusable = |why: &dyn std::fmt::Display| StoreError::Unusable {
            path: path.to_owned(),
            why: why.to_string(),
        };
        std::fs::create_dir_all(signing::folder_of(path)).map_err(|e| unusable(&e))?;
        file::check_is_ours(path)?;
        let lock = file::lock(path)?;
        let signer = Signer::load_or_make(key)?;
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
            | OpenFlags::SQLITE_OPEN_CREATE
            | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let mut connection = Connection::open_with_flags(path, flags).map_err(|e| unusable(&e))?;
        file::restrict(path).map_err(|e| unusable(&e))?;
        let corrupt = |why: &dyn std::fmt::Display| StoreError::Corrupt {
            path: path.to_owned(),
            why: why.to_string(),
        };
        connection
            .pragma_update(None, "journal_mode", "WAL")
            .map_err(|e| corrupt(&e))?;
        // an intent must have reached the disk before the change is made, even if the power fails
        connection
            .pragma_update(None, "synchronous", "FULL")
            .map_err(|e| corrupt(&e))?;
        // what retention takes out is gone from the file as well
        connection
            .pragma_update(None, "secure_delete", true)
            .map_err(|e| corrupt(&e))?;
        migrations::migrations::runner()
            .run(&mut connection)
            .map_err(|e| corrupt(&e))?;
        let reader = Reader::over(path, connection);
        let head = HeadFile::of(path, key);
        let signed_from = begin(&reader, &head, &signer, key)?;
        Ok(Self {
            reader,
            signer,
            head,
            signed_from,
            head_fails: false,
            _lock: lock,
        })
    }

    /// The journal, its chain followed.
    pub fn journal(&self) -> Result<Journal, StoreError> {
        self.reader.journal()
    }

    /// The longest beginning of the journal that is older than `cutoff` and may be taken out.
    pub fn oldest_before(&self, cutoff: Timestamp) -> Result<Option<Segment>, StoreError> {
        self.reader.oldest_before(cutoff)
    }

    /// Has every write fail, as a full disk does.
    #[cfg(test)]
    pub fn refuse_writes(&self, refuse: bool) {
        self.reader
            .connection
            .pragma_update(None, "query_only", refuse)
            .unwrap();
    }

    /// Appends entries; they are on disk when this returns. An entry that seals others takes them
    /// out in the same moment.
    pub fn append(&mut self, entries: &[Entry]) -> Result<(), StoreError> {
        let transaction = self.reader.connection.transaction()?;
        let mut has_sealed = false;
        for entry in entries {
            if let Fact::Sealed {
                through,
                through_hash,
                ..
            } = &entry.fact
            {
                seal::take_out(
                    &transaction,
                    *through,
                    through_hash,
                    self.signed_from,
                    &self.signer,
                )?;
                has_sealed = true;
            }
            insert(&transaction, entry, &self.signer)?;
        }
        transaction.commit()?;
        if has_sealed {
            seal::truncate_log(&self.reader.connection);
        }
        if let Some(last) = entries.last() {
            self.advance_head(last.seq, last.hash.clone());
        }
        Ok(())
    }

    /// What was done is in the journal: a head that stays behind hides a removal from the end, and
    /// is no reason to stop healing.
    fn advance_head(&mut self, seq: u64, hash: String) {
        let head = Head::new(self.signed_from, seq, hash, &self.signer);
        let result = self.head.write(&head);
        if let Err(error) = &result
            && !self.head_fails
        {
            tracing::warn!(
                "the head {} cannot be written: {error}; until it can be, `akeso audit verify` does not see when the newest entries are removed",
                self.head.path().display()
            );
        }
        self.head_fails = result.is_err();
    }
}

fn insert(connection: &Connection, entry: &Entry, signer: &Signer) -> Result<(), StoreError> {
    let mut insert = connection.prepare_cached(
        "INSERT INTO journal (seq, at, fact, incident, entry, signature) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
    )?;
    let json = serde_json::to_value(entry)
        .map_err(|e| rusqlite::Error::ToSqlConversionFailure(e.into()))?;
    let fact = json.get("fact").and_then(serde_json::Value::as_str);
    insert.execute(params![
        entry.seq.cast_signed(),
        entry.at.to_string(),
        fact.unwrap_or_default().to_owned(),
        entry.fact.incident().map(|incident| incident.to_string()),
        canonical(json),
        signer.sign(Statement::Entry { hash: &entry.hash }),
    ])?;
    Ok(())
}

/// Checks what is there against its head before anything is added to it. Says from where on every
/// entry is signed.
fn begin(reader: &Reader, file: &HeadFile, signer: &Signer, key: &Path) -> Result<u64, StoreError> {
    let tampered = |why: String| StoreError::Tampered {
        path: reader.path().to_owned(),
        why,
    };
    let key = key.display();
    let other_key = |what: &str| {
        tampered(format!(
            "{what} is not signed with {key} (if it is of another key, name that with --signing-key)"
        ))
    };
    let (last, hash) = reader.end()?;
    let place = file.path().display();
    let Some(head) = file.read().map_err(&tampered)? else {
        let signed_from = reader.first_signed()?.unwrap_or(last + 1);
        if let Some(seq) = reader.unsigned_behind(signed_from - 1, &signer.public())? {
            return Err(other_key(&format!("entry {seq}")));
        }
        // pins what was written before there were signatures
        if last > 0
            && let Err(error) = file.write(&Head::new(signed_from, last, hash, signer))
        {
            tracing::warn!("the head {place} cannot be written: {error}");
        }
        return Ok(signed_from);
    };
    if !head.is_signed_by(&signer.public()) {
        return Err(other_key(&format!("the head {place}")));
    }
    if last < head.seq {
        return Err(tampered(format!(
            "it ends at entry {last}, and once went to entry {}: its end was cut off (if that was you, or you put an older copy back, delete {place})",
            head.seq
        )));
    }
    let found = reader.hash_at(head.seq)?;
    // where there is none, it was sealed since, and the seal is signed
    if found.is_some_and(|found| found != head.hash) {
        return Err(tampered(format!(
            "entry {} is not the one that was signed",
            head.seq
        )));
    }
    // the head vouches for what is before it; what is behind it must vouch for itself
    match reader.unsigned_behind(head.seq, &signer.public())? {
        Some(seq) => Err(other_key(&format!("entry {seq}"))),
        None => Ok(head.signed_from),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::PathBuf;

    fn key(folder: &tempfile::TempDir) -> PathBuf {
        folder.path().join("key.pem")
    }
    use akeso_core::{
        journal::{Chain, End, Fact},
        workload::IncidentId,
    };

    fn entries(count: u64) -> Vec<Entry> {
        let mut chain = Chain::default();
        let fact = |n| Fact::Closed {
            incident: IncidentId(n),
            end: End::Healed,
        };
        (0..count)
            .map(|n| chain.append(fact(n), jiff::Timestamp::UNIX_EPOCH))
            .collect()
    }

    #[test]
    fn what_is_appended_is_read_back_after_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deep/akeso.db");
        Store::open(&path, &key(&folder))
            .unwrap()
            .append(&entries(3))
            .unwrap();
        let again = Store::open(&path, &key(&folder)).unwrap();
        assert_eq!(again.journal().unwrap().entries, entries(3));
    }

    #[test]
    fn only_one_process_writes_while_others_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("akeso.db");
        let mut writer = Store::open(&path, &key(&folder)).unwrap();
        assert!(matches!(
            Store::open(&path, &key(&folder)),
            Err(StoreError::Locked(_))
        ));
        writer.append(&entries(2)).unwrap();
        assert_eq!(
            Reader::open(&path)
                .unwrap()
                .journal()
                .unwrap()
                .entries
                .len(),
            2
        );
    }

    #[test]
    fn a_file_that_is_no_store_is_left_as_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notes.txt");
        std::fs::write(
            &path,
            "these are my notes, and they are long enough to be read as a header",
        )
        .unwrap();
        let before = std::fs::read(&path).unwrap();
        assert!(matches!(
            Store::open(&path, &key(&folder)),
            Err(StoreError::Corrupt { .. })
        ));
        assert_eq!(std::fs::read(&path).unwrap(), before);
    }

    #[test]
    fn another_programs_database_is_left_as_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("theirs.db");
        Connection::open(&path)
            .unwrap()
            .execute("CREATE TABLE theirs (id INTEGER)", [])
            .unwrap();
        let before = std::fs::read(&path).unwrap();
        assert!(matches!(
            Store::open(&path, &key(&folder)),
            Err(StoreError::Corrupt { .. })
        ));
        assert_eq!(std::fs::read(&path).unwrap(), before);
    }

    #[test]
    fn an_edited_entry_is_found_when_the_store_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("akeso.db");
        let mut store = Store::open(&path, &key(&folder)).unwrap();
        store.append(&entries(3)).unwrap();
        store
            .reader
            .connection
            .execute(
                "UPDATE journal SET entry = replace(entry, 'incident-1', 'incident-9')",
                [],
            )
            .unwrap();
        let error = store.journal().unwrap_err().to_string();
        assert!(error.contains("entry 2") && error.contains("akeso audit verify"));
    }
}
