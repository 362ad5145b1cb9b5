//! Addresses of Services in the literal values of environment variables. What merely is spelt
//! alike is none: a name counts where it stands as a host, a port where it stands behind its host.

use k8s_openapi::api::core::v1::EnvVar;

/// A Service, or one of its ports, as programs are told of it.
#[derive(Debug, Clone, Copy)]
pub(super) enum Address<'a> {
    Host(&'a str),
    Port { host: &'a str, port: &'a str },
}

/// What stands in front of a host; a path (`/var/db`) is none.
const BEFORE: &[char] = &['@', '=', ',', ';', ' ', '(', '[', '\'', '"', '|'];
/// What stands behind one.
const BEHIND: &[char] = &[':', '/', '?', ',', ';', ' ', ')', ']', '\'', '"', '|', '&'];
/// The words by which the name of a variable tells that its value is a host.
const HOST_WORDS: [&str; 9] = [
    "HOST", "HOSTNAME", "SERVER", "SERVERS", "ADDR", "ADDRESS", "ENDPOINT", "URL", "URI",
];

impl<'a> Address<'a> {
    const fn name(self) -> &'a str {
        match self {
            Self::Host(name) | Self::Port { port: name, .. } => name,
        }
    }

    /// The variables whose values have this address: index, and the value with `to` in its place.
    /// A value that is the name and no more is an address only if its variable says so by its name,
    /// or if no other says so and none has that value.
    pub(super) fn replaced(
        self,
        env: &[EnvVar],
        namespace: &str,
        to: &str,
    ) -> Vec<(usize, String)> {
        let found = env.iter().enumerate().filter_map(|(index, variable)| {
            let value = variable.value.as_deref()?;
            let is_bare = value == self.name();
            let new = if is_bare {
                to.to_owned()
            } else {
                self.replaced_in(value, namespace, to)?
            };
            Some((index, new, !is_bare || self.is_meant_by(&variable.name)))
        });
        let found: Vec<_> = found.collect();
        let is_told_elsewhere = env.iter().any(|variable| self.is_meant_by(&variable.name));
        let is_told = |is_sure: bool| match self {
            Self::Host(_) => is_sure || (found.len() == 1 && !is_told_elsewhere),
            // a number by itself may be anything, and must go with the host
            Self::Port { host, .. } => is_sure && Self::Host(host).is_in(env, namespace),
        };
        let sure = found.iter().filter(|(_, _, is_sure)| is_told(*is_sure));
        sure.map(|(index, new, _)| (*index, new.clone())).collect()
    }

    fn is_in(self, env: &[EnvVar], namespace: &str) -> bool {
        let mut values = env.iter().filter_map(|variable| variable.value.as_deref());
        values.any(|value| {
            value == self.name() || self.replaced_in(value, namespace, self.name()).is_some()
        })
    }

    fn is_meant_by(self, variable: &str) -> bool {
        let upper = variable.to_uppercase();
        let mut words = upper.split(|c: char| !c.is_ascii_alphanumeric());
        match self {
            Self::Host(_) => words.any(|word| HOST_WORDS.contains(&word)),
            Self::Port { .. } => words.next_back() == Some("PORT"),
        }
    }

    /// A value that holds the address among other words; nothing if it does not.
    fn replaced_in(self, value: &str, namespace: &str, to: &str) -> Option<String> {
        let host = match self {
            Self::Host(host) | Self::Port { host, .. } => host,
        };
        let mut new = String::new();
        let mut copied = 0;
        for (at, _) in value.match_indices(host) {
            let before = &value[..at];
            let begins = before.is_empty() || before.ends_with(BEFORE) || before.ends_with("//");
            let behind = &value[at + host.len()..];
            let suffix = of_namespace(behind, namespace);
            let behind = &behind[suffix.len()..];
            if !begins || !(behind.is_empty() || behind.starts_with(BEHIND)) {
                continue;
            }
            let (from, end) = match self {
                Self::Host(_) => (at, at + host.len()),
                Self::Port { port, .. } => {
                    let digits = behind
                        .strip_prefix(':')
                        .and_then(|it| it.strip_prefix(port));
                    if digits.is_none_or(|rest| rest.starts_with(|c: char| c.is_ascii_digit())) {
                        continue;
                    }
                    let from = at + host.len() + suffix.len() + 1;
                    (from, from + port.len())
                }
            };
            new.push_str(&value[copied..from]);
            new.push_str(to);
            copied = end;
        }
        (copied > 0).then(|| new + &value[copied..])
    }
}

