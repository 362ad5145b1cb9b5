//! Changes that the engine makes, and the settling of those whose outcome nobody has told.

use akeso_core::{
    act::{GRANT, LAST_ATTEMPT, PatchOp},
    cluster::Key,
    engine::{ChangeRequest, Granted, Made, Product},
    journal::Outcome,
    workload::WorkloadRef,
};
use json_patch::{Patch, PatchErrorKind};
use k8s_openapi::api::{
    batch::v1::Job,
    core::v1::Pod,
    rbac::v1::{Role, RoleBinding},
};
use serde_json::Value;

use crate::{
    api_server::{Rules, create_pod, write_json},
    store::{OfKind, with_kind},
    world::World,
};

/// Makes a change in the name of a field manager.
pub(crate) fn change(
    world: &mut World,
    workload: &WorkloadRef,
    request: &ChangeRequest,
    manager: &str,
) -> Outcome {
    match request {
        ChangeRequest::Patch(operations) => {
            let patch = PatchWorkload {
                world,
                key: Key::new(&workload.namespace, &workload.name),
                operations,
                manager,
            };
            with_kind(workload.kind.as_str(), patch).unwrap_or_else(|| Outcome::Failed {
                why: format!("there is no kind {}", workload.kind.as_str()),
            })
        }
        ChangeRequest::Evict { pod, uid } => {
            let key = Key::new(&workload.namespace, pod);
            match world
                .store
                .get::<Pod>(&key)
                .map(|found| found.metadata.uid.clone())
            {
                Some(found) if found.as_deref() == Some(uid) => {
                    world.delete::<Pod>(&key);
                    Outcome::Done { generation: None }
                }
                Some(_) => Outcome::Conflict {
                    why: format!("pod {pod} is another one by now"),
                },
                None => Outcome::Conflict {
                    why: format!("pods \"{pod}\" not found"),
                },
            }
        }
        ChangeRequest::Create { made, object } => create(world, workload, made, object, manager),
        ChangeRequest::Remove(made) => {
            let key = Key::new(&workload.namespace, &made.name);
            if found(world, &key, made).is_some() {
                match made.what {
                    Product::TrialPod => world.delete::<Pod>(&key),
                    Product::Rerun => world.delete::<Job>(&key),
                }
            }
            Outcome::Done { generation: None }
        }
        ChangeRequest::Grant(granted) => grant(world, workload, granted, manager),
        ChangeRequest::Revoke(granted) => {
            let key = Key::new(&workload.namespace, &granted.name);
            if has_mark::<RoleBinding>(world, &key, granted) {
                world.delete::<RoleBinding>(&key);
            }
            if has_mark::<Role>(world, &key, granted) {
                world.delete::<Role>(&key);
            }
            Outcome::Done { generation: None }
        }
    }
}

fn create(
    world: &mut World,
    workload: &WorkloadRef,
    made: &Made,
    object: &Value,
    manager: &str,
) -> Outcome {
    let key = Key::new(&workload.namespace, &made.name);
    let is_taken = match made.what {
        Product::TrialPod => world.store.get::<Pod>(&key).is_some(),
        Product::Rerun => world.store.get::<Job>(&key).is_some(),
    };
    if is_taken {
        return found(world, &key, made).unwrap_or_else(|| Outcome::Conflict {
            why: format!("\"{}\" already exists", made.name),
        });
    }
    let created = match made.what {
        Product::TrialPod => create_pod(world, &workload.namespace, object.clone()),
        Product::Rerun => write_json::<Job>(world, object.clone(), manager).map(drop),
    };
    match created {
        Ok(()) => Outcome::Done { generation: None },
        Err(why) => Outcome::Refused { why },
    }
}

fn grant(world: &mut World, workload: &WorkloadRef, granted: &Granted, manager: &str) -> Outcome {
    let key = Key::new(&workload.namespace, &granted.name);
    let has_role = world.store.get::<Role>(&key).is_some();
    if has_role || world.store.get::<RoleBinding>(&key).is_some() {
        return found_grant(world, &key, granted).unwrap_or_else(|| Outcome::Conflict {
            why: format!(
                "roles.rbac.authorization.k8s.io \"{}\" already exists",
                granted.name
            ),
        });
    }
    let made = write_json::<Role>(world, granted.role.clone(), manager)
        .and_then(|_| write_json::<RoleBinding>(world, granted.binding.clone(), manager));
    match made {
        Ok(_) => Outcome::Done { generation: None },
        Err(why) => Outcome::Refused { why },
    }
}

fn has_mark<T: Rules>(world: &World, key: &Key, granted: &Granted) -> bool {
    let object = world.store.get::<T>(key);
    let labels = object.and_then(|object| object.metadata().labels.as_ref());
    labels.and_then(|labels| labels.get(GRANT)) == Some(&granted.mark)
}

