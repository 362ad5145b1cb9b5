//! Verification: is the store's journal what Akeso wrote, and all of it?
//!
//! The rows are read as they are, so that even what is no entry any more is found and named. What
//! is compared is the stored text itself with the canonical form that it was written in: not a
//! character of it may differ.

mod finding;

use akeso_core::{
    journal::{Chain, canonical, hash_of},
    retention::Segment,
};
use rusqlite::{Row, types::ValueRef};
use serde_json::Value;

pub use finding::{Finding, Flaw, VerifyError, Whole};

use super::{
    Reader, StoreError,
    head::{Head, HeadFile},
    signing::{PublicKey, Statement},
};

/// A fault, on its way out of the walk.
enum Stop {
    Broken(u64, Flaw),
    Error(VerifyError),
}

impl From<StoreError> for Stop {
    fn from(error: StoreError) -> Self {
        Self::Error(error.into())
    }
}

/// Verifies a store's journal.
pub fn verify(
    reader: &Reader,
    key: Option<&PublicKey>,
    head: &HeadFile,
) -> Result<Finding, VerifyError> {
    // before the rows: whoever writes just now makes the store go further than its head
    let head = head.read().map_err(VerifyError::Head)?;
    let walk = Walk {
        reader,
        key,
        head,
        chain: Chain::default(),
        has_signed: false,
        segments: Vec::new(),
        whole: Whole::default(),
    };
    match walk.go() {
        Ok(whole) => Ok(Finding::Whole(whole)),
        Err(Stop::Broken(seq, flaw)) => Ok(Finding::Broken { seq, flaw }),
        Err(Stop::Error(error)) => Err(error),
    }
}

struct Walk<'a> {
    reader: &'a Reader,
    key: Option<&'a PublicKey>,
    head: Option<Head>,
    chain: Chain,
    has_signed: bool,
    segments: Vec<Segment>,
    whole: Whole,
}

