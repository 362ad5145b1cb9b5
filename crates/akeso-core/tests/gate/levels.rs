//! What each level of autonomy allows, and what the policy says of single actions.

use akeso_core::{
    act::{Action, Found},
    gate::{Decision, level},
    plan::{Origin, Proof},
    policy::{Autonomy, Settings},
};
use proptest::prelude::*;
use serde_json::json;

use super::situation::{
    Situation, actions, address, env, grant, image, memory, request, restart, undo,
};
use Autonomy::{Cautious, Full, Observe, Standard};
use Decision::{Ask, Execute, Refuse};

const LEVELS: [Autonomy; 4] = [Observe, Cautious, Standard, Full];

fn namespace(labels: &serde_json::Value) -> serde_json::Value {
    json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop", "labels": labels}})
}

fn rank(decision: Decision) -> u8 {
    match decision {
        Refuse => 0,
        Ask => 1,
        Decision::Wait => 2,
        Execute => 3,
    }
}

#[test]
fn each_level_allows_what_it_says() {
    let unset = |name| env(name, Found::Nowhere);
    let own = env("DB_PASSWORD", Found::PreviousRevision);
    for (action, decisions) in [
        (image(), [Refuse, Execute, Execute, Execute]),
        (memory(2), [Refuse, Execute, Execute, Execute]),
        (memory(4), [Refuse, Ask, Execute, Execute]),
        (unset("MODE"), [Refuse, Ask, Execute, Execute]),
        (unset("DB_PASSWORD"), [Refuse, Ask, Ask, Execute]),
        (own, [Refuse, Ask, Execute, Execute]),
        (undo(), [Refuse, Ask, Execute, Execute]),
        (restart(), [Refuse, Ask, Execute, Execute]),
    ] {
        for (autonomy, expected) in LEVELS.into_iter().zip(decisions) {
            let (decision, rule) = Situation::of(action.clone()).at(autonomy).decision();
            assert_eq!(decision, expected, "{autonomy:?}: {action:?}");
            assert_eq!(rule, "autonomy");
        }
    }
}

#[test]
fn another_port_asks_until_it_is_confirmed_and_another_name_does_not() {
    let at = |port, level| {
        let situation = Situation::of(address(port)).resting_on(Proof::Bounded);
        situation.at(level).decision().0
    };
    assert_eq!(
        LEVELS.map(|level| at(false, level)),
        [Refuse, Ask, Execute, Execute]
    );
    assert_eq!(
        LEVELS.map(|level| at(true, level)),
        [Refuse, Ask, Ask, Execute]
    );
}

#[test]
fn what_is_only_observed_tells_what_standard_would_have_decided() {
    let secret = env("DB_PASSWORD", Found::Nowhere);
    for action in [
        image(),
        memory(4),
        secret,
        undo(),
        restart(),
        request(None),
        grant(),
    ] {
        for proof in [Proof::Confirmed, Proof::Bounded, Proof::Placeholder] {
            let at = |autonomy| {
                let situation = Situation::of(action.clone()).resting_on(proof);
                situation.at(autonomy).ruling()
            };
            let standard = at(Standard);
            assert_eq!(standard.shadow, None);
            let shadow = at(Observe).shadow.map(|shadow| shadow.standard);
            assert_eq!(shadow, Some(standard.decision), "{action:?} {proof:?}");
        }
    }
}

#[test]
fn who_only_observes_is_not_told_to_lack_permissions() {
    let mut situation = Situation::of(image()).at(Observe);
    let missing = (image().kind(), "patch deployments".to_owned());
    situation.settings.not_permitted.extend([missing]);
    let shadow = situation.ruling().shadow.unwrap();
    assert_eq!(shadow.standard, Execute);
}