/// Done, if Role and `RoleBinding` are there with this mark.
fn found_grant(world: &World, key: &Key, granted: &Granted) -> Option<Outcome> {
    let has_both =
        has_mark::<Role>(world, key, granted) && has_mark::<RoleBinding>(world, key, granted);
    has_both.then_some(Outcome::Done { generation: None })
}

/// Done, if the object bears this mark and is not being deleted.
fn found(world: &World, key: &Key, made: &Made) -> Option<Outcome> {
    let metadata = match made.what {
        Product::TrialPod => &world.store.get::<Pod>(key)?.metadata,
        Product::Rerun => &world.store.get::<Job>(key)?.metadata,
    };
    let label = metadata.labels.as_ref()?.get(made.what.label())?;
    let is_it = *label == made.mark && metadata.deletion_timestamp.is_none();
    is_it.then_some(Outcome::Done { generation: None })
}

struct PatchWorkload<'a> {
    world: &'a mut World,
    key: Key,
    operations: &'a [PatchOp],
    manager: &'a str,
}

impl OfKind for PatchWorkload<'_> {
    type Output = Outcome;

    fn of<T: Rules>(self) -> Outcome {
        let Some(before) = self.world.store.get::<T>(&self.key) else {
            return Outcome::Conflict {
                why: format!("{} \"{}\" not found", T::KIND, self.key.name),
            };
        };
        let patched = (|| -> Result<Value, Outcome> {
            let failed = |error: serde_json::Error| Outcome::Failed {
                why: error.to_string(),
            };
            let mut document = serde_json::to_value(before).map_err(failed)?;
            let operations = serde_json::to_value(self.operations).map_err(failed)?;
            let patch: Patch = serde_json::from_value(operations).map_err(failed)?;
            json_patch::patch(&mut document, &patch).map_err(|error| match error.kind {
                PatchErrorKind::TestFailed | PatchErrorKind::InvalidPointer => Outcome::Conflict {
                    why: error.to_string(),
                },
                _ => Outcome::Refused {
                    why: error.to_string(),
                },
            })?;
            Ok(document)
        })();
        match patched {
            Err(outcome) => outcome,
            Ok(document) => match write_json::<T>(self.world, document, self.manager) {
                Ok(written) => Outcome::Done {
                    generation: written.metadata().generation,
                },
                Err(why) => Outcome::Refused {
                    why: format!("{} \"{}\" is invalid: {why}", T::KIND, self.key.name),
                },
            },
        }
    }
}

/// What is told of a change that never arrived.
pub(super) fn not_made() -> Outcome {
    Outcome::Failed {
        why: "the program ended before the change was made".to_owned(),
    }
}

/// Done, if a change was made before anybody could tell: the object bears its mark, or the pod of
/// the eviction is gone.
pub(super) fn has_arrived(
    world: &World,
    workload: &WorkloadRef,
    request: &ChangeRequest,
) -> Option<Outcome> {
    match request {
        ChangeRequest::Evict { pod, uid } => {
            let found = world.store.get::<Pod>(&Key::new(&workload.namespace, pod));
            let is_there = found.is_some_and(|found| {
                found.metadata.uid.as_deref() == Some(uid)
                    && found.metadata.deletion_timestamp.is_none()
            });
            (!is_there).then_some(Outcome::Done { generation: None })
        }
        ChangeRequest::Create { made, .. } => {
            found(world, &Key::new(&workload.namespace, &made.name), made)
        }
        ChangeRequest::Remove(made) => {
            let there = found(world, &Key::new(&workload.namespace, &made.name), made);
            there
                .is_none()
                .then_some(Outcome::Done { generation: None })
        }
        ChangeRequest::Grant(granted) => found_grant(
            world,
            &Key::new(&workload.namespace, &granted.name),
            granted,
        ),
        ChangeRequest::Revoke(granted) => {
            let key = Key::new(&workload.namespace, &granted.name);
            let is_there = has_mark::<Role>(world, &key, granted)
                || has_mark::<RoleBinding>(world, &key, granted);
            (!is_there).then_some(Outcome::Done { generation: None })
        }
        ChangeRequest::Patch(_) => {
            let key = Key::new(&workload.namespace, &workload.name);
            let object = with_kind(workload.kind.as_str(), Read { world, key }).flatten()?;
            let annotations = object.pointer("/metadata/annotations")?;
            let mark = annotations.get(LAST_ATTEMPT)?.as_str()?;
            (request.mark() == Some(mark)).then(|| Outcome::Done {
                generation: object
                    .pointer("/metadata/generation")
                    .and_then(Value::as_i64),
            })
        }
    }
}

/// Reads an object as JSON.
pub(crate) struct Read<'a> {
    pub(crate) world: &'a World,
    pub(crate) key: Key,
}

impl OfKind for Read<'_> {
    type Output = Option<Value>;

    fn of<T: Rules>(self) -> Self::Output {
        serde_json::to_value(self.world.store.get::<T>(&self.key)?).ok()
    }
}
