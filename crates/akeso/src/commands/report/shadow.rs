//! `akeso report --shadow`: what would have been done where Akeso only observes, as text.

use akeso_core::{gate::Decision, journal::Came};

use super::day;
use crate::{
    evaluation::shadow::{Counts, Observed, Shadow},
    report::line,
};

/// What was done in place of a step that was only observed, in a few words.
pub(super) const fn came_words(came: Option<Came>) -> &'static str {
    match came {
        Some(Came::Same) => "the same was done",
        Some(Came::OtherValue) => "the same was set, to another value",
        Some(Came::SomethingElse) => "something else was changed",
        Some(Came::Unchanged) => "went away without a change of it",
        Some(Came::Unknown) => "over; what was done cannot be told",
        None => "still open",
    }
}

/// What would have been decided under `standard`, in a few words.
pub(super) const fn standard_words(standard: Option<Decision>) -> &'static str {
    match standard {
        Some(Decision::Execute) => "by itself",
        Some(Decision::Ask) => "would have asked",
        Some(Decision::Wait) => "would have waited",
        Some(Decision::Refuse) => "refused all the same",
        None => "not noted",
    }
}

/// How often a person did the same, of how many times a person did something.
pub(super) fn agreement(counts: &Counts) -> String {
    counts.percent_same().map_or("-".to_owned(), |percent| {
        format!("{} of {} ({percent} %)", counts.same, counts.changed())
    })
}

pub(super) fn told(shadow: &Shadow) -> String {
    let all = &shadow.all;
    let mut text = format!(
        "What would have been done where Akeso only observes, from {} to {}\n\n",
        day(shadow.since),
        day(shadow.until)
    );
    if all.incidents == 0 {
        text.push_str("No incident of this time had a step that was only observed.\n");
        return text;
    }
    line!(text, "Incidents:          {}", all.incidents);
    line!(
        text,
        "Under standard:     {} by itself, {} asked, {} waited, {} refused{}",
        all.by_itself,
        all.asked,
        all.waited,
        all.refused,
        not_noted(all)
    );
    line!(
        text,
        "A person did:       {} the same, {} the same with another value, {} something else",
        all.same,
        all.other_value,
        all.something_else
    );
    line!(
        text,
        "No change seen:     {} went away, {} still open, {} cannot be told",
        all.unchanged,
        all.open,
        all.unknown
    );
    line!(text, "Agreement:          {}", agreement(all));
    line!(text, "\n{}", heading("ACTION"));
    for (action, counts) in &shadow.actions {
        line!(text, "{}", row(action, counts));
    }
    line!(text, "\n{}", heading("NAMESPACE"));
    for (namespace, counts) in &shadow.namespaces {
        let name = if namespace.is_empty() { "-" } else { namespace };
        line!(text, "{}", row(name, counts));
    }
    line!(text, "\nTHE LATEST");
    for observed in &shadow.latest {
        line!(text, "{}", latest(observed));
    }
    text
}

fn not_noted(all: &Counts) -> String {
    match all.incidents - all.by_itself - all.asked - all.waited - all.refused {
        0 => String::new(),
        rest => format!(", {rest} not noted"),
    }
}

fn heading(first: &str) -> String {
    format!(
        "{first:<22} {:>9} {:>9} {:>6} {:>6} {:>11} {:>5} {:>9} {:>5} {:>8}",
        "INCIDENTS",
        "BY ITSELF",
        "ASKED",
        "SAME",
        "OTHER VALUE",
        "ELSE",
        "WENT AWAY",
        "OPEN",
        "UNKNOWN"
    )
}

fn row(first: &str, counts: &Counts) -> String {
    format!(
        "{first:<22} {:>9} {:>9} {:>6} {:>6} {:>11} {:>5} {:>9} {:>5} {:>8}",
        counts.incidents,
        counts.by_itself,
        counts.asked,
        counts.same,
        counts.other_value,
        counts.something_else,
        counts.unchanged,
        counts.open,
        counts.unknown
    )
}

fn latest(observed: &Observed) -> String {
    format!(
        "{}  {}  {}: {} ({}): {}",
        day(observed.opened),
        observed.incident,
        observed.workload,
        observed.summary,
        standard_words(observed.standard),
        came_words(observed.came)
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evaluation::shadow::tests::observed;

    #[test]
    fn the_text_tells_what_would_have_been_done_and_what_came() {
        let shadow = observed(&[
            ("shop", "a", Some("nginx:latest")),
            ("shop", "b", Some("nginx:1.27")),
            ("shop", "c", None),
        ]);
        let text = told(&shadow);
        for line in [
            "Incidents:          3",
            "Under standard:     3 by itself, 0 asked, 0 waited, 0 refused",
            "A person did:       1 the same, 1 the same with another value, 0 something else",
            "No change seen:     0 went away, 1 still open, 0 cannot be told",
            "Agreement:          1 of 2 (50 %)",
        ] {
            assert!(text.lines().any(|found| found == line), "{line}\n{text}");
        }
        let summary = "set the image of container app from nginx:latst to nginx:latest";
        let end = format!("Deployment shop/a: {summary} (by itself): the same was done");
        assert!(text.lines().any(|found| found.ends_with(&end)), "{text}");
        let actions = |line: &str| {
            line.split_whitespace()
                .map(str::to_owned)
                .collect::<Vec<_>>()
        };
        let row = text.lines().find(|line| line.starts_with("fix_image_name"));
        assert_eq!(
            actions(row.unwrap()),
            [
                "fix_image_name",
                "3",
                "3",
                "0",
                "1",
                "1",
                "0",
                "0",
                "1",
                "0"
            ]
        );
    }

    #[test]
    fn where_nothing_was_only_observed_it_is_said() {
        let text = told(&observed(&[("dev", "e", None)]));
        assert!(text.contains("No incident of this time"), "{text}");
    }
}
