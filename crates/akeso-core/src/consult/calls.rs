//! The calls so far, as the journal tells of them: what was spent today, what is under way, what is
//! known already, and whether the endpoint is to be left alone for a while.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use super::{Advised, Answer, Limits, PATIENCE, Spend, is_later_day};
use crate::{
    learn::{Fingerprint, Level},
    workload::IncidentId,
};

/// After so many failures in a row nobody asks for a while.
const FAILURES: u32 = 3;
/// For so long at first, then twice as long each time …
const PAUSE: SignedDuration = SignedDuration::from_mins(1);
/// … up to this.
const LONGEST_PAUSE: SignedDuration = SignedDuration::from_mins(30);
/// An answer holds for so long.
const ANSWER_HOLDS: SignedDuration = SignedDuration::from_hours(24);
/// One that could not be used is not asked for again before that.
const REFUSAL_HOLDS: SignedDuration = SignedDuration::from_hours(1);
/// So many answers are kept.
const MOST_ANSWERS: usize = 200;

/// The fold of what the journal says of calls.
#[derive(Debug, Default)]
pub struct Calls {
    /// When the last call was made or answered.
    last: Option<Timestamp>,
    /// Spent on the day of the last call.
    spent: Spend,
    under_way: BTreeMap<IncidentId, Call>,
    answers: BTreeMap<Fingerprint, (Timestamp, Option<Answer>)>,
    failures: u32,
    failed_at: Option<Timestamp>,
}

/// A call that has no answer yet.
#[derive(Debug, Clone)]
struct Call {
    at: Timestamp,
    failure: Fingerprint,
    /// What it costs at most: so much is taken as spent until its answer tells.
    most: Spend,
    what: Kind,
}

/// What a call is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Steps.
    Steps,
    /// An answer of the right form, in place of one that was not.
    Repair,
    /// A person's question.
    Question,
}

/// Whether a model may be asked of a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum May<'a> {
    /// It may.
    Ask,
    /// It has been, of the same program; this is what it said.
    Know(&'a Answer),
    /// It is being asked, or another call comes first: until then.
    Wait(Timestamp),
    /// It may not.
    Not(Why),
}

/// Why a model is not asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// What is allowed a day is spent.
    Spent,
    /// It has failed too often lately, and is asked again after this.
    Failing {
        /// How often in a row.
        times: u32,
        /// Until then.
        until: Timestamp,
    },
    /// It has been, and its answer could not be used.
    Useless,
}

/// What the same failure is: of the same program, wherever it runs.
fn key(failure: &Fingerprint) -> Fingerprint {
    failure.at(Level::Program)
}

impl Calls {
    /// A call is made.
    pub(crate) fn made(
        &mut self,
        incident: IncidentId,
        failure: &Fingerprint,
        (most, what): (Spend, Kind),
        at: Timestamp,
    ) {
        self.turn_the_day(at);
        self.spent = self.spent.and(most);
        let call = Call {
            at,
            failure: key(failure),
            most,
            what,
        };
        self.under_way.insert(incident, call);
    }

    /// A call is over.
    pub(crate) fn over(
        &mut self,
        incident: IncidentId,
        advised: &Advised,
        spend: Spend,
        at: Timestamp,
    ) {
        let Some(call) = self.under_way.remove(&incident) else {
            return;
        };
        self.turn_the_day(at);
        if !is_later_day(at, call.at) {
            // what was taken as spent makes room for what was
            self.spent.tokens = self.spent.tokens.saturating_sub(call.most.tokens);
            self.spent.micros = self.spent.micros.saturating_sub(call.most.micros);
        }
        self.spent = self.spent.and(spend);
        match advised {
            Advised::Failed { .. } => {
                self.failures = self.failures.saturating_add(1);
                self.failed_at = Some(at);
                return;
            }
            Advised::Answered { answer } => {
                self.answers
                    .insert(call.failure, (at, Some(answer.clone())));
            }
            Advised::Refused { .. } if call.what == Kind::Repair => {
                self.answers.insert(call.failure, (at, None));
            }
            // it is asked once more; what was told a person is no answer to keep
            Advised::Refused { .. } | Advised::Told { .. } => {}
        }
        self.failures = 0;
        self.failed_at = None;
        self.answers
            .retain(|_, (then, _)| at.duration_since(*then) < ANSWER_HOLDS);
        while self.answers.len() > MOST_ANSWERS {
            let oldest = self.answers.iter().min_by_key(|(_, (then, _))| *then);
            let Some(oldest) = oldest.map(|(failure, _)| failure.clone()) else {
                return;
            };
            self.answers.remove(&oldest);
        }
    }

