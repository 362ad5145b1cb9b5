//! Fault `memory-without-unit`: a memory limit so small that its unit must be missing: `128` are bytes,
//! and `100m` is a tenth of one
//! (<https://kubernetes.io/docs/concepts/configuration/manage-resources-containers/#meaning-of-memory>).

use k8s_openapi::api::core::v1::Container;

use super::{Diagnosis, Examination, Family, Fault, undo};
use crate::{
    observe::{Sign, Symptom},
    plan::Advice,
    quantity::Bytes,
};

pub(super) const FAULT: Fault = Fault {
    name: "memory-without-unit",
    family: Family::Resources,
    signs: "a container cannot be started, or its pod not be set up, and has a memory limit of less than a mebibyte",
    does: "puts the last good revision back, where one is proven; else names the limit and what it means",
    never: "guesses the unit",
    diagnose,
};

/// No program runs in less.
const LEAST: Bytes = Bytes::mebi(1);

fn diagnose(examination: &Examination<'_>, symptom: &Symptom) -> Option<Diagnosis> {
    if !matches!(
        symptom.sign,
        Sign::Mount { .. } | Sign::Start | Sign::OutOfMemory(_) | Sign::Crash(_)
    ) {
        return None;
    }
    let spec = examination.workload.pod_spec()?;
    let init = spec.init_containers.iter().flatten();
    let (container, limit) = init.chain(&spec.containers).find_map(small_limit)?;
    let means = match limit.strip_suffix('m') {
        Some(number) => {
            format!("means {number} thousandths of a byte; {number}Mi may have been meant")
        }
        None => format!("means {limit} bytes; {limit}Mi may have been meant"),
    };
    let says = format!(
        "cannot run: resources.limits.memory of container {} is {limit}, which {means}",
        container.name
    );
    let why = "the memory limit must have its unit (Mi, Gi)".to_owned();
    let command = examination.describe(symptom);
    let remedy = undo::or_person(examination, Advice { why, command });
    Some(
        examination
            .diagnosis(&FAULT, symptom, says, 95, remedy)
            .with_evidence([symptom.message.clone()]),
    )
}

fn small_limit(container: &Container) -> Option<(&Container, &str)> {
    let limits = container.resources.as_ref()?.limits.as_ref()?;
    let limit = limits.get("memory")?.0.as_str();
    let bytes = Bytes::parse(limit).ok()?;
    let is_plain = limit
        .trim_end_matches('m')
        .bytes()
        .all(|b| b.is_ascii_digit());
    (bytes > Bytes::new(0) && bytes < LEAST && is_plain).then_some((container, limit))
}
