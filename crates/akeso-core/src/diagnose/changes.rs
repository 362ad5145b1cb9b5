//! What was changed shortly before a workload broke, and by whom: most failures follow a change.

use jiff::{SignedDuration, Timestamp, Unit};

use crate::{act::changed_fields, cluster::Workload};

/// A change that is older is not shown: it can hardly be the reason for what breaks now.
const RECENT: SignedDuration = SignedDuration::from_hours(1);
/// So many of the fields that differ from the last good revision are named.
const MOST_FIELDS: usize = 4;

/// A line for each change: who wrote to the workload, and what differs from the last good revision.
pub(super) fn changed_before(workload: &Workload<'_>, now: Timestamp) -> Vec<String> {
    let reference = &workload.reference;
    let writer = workload
        .last_write()
        .and_then(|(manager, at)| {
            let ago = now.duration_since(at);
            let is_recent = ago >= SignedDuration::ZERO && ago <= RECENT;
            let ago = ago.round(Unit::Second).unwrap_or(ago);
            is_recent.then(|| format!("{manager} wrote to {reference} {ago:#} before"))
        })
        .into_iter();
    writer.chain(since_last_good(workload)).collect()
}

fn since_last_good(workload: &Workload<'_>) -> Option<String> {
    let good = workload.last_good_revision()?;
    Some(format!(
        "since revision {}, of which {} pod(s) are ready, these fields of the pod template were changed: {}",
        good.number,
        good.ready_pods,
        fields_since_last_good(workload)?
    ))
}

/// The fields of the pod template that differ from the last good revision.
pub(super) fn fields_since_last_good(workload: &Workload<'_>) -> Option<String> {
    let good = workload.last_good_revision()?;
    let fields = changed_fields(&good.template, workload.template()?);
    if fields.is_empty() {
        return None;
    }
    let more = match fields.len().saturating_sub(MOST_FIELDS) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let named: Vec<_> = fields.into_iter().take(MOST_FIELDS).collect();
    Some(format!("{}{more}", named.join(", ")))
}
