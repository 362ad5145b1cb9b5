//! The values of Secrets are taken out of a prompt, in the forms in which programs write them. They
//! are only borrowed here: the rim reads them, and nothing keeps them.

use std::{borrow::Cow, fmt::Write};

use aho_corasick::{AhoCorasick, MatchKind};
use base64::{
    Engine,
    engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD},
};
use serde_json::Value;

use super::{HIDDEN, Prompt};

/// What is shorter is as well a word of the language; nobody keeps it secret by a Secret.
const SHORTEST: usize = 4;

/// The prompt without these values of Secrets.
pub fn without_secrets<'a>(prompt: Prompt, values: impl Iterator<Item = &'a [u8]>) -> Prompt {
    let mut forms: Vec<String> = values.flat_map(forms).collect();
    forms.sort_unstable();
    forms.dedup();
    let finder = AhoCorasick::builder()
        .match_kind(MatchKind::LeftmostLongest)
        .build(&forms);
    let user = match finder {
        Ok(finder) => finder.replace_all(&prompt.user, &vec![HIDDEN; forms.len()]),
        // too many to look for all at once: then nothing is sent
        Err(_) => HIDDEN.to_owned(),
    };
    Prompt { user, ..prompt }
}

/// The texts by which a value shows.
fn forms(value: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(value);
    let mut plain: Vec<Cow<'_, str>> = vec![Cow::Borrowed(text.trim())];
    plain.extend(text.lines().map(|line| Cow::Borrowed(line.trim())));
    if let Ok(document) = serde_json::from_slice(value) {
        leaves(&document, &mut plain);
    }
    let mut forms = Vec::new();
    for text in plain {
        forms.extend([percent_encoded(&text), quoted(&text)]);
        forms.extend(in_base64(text.as_bytes()));
        forms.push(text.into_owned());
    }
    forms.extend(in_base64(value));
    forms.retain(|form| form.len() >= SHORTEST);
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
