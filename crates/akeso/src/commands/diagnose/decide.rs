//! The person's turn: what is proposed is approved, rejected, changed or explained; what comes of it
//! is followed, and taken back where it is not wanted.

use std::time::Duration;

use akeso_core::{
    engine::{Incident, Request, State},
    journal::{End as Ended, Outcome, Proposal, Verdict},
    plan::Origin,
    workload::IncidentId,
};
use anyhow::bail;

use super::{
    End,
    conversation::{Answer, Conversation, choose, confirm, type_in},
    edit,
    follow::Follower,
    show,
    why::why,
};
use crate::{
    cli::{Diagnose, Setting},
    commands::person,
};

/// What shows too seldom to say why is waited for so long.
const PATIENCE: Duration = Duration::from_mins(10);

/// What the flags answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wish {
    Approve,
    Reject,
}

/// What a person can say to a proposal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Word {
    Approve,
    Reject,
    Change,
    Why,
    Ask,
    Leave,
}

impl Word {
    const fn label(self) -> &'static str {
        match self {
            Self::Approve => "Approve: do it and see whether it helps",
            Self::Reject => "Reject: leave it as it is",
            Self::Change => "Change a value first",
            Self::Why => "Why this?",
            Self::Ask => "Ask the model about it",
            Self::Leave => "Leave: decide later",
        }
    }
}

/// What to do with a change that has healed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Afterwards {
    Keep,
    TakeBack,
}

/// Whether a turn goes on.
enum Turn {
    Goes,
    Ends(End),
}

/// Decides together with a person.
pub struct Decider {
    follower: Follower,
    wish: Option<Wish>,
    afterwards: Option<Afterwards>,
    /// Values that were given as flags and are not used yet.
    settings: Vec<Setting>,
    /// Whether it is to be explained before anything is asked.
    explain: bool,
    /// What is to be asked of a model before anything is decided.
    questions: Vec<String>,
    by: String,
    /// Whether cause and plan have been shown.
    has_shown: bool,
}

impl Decider {
    /// With what the flags answer.
    pub fn new(follower: Follower, arguments: &Diagnose) -> Self {
        let wish = match (arguments.approve, arguments.reject) {
            (true, _) => Some(Wish::Approve),
            (false, true) => Some(Wish::Reject),
            (false, false) => None,
        };
        let afterwards = match (arguments.keep, arguments.rollback) {
            (true, _) => Some(Afterwards::Keep),
            (false, true) => Some(Afterwards::TakeBack),
            (false, false) => None,
        };
        Self {
            follower,
            wish,
            afterwards,
            settings: arguments.set.clone(),
            explain: arguments.why,
            questions: arguments.ask.clone(),
            by: person(),
            has_shown: false,
        }
    }

    /// Until the workload is well, or the person or the gate has said no.
    pub async fn run(mut self, talk: &mut Conversation) -> anyhow::Result<End> {
        loop {
            self.follower.until_rest(talk, PATIENCE).await?;
            let Some(incident) = self.follower.incident() else {
                if self.follower.is_well() {
                    talk.say("It is well by now: nothing is broken there.\n");
                    return Ok(End::Well);
                }
                talk.say("Nothing is broken there any more, and it is not well either.\n");
                return Ok(End::Ill);
            };
            if let Turn::Ends(end) = self.turn(&incident, talk).await? {
                return Ok(end);
            }
        }
    }

