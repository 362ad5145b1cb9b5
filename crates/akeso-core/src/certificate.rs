//! What a Secret for TLS amounts to: what its certificate says to everybody. The key is not looked
//! at, but for whether there is one.

use jiff::Timestamp;
use x509_cert::ext::pkix::{SubjectAltName, name::GeneralName};

/// The type of Secrets for TLS, and their keys
/// (<https://kubernetes.io/docs/concepts/configuration/secret/#tls-secrets>).
pub const CERTIFICATE: &str = "tls.crt";
/// The key of the private key.
pub const PRIVATE_KEY: &str = "tls.key";

/// What a Secret that an Ingress names for TLS amounts to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TlsSecret {
    /// There is none.
    Missing,
    /// It lacks one of the keys that it must have.
    Lacks {
        /// The key.
        key: String,
        /// The Secret's type.
        kind: String,
    },
    /// What should be its certificate is none.
    NoCertificate,
    /// Its certificate is of a form that is not understood here, and may be by others.
    Unreadable,
    /// A certificate.
    Holds(Certificate),
}

/// What a certificate says to everybody.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certificate {
    /// From when on it is valid.
    pub not_before: Timestamp,
    /// Until when.
    pub not_after: Timestamp,
    /// The DNS names that it is for: `shop.example.com`, `*.example.com`.
    pub names: Vec<String>,
}

impl TlsSecret {
    /// What a Secret amounts to that has this under [`CERTIFICATE`], and something or nothing under
    /// [`PRIVATE_KEY`].
    pub fn read(kind: &str, certificate: Option<&[u8]>, has_key: bool) -> Self {
        let lacks = |key: &str| Self::Lacks {
            key: key.to_owned(),
            kind: kind.to_owned(),
        };
        let Some(pem) = certificate.filter(|it| !it.is_empty()) else {
            return lacks(CERTIFICATE);
        };
        if !has_key {
            return lacks(PRIVATE_KEY);
        }
        if !String::from_utf8_lossy(pem).contains("-----BEGIN ") {
            return Self::NoCertificate;
        }
        Certificate::of(pem).map_or(Self::Unreadable, Self::Holds)
    }
}

impl Certificate {
    /// The first of a chain, which is the server's own. What comes after it is not looked at: keys
    /// and comments do no harm there.
    fn of(pem: &[u8]) -> Option<Self> {
        const END: &str = "-----END CERTIFICATE-----";
        let text = String::from_utf8_lossy(pem);
        let (first, _) = text.split_once(END)?;
        let first = format!("{first}{END}\n");
        let chain = x509_cert::Certificate::load_pem_chain(first.as_bytes()).ok()?;
        let certificate = chain.first()?.tbs_certificate();
        let validity = certificate.validity();
        let time = |time: x509_cert::time::Time| {
            let since_1970 = time.to_unix_duration().as_secs();
            Timestamp::from_second(i64::try_from(since_1970).ok()?).ok()
        };
        let alternatives = certificate.get_extension::<SubjectAltName>().ok()?;
        let names = alternatives.into_iter().flat_map(|(_, names)| names.0);
        Some(Self {
            not_before: time(validity.not_before)?,
            not_after: time(validity.not_after)?,
            names: names
                .filter_map(|name| match name {
                    GeneralName::DnsName(name) => Some(name.as_str().to_lowercase()),
                    _ => None,
                })
                .collect(),
        })
    }

    /// Whether it is for a host; a wildcard stands for one label
    /// (<https://www.rfc-editor.org/rfc/rfc6125#section-6.4.3>).
    pub fn covers(&self, host: &str) -> bool {
        let host = host.to_lowercase();
        let parent = host.split_once('.').map(|(_, parent)| parent);
        self.names.iter().any(|name| {
            let wildcard = name.strip_prefix("*.");
            *name == host || wildcard.is_some() && wildcard == parent
        })
    }
}
