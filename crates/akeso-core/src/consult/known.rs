//! The values of Secrets are taken out of a prompt, in the forms in which programs write them. They
//! are only borrowed here: the rim reads them, and nothing keeps them.

use std::{borrow::Cow, fmt::Write, ops::Range};

use aho_corasick::{AhoCorasick, AhoCorasickKind};
use base64::{
    Engine,
    engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD},
};
use serde_json::Value;

use super::{
    HIDDEN, Prompt,
    redact::{hide, shapes},
};

/// What is shorter is as well a word of the language; nobody keeps it secret by a Secret.
const SHORTEST: usize = 4;
/// Larger documents are no credentials, and are not taken apart.
const LARGEST: usize = 64 * 1024;
/// Stands where a line was cut: what is before it may be the beginning of a value.
pub(crate) const CUT: char = '…';

/// The prompt without these values of Secrets, and without what has the shape of one. Both are
/// looked for in the same text: what hides one must not blind the look for the other.
pub fn without_secrets<'a>(prompt: Prompt, values: impl Iterator<Item = &'a [u8]>) -> Prompt {
    let text = &prompt.user;
    let mut known: Vec<String> = values.flat_map(|value| forms(value, text.len())).collect();
    known.sort_unstable();
    known.dedup();
    let mut places = shapes(text);
    // small before fast: the texts are short, and a Secret may be large
    let finder = AhoCorasick::builder()
        .kind(Some(AhoCorasickKind::ContiguousNFA))
        .build(&known);
    let user = match finder {
        Ok(finder) => {
            places.extend(
                finder
                    .find_overlapping_iter(text)
                    .map(|found| found.range()),
            );
            places.extend(cut_off(text, &known));
            hide(text, places)
        }
        // too many to look for all at once: then nothing is sent
        Err(_) => HIDDEN.to_owned(),
    };
    Prompt { user, ..prompt }
}

/// Where lines were cut in the middle of a value.
fn cut_off(text: &str, known: &[String]) -> Vec<Range<usize>> {
    let cuts = text.match_indices(CUT).map(|(at, _)| at);
    let begins = |at: usize| {
        let before = &text.as_bytes()[..at];
        let longest = |form: &String| {
            let form = form.as_bytes();
            let most = form.len().min(at);
            (SHORTEST..=most)
                .rev()
                .find(|length| before.ends_with(&form[..*length]))
        };
        let length = known.iter().filter_map(longest).max()?;
        let start = (at - length..=at).find(|start| text.is_char_boundary(*start))?;
        Some(start..at)
    };
    cuts.filter_map(begins).collect()
}

/// The texts by which a value shows in a text of this length.
fn forms(value: &[u8], most: usize) -> Vec<String> {
    let text = String::from_utf8_lossy(value);
    let fits = |it: &str| it.len() >= SHORTEST && it.len() <= most;
    let lines = std::iter::once(text.trim()).chain(text.lines().map(str::trim));
    let mut plain: Vec<Cow<'_, str>> = lines.filter(|it| fits(it)).map(Cow::Borrowed).collect();
    if value.len() <= LARGEST
        && let Ok(document) = serde_json::from_slice(value)
    {
        leaves(&document, &mut plain);
    }
    let mut forms = Vec::new();
    for text in plain {
        let in_json = quoted(&text);
        let encoded = percent_encoded(&text);
        forms.extend([quoted(&in_json), in_json, encoded.to_lowercase(), encoded]);
        forms.extend(in_base64(text.as_bytes()));
        forms.push(text.into_owned());
    }
    if value.len() <= most {
        forms.extend(in_base64(value));
    }
    forms.retain(|form| fits(form));
    forms
}

