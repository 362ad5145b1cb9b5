//! `fix_node_selector`: a label of the pod template's node selector gets the value that nodes have.

use serde::{Deserialize, Serialize};

use super::{
    Change, NotApplicable, Treatment,
    correction::{Place, replace},
    patch::template_path,
};
use crate::{
    cluster::Workload,
    workload::{AttemptId, WorkloadRef},
};

/// Corrects the value of a label in the node selector.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FixNodeSelector {
    /// The label.
    pub label: String,
    /// The value that no node has.
    pub from: String,
    /// The value that it gets.
    pub to: String,
}

impl FixNodeSelector {
    fn value<'a>(&self, workload: &Workload<'a>) -> Option<&'a str> {
        let selector = workload.pod_spec()?.node_selector.as_ref()?;
        selector.get(&self.label).map(String::as_str)
    }
}

impl Treatment for FixNodeSelector {
    fn summary(&self) -> String {
        format!(
            "have the node selector ask for {}={} in place of {}",
            self.label, self.to, self.from
        )
    }

    fn command(&self, workload: &WorkloadRef) -> String {
        format!(
            "kubectl -n {} edit {}  # nodeSelector: {}: {} in place of {}",
            workload.namespace,
            workload.kubectl(),
            self.label,
            self.to,
            self.from
        )
    }

    fn change(&self, workload: &Workload<'_>, attempt: AttemptId) -> Result<Change, NotApplicable> {
        let path = template_path(workload)?;
        let place = Place::at(path).below("nodeSelector").below(&self.label);
        let is_there = self.value(workload) == Some(&self.from);
        let places: Vec<Place> = is_there.then_some(place).into_iter().collect();
        let values = (&self.from.clone().into(), &self.to.clone().into());
        let field = format!("the label {} of the node selector", self.label);
        replace(workload, attempt, field, &places, values)
    }

    fn holds(&self, workload: &Workload<'_>) -> bool {
        self.value(workload) == Some(&self.to)
    }
}
