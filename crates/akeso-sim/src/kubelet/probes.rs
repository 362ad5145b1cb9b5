//! Probes, of a container that says what it answers: the kubelet's words, and what comes of them.

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::{
    api::core::v1::{Container, Probe},
    apimachinery::pkg::util::intstr::IntOrString,
};

use crate::{behaviour::Answers, world::later};

/// The probes of one life of a container.
#[derive(Debug, Clone)]
pub(super) struct Probes {
    answers: Answers,
    since: Timestamp,
    ip: String,
    pod: String,
    startup: Option<Prober>,
    readiness: Option<Prober>,
    liveness: Option<Prober>,
}

#[derive(Debug, Clone)]
struct Prober {
    name: &'static str,
    probe: Probe,
    /// When it asks next; never, once nothing can change any more.
    next: Option<Timestamp>,
    failures: i32,
    passed: bool,
}

/// What a probe got.
enum Reply {
    Pass,
    Fail(String),
    /// It could not ask: that is no failure, and no success either.
    Error(String),
}

/// What came of the probes that were due.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    /// The kubelet's words, as Warnings `Unhealthy`.
    pub(super) unhealthy: Vec<String>,
    /// Whether the container is to be killed and started anew.
    pub(super) kills: bool,
}

impl Prober {
    fn new(name: &'static str, probe: Option<&Probe>, since: Timestamp) -> Option<Self> {
        let probe = probe?.clone();
        let delay = probe.initial_delay_seconds.unwrap_or(0);
        Some(Self {
            name,
            next: Some(later(since, SignedDuration::from_secs(delay.max(1).into()))),
            probe,
            failures: 0,
            passed: false,
        })
    }

    /// Asks; whether it has failed as often as it may.
    fn ask(&mut self, reply: Reply, settled: bool, at: Timestamp, said: &mut Vec<String>) -> bool {
        let name = self.name;
        let period = self.probe.period_seconds.unwrap_or(10).max(1);
        self.next = Some(later(at, SignedDuration::from_secs(period.into())));
        match reply {
            Reply::Pass => {
                self.failures = 0;
                self.passed = true;
                self.next = self.next.filter(|_| !settled);
            }
            Reply::Fail(why) => {
                self.failures += 1;
                said.push(format!("{name} probe failed: {why}"));
            }
            Reply::Error(why) => said.push(format!(
                "{name} probe errored and resulted in unknown state: {why}"
            )),
        }
        let most = self.probe.failure_threshold.unwrap_or(3).max(1);
        if self.failures >= most {
            self.passed = false;
        }
        self.failures >= most
    }
}

impl Probes {
    /// Nothing where the container does not say what it answers, or is not asked.
    pub(super) fn new(
        container: &Container,
        answers: Option<&Answers>,
        (ip, pod): (&str, &str),
        since: Timestamp,
    ) -> Option<Self> {
        let answers = answers?.clone();
        let probes = Self {
            answers,
            since,
            ip: ip.to_owned(),
            pod: pod.to_owned(),
            startup: Prober::new("Startup", container.startup_probe.as_ref(), since),
            readiness: Prober::new("Readiness", container.readiness_probe.as_ref(), since),
            liveness: Prober::new("Liveness", container.liveness_probe.as_ref(), since),
        };
        let all = [&probes.startup, &probes.readiness, &probes.liveness];
        all.iter().any(|it| it.is_some()).then_some(probes)
    }

    /// Whether its startup probe, if it has one, has passed.
    pub(super) fn has_started(&self) -> bool {
        self.startup.as_ref().is_none_or(|prober| prober.passed)
    }

    /// Whether it gets traffic.
    pub(super) fn is_ready(&self) -> bool {
        self.has_started() && self.readiness.as_ref().is_none_or(|prober| prober.passed)
    }

    /// When one asks next.
    pub(super) fn next_at(&self) -> Option<Timestamp> {
        if !self.has_started() {
            return self.startup.as_ref()?.next; // the others wait for it
        }
        let others = [&self.readiness, &self.liveness].into_iter().flatten();
        others.filter_map(|prober| prober.next).min()
    }

