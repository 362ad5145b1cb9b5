//! "Did you mean …?"

/// The name closest to one that does not exist, if it is close enough to have been meant.
pub fn closest(wanted: &str, names: impl IntoIterator<Item = String>) -> Option<String> {
    let allowed = (wanted.len() / 3).max(1);
    names
        .into_iter()
        .map(|name| (strsim::damerau_levenshtein(wanted, &name), name))
        .filter(|(distance, _)| *distance <= allowed)
        .min()
        .map(|(_, name)| name)
}

/// The only one there is; nothing if there are several or none.
pub fn only<T>(all: impl IntoIterator<Item = T>) -> Option<T> {
    let mut all = all.into_iter();
    let first = all.next()?;
    all.next().is_none().then_some(first)
}

/// Whether a word stands in a text by itself: not behind, nor before, a character that would make
/// another of it.
pub fn has_word(
    text: &str,
    word: &str,
    joins_before: impl Fn(char) -> bool,
    joins_behind: impl Fn(char) -> bool,
) -> bool {
    text.match_indices(word).any(|(at, _)| {
        let before = text[..at].chars().next_back();
        let behind = text[at + word.len()..].chars().next();
        !before.is_some_and(&joins_before) && !behind.is_some_and(&joins_behind)
    })
}

/// Whether one may be a slip for the other: a letter or two, or only its case and its separators.
pub fn is_close(wanted: &str, name: &str) -> bool {
    let plain = |text: &str| text.to_lowercase().replace(['_', '.'], "-");
    let (wanted, name) = (plain(wanted), plain(name));
    let allowed = (wanted.len() / 3).clamp(1, 3);
    strsim::damerau_levenshtein(&wanted, &name) <= allowed
}

/// Whether `wanted` is so surely a misspelling of `name` that a change may rest on it, when nothing
/// else is called alike: only separators or case differ, or one word of four letters or more has a
/// letter too many, too few, swapped or doubled in place of another. Another letter in a word, and another number, is
/// another name: `card` is not `cart`, `eu-1` not `eu-2`, `db-a` not `db-b`.
pub fn is_misspelt(wanted: &str, name: &str) -> bool {
    let words = |text: &str| -> Vec<String> {
        let words = text.split(|c: char| !c.is_ascii_alphanumeric());
        words.map(str::to_lowercase).collect()
    };
    let (wanted, name) = (words(wanted), words(name));
    let mut pairs = wanted.iter().zip(&name).filter(|(one, other)| one != other);
    if wanted.len() != name.len() {
        return false;
    }
    let Some((one, other)) = pairs.next() else {
        return true;
    };
    pairs.next().is_none() && is_slip(one, other)
}

/// Whether two words differ by one letter that is missing in one of them, or by two letters
/// swapped.
fn is_slip(one: &str, other: &str) -> bool {
    let is_word = |text: &str| text.len() >= 4 && text.bytes().all(|b| b.is_ascii_lowercase());
    // one of a thing and many of them are two things
    let is_plural = one.strip_suffix('s') == Some(other) || other.strip_suffix('s') == Some(one);
    // `htpp` for `http`
    let singly = |text: &str| {
        let mut letters: Vec<char> = text.chars().collect();
        letters.dedup();
        letters
    };
    // of equal length and one edit apart: swapped, or another letter
    let is_swapped = || one.len() == other.len() && strsim::levenshtein(one, other) == 2;
    is_word(one)
        && is_word(other)
        && !is_plural
        && (singly(one) == singly(other)
            || strsim::damerau_levenshtein(one, other) == 1
                && (one.len() != other.len() || is_swapped()))
}

#[cfg(test)]
mod tests {
    use super::{closest, is_misspelt};

    #[test]
    fn a_name_is_misspelt_by_a_letter_too_many_too_few_or_swapped_and_by_nothing_else() {
        for (wanted, name) in [
            ("app-confg", "app-config"),
            ("app_config", "app-config"),
            ("App-Config", "app-config"),
            ("setings", "settings"),
            ("settigns", "settings"),
            ("cart-databse", "cart-database"),
            ("hhostname", "hostname"),
            ("htpp", "http"),
        ] {
            assert!(is_misspelt(wanted, name), "{wanted} {name}");
        }
        for (wanted, name) in [
            ("cart-config", "card-config"),
            ("db-a", "db-b"),
            ("eu-1", "eu-2"),
            ("app-v1", "app-v11"),
            ("config1", "config"),
            ("dev", "de"),
            ("settings-dev", "settings-prod"),
            ("app-config", "app-config-old"),
            ("users", "user"),
            ("https", "http"),
            ("form", "farm"),
            ("settings", "config"),
            ("stetigns", "settings"),
            ("cnfg", "config"),
        ] {
            assert!(!is_misspelt(wanted, name), "{wanted} {name}");
        }
    }

    #[test]
    fn only_what_is_close_is_suggested() {
        let names = || ["agentic-demo", "default", "kube-system"].map(str::to_owned);
        assert_eq!(
            closest("agentic-dmeo", names()).as_deref(),
            Some("agentic-demo")
        );
        assert_eq!(closest("defualt", names()).as_deref(), Some("default"));
        assert_eq!(closest("production", names()), None);
    }
}
