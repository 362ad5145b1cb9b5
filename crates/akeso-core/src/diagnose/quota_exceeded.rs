//! Fault `quota-exceeded`: a ResourceQuota of the namespace has no room for the pods.

use std::sync::LazyLock;

use regex::Regex;

use super::{Diagnosis, Examination, Family, Fault, pods_refused};
use crate::observe::Symptom;

pub(super) const FAULT: Fault = Fault {
    name: "quota-exceeded",
    family: Family::Scheduling,
    signs: "no pod comes to be: the API server says `exceeded quota`",
    does: "names the quota, and for each resource what is requested, used and allowed; workloads that fail for the same quota are one incident",
    never: "raises a quota, or takes room from another workload",
    diagnose,
};

/// `exceeded quota: small, requested: cpu=1,pods=1, used: cpu=3,pods=4, limited: cpu=3,pods=4`.
static EXCEEDED: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(
        r"exceeded quota: ([^\s,]+), requested: (\S+), used: (\S+), limited: ([^\s,]+(?:,[^\s,]+)*)",
    )
    .ok()
});

fn diagnose(examination: &Examination<'_>, symptom: &Symptom) -> Option<Diagnosis> {
    let found = EXCEEDED
        .as_ref()?
        .captures(pods_refused::message(symptom)?)?;
    let namespace = &examination.workload.reference.namespace;
    let value = |list: usize, resource: &str| {
        let mut pairs = found[list]
            .split(',')
            .filter_map(|pair| pair.split_once('='));
        let pair = pairs.find(|(name, _)| *name == resource);
        pair.map_or_else(|| "?".to_owned(), |(_, value)| value.to_owned())
    };
    let exceeded: Vec<_> = found[2]
        .split(',')
        .filter_map(|pair| pair.split_once('='))
        .map(|(resource, requested)| {
            format!(
                "{resource}: a pod requests {requested}, {} of {} are used",
                value(3, resource),
                value(4, resource)
            )
        })
        .collect();
    let says = format!(
        "gets no pods: ResourceQuota {namespace}/{} is used up ({})",
        &found[1],
        exceeded.join("; ")
    );
    let why = format!(
        "spec.hard of ResourceQuota {namespace}/{} must grow, or something in the namespace must use less",
        &found[1]
    );
    Some(examination.refused(&FAULT, symptom, &says, &why))
}
