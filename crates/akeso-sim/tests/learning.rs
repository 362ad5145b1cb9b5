//! The more has happened, the less a model is asked.
#![expect(clippy::unwrap_used, reason = "a test may fail")]

use std::path::Path;

use akeso_sim::{
    learning::{Mix, Week, curve},
    listed_images,
};

fn weeks(mix: Mix) -> Vec<Week> {
    let images = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../devcluster/images.json");
    let images = std::fs::read_to_string(images).unwrap();
    let weeks = curve(mix, listed_images(&images).unwrap()).unwrap();
    assert_eq!(weeks.len(), 12);
    for week in &weeks {
        assert_eq!((week.incidents, week.healed), (20, 20), "{weeks:#?}");
    }
    weeks
}

#[test]
fn on_the_articles_mix_it_is_asked_twice() {
    let calls: Vec<_> = weeks(Mix::Article)
        .iter()
        .map(|it| it.model_calls)
        .collect();
    assert!(calls[0] <= 2, "{calls:?}");
    assert_eq!(calls[1..].iter().sum::<usize>(), 0, "{calls:?}");
}

#[test]
fn on_a_hard_mix_it_is_asked_less_and_less() {
    let calls: Vec<_> = weeks(Mix::Hard).iter().map(|it| it.model_calls).collect();
    let month = |from: usize| calls[from..from + 4].iter().sum::<usize>();
    assert!(calls[0] > 5, "it is hard: {calls:?}");
    assert!(month(4) * 2 < month(0) && month(8) <= month(4), "{calls:?}");
}
