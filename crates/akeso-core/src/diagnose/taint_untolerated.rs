//! Fault `taint-untolerated`: the nodes that the pod may go to have taints that it does not
//! tolerate.

use k8s_openapi::api::core::v1::Taint;

use super::{
    Diagnosis, Examination, Family, Fault,
    placement::{Placement, listed, name},
};
use crate::{cluster::required_terms, observe::Symptom};

pub(super) const FAULT: Fault = Fault {
    name: "taint-untolerated",
    family: Family::Scheduling,
    signs: "no node takes the pod, and every node that its `nodeSelector` and affinity allow has a taint that it does not tolerate",
    does: "names the taints, the nodes and the tolerations that the pod has; tells a taint that Kubernetes has set since the node is not well from one that somebody has set; after a rollout that changed it and has passed its progress deadline, puts the last good revision back, where one is proven",
    never: "adds a toleration or removes a taint: who taints a node wants it for others",
    diagnose,
};

fn diagnose(examination: &Examination<'_>, symptom: &Symptom) -> Option<Diagnosis> {
    let place = Placement::of(examination, symptom)?;
    let is_said =
        place.message.contains("had untolerated taint") || place.message.contains("had taint"); // before Kubernetes 1.24
    let allowed: Vec<_> = place.allowed().collect();
    if !is_said || allowed.is_empty() || place.tolerated().next().is_some() {
        return None;
    }
    let nodes = allowed.iter().map(|node| {
        let taints = place.untolerated(node).into_iter().map(text);
        let taints: Vec<_> = taints.collect();
        format!("{} on node {}", taints.join(" and "), name(node))
    });
    let nodes: Vec<_> = nodes.collect();
    let tolerations = place.spec.tolerations.as_deref().unwrap_or_default();
    let has = tolerations.iter().map(|it| {
        let key = it.key.as_deref().unwrap_or("every key");
        let value = it.value.as_deref().map(|it| format!("={it}"));
        let effect = it.effect.as_deref().map(|it| format!(":{it}"));
        format!(
            "{key}{}{}",
            value.unwrap_or_default(),
            effect.unwrap_or_default()
        )
    });
    let has: Vec<_> = has.collect();
    let tolerated = if has.is_empty() {
        "it has no tolerations".to_owned()
    } else {
        format!("its tolerations are for {}", has.join(", "))
    };
    let says = format!(
        "fits on no node: it does not tolerate the taint {}; {tolerated}",
        listed(nodes.iter().map(String::as_str))
    );
    let mut taints = allowed.iter().flat_map(|node| place.untolerated(node));
    if taints.all(is_of_kubernetes) {
        let why = "Kubernetes has set the taint since the node is not well or not ready yet: the node must get well, or another be added";
        return Some(examination.refused(&FAULT, symptom, &says, why));
    }
    let why =
        "the pod needs a toleration if it is meant for these nodes, or a node without the taint";
    let diagnosis = examination.refused(&FAULT, symptom, &says, why);
    Some(diagnosis.undone_if_changed(examination, |spec| {
        let terms = required_terms(spec).map(<[_]>::to_vec);
        (spec.tolerations.clone(), spec.node_selector.clone(), terms)
    }))
}

fn text(taint: &Taint) -> String {
    let value = taint.value.as_deref().unwrap_or_default();
    let value = if value.is_empty() {
        String::new()
    } else {
        format!("={value}")
    };
    format!("{}{value}:{}", taint.key, taint.effect)
}

/// <https://kubernetes.io/docs/reference/labels-annotations-taints/>
fn is_of_kubernetes(taint: &Taint) -> bool {
    taint.key.starts_with("node.kubernetes.io/")
        || taint.key.starts_with("node.cloudprovider.kubernetes.io/")
}
