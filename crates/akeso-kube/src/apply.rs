//! Changes: a server-side dry-run, then the patch, and a plain word on what became of it.

use std::time::Duration;

use akeso_core::{
    engine::ChangeRequest,
    journal::Outcome,
    workload::{WorkloadKind, WorkloadRef},
};
use k8s_openapi::api::core::v1::Pod;
use kube::{
    Api, Client,
    api::{DeleteParams, EvictParams, Patch, PatchParams, PostParams, Preconditions},
    core::DynamicObject,
};

use crate::{FIELD_MANAGER, watch::api_resource};

/// The API server is not waited for longer than this.
const PATIENCE: Duration = Duration::from_secs(15);

/// Makes a change. Whatever goes wrong on the way, the outcome says what is in the cluster: when
/// the answer to a patch was lost, the object is read to see whether it arrived.
pub(crate) async fn apply(
    client: &Client,
    workload: &WorkloadRef,
    request: &ChangeRequest,
) -> Outcome {
    let outcome = match request {
        ChangeRequest::Patch(_) => patch(client, workload, request).await,
        ChangeRequest::Evict { pod, uid } => evict(client, &workload.namespace, pod, uid).await,
    };
    tracing::info!(%workload, ?outcome, "change");
    outcome
}

/// Finds out what became of a change whose outcome was lost with the program. Taking a change
/// back is completed; a change that never arrived is not made now, for its reasons may be gone.
pub(crate) async fn settle(
    client: &Client,
    workload: &WorkloadRef,
    request: &ChangeRequest,
) -> Outcome {
    let arrived = has_arrived(client, workload, request).await;
    let outcome = match arrived {
        Ok(Some(done)) => done,
        Ok(None) if request.takes_back() => apply(client, workload, request).await,
        Ok(None) => Outcome::Failed {
            why: "the program ended before the change was made".to_owned(),
        },
        Err(error) => Outcome::Failed {
            why: format!("what became of the change cannot be read: {error}"),
        },
    };
    tracing::info!(%workload, ?outcome, "settled");
    outcome
}

fn objects(client: &Client, workload: &WorkloadRef) -> Api<DynamicObject> {
    let kind = match workload.kind {
        WorkloadKind::Deployment => akeso_core::cluster::Kind::Deployment,
        WorkloadKind::StatefulSet => akeso_core::cluster::Kind::StatefulSet,
        WorkloadKind::DaemonSet => akeso_core::cluster::Kind::DaemonSet,
        WorkloadKind::ReplicaSet => akeso_core::cluster::Kind::ReplicaSet,
        WorkloadKind::CronJob => akeso_core::cluster::Kind::CronJob,
        WorkloadKind::Job => akeso_core::cluster::Kind::Job,
        WorkloadKind::Pod => akeso_core::cluster::Kind::Pod,
    };
    Api::namespaced_with(client.clone(), &workload.namespace, &api_resource(kind))
}

async fn patch(client: &Client, workload: &WorkloadRef, request: &ChangeRequest) -> Outcome {
    let ChangeRequest::Patch(operations) = request else {
        return Outcome::Failed {
            why: "not a patch".to_owned(),
        };
    };
    let operations = match serde_json::to_value(operations)
        .and_then(serde_json::from_value::<json_patch::Patch>)
    {
        Ok(operations) => Patch::Json::<()>(operations),
        Err(error) => {
            return Outcome::Failed {
                why: format!("the patch cannot be written: {error}"),
            };
        }
    };
    let api = objects(client, workload);
    let parameters = PatchParams {
        field_manager: Some(FIELD_MANAGER.to_owned()),
        ..PatchParams::default()
    };
    let dry = PatchParams {
        dry_run: true,
        ..parameters.clone()
    };
    match tokio::time::timeout(PATIENCE, api.patch(&workload.name, &dry, &operations)).await {
        Ok(Ok(_)) => {}
        Ok(Err(error)) => return refusal(&error),
        Err(_) => {
            return Outcome::Failed {
                why: "the dry-run was not answered in time".to_owned(),
            };
        }
    }
    let lost = match tokio::time::timeout(
        PATIENCE,
        api.patch(&workload.name, &parameters, &operations),
    )
    .await
    {
        Ok(Ok(object)) => {
            return Outcome::Done {
                generation: object.metadata.generation,
            };
        }
        Ok(Err(error @ kube::Error::Api(_))) if !is_lost(&error) => return refusal(&error),
        Ok(Err(error)) => error.to_string(),
        Err(_) => "no answer in time".to_owned(),
    };
    // it may have been made all the same
    match has_arrived(client, workload, request).await {
        Ok(Some(done)) => done,
        Ok(None) => Outcome::Failed { why: lost },
        Err(error) => Outcome::Failed {
            why: format!("{lost}; what became of it cannot be read: {error}"),
        },
    }
}

