//! Sizes with a unit.
//!
//! Facts: formatdomain "memory"; the text of the refusal is the stock daemon's.

use virt_error::{Error, ErrorCode, ErrorDomain, Result};

/// `number` of that unit in bytes: `b`, `bytes`, `k` or `KiB`, `KB`, and so on up to `E`; the letters'
/// case does not matter.
///
/// # Errors
/// INVALID_ARG for an unknown unit, OVERFLOW for what is too large.
pub fn bytes(number: u64, unit: &str) -> Result<u64> {
    let word = unit.trim().to_ascii_lowercase();
    let unknown = || {
        Error::new(
            ErrorCode::InvalidArg,
            ErrorDomain::Domain,
            format!("unknown suffix '{unit}'"),
        )
    };
    if matches!(word.as_str(), "b" | "byte" | "bytes") {
        return Ok(number);
    }
    let (letter, rest) = word.split_at_checked(1).ok_or_else(unknown)?;
    let base: u64 = match rest {
        "" | "ib" => 1024,
        "b" => 1000,
        _ => return Err(unknown()),
    };
    let power = "kmgtpe".find(letter).ok_or_else(unknown)? as u32 + 1;
    base.checked_pow(power)
        .and_then(|factor| number.checked_mul(factor))
        .filter(|bytes| i64::try_from(*bytes).is_ok())
        .ok_or_else(|| {
            Error::new(
                ErrorCode::Overflow,
                ErrorDomain::Domain,
                format!("value too large: {number}{unit}"),
            )
        })
}

/// As [`bytes`], in KiB, rounded up.
///
/// # Errors
/// As [`bytes`].
pub fn kib(number: u64, unit: &str) -> Result<u64> {
    Ok(bytes(number, unit)?.div_ceil(1024))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_are_binary_unless_they_end_in_b_alone() {
        for (number, unit, expected) in [
            (3, "b", 3),
            (3, "KB", 3000),
            (3, "k", 3072),
            (3, "KiB", 3072),
            (1, "GiB", 1 << 30),
        ] {
            assert_eq!(bytes(number, unit).unwrap(), expected, "{unit}");
        }
        assert_eq!(kib(1025, "b").unwrap(), 2);
    }

    #[test]
    fn what_is_no_unit_or_too_large_is_refused() {
        let message = |n, unit| bytes(n, unit).unwrap_err().message().to_owned();
        assert_eq!(
            message(1, "bananas"),
            "invalid argument: unknown suffix 'bananas'"
        );
        assert!(message(u64::MAX, "KiB").contains("value too large"));
        for unit in ["", "é", "kib2", "xb"] {
            assert!(bytes(1, unit).is_err(), "{unit}");
        }
    }
}
