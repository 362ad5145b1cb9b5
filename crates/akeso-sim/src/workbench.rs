//! A cluster for tests, and what can be seen of it.

use akeso_core::{
    cluster::{Kind, Object},
    engine::Event,
    journal::Outcome,
    workload::{AttemptId, WorkloadRef},
};
use jiff::SignedDuration;
use k8s_openapi::api::core::v1::{ContainerStatus, Pod};
use serde_json::Value;

use crate::SimCluster;

pub(crate) const NAMESPACE: &str = "shop";

/// A cluster with some images, and everything that it has told so far.
pub(crate) struct Workbench {
    pub(crate) cluster: SimCluster,
    /// Every version of every pod, with the milliseconds at which it was told.
    pub(crate) pods: Vec<(i64, Pod)>,
    /// Every outcome and answer.
    pub(crate) replies: Vec<Event>,
    start: jiff::Timestamp,
}

impl Workbench {
    pub(crate) fn new() -> Self {
        let images = [
            "nginx:latest",
            "nginx:1.27",
            "busybox:latest",
            "busybox:1.36",
            "python:3.9-slim",
        ];
        let cluster = SimCluster::new(images.map(str::to_owned));
        Self {
            start: cluster.now(),
            cluster,
            pods: Vec::new(),
            replies: Vec::new(),
        }
    }

    pub(crate) fn with(manifest: &str) -> Self {
        let mut bench = Self::new();
        bench.apply(manifest);
        bench
    }

    pub(crate) fn apply(&mut self, manifest: &str) {
        self.cluster.apply_yaml(NAMESPACE, manifest).unwrap();
    }

    /// Lets so many seconds pass.
    pub(crate) fn pass(&mut self, seconds: i64) {
        let end = self.cluster.after(SignedDuration::from_secs(seconds));
        loop {
            self.listen();
            match self.cluster.next_at().filter(|at| *at <= end) {
                Some(at) => self.cluster.advance_to(at),
                None => break,
            }
        }
        self.cluster.advance_to(end);
        self.listen();
    }

    fn listen(&mut self) {
        let at = i64::try_from(self.cluster.now().duration_since(self.start).as_millis()).unwrap();
        for event in self.cluster.poll() {
            match event {
                Event::Upserted(Object::Pod(pod)) => self.pods.push((at, *pod)),
                Event::Answered(..) | Event::Outcome(..) => self.replies.push(event),
                _ => {}
            }
        }
    }

    pub(crate) fn object(&self, kind: &str, name: &str) -> Value {
        self.cluster
            .object(kind, NAMESPACE, name)
            .unwrap_or_default()
    }

    /// A field of an object, null if it is not there.
    pub(crate) fn field(&self, kind: &str, name: &str, pointer: &str) -> Value {
        self.object(kind, name)
            .pointer(pointer)
            .cloned()
            .unwrap_or_default()
    }

    /// Everything of a kind that the engine would be told of, by name.
    pub(crate) fn all(&self, kind: Kind) -> Vec<Value> {
        self.cluster.list(kind).iter().map(json_of).collect()
    }

    /// How a condition of an object stands: `True MinimumReplicasAvailable`.
    pub(crate) fn condition(&self, kind: &str, name: &str, type_: &str) -> String {
        let conditions = self.field(kind, name, "/status/conditions");
        let found = conditions
            .as_array()
            .into_iter()
            .flatten()
            .find(|c| c["type"] == type_);
        found.map_or_else(String::new, |c| {
            format!(
                "{} {}",
                c["status"].as_str().unwrap(),
                c["reason"].as_str().unwrap_or_default()
            )
        })
    }

    /// How a container was shown over time: tenths of seconds, and `terminated Error r=1`.
    pub(crate) fn history(&self, container: &str) -> Vec<(i64, String)> {
        let mut history: Vec<(i64, String)> = Vec::new();
        for (at, pod) in &self.pods {
            let Some(status) = &pod.status else { continue };
            let all = status
                .init_container_statuses
                .iter()
                .chain(&status.container_statuses)
                .flatten();
            let Some(shown) = all.into_iter().find(|s| s.name == container).map(shown) else {
                continue;
            };
            if history.last().is_none_or(|(_, last)| *last != shown) {
                history.push((at / 100, shown));
            }
        }
        history
    }

    /// The messages with which a container waited, each once in a row.
    pub(crate) fn waited(&self, reason: &str) -> Vec<String> {
        let statuses = self.pods.iter().filter_map(|(_, pod)| pod.status.as_ref());
        let statuses = statuses.flat_map(|s| s.container_statuses.iter().flatten());
        let waiting = statuses.filter_map(|s| s.state.as_ref()?.waiting.as_ref());
        let mut messages: Vec<_> = waiting
            .filter(|w| w.reason.as_deref() == Some(reason))
            .filter_map(|w| w.message.clone())
            .collect();
        messages.dedup();
        messages
    }

    /// Sends a patch, given as JSON, and waits for its outcome.
    pub(crate) fn patch(&mut self, workload: WorkloadRef, operations: Value) -> Outcome {
        let operations = serde_json::from_value(operations).unwrap();
        self.change(
            workload,
            akeso_core::engine::ChangeRequest::Patch(operations),
        )
    }

    pub(crate) fn change(
        &mut self,
        workload: WorkloadRef,
        request: akeso_core::engine::ChangeRequest,
    ) -> Outcome {
        self.cluster.execute(&akeso_core::engine::Effect::Apply {
            attempt: AttemptId(1),
            workload,
            request,
        });
        let end = self.cluster.after(SignedDuration::from_millis(20));
        self.cluster.advance_to(end);
        self.listen();
        match self.replies.pop() {
            Some(Event::Outcome(_, outcome)) => outcome,
            other => panic!("no outcome but {other:?}"),
        }
    }
}

fn shown(status: &ContainerStatus) -> String {
    let state = status.state.clone().unwrap_or_default();
    let restarts = status.restart_count;
    if let Some(waiting) = state.waiting {
        format!(
            "waiting {} r={restarts}",
            waiting.reason.unwrap_or_default()
        )
    } else if let Some(ended) = state.terminated {
        format!(
            "terminated {} r={restarts}",
            ended.reason.unwrap_or_default()
        )
    } else {
        format!(
            "running {} r={restarts}",
            if status.ready { "ready" } else { "unready" }
        )
    }
}

/// A Deployment of one container `app` with an image; `more` goes into the container.
pub(crate) fn deployment(name: &str, replicas: i32, image: &str, more: &str) -> String {
    format!(
        "apiVersion: apps/v1
kind: Deployment
metadata: {{name: {name}}}
spec:
  replicas: {replicas}
  selector: {{matchLabels: {{app: {name}}}}}
  template:
    metadata: {{labels: {{app: {name}}}}}
    spec:
      terminationGracePeriodSeconds: 1
      containers:
        - {{name: app, image: \"{image}\"{more}}}
"
    )
}

macro_rules! json_of {
    ($($kind:ident => $field:ident,)*) => {
        fn json_of(object: &akeso_core::cluster::Object) -> Value {
            match object {
                $(akeso_core::cluster::Object::$kind(object) => serde_json::to_value(object),)*
            }
            .unwrap()
        }
    };
}
akeso_core::for_each_kind!(json_of);
