//! ACT: the only ways in which Akeso changes a cluster. One file an action.
//!
//! An action is a choice among bounded parameters, never a command or a free patch. From the
//! workload as it stands it makes a [`Change`]: the smallest JSON Patch (RFC 6902) with `test`
//! operations on the values that the decision was based on, and the patch that takes it back.

mod add_pull_secret;
mod address;
mod amend;
mod correction;
mod diff;
mod extend_probe;
mod fix_claim;
mod fix_image_name;
mod fix_ingress;
mod fix_node_selector;
mod fix_probe;
mod fix_reference;
mod fix_service;
mod grant_access;
mod increase_memory;
mod mark;
mod patch;
mod rerun_job;
mod restart_pod;
mod rollback_to_revision;
mod set_request;
mod trial;
mod update_env;

pub use add_pull_secret::AddPullSecret;
pub use amend::{Choice, NotAmendable};
pub use diff::diff;
pub use extend_probe::ExtendProbe;
pub use fix_claim::FixClaim;
pub use fix_image_name::FixImageName;
pub use fix_ingress::FixIngress;
pub use fix_node_selector::FixNodeSelector;
pub use fix_probe::FixProbe;
pub use fix_reference::{FixReference, Referred};
pub use fix_service::FixService;
pub use grant_access::{GRANT, GrantAccess};
pub use increase_memory::IncreaseMemory;
pub use mark::{Mark, StoreId};
pub use patch::PatchOp;
pub use rerun_job::{RERUN, RerunJob};
pub use restart_pod::RestartPod;
pub use rollback_to_revision::RollbackToRevision;
pub(crate) use rollback_to_revision::changed_fields;
pub(crate) use rollback_to_revision::fingerprint as rollback_fingerprint;
pub use set_request::{Requested, Resource, SetRequest};
pub use trial::{TRIAL, why_no_trial};
pub(crate) use trial::{is_about_the_pod, trial};
pub use update_env::{EnvValue, Found, UpdateEnv, Variable};

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    cluster::Workload,
    plan::Proof,
    workload::{AttemptId, ContainerRef, WorkloadRef},
};

/// On the workload's own metadata (never on the pod template, where it would start a rollout):
/// the [`Mark`] of the attempt that changed it last.
pub const LAST_ATTEMPT: &str = "akeso.dev/last-attempt";
/// On the workload's own metadata: the variables to which Akeso gave a placeholder.
pub const PLACEHOLDER: &str = "akeso.dev/placeholder";

/// Why a name that was found by its likeness asks first.
const ONLY_ALIKE: &str = "a name that is only alike is no proof";

/// Why an action cannot be applied to a workload as it stands.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotApplicable {
    /// The container is not in the pod template.
    #[error("{workload} has no {container}")]
    NoContainer {
        /// The workload.
        workload: WorkloadRef,
        /// The container.
        container: ContainerRef,
    },
    /// The pod template cannot be changed.
    #[error("the pod template of {workload} cannot be changed: make it anew")]
    Immutable {
        /// The workload.
        workload: WorkloadRef,
    },
    /// The value that the decision was based on is another by now.
    #[error("{workload}: {field} is `{found}` by now, not `{expected}`")]
    Changed {
        /// The workload.
        workload: WorkloadRef,
        /// The field.
        field: String,
        /// What the decision was based on.
        expected: String,
        /// What the field holds.
        found: String,
    },
    /// The pod or revision that the action names is gone.
    #[error("{what} is gone")]
    Gone {
        /// What is gone.
        what: String,
    },
    /// Akeso never does it, whatever the policy says.
    #[error("it is never done: {why}")]
    Never {
        /// Why.
        why: String,
    },
}

