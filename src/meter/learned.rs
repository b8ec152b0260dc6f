//! How far the estimate of a target's input tokens is off, learned from what its provider reports.

use std::sync::atomic::{AtomicU32, Ordering};

/// One factor for requests with tools, one for those without. Atomics only so that a target can be handed to the control
/// core with its records: each shard has targets of its own and is the only writer.
#[derive(Debug, Default)]
pub struct Learned {
    /// Bits of an f32; 0 until something was learned.
    factors: [AtomicU32; 2],
}

/// A new value moves the factor by this share of the difference.
const STEP: f32 = 1.0 / 8.0;
/// And counts as at most twice, at least half of what was known: a single odd answer cannot throw it.
const JUMP: f32 = 2.0;
/// Beyond these an answer says something else than how dense its text is (an image, a file, a cache of the provider's
/// own), and a factor never leaves them.
const RATIOS: std::ops::RangeInclusive<f32> = 1.0 / 16.0..=16.0;
/// Templates outweigh the text of requests smaller than this.
const TOKENS_MIN: u64 = 8;

impl Learned {
    /// `estimate`, corrected by what was seen so far.
    pub fn correct(&self, estimate: u64, has_tools: bool) -> u64 {
        match self.factor(has_tools) {
            None => estimate,
            Some(factor) => (estimate as f64 * f64::from(factor)).ceil() as u64,
        }
    }

    /// The provider said what a request was whose estimate, before correction, was `estimate`. Converges within tens
    /// of requests.
    pub fn observe(&self, estimate: u64, reported_input: u64, has_tools: bool) {
        if estimate < TOKENS_MIN || reported_input < TOKENS_MIN {
            return;
        }
        let ratio = (reported_input as f64 / estimate as f64) as f32;
        if !RATIOS.contains(&ratio) {
            return;
        }
        let known = self.factor(has_tools).unwrap_or(1.0);
        let ratio = ratio.clamp(known / JUMP, known * JUMP);
        let factor = (known + (ratio - known) * STEP).clamp(*RATIOS.start(), *RATIOS.end());
        self.slot(has_tools).store(factor.to_bits(), Ordering::Relaxed);
    }

    fn slot(&self, has_tools: bool) -> &AtomicU32 {
        let [without, with] = &self.factors;
        if has_tools { with } else { without }
    }

    fn factor(&self, has_tools: bool) -> Option<f32> {
        match self.slot(has_tools).load(Ordering::Relaxed) {
            0 => None,
            bits => Some(f32::from_bits(bits)),
        }
    }
}

/// What was learned is no part of a target's identity.
impl PartialEq for Learned {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Learned {}

impl std::hash::Hash for Learned {
    fn hash<H: std::hash::Hasher>(&self, _: &mut H) {}
}

impl Clone for Learned {
    fn clone(&self) -> Self {
        let copy = |factor: &AtomicU32| AtomicU32::new(factor.load(Ordering::Relaxed));
        Self { factors: [copy(&self.factors[0]), copy(&self.factors[1])] }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_factor_is_learned_within_tens_of_requests() {
        for ratio in [0.3, 0.8, 1.0, 1.6, 4.0] {
            let learned = Learned::default();
            assert_eq!(learned.correct(1000, false), 1000);
            for _ in 0..50 {
                learned.observe(1000, (1000.0 * ratio) as u64, false);
            }
            let off = learned.correct(1000, false) as f64 / (1000.0 * ratio);
            assert!((0.98..=1.02).contains(&off), "{ratio}: {off}");
            assert_eq!(learned.correct(1000, true), 1000, "tools have a factor of their own");
        }
    }

    #[test]
    fn what_is_tiny_or_absurd_teaches_nothing_and_one_answer_little() {
        let learned = Learned::default();
        for (estimate, reported) in [(3, 500), (500, 3), (0, 0), (1000, 100_000), (100_000, 1000), (u64::MAX, 1)] {
            learned.observe(estimate, reported, false);
        }
        assert_eq!(learned.correct(1000, false), 1000);
        learned.observe(1000, 15_000, false);
        assert_eq!(learned.correct(1000, false), 1125);
        learned.observe(1000, 70, true);
        assert_eq!(learned.correct(1000, true), 938);
    }
}
