//! Fault `service-account-missing`: the pods are to run as a ServiceAccount that does not exist.

use std::sync::LazyLock;

use regex::Regex;

use super::{Diagnosis, Examination, Family, Fault, pods_refused};
use crate::observe::Symptom;

pub(super) const FAULT: Fault = Fault {
    name: "service-account-missing",
    family: Family::Access,
    signs: "no pod comes to be: the API server says `error looking up service account`",
    does: "names the field and the account; after a rollout that changed it and has passed its progress deadline, puts the last good revision back, where one is proven",
    never: "makes an account, or lets the pods run as another",
    diagnose,
};

/// `error looking up service account shop/web: serviceaccount "web" not found`.
static MISSING: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(
        r#"error looking up service account ([^\s/]+)/([^\s:]+): serviceaccount "[^"]+" not found"#,
    )
    .ok()
});

fn diagnose(examination: &Examination<'_>, symptom: &Symptom) -> Option<Diagnosis> {
    let found = MISSING
        .as_ref()?
        .captures(pods_refused::message(symptom)?)?;
    let (namespace, account) = (&found[1], &found[2]);
    let says = format!(
        "gets no pods: spec.template.spec.serviceAccountName is {account}, and there is no ServiceAccount {namespace}/{account}"
    );
    let why = format!(
        "ServiceAccount {namespace}/{account} must be made with what it may do, or serviceAccountName is misspelt: nobody but its owner knows"
    );
    let diagnosis = examination.refused(&FAULT, symptom, &says, &why);
    Some(diagnosis.undone_if_changed(examination, |spec| spec.service_account_name.clone()))
}
