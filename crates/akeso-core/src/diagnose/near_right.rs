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

/// What nearly gives a right; by default nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Near {
    /// For instance `Role shop/reader allows "pod", the resource is "pods"`.
    pub(super) says: String,
    /// Where to mend it, unless that is Kubernetes' own.
    pub(super) edit: Option<String>,
    /// Whether all rules were read, and none gives the right, nor nearly.
    pub(super) is_missing: bool,
}

/// What a Role or a `ClusterRole` allows.
#[derive(Debug, Clone, Copy)]
struct Holder<'a> {
    kind: &'static str,
    namespace: &'a str,
    name: &'a str,
    rules: &'a [PolicyRule],
    /// Whether Kubernetes makes it, and sets it back.
    is_default: bool,
}

/// A `RoleBinding` or a `ClusterRoleBinding`.
#[derive(Debug, Clone, Copy)]
struct Binding<'a> {
    kind: &'static str,
    namespace: &'a str,
    name: &'a str,
    role: &'a RoleRef,
    subjects: &'a [Subject],
}

/// What nearly gives a right. None if what it takes to know that has not come yet.
pub(super) fn find(examination: &Examination<'_>, right: &Right<'_>) -> Option<Near> {
    let place = right.within.unwrap_or(right.namespace);
    // asked together: each would cost a round of its own
    let of_place = examination.list::<Role>(place);
    let of_cluster = examination.list::<ClusterRole>("");
    let bound_here = examination.list::<RoleBinding>(place);
    let bound_everywhere = examination.list::<ClusterRoleBinding>("");
    let accounts = examination.list::<ServiceAccount>(right.namespace);
    let (of_place, of_cluster, bound_here) = (of_place?, of_cluster?, bound_here?);
    let (bound_everywhere, accounts) = (bound_everywhere?, accounts?);
    let Ok(bound_here) = bound_here else {
        return Some(Near::default()); // what is bound to nobody cannot be told from what is bound
    };
    let is_whole = of_place.is_ok() && of_cluster.is_ok();
    let of_place = of_place.unwrap_or_default().iter().map(of_role);
    let of_cluster = of_cluster.unwrap_or_default().iter().map(of_cluster_role);
    let is_all = is_whole && bound_everywhere.is_ok();
    let everywhere = bound_everywhere.unwrap_or_default().iter();
    let bindings = bound_here.iter().map(of_binding);
    let cluster = Rbac {
        holders: of_place.chain(of_cluster).collect(),
        is_whole,
        bindings: bindings.chain(everywhere.map(of_cluster_binding)).collect(),
        accounts: accounts.unwrap_or_default(),
    };
    let near = cluster
        .dangling(right)
        .or_else(|| cluster.nearly(right))
        .or_else(|| cluster.to_somebody_else(right))
        .or_else(|| cluster.to_nobody(right));
    Some(near.unwrap_or_else(|| Near {
        is_missing: is_all && !cluster.is_given(right),
        ..Near::default()
    }))
}

/// Who may do what.
struct Rbac<'a> {
    holders: Vec<Holder<'a>>,
    /// Whether these are all.
    is_whole: bool,
    bindings: Vec<Binding<'a>>,
    accounts: &'a [ServiceAccount],
}

impl<'a> Rbac<'a> {
    fn role_of(&self, binding: Binding<'_>) -> Option<Holder<'a>> {
        let mut holders = self.holders.iter();
        holders.find(|role| refers_to(binding, role)).copied()
    }

    /// The bindings that name the account.
    fn own(&self, right: &Right<'_>) -> impl Iterator<Item = Binding<'a>> {
        let bindings = self.bindings.iter().copied();
        bindings.filter(|binding| {
            binding
                .subjects
                .iter()
                .any(|it| is_meant(*binding, it, right))
        })
    }

    /// Whether RBAC gives the account the right by now: something else refuses it, or it has come.
    fn is_given(&self, right: &Right<'_>) -> bool {
        self.own(right)
            .any(|binding| self.role_of(binding).is_some_and(|it| it.gives(right)))
    }

    /// The account's own binding to a role that is not there.
    fn dangling(&self, right: &Right<'_>) -> Option<Near> {
        let mut own = self.own(right);
        let binding = own.find(|it| self.is_whole && self.role_of(*it).is_none())?;
        let RoleRef { kind, name, .. } = binding.role;
        let holders = self.holders.iter();
        let there = holders.filter(|it| it.kind == kind && !it.is_default);
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
            is_missing: false,
        })
    }

    /// A rule that is bound to the account and falls short of the right.
    fn nearly(&self, right: &Right<'_>) -> Option<Near> {
        NEARLY.iter().find_map(|nearly| {
            self.own(right).find_map(|binding| {
                let role = self.role_of(binding)?;
                let mut rules = role.rules.iter();
                let says = rules.find_map(|rule| nearly(rule, binding, right))?;
                Some(role.near(&says))
            })
        })
    }