#[test]
fn a_right_is_given_only_where_the_policy_names_the_action() {
    for autonomy in [Cautious, Standard, Full] {
        let ruling = Situation::of(grant()).at(autonomy).ruling();
        assert_eq!((ruling.decision, ruling.rule.as_str()), (Refuse, "opt-in"));
        assert!(
            ruling.why.contains("`actions: {grant_access: ask}`"),
            "{}",
            ruling.why
        );
        // nobody was asked, and nobody's yes answers it
        let consented = Situation::of(grant()).at(autonomy).consented();
        assert_eq!(consented.decision().0, Refuse);
    }
    let under = |policy: &str| Situation::of(grant()).policy(policy);
    for (policy, decision, rule) in [
        ("{actions: {grant_access: act}}", Execute, "autonomy"),
        (
            "{autonomy: cautious, actions: {grant_access: act}}",
            Execute,
            "autonomy",
        ),
        (
            "{autonomy: full, actions: {grant_access: ask}}",
            Ask,
            "autonomy",
        ),
        (
            "{autonomy: full, actions: {grant_access: never}}",
            Refuse,
            "action",
        ),
        (
            "{autonomy: observe, actions: {grant_access: act}}",
            Refuse,
            "autonomy",
        ),
        (
            "{autonomy: full, actions: {restart_pod: act}}",
            Refuse,
            "opt-in",
        ),
        (
            "{namespaces: [{names: [shop], actions: {grant_access: act}}]}",
            Execute,
            "autonomy",
        ),
        (
            "{namespaces: [{names: [blog], actions: {grant_access: act}}]}",
            Refuse,
            "opt-in",
        ),
        (
            "{protectedNamespaces: [shop], actions: {grant_access: act}}",
            Refuse,
            "protected-namespace",
        ),
        (
            "{allowedNamespaces: [blog], actions: {grant_access: act}}",
            Refuse,
            "protected-namespace",
        ),
    ] {
        assert_eq!(
            under(policy).decision(),
            (decision, rule.to_owned()),
            "{policy}"
        );
    }
    let asked = under("{actions: {grant_access: ask}}").consented();
    assert_eq!(asked.decision().0, Execute);
    let mut off = under("{actions: {grant_access: act}}");
    let kind = grant().kind();
    off.settings
        .not_permitted
        .insert(kind, "create roles".into());
    assert_eq!(off.decision(), (Refuse, "permission".to_owned()));
}

#[test]
fn a_label_of_the_namespace_raises_the_level_and_names_no_action() {
    let trusted = Situation::of(grant())
        .policy("{trustNamespaceLabels: true}")
        .beside(namespace(&json!({"akeso.dev/autonomy": "full"})));
    assert_eq!(trusted.decision(), (Refuse, "opt-in".to_owned()));
}

#[test]
fn an_image_name_that_is_only_alike_asks_below_full() {
    for (autonomy, expected) in LEVELS.into_iter().zip([Refuse, Ask, Ask, Execute]) {
        let guessed = Situation::of(image())
            .at(autonomy)
            .resting_on(Proof::Bounded);
        assert_eq!(guessed.decision().0, expected, "{autonomy:?}");
    }
    // it is the image that needs the proof: memory and variables are bounded in themselves
    let bounded = Situation::of(memory(4))
        .at(Standard)
        .resting_on(Proof::Bounded);
    assert_eq!(bounded.decision().0, Execute);
}

#[test]
fn a_request_by_what_was_measured_asks_below_full_and_by_history_only_when_cautious() {
    for (proof, decisions) in [
        (Proof::Bounded, [Refuse, Ask, Ask, Execute]),
        (Proof::Confirmed, [Refuse, Ask, Execute, Execute]),
    ] {
        for (autonomy, expected) in LEVELS.into_iter().zip(decisions) {
            let set = Situation::of(request(None)).at(autonomy).resting_on(proof);
            assert_eq!(set.decision().0, expected, "{autonomy:?}: {proof:?}");
        }
    }
    let asks = Situation::of(request(None))
        .at(Standard)
        .resting_on(Proof::Bounded);
    assert!(asks.ruling().why.contains("what was measured"));
    let allowed = asks.policy("{actions: {set_request: act}}");
    assert_eq!(allowed.decision().0, Execute);
}

#[test]
fn a_credential_may_be_allowed_for_a_namespace_and_only_by_the_word_act() {
    for (word, expected) in [("act", Execute), ("ask", Ask), ("never", Ask)] {
        let said = format!("{{namespaces: [{{names: [shop], credentialPlaceholders: {word}}}]}}");
        let credential = Situation::of(env("API_TOKEN", Found::Nowhere)).policy(&said);
        assert_eq!(credential.decision().0, expected, "{word}");
    }
}

