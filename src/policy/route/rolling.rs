//! Sums over the last few seconds or minutes, in buckets of time: what `usage_limits` and `sla_cutoff` ask for.

/// `SUMS` numbers over the current bucket and the `BUCKETS - 1` before it, `BUCKET_MS` each.
#[derive(Debug)]
pub struct Rolling<const SUMS: usize, const BUCKETS: usize, const BUCKET_MS: u64> {
    buckets: [[u64; SUMS]; BUCKETS],
    totals: [u64; SUMS],
    /// Buckets of time since 1970 at the last call.
    now: u64,
}

impl<const SUMS: usize, const BUCKETS: usize, const BUCKET_MS: u64> Default for Rolling<SUMS, BUCKETS, BUCKET_MS> {
    fn default() -> Self {
        Self { buckets: [[0; SUMS]; BUCKETS], totals: [0; SUMS], now: 0 }
    }
}

impl<const SUMS: usize, const BUCKETS: usize, const BUCKET_MS: u64> Rolling<SUMS, BUCKETS, BUCKET_MS> {
    pub fn add(&mut self, now_ms: u64, amounts: [u64; SUMS]) {
        self.forget(now_ms);
        let at = (self.now % BUCKETS as u64) as usize;
        let Some(bucket) = self.buckets.get_mut(at) else { return };
        for ((sum, total), amount) in bucket.iter_mut().zip(&mut self.totals).zip(amounts) {
            // A sum that could overflow is cut, in both the same way.
            let amount = amount.min(u64::MAX - *total);
            *sum += amount;
            *total += amount;
        }
    }

    pub fn totals(&mut self, now_ms: u64) -> [u64; SUMS] {
        self.forget(now_ms);
        self.totals
    }

    fn forget(&mut self, now_ms: u64) {
        let now = now_ms / BUCKET_MS;
        if now == self.now {
            return;
        }
        if now < self.now && self.now - now < BUCKETS as u64 {
            // The clock was set back a little: what comes now counts as of the latest bucket.
            return;
        }
        if now < self.now || now - self.now >= BUCKETS as u64 {
            *self = Self { now, ..Self::default() };
            return;
        }
        while self.now < now {
            self.now += 1;
            let at = (self.now % BUCKETS as u64) as usize;
            let Some(bucket) = self.buckets.get_mut(at) else { return };
            for (sum, total) in bucket.iter_mut().zip(&mut self.totals) {
                *total -= std::mem::take(sum);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    type Sums = Rolling<1, 12, 5_000>;

    #[test]
    fn a_bucket_is_forgotten_when_its_time_is_over() {
        let mut sums = Sums::default();
        let start = 1_700_000_000_000;
        sums.add(start, [3]);
        sums.add(start + 5_000, [4]);
        for (after_ms, total) in [(0, 7), (59_999, 7), (60_000, 4), (64_999, 4), (65_000, 0), (3_600_000, 0)] {
            assert_eq!(sums.totals(start + after_ms), [total], "{after_ms}");
        }
    }

    #[test]
    fn a_clock_set_back_does_not_keep_sums_for_ever() {
        let mut sums = Sums::default();
        sums.add(1_700_000_000_000, [3]);
        assert_eq!(sums.totals(1_700_000_000_000 - 20_000), [3]);
        assert_eq!(sums.totals(1_700_000_000_000 - 3_600_000), [0]);
        sums.add(1_700_000_000_000 - 3_600_000, [u64::MAX]);
        sums.add(1_700_000_000_000 - 3_600_000, [1]);
        assert_eq!(sums.totals(1_700_000_000_000 - 3_600_000), [u64::MAX]);
    }

    proptest! {
        #[test]
        fn totals_are_those_of_the_last_buckets(steps in prop::collection::vec((0u64..20_000, 0u64..100), 1..100)) {
            let (mut sums, mut all, mut now) = (Sums::default(), Vec::new(), 1_700_000_000_000);
            for (pause, amount) in steps {
                now += pause;
                sums.add(now, [amount]);
                all.push((now / 5_000, amount));
                let kept = all.iter().filter(|(bucket, _)| now / 5_000 - bucket < 12);
                prop_assert_eq!(sums.totals(now), [kept.map(|(_, amount)| amount).sum::<u64>()]);
            }
        }
    }
}
