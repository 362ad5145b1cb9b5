//! The loop around the engine: events in, journal to disk, effects out.

use std::time::Duration;

use akeso_core::{
    consult::{Prompt, Reply},
    engine::{Effect, Engine, Event, Request, State},
    journal::{End, Fact, Outcome},
    policy::Settings,
    workload::IncidentId,
};
use akeso_kube::Hands;
use jiff::Timestamp;
use tokio::{
    sync::mpsc::UnboundedReceiver,
    time::{Instant, MissedTickBehavior, sleep_until},
};

use crate::{
    configuration::Configuration,
    model::Endpoint,
    report::Reporter,
    store::{Pending, Requests, StoreError, Wish},
    write_ahead::WriteAhead,
};

/// After this long without an entry, what was held back is shown.
const QUIET: Duration = Duration::from_millis(300);
/// How often the monitor looks for what people ask for by a command.
const INBOX: Duration = Duration::from_secs(1);
/// How often retention is looked after, beside the start.
const PRUNED_EVERY: Duration = Duration::from_hours(24);
/// How long the end is put off for a change that is under way.
const LAST_WORDS: Duration = Duration::from_secs(30);

/// When a drive ends by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Until {
    /// Only when it is told to.
    Stopped,
    /// When nothing is left to do.
    AtRest,
    /// When so many incidents were healed, or the time is over.
    Healed {
        /// How many.
        count: usize,
        /// The time.
        within: Duration,
    },
}

/// An engine at work on a cluster.
pub struct Drive {
    /// The mind.
    pub engine: Engine,
    /// The hands.
    pub hands: Hands,
    /// What happens in the cluster, and what became of effects.
    pub events: UnboundedReceiver<Event>,
    /// Where the journal goes.
    pub ahead: WriteAhead,
    /// Who is told.
    pub reporter: Box<dyn Reporter>,
    /// How often everything is looked at again.
    pub interval: Duration,
    /// What people ask for by a command.
    pub requests: Option<Requests>,
    has_store_failed: bool,
    /// The model that is asked, if one is set up.
    pub model: Option<Endpoint>,
    /// Where other settings come from, if they may change.
    pub configuration: Option<Configuration>,
    healed: usize,
    retention: Option<Duration>,
}

impl Drive {
    /// Puts the parts together.
    pub fn new(
        engine: Engine,
        (hands, events): (Hands, UnboundedReceiver<Event>),
        ahead: WriteAhead,
        reporter: Box<dyn Reporter>,
        interval: Duration,
    ) -> Self {
        Self {
            engine,
            hands,
            events,
            ahead,
            reporter,
            interval,
            requests: None,
            has_store_failed: false,
            model: None,
            configuration: None,
            healed: 0,
            retention: None,
        }
    }

    /// Takes entries out of the journal that are older, at the start and then once a day.
    #[must_use]
    pub const fn with_retention(mut self, retention: Option<Duration>) -> Self {
        self.retention = retention;
        self
    }

