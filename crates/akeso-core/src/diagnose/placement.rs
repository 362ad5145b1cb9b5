//! What keeps a pod from its nodes: the scheduler's words, checked against the nodes themselves.

use k8s_openapi::api::core::v1::{Node, Pod};

use super::{Diagnosis, Examination, Fault, Remedy};
use crate::{
    cluster::Controller,
    observe::{Sign, Symptom},
    plan::Advice,
};

/// A pod that no node takes, and the nodes.
pub(super) struct Placement<'a> {
    pub(super) pod: &'a Pod,
    pub(super) nodes: Vec<&'a Node>,
    pub(super) message: &'a str,
}

impl<'a> Placement<'a> {
    /// Nothing where the nodes that the scheduler has looked at are not those that are known, or
    /// where a DaemonSet has chosen the node.
    pub(super) fn of(examination: &Examination<'a>, symptom: &'a Symptom) -> Option<Self> {
        let is_daemon = matches!(examination.workload.controller, Controller::DaemonSet(_));
        if !matches!(symptom.sign, Sign::Unschedulable) || is_daemon {
            return None;
        }
        let mut pods = examination.workload.pods.iter();
        let pod = pods.find(|pod| pod.metadata.name == symptom.pod)?;
        let nodes: Vec<_> = examination.workload.cluster().nodes.values().collect();
        let all = format!("0/{} nodes are available", nodes.len());
        (!nodes.is_empty() && symptom.message.starts_with(&all)).then_some(Self {
            pod,
            nodes,
            message: &symptom.message,
        })
    }

    /// The labels that the pod wants its node to have.
    pub(super) fn selector(&self) -> impl Iterator<Item = (&'a str, &'a str)> {
        let spec = self.pod.spec.as_ref();
        let selector = spec.and_then(|spec| spec.node_selector.as_ref());
        let pairs = selector.into_iter().flatten();
        pairs.map(|(key, value)| (key.as_str(), value.as_str()))
    }
}

pub(super) fn label<'a>(node: &'a Node, key: &str) -> Option<&'a str> {
    let labels = node.metadata.labels.as_ref()?;
    labels.get(key).map(String::as_str)
}

/// Why no node takes the pod is known: a person must say what gives way.
pub(super) fn told(
    examination: &Examination<'_>,
    fault: &Fault,
    symptom: &Symptom,
    says: &str,
    why: &str,
) -> Diagnosis {
    let advice = Advice {
        why: why.to_owned(),
        command: examination.describe(symptom),
    };
    examination
        .diagnosis(fault, symptom, says, 95, Remedy::Person(advice))
        .with_evidence([symptom.message.clone()])
}
