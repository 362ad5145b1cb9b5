//! What is known of an action against a failure, from what has happened to others.

use akeso_core::{
    act::{Action, ActionKind, RestartPod},
    diagnose::Remedy,
    learn::{Fingerprint, LONGEST_UNUSED, Level, MOST, Patterns, Standing},
    plan::{Advice, Origin, Proof, Step, plan},
    quantity::Bytes,
    workload::{WorkloadKind, WorkloadRef},
};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::Container;
use proptest::prelude::*;
use serde_json::json;

use crate::world::story::{diagnosis, image, memory, step};

fn failure(workload: &str, image: &str, command: &str, log: &str) -> Fingerprint {
    let container = json!({"name": "app", "image": image, "command": [command]});
    let container: Container = serde_json::from_value(container).unwrap();
    let workload = WorkloadRef {
        kind: WorkloadKind::Deployment,
        namespace: "shop".into(),
        name: workload.into(),
    };
    Fingerprint {
        log: log.to_owned(),
        ..Fingerprint::of("unknown-crash", &container, &workload)
    }
}

fn day(day: i64) -> Timestamp {
    Timestamp::UNIX_EPOCH + SignedDuration::from_hours(24 * day)
}

fn standing(patterns: &Patterns, failure: &Fingerprint, action: ActionKind) -> &'static str {
    match patterns.standing(failure, action, day(2)) {
        Standing::Helps(pattern) => pattern.fingerprint.level().as_str(),
        Standing::Unknown => "unknown",
        Standing::DoesNotHelp => "does not help",
    }
}

#[test]
fn the_less_two_workloads_have_in_common_the_more_must_have_happened() {
    let mut patterns = Patterns::default();
    let web = failure("web", "nginx:1", "serve", "");
    let told = |patterns: &Patterns| {
        [
            failure("web", "nginx:1", "serve", ""),
            failure("api", "nginx:1", "serve", ""),
            failure("api", "nginx:1", "work", ""),
            failure("api", "redis:7", "work", ""),
        ]
        .map(|failure| standing(patterns, &failure, ActionKind::IncreaseMemory))
    };
    assert_eq!(told(&patterns), ["unknown"; 4]);
    patterns.succeeded(&web, &memory(), day(1));
    assert_eq!(
        told(&patterns),
        ["workload", "program", "unknown", "unknown"]
    );
    patterns.succeeded(&web, &memory(), day(1));
    assert_eq!(told(&patterns), ["workload", "program", "image", "unknown"]);
    patterns.succeeded(&web, &memory(), day(1));
    assert_eq!(told(&patterns), ["workload", "program", "image", "fault"]);
    // what has helped says nothing of another action
    assert_eq!(
        standing(&patterns, &web, ActionKind::FixImageName),
        "unknown"
    );
}

#[test]
fn what_did_not_help_is_demoted_at_once_and_trusted_again_when_it_has() {
    let mut patterns = Patterns::default();
    let web = failure("web", "nginx:1", "serve", "");
    for _ in 0..10 {
        patterns.succeeded(&web, &memory(), day(1));
    }
    patterns.failed(&web, &memory(), day(1));
    assert_eq!(
        standing(&patterns, &web, ActionKind::IncreaseMemory),
        "does not help"
    );
    // that it failed there says nothing of another program with this image
    let other = failure("api", "nginx:1", "work", "");
    assert_eq!(
        standing(&patterns, &other, ActionKind::IncreaseMemory),
        "unknown"
    );
    patterns.succeeded(&web, &memory(), day(1));
    assert_eq!(
        standing(&patterns, &web, ActionKind::IncreaseMemory),
        "workload"
    );
}

#[test]
fn what_has_never_helped_is_known_as_well() {
    let mut patterns = Patterns::default();
    let web = failure("web", "nginx:1", "serve", "");
    let restart = Action::RestartPod(RestartPod {
        pod: "web-1".into(),
        uid: "u".into(),
    });
    patterns.failed(&web, &restart, day(1));
    assert_eq!(
        standing(&patterns, &web, ActionKind::RestartPod),
        "does not help"
    );
}