    fn turn_the_day(&mut self, at: Timestamp) {
        if self.last.is_none_or(|last| is_later_day(at, last)) {
            self.spent = Spend::default();
        }
        self.last = Some(self.last.map_or(at, |last| last.max(at)));
    }

    /// What was spent today.
    pub fn spent(&self, now: Timestamp) -> Spend {
        let is_today = self.last.is_some_and(|last| !is_later_day(now, last));
        if is_today {
            self.spent
        } else {
            Spend::default()
        }
    }

    /// When the call of an incident was made, if it has no answer yet, and what it is for.
    pub(crate) fn of(&self, incident: IncidentId) -> Option<(Timestamp, Kind)> {
        let call = self.under_way.get(&incident)?;
        Some((call.at, call.what))
    }

    /// What the call of an incident costs at most.
    pub(crate) fn most(&self, incident: IncidentId) -> Spend {
        let call = self.under_way.get(&incident);
        call.map_or_else(Spend::default, |call| call.most)
    }

    /// Whether a model may be asked of a failure, with a call that costs so much at most.
    pub fn may(
        &self,
        failure: &Fingerprint,
        most: Spend,
        limits: &Limits,
        now: Timestamp,
    ) -> May<'_> {
        let failure = key(failure);
        if let Some((at, answer)) = self.answers.get(&failure) {
            let age = now.duration_since(*at);
            match answer {
                Some(answer) if age < ANSWER_HOLDS => return May::Know(answer),
                None if age < REFUSAL_HOLDS => return May::Not(Why::Useless),
                Some(_) | None => {}
            }
        }
        let until = |call: &Call| call.at.checked_add(PATIENCE).unwrap_or(now);
        let mut under_way = self.under_way.values().filter(|call| until(call) > now);
        let is_same = |call: &&Call| call.failure == failure && call.what != Kind::Question;
        if let Some(same) = under_way.clone().find(is_same) {
            return May::Wait(until(same));
        }
        if let Some(until) = self.pauses_until().filter(|until| *until > now) {
            let times = self.failures;
            return May::Not(Why::Failing { times, until });
        }
        // after a pause one call shows whether it is over
        if let (Some(probe), true) = (under_way.next(), self.failures >= FAILURES) {
            return May::Wait(until(probe));
        }
        if limits.exceeded_by(self.spent(now).and(most)).is_some() {
            return May::Not(Why::Spent);
        }
        May::Ask
    }

    /// Why a person's question may not be passed on, if so.
    pub fn why_not(&self, most: Spend, limits: &Limits, now: Timestamp) -> Option<Why> {
        if let Some(until) = self.pauses_until().filter(|until| *until > now) {
            let times = self.failures;
            return Some(Why::Failing { times, until });
        }
        let spent = self.spent(now).and(most);
        limits.exceeded_by(spent).is_some().then_some(Why::Spent)
    }

    /// Until when nobody asks, after failures.
    fn pauses_until(&self) -> Option<Timestamp> {
        let more = self.failures.checked_sub(FAILURES)?.min(10);
        let pause = PAUSE.checked_mul(1 << more)?.min(LONGEST_PAUSE);
        self.failed_at?.checked_add(pause).ok()
    }
}

impl Why {
    /// Why, for people.
    pub fn words(self, limits: &Limits, spent: Spend) -> String {
        match self {
            Self::Spent => limits.exceeded_by(spent).unwrap_or_else(|| {
                "what is left for today does not pay for a call (model.dailyTokens, model.dailyCost)"
                    .to_owned()
            }),
            Self::Failing { times, until } => {
                format!("it has failed {times} times in a row, and is left alone until {until}")
            }
            Self::Useless => "its answer could not be used, twice".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workload::{WorkloadKind, WorkloadRef};
    use k8s_openapi::api::core::v1::Container;
    use proptest::prelude::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + second).unwrap()
    }

    fn failure(image: &str) -> Fingerprint {
        let container = Container {
            image: Some(image.to_owned()),
            ..Container::default()
        };
        let workload = WorkloadRef {
            kind: WorkloadKind::Deployment,
            namespace: "shop".into(),
            name: "web".into(),
        };
        Fingerprint::of("unknown-crash", &container, &workload)
    }

    const MOST: Spend = Spend {
        tokens: 1_000,
        micros: 0,
    };

    fn failed() -> Advised {
        Advised::Failed {
            why: "429".to_owned(),
        }
    }

    fn answered() -> Advised {
        Advised::Answered {
            answer: Answer {
                cause: String::new(),
                steps: Vec::new(),
            },
        }
    }