    /// Asks what is due.
    pub(super) fn step(&mut self, container: &Container, at: Timestamp) -> Outcome {
        let mut outcome = Outcome::default();
        let (answers, since, ip, pod) = (&self.answers, self.since, &self.ip, &self.pod);
        let settled = at >= later(since, answers.settled_after());
        let reply = |probe: &Probe| reply(probe, container, answers, ip, pod, since, at);
        let is_due = |prober: &Prober| prober.next.is_some_and(|next| next <= at);
        if let Some(prober) = self.startup.as_mut().filter(|prober| !prober.passed) {
            if is_due(prober) {
                let reply = reply(&prober.probe);
                outcome.kills |= prober.ask(reply, settled, at, &mut outcome.unhealthy);
            }
            if !prober.passed {
                return outcome;
            }
            // it does not ask again, and the others begin
            for other in [&mut self.readiness, &mut self.liveness]
                .into_iter()
                .flatten()
            {
                other.next = other.next.map(|next| next.max(at));
            }
        }
        if let Some(prober) = self.readiness.as_mut().filter(|prober| is_due(prober)) {
            let reply = reply(&prober.probe);
            prober.ask(reply, settled, at, &mut outcome.unhealthy);
        }
        if let Some(prober) = self.liveness.as_mut().filter(|prober| is_due(prober)) {
            let reply = reply(&prober.probe);
            outcome.kills |= prober.ask(reply, settled, at, &mut outcome.unhealthy);
        }
        outcome
    }
}

fn reply(
    probe: &Probe,
    container: &Container,
    answers: &Answers,
    ip: &str,
    pod: &str,
    since: Timestamp,
    at: Timestamp,
) -> Reply {
    let age = at.duration_since(since);
    let is_up = age >= answers.after;
    let is_well = !answers.is_unwell(pod, age);
    let listens = |port: i32| is_up && answers.port == Some(port);
    let refused = |port| format!("dial tcp {ip}:{port}: connect: connection refused");
    if let Some(get) = &probe.http_get {
        let port = match port(&get.port, container) {
            Ok(port) => port,
            Err(why) => return Reply::Error(why),
        };
        let scheme = get.scheme.as_deref().unwrap_or("HTTP");
        let path = get.path.as_deref().unwrap_or("/");
        let url = format!("{}://{ip}:{port}{path}", scheme.to_lowercase());
        let says = |why: String| Reply::Fail(format!("Get \"{url}\": {why}"));
        let status = |code| Reply::Fail(format!("HTTP probe failed with statuscode: {code}"));
        return if !listens(port) {
            says(refused(port))
        } else if scheme == "HTTPS" {
            says("http: server gave HTTP response to HTTPS client".to_owned())
        } else if !is_well {
            status(503)
        } else if !answers.paths.is_empty() && !answers.paths.iter().any(|known| known == path) {
            status(404)
        } else {
            Reply::Pass
        };
    }
    if let Some(socket) = &probe.tcp_socket {
        return match port(&socket.port, container) {
            Ok(port) if listens(port) => Reply::Pass,
            Ok(port) => Reply::Fail(refused(port)),
            Err(why) => Reply::Error(why),
        };
    }
    let command = probe.exec.as_ref().and_then(|exec| exec.command.as_ref());
    let program = command.and_then(|command| command.first());
    let program = program.map(String::as_str).unwrap_or_default();
    if answers.lacks.iter().any(|lacking| lacking == program) {
        return Reply::Error(format!(
            "rpc error: code = Unknown desc = failed to exec in container: failed to start exec \"5f1c\": OCI runtime exec failed: exec failed: unable to start container process: exec: \"{program}\": executable file not found in $PATH: unknown"
        ));
    }
    if is_up && is_well {
        Reply::Pass
    } else {
        Reply::Fail(answers.says.clone())
    }
}

/// The port that is asked, or the kubelet's words for a name that means none.
fn port(port: &IntOrString, container: &Container) -> Result<i32, String> {
    let name = match port {
        IntOrString::Int(port) => return Ok(*port),
        IntOrString::String(name) => name,
    };
    let mut ports = container.ports.iter().flatten();
    let declared = ports.find(|port| port.name.as_deref() == Some(name));
    declared
        .map(|port| port.container_port)
        .or_else(|| name.parse().ok())
        .ok_or_else(|| format!("strconv.Atoi: parsing \"{name}\": invalid syntax"))
}