#[test]
fn logs_of_one_form_are_one_failure() {
    let mut patterns = Patterns::default();
    let of = |log: &str| failure("web", "nginx:1", "serve", log);
    patterns.succeeded(&of("cannot load model alpha for shop"), &image(), day(1));
    for (log, expected) in [
        ("cannot load model alpha for shop", "workload"),
        ("cannot load model beta for shop", "workload"),
        ("schema <*> is too old", "unknown"),
        ("", "unknown"),
    ] {
        assert_eq!(
            standing(&patterns, &of(log), ActionKind::FixImageName),
            expected,
            "{log}"
        );
    }
    patterns.succeeded(&of("cannot load model beta for shop"), &image(), day(1));
    assert_eq!(
        patterns.iter().count(),
        Level::ALL.len(),
        "they are counted together"
    );
}

#[test]
fn what_is_forgotten_at_a_level_is_forgotten_below_and_nowhere_else() {
    let mut patterns = Patterns::default();
    let (web, api) = (
        failure("web", "nginx:1", "serve", ""),
        failure("api", "nginx:1", "work", ""),
    );
    for _ in 0..3 {
        patterns.succeeded(&web, &memory(), day(1));
        patterns.succeeded(&api, &memory(), day(1));
    }
    patterns.failed(&web, &image(), day(1));
    let at = |patterns: &Patterns, failure| standing(patterns, failure, ActionKind::IncreaseMemory);
    patterns.forget(&web.at(Level::Program), Some(ActionKind::IncreaseMemory));
    assert_eq!(
        (at(&patterns, &web), at(&patterns, &api)),
        ("image", "workload")
    );
    assert_eq!(
        standing(&patterns, &web, ActionKind::FixImageName),
        "does not help"
    );
    patterns.forget(&web.at(Level::Fault), None);
    assert_eq!(patterns.iter().count(), 0);
}

/// A year of 100 incidents a week, with ever new names and images.
#[test]
fn a_year_of_incidents_does_not_make_it_grow_without_end() {
    let mut patterns = Patterns::default();
    let mut sizes = Vec::new();
    for week in 0..52 {
        for n in 0..100 {
            let number = week * 100 + n;
            let web = failure(
                &format!("web-{number}"),
                &format!("app:{}", number / 7),
                "serve",
                "",
            );
            patterns.succeeded(&web, &memory(), day(7 * week));
        }
        sizes.push(patterns.iter().count());
    }
    assert!(sizes.iter().all(|size| *size <= MOST), "{sizes:?}");
    assert_eq!(sizes[20..].iter().min(), sizes[20..].iter().max());
    // what the newest have taught is there
    let newest = failure("another", "app:742", "serve", "");
    assert!(matches!(
        patterns.standing(&newest, ActionKind::IncreaseMemory, day(364)),
        Standing::Helps(_)
    ));
    // and one use after a long time is all that is left
    let late = day(364) + LONGEST_UNUSED;
    patterns.succeeded(&failure("web", "nginx:1", "serve", ""), &image(), late);
    assert_eq!(patterns.iter().count(), Level::ALL.len());
}

/// The actions of the plan for a failure whose playbook has these steps, and who has it from where.
fn planned(
    patterns: &Patterns,
    failure: &Fingerprint,
    steps: Vec<Step>,
) -> Vec<(ActionKind, Origin)> {
    let mut diagnosis = diagnosis();
    diagnosis.fingerprint = failure.clone();
    let otherwise = Advice {
        why: "nothing helps".into(),
        command: "kubectl".into(),
    };
    diagnosis.remedy = Remedy::Steps { steps, otherwise };
    let plan = plan(&diagnosis, patterns, day(2)).unwrap();
    let steps = plan.steps.iter();
    steps
        .map(|step| (step.action.kind(), step.origin))
        .collect()
}

