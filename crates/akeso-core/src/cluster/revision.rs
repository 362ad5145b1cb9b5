//! Revisions of a workload's pod template, and which of them was good.

use std::{borrow::Cow, cmp::Reverse};

use k8s_openapi::{
    api::{
        apps::v1::{Deployment, ReplicaSet},
        core::v1::PodTemplateSpec,
    },
    apimachinery::pkg::apis::meta::v1::ObjectMeta,
};

use super::{
    Cluster, Controller, Good, GoodRevision, Kind, ObjectRef, Workload,
    good::{Past, is_good, revision_of},
};

/// Set by the Deployment controller on the Deployment and on its ReplicaSets.
const REVISION: &str = "deployment.kubernetes.io/revision";
/// Added by the Deployment controller to the template of each ReplicaSet.
pub(crate) const TEMPLATE_HASH: &str = "pod-template-hash";

/// An earlier revision of a workload that is good.
#[derive(Debug, Clone)]
pub struct Revision<'a> {
    /// The number that `kubectl rollout undo --to-revision` takes.
    pub number: i64,
    /// The object that holds it: a ReplicaSet or a ControllerRevision.
    pub holder: ObjectRef,
    /// The pod template, as the workload had it.
    pub template: Cow<'a, PodTemplateSpec>,
    /// What shows that it is good.
    pub good: Good,
}

/// A revision of which nothing is known yet.
pub(super) struct Numbered<'a> {
    pub(super) number: i64,
    pub(super) holder: ObjectRef,
    pub(super) template: Cow<'a, PodTemplateSpec>,
}

fn annotation<'a>(metadata: &'a ObjectMeta, name: &str) -> Option<&'a str> {
    metadata.annotations.as_ref()?.get(name).map(String::as_str)
}

fn revision_number(metadata: &ObjectMeta) -> Option<i64> {
    annotation(metadata, REVISION)?.parse().ok()
}

fn holder(kind: Kind, metadata: &ObjectMeta) -> Option<ObjectRef> {
    Some(ObjectRef {
        kind,
        namespace: metadata.namespace.clone()?,
        name: metadata.name.clone()?,
    })
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

    /// The revisions of a Deployment, the newest first; none while its controller makes a new one.
    pub(super) fn revisions_of<'a>(&'a self, deployment: &'a Deployment) -> Vec<Numbered<'a>> {
        let current = revision_number(&deployment.metadata);
        let sets = self.replica_sets_of(deployment).filter_map(|set| {
            let number = revision_number(&set.metadata)?;
            let mut template = set.spec.template.clone()?;
            if let Some(labels) = template.metadata.as_mut().and_then(|m| m.labels.as_mut()) {
                labels.remove(TEMPLATE_HASH);
            }
            Some(Numbered {
                number,
                holder: holder(Kind::ReplicaSet, &set.metadata)?,
                template: Cow::Owned(template),
            })
        });
        let revisions = newest_first(sets);
        if revisions.first().map(|newest| newest.number) != current {
            return Vec::new();
        }
        revisions
    }

    /// The revisions of a StatefulSet or DaemonSet, the newest first.
    pub(super) fn controller_revisions_of(&self, owner: &ObjectMeta) -> Vec<Numbered<'_>> {
        let children = self.children.of(owner);
        let revisions = children
            .filter(|child| child.kind == Kind::ControllerRevision)
            .filter_map(|child| self.controller_revisions.get(&child.key()));
        newest_first(revisions.filter_map(|revision| {
            let data = &revision.data.0;
            Some(Numbered {
                number: revision.revision.unwrap_or_default(),
                holder: holder(Kind::ControllerRevision, &revision.metadata)?,
                template: serde_json::from_value(data.pointer("/spec/template")?.clone()).ok()?,
            })
        }))
    }
}

fn newest_first<'a>(revisions: impl Iterator<Item = Numbered<'a>>) -> Vec<Numbered<'a>> {
    let mut revisions: Vec<_> = revisions.collect();
    revisions.sort_by_key(|revision| Reverse(revision.number));
    revisions
}

impl<'a> Workload<'a> {
    /// The newest earlier revision that is proven to be good, by pods that are ready or were until
    /// they were deleted.
    pub fn last_good_revision(&self) -> Option<Revision<'a>> {
        let mut revisions = self.revisions().into_iter();
        // whatever has run well once was not broken by the rollout that brought it
        let mut has_run_well = self.past_of(&revisions.next()?.holder).is_some();
        revisions.find_map(|revision| {
            let good = match (
                self.serving(&revision.holder),
                self.past_of(&revision.holder),
            ) {
                (0, Some(Past::GoodUntil(until))) if !has_run_well => Good::ServedUntil(until),
                (0, past) => {
                    has_run_well |= past.is_some();
                    return None;
                }
                (pods, _) => Good::Serves(pods),
            };
            Some(Revision {
                number: revision.number,
                holder: revision.holder,
                template: revision.template,
                good,
            })
        })
    }

    /// The last good revision, if its pods are gone and only Akeso remembers that they were well.
    pub fn remembered_revision(&self) -> Option<GoodRevision> {
        let Revision { good, holder, .. } = self.last_good_revision()?;
        match good {
            Good::ServedUntil(until) => Some(GoodRevision { holder, until }),
            Good::Serves(_) => None,
        }
    }

    /// Its revisions, the newest first.
    fn revisions(&self) -> Vec<Numbered<'a>> {
        match self.controller {
            Controller::Deployment(deployment) => self.cluster().revisions_of(deployment),
            Controller::StatefulSet(_) | Controller::DaemonSet(_) => {
                self.cluster().controller_revisions_of(self.metadata())
            }
            Controller::ReplicaSet(_)
            | Controller::CronJob(_)
            | Controller::Job(_)
            | Controller::Pod(_)
            | Controller::Support(_) => Vec::new(),
        }
    }

    /// The revision before its newest one, whatever became of that: its number and its template.
    pub fn revision_before(&self) -> Option<(i64, Cow<'a, PodTemplateSpec>)> {
        let before = self.revisions().into_iter().nth(1)?;
        Some((before.number, before.template))
    }

    fn past_of(&self, revision: &ObjectRef) -> Option<Past> {
        self.cluster().history.get(revision).copied()
    }

    /// How many pods of an earlier revision run well.
    fn serving(&self, revision: &ObjectRef) -> usize {
        let creations = self.pods.iter();
        let creations = creations.filter_map(|pod| pod.metadata.creation_timestamp.as_ref());
        let replaced = creations.max().map(|newest| newest.0);
        let serving = self
            .old_pods
            .iter()
            .filter(|pod| revision_of(pod).as_ref() == Some(revision) && is_good(pod, replaced));
        serving.count()
    }

    /// The pod templates that it had before, as far as they are known.
    pub fn earlier_templates(&self) -> Vec<&'a PodTemplateSpec> {
        match self.controller {
            Controller::Deployment(deployment) => {
                self.cluster().earlier_templates(deployment).collect()
            }
            Controller::StatefulSet(_)
            | Controller::DaemonSet(_)
            | Controller::ReplicaSet(_)
            | Controller::CronJob(_)
            | Controller::Job(_)
            | Controller::Pod(_)
            | Controller::Support(_) => Vec::new(),
        }
    }
}
