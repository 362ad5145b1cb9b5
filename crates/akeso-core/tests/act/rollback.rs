//! `rollback_to_revision`: the template of the last good revision comes back, and goes again.

use akeso_core::{
    act::{Action, Change, PatchOp, RollbackToRevision},
    cluster::Cluster,
    workload::AttemptId,
};
use serde_json::{Value, json};

use super::patches::apply;
use crate::world;

/// `shop/web` at revision 2, with revision 1 still serving.
fn objects() -> [Value; 4] {
    let mut web = world::deployment(
        &json!({"containers": [{"name": "app", "image": "nginx:2", "args": ["--new"], "env": [{"name": "A", "value": "1"}]}]}),
    );
    web["spec"]["template"]["metadata"]["annotations"] = json!({"note": "new"});
    let mut good = world::older_replica_set();
    good["spec"]["template"] = json!({
        "metadata": {"labels": {"app": "web", "pod-template-hash": "1"}},
        "spec": {"containers": [{"name": "app", "image": "nginx:1", "env": [{"name": "A", "value": "1"}]}]}
    });
    [web, good, world::replica_set(), world::older_pod()]
}

fn undo(holder: &str, template: &str) -> Action {
    Action::RollbackToRevision(RollbackToRevision {
        revision: 1,
        holder: holder.into(),
        images: vec!["nginx:1".into()],
        template: template.into(),
    })
}

fn why_not(cluster: &Cluster, action: &Action) -> String {
    let workload = cluster.workload(&world::web()).unwrap();
    action
        .change(&workload, AttemptId(1))
        .unwrap_err()
        .to_string()
}

#[test]
fn the_template_of_the_revision_is_put_back_and_only_what_differs_is_written() {
    let objects = objects();
    let cluster = world::cluster(&objects);
    let [web, good, ..] = objects;
    let workload = cluster.workload(&world::web()).unwrap();
    let Change::Patch { forward, inverse } =
        undo("web-0", "").change(&workload, AttemptId(3)).unwrap()
    else {
        unreachable!("a patch was expected")
    };
    let written = forward.iter().filter_map(|operation| match operation {
        PatchOp::Test { .. } => None,
        PatchOp::Add { path, .. } | PatchOp::Replace { path, .. } | PatchOp::Remove { path } => {
            Some(path.as_str())
        }
    });
    let written: Vec<_> = written.collect();
    assert_eq!(
        written,
        [
            "/spec/template/metadata/annotations",
            "/spec/template/spec/containers/0/args",
            "/spec/template/spec/containers/0/image",
            "/metadata/annotations/akeso.dev~1last-attempt",
        ]
    );
    assert_eq!(
        serde_json::to_value(&forward[..2]).unwrap(),
        json!([
            {"op": "test", "path": "/metadata/uid", "value": "web-uid"},
            {"op": "test", "path": "/metadata/generation", "value": 3},
        ])
    );
    let mut object = web.clone();
    apply(&mut object, &forward).unwrap();
    let mut wanted = good["spec"]["template"].clone();
    wanted["metadata"]["labels"]
        .as_object_mut()
        .unwrap()
        .remove("pod-template-hash");
    assert_eq!(object["spec"]["template"], wanted);
    assert_eq!(
        object["metadata"]["annotations"]["akeso.dev/last-attempt"],
        "attempt-3"
    );
    // what somebody writes there since is not overwritten
    let mut since = object.clone();
    since["spec"]["template"]["spec"]["containers"][0]["image"] = json!("nginx:3");
    assert!(apply(&mut since, &inverse).is_err());
    apply(&mut object, &inverse).unwrap();
    assert_eq!(object["spec"], web["spec"]);
}

#[test]
fn another_revision_than_the_one_that_was_decided_on_is_not_taken() {
    let [web, good, current, mut pod] = objects();
    let objects = [web.clone(), good.clone(), current.clone(), pod.clone()];
    let gone = "revision 1 of Deployment shop/web is gone";
    assert_eq!(
        why_not(&world::cluster(&objects), &undo("web-00", "")),
        gone
    );
    pod["status"]["conditions"] = json!([]);
    assert_eq!(
        why_not(
            &world::cluster(&[web, good, current, pod]),
            &undo("web-0", "")
        ),
        gone
    );
}

#[test]
fn the_revision_is_recognised_by_its_whole_template() {
    let holds = |image: &str, template: &str| {
        let web = world::deployment(&json!({"containers": [{"name": "app", "image": image}]}));
        let cluster = world::cluster(&[web]);
        undo("web-0", template)
            .treatment()
            .holds(&cluster.workload(&world::web()).unwrap())
    };
    // SHA-256 of the template's JSON
    let known = "1e48872b02c95c867255765a60609b0fd8a439c592d410b75b9c7df1c9480e63";
    assert!(holds("nginx:1", known));
    assert!(!holds("nginx:2", known) && !holds("nginx:1", ""));
}
