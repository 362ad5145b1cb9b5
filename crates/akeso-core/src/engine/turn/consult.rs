//! `Observed`, where no playbook knows a way: what has healed the same before, and then a language
//! model, if one is set up. It is asked aside: nothing else waits for it, and what does not come in
//! time is done without.

use jiff::{SignedDuration, Timestamp};

use super::Turn;
use crate::{
    cluster::Workload,
    consult::{
        self, Advised, Answer, Kind, May, PATIENCE, Prompt, Reply, Spend, Suggested, Tokens,
        Wanted, Why,
    },
    diagnose::{Checked, Diagnosis, check},
    engine::{Effect, Incident, State},
    journal::Fact,
    plan::{self, Origin, Step},
};

/// Whoever waits for another's call looks so often whether it is over.
const LOOK_AGAIN: SignedDuration = SignedDuration::from_secs(2);

/// What is known of asking a model beside the journal.
#[derive(Debug, Default)]
pub(super) struct Consultation {
    /// When it is looked at again.
    until: Option<Timestamp>,
    /// By when the prompt must be free of secrets, while that is done.
    redacted_by: Option<Timestamp>,
    /// By when what it takes to check suggestions must be answered.
    checked_by: Option<Timestamp>,
    /// What was asked, for the one time more.
    prompt: Option<Prompt>,
    /// Why there is no advice to be had.
    in_vain: Option<String>,
    /// The causes that were journalled before it was asked.
    told: Option<Vec<String>>,
}

/// What looking further has come to.
pub(super) enum Further {
    /// Something is waited for.
    Later,
    /// Steps that the cluster bears out.
    Steps(Vec<Step>),
    /// Nothing; and what people should know of it.
    Nothing(Option<String>),
}

impl Consultation {
    /// When time alone moves it on.
    pub(super) const fn wake(&self) -> Option<Timestamp> {
        self.until
    }

    /// A time that is over would wake it without end.
    pub(super) fn forget_past(&mut self, now: Timestamp) {
        self.until = self.until.filter(|until| *until > now);
    }

    /// Whether the prompt is being freed of secrets.
    pub(super) const fn is_under_way(&self) -> bool {
        self.redacted_by.is_some()
    }

    /// Whether these causes were journalled before the model was asked.
    pub(super) fn has_told(&self, causes: &[Diagnosis]) -> bool {
        let told = self.told.iter().flatten();
        self.told.is_some() && told.eq(causes.iter().map(|it| &it.cause))
    }
}

