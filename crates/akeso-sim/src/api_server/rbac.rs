//! Who may do what, by Roles and their bindings
//! (<https://kubernetes.io/docs/reference/access-authn-authz/rbac/>).

use akeso_core::cluster::Key;
use k8s_openapi::api::rbac::v1::{
    ClusterRole, ClusterRoleBinding, PolicyRule, Role, RoleBinding, RoleRef, Subject,
};
use serde::Deserialize;

use crate::store::Store;

/// A right to the objects of a namespace.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Right {
    pub(crate) verb: String,
    /// With its part: `pods/log`.
    pub(crate) resource: String,
    #[serde(default)]
    pub(crate) group: String,
    #[serde(default)]
    pub(crate) name: Option<String>,
}

/// Whether a `ServiceAccount` of a namespace has a right there.
pub(crate) fn may(store: &Store, namespace: &str, account: &str, right: &Right) -> bool {
    let is_bound = |subjects: Option<&Vec<Subject>>| {
        let mut subjects = subjects.into_iter().flatten();
        subjects.any(|it| is_meant(it, namespace, account))
    };
    let gives = |role: &RoleRef, place: &str| {
        let rules = rules(store, role, place);
        rules.iter().flatten().any(|rule| covers(rule, right))
    };
    let mut here = store.list::<RoleBinding>(namespace);
    let mut everywhere = store.list::<ClusterRoleBinding>("");
    here.any(|it| is_bound(it.subjects.as_ref()) && gives(&it.role_ref, namespace))
        || everywhere.any(|it| is_bound(it.subjects.as_ref()) && gives(&it.role_ref, ""))
}

fn is_meant(subject: &Subject, namespace: &str, account: &str) -> bool {
    match subject.kind.as_str() {
        "ServiceAccount" => {
            subject.name == account && subject.namespace.as_deref() == Some(namespace)
        }
        "Group" => {
            subject.name == "system:serviceaccounts"
                || subject.name == format!("system:serviceaccounts:{namespace}")
        }
        _ => false,
    }
}

fn rules(store: &Store, role: &RoleRef, namespace: &str) -> Option<Vec<PolicyRule>> {
    match role.kind.as_str() {
        "Role" => store
            .get::<Role>(&Key::new(namespace, &role.name))?
            .rules
            .clone(),
        "ClusterRole" => store
            .get::<ClusterRole>(&Key::new("", &role.name))?
            .rules
            .clone(),
        _ => None,
    }
}

fn covers(rule: &PolicyRule, right: &Right) -> bool {
    let has = |all: Option<&Vec<String>>, wanted: &str| {
        all.is_some_and(|all| all.iter().any(|it| it == "*" || it == wanted))
    };
    let names = rule.resource_names.as_deref().unwrap_or_default();
    has(Some(&rule.verbs), &right.verb)
        && has(rule.api_groups.as_ref(), &right.group)
        && has(rule.resources.as_ref(), &right.resource)
        && (names.is_empty() || right.name.as_ref().is_some_and(|name| names.contains(name)))
}
