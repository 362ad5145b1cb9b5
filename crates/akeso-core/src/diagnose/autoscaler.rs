//! Faults of HorizontalPodAutoscalers, as their conditions tell them: none of them is mended here.

use super::{Diagnosis, Examination, Family, Fault};
use crate::observe::{Flaw, Symptom};

pub(super) const TARGET_MISSING: Fault = Fault {
    name: "autoscaler-target-missing",
    family: Family::Autoscaling,
    signs: "a HorizontalPodAutoscaler names a workload that does not exist or cannot be scaled (`FailedGetScale`)",
    does: "names kind and name, and the one of a close name or of another kind",
    never: "changes what is scaled",
    diagnose: target_missing,
};

pub(super) const AMBIGUOUS: Fault = Fault {
    name: "autoscaler-ambiguous",
    family: Family::Autoscaling,
    signs: "several HorizontalPodAutoscalers scale the same pods, so that none does (`AmbiguousSelector`)",
    does: "names them",
    never: "takes one away",
    diagnose: ambiguous,
};

pub(super) const NO_METRICS: Fault = Fault {
    name: "autoscaler-without-metrics",
    family: Family::Autoscaling,
    signs: "a HorizontalPodAutoscaler has got no metric for minutes, though its pods are well (`FailedGetResourceMetric`, `FailedGetExternalMetric` and so on)",
    does: "shows what the metrics API says, or names the container of its metric that the pods do not have",
    never: "scales by hand",
    diagnose: no_metrics,
};

pub(super) const AT_MAXIMUM: Fault = Fault {
    name: "autoscaler-at-maximum",
    family: Family::Autoscaling,
    signs: "a HorizontalPodAutoscaler has been at its maximum for a quarter of an hour, and would go higher (`TooManyReplicas`)",
    does: "says so, as a hint: nothing is broken",
    never: "raises a maximum: somebody has chosen it, and somebody pays for it",
    diagnose: at_maximum,
};

fn target_missing(examination: &Examination<'_>, symptom: &Symptom) -> Option<Diagnosis> {
    let why = "the scaleTargetRef must name the workload that is to be scaled";
    examination.flawed(
        &TARGET_MISSING,
        symptom,
        Flaw::ScaleTargetMissing,
        (95, why),
    )
}

fn ambiguous(examination: &Examination<'_>, symptom: &Symptom) -> Option<Diagnosis> {
    let why = "only one of them may scale these pods";
    examination.flawed(&AMBIGUOUS, symptom, Flaw::AmbiguousAutoscaler, (95, why))
}

fn no_metrics(examination: &Examination<'_>, symptom: &Symptom) -> Option<Diagnosis> {
    let why = "the metrics API must serve this metric: metrics-server for cpu and memory, an adapter for others";
    let mut found = examination.flawed(&NO_METRICS, symptom, Flaw::NoMetrics, (80, why))?;
    // one metrics API for all: that it is silent is one cause
    let api = ["resource", "custom", "external"].map(|it| format!("{it} metrics API"));
    found.dependency = api.into_iter().find(|api| {
        symptom
            .message
            .contains(&format!("fetch metrics from {api}"))
    });
    Some(found)
}

fn at_maximum(examination: &Examination<'_>, symptom: &Symptom) -> Option<Diagnosis> {
    let why = "whether more is worth its price is its owner's choice: spec.maxReplicas, or what a replica can do";
    examination.flawed(&AT_MAXIMUM, symptom, Flaw::AtMaximum, (85, why))
}
