//! Which rule nearly gives a right that was refused: a Role with the wrong plural, API group or
//! verb, a binding to nobody or to somebody else. It is only told, never mended.

use k8s_openapi::api::{
    core::v1::ServiceAccount,
    rbac::v1::{ClusterRole, ClusterRoleBinding, PolicyRule, Role, RoleBinding, RoleRef, Subject},
};

use super::Examination;
use crate::similar::closest;

/// A right, and who is to have it.
#[derive(Debug)]
pub(super) struct Right<'a> {
    pub(super) namespace: &'a str,
    pub(super) account: &'a str,
    pub(super) verb: &'a str,
    pub(super) group: &'a str,
    /// With its part, as in a rule: `pods/log`.
    pub(super) resource: &'a str,
    pub(super) object: Option<&'a str>,
    /// Nothing where it is wanted in the whole cluster.
    pub(super) within: Option<&'a str>,
    /// Whether the pod names its ServiceAccount.
    pub(super) is_chosen: bool,
}

/// What nearly gives a right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Near {
    /// For instance `Role shop/reader allows "pod", the resource is "pods"`.
    pub(super) says: String,
    /// Where to mend it, unless that is Kubernetes' own.
    pub(super) edit: Option<String>,
}

/// A Role or a ClusterRole.
#[derive(Debug, Clone, Copy)]
struct Rules<'a> {
    kind: &'static str,
    namespace: &'a str,
    name: &'a str,
    rules: &'a [PolicyRule],
    /// Whether Kubernetes makes it, and sets it back.
    is_default: bool,
}

/// A RoleBinding or a ClusterRoleBinding.
#[derive(Debug, Clone, Copy)]
struct Binding<'a> {
    kind: &'static str,
    namespace: &'a str,
    name: &'a str,
    role: &'a RoleRef,
    subjects: &'a [Subject],
}

/// What nearly gives a right. Nothing at all if what it takes has not come yet.
pub(super) fn find(examination: &Examination<'_>, right: &Right<'_>) -> Option<Option<Near>> {
    let place = right.within.unwrap_or(right.namespace);
    // asked together: each would cost a round of its own
    let roles = examination.list::<Role>(place);
    let cluster_roles = examination.list::<ClusterRole>("");
    let bindings = examination.list::<RoleBinding>(place);
    let cluster_bindings = examination.list::<ClusterRoleBinding>("");
    let accounts = examination.list::<ServiceAccount>(right.namespace);
    let (roles, cluster_roles) = (roles?, cluster_roles?);
    let (bindings, cluster_bindings, accounts) = (bindings?, cluster_bindings?, accounts?);
    let Ok(bindings) = bindings else {
        return Some(None); // what is bound to nobody cannot be told from what is bound
    };
    let is_whole = roles.is_ok() && cluster_roles.is_ok();
    let rules: Vec<_> = roles
        .unwrap_or_default()
        .iter()
        .map(of_role)
        .chain(
            cluster_roles
                .unwrap_or_default()
                .iter()
                .map(of_cluster_role),
        )
        .collect();
    let bindings: Vec<_> = bindings
        .iter()
        .map(of_binding)
        .chain(
            cluster_bindings
                .unwrap_or_default()
                .iter()
                .map(of_cluster_binding),
        )
        .collect();
    let own: Vec<_> = bindings
        .iter()
        .copied()
        .filter(|binding| binding.subjects.iter().any(|it| is_meant(it, right)))
        .collect();
    let dangling = || {
        own.iter()
            .filter(|_| is_whole)
            .find_map(|it| dangling(*it, &rules))
    };
    let nearly = || {
        let bound = own
            .iter()
            .filter_map(|it| Some((*it, role_of(*it, &rules)?)));
        let bound: Vec<_> = bound.collect();
        NEARLY.iter().find_map(|nearly| {
            bound.iter().find_map(|(binding, role)| {
                let mut rules = role.rules.iter();
                let says = rules.find_map(|rule| nearly(rule, *binding, right))?;
                Some(role.near(&format!("{} {says}", role.named())))
            })
        })
    };
    let elsewhere = || {
        let accounts = accounts.unwrap_or_default();
        let mut others = bindings.iter();
        others.find_map(|it| to_somebody_else(*it, role_of(*it, &rules)?, right, accounts))
    };
    let unbound = || {
        let mut gives = rules
            .iter()
            .filter(|it| it.kind == "Role" && it.gives(right));
        let role = gives.find(|role| !bindings.iter().any(|it| refers_to(*it, role)))?;
        Some(role.near(&format!(
            "{} allows it, and no RoleBinding refers to it",
            role.named()
        )))
    };
    Some(
        dangling()
            .or_else(nearly)
            .or_else(elsewhere)
            .or_else(unbound),
    )
}

