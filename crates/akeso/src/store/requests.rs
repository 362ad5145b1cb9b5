//! What people ask of the monitor by a command. The command and the monitor are two processes on
//! one store: the command leaves a request there, the monitor takes it and writes an answer.

use std::path::Path;

use akeso_core::{
    engine::{Incident, Ledger},
    journal::Entry,
    workload::AttemptId,
};
use jiff::Timestamp;
use rusqlite::{Connection, OpenFlags, OptionalExtension, params};

use super::StoreError;

/// What somebody asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wish {
    /// That a step that asks is executed.
    Approve,
    /// That it is not.
    Reject,
    /// That a change is taken back.
    Rollback,
}

impl Wish {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Approve => "approve",
            Self::Reject => "reject",
            Self::Rollback => "rollback",
        }
    }

    fn named(name: &str) -> Option<Self> {
        [Self::Approve, Self::Reject, Self::Rollback]
            .into_iter()
            .find(|wish| wish.as_str() == name)
    }
}

/// A request that nobody has answered yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pending {
    /// Its number.
    pub id: i64,
    /// Who asks.
    pub by: String,
    /// For what.
    pub wish: Wish,
    /// About which attempt.
    pub attempt: AttemptId,
}

/// The requests in a store, beside whoever writes its journal.
#[derive(Debug)]
pub struct Requests {
    connection: Connection,
}

impl Requests {
    /// Opens the requests of a store that is there.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection =
            Connection::open_with_flags(path, flags).map_err(|error| StoreError::Unusable {
                path: path.to_owned(),
                why: error.to_string(),
            })?;
        Ok(Self { connection })
    }

    /// Leaves a request; its number is returned.
    pub fn leave(&self, wish: Wish, attempt: AttemptId, by: &str) -> Result<i64, StoreError> {
        self.connection.execute(
            "INSERT INTO requests (at, by, wish, attempt) VALUES (?1, ?2, ?3, ?4)",
            params![
                Timestamp::now().to_string(),
                by,
                wish.as_str(),
                attempt.to_string()
            ],
        )?;
        Ok(self.connection.last_insert_rowid())
    }

    /// The requests that nobody has answered yet, oldest first.
    pub fn pending(&self) -> Result<Vec<Pending>, StoreError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT id, by, wish, attempt FROM requests WHERE answer IS NULL ORDER BY id",
        )?;
        let rows = statement.query_map([], |row| {
            let (wish, attempt): (String, String) = (row.get(2)?, row.get(3)?);
            Ok((row.get(0)?, row.get(1)?, wish, attempt))
        })?;
        let mut pending = Vec::new();
        for row in rows {
            let (id, by, wish, attempt) = row?;
            match (Wish::named(&wish), attempt.parse()) {
                (Some(wish), Ok(attempt)) => pending.push(Pending {
                    id,
                    by,
                    wish,
                    attempt,
                }),
                _ => self.answer(id, "it cannot be read")?,
            }
        }
        Ok(pending)
    }

    /// Writes what became of a request.
    pub fn answer(&self, id: i64, answer: &str) -> Result<(), StoreError> {
        self.connection.execute(
            "UPDATE requests SET answer = ?2 WHERE id = ?1",
            params![id, answer],
        )?;
        Ok(())
    }

    /// What became of a request, if anybody has taken it.
    pub fn answered(&self, id: i64) -> Result<Option<String>, StoreError> {
        let answer = self
            .connection
            .query_row("SELECT answer FROM requests WHERE id = ?1", [id], |row| {
                row.get(0)
            })
            .optional()?;
        Ok(answer.flatten())
    }

    /// The incident of an attempt, as the journal has it.
    pub fn incident_of(&self, attempt: AttemptId) -> Result<Option<Incident>, StoreError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT entry FROM journal WHERE incident IN (SELECT incident FROM journal WHERE fact = 'intended' AND json_extract(entry, '$.attempt') = ?1) ORDER BY seq",
        )?;
        let rows = statement.query_map([attempt.to_string()], |row| row.get::<_, String>(0))?;
        let mut ledger = Ledger::default();
        for row in rows {
            let entry: Entry = serde_json::from_str(&row?).map_err(|error| {
                rusqlite::Error::FromSqlConversionFailure(
                    0,
                    rusqlite::types::Type::Text,
                    error.into(),
                )
            })?;
            ledger.fold(&entry);
        }
        let found = ledger.incidents().find(|it| it.attempt(attempt).is_some());
        Ok(found.cloned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Store;

    #[test]
    fn a_request_is_pending_until_it_is_answered() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("akeso.db");
        let _monitor = Store::open(&path, &folder.path().join("key.pem")).unwrap();
        let (command, monitor) = (
            Requests::open(&path).unwrap(),
            Requests::open(&path).unwrap(),
        );
        let id = command.leave(Wish::Approve, AttemptId(3), "ada").unwrap();
        let pending = monitor.pending().unwrap();
        let expected = Pending {
            id,
            by: "ada".to_owned(),
            wish: Wish::Approve,
            attempt: AttemptId(3),
        };
        assert_eq!(pending, [expected]);
        assert_eq!(command.answered(id).unwrap(), None);
        monitor.answer(id, "done").unwrap();
        assert_eq!(command.answered(id).unwrap().as_deref(), Some("done"));
        assert_eq!(monitor.pending().unwrap(), []);
    }
}
