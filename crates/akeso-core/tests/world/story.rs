//! A journal that is written fact by fact, and the ledger that is its fold.

use akeso_core::{
    act::{Action, Change, FixImageName, IncreaseMemory},
    diagnose::{Diagnosis, Remedy},
    engine::{Attempt, Incident, Ledger},
    gate::{Decision, Ruling},
    journal::{Chain, End, Entry, Fact, Outcome, Verdict},
    learn::Fingerprint,
    observe::{Sign, Symptom},
    plan::{Advice, Canary, Origin, Plan, Proof, Step},
    policy::WorkloadBudget,
    quantity::Bytes,
    workload::{AttemptId, ContainerRef, ContainerRole, IncidentId, WorkloadKind, WorkloadRef},
};
use jiff::{SignedDuration, Timestamp};

/// What has happened so far.
pub struct Story {
    chain: Chain,
    pub entries: Vec<Entry>,
    pub ledger: Ledger,
}

impl Default for Story {
    fn default() -> Self {
        Self {
            chain: Chain::default(),
            entries: Vec::new(),
            ledger: Ledger::new(WorkloadBudget::default()),
        }
    }
}

impl Story {
    /// So many minutes after the beginning, this happened.
    pub fn tell(&mut self, minutes: i64, fact: Fact) -> &mut Self {
        let entry = self.chain.append(fact, at(minutes));
        self.ledger.fold(&entry);
        self.entries.push(entry);
        self
    }

    /// The ledger of a program that has been started anew.
    pub fn told_again(&self) -> Ledger {
        let mut ledger = Ledger::new(WorkloadBudget::default());
        for entry in &self.entries {
            ledger.fold(entry);
        }
        ledger
    }

    pub fn incident(&self, number: u64) -> &Incident {
        self.ledger.get(IncidentId(number)).unwrap()
    }

    /// An incident of this workload with a plan, at the first step of which an attempt is made.
    pub fn attempted(&mut self, minutes: i64, number: u64, workload: &WorkloadRef) -> &mut Self {
        self.tell(minutes, opened(number, workload))
            .tell(minutes, diagnosed(number))
            .tell(minutes, planned(number))
            .tell(minutes, intended(number, number, 0))
            .tell(minutes, applied(number, number, done()))
    }
}

/// So many minutes after the beginning.
pub fn at(minutes: i64) -> Timestamp {
    Timestamp::UNIX_EPOCH + SignedDuration::from_mins(minutes)
}

pub fn workload(namespace: &str, name: &str) -> WorkloadRef {
    WorkloadRef {
        kind: WorkloadKind::Deployment,
        namespace: namespace.into(),
        name: name.into(),
    }
}

pub fn container() -> ContainerRef {
    ContainerRef {
        name: "app".into(),
        role: ContainerRole::Main,
    }
}

pub fn symptom(sign: Sign) -> Symptom {
    Symptom {
        sign,
        pod: None,
        container: Some(container()),
        status: "Waiting".into(),
        reason: String::new(),
        message: String::new(),
    }
}

pub fn pull() -> Symptom {
    symptom(Sign::ImagePull {
        image: "nginx:latst".into(),
    })
}

pub fn image() -> Action {
    Action::FixImageName(FixImageName {
        container: container(),
        from: "nginx:latst".into(),
        to: "nginx:latest".into(),
    })
}

pub fn memory() -> Action {
    Action::IncreaseMemory(IncreaseMemory {
        container: container(),
        from: Bytes::mebi(128),
        to: Bytes::mebi(256),
        request: None,
    })
}

pub fn step(action: Action) -> Step {
    Step {
        action,
        reasoning: "it is there".into(),
        origin: Origin::Playbook,
        proof: Proof::Confirmed,
    }
}

pub fn fingerprint() -> Fingerprint {
    Fingerprint {
        fault: "image".into(),
        detail: String::new(),
        log: String::new(),
        image: Some("nginx:latst".into()),
        command: Some("e3b0c44298fc".into()),
        workload: None,
    }
}

