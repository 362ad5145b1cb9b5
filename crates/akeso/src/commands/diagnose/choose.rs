//! Which workload is meant: by its name, by that of one of its pods, or chosen among what is broken.

use akeso_core::{
    cluster::Cluster,
    similar::closest,
    workload::{WorkloadKind, WorkloadRef},
};

/// What may be named: the workloads, and their pods by name.
#[derive(Debug, Default)]
pub struct Names {
    workloads: Vec<WorkloadRef>,
    pods: Vec<(String, WorkloadRef)>,
}

/// Why a name leads to no workload.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotFound {
    /// There is none of that name.
    #[error("there is no pod and no workload `{name}`{}", suggestion(.similar.as_ref()))]
    Unknown {
        /// The name.
        name: String,
        /// One that may have been meant.
        similar: Option<String>,
    },
    /// There are several.
    #[error("`{name}` may be {}: name one of them", .all.join(" or "))]
    Several {
        /// The name.
        name: String,
        /// What it may be.
        all: Vec<String>,
    },
}

fn suggestion(similar: Option<&String>) -> String {
    let similar = similar.map(|name| format!("; did you mean `{name}`?"));
    similar.unwrap_or_default()
}

impl Names {
    /// Everything that may be named in a namespace.
    pub fn of(cluster: &Cluster, namespace: &str) -> Self {
        let roots = cluster.roots().into_iter();
        let workloads: Vec<_> = roots.filter(|it| it.namespace == namespace).collect();
        let mut pods = Vec::new();
        for root in &workloads {
            let workload = cluster.workload(root);
            let theirs = workload
                .iter()
                .flat_map(|it| it.pods.iter().chain(&it.old_pods));
            let names = theirs.filter_map(|pod| pod.metadata.name.clone());
            pods.extend(names.map(|name| (name, root.clone())));
        }
        Self { workloads, pods }
    }

    /// The workload that is meant by a name. Of several with one name, the one that is broken.
    pub fn find(&self, name: &str, broken: &[WorkloadRef]) -> Result<WorkloadRef, NotFound> {
        let found = self.matching(name);
        let is_broken = |it: &&WorkloadRef| broken.contains(it);
        let mut of_broken = found.iter().filter(is_broken);
        match (found.as_slice(), of_broken.next(), of_broken.next()) {
            ([], ..) => Err(NotFound::Unknown {
                name: name.to_owned(),
                similar: closest(name, self.all_names(name)),
            }),
            ([only], ..) | (_, Some(only), None) => Ok(only.clone()),
            (several, ..) => Err(NotFound::Several {
                name: name.to_owned(),
                all: several.iter().map(WorkloadRef::kubectl).collect(),
            }),
        }
    }

    fn matching(&self, name: &str) -> Vec<WorkloadRef> {
        let of_pods = |wanted: &str| {
            let found = self.pods.iter().filter(|(pod, _)| pod == wanted);
            found.map(|(_, root)| root.clone()).collect::<Vec<_>>()
        };
        let (kind, name) = match name.split_once('/') {
            Some((kind, name)) => (Some(kind.to_lowercase()), name),
            None => (None, name),
        };
        let Some(kind) = kind else {
            let named = self.workloads.iter().filter(|it| it.name == name);
            let mut found: Vec<_> = named.cloned().chain(of_pods(name)).collect();
            found.sort();
            found.dedup();
            return found;
        };
        if matches!(kind.as_str(), "pod" | "pods" | "po") {
            let mut found = of_pods(name);
            found.dedup();
            return found;
        }
        let is_it = |it: &&WorkloadRef| it.name == name && is_called(it.kind, &kind);
        self.workloads.iter().filter(is_it).cloned().collect()
    }

    /// All names, in the form in which one was given.
    fn all_names(&self, like: &str) -> Vec<String> {
        let has_kind = like.contains('/');
        let workloads = self.workloads.iter().map(|it| {
            if has_kind {
                it.kubectl()
            } else {
                it.name.clone()
            }
        });
        let pods = self.pods.iter().map(|(name, _)| {
            if has_kind {
                format!("pod/{name}")
            } else {
                name.clone()
            }
        });
        workloads.chain(pods).collect()
    }
}

/// Whether kubectl takes this for the kind: its name, in the plural too, or its short name.
fn is_called(kind: WorkloadKind, name: &str) -> bool {
    let own = kind.as_str().to_lowercase();
    let short = match own.as_str() {
        "deployment" => "deploy",
        "statefulset" => "sts",
        "daemonset" => "ds",
        "replicaset" => "rs",
        "cronjob" => "cj",
        "service" => "svc",
        "ingress" => "ing",
        "persistentvolumeclaim" => "pvc",
        "horizontalpodautoscaler" => "hpa",
        "poddisruptionbudget" => "pdb",
        _ => return name == own || name.strip_suffix('s') == Some(&own),
    };
    name == own
        || name == short
        || name.strip_suffix('s') == Some(&own)
        || name == "ingresses" && own == "ingress"
}

#[cfg(test)]
mod tests {
    use super::*;
    use akeso_core::workload::SupportKind;

    fn workload(kind: WorkloadKind, name: &str) -> WorkloadRef {
        WorkloadRef {
            kind,
            namespace: "shop".into(),
            name: name.into(),
        }
    }

    fn web() -> WorkloadRef {
        workload(WorkloadKind::Deployment, "web")
    }

    fn names() -> Names {
        let service = workload(WorkloadKind::Support(SupportKind::Service), "web");
        let job = workload(WorkloadKind::Job, "import");
        Names {
            workloads: vec![web(), service, job.clone()],
            pods: vec![
                ("web-5d9c7-x2x4z".into(), web()),
                ("web-5d9c7-abcde".into(), web()),
                ("import-9zzzz".into(), job),
            ],
        }
    }

    #[test]
    fn a_workload_is_found_by_its_name_its_kind_or_its_pod() {
        for name in [
            "deployment/web",
            "deploy/web",
            "Deployments/web",
            "web-5d9c7-x2x4z",
            "pod/web-5d9c7-abcde",
        ] {
            assert_eq!(names().find(name, &[]), Ok(web()), "{name}");
        }
        assert_eq!(names().find("import", &[]).unwrap().kind, WorkloadKind::Job);
    }

    #[test]
    fn of_several_with_one_name_the_broken_one_is_meant_and_else_the_person_must_say() {
        assert_eq!(names().find("web", &[web()]), Ok(web()));
        let several = names().find("web", &[]).unwrap_err().to_string();
        assert!(
            several.contains("deployment/web or service/web"),
            "{several}"
        );
    }

    #[test]
    fn a_name_that_is_misspelt_is_told_with_the_one_that_is_close() {
        for (name, meant) in [
            ("wbe", "`web`"),
            ("deployment/wbe", "`deployment/web`"),
            ("web-5d9c7-x2x4", "`web-5d9c7-x2x4z`"),
            ("pod/import-9zzz", "`pod/import-9zzzz`"),
        ] {
            let told = names().find(name, &[]).unwrap_err().to_string();
            assert!(
                told.contains("did you mean") && told.contains(meant),
                "{told}"
            );
        }
        let told = names().find("database", &[]).unwrap_err().to_string();
        assert!(!told.contains("did you mean"), "{told}");
    }
}
