//! What the provider saw, for tests: `GET /mock/stats`.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Shared by the threads of one provider. Plain counters: readers need no order between them.
#[derive(Default)]
pub struct Stats {
    pub connections: AtomicU64,
    pub connections_open: AtomicU64,
    pub requests: AtomicU64,
    pub streams: AtomicU64,
    pub streams_finished: AtomicU64,
    /// Answers whose client left before the end.
    pub aborted: AtomicU64,
    pub tokens: AtomicU64,
    pub faults: AtomicU64,
    pub otlp_requests: AtomicU64,
    pub otlp_bytes: AtomicU64,
    /// In uncompressed protobuf bodies.
    pub otlp_server_spans: AtomicU64,
}

pub fn add(counter: &AtomicU64, n: u64) {
    counter.fetch_add(n, Relaxed);
}

impl Stats {
    pub fn to_json(&self) -> String {
        let get = |counter: &AtomicU64| counter.load(Relaxed);
        serde_json::json!({
            "connections": get(&self.connections),
            "connections_open": get(&self.connections_open),
            "requests": get(&self.requests),
            "streams": get(&self.streams),
            "streams_finished": get(&self.streams_finished),
            "aborted": get(&self.aborted),
            "tokens": get(&self.tokens),
            "faults": get(&self.faults),
            "otlp_requests": get(&self.otlp_requests),
            "otlp_bytes": get(&self.otlp_bytes),
            "otlp_server_spans": get(&self.otlp_server_spans),
        })
        .to_string()
    }
}
