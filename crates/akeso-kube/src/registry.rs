//! Image registries, asked over the standard API (<https://github.com/opencontainers/distribution-spec>)
//! with the pod's pull secrets. An unreachable registry is not an answer.

use std::{
    collections::{BTreeMap, HashMap},
    str::FromStr,
    sync::{Mutex, OnceLock, PoisonError},
    time::Duration,
};

use akeso_core::evidence::{Answer, ImageAnswer};
use kube::Client;
use oci_client::{
    Reference, RegistryOperation,
    client::{ClientConfig, ClientProtocol},
    errors::{OciDistributionError, OciEnvelope, OciErrorCode},
    secrets::RegistryAuth,
};
use serde::Deserialize;
use tokio::time::Instant;

use crate::secrets;

/// A registry that takes longer is not asked further; the pod's repair must not wait for it.
const PATIENCE: Duration = Duration::from_secs(4);
/// How long an answer is believed.
const FRESH: Duration = Duration::from_secs(30);
/// Tags are asked for in pages of so many; many registries give 100 all the same.
const PAGE: usize = 1_000;
/// No more pages are read, nor any once there are so many tags: a typo's neighbour is among them
/// or the repository is no place to guess in.
const PAGES: usize = 20;
const TAGS: usize = 5_000;

/// Where registries are mirrored: host → mirror.
#[derive(Debug, Clone, Default)]
pub struct Mirrors {
    by_host: BTreeMap<String, Mirror>,
}

#[derive(Debug, Clone)]
struct Mirror {
    host: String,
    is_plain_http: bool,
}

/// Why a `--registry-mirror` is not one.
#[derive(Debug, thiserror::Error)]
#[error(
    "`{0}` is not a registry mirror: write HOST=URL, for instance docker.io=http://127.0.0.1:5000"
)]
pub struct InvalidMirror(String);

impl FromStr for Mirrors {
    type Err = InvalidMirror;

    fn from_str(text: &str) -> Result<Self, InvalidMirror> {
        let invalid = || InvalidMirror(text.to_owned());
        let (host, url) = text.split_once('=').ok_or_else(invalid)?;
        let (scheme, mirror) = url.split_once("://").ok_or_else(invalid)?;
        let mirror = mirror.trim_end_matches('/');
        if host.is_empty()
            || mirror.is_empty()
            || mirror.contains('/')
            || !matches!(scheme, "http" | "https")
        {
            return Err(invalid());
        }
        let mirror = Mirror {
            host: mirror.to_owned(),
            is_plain_http: scheme == "http",
        };
        Ok(Self {
            by_host: BTreeMap::from([(host.to_owned(), mirror)]),
        })
    }
}

impl FromIterator<Self> for Mirrors {
    fn from_iter<I: IntoIterator<Item = Self>>(all: I) -> Self {
        Self {
            by_host: all
                .into_iter()
                .flat_map(|mirrors| mirrors.by_host)
                .collect(),
        }
    }
}

impl Mirrors {
    /// The mirror of a registry; `docker.io` is also known as `index.docker.io`.
    fn of(&self, registry: &str) -> Option<&Mirror> {
        self.by_host
            .get(registry.strip_prefix("index.").unwrap_or(registry))
    }
}

/// Asks registries, and remembers their answers for a short while.
pub(crate) struct Registry {
    mirrors: Mirrors,
    anonymous: OnceLock<oci_client::Client>,
    answers: Mutex<HashMap<(String, String), (Instant, ImageAnswer)>>,
}

impl Registry {
    pub(crate) fn new(mirrors: Mirrors) -> Self {
        Self {
            mirrors,
            anonymous: OnceLock::new(),
            answers: Mutex::default(),
        }
    }

    /// Who asks without credentials shares a client, built at the first use: most clusters never
    /// have an image that fails. Credentials get a client of their own, because a client sends
    /// what it was given first for a registry to that registry ever after.
    fn client(&self, auth: &RegistryAuth) -> oci_client::Client {
        match auth {
            RegistryAuth::Anonymous => self.anonymous.get_or_init(|| self.new_client()).clone(),
            RegistryAuth::Basic(..) | RegistryAuth::Bearer(_) => self.new_client(),
        }
    }

    fn new_client(&self) -> oci_client::Client {
        let plain = self
            .mirrors
            .by_host
            .values()
            .filter(|mirror| mirror.is_plain_http);
        oci_client::Client::new(ClientConfig {
            protocol: ClientProtocol::HttpsExcept(
                plain.map(|mirror| mirror.host.clone()).collect(),
            ),
            connect_timeout: Some(PATIENCE),
            read_timeout: Some(PATIENCE),
            ..ClientConfig::default()
        })
    }

