//! Digests, as people and files spell them.

use std::fmt::Write;

/// Lower-case hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        // writing to a String cannot fail
        write!(text, "{byte:02x}").unwrap_or_default();
        text
    })
}

/// The bytes that `text` spells in hexadecimal, if it spells `N` of them.
pub fn from_hex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    // from_str_radix takes a sign as well
    if text.len() != 2 * N || !text.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return None;
    }
    for (index, byte) in bytes.iter_mut().enumerate() {
        let digits = text.get(2 * index..2 * index + 2)?;
        *byte = u8::from_str_radix(digits, 16).ok()?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_spelled_reads_back_and_nothing_else_does() {
        assert_eq!(hex(&[0, 171, 255]), "00abff");
        assert_eq!(from_hex("00abff"), Some([0, 171, 255]));
        for wrong in ["", "00abf", "00abff0", "00abfg", "+0abff", "00\u{e9}bf"] {
            assert_eq!(from_hex::<3>(wrong), None, "{wrong}");
        }
    }
}
