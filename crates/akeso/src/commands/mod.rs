//! The commands, one file each.

pub mod audit;
pub mod decide;
pub mod demo;
pub mod demo_on_cluster;
pub mod diagnose;
pub mod incidents;
pub mod memory;
pub mod monitor;
pub mod policy;
pub mod rbac;
pub mod report;
pub mod scan;

use std::path::{Path, PathBuf};

use akeso_core::policy::{Autonomy, Settings};
use akeso_kube::{Access, Connected, Connection, Mirrors, Scope};

use crate::{
    cli::{Global, Target},
    store::{self, Store, StoreError},
};

fn connection(global: &Global) -> Connection {
    Connection {
        kubeconfig: global.kubeconfig.clone(),
        context: global.context.clone(),
    }
}

/// Who types this.
fn person() -> String {
    let by = std::env::var("USER").or_else(|_| std::env::var("LOGNAME"));
    by.unwrap_or_else(|_| "a person".to_owned())
}

/// The store that is named, or the one of the context.
fn store_path(global: &Global) -> PathBuf {
    let context = || akeso_kube::context_name(&connection(global));
    global
        .store
        .clone()
        .unwrap_or_else(|| store::default_path(&context()))
}

/// The signing key that is named, or the user's.
fn signing_key(global: &Global) -> PathBuf {
    global
        .signing_key
        .clone()
        .unwrap_or_else(store::signing::default_path)
}

/// Opens the store at `path` for writing.
fn open_store(global: &Global, path: &Path) -> Result<Store, StoreError> {
    Store::open(path, &signing_key(global))
}

/// A cluster, and the part of it that is asked about.
struct Place {
    connected: Connected,
    scope: Scope,
    access: Access,
    mirrors: Mirrors,
}

async fn find(global: &Global, target: Target) -> anyhow::Result<Place> {
    let connected = akeso_kube::connect(&connection(global)).await?;
    let scope = if target.all_namespaces {
        Scope::Cluster
    } else {
        Scope::Namespace(
            target
                .namespace
                .unwrap_or_else(|| connected.default_namespace.clone()),
        )
    };
    let access = connected.access(&scope).await?;
    let mirrors = target.registry_mirror.into_iter().collect();
    Ok(Place {
        connected,
        scope,
        access,
        mirrors,
    })
}

/// Where the namespace of the pod that a program runs in is told
/// (<https://kubernetes.io/docs/tasks/run-application/access-api-from-pod/>).
const OWN_NAMESPACE: &str = "/var/run/secrets/kubernetes.io/serviceaccount/namespace";

fn settings(autonomy: Autonomy, scope: &Scope) -> Settings {
    let mut settings = Settings::at(autonomy);
    if let Scope::Namespace(name) = scope {
        settings.namespace = Some(name.clone());
    }
    settings.own_namespace = std::fs::read_to_string(OWN_NAMESPACE).ok();
    settings
}
