//! Which host a program says it cannot reach. A log is data: a host counts only where the same line
//! says that it cannot be reached, and only names of the shape of a host are taken.

use std::sync::LazyLock;

use regex::Regex;

/// How it cannot be reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Failure {
    /// Nobody listens there.
    Refused,
    /// Nobody answers.
    TimedOut,
    /// The name means nothing.
    NotKnown,
}

impl Failure {
    pub(super) const fn says(self) -> &'static str {
        match self {
            Self::Refused => "the connection is refused",
            Self::TimedOut => "there is no answer in time",
            Self::NotKnown => "its name is not known",
        }
    }
}

/// A host that cannot be reached.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Unreachable {
    pub(super) host: String,
    pub(super) port: Option<u16>,
    pub(super) failure: Failure,
}

impl Unreachable {
    pub(super) fn address(&self) -> String {
        match self.port {
            Some(port) => format!("{}:{port}", self.host),
            None => self.host.clone(),
        }
    }
}

/// A program that dies of it says so at its end; what was said far above may have been mended.
const NEAR_THE_END: usize = 20;

static REFUSED: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(r"(?i)connection refused|ECONNREFUSED|actively refused|couldn't connect to server")
        .ok()
});
static TIMED_OUT: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(r"(?i)i/o timeout|timed out|ETIMEDOUT|connect(?:ion)? timeout").ok()
});
static NOT_KNOWN: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(
        r"(?i)no such host|name or service not known|bad address|ENOTFOUND|EAI_AGAIN|could not resolve host|failure in name resolution|name does not resolve|could not translate host name|unknown MySQL server host|UnknownHostException",
    )
    .ok()
});
/// What shows that it was reached after all.
static REACHED: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(
        r"(?i)\bconnected to\b|\bconnection (?:is )?(?:established|restored)|\breconnected\b",
    )
    .ok()
});