fn of_role(role: &Role) -> Rules<'_> {
    Rules {
        kind: "Role",
        namespace: role.metadata.namespace.as_deref().unwrap_or_default(),
        name: role.metadata.name.as_deref().unwrap_or_default(),
        rules: role.rules.as_deref().unwrap_or_default(),
        is_default: false,
    }
}

fn of_cluster_role(role: &ClusterRole) -> Rules<'_> {
    /// <https://kubernetes.io/docs/reference/access-authn-authz/rbac/#default-roles-and-role-bindings>
    const DEFAULT: &str = "kubernetes.io/bootstrapping";
    let labels = role.metadata.labels.as_ref();
    Rules {
        kind: "ClusterRole",
        namespace: "",
        name: role.metadata.name.as_deref().unwrap_or_default(),
        rules: role.rules.as_deref().unwrap_or_default(),
        is_default: labels.is_some_and(|labels| labels.contains_key(DEFAULT)),
    }
}

fn of_binding(binding: &RoleBinding) -> Binding<'_> {
    Binding {
        kind: "RoleBinding",
        namespace: binding.metadata.namespace.as_deref().unwrap_or_default(),
        name: binding.metadata.name.as_deref().unwrap_or_default(),
        role: &binding.role_ref,
        subjects: binding.subjects.as_deref().unwrap_or_default(),
    }
}

fn of_cluster_binding(binding: &ClusterRoleBinding) -> Binding<'_> {
    Binding {
        kind: "ClusterRoleBinding",
        namespace: "",
        name: binding.metadata.name.as_deref().unwrap_or_default(),
        role: &binding.role_ref,
        subjects: binding.subjects.as_deref().unwrap_or_default(),
    }
}

fn full_name(namespace: &str, name: &str) -> String {
    match namespace {
        "" => name.to_owned(),
        namespace => format!("{namespace}/{name}"),
    }
}

fn edit(kind: &str, namespace: &str, name: &str) -> String {
    let kind = kind.to_lowercase();
    match namespace {
        "" => format!("kubectl edit {kind} {name}"),
        namespace => format!("kubectl -n {namespace} edit {kind} {name}"),
    }
}

impl Rules<'_> {
    fn named(&self) -> String {
        format!("{} {}", self.kind, full_name(self.namespace, self.name))
    }

    fn near(&self, says: &str) -> Near {
        Near {
            says: says.to_owned(),
            edit: (!self.is_default).then(|| edit(self.kind, self.namespace, self.name)),
        }
    }

    fn gives(&self, right: &Right<'_>) -> bool {
        self.rules.iter().any(|rule| {
            has_group(rule, right)
                && has_resource(rule, right)
                && has_verb(rule, right)
                && has_object(rule, right)
        })
    }
}

impl Binding<'_> {
    fn named(&self) -> String {
        format!("{} {}", self.kind, full_name(self.namespace, self.name))
    }

    fn near(&self, says: &str) -> Near {
        Near {
            says: says.to_owned(),
            edit: Some(edit(self.kind, self.namespace, self.name)),
        }
    }
}

/// Whether a subject is the account, or a group that all accounts are in
/// (<https://kubernetes.io/docs/reference/access-authn-authz/rbac/#referring-to-subjects>).
fn is_meant(subject: &Subject, right: &Right<'_>) -> bool {
    match subject.kind.as_str() {
        "ServiceAccount" => {
            subject.name == right.account && subject.namespace.as_deref() == Some(right.namespace)
        }
        "User" => {
            subject.name
                == format!(
                    "system:serviceaccount:{}:{}",
                    right.namespace, right.account
                )
        }
        "Group" => {
            subject.name == "system:serviceaccounts"
                || subject.name == format!("system:serviceaccounts:{}", right.namespace)
        }
        _ => false,
    }
}

fn refers_to(binding: Binding<'_>, role: &Rules<'_>) -> bool {
    binding.role.kind == role.kind && binding.role.name == role.name
}

