//! What Akeso must be allowed to do, and what for: the only place that says it.
//!
//! The roles of `akeso rbac`, the check at the start of `akeso monitor` and the table in
//! docs/permissions.md are made of it. Each line mirrors a request that this crate sends: a new
//! kind, action or request is not covered before it stands here, and for kinds and actions the
//! compiler asks for it.

mod names;
mod review;
mod role;

use std::fmt;

use akeso_core::{
    act::ActionKind,
    cluster::Kind,
    evidence::ListedKind,
    workload::{SupportKind, WorkloadKind},
};

pub use names::{InvalidName, NamespaceName, ServiceAccountName};
pub use review::Review;
pub use role::{Document, Install, Object, documents};

use crate::{apply::watched, gather::listed_resource, usage::pod_metrics, watch::api_resource};

/// What may be done to a resource, as RBAC names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verb {
    /// Read one.
    Get,
    /// Read all.
    List,
    /// Be told of changes.
    Watch,
    /// Make one.
    Create,
    /// Change one.
    Patch,
    /// Remove one.
    Delete,
    /// Of a role: let somebody do what one may not do.
    Bind,
    /// Of a role: write into it what one may not do.
    Escalate,
}

impl Verb {
    /// As it stands in a role.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Get => "get",
            Self::List => "list",
            Self::Watch => "watch",
            Self::Create => "create",
            Self::Patch => "patch",
            Self::Delete => "delete",
            Self::Bind => "bind",
            Self::Escalate => "escalate",
        }
    }
}

/// One verb on one resource.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Permission {
    /// The API group; empty for the core group.
    pub group: String,
    /// The resource's plural.
    pub resource: String,
    /// The part of it that is meant, for instance `log`, or nothing.
    pub subresource: Option<&'static str>,
    /// The verb.
    pub verb: Verb,
}

impl Permission {
    fn core(resource: &str, subresource: Option<&'static str>, verb: Verb) -> Self {
        Self {
            group: String::new(),
            resource: resource.to_owned(),
            subresource,
            verb,
        }
    }

    fn on(kind: Kind, verb: Verb) -> Self {
        let resource = api_resource(kind);
        Self {
            group: resource.group,
            resource: resource.plural,
            subresource: None,
            verb,
        }
    }

    /// The resource as it stands in a role: `pods/log`.
    pub fn path(&self) -> String {
        match self.subresource {
            Some(part) => format!("{}/{part}", self.resource),
            None => self.resource.clone(),
        }
    }
}

/// As `kubectl auth can-i` takes it: `patch deployments.apps`.
impl fmt::Display for Permission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.verb.as_str(), self.path())?;
        match self.group.as_str() {
            "" => Ok(()),
            group => write!(f, ".{group}"),
        }
    }
}

/// What a permission is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Purpose {
    /// To see what there is.
    Watch(Kind),
    /// To tell a namespace that is not there from an empty one.
    FindNamespace,
    /// To read what programs say.
    Logs,
    /// To find the value of a missing variable among the keys of ConfigMaps.
    ConfigMaps,
    /// The same of Secrets: their names and keys.
    Secrets,
    /// To ask private registries, with the credentials of the pod that cannot pull.
    PullSecrets,
    /// To see what the certificates of Ingresses say to everybody.
    Certificates,
    /// To stay within LimitRanges and ResourceQuotas.
    Bounds,
    /// To see what containers use.
    Usage,
    /// To explain what lies in kinds that are not watched.
    Explain(ListedKind),
    /// To tell on the workload what was done.
    Announce,
    /// An action.
    Action(ActionKind),
    /// To try a change on a pod of its own first.
    Trial,
}

/// One permission, and what becomes of its purpose without it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Need {
    /// What it is for.
    pub purpose: Purpose,
    /// The permission.
    pub permission: Permission,
    /// What is lost without it.
    pub loss: Loss,
}

/// What is lost without a permission.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Loss {
    /// The whole purpose.
    All,
    /// The purpose for workloads of this kind.
    Kind(WorkloadKind),
}

