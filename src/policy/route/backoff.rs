//! How long to wait before a retry, and how many there may be at all.

/// The longest wait before a retry, whether computed here or asked for by the provider.
pub const WAIT_MS_MAX: u64 = 10_000;

/// Full jitter: anywhere between 0 and `delay_ms` doubled once per retry made before, so that those who failed together do
/// not come back together. `random` is uniform.
pub fn backoff_ms(delay_ms: u64, retries: u32, random: u64) -> u64 {
    let doubled = delay_ms.saturating_mul(1 << retries.min(32));
    share(doubled.min(WAIT_MS_MAX), random)
}

/// A number of 0..=`most`, each as likely as the others.
pub(super) fn share(most: u64, random: u64) -> u64 {
    ((u128::from(random) * (u128::from(most) + 1)) >> 64) as u64
}

/// Retries and hedges of one shard, as a share of its requests: an outage must not multiply traffic. A token bucket: each
/// request brings a fifth of a retry; where requests are few, a second brings one; [`Budget::default`] is full up to what
/// few requests may have.
#[derive(Debug, Default)]
pub struct Budget {
    /// Thousandths of a retry.
    saved: u32,
    last_ms: u64,
}

const RETRY: u32 = 1000;
const PER_REQUEST: u32 = RETRY / 5;
const SAVED_MAX: u32 = 100 * RETRY;
/// Up to here time alone fills it: ten retries in ten seconds, one thousandth per millisecond.
const SAVED_BY_TIME_MAX: u32 = 10 * RETRY;

impl Budget {
    /// A request came in.
    pub fn deposit(&mut self, now_ms: u64) {
        let passed = now_ms.saturating_sub(self.last_ms).min(u64::from(SAVED_BY_TIME_MAX)) as u32;
        self.last_ms = now_ms;
        let with_time = self.saved.saturating_add(passed).min(SAVED_BY_TIME_MAX);
        self.saved = self.saved.max(with_time).saturating_add(PER_REQUEST).min(SAVED_MAX);
    }

    pub fn allows(&self) -> bool {
        self.saved >= RETRY
    }

    /// A retry or a hedge goes out.
    pub fn withdraw(&mut self) {
        self.saved = self.saved.saturating_sub(RETRY);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn waits_double_up_to_the_longest() {
        for (delay, retries, longest) in
            [(100, 0, 100), (100, 1, 200), (100, 3, 800), (100, 9, 10_000), (u64::MAX, u32::MAX, 10_000), (0, 5, 0)]
        {
            assert_eq!(backoff_ms(delay, retries, u64::MAX), longest, "{delay} {retries}");
            assert_eq!(backoff_ms(delay, retries, 0), 0);
        }
        assert_eq!(backoff_ms(100, 0, u64::MAX / 2), 50);
    }

    #[test]
    fn few_requests_may_have_ten_retries_in_ten_seconds() {
        let mut budget = Budget::default();
        budget.deposit(1_000_000);
        let mut made = 0;
        while budget.allows() {
            budget.withdraw();
            made += 1;
        }
        assert_eq!(made, 10);
        budget.deposit(1_010_000);
        assert_eq!(budget.saved, SAVED_BY_TIME_MAX + PER_REQUEST);
        budget.deposit(900_000);
        assert_eq!(budget.saved, SAVED_BY_TIME_MAX + 2 * PER_REQUEST, "a clock set back brings nothing");
    }

    #[test]
    fn no_more_than_a_hundred_are_saved() {
        let mut budget = Budget::default();
        (0..10_000).for_each(|at| budget.deposit(at));
        assert_eq!(budget.saved, SAVED_MAX);
    }

    proptest! {
        /// However requests come, an outage of everything adds a fifth, and what few requests may have.
        #[test]
        fn retries_are_a_fifth_of_requests(gaps in prop::collection::vec(0u64..50, 1..2000)) {
            let (mut budget, mut now, mut made) = (Budget::default(), 1_000_000, 0);
            for gap in &gaps {
                now += gap;
                budget.deposit(now);
                if budget.allows() {
                    budget.withdraw();
                    made += 1;
                }
            }
            let by_time = (now - 1_000_000) / 1000;
            prop_assert!(made <= gaps.len() as u64 / 5 + 10 + by_time + 1);
        }

        #[test]
        fn a_wait_is_never_longer_than_the_longest(delay: u64, retries: u32, random: u64) {
            prop_assert!(backoff_ms(delay, retries, random) <= WAIT_MS_MAX.min(delay.saturating_mul(1 << retries.min(32))));
        }
    }
}
