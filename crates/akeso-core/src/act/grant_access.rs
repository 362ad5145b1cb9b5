//! `grant_access`: the one right that the API server refused a workload's ServiceAccount, by a Role
//! and a `RoleBinding` of their own. Only where the policy names the action: a log is data, and
//! whoever can write to it could ask for any right. What would be a way to more rights than that one
//! is never given, whatever the policy says.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{Change, Mark, NotApplicable, Treatment};
use crate::{
    cluster::{Cluster, Kind, ObjectRef, Workload, in_namespace},
    workload::{AttemptId, WorkloadKind, WorkloadRef},
};

/// The label of a Role and a `RoleBinding` that Akeso has made: the [`Mark`] of the attempt.
pub const GRANT: &str = "akeso.dev/grant";

/// The API group of roles and their bindings.
const RBAC: &str = "rbac.authorization.k8s.io";
/// The ServiceAccount of every pod that names none.
const SHARED: &str = "default";
/// The verbs by which the API server judges requests for objects; `escalate`, `bind` and
/// `impersonate` are none of them, and `*` is no verb
/// (<https://kubernetes.io/docs/reference/access-authn-authz/authorization/#request-verb-resource>).
const VERBS: [&str; 8] = [
    "get",
    "list",
    "watch",
    "create",
    "update",
    "patch",
    "delete",
    "deletecollection",
];
/// API groups of which no right is given: they decide who may do what.
const GROUPS: [&str; 7] = [
    RBAC,
    "authentication.k8s.io",
    "authorization.k8s.io",
    "certificates.k8s.io",
    "admissionregistration.k8s.io",
    "apiregistration.k8s.io",
    "apiextensions.k8s.io",
];
/// Resources of which no right is given, in whatever group: they are credentials, or lie in no
/// namespace.
const RESOURCES: [&str; 9] = [
    "secrets",
    "serviceaccounts",
    "roles",
    "rolebindings",
    "clusterroles",
    "clusterrolebindings",
    "certificatesigningrequests",
    "namespaces",
    "persistentvolumes",
];
/// Parts of resources of which no right is given: they lead into containers and past the API
/// server.
const PARTS: [&str; 6] = [
    "exec",
    "attach",
    "portforward",
    "proxy",
    "ephemeralcontainers",
    "token",
];
/// Whoever may write these may run a pod with any Secret and any ServiceAccount of the namespace
/// (<https://kubernetes.io/docs/concepts/security/rbac-good-practices/#workload-creation>).
const TEMPLATES: [&str; 9] = [
    "pods",
    "podtemplates",
    "deployments",
    "statefulsets",
    "daemonsets",
    "replicasets",
    "replicationcontrollers",
    "jobs",
    "cronjobs",
];

/// Gives a workload's ServiceAccount one right in the workload's namespace.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GrantAccess {
    /// The ServiceAccount.
    pub account: String,
    /// The verb that was refused.
    pub verb: String,
    /// The API group; empty for the core group.
    pub group: String,
    /// The resource, with its part if one was meant: `pods/log`.
    pub resource: String,
    /// The only object that is meant, where the refusal names one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub object: Option<String>,
}

impl GrantAccess {
    /// Why this right is not given to this workload, whatever the policy says; nothing if it may be.
    pub fn why_never(&self, workload: &Workload<'_>) -> Option<String> {
        self.is_too_much()
            .or_else(|| self.is_anothers(workload))
            .or_else(|| shared_with(&self.account, workload))
    }

    /// Why nobody is given this right.
    fn is_too_much(&self) -> Option<String> {
        let (resource, part) = self
            .resource
            .split_once('/')
            .map_or((self.resource.as_str(), ""), |(resource, part)| {
                (resource, part)
            });
        let written = self.as_kubectl_takes_it();
        if !VERBS.contains(&self.verb.as_str()) {
            return Some(format!("`{}` is no verb of requests", self.verb));
        }
        let may_be_empty = |name: &str| name.is_empty() || is_name(name);
        let is_named = self.object.as_deref().is_none_or(is_name);
        if !is_name(resource) || !may_be_empty(part) || !may_be_empty(&self.group) || !is_named {
            return Some(format!("`{written}` names no single resource"));
        }
        if GROUPS.contains(&self.group.as_str())
            || RESOURCES.contains(&resource)
            || PARTS.contains(&part)
            || resource.starts_with("node")
            || resource.ends_with("webhookconfigurations")
        {
            return Some(format!("a right to {written} is a way to others"));
        }
        let writes = ["create", "update", "patch"].contains(&self.verb.as_str());
        let is_template = TEMPLATES.contains(&resource) && part.is_empty();
        (writes && is_template).then(|| {
            format!(
                "whoever may {} {written} may run a pod with any Secret and ServiceAccount of the namespace",
                self.verb
            )
        })
    }

