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

#[cfg(test)]
mod tests {
    use super::closest;

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
