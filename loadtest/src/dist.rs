//! Durations drawn at random, and the small generator behind them.

use std::{
    cell::Cell,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

/// A delay in milliseconds: `20` always, `20~5` normal with that deviation, `10..30` uniform, `exp:20` exponential with that mean.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Dist {
    Fixed(f64),
    Normal(f64, f64),
    Uniform(f64, f64),
    Exp(f64),
}

/// Longer than anyone waits, and far from what overflows a clock.
const DELAY_MS_MAX: f64 = 3_600_000.0;

impl Dist {
    pub const ZERO: Dist = Dist::Fixed(0.0);

    pub fn parse(text: &str) -> Option<Dist> {
        let number = |t: &str| t.parse::<f64>().ok().filter(|ms| (0.0..=DELAY_MS_MAX).contains(ms));
        if let Some(mean) = text.strip_prefix("exp:") {
            return Some(Dist::Exp(number(mean)?));
        }
        if let Some((mean, deviation)) = text.split_once('~') {
            return Some(Dist::Normal(number(mean)?, number(deviation)?));
        }
        if let Some((low, high)) = text.split_once("..") {
            let (low, high) = (number(low)?, number(high)?);
            return (low <= high).then_some(Dist::Uniform(low, high));
        }
        Some(Dist::Fixed(number(text)?))
    }

    pub fn is_zero(&self) -> bool {
        *self == Dist::ZERO
    }

    pub fn sample(&self, rng: &Rng) -> Duration {
        let ms = match *self {
            Dist::Fixed(ms) => ms,
            Dist::Normal(mean, deviation) => mean + deviation * rng.normal(),
            Dist::Uniform(low, high) => low + (high - low) * rng.unit(),
            Dist::Exp(mean) => mean * rng.exp(),
        };
        Duration::from_secs_f64(ms.clamp(0.0, DELAY_MS_MAX) / 1e3)
    }
}

/// SplitMix64: small, fast, good enough for delays.
pub struct Rng(Cell<u64>);

impl Rng {
    pub fn seeded(seed: u64) -> Rng {
        Rng(Cell::new(seed))
    }

    pub fn from_clock() -> Rng {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Rng::seeded(now.as_nanos() as u64 ^ ((std::process::id() as u64) << 32))
    }

    pub fn next(&self) -> u64 {
        let state = self.0.get().wrapping_add(0x9e37_79b9_7f4a_7c15);
        self.0.set(state);
        let mut z = state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// In [0, 1).
    pub fn unit(&self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// Exponential with mean 1: the gaps of a Poisson process.
    pub fn exp(&self) -> f64 {
        -(1.0 - self.unit()).ln()
    }

    /// Box and Muller.
    pub fn normal(&self) -> f64 {
        (2.0 * self.exp()).sqrt() * (std::f64::consts::TAU * self.unit()).cos()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn written_forms_are_understood_and_others_are_refused() {
        assert_eq!(Dist::parse("20"), Some(Dist::Fixed(20.0)));
        assert_eq!(Dist::parse("20~5"), Some(Dist::Normal(20.0, 5.0)));
        assert_eq!(Dist::parse("10..30"), Some(Dist::Uniform(10.0, 30.0)));
        assert_eq!(Dist::parse("exp:0.5"), Some(Dist::Exp(0.5)));
        for bad in ["", "-1", "NaN", "inf", "1e99", "30..10", "exp:", "a~b"] {
            assert_eq!(Dist::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn samples_have_the_mean_they_promise() {
        let rng = Rng::seeded(7);
        for dist in [Dist::Fixed(20.0), Dist::Normal(20.0, 2.0), Dist::Uniform(10.0, 30.0), Dist::Exp(20.0)] {
            let mean = (0..20_000).map(|_| dist.sample(&rng).as_secs_f64() * 1e3).sum::<f64>() / 20_000.0;
            assert!((19.3..20.7).contains(&mean), "{dist:?}: {mean}");
        }
    }
}