    fn may(calls: &Calls, second: i64) -> May<'_> {
        calls.may(&failure("other"), MOST, &Limits::default(), at(second))
    }

    fn fail(calls: &mut Calls, second: i64) {
        calls.made(
            IncidentId(1),
            &failure("a"),
            (MOST, Kind::Steps),
            at(second),
        );
        calls.over(IncidentId(1), &failed(), Spend::default(), at(second));
    }

    #[test]
    fn one_call_a_failure_is_under_way_and_its_answer_is_known_to_all() {
        let mut calls = Calls::default();
        let limits = Limits::default();
        calls.made(IncidentId(1), &failure("a"), (MOST, Kind::Steps), at(0));
        let same = |calls: &Calls| match calls.may(&failure("a"), MOST, &limits, at(1)) {
            May::Wait(until) => until == at(120),
            _ => false,
        };
        assert!(same(&calls));
        assert_eq!(may(&calls, 1), May::Ask);
        calls.over(IncidentId(1), &answered(), MOST, at(2));
        let know = calls.may(&failure("a"), MOST, &limits, at(3));
        assert!(matches!(know, May::Know(_)), "{know:?}");
        let later = calls.may(&failure("a"), MOST, &limits, at(2 + 24 * 3600));
        assert_eq!(later, May::Ask);
    }

    #[test]
    fn a_call_that_was_never_answered_holds_nobody_back_for_long() {
        let mut calls = Calls::default();
        calls.made(IncidentId(1), &failure("other"), (MOST, Kind::Steps), at(0));
        assert!(matches!(may(&calls, 119), May::Wait(_)));
        assert_eq!(may(&calls, 120), May::Ask);
        assert_eq!(calls.spent(at(120)), MOST, "it may have been answered");
    }

    #[test]
    fn after_three_failures_it_is_left_alone_and_then_one_call_shows() {
        let mut calls = Calls::default();
        (0..3).for_each(|second| fail(&mut calls, second));
        let failing = May::Not(Why::Failing {
            times: 3,
            until: at(62),
        });
        assert_eq!(may(&calls, 61), failing);
        assert_eq!(may(&calls, 62), May::Ask);
        calls.made(IncidentId(1), &failure("a"), (MOST, Kind::Steps), at(62));
        assert!(matches!(may(&calls, 63), May::Wait(_)), "only one");
        calls.over(IncidentId(1), &failed(), Spend::default(), at(63));
        assert!(
            matches!(may(&calls, 63 + 119), May::Not(_)),
            "twice as long"
        );
        assert_eq!(may(&calls, 63 + 120), May::Ask);
        calls.made(IncidentId(1), &failure("a"), (MOST, Kind::Steps), at(200));
        calls.over(IncidentId(1), &answered(), MOST, at(201));
        assert_eq!(may(&calls, 201), May::Ask);
    }

    #[test]
    fn an_answer_that_was_refused_twice_is_not_asked_for_again_soon() {
        let mut calls = Calls::default();
        let refused = Advised::Refused { why: String::new() };
        let other = failure("other");
        for (second, what) in [(0, Kind::Steps), (1, Kind::Repair)] {
            assert_eq!(may(&calls, second), May::Ask);
            calls.made(IncidentId(1), &other, (MOST, what), at(second));
            calls.over(IncidentId(1), &refused, MOST, at(second));
        }
        assert_eq!(may(&calls, 2), May::Not(Why::Useless));
        assert_eq!(may(&calls, 3_602), May::Ask);
    }

    proptest! {
        /// Whatever happens: with what is under way, no more is spent a day than is allowed, if a
        /// call costs what it said at most.
        #[test]
        fn no_more_is_spent_than_is_allowed(steps in proptest::collection::vec((0_i64..20_000, 0_u64..1_000, any::<bool>()), 1..80)) {
            let limits = Limits { daily_tokens: 5_000, ..Limits::default() };
            let mut calls = Calls::default();
            let mut now = 0;
            let mut of_days = BTreeMap::<i64, u64>::new();
            for (index, (passed, tokens, is_answered)) in steps.into_iter().enumerate() {
                now += passed;
                let image = index.to_string();
                if calls.may(&failure(&image), MOST, &limits, at(now)) != May::Ask {
                    continue;
                }
                let id = IncidentId(u64::try_from(index).unwrap());
                calls.made(id, &failure(&image), (MOST, Kind::Steps), at(now));
                let day = at(now).as_second().div_euclid(86_400);
                let spend = Spend { tokens, micros: 0 };
                if is_answered {
                    calls.over(id, &answered(), spend, at(now));
                    *of_days.entry(day).or_default() += tokens;
                } else {
                    *of_days.entry(day).or_default() += MOST.tokens;
                }
            }
            prop_assert!(of_days.values().all(|spent| *spent <= 5_000), "{:?}", of_days);
        }
    }
}