/// The texts in a document, such as the credentials for a registry.
fn leaves(document: &Value, into: &mut Vec<Cow<'_, str>>) {
    match document {
        Value::String(text) => into.push(Cow::Owned(text.clone())),
        Value::Array(items) => items.iter().for_each(|item| leaves(item, into)),
        Value::Object(members) => members.values().for_each(|member| leaves(member, into)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// In base64, but for what differs with what stands behind it.
fn in_base64(value: &[u8]) -> Vec<String> {
    let whole = &value[..value.len() / 3 * 3];
    if whole.len() < SHORTEST {
        return Vec::new();
    }
    let ends = [STANDARD_NO_PAD.encode(value), URL_SAFE_NO_PAD.encode(value)];
    let stems = [STANDARD_NO_PAD.encode(whole), URL_SAFE_NO_PAD.encode(whole)];
    ends.into_iter().chain(stems).collect()
}

/// As it stands in a URL (RFC 3986).
fn percent_encoded(text: &str) -> String {
    let mut encoded = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else if write!(encoded, "%{byte:02X}").is_err() {
            return encoded; // writing to a String cannot fail
        }
    }
    encoded
}

/// As it stands in a JSON text.
fn quoted(text: &str) -> String {
    let quoted = Value::from(text).to_string();
    quoted.trim_matches('"').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::engine::general_purpose::STANDARD;
    use proptest::prelude::*;

    fn left(text: &str, secrets: &[&str]) -> String {
        let prompt = Prompt {
            system: "rules".into(),
            user: text.to_owned(),
            wanted: crate::consult::Wanted::Steps,
        };
        without_secrets(prompt, secrets.iter().map(|it| it.as_bytes())).user
    }

    #[test]
    fn a_value_is_hidden_in_every_form() {
        let secret = "p\"ss w/rd";
        for text in [
            format!("login {secret} failed"),
            format!("{}", serde_json::json!({"log": secret})),
            format!("got {}", STANDARD.encode(secret)),
            format!("got {}", STANDARD.encode(format!("{secret}\n"))),
            "GET /?p=p%22ss%20w%2Frd".to_owned(),
        ] {
            let left = left(&text, &[secret]);
            assert!(left.contains(HIDDEN), "{text} -> {left}");
            assert!(!left.contains("w/rd") && !left.contains("w%2Frd"), "{left}");
        }
    }

    #[test]
    fn a_document_is_hidden_with_all_that_is_in_it() {
        let registry = r#"{"auths": {"r.example": {"username": "robot", "password": "wheels", "auth": "cm9ib3Q6d2hlZWxz"}}}"#;
        let left = left("robot used wheels as cm9ib3Q6d2hlZWxz", &[registry]);
        assert_eq!(left, "[hidden] used [hidden] as [hidden]");
    }

    #[test]
    fn the_longest_value_is_hidden_whole() {
        assert_eq!(
            left("x swordfish-2 x", &["sword", "swordfish-2"]),
            "x [hidden] x"
        );
    }

    #[test]
    fn where_there_are_no_secrets_nothing_is_hidden() {
        assert_eq!(left("exit code 1", &[]), "exit code 1");
        assert_eq!(left("exit code 1", &["", "1"]), "exit code 1");
    }

    #[test]
    fn what_hides_one_does_not_blind_the_look_for_another() {
        let text = "postgres://app:p4ss@db:5432/shop and password=hunter2 and abcdefghi";
        let left = left(text, &["postgres", "password", "abcdef", "defghi"]);
        for secret in ["p4ss", "hunter2", "ghi"] {
            assert!(!left.contains(secret), "{left}");
        }
    }

    #[test]
    fn a_value_that_was_cut_off_is_hidden_as_far_as_it_goes() {
        let token = "tok-0123456789-abcdefghijklmnop";
        let text = format!("{{\"log\": [\"used {}…\", \"on…\"]}}", &token[..20]);
        let left = left(&text, &[token]);
        assert_eq!(left, "{\"log\": [\"used [hidden]…\", \"on…\"]}");
    }

    #[test]
    fn a_secret_that_is_larger_than_the_text_costs_nothing() {
        let release = "QUJD".repeat(500_000);
        assert_eq!(forms(release.as_bytes(), 10_000), Vec::<String>::new());
        assert_eq!(left("exit code 1", &[&release]), "exit code 1");
    }

    #[test]
    fn a_log_line_that_is_json_itself_is_read_through() {
        let line = serde_json::json!({"pw": "p\"ss-tail-of-it"}).to_string();
        let text = serde_json::json!({"log": [line]}).to_string();
        let left = left(&text, &["p\"ss-tail-of-it"]);
        assert!(!left.contains("tail-of-it"), "{left}");
    }

    proptest! {
        #[test]
        fn no_seeded_secret_is_left(secrets in proptest::collection::vec("[!-~]{6,20}", 1..5), noise in "[a-z ]{0,20}") {
            let values: Vec<&str> = secrets.iter().map(String::as_str).collect();
            let log = values.join(&format!(" {noise} "));
            let encoded: Vec<_> = values.iter().map(|it| STANDARD.encode(it)).collect();
            let text = serde_json::json!({"log": log, "encoded": encoded}).to_string();
            let left = left(&text, &values);
            for secret in &values {
                // what hides it may have some of its letters
                let left = left.replace(HIDDEN, "\u{0}");
                prop_assert!(!left.contains(*secret), "{}: {}", secret, left);
                prop_assert!(!left.contains(&STANDARD.encode(secret)), "{}: {}", secret, left);
            }
        }
    }
}
