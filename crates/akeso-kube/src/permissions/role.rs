//! Roles: what `akeso rbac` prints, as Kubernetes objects with what is to be said of them.

use std::collections::BTreeSet;

use k8s_openapi::{
    api::{
        core::v1::ServiceAccount,
        rbac::v1::{
            ClusterRole, ClusterRoleBinding, PolicyRule, Role, RoleBinding, RoleRef, Subject,
        },
    },
    apimachinery::pkg::apis::meta::v1::ObjectMeta,
};
use serde::Serialize;

use super::{Loss, NamespaceName, Need, Purpose, ServiceAccountName, Verb};

/// The roles' name, and that of their bindings.
const NAME: &str = "akeso";
/// The role for what lies in no namespace, where Akeso works in some namespaces only.
const CLUSTER_WIDE: &str = "akeso-cluster-wide";
const API_GROUP: &str = "rbac.authorization.k8s.io";

/// Where Akeso may work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Install {
    /// In all namespaces.
    Everywhere,
    /// In these.
    Namespaces(BTreeSet<NamespaceName>),
}

/// An object to apply, and what is said of it.
#[derive(Debug, Clone)]
pub struct Document {
    /// What it is for, a line each.
    pub comment: Vec<String>,
    /// The object.
    pub object: Object,
    /// What its rules are for: one comment, of some lines, for each.
    pub of_rules: Vec<Vec<String>>,
}

/// The kinds of object that give permissions.
#[derive(Debug, Clone, Serialize)]
#[serde(untagged)]
#[expect(missing_docs, reason = "each is the Kubernetes kind of the same name")]
pub enum Object {
    ServiceAccount(ServiceAccount),
    ClusterRole(ClusterRole),
    ClusterRoleBinding(ClusterRoleBinding),
    Role(Role),
    RoleBinding(RoleBinding),
}

impl Document {
    fn plain(object: Object) -> Self {
        Self {
            comment: Vec::new(),
            object,
            of_rules: Vec::new(),
        }
    }

    /// The service account itself, for whoever has none.
    pub fn account(account: &ServiceAccountName) -> Self {
        let comment = format!(
            "Who Akeso is. The namespace {} must be there.",
            account.namespace()
        );
        Self {
            comment: vec![comment],
            ..Self::plain(Object::ServiceAccount(ServiceAccount {
                metadata: metadata(account.name(), Some(account.namespace())),
                ..ServiceAccount::default()
            }))
        }
    }
}

/// The roles that give `account` the permissions for `purposes`, and their bindings.
pub fn documents(
    purposes: &[Purpose],
    install: &Install,
    account: &ServiceAccountName,
) -> Vec<Document> {
    let (wide, inside): (Vec<_>, Vec<_>) = purposes.iter().partition(|it| it.is_cluster_wide());
    match install {
        Install::Everywhere => {
            // who looks everywhere asks for no namespace by its name
            let all = purposes.iter().filter(|it| **it != Purpose::FindNamespace);
            let (rules, of_rules) = rules(all.copied());
            let comment = "What Akeso may do, in all namespaces.".to_owned();
            cluster_role(vec![comment], NAME, NAME, rules, of_rules, account)
        }
        Install::Namespaces(names) => {
            let (rules_inside, of_rules) = rules(inside.into_iter());
            let mut documents = Vec::new();
            for name in names {
                let name = name.as_str();
                documents.push(Document {
                    comment: vec![format!("What Akeso may do in the namespace {name}.")],
                    object: Object::Role(Role {
                        metadata: metadata(NAME, Some(name)),
                        rules: Some(rules_inside.clone()),
                    }),
                    of_rules: of_rules.clone(),
                });
                documents.push(Document::plain(Object::RoleBinding(RoleBinding {
                    metadata: metadata(NAME, Some(name)),
                    role_ref: reference("Role", NAME),
                    subjects: Some(vec![subject(account)]),
                })));
            }
            let (rules, of_rules) = rules(wide.into_iter());
            let comment = vec![
                "What lies in no namespace, read only. It may be left out: Akeso works without,"
                    .to_owned(),
                "but for what stands at each rule.".to_owned(),
            ];
            // several installations share the role, but not the binding
            let binding = format!("{CLUSTER_WIDE}:{account}");
            documents.extend(cluster_role(
                comment,
                CLUSTER_WIDE,
                &binding,
                rules,
                of_rules,
                account,
            ));
            documents
        }
    }
}

