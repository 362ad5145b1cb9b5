//! What is said to a person and asked of one. Without a terminal nothing is asked: a question is
//! then an error that names the flag which would have answered it.

use std::io::{IsTerminal, Write};

use anyhow::bail;
use inquire::{Confirm, InquireError, Select, Text};

use super::session_log::SessionLog;

/// A conversation, and what is kept of it.
pub struct Conversation {
    log: SessionLog,
    has_terminal: bool,
}

/// An answer, or none: the person has left (Esc, Ctrl-C).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer<T> {
    /// What was answered.
    Given(T),
    /// Nobody is there any more.
    Left,
}

impl Conversation {
    /// A conversation on the terminal, if there is one.
    pub fn new(log: SessionLog) -> Self {
        let has_terminal = std::io::stdin().is_terminal() && std::io::stderr().is_terminal();
        Self { log, has_terminal }
    }

    /// Whether somebody can be asked.
    pub const fn has_terminal(&self) -> bool {
        self.has_terminal
    }

    /// Shows something. Colours are left out where the output is no terminal.
    pub fn say(&mut self, text: &str) {
        self.log.shown(text);
        let mut out = anstream::stdout().lock();
        if let Err(error) = out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
            tracing::debug!(%error, "nobody reads the output");
        }
    }

    /// Keeps something that is shown where it does not stay.
    pub fn note(&mut self, text: &str) {
        self.log.shown(&format!("  {text}\n"));
    }

    /// Keeps why it has ended; what never began leaves nothing.
    pub fn ended(&mut self, why: &str) {
        if self.log.written_to().is_some() {
            self.note(&format!("ended: {why}"));
        }
    }

    /// Keeps what was answered, also where a flag has.
    pub fn keep(&mut self, question: &str, answer: &str) {
        self.log.answered(question, answer);
    }

    /// Refuses to ask where there is nobody to answer.
    pub fn can_ask(&self, question: &str, flag: &str) -> anyhow::Result<()> {
        if !self.has_terminal {
            bail!("{question} There is no terminal to ask on: give {flag}");
        }
        Ok(())
    }

    /// Says where the log lies, if there is one.
    pub fn close(self) {
        if let Some(path) = self.log.written_to() {
            let mut out = anstream::stdout().lock();
            if let Err(error) = writeln!(out, "\nThis session is in {}", path.display()) {
                tracing::debug!(%error, "nobody reads the output");
            }
        }
    }
}

/// Lets a person choose; the answer is the option's place.
pub async fn choose(
    question: &str,
    options: Vec<String>,
    start: usize,
) -> anyhow::Result<Answer<usize>> {
    let question = question.to_owned();
    // the engine goes on meanwhile: a terminal that is read from blocks its thread
    let asked = tokio::task::spawn_blocking(move || {
        let select = Select::new(&question, options).with_starting_cursor(start);
        select.raw_prompt().map(|chosen| chosen.index)
    });
    given(asked.await?)
}

/// Lets a person type something, beginning with `initial`.
pub async fn type_in(question: &str, initial: &str) -> anyhow::Result<Answer<String>> {
    let (question, initial) = (question.to_owned(), initial.to_owned());
    let asked = tokio::task::spawn_blocking(move || {
        Text::new(&question).with_initial_value(&initial).prompt()
    });
    given(asked.await?)
}

fn given<T>(answer: Result<T, InquireError>) -> anyhow::Result<Answer<T>> {
    match answer {
        Ok(answer) => Ok(Answer::Given(answer)),
        Err(InquireError::OperationCanceled | InquireError::OperationInterrupted) => {
            Ok(Answer::Left)
        }
        Err(error) => Err(error.into()),
    }
}

/// Asks for a yes or a no.
pub async fn confirm(question: &str, default: bool) -> anyhow::Result<Answer<bool>> {
    let question = question.to_owned();
    let asked =
        tokio::task::spawn_blocking(move || Confirm::new(&question).with_default(default).prompt());
    given(asked.await?)
}
