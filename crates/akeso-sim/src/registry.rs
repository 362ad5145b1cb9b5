//! The registry: which images exist.

use std::collections::{BTreeMap, BTreeSet};

use akeso_core::{evidence::ImageAnswer, image_reference::ImageReference};

/// At this host nobody answers, as on the devcluster.
const CLOSED: &str = "closed.registry.test";
/// This host has the images of Docker Hub, for whoever has its user and password.
const PRIVATE: &str = "private.registry.test";
const PASSWORD: &str = "devcluster";

/// The images that exist, and those that the node has pulled.
#[derive(Debug, Default)]
pub(crate) struct Registry {
    /// Repository in full (`docker.io/library/nginx`) → tags.
    repositories: BTreeMap<String, BTreeSet<String>>,
    pulled: BTreeSet<String>,
    is_cut_off: bool,
}

/// Why an image cannot be pulled, as the kubelet tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PullError {
    pub(crate) reason: &'static str,
    pub(crate) message: String,
}

/// A reference in full: `docker.io/library/nginx` and `latest`.
fn in_full(reference: &ImageReference) -> (String, String) {
    let host = match reference.host.as_deref() {
        None | Some(PRIVATE) => "docker.io",
        Some(host) => host,
    };
    let path = if host == "docker.io" && !reference.path.contains('/') {
        format!("library/{}", reference.path)
    } else {
        reference.path.clone()
    };
    (
        format!("{host}/{path}"),
        reference.effective_tag().to_owned(),
    )
}

/// Whether a `.dockerconfigjson` opens the private registry.
fn opens(docker_config: &str) -> bool {
    let config: serde_json::Value = serde_json::from_str(docker_config).unwrap_or_default();
    config["auths"][PRIVATE]["password"] == PASSWORD
}

impl Registry {
    /// A registry of the images with these references.
    pub(crate) fn of(images: impl IntoIterator<Item = String>) -> Self {
        let mut registry = Self::default();
        for reference in images
            .into_iter()
            .filter_map(|image| ImageReference::parse(&image))
        {
            let (repository, tag) = in_full(&reference);
            registry
                .repositories
                .entry(repository)
                .or_default()
                .insert(tag);
        }
        registry
    }

    pub(crate) fn cut_off(&mut self) {
        self.is_cut_off = true;
    }

    pub(crate) fn reconnect(&mut self) {
        self.is_cut_off = false;
    }

    /// What the registry says of a reference to who has these credentials; nothing if it cannot be
    /// reached.
    pub(crate) fn ask(&self, reference: &str, credentials: &[String]) -> Option<ImageAnswer> {
        let Some(reference) = ImageReference::parse(reference) else {
            return (!self.is_cut_off).then_some(ImageAnswer::NoSuchRepository);
        };
        match reference.host.as_deref() {
            Some(CLOSED) => None,
            Some(PRIVATE) if !credentials.iter().any(|it| opens(it)) => {
                (!self.is_cut_off).then_some(ImageAnswer::NoSuchRepository)
            }
            Some(_) | None => self.look_up(&reference),
        }
    }

    fn look_up(&self, reference: &ImageReference) -> Option<ImageAnswer> {
        if self.is_cut_off {
            return None;
        }
        let (repository, tag) = in_full(reference);
        Some(match self.repositories.get(&repository) {
            None => ImageAnswer::NoSuchRepository,
            Some(tags) if tags.contains(&tag) => ImageAnswer::Exists,
            Some(tags) => ImageAnswer::NoSuchTag {
                tags: tags.iter().cloned().collect(),
            },
        })
    }

    /// The full name of an image, as a container's status shows it once it is pulled.
    pub(crate) fn full_name(image: &str) -> String {
        ImageReference::parse(image).map_or_else(
            || image.to_owned(),
            |reference| {
                if reference.host.as_deref() == Some(PRIVATE) {
                    return reference.to_string();
                }
                let (repository, tag) = in_full(&reference);
                format!("{repository}:{tag}")
            },
        )
    }

