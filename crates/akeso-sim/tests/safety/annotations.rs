//! Somebody annotates a workload while a change is on its way to it.

use akeso_core::{
    engine::{ChangeRequest, Effect},
    journal::Outcome,
    workload::{WorkloadKind, WorkloadRef},
};
use akeso_sim::{Network, Passage, SimCluster};
use serde_json::json;

use crate::bench::Bench;

/// Annotates what is to be changed, just before the first change reaches it.
#[derive(Debug, Default)]
struct Annotates(bool);

impl Network for Annotates {
    fn passage(&mut self, effect: &Effect, cluster: &mut SimCluster) -> Passage {
        if let Effect::Apply {
            workload,
            request: ChangeRequest::Patch(_),
            ..
        } = effect
            && !std::mem::replace(&mut self.0, true)
        {
            let annotated = cluster.annotate(workload, "example.com/paged", "ada");
            assert!(matches!(annotated, Outcome::Done { .. }), "{annotated:?}");
        }
        Passage::Arrives
    }
}

#[test]
fn where_there_were_no_annotations_somebody_elses_is_not_wiped_out() {
    let pod = "{terminationGracePeriodSeconds: 1, containers: [{name: app, image: 'nginx:latst'}]}";
    for kind in [WorkloadKind::StatefulSet, WorkloadKind::DaemonSet] {
        let mut bench = Bench::over(Box::<Annotates>::default(), "{autonomy: full, canary: off}");
        let manifest = format!(
            "{{apiVersion: apps/v1, kind: {}, metadata: {{name: web}}, spec: {{selector: {{matchLabels: {{app: web}}}}, \
             template: {{metadata: {{labels: {{app: web}}}}, spec: {pod}}}}}}}",
            kind.as_str()
        );
        bench
            .simulation
            .cluster
            .apply_yaml("shop", &manifest)
            .unwrap();
        bench.run(180);
        let workload = WorkloadRef {
            kind,
            namespace: "shop".to_owned(),
            name: "web".to_owned(),
        };
        let object = bench
            .simulation
            .cluster
            .object(kind.as_str(), "shop", "web");
        let object = object.unwrap();
        assert_eq!(
            object["metadata"]["annotations"]["example.com/paged"],
            json!("ada"),
            "{workload}\n{}",
            bench.story()
        );
        assert_eq!(
            object.pointer("/spec/template/spec/containers/0/image"),
            Some(&json!("nginx:latest")),
            "{workload}\n{}",
            bench.story()
        );
        assert_eq!(bench.heals(), 1, "{workload}\n{}", bench.story());
    }
}
