//! Which image may have been meant by one that does not exist. That a name exists is no proof that
//! it was meant: `shop/card` is not `shop/cart`, and `1.25` is not `1.26`.

use crate::{image_reference::ImageReference, similar::only};

/// The article's typos of repository names.
pub(super) const REPOSITORY_TYPOS: [(&str, &str); 5] = [
    ("apline", "alpine"),
    ("ubunut", "ubuntu"),
    ("ngnix", "nginx"),
    ("postgress", "postgres"),
    ("rediss", "redis"),
];
/// The article's typos of tags.
pub(super) const TAG_TYPOS: [(&str, &str); 2] = [("latst", "latest"), ("lastest", "latest")];
/// Official images that are often used, and so often misspelt.
const WELL_KNOWN: [&str; 40] = [
    "alpine",
    "amazonlinux",
    "bash",
    "busybox",
    "caddy",
    "cassandra",
    "consul",
    "couchbase",
    "debian",
    "docker",
    "eclipse-temurin",
    "elasticsearch",
    "fedora",
    "golang",
    "gradle",
    "grafana",
    "haproxy",
    "httpd",
    "influxdb",
    "kibana",
    "logstash",
    "mariadb",
    "maven",
    "memcached",
    "mongo",
    "mysql",
    "nats",
    "neo4j",
    "nginx",
    "node",
    "php",
    "postgres",
    "python",
    "rabbitmq",
    "redis",
    "ruby",
    "rust",
    "tomcat",
    "traefik",
    "ubuntu",
];
/// The words that tags are made of, beside numbers.
const TAG_WORDS: [&str; 32] = [
    "latest",
    "stable",
    "mainline",
    "edge",
    "nightly",
    "beta",
    "alpha",
    "release",
    "main",
    "master",
    "lts",
    "current",
    "slim",
    "alpine",
    "debian",
    "ubuntu",
    "bookworm",
    "bullseye",
    "buster",
    "trixie",
    "jammy",
    "focal",
    "noble",
    "windowsservercore",
    "nanoserver",
    "fpm",
    "apache",
    "perl",
    "management",
    "bitnami",
    "distroless",
    "scratch",
];

/// Official images whose name the reference's may be a typo of; the article's typos first.
pub(super) fn official(reference: &ImageReference) -> Vec<ImageReference> {
    let name = reference.name();
    let from_map = REPOSITORY_TYPOS
        .iter()
        .filter(|(typo, _)| *typo == name)
        .map(|(_, right)| *right);
    let well_known = WELL_KNOWN
        .into_iter()
        .filter(|known| reference.is_official() && is_misspelling(name, known));
    let mut names: Vec<_> = from_map.chain(well_known).collect();
    names.dedup();
    names
        .into_iter()
        .map(|name| reference.with_name(name))
        .collect()
}

/// Whether two repositories differ by a slip of the finger only: two letters swapped, or one
/// doubled or not doubled. Another letter makes another name.
pub(super) fn is_slip(one: &str, other: &str) -> bool {
    let (one, other): (Vec<char>, Vec<char>) = (one.chars().collect(), other.chars().collect());
    let at = one.iter().zip(&other).take_while(|(a, b)| a == b).count();
    if one.len() == other.len() {
        return at + 1 < one.len()
            && one[at] == other[at + 1]
            && one[at + 1] == other[at]
            && one[at + 2..] == other[at + 2..];
    }
    let (short, long) = if one.len() < other.len() {
        (&one, &other)
    } else {
        (&other, &one)
    };
    long.len() == short.len() + 1
        && at > 0
        && long[at..] != short[at..]
        && long[at + 1..] == short[at..]
        && long[at] == long[at - 1]
        && !long[at].is_ascii_digit()
}

/// Whether `text` is likely a misspelling of a known word: at most two edits, one in a short word.
fn is_misspelling(text: &str, word: &str) -> bool {
    let allowed = if text.len().min(word.len()) < 6 { 1 } else { 2 };
    let distance = strsim::damerau_levenshtein(text, word);
    let has_digit = text.contains(|c: char| c.is_ascii_digit());
    text.len() >= 3 && distance > 0 && distance <= allowed && !has_digit
}

