//! What came of it: the article's evaluation, of a store's journal.

pub mod shadow;

use std::collections::{BTreeMap, BTreeSet};

use akeso_core::{
    consult::{Advised, Spend},
    engine::{Incident, Ledger, State},
    journal::{End, Entry, Fact, Verdict},
    learn::{Fingerprint, Level},
    workload::IncidentId,
};
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

const WEEK: SignedDuration = SignedDuration::from_hours(7 * 24);

/// How the incidents of a time came out.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Evaluation {
    /// From when on incidents were opened that count.
    pub since: Timestamp,
    /// The time of the evaluation.
    pub until: Timestamp,
    /// All of them.
    #[serde(flatten)]
    pub all: Counts,
    /// What people were asked, and said.
    pub questions: Questions,
    /// Seconds from the first sign to the proof that the heal stays.
    pub seconds_to_heal: Percentiles,
    /// Week by week from `since`.
    pub weeks: Vec<Week>,
    /// By action.
    pub actions: BTreeMap<String, Uses>,
    /// By namespace; what lies in none is under the empty name.
    pub namespaces: BTreeMap<String, Counts>,
}

/// How many incidents came out how.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// All.
    pub incidents: usize,
    /// Healed by Akeso, and verified.
    pub healed: usize,
    /// Over before anything was done or anybody told.
    pub went_away: usize,
    /// A person was told or asked, whatever they did.
    pub with_a_person: usize,
    /// Not over yet.
    pub under_way: usize,
    /// Of those that are not under way: healed and not broken again, gone away, or told to a person
    /// with a cause; and nothing of it harmful.
    pub correct: usize,
    /// Something that Akeso did made it worse, or a person took it back.
    pub harmful: usize,
    /// The same failure of the same program had been seen before.
    pub repeats: usize,
    /// Calls of a language model, to mend its answers as well.
    pub model_calls: usize,
    /// Answers that could not be used.
    pub model_refused: usize,
    /// What they needed.
    pub model_tokens: u64,
    /// What they have cost, in millionths of the currency of the policy's prices.
    pub model_micros: u64,
}

/// What people were asked, and said. A question without an answer has expired, was overtaken, or
/// still stands.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Questions {
    /// So often a person was asked.
    pub asked: usize,
    /// So many were approved.
    pub approved: usize,
    /// So many were rejected.
    pub rejected: usize,
}

/// One week.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Week {
    /// Its beginning.
    pub from: Timestamp,
    /// The incidents that were opened in it.
    #[serde(flatten)]
    pub counts: Counts,
}

/// What came of an action.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Uses {
    /// How often it was done; trials are not counted.
    pub attempts: usize,
    /// It helped, wholly or with what else was done.
    pub healed: usize,
    /// It did not help.
    pub not_healed: usize,
    /// It made things worse.
    pub worse: usize,
    /// It was taken back.
    pub taken_back: usize,
}

/// The middle, and what only one in twenty exceeds; nothing, if there is nothing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Percentiles {
    /// The middle.
    pub p50: Option<i64>,
    /// One in twenty is longer.
    pub p95: Option<i64>,
}

/// What a journal tells of incidents beside how they stand.
#[derive(Debug, Default)]
struct Told {
    reopened: BTreeSet<IncidentId>,
    recalled: BTreeSet<IncidentId>,
    /// Of which a person was told, or asked.
    people: BTreeSet<IncidentId>,
    questions: BTreeMap<IncidentId, Questions>,
    repeats: BTreeSet<IncidentId>,
    /// The incident by which each failure of a program was seen first.
    first: BTreeMap<Fingerprint, IncidentId>,
    /// The calls of a model, and what they have cost.
    calls: BTreeMap<IncidentId, (usize, Spend)>,
    /// How many of its answers were refused.
    refused: BTreeMap<IncidentId, usize>,
    /// Calls that have no answer yet: what they cost at most counts.
    unanswered: BTreeMap<IncidentId, Spend>,
}