impl Turn<'_> {
    /// Looks for steps where the playbook has none.
    pub(super) fn look_further(
        &mut self,
        incident: &Incident,
        workload: &Workload<'_>,
        causes: &[Diagnosis],
    ) -> Further {
        let Some(diagnosis) = causes.first().filter(|it| it.is_open) else {
            return Further::Nothing(None);
        };
        let learned = plan::learned(
            &diagnosis.fingerprint,
            self.recorder.ledger.patterns(),
            self.now,
        );
        if !learned.is_empty() {
            match self.checked(incident, workload, (diagnosis, &learned), Origin::Memory) {
                None => return Further::Later,
                Some(Checked { steps, .. }) if !steps.is_empty() => return Further::Steps(steps),
                Some(_) => {}
            }
        }
        self.ask_model(incident, workload, causes, diagnosis)
    }

    /// What the cluster bears out of suggestions; nothing while its answers are waited for.
    fn checked(
        &mut self,
        incident: &Incident,
        workload: &Workload<'_>,
        (diagnosis, suggestions): (&Diagnosis, &[Suggested]),
        origin: Origin,
    ) -> Option<Checked> {
        let symptoms = self.live.symptoms.clone();
        loop {
            let checked = check(
                (workload, &symptoms),
                diagnosis,
                (suggestions, origin),
                &self.live.evidence,
                self.settings,
                self.now,
            );
            let questions = match checked {
                Ok(checked) => {
                    self.live.consultation.checked_by = None;
                    return Some(checked);
                }
                Err(questions) => questions,
            };
            let due = self.live.consultation.checked_by;
            let due = due.or_else(|| self.evidence_time());
            self.live.consultation.checked_by = due;
            if !self.gather(incident, questions, due) {
                self.live.consultation.until = due;
                return None;
            }
        }
    }

    fn ask_model(
        &mut self,
        incident: &Incident,
        workload: &Workload<'_>,
        causes: &[Diagnosis],
        diagnosis: &Diagnosis,
    ) -> Further {
        let namespace = &workload.reference.namespace;
        if !self
            .settings
            .may_consult(namespace, workload.namespace_labels())
        {
            return Further::Nothing(None);
        }
        if let Some(why) = self.store_failure {
            let why = format!("the model is not asked: the journal cannot be written: {why}");
            return Further::Nothing(Some(why));
        }
        self.live.consultation.until = None;
        let calls = self.recorder.ledger.calls();
        if let Some((made, what)) = calls.of(self.id) {
            let until = made.checked_add(PATIENCE).unwrap_or(self.now);
            if until > self.now {
                self.live.consultation.until = Some(until);
                return Further::Later;
            }
            // a program that has ended meanwhile does not know either what became of it
            let why = format!("no answer within {} s", PATIENCE.as_secs());
            let most = calls.most(self.id);
            self.over(Advised::Failed { why }, most);
            if what == Kind::Question {
                self.live.consultation.in_vain = None; // that was a person's
            }
        }
        if let Some(why) = &self.live.consultation.in_vain {
            return Further::Nothing(Some(why.clone()));
        }
        let prompt = consult::prompt(workload, diagnosis, &self.live.evidence);
        let limits = &self.settings.policy.model;
        let most = prompt.most(limits);
        let calls = self.recorder.ledger.calls();
        match calls.may(&diagnosis.fingerprint, most, limits, self.now) {
            May::Know(answer) => {
                let answer = answer.clone();
                self.take_answer(incident, workload, diagnosis, &answer)
            }
            May::Wait(until) => {
                let soon = self.now.checked_add(LOOK_AGAIN).unwrap_or(until);
                self.live.consultation.until = Some(until.min(soon));
                Further::Later
            }
            May::Not(why) => {
                let spent = calls.spent(self.now).and(most);
                let why = why.words(limits, spent);
                Further::Nothing(Some(format!("the model is not asked: {why}")))
            }
            May::Ask => {
                if let Some(due) = self.live.consultation.redacted_by {
                    if due <= self.now {
                        let why = "what is secret was not kept from it in time".to_owned();
                        return Further::Nothing(Some(format!("the model is not asked: {why}")));
                    }
                    self.live.consultation.until = Some(due);
                    return Further::Later;
                }
                let due = self.now.checked_add(PATIENCE).ok();
                self.live.consultation.redacted_by = due;
                self.live.consultation.until = due;
                self.tell_causes(causes);
                self.recorder.effects.push(Effect::Redact {
                    incident: self.id,
                    namespace: namespace.clone(),
                    prompt,
                });
                Further::Later
            }
        }
    }

    /// Writes the causes down before the model is asked about the first of them.
    fn tell_causes(&mut self, causes: &[Diagnosis]) {
        self.record(Fact::Diagnosed {
            incident: self.id,
            diagnoses: causes.to_vec(),
        });
        let told = causes.iter().map(|it| it.cause.clone());
        self.live.consultation.told = Some(told.collect());
    }

    fn take_answer(
        &mut self,
        incident: &Incident,
        workload: &Workload<'_>,
        diagnosis: &Diagnosis,
        answer: &Answer,
    ) -> Further {
        let suggestions = (diagnosis, answer.steps.as_slice());
        let Some(mut checked) = self.checked(incident, workload, suggestions, Origin::Model) else {
            return Further::Later;
        };
        let patterns = self.recorder.ledger.patterns();
        let now = self.now;
        checked.steps.retain(|step| {
            let known = patterns.standing(&diagnosis.fingerprint, step.action.kind(), now);
            known != crate::learn::Standing::DoesNotHelp
        });
        if !checked.steps.is_empty() {
            return Further::Steps(checked.steps);
        }
        let cause = match answer.cause.as_str() {
            "" => String::new(),
            cause => format!(" the model thinks: {cause};"),
        };
        let refused = match checked.refused.as_slice() {
            [] => "it knows no step that helps".to_owned(),
            refused => format!(
                "nothing that it suggests is borne out: {}",
                refused.join("; ")
            ),
        };
        Further::Nothing(Some(format!("{cause} {refused}").trim().to_owned()))
    }

    /// Takes in the prompt without what Secrets hold, and has the model asked.
    pub fn take_prompt(&mut self, prompt: Result<Prompt, String>) {
        let is_question = prompt
            .as_ref()
            .map_or(self.live.question.is_some(), |prompt| {
                prompt.wanted == Wanted::Words
            });
        let (by, is_wanted) = if is_question {
            let by = self.live.question.take();
            (by.clone(), by.is_some())
        } else {
            let is_awaited = self.live.consultation.redacted_by.take().is_some();
            let incident = self.recorder.ledger.get(self.id);
            let is_observed = incident.is_some_and(|it| it.state == State::Observed);
            (None, is_awaited && is_observed)
        };
        if !is_wanted {
            return; // what it was for is over
        }
        let asked = match prompt {
            Ok(prompt) => self.consult(prompt.redacted(), None, by),
            Err(why) => Err(format!("what is secret cannot be kept from it: {why}")),
        };
        match asked {
            Ok(()) => {}
            Err(why) if is_question => self.over(Advised::Failed { why }, Spend::default()),
            Err(why) => {
                let why = format!("the model is not asked: {why}");
                self.live.consultation.in_vain = Some(why);
            }
        }
    }

    /// A person's question is passed on, if it may be.
    pub fn pass_on(&mut self, question: &str, by: &str) {
        let Some(prompt) = self.recorder.ledger.get(self.id).and_then(|incident| {
            let workload = self.cluster.workload(&incident.workload)?;
            let diagnosis = incident.diagnoses.first()?;
            Some(consult::about(&workload, diagnosis, question))
        }) else {
            return;
        };
        self.live.question = Some(by.to_owned());
        let incident = self.recorder.ledger.get(self.id);
        let namespace = incident.map(|it| it.workload.namespace.clone());
        self.recorder.effects.push(Effect::Redact {
            incident: self.id,
            namespace: namespace.unwrap_or_default(),
            prompt,
        });
    }

    /// Has the model asked, or says why it may not be by now. Where another is being asked, its
    /// answer is waited for.
    fn consult(
        &mut self,
        prompt: Prompt,
        after: Option<String>,
        by: Option<String>,
    ) -> Result<(), String> {
        let ledger = &self.recorder.ledger;
        let incident = ledger.get(self.id);
        let gone = || "it is over".to_owned();
        let workload = incident.and_then(|it| self.cluster.workload(&it.workload));
        let (incident, workload) = incident.zip(workload).ok_or_else(gone)?;
        let failure = incident.diagnoses.first().ok_or_else(gone)?;
        let failure = failure.fingerprint.clone();
        let namespace = &workload.reference.namespace;
        let labels = workload.namespace_labels();
        let allowed = self.settings.may_consult(namespace, labels);
        let model = self.settings.model.clone().filter(|_| allowed);
        let model = model.ok_or("the settings are against it by now")?;
        let limits = &self.settings.policy.model;
        let most = prompt.most(limits);
        let calls = ledger.calls();
        let not = |why: Why| Err(why.words(limits, calls.spent(self.now).and(most)));
        match by {
            Some(_) => {
                if let Some(why) = calls.why_not(most, limits, self.now) {
                    return not(why);
                }
            }
            None => match calls.may(&failure, most, limits, self.now) {
                May::Ask => {}
                May::Know(_) | May::Wait(_) => return Ok(()), // another has gone before
                May::Not(why) => return not(why),
            },
        }
        self.live.consultation.prompt = Some(prompt.clone());
        self.record(Fact::Consulted {
            incident: self.id,
            model,
            failure,
            prompt: prompt.clone(),
            most,
            after,
            by,
        });
        let incident = self.id;
        self.recorder
            .effects
            .push(Effect::Consult { incident, prompt });
        Ok(())
    }

    /// Takes in what came of asking the model.
    pub fn take_reply(&mut self, reply: Reply) {
        let calls = self.recorder.ledger.calls();
        let Some((_, what)) = calls.of(self.id) else {
            return; // it was given up
        };
        let most = calls.most(self.id);
        let (text, tokens) = match reply {
            Reply::Failed { why, is_billed } => {
                let spend = if is_billed { most } else { Spend::default() };
                self.over(Advised::Failed { why }, spend);
                return;
            }
            Reply::Text { text, tokens } => (text, tokens),
        };
        let counted = |tokens: Tokens| self.settings.policy.model.spend(tokens);
        let spend = tokens.map_or(most, counted);
        if what == Kind::Question {
            let words = consult::words(&text);
            self.over(Advised::Told { words }, spend);
            return;
        }
        match Answer::parse(&text) {
            Ok(answer) => self.over(Advised::Answered { answer }, spend),
            Err(why) => {
                self.over(Advised::Refused { why: why.clone() }, spend);
                let prompt = self.live.consultation.prompt.take();
                if let Some(prompt) = prompt.filter(|_| what == Kind::Steps) {
                    let again = self.consult(prompt.again(&why), Some(why), None);
                    self.live.consultation.in_vain = again.err();
                }
            }
        }
    }

    /// A call is over.
    fn over(&mut self, advised: Advised, spend: Spend) {
        self.live.consultation.in_vain = match &advised {
            Advised::Answered { .. } | Advised::Told { .. } | Advised::Refused { .. } => None,
            Advised::Failed { why } => Some(format!("the model could not be asked: {why}")),
        };
        self.record(Fact::Advised {
            incident: self.id,
            advised,
            spend,
        });
    }
}