    /// What the registry of `reference` says of it.
    pub(crate) async fn ask(
        &self,
        kube: &Client,
        namespace: &str,
        reference: &str,
        pull_secrets: &[String],
    ) -> Answer {
        let unknown = |why: String| Answer::Unknown { why };
        let Ok(mut image) = Reference::from_str(reference) else {
            return unknown(format!("`{reference}` is not an image reference"));
        };
        let key = (
            format!("{namespace}/{}", pull_secrets.join(",")),
            image.to_string(),
        );
        if let Some(known) = self.remembered(&key) {
            return Answer::Image(known);
        }
        let credentials = credentials(kube, namespace, pull_secrets, &image).await;
        let auth = credentials.as_ref().unwrap_or(&RegistryAuth::Anonymous);
        if let Some(mirror) = self.mirrors.of(image.registry()) {
            image.set_mirror_registry(mirror.host.clone());
        }
        let answer = match tokio::time::timeout(PATIENCE, self.look_up(&image, auth)).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(error)) => return unknown(error.to_string()),
            Err(_) => return unknown(format!("the registry of {reference} does not answer")),
        };
        // what is hidden from a stranger need not be hidden from the pod
        if let (Err(error), ImageAnswer::NoSuchRepository) = (&credentials, &answer) {
            return unknown(format!("the pull secrets cannot be read: {error}"));
        }
        let mut answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        answers.retain(|_, (at, _)| at.elapsed() < FRESH);
        answers.insert(key, (Instant::now(), answer.clone()));
        Answer::Image(answer)
    }

    fn remembered(&self, key: &(String, String)) -> Option<ImageAnswer> {
        let answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        answers
            .get(key)
            .filter(|(at, _)| at.elapsed() < FRESH)
            .map(|(_, answer)| answer.clone())
    }

    async fn look_up(
        &self,
        image: &Reference,
        auth: &RegistryAuth,
    ) -> Result<ImageAnswer, OciDistributionError> {
        let client = self.client(auth);
        match client.fetch_manifest_digest(image, auth).await {
            Ok(_) => return Ok(ImageAnswer::Exists),
            Err(error) if !says_absent(&error) => return Err(error),
            Err(OciDistributionError::UnauthorizedError { .. }) => {
                // asked without a token, perhaps, because none could be had: that is no answer
                let token = client.auth(image, auth, RegistryOperation::Pull).await;
                token.map(drop).or_else(|error| match error {
                    error if is_denial(&error) => Ok(()),
                    error => Err(error),
                })?;
            }
            Err(_) => {}
        }
        let mut tags: Vec<String> = Vec::new();
        for _ in 0..PAGES {
            match client
                .list_tags(image, auth, Some(PAGE), tags.last().map(String::as_str))
                .await
            {
                // a page may be short and yet not the last; a registry without pages repeats itself
                Ok(page) => {
                    let known = tags.len();
                    for tag in page.tags {
                        if !tags[..known].contains(&tag) {
                            tags.push(tag);
                        }
                    }
                    if tags.len() == known || tags.len() >= TAGS {
                        break;
                    }
                }
                Err(error) if says_absent(&error) => return Ok(ImageAnswer::NoSuchRepository),
                Err(error) => return Err(error),
            }
        }
        Ok(ImageAnswer::NoSuchTag { tags })
    }
}

/// Whether a token was refused because the repository is not there or not for us, as GitHub's
/// registry does; anything else that goes wrong with a token says nothing of the repository.
fn is_denial(error: &OciDistributionError) -> bool {
    let OciDistributionError::AuthenticationFailure(answer) = error else {
        return false;
    };
    serde_json::from_str::<OciEnvelope>(answer).is_ok_and(|envelope| {
        envelope
            .errors
            .iter()
            .any(|error| matches!(error.code, OciErrorCode::Denied | OciErrorCode::NameUnknown))
    })
}

/// Whether the registry says that it is not there, or that it is not for us: most registries do
/// not tell the two apart.
fn says_absent(error: &OciDistributionError) -> bool {
    match error {
        OciDistributionError::ImageManifestNotFoundError(_)
        | OciDistributionError::UnauthorizedError { .. } => true,
        OciDistributionError::ServerError { code, .. } => matches!(code, 401 | 403 | 404),
        OciDistributionError::RegistryError { envelope, .. } => {
            envelope.errors.iter().any(|error| {
                matches!(
                    error.code,
                    OciErrorCode::ManifestUnknown
                        | OciErrorCode::NameUnknown
                        | OciErrorCode::NotFound
                        | OciErrorCode::Unauthorized
                        | OciErrorCode::Denied
                )
            })
        }
        _ => false,
    }
}

