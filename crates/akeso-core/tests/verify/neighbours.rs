//! What a change can have done to others, and what it cannot.

use akeso_core::{
    act::Action,
    engine::Attempt,
    journal::{End, Fact},
    observe::{Sign, Symptom},
    verify::neighbours::harmed,
    workload::{IncidentId, WorkloadRef},
};
use serde_json::{Value, json};

use crate::world::{
    self,
    story::{Story, at, attempt, closed, image, memory, pull, symptom, workload},
};

fn deployment(reference: &WorkloadRef, spec: &Value) -> Value {
    let mut object = world::deployment(spec);
    object["metadata"]["name"] = json!(reference.name);
    object["metadata"]["namespace"] = json!(reference.namespace);
    object
}

fn service(namespace: &str, selector: &Value) -> Value {
    json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "cart", "namespace": namespace}, "spec": {"selector": selector}})
}

/// `shop/web` behind the Service `cart`, and another workload that breaks after its change.
struct Case {
    action: Action,
    other: WorkloadRef,
    spec: Value,
    service: Value,
    symptoms: Vec<Symptom>,
    was_well: bool,
    minute: i64,
    is_over: bool,
    ready_before: usize,
    /// The minute since which a pod of `shop/web` is ready.
    ready_since: Option<i64>,
}

impl Case {
    /// A dependant that calls the Service breaks a minute after the change of an image.
    fn dependant() -> Self {
        Self {
            action: image(),
            other: workload("shop", "front"),
            spec: json!({"containers": [{"name": "front", "env": [{"name": "MODE", "value": "x"}, {"name": "CART", "value": "http://cart:80"}]}]}),
            service: service("shop", &json!({"app": "web"})),
            symptoms: vec![pull()],
            was_well: true,
            minute: 1,
            is_over: false,
            ready_before: 1,
            ready_since: None,
        }
    }

    /// A pod of the namespace finds no room a minute after memory was taken.
    fn crowded_out(sign: Sign) -> Self {
        Self {
            action: memory(),
            spec: json!({"containers": [{"name": "front"}]}),
            symptoms: vec![pull(), symptom(sign)],
            ..Self::dependant()
        }
    }

    fn harmed(&self) -> Option<String> {
        let mut story = Story::default();
        story.tell(
            self.minute,
            Fact::Opened {
                incident: IncidentId(2),
                workload: self.other.clone(),
                symptoms: self.symptoms.clone(),
                uid: None,
                was_well: self.was_well,
                good: None,
            },
        );
        if self.is_over {
            story.tell(self.minute, closed(2, End::Healed));
        }
        let web =
            world::deployment(&json!({"containers": [{"name": "app", "args": ["--self=cart"]}]}));
        let mut objects = vec![web, self.service.clone()];
        if self.other != world::web() {
            objects.push(deployment(&self.other, &self.spec));
        }
        if let Some(minute) = self.ready_since {
            let mut pod = world::pod(&json!([]));
            pod["status"]["conditions"] =
                json!([{"type": "Ready", "status": "True", "lastTransitionTime": at(minute)}]);
            objects.extend([world::replica_set(), pod]);
        }
        let cluster = world::cluster(&objects);
        let web = cluster.workload(&world::web()).unwrap();
        let attempt = Attempt {
            ready_before: self.ready_before,
            ..attempt(self.action.clone())
        };
        harmed(&cluster, &story.ledger, &web, &attempt)
    }
}

#[test]
fn a_dependant_that_calls_the_workloads_service_and_is_broken_since_was_harmed() {
    let told =
        Some("Deployment shop/front, which calls its Service cart, is broken since".to_owned());
    assert_eq!(Case::dependant().harmed(), told);
    for spec in [
        json!({"containers": [{"name": "front", "args": ["--cart", "cart.shop.svc:80"]}]}),
        json!({"containers": [{"name": "front", "command": ["curl", "http://cart"]}]}),
        json!({"containers": [{"name": "front"}], "initContainers": [{"name": "wait", "args": ["cart"]}]}),
    ] {
        assert_eq!(
            Case {
                spec,
                ..Case::dependant()
            }
            .harmed(),
            told
        );
    }
}

#[test]
fn what_calls_nothing_of_it_or_another_service_was_not() {
    for spec in [
        json!({"containers": [{"name": "front"}]}),
        json!({"containers": [{"name": "front", "args": ["http://shopping-cart"]}]}),
    ] {
        assert_eq!(
            Case {
                spec,
                ..Case::dependant()
            }
            .harmed(),
            None
        );
    }
    for service in [
        service("shop", &json!({"app": "other"})),
        service("shop", &json!({"app": "web", "tier": "back"})),
        service("shop", &json!({})),
        service("shop", &Value::Null),
        service("blog", &json!({"app": "web"})),
    ] {
        assert_eq!(
            Case {
                service,
                ..Case::dependant()
            }
            .harmed(),
            None
        );
    }
}

#[test]
fn where_nobody_was_ready_before_a_dependant_that_missed_it_was_not_harmed() {
    let broken_at = |minute, ready_since| {
        let case = Case {
            ready_before: 0,
            ready_since,
            minute,
            ..Case::dependant()
        };
        case.harmed().is_some()
    };
    assert!(!broken_at(1, None));
    // it asked before, and gives up by now
    assert!(!broken_at(2, Some(1)));
    assert!(broken_at(3, Some(1)));
}

#[test]
fn who_finds_no_room_since_memory_was_taken_was_harmed() {
    let told = Some("Deployment shop/front has no room any more since".to_owned());
    for sign in [Sign::Unschedulable, Sign::PodsRefused] {
        assert_eq!(Case::crowded_out(sign.clone()).harmed(), told);
        // another action takes none
        let case = Case {
            action: image(),
            ..Case::crowded_out(sign)
        };
        assert_eq!(case.harmed(), None);
    }
    assert_eq!(Case::crowded_out(Sign::Config).harmed(), None);
}

#[test]
fn what_was_broken_before_never_well_elsewhere_or_is_over_was_not_harmed_by_it() {
    for case in [Case::dependant, || Case::crowded_out(Sign::Unschedulable)] {
        assert!(case().harmed().is_some());
        assert_eq!(
            Case {
                was_well: false,
                ..case()
            }
            .harmed(),
            None
        );
        assert_eq!(
            Case {
                minute: -1,
                ..case()
            }
            .harmed(),
            None
        );
        assert_eq!(
            Case {
                minute: 0,
                ..case()
            }
            .harmed(),
            None,
            "at the same moment"
        );
        assert_eq!(
            Case {
                other: workload("blog", "front"),
                ..case()
            }
            .harmed(),
            None
        );
        assert_eq!(
            Case {
                other: world::web(),
                ..case()
            }
            .harmed(),
            None,
            "it is the workload itself"
        );
        assert_eq!(
            Case {
                is_over: true,
                ..case()
            }
            .harmed(),
            None
        );
    }
}