impl Purpose {
    /// What only reads, in the order in which a role lists it.
    pub fn reading() -> Vec<Self> {
        let watches = Kind::ALL.iter().copied().map(Self::Watch);
        let rest = [
            Self::FindNamespace,
            Self::Logs,
            Self::ConfigMaps,
            Self::Secrets,
            Self::PullSecrets,
            Self::Certificates,
            Self::Bounds,
            Self::Usage,
        ];
        let explains = ListedKind::ALL.iter().copied().map(Self::Explain);
        watches.chain(rest).chain(explains).collect()
    }

    /// What changes something, for these actions: also what goes with them.
    pub fn acting(actions: &[ActionKind]) -> Vec<Self> {
        let mut purposes: Vec<_> = actions.iter().copied().map(Self::Action).collect();
        if actions
            .iter()
            .any(|action| matches!(way(*action), Way::Patches(_)))
        {
            purposes.push(Self::Trial);
        }
        if !purposes.is_empty() {
            purposes.push(Self::Announce);
        }
        purposes
    }

    /// Its name, for people.
    pub fn name(self) -> &'static str {
        match self {
            Self::Watch(_) => "observation",
            Self::FindNamespace => "the name after -n",
            Self::Logs => "logs",
            Self::ConfigMaps => "values from ConfigMaps",
            Self::Secrets => "references to Secrets, of which only names and keys are kept",
            Self::PullSecrets => "private registries",
            Self::Certificates => "certificates, without their keys",
            Self::Bounds => "bounds of memory",
            Self::Usage => "what containers use",
            Self::Explain(_) => "explanations",
            Self::Announce => "Kubernetes Events",
            Self::Action(action) => action.as_str(),
            Self::Trial => "trial pods",
        }
    }

    /// What Akeso does without it.
    pub fn without(self) -> &'static str {
        match self {
            Self::Watch(kind) => without_kind(kind),
            Self::FindNamespace => "a misspelt namespace looks like an empty one",
            Self::Logs => "crashes are not explained, so missing variables are not found",
            Self::ConfigMaps | Self::Secrets => {
                "missing variables that neither an earlier revision nor another workload has are left to a person"
            }
            Self::PullSecrets => "misspelt images of private registries are left to a person",
            Self::Certificates => "certificates that are missing or have expired are not found",
            Self::Bounds => "memory kills are left to a person",
            Self::Usage => {
                "a request that is missing, or too large for every node, is left to a person unless an earlier revision has it"
            }
            Self::Explain(kind) => without_listed(kind),
            Self::Announce => "kubectl describe does not tell what Akeso did",
            Self::Action(_) => "the action is off",
            Self::Trial => "changes are made without being tried on a pod of their own first",
        }
    }

    /// Whether its permissions lie in no namespace.
    pub const fn is_cluster_wide(self) -> bool {
        match self {
            Self::Watch(Kind::Namespace | Kind::Node) | Self::FindNamespace => true,
            Self::Explain(kind) => kind.is_cluster_wide(),
            Self::Watch(_)
            | Self::Logs
            | Self::ConfigMaps
            | Self::Secrets
            | Self::PullSecrets
            | Self::Certificates
            | Self::Bounds
            | Self::Usage
            | Self::Announce
            | Self::Action(_)
            | Self::Trial => false,
        }
    }

    /// What it needs.
    pub fn needs(self) -> Vec<Need> {
        let all = |permissions: Vec<Permission>| -> Vec<Need> {
            let needs = permissions.into_iter().map(|permission| Need {
                purpose: self,
                permission,
                loss: Loss::All,
            });
            needs.collect()
        };
        match self {
            Self::Watch(kind) => all(vec![
                Permission::on(kind, Verb::List),
                Permission::on(kind, Verb::Watch),
            ]),
            Self::FindNamespace => all(vec![Permission::on(Kind::Namespace, Verb::Get)]),
            Self::Logs => all(vec![Permission::core("pods", Some("log"), Verb::Get)]),
            Self::ConfigMaps => all(vec![Permission::core("configmaps", None, Verb::List)]),
            Self::Secrets => all(vec![Permission::core("secrets", None, Verb::List)]),
            Self::PullSecrets | Self::Certificates => {
                all(vec![Permission::core("secrets", None, Verb::Get)])
            }
            Self::Bounds => all(vec![
                Permission::core("limitranges", None, Verb::List),
                Permission::core("resourcequotas", None, Verb::List),
            ]),
            Self::Usage => {
                let resource = pod_metrics();
                all(vec![Permission {
                    group: resource.group,
                    ..Permission::core(&resource.plural, None, Verb::List)
                }])
            }
            Self::Explain(kind) => {
                let resource = listed_resource(kind);
                all(vec![Permission {
                    group: resource.group,
                    ..Permission::core(&resource.plural, None, Verb::List)
                }])
            }
            // kube's Recorder patches the Event that it made when the same is told again
            Self::Announce => all([Verb::Create, Verb::Patch]
                .map(|verb| Permission {
                    group: "events.k8s.io".to_owned(),
                    ..Permission::core("events", None, verb)
                })
                .into()),
            Self::Action(action) => match way(action) {
                Way::Patches(kinds) => kinds
                    .iter()
                    .flat_map(|kind| patching(self, *kind))
                    .collect(),
                Way::Evicts => all(vec![
                    Permission::on(Kind::Pod, Verb::Get),
                    Permission::core("pods", Some("eviction"), Verb::Create),
                ]),
                Way::Grants => {
                    let both = [Verb::Get, Verb::Create, Verb::Delete].into_iter();
                    let both =
                        both.flat_map(|verb| [rbac("roles", verb), rbac("rolebindings", verb)]);
                    // whoever may not do it himself may neither write it into a role nor bind that
                    let beyond = [Verb::Bind, Verb::Escalate].map(|verb| rbac("roles", verb));
                    all(both.chain(beyond).collect())
                }
                Way::RunsJobs => all([Verb::Get, Verb::Create, Verb::Delete]
                    .map(|verb| Permission::on(Kind::Job, verb))
                    .into()),
            },
            Self::Trial => all([Verb::Get, Verb::Create, Verb::Delete]
                .map(|verb| Permission::on(Kind::Pod, verb))
                .into()),
        }
    }
}