/// The rest of a Service's name in the cluster's DNS, if that follows
/// (<https://kubernetes.io/docs/concepts/services-networking/dns-pod-service/#services>).
fn of_namespace<'v>(behind: &'v str, namespace: &str) -> &'v str {
    let forms = [
        format!(".{namespace}.svc.cluster.local"),
        format!(".{namespace}.svc"),
        format!(".{namespace}"),
    ];
    let form = forms.iter().find(|form| behind.starts_with(form.as_str()));
    form.map_or("", |form| &behind[..form.len()])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn env(pairs: &[(&str, &str)]) -> Vec<EnvVar> {
        let pairs = pairs.iter().map(|(name, value)| EnvVar {
            name: (*name).to_owned(),
            value: Some((*value).to_owned()),
            ..EnvVar::default()
        });
        pairs.collect()
    }

    fn host(pairs: &[(&str, &str)]) -> Vec<(usize, String)> {
        Address::Host("databse").replaced(&env(pairs), "shop", "database")
    }

    #[test]
    fn a_host_is_replaced_wherever_it_is_one() {
        for (value, new) in [
            ("databse", "database"),
            ("databse:5432", "database:5432"),
            ("databse.shop", "database.shop"),
            (
                "databse.shop.svc.cluster.local:1",
                "database.shop.svc.cluster.local:1",
            ),
            (
                "postgres://me:pw@databse:5432/databse",
                "postgres://me:pw@database:5432/databse",
            ),
            ("http://databse/", "http://database/"),
            (
                "redis://databse:1,redis://databse:2",
                "redis://database:1,redis://database:2",
            ),
            ("host=databse port=5432", "host=database port=5432"),
        ] {
            assert_eq!(host(&[("X", value)]), [(0, new.to_owned())], "{value}");
        }
        for value in [
            "/var/databse",
            "databse-2",
            "my-databse",
            "databse.other.svc",
            "databse.example.com",
            "jdbc:databse",
            "database",
        ] {
            assert_eq!(host(&[("X", value)]), [], "{value}");
        }
    }

    #[test]
    fn of_values_that_are_the_name_only_those_of_hosts_are_addresses() {
        let both = [("DB_HOST", "databse"), ("DB_NAME", "databse")];
        assert_eq!(host(&both), [(0, "database".to_owned())]);
        assert_eq!(host(&both[1..]), [(0, "database".to_owned())]);
        assert_eq!(host(&[("A", "databse"), ("B", "databse")]), []);
        // as it is when the address has been corrected
        assert_eq!(host(&[("DB_HOST", "database"), ("DB_NAME", "databse")]), []);
    }

    #[test]
    fn a_port_is_replaced_only_together_with_its_host() {
        let port = |pairs: &[(&str, &str)]| {
            let address = Address::Port {
                host: "db",
                port: "5433",
            };
            address.replaced(&env(pairs), "shop", "5432")
        };
        let new = |index: usize, value: &str| vec![(index, value.to_owned())];
        assert_eq!(port(&[("DB", "pg://db:5433/x")]), new(0, "pg://db:5432/x"));
        assert_eq!(
            port(&[("DB", "db.shop.svc:5433")]),
            new(0, "db.shop.svc:5432")
        );
        assert_eq!(
            port(&[("DB_HOST", "db"), ("DB_PORT", "5433")]),
            new(1, "5432")
        );
        assert_eq!(port(&[("DB_HOST", "db"), ("LIMIT", "5433")]), []);
        assert_eq!(port(&[("DB_PORT", "5433")]), []);
        assert_eq!(port(&[("DB", "db:54330")]), []);
        assert_eq!(port(&[("DB", "cache:5433"), ("OTHER", "db:1")]), []);
    }
}
