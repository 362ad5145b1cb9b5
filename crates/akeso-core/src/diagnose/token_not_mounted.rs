//! Fault `token-not-mounted`: the program wants to talk to the API server, and its pod is told to
//! mount no token for it.

use std::sync::LazyLock;

use k8s_openapi::api::core::v1::ServiceAccount;
use regex::Regex;

use super::{Diagnosis, Examination, Family, Fault, Remedy, end_of, last_lines, unknown_crash};
use crate::{
    observe::{Sign, Symptom},
    plan::Advice,
};

/// Where the kubelet mounts it
/// (<https://kubernetes.io/docs/tasks/configure-pod-container/configure-service-account/>).
const TOKEN: &str = "/var/run/secrets/kubernetes.io/serviceaccount/";

pub(super) const FAULT: Fault = Fault {
    name: "token-not-mounted",
    family: Family::Access,
    signs: "the program ends, and its log says that `/var/run/secrets/kubernetes.io/serviceaccount/token` is not there",
    does: "names the field that keeps it away: `automountServiceAccountToken: false` of the pod or of its ServiceAccount",
    never: "mounts a token: who may talk to the API server is for a person to say",
    diagnose,
};

static MISSING: LazyLock<Option<Regex>> = LazyLock::new(|| {
    let file = format!("{TOKEN}(?:token|ca\\.crt|namespace)");
    Regex::new(&format!(
        r#"(?i){file}['"]?:? .*(?:no such file|not found|does not exist)|(?:no such file|not found|cannot find|ENOENT|FileNotFound).*{file}"#
    ))
    .ok()
});

fn diagnose(examination: &Examination<'_>, symptom: &Symptom) -> Option<Diagnosis> {
    let Sign::Crash(crash) = &symptom.sign else {
        return None;
    };
    let log = examination.crash_log(symptom)?;
    let end = end_of(log, 20);
    if !MISSING
        .as_ref()
        .is_some_and(|missing| missing.is_match(&end))
    {
        return None;
    }
    let workload = examination.workload;
    let spec = workload.pod_spec()?;
    let namespace = &workload.reference.namespace;
    // the pod's own field goes before that of its ServiceAccount
    let (says, command) = match spec.automount_service_account_token {
        Some(true) => return None,
        Some(false) => (
            "automountServiceAccountToken is false in its pod template".to_owned(),
            format!(
                "kubectl -n {namespace} edit {}",
                workload.reference.kubectl()
            ),
        ),
        None => {
            let name = spec.service_account_name.as_deref().unwrap_or("default");
            let accounts = examination.list::<ServiceAccount>(namespace)?.ok()?;
            let mut accounts = accounts.iter();
            let account = accounts.find(|it| it.metadata.name.as_deref() == Some(name))?;
            if account.automount_service_account_token != Some(false) {
                return None;
            }
            (
                format!(
                    "automountServiceAccountToken is false in ServiceAccount {namespace}/{name}"
                ),
                format!("kubectl -n {namespace} get serviceaccount {name} -o yaml"),
            )
        }
    };
    let says = format!("ends because no token for the API server is mounted: {says}");
    let remedy = if unknown_crash::is_no_accident(examination, symptom, crash) {
        let why = "either the program must do without the API server, or the field be true for it"
            .to_owned();
        Remedy::Person(Advice { why, command })
    } else {
        Remedy::Wait {
            why: "it has ended only a few times so far".to_owned(),
        }
    };
    Some(
        examination
            .diagnosis(&FAULT, symptom, says, 90, remedy)
            .with_evidence(last_lines(log, 4)),
    )
}