#[test]
fn what_helped_goes_first_and_what_did_not_goes_last() {
    use ActionKind::{FixImageName, IncreaseMemory};
    use Origin::{Memory, Playbook};
    let bounded = |action| Step {
        proof: Proof::Bounded,
        ..step(action)
    };
    let steps = || vec![bounded(image()), bounded(memory())];
    let web = failure("web", "nginx:1", "serve", "");
    let mut patterns = Patterns::default();
    assert_eq!(
        planned(&patterns, &web, steps()),
        [(FixImageName, Playbook), (IncreaseMemory, Playbook)]
    );
    patterns.failed(&web, &image(), day(1));
    assert_eq!(
        planned(&patterns, &web, steps()),
        [(IncreaseMemory, Playbook), (FixImageName, Playbook)]
    );
    let mut patterns = Patterns::default();
    patterns.succeeded(&web, &memory(), day(1));
    assert_eq!(
        planned(&patterns, &web, steps()),
        [(IncreaseMemory, Memory), (FixImageName, Playbook)]
    );
    // not before what is proven
    let proven = vec![step(image()), bounded(memory())];
    assert_eq!(proven[0].proof, Proof::Confirmed);
    assert_eq!(
        planned(&patterns, &web, proven),
        [(FixImageName, Playbook), (IncreaseMemory, Playbook)]
    );
    // and no step that the playbook does not have
    assert_eq!(
        planned(&patterns, &web, vec![bounded(image())]),
        [(FixImageName, Playbook)]
    );
}

#[test]
fn of_memory_the_amount_is_taken_over_for_the_same_image_only() {
    let mut patterns = Patterns::default();
    let web = failure("web", "nginx:1", "serve", "");
    let Action::IncreaseMemory(mut grown) = memory() else {
        unreachable!()
    };
    grown.to = Bytes::mebi(900);
    for _ in 0..3 {
        patterns.succeeded(&web, &Action::IncreaseMemory(grown.clone()), day(1));
    }
    let first = |failure: &Fingerprint| {
        let mut diagnosis = diagnosis();
        diagnosis.fingerprint = failure.clone();
        let mut larger = grown.clone();
        larger.to = Bytes::mebi(2_000);
        let otherwise = Advice {
            why: String::new(),
            command: String::new(),
        };
        let steps = vec![step(memory()), step(Action::IncreaseMemory(larger))];
        diagnosis.remedy = Remedy::Steps { steps, otherwise };
        let plan = plan(&diagnosis, &patterns, day(2)).unwrap();
        plan.steps[0].action.as_memory().unwrap().to
    };
    let own = memory().as_memory().unwrap().to;
    assert_eq!(
        first(&failure("api", "nginx:1", "work", "")),
        Bytes::mebi(900)
    );
    assert_eq!(first(&failure("api", "redis:7", "work", "")), own);
}

proptest! {
    #[test]
    fn nothing_is_trusted_whose_last_use_failed(outcomes in proptest::collection::vec(any::<bool>(), 1..30)) {
        let mut patterns = Patterns::default();
        let web = failure("web", "nginx:1", "serve", "");
        for (number, has_helped) in outcomes.iter().enumerate() {
            let at = Timestamp::UNIX_EPOCH + SignedDuration::from_hours(i64::try_from(number).unwrap());
            if *has_helped {
                patterns.succeeded(&web, &memory(), at);
            } else {
                patterns.failed(&web, &memory(), at);
            }
        }
        let told = patterns.standing(&web, ActionKind::IncreaseMemory, day(2));
        let is_trusted = matches!(told, Standing::Helps(_));
        prop_assert!(!is_trusted || outcomes.last() == Some(&true));
        // a checkpoint says the same
        let all: Vec<_> = patterns.iter().cloned().collect();
        let mut read = Patterns::default();
        read.replace(&all);
        let read = read.standing(&web, ActionKind::IncreaseMemory, day(2));
        prop_assert_eq!(matches!(read, Standing::Helps(_)), is_trusted);
    }
}
