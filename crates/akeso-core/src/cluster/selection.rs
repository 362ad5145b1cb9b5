//! Which pods and which nodes are meant by selectors, affinities and tolerations
//! (<https://kubernetes.io/docs/concepts/scheduling-eviction/assign-pod-node/>).

use std::collections::BTreeMap;

use k8s_openapi::{
    api::core::v1::{Node, NodeSelectorRequirement, NodeSelectorTerm, PodSpec, Taint, Toleration},
    apimachinery::pkg::apis::meta::v1::LabelSelector,
};

type Labels = BTreeMap<String, String>;

/// Whether a selector means an object with these labels. No selector means none, an empty one
/// all.
pub fn label_selector_matches(selector: Option<&LabelSelector>, labels: Option<&Labels>) -> bool {
    let Some(selector) = selector else {
        return false;
    };
    let mut pairs = selector.match_labels.iter().flatten();
    let mut expressions = selector.match_expressions.iter().flatten();
    pairs.all(|(key, value)| labels.and_then(|it| it.get(key)) == Some(value))
        && expressions.all(|it| holds(&it.key, &it.operator, it.values.as_ref(), labels))
}

/// Whether a node meets one requirement of a node affinity on its labels.
pub fn node_meets(requirement: &NodeSelectorRequirement, labels: Option<&Labels>) -> bool {
    let (key, operator) = (&requirement.key, requirement.operator.as_str());
    let values = requirement.values.as_ref();
    let (Some(bound), true) = (values.and_then(|it| it.first()), operator.ends_with('t')) else {
        return holds(key, operator, values, labels);
    };
    let number = |text: &String| text.parse::<i64>().ok();
    let has = labels.and_then(|it| it.get(key)).and_then(number);
    match (operator, has.zip(number(bound))) {
        ("Gt", Some((has, bound))) => has > bound,
        ("Lt", Some((has, bound))) => has < bound,
        ("Gt" | "Lt", None) => false,
        (_, _) => holds(key, operator, values, labels),
    }
}

fn holds(key: &str, operator: &str, values: Option<&Vec<String>>, labels: Option<&Labels>) -> bool {
    let has = labels.and_then(|labels| labels.get(key));
    let is_one_of = || has.is_some_and(|has| values.is_some_and(|values| values.contains(has)));
    match operator {
        "In" => is_one_of(),
        "NotIn" => !is_one_of(),
        "Exists" => has.is_some(),
        "DoesNotExist" => has.is_none(),
        _ => false,
    }
}

/// Whether a node meets all requirements of one term. A term without any means no node.
pub fn term_matches(term: &NodeSelectorTerm, node: &Node) -> bool {
    let labels = node.metadata.labels.as_ref();
    let fields: Labels = node
        .metadata
        .name
        .iter()
        .map(|name| ("metadata.name".to_owned(), name.clone()))
        .collect();
    let expressions = term.match_expressions.as_deref().unwrap_or_default();
    let by_field = term.match_fields.as_deref().unwrap_or_default();
    !(expressions.is_empty() && by_field.is_empty())
        && expressions.iter().all(|it| node_meets(it, labels))
        && by_field.iter().all(|it| node_meets(it, Some(&fields)))
}

/// The terms of a pod's required node affinity, of which a node must meet one; nothing if it has
/// none.
pub fn required_terms(spec: &PodSpec) -> Option<&[NodeSelectorTerm]> {
    let affinity = spec.affinity.as_ref()?.node_affinity.as_ref()?;
    let required = affinity
        .required_during_scheduling_ignored_during_execution
        .as_ref()?;
    Some(&required.node_selector_terms)
}

/// Whether one of the tolerations is for a taint
/// (<https://kubernetes.io/docs/concepts/scheduling-eviction/taint-and-toleration/>).
pub fn is_tolerated(taint: &Taint, tolerations: &[Toleration]) -> bool {
    tolerations.iter().any(|toleration| {
        let is_for_effect = match toleration.effect.as_deref() {
            None | Some("") => true,
            Some(effect) => effect == taint.effect,
        };
        let key = toleration.key.as_deref().unwrap_or_default();
        let value = toleration.value.as_deref().unwrap_or_default();
        let is_for_key = match toleration.operator.as_deref() {
            Some("Exists") => key.is_empty() || key == taint.key,
            _ => key == taint.key && value == taint.value.as_deref().unwrap_or_default(),
        };
        is_for_effect && is_for_key
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_label_selector_means_what_meets_all_of_it() {
        let labels: Labels = [("app", "web"), ("tier", "front")]
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .into();
        for (selector, is_meant) in [
            (json!({}), true),
            (json!({"matchLabels": {"app": "web"}}), true),
            (json!({"matchLabels": {"app": "wbe"}}), false),
            (
                json!({"matchExpressions": [{"key": "app", "operator": "In", "values": ["web"]}]}),
                true,
            ),
            (
                json!({"matchExpressions": [{"key": "app", "operator": "NotIn", "values": ["web"]}]}),
                false,
            ),
            (
                json!({"matchExpressions": [{"key": "gpu", "operator": "DoesNotExist"}]}),
                true,
            ),
            (
                json!({"matchLabels": {"app": "web"}, "matchExpressions": [{"key": "gpu", "operator": "Exists"}]}),
                false,
            ),
        ] {
            let selector = serde_json::from_value(selector).unwrap();
            assert_eq!(
                label_selector_matches(Some(&selector), Some(&labels)),
                is_meant
            );
        }
        assert!(!label_selector_matches(None, Some(&labels)));
    }

    #[test]
    fn a_node_is_compared_by_number_and_a_term_without_requirements_means_none() {
        let node = |cores: &str| -> Node {
            serde_json::from_value(json!({"metadata": {"name": "one", "labels": {"cores": cores}}}))
                .unwrap()
        };
        let term = |requirement: serde_json::Value| -> NodeSelectorTerm {
            serde_json::from_value(json!({"matchExpressions": [requirement]})).unwrap()
        };
        let more = term(json!({"key": "cores", "operator": "Gt", "values": ["8"]}));
        assert!(term_matches(&more, &node("16")));
        assert!(!term_matches(&more, &node("8")));
        assert!(!term_matches(&more, &node("many")));
        assert!(!term_matches(&NodeSelectorTerm::default(), &node("16")));
        let by_name: NodeSelectorTerm = serde_json::from_value(json!({
            "matchFields": [{"key": "metadata.name", "operator": "In", "values": ["one"]}]
        }))
        .unwrap();
        assert!(term_matches(&by_name, &node("16")));
    }

    #[test]
    fn a_toleration_is_for_its_key_value_and_effect_or_for_all() {
        let taint: Taint = serde_json::from_value(
            json!({"key": "dedicated", "value": "gpu", "effect": "NoSchedule"}),
        )
        .unwrap();
        for (toleration, is_for_it) in [
            (json!({"operator": "Exists"}), true),
            (json!({"key": "dedicated", "operator": "Exists"}), true),
            (json!({"key": "dedicated", "value": "gpu"}), true),
            (json!({"key": "dedicated", "value": "cpu"}), false),
            (
                json!({"key": "dedicated", "operator": "Exists", "effect": "NoExecute"}),
                false,
            ),
            (json!({"key": "dedicate", "operator": "Exists"}), false),
        ] {
            let toleration: Toleration = serde_json::from_value(toleration).unwrap();
            assert_eq!(is_tolerated(&taint, &[toleration]), is_for_it);
        }
    }
}
