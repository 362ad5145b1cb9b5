//! What the engine remembers of the cluster: the watched objects, trimmed, and how they belong
//! together.
//!
//! **Invariant:** nothing but the index of owners is computed ahead of need; the maps hold what the
//! API server said last, and every question is answered from them. Of what is gone only one thing is
//! remembered: how its pods have shown whether a revision is good.

mod addresses;
mod children;
mod good;
mod object;
mod owners;
mod revision;
mod selection;
mod support;
mod trim;
mod workload;

pub(crate) use addresses::{has_ready_pod, ports_of, service_meant};
use children::Children;
pub use good::{Good, GoodRevision};
pub use object::{Key, Kind, Object, ObjectRef};
pub use owners::ForeignOwner;
pub use revision::Revision;
pub use selection::{
    is_tolerated, label_selector_matches, node_meets, required_terms, term_matches,
};
pub use support::{Support, selects};
pub use workload::{
    Controller, Workload, find_container, is_over, is_ready, is_sidecar, ready_since,
};

use std::collections::BTreeMap;

use k8s_openapi::api::{
    apps::v1::{ControllerRevision, DaemonSet, Deployment, ReplicaSet, StatefulSet},
    autoscaling::v2::HorizontalPodAutoscaler,
    batch::v1::{CronJob, Job},
    core::v1::{Event, Namespace, Node, PersistentVolumeClaim, Pod, Service},
    networking::v1::Ingress,
    policy::v1::PodDisruptionBudget,
};

use crate::evidence::{Answer, Evidence, Question};

/// Calls a macro with every watched kind: `Type => field_of_Cluster`. To watch one more, add a line.
#[macro_export]
macro_rules! for_each_kind {
    ($call:ident) => {
        $call! {
            Pod => pods,
            Deployment => deployments,
            ReplicaSet => replica_sets,
            StatefulSet => stateful_sets,
            DaemonSet => daemon_sets,
            ControllerRevision => controller_revisions,
            Job => jobs,
            CronJob => cron_jobs,
            Service => services,
            HorizontalPodAutoscaler => autoscalers,
            Ingress => ingresses,
            PersistentVolumeClaim => claims,
            PodDisruptionBudget => disruption_budgets,
            Namespace => namespaces,
            Node => nodes,
            Event => events,
        }
    };
}

macro_rules! cluster {
    ($($kind:ident => $field:ident,)*) => {
        /// The watched part of the cluster, as the API server last told it.
        #[derive(Debug, Default)]
        #[expect(missing_docs, reason = "each map holds the objects of the kind of that name")]
        pub struct Cluster {
            $(pub $field: BTreeMap<Key, $kind>,)*
            children: Children,
            answers: Evidence,
            history: good::History,
        }

        impl Cluster {
            /// Takes in the newest version of an object.
            pub fn upsert(&mut self, object: Object) {
                let reference = object.reference();
                if let Object::Pod(pod) = &object {
                    self.remember(&reference, pod);
                }
                match object.trimmed() {
                    $(Object::$kind(object) => {
                        self.take_out(&reference);
                        let key = reference.key();
                        self.children.insert(reference, &object.metadata);
                        self.$field.insert(key, *object);
                    })*
                }
            }

            /// Forgets an object that is gone.
            pub fn remove(&mut self, gone: &ObjectRef) {
                self.take_out(gone);
                self.history.remove(gone);
            }

            fn take_out(&mut self, gone: &ObjectRef) {
                let key = gone.key();
                match gone.kind {
                    $(Kind::$kind => {
                        if let Some(object) = self.$field.remove(&key) {
                            self.children.remove(gone, &object.metadata);
                        }
                    })*
                }
            }

            /// Forgets every object of a kind; a fresh list of them follows.
            pub fn clear(&mut self, kind: Kind) {
                self.children.clear(kind);
                match kind {
                    $(Kind::$kind => self.$field.clear(),)*
                }
            }
        }
    };
}
for_each_kind!(cluster);

impl Cluster {
    /// What was found out about something that is not watched, if it has been asked.
    pub fn answer(&self, question: &Question) -> Option<&Answer> {
        self.answers.get(question)
    }

    /// Takes in what was found out. That nobody can tell takes nothing away from what is known.
    pub fn learn(&mut self, question: Question, answer: Answer) {
        let is_unknown = matches!(answer, Answer::Unknown { .. });
        if !is_unknown || self.answers.get(&question).is_none() {
            self.answers.insert(question, answer);
        }
    }

    /// Forgets what was found out.
    pub fn unlearn(&mut self, question: &Question) {
        self.answers.remove(question);
    }
}

/// The objects of one namespace, in the order of their names.
pub(crate) fn in_namespace<'a, T>(
    map: &'a BTreeMap<Key, T>,
    namespace: &str,
) -> impl Iterator<Item = (&'a Key, &'a T)> {
    let namespace = namespace.to_owned();
    map.range(
        Key {
            namespace: namespace.clone(),
            name: String::new(),
        }..,
    )
    .take_while(move |(key, _)| key.namespace == namespace)
}
