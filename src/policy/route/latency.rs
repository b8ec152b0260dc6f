//! How fast a target answers: means for latency-based routing and SLAs, quantiles for SLOs and hedges.
//!
//! Time per token is all generating time over all tokens of the window, not the mean of each answer's own: an answer of
//! three tokens then says as little as it knows. The time between tokens that an objective is about is the gap between
//! two content events, the same that the metrics show: a stream whose mean is fine may still stutter.

use super::rolling::Rolling;
use super::sketch::Sketch;
use crate::config::SlaCutoff;
use crate::telemetry::Gaps;

/// Spec "seed" 2.3, latency-based routing.
const WINDOW_S: u64 = 20 * 60;
const WINDOW_CALLS: usize = 100;
/// With fewer a mean is not known.
const SAMPLES_MIN: u64 = 3;

/// Of one target on one shard: nothing until its first answer, then some 8 KiB.
#[derive(Debug, Default)]
pub struct Latency(Option<Box<Known>>);

/// An answer that was served.
#[derive(Clone, Copy, Debug)]
pub struct Answered {
    /// Unix milliseconds.
    pub now_ms: u64,
    /// From the attempt's begin; streams only.
    pub ttft_us: Option<u64>,
    /// From the first token to the last; all of it where the answer is no stream.
    pub generating_us: u64,
    /// 0 where they are not known, or where the answer has none (embeddings): then it counts as one token if it is no
    /// stream, and says nothing about time per token if it is one.
    pub output_tokens: u64,
    /// Between the content events of a stream.
    pub gaps: Gaps,
}

#[derive(Debug, Default)]
struct Known {
    calls: Calls,
    /// For SLAs: times to the first token (sum in us, count), generating (sum in us, tokens, count). The last 3 minutes.
    recent: Rolling<5, 18, 10_000>,
    ttft: Sketch,
    itl: Sketch,
}

impl Latency {
    pub fn observe(&mut self, answered: &Answered) {
        let Known { calls, recent, ttft, itl } = &mut **self.0.get_or_insert_default();
        let now_ms = answered.now_ms;
        let tokens = if answered.ttft_us.is_none() { answered.output_tokens.max(1) } else { answered.output_tokens };
        if tokens > 0 {
            calls.add(now_ms, answered.generating_us, tokens);
            recent.add(now_ms, [0, 0, answered.generating_us, tokens, 1]);
        }
        if let Some(ttft_us) = answered.ttft_us {
            recent.add(now_ms, [ttft_us, 1, 0, 0, 0]);
            ttft.add(now_ms, [(ttft_us, 1)]);
        }
        if answered.gaps.count() > 0 {
            itl.add(now_ms, spread(&answered.gaps));
        }
    }

    /// Nanoseconds per output token, the mean of the last 20 minutes or 100 calls. `None`: too few samples.
    pub fn time_per_token_ns(&mut self, now_ms: u64) -> Option<u64> {
        self.0.as_mut()?.calls.time_per_token_ns(now_ms)
    }

    /// Whether the means of the last 3 minutes are within the SLA, as far as they are known.
    pub fn keeps(&mut self, sla: &SlaCutoff, now_ms: u64) -> bool {
        let Some(known) = &mut self.0 else { return true };
        let [ttft_us, ttfts, generating_us, tokens, calls] = known.recent.totals(now_ms);
        let within = |limit_ms: Option<u32>, sum_us: u64, count: u64| {
            limit_ms.is_none_or(|limit| sum_us <= u64::from(limit).saturating_mul(1000).saturating_mul(count))
        };
        (ttfts < SAMPLES_MIN || within(sla.time_to_first_token_ms, ttft_us, ttfts))
            && (calls < SAMPLES_MIN || within(sla.time_per_output_token_ms, generating_us, tokens))
    }

    /// 95 % of its streams had their first token after this long, over the last 5 to 10 minutes. `None`: too few.
    pub fn ttft_p95_us(&mut self, now_ms: u64) -> Option<u64> {
        self.0.as_mut()?.ttft.p95_us(now_ms)
    }

    /// 95 % of the gaps between content events were at most this long. `None`: too few streams.
    pub fn itl_p95_us(&mut self, now_ms: u64) -> Option<u64> {
        self.0.as_mut()?.itl.p95_us(now_ms)
    }
}