#[test]
fn what_the_policy_says_of_an_action_goes_before_its_level() {
    for (policy, action, decision, rule) in [
        (
            "{autonomy: full, actions: {fix_image_name: never}}",
            image(),
            Refuse,
            "action",
        ),
        (
            "{autonomy: full, actions: {fix_image_name: ask}}",
            image(),
            Ask,
            "autonomy",
        ),
        (
            "{autonomy: cautious, actions: {restart_pod: act}}",
            restart(),
            Execute,
            "autonomy",
        ),
        (
            "{autonomy: observe, actions: {restart_pod: act}}",
            restart(),
            Refuse,
            "autonomy",
        ),
    ] {
        let ruling = Situation::of(action).policy(policy).ruling();
        assert_eq!((ruling.decision, ruling.rule.as_str()), (decision, rule));
        let of_another = Situation::of(undo()).policy(policy);
        assert_ne!(of_another.decision().1, "action");
    }
    let said = Situation::of(image()).policy("{actions: {fix_image_name: never}}");
    assert_eq!(
        said.ruling().why,
        "the policy says that fix_image_name is never done"
    );
}

#[test]
fn a_label_of_the_namespace_lowers_the_level_of_a_step_and_of_taking_back() {
    let lowered =
        Situation::of(image()).beside(namespace(&json!({"akeso.dev/autonomy": "observe"})));
    assert_eq!(lowered.decision(), (Refuse, "autonomy".into()));
    assert_eq!(lowered.seen(|w| level(w, &lowered.settings)), Observe);
    let raised = Situation::of(undo())
        .at(Cautious)
        .beside(namespace(&json!({"akeso.dev/autonomy": "full"})));
    assert_eq!(raised.decision().0, Ask);
    assert_eq!(raised.seen(|w| level(w, &raised.settings)), Cautious);
    let trusted = Situation::of(undo())
        .policy("{autonomy: cautious, trustNamespaceLabels: true}")
        .beside(namespace(&json!({"akeso.dev/autonomy": "full"})));
    assert_eq!(trusted.decision().0, Execute);
}

#[test]
fn what_is_executed_says_by_whose_leave() {
    let why = |situation: Situation| situation.ruling().why;
    assert_eq!(why(Situation::of(image())), "within what autonomy allows");
    let rule =
        "{autonomy: observe, namespaces: [{names: [blog]}, {names: [shop], autonomy: full}]}";
    assert_eq!(
        why(Situation::of(image()).policy(rule)),
        "within what namespaces[1].autonomy allows"
    );
    assert_eq!(
        why(Situation::of(image()).consented()),
        "a person has consented"
    );
}

fn any_action() -> impl Strategy<Value = Action> {
    proptest::sample::select(actions())
}

proptest! {
    #[test]
    fn no_more_autonomy_ever_allows_less(action in any_action(), proven in any::<bool>()) {
        let proof = if proven { Proof::Confirmed } else { Proof::Bounded };
        let ranks = LEVELS.map(|autonomy| {
            rank(Situation::of(action.clone()).at(autonomy).resting_on(proof).decision().0)
        });
        prop_assert!(ranks.is_sorted(), "{:?}", ranks);
    }

    #[test]
    fn a_policy_with_one_restriction_more_never_allows_more(
        action in any_action(),
        autonomy in proptest::sample::select(LEVELS.to_vec()),
        chosen in proptest::collection::vec(any::<bool>(), 6),
        one_more in 0_usize..6,
        consented in any::<bool>(),
    ) {
        let decided = |chosen: &[bool]| {
            let mut situation = Situation::of(action.clone()).at(autonomy);
            restrict(&mut situation.settings, &action, chosen);
            if consented { situation = situation.consented(); }
            rank(situation.decision().0)
        };
        let mut more = chosen.clone();
        more[one_more] = true;
        prop_assert!(decided(&more) <= decided(&chosen));
    }
}

