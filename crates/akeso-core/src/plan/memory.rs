//! How much memory a container that was killed for it gets.

use crate::{cluster::Cluster, evidence::Bounds, quantity::Bytes};

/// The limits to try, smallest first, for a container killed at `limit`.
///
/// `known_good` are limits with which similar containers run well; the least of them that is
/// larger comes first. Without one the limit is doubled and, if that does not help either, the
/// demand is unknown and the next step is four times larger: each wrong step costs the time it
/// takes to fill the memory. No step goes beyond `most`; a step of less than half the limit is
/// not worth a restart.
pub fn growth(limit: Bytes, known_good: &[Bytes], most: Bytes) -> Vec<Bytes> {
    let known = known_good
        .iter()
        .copied()
        .filter(|good| *good > limit && *good <= most)
        .min();
    let first = known.unwrap_or_else(|| limit.times(2));
    let wanted = [first, first.times(if known.is_some() { 2 } else { 4 })];
    let worth_it = Bytes::new(limit.get().saturating_add(limit.get() / 2));
    let mut steps: Vec<Bytes> = Vec::new();
    for step in wanted.map(|step| step.min(most)) {
        if step >= worth_it.min(first)
            && step > limit
            && steps.last().is_none_or(|last| step > *last)
        {
            steps.push(step);
        }
    }
    steps
}

/// The most that any schedulable node can give.
pub fn largest_node(cluster: &Cluster) -> Option<Bytes> {
    let nodes = cluster.nodes.values();
    nodes
        .filter(|node| {
            node.spec
                .as_ref()
                .is_none_or(|spec| spec.unschedulable != Some(true))
        })
        .filter_map(|node| {
            Bytes::parse(&node.status.as_ref()?.allocatable.as_ref()?.get("memory")?.0).ok()
        })
        .max()
}

/// The most that a container killed at `limit` may get, and what says so.
pub fn most(
    limit: Bytes,
    bounds: Bounds,
    node: Option<Bytes>,
    ceiling: Bytes,
) -> (Bytes, &'static str) {
    let quota = bounds.quota_left.map(|left| left.max(limit));
    [
        (Some(ceiling), "the memory ceiling"),
        (node, "the largest node's allocatable memory"),
        (bounds.container_max, "the namespace's LimitRange"),
        (quota, "the namespace's ResourceQuota"),
    ]
    .into_iter()
    .filter_map(|(bound, name)| Some((bound?, name)))
    .min_by_key(|(bound, _)| *bound)
    .unwrap_or((ceiling, "the memory ceiling"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn without_knowledge_the_limit_doubles_and_then_grows_fourfold() {
        assert_eq!(
            growth(Bytes::mebi(128), &[], Bytes::mebi(4096)),
            [Bytes::mebi(256), Bytes::mebi(1024)]
        );
    }

    #[test]
    fn a_known_good_value_comes_first() {
        assert_eq!(
            growth(
                Bytes::mebi(128),
                &[Bytes::mebi(100), Bytes::mebi(1024), Bytes::mebi(512)],
                Bytes::mebi(4096)
            ),
            [Bytes::mebi(512), Bytes::mebi(1024)]
        );
    }

    #[test]
    fn at_the_bound_there_is_nothing_left_to_try() {
        assert_eq!(growth(Bytes::mebi(512), &[], Bytes::mebi(512)), []);
        assert_eq!(growth(Bytes::mebi(512), &[], Bytes::mebi(600)), []);
        assert_eq!(
            growth(Bytes::mebi(512), &[], Bytes::mebi(800)),
            [Bytes::mebi(800)]
        );
    }

    proptest! {
        #[test]
        fn steps_rise_and_stay_within_the_bound(limit in 1_u64..1 << 40, most in 1_u64..1 << 42, known in proptest::collection::vec(1_u64..1 << 42, 0..4)) {
            let known: Vec<_> = known.into_iter().map(Bytes::new).collect();
            let steps = growth(Bytes::new(limit), &known, Bytes::new(most));
            prop_assert!(steps.is_sorted_by(|a, b| a < b));
            prop_assert!(steps.iter().all(|step| *step > Bytes::new(limit) && *step <= Bytes::new(most)));
        }
    }
}
