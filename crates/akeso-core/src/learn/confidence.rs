//! How much can be expected of what has helped so often, and has not so often.

use std::fmt;

use jiff::SignedDuration;

/// What happened this long ago counts for half.
pub const HALF_LIFE: SignedDuration = SignedDuration::from_hours(60 * 24);
/// From here on a pattern is used: one success is enough for five weeks; after a failure, two more
/// successes are.
pub const TRUSTED: Confidence = Confidence(400);

/// One event, in thousandths.
pub(super) const ONE: u64 = 1_000;

/// The share of uses that will help, at least, in thousandths: the lower bound of Wilson's interval
/// (<https://www.itl.nist.gov/div898/handbook/prc/section2/prc241.htm>) for one standard deviation, so
/// that what has happened once counts for less than what has happened often.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Confidence(u16);

impl Confidence {
    /// Of what has helped and not helped so often, in thousandths of events.
    pub(super) fn of(helped: u64, failed: u64) -> Self {
        // far below 2^52, so that nothing is lost
        #[expect(clippy::cast_precision_loss, reason = "they are small")]
        let (helped, all) = (helped as f64 / 1e3, (helped + failed) as f64 / 1e3);
        if all == 0.0 {
            return Self(0);
        }
        let share = helped / all;
        let spread = (share * (1.0 - share) / all + 0.25 / (all * all)).sqrt();
        let bound = (share + 0.5 / all - spread) / (1.0 + 1.0 / all);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "it is between 0 and 1000"
        )]
        Self((bound * 1e3).clamp(0.0, 1e3) as u16)
    }

    /// In percent.
    pub const fn percent(self) -> u16 {
        self.0 / 10
    }
}

impl fmt::Display for Confidence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} %", self.percent())
    }
}

/// What counted so much then counts so much later.
pub(super) fn faded(weight: u64, age: SignedDuration) -> u64 {
    let half_life = u64::try_from(HALF_LIFE.as_secs()).unwrap_or(u64::MAX);
    // of a clock that was set back, nothing can be concluded
    let age = u64::try_from(age.as_secs()).unwrap_or(0);
    let halved = weight
        .checked_shr(u32::try_from(age / half_life).unwrap_or(u32::MAX))
        .unwrap_or(0);
    halved - halved * (age % half_life) / (2 * half_life)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const DAY: i64 = 24 * 3_600;

    fn after(helped: u64, failed: u64, days: i64) -> Confidence {
        let faded = |weight: u64| faded(weight * ONE, SignedDuration::from_secs(days * DAY));
        Confidence::of(faded(helped), faded(failed))
    }

    #[test]
    fn the_words_about_the_threshold_hold() {
        assert!(after(1, 0, 0) >= TRUSTED);
        assert!(after(1, 0, 35) >= TRUSTED);
        assert!(after(1, 0, 60) < TRUSTED);
        assert!(after(1, 1, 0) < TRUSTED);
        assert!(after(2, 1, 0) < TRUSTED);
        assert!(after(3, 1, 0) >= TRUSTED);
        assert!(
            after(20, 0, 200) >= TRUSTED,
            "what has helped often is kept for long"
        );
        assert_eq!(after(0, 0, 0), Confidence(0));
    }

    proptest! {
        #[test]
        fn more_success_is_more_and_more_failure_and_age_are_less(
            helped in 0_u64..10_000, failed in 0_u64..10_000, days in 0_i64..4_000,
        ) {
            let now = after(helped, failed, 0);
            prop_assert!(after(helped + 1, failed, 0) >= now);
            prop_assert!(after(helped, failed + 1, 0) <= now);
            prop_assert!(now.percent() <= 100);
            prop_assert!(after(helped, 0, days) <= after(helped, 0, 0));
        }

        #[test]
        fn a_weight_only_ever_fades(weight in 0_u64..10_000_000, one in 0_i64..2_000, two in 0_i64..2_000) {
            let (less, more) = (one.min(two), one.max(two));
            let days = |days: i64| SignedDuration::from_secs(days * DAY);
            prop_assert!(faded(weight, days(more)) <= faded(weight, days(less)));
            prop_assert!(faded(weight, days(less)) <= weight);
        }
    }
}