fn role_of<'a>(binding: Binding<'_>, rules: &[Rules<'a>]) -> Option<Rules<'a>> {
    rules.iter().find(|role| refers_to(binding, role)).copied()
}

fn all_or(list: Option<&[String]>, wanted: &str) -> bool {
    list.unwrap_or_default()
        .iter()
        .any(|it| it == "*" || it == wanted)
}

fn has_group(rule: &PolicyRule, right: &Right<'_>) -> bool {
    all_or(rule.api_groups.as_deref(), right.group)
}

fn has_resource(rule: &PolicyRule, right: &Right<'_>) -> bool {
    let part = right
        .resource
        .split_once('/')
        .map(|(_, part)| format!("*/{part}"));
    let resources = rule.resources.as_deref();
    all_or(resources, right.resource) || part.is_some_and(|part| all_or(resources, &part))
}

fn has_verb(rule: &PolicyRule, right: &Right<'_>) -> bool {
    all_or(Some(&rule.verbs), right.verb)
}

fn has_object(rule: &PolicyRule, right: &Right<'_>) -> bool {
    let names = rule.resource_names.as_deref().unwrap_or_default();
    names.is_empty()
        || right
            .object
            .is_some_and(|object| names.iter().any(|it| it == object))
}

fn quoted(names: &[String]) -> String {
    let names: Vec<_> = names.iter().map(|name| format!("\"{name}\"")).collect();
    names.join(", ")
}

/// A way in which a rule that is bound to the account falls short of the right.
type Nearly = fn(&PolicyRule, Binding<'_>, &Right<'_>) -> Option<String>;

/// The more telling first.
const NEARLY: &[Nearly] = &[
    misspelt,
    of_other_group,
    in_other_place,
    by_name,
    without_part,
    without_verb,
];

/// `pod` for `pods`, `Deployment` for `deployments`, `deployments.apps` for both together.
fn misspelt(rule: &PolicyRule, _: Binding<'_>, right: &Right<'_>) -> Option<String> {
    if !has_verb(rule, right) || has_resource(rule, right) {
        return None;
    }
    let mut resources = rule.resources.iter().flatten();
    let meant = resources.find(|it| is_misspelt(it, right))?;
    Some(format!(
        "allows \"{meant}\", the resource is \"{}\"",
        right.resource
    ))
}

fn is_misspelt(written: &str, right: &Right<'_>) -> bool {
    /// What kubectl takes, and RBAC does not: `kubectl api-resources`.
    const SHORT: [(&str, &str); 18] = [
        ("cj", "cronjobs"),
        ("cm", "configmaps"),
        ("crd", "customresourcedefinitions"),
        ("deploy", "deployments"),
        ("ds", "daemonsets"),
        ("ep", "endpoints"),
        ("ev", "events"),
        ("hpa", "horizontalpodautoscalers"),
        ("ing", "ingresses"),
        ("netpol", "networkpolicies"),
        ("no", "nodes"),
        ("ns", "namespaces"),
        ("pdb", "poddisruptionbudgets"),
        ("po", "pods"),
        ("pvc", "persistentvolumeclaims"),
        ("rs", "replicasets"),
        ("sts", "statefulsets"),
        ("svc", "services"),
    ];
    let (resource, part) = right.resource.split_once('/').unzip();
    let (resource, part) = (resource.unwrap_or(right.resource), part.unwrap_or_default());
    let lower = written.to_lowercase();
    let (name, of) = lower.split_once('/').unwrap_or((&lower, ""));
    let with_group = format!("{resource}.{}", right.group);
    let group_first = format!("{}/{resource}", right.group);
    if part.is_empty() && !right.group.is_empty() && lower == group_first {
        return true;
    }
    let is_name = name == resource
        || (!right.group.is_empty() && name == with_group)
        || singular(resource) == singular(name)
        || SHORT.contains(&(name, resource));
    is_name && of == part
}

/// As the plurals of Kubernetes' own kinds are made.
fn singular(name: &str) -> String {
    let ending = |ending: &str| name.strip_suffix(ending);
    ending("ies")
        .map(|stem| format!("{stem}y"))
        .or_else(|| ending("sses").map(|stem| format!("{stem}ss")))
        .or_else(|| {
            ending("s")
                .filter(|stem| !stem.ends_with('s'))
                .map(str::to_owned)
        })
        .unwrap_or_else(|| name.to_owned())
}

fn of_other_group(rule: &PolicyRule, _: Binding<'_>, right: &Right<'_>) -> Option<String> {
    let groups = rule.api_groups.as_deref().unwrap_or_default();
    // a rule for all resources of a group means that group
    let is_named = rule
        .resources
        .iter()
        .flatten()
        .any(|it| it == right.resource);
    let is_near = is_named && has_verb(rule, right) && !has_group(rule, right);
    is_near.then(|| {
        format!(
            "allows \"{}\" of API group {}, the resource is of API group \"{}\"",
            right.resource,
            quoted(groups),
            right.group
        )
    })
}

/// A RoleBinding gives rights in its own namespace only.
fn in_other_place(rule: &PolicyRule, binding: Binding<'_>, right: &Right<'_>) -> Option<String> {
    let gives = has_group(rule, right)
        && has_resource(rule, right)
        && has_verb(rule, right)
        && has_object(rule, right);
    let is_narrow = binding.kind == "RoleBinding" && right.within.is_none();
    (gives && is_narrow).then(|| {
        format!(
            "allows it in namespace {} only, since it is a RoleBinding ({}) that binds it",
            binding.namespace, binding.name
        )
    })
}

fn by_name(rule: &PolicyRule, _: Binding<'_>, right: &Right<'_>) -> Option<String> {
    let is_near = has_group(rule, right) && has_resource(rule, right) && has_verb(rule, right);
    let names = rule.resource_names.as_deref().unwrap_or_default();
    if !is_near || has_object(rule, right) {
        return None;
    }
    Some(match right.object {
        Some(object) => format!(
            "allows it for {} only (resourceNames), not for \"{object}\"",
            quoted(names)
        ),
        None => format!(
            "allows it for {} only (resourceNames), and who may {} needs it for all",
            quoted(names),
            right.verb
        ),
    })
}

/// `pods` does not include `pods/log`.
fn without_part(rule: &PolicyRule, _: Binding<'_>, right: &Right<'_>) -> Option<String> {
    let (resource, _) = right.resource.split_once('/')?;
    let has_whole = rule.resources.iter().flatten().any(|it| it == resource);
    let is_near = has_whole && has_group(rule, right) && !has_resource(rule, right);
    is_near.then(|| {
        format!(
            "allows \"{resource}\", which does not include \"{}\"",
            right.resource
        )
    })
}

fn without_verb(rule: &PolicyRule, _: Binding<'_>, right: &Right<'_>) -> Option<String> {
    let is_named = rule
        .resources
        .iter()
        .flatten()
        .any(|it| it == right.resource);
    let is_near = is_named && has_group(rule, right) && !has_verb(rule, right);
    is_near.then(|| {
        format!(
            "allows {} of \"{}\", not \"{}\"",
            quoted(&rule.verbs),
            right.resource,
            right.verb
        )
    })
}

/// The account's own binding to a role that is not there.
fn dangling(binding: Binding<'_>, rules: &[Rules<'_>]) -> Option<Near> {
    if role_of(binding, rules).is_some() {
        return None;
    }
    let RoleRef { kind, name, .. } = binding.role;
    let there = rules.iter().filter(|it| it.kind == kind && !it.is_default);
    let similar = closest(name, there.map(|it| it.name.to_owned()))
        .map(|similar| format!("; {kind} {similar} does"))
        .unwrap_or_default();
    Some(Near {
        says: format!(
            "{} refers to {kind} {name}, which does not exist{similar}",
            binding.named()
        ),
        // a binding's role cannot be changed, so either is made anew
        edit: None,
    })
}