/// The tag that was meant: one of `tags` that differs in a single word, which is a misspelling of
/// a word that tags are made of; or by the `v` before its version alone. Numbers are never corrected:
/// another version is another program.
pub(super) fn closest_tag<'a>(tag: &str, tags: &'a [String]) -> Option<&'a str> {
    if let Some((_, right)) = TAG_TYPOS.iter().find(|(typo, _)| *typo == tag) {
        return tags
            .iter()
            .map(String::as_str)
            .find(|candidate| candidate == right);
    }
    let names = tags.iter().map(String::as_str);
    only(names.filter(|candidate| is_tag_typo(tag, candidate) || is_same_version(tag, candidate)))
}

/// Whether both name one version, one with a `v` before it: `v1.27`, `1.27`.
fn is_same_version(tag: &str, candidate: &str) -> bool {
    let one = tag.strip_prefix('v').unwrap_or(tag);
    let other = candidate.strip_prefix('v').unwrap_or(candidate);
    tag != candidate
        && one == other
        && one.starts_with(|c: char| c.is_ascii_digit())
        && one.contains('.')
}

fn is_tag_typo(tag: &str, candidate: &str) -> bool {
    let words = |text: &str| {
        text.split(['-', '_'])
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    let (typed, right) = (words(tag), words(candidate));
    let mut differing = typed.iter().zip(&right).filter(|(a, b)| a != b);
    let Some((wrong, word)) = differing.next() else {
        return false;
    };
    typed.len() == right.len()
        && differing.next().is_none()
        && TAG_WORDS.contains(&word.as_str())
        && !TAG_WORDS.contains(&wrong.as_str())
        && is_misspelling(wrong, word)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tags(all: &[&str]) -> Vec<String> {
        all.iter().map(|tag| (*tag).to_owned()).collect()
    }

    #[test]
    fn the_tag_that_was_meant_is_found() {
        let available = tags(&[
            "latest",
            "1.27",
            "1.27-alpine",
            "stable",
            "alpine",
            "1.27-perl",
        ]);
        for (typo, meant) in [
            ("latst", "latest"),
            ("lastest", "latest"),
            ("1.27-alpin", "1.27-alpine"),
            ("stabel", "stable"),
            ("apline", "alpine"),
            ("v1.27", "1.27"),
        ] {
            assert_eq!(closest_tag(typo, &available), Some(meant), "{typo}");
        }
    }

    #[test]
    fn a_tag_that_merely_exists_was_not_meant() {
        for (typed, there) in [
            ("1.25", "1.26"),
            ("9.99", "9.9"),
            ("prod-us", "prod-eu"),
            ("1.2.3-amd64", "1.2.3-arm64"),
            ("team-a", "team-b"),
            ("v1.2.3a", "v1.2.3b"),
            ("17.0.9-jdk", "17.0.9-jre"),
            ("a1b2c3d", "a1b2c3e"),
            ("1.27-slin", "1.26-slim"),
            ("v1.27", "1.28"),
            ("v7", "7"),
        ] {
            assert_eq!(closest_tag(typed, &tags(&[there])), None, "{typed} {there}");
        }
    }

    #[test]
    fn a_slip_of_the_finger_is_told_from_another_name() {
        assert!(is_slip("shop/crat", "shop/cart"));
        assert!(is_slip("shop/caart", "shop/cart"));
        assert!(is_slip("team/ap", "team/app"));
        assert!(!is_slip("shop/card", "shop/cart"));
        assert!(!is_slip("shop/cat", "shop/cart"));
        assert!(!is_slip("app1", "app11"));
        assert!(!is_slip("app", "app"));
    }

    #[test]
    fn official_names_are_found_and_short_ones_allow_one_edit_only() {
        let meant = |text| {
            official(&ImageReference::parse(text).unwrap())
                .iter()
                .map(ToString::to_string)
                .collect::<Vec<_>>()
        };
        assert_eq!(meant("ngnix:1.27"), ["nginx:1.27"]);
        assert_eq!(meant("noed"), ["node"]);
        assert_eq!(meant("rabitmq:3"), ["rabbitmq:3"]);
        assert_eq!(meant("app"), [] as [&str; 0]);
        assert_eq!(meant("example.org/team/mysq"), [] as [&str; 0]);
    }
}
