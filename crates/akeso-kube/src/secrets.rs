//! Secrets, read so that their values go nowhere.
//!
//! kube logs an answer that it cannot parse, and serde's errors quote what they stumbled over.
//! So the answers are parsed here, into types that leave the values out where they are not needed,
//! and an error says no more than that there was one.

use std::{collections::BTreeMap, time::Duration};

use akeso_core::{
    certificate::TlsSecret,
    consult::{Prompt, without_secrets},
    evidence::{Answer, Keys},
};
use k8s_openapi::{ByteString, api::core::v1::Secret};
use kube::{
    Client, Resource,
    api::{GetParams, ListParams},
    core::Request,
};
use serde::{
    Deserialize,
    de::{DeserializeOwned, IgnoredAny},
};

/// A list that takes longer than this is not had.
const PATIENCE: Duration = Duration::from_secs(10);

#[derive(Deserialize)]
struct List {
    items: Vec<Outline>,
}

/// A Secret without its values.
#[derive(Deserialize)]
#[expect(
    clippy::zero_sized_map_values,
    reason = "it is read from a JSON object, of whose members only the names are kept"
)]
struct Outline {
    metadata: Name,
    #[serde(rename = "type")]
    kind: Option<String>,
    data: Option<BTreeMap<String, IgnoredAny>>,
}

#[derive(Deserialize)]
struct Name {
    name: String,
}

/// A Secret for TLS, of whose private key only is known that it is there.
#[derive(Deserialize)]
struct ForTls {
    #[serde(rename = "type")]
    kind: Option<String>,
    data: Option<ForTlsData>,
}

#[derive(Deserialize, Default)]
struct ForTlsData {
    #[serde(rename = "tls.crt")]
    certificate: Option<ByteString>,
    #[serde(rename = "tls.key")]
    key: Option<IgnoredAny>,
}

#[derive(Deserialize)]
struct PullSecret {
    data: Option<PullSecretData>,
}

#[derive(Deserialize)]
struct PullSecretData {
    #[serde(rename = ".dockerconfigjson")]
    docker_config: Option<ByteString>,
}

/// The names and keys of the Secrets that configure programs, and the names of those with
/// credentials for registries.
pub(crate) async fn keys(client: &Client, namespace: &str) -> kube::Result<Keys> {
    let request = requests(namespace).list(&ListParams::default());
    let list: List = read(client, request).await?;
    let mut keys = Keys::default();
    for secret in list.items {
        let name = secret.metadata.name;
        match secret.kind.as_deref() {
            None | Some("Opaque" | "kubernetes.io/basic-auth") => {
                let names = secret.data.into_iter().flatten().map(|(key, _)| key);
                keys.secrets.insert(name, names.collect());
            }
            Some("kubernetes.io/dockerconfigjson" | "kubernetes.io/dockercfg") => {
                keys.pull_secrets.insert(name);
            }
            // tokens and releases are no configuration of a program
            Some(_) => {}
        }
    }
    Ok(keys)
}

/// The `.dockerconfigjson` of a pull secret, if there is one.
pub(crate) async fn docker_config(
    client: &Client,
    namespace: &str,
    name: &str,
) -> kube::Result<Option<Vec<u8>>> {
    let request = requests(namespace).get(name, &GetParams::default());
    match read::<PullSecret>(client, request).await {
        Ok(secret) => Ok(secret
            .data
            .and_then(|data| data.docker_config)
            .map(|json| json.0)),
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(None),
        Err(error) => Err(error),
    }
}

/// What a Secret for TLS says to everybody.
pub(crate) async fn certificate(
    client: &Client,
    namespace: &str,
    name: &str,
) -> kube::Result<Answer> {
    let request = requests(namespace).get(name, &GetParams::default());
    let secret: ForTls = match read(client, request).await {
        Ok(secret) => secret,
        Err(kube::Error::Api(status)) if status.code == 404 => {
            return Ok(Answer::Certificate(TlsSecret::Missing));
        }
        Err(error) => return Err(error),
    };
    let data = secret.data.unwrap_or_default();
    let certificate = data.certificate.as_ref().map(|pem| pem.0.as_slice());
    let kind = secret.kind.as_deref().unwrap_or("Opaque");
    let found = TlsSecret::read(kind, certificate, data.key.is_some());
    Ok(Answer::Certificate(found))
}

/// A Secret with its values, which live no longer than it takes to look for them.
#[derive(Deserialize)]
struct Whole {
    data: Option<BTreeMap<String, ByteString>>,
}

#[derive(Deserialize)]
struct WholeList {
    items: Vec<Whole>,
}

/// The prompt without what the Secrets of a namespace hold; or why that cannot be had, in which
/// case it must not be sent.
pub(crate) async fn removed(
    client: &Client,
    namespace: &str,
    prompt: Prompt,
) -> Result<Prompt, String> {
    let list = requests(namespace).list(&ListParams::default());
    let list = tokio::time::timeout(PATIENCE, read::<WholeList>(client, list)).await;
    let list = list
        .map_err(|_| format!("no answer within {} s", PATIENCE.as_secs()))?
        .map_err(|error| error.to_string())?;
    let data = list.items.iter().flat_map(|secret| &secret.data);
    let values = data.flat_map(BTreeMap::values);
    Ok(without_secrets(
        prompt,
        values.map(|value| value.0.as_slice()),
    ))
}

fn requests(namespace: &str) -> Request {
    Request::new(Secret::url_path(&(), Some(namespace)))
}

async fn read<T: DeserializeOwned>(
    client: &Client,
    request: Result<http::Request<Vec<u8>>, kube::core::request::Error>,
) -> kube::Result<T> {
    let request = request.map_err(kube::Error::BuildRequest)?;
    let text = client.request_text(request).await?;
    serde_json::from_str(&text)
        .map_err(|_| kube::Error::Service("the API server's answer is not a Secret's".into()))
}