/// A binding that gives the right to another who was probably not meant.
fn to_somebody_else(
    binding: Binding<'_>,
    role: Rules<'_>,
    right: &Right<'_>,
    accounts: &[ServiceAccount],
) -> Option<Near> {
    if !role.gives(right) || (right.within.is_none() && binding.kind == "RoleBinding") {
        return None;
    }
    let is_there = |name: &str| {
        accounts
            .iter()
            .any(|it| it.metadata.name.as_deref() == Some(name))
    };
    let to = |subject: &Subject| {
        let namespace = subject.namespace.as_deref().unwrap_or_default();
        format!(
            "{} allows it to {} {}",
            binding.named(),
            subject.kind,
            full_name(namespace, &subject.name)
        )
    };
    binding.subjects.iter().find_map(|subject| {
        let is_of_here = subject.namespace.as_deref() == Some(right.namespace);
        let own = full_name(right.namespace, right.account);
        match subject.kind.as_str() {
            // `default` is a name in every namespace
            "ServiceAccount" if !is_of_here && right.is_chosen && subject.name == right.account => {
                Some(binding.near(&format!("{}, not to {own}", to(subject))))
            }
            "User" if right.is_chosen && subject.name == right.account => Some(binding.near(
                &format!("{}, and {own} is a ServiceAccount, no User", to(subject)),
            )),
            "ServiceAccount" if is_of_here && !is_there(&subject.name) && !accounts.is_empty() => {
                let wanted = std::iter::once(right.account.to_owned());
                let _ = closest(&subject.name, wanted)?;
                Some(binding.near(&format!("{}, which does not exist", to(subject))))
            }
            "ServiceAccount" if is_of_here && !right.is_chosen && binding.kind == "RoleBinding" => {
                Some(Near {
                    says: format!(
                        "{}, and the pod names no serviceAccountName, so it runs as {}",
                        to(subject),
                        right.account
                    ),
                    edit: None,
                })
            }
            _ => None,
        }
    })
}
