//! Per shard: connections, pool, losses; the label is the shard's number.

use super::Kind::{Counter, Gauge};
use super::Value::Int;
use super::{Family, Read, text};

const fn family(name: &'static str, unit: &'static str, kind: super::Kind, help: &'static str, read: Read) -> Family {
    Family { name, prometheus: None, help, unit, kind, read }
}

pub static FAMILIES: &[Family] = &[
    family(
        "sluice.runtime.info",
        "",
        Gauge,
        "The driver a shard runs on; always 1.",
        Read::Shard(|shard, emit| {
            if let Some(driver) = shard.driver {
                emit(&[text("driver", driver.as_str())], Int(1));
            }
        }),
    ),
    family(
        "sluice.connections.accepted",
        "{connection}",
        Counter,
        "Client connections accepted.",
        Read::Shard(|shard, emit| emit(&[], Int(shard.counters.connections_accepted))),
    ),
    family(
        "sluice.connections.handed_over",
        "{connection}",
        Counter,
        "Client connections given to a less busy shard.",
        Read::Shard(|shard, emit| emit(&[], Int(shard.counters.connections_handed_over))),
    ),
    family(
        "sluice.connections.open",
        "{connection}",
        Gauge,
        "Client connections open.",
        Read::Shard(|shard, emit| emit(&[], Int(shard.counters.connections_open))),
    ),
    family(
        "sluice.requests.active",
        "{request}",
        Gauge,
        "Requests that have begun and not ended.",
        Read::Shard(|shard, emit| emit(&[], Int(shard.counters.requests_active))),
    ),
    family(
        "sluice.protocol.errors",
        "{connection}",
        Counter,
        "Connections closed because their bytes were not HTTP/1.1.",
        Read::Shard(|shard, emit| emit(&[], Int(shard.counters.protocol_errors))),
    ),
    family(
        "sluice.tls.handshake_failures",
        "{connection}",
        Counter,
        "TLS handshakes with clients that failed.",
        Read::Shard(|shard, emit| emit(&[], Int(shard.counters.tls_handshake_failures))),
    ),
    family(
        "sluice.panics",
        "{panic}",
        Counter,
        "Panics, each of which closed one connection.",
        Read::Shard(|shard, emit| emit(&[], Int(shard.counters.panics))),
    ),
    family(
        "sluice.upstream.connects",
        "{connection}",
        Counter,
        "Connections opened to upstreams.",
        Read::Shard(|shard, emit| emit(&[], Int(shard.counters.upstream_connects))),
    ),
    family(
        "sluice.upstream.connect_failures",
        "{connection}",
        Counter,
        "Connections to upstreams that could not be opened.",
        Read::Shard(|shard, emit| emit(&[], Int(shard.counters.upstream_connect_failures))),
    ),
    family(
        "sluice.upstream.reuses",
        "{attempt}",
        Counter,
        "Attempts that went out on a pooled connection.",
        Read::Shard(|shard, emit| emit(&[], Int(shard.counters.upstream_reuses))),
    ),
    family(
        "sluice.retries.denied",
        "{attempt}",
        Counter,
        "Retries and hedges not made because the retry budget, a fifth of the requests, was spent.",
        Read::Shard(|shard, emit| emit(&[], Int(shard.counters.retries_denied))),
    ),
    family(
        "sluice.cost.drifts",
        "{attempt}",
        Counter,
        "Answers whose provider reports a cost more than 5% off that of the price table: the table may be out of date.",
        Read::Shard(|shard, emit| emit(&[], Int(shard.counters.cost_drifts))),
    ),
    family(
        "sluice.upstream.idle",
        "{connection}",
        Gauge,
        "Upstream connections waiting in the pool.",
        Read::Shard(|shard, emit| emit(&[], Int(shard.counters.upstream_idle))),
    ),
    family(
        "sluice.upstream.open",
        "{connection}",
        Gauge,
        "Upstream connections open.",
        Read::Shard(|shard, emit| emit(&[], Int(shard.counters.upstream_open))),
    ),
    family(
        "sluice.upstream.idle_closed",
        "{connection}",
        Counter,
        "Pooled connections that the upstream closed or wrote to while idle.",
        Read::Shard(|shard, emit| emit(&[], Int(shard.counters.upstream_idle_closed))),
    ),
    family(
        "sluice.records.dropped",
        "{record}",
        Counter,
        "Records that found the ring full: rows and spans are missing, totals are not.",
        Read::Shard(|shard, emit| emit(&[], Int(shard.counters.records_dropped))),
    ),
    family(
        "sluice.buffer",
        "By",
        Gauge,
        "Bytes held in stream and body buffers.",
        Read::Shard(|shard, emit| emit(&[], Int(shard.counters.buffer_bytes))),
    ),
];
