//! `akeso scan`: one read-only look.

use std::{cmp::Reverse, io::Write, process::ExitCode, time::Duration};

use akeso_core::{
    diagnose::{Diagnosis, Remedy},
    engine::{Engine, Incident},
    gate::{self, Consented, Decision, Ruling, Spent},
    journal::Entry,
    policy::{Autonomy, Settings},
    severity::Severity,
    verify::neighbours,
    workload::{AttemptId, WorkloadRef},
};
use akeso_kube::Hands;
use anstyle::AnsiColor;
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
    if !drive.engine.is_at_rest() {
        anyhow::bail!("left before everything was seen");
    }
    let ledger = drive.engine.ledger();
    let findings = ledger
        .open()
        .map(|incident| Finding::of(&drive.engine, incident, &would));
    let mut findings: Vec<_> = findings.collect();
    findings.sort_by_key(|finding| (Reverse(finding.severity), finding.incident.id));
    // colours are left out where the output is no terminal
    let mut out = anstream::stdout().lock();
    match global.output {
        Format::Json => findings
            .iter()
            .try_for_each(|finding| writeln!(out, "{}", finding.json()))?,
        Format::Text => {
            findings
                .iter()
                .try_for_each(|finding| write!(out, "{}", note(finding)))?;
            let count = findings.len();
            writeln!(
                out,
                "{}",
                if count == 0 {
                    "Nothing is broken.".to_owned()
                } else {
                    format!("{count} finding(s).")
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

/// One thing that is broken.
struct Finding<'a> {
    incident: &'a Incident,
    /// The cause, or what is thought to be it so far.
    diagnosis: Option<&'a Diagnosis>,
    severity: Severity,
    affected: Vec<WorkloadRef>,
    ruling: Option<Ruling>,
}

impl<'a> Finding<'a> {
    fn of(engine: &'a Engine, incident: &'a Incident, would: &Settings) -> Self {
        let workload = engine.cluster().workload(&incident.workload);
        let suspected = engine.suspected(incident.id);
        Self {
            incident,
            diagnosis: incident.diagnoses.first().or(suspected.first()),
            severity: workload.map_or(Severity::Warning, |workload| {
                Severity::of(&workload, &incident.symptoms)
            }),
            affected: neighbours::affected(engine.cluster(), engine.ledger(), incident),
            ruling: would_be_ruled(engine, incident, would),
        }
    }

    /// As a JSON object (docs/output.md).
    fn json(&self) -> serde_json::Value {
        let incident = self.incident;
        let diagnosis = self.diagnosis;
        let affected: Vec<_> = self.affected.iter().map(ToString::to_string).collect();
        json!({
            "id": incident.id,
            "severity": self.severity,
            "namespace": incident.workload.namespace,
            "kind": incident.workload.kind,
            "name": incident.workload.name,
            "container": diagnosis.and_then(|d| d.symptom.container.as_ref()).map(|c| &c.name),
            "fault": diagnosis.map(|d| &d.fault),
            "cause": diagnosis.map(|d| &d.cause),
            "confidence": diagnosis.map(|d| d.confidence),
            "evidence": diagnosis.map(|d| &d.evidence),
            "caused_by": diagnosis.and_then(|d| d.caused_by.as_ref()).map(ToString::to_string),
            "affected": affected,
            "changed_before": diagnosis.map(|d| &d.changed_before),
            "symptoms": incident.symptoms,
            "plan": incident.plan,
            "gate": self.ruling,
        })
    }
}

/// A finding, as a colleague would put it.
fn note(finding: &Finding<'_>) -> String {
    let (incident, ruling) = (finding.incident, finding.ruling.as_ref());
    let colour = match finding.severity {
        Severity::Critical => AnsiColor::Red,
        Severity::Warning => AnsiColor::Yellow,
        Severity::Info => AnsiColor::Cyan,
    };
    let colour = colour.on_default().bold();
    let severity = finding.severity.as_str();
    let mut text = String::new();
    if let Some(diagnosis) = finding.diagnosis {
        line!(text, "{colour}{severity}{colour:#} {}", diagnosis.cause);
        for line in &diagnosis.evidence {
            line!(text, "  | {line}");
        }
        for line in &diagnosis.changed_before {
            line!(text, "  changed: {line}");
        }
    } else {
        let symptoms: Vec<_> = incident.symptoms.iter().map(ToString::to_string).collect();
        let symptoms = symptoms.join(", ");
        line!(
            text,
            "{colour}{severity}{colour:#} {}: {symptoms} (seen too seldom so far to say why)",
            incident.workload
        );
    }
    if !finding.affected.is_empty() {
        let affected: Vec<_> = finding.affected.iter().map(ToString::to_string).collect();
        line!(text, "  affected: {}", affected.join(", "));
    }
    if let Some(plan) = &incident.plan {
        for (index, step) in plan.steps.iter().enumerate() {
            let treatment = step.action.treatment();
            let first = if index == 0 {
                "fix"
            } else {
                "if that does not help"
            };
            line!(
                text,
                "  {first}: {} ({})",
                treatment.summary(),
                step.reasoning
            );
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
    } else if let Some(culprit) = finding.diagnosis.and_then(|it| it.caused_by.as_ref()) {
        line!(text, "  nothing here: {culprit} must be mended first");
    } else if let Some(Remedy::Wait { why }) = finding.diagnosis.map(|it| &it.remedy) {
        line!(text, "  nothing yet: {why}");
    }
    text.push('\n');
    text
}
