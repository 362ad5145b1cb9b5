//! Finding the cluster, and what may be read there.

use std::path::PathBuf;

use akeso_core::cluster::Kind;
use k8s_openapi::api::core::v1::Namespace;
use kube::{
    Api, Client, Config,
    api::ListParams,
    config::{KubeConfigOptions, Kubeconfig},
};

use crate::watch::{Scope, api_resource};

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
    #[error("there is no namespace `{name}`{}", suggestion(.similar))]
    NoNamespace {
        /// The name that was given.
        name: String,
        /// A name that may have been meant.
        similar: Option<String>,
    },
    /// A kind without which nothing can be said may not be read.
    #[error("no permission to list {kind}s {place}: {why}; grant get, list and watch on it")]
    Forbidden {
        /// The kind.
        kind: String,
        /// Where.
        place: String,
        /// The API server's words.
        why: String,
    },
}

fn suggestion(similar: &Option<String>) -> String {
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

/// The client, its default namespace, and what may be read in `scope`.
pub struct Connected {
    /// The client.
    pub client: Client,
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
    let config = if let Some(path) = &connection.kubeconfig {
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
    let client = Client::try_from(config).map_err(|e| invalid(&e))?;
    match client.apiserver_version().await {
        Ok(_) => Ok(Connected {
            client,
            default_namespace,
        }),
        Err(kube::Error::Api(status)) if status.code == 401 => Err(ConnectError::Unauthorized {
            server,
            why: status.message,
        }),
        // /version may be closed to us; what matters is that somebody answers
        Err(kube::Error::Api(_)) => Ok(Connected {
            client,
            default_namespace,
        }),
        Err(error) => Err(ConnectError::Unreachable {
            server,
            why: innermost(&error),
        }),
    }
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
            match self.probe(*kind, scope).await {
                Ok(()) => readable.push(*kind),
                Err(kube::Error::Api(status))
                    if matches!(status.code, 401 | 403) && is_needed(*kind) =>
                {
                    let place = match scope {
                        Scope::Namespace(name) => format!("in the namespace {name}"),
                        Scope::Cluster => "in all namespaces (name one with -n)".to_owned(),
                    };
                    return Err(ConnectError::Forbidden {
                        kind: format!("{kind:?}"),
                        place,
                        why: status.message,
                    });
                }
                Err(kube::Error::Api(status)) => {
                    tracing::warn!(
                        ?kind,
                        why = status.message,
                        "cannot be read and is not watched"
                    );
                }
                Err(error) => {
                    return Err(ConnectError::Unreachable {
                        server: "the cluster".to_owned(),
                        why: innermost(&error),
                    });
                }
            }
        }
        Ok(Access { readable })
    }

    async fn probe(&self, kind: Kind, scope: &Scope) -> Result<(), kube::Error> {
        let api = scope.dynamic_api(self.client.clone(), kind);
        api.list_metadata(&ListParams::default().limit(1))
            .await
            .map(drop)
    }

    async fn check_namespace(&self, name: &str) -> Result<(), ConnectError> {
        let namespaces: Api<Namespace> = Api::all(self.client.clone());
        match namespaces.get_metadata_opt(name).await {
            // who may not look cannot be told; the first list will tell
            Ok(Some(_)) | Err(_) => Ok(()),
            Ok(None) => {
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