/// The gaps of a stream one by one, as well as its buckets know them: each bucket's are taken for its middle, all moved
/// by the same factor so that their sum is what it was. Where all are alike, as in a steady stream, that is exact.
fn spread(gaps: &Gaps) -> impl Iterator<Item = (u64, u32)> + use<> {
    let lower = |at: usize| at.checked_sub(1).and_then(|at| Gaps::BOUNDS_NS.get(at)).copied().unwrap_or(0);
    let max_ns = gaps.max_ns;
    let buckets = gaps.counts.into_iter().enumerate().filter(|(_, count)| *count > 0).map(move |(at, count)| {
        let upper = Gaps::BOUNDS_NS.get(at).map_or(max_ns, |bound| max_ns.min(*bound));
        (lower(at), upper.max(lower(at)), count)
    });
    let middle = |lower: u64, upper: u64| lower.saturating_add(upper) as f64 / 2.0;
    let middles = buckets.clone().map(move |(lower, upper, count)| middle(lower, upper) * f64::from(count));
    let factor = gaps.sum_ns as f64 / middles.sum::<f64>().max(1.0);
    buckets.map(move |(lower, upper, count)| {
        let value_ns = (middle(lower, upper) * factor) as u64;
        (value_ns.clamp(lower, upper) / 1000, count)
    })
}

/// The last calls, with their sums.
#[derive(Debug)]
struct Calls {
    generating_us: u64,
    tokens: u64,
    /// Of those, where they are enough: every choice asks for it, and a division is dear.
    time_per_token_ns: Option<u64>,
    /// When the oldest one is to be forgotten, in unix seconds.
    oldest_ends_s: u64,
    /// Index of the oldest one.
    first: usize,
    len: usize,
    ring: [Call; WINDOW_CALLS],
}

#[derive(Clone, Copy, Debug, Default)]
struct Call {
    unix_s: u32,
    generating_us: u32,
    tokens: u32,
}

impl Default for Calls {
    fn default() -> Self {
        let ring = [Call::default(); WINDOW_CALLS];
        Self { generating_us: 0, tokens: 0, time_per_token_ns: None, oldest_ends_s: u64::MAX, first: 0, len: 0, ring }
    }
}

impl Calls {
    /// An answer of more than 71 minutes counts as one of that.
    fn add(&mut self, now_ms: u64, generating_us: u64, tokens: u64) {
        self.forget(now_ms);
        if self.len == WINDOW_CALLS {
            self.pop();
        }
        let cut = |value: u64| u32::try_from(value).unwrap_or(u32::MAX);
        let call = Call { unix_s: cut(now_ms / 1000), generating_us: cut(generating_us), tokens: cut(tokens) };
        if let Some(slot) = self.ring.get_mut((self.first + self.len) % WINDOW_CALLS) {
            *slot = call;
            self.len += 1;
            self.generating_us += u64::from(call.generating_us);
            self.tokens += u64::from(call.tokens);
        }
        self.look();
    }

    fn time_per_token_ns(&mut self, now_ms: u64) -> Option<u64> {
        self.forget(now_ms);
        self.time_per_token_ns
    }

    #[inline]
    fn forget(&mut self, now_ms: u64) {
        if self.oldest_ends_s <= now_ms / 1000 {
            self.forget_oldest(now_ms / 1000);
        }
    }

    #[cold]
    fn forget_oldest(&mut self, now_s: u64) {
        while self.oldest_ends_s <= now_s {
            self.pop();
            self.look();
        }
    }

    fn pop(&mut self) {
        let Some(oldest) = self.ring.get(self.first) else { return };
        self.generating_us -= u64::from(oldest.generating_us);
        self.tokens -= u64::from(oldest.tokens);
        self.first = (self.first + 1) % WINDOW_CALLS;
        self.len -= 1;
    }

