//! How an incident stands after each fact.

use akeso_core::{
    engine::{Incident, State},
    gate::Decision,
    journal::{End, Fact, Outcome, Verdict},
    workload::{AttemptId, IncidentId},
};

use super::facts::proposal;
use crate::world::{
    self,
    story::{
        Story, applied, at, closed, diagnosed, done, gated, intended, judged, opened, planned,
        taken_back, taking_back, trial, workload,
    },
};

/// An incident with a plan of two steps.
fn with_plan() -> Story {
    let mut story = Story::default();
    story
        .tell(0, opened(1, &world::web()))
        .tell(0, diagnosed(1))
        .tell(0, planned(1));
    story
}

/// The same, of which the first step is tried.
fn with_attempt() -> Story {
    let mut story = with_plan();
    story.tell(1, intended(1, 1, 0));
    story
}

fn state(story: &Story) -> &State {
    &story.incident(1).state
}

fn refused(why: &str) -> Outcome {
    Outcome::Refused { why: why.into() }
}

const FIRST: AttemptId = AttemptId(1);

#[test]
fn an_attempt_goes_from_plan_to_change_to_verification_and_heals() {
    let mut story = Story::default();
    story.tell(0, opened(1, &world::web()));
    assert_eq!(*state(&story), State::Observed);
    assert!(story.incident(1).was_well);
    assert_eq!(story.incident(1).uid.as_deref(), Some("web-uid"));
    story.tell(1, diagnosed(1)).tell(1, planned(1));
    assert_eq!(*state(&story), State::Planned { step: 0 });
    story.tell(2, gated(1, 0, Decision::Execute));
    assert_eq!(*state(&story), State::Planned { step: 0 });
    story.tell(3, intended(1, 1, 0));
    assert_eq!(*state(&story), State::Acting { attempt: FIRST });
    let attempt = story.incident(1).attempt(FIRST).unwrap();
    assert_eq!((attempt.at, attempt.ready_before), (at(3), 1));
    assert!(!attempt.is_kept());
    story.tell(4, applied(1, 1, done()));
    assert_eq!(*state(&story), State::Verifying { attempt: FIRST });
    assert!(story.incident(1).attempt(FIRST).unwrap().is_kept());
    story
        .tell(5, judged(1, 1, Verdict::Healed))
        .tell(5, closed(1, End::Healed));
    assert!(story.incident(1).is_closed());
    assert_eq!(
        (story.incident(1).opened, story.incident(1).updated),
        (at(0), at(5))
    );
    assert_eq!(story.ledger.open_incident(&world::web()), None);
    assert_eq!(story.ledger.open().count(), 0);
}

#[test]
fn a_step_that_waits_waits_and_one_that_is_refused_or_asked_about_does_not() {
    let after = |decision| {
        let mut story = with_plan();
        story.tell(1, gated(1, 1, decision));
        assert_eq!(story.incident(1).gated, 1);
        state(&story).clone()
    };
    assert_eq!(after(Decision::Wait), State::Waiting { step: 1 });
    for decision in [Decision::Ask, Decision::Refuse, Decision::Execute] {
        assert_eq!(after(decision), State::Planned { step: 0 });
    }
}

#[test]
fn what_the_api_server_answers_decides_how_it_goes_on() {
    let after = |outcome| {
        let mut story = with_attempt();
        story.tell(2, applied(1, 1, outcome));
        state(&story).clone()
    };
    let why = String::new();
    assert_eq!(after(done()), State::Verifying { attempt: FIRST });
    assert_eq!(after(refused("exceeded quota")), State::Planned { step: 1 });
    assert_eq!(
        after(Outcome::Conflict { why: why.clone() }),
        State::Observed
    );
    assert_eq!(after(Outcome::Failed { why }), State::Observed);
}

#[test]
fn a_trial_that_found_no_room_lets_the_change_follow_and_one_that_was_forbidden_does_not() {
    let after = |why: &str| {
        let mut story = with_plan();
        let Fact::Intended {
            incident,
            attempt,
            step,
            ready_before,
            ..
        } = intended(1, 1, 0)
        else {
            unreachable!()
        };
        story
            .tell(
                1,
                Fact::Intended {
                    incident,
                    attempt,
                    step,
                    ready_before,
                    change: trial(),
                },
            )
            .tell(2, applied(1, 1, refused(why)));
        state(&story).clone()
    };
    for no_room in [
        "exceeded quota: pods=10",
        "pods is forbidden: User cannot create",
        "",
    ] {
        assert_eq!(after(no_room), State::Planned { step: 0 }, "{no_room}");
    }
    for about_the_pod in [
        "pods \"web\" is forbidden: violates PodSecurity \"restricted\"",
        "admission webhook \"policy\" denied the request: image",
        "Pod \"web\" is invalid: spec",
        "spec.containers[0].image: Invalid value: \"\"",
    ] {
        assert_eq!(
            after(about_the_pod),
            State::Planned { step: 1 },
            "{about_the_pod}"
        );
    }
}

#[test]
fn a_verdict_leads_to_the_next_step_or_to_another_look() {
    let after = |verdict| {
        let mut story = with_attempt();
        story
            .tell(2, applied(1, 1, done()))
            .tell(3, judged(1, 1, verdict));
        assert_eq!(
            story.incident(1).attempt(FIRST).unwrap().verdict,
            Some(verdict)
        );
        state(&story).clone()
    };
    let verifying = State::Verifying { attempt: FIRST };
    assert_eq!(after(Verdict::NotHealed), State::Planned { step: 1 });
    assert_eq!(after(Verdict::Worse), State::Planned { step: 1 });
    assert_eq!(after(Verdict::Partly), State::Observed);
    for verdict in [Verdict::Healed, Verdict::Superseded, Verdict::Passed] {
        assert_eq!(after(verdict), verifying);
    }
}

