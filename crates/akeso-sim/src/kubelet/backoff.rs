//! The kubelet's back-off, of restarts and of pulls.

use jiff::{SignedDuration, Timestamp};

use crate::world::later;

/// A pod whose sync failed is looked at again after this time, and only then its back-off shows.
pub(super) const RESYNC: SignedDuration = SignedDuration::from_secs(11);
/// The first back-off, of restarts and of pulls; each further one is twice as long …
pub(super) const FIRST_BACKOFF: SignedDuration = SignedDuration::from_secs(10);
/// … up to this.
pub(super) const LONGEST_BACKOFF: SignedDuration = SignedDuration::from_secs(300);
/// A container that ran this long starts the series anew.
pub(super) const BACKOFF_MEMORY: SignedDuration = SignedDuration::from_mins(10);

/// A duration as Go writes it: `10s`, `1m20s`, `5m0s`.
pub(super) fn in_go(duration: SignedDuration) -> String {
    let seconds = duration.as_secs();
    if seconds < 60 {
        format!("{seconds}s")
    } else {
        format!("{}m{}s", seconds / 60, seconds % 60)
    }
}

/// The next of the series 10 s, 20 s, 40 s … 300 s.
pub(super) fn next_backoff(last: Option<SignedDuration>) -> SignedDuration {
    last.map_or(FIRST_BACKOFF, |last| {
        last.saturating_mul(2).min(LONGEST_BACKOFF)
    })
}

/// How long after the `nth` failure to mount a pod's volumes, from 1, it is tried again.
pub(super) fn next_mount(nth: u32) -> SignedDuration {
    const LONGEST: SignedDuration = SignedDuration::from_secs(122);
    let doubled = 1_i64.checked_shl(nth.min(9) - 1).unwrap_or(i64::MAX);
    SignedDuration::from_millis(500 * doubled).min(LONGEST)
}

/// When the kubelet, which looks every [`RESYNC`], finds that a back-off is over.
pub(super) fn backoff_end(from: Timestamp, delay: SignedDuration) -> Timestamp {
    // every back-off of the series is a multiple of the first one
    let looks = delay.as_secs() / FIRST_BACKOFF.as_secs();
    later(
        from,
        RESYNC.saturating_mul(i32::try_from(looks.max(1)).unwrap_or(i32::MAX)),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn back_offs_double_from_10_to_300_seconds() {
        let series = std::iter::successors(Some(next_backoff(None)), |last| {
            Some(next_backoff(Some(*last)))
        });
        let series: Vec<_> = series.take(7).map(in_go).collect();
        assert_eq!(
            series,
            ["10s", "20s", "40s", "1m20s", "2m40s", "5m0s", "5m0s"]
        );
    }
}
