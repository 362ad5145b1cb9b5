//! Why this plan: what every rule of the gate said, what the step rests on, what its failure does.

use akeso_core::{
    act::{Action, Change},
    engine::Incident,
    gate::Decision,
    journal::Proposal,
    plan::{Origin, Proof, Step},
    verify,
};

use super::show::heading;
use crate::report::line;

/// Everything that speaks for a step, and what was asked about it.
pub fn why(incident: &Incident, question: &Proposal) -> String {
    let step = &question.step;
    let mut text = heading("Why this");
    line!(text, "  Because    {}", step.reasoning);
    line!(text, "  From       {}", origin(step.origin));
    line!(text, "  Rests on   {}", proof(step.proof));
    if let Some(diagnosis) = incident.diagnoses.first() {
        let window = verify::window(&diagnosis.symptom, &step.action, None);
        line!(
            text,
            "  Verified   it must be rolled out, ready and without a restart for at least {} s",
            window.as_secs()
        );
    }
    line!(text, "  If not     {}", failure(incident, question));
    line!(
        text,
        "  Last       if nothing helps: {}\n             {}",
        incident.plan.as_ref().map_or("", |plan| &plan.advice.why),
        incident
            .plan
            .as_ref()
            .map_or("", |plan| &plan.advice.command)
    );
    let Some(ruling) = &incident.ruling else {
        return text;
    };
    text.push_str(&heading("What the gate says"));
    let rules = ruling.checks.iter().map(|check| check.rule.len());
    let width = rules.max().unwrap_or_default();
    for check in &ruling.checks {
        let says = match check.decision {
            Decision::Execute => "nothing against it",
            Decision::Ask => "asks: ",
            Decision::Wait => "waits: ",
            Decision::Refuse => "refuses: ",
        };
        line!(text, "  {:<width$}  {says}{}", check.rule, check.why);
    }
    text
}

fn origin(origin: Origin) -> &'static str {
    match origin {
        Origin::Memory => "memory: this has healed the same failure before",
        Origin::Playbook => "the playbook of this fault",
        Origin::Model => "a language model, within what the code allows",
        Origin::Operator => "you",
    }
}

fn proof(proof: Proof) -> &'static str {
    match proof {
        Proof::Confirmed => "what the cluster or the registry confirms",
        Proof::Bounded => "a guess within bounds, which can be taken back: only trying tells",
        Proof::Placeholder => {
            "a placeholder that lets the program start: somebody has to put the real value in"
        }
    }
}

/// What is done when a step does not help.
fn failure(incident: &Incident, question: &Proposal) -> String {
    let next = incident.step(question.place + 1);
    let goes_on = |this: &Step, next: &Step| {
        matches!(
            (&this.action, &next.action),
            (Action::IncreaseMemory(this), Action::IncreaseMemory(next)) if next.from == this.to
        )
    };
    let back = match &next {
        Some(next) if goes_on(&question.step, next) => "it stays, as the next step goes on from it",
        Some(_) | None if matches!(question.change, Change::Evict { .. }) => {
            "there is nothing to take back"
        }
        Some(_) | None => "it is taken back, unless somebody has changed the same fields since",
    };
    let then = next.map_or_else(
        || "then no step is left, and you are told what to do".to_owned(),
        |next| {
            format!(
                "then you are asked about: {}",
                next.action.treatment().summary()
            )
        },
    );
    format!("{back}; {then}")
}
