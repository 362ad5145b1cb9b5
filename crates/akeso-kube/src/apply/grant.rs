//! A right for a ServiceAccount: a Role and a `RoleBinding`, made together or not at all, and removed
//! if nobody has changed them since.

use std::fmt::Debug;

use akeso_core::{
    act::GRANT,
    engine::{ChangeRequest, Granted},
    journal::Outcome,
    workload::WorkloadRef,
};
use k8s_openapi::{
    api::rbac::v1::{Role, RoleBinding},
    apimachinery::pkg::apis::meta::v1::ObjectMeta,
};
use kube::{
    Api, Client, Resource,
    api::{DeleteParams, PostParams, Preconditions},
};
use serde::de::DeserializeOwned;

use super::{Sent, found, is_gone, not_tried, refusal, send};
use crate::FIELD_MANAGER;

const DONE: Outcome = Outcome::Done { generation: None };

fn apis(client: &Client, workload: &WorkloadRef) -> (Api<Role>, Api<RoleBinding>) {
    let namespace = &workload.namespace;
    (
        Api::namespaced(client.clone(), namespace),
        Api::namespaced(client.clone(), namespace),
    )
}

/// The objects as they are made.
fn read(granted: &Granted) -> Result<(Role, RoleBinding), String> {
    let role = serde_json::from_value(granted.role.clone());
    let binding = serde_json::from_value(granted.binding.clone());
    let wrong = |error: serde_json::Error| format!("the right cannot be written: {error}");
    Ok((role.map_err(wrong)?, binding.map_err(wrong)?))
}

/// Makes both, dry-run first. A Role alone gives nothing, and is not left.
pub(super) async fn make(
    client: &Client,
    workload: &WorkloadRef,
    request: &ChangeRequest,
    granted: &Granted,
) -> Outcome {
    let (roles, bindings) = apis(client, workload);
    let (role, binding) = match read(granted) {
        Ok(both) => both,
        Err(why) => return not_tried(why),
    };
    let parameters = |dry_run| PostParams {
        dry_run,
        field_manager: Some(FIELD_MANAGER.to_owned()),
    };
    let (dry, real) = (parameters(true), parameters(false));
    for sent in [
        send(|| roles.create(&dry, &role)).await.without_answer(),
        send(|| bindings.create(&dry, &binding))
            .await
            .without_answer(),
    ] {
        match sent {
            Sent::Answered(()) => {}
            Sent::Refused(status) => return refusal(&status),
            Sent::Lost(why) => return not_tried(why),
        }
    }
    let mut sent = send(|| roles.create(&real, &role)).await.without_answer();
    if matches!(sent, Sent::Answered(())) {
        sent = send(|| bindings.create(&real, &binding))
            .await
            .without_answer();
    }
    let failed = match sent {
        Sent::Answered(()) => return DONE,
        Sent::Refused(status) => refusal(&status),
        Sent::Lost(why) => Outcome::Failed { why },
    };
    let outcome = found(client, workload, request, failed).await;
    if outcome != DONE {
        withdraw(client, workload, granted).await;
    }
    outcome
}

/// Removes what there is of a right that was not given as a whole.
pub(super) async fn withdraw(client: &Client, workload: &WorkloadRef, granted: &Granted) {
    let removed = remove(client, workload, granted).await;
    if removed != DONE {
        tracing::warn!(%workload, name = granted.name, ?removed, "half a right is left");
    }
}

/// Removes both, the `RoleBinding` first: without it the Role gives nothing.
pub(super) async fn remove(client: &Client, workload: &WorkloadRef, granted: &Granted) -> Outcome {
    let (roles, bindings) = apis(client, workload);
    let (role, binding) = match read(granted) {
        Ok(both) => both,
        Err(why) => return not_tried(why),
    };
    let is_same_binding = |found: &RoleBinding| {
        let subjects = |binding: &RoleBinding| -> Vec<_> {
            let all = binding.subjects.iter().flatten();
            all.map(|it| (it.kind.clone(), it.namespace.clone(), it.name.clone()))
                .collect()
        };
        subjects(found) == subjects(&binding)
    };
    if let Err(outcome) = remove_one(&bindings, granted, is_same_binding).await {
        return outcome;
    }
    let is_same_role = |found: &Role| found.rules == role.rules;
    match remove_one(&roles, granted, is_same_role).await {
        Ok(()) => DONE,
        Err(outcome) => outcome,
    }
}

/// Removes the object with this mark, and no other of its name.
async fn remove_one<K>(
    api: &Api<K>,
    granted: &Granted,
    is_as_made: impl Fn(&K) -> bool,
) -> Result<(), Outcome>
where
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned + Debug,
{
    let name = &granted.name;
    let there = match send(|| api.get_opt(name)).await {
        Sent::Answered(there) => there,
        Sent::Refused(status) => return Err(refusal(&status)),
        Sent::Lost(why) => return Err(not_tried(why)),
    };
    let Some(there) = there.filter(|it| is_of(it.meta(), granted)) else {
        return Ok(());
    };
    if !is_as_made(&there) {
        let why = format!("somebody has changed the {} {name} since", K::kind(&()));
        return Err(Outcome::Conflict { why });
    }
    let metadata = there.meta();
    let parameters = DeleteParams {
        preconditions: Some(Preconditions {
            uid: metadata.uid.clone(),
            resource_version: metadata.resource_version.clone(),
        }),
        ..DeleteParams::default()
    };
    match send(|| api.delete(name, &parameters)).await {
        Sent::Answered(_) => Ok(()),
        Sent::Refused(status) if status.code == 404 => Ok(()),
        // somebody was faster: it is looked at again
        Sent::Refused(status) if is_gone(&status) => Err(Outcome::Failed {
            why: status.message.clone(),
        }),
        Sent::Refused(status) => Err(refusal(&status)),
        Sent::Lost(why) => Err(Outcome::Failed { why }),
    }
}

fn is_of(metadata: &ObjectMeta, granted: &Granted) -> bool {
    let label = metadata.labels.as_ref().and_then(|all| all.get(GRANT));
    label == Some(&granted.mark)
}

/// Which of both are there, with this mark and not being deleted.
pub(super) async fn there(
    client: &Client,
    workload: &WorkloadRef,
    granted: &Granted,
) -> kube::Result<(bool, bool)> {
    let (roles, bindings) = apis(client, workload);
    let is_there =
        |metadata: &ObjectMeta| is_of(metadata, granted) && metadata.deletion_timestamp.is_none();
    let role = roles.get_metadata_opt(&granted.name).await?;
    let binding = bindings.get_metadata_opt(&granted.name).await?;
    Ok((
        role.is_some_and(|it| is_there(&it.metadata)),
        binding.is_some_and(|it| is_there(&it.metadata)),
    ))
}