impl Told {
    fn read(&mut self, fact: &Fact) {
        if let Fact::Reopened { incident, .. } = fact {
            self.reopened.insert(*incident);
        }
        if let Fact::Recalled { incident, .. } = fact {
            self.recalled.insert(*incident);
        }
        if let Fact::Escalated { incident, .. } | Fact::Asked { incident, .. } = fact {
            self.people.insert(*incident);
        }
        if let Fact::Consulted { incident, most, .. } = fact {
            self.calls.entry(*incident).or_default().0 += 1;
            self.unanswered.insert(*incident, *most);
        }
        if let Fact::Advised {
            incident,
            spend,
            advised,
        } = fact
        {
            let is_refused = matches!(advised, Advised::Refused { .. });
            *self.refused.entry(*incident).or_default() += usize::from(is_refused);
            self.unanswered.remove(incident);
            let (_, spent) = self.calls.entry(*incident).or_default();
            *spent = spent.and(*spend);
        }
        if let Some(incident) = fact.incident() {
            self.questions.entry(incident).or_default().read(fact);
        }
        if let Fact::Diagnosed {
            incident,
            diagnoses,
        } = fact
            && let Some(diagnosis) = diagnoses.first()
        {
            let failure = diagnosis.fingerprint.at(Level::Program);
            if *self.first.entry(failure).or_insert(*incident) != *incident {
                self.repeats.insert(*incident);
            }
        }
    }
}

impl Questions {
    fn read(&mut self, fact: &Fact) {
        self.asked += usize::from(matches!(fact, Fact::Asked { .. }));
        self.approved += usize::from(matches!(fact, Fact::Consented { .. }));
        self.rejected += usize::from(matches!(fact, Fact::Declined { .. }));
    }

    const fn add(&mut self, other: Self) {
        self.asked += other.asked;
        self.approved += other.approved;
        self.rejected += other.rejected;
    }
}

impl Evaluation {
    /// Of the incidents of a journal that were opened since then.
    pub fn of(entries: &[Entry], since: Timestamp, until: Timestamp) -> Self {
        let (mut ledger, mut told) = (Ledger::default(), Told::default());
        for entry in entries {
            told.read(&entry.fact);
            ledger.fold(entry);
        }
        let mut evaluation = Self {
            since,
            until,
            all: Counts::default(),
            questions: Questions::default(),
            seconds_to_heal: Percentiles::default(),
            weeks: Vec::new(),
            actions: BTreeMap::new(),
            namespaces: BTreeMap::new(),
        };
        let mut took = Vec::new();
        for incident in ledger.incidents().filter(|it| it.opened >= since) {
            evaluation.count(incident, &told);
            let questions = told.questions.get(&incident.id).copied();
            evaluation.questions.add(questions.unwrap_or_default());
            if incident.state == State::Closed(End::Healed) {
                took.push(incident.updated.duration_since(incident.opened).as_secs());
            }
        }
        evaluation.seconds_to_heal = Percentiles::of(took);
        evaluation
    }

    fn count(&mut self, incident: &Incident, told: &Told) {
        let counts = Counts::of(incident, told);
        self.all.add(counts);
        let namespace = incident.workload.namespace.clone();
        self.namespaces.entry(namespace).or_default().add(counts);
        let age = incident.opened.duration_since(self.since);
        let week = usize::try_from(age.as_secs() / WEEK.as_secs()).unwrap_or(0);
        while self.weeks.len() <= week {
            let last = self.weeks.last().map(|week| week.from);
            let next = last.map_or(self.since, |last| {
                last.checked_add(WEEK).unwrap_or(self.until)
            });
            let counts = Counts::default();
            self.weeks.push(Week { from: next, counts });
        }
        if let Some(week) = self.weeks.get_mut(week) {
            week.counts.add(counts);
        }
        for attempt in incident.attempts.iter().filter(|it| !it.is_trial()) {
            let name = attempt.step.action.name().to_owned();
            let uses = self.actions.entry(name).or_default();
            uses.attempts += 1;
            uses.taken_back += usize::from(attempt.rolled_back.is_some());
            match attempt.verdict {
                Some(Verdict::Healed | Verdict::Partly) => uses.healed += 1,
                Some(Verdict::NotHealed) => uses.not_healed += 1,
                Some(Verdict::Worse) => uses.worse += 1,
                Some(Verdict::Superseded | Verdict::Passed) | None => {}
            }
        }
    }
}

