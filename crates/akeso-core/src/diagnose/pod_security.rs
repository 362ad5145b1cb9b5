//! Fault `pod-security`: the PodSecurity level of the namespace forbids the pods.

use std::sync::LazyLock;

use regex::Regex;

use super::{Diagnosis, Examination, Family, Fault, pods_refused};
use crate::observe::Symptom;

pub(super) const FAULT: Fault = Fault {
    name: "pod-security",
    family: Family::Access,
    signs: "no pod comes to be: the API server says `violates PodSecurity`",
    does: "names the level and every field that violates it",
    never: "lowers the level of a namespace, or the privileges of a container",
    diagnose,
};

/// `violates PodSecurity "restricted:latest": host namespaces (hostNetwork=true), ...`.
static VIOLATES: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r#"(?s)violates PodSecurity "([^"]+)": (.+)"#).ok());

fn diagnose(examination: &Examination<'_>, symptom: &Symptom) -> Option<Diagnosis> {
    let found = VIOLATES
        .as_ref()?
        .captures(pods_refused::message(symptom)?)?;
    let namespace = &examination.workload.reference.namespace;
    let says = format!(
        "gets no pods: Namespace {namespace} enforces PodSecurity \"{}\", which the pod template violates: {}",
        &found[1],
        found[2].trim()
    );
    let why = format!(
        "the fields named must be set in spec.template, or label pod-security.kubernetes.io/enforce of Namespace {namespace} is stricter than was meant"
    );
    Some(examination.refused(&FAULT, symptom, &says, &why))
}
