//! The engine at work on one workload while a person looks on: a line tells what is waited for.

use std::{
    future::Future,
    pin::pin,
    sync::mpsc::{Receiver, Sender, channel},
    time::Duration,
};

use akeso_core::{
    engine::{Engine, Event, Incident, Ledger, Request, State},
    journal::{Entry, Fact},
    workload::{IncidentId, WorkloadRef},
};
use anyhow::bail;
use indicatif::{ProgressBar, ProgressStyle};
use jiff::Timestamp;
use tokio::{
    signal::unix::{SignalKind, signal},
    time::{Instant, MissedTickBehavior, interval, sleep_until},
};

use super::{conversation::Conversation, show};
use crate::{
    drive::{Drive, changed, start_of},
    report::{Reporter, state_words},
};

/// How often everything is looked at again, beside the watch.
pub const RECHECK: Duration = Duration::from_secs(30);
/// A model answers within this time, or does not.
const LONGEST_ANSWER: Duration = Duration::from_secs(150);
/// How often the progress line is written anew.
const REFRESH: Duration = Duration::from_secs(1);

/// Passes on what is journalled.
pub struct Told(Sender<Entry>);

impl Told {
    /// A reporter, and what it is told.
    pub fn new() -> (Self, Receiver<Entry>) {
        let (sender, receiver) = channel();
        (Self(sender), receiver)
    }
}

impl Reporter for Told {
    fn entry(&mut self, entry: &Entry) {
        if self.0.send(entry.clone()).is_err() {
            tracing::debug!("nobody is told any more");
        }
    }

    fn begun(&mut self, _: Timestamp) {}

    fn quiet(&mut self) {}

    fn rechecked(&mut self, _: Timestamp) {}

    fn close(&mut self) {}
}

/// The engine at work, restricted to one workload.
pub struct Follower {
    drive: Drive,
    entries: Receiver<Entry>,
    workload: WorkloadRef,
    /// The incident of the session, also when it is over.
    incident: Option<IncidentId>,
    /// The journal until now, for the words of what is told.
    ledger: Ledger,
    /// The incident, if it was given up before the session.
    given_up: Option<IncidentId>,
    /// How often a model has answered, or failed to.
    advised: usize,
}

impl Follower {
    /// Follows what is done on a workload; `journal` is what was written before.
    pub fn new(
        drive: Drive,
        entries: Receiver<Entry>,
        workload: WorkloadRef,
        journal: &[Entry],
    ) -> Self {
        let mut ledger = Ledger::default();
        for entry in journal {
            ledger.fold(entry);
        }
        let open = ledger.open_incident(&workload);
        let given_up = open.filter(|id| {
            let state = ledger.get(*id).map(|it| &it.state);
            matches!(state, Some(State::Escalated { .. }))
        });
        Self {
            drive,
            entries,
            workload,
            incident: open,
            ledger,
            given_up,
            advised: 0,
        }
    }

    /// The mind.
    pub const fn engine(&self) -> &Engine {
        &self.drive.engine
    }

    /// The incident of the workload, as it stands; the last one, if it is over.
    pub fn incident(&mut self) -> Option<Incident> {
        let open = self.engine().ledger().open_incident(&self.workload);
        self.incident = open.or(self.incident);
        // the engine forgets what is over
        let known = self.engine().ledger();
        let id = self.incident?;
        known.get(id).or_else(|| self.ledger.get(id)).cloned()
    }

    /// Whether the workload is there and nothing is broken about it.
    pub fn is_well(&self) -> bool {
        let engine = self.engine();
        let workload = engine.cluster().workload(&self.workload);
        workload.is_some() && engine.ledger().open_incident(&self.workload).is_none()
    }

    /// Whether an incident was given up before the session; it is said once.
    pub fn was_given_up(&mut self, incident: IncidentId) -> bool {
        self.given_up.take() == Some(incident)
    }

    /// Tells the engine what a person wants. Whether it was heard.
    pub fn say(&mut self, request: Request) -> bool {
        self.drive.handle(Event::Requested(request))
    }

