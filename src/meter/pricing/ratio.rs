//! Multipliers of a price, as fractions in lowest terms.

use super::decimal::Decimal;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Ratio {
    num: u32,
    den: u32,
}

impl Ratio {
    pub const ONE: Ratio = Ratio { num: 1, den: 1 };

    /// From 0 to 1000, with at most six decimal places.
    pub fn parse(text: &str) -> Option<Self> {
        match Decimal::parse(text)?.scaled(6)? {
            (millionths @ 0..=1_000_000_000, true) => Some(Self::millionths(millionths as u32)),
            _ => None,
        }
    }

    /// What is left of a price after so many percent, from 0 to 100 with at most four decimal places, are taken off.
    pub fn discounted(percent: &str) -> Option<Self> {
        match Decimal::parse(percent)?.scaled(4)? {
            (off @ 0..=1_000_000, true) => Some(Self::millionths(1_000_000 - off as u32)),
            _ => None,
        }
    }

    fn millionths(num: u32) -> Self {
        let (mut a, mut b) = (num, 1_000_000);
        while b != 0 {
            (a, b) = (b, a % b);
        }
        Self { num: num / a, den: 1_000_000 / a }
    }

    pub fn num(self) -> u64 {
        self.num.into()
    }

    pub fn den(self) -> u64 {
        self.den.into()
    }

    /// `rate` times this, to the nearest.
    pub fn of(self, rate: i64) -> Option<i64> {
        let (num, den) = (i128::from(self.num), i128::from(self.den));
        i64::try_from((i128::from(rate) * num + den / 2) / den).ok()
    }

    /// In decimals: reads back as the same ratio.
    pub fn shown(self) -> String {
        super::decimal::shown(i64::from(self.num) * (1_000_000 / i64::from(self.den)), 6)
    }

    /// The percentage that was taken off.
    pub fn shown_discount(self) -> String {
        let left = i64::from(self.num) * (1_000_000 / i64::from(self.den));
        super::decimal::shown(1_000_000 - left, 4)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ratios_read_back_in_lowest_terms() {
        for (text, num, den) in
            [("1.1", 11, 10), ("0.5", 1, 2), ("6", 6, 1), ("0", 0, 1), ("0.333333", 333_333, 1_000_000)]
        {
            let ratio = Ratio::parse(text).expect(text);
            assert_eq!((ratio.num(), ratio.den(), ratio.shown().as_str()), (num, den, text));
        }
        for text in ["-1", "1000.1", "0.0000001", "x", ""] {
            assert_eq!(Ratio::parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_discount_is_what_is_left() {
        let ratio = Ratio::discounted("12.5").expect("a discount");
        assert_eq!((ratio.num(), ratio.den(), ratio.shown_discount().as_str()), (7, 8, "12.5"));
        assert_eq!(Ratio::discounted("0"), Some(Ratio::ONE));
        assert_eq!(Ratio::discounted("100").map(Ratio::num), Some(0));
        for text in ["-1", "100.1", "0.00001", "ten"] {
            assert_eq!(Ratio::discounted(text), None, "{text}");
        }
    }
}
