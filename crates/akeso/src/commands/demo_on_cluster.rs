//! `akeso demo --on-cluster`: the article's four broken workloads, in a real cluster.

use std::{
    io::{BufRead, IsTerminal, Write},
    process::ExitCode,
    time::Duration,
};

use akeso_core::{engine::Engine, settings::Autonomy};
use akeso_kube::{Hands, Scope};
use anyhow::{Context, bail};
use k8s_openapi::api::{
    apps::v1::Deployment,
    core::v1::{ConfigMap, Namespace, Pod},
};
use kube::{
    Api, Client,
    api::{DeleteParams, ListParams, PostParams},
};

use super::{connection, settings};
use crate::{
    cli::{Demo, Global},
    drive::{Drive, Until},
    report::reporter,
    store::Store,
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
    let is_ours = prepare(&client).await?;
    let context = akeso_kube::context_name(&connection(global));
    let question = format!(
        "Deploy four broken workloads into the namespace {NAMESPACE} of {context} and heal them there?"
    );
    if !arguments.yes && !confirm(&question)? {
        writeln!(std::io::stdout(), "Nothing was changed.")?;
        return Ok(ExitCode::SUCCESS);
    }
    if !is_ours {
        let mut namespace = Namespace::default();
        namespace.metadata.name = Some(NAMESPACE.to_owned());
        Api::<Namespace>::all(client.clone())
            .create(&PostParams::default(), &namespace)
            .await?;
    }
    let scope = Scope::Namespace(NAMESPACE.to_owned());
    let access = connected.access(&scope).await?;
    let store = global.store.as_deref().map(Store::open).transpose()?;
    let journal = store
        .as_ref()
        .map(Store::entries)
        .transpose()?
        .unwrap_or_default();
    let engine = Engine::restore(settings(Autonomy::Full, &scope), &journal)?;
    let mirrors = arguments.registry_mirror.into_iter().collect();
    let hands = Hands::start(client.clone(), &scope, &access, mirrors);

    let deployments: Api<Deployment> = Api::namespaced(client.clone(), NAMESPACE);
    for (name, manifest) in MANIFESTS {
        let deployment: Deployment =
            serde_saphyr::from_str(manifest).with_context(|| format!("the manifest of {name}"))?;
        deployments
            .create(&PostParams::default(), &deployment)
            .await?;
    }
    let interval = Duration::from_secs(30);
    let mut drive = Drive::new(
        engine,
        hands,
        store,
        reporter(global.output, interval, std::io::stdout()),
        interval,
    );
    drive
        .run(Until::Healed {
            count: MANIFESTS.len(),
            within: PATIENCE,
        })
        .await?;

    if arguments.yes || confirm(&format!("Delete the namespace {NAMESPACE} again?"))? {
        Api::<Namespace>::all(client)
            .delete(NAMESPACE, &DeleteParams::default())
            .await?;
        writeln!(
            std::io::stdout(),
            "The namespace {NAMESPACE} is being deleted."
        )?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Whether the namespace is there; if it is, it must hold nothing.
async fn prepare(client: &Client) -> anyhow::Result<bool> {
    if Api::<Namespace>::all(client.clone())
        .get_opt(NAMESPACE)
        .await?
        .is_none()
    {
        return Ok(false);
    }
    let any = ListParams::default().limit(2);
    let deployments = Api::<Deployment>::namespaced(client.clone(), NAMESPACE)
        .list(&any)
        .await?
        .items
        .len();
    let pods = Api::<Pod>::namespaced(client.clone(), NAMESPACE)
        .list(&any)
        .await?
        .items
        .len();
    let maps = Api::<ConfigMap>::namespaced(client.clone(), NAMESPACE)
        .list(&any)
        .await?;
    let maps = maps
        .iter()
        .filter(|map| map.metadata.name.as_deref() != Some("kube-root-ca.crt"))
        .count();
    if deployments + pods + maps > 0 {
        bail!(
            "the namespace {NAMESPACE} already holds something; look at it with `kubectl -n {NAMESPACE} get all`, and delete it if it may go"
        );
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
