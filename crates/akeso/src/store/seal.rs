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