/// Whether the API server may have made the change though it answered with an error.
fn is_lost(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(status) if status.code >= 500)
}

/// Whether the object bears the mark of this change.
async fn has_arrived(
    client: &Client,
    workload: &WorkloadRef,
    request: &ChangeRequest,
) -> kube::Result<Option<Outcome>> {
    match request {
        ChangeRequest::Patch(_) => {
            let object =
                tokio::time::timeout(PATIENCE, objects(client, workload).get_opt(&workload.name))
                    .await;
            let object = object.map_err(|_| kube::Error::Service("no answer in time".into()))??;
            let Some(object) = object else {
                return Ok(None);
            };
            let mark = object
                .metadata
                .annotations
                .as_ref()
                .and_then(|all| all.get(akeso_core::act::LAST_ATTEMPT));
            let is_ours = mark.is_some() && mark.map(String::as_str) == request.mark();
            Ok(is_ours.then_some(Outcome::Done {
                generation: object.metadata.generation,
            }))
        }
        ChangeRequest::Evict { pod, uid } => {
            let pods: Api<Pod> = Api::namespaced(client.clone(), &workload.namespace);
            let found = pods.get_metadata_opt(pod).await?;
            let there = found.is_some_and(|pod| {
                pod.metadata.uid.as_ref() == Some(uid) && pod.metadata.deletion_timestamp.is_none()
            });
            Ok((!there).then_some(Outcome::Done { generation: None }))
        }
    }
}

async fn evict(client: &Client, namespace: &str, pod: &str, uid: &str) -> Outcome {
    let pods: Api<Pod> = Api::namespaced(client.clone(), namespace);
    let preconditions = Preconditions {
        uid: Some(uid.to_owned()),
        resource_version: None,
    };
    let parameters = |dry_run| EvictParams {
        delete_options: Some(DeleteParams {
            dry_run,
            preconditions: Some(preconditions.clone()),
            ..DeleteParams::default()
        }),
        post_options: PostParams {
            dry_run,
            field_manager: Some(FIELD_MANAGER.to_owned()),
        },
    };
    for dry_run in [true, false] {
        match tokio::time::timeout(PATIENCE, pods.evict(pod, &parameters(dry_run))).await {
            Ok(Ok(_)) => {}
            // gone already, or another pod of the same name by now: what was asked for has happened
            Ok(Err(kube::Error::Api(status))) if matches!(status.code, 404 | 409) => {
                return Outcome::Done { generation: None };
            }
            Ok(Err(error)) => return refusal(&error),
            Err(_) => {
                return Outcome::Failed {
                    why: "the eviction was not answered in time".to_owned(),
                };
            }
        }
    }
    Outcome::Done { generation: None }
}

/// What an error of the API server says about a change that was not made.
fn refusal(error: &kube::Error) -> Outcome {
    let kube::Error::Api(status) = error else {
        return Outcome::Failed {
            why: error.to_string(),
        };
    };
    let why = status.message.clone();
    match status.code {
        // a failed `test` is answered with 422 and none of the words of a failed validation
        422 if !why.contains("is invalid") && !why.contains("Invalid value") => {
            Outcome::Conflict { why }
        }
        404 | 409 => Outcome::Conflict { why },
        // a PodDisruptionBudget answers an eviction with 429
        400..=499 => Outcome::Refused { why },
        _ => Outcome::Failed { why },
    }
}
