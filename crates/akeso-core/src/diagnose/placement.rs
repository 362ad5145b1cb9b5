//! What keeps a pod from its nodes: the scheduler's words, checked against the nodes themselves.

use std::collections::BTreeSet;

use k8s_openapi::{
    api::core::v1::{Node, Pod, PodSpec, Taint},
    apimachinery::pkg::apis::meta::v1::LabelSelector,
};

use super::Examination;
use crate::{
    cluster::{
        Cluster, Controller, in_namespace, is_over, is_tolerated, label_selector_matches,
        required_terms, term_matches,
    },
    observe::{Sign, Symptom},
    similar::closest,
};

/// A pod that no node takes, and the nodes.
pub(super) struct Placement<'a> {
    pub(super) pod: &'a Pod,
    /// What the pod is made from: of a pod that has an owner, less is kept.
    pub(super) spec: &'a PodSpec,
    pub(super) nodes: Vec<&'a Node>,
    pub(super) message: &'a str,
    cluster: &'a Cluster,
    namespace: &'a str,
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
        let cluster = examination.workload.cluster();
        let nodes: Vec<_> = cluster.nodes.values().collect();
        let all = format!("0/{} nodes are available", nodes.len());
        (!nodes.is_empty() && symptom.message.starts_with(&all)).then_some(Self {
            pod,
            spec: examination.workload.pod_spec()?,
            nodes,
            message: &symptom.message,
            cluster,
            namespace: &examination.workload.reference.namespace,
        })
    }

    /// The labels that the pod wants its node to have.
    pub(super) fn selector(&self) -> impl Iterator<Item = (&'a str, &'a str)> {
        let spec = self.pod.spec.as_ref();
        let selector = spec.and_then(|spec| spec.node_selector.as_ref());
        let pairs = selector.into_iter().flatten();
        pairs.map(|(key, value)| (key.as_str(), value.as_str()))
    }

    /// The nodes that the pod's nodeSelector and node affinity allow.
    pub(super) fn allowed(&self) -> impl Iterator<Item = &'a Node> {
        let nodes = self.nodes.iter().copied();
        nodes.filter(|node| {
            let mut selector = self.selector();
            let terms = required_terms(self.spec);
            selector.all(|(key, value)| label(node, key) == Some(value))
                && terms.is_none_or(|terms| terms.iter().any(|term| term_matches(term, node)))
        })
    }

    /// The taints of a node that keep the pod from it. A cordon is none of them.
    pub(super) fn untolerated<'n>(&self, node: &'n Node) -> Vec<&'n Taint> {
        let taints = node.spec.iter().flat_map(|it| it.taints.iter().flatten());
        let tolerations = self.spec.tolerations.as_deref().unwrap_or_default();
        taints
            .filter(|taint| taint.effect != "PreferNoSchedule")
            .filter(|taint| taint.key != "node.kubernetes.io/unschedulable")
            .filter(|taint| !is_tolerated(taint, tolerations))
            .collect()
    }

    /// Those of the allowed nodes whose taints the pod tolerates.
    pub(super) fn tolerated(&self) -> impl Iterator<Item = &'a Node> {
        self.allowed()
            .filter(|node| self.untolerated(node).is_empty())
    }

    /// Those of them that take new pods: what keeps the pod from these is not what they are, but
    /// what runs there.
    pub(super) fn open(&self) -> Vec<&'a Node> {
        self.tolerated().filter(|it| !is_cordoned(it)).collect()
    }

    /// The pods of a namespace that stand on a node and are meant by a selector.
    pub(super) fn placed(
        &self,
        namespaces: Option<&'a Vec<String>>,
        selector: Option<&'a LabelSelector>,
    ) -> Vec<&'a Pod> {
        let own = std::slice::from_ref(&self.namespace);
        let namespaces: Vec<&str> = match namespaces {
            Some(named) if !named.is_empty() => named.iter().map(String::as_str).collect(),
            _ => own.to_vec(),
        };
        let all = namespaces
            .into_iter()
            .flat_map(|namespace| in_namespace(&self.cluster.pods, namespace));
        all.map(|(_, pod)| pod)
            .filter(|pod| node_of(pod).is_some() && !is_over(pod))
            .filter(|pod| label_selector_matches(selector, pod.metadata.labels.as_ref()))
            .collect()
    }

    /// The pods on a node, of every namespace that is watched.
    pub(super) fn pods_on(&self, node: &Node) -> impl Iterator<Item = &'a Pod> {
        let name = node.metadata.name.clone();
        let pods = self.cluster.pods.values();
        pods.filter(move |pod| node_of(pod) == name.as_deref() && !is_over(pod))
    }
}

pub(super) fn label<'a>(node: &'a Node, key: &str) -> Option<&'a str> {
    let labels = node.metadata.labels.as_ref()?;
    labels.get(key).map(String::as_str)
}

pub(super) fn name(node: &Node) -> &str {
    node.metadata.name.as_deref().unwrap_or_default()
}

pub(super) fn is_cordoned(node: &Node) -> bool {
    let spec = node.spec.as_ref();
    spec.is_some_and(|spec| spec.unschedulable == Some(true))
}

pub(super) fn node_of(pod: &Pod) -> Option<&str> {
    pod.spec.as_ref()?.node_name.as_deref()
}

/// Names in a line, of many only the first.
pub(super) fn listed<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    const MOST: usize = 5;
    let names: Vec<_> = names.into_iter().collect();
    let more = match names.len().saturating_sub(MOST) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let shown: Vec<_> = names.into_iter().take(MOST).collect();
    format!("{}{more}", shown.join(", "))
}

/// A label selector as kubectl takes it: `app=web,tier in (a, b)`.
pub(super) fn selector_text(selector: Option<&LabelSelector>) -> String {
    let Some(selector) = selector else {
        return String::new();
    };
    let pairs = selector.match_labels.iter().flatten();
    let pairs = pairs.map(|(key, value)| format!("{key}={value}"));
    let expressions = selector.match_expressions.iter().flatten();
    let expressions =
        expressions.map(|it| requirement_text(&it.key, &it.operator, it.values.as_ref()));
    pairs.chain(expressions).collect::<Vec<_>>().join(",")
}

pub(super) fn requirement_text(key: &str, operator: &str, values: Option<&Vec<String>>) -> String {
    match values {
        Some(values) if !values.is_empty() => format!("{key} {operator} [{}]", values.join(", ")),
        _ => format!("{key} {operator}"),
    }
}

/// The one name that is close to a wanted one; nothing if several are.
pub(super) fn only_close(wanted: &str, mut names: BTreeSet<String>) -> Option<String> {
    names.remove(wanted);
    let close = closest(wanted, names.clone())?;
    names.remove(&close);
    closest(wanted, names).is_none().then_some(close)
}
