//! What has the shape of a secret is hidden: keys, tokens, passwords, connection strings, e-mail
//! addresses, and what `kubectl apply` keeps of a manifest. The values of Secrets are hidden by what
//! is known of them, see `known.rs`; this is for those that are not.

use std::{ops::Range, sync::LazyLock};

use regex::Regex;

/// What stands in the place of what is hidden.
pub const HIDDEN: &str = "[hidden]";

/// Shapes; where one has a group, that stays, and what is behind it is hidden.
const SHAPES: &[&str] = &[
    // what `kubectl apply` keeps is a whole manifest, with its literals
    r#"(kubectl\.kubernetes\.io/last-applied-configuration\\*["']?\s*[:=]\s*)[^\n]*"#,
    r"-----BEGIN [A-Z0-9 ]+-----[\s\S]*?(?:-----END [A-Z0-9 ]+-----|\z)",
    // user and password of a URL, and the rest of it: a host is no secret, a database may be
    r#"\b([a-z][a-z0-9+.-]*://)[^\s/"'@]*:[^\s"']*@[^\s"',;)]*"#,
    // `Server=db;User=app;Password=x`
    r#"(?i)\b(?:server|host|data source|accountname|endpoint)=[^\s;"']+;[^\s"']*(?:password|pwd|key|sig)[^\n"']*"#,
    r"(?i)\b((?:bearer|basic|token)\s+)[a-z0-9._~+/=-]{8,}",
    // `password: x`, `"api_key": "x"`, `DB_PASS=x`
    r#"(?i)([\w.-]*(?:password|passwd|passphrase|pwd|secret|token|api[-_]?key|apikey|access[-_]?key|account[-_]?key|private[-_]?key|encryption[-_]?key|signing[-_]?key|credentials?|authorization|_pass|\bpass|\bauth|dsn|connection[-_ ]?string|salt|cookie)\w*\\*["']?\s*(?:=>|[:=])\s*)(?:\\*"(?:[^"\\]|\\[^"])*\\*"|\\*'[^']*'|[^\s,;&"']+)"#,
    // `--token x`, also as the items of a list
    r#"(?i)(-[\w-]*(?:password|passwd|secret|token|key|credential)[\w-]*(?:["'\s,\\]|\\n)+)[^\s"',\\\]\[-][^\s"',\\]*"#,
    r#"(?i)("name"\s*:\s*"[^"]*(?:key|token|auth|cookie|secret|password)[^"]*"\s*,\s*"value"\s*:\s*")[^"]*"#,
    r"\beyJ[A-Za-z0-9_-]{5,}(?:\.[A-Za-z0-9_-]+){1,4}",
    r"\b(?:AKIA|ASIA)[0-9A-Z]{12,}|\bgh[pousr]_[A-Za-z0-9]{16,}|\bgithub_pat_\w{16,}|\bglpat-[\w-]{12,}|\bxox[a-z]-[\w-]{8,}|\b[srp]k[-_](?:live|test|proj|ant)?[-_]?[\w-]{16,}|\bAIza[\w-]{20,}|\bnpm_\w{16,}|\bhvs\.[\w-]{12,}|\bSG\.[\w-]{12,}\.[\w-]+|\bdop_v1_\w{16,}",
    r"[A-Za-z0-9._%+-]+@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*\.[A-Za-z]{2,}\b",
    // long runs of hexadecimal digits or base64 are keys as often as not
    r"\b[0-9a-fA-F]{32,}\b",
    r"[A-Za-z0-9+/_-]{40,}={0,2}",
];

static REDACTIONS: LazyLock<Vec<Regex>> =
    LazyLock::new(|| SHAPES.iter().filter_map(|it| Regex::new(it).ok()).collect());

/// Where a text has the shape of a secret.
pub(super) fn shapes(text: &str) -> Vec<Range<usize>> {
    let found = REDACTIONS.iter().flat_map(|shape| {
        shape.captures_iter(text).filter_map(|found| {
            let whole = found.get(0)?;
            let start = found.get(1).map_or(whole.start(), |kept| kept.end());
            Some(start..whole.end())
        })
    });
    found.collect()
}

/// The text with these places hidden. What is hidden for several reasons is hidden whole.
pub(super) fn hide(text: &str, mut places: Vec<Range<usize>>) -> String {
    places.sort_by_key(|place| (place.start, place.end));
    let mut hidden = String::with_capacity(text.len());
    let mut done = 0;
    for place in places.into_iter().filter(|place| !place.is_empty()) {
        if place.start > done || (done == 0 && hidden.is_empty()) {
            hidden.push_str(&text[done..place.start]);
            hidden.push_str(HIDDEN);
        }
        done = done.max(place.end);
    }
    hidden.push_str(&text[done..]);
    hidden
}