    async fn turn(&mut self, incident: &Incident, talk: &mut Conversation) -> anyhow::Result<Turn> {
        let ill = Turn::Ends(End::Ill);
        match &incident.state {
            State::AwaitingApproval { question } => {
                let question = (**question).clone();
                self.show(incident, talk);
                talk.say(&show::proposal(&question));
                return self.ask(&question, talk).await;
            }
            // looking alone takes no earlier no back
            State::Escalated { .. }
                if (talk.has_terminal() || self.wish.is_some())
                    && self.follower.was_given_up(incident.id) =>
            {
                let (incident, by) = (incident.id, self.by.clone());
                self.follower.say(Request::Reconsider { incident, by });
                return Ok(Turn::Goes);
            }
            State::Escalated { .. } => {
                self.give_up(incident, talk);
                self.ask_all(incident.id, talk).await?;
                self.offer_questions(incident.id, talk).await?;
            }
            State::Waiting { .. } => {
                self.show(incident, talk);
                let ruling = incident.ruling.as_ref();
                let why = ruling.map_or("", |ruling| ruling.why.as_str());
                talk.say(&format!("\nIt has to wait, whoever approves it: {why}.\n"));
                if incident.consented.is_some() {
                    talk.say("The yes to it stands: it is done once nothing is against it, by the session or the monitor that runs then.\n");
                }
            }
            State::Joined { into, .. } => {
                self.show(incident, talk);
                talk.say(&format!("\nNothing is done here before {into} is over.\n"));
            }
            State::Closed(Ended::Healed) => {
                talk.say(&format!("\n{} is well again.\n", incident.workload));
                return self.offer_way_back(incident, talk).await.map(Turn::Ends);
            }
            State::Closed(Ended::Dismissed { why, .. }) => {
                talk.say(&format!("\nIt is over: {why}.\n"));
                // it may be gone, or somebody else's
                let is_well = self.follower.is_well();
                return Ok(Turn::Ends(if is_well { End::Well } else { End::Ill }));
            }
            State::Observed => {
                let suspected = self.follower.engine().suspected(incident.id);
                let text = show::diagnoses(suspected);
                if !suspected.is_empty() {
                    talk.say(&text);
                }
                talk.say("\nThere is nothing to be done yet; try again later.\n");
            }
            // something is under way, which is followed to its end
            State::Planned { .. }
            | State::Acting { .. }
            | State::Verifying { .. }
            | State::RollingBack { .. } => return Ok(Turn::Goes),
        }
        Ok(ill)
    }

    /// Why nothing more is done, and what a person can do.
    fn give_up(&mut self, incident: &Incident, talk: &mut Conversation) {
        self.show(incident, talk);
        if let State::Escalated { why, command, .. } = &incident.state {
            talk.say(&format!(
                "\nNothing more is done: {why}.\n  Begin with: {command}\n"
            ));
        }
    }

    /// Cause, evidence and plan, once.
    fn show(&mut self, incident: &Incident, talk: &mut Conversation) {
        if std::mem::replace(&mut self.has_shown, true) {
            return;
        }
        talk.say(&show::heading(&incident.workload.to_string()));
        talk.say(&show::diagnoses(&incident.diagnoses));
        if let Some(plan) = &incident.plan {
            talk.say(&show::plan(plan));
        }
    }

    /// The person's word on what is proposed.
    async fn ask(&mut self, question: &Proposal, talk: &mut Conversation) -> anyhow::Result<Turn> {
        const QUESTION: &str = "What now?";
        if self.wish != Some(Wish::Reject) {
            self.check_flags(talk)?;
        }
        if std::mem::take(&mut self.explain) {
            self.explain_it(question, talk);
        }
        let asked = self.follower.incident().map(|it| it.id);
        if let Some(incident) = asked {
            self.ask_all(incident, talk).await?;
        }
        // what is planned anew before it was done is to have them as well
        let is_theirs = question.step.origin == Origin::Operator;
        if self.has_done_as_told() {
            self.settings.clear();
        }
        let settings = self.settings.clone();
        if !settings.is_empty() && !is_theirs {
            // what is given as a flag has to be right: nobody corrects it
            self.amend(question, &settings, talk)
                .map_err(|why| why.context("--set"))?;
            return Ok(Turn::Goes);
        }
        loop {
            let word = match self.wish {
                Some(Wish::Approve) => Word::Approve,
                Some(Wish::Reject) => Word::Reject,
                None => {
                    let can_ask = asked.is_some_and(|id| self.can_ask(id));
                    let words = words(question, can_ask);
                    let labels = words.iter().map(|word| word.label().to_owned());
                    let asked = choose(QUESTION, labels.collect(), 0);
                    let chosen = match self.follower.meanwhile(asked).await?? {
                        Answer::Given(index) => words.get(index).copied(),
                        Answer::Left => None,
                    };
                    chosen.unwrap_or(Word::Leave)
                }
            };
            talk.keep(QUESTION, word.label());
            match word {
                Word::Approve => return Ok(self.approve(question, talk)),
                Word::Reject => {
                    let (attempt, by) = (question.attempt, self.by.clone());
                    if !self.follower.say(Request::Decline { attempt, by }) {
                        talk.say("\nIt has become something else meanwhile; looking again.\n");
                        return Ok(Turn::Goes);
                    }
                    talk.say("\nRejected: this is not done.\n");
                    // what was only a guess before it may be taken back now
                    self.follower.until_rest(talk, PATIENCE).await?;
                    self.tell_what_stays(talk);
                    return Ok(Turn::Ends(End::Ill));
                }
                Word::Why => self.explain_it(question, talk),
                Word::Ask => {
                    if let Some(incident) = asked {
                        self.take_question(incident, talk).await?;
                    }
                }
                Word::Change => {
                    if self.change(question, talk).await? {
                        return Ok(Turn::Goes);
                    }
                }
                Word::Leave => {
                    self.tell_what_stays(talk);
                    talk.say(&format!(
                        "\nThis is not done. {0} waits until {1}: `akeso diagnose` asks again, and beside a monitor on this store `akeso approve {0}` does.\n",
                        question.attempt, question.expires
                    ));
                    return Ok(Turn::Ends(End::Ill));
                }
            }
        }
    }

