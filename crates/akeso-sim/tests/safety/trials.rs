//! A change of several replicas is tried on a pod of its own, which never stays.

use akeso_core::{
    cluster::{Kind, Object},
    engine::{ChangeRequest, Effect, Event},
    journal::{Fact, Outcome},
};
use akeso_sim::{Death, Network, Passage, SimCluster};

use crate::bench::{Bench, IMAGE};

const FULL: &str = "{autonomy: full}";

/// The names of the trial pods that there are.
pub fn trials(cluster: &SimCluster) -> Vec<String> {
    let pods = cluster.list(Kind::Pod).into_iter();
    let names = pods.filter_map(|object| match object {
        Object::Pod(pod) => pod.metadata.name,
        _ => None,
    });
    names.filter(|name| name.contains("-trial-")).collect()
}

fn trials_left(cluster: &SimCluster) -> usize {
    trials(cluster).len()
}

#[test]
fn when_the_trial_passes_its_pod_is_removed_and_the_change_is_made() {
    let mut bench = Bench::under(FULL);
    bench.apply("web", 2, "nginx:latst", "");
    bench.run(90);
    assert_eq!(
        bench.made(),
        ["create", "remove", "patch"],
        "{}",
        bench.story()
    );
    assert_eq!(
        (bench.heals(), trials_left(&bench.simulation.cluster)),
        (1, 0)
    );
}

#[test]
fn when_the_trial_fails_the_workload_is_not_touched_by_it() {
    let mut bench = Bench::under(FULL);
    bench.behave("containers: {'web/app@nginx:latest': {exits: {after: 1s, code: 7, log: [no]}}}");
    bench.apply("web", 2, "busybox:latest", "");
    bench.run(30);
    bench.apply("web", 2, "nginx:latst", "");
    bench.run(900);
    let bad = bench.simulation.cluster.accepted().iter().filter(|change| {
        matches!(change.request, ChangeRequest::Patch(_))
            && change.after.as_ref().unwrap().pointer(IMAGE) == Some(&"nginx:latest".into())
    });
    assert_eq!(bad.count(), 0, "{}", bench.story());
    assert!(bench.made().contains(&"create"), "{}", bench.story());
    assert_eq!(trials_left(&bench.simulation.cluster), 0);
}

#[test]
fn wherever_the_program_dies_in_a_trial_it_comes_to_the_same_end() {
    let run = |death: Option<Death>| {
        let mut bench = Bench::under(FULL);
        bench.apply("web", 2, "nginx:latst", "");
        if let Some(death) = death {
            bench.survive(death, 90);
        }
        bench.run(180);
        bench
    };
    let entries = run(None).simulation.journal.len() as u64;
    for seq in 1..=entries {
        for death in [Death::Written(seq), Death::Reached(seq)] {
            let bench = run(Some(death));
            assert_eq!(
                bench.object("web", IMAGE),
                "nginx:latest",
                "{death:?}\n{}",
                bench.story()
            );
            assert_eq!(
                trials_left(&bench.simulation.cluster),
                0,
                "{death:?}\n{}",
                bench.story()
            );
            assert_eq!(bench.heals(), 1, "{death:?}\n{}", bench.story());
        }
    }
}

/// Removing a trial pod fails so many times.
#[derive(Debug)]
struct Stubborn(u32);

impl Network for Stubborn {
    fn passage(&mut self, effect: &Effect, _: &mut SimCluster) -> Passage {
        match effect {
            Effect::Apply {
                attempt,
                request: ChangeRequest::Remove(_),
                ..
            }
            | Effect::Settle {
                attempt,
                request: ChangeRequest::Remove(_),
                ..
            } if self.0 > 0 => {
                self.0 -= 1;
                let why = "the API server cannot be reached".to_owned();
                Passage::Answered(Event::Outcome(*attempt, Outcome::Failed { why }))
            }
            _ => Passage::Arrives,
        }
    }
}

#[test]
fn removing_a_trial_pod_is_tried_until_it_is_gone() {
    let mut bench = Bench::over(Box::new(Stubborn(8)), FULL);
    bench.apply("web", 2, "nginx:latst", "");
    bench.run(900);
    assert_eq!(
        bench.made(),
        ["create", "remove", "patch"],
        "{}",
        bench.story()
    );
    assert_eq!((bench.heals(), bench.simulation.idle_ticks()), (1, 0));
}

