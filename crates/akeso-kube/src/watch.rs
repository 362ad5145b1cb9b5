//! Watches: one a kind, trimmed before anything is kept.
//!
//! kube's watcher lists anew when a watch tells of 410, and ends a watch on which nothing (not even
//! a bookmark) came for [`WATCH_SECONDS`] and a little; errors are backed off. What it does not do
//! is to list anew when a watch is answered with 410 from the start: that is done here.

use std::{
    fmt::Debug,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use akeso_core::{
    cluster::{Kind, Object},
    engine::Event,
    for_each_kind,
};
use futures::StreamExt;
use k8s_openapi::api::{
    apps::v1::{ControllerRevision, DaemonSet, Deployment, ReplicaSet, StatefulSet},
    autoscaling::v2::HorizontalPodAutoscaler,
    batch::v1::{CronJob, Job},
    core::v1::{Event as KubeEvent, Namespace, Node, PersistentVolumeClaim, Pod, Service},
    networking::v1::Ingress,
    policy::v1::PodDisruptionBudget,
};
use kube::{
    Api, Client, Resource,
    core::ApiResource,
    runtime::{WatchStreamExt, watcher},
};
use serde::de::DeserializeOwned;
use tokio::sync::mpsc::UnboundedSender;

use crate::Access;

/// The API server ends a watch after so many seconds, and it is taken up where it ended. The
/// client notices a connection that died silently five seconds later. API servers send a
/// bookmark about once a minute, so a healthy watch is never ended early.
pub(crate) const WATCH_SECONDS: u32 = 120;

/// Before a kind is listed anew, so that an API server that always says 410 is not flooded.
const RELIST_PAUSE: Duration = Duration::from_secs(1);

/// What is watched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    /// One namespace.
    Namespace(String),
    /// All namespaces.
    Cluster,
}

/// A kind that is watched, and how its API is addressed: by its namespace, or for the whole cluster.
trait Addressed:
    Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned + Send + Into<Object> + 'static
{
    fn api(client: Client, scope: &Scope) -> Api<Self>;
}

macro_rules! addressed {
    ($how:ident: $($kind:ty),*) => { $(addressed!(@$how $kind);)* };
    (@namespaced $kind:ty) => {
        impl Addressed for $kind {
            fn api(client: Client, scope: &Scope) -> Api<Self> {
                match scope {
                    Scope::Namespace(name) => Api::namespaced(client, name),
                    Scope::Cluster => Api::all(client),
                }
            }
        }
    };
    (@cluster $kind:ty) => {
        impl Addressed for $kind {
            fn api(client: Client, _: &Scope) -> Api<Self> {
                Api::all(client)
            }
        }
    };
}
addressed!(namespaced: Pod, Deployment, ReplicaSet, StatefulSet, DaemonSet, ControllerRevision, Job, CronJob, Service, HorizontalPodAutoscaler, Ingress, PersistentVolumeClaim, PodDisruptionBudget, KubeEvent);
addressed!(cluster: Namespace, Node);

/// Events that say that all is well are not worth their memory.
fn configuration(kind: Kind) -> watcher::Config {
    let config = watcher::Config::default().timeout(WATCH_SECONDS);
    if kind == Kind::Event {
        config.fields("type=Warning")
    } else {
        config
    }
}

macro_rules! per_kind {
    ($($kind:ident => $field:ident,)*) => {
        /// The API resource of a watched kind.
        pub(crate) fn api_resource(kind: Kind) -> ApiResource {
            type Event = KubeEvent;
            match kind {
                $(Kind::$kind => ApiResource::erase::<$kind>(&()),)*
            }
        }

        fn spawn(kind: Kind, client: Client, scope: &Scope, sync: Sync) {
            type Event = KubeEvent;
            match kind {
                $(Kind::$kind => drop(tokio::spawn(watch(kind, <$kind as Addressed>::api(client, scope), sync))),)*
            }
        }
    };
}
for_each_kind!(per_kind);

/// Counts the kinds that have not been listed yet; the last one tells the engine.
#[derive(Clone)]
struct Sync {
    missing: Arc<AtomicUsize>,
    events: UnboundedSender<Event>,
}

/// Starts to watch everything that may be read.
pub(crate) fn start(
    client: &Client,
    scope: &Scope,
    access: &Access,
    events: &UnboundedSender<Event>,
) {
    let sync = Sync {
        missing: Arc::new(AtomicUsize::new(access.readable.len())),
        events: events.clone(),
    };
    for kind in &access.readable {
        spawn(*kind, client.clone(), scope, sync.clone());
    }
}

async fn watch<K: Addressed>(kind: Kind, api: Api<K>, sync: Sync) {
    let mut is_first = true;
    while watch_until_gone(kind, api.clone(), &sync, &mut is_first).await == Ended::Gone {
        tokio::time::sleep(RELIST_PAUSE).await;
    }
}

/// Why a watch is not simply taken up again.
#[derive(PartialEq)]
enum Ended {
    /// The API server no longer knows where it ended: a list is needed.
    Gone,
    /// Nobody listens any more.
    Unheard,
}

async fn watch_until_gone<K: Addressed>(
    kind: Kind,
    api: Api<K>,
    sync: &Sync,
    is_first: &mut bool,
) -> Ended {
    let mut stream = pin!(watcher(api, configuration(kind)).default_backoff());
    let mut listing = Vec::new();
    while let Some(item) = stream.next().await {
        let event = match item {
            Ok(watcher::Event::Init) => {
                listing.clear();
                continue;
            }
            Ok(watcher::Event::InitApply(object)) => {
                listing.push(object.into().trimmed());
                continue;
            }
            Ok(watcher::Event::InitDone) => Event::Relisted(kind, std::mem::take(&mut listing)),
            Ok(watcher::Event::Apply(object)) => Event::Upserted(object.into().trimmed()),
            Ok(watcher::Event::Delete(object)) => Event::Deleted(object.into().reference()),
            Err(error) => {
                tracing::warn!(?kind, %error, "a watch was interrupted and is taken up again");
                if is_gone(&error) {
                    return Ended::Gone;
                }
                continue;
            }
        };
        let listed = matches!(event, Event::Relisted(..));
        if sync.events.send(event).is_err() {
            return Ended::Unheard;
        }
        if listed
            && std::mem::take(is_first)
            && sync.missing.fetch_sub(1, Ordering::AcqRel) == 1
            && sync.events.send(Event::Synced).is_err()
        {
            return Ended::Unheard;
        }
    }
    Ended::Gone
}

/// kube's watcher would ask for the same forgotten resource version for ever.
fn is_gone(error: &watcher::Error) -> bool {
    matches!(
        error,
        watcher::Error::WatchStartFailed(kube::Error::Api(status)) if status.code == 410
    )
}
