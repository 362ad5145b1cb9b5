//! What people and programs see of the journal while it is written.

/// Appends a line to a String.
macro_rules! line {
    ($text:expr, $($argument:tt)*) => {{
        $text.push_str(&format!($($argument)*));
        $text.push('\n');
    }};
}
pub(crate) use line;

mod json;
mod text;

use akeso_core::journal::Entry;
use jiff::Timestamp;

pub use json::Json;
pub use text::{Text, beside, state_words};

/// Takes in the journal as it is written, and shows it.
pub trait Reporter: Send {
    /// Something happened.
    fn entry(&mut self, entry: &Entry);
    /// Everything has been looked at for the first time.
    fn begun(&mut self, at: Timestamp);
    /// Nothing has happened for a moment: what was held back to be shown together is shown.
    fn quiet(&mut self);
    /// Everything was looked at again.
    fn rechecked(&mut self, at: Timestamp);
    /// The end.
    fn close(&mut self);
}

/// The reporter of a format, writing to `out`. `interval` is shown as the time to the next check;
/// `journal` is what was written before.
pub fn reporter(
    format: crate::cli::Format,
    interval: std::time::Duration,
    out: impl std::io::Write + Send + 'static,
    journal: &[Entry],
) -> Box<dyn Reporter> {
    match format {
        crate::cli::Format::Text => Box::new(Text::new(out, interval, journal)),
        crate::cli::Format::Json => Box::new(Json::new(out)),
    }
}