/// The shape of a `.dockerconfigjson`.
#[derive(Deserialize)]
struct DockerConfig {
    auths: BTreeMap<String, DockerAuth>,
}

#[derive(Deserialize)]
struct DockerAuth {
    username: Option<String>,
    password: Option<String>,
    auth: Option<String>,
}

/// The credentials that the pod's pull secrets hold for a registry. A secret that is not there is
/// passed over, as the kubelet does; one that cannot be read is an error.
async fn credentials(
    kube: &Client,
    namespace: &str,
    pull_secrets: &[String],
    image: &Reference,
) -> kube::Result<RegistryAuth> {
    for name in pull_secrets {
        let Some(json) = secrets::docker_config(kube, namespace, name).await? else {
            continue;
        };
        let Ok(config) = serde_json::from_slice::<DockerConfig>(&json) else {
            continue;
        };
        for (address, auth) in config.auths {
            if is_for(&address, image.registry(), image.repository())
                && let Some((user, password)) = auth.pair()
            {
                return Ok(RegistryAuth::Basic(user, password));
            }
        }
    }
    Ok(RegistryAuth::Anonymous)
}

/// Whether the kubelet sends what stands at this address to the registry for the repository: an
/// address may be that of a part of the registry
/// (<https://kubernetes.io/docs/concepts/containers/images/#config-json>).
fn is_for(address: &str, registry: &str, repository: &str) -> bool {
    let rest = address.split_once("://").map_or(address, |(_, rest)| rest);
    let path = rest.split_once('/').map_or("", |(_, path)| path);
    let is_api = path.starts_with("v1/") || path.starts_with("v2/");
    host_of(address) == host_of(registry) && (is_api || repository.starts_with(path))
}

/// `https://index.docker.io/v1/` → `docker.io`.
fn host_of(address: &str) -> &str {
    let host = address.split_once("://").map_or(address, |(_, rest)| rest);
    let host = host.split('/').next().unwrap_or(host);
    host.strip_prefix("index.").unwrap_or(host)
}

impl DockerAuth {
    fn pair(self) -> Option<(String, String)> {
        if let (Some(user), Some(password)) = (self.username, self.password) {
            return Some((user, password));
        }
        // base64 of `user:password`, which serde reads as Kubernetes' own byte strings are read
        let encoded = serde_json::Value::String(self.auth?);
        let decoded: k8s_openapi::ByteString = serde_json::from_value(encoded).ok()?;
        let text = String::from_utf8(decoded.0).ok()?;
        let (user, password) = text.split_once(':')?;
        Some((user.to_owned(), password.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mirror_is_found_under_every_name_of_docker_hub() {
        let mirrors: Mirrors = ["docker.io=http://127.0.0.1:5000/"
            .parse::<Mirrors>()
            .unwrap()]
        .into_iter()
        .collect();
        assert_eq!(
            mirrors.of("index.docker.io").unwrap().host,
            "127.0.0.1:5000"
        );
        assert!(mirrors.of("docker.io").unwrap().is_plain_http);
        assert!(mirrors.of("ghcr.io").is_none());
    }

    #[test]
    fn what_is_not_a_mirror_is_refused_with_an_example() {
        for text in [
            "docker.io",
            "docker.io=",
            "=http://x",
            "docker.io=ftp://x",
            "docker.io=http://x/path",
        ] {
            let error = text.parse::<Mirrors>().unwrap_err().to_string();
            assert!(error.contains("HOST=URL"), "{error}");
        }
    }

    #[test]
    fn credentials_for_a_part_of_a_registry_are_for_no_other() {
        for (address, is_for_it) in [
            ("example.org", true),
            ("https://example.org/", true),
            ("https://example.org/v2/", true),
            ("example.org/team", true),
            ("example.org/team/app", true),
            ("example.org/other", false),
            ("example.com", false),
        ] {
            assert_eq!(is_for(address, "example.org", "team/app"), is_for_it);
        }
    }

    #[test]
    fn docker_hubs_credentials_are_found_under_its_old_address() {
        assert_eq!(host_of("https://index.docker.io/v1/"), host_of("docker.io"));
        let auth = DockerAuth {
            username: None,
            password: None,
            auth: Some("dXNlcjpwYTpzcw==".into()),
        };
        assert_eq!(auth.pair(), Some(("user".into(), "pa:ss".into())));
    }
}