    /// A binding that gives the right to another who was probably not meant.
    fn to_somebody_else(&self, right: &Right<'_>) -> Option<Near> {
        let is_wide = |it: &Binding<'_>| right.within.is_some() || it.namespace.is_empty();
        let mut bindings = self.bindings.iter().filter(|it| is_wide(it));
        bindings.find_map(|binding| {
            let gives = self.role_of(*binding)?.gives(right);
            let mut subjects = binding.subjects.iter().filter(|_| gives);
            subjects.find_map(|subject| not_meant(*binding, subject, right, self.accounts))
        })
    }

    /// A Role that gives the right and is bound to nobody.
    fn to_nobody(&self, right: &Right<'_>) -> Option<Near> {
        let holders = self.holders.iter();
        let mut gives = holders.filter(|it| !it.namespace.is_empty() && it.gives(right));
        let role = gives.find(|role| !self.bindings.iter().any(|it| refers_to(*it, role)))?;
        right.within?;
        Some(role.near("allows it, and no RoleBinding refers to it"))
    }
}

fn of_role(role: &Role) -> Holder<'_> {
    Holder {
        kind: "Role",
        namespace: role.metadata.namespace.as_deref().unwrap_or_default(),
        name: role.metadata.name.as_deref().unwrap_or_default(),
        rules: role.rules.as_deref().unwrap_or_default(),
        is_default: false,
    }
}

fn of_cluster_role(role: &ClusterRole) -> Holder<'_> {
    /// <https://kubernetes.io/docs/reference/access-authn-authz/rbac/#default-roles-and-role-bindings>
    const DEFAULT: &str = "kubernetes.io/bootstrapping";
    let labels = role.metadata.labels.as_ref();
    Holder {
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

impl Holder<'_> {
    fn named(&self) -> String {
        format!("{} {}", self.kind, full_name(self.namespace, self.name))
    }

    fn near(&self, says: &str) -> Near {
        Near {
            says: format!("{} {says}", self.named()),
            edit: (!self.is_default).then(|| edit(self.kind, self.namespace, self.name)),
            is_missing: false,
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
}

/// A ServiceAccount that is named without a namespace is one of the binding's.
fn namespace_of<'a>(binding: Binding<'a>, subject: &'a Subject) -> &'a str {
    let named = subject.namespace.as_deref();
    named
        .filter(|named| !named.is_empty())
        .unwrap_or(binding.namespace)
}

/// Whether a subject is the account, or a group that all accounts are in
/// (<https://kubernetes.io/docs/reference/access-authn-authz/rbac/#referring-to-subjects>).
fn is_meant(binding: Binding<'_>, subject: &Subject, right: &Right<'_>) -> bool {
    match subject.kind.as_str() {
        "ServiceAccount" => {
            subject.name == right.account && namespace_of(binding, subject) == right.namespace
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

fn refers_to(binding: Binding<'_>, role: &Holder<'_>) -> bool {
    binding.role.kind == role.kind && binding.role.name == role.name
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

/// A `RoleBinding` gives rights in its own namespace only.
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

/// Why a subject of a binding that gives the right was probably meant to be the account.
fn not_meant(
    binding: Binding<'_>,
    subject: &Subject,
    right: &Right<'_>,
    accounts: &[ServiceAccount],
) -> Option<Near> {
    let is_there = |name: &str| {
        accounts
            .iter()
            .any(|it| it.metadata.name.as_deref() == Some(name))
    };
    let of = match subject.kind.as_str() {
        "ServiceAccount" => namespace_of(binding, subject),
        _ => "",
    };
    let is_of_here = of == right.namespace;
    let is_of_that_name = subject.name == right.account;
    let own = full_name(right.namespace, right.account);
    let (why, is_wrong) = match subject.kind.as_str() {
        // `default` is a name in every namespace
        "ServiceAccount" if !is_of_here && right.is_chosen && is_of_that_name => {
            (format!("not to {own}"), true)
        }
        "User" if right.is_chosen && is_of_that_name => {
            (format!("and {own} is a ServiceAccount, no User"), true)
        }
        "ServiceAccount" if is_of_here && !is_there(&subject.name) && !accounts.is_empty() => {
            let wanted = std::iter::once(right.account.to_owned());
            closest(&subject.name, wanted)?;
            ("which does not exist".to_owned(), true)
        }
        "ServiceAccount" if is_of_here && !right.is_chosen && !binding.namespace.is_empty() => {
            let runs_as = right.account;
            let why = format!("and the pod names no serviceAccountName, so it runs as {runs_as}");
            (why, false)
        }
        _ => return None,
    };
    let says = format!(
        "{} allows it to {} {}, {why}",
        binding.named(),
        subject.kind,
        full_name(of, &subject.name)
    );
    let edit = is_wrong.then(|| edit(binding.kind, binding.namespace, binding.name));
    Some(Near {
        says,
        edit,
        is_missing: false,
    })
}