impl Walk<'_> {
    fn go(mut self) -> Result<Whole, Stop> {
        let reader = self.reader;
        let corrupt = |error: rusqlite::Error| Stop::from(reader.corrupt(&error));
        // one moment of a store that somebody may be writing to
        let _moment = reader.connection.unchecked_transaction().map_err(corrupt)?;
        self.check_head_is_signed()?;
        let has_seals = reader.has_seals()?;
        if has_seals {
            self.follow_seals()?;
        }
        let signature = if has_seals { "signature" } else { "NULL" };
        let rows =
            format!("SELECT seq, at, fact, incident, entry, {signature} FROM journal ORDER BY seq");
        let mut statement = reader.connection.prepare(&rows).map_err(corrupt)?;
        let mut rows = statement.query([]).map_err(corrupt)?;
        while let Some(row) = rows.next().map_err(corrupt)? {
            let row = RawRow::read(row).map_err(corrupt)?;
            self.follow(&row)?;
        }
        self.check_end()?;
        Ok(self.whole)
    }

    fn check_head_is_signed(&mut self) -> Result<(), Stop> {
        let Some(head) = &self.head else {
            return Ok(());
        };
        let key = self.key.ok_or(Stop::Error(VerifyError::NoKey))?;
        if !head.is_signed_by(key) {
            let why = format!("the head is not signed with the key {}", key.id());
            return Err(Stop::Broken(head.seq, Flaw::OtherHead(why)));
        }
        self.whole.has_head = true;
        Ok(())
    }

    /// The head must say of the entry that was just followed what the chain says.
    fn compare_with_head(&self) -> Result<(), Stop> {
        match &self.head {
            Some(head) if head.seq == self.chain.seq() && head.hash != self.chain.hash() => {
                let why = "another entry was signed".to_owned();
                Err(Stop::Broken(head.seq, Flaw::OtherHead(why)))
            }
            Some(_) | None => Ok(()),
        }
    }

    fn follow_seals(&mut self) -> Result<(), Stop> {
        let reader = self.reader;
        let corrupt = |error: rusqlite::Error| Stop::from(reader.corrupt(&error));
        let mut statement = reader
            .connection
            .prepare("SELECT first, last, previous, hash, signature FROM sealed ORDER BY first")
            .map_err(corrupt)?;
        let mut rows = statement.query([]).map_err(corrupt)?;
        while let Some(row) = rows.next().map_err(corrupt)? {
            let (segment, signature) = read_segment(row).map_err(corrupt)?;
            let expected = self.chain.seq() + 1;
            let bad = |why: &str| Stop::Broken(expected, Flaw::BadSeal(why.to_owned()));
            if segment.first > expected {
                return Err(Stop::Broken(
                    expected,
                    Flaw::Removed(segment.first - expected - 1),
                ));
            }
            if segment.first < expected || segment.last < segment.first {
                return Err(bad("it does not follow the one before it"));
            }
            let key = self.key.ok_or(Stop::Error(VerifyError::NoKey))?;
            if !key.verifies(Statement::Sealed(&segment), &signature) {
                return Err(bad("its signature is wrong"));
            }
            if segment.previous != self.chain.hash() {
                return Err(bad("it does not follow from what is before it"));
            }
            self.chain = Chain::after(segment.last, segment.hash.clone());
            self.compare_with_head()?;
            self.whole.segments += 1;
            self.whole.sealed_through = segment.last;
            self.segments.push(segment);
        }
        Ok(())
    }

    fn follow(&mut self, row: &RawRow) -> Result<(), Stop> {
        let expected = self.chain.seq() + 1;
        let broken = |flaw: Flaw| Stop::Broken(expected, flaw);
        let edited = |why: &str| broken(Flaw::Edited(why.to_owned()));
        if row.seq < expected.cast_signed() {
            let why = format!("row {} should not be there", row.seq);
            // what is before the first, or sealed, has no number of its own
            let seq = u64::try_from(row.seq).unwrap_or_default();
            return Err(Stop::Broken(seq, Flaw::Inserted(why)));
        }
        if row.seq > expected.cast_signed() {
            let flaw = match self.rows_that_hold(expected)?.first() {
                Some(place) => Flaw::Moved(*place),
                None => Flaw::Removed(row.seq.cast_unsigned() - expected - 1),
            };
            return Err(broken(flaw));
        }
        let value = serde_json::from_str::<Value>(&row.entry)
            .map_err(|error| edited(&format!("it cannot be read: {error}")))?;
        let text = |key: &str| value.get(key).and_then(Value::as_str);
        let hash = hash_of(value.clone());
        if text("hash") != Some(&hash) || canonical(value.clone()) != row.entry {
            return Err(edited("it does not have the hash that it was written with"));
        }
        let seq = value.get("seq").and_then(Value::as_u64).unwrap_or_default();
        if seq != expected {
            return Err(broken(self.misplaced(expected, seq)?));
        }
        self.check_signature(expected, &hash, row.signature.as_deref())?;
        if text("previous") != Some(self.chain.hash()) {
            return Err(edited("it does not follow from the entry before it"));
        }
        for (column, stored, written) in [
            ("at", Some(row.at.as_str()), text("at")),
            ("fact", Some(row.fact.as_str()), text("fact")),
            ("incident", row.incident.as_deref(), text("incident")),
        ] {
            if stored != written {
                return Err(edited(&format!("its column {column} says something else")));
            }
        }
        self.check_seal(expected, &value)?;
        self.chain = Chain::after(expected, hash);
        self.compare_with_head()?;
        self.whole.entries += 1;
        self.whole.from.get_or_insert_with(|| row.at.clone());
        self.whole.to = Some(row.at.clone());
        Ok(())
    }

    /// Another entry stands where `expected` should.
    fn misplaced(&self, expected: u64, found: u64) -> Result<Flaw, Stop> {
        let is_copy = self.rows_that_hold(found)?.len() > 1;
        Ok(match self.rows_that_hold(expected)?.first() {
            Some(place) if !is_copy => Flaw::Moved(*place),
            Some(_) | None => Flaw::Inserted(format!("entry {found} stands in its place")),
        })
    }

    fn check_signature(
        &mut self,
        seq: u64,
        hash: &str,
        signature: Option<&[u8]>,
    ) -> Result<(), Stop> {
        let Some(signature) = signature else {
            let may_be_unsigned =
                !self.has_signed && self.head.as_ref().is_none_or(|head| seq < head.signed_from);
            if may_be_unsigned {
                self.whole.unsigned += 1;
                return Ok(());
            }
            return Err(Stop::Broken(seq, self.forged(seq, Flaw::NotSigned)?));
        };
        let key = self.key.ok_or(Stop::Error(VerifyError::NoKey))?;
        if !key.verifies(Statement::Entry { hash }, signature) {
            let flaw = self.forged(seq, Flaw::WrongSignature(key.id()))?;
            return Err(Stop::Broken(seq, flaw));
        }
        self.has_signed = true;
        Ok(())
    }

    /// An entry without the right signature was inserted if the true one is there as well.
    fn forged(&self, seq: u64, otherwise: Flaw) -> Result<Flaw, Stop> {
        let is_double = self.rows_that_hold(seq)?.len() > 1;
        let inserted =
            || Flaw::Inserted("another entry of this number is there as well".to_owned());
        Ok(if is_double { inserted() } else { otherwise })
    }

    /// An entry that seals others must name a segment that is there.
    fn check_seal(&self, seq: u64, entry: &Value) -> Result<(), Stop> {
        if entry.get("fact").and_then(Value::as_str) != Some("sealed") {
            return Ok(());
        }
        let (Some(through), Some(hash)) = (
            entry.get("through").and_then(Value::as_u64),
            entry.get("through_hash").and_then(Value::as_str),
        ) else {
            return Ok(());
        };
        let is_there = |segment: &Segment| segment.last == through && segment.hash == hash;
        if self.segments.iter().any(is_there) {
            return Ok(());
        }
        let why = format!("entry {seq} says so, and there is no such seal");
        Err(Stop::Broken(through, Flaw::BadSeal(why)))
    }

    fn check_end(&self) -> Result<(), Stop> {
        match &self.head {
            Some(head) if head.seq > self.chain.seq() => Err(Stop::Broken(
                self.chain.seq() + 1,
                Flaw::CutOff(head.seq - self.chain.seq() - 1),
            )),
            Some(_) | None => Ok(()),
        }
    }

    /// The rows whose entry has this number, wherever they stand.
    fn rows_that_hold(&self, seq: u64) -> Result<Vec<i64>, Stop> {
        let reader = self.reader;
        let corrupt = |error: rusqlite::Error| Stop::from(reader.corrupt(&error));
        let holding = "SELECT seq FROM journal WHERE CASE WHEN json_valid(entry) THEN entry ->> '$.seq' END = ?1 ORDER BY seq";
        let mut statement = reader.connection.prepare(holding).map_err(corrupt)?;
        let rows = statement
            .query_map([seq.cast_signed()], |row| row.get(0))
            .map_err(corrupt)?;
        rows.collect::<Result<_, _>>().map_err(corrupt)
    }
}

