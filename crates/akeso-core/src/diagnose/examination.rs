//! What a diagnosis is made from, and what most of them need of it.

use std::{cell::RefCell, collections::BTreeSet};

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Container;

use super::{Diagnosis, Fault, Remedy, changes, dependency};
use crate::{
    cluster::Workload,
    evidence::{Answer, Evidence, Life, Listed, Question},
    learn::Fingerprint,
    observe::{Flaw, Sign, Symptom},
    plan::Advice,
    policy::Settings,
};

/// What a fault may look at.
#[derive(Debug)]
pub struct Examination<'a> {
    /// The workload.
    pub workload: &'a Workload<'a>,
    /// Everything that is broken about it.
    pub symptoms: &'a [Symptom],
    /// The operator's settings.
    pub settings: &'a Settings,
    /// The time.
    pub now: Timestamp,
    evidence: &'a Evidence,
    pub(super) wanted: RefCell<BTreeSet<Question>>,
}

impl<'a> Examination<'a> {
    pub(super) fn new(
        workload: &'a Workload<'a>,
        symptoms: &'a [Symptom],
        evidence: &'a Evidence,
        settings: &'a Settings,
        now: Timestamp,
    ) -> Self {
        Self {
            workload,
            symptoms,
            settings,
            now,
            evidence,
            wanted: RefCell::default(),
        }
    }