    /// Lets the engine work until nothing is left to do without a person, or `patience` is over
    /// where it is too early to say what is wrong.
    pub async fn until_rest(
        &mut self,
        talk: &mut Conversation,
        patience: Duration,
    ) -> anyhow::Result<()> {
        let end = Instant::now() + patience;
        let is_over = |follower: &Self| {
            let engine = follower.engine();
            let open = engine.ledger().open_incident(&follower.workload);
            let state = open
                .and_then(|id| engine.ledger().get(id))
                .map(|it| &it.state);
            let is_early = matches!(state, Some(State::Observed));
            engine.is_at_rest() && (!is_early || Instant::now() >= end)
        };
        self.run(talk, std::future::pending(), |it| is_over(it).then_some(()))
            .await
    }

    /// Lets the engine work until `is_over`.
    pub async fn until(
        &mut self,
        talk: &mut Conversation,
        is_over: impl Fn(&Ledger) -> bool,
    ) -> anyhow::Result<()> {
        self.run(talk, std::future::pending(), |it| {
            is_over(&it.ledger).then_some(())
        })
        .await
    }

    /// Has a question passed on to the model, and waits for what it says.
    pub async fn ask(
        &mut self,
        talk: &mut Conversation,
        incident: IncidentId,
        (question, by): (String, String),
    ) -> anyhow::Result<()> {
        let before = self.advised;
        self.say(Request::Ask {
            incident,
            question,
            by,
        });
        let patience = tokio::time::sleep(LONGEST_ANSWER);
        self.run(talk, patience, |it| (it.advised > before).then_some(()))
            .await?;
        if self.advised == before {
            talk.say("  the model has not answered\n");
        }
        Ok(())
    }

    /// Lets the engine work while a person thinks; nothing is shown meanwhile.
    pub async fn meanwhile<T>(&mut self, answer: impl Future<Output = T>) -> anyhow::Result<T> {
        self.work(answer, |_| None, |_| {}).await
    }

    async fn run(
        &mut self,
        talk: &mut Conversation,
        answer: impl Future<Output = ()>,
        is_over: impl Fn(&Self) -> Option<()>,
    ) -> anyhow::Result<()> {
        let mut line = Line::new(talk.has_terminal());
        let show = |follower: &mut Self| {
            for text in follower.news() {
                line.above(talk, &text);
            }
            line.set(talk, follower.progress());
        };
        let done = self.work(answer, is_over, show).await;
        line.clear();
        done
    }

    /// The loop around the engine.
    async fn work<T>(
        &mut self,
        answer: impl Future<Output = T>,
        is_over: impl Fn(&Self) -> Option<T>,
        mut show: impl FnMut(&mut Self),
    ) -> anyhow::Result<T> {
        let mut answer = pin!(answer);
        let mut refresh = interval(REFRESH);
        refresh.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut recheck = Instant::now() + RECHECK;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut terminate = signal(SignalKind::terminate())?;
        loop {
            show(self);
            if let Some(over) = is_over(self) {
                return Ok(over);
            }
            let tick = self.drive.engine.next_wake().map(start_of);
            let wake = tick.map_or(recheck, |at| at.min(recheck));
            tokio::select! {
                given = &mut answer => return Ok(given),
                event = self.drive.events.recv() => match event {
                    Some(event) => { self.drive.handle(event); }
                    None => bail!("the cluster tells nothing any more; try again"),
                },
                () = sleep_until(wake) => {}
                _ = refresh.tick() => { self.drive.look_at_store(); }
                settings = changed(&mut self.drive.configuration) => {
                    self.drive.handle(Event::Configured(Box::new(settings?)));
                }
                _ = interrupt.recv() => {
                    self.drive.finish().await;
                    bail!("{}", self.left_behind());
                }
                _ = terminate.recv() => {
                    self.drive.finish().await;
                    bail!("{}", self.left_behind());
                }
            }
            let now = Instant::now();
            if tick.is_some_and(|at| at <= now) {
                self.drive.handle(Event::Tick);
            }
            if recheck <= now {
                recheck = now + RECHECK;
                self.drive.handle(Event::Recheck);
            }
        }
    }