/// By which requests an action reaches the cluster.
enum Way {
    /// It patches workloads of these kinds.
    Patches(&'static [WorkloadKind]),
    /// It evicts pods.
    Evicts,
    /// It makes Roles and `RoleBindings`
    /// (<https://kubernetes.io/docs/reference/access-authn-authz/rbac/#privilege-escalation-prevention-and-bootstrapping>).
    Grants,
    /// It makes Jobs.
    RunsJobs,
}

fn rbac(resource: &str, verb: Verb) -> Permission {
    Permission {
        group: "rbac.authorization.k8s.io".to_owned(),
        ..Permission::core(resource, None, verb)
    }
}

/// What each action is applied to: no more than its `Treatment` in the core can make a change of.
const fn way(action: ActionKind) -> Way {
    use WorkloadKind::{CronJob, DaemonSet, Deployment, Pod, StatefulSet};
    match action {
        // of a pod that nobody owns only the image can be changed
        ActionKind::FixImageName => {
            Way::Patches(&[Deployment, StatefulSet, DaemonSet, CronJob, Pod])
        }
        ActionKind::UpdateEnv
        | ActionKind::IncreaseMemory
        | ActionKind::FixReference
        | ActionKind::FixProbe
        | ActionKind::ExtendProbe
        | ActionKind::FixNodeSelector
        | ActionKind::AddPullSecret => Way::Patches(&[Deployment, StatefulSet, DaemonSet, CronJob]),
        ActionKind::FixService => Way::Patches(&[WorkloadKind::Support(SupportKind::Service)]),
        ActionKind::FixIngress => Way::Patches(&[WorkloadKind::Support(SupportKind::Ingress)]),
        // of the others nobody can tell what they had mounted, or what their pods use
        ActionKind::FixClaim | ActionKind::SetRequest => Way::Patches(&[Deployment, StatefulSet]),
        // the others have no revisions
        ActionKind::RollbackToRevision => Way::Patches(&[Deployment, StatefulSet, DaemonSet]),
        ActionKind::RestartPod => Way::Evicts,
        ActionKind::GrantAccess => Way::Grants,
        ActionKind::RerunJob => Way::RunsJobs,
    }
}

/// The patch, and the look at whether it arrived when its answer was lost.
fn patching(purpose: Purpose, kind: WorkloadKind) -> [Need; 2] {
    let loss = match kind {
        // what nearly all workloads are, or all that an action is for
        WorkloadKind::Deployment
        | WorkloadKind::StatefulSet
        | WorkloadKind::DaemonSet
        | WorkloadKind::Support(_) => Loss::All,
        WorkloadKind::ReplicaSet
        | WorkloadKind::CronJob
        | WorkloadKind::Job
        | WorkloadKind::Pod => Loss::Kind(kind),
    };
    [Verb::Get, Verb::Patch].map(|verb| Need {
        purpose,
        permission: Permission::on(watched(kind), verb),
        loss,
    })
}

const fn without_kind(kind: Kind) -> &'static str {
    match kind {
        Kind::Pod | Kind::ReplicaSet | Kind::Deployment => "Akeso does not start",
        Kind::StatefulSet | Kind::DaemonSet | Kind::Job | Kind::CronJob => {
            "workloads of that kind are not looked after"
        }
        Kind::ControllerRevision => "StatefulSets and DaemonSets have no revision to go back to",
        Kind::Service => {
            "Services that lead nowhere are not found, and no missing variable gets the name or port of one"
        }
        Kind::HorizontalPodAutoscaler => {
            "autoscalers that cannot scale are not found, and memory is changed without regard to them"
        }
        Kind::Ingress => "Ingresses that lead nowhere are not found",
        Kind::PersistentVolumeClaim => "pods that wait for a volume are explained less well",
        Kind::PodDisruptionBudget => "budgets that block every eviction are not found",
        Kind::Event => "refused and unschedulable pods are explained less well, or not seen",
        Kind::Namespace => "akeso.dev/ignore and akeso.dev/autonomy are not seen on namespaces",
        Kind::Node => "memory is raised without regard to what a node has",
    }
}

