//! `akeso report`: the article's evaluation of what came of it; with `--shadow`, of what would have.

mod page;
mod shadow;

use std::{io::Write, process::ExitCode};

use jiff::{Timestamp, tz::TimeZone};

use super::store_path;
use crate::{
    cli::{Format, Global, Report},
    evaluation::{Counts, Evaluation, shadow::Shadow},
    report::line,
    store::Reader,
};

/// Prints how the incidents of a time came out.
pub fn run(global: &Global, arguments: &Report) -> anyhow::Result<ExitCode> {
    let journal = Reader::open(&store_path(global))?.journal()?;
    let (entries, since, until) = (&journal.entries, arguments.since, Timestamp::now());
    let evaluation = Evaluation::of(entries, since, until);
    let shadow = (arguments.shadow).then(|| Shadow::of(entries, since, until));
    let text = match (global.output, &shadow) {
        _ if arguments.html => page::page(&evaluation, shadow.as_ref())?,
        (Format::Json, Some(shadow)) => serde_json::to_string(shadow)? + "\n",
        (Format::Json, None) => serde_json::to_string(&evaluation)? + "\n",
        (Format::Text, Some(shadow)) => shadow::told(shadow),
        (Format::Text, None) => told(&evaluation),
    };
    std::io::stdout().write_all(text.as_bytes())?;
    Ok(ExitCode::SUCCESS)
}

fn day(at: Timestamp) -> String {
    let local = at.to_zoned(TimeZone::system());
    local.strftime("%Y-%m-%d").to_string()
}

fn seconds(value: Option<i64>) -> String {
    value.map_or("-".to_owned(), |it| format!("{it} s"))
}

fn told(evaluation: &Evaluation) -> String {
    let all = &evaluation.all;
    let mut text = format!(
        "Evaluation from {} to {}\n\n",
        day(evaluation.since),
        day(evaluation.until)
    );
    if all.incidents == 0 {
        text.push_str("No incident was opened in this time.\n");
        return text;
    }
    let of_all = |count: usize| format!("{count} ({} %)", 100 * count / all.incidents);
    line!(
        text,
        "Incidents:          {} ({} healed, {} went away, {} with a person, {} under way)",
        all.incidents,
        all.healed,
        all.went_away,
        all.with_a_person,
        all.under_way
    );
    if let Some(percent) = all.percent_correct() {
        let ended = all.incidents - all.under_way;
        line!(
            text,
            "Handled correctly:  {} of {ended} ({percent} %)",
            all.correct
        );
    }
    line!(text, "Harmful:            {}", all.harmful);
    line!(text, "Repeats:            {}", of_all(all.repeats));
    let questions = &evaluation.questions;
    line!(
        text,
        "Questions:          {} ({} approved, {} rejected)",
        questions.asked,
        questions.approved,
        questions.rejected
    );
    line!(
        text,
        "Time to heal:       {} (p50), {} (p95)",
        seconds(evaluation.seconds_to_heal.p50),
        seconds(evaluation.seconds_to_heal.p95)
    );
    line!(
        text,
        "Model:              {} call(s), {} answer(s) refused, {} tokens, {} in the policy's currency",
        all.model_calls,
        all.model_refused,
        all.model_tokens,
        all.model_cost()
    );
    line!(text, "\n{}", heading("WEEK FROM"));
    for week in &evaluation.weeks {
        line!(text, "{}", row(&day(week.from), &week.counts));
    }
    line!(text, "\n{}", heading("NAMESPACE"));
    for (namespace, counts) in &evaluation.namespaces {
        let name = if namespace.is_empty() { "-" } else { namespace };
        line!(text, "{}", row(name, counts));
    }
    line!(
        text,
        "\n{:<24} {:>9} {:>8} {:>11} {:>8} {:>11}",
        "ACTION",
        "ATTEMPTS",
        "HEALED",
        "NOT HEALED",
        "WORSE",
        "TAKEN BACK"
    );
    for (action, uses) in &evaluation.actions {
        line!(
            text,
            "{action:<24} {:>9} {:>8} {:>11} {:>8} {:>11}",
            uses.attempts,
            uses.healed,
            uses.not_healed,
            uses.worse,
            uses.taken_back
        );
    }
    text
}

fn heading(first: &str) -> String {
    format!(
        "{first:<24} {:>9} {:>8} {:>11} {:>8} {:>11} {:>11}",
        "INCIDENTS", "HEALED", "TO A PERSON", "REPEATS", "HARMFUL", "MODEL CALLS"
    )
}

fn row(first: &str, counts: &Counts) -> String {
    format!(
        "{first:<24} {:>9} {:>8} {:>11} {:>8} {:>11} {:>11}",
        counts.incidents,
        counts.healed,
        counts.with_a_person,
        counts.repeats,
        counts.harmful,
        counts.model_calls
    )
}
