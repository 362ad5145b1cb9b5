//! What was raised in vain is lowered again, however the incident goes on.

use akeso_core::{
    act::Action,
    engine::{ChangeRequest, Effect, Event, Request, State},
    journal::{Fact, Outcome, Verdict},
};
use akeso_sim::{Network, Passage, SimCluster};
use jiff::SignedDuration;
use serde_json::json;

use crate::bench::{Bench, deployment};

const FULL: &str = "{autonomy: full, canary: off}";
const ASKS: &str = "{autonomy: full, canary: off, actions: {increase_memory: ask}, approvals: {expireAfter: PT5M}}";
const LIMIT: &str = "/spec/template/spec/containers/0/resources/limits/memory";

/// `hungry` needs more memory than it ever gets; it has been given 128Mi in place of 64Mi, which was
/// too little, and the next step falls under the policy `then`.
fn raised_in_vain(network: Box<dyn Network>, first: &str, then: &str) -> Bench {
    let mut bench = Bench::over(network, first);
    bench.behave(
        "containers: {hungry/app: {memory: {start: 10Mi, step: 10Mi, every: 1s, peak: 4Gi}}}",
    );
    bench.apply(
        "hungry",
        2,
        "nginx:latest",
        "resources: {requests: {memory: 32Mi}, limits: {memory: 64Mi}}",
    );
    for _ in 0..120 {
        if bench.object("hungry", LIMIT) == "128Mi" {
            break;
        }
        bench.run(1);
    }
    assert_eq!(bench.object("hungry", LIMIT), "128Mi", "{}", bench.story());
    bench.configure(then);
    bench.run(240);
    let in_vain = |fact: &Fact| matches!(fact, Fact::Judged { verdict, .. } if *verdict == Verdict::NotHealed);
    assert!(bench.count(in_vain) >= 1, "{}", bench.story());
    bench
}

fn is_told_and_as_before(bench: &Bench) {
    assert_eq!(bench.object("hungry", LIMIT), "64Mi", "{}", bench.story());
    assert!(
        matches!(bench.state("hungry"), Some(State::Escalated { .. })),
        "{}",
        bench.story()
    );
    assert_eq!(bench.simulation.idle_ticks(), 0);
}

fn asked() -> Bench {
    let bench = raised_in_vain(Box::new(akeso_sim::Flawless), FULL, ASKS);
    // what is asked about begins where the guess has led to
    let Action::IncreaseMemory(step) = bench.question("hungry").step.action else {
        panic!("{}", bench.story());
    };
    assert_eq!(step.from.to_string(), "128Mi");
    assert_eq!(bench.object("hungry", LIMIT), "128Mi");
    bench
}

#[test]
fn when_the_next_step_is_declined() {
    let mut bench = asked();
    let (attempt, by) = (bench.question("hungry").attempt, "ada".to_owned());
    bench
        .simulation
        .say(Event::Requested(Request::Decline { attempt, by }));
    bench.run(120);
    is_told_and_as_before(&bench);
    // and told once
    let told = |fact: &Fact| matches!(fact, Fact::Escalated { .. });
    assert_eq!(bench.count(told), 1, "{}", bench.story());
    bench.run(3600);
    is_told_and_as_before(&bench);
    assert_eq!(bench.made(), ["patch", "back"], "{}", bench.story());
}

#[test]
fn when_the_question_for_the_next_step_expires() {
    let mut bench = asked();
    bench.run(400);
    is_told_and_as_before(&bench);
}

#[test]
fn when_the_next_step_is_refused() {
    let bench = raised_in_vain(
        Box::new(akeso_sim::Flawless),
        FULL,
        "{autonomy: full, canary: off, actions: {increase_memory: never}}",
    );
    is_told_and_as_before(&bench);
}

#[test]
fn when_the_workload_is_closed_for_a_while() {
    let once = "{autonomy: full, canary: off, budgets: {workload: {failures: 1}}}";
    let bench = raised_in_vain(Box::new(akeso_sim::Flawless), once, once);
    is_told_and_as_before(&bench);
}

#[test]
fn when_the_program_dies_between_telling_and_taking_back() {
    let mut bench = asked();
    let seq = bench.simulation.journal.len() as u64 + 2; // declined, escalated
    bench.simulation.dies(akeso_sim::Death::Written(seq));
    let (attempt, by) = (bench.question("hungry").attempt, "ada".to_owned());
    bench
        .simulation
        .say(Event::Requested(Request::Decline { attempt, by }));
    assert!(bench.simulation.is_down(), "{}", bench.story());
    bench.restart();
    bench.run(240);
    is_told_and_as_before(&bench);
}

#[test]
fn when_the_policy_lets_the_question_go() {
    let mut bench = asked();
    bench.configure("{autonomy: full, canary: off, actions: {increase_memory: never}}");
    bench.run(240);
    is_told_and_as_before(&bench);
}

#[test]
fn but_not_in_a_namespace_where_nothing_may_be_changed_any_more() {
    let mut bench = asked();
    let changes = bench.made().len();
    let cluster = &mut bench.simulation.cluster;
    cluster.annotate(&deployment("hungry"), "akeso.dev/ignore", "true");
    let (attempt, by) = (bench.question("hungry").attempt, "ada".to_owned());
    bench
        .simulation
        .say(Event::Requested(Request::Decline { attempt, by }));
    bench.run(120);
    assert_eq!(bench.made().len(), changes, "{}", bench.story());
}

/// Every patch but the first, and but what takes back, fails.
#[derive(Debug, Default)]
struct OnlyTheFirst(usize);

impl Network for OnlyTheFirst {
    fn passage(&mut self, effect: &Effect, _: &mut SimCluster) -> Passage {
        let Effect::Apply {
            attempt, request, ..
        } = effect
        else {
            return Passage::Arrives;
        };
        if !matches!(request, ChangeRequest::Patch(_)) || request.takes_back() {
            return Passage::Arrives;
        }
        self.0 += 1;
        if self.0 == 1 {
            return Passage::Arrives;
        }
        let why = "the API server cannot be reached".to_owned();
        Passage::Answered(Event::Outcome(*attempt, Outcome::Failed { why }))
    }
}

#[test]
fn when_the_next_step_cannot_be_made() {
    let bench = raised_in_vain(Box::<OnlyTheFirst>::default(), FULL, FULL);
    is_told_and_as_before(&bench);
}

#[test]
fn somebody_who_has_set_another_limit_meanwhile_keeps_it() {
    let mut bench = asked();
    bench.patch("hungry", LIMIT, &json!("96Mi"));
    bench.run(SignedDuration::from_mins(20).as_secs());
    assert_eq!(bench.object("hungry", LIMIT), "96Mi", "{}", bench.story());
}