    /// After every change.
    fn look(&mut self) {
        let oldest = self.ring.get(self.first).filter(|_| self.len > 0);
        self.oldest_ends_s = oldest.map_or(u64::MAX, |call| u64::from(call.unix_s) + WINDOW_S);
        let enough = self.len as u64 >= SAMPLES_MIN;
        self.time_per_token_ns = enough.then(|| (self.generating_us * 1000).checked_div(self.tokens)).flatten();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_700_000_100_000;

    fn stream(now_ms: u64, ttft_ms: u64, token_ms: u64, tokens: u64) -> Answered {
        let mut gaps = Gaps::default();
        (1..tokens).for_each(|_| gaps.add(token_ms * 1_000_000));
        let generating_us = token_ms * 1000 * tokens;
        Answered { now_ms, ttft_us: Some(ttft_ms * 1000), generating_us, output_tokens: tokens, gaps }
    }

    fn whole(now_ms: u64, ms: u64, tokens: u64) -> Answered {
        let gaps = Gaps::default();
        Answered { now_ms, ttft_us: None, generating_us: ms * 1000, output_tokens: tokens, gaps }
    }

    fn after(all: impl IntoIterator<Item = Answered>) -> Latency {
        let mut latency = Latency::default();
        all.into_iter().for_each(|answered| latency.observe(&answered));
        latency
    }

    #[test]
    fn time_per_token_is_that_of_the_last_twenty_minutes_or_hundred_calls() {
        let ms = |latency: &mut Latency, now_ms| latency.time_per_token_ns(now_ms).map(|ns| ns / 1_000_000);
        let mut few = after([stream(NOW, 500, 20, 100), stream(NOW, 500, 20, 100)]);
        assert_eq!(ms(&mut few, NOW), None);
        few.observe(&whole(NOW + 60_000, 8_000, 100));
        assert_eq!(ms(&mut few, NOW + 60_000), Some(40));
        assert_eq!(ms(&mut few, NOW + 1_199_000), Some(40));
        // Two of the three are too old.
        assert_eq!(ms(&mut few, NOW + 1_200_000), None);
        let mut many = after((0..100).map(|_| stream(NOW, 500, 50, 10)));
        assert_eq!(ms(&mut many, NOW), Some(50));
        (0..50).for_each(|_| many.observe(&stream(NOW, 500, 10, 10)));
        assert_eq!(ms(&mut many, NOW), Some(30));
        (0..50).for_each(|_| many.observe(&stream(NOW, 500, 10, 10)));
        assert_eq!(ms(&mut many, NOW), Some(10));
    }

    #[test]
    fn answers_without_tokens() {
        let mut embeddings = after([whole(NOW, 30, 0), whole(NOW, 30, 0), whole(NOW, 60, 0)]);
        assert_eq!(embeddings.time_per_token_ns(NOW), Some(40_000_000));
        let mut unknown = after((0..5).map(|_| stream(NOW, 500, 20, 0)));
        assert_eq!(unknown.time_per_token_ns(NOW), None);
    }

    #[test]
    fn numbers_out_of_all_bounds_do_not_overflow() {
        let mut gaps = Gaps::default();
        gaps.add(u64::MAX / 2);
        let mad =
            Answered { now_ms: NOW, ttft_us: Some(u64::MAX), generating_us: u64::MAX, output_tokens: u64::MAX, gaps };
        let mut latency = after([mad; 150]);
        let sla = SlaCutoff { time_per_output_token_ms: Some(u32::MAX), time_to_first_token_ms: Some(u32::MAX) };
        assert!(latency.time_per_token_ns(NOW).is_some() && latency.itl_p95_us(NOW).is_some());
        latency.keeps(&sla, NOW);
    }

    #[test]
    fn an_sla_is_about_the_last_three_minutes() {
        let ttft = SlaCutoff { time_to_first_token_ms: Some(800), ..SlaCutoff::default() };
        let token = SlaCutoff { time_per_output_token_ms: Some(30), ..SlaCutoff::default() };
        let slow_start = |count| after((0..count).map(|_| stream(NOW, 900, 20, 50)));
        let slow_stream = |count| after((0..count).map(|_| stream(NOW, 700, 40, 50)));
        for (mut latency, sla, after_ms, keeps) in [
            (Latency::default(), ttft, 0, true),
            (slow_start(2), ttft, 0, true),
            (slow_start(3), ttft, 0, false),
            (slow_start(3), token, 0, true),
            (slow_stream(3), token, 0, false),
            (slow_stream(3), ttft, 0, true),
            (slow_start(3), ttft, 160_000, false),
            (slow_start(3), ttft, 180_000, true),
        ] {
            assert_eq!(latency.keeps(&sla, NOW + after_ms), keeps, "{sla:?} {after_ms}");
        }
        // A mean, not each.
        let mut mixed = after([stream(NOW, 100, 20, 50), stream(NOW, 100, 20, 50), stream(NOW, 2_000, 20, 50)]);
        assert!(mixed.keeps(&ttft, NOW));
    }

    #[test]
    fn p95s_are_known_after_twenty_streams() {
        let near = |value: Option<u64>, ms: u64| value.is_some_and(|us| us.abs_diff(ms * 1000) * 20 <= ms * 1000);
        let mut latency = after((0..19).map(|_| stream(NOW, 300, 26, 50)));
        assert_eq!((latency.ttft_p95_us(NOW), latency.itl_p95_us(NOW)), (None, None));
        latency.observe(&stream(NOW, 300, 26, 50));
        assert!(near(latency.ttft_p95_us(NOW), 300), "{:?}", latency.ttft_p95_us(NOW));
        // Anywhere in a bucket of 20 to 30 ms.
        assert!(near(latency.itl_p95_us(NOW), 26), "{:?}", latency.itl_p95_us(NOW));
    }

    #[test]
    fn a_stutter_shows_in_the_gaps_where_the_mean_is_fine() {
        let mut gaps = Gaps::default();
        (0..90).for_each(|_| gaps.add(18_000_000));
        (0..10).for_each(|_| gaps.add(400_000_000));
        let one =
            Answered { now_ms: NOW, ttft_us: Some(1), generating_us: gaps.sum_ns / 1000, output_tokens: 101, gaps };
        let mut latency = after([one; 20]);
        let p95 = latency.itl_p95_us(NOW).expect("enough");
        assert!((360_000..440_000).contains(&p95), "{p95}");
        assert!(latency.time_per_token_ns(NOW).expect("enough") < 60_000_000);
    }
}