    /// Runs until `until`, or until SIGINT or SIGTERM. What is in flight then is finished; what is
    /// being verified is in the journal, and the next start goes on with it.
    pub async fn run(&mut self, until: Until) -> std::io::Result<()> {
        let mut stop = Signals::listen()?;
        let start = Instant::now();
        let mut recheck = start + self.interval;
        let mut prune = start;
        let mut quiet_at: Option<Instant> = None;
        let mut has_begun = false;
        let mut inbox = tokio::time::interval(INBOX);
        inbox.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while !self.is_over(until, start) {
            let tick = self
                .engine
                .next_wake()
                .map(|at| start_of(at).max(Instant::now()));
            let deadline = match until {
                Until::Healed { within, .. } => Some(start + within),
                Until::Stopped | Until::AtRest => None,
            };
            if prune <= Instant::now() {
                prune += PRUNED_EVERY;
                self.prune(Timestamp::now());
            }
            let wake = [tick, Some(recheck), Some(prune), quiet_at, deadline]
                .into_iter()
                .flatten()
                .min();
            tokio::select! {
                event = self.events.recv() => match event {
                    Some(event) => if self.handle(event) { quiet_at = Some(Instant::now() + QUIET); },
                    None => break,
                },
                () = sleep_until(wake.unwrap_or(recheck)) => {}
                _ = inbox.tick(), if self.engine.is_synced() => {
                    if self.look_at_store() { quiet_at = Some(Instant::now() + QUIET); }
                }
                settings = changed(&mut self.configuration) => {
                    if self.handle(Event::Configured(Box::new(settings?))) { quiet_at = Some(Instant::now() + QUIET); }
                }
                () = stop.received() => {
                    self.finish().await;
                    break;
                }
            }
            let now = Instant::now();
            if self.engine.is_synced() && !std::mem::replace(&mut has_begun, true) {
                self.reporter.begun(Timestamp::now());
            }
            if tick.is_some_and(|at| at <= now) && self.handle(Event::Tick) {
                quiet_at = Some(now + QUIET);
            }
            if quiet_at.is_some_and(|at| at <= now) {
                self.reporter.quiet();
                quiet_at = None;
            }
            if recheck <= now {
                recheck = now + self.interval;
                if self.handle(Event::Recheck) {
                    quiet_at = Some(now + QUIET);
                }
                self.reporter.rechecked(Timestamp::now());
            }
        }
        if until == Until::AtRest {
            self.reporter.rechecked(Timestamp::now());
        }
        self.reporter.close();
        Ok(())
    }

    /// How many incidents were healed.
    pub const fn healed(&self) -> usize {
        self.healed
    }

    fn is_over(&self, until: Until, start: Instant) -> bool {
        match until {
            Until::Stopped => false,
            Until::AtRest => self.engine.is_at_rest(),
            Until::Healed { count, within } => self.healed >= count || start.elapsed() >= within,
        }
    }

    /// Waits for the outcomes of the changes that are under way, and writes them down.
    pub async fn finish(&mut self) {
        let deadline = Instant::now() + LAST_WORDS;
        while self.engine.ledger().open().any(|incident| {
            matches!(
                incident.state,
                State::Acting { .. } | State::RollingBack { .. }
            )
        }) {
            match tokio::time::timeout_at(deadline, self.events.recv()).await {
                Ok(Some(event @ Event::Outcome(..))) => drop(self.handle(event)),
                Ok(Some(_)) => {}
                Ok(None) | Err(_) => return,
            }
        }
    }

    /// Tries again to write what could not be written, and takes what people ask for. While the
    /// journal cannot be written, nobody is heard: their word could not be kept.
    pub fn look_at_store(&mut self) -> bool {
        if self.ahead.failure().is_some() && self.carry_out(Vec::new()) {
            return true;
        }
        self.ahead.failure().is_none() && self.take_requests()
    }

    /// Does what people have asked for by a command, and answers them.
    fn take_requests(&mut self) -> bool {
        let Some(requests) = self.requests.take() else {
            return false;
        };
        let has_entries = self.answer_all(&requests);
        self.requests = Some(requests);
        has_entries.unwrap_or_else(|error| {
            tracing::warn!(%error, "requests cannot be read or answered");
            false
        })
    }

    fn answer_all(&mut self, requests: &Requests) -> Result<bool, StoreError> {
        let mut has_entries = false;
        for Pending {
            id,
            by,
            wish,
            attempt,
        } in requests.pending()?
        {
            let request = match wish {
                Wish::Approve => Request::Consent { attempt, by },
                Wish::Reject => Request::Decline { attempt, by },
                Wish::Rollback => {
                    let Some(incident) = requests.incident_of(attempt)? else {
                        requests.answer(id, "there is no such attempt in the journal")?;
                        continue;
                    };
                    Request::TakeBack {
                        incident: Box::new(incident),
                        attempt,
                        by,
                    }
                }
            };
            let is_taken = self.handle(Event::Requested(request));
            has_entries |= is_taken;
            let answer = match (is_taken, wish) {
                (true, Wish::Approve) => "approved; `akeso incidents show` tells what comes of it",
                (true, Wish::Reject) => "rejected",
                (true, Wish::Rollback) => "is being taken back",
                (false, Wish::Approve | Wish::Reject) => "nothing waits under it any more",
                (false, Wish::Rollback) => {
                    "not taken back: it was already, or something else is being done on the workload: try again"
                }
            };
            requests.answer(id, answer)?;
        }
        Ok(has_entries)
    }