/// The forms in which a host stands in such a line, the surer first.
static FORMS: LazyLock<Vec<Regex>> = LazyLock::new(|| {
    const HOST: &str = r"(?<host>[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?)";
    const PORT: &str = r"(?::(?<port>\d{1,5}))";
    let forms = [
        // Go; the address behind `on` is the DNS server's
        format!(r"\blookup {HOST}(?: on \S+)?:"),
        format!(r"\bdial (?:tcp|udp)[46]? {HOST}{PORT}"),
        // busybox, and Node.js
        format!(r"(?i:bad address) '?{HOST}{PORT}?'?(?:$|\s)"),
        format!(r"\b(?:ECONNREFUSED|ETIMEDOUT|ENOTFOUND|EAI_AGAIN) {HOST}{PORT}?(?:$|[\s,'\)])"),
        format!(r"\bnc: {HOST} \([^)]*:(?<port>\d{{1,5}})\)"),
        // netcat of OpenBSD
        format!(r#"\bgetaddrinfo for host "{HOST}" port (?<port>\d{{1,5}})"#),
        // PostgreSQL and MySQL
        format!(r#"(?i:could not translate host name) "{HOST}""#),
        format!(r#"connection to server at "{HOST}"[^,]*, port (?<port>\d{{1,5}})"#),
        format!(r"(?i:unknown MySQL server host) '{HOST}'"),
        // Java
        format!(r"\bUnknownHostException: {HOST}(?:$|[\s:,)])"),
        // curl, Python
        format!(r"(?i:failed to connect to) {HOST} port (?<port>\d{{1,5}})"),
        format!(r"(?i:could not resolve host): {HOST}(?:$|\s)"),
        format!(r"host='{HOST}', port=(?<port>\d{{1,5}})"),
        // many others: `… to db:5432: Connection refused`, `db:5432 - Connection refused`
        format!(
            r"(?i)\b(?:to|at|reach|connecting|host|server|address)(?: [a-z]+)?(?: |: ?|= ?)['\x22\[(]?(?:[a-z+]+://)?(?:[^\s/@]+@)?{HOST}{PORT}\b"
        ),
        format!(
            r"(?i)(?:^|[\s'\x22(/@]){HOST}{PORT}\W+(?:connection )?(?:refused|timed out|name or service)"
        ),
        format!(
            r"(?:^|\s){HOST}: (?i:name or service not known|name does not resolve|no such host)"
        ),
    ];
    forms
        .iter()
        .filter_map(|form| Regex::new(form).ok())
        .collect()
});

/// The last host that a log says cannot be reached, unless the lines behind it tell that it was.
pub(super) fn last_in(log: &str) -> Option<Unreachable> {
    let lines: Vec<_> = log
        .lines()
        .rev()
        .filter(|line| !line.trim().is_empty())
        .take(NEAR_THE_END)
        .collect();
    for line in lines {
        if let Some(found) = in_line(line) {
            return Some(found);
        }
        if matches(&REACHED, line) {
            return None;
        }
    }
    None
}

fn matches(pattern: &LazyLock<Option<Regex>>, line: &str) -> bool {
    pattern
        .as_ref()
        .is_some_and(|pattern| pattern.is_match(line))
}

fn in_line(line: &str) -> Option<Unreachable> {
    let failure = if matches(&NOT_KNOWN, line) {
        Failure::NotKnown
    } else if matches(&REFUSED, line) {
        Failure::Refused
    } else if matches(&TIMED_OUT, line) {
        Failure::TimedOut
    } else {
        return None;
    };
    FORMS.iter().find_map(|form| {
        let found = form.captures(line)?;
        let host = found.name("host")?.as_str().to_ascii_lowercase();
        // a word is no number, and neither is a line of a file
        let is_host = host.len() <= 253
            && (host.contains(|c: char| c.is_ascii_alphabetic())
                || host.parse::<std::net::IpAddr>().is_ok());
        let port = found
            .name("port")
            .and_then(|port| port.as_str().parse().ok());
        is_host.then_some(Unreachable {
            host,
            port,
            failure,
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_host_is_found_in_the_words_of_many_programs() {
        use Failure::{NotKnown, Refused, TimedOut};
        for (line, host, port, failure) in [
            (
                "dial tcp 10.96.3.4:5432: connect: connection refused",
                "10.96.3.4",
                Some(5432),
                Refused,
            ),
            (
                "dial tcp: lookup db on 10.96.0.10:53: no such host",
                "db",
                None,
                NotKnown,
            ),
            (
                "dial tcp 10.1.2.3:5432: i/o timeout",
                "10.1.2.3",
                Some(5432),
                TimedOut,
            ),
            ("wget: bad address 'db:8080'", "db", Some(8080), NotKnown),
            ("nc: bad address 'db'", "db", None, NotKnown),
            (
                "nc: getaddrinfo for host \"db\" port 5432: Temporary failure in name resolution",
                "db",
                Some(5432),
                NotKnown,
            ),
            (
                "nc: db (10.96.3.4:5432): Connection refused",
                "db",
                Some(5432),
                Refused,
            ),
            (
                "Error: getaddrinfo ENOTFOUND db.shop.svc.cluster.local",
                "db.shop.svc.cluster.local",
                None,
                NotKnown,
            ),
            (
                "Error: connect ECONNREFUSED 10.96.3.4:6379",
                "10.96.3.4",
                Some(6379),
                Refused,
            ),
            (
                "could not translate host name \"db\" to address: Name or service not known",
                "db",
                None,
                NotKnown,
            ),
            (
                "connection to server at \"db\" (10.96.3.4), port 5432 failed: Connection refused",
                "db",
                Some(5432),
                Refused,
            ),
            (
                "Could not connect to Redis at redis:6379: Connection refused",
                "redis",
                Some(6379),
                Refused,
            ),
            (
                "Error 111 connecting to redis:6379. Connection refused.",
                "redis",
                Some(6379),
                Refused,
            ),
            (
                "Caused by: java.net.UnknownHostException: orders-db: Name or service not known",
                "orders-db",
                None,
                NotKnown,
            ),
            (
                "com.zaxxer.hikari.pool.HikariPool$PoolInitializationException: java.net.UnknownHostException: orders-db",
                "orders-db",
                None,
                NotKnown,
            ),
            ("curl: (6) Could not resolve host: db", "db", None, NotKnown),
            (
                "curl: (7) Failed to connect to db port 80 after 9 ms: Couldn't connect to server",
                "db",
                Some(80),
                Refused,
            ),
            (
                "HTTPConnectionPool(host='api', port=80): Max retries exceeded: Connection refused",
                "api",
                Some(80),
                Refused,
            ),
            (
                "cannot connect to postgres://me:it@db:5432/shop: connection refused",
                "db",
                Some(5432),
                Refused,
            ),
        ] {
            let found = Unreachable {
                host: host.into(),
                port,
                failure,
            };
            assert_eq!(last_in(line), Some(found), "{line}");
        }
    }

    #[test]
    fn a_host_that_is_merely_mentioned_is_not_unreachable() {
        for log in [
            "connecting to db:5432",
            "listening on 0.0.0.0:8080",
            "connection refused",
            "using db:5432 as the database\npanic: index out of range",
            "dial tcp 10.96.3.4:5432: connect: connection refused\nconnected to db\npanic: index out of range",
            "the request timed out at 12:30:10",
        ] {
            assert_eq!(last_in(log), None, "{log}");
        }
    }
}
