//! Hands that hold a scripted API server, and what they tell.

use std::time::Duration;

use akeso_core::{
    cluster::{Kind, Object},
    engine::{ChangeRequest, Effect, Event},
    evidence::{Answer, Question},
    journal::Outcome,
    workload::{AttemptId, IncidentId, WorkloadKind, WorkloadRef},
};
use akeso_kube::{Connected, Connection, Hands, Mirrors, Scope, connect};
use kube::Client;
use tokio::sync::mpsc::UnboundedReceiver;

use crate::api_server::{ApiServer, kubeconfig};

/// Longer than any patience of the hands, so that a test fails instead of hanging; mostly of the
/// paused clock.
const FOREVER: Duration = Duration::from_hours(1);

pub async fn in_time<T>(work: impl Future<Output = T>) -> T {
    let done = tokio::time::timeout(FOREVER, work).await;
    done.expect("something happens")
}

pub struct Session {
    hands: Hands,
    events: UnboundedReceiver<Event>,
}

impl Session {
    /// In the same process, without a socket.
    pub async fn with(server: &ApiServer) -> Self {
        Self::over(connected(server.client()), Mirrors::default()).await
    }

    /// As the program connects: over a socket, with the client that [`connect`] makes.
    pub async fn over_socket(server: &ApiServer) -> Self {
        Self::over(connect_to(server).await, Mirrors::default()).await
    }

    pub async fn over(connected: Connected, mirrors: Mirrors) -> Self {
        let access = in_time(connected.access(&shop())).await.unwrap();
        let (hands, events) = Hands::start(connected.client, &shop(), &access, mirrors);
        Self { hands, events }
    }

    /// The next event.
    pub async fn next(&mut self) -> Event {
        in_time(self.events.recv()).await.unwrap()
    }

    /// The next thing that is told of pods.
    pub async fn next_of_pods(&mut self) -> String {
        loop {
            let event = self.next().await;
            let kind = match &event {
                Event::Upserted(object) => object.kind(),
                Event::Deleted(reference) => reference.kind,
                Event::Relisted(kind, _) => *kind,
                _ => continue,
            };
            if kind == Kind::Pod {
                return told(&event);
            }
        }
    }

    /// Everything up to `Synced`.
    pub async fn until_synced(&mut self) -> Vec<String> {
        let mut all = Vec::new();
        loop {
            all.push(told(&self.next().await));
            if all.last().is_some_and(|last| last == "synced") {
                return all;
            }
        }
    }

    /// Whether nothing is told for so long.
    pub async fn is_silent_for(&mut self, time: Duration) -> bool {
        tokio::time::timeout(time, self.events.recv())
            .await
            .is_err()
    }

    /// What was told and not yet listened to.
    pub fn told_meanwhile(&mut self) -> Vec<String> {
        std::iter::from_fn(|| self.events.try_recv().ok())
            .map(|event| told(&event))
            .collect()
    }

    pub async fn apply(&mut self, workload: &WorkloadRef, request: ChangeRequest) -> Outcome {
        self.hands.execute(Effect::Apply {
            attempt: AttemptId(7),
            workload: workload.clone(),
            request,
        });
        self.outcome().await
    }

    pub async fn settle(&mut self, workload: &WorkloadRef, request: ChangeRequest) -> Outcome {
        self.hands.execute(Effect::Settle {
            attempt: AttemptId(7),
            workload: workload.clone(),
            request,
        });
        self.outcome().await
    }

    async fn outcome(&mut self) -> Outcome {
        loop {
            if let Event::Outcome(attempt, outcome) = self.next().await {
                assert_eq!(attempt, AttemptId(7));
                return outcome;
            }
        }
    }

    pub async fn ask(&mut self, question: Question) -> Answer {
        self.hands.execute(Effect::Gather {
            incident: Some(IncidentId(3)),
            namespace: "shop".to_owned(),
            question: question.clone(),
        });
        loop {
            if let Event::Answered(incident, asked, answer) = self.next().await {
                assert_eq!((incident, asked), (Some(IncidentId(3)), question));
                return answer;
            }
        }
    }

    pub fn execute(&self, effect: Effect) {
        self.hands.execute(effect);
    }
}

pub fn shop() -> Scope {
    Scope::Namespace("shop".to_owned())
}

pub fn web() -> WorkloadRef {
    WorkloadRef {
        kind: WorkloadKind::Deployment,
        namespace: "shop".to_owned(),
        name: "web".to_owned(),
    }
}

pub fn connected(client: Client) -> Connected {
    Connected {
        client,
        server: "http://in-process/".to_owned(),
        default_namespace: "shop".to_owned(),
    }
}

pub async fn connect_to(server: &ApiServer) -> Connected {
    install_crypto();
    let (_directory, path) = kubeconfig(server.listen().await);
    let connection = Connection {
        kubeconfig: Some(path),
        context: None,
    };
    in_time(connect(&connection)).await.unwrap()
}

/// As `main` does; whether another test was first does not matter.
pub fn install_crypto() {
    drop(rustls::crypto::ring::default_provider().install_default());
}

/// An event in a few words.
pub fn told(event: &Event) -> String {
    let name = |object: &Object| object.metadata().name.clone().unwrap_or_default();
    match event {
        Event::Upserted(object) => format!("{:?} {}", object.kind(), name(object)),
        Event::Deleted(object) => format!("no {:?} {}", object.kind, object.name),
        Event::Relisted(kind, all) => {
            format!(
                "all {kind:?}: {}",
                all.iter().map(name).collect::<Vec<_>>().join(" ")
            )
        }
        Event::Synced => "synced".to_owned(),
        other => format!("{other:?}"),
    }
}
