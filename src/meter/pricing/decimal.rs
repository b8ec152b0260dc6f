//! Decimal numbers as they are written, without floating point: `7.5e-08` is 75 thousand pico-USD, not nearly so.

/// `digits * 10^exponent`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Decimal {
    digits: i128,
    exponent: i32,
}

/// Significant digits kept; what lies beyond them is far below anything that is billed.
const DIGITS_MAX: usize = 36;
const EXPONENT_MAX: i32 = 400;

impl Decimal {
    /// Reads a number in JSON's or YAML's plain spelling, with or without fraction and exponent.
    pub fn parse(text: &str) -> Option<Self> {
        let (mantissa, exponent) = match text.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().ok()?),
            None => (text, 0),
        };
        let (negative, mantissa) = match mantissa.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, mantissa),
        };
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let all_digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
        let dot_is_apart = !mantissa.contains('.') || !fraction.is_empty();
        if whole.is_empty() || !dot_is_apart || !all_digits(whole) || !all_digits(fraction) {
            return None;
        }
        if !(-EXPONENT_MAX..=EXPONENT_MAX).contains(&exponent) || fraction.len() > EXPONENT_MAX as usize {
            return None;
        }
        let (mut digits, mut kept, mut dropped) = (0_i128, 0, 0);
        for digit in whole.bytes().chain(fraction.bytes()) {
            if kept == DIGITS_MAX {
                dropped += 1;
                continue;
            }
            digits = digits * 10 + i128::from(digit - b'0');
            if digits != 0 {
                kept += 1;
            }
        }
        let exponent = exponent - fraction.len() as i32 + dropped;
        Some(Self { digits: if negative { -digits } else { digits }, exponent })
    }

    /// Times `10^shift`, rounded to the nearest whole number, halves away from zero, and whether nothing was rounded
    /// off. `None` when it does not fit.
    pub fn scaled(self, shift: i32) -> Option<(i64, bool)> {
        let exponent = self.exponent.checked_add(shift)?;
        if self.digits == 0 {
            return Some((0, true));
        }
        let power = 10_i128.checked_pow(exponent.unsigned_abs());
        if exponent >= 0 {
            return Some((i64::try_from(self.digits.checked_mul(power?)?).ok()?, true));
        }
        // Divided by more than it can hold, nothing is left.
        let Some(power) = power else { return Some((0, false)) };
        let (whole, rest) = (self.digits / power, self.digits % power);
        let carry = if rest.unsigned_abs() * 2 >= power.unsigned_abs() { self.digits.signum() } else { 0 };
        Some((i64::try_from(whole + carry).ok()?, rest == 0))
    }
}

/// `text` times `10^shift`, to the nearest whole number.
pub fn scaled(text: &str, shift: i32) -> Option<i64> {
    Decimal::parse(text)?.scaled(shift).map(|(value, _)| value)
}

/// `value / 10^places` as plain decimal digits, without trailing zeros: reads back as the same value.
pub fn shown(value: i64, places: u32) -> String {
    let digits = format!("{:0>width$}", value.unsigned_abs(), width = places as usize + 1);
    let (whole, fraction) = digits.split_at(digits.len() - places as usize);
    let fraction = fraction.trim_end_matches('0');
    let sign = if value < 0 { "-" } else { "" };
    match fraction {
        "" => format!("{sign}{whole}"),
        _ => format!("{sign}{whole}.{fraction}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_are_read_as_they_are_written() {
        for (text, shift, expected) in [
            ("0", 12, Some(0)),
            ("7.5e-08", 12, Some(75_000)),
            ("7.5E-08", 18, Some(75_000_000_000)),
            ("1.0000000000000002e-06", 12, Some(1_000_000)),
            ("5.9999999999999995e-08", 18, Some(60_000_000_000)),
            ("0.15", 12, Some(150_000_000_000)),
            ("-0.5", 1, Some(-5)),
            ("2.5", 0, Some(3)),
            ("-2.5", 0, Some(-3)),
            ("2.4999999", 0, Some(2)),
            ("0.0076509169000000005", 12, Some(7_650_916_900)),
            ("1e3", 0, Some(1000)),
            ("1e-300", 12, Some(0)),
            ("0e400", 12, Some(0)),
            ("1e30", 0, None),
            ("99999999999999999999", 0, None),
            ("123456789012345678901234567890123456789012345e-40", 0, Some(12346)),
            ("", 0, None),
            (".5", 0, None),
            ("5.", 0, None),
            ("1e", 0, None),
            ("1e999999999999", 0, None),
            ("0x10", 0, None),
            ("+1", 0, None),
            ("1_000", 0, None),
            ("inf", 0, None),
            ("--1", 0, None),
        ] {
            assert_eq!(scaled(text, shift), expected, "{text}");
        }
    }

    #[test]
    fn what_is_rounded_off_is_known() {
        let exact = |text: &str, shift| Decimal::parse(text).and_then(|one| one.scaled(shift)).map(|(_, exact)| exact);
        assert_eq!(exact("0.000000000000000001", 18), Some(true));
        assert_eq!(exact("0.0000000000000000001", 18), Some(false));
        assert_eq!(exact("1.50", 1), Some(true));
    }

    #[test]
    fn shown_reads_back() {
        for (value, places, text) in
            [(0, 12, "0"), (150_000_000_000, 12, "0.15"), (1, 12, "0.000000000001"), (-15, 1, "-1.5"), (25, 0, "25")]
        {
            assert_eq!(shown(value, places), text);
            assert_eq!(scaled(text, places as i32), Some(value));
        }
    }
}
