//! Which environment variables a program says it misses. Log lines are data: only names of the
//! shape of a variable are taken from them.

use std::sync::LazyLock;

use regex::Regex;

/// A variable's name: upper case, at least three characters.
const NAME: &str = r"([A-Z][A-Z0-9_]{2,})";
/// Quotes, backticks or a dollar sign around a name.
const Q: &str = r#"["'`$\{\}]*"#;

static PATTERNS: LazyLock<Vec<Regex>> = LazyLock::new(|| {
    let forms = [
        // the article's: `MYSQL_HOST is:` with nothing behind it
        format!(r"(?m)^\W*{NAME} is:\s*$"),
        // `X is not set`, `X must be set`, `X not defined`, `X is required`, `X is missing`
        format!(
            r"{Q}\b{NAME}\b{Q}(?: environment variable| env var)?,? (?:is|was|has|must|should|needs? to)?\s*(?:not|n't)?\s*(?:be )?(?:been )?(?:not set|unset|set|undefined|not defined|defined|not provided|provided|not found|missing|required|empty|not configured|not specified)\b"
        ),
        // `missing required environment variable X`, `environment variable X not set`
        format!(
            r"(?i:(?:missing|required|undefined|unset|no|need|needs|requires?|set|define|provide|specify)(?: the| a| required| mandatory| following| valid| your)*(?: environment| env)(?: variables?| vars?)?(?: named| called)?\s*[:=]?\s*){Q}\b{NAME}\b"
        ),
        // shells: `X: unbound variable`, `X: parameter not set`, `X: parameter null or not set`
        format!(
            r"\b{NAME}: (?:unbound variable|parameter (?:null or )?not set|not set|is not set|must be set|required|missing)"
        ),
        // Ruby: `key not found: "X"`; Go: `required key X missing value`; pydantic prints a field
        format!(r#"key not found: "{NAME}""#),
        format!(r"required key {NAME} missing"),
        // Elixir, Rust: `environment variable not found: X`, `could not fetch environment variable "X"`
        format!(
            r"(?i:environment variable)(?: not found| not set| is not set| missing):\s*{Q}{NAME}\b"
        ),
        format!(r"(?i:environment variable) {Q}{NAME}\b{Q} because it is not set"),
    ];
    forms
        .iter()
        .filter_map(|form| Regex::new(form).ok())
        .collect()
});

/// `${NAME:?message}` of a shell: `sh: 1: NAME: message`.
static SHELL_CHECK: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(&format!(
        r"(?m)^(?:/\S*/)?(?:ba|da|a|z|k)?sh: (?:-c: )?(?:line )?\d*:? ?{NAME}: (.+)$"
    ))
    .ok()
});

