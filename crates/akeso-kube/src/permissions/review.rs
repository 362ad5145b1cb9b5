//! The check at start-up: which permissions are missing, and what is off for it.

use std::{collections::BTreeMap, time::Duration};

use akeso_core::{act::ActionKind, policy::Settings};
use futures::{StreamExt, stream};
use k8s_openapi::api::authorization::v1::{
    ResourceAttributes, SelfSubjectAccessReview, SelfSubjectAccessReviewSpec,
};
use kube::{Api, Client, api::PostParams};

use super::{Loss, Need, Permission, Purpose};
use crate::{Connected, watch::Scope};

/// The whole check takes no longer than this: Akeso starts without its answer.
const PATIENCE: Duration = Duration::from_secs(10);
/// So many questions are open at once.
const AT_ONCE: usize = 8;

/// What the API server says of Akeso's permissions.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Review {
    /// The actions that are off, and the permissions that they miss.
    pub off: BTreeMap<ActionKind, String>,
    /// The permissions that trial pods miss, if any.
    pub no_trials: Option<String>,
    /// What else is missing, and what is lost by it: a sentence each.
    pub reduced: Vec<String>,
    /// Why some permissions could not be asked for; nothing is off for that.
    pub unknown: Option<String>,
}

impl Review {
    /// Switches off what the API server would refuse. Whoever makes the settings anew does it
    /// again.
    pub fn restrict(&self, settings: &mut Settings) {
        settings.not_permitted.clone_from(&self.off);
        settings.trials_not_permitted.clone_from(&self.no_trials);
    }

    /// All that a person should know of it, a sentence each.
    pub fn sentences(&self) -> Vec<String> {
        let off = self
            .off
            .iter()
            .map(|(action, missing)| format!("{action} is off: it is not permitted to {missing}"));
        let trials = self.no_trials.iter().map(|missing| {
            let without = Purpose::Trial.without();
            format!("trial pods are off: it is not permitted to {missing}, so {without}")
        });
        let unknown = self.unknown.iter().map(|why| {
            format!("whether all permissions are there cannot be found out ({why}); nothing is off for it")
        });
        let missing = off.chain(trials).chain(self.reduced.iter().cloned());
        missing
            .map(|sentence| format!("{sentence}; akeso rbac prints the role"))
            .chain(unknown)
            .collect()
    }
}

/// An answer to one question.
enum Said {
    Allowed,
    Denied,
    Unknown(String),
}

impl Connected {
    /// Asks the API server for the permissions of these purposes. What may be watched, and what
    /// lies in no namespace, [`Connected::access`] finds out.
    pub async fn review(&self, scope: &Scope, purposes: &[Purpose]) -> Review {
        let is_asked = |purpose: &&Purpose| {
            !matches!(purpose, Purpose::Watch(_)) && !purpose.is_cluster_wide()
        };
        let purposes = purposes.iter().filter(is_asked).copied();
        let needs: Vec<Need> = purposes.flat_map(Purpose::needs).collect();
        let mut permissions: Vec<_> = needs.iter().map(|need| need.permission.clone()).collect();
        permissions.sort();
        permissions.dedup();
        let deadline = tokio::time::Instant::now() + PATIENCE;
        let said = stream::iter(permissions).map(async |permission| {
            let asked = tokio::time::timeout_at(deadline, ask(&self.client, scope, &permission));
            let said = asked.await.unwrap_or_else(|_| {
                Said::Unknown(format!("no answer within {} s", PATIENCE.as_secs()))
            });
            (permission, said)
        });
        let said: BTreeMap<_, _> = said.buffer_unordered(AT_ONCE).collect().await;
        weigh(&needs, &said, scope)
    }
}

async fn ask(client: &Client, scope: &Scope, permission: &Permission) -> Said {
    let reviews: Api<SelfSubjectAccessReview> = Api::all(client.clone());
    let namespace = match scope {
        Scope::Namespace(name) => Some(name.clone()),
        Scope::Cluster => None,
    };
    let question = SelfSubjectAccessReview {
        spec: SelfSubjectAccessReviewSpec {
            resource_attributes: Some(ResourceAttributes {
                namespace,
                group: Some(permission.group.clone()),
                resource: Some(permission.resource.clone()),
                subresource: permission.subresource.map(str::to_owned),
                verb: Some(permission.verb.as_str().to_owned()),
                ..ResourceAttributes::default()
            }),
            ..SelfSubjectAccessReviewSpec::default()
        },
        ..SelfSubjectAccessReview::default()
    };
    match reviews.create(&PostParams::default(), &question).await {
        Ok(review) => match review.status {
            Some(status) if status.allowed => Said::Allowed,
            Some(_) => Said::Denied,
            None => Said::Unknown("the answer says nothing".to_owned()),
        },
        Err(kube::Error::Api(status)) => Said::Unknown(status.message),
        Err(error) => Said::Unknown(error.to_string()),
    }
}

/// What follows from the answers.
fn weigh(needs: &[Need], said: &BTreeMap<Permission, Said>, scope: &Scope) -> Review {
    let mut review = Review {
        unknown: said.values().find_map(|said| match said {
            Said::Unknown(why) => Some(why.clone()),
            Said::Allowed | Said::Denied => None,
        }),
        ..Review::default()
    };
    let mut missing: Vec<(Purpose, Loss, Vec<String>)> = Vec::new();
    for need in needs {
        if !matches!(said.get(&need.permission), Some(Said::Denied)) {
            continue;
        }
        let permission = need.permission.to_string();
        match missing.last_mut() {
            Some((purpose, loss, all)) if (*purpose, *loss) == (need.purpose, need.loss) => {
                all.push(permission);
            }
            Some(_) | None => missing.push((need.purpose, need.loss, vec![permission])),
        }
    }
    for (purpose, loss, permissions) in missing {
        let place = match scope {
            Scope::Namespace(name) => format!("in namespace {name}"),
            Scope::Cluster => "in all namespaces".to_owned(),
        };
        let missing = format!("{} {place}", permissions.join(", "));
        match (purpose, loss) {
            (Purpose::Action(action), Loss::All) => {
                review.off.insert(action, missing);
            }
            // said already: the whole action is off
            (Purpose::Action(action), Loss::Kind(_)) if review.off.contains_key(&action) => {}
            (_, Loss::Kind(kind)) => review.reduced.push(format!(
                "{} is not done to a {}: it is not permitted to {missing}",
                purpose.name(),
                kind.as_str()
            )),
            (Purpose::Trial, Loss::All) => review.no_trials = Some(missing),
            (
                Purpose::Watch(_)
                | Purpose::FindNamespace
                | Purpose::Logs
                | Purpose::ConfigMaps
                | Purpose::Secrets
                | Purpose::PullSecrets
                | Purpose::Certificates
                | Purpose::Bounds
                | Purpose::Usage
                | Purpose::Explain(_)
                | Purpose::Announce,
                Loss::All,
            ) => review.reduced.push(format!(
                "it is not permitted to {missing}, so {}",
                purpose.without()
            )),
        }
    }
    review
}
