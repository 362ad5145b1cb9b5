//! Image references: `[HOST/]PATH[:TAG][@DIGEST]`
//! (<https://github.com/distribution/reference/blob/main/reference.go>).

use std::fmt;

/// An image reference in its parts, as it was written.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ImageReference {
    /// `registry.example.org:5000`, where the reference names one.
    pub host: Option<String>,
    /// `library/nginx`, `nginx`, `team/app`.
    pub path: String,
    /// The tag; without one `latest` is meant.
    pub tag: Option<String>,
    /// The digest, which pins the content whatever the tag says.
    pub digest: Option<String>,
}

impl ImageReference {
    /// Reads a reference; nothing if it is malformed.
    pub fn parse(text: &str) -> Option<Self> {
        let (name, digest) = match text.split_once('@') {
            Some((name, digest)) => (name, Some(digest.to_owned())),
            None => (text, None),
        };
        let (name, tag) = match name.rsplit_once(':') {
            Some((name, tag)) if !tag.contains('/') => (name, Some(tag.to_owned())),
            _ => (name, None),
        };
        let (host, path) = match name.split_once('/') {
            Some((host, path)) if host.contains(['.', ':']) || host == "localhost" => {
                (Some(host.to_owned()), path)
            }
            _ => (None, name),
        };
        let path_char =
            |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "/._-".contains(c);
        let tag_char = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
        let well_formed = !path.is_empty()
            && path.chars().all(path_char)
            && path
                .split('/')
                .all(|part| part.starts_with(|c: char| c.is_ascii_alphanumeric()))
            && tag
                .as_ref()
                .is_none_or(|tag| !tag.is_empty() && tag.len() <= 128 && tag.chars().all(tag_char));
        well_formed.then(|| Self {
            host,
            path: path.to_owned(),
            tag,
            digest,
        })
    }

    /// The tag that is pulled.
    pub fn effective_tag(&self) -> &str {
        self.tag.as_deref().unwrap_or("latest")
    }

    /// The last part of the path: `nginx` of `library/nginx`.
    pub fn name(&self) -> &str {
        self.path.rsplit('/').next().unwrap_or(&self.path)
    }

    /// The same reference with another last part of the path.
    #[must_use]
    pub fn with_name(&self, name: &str) -> Self {
        let path = match self.path.rsplit_once('/') {
            Some((before, _)) => format!("{before}/{name}"),
            None => name.to_owned(),
        };
        Self {
            path,
            ..self.clone()
        }
    }

    /// The same reference with another tag.
    #[must_use]
    pub fn with_tag(&self, tag: &str) -> Self {
        Self {
            tag: Some(tag.to_owned()),
            ..self.clone()
        }
    }

    /// Whether it means one of Docker Hub's official images.
    pub fn is_official(&self) -> bool {
        let hub = self
            .host
            .as_deref()
            .is_none_or(|host| matches!(host, "docker.io" | "index.docker.io"));
        hub && !self.path.trim_start_matches("library/").contains('/')
    }
}

impl fmt::Display for ImageReference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(host) = &self.host {
            write!(f, "{host}/")?;
        }
        f.write_str(&self.path)?;
        if let Some(tag) = &self.tag {
            write!(f, ":{tag}")?;
        }
        if let Some(digest) = &self.digest {
            write!(f, "@{digest}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_are_read_as_the_container_runtime_reads_them() {
        let parts = |text| {
            let image = ImageReference::parse(text).unwrap();
            assert_eq!(image.to_string(), text);
            (image.host, image.path, image.tag)
        };
        assert_eq!(parts("nginx"), (None, "nginx".into(), None));
        assert_eq!(
            parts("team/app:1.2"),
            (None, "team/app".into(), Some("1.2".into()))
        );
        assert_eq!(
            parts("localhost:5000/app"),
            (Some("localhost:5000".into()), "app".into(), None)
        );
        assert_eq!(
            parts("ghcr.io/a/b:v1@sha256:00"),
            (Some("ghcr.io".into()), "a/b".into(), Some("v1".into()))
        );
    }

    #[test]
    fn malformed_references_are_refused() {
        for text in [
            "",
            "Nginx",
            "nginx:",
            "nginx::latest",
            "a b",
            "/nginx",
            "nginx:la test",
        ] {
            assert_eq!(ImageReference::parse(text), None, "{text}");
        }
    }
}
