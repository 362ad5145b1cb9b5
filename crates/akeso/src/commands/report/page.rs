//! The evaluation as a page of HTML that needs nothing else.

use std::collections::BTreeMap;

use askama::Template;

use super::{
    day, seconds,
    shadow::{agreement, came_words, standard_words},
};
use crate::evaluation::{
    Counts, Evaluation, Uses, Week,
    shadow::{self, Shadow},
};

/// The height of the chart, and the width of a week in it.
const HEIGHT: usize = 200;
const WEEK: usize = 40;
/// A chart of a few weeks is no wider than its page.
const LEAST_WIDTH: usize = 600;

#[derive(Template)]
#[template(path = "report.html")]
struct Page<'a> {
    since: String,
    until: String,
    all: &'a Counts,
    rejected: usize,
    correct: String,
    p50: String,
    p95: String,
    width: usize,
    bars: Vec<Bar>,
    calls: Vec<Calls>,
    namespaces: &'a BTreeMap<String, Counts>,
    actions: &'a BTreeMap<String, Uses>,
    shadow: Option<Observing<'a>>,
}

/// What would have been done where Akeso only observes.
struct Observing<'a> {
    all: &'a shadow::Counts,
    agreement: String,
    tables: [(&'static str, &'a BTreeMap<String, shadow::Counts>); 2],
    latest: Vec<Line<'a>>,
}

/// One incident of it.
struct Line<'a> {
    day: String,
    observed: &'a shadow::Observed,
    standard: &'static str,
    came: &'static str,
}

/// A week of the chart.
struct Bar {
    week: String,
    x: usize,
    width: usize,
    parts: Vec<Part>,
}

/// The model calls of a week.
struct Calls {
    week: String,
    x: usize,
    y: usize,
    width: usize,
    height: usize,
    count: usize,
}

/// Those incidents of a week that came out in one way.
struct Part {
    class: &'static str,
    what: &'static str,
    count: usize,
    y: usize,
    height: usize,
}

/// The page.
pub(super) fn page(evaluation: &Evaluation, shadow: Option<&Shadow>) -> askama::Result<String> {
    let weeks = &evaluation.weeks;
    let most = weeks.iter().map(|week| week.counts.incidents).max();
    let most = most.unwrap_or_default().max(1);
    let bars = weeks.iter().enumerate();
    let percent = evaluation.all.percent_correct();
    let page = Page {
        since: day(evaluation.since),
        until: day(evaluation.until),
        all: &evaluation.all,
        rejected: evaluation.questions.rejected,
        correct: percent.map_or("-".to_owned(), |percent| format!("{percent} %")),
        p50: seconds(evaluation.seconds_to_heal.p50),
        p95: seconds(evaluation.seconds_to_heal.p95),
        width: (weeks.len() * WEEK).max(LEAST_WIDTH),
        bars: bars.map(|(place, week)| bar(place, week, most)).collect(),
        calls: calls(weeks),
        namespaces: &evaluation.namespaces,
        actions: &evaluation.actions,
        shadow: shadow.map(observing),
    };
    page.render()
}

fn calls(weeks: &[Week]) -> Vec<Calls> {
    let count = |week: &Week| week.counts.model_calls;
    let most = weeks.iter().map(count).max().unwrap_or_default().max(1);
    let weeks = weeks.iter().enumerate().map(|(place, week)| {
        let height = HEIGHT * count(week) / most;
        Calls {
            week: day(week.from),
            x: place * WEEK,
            y: HEIGHT - height,
            width: WEEK * 4 / 5,
            height,
            count: count(week),
        }
    });
    weeks.collect()
}

fn observing(shadow: &Shadow) -> Observing<'_> {
    let latest = shadow.latest.iter().map(|observed| Line {
        day: day(observed.opened),
        observed,
        standard: standard_words(observed.standard),
        came: came_words(observed.came),
    });
    Observing {
        all: &shadow.all,
        agreement: agreement(&shadow.all),
        tables: [
            ("Action", &shadow.actions),
            ("Namespace", &shadow.namespaces),
        ],
        latest: latest.collect(),
    }
}

fn bar(place: usize, week: &Week, most: usize) -> Bar {
    let counts = &week.counts;
    let rest = counts.went_away + counts.under_way;
    let mut top = HEIGHT;
    let parts = [
        ("healed", "healed", counts.healed),
        ("person", "with a person", counts.with_a_person),
        ("rest", "gone away, or under way", rest),
    ];
    let parts = parts.into_iter().map(|(class, what, count)| {
        let height = HEIGHT * count / most;
        top -= height;
        Part {
            class,
            what,
            count,
            y: top,
            height,
        }
    });
    Bar {
        week: day(week.from),
        x: place * WEEK,
        width: WEEK * 4 / 5,
        parts: parts.collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::Timestamp;

    #[test]
    fn names_are_escaped_and_bars_stay_within_the_chart() {
        let counts = Counts {
            incidents: 7,
            healed: 3,
            with_a_person: 2,
            went_away: 1,
            under_way: 1,
            ..Counts::default()
        };
        let week = Week {
            from: Timestamp::UNIX_EPOCH,
            counts,
        };
        let evaluation = Evaluation {
            since: Timestamp::UNIX_EPOCH,
            until: Timestamp::UNIX_EPOCH,
            all: counts,
            questions: crate::evaluation::Questions::default(),
            seconds_to_heal: crate::evaluation::Percentiles::default(),
            weeks: vec![week.clone()],
            actions: BTreeMap::new(),
            namespaces: BTreeMap::from([("<script>".to_owned(), counts)]),
        };
        let shadow = crate::evaluation::shadow::tests::observed(&[("shop", "a", None)]);
        let page = page(&evaluation, Some(&shadow)).unwrap();
        for found in ["still open", "<td>fix_image_name</td><td>1</td>"] {
            assert!(page.contains(found), "{found}\n{page}");
        }
        assert!(
            page.contains("&#60;script&#62;") && !page.contains("<script>"),
            "{page}"
        );
        assert!(!page.contains("http"), "it needs nothing else");
        let bar = bar(0, &week, 7);
        let heights: usize = bar.parts.iter().map(|part| part.height).sum();
        assert!(heights <= HEIGHT);
        assert_eq!(bar.parts.iter().map(|part| part.count).sum::<usize>(), 7);
    }
}