/// A row as it is, whatever somebody has made of it.
struct RawRow {
    seq: i64,
    at: String,
    fact: String,
    incident: Option<String>,
    entry: String,
    signature: Option<Vec<u8>>,
}

impl RawRow {
    fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            seq: row.get(0)?,
            at: text(row.get_ref(1)?).unwrap_or_default(),
            fact: text(row.get_ref(2)?).unwrap_or_default(),
            incident: text(row.get_ref(3)?),
            entry: text(row.get_ref(4)?).unwrap_or_default(),
            signature: bytes(row.get_ref(5)?),
        })
    }
}

fn read_segment(row: &Row<'_>) -> rusqlite::Result<(Segment, Vec<u8>)> {
    let segment = Segment {
        first: row.get::<_, i64>(0)?.cast_unsigned(),
        last: row.get::<_, i64>(1)?.cast_unsigned(),
        previous: text(row.get_ref(2)?).unwrap_or_default(),
        hash: text(row.get_ref(3)?).unwrap_or_default(),
    };
    Ok((segment, bytes(row.get_ref(4)?).unwrap_or_default()))
}

/// What is no text is shown as text that was never written.
fn text(value: ValueRef<'_>) -> Option<String> {
    bytes(value).map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
}

fn bytes(value: ValueRef<'_>) -> Option<Vec<u8>> {
    match value {
        ValueRef::Null => None,
        ValueRef::Integer(number) => Some(number.to_string().into_bytes()),
        ValueRef::Real(number) => Some(number.to_string().into_bytes()),
        ValueRef::Text(bytes) | ValueRef::Blob(bytes) => Some(bytes.to_vec()),
    }
}

#[cfg(test)]
mod tests;
