//! `-o json`: the journal, an entry a line.

use std::io::Write;

use akeso_core::journal::Entry;
use jiff::Timestamp;

use super::Reporter;

/// Prints each entry as one line.
pub struct Json<W> {
    out: W,
}

impl<W: Write> Json<W> {
    /// A reporter that writes to `out`.
    pub const fn new(out: W) -> Self {
        Self { out }
    }
}

impl<W: Write + Send> Reporter for Json<W> {
    fn entry(&mut self, entry: &Entry) {
        let line = serde_json::to_string(entry).unwrap_or_default();
        if let Err(error) = writeln!(self.out, "{line}").and_then(|()| self.out.flush()) {
            tracing::debug!(%error, "nobody reads the output");
        }
    }

    fn begun(&mut self, _: Timestamp) {}

    fn quiet(&mut self) {}

    fn rechecked(&mut self, _: Timestamp) {}

    fn close(&mut self) {}
}
