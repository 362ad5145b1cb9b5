//! How containers behave: what `behaviour.yaml` says.

use std::collections::BTreeMap;

use akeso_core::quantity::{Bytes, MilliCpu};
use jiff::SignedDuration;
use serde::Deserialize;

use crate::api_server::Right;

/// The behaviour of every container that is not the plain one: it runs for ever and is ready at
/// once.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Behaviours {
    /// `WORKLOAD/CONTAINER` or `WORKLOAD/CONTAINER@IMAGE`.
    #[serde(default)]
    containers: BTreeMap<String, Behaviour>,
    /// Whether nothing measures what containers use.
    #[serde(default)]
    pub(crate) unmeasured: bool,
}

/// How one container behaves.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Behaviour {
    /// Variables that must not be empty.
    pub(crate) requires: Vec<String>,
    /// Written at each start.
    pub(crate) logs: Vec<String>,
    /// What it does when a required variable is empty.
    pub(crate) missing: Option<Missing>,
    /// What it cannot do without; nothing where that is there.
    pub(crate) needs: Option<Needs>,
    /// The CPU that it uses.
    pub(crate) cpu: MilliCpu,
    /// How its memory grows.
    pub(crate) memory: Option<Memory>,
    /// How much it writes to its own file system, at once.
    pub(crate) disk: Option<Bytes>,
    /// How it ends by itself.
    pub(crate) exits: Option<Exits>,
    /// When its readiness probe passes, after each start.
    pub(crate) ready_after: Option<SignedDuration>,
    /// What it answers to its probes; without it they pass at `ready_after`.
    pub(crate) answers: Option<Answers>,
}

/// What a container answers to its probes.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Answers {
    /// The port on which it listens for HTTP; none, if it does not.
    pub(crate) port: Option<i32>,
    /// The paths that it knows; every one if none is named.
    pub(crate) paths: Vec<String>,
    /// From its start until it answers at all.
    pub(crate) after: SignedDuration,
    /// Programs that the image lacks, for probes that run one.
    pub(crate) lacks: Vec<String>,
    /// What a probe's program writes when it is not well.
    pub(crate) says: String,
    /// When it says that it is not well (503, or a program that fails).
    pub(crate) unwell: Option<Unwell>,
}

/// A time in which a container says that it is not well.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Unwell {
    /// From its start on …
    #[serde(default)]
    pub(crate) from: SignedDuration,
    /// … for so long; for ever, if nothing is said.
    pub(crate) lasts: Option<SignedDuration>,
    /// Only in pods whose names end so.
    #[serde(default)]
    pub(crate) pods: String,
}

/// What a container does when a required variable is empty.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Missing {
    #[serde(default)]
    pub(crate) log: Vec<String>,
    pub(crate) exit: i32,
}

/// What a container does when, at its start, no pod of a Service is ready, its `ServiceAccount`
/// lacks a right, or its memory limit is too low for it.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Needs {
    /// The Service, in the pod's namespace.
    pub(crate) service: Option<String>,
    /// The right, in the pod's namespace.
    pub(crate) right: Option<Right>,
    /// A memory limit of so much, without which it ends by itself.
    pub(crate) memory: Option<Bytes>,
    pub(crate) exit: i32,
    #[serde(default)]
    pub(crate) log: Vec<String>,
}

/// Memory that grows in steps to a peak.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Memory {
    pub(crate) start: Bytes,
    pub(crate) step: Bytes,
    pub(crate) every: SignedDuration,
    pub(crate) peak: Bytes,
}

/// An end so long after each start.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Exits {
    pub(crate) after: SignedDuration,
    pub(crate) code: i32,
    #[serde(default)]
    pub(crate) log: Vec<String>,
    /// Only after the first so many starts.
    pub(crate) times: Option<u32>,
    /// How it ends after the others, if it does.
    pub(crate) then: Option<Box<Self>>,
}

