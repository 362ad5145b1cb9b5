//! Changes: a server-side dry-run, then the patch, and a plain word on what became of it.

mod grant;

use std::time::Duration;

use akeso_core::{
    act::PatchOp,
    cluster::Kind,
    engine::{ChangeRequest, Made},
    journal::Outcome,
    workload::{WorkloadKind, WorkloadRef},
};
use k8s_openapi::{
    api::{core::v1::Pod, policy::v1::Eviction},
    apimachinery::pkg::apis::meta::v1::{DeleteOptions, ObjectMeta, Preconditions},
};
use kube::{
    Api, Client,
    api::{DeleteParams, Patch, PatchParams, PostParams, PropagationPolicy},
    core::{DynamicObject, Request, Status},
};

use crate::{FIELD_MANAGER, watch::api_resource};

/// The API server is not waited for longer than this.
const PATIENCE: Duration = Duration::from_secs(15);
/// A request that the API server puts off is sent so many times at most, after the pause that it
/// names or, where it names none in its answer, the first.
const OFFERS: usize = 5;
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
/// How often an object is read to see whether a change arrived, with pauses that double.
const LOOKS: usize = 6;

/// Makes a change. Whatever goes wrong on the way, the outcome says what is in the cluster: when
/// the answer to a patch was lost, the object is read to see whether it arrived.
pub(crate) async fn apply(
    client: &Client,
    workload: &WorkloadRef,
    request: &ChangeRequest,
) -> Outcome {
    let outcome = match request {
        ChangeRequest::Patch(operations) => patch(client, workload, request, operations).await,
        ChangeRequest::Evict { pod, uid } => evict(client, workload, request, pod, uid).await,
        ChangeRequest::Create { made, object } => {
            create(client, workload, request, made, object).await
        }
        ChangeRequest::Remove(made) => remove(client, workload, request, made).await,
        ChangeRequest::Grant(granted) => grant::make(client, workload, request, granted).await,
        ChangeRequest::Revoke(granted) => grant::remove(client, workload, granted).await,
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
    let outcome = match has_arrived(client, workload, request).await {
        Ok(Some(done)) => done,
        Ok(None) if request.takes_back() => apply(client, workload, request).await,
        Ok(None) => {
            if let ChangeRequest::Grant(granted) = request {
                grant::withdraw(client, workload, granted).await;
            }
            Outcome::Failed {
                why: "the program ended before the change was made".to_owned(),
            }
        }
        Err(error) => Outcome::Failed {
            why: format!("what became of the change cannot be read: {error}"),
        },
    };
    tracing::info!(%workload, ?outcome, "settled");
    outcome
}

/// The watched kind that a workload is.
pub(crate) const fn watched(kind: WorkloadKind) -> Kind {
    match kind {
        WorkloadKind::Deployment => Kind::Deployment,
        WorkloadKind::StatefulSet => Kind::StatefulSet,
        WorkloadKind::DaemonSet => Kind::DaemonSet,
        WorkloadKind::ReplicaSet => Kind::ReplicaSet,
        WorkloadKind::CronJob => Kind::CronJob,
        WorkloadKind::Job => Kind::Job,
        WorkloadKind::Pod => Kind::Pod,
        WorkloadKind::Support(kind) => kind.watched(),
    }
}

fn objects(client: &Client, workload: &WorkloadRef) -> Api<DynamicObject> {
    let resource = api_resource(watched(workload.kind));
    Api::namespaced_with(client.clone(), &workload.namespace, &resource)
}

async fn patch(
    client: &Client,
    workload: &WorkloadRef,
    request: &ChangeRequest,
    operations: &[PatchOp],
) -> Outcome {
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
    let parameters = PatchParams {
        field_manager: Some(FIELD_MANAGER.to_owned()),
        ..PatchParams::default()
    };
    let dry = PatchParams {
        dry_run: true,
        ..parameters.clone()
    };
    match send(|| offer(client, workload, &dry, &operations)).await {
        Sent::Answered(_) => {}
        Sent::Refused(status) => return refusal(&status),
        Sent::Lost(why) => return not_tried(why),
    }
    match send(|| offer(client, workload, &parameters, &operations)).await {
        Sent::Answered(object) => Outcome::Done {
            generation: object.metadata.generation,
        },
        Sent::Refused(status) => match refusal(&status) {
            // it may be our own change that is in the way: a proxy or a client that sends a
            // request again has it refused by its own tests
            conflict @ Outcome::Conflict { .. } => found(client, workload, request, conflict).await,
            refused => refused,
        },
        Sent::Lost(why) => found(client, workload, request, Outcome::Failed { why }).await,
    }
}

/// Sends a JSON Patch, written as the API server writes its objects. It compares what a `test` holds
/// with what is there byte by byte, and Go writes some characters of a string by their numbers
/// (<https://pkg.go.dev/encoding/json#Marshal>).
async fn offer(
    client: &Client,
    workload: &WorkloadRef,
    parameters: &PatchParams,
    operations: &Patch<()>,
) -> kube::Result<DynamicObject> {
    let objects = objects(client, workload);
    let request = Request::new(objects.resource_url());
    let request = request
        .patch(&workload.name, parameters, operations)
        .map_err(kube::Error::BuildRequest)?;
    client
        .request(request.map(|body| as_go_writes(&body)))
        .await
}

/// JSON in which these characters, which only strings can hold, stand by their numbers.
fn as_go_writes(json: &[u8]) -> Vec<u8> {
    let mut written = String::with_capacity(json.len());
    for character in String::from_utf8_lossy(json).chars() {
        match character {
            '<' => written.push_str("\\u003c"),
            '>' => written.push_str("\\u003e"),
            '&' => written.push_str("\\u0026"),
            '\u{2028}' => written.push_str("\\u2028"),
            '\u{2029}' => written.push_str("\\u2029"),
            other => written.push(other),
        }
    }
    written.into_bytes()
}

async fn evict(
    client: &Client,
    workload: &WorkloadRef,
    request: &ChangeRequest,
    pod: &str,
    uid: &str,
) -> Outcome {
    let pods: Api<Pod> = Api::namespaced(client.clone(), &workload.namespace);
    // not `Api::evict`: kube 5.0 sends the options under a name that the API server does not
    // know, and the pod would be evicted whatever its uid
    let eviction = Eviction {
        metadata: ObjectMeta {
            name: Some(pod.to_owned()),
            namespace: Some(workload.namespace.clone()),
            ..ObjectMeta::default()
        },
        delete_options: Some(DeleteOptions {
            preconditions: Some(Preconditions {
                uid: Some(uid.to_owned()),
                resource_version: None,
            }),
            ..DeleteOptions::default()
        }),
    };
    let parameters = |dry_run| PostParams {
        dry_run,
        field_manager: Some(FIELD_MANAGER.to_owned()),
    };
    let (dry, real) = (parameters(true), parameters(false));
    let evict =
        |parameters| pods.create_subresource::<_, Status>("eviction", pod, parameters, &eviction);
    let done = Outcome::Done { generation: None };
    match send(|| evict(&dry)).await {
        Sent::Answered(_) => {}
        Sent::Refused(status) if is_gone(&status) => return done,
        Sent::Refused(status) => return refusal(&status),
        Sent::Lost(why) => return not_tried(why),
    }
    match send(|| evict(&real)).await {
        Sent::Answered(_) => done,
        Sent::Refused(status) if is_gone(&status) => done,
        Sent::Refused(status) => refusal(&status),
        Sent::Lost(why) => found(client, workload, request, Outcome::Failed { why }).await,
    }
}

/// The objects of the kind that Akeso makes.
fn products(client: &Client, workload: &WorkloadRef, made: &Made) -> Api<DynamicObject> {
    let resource = api_resource(made.what.kind());
    Api::namespaced_with(client.clone(), &workload.namespace, &resource)
}

/// Makes an object of Akeso's own, dry-run first.
async fn create(
    client: &Client,
    workload: &WorkloadRef,
    request: &ChangeRequest,
    made: &Made,
    object: &serde_json::Value,
) -> Outcome {
    let api = products(client, workload, made);
    let object: DynamicObject = match serde_json::from_value(object.clone()) {
        Ok(object) => object,
        Err(error) => return not_tried(format!("{} cannot be written: {error}", made.name)),
    };
    let parameters = |dry_run| PostParams {
        dry_run,
        field_manager: Some(FIELD_MANAGER.to_owned()),
    };
    let (dry, real) = (parameters(true), parameters(false));
    match send(|| api.create(&dry, &object)).await {
        Sent::Answered(_) => {}
        Sent::Refused(status) => return refusal(&status),
        Sent::Lost(why) => return not_tried(why),
    }
    match send(|| api.create(&real, &object)).await {
        Sent::Answered(_) => Outcome::Done { generation: None },
        Sent::Refused(status) => match refusal(&status) {
            conflict @ Outcome::Conflict { .. } => found(client, workload, request, conflict).await,
            refused => refused,
        },
        Sent::Lost(why) => found(client, workload, request, Outcome::Failed { why }).await,
    }
}

/// Removes the object with this mark, and no other of its name; the pods of a Job go with it.
async fn remove(
    client: &Client,
    workload: &WorkloadRef,
    request: &ChangeRequest,
    made: &Made,
) -> Outcome {
    let api = products(client, workload, made);
    let name = &made.name;
    let done = Outcome::Done { generation: None };
    let uid = match send(|| api.get_metadata_opt(name)).await {
        Sent::Answered(found) => match found.filter(|it| is_marked(&it.metadata, made)) {
            Some(found) => found.metadata.uid,
            None => return done,
        },
        Sent::Refused(status) => return refusal(&status),
        Sent::Lost(why) => return not_tried(why),
    };
    let parameters = DeleteParams {
        preconditions: Some(kube::api::Preconditions {
            uid,
            resource_version: None,
        }),
        propagation_policy: Some(PropagationPolicy::Background),
        ..DeleteParams::default()
    };
    match send(|| api.delete(name, &parameters)).await {
        Sent::Answered(_) => done,
        Sent::Refused(status) if is_gone(&status) => done,
        Sent::Refused(status) => refusal(&status),
        Sent::Lost(why) => found(client, workload, request, Outcome::Failed { why }).await,
    }
}

fn is_marked(metadata: &ObjectMeta, made: &Made) -> bool {
    let labels = metadata.labels.as_ref();
    labels.and_then(|all| all.get(made.what.label())) == Some(&made.mark)
}

/// What became of a request.
enum Sent<T> {
    /// The API server did it.
    Answered(T),
    /// The API server did not do it, and says why.
    Refused(Box<Status>),
    /// There is no answer, or one that leaves open whether it was done.
    Lost(String),
}

impl<T> Sent<T> {
    fn without_answer(self) -> Sent<()> {
        match self {
            Self::Answered(_) => Sent::Answered(()),
            Self::Refused(status) => Sent::Refused(status),
            Self::Lost(why) => Sent::Lost(why),
        }
    }
}

/// Sends a request, and again as long as the API server only puts it off.
async fn send<T, F>(request: impl Fn() -> F) -> Sent<T>
where
    F: Future<Output = kube::Result<T>>,
{
    let mut offers = 1;
    loop {
        match tokio::time::timeout(PATIENCE, request()).await {
            Ok(Ok(answer)) => return Sent::Answered(answer),
            Ok(Err(kube::Error::Api(status))) if is_put_off(&status) && offers < OFFERS => {
                let asked = status
                    .details
                    .as_ref()
                    .map_or(0, |it| it.retry_after_seconds);
                let pause = Duration::from_secs(asked.into());
                tokio::time::sleep(pause.clamp(FIRST_PAUSE, LONGEST_PAUSE)).await;
                offers += 1;
            }
            Ok(Err(kube::Error::Api(status))) if status.code < 500 => return Sent::Refused(status),
            Ok(Err(error)) => return Sent::Lost(error.to_string()),
            Err(_) => return Sent::Lost("no answer in time".to_owned()),
        }
    }
}

/// Whether the API server is too busy to look at the request. A `PodDisruptionBudget` uses the
/// same code to say no.
fn is_put_off(status: &Status) -> bool {
    let is_budget = status.message.contains("disruption budget")
        || status.details.as_ref().is_some_and(|details| {
            details
                .causes
                .iter()
                .any(|cause| cause.reason == "DisruptionBudget")
        });
    status.code == 429 && !is_budget
}

/// Gone already, or another pod of the same name by now: what was asked for has happened.
fn is_gone(status: &Status) -> bool {
    matches!(status.code, 404 | 409)
}

/// What an error of the API server says about a change that was not made.
fn refusal(status: &Status) -> Outcome {
    let why = status.message.clone();
    let is_judgement = ["is invalid", "Invalid value", "denied the request"]
        .iter()
        .any(|words| why.contains(words));
    match status.code {
        // a failed `test` is answered with 422 and none of the words of a failed validation
        422 if !is_judgement => Outcome::Conflict { why },
        404 | 409 => Outcome::Conflict { why },
        429 if is_put_off(status) => Outcome::Failed { why },
        400..=499 => Outcome::Refused { why },
        _ => Outcome::Failed { why },
    }
}

/// The dry-run has no answer, so nothing was sent that could change anything.
fn not_tried(why: String) -> Outcome {
    Outcome::Failed { why }
}

/// Done, if the change is in the cluster all the same; `otherwise` if it is not.
async fn found(
    client: &Client,
    workload: &WorkloadRef,
    request: &ChangeRequest,
    otherwise: Outcome,
) -> Outcome {
    match has_arrived(client, workload, request).await {
        Ok(Some(done)) => done,
        Ok(None) => otherwise,
        Err(unread) => Outcome::Failed {
            why: match otherwise {
                Outcome::Conflict { why } | Outcome::Refused { why } | Outcome::Failed { why } => {
                    format!("{why}; what became of it cannot be read: {unread}")
                }
                Outcome::Done { .. } => unread,
            },
        },
    }
}

/// Whether the change is in the cluster, read until there is an answer or hope is gone.
async fn has_arrived(
    client: &Client,
    workload: &WorkloadRef,
    request: &ChangeRequest,
) -> Result<Option<Outcome>, String> {
    let mut pause = FIRST_PAUSE;
    let mut look = 1;
    loop {
        let read = tokio::time::timeout(PATIENCE, read_mark(client, workload, request)).await;
        let why = match read {
            Ok(Ok(found)) => return Ok(found),
            Ok(Err(kube::Error::Api(status))) if status.code < 500 && status.code != 429 => {
                return Err(status.message);
            }
            Ok(Err(error)) => error.to_string(),
            Err(_) => "no answer in time".to_owned(),
        };
        if look == LOOKS {
            return Err(why);
        }
        tokio::time::sleep(pause).await;
        look += 1;
        pause *= 2;
    }
}

/// Whether what the change writes bears its mark, or the pod of this eviction is gone.
async fn read_mark(
    client: &Client,
    workload: &WorkloadRef,
    request: &ChangeRequest,
) -> kube::Result<Option<Outcome>> {
    match request {
        ChangeRequest::Patch(_) => {
            let object = objects(client, workload).get_opt(&workload.name).await?;
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
        ChangeRequest::Create { made, .. } | ChangeRequest::Remove(made) => {
            let api = products(client, workload, made);
            let found = api.get_metadata_opt(&made.name).await?;
            let there = found.is_some_and(|it| {
                is_marked(&it.metadata, made) && it.metadata.deletion_timestamp.is_none()
            });
            let has_arrived = there != request.takes_back();
            Ok(has_arrived.then_some(Outcome::Done { generation: None }))
        }
        ChangeRequest::Grant(granted) => {
            let there = grant::there(client, workload, granted).await?;
            Ok((there == (true, true)).then_some(Outcome::Done { generation: None }))
        }
        ChangeRequest::Revoke(granted) => {
            let there = grant::there(client, workload, granted).await?;
            Ok((there == (false, false)).then_some(Outcome::Done { generation: None }))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::as_go_writes;

    #[test]
    fn what_a_shell_is_told_is_written_as_the_api_server_does() {
        let script = "until nc -z db 5432 && echo <up> 2>&1; do :; done \u{2028}ü\"\\";
        let json = serde_json::to_vec(script).unwrap();
        let written = as_go_writes(&json);
        assert_eq!(
            String::from_utf8_lossy(&written),
            r#""until nc -z db 5432 \u0026\u0026 echo \u003cup\u003e 2\u003e\u00261; do :; done \u2028ü\"\\""#
        );
        assert_eq!(serde_json::from_slice::<String>(&written).unwrap(), script);
    }
}
