//! What is run: every folder of `scenarios/`, and what only the simulation can bring about.

use std::path::{Path, PathBuf};

use akeso_sim::{listed_images, scenario::Scenario};

pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

pub fn images() -> Vec<String> {
    let list = std::fs::read_to_string(root().join("devcluster/images.json")).unwrap();
    listed_images(&list).unwrap()
}

/// Every folder of `scenarios/`, and what only the simulation can bring about.
pub fn scenarios() -> Vec<Scenario> {
    let mut all = Scenario::load_all(&root().join("scenarios")).unwrap();
    all.extend([placeholder_in_vain(), memory_in_vain(), two_faults()]);
    all
}

pub fn made_up(name: &str, container: &str, behaviour: &str, expect: &str) -> Scenario {
    let manifest = format!(
        "{{apiVersion: apps/v1, kind: Deployment, metadata: {{name: {name}}}, spec: {{selector: {{matchLabels: {{app: {name}}}}}, \
         template: {{metadata: {{labels: {{app: {name}}}}}, spec: {{containers: [{{name: app, image: nginx, {container}}}]}}}}}}}}"
    );
    Scenario {
        name: name.to_owned(),
        manifest,
        then: None,
        policy: None,
        behaviour: Some(format!("containers: {{{name}/app: {behaviour}}}")),
        expect: serde_saphyr::from_str(expect).unwrap(),
    }
}

/// A placeholder that does not help is taken back, and a person is told.
pub fn placeholder_in_vain() -> Scenario {
    made_up(
        "placeholder-in-vain",
        "resources: {}",
        "{requires: [DB_HOST], missing: {log: ['ERROR: DB_HOST is not set'], exit: 1}, exits: {after: 1s, code: 3, log: [flux at 7]}}",
        "{summary: s, autonomy: full, within: 300s, workloads: {Deployment/placeholder-in-vain: {outcome: diagnose, \
         actions: [update_env], end: {/spec/template/spec/containers/0/env: null}}}}",
    )
}

/// Memory is never enough: the growth ends, and a person is told.
pub fn memory_in_vain() -> Scenario {
    made_up(
        "memory-in-vain",
        "resources: {requests: {memory: 64Mi}, limits: {memory: 128Mi}}",
        "{memory: {start: 100Mi, step: 1Gi, every: 1s, peak: 100Gi}}",
        "{summary: s, autonomy: full, within: 600s, workloads: {Deployment/memory-in-vain: {outcome: diagnose}}}",
    )
}

/// Two faults, one behind the other: an image that does not exist, and a variable that is missing.
pub fn two_faults() -> Scenario {
    let mut scenario = made_up(
        "one-behind-the-other",
        "resources: {}",
        "{requires: [DB_HOST], missing: {log: ['ERROR: DB_HOST is not set'], exit: 1}}",
        "{summary: s, autonomy: full, within: 120s, workloads: {Deployment/one-behind-the-other: {outcome: heal, \
         actions: [fix_image_name, update_env]}}}",
    );
    scenario.manifest = scenario
        .manifest
        .replace("image: nginx,", "image: 'nginx:latst',");
    scenario
}
