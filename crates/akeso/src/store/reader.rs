//! Reading: the journal as it was written, its chain followed, beside whoever writes to it.

use std::path::{Path, PathBuf};

use akeso_core::{
    journal::{Chain, Entry},
    retention::{Search, Segment},
};
use jiff::Timestamp;
use rusqlite::{Connection, OpenFlags, OptionalExtension};

use super::{
    StoreError,
    signing::{PublicKey, Statement},
};

/// A journal, read back.
#[derive(Debug, Default)]
pub struct Journal {
    /// The chain behind what retention took out, where the entries begin.
    pub sealed: Chain,
    /// The entries that are there.
    pub entries: Vec<Entry>,
}

/// An open store that is read.
#[derive(Debug)]
pub struct Reader {
    path: PathBuf,
    pub(super) connection: Connection,
}

impl Reader {
    /// Opens a store for reading.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        if !path.exists() {
            return Err(StoreError::Missing(path.to_owned()));
        }
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection =
            Connection::open_with_flags(path, flags).map_err(|e| StoreError::Unusable {
                path: path.to_owned(),
                why: e.to_string(),
            })?;
        Ok(Self::over(path, connection))
    }

    pub(super) fn over(path: &Path, connection: Connection) -> Self {
        Self {
            path: path.to_owned(),
            connection,
        }
    }

    /// Where the store is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The journal.
    pub fn journal(&self) -> Result<Journal, StoreError> {
        let mut entries = Vec::new();
        let sealed = self.walk(|entry| entries.push(entry))?;
        Ok(Journal { sealed, entries })
    }

    /// The longest beginning of the journal that is older than `cutoff` and may be taken out.
    pub fn oldest_before(&self, cutoff: Timestamp) -> Result<Option<Segment>, StoreError> {
        let first = "SELECT at FROM journal ORDER BY seq LIMIT 1";
        let first: Option<String> = self
            .connection
            .query_row(first, [], |row| row.get(0))
            .optional()
            .map_err(|error| self.corrupt(&error))?;
        // on most days nothing is old enough, and the journal need not be read
        let is_old = |at: &String| at.parse().is_ok_and(|at: Timestamp| at < cutoff);
        if !first.as_ref().is_some_and(is_old) {
            return Ok(None);
        }
        let mut search = Search::before(cutoff);
        self.walk(|entry| search.see(&entry))?;
        Ok(search.segment())
    }

    /// Shows every entry, in order, its chain followed. Says where the chain begins.
    fn walk(&self, mut see: impl FnMut(Entry)) -> Result<Chain, StoreError> {
        let corrupt = |error: rusqlite::Error| self.corrupt(&error);
        // one moment of a store that somebody may be writing to
        let _moment = self.connection.unchecked_transaction().map_err(corrupt)?;
        let start = self.start()?;
        let mut chain = start.clone();
        let mut statement = self
            .connection
            .prepare("SELECT entry FROM journal ORDER BY seq")
            .map_err(corrupt)?;
        let mut rows = statement.query([]).map_err(corrupt)?;
        while let Some(row) = rows.next().map_err(corrupt)? {
            let tampered = |why: String| StoreError::Tampered {
                path: self.path.clone(),
                why,
            };
            let unreadable = |why: &dyn std::fmt::Display| {
                tampered(format!("entry {} cannot be read: {why}", chain.seq() + 1))
            };
            let text: String = row.get(0).map_err(|e| unreadable(&e))?;
            let entry: Entry = serde_json::from_str(&text).map_err(|e| unreadable(&e))?;
            chain.follow(&entry).map_err(|e| tampered(e.to_string()))?;
            see(entry);
        }
        Ok(start)
    }

    /// The chain behind the last sealed segment.
    fn start(&self) -> Result<Chain, StoreError> {
        if !self.has_seals()? {
            return Ok(Chain::default());
        }
        let last = "SELECT last, hash FROM sealed ORDER BY first DESC LIMIT 1";
        let chain = self
            .connection
            .query_row(last, [], |row| Ok((row.get::<_, i64>(0)?, row.get(1)?)))
            .optional()
            .map_err(|error| self.corrupt(&error))?;
        Ok(chain.map_or_else(Chain::default, |(seq, hash)| {
            Chain::after(seq.cast_unsigned(), hash)
        }))
    }

    /// Whether the store is of a version that seals and signs: who only reads does not migrate.
    pub(super) fn has_seals(&self) -> Result<bool, StoreError> {
        let seals = "SELECT count(*) > 0 FROM sqlite_master WHERE name = 'sealed'";
        self.connection
            .query_row(seals, [], |row| row.get(0))
            .map_err(|error| self.corrupt(&error))
    }

    /// The number and the hash of the last entry.
    pub(super) fn end(&self) -> Result<(u64, String), StoreError> {
        let last = self
            .connection
            .query_row("SELECT max(seq) FROM journal", [], |row| {
                row.get::<_, Option<i64>>(0)
            })
            .map_err(|error| self.corrupt(&error))?;
        if let Some(last) = last.map(i64::cast_unsigned) {
            return Ok((last, self.hash_at(last)?.unwrap_or_default()));
        }
        let start = self.start()?;
        Ok((start.seq(), start.hash().to_owned()))
    }

    /// The hash of an entry, or of a segment that ends with it.
    pub(super) fn hash_at(&self, seq: u64) -> Result<Option<String>, StoreError> {
        let query = |sql: &str| {
            self.connection
                .query_row(sql, [seq.cast_signed()], |row| row.get::<_, String>(0))
                .optional()
                .map_err(|error| self.corrupt(&error))
        };
        match query("SELECT entry FROM journal WHERE seq = ?1")? {
            Some(entry) => Ok(Some(written_hash(&entry))),
            None => query("SELECT hash FROM sealed WHERE last = ?1"),
        }
    }

    /// The first entry behind `seq` that is not signed with `key`.
    pub(super) fn unsigned_behind(
        &self,
        seq: u64,
        key: &PublicKey,
    ) -> Result<Option<u64>, StoreError> {
        let corrupt = |error: rusqlite::Error| self.corrupt(&error);
        let mut statement = self
            .connection
            .prepare("SELECT seq, entry, signature FROM journal WHERE seq > ?1 ORDER BY seq")
            .map_err(corrupt)?;
        let mut rows = statement.query([seq.cast_signed()]).map_err(corrupt)?;
        while let Some(row) = rows.next().map_err(corrupt)? {
            let seq: i64 = row.get(0).map_err(corrupt)?;
            let entry: String = row.get(1).map_err(corrupt)?;
            let signature: Option<Vec<u8>> = row.get(2).map_err(corrupt)?;
            let hash = written_hash(&entry);
            let statement = Statement::Entry { hash: &hash };
            if !signature.is_some_and(|signature| key.verifies(statement, &signature)) {
                return Ok(Some(seq.cast_unsigned()));
            }
        }
        Ok(None)
    }

    /// The first entry that has a signature.
    pub(super) fn first_signed(&self) -> Result<Option<u64>, StoreError> {
        let first = "SELECT min(seq) FROM journal WHERE signature IS NOT NULL";
        self.connection
            .query_row(first, [], |row| row.get::<_, Option<i64>>(0))
            .map(|seq| seq.map(i64::cast_unsigned))
            .map_err(|error| self.corrupt(&error))
    }

    pub(super) fn corrupt(&self, error: &rusqlite::Error) -> StoreError {
        StoreError::Corrupt {
            path: self.path.clone(),
            why: error.to_string(),
        }
    }
}

/// The hash that an entry says it has, as whoever parses the entry reads it; nothing if it cannot
/// be read.
fn written_hash(entry: &str) -> String {
    let value = serde_json::from_str::<serde_json::Value>(entry).unwrap_or_default();
    let hash = value.get("hash").and_then(serde_json::Value::as_str);
    hash.unwrap_or_default().to_owned()
}
