//! The workload controllers. Each looks at one object at a time and does the next thing that
//! brings the cluster nearer to its spec.

mod autoscaler;
mod claims;
mod cron_job;
mod daemon_set;
mod deployment;
mod disruption_budget;
mod job;
mod pods;
mod replica_set;
mod revisions;
mod rollout;
mod stateful_set;

pub(crate) use claims::STANDARD;

use akeso_core::cluster::{Key, Kind};

use crate::world::World;

/// Has the controller of a kind look at one object.
pub(crate) fn reconcile(world: &mut World, kind: Kind, key: &Key) {
    match kind {
        Kind::Deployment => deployment::reconcile(world, key),
        Kind::ReplicaSet => replica_set::reconcile(world, key),
        Kind::StatefulSet => stateful_set::reconcile(world, key),
        Kind::DaemonSet => daemon_set::reconcile(world, key),
        Kind::Job => job::reconcile(world, key),
        Kind::CronJob => cron_job::reconcile(world, key),
        Kind::PersistentVolumeClaim => claims::reconcile(world, key),
        Kind::HorizontalPodAutoscaler => autoscaler::reconcile(world, key),
        Kind::PodDisruptionBudget => disruption_budget::reconcile(world, key),
        Kind::Pod
        | Kind::ControllerRevision
        | Kind::Service
        | Kind::Ingress
        | Kind::Namespace
        | Kind::Node
        | Kind::Event => {}
    }
}

#[cfg(test)]
mod tests;
