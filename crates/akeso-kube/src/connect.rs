//! Finding the cluster, and what may be read there.

use std::{path::PathBuf, time::Duration};

use akeso_core::cluster::Kind;
use k8s_openapi::api::core::v1::Namespace;
use kube::{
    Api, Client, Config,
    api::ListParams,
    client::ClientBuilder,
    config::{KubeConfigOptions, Kubeconfig},
};
use tower::{buffer::BufferLayer, retry::RetryLayer};

use crate::{
    retry::Reads,
    watch::{Scope, WATCH_SECONDS, api_resource},
};

/// An API server that takes longer to answer a first, small question is not there.
const PATIENCE: Duration = Duration::from_secs(15);
/// A connection on which nothing came for so long is dead. Longer than a watch lives, so that only
/// what the watch itself does not notice is ended: a list, or the start of a watch, without answer.
const SILENCE: Duration = Duration::from_secs(WATCH_SECONDS as u64 + 10);
/// Requests that wait for the client to be ready for them; as many as kube lets wait.
const QUEUE: usize = 1024;

/// Which cluster, as kubectl's global flags say it.
#[derive(Debug, Clone, Default)]
pub struct Connection {
    /// `--kubeconfig`.
    pub kubeconfig: Option<PathBuf>,
    /// `--context`.
    pub context: Option<String>,
}

/// Why there is no cluster to work with.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// There is neither a kubeconfig nor a service account, or it is not valid.
    #[error(
        "no usable cluster configuration: {0}; give --kubeconfig FILE, set KUBECONFIG, or run in a pod"
    )]
    Config(String),
    /// The API server does not answer.
    #[error(
        "the API server of {server} cannot be reached: {why}; check that the cluster runs and that the kubeconfig's context is right"
    )]
    Unreachable {
        /// Its URL.
        server: String,
        /// Why.
        why: String,
    },
    /// The API server does not accept the credentials.
    #[error(
        "the API server of {server} does not accept the credentials: {why}; log in again or choose another --context"
    )]
    Unauthorized {
        /// Its URL.
        server: String,
        /// Why.
        why: String,
    },
    /// The namespace does not exist.
    #[error("there is no namespace `{name}`{}", suggestion(.similar.as_deref()))]
    NoNamespace {
        /// The name that was given.
        name: String,
        /// A name that may have been meant.
        similar: Option<String>,
    },
    /// A kind without which nothing can be said may not be read.
    #[error(
        "no permission to list {kind}s {place}: {why}; grant list and watch on it: akeso rbac prints the role"
    )]
    Forbidden {
        /// The kind.
        kind: String,
        /// Where.
        place: String,
        /// The API server's words.
        why: String,
    },
}

fn suggestion(similar: Option<&str>) -> String {
    match similar {
        Some(name) => format!("; did you mean `{name}`?"),
        None => "; `kubectl get namespaces` lists those there are".to_owned(),
    }
}

/// What may be read: the kinds that are not here are not watched.
#[derive(Debug, Clone)]
pub struct Access {
    pub(crate) readable: Vec<Kind>,
}

/// The client, where it leads, and its default namespace.
pub struct Connected {
    /// The client.
    pub client: Client,
    /// The API server's URL.
    pub server: String,
    /// The context's namespace, or that of the pod.
    pub default_namespace: String,
}

/// The name of the context that will be used; `in-cluster` where there is no kubeconfig.
pub fn context_name(connection: &Connection) -> String {
    let kubeconfig = connection
        .kubeconfig
        .as_ref()
        .map_or_else(Kubeconfig::read, Kubeconfig::read_from);
    let current = || {
        kubeconfig
            .ok()
            .and_then(|kubeconfig| kubeconfig.current_context)
    };
    connection
        .context
        .clone()
        .or_else(current)
        .unwrap_or_else(|| "in-cluster".to_owned())
}

