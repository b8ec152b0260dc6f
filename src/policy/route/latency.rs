//! How fast a target answers: means for latency-based routing and SLAs, quantiles for SLOs and hedges.

/// Of one target on one shard.
#[derive(Debug, Default)]
pub struct Latency;

/// An answer that was served.
#[derive(Clone, Copy, Debug)]
pub struct Answered {
    /// Unix milliseconds.
    pub now_ms: u64,
    /// From the attempt's begin; streams only.
    pub ttft_us: Option<u64>,
    /// From the first token to the last; all of it where the answer is no stream.
    pub generating_us: u64,
    pub output_tokens: u64,
}

impl Latency {
    pub fn observe(&mut self, _answered: &Answered) {}

    /// `None`: too few samples.
    pub fn ttft_p95_ms(&self) -> Option<u64> {
        None
    }
}
