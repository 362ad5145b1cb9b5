//! The loop around the engine: events in, journal to disk, effects out.

use std::time::Duration;

use akeso_core::{
    engine::{Engine, Event, State},
    journal::{End, Fact, Outcome},
    policy::Settings,
};
use akeso_kube::Hands;
use jiff::Timestamp;
use tokio::{
    sync::mpsc::UnboundedReceiver,
    time::{Instant, sleep_until},
};

use crate::{configuration::Configuration, report::Reporter, write_ahead::WriteAhead};

/// After this long without an entry, what was held back is shown.
const QUIET: Duration = Duration::from_millis(300);
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
    /// Where other settings come from, if they may change.
    pub configuration: Option<Configuration>,
    healed: usize,
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
            configuration: None,
            healed: 0,
        }
    }

    /// Runs until `until`, or until SIGINT or SIGTERM. What is in flight then is finished; what is
    /// being verified is in the journal, and the next start goes on with it.
    pub async fn run(&mut self, until: Until) -> std::io::Result<()> {
        let mut stop = Signals::listen()?;
        let start = Instant::now();
        let mut recheck = start + self.interval;
        let mut quiet_at: Option<Instant> = None;
        let mut has_begun = false;
        while !self.is_over(until, start) {
            let tick = self
                .engine
                .next_wake()
                .map(|at| start_of(at).max(Instant::now()));
            let deadline = match until {
                Until::Healed { within, .. } => Some(start + within),
                Until::Stopped | Until::AtRest => None,
            };
            let wake = [tick, Some(recheck), quiet_at, deadline]
                .into_iter()
                .flatten()
                .min();
            tokio::select! {
                event = self.events.recv() => match event {
                    Some(event) => if self.handle(event) { quiet_at = Some(Instant::now() + QUIET); },
                    None => break,
                },
                () = sleep_until(wake.unwrap_or(recheck)) => {}
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
    async fn finish(&mut self) {
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

    /// Lets the engine decide, and does it. Says whether anything was journalled.
    pub fn handle(&mut self, event: Event) -> bool {
        let mut effects = self.engine.handle(event, Timestamp::now());
        let mut has_entries = false;
        while !effects.is_empty() {
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
                self.hands.execute(effect);
            }
            effects = Vec::new();
            for attempt in passed.withheld {
                let why = "the store cannot be written, so nothing is changed".to_owned();
                let outcome = Event::Outcome(attempt, Outcome::Failed { why });
                effects.extend(self.engine.handle(outcome, Timestamp::now()));
            }
        }
        has_entries
    }
}

/// Waits for other settings, for ever if there are none to come.
async fn changed(configuration: &mut Option<Configuration>) -> std::io::Result<Settings> {
    match configuration {
        Some(configuration) => configuration.changed().await,
        None => std::future::pending().await,
    }
}

/// The moment of the runtime's clock that is `at` on the wall.
fn start_of(at: Timestamp) -> Instant {
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