pub fn diagnosis() -> Diagnosis {
    Diagnosis {
        fault: "image".into(),
        symptom: pull(),
        cause: "the tag is not there".into(),
        confidence: 90,
        evidence: vec![],
        detail: String::new(),
        dependency: None,
        caused_by: None,
        rests_on: vec![],
        is_open: false,
        changed_before: vec![],
        fingerprint: fingerprint(),
        // the journal does not keep it
        remedy: Remedy::Wait { why: String::new() },
    }
}

pub fn patch() -> Change {
    Change::Patch {
        forward: vec![],
        inverse: vec![],
    }
}

pub fn trial() -> Change {
    Change::Trial {
        name: "web-trial-1".into(),
        pod: serde_json::Value::Null,
    }
}

/// An attempt on a step, made at the beginning.
pub fn attempt(action: Action) -> Attempt {
    Attempt {
        id: AttemptId(1),
        step: step(action),
        place: 0,
        diagnosis: diagnosis(),
        change: patch(),
        at: at(0),
        ready_before: 0,
        outcome: Some(done()),
        verdict: None,
        rolled_back: None,
    }
}

pub fn opened(number: u64, workload: &WorkloadRef) -> Fact {
    Fact::Opened {
        incident: IncidentId(number),
        workload: workload.clone(),
        symptoms: vec![pull()],
        uid: Some("web-uid".into()),
        was_well: true,
        good: None,
    }
}

pub fn diagnosed(number: u64) -> Fact {
    Fact::Diagnosed {
        incident: IncidentId(number),
        diagnoses: vec![diagnosis()],
    }
}

/// A plan of two steps.
pub fn planned(number: u64) -> Fact {
    let advice = Advice {
        why: "nothing else is known".into(),
        command: "kubectl describe".into(),
    };
    let plan = Plan {
        steps: vec![step(image()), step(memory())],
        advice,
        canary: Canary::NoStep,
    };
    Fact::Planned {
        incident: IncidentId(number),
        plan,
    }
}

pub fn gated(number: u64, step: usize, decision: Decision) -> Fact {
    let ruling = Ruling {
        decision,
        rule: "autonomy".into(),
        why: String::new(),
        until: None,
        checks: vec![],
        shadow: None,
    };
    Fact::Gated {
        incident: IncidentId(number),
        step,
        ruling,
    }
}

pub fn intended(number: u64, attempt: u64, step: usize) -> Fact {
    Fact::Intended {
        incident: IncidentId(number),
        attempt: AttemptId(attempt),
        step,
        change: patch(),
        ready_before: 1,
    }
}

pub fn done() -> Outcome {
    Outcome::Done {
        generation: Some(4),
    }
}

pub fn applied(number: u64, attempt: u64, outcome: Outcome) -> Fact {
    Fact::Applied {
        incident: IncidentId(number),
        attempt: AttemptId(attempt),
        outcome,
    }
}

pub fn judged(number: u64, attempt: u64, verdict: Verdict) -> Fact {
    Fact::Judged {
        incident: IncidentId(number),
        attempt: AttemptId(attempt),
        verdict,
        why: String::new(),
        by: (verdict == Verdict::Superseded).then(|| "kubectl".into()),
    }
}

pub fn taking_back(number: u64, attempt: u64) -> Fact {
    Fact::RollbackIntended {
        incident: IncidentId(number),
        attempt: AttemptId(attempt),
        patch: vec![],
    }
}

pub fn taken_back(number: u64, attempt: u64, outcome: Outcome) -> Fact {
    Fact::RolledBack {
        incident: IncidentId(number),
        attempt: AttemptId(attempt),
        outcome,
    }
}

pub fn closed(number: u64, end: End) -> Fact {
    Fact::Closed {
        incident: IncidentId(number),
        end,
    }
}
