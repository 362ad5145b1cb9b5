//! The scorecard of all scenarios: see `bench/README.md`.

use std::{
    io::{BufRead, Write, stdin, stdout},
    path::Path,
    process::ExitCode,
};

use akeso_sim::{
    listed_images,
    scenario::{Scenario, Score},
};
use serde_json::json;

const USAGE: &str = "usage: scorecard [--json] [--read]
  --json  one JSON object, and no table
  --read  the scores come from stdin, one JSON object a line, and not from the simulated cluster";

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let known = ["--json", "--read"];
    if arguments.iter().any(|it| !known.contains(&it.as_str())) {
        eprintln!("{USAGE}");
        return ExitCode::from(2);
    }
    let has = |flag: &str| arguments.iter().any(|it| it == flag);
    let scores = if has("--read") { read() } else { simulate() };
    let shown = scores.and_then(|scores| show(&scores, has("--json")));
    match shown {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("scorecard: {error}");
            ExitCode::from(2)
        }
    }
}

type Scores = Vec<Score>;

fn simulate() -> Result<Scores, Box<dyn std::error::Error>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let images = listed_images(&std::fs::read_to_string(
        root.join("devcluster/images.json"),
    )?)?;
    let mut scores = Vec::new();
    for scenario in Scenario::load_all(&root.join("scenarios"))? {
        let simulation = scenario.run(&images)?;
        let expected = scenario.workloads(&scenario.name)?;
        scores.push(Score::of(&expected, &simulation.journal));
    }
    Ok(scores)
}

fn read() -> Result<Scores, Box<dyn std::error::Error>> {
    let lines = stdin().lock().lines();
    lines
        .map(|line| Ok(serde_json::from_str(&line?)?))
        .collect()
}

/// Shows the sum; whether nothing wrong was done.
fn show(scores: &[Score], as_json: bool) -> Result<bool, Box<dyn std::error::Error>> {
    let mut sum = Score::default();
    for score in scores {
        sum.add(score.clone());
    }
    let fix = (
        percentile(&sum.millis_to_fix, 50),
        percentile(&sum.millis_to_fix, 95),
    );
    let heal = (
        percentile(&sum.millis_to_heal, 50),
        percentile(&sum.millis_to_heal, 95),
    );
    let card = json!({
        "scenarios": scores.len(),
        "faults": sum.faults,
        "found": sum.found,
        "named": sum.named,
        "healable": sum.healable,
        "healed": sum.healed,
        "controls": sum.controls,
        "disturbed": sum.disturbed,
        "wrong_changes": sum.wrong_changes,
        "seconds_to_fix": {"p50": fix.0, "p95": fix.1},
        "seconds_to_heal": {"p50": heal.0, "p95": heal.1},
        "model_calls": sum.model_calls,
    });
    let mut out = stdout().lock();
    writeln!(out, "{card}")?;
    if !as_json {
        let of = |part: usize, whole: usize| format!("{part} of {whole}");
        let seconds = |(middle, most): (Option<f64>, Option<f64>)| match (middle, most) {
            (Some(middle), Some(most)) => format!("{middle:.1} (p50), {most:.1} (p95)"),
            _ => "-".to_owned(),
        };
        writeln!(out)?;
        for (what, figure) in [
            ("scenarios", scores.len().to_string()),
            ("faults found", of(sum.found, sum.faults)),
            ("causes named", of(sum.named, sum.faults)),
            ("healed, of those that can be", of(sum.healed, sum.healable)),
            (
                "controls left alone",
                of(sum.controls - sum.disturbed, sum.controls),
            ),
            ("wrong changes", sum.wrong_changes.to_string()),
            ("seconds to the change that heals", seconds(fix)),
            ("seconds to the proof that it stays", seconds(heal)),
            ("model calls", sum.model_calls.to_string()),
        ] {
            writeln!(out, "{what:<36}{figure}")?;
        }
    }
    Ok(sum.wrong_changes == 0 && sum.disturbed == 0)
}

/// The percentile of milliseconds, in seconds, by the nearest rank.
fn percentile(millis: &[i64], percent: usize) -> Option<f64> {
    let mut sorted = millis.to_vec();
    sorted.sort_unstable();
    let rank = (sorted.len() * percent).div_ceil(100).max(1);
    let millis = i32::try_from(*sorted.get(rank - 1)?).ok()?;
    Some(f64::from(millis) / 1000.0)
}