    /// Takes the oldest entries out of the journal, if any may go. What cannot be pruned today may
    /// be tomorrow.
    fn prune(&mut self, now: Timestamp) {
        let Some(cutoff) = self.retention.and_then(|keep| now.checked_sub(keep).ok()) else {
            return;
        };
        match self.ahead.oldest_before(cutoff) {
            Ok(Some(segment)) => {
                let effects = self.engine.seal(&segment, now);
                self.carry_out(effects);
            }
            Ok(None) => {}
            Err(error) => eprintln!("akeso: nothing is taken out of the journal: {error}"),
        }
    }

    /// Lets the engine decide, and does it. Says whether anything was journalled.
    pub fn handle(&mut self, event: Event) -> bool {
        let effects = self.engine.handle(event, Timestamp::now());
        self.carry_out(effects)
    }

    fn carry_out(&mut self, mut effects: Vec<Effect>) -> bool {
        let mut has_entries = false;
        loop {
            let passed = self.ahead.pass(effects);
            for entry in &passed.entries {
                has_entries = true;
                let is_heal = matches!(
                    entry.fact,
                    Fact::Closed {
                        end: End::Healed,
                        ..
                    }
                );
                self.healed += usize::from(is_heal);
                self.reporter.entry(entry);
            }
            for effect in passed.effects {
                match effect {
                    Effect::Consult { incident, prompt } => self.consult(incident, prompt),
                    effect => self.hands.execute(effect),
                }
            }
            effects = self.tell_of_store();
            for attempt in passed.withheld {
                let why = "the store cannot be written, so nothing is changed".to_owned();
                let outcome = Event::Outcome(attempt, Outcome::Failed { why });
                effects.extend(self.engine.handle(outcome, Timestamp::now()));
            }
            if effects.is_empty() {
                return has_entries;
            }
        }
    }

    /// Has the model asked aside; what comes of it comes as an event.
    fn consult(&self, incident: IncidentId, prompt: Prompt) {
        let (hands, endpoint) = (self.hands.clone(), self.model.clone());
        tokio::spawn(async move {
            let reply = match endpoint {
                Some(endpoint) => endpoint.ask(&prompt).await,
                None => Reply::Failed {
                    why: "no model is set up".to_owned(),
                    is_billed: false,
                },
            };
            hands.tell(Event::Replied(incident, reply));
        });
    }

    /// Tells the engine when the store cannot be written any more, and when it can again.
    fn tell_of_store(&mut self) -> Vec<Effect> {
        let failure = self.ahead.failure().map(str::to_owned);
        let event = match failure {
            Some(why) if !self.has_store_failed => Event::StoreFailed(why),
            None if self.has_store_failed => Event::StoreRecovered,
            Some(_) | None => return Vec::new(),
        };
        self.has_store_failed = !self.has_store_failed;
        self.engine.handle(event, Timestamp::now())
    }
}

/// Waits for other settings, for ever if there are none to come.
pub async fn changed(configuration: &mut Option<Configuration>) -> std::io::Result<Settings> {
    match configuration {
        Some(configuration) => configuration.changed().await,
        None => std::future::pending().await,
    }
}

/// The moment of the runtime's clock that is `at` on the wall.
pub fn start_of(at: Timestamp) -> Instant {
    let ahead = at.duration_since(Timestamp::now());
    Instant::now() + Duration::try_from(ahead).unwrap_or(Duration::ZERO)
}

/// SIGINT and SIGTERM.
struct Signals {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
}

impl Signals {
    fn listen() -> std::io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
        })
    }

    async fn received(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}
