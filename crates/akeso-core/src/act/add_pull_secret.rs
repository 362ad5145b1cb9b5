//! `add_pull_secret`: the pod template names one more Secret with credentials for a registry, or
//! names it in place of a misspelt one. What the Secret holds is not looked at here.

use k8s_openapi::api::core::v1::LocalObjectReference;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{
    Change, NotApplicable, PatchOp, Treatment,
    correction::{Place, replace},
    patch::{annotate, guard, template_path},
};
use crate::{
    cluster::Workload,
    workload::{AttemptId, WorkloadRef},
};

/// Names a Secret among the template's `imagePullSecrets`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AddPullSecret {
    /// The Secret.
    pub secret: String,
    /// The name in whose place it stands; none if it is added.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub in_place_of: Option<String>,
}

/// The Secrets that the template names, as they stand there.
fn named<'a>(workload: &Workload<'a>) -> &'a [LocalObjectReference] {
    let spec = workload.pod_spec();
    let secrets = spec.and_then(|spec| spec.image_pull_secrets.as_deref());
    secrets.unwrap_or_default()
}

impl AddPullSecret {
    fn has(workload: &Workload<'_>, secret: &str) -> bool {
        named(workload).iter().any(|it| it.name == secret)
    }

    /// The names as they are after it; nothing if they are not those that it is for.
    fn after(&self, workload: &Workload<'_>) -> Option<Vec<String>> {
        let names = named(workload).iter().map(|it| it.name.clone());
        if Self::has(workload, &self.secret) {
            return None;
        }
        match &self.in_place_of {
            None => Some(names.chain([self.secret.clone()]).collect()),
            Some(wrong) if Self::has(workload, wrong) => {
                let right = |name| {
                    if name == *wrong {
                        self.secret.clone()
                    } else {
                        name
                    }
                };
                Some(names.map(right).collect())
            }
            Some(_) => None,
        }
    }
}

fn list(names: impl IntoIterator<Item = String>) -> Value {
    names
        .into_iter()
        .map(|name| json!({"name": name}))
        .collect()
}

impl Treatment for AddPullSecret {
    fn summary(&self) -> String {
        match &self.in_place_of {
            None => format!(
                "pull with the credentials of Secret {} as well",
                self.secret
            ),
            Some(wrong) => format!(
                "pull with the credentials of Secret {} in place of {wrong}, which does not exist",
                self.secret
            ),
        }
    }

    fn command(&self, workload: &WorkloadRef) -> String {
        let instead = self.in_place_of.as_ref();
        let instead = instead.map(|wrong| format!(" in place of {wrong}"));
        format!(
            "kubectl -n {} edit {}  # imagePullSecrets: {}{}",
            workload.namespace,
            workload.kubectl(),
            self.secret,
            instead.unwrap_or_default()
        )
    }

    fn change(&self, workload: &Workload<'_>, attempt: AttemptId) -> Result<Change, NotApplicable> {
        const FIELD: &str = "imagePullSecrets";
        let place = Place::at(template_path(workload)?).below(FIELD);
        let before: Vec<_> = named(workload).iter().map(|it| it.name.clone()).collect();
        let after = self.after(workload).ok_or_else(|| NotApplicable::Changed {
            workload: workload.reference.clone(),
            field: FIELD.to_owned(),
            expected: self.in_place_of.clone().unwrap_or_default(),
            found: before.join(", "),
        })?;
        let after = list(after);
        if !before.is_empty() {
            let values = (&list(before), &after);
            return replace(workload, attempt, FIELD.to_owned(), &[place], values);
        }
        // that there is none cannot be tested (RFC 6902): the generation says so
        let mut forward = guard(workload);
        forward.push(PatchOp::add(place.path(), after.clone()));
        forward.extend(annotate(workload.metadata(), attempt, &[]));
        let inverse = vec![
            PatchOp::test(place.path(), after),
            PatchOp::remove(place.path()),
        ];
        Ok(Change::Patch { forward, inverse })
    }

    fn holds(&self, workload: &Workload<'_>) -> bool {
        let wrong = self.in_place_of.as_ref();
        Self::has(workload, &self.secret) && !wrong.is_some_and(|it| Self::has(workload, it))
    }

    fn is_transferable(&self) -> bool {
        false // a name says nothing of whose credentials another namespace has by it
    }

    fn brings_credential(&self) -> bool {
        true
    }
}
