//! Init containers that wait for somebody who cannot answer. They run, so that Kubernetes has nothing
//! to say of them; whom they ask stands in their command.

use std::{collections::BTreeMap, sync::LazyLock};

use jiff::SignedDuration;
use k8s_openapi::api::core::v1::{Container, Pod};
use regex::{Captures, Regex};

use super::{Look, Sign, Symptom, TIME_TO_MEET};
use crate::{
    cluster::{Cluster, has_ready_pod, is_sidecar, ports_of, service_meant},
    similar::only,
    workload::{ContainerRef, ContainerRole},
};

/// Who is waited for may need so long to become ready.
const TIME_TO_START: SignedDuration = SignedDuration::from_mins(5);

pub(super) fn symptoms(look: &Look<'_>) -> Vec<Symptom> {
    let pods = look.workload.pods.iter();
    pods.filter_map(|pod| of_pod(look, pod)).collect()
}

fn of_pod(look: &Look<'_>, pod: &Pod) -> Option<Symptom> {
    let statuses = pod.status.as_ref()?.init_container_statuses.as_ref()?;
    // what is remembered of a pod's own spec has no commands
    let containers = look.workload.pod_spec()?.init_containers.as_ref()?;
    statuses.iter().find_map(|status| {
        let running = status.state.as_ref()?.running.as_ref()?;
        let mut containers = containers.iter();
        let container = containers.find(|it| it.name == status.name)?;
        if is_sidecar(container) {
            return None;
        }
        let asked = asked(&command(container)?)?;
        let namespace = &look.workload.reference.namespace;
        let patience = patience(look.workload.cluster(), namespace, &asked)?;
        look.has_lasted(running.started_at.as_ref()?.0, patience)
            .then(|| Symptom {
                sign: Sign::Awaits,
                pod: pod.metadata.name.clone(),
                container: Some(ContainerRef {
                    name: status.name.clone(),
                    role: ContainerRole::Init,
                }),
                status: "Running".to_owned(),
                reason: "Waiting".to_owned(),
                message: format!("waits for {}", asked.host),
            })
    })
}

/// How long it may take until somebody answers; nothing where that shows by the container's end.
fn patience(cluster: &Cluster, namespace: &str, asked: &Asked) -> Option<SignedDuration> {
    // of what lies outside, nothing is known
    let key = service_meant(cluster, namespace, &asked.host)?;
    let Some(service) = cluster.services.get(&key) else {
        return Some(TIME_TO_MEET);
    };
    let ports = ports_of(service);
    let has_port = |port: u16| ports.is_empty() || ports.contains(&i32::from(port));
    if !asked.port.is_none_or(has_port) {
        return Some(TIME_TO_MEET);
    }
    let selector = service.spec.as_ref().and_then(|it| it.selector.as_ref());
    let is_answered = selector.is_none_or(BTreeMap::is_empty) || has_ready_pod(cluster, service);
    (!is_answered).then_some(TIME_TO_START)
}

/// Whom a command asks.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Asked {
    pub(crate) host: String,
    pub(crate) port: Option<u16>,
}

/// What a container runs, with the values of its variables in their places.
pub(crate) fn command(container: &Container) -> Option<String> {
    static VARIABLE: LazyLock<Option<Regex>> =
        LazyLock::new(|| Regex::new(r"\$(?:\{(\w+)\}|\((\w+)\)|([A-Za-z_]\w*))").ok());
    let words = container.command.iter().chain(&container.args).flatten();
    let words: Vec<_> = words.map(String::as_str).collect();
    let value = |found: &Captures<'_>| {
        let name = found.iter().skip(1).flatten().next()?;
        let mut variables = container.env.iter().flatten();
        variables.find(|it| it.name == name.as_str())?.value.clone()
    };
    let expanded = VARIABLE
        .as_ref()?
        .replace_all(&words.join(" "), |found: &Captures<'_>| {
            value(found).unwrap_or_else(|| found[0].to_owned())
        })
        .into_owned();
    Some(expanded)
}

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
        // /dev/tcp/cache/6379
        format!(r"/dev/(?:tcp|udp)/{HOST}/{PORT}{BEHIND}"),
        // nslookup cache.$(cat /var/run/secrets/kubernetes.io/serviceaccount/namespace).svc
        format!(
            r"(?:^|[\s/'\x22])(?:nslookup|dig|host|getent (?:ahosts|hosts)) {HOST}(?:\.\$\([^)]*\)[\w.]*)?{BEHIND}"
        ),
        // pg_isready -h db -p 5432
        format!(r"\s(?:-h|--host)[ =]{HOST}(?: (?:-p|--port)[ =]{PORT})?{BEHIND}"),
    ];
    let forms = forms.iter();
    forms.filter_map(|form| Regex::new(form).ok()).collect()
});

/// The one host that a command asks.
pub(crate) fn asked(command: &str) -> Option<Asked> {
    let found = FORMS.iter().flat_map(|form| form.captures_iter(command));
    let mut all: Vec<Asked> = Vec::new();
    for found in found {
        let port = found.name("port");
        let asked = Asked {
            host: found["host"].to_ascii_lowercase(),
            port: port.and_then(|port| port.as_str().parse().ok()),
        };
        // the same may be named with its port and without
        match all.iter_mut().find(|it| it.host == asked.host) {
            Some(known) => known.port = known.port.or(asked.port),
            None => all.push(asked),
        }
    }
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
            (
                "sh -c until nc -z -w 2 mongo 27017; do echo waiting; sleep 2; done",
                "mongo",
                Some(27017),
            ),
            ("wget -q -O- http://cart:8080/ready", "cart", Some(8080)),
            ("curl -f http://cart/ready", "cart", None),
            ("grpc_health_probe -addr cart:9090", "cart", Some(9090)),
            ("pg_isready -h db -p 5432", "db", Some(5432)),
            ("redis-cli -h cache ping", "cache", None),
            (
                "bash -c until </dev/tcp/db/5432; do sleep 1; done",
                "db",
                Some(5432),
            ),
            ("/wait-for-it.sh db:5432 -t 0", "db", Some(5432)),
            ("sh -c until getent hosts db; do sleep 1; done", "db", None),
            (
                "sh -c until nslookup mydb.$(cat /var/run/secrets/kubernetes.io/serviceaccount/namespace).svc.cluster.local; do echo waiting for mydb; sleep 2; done",
                "mydb",
                None,
            ),
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

    #[test]
    fn variables_of_a_command_have_their_values() {
        let container: Container = serde_json::from_value(serde_json::json!({
            "name": "wait", "command": ["sh", "-c"], "args": ["nc -z ${DB_HOST} $DB_PORT; echo $? $OTHER $(DB_HOST)"],
            "env": [{"name": "DB_HOST", "value": "db"}, {"name": "DB_PORT", "value": "5432"}],
        }))
        .unwrap();
        assert_eq!(
            command(&container).unwrap(),
            "sh -c nc -z db 5432; echo $? $OTHER db"
        );
    }
}
