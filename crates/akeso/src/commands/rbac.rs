//! `akeso rbac`: the roles that Akeso needs, to be read and applied.

use std::{fmt::Write as _, io::Write as _, process::ExitCode};

use akeso_core::act::ActionKind;
use akeso_kube::permissions::{Document, Install, Purpose, documents};

use crate::cli::{Level, Rbac};

/// What stands above roles that let Akeso grant rights.
const GRANTS: [&str; 2] = [
    "With escalate and bind on roles, whoever has this service account can give anybody every right in",
    "these namespaces. Akeso grants one right at a time, and only where its policy names grant_access.",
];

/// Prints the roles. No cluster is asked.
pub fn run(arguments: &Rbac) -> anyhow::Result<ExitCode> {
    let text = manifest(arguments)?;
    std::io::stdout().lock().write_all(text.as_bytes())?;
    Ok(ExitCode::SUCCESS)
}

/// The roles as YAML, a document each.
fn manifest(arguments: &Rbac) -> anyhow::Result<String> {
    let install = if arguments.all_namespaces {
        Install::Everywhere
    } else {
        Install::Namespaces(arguments.namespace.iter().cloned().collect())
    };
    let account = &arguments.service_account;
    let account_itself = arguments.with_account.then(|| Document::account(account));
    let roles = documents(&purposes(arguments), &install, account);
    let mut text = String::new();
    for note in left_out(arguments) {
        writeln!(text, "# {note}")?;
    }
    for document in account_itself.into_iter().chain(roles) {
        text.push_str("---\n");
        text.push_str(&yaml(&document)?);
    }
    Ok(text)
}

fn purposes(arguments: &Rbac) -> Vec<Purpose> {
    let actions = match (arguments.autonomy, arguments.action.as_slice()) {
        (Level::Observe, _) => &[],
        (Level::Cautious | Level::Standard | Level::Full, []) => ActionKind::ALL,
        (Level::Cautious | Level::Standard | Level::Full, chosen) => chosen,
    };
    let is_chosen = |action: &ActionKind| !action.is_opt_in() || arguments.action.contains(action);
    let mut actions = actions.to_vec();
    actions.retain(is_chosen);
    if arguments.grants && arguments.autonomy != Level::Observe {
        actions.push(ActionKind::GrantAccess);
    }
    actions.sort();
    actions.dedup();
    let is_left_out = |purpose: &Purpose| match purpose {
        Purpose::Secrets | Purpose::PullSecrets | Purpose::Certificates => {
            arguments.without_secrets
        }
        Purpose::Trial => arguments.without_trials,
        Purpose::Watch(_)
        | Purpose::FindNamespace
        | Purpose::Logs
        | Purpose::ConfigMaps
        | Purpose::Bounds
        | Purpose::Usage
        | Purpose::Explain(_)
        | Purpose::Announce
        | Purpose::Action(_) => false,
    };
    let all = Purpose::reading()
        .into_iter()
        .chain(Purpose::acting(&actions));
    all.filter(|purpose| !is_left_out(purpose)).collect()
}

/// What the flags leave out, and what is lost by it; and what one of them gives away.
fn left_out(arguments: &Rbac) -> Vec<String> {
    let of = |purpose: Purpose| format!("Left out: {}; {}.", purpose.name(), purpose.without());
    let mut notes = Vec::new();
    if arguments.autonomy == Level::Observe {
        notes.push("Read only: for akeso scan and akeso monitor --autonomy observe.".to_owned());
    }
    if arguments.without_secrets {
        let all = [
            Purpose::Secrets,
            Purpose::PullSecrets,
            Purpose::Certificates,
        ];
        notes.extend(all.map(of));
    }
    if arguments.without_trials {
        notes.push(of(Purpose::Trial));
    }
    if purposes(arguments).contains(&Purpose::Action(ActionKind::GrantAccess)) {
        notes.extend(GRANTS.map(str::to_owned));
    }
    notes
}

/// The object as YAML, with each rule's comment above it.
fn yaml(document: &Document) -> anyhow::Result<String> {
    /// How every rule begins, and nothing else does: of a role only its rules have API groups.
    const RULE: &str = "- apiGroups:";
    let mut text = String::new();
    for line in &document.comment {
        writeln!(text, "# {line}")?;
    }
    let mut comments = document.of_rules.iter();
    for line in serde_saphyr::to_string(&document.object)?.lines() {
        if line.trim_start().starts_with(RULE) {
            let indent = &line[..line.len() - line.trim_start().len()];
            for comment in comments.next().into_iter().flatten() {
                writeln!(text, "{indent}# {comment}")?;
            }
        }
        writeln!(text, "{line}")?;
    }
    Ok(text)
}
