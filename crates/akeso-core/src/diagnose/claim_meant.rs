//! The claim that was meant by one that does not exist, where no data can be lost by it: a claim
//! that is bound, that nobody else names, and in whose place the workload has never had another.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::{
    api::{
        apps::v1::StatefulSet,
        core::v1::{PersistentVolumeClaim, Pod, PodSpec},
    },
    apimachinery::pkg::apis::meta::v1::ObjectMeta,
};

use super::Examination;
use crate::{
    act::{Action, FixClaim},
    cluster::{Controller, Workload, in_namespace, is_over},
    observe::{Symptom, pods_with},
    plan::{Origin, Proof, Step},
    similar::{is_close, is_misspelt, only},
    workload::WorkloadKind,
};

/// A pod that was made so soon after its revision is the first of it.
const AT_ONCE: SignedDuration = SignedDuration::from_secs(60);

/// The correction of the claim's name.
pub(super) fn meant(
    examination: &Examination<'_>,
    symptom: &Symptom,
    wanted: &str,
) -> Option<Step> {
    let workload = examination.workload;
    let claims = in_namespace(&workload.cluster().claims, &workload.reference.namespace);
    let close = claims.filter(|(key, _)| is_close(wanted, &key.name));
    let (key, claim) = only(close)?;
    let to = &key.name;
    let mut pods = workload.pods.iter();
    let pod = pods.find(|pod| pod.metadata.name == symptom.pod)?;
    if !is_misspelt(wanted, to)
        || !is_free(claim)
        || !serves(claim, workload)
        || is_named_by_others(claim, to, workload)
        || !is_first(pod, workload)
    {
        return None;
    }
    let (proof, reasoning) = match had_before(workload, wanted) {
        Before::Nothing => (
            Proof::Bounded,
            "it is the only claim that is close, and nobody else names it",
        ),
        Before::Claims(before) if before == BTreeSet::from([to.as_str()]) => (
            Proof::Confirmed,
            "the revision before had that claim, and nobody else names it",
        ),
        Before::Claims(_) | Before::Unknown => return None,
    };
    Some(Step {
        action: Action::FixClaim(FixClaim {
            from: wanted.to_owned(),
            to: to.clone(),
        }),
        reasoning: reasoning.to_owned(),
        origin: Origin::Playbook,
        proof,
    })
}

/// Whether the claim has its volume, and belongs to nothing that comes and goes with it.
fn is_free(claim: &PersistentVolumeClaim) -> bool {
    let phase = claim.status.as_ref().and_then(|it| it.phase.as_deref());
    let metadata = &claim.metadata;
    let owners = metadata.owner_references.as_deref().unwrap_or_default();
    phase == Some("Bound") && metadata.deletion_timestamp.is_none() && owners.is_empty()
}

/// Whether as many pods as the workload has may mount the claim as a file system and write to it.
fn serves(claim: &PersistentVolumeClaim, workload: &Workload<'_>) -> bool {
    let is_block = claim
        .spec
        .as_ref()
        .is_some_and(|spec| spec.volume_mode.as_deref() == Some("Block"));
    let modes = claim
        .status
        .as_ref()
        .and_then(|it| it.access_modes.as_ref());
    let mut modes = modes.into_iter().flatten();
    !is_block
        && modes.any(|mode| match mode.as_str() {
            "ReadWriteMany" => true,
            "ReadWriteOnce" | "ReadWriteOncePod" => workload.desired() == 1,
            _ => false,
        })
}

/// Whether anybody else may have data there: another workload, a pod, or a StatefulSet that has its
/// claims made by this name. What has run to its end wants it no more.
fn is_named_by_others(claim: &PersistentVolumeClaim, name: &str, workload: &Workload<'_>) -> bool {
    let cluster = workload.cluster();
    let here = &workload.reference.namespace;
    let own: Vec<_> = workload.pods.iter().chain(&workload.old_pods).collect();
    let is_own = |pod: &Pod| own.iter().any(|it| it.metadata.uid == pod.metadata.uid);
    let mut pods = pods_with(cluster, claim);
    let mut sets = in_namespace(&cluster.stateful_sets, here).map(|(_, set)| set);
    let is_made_for = |set: &StatefulSet| {
        let templates = set.spec.volume_claim_templates.iter().flatten();
        let set = set.metadata.name.as_deref().unwrap_or_default();
        let mut templates = templates.filter_map(|it| it.metadata.name.as_deref());
        templates.any(|template| name.starts_with(&format!("{template}-{set}-")))
    };
    let roots = cluster
        .roots()
        .into_iter()
        .filter(|it| it.namespace == *here);
    let mut others = roots.filter_map(|it| cluster.workload(&it));
    let is_of_itself = || workload.pod_spec().is_some_and(|it| mounts(it, name));
    is_of_itself()
        || pods.any(|pod| !is_over(pod) && !is_own(pod))
        || sets.any(is_made_for)
        || others.any(|other| {
            !has_ended(&other) && other.pod_spec().is_some_and(|spec| mounts(spec, name))
        })
}

