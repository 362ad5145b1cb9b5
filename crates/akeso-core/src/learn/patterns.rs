//! What has helped against which failure, and what has not.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{
    Confidence, Fingerprint, Level, TRUSTED,
    confidence::{ONE, faded},
    template::are_alike,
};
use crate::{
    act::{Action, ActionKind},
    digest::hex,
};

/// What was not used for so long is forgotten.
pub const LONGEST_UNUSED: SignedDuration = SignedDuration::from_hours(180 * 24);
/// So many patterns are kept at most; those that were used longest ago go first.
pub const MOST: usize = 500;

/// What an action did against a failure, and how often.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Written")]
pub struct Pattern {
    /// The failure, at one level.
    pub fingerprint: Fingerprint,
    /// The action.
    pub kind: ActionKind,
    /// The action with what it wrote when it helped last; what did not help has nothing to tell.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub action: Option<Action>,
    /// Verified heals.
    pub successes: u32,
    /// Uses that did not heal.
    pub failures: u32,
    /// When it was used last.
    pub last_used: Timestamp,
    /// What the heals counted when it was used last, in thousandths: they fade.
    pub helped: u64,
    /// The same of the failures.
    pub failed: u64,
    /// Whether its last use did not heal: until it heals again, it is not trusted.
    pub is_demoted: bool,
    /// Where it was learned, if not here.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
}

/// As it stands in a journal; that of a build before heals faded has only the counts.
#[derive(Deserialize)]
struct Written {
    fingerprint: Fingerprint,
    kind: Option<ActionKind>,
    action: Option<Action>,
    successes: u32,
    failures: u32,
    last_used: Timestamp,
    helped: Option<u64>,
    failed: Option<u64>,
    #[serde(default)]
    is_demoted: bool,
    from: Option<String>,
}

impl TryFrom<Written> for Pattern {
    type Error = &'static str;

    fn try_from(written: Written) -> Result<Self, Self::Error> {
        let of_action = written.action.as_ref().map(Action::kind);
        let kind = written.kind.or(of_action);
        let kind = kind.filter(|kind| of_action.is_none_or(|it| it == *kind));
        Ok(Self {
            kind: kind.ok_or("a pattern names one action, as its `kind`")?,
            helped: written.helped.unwrap_or(u64::from(written.successes) * ONE),
            failed: written.failed.unwrap_or(u64::from(written.failures) * ONE),
            fingerprint: written.fingerprint,
            action: written.action,
            successes: written.successes,
            failures: written.failures,
            last_used: written.last_used,
            is_demoted: written.is_demoted,
            from: written.from,
        })
    }
}

impl Pattern {
    const fn new(fingerprint: Fingerprint, kind: ActionKind, at: Timestamp) -> Self {
        Self {
            fingerprint,
            kind,
            action: None,
            successes: 0,
            failures: 0,
            last_used: at,
            helped: 0,
            failed: 0,
            is_demoted: false,
            from: None,
        }
    }

    fn count(&mut self, has_helped: bool, action: &Action, at: Timestamp) {
        let age = at.duration_since(self.last_used);
        (self.helped, self.failed) = (faded(self.helped, age), faded(self.failed, age));
        if has_helped {
            self.successes = self.successes.saturating_add(1);
            self.helped += ONE;
            self.action = Some(action.clone());
        } else {
            self.failures = self.failures.saturating_add(1);
            self.failed += ONE;
        }
        self.is_demoted = !has_helped;
        self.last_used = at;
    }

    /// A short name for people to type: eight hexadecimal digits.
    pub fn id(&self) -> String {
        let from = self.from.as_deref().unwrap_or_default();
        let named = format!("{} {} {from}", self.fingerprint.id(), self.kind);
        hex(&Sha256::digest(named)[..4])
    }

    /// How much can be expected of it.
    pub fn confidence(&self, now: Timestamp) -> Confidence {
        let age = now.duration_since(self.last_used);
        Confidence::of(faded(self.helped, age), faded(self.failed, age))
    }

    /// Whether it is used.
    pub fn is_trusted(&self, now: Timestamp) -> bool {
        !self.is_demoted && self.confidence(now) >= TRUSTED
    }
}

/// What is known of an action against a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing<'a> {
    /// It has helped.
    Helps(&'a Pattern),
    /// Too little has happened, or too long ago.
    Unknown,
    /// It has not helped, and is not to be tried first again.
    DoesNotHelp,
}

/// The patterns of one journal.
#[derive(Debug, Default)]
struct Book(BTreeMap<(Fingerprint, ActionKind), Pattern>);

/// All patterns: those that were learned here, and those of other journals.
#[derive(Debug, Default)]
pub struct Patterns {
    own: Book,
    imported: BTreeMap<String, Book>,
}

impl Book {
    fn insert(&mut self, pattern: Pattern) {
        let key = (pattern.fingerprint.clone(), pattern.kind);
        self.0.insert(key, pattern);
    }

    /// The pattern of this failure, or of one whose log is of the same form, if enough has happened.
    fn find(&self, failure: &Fingerprint, action: ActionKind) -> Option<&Pattern> {
        let pattern = self.0.get(&self.key(failure, action))?;
        let uses = pattern.successes.saturating_add(pattern.failures);
        (uses >= failure.level().least()).then_some(pattern)
    }