    /// Why the account is not one that this workload may be given a right by.
    fn is_anothers(&self, workload: &Workload<'_>) -> Option<String> {
        match workload.reference.kind {
            WorkloadKind::Deployment | WorkloadKind::StatefulSet | WorkloadKind::DaemonSet => {}
            kind @ (WorkloadKind::ReplicaSet
            | WorkloadKind::CronJob
            | WorkloadKind::Job
            | WorkloadKind::Pod
            | WorkloadKind::Support(_)) => {
                return Some(format!("a {} is given no right", kind.as_str()));
            }
        }
        if self.account == SHARED {
            return Some(format!(
                "every pod of the namespace that names no ServiceAccount has {SHARED}"
            ));
        }
        (!is_name(&self.account) || account_of(workload) != Some(self.account.as_str()))
            .then(|| format!("it does not run as ServiceAccount {}", self.account))
    }

    /// As kubectl takes it: `deployments.apps/scale`.
    pub(crate) fn as_kubectl_takes_it(&self) -> String {
        let (resource, part) = match self.resource.split_once('/') {
            Some((resource, part)) => (resource, format!("/{part}")),
            None => (self.resource.as_str(), String::new()),
        };
        match self.group.as_str() {
            "" => format!("{resource}{part}"),
            group => format!("{resource}.{group}{part}"),
        }
    }

    /// What would grant this and nothing more, to the account of a namespace: within a namespace,
    /// or in the whole cluster.
    pub(crate) fn command_within(&self, namespace: &str, within: Option<&str>) -> String {
        let account = format!("{namespace}:{}", self.account);
        let (verb, resource) = (&self.verb, self.as_kubectl_takes_it());
        let name = format!(
            "{}-{verb}-{}",
            self.account,
            resource.replace(['.', '/'], "-")
        );
        let object = self
            .object
            .as_ref()
            .map(|object| format!(" --resource-name={object}"))
            .unwrap_or_default();
        match within {
            Some(within) => format!(
                "kubectl -n {within} create role {name} --verb={verb} --resource={resource}{object} && kubectl -n {within} create rolebinding {name} --role={name} --serviceaccount={account}"
            ),
            None => format!(
                "kubectl create clusterrole {name} --verb={verb} --resource={resource}{object} && kubectl create clusterrolebinding {name} --clusterrole={name} --serviceaccount={account}"
            ),
        }
    }
}

/// The ServiceAccount that a workload's template names.
fn account_of<'a>(workload: &Workload<'a>) -> Option<&'a str> {
    let spec = workload.pod_spec()?;
    // `serviceAccount` is its old name, which the API server keeps the same
    let name = spec.service_account_name.as_ref();
    name.or(spec.service_account.as_ref()).map(String::as_str)
}

/// Who else has the account: a right for one would be a right for all of them.
fn shared_with(account: &str, workload: &Workload<'_>) -> Option<String> {
    let cluster: &Cluster = workload.cluster();
    let own = &workload.reference;
    let roots = cluster.roots().into_iter();
    let others = roots.filter(|root| root.namespace == own.namespace && root != own);
    let mut templates = others.filter(|root| {
        let other = cluster.workload(root);
        other.is_some_and(|other| account_of(&other) == Some(account))
    });
    let mut pods = in_namespace(&cluster.pods, &own.namespace).filter_map(|(key, pod)| {
        let spec = pod.spec.as_ref()?;
        let object = ObjectRef {
            kind: Kind::Pod,
            namespace: key.namespace.clone(),
            name: key.name.clone(),
        };
        let has_it = spec.service_account_name.as_deref() == Some(account);
        let is_own = cluster.root_of(&object).as_ref() == Some(own);
        (has_it && !is_own).then(|| format!("pod {}", key.name))
    });
    let named = |root: WorkloadRef| format!("{} {}", root.kind.as_str(), root.name);
    let other = templates.next().map(named).or_else(|| pods.next())?;
    Some(format!("{other} runs as ServiceAccount {account} as well"))
}

