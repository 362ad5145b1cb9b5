//! The words that a container runs, and where they stand.

use k8s_openapi::api::core::v1::Container;

/// Each word of a container's command and args, with its field: `args[1]`.
pub(super) fn words(container: &Container) -> impl Iterator<Item = (String, &str)> {
    let fields = [("command", &container.command), ("args", &container.args)];
    fields.into_iter().flat_map(|(field, words)| {
        let words = words.iter().flatten().enumerate();
        words.map(move |(place, word)| (format!("{field}[{place}]"), word.as_str()))
    })
}