fn mounts(spec: &PodSpec, claim: &str) -> bool {
    claims(spec).any(|(_, named)| named == claim)
}

/// The volumes that name a claim: volume and claim.
fn claims(spec: &PodSpec) -> impl Iterator<Item = (&str, &str)> {
    spec.volumes.iter().flatten().filter_map(|volume| {
        let source = volume.persistent_volume_claim.as_ref()?;
        Some((volume.name.as_str(), source.claim_name.as_str()))
    })
}

/// Whether it has run to its end, and never runs again.
fn has_ended(workload: &Workload<'_>) -> bool {
    match workload.controller {
        Controller::Job(job) => {
            let conditions = job
                .status
                .iter()
                .flat_map(|it| it.conditions.iter().flatten());
            let mut over =
                conditions.filter(|it| matches!(it.type_.as_str(), "Complete" | "Failed"));
            over.any(|it| it.status == "True")
        }
        Controller::Pod(pod) => is_over(pod),
        Controller::Deployment(_)
        | Controller::StatefulSet(_)
        | Controller::DaemonSet(_)
        | Controller::ReplicaSet(_)
        | Controller::CronJob(_)
        | Controller::Support(_) => false,
    }
}

/// Whether the pod is one of the first of its revision, so that none of that revision can have run
/// with the claim that is missing now. What keeps no revision cannot tell.
fn is_first(pod: &Pod, workload: &Workload<'_>) -> bool {
    let revision = match workload.controller {
        Controller::Deployment(_) => workload.replica_set.map(|set| &set.metadata),
        Controller::StatefulSet(set) => (workload.generation() == 1).then_some(&set.metadata),
        Controller::DaemonSet(_)
        | Controller::ReplicaSet(_)
        | Controller::CronJob(_)
        | Controller::Job(_)
        | Controller::Pod(_)
        | Controller::Support(_) => None,
    };
    let made = |it: &ObjectMeta| -> Option<Timestamp> { Some(it.creation_timestamp.as_ref()?.0) };
    let times = made(&pod.metadata).zip(revision.and_then(made));
    times.is_some_and(|(pod, revision)| pod.duration_since(revision) <= AT_ONCE)
}

/// What stood in the place of a claim before.
enum Before<'a> {
    /// There was no revision before, or it had no claim there.
    Nothing,
    /// These claims.
    Claims(BTreeSet<&'a str>),
    /// Nobody knows, or the very claim that is missing now.
    Unknown,
}

fn had_before<'a>(workload: &Workload<'a>, wanted: &str) -> Before<'a> {
    let earlier = workload.earlier_templates();
    let is_only_revision = match workload.reference.kind {
        WorkloadKind::Deployment => workload.mark("deployment.kubernetes.io/revision") == Some("1"),
        WorkloadKind::StatefulSet => workload.generation() == 1,
        WorkloadKind::DaemonSet
        | WorkloadKind::ReplicaSet
        | WorkloadKind::CronJob
        | WorkloadKind::Job
        | WorkloadKind::Pod
        | WorkloadKind::Support(_) => false,
    };
    if earlier.is_empty() && !is_only_revision {
        return Before::Unknown;
    }
    let before = earlier.into_iter().filter_map(|it| it.spec.as_ref());
    let before: BTreeSet<_> = before.flat_map(claims).map(|(_, claim)| claim).collect();
    if before.contains(wanted) {
        return Before::Unknown;
    }
    let is_kept = |claim: &str| workload.pod_spec().is_some_and(|it| mounts(it, claim));
    let gone: BTreeSet<_> = before.into_iter().filter(|it| !is_kept(it)).collect();
    if gone.is_empty() {
        Before::Nothing
    } else {
        Before::Claims(gone)
    }
}
