//! Whom the command of a probe asks. A command that does not end in its time says nothing of why,
//! and by default it has one second: less than some clusters take to say that a name is not known.

use std::sync::LazyLock;

use regex::Regex;

use super::unreachable::{Failure, Unreachable};
use crate::{
    observe::{Sign, Symptom},
    similar::only,
};

static FORMS: LazyLock<Vec<Regex>> = LazyLock::new(|| {
    const HOST: &str = r"(?<host>[A-Za-z](?:[A-Za-z0-9.-]*[A-Za-z0-9])?)";
    const PORT: &str = r"(?<port>\d{1,5})";
    const BEFORE: &str = r"(?:^|[\s'\x22])";
    const BEHIND: &str = r"(?:$|[\s;'\x22])";
    let forms = [
        // http://cache:8080/ready
        format!(r"{BEFORE}[a-z][a-z+.]*://(?:[^\s/@]+@)?{HOST}(?::{PORT})?(?:$|[/?\s;'\x22])"),
        // nc -z -w 1 cache 6379
        format!(
            r"(?:^|[\s/'\x22])(?:nc|ncat|netcat|telnet)(?: -\S+(?: \d+)?)* {HOST} {PORT}{BEHIND}"
        ),
        // cache:6379
        format!(r"{BEFORE}{HOST}:{PORT}{BEHIND}"),
        // pg_isready -h db -p 5432
        format!(r"\s(?:-h|--host)[ =]{HOST}(?: (?:-p|--port)[ =]{PORT})?{BEHIND}"),
    ];
    let forms = forms.iter();
    forms.filter_map(|form| Regex::new(form).ok()).collect()
});

/// The one host that a probe asks by a command, where that did not end in its time.
pub(super) fn in_vain(command: &[String], symptom: &Symptom) -> Option<Unreachable> {
    let Sign::Probe { .. } = symptom.sign else {
        return None;
    };
    let said = symptom.message.to_ascii_lowercase();
    let is_late = ["timed out", "timeout", "deadline"]
        .iter()
        .any(|it| said.contains(it));
    is_late.then(|| asked(&command.join(" ")))?
}

fn asked(command: &str) -> Option<Unreachable> {
    let found = FORMS.iter().flat_map(|form| form.captures_iter(command));
    let mut all: Vec<_> = found
        .map(|found| {
            let port = found.name("port");
            Unreachable {
                host: found["host"].to_ascii_lowercase(),
                port: port.and_then(|port| port.as_str().parse().ok()),
                failure: Failure::TimedOut,
            }
        })
        .collect();
    all.dedup();
    only(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_tells_whom_it_asks() {
        for (command, host, port) in [
            ("nc -z -w 1 cache 6379", "cache", Some(6379)),
            ("/bin/nc -zv cache.shop 6379", "cache.shop", Some(6379)),
            ("sh -c 'nc -z cache 6379 && echo ok'", "cache", Some(6379)),
            ("wget -q -O- http://cart:8080/ready", "cart", Some(8080)),
            ("curl -f http://cart/ready", "cart", None),
            ("grpc_health_probe -addr cart:9090", "cart", Some(9090)),
            ("pg_isready -h db -p 5432", "db", Some(5432)),
            ("redis-cli -h cache ping", "cache", None),
        ] {
            let found = asked(command).map(|it| (it.host, it.port));
            assert_eq!(found, Some((host.to_owned(), port)), "{command}");
        }
    }

    #[test]
    fn what_is_not_one_host_is_none() {
        for command in [
            "cat /tmp/ready",
            "sleep 5",
            "sh -c 'nc -z $CACHE 6379'",
            "sh -c 'nc -z cache 6379 && nc -z db 5432'",
            "nc -z 127.0.0.1 6379",
            "test -f C:80/x",
        ] {
            assert_eq!(asked(command), None, "{command}");
        }
    }
}
