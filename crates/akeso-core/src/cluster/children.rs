//! Which objects a controller has made: the one index beside the maps, for the pods of a workload
//! are asked for with every event.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use super::{Kind, ObjectRef, owners::controller_of};

/// Objects by the uid of the owner that controls them.
#[derive(Debug, Default)]
pub(super) struct Children(BTreeMap<String, BTreeSet<ObjectRef>>);

impl Children {
    /// Takes in an object.
    pub(super) fn insert(&mut self, child: ObjectRef, metadata: &ObjectMeta) {
        if let Some(owner) = controller_of(metadata) {
            self.0.entry(owner.uid.clone()).or_default().insert(child);
        }
    }

    /// Forgets an object that is gone, or another by now.
    pub(super) fn remove(&mut self, child: &ObjectRef, metadata: &ObjectMeta) {
        let Some(owner) = controller_of(metadata) else {
            return;
        };
        if let Some(children) = self.0.get_mut(&owner.uid) {
            children.remove(child);
            if children.is_empty() {
                self.0.remove(&owner.uid);
            }
        }
    }

    /// Forgets every object of a kind.
    pub(super) fn clear(&mut self, kind: Kind) {
        self.0.retain(|_, children| {
            children.retain(|child| child.kind != kind);
            !children.is_empty()
        });
    }

    /// The objects that an owner controls.
    pub(super) fn of(&self, owner: &ObjectMeta) -> impl Iterator<Item = &ObjectRef> {
        let children = owner.uid.as_ref().and_then(|uid| self.0.get(uid));
        children.into_iter().flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::{Cluster, Object};
    use k8s_openapi::api::core::v1::Pod;
    use proptest::prelude::*;
    use serde_json::json;

    fn pod(name: u8, owner: u8) -> Object {
        let owners = json!([{"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "set", "uid": owner.to_string(), "controller": true}]);
        let metadata =
            json!({"namespace": "shop", "name": format!("pod-{name}"), "ownerReferences": owners});
        let pod: Pod = serde_json::from_value(json!({"metadata": metadata})).unwrap();
        pod.into()
    }

    proptest! {
        #[test]
        fn the_index_holds_what_the_maps_hold(steps in proptest::collection::vec((0_u8..6, 0_u8..3, 0_u8..8), 0..60)) {
            let mut cluster = Cluster::default();
            for (name, owner, what) in steps {
                let object = pod(name, owner);
                match what {
                    0 => cluster.clear(Kind::Pod),
                    1..3 => cluster.remove(&object.reference()),
                    _ => cluster.upsert(object),
                }
                for owner in 0_u8..3 {
                    let uid = Some(owner.to_string());
                    let metadata = ObjectMeta { uid: uid.clone(), ..ObjectMeta::default() };
                    let indexed: Vec<_> = cluster.children.of(&metadata).map(|it| it.name.clone()).collect();
                    let all = cluster.pods.values();
                    let scanned: Vec<_> = all
                        .filter(|pod| controller_of(&pod.metadata).map(|it| &it.uid) == uid.as_ref())
                        .filter_map(|pod| pod.metadata.name.clone())
                        .collect();
                    prop_assert_eq!(indexed, scanned);
                }
            }
        }
    }
}
