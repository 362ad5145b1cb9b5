//! Kubernetes quantities (`128Mi`, `1.5Gi`, `250m`, `1e3`) as exact integers.
//!
//! Grammar: <https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/>.
//! Values are kept in thousandths, the smallest unit that a quantity may hold after Kubernetes
//! itself has rounded it up, so sums and comparisons never lose anything.

use std::fmt;

use serde::{Deserialize, Serialize};

/// An amount of memory in bytes; never negative.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Bytes(u64);

/// An amount of CPU in thousandths of a core; never negative.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(try_from = "String", into = "String")]
pub struct MilliCpu(u64);

/// Why a text is not a quantity.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{text}` is not a Kubernetes quantity: write a number with one of n, u, m, k, M, G, T, P, E, Ki, Mi, Gi, Ti, Pi, Ei or an exponent"
)]
pub struct InvalidQuantity {
    text: String,
}

/// Parses a quantity into thousandths, rounded up as Kubernetes does.
fn thousandths(text: &str) -> Result<u64, InvalidQuantity> {
    let invalid = || InvalidQuantity {
        text: text.to_owned(),
    };
    let body = text.trim();
    let end = body
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(body.len());
    let (number, suffix) = body.split_at(end);
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if (whole.is_empty() && fraction.is_empty()) || fraction.contains('.') || fraction.len() > 18 {
        return Err(invalid());
    }
    let digits: i128 = format!("{whole}{fraction}")
        .parse()
        .map_err(|_| invalid())?;
    let (numerator, denominator): (i128, i128) = match suffix {
        "n" => (1, 1_000_000),
        "u" => (1, 1_000),
        "m" => (1, 1),
        "" => (1_000, 1),
        "k" => (1_000_000, 1),
        "M" => (1_000_000_000, 1),
        "G" => (1_000_000_000_000, 1),
        "T" => (1_000_000_000_000_000, 1),
        "P" => (1_000_000_000_000_000_000, 1),
        "E" => (1_000_000_000_000_000_000_000, 1),
        "Ki" => (1_000 << 10, 1),
        "Mi" => (1_000 << 20, 1),
        "Gi" => (1_000 << 30, 1),
        "Ti" => (1_000 << 40, 1),
        "Pi" => (1_000 << 50, 1),
        "Ei" => (1_000 << 60, 1),
        exponent => {
            let power: i32 = exponent
                .strip_prefix(['e', 'E'])
                .and_then(|p| p.parse().ok())
                .filter(|p| (-9..=18).contains(p))
                .ok_or_else(invalid)?;
            let scale = 10_i128.pow(power.unsigned_abs());
            if power < 0 {
                (1_000, scale)
            } else {
                (1_000 * scale, 1)
            }
        }
    };
    let fraction_scale = 10_i128.pow(u32::try_from(fraction.len()).map_err(|_| invalid())?);
    let scaled = digits.checked_mul(numerator).ok_or_else(invalid)?;
    let divisor = denominator * fraction_scale;
    let rounded_up = scaled.checked_add(divisor - 1).ok_or_else(invalid)? / divisor;
    u64::try_from(rounded_up).map_err(|_| invalid())
}

impl Bytes {
    /// `mebibytes` × 2²⁰ bytes.
    pub const fn mebi(mebibytes: u64) -> Self {
        Self(mebibytes << 20)
    }

    /// An exact number of bytes.
    pub const fn new(bytes: u64) -> Self {
        Self(bytes)
    }

    /// The number of bytes.
    pub const fn get(self) -> u64 {
        self.0
    }

    /// Parses a quantity; parts of a byte are rounded up.
    pub fn parse(text: &str) -> Result<Self, InvalidQuantity> {
        Ok(Self(thousandths(text)?.div_ceil(1_000)))
    }

    /// This amount `factor` times, or the largest amount there is.
    #[must_use]
    pub const fn times(self, factor: u64) -> Self {
        Self(self.0.saturating_mul(factor))
    }

    /// What is left after `other` is taken away; nothing if `other` is more.
    #[must_use]
    pub const fn less(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }
}

impl fmt::Display for Bytes {
    /// The shortest exact form in binary units, as people write it in manifests: `512Mi`, `1Gi`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let units = [("Gi", 30), ("Mi", 20), ("Ki", 10)];
        match units
            .iter()
            .find(|(_, shift)| self.0 != 0 && self.0.trailing_zeros() >= *shift)
        {
            Some((unit, shift)) => write!(f, "{}{unit}", self.0 >> shift),
            None => write!(f, "{}", self.0),
        }
    }
}

impl TryFrom<String> for Bytes {
    type Error = InvalidQuantity;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(&text)
    }
}

impl From<Bytes> for String {
    fn from(bytes: Bytes) -> Self {
        bytes.to_string()
    }
}

impl MilliCpu {
    /// Thousandths of a core.
    pub const fn get(self) -> u64 {
        self.0
    }

    /// Parses a quantity of cores: `2` is 2000, `250m` is 250.
    pub fn parse(text: &str) -> Result<Self, InvalidQuantity> {
        thousandths(text).map(Self)
    }
}

impl fmt::Display for MilliCpu {
    /// As people write it in manifests: `2`, `250m`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 % 1_000 {
            0 => write!(f, "{}", self.0 / 1_000),
            _ => write!(f, "{}m", self.0),
        }
    }
}

impl TryFrom<String> for MilliCpu {
    type Error = InvalidQuantity;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(&text)
    }
}

impl From<MilliCpu> for String {
    fn from(cpu: MilliCpu) -> Self {
        cpu.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn quantities_of_every_form_are_read_exactly() {
        for (text, bytes) in [
            ("128Mi", 134_217_728),
            ("1Gi", 1_073_741_824),
            ("1.5Gi", 1_610_612_736),
            ("128974848", 128_974_848),
            ("129e6", 129_000_000),
            ("129M", 129_000_000),
            ("128974848000m", 128_974_848),
            ("0.5", 1),
            ("1k", 1_000),
        ] {
            assert_eq!(Bytes::parse(text), Ok(Bytes(bytes)), "{text}");
        }
        assert_eq!(MilliCpu::parse("250m"), Ok(MilliCpu(250)));
        assert_eq!(MilliCpu::parse("2"), Ok(MilliCpu(2_000)));
    }

    #[test]
    fn what_is_not_a_quantity_is_refused() {
        for text in [
            "",
            "Mi",
            "1.2.3",
            "-1",
            "1e99",
            "12Qi",
            "1 Gi",
            ".",
            "99999999999Ei",
        ] {
            assert!(Bytes::parse(text).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_printed_reads_back_as_the_same_amount(bytes in 0_u64..1 << 53) {
            prop_assert_eq!(Bytes::parse(&Bytes(bytes).to_string()), Ok(Bytes(bytes)));
        }

        #[test]
        fn no_text_makes_the_parser_panic(text in ".{0,24}") {
            drop(Bytes::parse(&text));
        }
    }
}
