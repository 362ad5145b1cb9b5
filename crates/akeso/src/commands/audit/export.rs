//! `akeso audit export`: the rows as JSON lines or CSV.

use std::io::Write;

use akeso_core::{engine::Ledger, journal::Entry};
use jiff::Timestamp;
use serde_json::Value;

use super::row::{self, Row};
use crate::cli::ExportFormat;

/// Writes the row of each entry that did or decided something, from `since` on.
pub fn export(
    entries: &[Entry],
    since: Option<Timestamp>,
    format: ExportFormat,
    mut out: impl Write,
) -> anyhow::Result<()> {
    let mut ledger = Ledger::default();
    let rows = entries.iter().filter_map(|entry| {
        ledger.fold(entry);
        row::of(entry, &ledger).filter(|row| since.is_none_or(|since| row.at >= since))
    });
    match format {
        ExportFormat::Jsonl => {
            for row in rows {
                serde_json::to_writer(&mut out, &row)?;
                out.write_all(b"\n")?;
            }
        }
        ExportFormat::Csv => {
            let mut table = csv::WriterBuilder::new()
                .terminator(csv::Terminator::CRLF) // RFC 4180
                .from_writer(&mut out);
            table.write_record(COLUMNS)?;
            for row in rows {
                table.write_record(cells(&row))?;
            }
            table.flush()?;
        }
    }
    out.flush()?;
    Ok(())
}

const COLUMNS: [&str; 13] = [
    "at", "seq", "who", "workload", "incident", "attempt", "fact", "action", "why", "before",
    "after", "outcome", "hash",
];

fn cells(row: &Row) -> [String; 13] {
    let json = |value: &Value| match value {
        Value::Null => String::new(),
        Value::Bool(_)
        | Value::Number(_)
        | Value::String(_)
        | Value::Array(_)
        | Value::Object(_) => value.to_string(),
    };
    [
        row.at.to_string(),
        row.seq.to_string(),
        row.who.clone(),
        row.workload.clone(),
        row.incident.clone(),
        row.attempt.clone(),
        row.fact.to_owned(),
        row.action.clone(),
        row.why.clone(),
        json(&row.before),
        json(&row.after),
        row.outcome.clone(),
        row.hash.clone(),
    ]
    .map(harmless)
}

/// A spreadsheet takes a cell that begins like this for a formula, and the words of an API server
/// or a container are anybody's
/// (<https://owasp.org/www-community/attacks/CSV_Injection>).
fn harmless(cell: String) -> String {
    if cell.starts_with(['=', '+', '-', '@', '\t', '\r', '\n']) {
        format!("'{cell}")
    } else {
        cell
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use akeso_core::{
        journal::{Chain, End, Fact},
        workload::{IncidentId, WorkloadKind, WorkloadRef},
    };
    use proptest::prelude::*;

    fn journal(why: &str) -> Vec<Entry> {
        let mut chain = Chain::default();
        let opened = Fact::Opened {
            incident: IncidentId(1),
            workload: WorkloadRef {
                kind: WorkloadKind::Deployment,
                namespace: "shop".to_owned(),
                name: "web".to_owned(),
            },
            symptoms: Vec::new(),
            uid: None,
            was_well: false,
            good: None,
        };
        let closed = Fact::Closed {
            incident: IncidentId(1),
            end: End::dismissed(why),
        };
        [opened, closed]
            .map(|fact| chain.append(fact, Timestamp::UNIX_EPOCH))
            .to_vec()
    }

    fn exported(why: &str, format: ExportFormat) -> String {
        let mut out = Vec::new();
        export(&journal(why), None, format, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_line_says_who_did_what_and_why() {
        let line: Value = serde_json::from_str(&exported("gone", ExportFormat::Jsonl)).unwrap();
        for (key, value) in [
            ("who", "akeso"),
            ("workload", "Deployment shop/web"),
            ("fact", "closed"),
            ("why", "gone"),
            ("outcome", "dismissed"),
        ] {
            assert_eq!(line[key], value, "{key}");
        }
    }

    #[test]
    fn what_is_older_than_asked_for_is_left_out() {
        let mut out = Vec::new();
        let later = Timestamp::UNIX_EPOCH + jiff::SignedDuration::from_secs(1);
        export(&journal("gone"), Some(later), ExportFormat::Jsonl, &mut out).unwrap();
        assert!(out.is_empty());
    }

    #[test]
    fn no_cell_is_a_formula() {
        for start in ["=", "+", "-", "@", "\t", "\r"] {
            let text = exported(&format!("{start}cmd|'/C calc'!A0"), ExportFormat::Csv);
            assert!(text.contains(&format!("'{start}cmd")), "{text}");
        }
        assert!(!exported("a-b", ExportFormat::Csv).contains('\''));
    }

    proptest! {
        #[test]
        fn whatever_a_cell_holds_is_one_cell(why in "[\\PC\"',;\n\r\t]{0,12}") {
            let text = exported(&why, ExportFormat::Csv);
            let mut reader = csv::Reader::from_reader(text.as_bytes());
            let rows: Vec<_> = reader.records().map(Result::unwrap).collect();
            prop_assert_eq!(rows.len(), 1);
            prop_assert_eq!(&rows[0][8], harmless(why));
            prop_assert!(text.ends_with("\r\n"));
        }
    }
}