fn cluster_role(
    comment: Vec<String>,
    name: &str,
    binding: &str,
    rules: Vec<PolicyRule>,
    of_rules: Vec<Vec<String>>,
    account: &ServiceAccountName,
) -> Vec<Document> {
    let role = Document {
        comment,
        object: Object::ClusterRole(ClusterRole {
            metadata: metadata(name, None),
            rules: Some(rules),
            aggregation_rule: None,
        }),
        of_rules,
    };
    let binding = Object::ClusterRoleBinding(ClusterRoleBinding {
        metadata: metadata(binding, None),
        role_ref: reference("ClusterRole", name),
        subjects: Some(vec![subject(account)]),
    });
    vec![role, Document::plain(binding)]
}

/// The verbs on a resource that are needed alike.
struct Row {
    comment: Vec<String>,
    group: String,
    path: String,
    verbs: BTreeSet<Verb>,
}

/// One rule for all resources of a group that are needed alike, and its comment.
fn rules(purposes: impl Iterator<Item = Purpose>) -> (Vec<PolicyRule>, Vec<Vec<String>>) {
    let needs: Vec<Need> = purposes.flat_map(Purpose::needs).collect();
    let mut rows: Vec<Row> = Vec::new();
    for Need { permission, .. } in &needs {
        let comment = comment(needs.iter().filter(|it| it.permission == *permission));
        let path = permission.path();
        let row = rows.iter_mut().find(|row| {
            row.comment == comment && row.group == permission.group && row.path == path
        });
        if let Some(row) = row {
            row.verbs.insert(permission.verb);
        } else {
            rows.push(Row {
                comment,
                group: permission.group.clone(),
                path,
                verbs: [permission.verb].into(),
            });
        }
    }
    let mut rules: Vec<PolicyRule> = Vec::new();
    let mut comments: Vec<Vec<String>> = Vec::new();
    for row in rows {
        let verbs: Vec<_> = row.verbs.iter().map(|it| it.as_str().to_owned()).collect();
        let groups = Some(vec![row.group]);
        let alike = rules.iter_mut().zip(&comments).find(|(rule, comment)| {
            **comment == row.comment && rule.api_groups == groups && rule.verbs == verbs
        });
        if let Some((rule, _)) = alike {
            rule.resources.get_or_insert_default().push(row.path);
        } else {
            rules.push(PolicyRule {
                api_groups: groups,
                resources: Some(vec![row.path]),
                verbs,
                ..PolicyRule::default()
            });
            comments.push(row.comment);
        }
    }
    (rules, comments)
}

/// What a permission is for, and what is lost without it: a line for each loss.
fn comment<'a>(needs: impl Iterator<Item = &'a Need>) -> Vec<String> {
    let mut lines: Vec<(String, Vec<&'static str>)> = Vec::new();
    for need in needs {
        let loss = loss(need);
        match lines.iter_mut().find(|(known, _)| *known == loss) {
            Some((_, names)) => names.push(need.purpose.name()),
            None => lines.push((loss, vec![need.purpose.name()])),
        }
    }
    let lines = lines.into_iter();
    lines
        .map(|(loss, names)| format!("{}; without it: {loss}", names.join(", ")))
        .collect()
}

fn loss(need: &Need) -> String {
    match need.loss {
        Loss::All => need.purpose.without().to_owned(),
        Loss::Kind(kind) => format!("not done to a {}", kind.as_str()),
    }
}

fn metadata(name: &str, namespace: Option<&str>) -> ObjectMeta {
    ObjectMeta {
        name: Some(name.to_owned()),
        namespace: namespace.map(str::to_owned),
        labels: Some([("app.kubernetes.io/name".to_owned(), "akeso".to_owned())].into()),
        ..ObjectMeta::default()
    }
}

fn reference(kind: &str, name: &str) -> RoleRef {
    RoleRef {
        api_group: Some(API_GROUP.to_owned()),
        kind: kind.to_owned(),
        name: name.to_owned(),
    }
}

fn subject(account: &ServiceAccountName) -> Subject {
    Subject {
        kind: "ServiceAccount".to_owned(),
        name: account.name().to_owned(),
        namespace: Some(account.namespace().to_owned()),
        ..Subject::default()
    }
}