    /// Where a failure is counted.
    fn key(&self, failure: &Fingerprint, action: ActionKind) -> (Fingerprint, ActionKind) {
        let exact = (failure.clone(), action);
        if failure.log.is_empty() || self.0.contains_key(&exact) {
            return exact;
        }
        let is_same_but_log = |known: &Fingerprint| {
            let with_its_log = Fingerprint {
                log: known.log.clone(),
                ..failure.clone()
            };
            *known == with_its_log && are_alike(&known.log, &failure.log)
        };
        let mut known = self.0.keys();
        let alike = known.find(|(known, kind)| *kind == action && is_same_but_log(known));
        alike.cloned().unwrap_or(exact)
    }
}

impl Patterns {
    /// What is known of an action against a failure: at the narrowest level at which enough has
    /// happened, here before elsewhere. That something did not help elsewhere says nothing of here.
    pub fn standing(
        &self,
        failure: &Fingerprint,
        action: ActionKind,
        now: Timestamp,
    ) -> Standing<'_> {
        for level in Level::ALL {
            let failure = failure.at(level);
            match self.own.find(&failure, action) {
                Some(pattern) if pattern.is_trusted(now) => return Standing::Helps(pattern),
                // that it failed for another program says nothing of this one
                Some(pattern) if pattern.is_demoted && level <= Level::Program => {
                    return Standing::DoesNotHelp;
                }
                Some(_) => return Standing::Unknown,
                None => {}
            }
            let books = self.imported.values();
            let mut known = books.filter_map(|book| book.find(&failure, action));
            if let Some(pattern) = known.find(|it| it.is_trusted(now)) {
                return Standing::Helps(pattern);
            }
        }
        Standing::Unknown
    }

    /// Counts a verified heal.
    pub fn succeeded(&mut self, failure: &Fingerprint, action: &Action, at: Timestamp) {
        self.count(failure, action, true, at);
    }

    /// Counts an attempt that did not heal.
    pub fn failed(&mut self, failure: &Fingerprint, action: &Action, at: Timestamp) {
        self.count(failure, action, false, at);
    }

    fn count(&mut self, failure: &Fingerprint, action: &Action, has_helped: bool, at: Timestamp) {
        for level in Level::ALL.into_iter().filter(|it| *it >= failure.level()) {
            let key = self.own.key(&failure.at(level), action.kind());
            let pattern = self.own.0.entry(key.clone());
            let pattern = pattern.or_insert_with(|| Pattern::new(key.0, key.1, at));
            pattern.count(has_helped, action, at);
        }
        self.prune(at);
    }

    /// Takes in what another journal has learned, in place of what was known of that.
    pub fn import(&mut self, from: &str, patterns: &[Pattern], at: Timestamp) {
        let mut book = Book::default();
        for pattern in patterns {
            book.insert(Pattern {
                from: Some(from.to_owned()),
                ..pattern.clone()
            });
        }
        self.imported.insert(from.to_owned(), book);
        self.prune(at);
    }

    /// Forgets what was not used for long, and of too many what was used longest ago; what was
    /// learned elsewhere before what was learned here.
    fn prune(&mut self, now: Timestamp) {
        let is_young = |pattern: &Pattern| now.duration_since(pattern.last_used) < LONGEST_UNUSED;
        self.own.0.retain(|_, pattern| is_young(pattern));
        let mut room = MOST;
        prune_to(&mut self.own, room);
        room -= self.own.0.len();
        for book in self.imported.values_mut() {
            book.0.retain(|_, pattern| is_young(pattern));
            prune_to(book, room);
            room -= book.0.len();
        }
        self.imported.retain(|_, book| !book.0.is_empty());
    }

    /// Forgets what is known of a failure, here and at every narrower level: of one action, or of all.
    pub fn forget(&mut self, failure: &Fingerprint, action: Option<ActionKind>) {
        let level = failure.level();
        for book in std::iter::once(&mut self.own).chain(self.imported.values_mut()) {
            book.0.retain(|(known, kind), _| {
                let is_it = known.level() <= level && known.at(level) == *failure;
                !is_it || action.is_some_and(|action| action != *kind)
            });
        }
    }

    /// Puts those of a checkpoint in the place of all.
    pub fn replace(&mut self, patterns: &[Pattern]) {
        *self = Self::default();
        for pattern in patterns {
            let book = match &pattern.from {
                Some(from) => self.imported.entry(from.clone()).or_default(),
                None => &mut self.own,
            };
            book.insert(pattern.clone());
        }
    }

    /// Every pattern, those that were learned here first, in the order of the fingerprints.
    pub fn iter(&self) -> impl Iterator<Item = &Pattern> {
        let books = std::iter::once(&self.own).chain(self.imported.values());
        books.flat_map(|book| book.0.values())
    }
}

fn prune_to(book: &mut Book, most: usize) {
    while book.0.len() > most {
        let oldest = book.0.iter().min_by_key(|(_, it)| it.last_used);
        let Some(oldest) = oldest.map(|(key, _)| key.clone()) else {
            return;
        };
        book.0.remove(&oldest);
    }
}
