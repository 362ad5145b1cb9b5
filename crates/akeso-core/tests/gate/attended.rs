//! While a person looks after one workload, every step on it asks, at whatever level, and nothing
//! else is changed.

use akeso_core::{
    gate::{ATTENDED, Decision, forbids_any_change},
    policy::Autonomy,
    workload::WorkloadRef,
};
use proptest::prelude::*;

use super::situation::{Situation, actions, image};

fn another() -> WorkloadRef {
    WorkloadRef {
        name: "other".into(),
        ..Situation::of(image()).workload
    }
}

#[test]
fn what_is_looked_after_asks_even_where_everything_acts() {
    let mut situation = Situation::of(image());
    assert_eq!(situation.decision().0, Decision::Execute);
    situation.settings.attended = Some(situation.workload.clone());
    let asks = (Decision::Ask, ATTENDED.to_owned());
    assert_eq!(situation.decision(), asks);
    assert_eq!(situation.consented().decision().0, Decision::Execute);
}

#[test]
fn what_is_not_looked_after_is_neither_changed_nor_taken_back() {
    let mut situation = Situation::of(image());
    situation.settings.attended = Some(another());
    let ruling = situation.ruling();
    assert_eq!(
        (ruling.decision, ruling.rule.as_str()),
        (Decision::Refuse, ATTENDED)
    );
    assert!(ruling.why.contains("shop/other"), "{}", ruling.why);
    let forbidden = situation.seen(|it| forbids_any_change(it, &situation.settings));
    assert_eq!(forbidden.map(|it| it.decision), Some(Decision::Refuse));
    let mut own = Situation::of(image());
    own.settings.attended = Some(own.workload.clone());
    assert_eq!(own.seen(|it| forbids_any_change(it, &own.settings)), None);
}

proptest! {
    #[test]
    fn nothing_acts_by_itself_under_the_eyes_of_a_person(
        which in 0..actions().len(),
        level in prop::sample::select(vec![Autonomy::Observe, Autonomy::Cautious, Autonomy::Standard, Autonomy::Full]),
        is_own: bool,
    ) {
        let mut situation = Situation::of(actions()[which].clone()).at(level);
        situation.settings.attended = Some(if is_own { situation.workload.clone() } else { another() });
        let decision = situation.decision().0;
        prop_assert_ne!(decision, Decision::Execute);
        if !is_own || level == Autonomy::Observe {
            prop_assert_eq!(decision, Decision::Refuse);
        }
    }
}