impl Behaviours {
    /// Adds others; what they say of a container goes before what was said.
    pub(crate) fn extend(&mut self, others: Self) {
        self.containers.extend(others.containers);
        self.unmeasured |= others.unmeasured;
    }

    /// The behaviour of a workload's container while it runs an image.
    pub(crate) fn of(&self, workload: &str, container: &str, image: &str) -> Behaviour {
        let special = self
            .containers
            .get(&format!("{workload}/{container}@{image}"));
        let general = || self.containers.get(&format!("{workload}/{container}"));
        special.or_else(general).cloned().unwrap_or_default()
    }
}

impl Answers {
    /// Whether it says, at this age, that it is not well.
    pub(crate) fn is_unwell(&self, pod: &str, age: SignedDuration) -> bool {
        self.unwell.as_ref().is_some_and(|unwell| {
            let is_over = unwell
                .lasts
                .is_some_and(|lasts| age >= unwell.from.saturating_add(lasts));
            pod.ends_with(&unwell.pods) && age >= unwell.from && !is_over
        })
    }

    /// The age from which on its answers do not change any more.
    pub(crate) fn settled_after(&self) -> SignedDuration {
        let unwell = self.unwell.as_ref().map_or(SignedDuration::ZERO, |unwell| {
            unwell.from.saturating_add(unwell.lasts.unwrap_or_default())
        });
        self.after.max(unwell)
    }
}

impl Memory {
    /// How much it holds so long after its start.
    pub(crate) fn at(&self, age: SignedDuration) -> Bytes {
        let steps = age.as_millis().checked_div(self.every.as_millis());
        let steps = steps.and_then(|steps| u64::try_from(steps).ok());
        let grown = self.step.times(steps.unwrap_or(0));
        let held = self.start.get().saturating_add(grown.get());
        Bytes::new(held.min(self.peak.get()))
    }

    /// How long after its start it has grown beyond `limit`; never, if its peak fits.
    pub(crate) fn exceeds(&self, limit: Bytes) -> Option<SignedDuration> {
        let (limit, start) = (limit.get(), self.start.get());
        if self.peak.get() <= limit {
            return None;
        }
        if start > limit {
            return Some(SignedDuration::ZERO);
        }
        let steps = (limit - start).checked_div(self.step.get())? + 1;
        self.every.checked_mul(i32::try_from(steps).ok()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_that_grows_by_5mi_from_10mi_passes_128mi_after_12_seconds() {
        let yaml = "{start: 10Mi, step: 5Mi, every: 500ms, peak: 515Mi}";
        let memory: Memory = serde_saphyr::from_str(yaml).unwrap();
        assert_eq!(
            memory.exceeds(Bytes::mebi(128)),
            Some(SignedDuration::from_secs(12))
        );
        assert_eq!(memory.exceeds(Bytes::mebi(1)), Some(SignedDuration::ZERO));
        assert_eq!(memory.exceeds(Bytes::mebi(515)), None);
        assert_eq!(memory.at(SignedDuration::ZERO), Bytes::mebi(10));
        assert_eq!(memory.at(SignedDuration::from_secs(12)), Bytes::mebi(130));
        assert_eq!(memory.at(SignedDuration::from_hours(1)), Bytes::mebi(515));
    }

    #[test]
    fn a_behaviour_for_an_image_goes_before_the_one_for_all() {
        let yaml =
            "containers:\n  shop/web: {logs: [all]}\n  shop/web@busybox:1.36: {logs: [one]}\n";
        let behaviours: Behaviours = serde_saphyr::from_str(yaml).unwrap();
        assert_eq!(behaviours.of("shop", "web", "busybox:1.36").logs, ["one"]);
        assert_eq!(behaviours.of("shop", "web", "busybox:latest").logs, ["all"]);
        assert!(
            behaviours
                .of("shop", "other", "busybox:latest")
                .logs
                .is_empty()
        );
    }

    #[test]
    fn a_key_that_means_nothing_is_an_error() {
        assert!(serde_saphyr::from_str::<Behaviours>("containers: {a/b: {exit: 1}}").is_err());
    }
}