const fn without_listed(kind: ListedKind) -> &'static str {
    match kind {
        ListedKind::Role
        | ListedKind::RoleBinding
        | ListedKind::ClusterRole
        | ListedKind::ClusterRoleBinding => {
            "a refused right is told without the rule that nearly gives it"
        }
        ListedKind::ServiceAccount => {
            "ServiceAccounts are not looked at to explain what is refused"
        }
        ListedKind::NetworkPolicy => "a connection that a NetworkPolicy denies is told without it",
        ListedKind::StorageClass => "claims that wait for a volume are explained less well",
        ListedKind::IngressClass => "Ingresses of a class that does not exist are not found",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_permission_is_written_as_kubectl_takes_it() {
        let all = Purpose::Action(ActionKind::RestartPod).needs();
        let words: Vec<_> = all.iter().map(|need| need.permission.to_string()).collect();
        assert_eq!(words, ["get pods", "create pods/eviction"]);
        let all = Purpose::Action(ActionKind::RollbackToRevision).needs();
        assert_eq!(all[1].permission.to_string(), "patch deployments.apps");
        let all = Purpose::Announce.needs();
        assert_eq!(all[0].permission.to_string(), "create events.events.k8s.io");
    }

    #[test]
    fn what_reads_changes_nothing() {
        for purpose in Purpose::reading() {
            for need in purpose.needs() {
                let verb = need.permission.verb;
                assert!(
                    matches!(verb, Verb::Get | Verb::List | Verb::Watch),
                    "{purpose:?}"
                );
            }
        }
    }

    #[test]
    fn a_trial_is_only_for_what_patches() {
        assert!(!Purpose::acting(&[ActionKind::RestartPod]).contains(&Purpose::Trial));
        assert!(Purpose::acting(&[ActionKind::UpdateEnv]).contains(&Purpose::Trial));
        assert!(Purpose::acting(&[]).is_empty());
    }
}
