//! What was changed shortly before a workload broke, and by whom: most failures follow a change.

use jiff::{SignedDuration, Timestamp, Unit};
use k8s_openapi::api::core::v1::PodTemplateSpec;

use crate::{act::changed_fields, cluster::Workload};

/// A change that is older is not shown: it can hardly be the reason for what breaks now.
const RECENT: SignedDuration = SignedDuration::from_hours(1);
/// So many of the fields that differ from the last good revision are named.
const MOST_FIELDS: usize = 4;

/// A line for each change: who wrote to the workload, and what differs from the last good revision.
pub(super) fn changed_before(workload: &Workload<'_>, now: Timestamp) -> Vec<String> {
    let reference = &workload.reference;
    let writer = workload.last_write().and_then(|(manager, at)| {
        let ago = now.duration_since(at);
        let is_recent = ago >= SignedDuration::ZERO && ago <= RECENT;
        let ago = ago.round(Unit::Second).unwrap_or(ago);
        is_recent.then(|| format!("{manager} wrote to {reference} {ago:#} before"))
    });
    let since = since_last_good(workload)
        .or_else(|| writer.as_ref().and_then(|_| since_the_one_before(workload)));
    writer.into_iter().chain(since).collect()
}

fn since_last_good(workload: &Workload<'_>) -> Option<String> {
    let good = workload.last_good_revision()?;
    let fields = fields_since(workload, &good.template)?;
    Some(format!(
        "since revision {} ({}) {fields}",
        good.number, good.good
    ))
}

fn since_the_one_before(workload: &Workload<'_>) -> Option<String> {
    let (number, template) = workload.revision_before()?;
    let fields = fields_since(workload, &template)?;
    Some(format!(
        "since revision {number} (whether it was good is not known) {fields}"
    ))
}

/// The fields of the pod template that differ from those of an earlier revision, if any do.
pub(super) fn fields_since(workload: &Workload<'_>, before: &PodTemplateSpec) -> Option<String> {
    let fields = changed_fields(before, workload.template()?);
    if fields.is_empty() {
        return None;
    }
    let more = match fields.len().saturating_sub(MOST_FIELDS) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let named: Vec<_> = fields.into_iter().take(MOST_FIELDS).collect();
    Some(format!("{}{more} were changed", named.join(", ")))
}