/// Restrictions that a policy may hold, each of them as strict as it gets.
fn restrict(settings: &mut Settings, action: &Action, chosen: &[bool]) {
    use super::own_gates::{Says, gate};
    use akeso_core::policy::Consent;
    let glob = |text: &str| vec![text.to_owned().try_into().unwrap()];
    let policy = &mut settings.policy;
    for (restriction, _) in chosen.iter().enumerate().filter(|(_, chosen)| **chosen) {
        match restriction {
            0 => policy.protected_namespaces = glob("sh*"),
            1 => policy.allowed_namespaces = glob("blog"),
            2 => drop(policy.actions.insert(action.kind(), Consent::Never)),
            3 => settings.gates.push(gate("asks", Ask, Says::Yes)),
            4 => settings.gates.push(gate("refuses", Refuse, Says::Yes)),
            _ => drop(settings.not_permitted.insert(action.kind(), "x".into())),
        }
    }
}

#[test]
fn a_rule_for_namespaces_is_chosen_by_every_kind_of_selector() {
    let selected = |selector: &str, labels: serde_json::Value| {
        let policy = format!(
            "{{autonomy: full, namespaces: [{{selector: {selector}, autonomy: observe}}]}}"
        );
        let situation = Situation::of(image())
            .policy(&policy)
            .beside(namespace(&labels));
        situation.decision().0 == Refuse
    };
    let (prod, other, none) = (json!({"env": "prod"}), json!({"env": "test"}), json!({}));
    let expression = |operator: &str| {
        format!("{{matchExpressions: [{{key: env, operator: {operator}, values: [prod]}}]}}")
    };
    for (selector, [in_prod, in_test, unlabelled]) in [
        (
            "{matchLabels: {env: prod}}".to_owned(),
            [true, false, false],
        ),
        (expression("In"), [true, false, false]),
        (expression("NotIn"), [false, true, true]),
        (expression("Exists"), [true, true, false]),
        (expression("DoesNotExist"), [false, false, true]),
        (expression("Near"), [false, false, false]),
    ] {
        assert_eq!(selected(&selector, prod.clone()), in_prod, "{selector}");
        assert_eq!(selected(&selector, other.clone()), in_test, "{selector}");
        assert_eq!(selected(&selector, none.clone()), unlabelled, "{selector}");
    }
}

#[test]
fn what_only_a_model_suggests_asks_but_for_the_articles_actions() {
    let of_model = |action: Action, proof, policy: &str| {
        let mut situation = Situation::of(action).resting_on(proof).policy(policy);
        situation.step.origin = Origin::Model;
        situation.decision().0
    };
    let mode = || env("MODE", Found::Key);
    for action in [memory(4), mode(), restart()] {
        let decided = |policy| of_model(action.clone(), Proof::Bounded, policy);
        assert_eq!(decided("{}"), Execute, "{action:?}");
        assert_eq!(decided("{autonomy: cautious}"), Ask, "{action:?}");
        assert_eq!(decided("{autonomy: full}"), Execute, "{action:?}");
        assert_eq!(decided("{autonomy: observe}"), Refuse, "{action:?}");
    }
    // that it is so called is no proof
    assert_eq!(of_model(image(), Proof::Bounded, "{}"), Ask);
    assert_eq!(of_model(undo(), Proof::Bounded, "{}"), Ask);
    let allowed = "{actions: {rollback_to_revision: act, update_env: act}}";
    assert_eq!(of_model(undo(), Proof::Bounded, allowed), Ask);
    let unset = || env("MODE", Found::Nowhere);
    assert_eq!(of_model(unset(), Proof::Placeholder, allowed), Ask);
    let never = "{actions: {update_env: never}}";
    assert_eq!(of_model(unset(), Proof::Placeholder, never), Refuse);
}

#[test]
fn what_was_earned_by_playbooks_is_no_word_for_a_model() {
    let mut situation = Situation::of(undo())
        .resting_on(Proof::Bounded)
        .policy("{approvals: {promoteAfter: 1}}");
    situation
        .spent
        .promoted
        .insert(situation.step.action.kind());
    situation.step.origin = Origin::Model;
    assert_eq!(situation.decision().0, Ask);
}