    /// What was journalled about the workload since, in words.
    pub fn news(&mut self) -> Vec<String> {
        let mut news = Vec::new();
        while let Ok(entry) = self.entries.try_recv() {
            self.ledger.fold(&entry);
            let mut about = entry.fact.incident();
            if let Fact::Advised { incident, .. } = &entry.fact {
                about = Some(*incident);
                self.advised += 1;
            }
            let incident = about.and_then(|id| self.ledger.get(id));
            let own = incident.filter(|it| it.workload == self.workload);
            news.extend(own.and_then(|it| show::told(&entry.fact, it)));
        }
        news
    }

    /// What is waited for, and whether it is something else than a moment before: its kind.
    fn progress(&self) -> Option<(String, String)> {
        let engine = self.engine();
        if !engine.is_synced() {
            let text = format!("looking at {}", self.workload);
            return Some((text.clone(), text));
        }
        let id = engine.ledger().open_incident(&self.workload)?;
        let incident = engine.ledger().get(id)?;
        let Some(awaits) = engine.awaits(id) else {
            let text = match &incident.state {
                State::Observed => "finding out what is wrong",
                busy @ (State::Planned { .. }
                | State::Acting { .. }
                | State::Verifying { .. }
                | State::RollingBack { .. }) => state_words(busy),
                // nothing is waited for but a person
                State::Waiting { .. }
                | State::Joined { .. }
                | State::AwaitingApproval { .. }
                | State::Escalated { .. }
                | State::Closed(_) => return None,
            };
            let text = text.to_owned();
            return Some((text.clone(), text));
        };
        let text = show::awaits(&awaits, Timestamp::now());
        // the seconds that are left are no news
        let kind = text.split(" (").next().unwrap_or(&text).to_owned();
        Some((kind, text))
    }

    /// What a person who goes away in the middle of it leaves behind.
    fn left_behind(&self) -> String {
        let engine = self.engine();
        let open = engine.ledger().open_incident(&self.workload);
        let incident = open.and_then(|id| engine.ledger().get(id));
        let made = incident.filter(|it| it.state.is_between_change_and_verdict());
        let Some(attempt) = made.and_then(|it| it.attempts.last()) else {
            return "left; nothing is under way".to_owned();
        };
        format!(
            "left while {} is not verified yet: `akeso diagnose -n {} {}` or `akeso monitor` goes on with it, `akeso rollback {}` takes it back",
            attempt.id,
            self.workload.namespace,
            self.workload.kubectl(),
            attempt.id
        )
    }
}

/// The progress line: one that changes on a terminal, a new one for each new thing elsewhere.
struct Line {
    bar: Option<ProgressBar>,
    last: String,
}

impl Line {
    fn new(has_terminal: bool) -> Self {
        let bar = has_terminal.then(|| {
            let bar = ProgressBar::new_spinner();
            // a template that cannot be read leaves the default one
            if let Ok(style) = ProgressStyle::with_template("  {spinner} {wide_msg}") {
                bar.set_style(style);
            }
            bar.enable_steady_tick(Duration::from_millis(120));
            bar
        });
        Self {
            bar,
            last: String::new(),
        }
    }

    fn set(&mut self, talk: &mut Conversation, progress: Option<(String, String)>) {
        let Some((kind, text)) = progress else {
            return;
        };
        let is_new = kind != self.last;
        self.last = kind;
        match &self.bar {
            Some(bar) => {
                bar.set_message(text.clone());
                if is_new {
                    talk.note(&text);
                }
            }
            None if is_new => talk.say(&format!("  … {text}\n")),
            None => {}
        }
    }

    /// Something that stays, above the line.
    fn above(&self, talk: &mut Conversation, text: &str) {
        let text = format!("  {text}\n");
        match &self.bar {
            Some(bar) => bar.suspend(|| talk.say(&text)),
            None => talk.say(&text),
        }
    }

    fn clear(self) {
        if let Some(bar) = self.bar {
            bar.finish_and_clear();
        }
    }
}
