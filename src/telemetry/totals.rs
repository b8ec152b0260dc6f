//! What a shard adds up, and the control core merges: the numbers behind `/metrics` and OTLP metrics. Never sampled,
//! never dropped (P3): a record that finds its ring full is still in here.

use crate::telemetry::Record;

/// Counters of a shard that belong to no single request. Gauges hold the value at the moment of the swap.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ShardCounters {
    pub connections_accepted: u64,
    pub connections_handed_over: u64,
    /// Gauge.
    pub connections_open: u64,
    /// Gauge: requests that have begun and not ended.
    pub requests_active: u64,
    /// Client bytes that were not HTTP/1.1, by the count of connections closed for it.
    pub protocol_errors: u64,
    pub tls_handshake_failures: u64,
    pub panics: u64,
    pub upstream_connects: u64,
    pub upstream_connect_failures: u64,
    pub upstream_reuses: u64,
    /// Gauge.
    pub upstream_idle: u64,
    /// Gauge.
    pub upstream_open: u64,
    /// Pooled connections closed because the peer closed them or sent bytes while idle.
    pub upstream_idle_closed: u64,
    /// Records that found the ring full: their rows and spans are lost, their totals are not.
    pub records_dropped: u64,
    /// Gauge: bytes held in stream and body buffers.
    pub buffer_bytes: u64,
}

/// Everything since the last swap.
#[derive(Default)]
pub struct Totals {
    pub counters: ShardCounters,
}

impl Totals {
    /// Adds one finished request.
    pub fn observe(&mut self, record: &Record) {
        let _ = record;
    }

    /// Adds what another shard, or the same one earlier, counted.
    pub fn merge(&mut self, other: &Totals) {
        let _ = other;
    }
}