impl Counts {
    fn of(incident: &Incident, told: &Told) -> Self {
        let is_told = told.people.contains(&incident.id);
        let mut attempts = incident.attempts.iter();
        let is_worse = attempts.any(|it| it.verdict == Some(Verdict::Worse));
        let is_harmful = is_worse || told.recalled.contains(&incident.id);
        let (healed, went_away, with_a_person) = match &incident.state {
            State::Closed(End::Healed) => (true, false, false),
            State::Closed(End::Dismissed { .. }) => (false, !is_told, is_told),
            State::Escalated { .. } | State::AwaitingApproval { .. } => (false, false, true),
            State::Observed
            | State::Planned { .. }
            | State::Waiting { .. }
            | State::Joined { .. }
            | State::Acting { .. }
            | State::Verifying { .. }
            | State::RollingBack { .. } => (false, false, false),
        };
        let (calls, spent) = told.calls.get(&incident.id).copied().unwrap_or_default();
        let unanswered = told.unanswered.get(&incident.id).copied();
        let spent = spent.and(unanswered.unwrap_or_default());
        let is_explained = with_a_person && !incident.diagnoses.is_empty();
        let is_handled = healed || went_away || is_explained;
        let is_correct = is_handled && !is_harmful && !told.reopened.contains(&incident.id);
        Self {
            incidents: 1,
            healed: healed.into(),
            went_away: went_away.into(),
            with_a_person: with_a_person.into(),
            under_way: (!healed && !went_away && !with_a_person).into(),
            correct: is_correct.into(),
            harmful: is_harmful.into(),
            repeats: told.repeats.contains(&incident.id).into(),
            model_calls: calls,
            model_refused: told.refused.get(&incident.id).copied().unwrap_or_default(),
            model_tokens: spent.tokens,
            model_micros: spent.micros,
        }
    }

    const fn add(&mut self, other: Self) {
        self.incidents += other.incidents;
        self.healed += other.healed;
        self.went_away += other.went_away;
        self.with_a_person += other.with_a_person;
        self.under_way += other.under_way;
        self.correct += other.correct;
        self.harmful += other.harmful;
        self.repeats += other.repeats;
        self.model_calls += other.model_calls;
        self.model_refused += other.model_refused;
        self.model_tokens += other.model_tokens;
        self.model_micros += other.model_micros;
    }

    /// What the calls of a model have cost, in the currency of the policy's prices.
    pub fn model_cost(&self) -> String {
        let (whole, rest) = (self.model_micros / 1_000_000, self.model_micros % 1_000_000);
        format!("{whole}.{:04}", rest / 100)
    }

    /// The share of those that are not under way that were handled correctly, in percent.
    pub const fn percent_correct(&self) -> Option<usize> {
        (100 * self.correct).checked_div(self.incidents - self.under_way)
    }
}

impl Percentiles {
    fn of(mut values: Vec<i64>) -> Self {
        values.sort_unstable();
        // the nearest rank
        let at = |percent: usize| {
            let rank = (values.len() * percent).div_ceil(100);
            values.get(rank.checked_sub(1)?).copied()
        };
        Self {
            p50: at(50),
            p95: at(95),
        }
    }
}

#[cfg(test)]
mod tests {
    use akeso_core::engine::{Event, Request};

    use super::{
        shadow::tests::{broken, run},
        *,
    };

    #[test]
    fn questions_are_counted_with_their_answers() {
        let mut simulation = broken(
            "{autonomy: full, canary: off, actions: {fix_image_name: ask}}",
            &[("shop", "a"), ("data", "b")],
        );
        let asked = simulation.journal.iter().filter_map(|entry| {
            let Fact::Asked { question, .. } = &entry.fact else {
                return None;
            };
            Some(question.attempt)
        });
        let asked: Vec<_> = asked.collect();
        let by = || "ada".to_owned();
        simulation.say(Event::Requested(Request::Consent {
            attempt: asked[0],
            by: by(),
        }));
        simulation.say(Event::Requested(Request::Decline {
            attempt: asked[1],
            by: by(),
        }));
        run(&mut simulation);
        let (since, until) = (Timestamp::UNIX_EPOCH, simulation.cluster.now());
        let questions = Evaluation::of(&simulation.journal, since, until).questions;
        let expected = Questions {
            asked: 2,
            approved: 1,
            rejected: 1,
        };
        assert_eq!(questions, expected);
        let later = Evaluation::of(&simulation.journal, until, until).questions;
        assert_eq!(later, Questions::default());
    }

    #[test]
    fn cost_is_told_to_the_ten_thousandth() {
        let counts = Counts {
            model_micros: 12_030_499,
            ..Counts::default()
        };
        assert_eq!(counts.model_cost(), "12.0304");
    }

    #[test]
    fn percentiles_are_by_the_nearest_rank() {
        let of = |values: &[i64]| {
            let found = Percentiles::of(values.to_vec());
            (found.p50, found.p95)
        };
        assert_eq!(of(&[]), (None, None));
        assert_eq!(of(&[7]), (Some(7), Some(7)));
        let hundred: Vec<_> = (1..=100).rev().collect();
        assert_eq!(of(&hundred), (Some(50), Some(95)));
    }
}
