//! Revisions of a workload's pod template, and which of them was good.

use std::borrow::Cow;

use k8s_openapi::{
    api::{
        apps::v1::{ControllerRevision, Deployment, ReplicaSet},
        core::v1::PodTemplateSpec,
    },
    apimachinery::pkg::apis::meta::v1::ObjectMeta,
};

use super::{Cluster, Kind};

/// Set by the Deployment controller on the Deployment and on its ReplicaSets.
const REVISION: &str = "deployment.kubernetes.io/revision";
/// Added by the Deployment controller to the template of each ReplicaSet.
pub(crate) const TEMPLATE_HASH: &str = "pod-template-hash";

/// An earlier revision of a workload that has pods running well.
#[derive(Debug, Clone)]
pub struct Revision<'a> {
    /// The number that `kubectl rollout undo --to-revision` takes.
    pub number: i64,
    /// The object that holds it: a ReplicaSet or a ControllerRevision.
    pub name: String,
    /// The pod template, as the workload had it.
    pub template: Cow<'a, PodTemplateSpec>,
    /// Pods of this revision that are ready now: the proof that it is good.
    pub ready_pods: i32,
}

fn annotation<'a>(metadata: &'a ObjectMeta, name: &str) -> Option<&'a str> {
    metadata.annotations.as_ref()?.get(name).map(String::as_str)
}

fn revision_number(metadata: &ObjectMeta) -> Option<i64> {
    annotation(metadata, REVISION)?.parse().ok()
}

impl Cluster {
    fn replica_sets_of<'a>(
        &'a self,
        deployment: &'a Deployment,
    ) -> impl Iterator<Item = &'a ReplicaSet> {
        let children = self.children.of(&deployment.metadata);
        children
            .filter(|child| child.kind == Kind::ReplicaSet)
            .filter_map(|child| self.replica_sets.get(&child.key()))
    }

    /// The pod templates of a Deployment's earlier revisions.
    pub(super) fn earlier_templates<'a>(
        &'a self,
        deployment: &'a Deployment,
    ) -> impl Iterator<Item = &'a PodTemplateSpec> {
        let current = revision_number(&deployment.metadata);
        self.replica_sets_of(deployment)
            .filter(move |set| revision_number(&set.metadata) < current)
            .filter_map(|set| set.spec.template.as_ref())
    }

    /// The ReplicaSet of the Deployment's newest template, once its controller has made it.
    pub(super) fn current_replica_set<'a>(
        &'a self,
        deployment: &'a Deployment,
    ) -> Option<&'a ReplicaSet> {
        let current = revision_number(&deployment.metadata)?;
        self.replica_sets_of(deployment)
            .find(|set| revision_number(&set.metadata) == Some(current))
    }

    /// The newest earlier revision that serves well, of a Deployment.
    pub(super) fn last_good_replica_set<'a>(
        &'a self,
        deployment: &'a Deployment,
    ) -> Option<Revision<'a>> {
        let current = revision_number(&deployment.metadata)?;
        self.replica_sets_of(deployment)
            .filter_map(|set| {
                let number = revision_number(&set.metadata).filter(|number| *number < current)?;
                let ready_pods = set
                    .status
                    .as_ref()?
                    .ready_replicas
                    .filter(|ready| *ready > 0)?;
                let mut template = set.spec.template.clone()?;
                if let Some(labels) = template.metadata.as_mut().and_then(|m| m.labels.as_mut()) {
                    labels.remove(TEMPLATE_HASH);
                }
                let name = set.metadata.name.clone()?;
                Some(Revision {
                    number,
                    name,
                    template: Cow::Owned(template),
                    ready_pods,
                })
            })
            .max_by_key(|revision| revision.number)
    }

    /// The newest earlier revision of a StatefulSet or DaemonSet some of whose pods, as told by
    /// `ready_pods`, are ready.
    pub(super) fn last_good_controller_revision<'a>(
        &'a self,
        owner: &ObjectMeta,
        ready_pods: impl Fn(&ControllerRevision) -> i32,
    ) -> Option<Revision<'a>> {
        let children = self.children.of(owner);
        let mut revisions: Vec<_> = children
            .filter(|child| child.kind == Kind::ControllerRevision)
            .filter_map(|child| self.controller_revisions.get(&child.key()))
            .collect();
        revisions.sort_by_key(|revision| revision.revision);
        revisions.pop()?; // the newest is the current one
        revisions.into_iter().rev().find_map(|revision| {
            let ready = ready_pods(revision);
            let data = &revision.data.0;
            let template = serde_json::from_value(data.pointer("/spec/template")?.clone()).ok()?;
            (ready > 0).then_some(Revision {
                number: revision.revision.unwrap_or_default(),
                name: revision.metadata.name.clone()?,
                template: Cow::Owned(template),
                ready_pods: ready,
            })
        })
    }
}
