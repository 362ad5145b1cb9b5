//! How much may be changed at once and within an hour, in a namespace and in the cluster.

use jiff::{SignedDuration, Timestamp};

use super::{Decision, Request, Ruling, Use};

const HOUR: SignedDuration = SignedDuration::from_hours(1);

pub(super) fn rule(request: &Request<'_>) -> Option<Ruling> {
    let (budgets, spent) = (&request.settings.policy.budgets, request.spent);
    let (namespace, cluster) = (&budgets.namespace, &budgets.cluster);
    check(
        &spent.in_namespace,
        namespace.concurrent,
        namespace.per_hour,
        "the namespace",
        request.now,
    )
    .or_else(|| {
        check(
            &spent.in_cluster,
            cluster.concurrent,
            cluster.per_hour,
            "the cluster",
            request.now,
        )
    })
}

fn check(
    spent: &Use,
    concurrent: u32,
    per_hour: u32,
    place: &str,
    now: Timestamp,
) -> Option<Ruling> {
    if spent.busy >= usize::try_from(concurrent).unwrap_or(usize::MAX) {
        let why = format!(
            "{} other workloads of {place} are between a change and its verdict: no more than {concurrent} at once",
            spent.busy
        );
        return Some(Ruling::new(Decision::Wait, "concurrency-budget", why));
    }
    let recent: Vec<_> = spent
        .changes
        .iter()
        .filter(|at| now.duration_since(**at) < HOUR)
        .collect();
    let most = usize::try_from(per_hour).unwrap_or(usize::MAX);
    if recent.len() < most {
        return None;
    }
    let why = format!(
        "{} changes within an hour in {place}: no more than {per_hour}",
        recent.len()
    );
    let ruling = Ruling::new(Decision::Wait, "hourly-budget", why);
    // one more fits in when the oldest of the last `per_hour` is an hour old
    let oldest = recent
        .len()
        .checked_sub(most.max(1))
        .and_then(|i| recent.get(i));
    match oldest.and_then(|at| at.checked_add(HOUR).ok()) {
        Some(until) => Some(ruling.until(until)),
        None => Some(ruling),
    }
}
