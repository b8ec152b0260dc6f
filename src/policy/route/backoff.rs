//! How long to wait before a retry, and how many there may be at all.

/// Retries and hedges of one shard, as a share of its requests: an outage must not multiply traffic.
#[derive(Debug, Default)]
pub struct Budget;

impl Budget {
    /// A request came in.
    pub fn deposit(&mut self, _now_ms: u64) {}

    pub fn allows(&self) -> bool {
        true
    }

    /// A retry or a hedge goes out.
    pub fn withdraw(&mut self) {}
}
