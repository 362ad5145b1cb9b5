//! `akeso scan`: one read-only look.

use std::{io::Write, process::ExitCode, time::Duration};

use akeso_core::{
    engine::{Engine, Incident},
    gate::{self, Consented, Decision, Ruling, Spent},
    journal::Entry,
    policy::{Autonomy, Settings},
    workload::AttemptId,
};
use akeso_kube::Hands;
use jiff::Timestamp;
use serde_json::json;

use super::{find, settings};
use crate::{
    cli::{Format, Global, Target},
    configuration::{Configuration, Said},
    drive::{Drive, Until},
    report::{Reporter, line},
    write_ahead::WriteAhead,
};

/// A scan shows its findings at the end, not as they come.
struct Silent;

impl Reporter for Silent {
    fn entry(&mut self, _: &Entry) {}
    fn begun(&mut self, _: Timestamp) {}
    fn quiet(&mut self) {}
    fn rechecked(&mut self, _: Timestamp) {}
    fn close(&mut self) {}
}

/// Looks at everything once. Exit code 0: nothing is broken, 1: something is.
pub async fn run(global: &Global, target: Target) -> anyhow::Result<ExitCode> {
    let said = Said {
        autonomy: target.autonomy.map(Autonomy::from),
        ..Said::default()
    };
    let mut configuration = Configuration::load(said, target.policy.as_deref())?;
    let place = find(global, target).await?;
    configuration.base = settings(Autonomy::Observe, &place.scope);
    let would = configuration.settings();
    // the engine cannot even ask for a change
    let engine = Engine::new(configuration.only_observing());
    let hands = Hands::start(
        place.connected.client,
        &place.scope,
        &place.access,
        place.mirrors,
    );
    let mut drive = Drive::new(
        engine,
        hands,
        WriteAhead::new(None),
        Box::new(Silent),
        Duration::from_hours(1),
    );
    drive.run(Until::AtRest).await?;
    let findings = drive.engine.ledger().open().map(|incident| {
        let ruling = would_be_ruled(&drive.engine, incident, &would);
        (incident, ruling)
    });
    let findings: Vec<_> = findings.collect();
    let mut out = std::io::stdout().lock();
    match global.output {
        Format::Json => findings.iter().try_for_each(|(incident, ruling)| {
            writeln!(out, "{}", finding(incident, ruling.as_ref()))
        })?,
        Format::Text => {
            findings.iter().try_for_each(|(incident, ruling)| {
                write!(out, "{}", note(incident, ruling.as_ref()))
            })?;
            let count = findings.len();
            writeln!(
                out,
                "{}",
                if count == 0 {
                    "Nothing is broken.".to_owned()
                } else {
                    format!("{count} workload(s) broken.")
                }
            )?;
        }
    }
    Ok(if findings.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// What the gate would say of the first step, were this no scan.
fn would_be_ruled(engine: &Engine, incident: &Incident, settings: &Settings) -> Option<Ruling> {
    let workload = engine.cluster().workload(&incident.workload)?;
    let step = incident.plan.as_ref()?.steps.first()?;
    let change = step.action.change(&workload, AttemptId(1)).ok()?;
    let request = gate::Request {
        step,
        change: &change,
        workload: &workload,
        settings,
        spent: &Spent::default(),
        shared_cause: None,
        store_failure: None,
        consent: Consented::No,
        now: Timestamp::now(),
    };
    Some(gate::decide(&request).0)
}

/// One finding, as a JSON object (docs/output.md).
fn finding(incident: &Incident, ruling: Option<&Ruling>) -> serde_json::Value {
    let diagnosis = incident.diagnoses.first();
    json!({
        "id": incident.id,
        "namespace": incident.workload.namespace,
        "kind": incident.workload.kind,
        "name": incident.workload.name,
        "container": diagnosis.and_then(|d| d.symptom.container.as_ref()).map(|c| &c.name),
        "fault": diagnosis.map(|d| &d.fault),
        "cause": diagnosis.map(|d| &d.cause),
        "confidence": diagnosis.map(|d| d.confidence),
        "evidence": diagnosis.map(|d| &d.evidence),
        "symptoms": incident.symptoms,
        "plan": incident.plan,
        "gate": ruling,
    })
}

/// One finding, as a colleague would put it.
fn note(incident: &Incident, ruling: Option<&Ruling>) -> String {
    let mut text = String::new();
    if let Some(diagnosis) = incident.diagnoses.first() {
        line!(text, "{}", diagnosis.cause);
        for line in &diagnosis.evidence {
            line!(text, "  | {line}");
        }
    } else {
        let symptoms: Vec<_> = incident.symptoms.iter().map(ToString::to_string).collect();
        let symptoms = symptoms.join(", ");
        line!(
            text,
            "{}: {symptoms} (seen too seldom so far to say why)",
            incident.workload
        );
    }
    if let Some(plan) = &incident.plan {
        for (index, step) in plan.steps.iter().enumerate() {
            let treatment = step.action.treatment();
            let first = if index == 0 {
                "fix"
            } else {
                "if that does not help"
            };
            line!(text, "  {first}: {}", treatment.summary());
            line!(text, "    {}", treatment.command(&incident.workload));
        }
        if let Some(ruling) = ruling {
            let would = match ruling.decision {
                Decision::Execute => "would do it by itself",
                Decision::Ask => "would ask first",
                Decision::Wait => "would wait",
                Decision::Refuse => "would not do it",
            };
            line!(text, "  akeso monitor {would}: {}", ruling.why);
        }
        if plan.steps.is_empty() {
            line!(text, "  for a person: {}", plan.advice.why);
            line!(text, "    {}", plan.advice.command);
        }
    }
    text.push('\n');
    text
}
