//! LEARN: what verified heals taught, and what did not help. A pattern is made only from the verified
//! heal of the workload that was changed; what it says of another workload is which way to go, never
//! what to write there.
//!
//! What happened counts at every [`Level`], from this very workload to every workload with the same
//! fault; it is asked at the narrowest level at which enough has happened.

mod confidence;
mod fingerprint;
mod patterns;
mod template;

pub use confidence::{Confidence, HALF_LIFE, TRUSTED};
pub use fingerprint::{Fingerprint, Level};
pub use patterns::{LONGEST_UNUSED, MOST, Pattern, Patterns, Standing};
pub use template::template;