    /// The answer to a question. If it has not come yet, it is asked for and the examination is
    /// done again when it has.
    pub fn ask(&self, question: Question) -> Option<&'a Answer> {
        let answer = self.evidence.get(&question);
        if answer.is_none() {
            self.wanted.borrow_mut().insert(question);
        }
        answer
    }

    /// All objects of a kind that is not watched, in a namespace or, if they lie in none, in the
    /// cluster; an error where nobody can tell, from which nothing may be concluded. Nothing if
    /// the answer has not come yet.
    pub(super) fn list<T: Listed + 'a>(&self, namespace: &str) -> Option<Result<&'a [T], &'a str>> {
        let namespace = if T::KIND.is_cluster_wide() {
            String::new()
        } else {
            namespace.to_owned()
        };
        let kind = T::KIND;
        Some(match self.ask(Question::Objects { kind, namespace })? {
            Answer::Objects(objects) => T::of(objects).ok_or("another kind was told of"),
            Answer::Unknown { why } => Err(why),
            Answer::Logs(_)
            | Answer::Image(_)
            | Answer::Keys(_)
            | Answer::Bounds(_)
            | Answer::Certificate(_)
            | Answer::Usage(_) => Err("something else was told"),
        })
    }

    /// The container of the workload's template that shows a symptom.
    pub(super) fn container(&self, symptom: &Symptom) -> Option<&'a Container> {
        Some(self.workload.container(symptom.container.as_ref()?)?.1)
    }

    /// The last lines of the life in which the container crashed. Nothing if they are not here
    /// yet; an empty text if they cannot be had.
    pub(super) fn crash_log(&self, symptom: &Symptom) -> Option<&'a str> {
        let (pod, container) = symptom.pod.as_ref().zip(symptom.container.as_ref())?;
        let question = |life| Question::Logs {
            pod: pod.clone(),
            container: container.name.clone(),
            life,
        };
        // the kubelet keeps a crashed container's log as "current" until the next one starts, and
        // as "previous" from then on
        let lives = if symptom.status == "Running" {
            [Life::Previous, Life::Current]
        } else {
            [Life::Current, Life::Previous]
        };
        for life in lives {
            if let Answer::Logs(text) = self.ask(question(life))?
                && !text.trim().is_empty()
            {
                return Some(text);
            }
        }
        Some("")
    }

    /// When the last life of the container that shows a symptom began and ended.
    pub(super) fn last_life(&self, symptom: &Symptom) -> Option<(Timestamp, Timestamp)> {
        let name = symptom.pod.as_ref()?;
        let container = symptom.container.as_ref()?;
        let mut pods = self.workload.pods.iter();
        let pod = pods.find(|pod| pod.metadata.name.as_ref() == Some(name))?;
        let of_pod = pod.status.as_ref()?;
        let ordinary = of_pod.container_statuses.iter().flatten();
        let mut all = ordinary.chain(of_pod.init_container_statuses.iter().flatten());
        let status = all.find(|status| status.name == container.name)?;
        let lives = [status.state.as_ref(), status.last_state.as_ref()];
        let mut ended = lives.into_iter().flatten();
        let ended = ended.find_map(|state| state.terminated.as_ref())?;
        Some((ended.started_at.as_ref()?.0, ended.finished_at.as_ref()?.0))
    }

    /// The beginning of every cause: `Deployment shop/web: container nginx`.
    pub(super) fn subject(&self, symptom: &Symptom) -> String {
        match &symptom.container {
            Some(container) => format!("{}: {container}", self.workload.reference),
            None => self.workload.reference.to_string(),
        }
    }

    /// A diagnosis of this symptom.
    pub(super) fn diagnosis(
        &self,
        fault: &Fault,
        symptom: &Symptom,
        says: impl AsRef<str>,
        confidence: u8,
        remedy: Remedy,
    ) -> Diagnosis {
        let container = self.container(symptom).cloned().unwrap_or_default();
        Diagnosis {
            fault: fault.name.to_owned(),
            symptom: symptom.clone(),
            cause: format!("{} {}", self.subject(symptom), says.as_ref()),
            confidence,
            evidence: self.recent_events(symptom),
            detail: String::new(),
            dependency: dependency::of(symptom, &self.workload.reference.namespace),
            caused_by: None,
            rests_on: Vec::new(),
            is_open: false,
            changed_before: changes::changed_before(self.workload, self.now),
            fingerprint: Fingerprint::of(fault.name, &container, &self.workload.reference),
            remedy,
        }
    }

    /// A diagnosis of what workloads rely on: the symptom says what does not fit together, and a
    /// person must act.
    pub(super) fn for_a_person(
        &self,
        fault: &Fault,
        symptom: &Symptom,
        confidence: u8,
        why: &str,
    ) -> Diagnosis {
        let remedy = self.person(symptom, why);
        self.diagnosis(fault, symptom, &symptom.message, confidence, remedy)
    }

    /// The same of one flaw, for which a fault stands: how sure it is, and what a person must do.
    pub(super) fn flawed(
        &self,
        fault: &Fault,
        symptom: &Symptom,
        wanted: Flaw,
        (confidence, why): (u8, &str),
    ) -> Option<Diagnosis> {
        let is_it = matches!(&symptom.sign, Sign::Support { flaw } if *flaw == wanted);
        is_it.then(|| self.for_a_person(fault, symptom, confidence, why))
    }

    /// A diagnosis of why the workload gets no pod, or its pod no node: what stands in the way was
    /// told, and a person must say what gives way.
    pub(super) fn refused(
        &self,
        fault: &Fault,
        symptom: &Symptom,
        says: &str,
        why: &str,
    ) -> Diagnosis {
        let remedy = self.person(symptom, why);
        self.diagnosis(fault, symptom, says, 95, remedy)
            .with_evidence([symptom.message.clone()])
    }

    /// A person must act, who begins by looking at what the symptom shows.
    pub(super) fn person(&self, symptom: &Symptom, why: &str) -> Remedy {
        Remedy::Person(Advice {
            why: why.to_owned(),
            command: self.describe(symptom),
        })
    }

    /// The last Warning events of the pod, or of the workload where there is none.
    pub(super) fn recent_events(&self, symptom: &Symptom) -> Vec<String> {
        const MOST: usize = 3;
        let reference = &self.workload.reference;
        let (name, kind) = match &symptom.pod {
            Some(pod) => (pod.as_str(), "Pod"),
            None => (reference.name.as_str(), reference.kind.as_str()),
        };
        let mut events: Vec<_> = self.workload.events_of(name, kind).collect();
        events.sort_by_key(|event| crate::observe::last_seen(event));
        let line = |event: &k8s_openapi::api::core::v1::Event| {
            let (reason, message) = (event.reason.as_deref(), event.message.as_deref());
            format!(
                "event: {}: {}",
                reason.unwrap_or_default(),
                message.unwrap_or_default().trim_end()
            )
        };
        events.into_iter().rev().take(MOST).map(line).collect()
    }

    /// `kubectl describe` of the pod, or of the workload where there is none.
    pub(super) fn describe(&self, symptom: &Symptom) -> String {
        let namespace = &self.workload.reference.namespace;
        let within = if namespace.is_empty() {
            String::new()
        } else {
            format!(" -n {namespace}")
        };
        match &symptom.pod {
            Some(pod) => format!("kubectl{within} describe pod {pod}"),
            None => format!(
                "kubectl{within} describe {}",
                self.workload.reference.kubectl()
            ),
        }
    }
}