    /// Whether the kubelet can have the image, with the pod's credentials.
    pub(crate) fn pull(
        &self,
        image: &str,
        policy: &str,
        credentials: &[String],
    ) -> Result<(), PullError> {
        let Some(reference) = ImageReference::parse(image) else {
            let message = format!(
                "Failed to apply default image tag \"{image}\": couldn't parse image name \"{image}\": invalid reference format"
            );
            return Err(PullError {
                reason: "InvalidImageName",
                message,
            });
        };
        let name = Self::full_name(image);
        if policy != "Always" && self.pulled.contains(&name) {
            return Ok(());
        }
        if policy == "Never" {
            let message =
                format!("Container image \"{image}\" is not present with pull policy of Never");
            return Err(PullError {
                reason: "ErrImageNeverPull",
                message,
            });
        }
        let why = match reference.host.as_deref() {
            Some(CLOSED) => Some(format!(
                "failed to do request: Head \"http://127.0.0.1:9/v2/{}/manifests/{}?ns={CLOSED}\": dial tcp 127.0.0.1:9: connect: connection refused",
                reference.path,
                reference.effective_tag()
            )),
            Some(PRIVATE) if !credentials.iter().any(|it| opens(it)) => Some(format!(
                "pulling from host {PRIVATE} failed with status code [manifests {}]: 401 Unauthorized",
                reference.effective_tag()
            )),
            Some(_) | None => None,
        };
        if let Some(why) = why {
            let message = format!(
                "failed to pull and unpack image \"{name}\": failed to resolve reference \"{name}\": {why}"
            );
            return Err(PullError {
                reason: "ErrImagePull",
                message,
            });
        }
        match self.look_up(&reference) {
            Some(ImageAnswer::Exists) => Ok(()),
            Some(ImageAnswer::NoSuchTag { .. } | ImageAnswer::NoSuchRepository) => {
                let message = format!(
                    "rpc error: code = NotFound desc = failed to pull and unpack image \"{name}\": failed to resolve reference \"{name}\": {name}: not found"
                );
                Err(PullError {
                    reason: "ErrImagePull",
                    message,
                })
            }
            None => {
                let host = reference.host.as_deref().unwrap_or("registry-1.docker.io");
                let message = format!(
                    "rpc error: code = Unknown desc = failed to pull and unpack image \"{name}\": failed to resolve reference \"{name}\": failed to do request: Head \"https://{host}/v2/\": dial tcp: i/o timeout"
                );
                Err(PullError {
                    reason: "ErrImagePull",
                    message,
                })
            }
        }
    }

    /// The node has the image from here on.
    pub(crate) fn keep(&mut self, image: &str) {
        self.pulled.insert(Self::full_name(image));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn registry() -> Registry {
        Registry::of(["nginx:latest", "nginx:1.27", "quay.io/team/app:v1"].map(str::to_owned))
    }

    #[test]
    fn a_short_name_is_the_full_one_of_docker_hub() {
        for image in [
            "nginx",
            "nginx:latest",
            "docker.io/nginx",
            "docker.io/library/nginx:latest",
        ] {
            assert_eq!(
                registry().ask(image, &[]),
                Some(ImageAnswer::Exists),
                "{image}"
            );
        }
        assert_eq!(
            registry().ask("quay.io/nginx", &[]),
            Some(ImageAnswer::NoSuchRepository)
        );
    }

    #[test]
    fn a_missing_tag_is_told_from_a_missing_repository() {
        let tags = vec!["1.27".to_owned(), "latest".to_owned()];
        assert_eq!(
            registry().ask("nginx:latst", &[]),
            Some(ImageAnswer::NoSuchTag { tags })
        );
        assert_eq!(
            registry().ask("ngnix:latest", &[]),
            Some(ImageAnswer::NoSuchRepository)
        );
    }

    #[test]
    fn a_failed_pull_is_told_in_the_words_of_containerd() {
        let error = registry()
            .pull("nginx:9.99", "IfNotPresent", &[])
            .unwrap_err();
        assert_eq!(error.reason, "ErrImagePull");
        assert_eq!(
            error.message,
            "rpc error: code = NotFound desc = failed to pull and unpack image \"docker.io/library/nginx:9.99\": failed to resolve reference \"docker.io/library/nginx:9.99\": docker.io/library/nginx:9.99: not found"
        );
    }

    #[test]
    fn an_image_on_the_node_needs_no_registry_unless_it_is_always_pulled() {
        let mut registry = registry();
        registry.keep("nginx:1.27");
        registry.cut_off();
        assert_eq!(registry.ask("nginx:1.27", &[]), None);
        assert_eq!(registry.pull("nginx:1.27", "IfNotPresent", &[]), Ok(()));
        assert!(registry.pull("nginx:1.27", "Always", &[]).is_err());
        assert!(registry.pull("nginx:latest", "IfNotPresent", &[]).is_err());
    }
}
