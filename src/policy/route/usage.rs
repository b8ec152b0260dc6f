//! What a target was given in this minute, for `usage_limits`.
//!
//! The limits are the process's, a shard sees only itself: of N shards each gives the N-th part, rounded up so that a
//! small limit still lets something through. Connections spread over shards, so the parts are used up evenly enough;
//! this decides where requests go, not what a client may have (that is what rate limits are for).

use super::rolling::Rolling;
use crate::config::UsageLimits;

/// Requests and tokens of the last minute: 60 to 65 seconds, so that no minute gets more than the limit.
#[derive(Debug, Default)]
pub struct Usage(Rolling<2, 13, 5_000>);

impl Usage {
    /// Requests when an attempt begins, tokens (input and output) when they are known.
    pub fn add(&mut self, now_ms: u64, requests: u64, tokens: u64) {
        self.0.add(now_ms, [requests, tokens]);
    }

    /// Whether another request fits; `shards` is how many the process has.
    pub fn within(&mut self, limits: &UsageLimits, shards: u64, now_ms: u64) -> bool {
        let [requests, tokens] = self.0.totals(now_ms);
        let fits = |used: u64, limit: Option<u64>| limit.is_none_or(|limit| used < limit.div_ceil(shards.max(1)));
        fits(requests, limits.requests_per_minute) && fits(tokens, limits.tokens_per_minute)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_700_000_000_000;

    #[test]
    fn a_target_is_full_when_its_share_is_used_up() {
        let limits = |requests, tokens| UsageLimits { requests_per_minute: requests, tokens_per_minute: tokens };
        for (limits, shards, used, fits) in [
            (limits(None, None), 1, (1_000_000, 1_000_000), true),
            (limits(Some(10), None), 1, (9, 0), true),
            (limits(Some(10), None), 1, (10, 0), false),
            (limits(Some(10), None), 4, (2, 0), true),
            (limits(Some(10), None), 4, (3, 0), false),
            (limits(Some(1), None), 8, (0, 0), true),
            (limits(Some(0), None), 1, (0, 0), false),
            (limits(None, Some(1_000)), 1, (5, 999), true),
            (limits(None, Some(1_000)), 1, (5, 1_000), false),
            (limits(Some(10), Some(1_000)), 1, (10, 0), false),
            (limits(Some(10), None), 0, (9, 0), true),
        ] {
            let mut usage = Usage::default();
            usage.add(NOW, used.0, used.1);
            assert_eq!(usage.within(&limits, shards, NOW), fits, "{limits:?} {shards} {used:?}");
        }
    }

    #[test]
    fn it_is_free_again_when_the_minute_is_over() {
        let limits = UsageLimits { requests_per_minute: Some(2), tokens_per_minute: None };
        let mut usage = Usage::default();
        usage.add(NOW, 1, 0);
        usage.add(NOW + 30_000, 1, 0);
        for (after_ms, fits) in [(30_000, false), (60_000, false), (65_000, true)] {
            assert_eq!(usage.within(&limits, 1, NOW + after_ms), fits, "{after_ms}");
        }
    }
}
