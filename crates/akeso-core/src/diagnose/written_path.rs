//! Which path a program could not write to, by its log, and what of the pod lies there.

use std::sync::LazyLock;

use k8s_openapi::api::core::v1::{Container, PodSpec, Volume, VolumeMount};
use regex::Regex;

use super::latest;

static PATH: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r#"/[^\s:'"`,;()\[\]{}]*"#).ok());

/// Only the last words of a log are about what ended the program.
const LAST: usize = 5;

/// The last line that has one of the phrases (in lower case), and the path that it is about.
pub(super) fn complaint<'l>(log: &'l str, phrases: &[&str]) -> Option<(&'l str, Option<&'l str>)> {
    let lines = latest(log);
    lines.take(LAST).find_map(|line| {
        // the phrases are ASCII, and so is what is made lower here: places stay the same
        let lower = line.to_ascii_lowercase();
        let at = phrases.iter().find_map(|phrase| lower.find(phrase))?;
        Some((line.trim(), path_near(line, at)))
    })
}

/// The path right before the phrase, or the first one behind it.
fn path_near(line: &str, phrase_at: usize) -> Option<&str> {
    let paths: Vec<_> = PATH.as_ref()?.find_iter(line).collect();
    let before = paths.iter().rev().find(|path| path.end() <= phrase_at);
    let behind = paths.iter().find(|path| path.start() >= phrase_at);
    let path = before.or(behind)?.as_str().trim_end_matches('.');
    (path.len() > 1).then_some(path)
}

/// The mount that a path lies in, and its volume.
pub(super) fn mount_of<'a>(
    spec: &'a PodSpec,
    container: &'a Container,
    path: &str,
) -> Option<(&'a VolumeMount, Option<&'a Volume>)> {
    let mounts = container.volume_mounts.iter().flatten();
    let mount = mounts
        .filter(|mount| {
            let root = mount.mount_path.trim_end_matches('/');
            path == root || path.starts_with(&format!("{root}/"))
        })
        .max_by_key(|mount| mount.mount_path.len())?;
    let mut volumes = spec.volumes.iter().flatten();
    Some((mount, volumes.find(|volume| volume.name == mount.name)))
}

#[cfg(test)]
mod tests {
    use super::complaint;

    #[test]
    fn the_path_is_the_one_that_the_phrase_is_about() {
        let phrases = ["read-only file system"];
        for (line, path) in [
            ("sh: 1: cannot create /x: Read-only file system", "/x"),
            (
                "/start.sh: line 3: /data/out: Read-only file system",
                "/data/out",
            ),
            (
                "touch: cannot touch '/data/a b': Read-only file system",
                "/data/a",
            ),
            (
                "OSError: [Errno 30] Read-only file system: '/data/x.db'",
                "/data/x.db",
            ),
            (
                "open /var/log/a.log: read-only file system",
                "/var/log/a.log",
            ),
        ] {
            assert_eq!(complaint(line, &phrases).unwrap().1, Some(path), "{line}");
        }
        let old = "cannot create /x: Read-only file system\n1\n2\n3\n4\n5\n";
        assert_eq!(complaint(old, &phrases), None);
    }
}