/// The text without what has the shape of a secret.
pub fn redact(text: &str) -> String {
    hide(text, shapes(text))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn every_shape_is_understood() {
        assert_eq!(REDACTIONS.len(), SHAPES.len());
    }

    /// Texts, and what of each must not be left.
    const SEEDED: &[(&str, &str)] = &[
        ("password=hunter2 and on", "hunter2"),
        ("Password: 'correct horse'", "horse"),
        (r#"{"password":"correct horse battery"}"#, "battery"),
        (r#"{\"db_password\": \"correct horse\"}"#, "horse"),
        ("DB_PASS=swordfish", "swordfish"),
        ("--api-key s3cr3tvalue --port 80", "s3cr3tvalue"),
        ("apiKey => s3cr3tvalue", "s3cr3tvalue"),
        ("[\n  \"--password\",\n  \"hunter2x\"\n]", "hunter2x"),
        (r#"["--password\", \"hunter2x\"]"#, "hunter2x"),
        (
            r#"{"name": "X-Api-Key", "value": "abc123def"}"#,
            "abc123def",
        ),
        ("Authorization: Bearer abc.def-ghi_jkl", "ghi_jkl"),
        ("authorization: Basic dXNlcjpwYXNz", "dXNlcjpwYXNz"),
        (
            "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl",
            "c2lnbmF0dXJl",
        ),
        ("postgres://app:p4ss@db:5432/shop?sslmode=off", "p4ss"),
        ("redis://:p4ss@cache:6379/0", "p4ss"),
        ("amqp://user:p@ss@mq", "ss@mq"),
        ("mongodb+srv://u:p4ss@c0.example.net/db", "p4ss"),
        (
            "Server=db;Database=shop;User Id=sa;Password=p4ss;Encrypt=no",
            "p4ss",
        ),
        (
            "AccountName=shop;AccountKey=abcd+/==;EndpointSuffix=x",
            "abcd+/==",
        ),
        ("AKIAIOSFODNN7EXAMPLE", "IOSFODNN7"),
        ("ghp_abcdefghijklmnopqrstuvwxyz0123456789", "abcdefgh"),
        ("sk-proj-abcdefghijklmnop1234", "abcdefgh"),
        ("xoxb-1234567890-abcdef", "1234567890"),
        ("AIzaSyA1234567890abcdefghijklmnopqrstuv", "SyA123"),
        ("write to ops@example.com", "ops@"),
        ("0123456789abcdef0123456789abcdef01234567", "0123456789"),
        (
            "key bXkgc3VwZXIgc2VjcmV0IGtleSBvZiBmb3J0eSBieXRlcyE=",
            "bXkgc3Vw",
        ),
        (
            "-----BEGIN RSA PRIVATE KEY-----\nMIIE\nabc\n-----END RSA PRIVATE KEY-----",
            "MIIE",
        ),
        ("-----BEGIN PRIVATE KEY-----\nMIIE cut off", "MIIE"),
        (
            r#""kubectl.kubernetes.io/last-applied-configuration": "{\"env\":[{\"value\":\"x1y2\"}]}""#,
            "x1y2",
        ),
        ("Set-Cookie: session=abcdef", "abcdef"),
    ];

    #[test]
    fn none_of_the_seeded_secrets_is_left() {
        for (text, secret) in SEEDED {
            let redacted = redact(text);
            assert!(!redacted.contains(secret), "{text} -> {redacted}");
            assert!(redacted.contains(HIDDEN), "{text} -> {redacted}");
        }
    }

    #[test]
    fn what_explains_a_failure_is_left() {
        for text in [
            "FATAL: could not open cache: arena of 64Mi exhausted at 0x7f3a",
            "panic: runtime error: index out of range [3] with length 3",
            "dial tcp 10.0.0.7:5432: connect: connection refused",
            "GET http://shop.default.svc:8080/healthz 503",
            "/usr/local/lib/python3.12/site-packages/app/main.py:31",
            "exit code 137, 4 restart(s)",
            "the variable DB_PASSWORD is not set; the token is no longer valid",
            "2026-11-24T03:00:00.000Z level=error msg=\"worker stopped\"",
        ] {
            assert_eq!(redact(text), text);
        }
    }

    proptest! {
        #[test]
        fn a_secret_among_other_words_is_hidden(before in "[a-z .]{0,30}", after in "[a-z .]{0,30}", place in 0..SEEDED.len()) {
            let (text, secret) = SEEDED[place];
            let redacted = redact(&format!("{before} {text}\n{after}"));
            prop_assert!(!redacted.contains(secret), "{}", redacted);
        }

        #[test]
        fn it_is_done_once(text in ".{0,100}") {
            let once = redact(&text);
            prop_assert_eq!(redact(&once), once);
        }
    }
}