/// Whether it is a name as Kubernetes' own are: no pattern, no path and no other text.
fn is_name(text: &str) -> bool {
    let is_part = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    !text.is_empty()
        && text.len() <= 253
        && text.chars().all(|c| is_part(c) || c == '-' || c == '.')
        && text.starts_with(is_part)
        && text.ends_with(is_part)
}

/// The name of the Role and the `RoleBinding`: of one attempt, as that of a trial pod.
fn name(account: &str, mark: &Mark) -> String {
    let account: String = account.chars().take(200).collect();
    format!("{account}-grant-{}", mark.suffix())
}

/// The Role and the `RoleBinding` with another mark, and so with another name.
pub(super) fn marked(mut role: Value, mut binding: Value, mark: &Mark) -> Change {
    let account = binding.pointer("/subjects/0/name").and_then(Value::as_str);
    let name = name(account.unwrap_or_default(), mark);
    for object in [&mut role, &mut binding] {
        object["metadata"]["name"] = name.clone().into();
        object["metadata"]["labels"][GRANT] = mark.to_string().into();
    }
    binding["roleRef"]["name"] = name.clone().into();
    Change::Grant {
        name,
        role,
        binding,
    }
}

impl Treatment for GrantAccess {
    fn summary(&self) -> String {
        let object = self
            .object
            .as_ref()
            .map(|object| format!(" {object}"))
            .unwrap_or_default();
        format!(
            "let ServiceAccount {} {} {}{object} in its namespace, by a Role and a RoleBinding",
            self.account,
            self.verb,
            self.as_kubectl_takes_it()
        )
    }

    fn command(&self, workload: &WorkloadRef) -> String {
        self.command_within(&workload.namespace, Some(&workload.namespace))
    }

    fn change(&self, workload: &Workload<'_>, attempt: AttemptId) -> Result<Change, NotApplicable> {
        if let Some(why) = self.why_never(workload) {
            return Err(NotApplicable::Never { why });
        }
        let reference = &workload.reference;
        let Some(uid) = &workload.metadata().uid else {
            return Err(NotApplicable::Gone {
                what: reference.to_string(),
            });
        };
        // the right goes when the workload does
        let metadata = json!({
            "namespace": reference.namespace,
            "labels": {"app.kubernetes.io/managed-by": "akeso"},
            "ownerReferences": [{
                "apiVersion": reference.kind.api_version(),
                "kind": reference.kind.as_str(),
                "name": reference.name,
                "uid": uid,
                "controller": false,
                "blockOwnerDeletion": false,
            }],
        });
        let mut allowed = json!({
            "apiGroups": [self.group],
            "resources": [self.resource],
            "verbs": [self.verb],
        });
        if let Some(object) = &self.object {
            allowed["resourceNames"] = json!([object]);
        }
        let role = json!({
            "apiVersion": format!("{RBAC}/v1"),
            "kind": "Role",
            "metadata": metadata,
            "rules": [allowed],
        });
        let binding = json!({
            "apiVersion": format!("{RBAC}/v1"),
            "kind": "RoleBinding",
            "metadata": metadata,
            "roleRef": {"apiGroup": RBAC, "kind": "Role"},
            "subjects": [{
                "kind": "ServiceAccount",
                "name": self.account,
                "namespace": reference.namespace,
            }],
        });
        Ok(marked(role, binding, &Mark::from(attempt)))
    }

    /// Roles are not watched.
    fn holds(&self, workload: &Workload<'_>) -> bool {
        account_of(workload) == Some(self.account.as_str())
    }

    fn shows_at_next_start(&self) -> bool {
        true
    }

    fn is_done(&self, _: &Workload<'_>) -> Option<bool> {
        None // whoever gave the right, roles are not watched
    }

    fn is_transferable(&self) -> bool {
        false
    }

    fn why_no_trial(&self) -> Option<&'static str> {
        Some("it changes no pod")
    }
}