#[test]
fn after_taking_back_the_next_step_follows_or_the_same_one_whose_trial_passed() {
    let after = |verdict| {
        let mut story = with_attempt();
        story
            .tell(2, applied(1, 1, done()))
            .tell(3, judged(1, 1, verdict))
            .tell(3, taking_back(1, 1));
        assert_eq!(*state(&story), State::RollingBack { attempt: FIRST });
        story.tell(4, taken_back(1, 1, done()));
        let attempt = story.incident(1).attempt(FIRST).unwrap();
        assert!(attempt.is_taken_back() && !attempt.is_kept());
        state(&story).clone()
    };
    assert_eq!(after(Verdict::NotHealed), State::Planned { step: 1 });
    assert_eq!(after(Verdict::Passed), State::Planned { step: 0 });
}

#[test]
fn a_question_is_answered_by_exactly_what_was_asked() {
    let mut story = with_plan();
    let question = proposal(5, 1);
    let (incident, attempt) = (IncidentId(1), AttemptId(5));
    story.tell(
        1,
        Fact::Asked {
            incident,
            question: Box::new(question.clone()),
        },
    );
    let asked = Box::new(question.clone());
    assert_eq!(*state(&story), State::AwaitingApproval { question: asked });
    let by = "ada".to_owned();
    story.tell(
        2,
        Fact::Declined {
            incident,
            attempt,
            by: by.clone(),
        },
    );
    assert_eq!(story.incident(1).consented, None);
    story.tell(
        2,
        Fact::Consented {
            incident,
            attempt,
            by: by.clone(),
        },
    );
    assert_eq!(*state(&story), State::Planned { step: 1 });
    assert_eq!(story.incident(1).consented.as_ref(), Some(&question));
    // it is used up by the change, and by another look
    let consented = |fact| {
        let mut story = with_plan();
        story
            .tell(
                1,
                Fact::Asked {
                    incident,
                    question: Box::new(proposal(5, 1)),
                },
            )
            .tell(
                2,
                Fact::Consented {
                    incident,
                    attempt,
                    by: by.clone(),
                },
            )
            .tell(3, fact);
        story.incident(1).consented.is_some()
    };
    assert!(!consented(intended(1, 5, 1)));
    assert!(!consented(Fact::Reconsidered {
        incident,
        why: String::new()
    }));
    assert!(consented(gated(1, 1, Decision::Wait)));
    // who is not asked consents to nothing
    let mut unasked = with_plan();
    unasked.tell(
        1,
        Fact::Consented {
            incident,
            attempt,
            by,
        },
    );
    assert_eq!(unasked.incident(1).consented, None);
    assert_eq!(*state(&unasked), State::Planned { step: 0 });
}

#[test]
fn a_relapse_opens_the_incident_again_and_its_attempt_has_failed() {
    let mut story = with_attempt();
    let (incident, attempt, why) = (IncidentId(1), FIRST, String::new());
    story
        .tell(2, applied(1, 1, done()))
        .tell(3, judged(1, 1, Verdict::Healed))
        .tell(3, closed(1, End::Healed))
        .tell(
            60,
            Fact::Reopened {
                incident,
                attempt,
                why,
            },
        );
    assert_eq!(story.ledger.open_incident(&world::web()), Some(incident));
    let open: Vec<&Incident> = story.ledger.open().collect();
    assert_eq!(
        (open[0].state.clone(), open[0].plan.clone()),
        (State::Observed, None)
    );
    assert_eq!(open[0].attempts[0].verdict, Some(Verdict::NotHealed));
}

#[test]
fn waiting_for_another_and_for_a_person_are_states_of_their_own() {
    let incident = IncidentId(1);
    let mut story = with_plan();
    story.tell(
        1,
        Fact::Joined {
            incident,
            into: IncidentId(9),
            until: akeso_core::journal::Until::End,
            why: String::new(),
        },
    );
    assert_eq!(
        *state(&story),
        State::Joined {
            into: IncidentId(9),
            until: akeso_core::journal::Until::End,
        }
    );
    story.tell(
        2,
        Fact::Reconsidered {
            incident,
            why: String::new(),
        },
    );
    assert_eq!(*state(&story), State::Observed);
    let (why, command, until) = (
        "no step is left".to_owned(),
        "kubectl".to_owned(),
        Some(at(9)),
    );
    story.tell(
        3,
        Fact::Escalated {
            incident,
            why: why.clone(),
            command: command.clone(),
            until,
        },
    );
    assert_eq!(
        *state(&story),
        State::Escalated {
            why,
            command,
            until
        }
    );
    story.tell(4, opened(2, &workload("shop", "api")));
    let all: Vec<_> = story.ledger.incidents().map(|it| it.id).collect();
    assert_eq!(all, [incident, IncidentId(2)]);
}

#[test]
fn only_what_is_being_changed_or_watched_is_between_a_change_and_its_verdict() {
    let between = [
        State::Acting { attempt: FIRST },
        State::Verifying { attempt: FIRST },
        State::RollingBack { attempt: FIRST },
    ];
    let others = [
        State::Observed,
        State::Planned { step: 0 },
        State::Waiting { step: 0 },
        State::Joined {
            into: IncidentId(2),
            until: akeso_core::journal::Until::End,
        },
        State::AwaitingApproval {
            question: Box::new(proposal(1, 0)),
        },
        State::Escalated {
            why: String::new(),
            command: String::new(),
            until: None,
        },
        State::Closed(End::Healed),
    ];
    assert!(between.iter().all(State::is_between_change_and_verdict));
    assert!(!others.iter().any(State::is_between_change_and_verdict));
}
