//! How much may be tried, and when everything pauses.

use jiff::SignedDuration;
use serde::{Deserialize, Serialize};

/// How much may be tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct Budgets {
    /// On one workload.
    pub workload: WorkloadBudget,
    /// In one namespace.
    pub namespace: NamespaceBudget,
    /// In the cluster.
    pub cluster: ClusterBudget,
}

/// How much may fail on one workload.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct WorkloadBudget {
    /// So many failed attempts within [`closed_for`](Self::closed_for) close the workload.
    pub failures: u32,
    /// How long it is closed for the first time; each further time it is twice as long.
    pub closed_for: SignedDuration,
    /// It is never closed for longer.
    pub longest: SignedDuration,
}

impl Default for WorkloadBudget {
    fn default() -> Self {
        Self {
            failures: 3,
            closed_for: SignedDuration::from_hours(1),
            longest: SignedDuration::from_hours(24),
        }
    }
}

macro_rules! rate {
    ($(#[$doc:meta])* $name:ident: $concurrent:literal at once, $per_hour:literal an hour) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(default, rename_all = "camelCase", deny_unknown_fields)]
        pub struct $name {
            /// So many workloads at once, from the change until its verdict.
            pub concurrent: u32,
            /// So many changes within an hour.
            pub per_hour: u32,
        }

        impl Default for $name {
            fn default() -> Self {
                Self { concurrent: $concurrent, per_hour: $per_hour }
            }
        }
    };
}
rate!(
    /// How much may be changed in one namespace.
    NamespaceBudget: 5 at once, 30 an hour
);
rate!(
    /// How much may be changed in the cluster.
    ClusterBudget: 10 at once, 100 an hour
);

/// When actions pause because too much breaks at once. Only workloads that were well before are
/// counted: what was broken from its first minute is no storm, however much there is of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct Storm {
    /// More than this share of all workloads, in percent ...
    pub share_percent: u8,
    /// ... and at least so many ...
    pub at_least: u32,
    /// ... within this time.
    pub within: SignedDuration,
    /// It is over when nothing has broken for so long.
    pub quiet_for: SignedDuration,
}

impl Default for Storm {
    fn default() -> Self {
        Self {
            share_percent: 20,
            at_least: 5,
            within: SignedDuration::from_mins(5),
            quiet_for: SignedDuration::from_mins(5),
        }
    }
}
