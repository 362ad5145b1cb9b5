//! Names that go into a role: what is none does not come in.

use std::{fmt, str::FromStr};

/// Why something is no name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidName {
    /// It is no name of a namespace.
    #[error(
        "`{0}` is no namespace: write at most 63 lower-case letters, digits and hyphens, for instance shop"
    )]
    Namespace(String),
    /// It is no name of a service account.
    #[error("`{0}` is no service account: write NAMESPACE:NAME, for instance akeso-system:akeso")]
    ServiceAccount(String),
}

/// The name of a namespace: a DNS label (RFC 1123).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct NamespaceName(String);

impl NamespaceName {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for NamespaceName {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        if is_label(text) {
            Ok(Self(text.to_owned()))
        } else {
            Err(InvalidName::Namespace(text.to_owned()))
        }
    }
}

/// The service account that Akeso runs as.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceAccountName {
    namespace: NamespaceName,
    name: String,
}

impl ServiceAccountName {
    /// Its namespace.
    pub fn namespace(&self) -> &str {
        self.namespace.as_str()
    }

    /// Its name: a DNS subdomain (RFC 1123).
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl FromStr for ServiceAccountName {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        let invalid = || InvalidName::ServiceAccount(text.to_owned());
        let (namespace, name) = text.split_once(':').ok_or_else(invalid)?;
        let is_name = name.len() <= 253 && name.split('.').all(is_dns);
        let namespace = namespace.parse().map_err(|_| invalid())?;
        is_name
            .then(|| Self {
                namespace,
                name: name.to_owned(),
            })
            .ok_or_else(invalid)
    }
}

/// As [`FromStr`] takes it.
impl fmt::Display for ServiceAccountName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.namespace.as_str(), self.name)
    }
}

fn is_label(text: &str) -> bool {
    text.len() <= 63 && is_dns(text)
}

/// Lower-case letters, digits and hyphens, no hyphen first or last.
fn is_dns(text: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let bytes = text.as_bytes();
    bytes.first().is_some_and(|byte| is_plain(*byte))
        && bytes.last().is_some_and(|byte| is_plain(*byte))
        && bytes.iter().all(|byte| is_plain(*byte) || *byte == b'-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_namespace_is_a_label_and_nothing_else() {
        let longest = "a".repeat(63);
        for name in ["shop", "0-a", longest.as_str()] {
            assert_eq!(name.parse::<NamespaceName>().unwrap().as_str(), name);
        }
        let too_long = "a".repeat(64);
        for text in [
            "",
            "-a",
            "a-",
            "A",
            "a.b",
            "a b",
            "a\nkind: Secret",
            "a: b",
            "ä",
            "*",
            too_long.as_str(),
        ] {
            let error = text.parse::<NamespaceName>().unwrap_err();
            assert!(error.to_string().contains("for instance shop"), "{text}");
        }
    }

    #[test]
    fn a_service_account_is_a_namespace_and_a_name() {
        let account: ServiceAccountName = "ops:akeso.main".parse().unwrap();
        assert_eq!((account.namespace(), account.name()), ("ops", "akeso.main"));
        assert_eq!(account.to_string(), "ops:akeso.main");
        for text in [
            "akeso", ":akeso", "ops:", "ops:a b", "ops:a:b", "ops:a..b", "o.ps:a", "ops:a\n",
        ] {
            let error = text.parse::<ServiceAccountName>().unwrap_err();
            assert!(error.to_string().contains("NAMESPACE:NAME"), "{text}");
        }
    }
}
