//! Log lines without what differs each time: numbers, ids, addresses, times, quoted names. Two lines
//! of the same form say the same, and count as one (the masking step and the similarity of Drain,
//! <https://jiemingzhu.github.io/pub/pjhe_icws2017.pdf>).

use std::sync::LazyLock;

use regex::Regex;

/// What stands for a word that differs.
const ANY: &str = "<*>";
/// Longer lines differ by their ends, which say little of the cause.
const MOST_WORDS: usize = 24;

static VARIABLE: LazyLock<Option<Regex>> = LazyLock::new(|| {
    let forms = [
        r"[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}",
        r"\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}:\d{2}[0-9.,:+Zz-]*",
        r"[\w.+-]+@[\w-]+\.[\w.-]+",
        r"\b(?:\d{1,3}\.){3}\d{1,3}(?::\d+)?\b",
        r"\b0x[0-9a-fA-F]+\b",
        // ids have a digit among their letters; words have none
        r"\b[0-9a-f]*\d[0-9a-f]{7,}\b",
        r"\b[0-9a-f]{7,}\d[0-9a-f]*\b",
        r"[-+]?\d+(?:\.\d+)?",
    ];
    Regex::new(&forms.join("|")).ok()
});

/// A line of a log with what differs each time masked; empty if there is nothing but that.
pub fn template(line: &str) -> String {
    let masked = VARIABLE
        .as_ref()
        .map_or_else(|| line.into(), |it| it.replace_all(line, ANY));
    let words = masked.split_whitespace().take(MOST_WORDS);
    let words: Vec<_> = words
        .map(|word| if word.contains(ANY) { ANY } else { word })
        .collect();
    if words.iter().all(|word| *word == ANY) {
        return String::new();
    }
    words.join(" ")
}

/// Whether two templates are of one form: as many words, and more than half of them the same.
pub(super) fn are_alike(one: &str, other: &str) -> bool {
    let (one, other): (Vec<_>, Vec<_>) = (one.split(' ').collect(), other.split(' ').collect());
    let known = |word: &&str| *word != ANY;
    let same = one.iter().zip(&other).filter(|(one, other)| one == other);
    let same = same.filter(|(one, _)| known(one)).count();
    let most = one.iter().filter(|it| known(it)).count();
    let most = most.max(other.iter().filter(|it| known(it)).count());
    one.len() == other.len() && 2 * same > most
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_differs_each_time_is_masked() {
        for (line, expected) in [
            (
                "2026-01-01T10:00:00.123Z ERROR worker 7 lost",
                "<*> ERROR worker <*> lost",
            ),
            (
                "dial tcp 10.96.3.4:5432: connection refused",
                "dial tcp <*> connection refused",
            ),
            ("session 3f9a2c77e1b0 expired", "session <*> expired"),
            ("user ada@example.org denied", "user <*> denied"),
            ("panic at 0xc000123", "panic at <*>"),
            (
                "job 6f1c7f0e-0000-4000-8000-000000000001 failed",
                "job <*> failed",
            ),
            ("the facade is decaffeinated", "the facade is decaffeinated"),
            ("42", ""),
            ("", ""),
        ] {
            assert_eq!(template(line), expected, "{line}");
        }
    }

    #[test]
    fn lines_of_one_form_are_alike() {
        let alike = |one: &str, other: &str| are_alike(&template(one), &template(other));
        assert!(alike(
            "cannot load model alpha for shop",
            "cannot load model beta for shop"
        ));
        assert!(!alike("cannot load model alpha", "schema is too old"));
        assert!(!alike("cannot load model alpha", "cannot load model"));
        assert!(!alike("1 2 3 alpha", "4 5 6 beta"));
    }

    proptest! {
        #[test]
        fn a_template_is_its_own(line in "[ -~]{0,200}") {
            let once = template(&line);
            prop_assert_eq!(template(&once), once.clone());
            prop_assert!(once.is_empty() || are_alike(&once, &once));
        }

        #[test]
        fn numbers_make_no_difference(one: u32, other: u32) {
            let line = |number: u32| template(&format!("worker {number} lost its lease"));
            prop_assert_eq!(line(one), line(other));
        }
    }
}