/// Connects; the API server has answered when this returns.
pub async fn connect(connection: &Connection) -> Result<Connected, ConnectError> {
    let invalid = |error: &dyn std::fmt::Display| ConnectError::Config(error.to_string());
    let options = KubeConfigOptions {
        context: connection.context.clone(),
        ..KubeConfigOptions::default()
    };
    let mut config = if let Some(path) = &connection.kubeconfig {
        let kubeconfig = Kubeconfig::read_from(path).map_err(|e| invalid(&e))?;
        Config::from_custom_kubeconfig(kubeconfig, &options)
            .await
            .map_err(|e| invalid(&e))?
    } else if connection.context.is_some() {
        Config::from_kubeconfig(&options)
            .await
            .map_err(|e| invalid(&e))?
    } else {
        // kubeconfig first, then the pod's service account
        Config::infer().await.map_err(|e| invalid(&e))?
    };
    let server = config.cluster_url.to_string();
    let default_namespace = config.default_namespace.clone();
    config.read_timeout = Some(SILENCE);
    config.reset_reader_on_write = true;
    config.default_retry = false;
    let client = ClientBuilder::try_from(config)
        .map_err(|e| invalid(&e))?
        .with_layer(&BufferLayer::new(QUEUE))
        .with_layer(&RetryLayer::new(Reads::new()))
        .build();
    let unreachable = |why| ConnectError::Unreachable {
        server: server.clone(),
        why,
    };
    match tokio::time::timeout(PATIENCE, client.apiserver_version()).await {
        Ok(Err(kube::Error::Api(status))) if status.code == 401 => {
            return Err(ConnectError::Unauthorized {
                server,
                why: status.message,
            });
        }
        // /version may be closed to us; what matters is that somebody answers
        Ok(Ok(_) | Err(kube::Error::Api(_))) => {}
        Ok(Err(error)) => return Err(unreachable(innermost(&error))),
        Err(_) => return Err(unreachable(no_answer())),
    }
    Ok(Connected {
        client,
        server,
        default_namespace,
    })
}

fn no_answer() -> String {
    format!("no answer within {} s", PATIENCE.as_secs())
}

/// The last cause of an error: `Connection refused (os error 111)` rather than the layers above.
fn innermost(error: &dyn std::error::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    cause.to_string()
}

impl Connected {
    /// Checks that the namespaces of `scope` exist, and finds out what may be read there.
    pub async fn access(&self, scope: &Scope) -> Result<Access, ConnectError> {
        if let Scope::Namespace(name) = scope {
            self.check_namespace(name).await?;
        }
        let mut readable = Vec::new();
        for kind in Kind::ALL {
            match tokio::time::timeout(PATIENCE, self.probe(*kind, scope)).await {
                Ok(Ok(())) => readable.push(*kind),
                Ok(Err(kube::Error::Api(status))) => match status.code {
                    401 => {
                        return Err(ConnectError::Unauthorized {
                            server: self.server.clone(),
                            why: status.message,
                        });
                    }
                    403 if is_needed(*kind) => {
                        return Err(ConnectError::Forbidden {
                            kind: format!("{kind:?}"),
                            place: place(scope),
                            why: status.message,
                        });
                    }
                    // 404, 405: it is not served here
                    403..=405 => {
                        tracing::warn!(
                            ?kind,
                            why = status.message,
                            "cannot be read and is not watched"
                        );
                    }
                    // too busy to say: the watch will ask again until it is told
                    _ => readable.push(*kind),
                },
                Ok(Err(error)) => return Err(self.unreachable(innermost(&error))),
                Err(_) => return Err(self.unreachable(no_answer())),
            }
        }
        Ok(Access { readable })
    }

    fn unreachable(&self, why: String) -> ConnectError {
        ConnectError::Unreachable {
            server: self.server.clone(),
            why,
        }
    }

    async fn probe(&self, kind: Kind, scope: &Scope) -> Result<(), kube::Error> {
        let api = scope.dynamic_api(self.client.clone(), kind);
        api.list_metadata(&ListParams::default().limit(1))
            .await
            .map(drop)
    }

    async fn check_namespace(&self, name: &str) -> Result<(), ConnectError> {
        let namespaces: Api<Namespace> = Api::all(self.client.clone());
        match tokio::time::timeout(PATIENCE, namespaces.get_metadata_opt(name)).await {
            Err(_) => Err(self.unreachable(no_answer())),
            // who may not look cannot be told; the first list will tell
            Ok(Ok(Some(_)) | Err(_)) => Ok(()),
            Ok(Ok(None)) => {
                let all = namespaces
                    .list_metadata(&ListParams::default())
                    .await
                    .map(|list| list.items)
                    .unwrap_or_default();
                let names = all
                    .into_iter()
                    .filter_map(|namespace| namespace.metadata.name);
                Err(ConnectError::NoNamespace {
                    name: name.to_owned(),
                    similar: akeso_core::similar::closest(name, names),
                })
            }
        }
    }
}

/// Without these nothing can be said about a workload.
fn is_needed(kind: Kind) -> bool {
    matches!(kind, Kind::Pod | Kind::ReplicaSet | Kind::Deployment)
}

fn place(scope: &Scope) -> String {
    match scope {
        Scope::Namespace(name) => format!("in the namespace {name}"),
        Scope::Cluster => "in all namespaces (name one with -n)".to_owned(),
    }
}

impl Scope {
    fn dynamic_api(&self, client: Client, kind: Kind) -> Api<kube::core::DynamicObject> {
        let resource = api_resource(kind);
        match self {
            Self::Namespace(name) if !matches!(kind, Kind::Namespace | Kind::Node) => {
                Api::namespaced_with(client, name, &resource)
            }
            Self::Namespace(_) | Self::Cluster => Api::all_with(client, &resource),
        }
    }
}