    /// Whether a change with values of the person's has been made.
    fn has_done_as_told(&mut self) -> bool {
        let incident = self.follower.incident();
        let attempts = incident.iter().flat_map(|it| &it.attempts);
        let mut theirs = attempts.filter(|it| it.step.origin == Origin::Operator);
        theirs.any(|it| matches!(it.outcome, Some(Outcome::Done { .. })))
    }

    /// Names the changes that were made, have not healed alone, and are not taken back.
    fn tell_what_stays(&mut self, talk: &mut Conversation) {
        let incident = self.follower.incident();
        let attempts = incident.iter().flat_map(|it| &it.attempts);
        for attempt in attempts.filter(|it| it.is_kept()) {
            let summary = attempt.step.action.treatment().summary();
            talk.say(&format!(
                "Still in place: {summary}; `akeso rollback {}` takes it back.\n",
                attempt.id
            ));
        }
    }

    /// Without a terminal, every question that may come must have its answer before anything is
    /// changed.
    fn check_flags(&self, talk: &Conversation) -> anyhow::Result<()> {
        if self.wish.is_none() {
            talk.can_ask("Is this to be done?", "--approve or --reject")?;
        }
        if self.afterwards.is_none() {
            talk.can_ask(
                "Is the change to stay when it has healed?",
                "--keep or --rollback",
            )?;
        }
        Ok(())
    }

    fn explain_it(&mut self, question: &Proposal, talk: &mut Conversation) {
        if let Some(incident) = self.follower.incident() {
            talk.say(&why(&incident, question));
        }
    }

    /// Whether a model can be asked about the incident.
    fn can_ask(&self, incident: IncidentId) -> bool {
        self.follower.engine().why_not_ask(incident).is_none()
    }

    /// Passes on what was given as flags.
    async fn ask_all(
        &mut self,
        incident: IncidentId,
        talk: &mut Conversation,
    ) -> anyhow::Result<()> {
        for question in std::mem::take(&mut self.questions) {
            if let Some(why) = self.follower.engine().why_not_ask(incident) {
                bail!("--ask: {why}");
            }
            self.pass_on(incident, question, talk).await?;
        }
        Ok(())
    }

    /// Takes a question, and passes it on. Whether there was one.
    async fn take_question(
        &mut self,
        incident: IncidentId,
        talk: &mut Conversation,
    ) -> anyhow::Result<bool> {
        let asked = type_in("Your question:", "");
        let Answer::Given(question) = self.follower.meanwhile(asked).await?? else {
            return Ok(false);
        };
        let question = question.trim().to_owned();
        if question.is_empty() {
            return Ok(false);
        }
        self.pass_on(incident, question, talk).await?;
        Ok(true)
    }

    async fn pass_on(
        &mut self,
        incident: IncidentId,
        question: String,
        talk: &mut Conversation,
    ) -> anyhow::Result<()> {
        talk.keep("Your question:", &question);
        let by = self.by.clone();
        self.follower.ask(talk, incident, (question, by)).await
    }

    /// Where nothing more is done, a person may still want to know more.
    async fn offer_questions(
        &mut self,
        incident: IncidentId,
        talk: &mut Conversation,
    ) -> anyhow::Result<()> {
        while talk.has_terminal() && self.can_ask(incident) {
            let asked = confirm(Word::Ask.label(), false);
            if self.follower.meanwhile(asked).await?? != Answer::Given(true)
                || !self.take_question(incident, talk).await?
            {
                break;
            }
        }
        Ok(())
    }

    fn approve(&mut self, question: &Proposal, talk: &mut Conversation) -> Turn {
        let (attempt, by) = (question.attempt, self.by.clone());
        talk.say(&show::heading("Doing it"));
        if !self.follower.say(Request::Consent { attempt, by }) {
            talk.say("  It has become something else meanwhile; looking again.\n");
        }
        Turn::Goes
    }

