//! A quantile over the last minutes, from two histograms that take turns: the older half is forgotten whole.

/// Values are counted in steps of this; a fraction of one does not matter to anybody.
const UNIT_US: u64 = 64;
/// Of each power of two: a bucket is at most 1/16 of its values wide, so its middle is at most 3.2 % off.
const STEPS: usize = 16;
const STEPS_LOG2: u32 = STEPS.ilog2();
/// From 0 to 2^24 units, which is 18 minutes; what is longer counts as that.
const VALUE_MAX: u64 = (1 << 24) - 1;
const BUCKETS: usize = (24 - STEPS_LOG2 as usize + 1) * STEPS;
/// Everything from the last 5 to 10 minutes counts.
const HALF_MS: u64 = 5 * 60_000;
/// With fewer nothing is known.
pub const SAMPLES_MIN: u32 = 20;
/// A quantile that was asked for is good for so long, so that a busy target does not pay for it with every request.
const FRESH_MS: u64 = 1_000;

/// Some 2.7 KiB.
#[derive(Debug)]
pub struct Sketch {
    newer: Half,
    older: Half,
    /// Halves of time since 1970 that `newer` is of.
    half: u64,
    p95_us: Option<u64>,
    /// When that was found; `None`: not since something was forgotten, or for too few samples.
    found_ms: Option<u64>,
}

#[derive(Debug)]
struct Half {
    counts: [u32; BUCKETS],
    samples: u32,
}

impl Half {
    const EMPTY: Half = Half { counts: [0; BUCKETS], samples: 0 };
}

impl Default for Sketch {
    fn default() -> Self {
        Self { newer: Half::EMPTY, older: Half::EMPTY, half: 0, p95_us: None, found_ms: None }
    }
}

impl Sketch {
    /// One sample: values and how often they occurred in it.
    pub fn add(&mut self, now_ms: u64, values_us: impl IntoIterator<Item = (u64, u32)>) {
        self.forget(now_ms);
        self.newer.samples = self.newer.samples.saturating_add(1);
        for (value_us, times) in values_us {
            if let Some(count) = self.newer.counts.get_mut(bucket(value_us)) {
                *count = count.saturating_add(times);
            }
        }
    }

    /// At most this long in 95 of 100 cases. `None`: too few samples.
    pub fn p95_us(&mut self, now_ms: u64) -> Option<u64> {
        if self.found_ms.is_some_and(|found| now_ms.abs_diff(found) < FRESH_MS) {
            return self.p95_us;
        }
        self.find(now_ms)
    }

    #[cold]
    fn find(&mut self, now_ms: u64) -> Option<u64> {
        self.forget(now_ms);
        if self.newer.samples.saturating_add(self.older.samples) < SAMPLES_MIN {
            return None;
        }
        self.p95_us = self.quantile(95);
        self.found_ms = Some(now_ms);
        self.p95_us
    }

    fn quantile(&self, percent: u64) -> Option<u64> {
        let counts =
            || self.newer.counts.iter().zip(&self.older.counts).map(|(new, old)| u64::from(*new) + u64::from(*old));
        let rank = (counts().sum::<u64>() * percent).div_ceil(100).max(1);
        let mut below = 0;
        let at = counts().position(|count| {
            below += count;
            below >= rank
        });
        at.map(middle_us)
    }

    fn forget(&mut self, now_ms: u64) {
        let half = now_ms / HALF_MS;
        // A clock that was set back a little changes nothing.
        if half != self.half && half + 1 != self.half {
            self.turn_to(half);
        }
    }

    #[cold]
    fn turn_to(&mut self, half: u64) {
        let newer = std::mem::replace(&mut self.newer, Half::EMPTY);
        self.older = if half == self.half + 1 { newer } else { Half::EMPTY };
        self.half = half;
        self.found_ms = None;
    }
}

fn bucket(value_us: u64) -> usize {
    let value = (value_us / UNIT_US).min(VALUE_MAX);
    // The position of the highest bit; the first two powers are counted one by one.
    let power = value.max(STEPS as u64).ilog2() - STEPS_LOG2;
    (power as usize) * STEPS + (value >> power) as usize
}

fn middle_us(bucket: usize) -> u64 {
    let power = (bucket / STEPS).saturating_sub(1);
    let lowest = ((bucket - power * STEPS) as u64) << power;
    lowest * UNIT_US + (UNIT_US << power) / 2
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NOW: u64 = 1_700_000_100_000;

    fn of(values_ms: impl IntoIterator<Item = u64>) -> Sketch {
        let mut sketch = Sketch::default();
        for value in values_ms {
            sketch.add(NOW, [(value * 1000, 1)]);
        }
        sketch
    }

    #[test]
    fn too_few_samples_say_nothing() {
        assert_eq!(of(0..19).p95_us(NOW), None);
        assert!(of(0..20).p95_us(NOW).is_some());
        // However many values one sample has.
        let mut sketch = Sketch::default();
        sketch.add(NOW, [(1_000, 1_000_000)]);
        assert_eq!(sketch.p95_us(NOW), None);
    }

    #[test]
    fn what_is_old_is_forgotten() {
        let mut sketch = of(std::iter::repeat_n(2_000, 50));
        assert!(sketch.p95_us(NOW + 4 * 60_000).is_some());
        assert_eq!(sketch.p95_us(NOW + 10 * 60_000), None);
        for _ in 0..50 {
            sketch.add(NOW + 10 * 60_000, [(100_000, 1)]);
        }
        let p95 = sketch.p95_us(NOW + 10 * 60_000).unwrap();
        assert!((95_000..105_000).contains(&p95), "{p95}");
    }

    #[test]
    fn a_clock_set_back_by_hours_does_not_keep_it() {
        let mut sketch = of(std::iter::repeat_n(2_000, 50));
        assert!(sketch.p95_us(NOW - 60_000).is_some());
        assert_eq!(sketch.p95_us(NOW - 3_600_000), None);
    }

    #[test]
    fn extremes_have_a_bucket() {
        for value in [0, 1, UNIT_US, u64::MAX] {
            assert!(bucket(value) < BUCKETS, "{value}");
        }
        assert_eq!(bucket(u64::MAX), BUCKETS - 1);
    }

    proptest! {
        #[test]
        fn p95_is_within_five_percent(values in prop::collection::vec(2u64..600_000, 20..300)) {
            let mut sorted = values.clone();
            sorted.sort_unstable();
            let exact = sorted[(values.len() * 95).div_ceil(100) - 1] * 1000;
            let p95 = of(values).p95_us(NOW).unwrap();
            prop_assert!(p95.abs_diff(exact) * 20 <= exact, "{} {}", p95, exact);
        }
    }
}