/// What one attempt does to one object.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "operation", rename_all = "kebab-case")]
pub enum Change {
    /// A JSON Patch of the workload.
    Patch {
        /// The patch.
        forward: Vec<PatchOp>,
        /// The patch that takes it back, guarded by `test` operations on what `forward` wrote.
        inverse: Vec<PatchOp>,
    },
    /// An eviction (which respects PodDisruptionBudgets) of one pod; nothing to take back.
    Evict {
        /// The pod's name.
        pod: String,
        /// The pod's uid: a pod of the same name but another uid is not meant.
        uid: String,
    },
    /// A pod of its own with the workload's changed template; it is taken back by removing it.
    Trial {
        /// The pod's name.
        name: String,
        /// The pod.
        pod: Value,
    },
    /// A copy of a Job, by which it is run again; it is taken back by removing it.
    Rerun {
        /// The copy's name.
        name: String,
        /// The copy.
        job: Value,
    },
    /// A Role and a `RoleBinding` of the same name; it is taken back by removing them.
    Grant {
        /// Their name.
        name: String,
        /// The Role.
        role: Value,
        /// The `RoleBinding`.
        binding: Value,
    },
}

impl Change {
    /// The same change with another mark of the attempt. An action knows only its number.
    #[must_use]
    pub fn marked(self, mark: &Mark) -> Self {
        match self {
            Self::Patch { forward, inverse } => Self::Patch {
                forward: forward.into_iter().map(|it| it.marked(mark)).collect(),
                inverse,
            },
            Self::Grant { role, binding, .. } => grant_access::marked(role, binding, mark),
            Self::Rerun { job, .. } => rerun_job::marked(job, mark),
            Self::Evict { .. } | Self::Trial { .. } => self,
        }
    }

    /// The mark that it leaves in the cluster: on the workload, or as the label of what is made. An
    /// eviction leaves none.
    pub fn mark(&self) -> Option<&str> {
        match self {
            Self::Patch { forward, .. } => forward.iter().find_map(PatchOp::as_mark),
            Self::Evict { .. } => None,
            Self::Trial { pod, .. } => pod.pointer("/metadata/labels")?.get(TRIAL)?.as_str(),
            Self::Grant { role, .. } => role.pointer("/metadata/labels")?.get(GRANT)?.as_str(),
            Self::Rerun { job, .. } => job.pointer("/metadata/labels")?.get(RERUN)?.as_str(),
        }
    }
}

/// What each action can say of itself.
pub trait Treatment {
    /// What it does, in a few words: `set the image of container web to nginx:latest`.
    fn summary(&self) -> String;
    /// The kubectl command by which a person would do the same.
    fn command(&self, workload: &WorkloadRef) -> String;
    /// The change to the workload as it stands, if the action's precondition holds; use
    /// [`Action::change`].
    fn change(&self, workload: &Workload<'_>, attempt: AttemptId) -> Result<Change, NotApplicable>;
    /// Whether the workload, as the watch tells of it, has been reached by the action. A patch is
    /// recognised by the generation that it makes.
    fn is_seen(&self, _: &Workload<'_>) -> bool {
        true
    }
    /// Whether it touches no pod: what it is for shows when a container that has ended is started
    /// again.
    fn shows_at_next_start(&self) -> bool {
        false
    }
    /// Whether the workload still has what the action wrote.
    fn holds(&self, workload: &Workload<'_>) -> bool;
    /// Whether the workload has what the action would have written, whoever wrote it; nothing where
    /// the workload cannot show that.
    fn is_done(&self, workload: &Workload<'_>) -> Option<bool> {
        Some(self.holds(workload))
    }
    /// Whether its parameters mean something for another workload.
    fn is_transferable(&self) -> bool {
        true
    }
    /// Why it is not tried on a pod of its own first, whatever the workload.
    fn why_no_trial(&self) -> Option<&'static str> {
        None
    }
    /// Whether it acts by itself under [`Autonomy::Cautious`](crate::policy::Autonomy).
    fn acts_when_cautious(&self, _: Proof) -> bool {
        false
    }
    /// Why it acts by itself under [`Autonomy::Standard`](crate::policy::Autonomy) only with
    /// [`Proof::Confirmed`], if so.
    fn needs_confirmation(&self) -> Option<&'static str> {
        None
    }
    /// Whether it gives the workload a credential that it did not have before.
    fn brings_credential(&self) -> bool {
        false
    }
}