#[test]
fn memory_grows_from_trial_to_trial_and_the_workload_is_changed_once() {
    let mut bench = Bench::under(FULL);
    bench.behave(
        "containers: {hungry/app: {memory: {start: 10Mi, step: 10Mi, every: 100ms, peak: 200Mi}}}",
    );
    bench.apply(
        "hungry",
        2,
        "nginx:latest",
        "resources: {requests: {memory: 32Mi}, limits: {memory: 64Mi}}",
    );
    bench.run(600);
    let patches = bench.made().into_iter().filter(|what| *what == "patch");
    assert_eq!(patches.count(), 1, "{}", bench.story());
    let limit = "/spec/template/spec/containers/0/resources/limits/memory";
    assert_eq!(bench.object("hungry", limit), "512Mi", "{}", bench.story());
    assert_eq!(bench.heals(), 1, "{}", bench.story());
}

/// What happens to the first trial pod's creation, or to its removal.
#[derive(Debug)]
enum Mishap {
    /// The answer to the creation is lost, and the pod cannot be read either.
    Unheard,
    /// The removal is refused so many times.
    Refused(u32),
}

impl Network for Mishap {
    fn passage(&mut self, effect: &Effect, _: &mut SimCluster) -> Passage {
        let Effect::Apply {
            attempt, request, ..
        } = effect
        else {
            return Passage::Arrives;
        };
        match (self, request) {
            (this @ Self::Unheard, ChangeRequest::Create { .. }) => {
                *this = Self::Refused(0);
                let why = "no answer in time".to_owned();
                let told = Event::Outcome(*attempt, Outcome::Failed { why });
                Passage::Unread(jiff::SignedDuration::from_secs(15), told)
            }
            (Self::Refused(times), ChangeRequest::Remove(_)) if *times > 0 => {
                *times -= 1;
                let why = "pods is forbidden".to_owned();
                Passage::Answered(Event::Outcome(*attempt, Outcome::Refused { why }))
            }
            _ => Passage::Arrives,
        }
    }
}

fn run_with_rechecks(bench: &mut Bench, seconds: i64) {
    for _ in 0..seconds / 30 {
        bench.run(30);
        bench.simulation.say(Event::Recheck);
    }
    bench.run(5);
}

#[test]
fn a_trial_pod_of_which_nobody_was_told_is_removed_and_the_removal_is_journalled() {
    let mut bench = Bench::over(Box::new(Mishap::Unheard), FULL);
    bench.apply("web", 2, "nginx:latst", "");
    run_with_rechecks(&mut bench, 240);
    assert_eq!(
        (bench.heals(), trials_left(&bench.simulation.cluster)),
        (1, 0),
        "{}",
        bench.story()
    );
    let swept = |fact: &Fact| matches!(fact, Fact::TrialSwept { .. });
    assert_eq!(bench.count(swept), 1, "{}", bench.story());
}

#[test]
fn a_trial_pod_that_is_left_over_is_removed_when_the_program_starts() {
    let mut bench = Bench::over(Box::new(Mishap::Unheard), FULL);
    bench.apply("web", 2, "nginx:latst", "");
    bench.run(120);
    assert_eq!(trials_left(&bench.simulation.cluster), 1);
    bench.restart();
    bench.run(5);
    assert_eq!(
        trials_left(&bench.simulation.cluster),
        0,
        "{}",
        bench.story()
    );
}

#[test]
fn a_removal_that_was_refused_is_tried_again_with_every_recheck_and_journalled_once() {
    let mut bench = Bench::over(Box::new(Mishap::Refused(4)), FULL);
    bench.apply("web", 2, "nginx:latst", "");
    bench.run(60);
    assert_eq!(trials_left(&bench.simulation.cluster), 1);
    run_with_rechecks(&mut bench, 240);
    assert_eq!(
        trials_left(&bench.simulation.cluster),
        0,
        "{}",
        bench.story()
    );
    let swept = |fact: &Fact| matches!(fact, Fact::TrialSwept { .. });
    assert_eq!(bench.count(swept), 1, "{}", bench.story());
}