    /// Lets the person change a value. Whether one was.
    async fn change(
        &mut self,
        question: &Proposal,
        talk: &mut Conversation,
    ) -> anyhow::Result<bool> {
        let choices = question.step.action.choices();
        let index = match choices.as_slice() {
            [_] => 0,
            several => {
                let names = several
                    .iter()
                    .map(|it| format!("{} = {}", it.field, it.proposed));
                let asked = choose("Which value?", names.collect(), 0);
                match self.follower.meanwhile(asked).await?? {
                    Answer::Given(index) => index,
                    Answer::Left => return Ok(false),
                }
            }
        };
        let Some(choice) = choices.get(index) else {
            return Ok(false);
        };
        let mut initial = choice.proposed.clone();
        loop {
            let name = format!("{}:", choice.field);
            let asked = type_in(&name, &initial);
            let Answer::Given(value) = self.follower.meanwhile(asked).await?? else {
                return Ok(false);
            };
            let setting = Setting {
                field: choice.field.clone(),
                value: value.trim().to_owned(),
            };
            initial.clone_from(&setting.value);
            match self.amend(question, &[setting], talk) {
                Ok(()) => return Ok(true),
                Err(why) => talk.say(&format!("  {why}\n")),
            }
        }
    }

    /// Has the step asked about with other values, within the bounds of any other step.
    fn amend(
        &mut self,
        question: &Proposal,
        settings: &[Setting],
        talk: &mut Conversation,
    ) -> anyhow::Result<()> {
        let attempt = question.attempt;
        let before = &question.step.action;
        let action = edit::with_all(before, settings)?;
        let chosen = edit::shown(before, &action);
        if chosen.is_empty() {
            bail!("that is what is proposed");
        }
        self.follower.engine().amended(attempt, &action, &self.by)?;
        let (action, by) = (Box::new(action), self.by.clone());
        let request = Request::Amend {
            attempt,
            action,
            by,
        };
        if !self.follower.say(request) {
            bail!("it has become something else meanwhile");
        }
        talk.keep("With other values:", &chosen);
        Ok(())
    }

    /// What has healed stays, unless the person wants it back.
    async fn offer_way_back(
        &mut self,
        incident: &Incident,
        talk: &mut Conversation,
    ) -> anyhow::Result<End> {
        const QUESTION: &str = "Take the change back again?";
        let mut attempts = incident.attempts.iter().rev();
        let healed = attempts
            .find(|attempt| attempt.can_be_recalled() && attempt.verdict == Some(Verdict::Healed));
        let Some(attempt) = healed.map(|it| it.id) else {
            return Ok(End::Well);
        };
        let afterwards = match self.afterwards {
            Some(afterwards) => afterwards,
            None if !talk.has_terminal() => Afterwards::Keep, // it was begun in another session
            None => match self.follower.meanwhile(confirm(QUESTION, false)).await?? {
                Answer::Given(true) => Afterwards::TakeBack,
                Answer::Given(false) | Answer::Left => Afterwards::Keep,
            },
        };
        if afterwards == Afterwards::Keep {
            talk.keep(QUESTION, "no");
            talk.say(&format!(
                "It stays. `akeso rollback {attempt}` takes it back later.\n"
            ));
            return Ok(End::Well);
        }
        talk.keep(QUESTION, "yes");
        let id = incident.id;
        let request = Request::TakeBack {
            incident: Box::new(incident.clone()),
            attempt,
            by: self.by.clone(),
        };
        if !self.follower.say(request) {
            bail!("it cannot be taken back now; `akeso rollback {attempt}` does it later");
        }
        self.follower
            .until(talk, |ledger| {
                let incident = ledger.get(id);
                let attempt = incident.and_then(|it| it.attempt(attempt));
                let is_settled = |it: &Incident| {
                    matches!(
                        it.state,
                        State::Escalated { .. } | State::Closed(Ended::Dismissed { .. })
                    )
                };
                attempt.is_none_or(|it| it.rolled_back.is_some())
                    || incident.is_some_and(is_settled)
            })
            .await?;
        self.tell_what_stays(talk);
        Ok(End::Ill)
    }
}

/// What can be said to a proposal.
fn words(question: &Proposal, can_ask: bool) -> Vec<Word> {
    let can_change = !question.step.action.choices().is_empty();
    let change = can_change.then_some(Word::Change);
    let ask = can_ask.then_some(Word::Ask);
    [Word::Approve, Word::Reject]
        .into_iter()
        .chain(change)
        .chain([Word::Why])
        .chain(ask)
        .chain([Word::Leave])
        .collect()
}