macro_rules! actions {
    ($($(#[$doc:meta])* $action:ident => $name:literal,)*) => {
        /// A typed action. The names of the first four are the article's.
        #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(tag = "action", rename_all = "snake_case")]
        pub enum Action { $($(#[$doc])* $action($action),)* }

        /// The actions, by name.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum ActionKind { $($(#[$doc])* $action,)* }

        impl Action {
            /// The action as the one thing that all have in common.
            pub fn treatment(&self) -> &dyn Treatment {
                match self { $(Self::$action(action) => action,)* }
            }

            /// Which action it is.
            pub const fn kind(&self) -> ActionKind {
                match self { $(Self::$action(_) => ActionKind::$action,)* }
            }
        }

        impl ActionKind {
            /// Every action.
            pub const ALL: &[Self] = &[$(Self::$action,)*];

            /// Its name, as in the article's memory file and in the policy.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$action => $name,)* }
            }
        }
    };
}
actions! {
    /// Corrects a container's image reference.
    FixImageName => "fix_image_name",
    /// Adds environment variables to a container.
    UpdateEnv => "update_env",
    /// Raises a container's memory limit.
    IncreaseMemory => "increase_memory",
    /// Has one pod made anew.
    RestartPod => "restart_pod",
    /// Puts the pod template of an earlier revision back.
    RollbackToRevision => "rollback_to_revision",
    /// Corrects a reference to a ConfigMap, a Secret or a Service, or to a key or a port of one.
    FixReference => "fix_reference",
    /// Corrects the port of a probe.
    FixProbe => "fix_probe",
    /// Corrects the value of a label in the node selector.
    FixNodeSelector => "fix_node_selector",
    /// Corrects a Service's selector or a target port.
    FixService => "fix_service",
    /// Corrects the Service of an Ingress's backend, or its port.
    FixIngress => "fix_ingress",
    /// Corrects the name of a claim that a volume mounts.
    FixClaim => "fix_claim",
    /// Names a Secret with credentials for a registry.
    AddPullSecret => "add_pull_secret",
    /// Gives a workload's ServiceAccount one right that the API server refused it.
    GrantAccess => "grant_access",
    /// Sets what containers request.
    SetRequest => "set_request",
    /// Runs a Job again that has given up.
    RerunJob => "rerun_job",
    /// Gives a program more time to start before a probe has it killed.
    ExtendProbe => "extend_probe",
}

impl ActionKind {
    /// Whether it is done only where the policy names it, whatever the level.
    pub const fn is_opt_in(self) -> bool {
        matches!(self, Self::GrantAccess)
    }
}

impl fmt::Display for ActionKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Action {
    /// The action's name.
    pub const fn name(&self) -> &'static str {
        self.kind().as_str()
    }

    /// The change to the workload as it stands, if the action's precondition holds. Forwards and
    /// back it is for this very object: one that was deleted and made anew is another.
    pub fn change(
        &self,
        workload: &Workload<'_>,
        attempt: AttemptId,
    ) -> Result<Change, NotApplicable> {
        let change = self.treatment().change(workload, attempt)?;
        let (Change::Patch { forward, inverse }, Some(uid)) = (&change, &workload.metadata().uid)
        else {
            return Ok(change);
        };
        let pinned = |operations: &[PatchOp]| {
            let uid = PatchOp::test("/metadata/uid", uid.clone());
            std::iter::once(uid)
                .chain(operations.iter().cloned())
                .collect()
        };
        Ok(Change::Patch {
            forward: pinned(forward),
            inverse: pinned(inverse),
        })
    }

    /// The memory that it gives, if that is what it does.
    pub const fn as_memory(&self) -> Option<&IncreaseMemory> {
        match self {
            Self::IncreaseMemory(action) => Some(action),
            _ => None,
        }
    }
}
