//! The store: the journal in a SQLite file, appended to and read back, never changed.

use std::{
    fs::{File, OpenOptions, TryLockError},
    path::{Path, PathBuf},
};

use akeso_core::journal::{Broken, Entry};
use rusqlite::{Connection, OpenFlags, params};

mod requests;

pub use requests::{Pending, Requests, Wish};

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
    /// It cannot be written.
    #[error("the store cannot be written: {0}")]
    Unwritable(#[from] rusqlite::Error),
}

/// An open store.
#[derive(Debug)]
pub struct Store {
    path: PathBuf,
    connection: Connection,
    /// Held, not read: the lock ends with the process, however it ends.
    _lock: Option<File>,
}

impl Store {
    /// Opens a store for writing, and makes it where there is none. Only one process can.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let unusable = |why: &dyn std::fmt::Display| StoreError::Unusable {
            path: path.to_owned(),
            why: why.to_string(),
        };
        if let Some(folder) = path
            .parent()
            .filter(|folder| !folder.as_os_str().is_empty())
        {
            std::fs::create_dir_all(folder).map_err(|e| unusable(&e))?;
        }
        check_is_ours(path)?;
        let lock = lock(path)?;
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
            | OpenFlags::SQLITE_OPEN_CREATE
            | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let mut connection = Connection::open_with_flags(path, flags).map_err(|e| unusable(&e))?;
        restrict(path).map_err(|e| unusable(&e))?;
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
        migrations::migrations::runner()
            .run(&mut connection)
            .map_err(|e| corrupt(&e))?;
        Ok(Self {
            path: path.to_owned(),
            connection,
            _lock: Some(lock),
        })
    }

    /// Opens a store for reading, beside whoever writes to it.
    pub fn read(path: &Path) -> Result<Self, StoreError> {
        if !path.exists() {
            return Err(StoreError::Missing(path.to_owned()));
        }
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection =
            Connection::open_with_flags(path, flags).map_err(|e| StoreError::Unusable {
                path: path.to_owned(),
                why: e.to_string(),
            })?;
        Ok(Self {
            path: path.to_owned(),
            connection,
            _lock: None,
        })
    }

    /// Every entry, in order, its chain followed.
    pub fn entries(&self) -> Result<Vec<Entry>, StoreError> {
        let corrupt = |why: String| StoreError::Corrupt {
            path: self.path.clone(),
            why,
        };
        let mut statement = self
            .connection
            .prepare("SELECT entry FROM journal ORDER BY seq")
            .map_err(|e| corrupt(e.to_string()))?;
        let rows = statement
            .query_map([], |row| row.get::<_, String>(0))
            .map_err(|e| corrupt(e.to_string()))?;
        let mut chain = akeso_core::journal::Chain::default();
        let mut entries = Vec::new();
        for row in rows {
            let text = row.map_err(|e| corrupt(e.to_string()))?;
            let entry: Entry = serde_json::from_str(&text)
                .map_err(|e| corrupt(format!("entry {}: {e}", entries.len() + 1)))?;
            chain
                .follow(&entry)
                .map_err(|broken: Broken| corrupt(broken.to_string()))?;
            entries.push(entry);
        }
        Ok(entries)
    }

    /// Has every write fail, as a full disk does.
    #[cfg(test)]
    pub fn refuse_writes(&self, refuse: bool) {
        self.connection
            .pragma_update(None, "query_only", refuse)
            .unwrap();
    }

    /// Appends entries; they are on disk when this returns.
    pub fn append(&mut self, entries: &[Entry]) -> Result<(), StoreError> {
        let transaction = self.connection.transaction()?;
        {
            let mut insert = transaction.prepare_cached(
                "INSERT INTO journal (seq, at, fact, incident, entry) VALUES (?1, ?2, ?3, ?4, ?5)",
            )?;
            for entry in entries {
                let json = serde_json::to_value(entry)
                    .map_err(|e| rusqlite::Error::ToSqlConversionFailure(e.into()))?;
                let fact = json
                    .get("fact")
                    .and_then(serde_json::Value::as_str)
                    .unwrap_or_default();
                let incident = entry.fact.incident().map(|incident| incident.to_string());
                insert.execute(params![
                    entry.seq.cast_signed(),
                    entry.at.to_string(),
                    fact,
                    incident,
                    json.to_string()
                ])?;
            }
        }
        transaction.commit()?;
        Ok(())
    }
}

/// Refuses a file that is there and is something else, before anything of it is touched.
fn check_is_ours(path: &Path) -> Result<(), StoreError> {
    let corrupt = |why: String| StoreError::Corrupt {
        path: path.to_owned(),
        why,
    };
    if std::fs::metadata(path).is_ok_and(|file| file.len() > 0) {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let tables: i64 = Connection::open_with_flags(path, flags)
            .and_then(|connection| {
                let ours = "SELECT count(*) FROM sqlite_master WHERE name = 'journal'";
                connection.query_row(ours, [], |row| row.get(0))
            })
            .map_err(|error| corrupt(error.to_string()))?;
        if tables == 0 {
            return Err(corrupt("it has no journal".to_owned()));
        }
    }
    Ok(())
}

fn lock(path: &Path) -> Result<File, StoreError> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(".lock");
    let unusable = |e: std::io::Error| StoreError::Unusable {
        path: path.to_owned(),
        why: e.to_string(),
    };
    let file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(beside)
        .map_err(unusable)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(StoreError::Locked(path.to_owned())),
        Err(TryLockError::Error(error)) => Err(unusable(error)),
    }
}

/// The journal holds specs of workloads: it is for its owner's eyes.
fn restrict(path: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))
}

/// Where the store is unless `--store` says otherwise: one for each cluster, named by its context,
/// in `$XDG_STATE_HOME/akeso` or `~/.local/state/akeso`.
pub fn default_path(context: &str) -> PathBuf {
    let state = std::env::var_os("XDG_STATE_HOME")
        .map(PathBuf::from)
        .filter(|path| path.is_absolute());
    let folder = state
        .or_else(|| std::env::var_os("HOME").map(|home| Path::new(&home).join(".local/state")))
        .unwrap_or_else(|| PathBuf::from("/var/lib"));
    let name: String = context
        .chars()
        .map(|c| {
            if c.is_ascii_alphanumeric() || "-_.".contains(c) {
                c
            } else {
                '_'
            }
        })
        .collect();
    folder.join("akeso").join(format!("{name}.db"))
}

#[cfg(test)]
mod tests {
    use super::*;
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
        Store::open(&path).unwrap().append(&entries(3)).unwrap();
        assert_eq!(Store::open(&path).unwrap().entries().unwrap(), entries(3));
    }

    #[test]
    fn only_one_process_writes_while_others_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("akeso.db");
        let mut writer = Store::open(&path).unwrap();
        assert!(matches!(Store::open(&path), Err(StoreError::Locked(_))));
        writer.append(&entries(2)).unwrap();
        assert_eq!(Store::read(&path).unwrap().entries().unwrap().len(), 2);
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
            Store::open(&path),
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
            Store::open(&path),
            Err(StoreError::Corrupt { .. })
        ));
        assert_eq!(std::fs::read(&path).unwrap(), before);
    }

    #[test]
    fn an_edited_entry_is_found_when_the_store_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("akeso.db");
        let mut store = Store::open(&path).unwrap();
        store.append(&entries(3)).unwrap();
        store
            .connection
            .execute(
                "UPDATE journal SET entry = replace(entry, 'incident-1', 'incident-9')",
                [],
            )
            .unwrap();
        let error = store.entries().unwrap_err().to_string();
        assert!(error.contains("entry 2"), "{error}");
    }
}
