//! Names and uids. A real cluster draws them at random; here they come from a counter, and look
//! alike.

use serde::Serialize;

/// The letters of which Kubernetes makes names: no vowels, so that no words come out.
const SAFE: &[u8; 27] = b"bcdfghjklmnpqrstvwxz2456789";

fn fnv(bytes: impl IntoIterator<Item = u8>) -> u32 {
    bytes.into_iter().fold(0x811c_9dc5, |hash, byte| {
        (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193)
    })
}

/// The hash of a pod template, as it stands in `pod-template-hash`.
pub(crate) fn hash_of(value: &impl Serialize) -> String {
    let json = serde_json::to_value(value).unwrap_or_default().to_string();
    let digits = fnv(json.bytes()).to_string();
    digits
        .bytes()
        .map(|digit| char::from(SAFE[usize::from(digit) % SAFE.len()]))
        .collect()
}

/// A Service's address, by its name.
pub(crate) fn service_address(namespace: &str, name: &str) -> String {
    let hash = fnv(format!("{namespace}/{name}").bytes());
    format!("10.96.{}.{}", hash % 251 + 1, hash / 251 % 251 + 1)
}

/// Where names and uids come from.
#[derive(Debug, Default)]
pub(crate) struct Names {
    drawn: u64,
}

impl Names {
    /// The five letters at the end of a generated name.
    pub(crate) fn suffix(&mut self) -> String {
        self.drawn += 1;
        let mut number = fnv(self.drawn.to_le_bytes());
        let mut suffix = String::new();
        for _ in 0..5 {
            suffix.push(char::from(SAFE[usize::try_from(number % 27).unwrap_or(0)]));
            number /= 27;
        }
        suffix
    }

    /// A uid in the form of a UUID.
    pub(crate) fn uid(&mut self) -> String {
        self.drawn += 1;
        let mixed = fnv(self.drawn.to_be_bytes());
        format!("{mixed:08x}-0000-4000-8000-{:012x}", self.drawn)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn drawn_names_do_not_repeat() {
        let mut names = Names::default();
        let drawn: BTreeSet<_> = (0..2_000).map(|_| names.suffix()).collect();
        assert_eq!(drawn.len(), 2_000);
    }
}
