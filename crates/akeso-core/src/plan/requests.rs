//! What a container's request may be by what it was measured to use.

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::Pod;

use crate::{
    act::Resource,
    cluster::ready_since,
    evidence::{PodUsage, Usage},
};

/// What a program uses in its first minutes, in which it loads and warms up, says nothing of what it
/// uses later. A HorizontalPodAutoscaler leaves the CPU of a pod out of account for as long
/// (`--horizontal-pod-autoscaler-cpu-initialization-period`,
/// <https://kubernetes.io/docs/tasks/run-application/horizontal-pod-autoscale/#algorithm-details>).
pub const WARM_UP: SignedDuration = SignedDuration::from_mins(5);
/// One look is no peak: so many times what was measured is requested.
const HEADROOM: u64 = 2;
/// A program that uses less CPU than this does nothing just now, which is no measure of what it needs
/// when it has something to do.
const IDLE: u64 = 10;

/// Requests are whole multiples of this: 10m of CPU, a mebibyte.
const fn step(resource: Resource) -> u64 {
    match resource {
        Resource::Cpu => 10,
        Resource::Memory => 1 << 20,
    }
}

/// What bounds a container's request.
#[derive(Debug, Clone, Copy, Default)]
pub struct Within {
    /// Its limit.
    pub limit: Option<u64>,
    /// What it must be at the least, for the namespace's sake.
    pub least: Option<u64>,
}

/// What a container that used `peak` at the most requests: nothing if that is not possible within
/// its bounds. It is never less than what was measured, and never above the limit.
pub fn request(resource: Resource, peak: u64, within: Within) -> Option<u64> {
    let step = step(resource);
    let wanted = peak.saturating_mul(HEADROOM).max(1);
    let rounded = wanted.div_ceil(step).saturating_mul(step);
    let wanted = rounded.max(within.least.unwrap_or(0));
    let request = within.limit.map_or(wanted, |limit| wanted.min(limit));
    (request >= peak && Some(request) >= within.least).then_some(request)
}

/// The most that each of these containers used on any of these pods; or why that is not known. It is
/// known only if every one was measured on every pod, and when the pod had been ready for
/// [`WARM_UP`].
pub fn peaks(
    usage: &Usage,
    pods: &[&Pod],
    containers: &[&str],
    resource: Resource,
) -> Result<Vec<u64>, String> {
    if pods.is_empty() {
        return Err("no pod is ready".to_owned());
    }
    let mut peaks = vec![0; containers.len()];
    for pod in pods {
        let name = pod.metadata.name.as_deref().unwrap_or_default();
        let measured = measured(usage, pod, name)?;
        for (peak, container) in peaks.iter_mut().zip(containers) {
            let Some(used) = measured.containers.get(*container) else {
                return Err(format!(
                    "container {container} of pod {name} was not measured"
                ));
            };
            let used = match resource {
                Resource::Cpu => used.cpu.get(),
                Resource::Memory => used.memory.get(),
            };
            *peak = used.max(*peak);
        }
    }
    if resource == Resource::Cpu && peaks.iter().all(|peak| *peak < IDLE) {
        return Err("its pods do next to nothing now, which says nothing of what they need when they have something to do".to_owned());
    }
    Ok(peaks)
}

fn measured<'u>(usage: &'u Usage, pod: &Pod, name: &str) -> Result<&'u PodUsage, String> {
    let Some(measured) = usage.pods.get(name) else {
        return Err(format!("pod {name} was not measured"));
    };
    let warm = ready_since(pod).map(warm_at);
    if warm.is_none_or(|warm| measured.at < warm) {
        return Err(format!(
            "pod {name} was measured before it had been ready for {} minutes",
            WARM_UP.as_mins()
        ));
    }
    Ok(measured)
}

/// From when on what a pod uses means something, that is ready since then.
pub fn warm_at(ready: Timestamp) -> Timestamp {
    ready.checked_add(WARM_UP).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn twice_what_was_measured_is_requested_in_sane_units() {
        let free = Within::default();
        assert_eq!(request(Resource::Cpu, 123, free), Some(250));
        assert_eq!(request(Resource::Cpu, 0, free), Some(10));
        let mebi = 1 << 20;
        assert_eq!(
            request(Resource::Memory, 10 * mebi + 1, free),
            Some(21 * mebi)
        );
        let limited = Within {
            limit: Some(150),
            least: None,
        };
        assert_eq!(request(Resource::Cpu, 123, limited), Some(150));
        // what uses more than its limit allows was measured wrong, or its limit is another by now
        assert_eq!(request(Resource::Cpu, 151, limited), None);
        let within = Within {
            limit: Some(300),
            least: Some(270),
        };
        assert_eq!(request(Resource::Cpu, 10, within), Some(270));
        let contradiction = Within {
            limit: Some(200),
            least: Some(270),
        };
        assert_eq!(request(Resource::Cpu, 10, contradiction), None);
    }

    proptest! {
        #[test]
        fn a_request_is_at_least_what_was_measured_and_at_most_the_limit(
            peak in 0_u64..1 << 50, limit in proptest::option::of(1_u64..1 << 50), least in proptest::option::of(0_u64..1 << 50), cpu: bool
        ) {
            let resource = if cpu { Resource::Cpu } else { Resource::Memory };
            if let Some(request) = request(resource, peak, Within { limit, least }) {
                prop_assert!(request > 0 && request >= peak);
                prop_assert!(limit.is_none_or(|limit| request <= limit));
                prop_assert!(least.is_none_or(|least| request >= least));
                prop_assert_eq!(resource.parse(&resource.quantity(request)), Ok(request));
            } else {
                prop_assert!(limit.is_some_and(|limit| limit < peak || least.is_some_and(|least| limit < least)));
            }
        }
    }
}
