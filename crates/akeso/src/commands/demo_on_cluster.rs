//! `akeso demo --on-cluster`: the article's four broken workloads, in a real cluster.

use std::{
    io::{BufRead, IsTerminal, Write},
    process::ExitCode,
    time::Duration,
};

use akeso_core::{engine::Engine, policy::Autonomy};
use akeso_kube::{Hands, Scope};
use anyhow::{Context, bail};
use k8s_openapi::api::{
    apps::v1::{DaemonSet, Deployment, ReplicaSet, StatefulSet},
    batch::v1::{CronJob, Job},
    core::v1::{ConfigMap, Namespace, PersistentVolumeClaim, Pod, Secret, Service},
};
use kube::{
    Api, Client,
    api::{DeleteParams, DynamicObject, ListParams, PostParams},
    core::ApiResource,
};

use super::{connection, open_store, settings};
use crate::{
    cli::{Demo, Global},
    drive::{Drive, Until},
    report::reporter,
    store::Store,
    write_ahead::WriteAhead,
};

/// The namespace of the article.
pub const NAMESPACE: &str = "agentic-demo";
/// Two memory kills, their verification, and a slow registry.
const PATIENCE: Duration = Duration::from_mins(10);

/// The article's four, as the scenarios have them.
pub const MANIFESTS: [(&str, &str); 4] = [
    (
        "mysql-client",
        include_str!("../../../../scenarios/mysql-client/manifest.yaml"),
    ),
    (
        "memory-hungry",
        include_str!("../../../../scenarios/memory-hungry/manifest.yaml"),
    ),
    (
        "web-server",
        include_str!("../../../../scenarios/web-server/manifest.yaml"),
    ),
    (
        "alpine-app",
        include_str!("../../../../scenarios/alpine-app/manifest.yaml"),
    ),
];

/// Deploys the four, heals them, and cleans up.
pub async fn run(global: &Global, arguments: Demo) -> anyhow::Result<ExitCode> {
    let connected = akeso_kube::connect(&connection(global)).await?;
    let client = connected.client.clone();
    let existed = exists_empty(&client).await?;
    let context = akeso_kube::context_name(&connection(global));
    let question = format!(
        "Deploy four broken workloads into the namespace {NAMESPACE} of {context} and heal them there?"
    );
    if !arguments.yes && !confirm(&question)? {
        writeln!(std::io::stdout(), "Nothing was changed.")?;
        return Ok(ExitCode::SUCCESS);
    }
    if !existed {
        let mut namespace = Namespace::default();
        namespace.metadata.name = Some(NAMESPACE.to_owned());
        Api::<Namespace>::all(client.clone())
            .create(&PostParams::default(), &namespace)
            .await?;
    }
    let scope = Scope::Namespace(NAMESPACE.to_owned());
    let access = connected.access(&scope).await?;
    let store = global
        .store
        .as_deref()
        .map(|path| open_store(global, path))
        .transpose()?;
    let journal = store
        .as_ref()
        .map(Store::journal)
        .transpose()?
        .unwrap_or_default();
    let engine = Engine::restore_after(
        journal.sealed,
        settings(Autonomy::Full, &scope),
        &journal.entries,
    )?;
    let mirrors = arguments.registry_mirror.into_iter().collect();
    let hands = Hands::start(client.clone(), &scope, &access, mirrors);

    let resource = ApiResource::erase::<Deployment>(&());
    let deployments: Api<DynamicObject> =
        Api::namespaced_with(client.clone(), NAMESPACE, &resource);
    for (name, manifest) in MANIFESTS {
        let deployment: serde_json::Value =
            serde_saphyr::from_str(manifest).with_context(|| format!("the manifest of {name}"))?;
        let deployment: DynamicObject = serde_json::from_value(deployment)?;
        deployments
            .create(&PostParams::default(), &deployment)
            .await?;
    }
    let interval = Duration::from_secs(30);
    let mut drive = Drive::new(
        engine,
        hands,
        WriteAhead::new(store),
        reporter(global.output, interval, std::io::stdout(), &journal.entries),
        interval,
    );
    drive
        .run(Until::Healed {
            count: MANIFESTS.len(),
            within: PATIENCE,
        })
        .await?;

    let healed = drive.healed();
    if arguments.yes || confirm("Delete what was deployed again?")? {
        if existed {
            for (name, _) in MANIFESTS {
                deployments.delete(name, &DeleteParams::default()).await?;
            }
        } else {
            Api::<Namespace>::all(client)
                .delete(NAMESPACE, &DeleteParams::default())
                .await?;
        }
        writeln!(std::io::stdout(), "What was deployed is being deleted.")?;
    }
    if healed < MANIFESTS.len() {
        bail!("{healed} of {} workloads were healed", MANIFESTS.len());
    }
    Ok(ExitCode::SUCCESS)
}

/// Whether the namespace is there; if it is, it must hold nothing.
async fn exists_empty(client: &Client) -> anyhow::Result<bool> {
    let namespaces = Api::<Namespace>::all(client.clone());
    if namespaces.get_metadata_opt(NAMESPACE).await?.is_none() {
        return Ok(false);
    }
    let kinds = [
        ApiResource::erase::<Pod>(&()),
        ApiResource::erase::<Deployment>(&()),
        ApiResource::erase::<StatefulSet>(&()),
        ApiResource::erase::<DaemonSet>(&()),
        ApiResource::erase::<ReplicaSet>(&()),
        ApiResource::erase::<Job>(&()),
        ApiResource::erase::<CronJob>(&()),
        ApiResource::erase::<Service>(&()),
        ApiResource::erase::<Secret>(&()),
        ApiResource::erase::<ConfigMap>(&()),
        ApiResource::erase::<PersistentVolumeClaim>(&()),
    ];
    for kind in kinds {
        let objects: Api<DynamicObject> = Api::namespaced_with(client.clone(), NAMESPACE, &kind);
        let found = objects.list_metadata(&ListParams::default()).await?;
        // every namespace has this one
        let mut theirs = found
            .iter()
            .filter(|object| object.metadata.name.as_deref() != Some("kube-root-ca.crt"));
        if let Some(object) = theirs.next() {
            let name = object.metadata.name.as_deref().unwrap_or_default();
            bail!(
                "the namespace {NAMESPACE} already holds something ({} {name}); look at it with `kubectl -n {NAMESPACE} get all`, and delete it if it may go",
                kind.kind
            );
        }
    }
    Ok(true)
}

fn confirm(question: &str) -> anyhow::Result<bool> {
    let stdin = std::io::stdin();
    if !stdin.is_terminal() {
        bail!("{question} There is no terminal to ask on: give --yes");
    }
    write!(std::io::stderr(), "{question} [y/N] ")?;
    let mut answer = String::new();
    stdin.lock().read_line(&mut answer)?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}