/// Python: `KeyError: 'NAME'`.
static KEY_ERROR: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(&format!(r#"KeyError: ['"]{NAME}['"]"#)).ok());

/// A program that ends says why last: so many lines at the end of its log are read.
const LAST_LINES: usize = 30;

/// The names of the variables that the log says are missing, in the order in which it names them.
pub(super) fn missing_in(log: &str) -> Vec<String> {
    let log = tail(log);
    let mut found: Vec<(usize, String)> = Vec::new();
    for line_start in line_starts(log) {
        let line = log[line_start..].lines().next().unwrap_or_default();
        if is_harmless(line) {
            continue;
        }
        for pattern in PATTERNS.iter() {
            found.extend(
                pattern
                    .captures_iter(line)
                    .filter_map(|captures| captures.get(1))
                    .filter(|name| says_missing(line) && is_named_as_variable(name.as_str(), line))
                    .map(|name| (line_start + name.start(), name.as_str().to_owned())),
            );
        }
        if let Some(captures) = SHELL_CHECK
            .as_ref()
            .and_then(|pattern| pattern.captures(line))
            && let (Some(name), Some(message)) = (captures.get(1), captures.get(2))
            && !is_shells_own(message.as_str())
        {
            found.push((line_start + name.start(), name.as_str().to_owned()));
        }
        if let Some(name) = KEY_ERROR
            .as_ref()
            .and_then(|pattern| pattern.captures(line))
            .and_then(|c| c.get(1))
            && raised_by_environment(&log[..line_start])
        {
            found.push((line_start + name.start(), name.as_str().to_owned()));
        }
    }
    found.sort_unstable();
    let mut names: Vec<String> = Vec::new();
    for (_, name) in found {
        if !names.contains(&name) && !is_a_word(&name) {
            names.push(name);
        }
    }
    names
}

/// What a shell says of a command or file whose name happens to be in capitals.
fn is_shells_own(message: &str) -> bool {
    const WORDS: [&str; 9] = [
        "not found",
        "command not found",
        "cannot",
        "permission denied",
        "no such file",
        "syntax error",
        "bad ",
        "is a directory",
        "arithmetic",
    ];
    let message = message.trim().to_lowercase();
    WORDS.iter().any(|word| message.starts_with(word))
}

fn tail(log: &str) -> &str {
    let mut starts: Vec<usize> = line_starts(log.trim_end()).collect();
    let first = starts
        .split_off(starts.len().saturating_sub(LAST_LINES))
        .first()
        .copied();
    &log[first.unwrap_or_default()..]
}

/// Lines by which a program says that it goes on, and how.
pub(super) fn is_harmless(line: &str) -> bool {
    const GOES_ON: [&str; 13] = [
        "using default",
        "defaulting",
        "default value",
        "falling back",
        "fallback",
        "disabled",
        "disabling",
        "optional",
        "ignoring",
        "ignored",
        "deprecated",
        "skipping",
        "will use",
    ];
    const LEVELS: [&str; 7] = [
        "warn",
        "warning",
        "info",
        "debug",
        "trace",
        "notice",
        "deprecation",
    ];
    let line = line.to_lowercase();
    let mut words = line
        .split(|c: char| !c.is_ascii_alphanumeric())
        .filter(|word| !word.is_empty());
    // the level stands at the beginning, behind a time at most
    let level =
        words.find(|word| word.starts_with(|c: char| c.is_ascii_alphabetic()) && word.len() > 1);
    level.is_some_and(|level| LEVELS.contains(&level))
        || GOES_ON.iter().any(|word| line.contains(word))
}

/// A name without an underscore may be any word in capitals: the line must speak of variables.
fn is_named_as_variable(name: &str, line: &str) -> bool {
    const SAYS_SO: [&str; 7] = [
        "env",
        "variable",
        "parameter not set",
        "parameter null",
        "must be set",
        "is not set",
        " is:",
    ];
    let line = line.to_lowercase();
    name.contains('_') || SAYS_SO.iter().any(|word| line.contains(word))
}

fn line_starts(log: &str) -> impl Iterator<Item = usize> {
    std::iter::once(0).chain(log.match_indices('\n').map(|(at, _)| at + 1))
}

/// `X is set` is not a complaint.
fn says_missing(line: &str) -> bool {
    const WORDS: [&str; 14] = [
        " is:",
        "not ",
        "n't",
        "unset",
        "undefined",
        "missing",
        "required",
        "require",
        "must",
        "unbound",
        "empty",
        "need",
        "should",
        "null",
    ];
    let line = line.to_lowercase();
    WORDS.iter().any(|word| line.contains(word))
}

/// Upper-case words that stand where a name could.
fn is_a_word(name: &str) -> bool {
    const WORDS: [&str; 24] = [
        "ERROR", "FATAL", "WARN", "WARNING", "INFO", "DEBUG", "PANIC", "CRITICAL", "NOTICE",
        "TRACE", "NULL", "TRUE", "FALSE", "NONE", "HTTP", "HTTPS", "JSON", "YAML", "TLS", "SSL",
        "URL", "API", "ENV", "SQL",
    ];
    WORDS.contains(&name)
}

/// Whether a Python `KeyError` came from the environment: its traceback names `environ` or the
/// module `os`, or there is none.
fn raised_by_environment(before: &str) -> bool {
    let Some(traceback) = before
        .rfind("Traceback (most recent call last)")
        .map(|at| &before[at..])
    else {
        return true;
    };
    ["environ", "os.py", "<frozen os>", "getenv"]
        .iter()
        .any(|word| traceback.contains(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_common_form_names_its_variable() {
        for (log, names) in [
            (
                "MYSQL_HOST is: \nMYSQL_ROOT_PASSWORD is: \nERROR: Missing required environment variables!\n",
                &["MYSQL_HOST", "MYSQL_ROOT_PASSWORD"][..],
            ),
            ("DATABASE_URL is not set", &["DATABASE_URL"]),
            (
                "Error: missing required environment variable REDIS_HOST",
                &["REDIS_HOST"],
            ),
            (
                "Missing required environment variable: REDIS_HOST",
                &["REDIS_HOST"],
            ),
            (
                "Traceback (most recent call last):\n  File \"<frozen os>\", line 679, in __getitem__\n  os.environ['API_KEY']\nKeyError: 'API_KEY'",
                &["API_KEY"],
            ),
            ("KeyError: 'API_KEY'", &["API_KEY"]),
            (
                // the source of a program in an argument is not shown
                "Traceback (most recent call last):\n  File \"<string>\", line 2, in <module>\n  File \"<frozen os>\", line 679, in __getitem__\nKeyError: 'API_KEY'",
                &["API_KEY"],
            ),
            (
                "/entrypoint.sh: line 3: DB_HOST: unbound variable",
                &["DB_HOST"],
            ),
            ("DB_HOST must be set", &["DB_HOST"]),
            (
                "fatal: environment variable DB_HOST is required",
                &["DB_HOST"],
            ),
            ("sh: 1: DB_HOST: parameter not set", &["DB_HOST"]),
            (
                "sh: 1: DB_HOST: please give the database host",
                &["DB_HOST"],
            ),
            (
                "sh: line 1: DB_HOST: parameter null or not set",
                &["DB_HOST"],
            ),
            ("panic: required key APP_PORT missing value", &["APP_PORT"]),
            (
                "key not found: \"SECRET_KEY_BASE\" (KeyError)",
                &["SECRET_KEY_BASE"],
            ),
            (
                "Error: Environment variable not found: DATABASE_URL.",
                &["DATABASE_URL"],
            ),
            (
                "thread 'main' panicked: APP_MODE must be set: NotPresent",
                &["APP_MODE"],
            ),
            (
                "please set the environment variable `QUEUE_NAME`: it is required",
                &["QUEUE_NAME"],
            ),
            ("$QUEUE_NAME is missing", &["QUEUE_NAME"]),
            ("required env var QUEUE_NAME is empty", &["QUEUE_NAME"]),
        ] {
            assert_eq!(missing_in(log), names, "{log}");
        }
    }

    #[test]
    fn what_is_no_complaint_about_a_variable_names_none() {
        for log in [
            "MYSQL_HOST is: db.example.org",
            "DATABASE_URL is set",
            "ERROR: connection refused",
            "ERROR is not set up for this",
            "FATAL: missing input",
            "Traceback (most recent call last):\n  File \"app.py\", line 3, in <module>\n    prices['EUR']\nKeyError: 'EUR'",
            "GET /health HTTP not found",
            "the server must be set up first",
            "WARN SENTRY_DSN is not set, error tracking disabled",
            "2026-01-01T00:00:00Z INFO LOG_LEVEL not set, using default info",
            "AWS_REGION was not provided; falling back to us-east-1",
            "relation USERS not found",
            "GPU is required",
            "PRIMARY KEY is required",
            "sh: 1: MYAPP: not found",
            "sh: 3: OOPS: cannot open /x: No such file",
            "deprecated: NODE_ENV should be set",
            "Environment variable HTTP_PROXY overrides the file; the proxy must answer",
            "",
        ] {
            assert_eq!(missing_in(log), [] as [&str; 0], "{log}");
        }
    }
}
