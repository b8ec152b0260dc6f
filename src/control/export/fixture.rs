//! A view for tests, and the settings it is made with.

use crate::config::Telemetry;
use crate::runtime::Driver;
use crate::telemetry::Record;
use crate::telemetry::totals::{ShardCounters, Totals};

use super::{ControlCounters, ExportStats, HealthView, MetricsView, ProbeView, ProcessStats, ScopeView, ShardView};

pub fn telemetry() -> Telemetry {
    Telemetry {
        traces: None,
        metrics: None,
        service_name: "gate".into(),
        resource_attributes: vec![("region".into(), "eu".into()), ("service.name".into(), "ignored".into())],
        metadata_labels: vec!["customer_id".into()],
        metric_interval_ms: 60_000,
        delta_temporality: false,
        span_delay_ms: 5,
        span_queue_max: 1000,
        span_batch_max: 100,
        sample_ratio: 1.0,
        parent_based: true,
    }
}

pub fn totals<'r>(records: impl IntoIterator<Item = &'r Record>) -> Totals {
    let mut totals = Totals::new(&telemetry().metadata_labels);
    for record in records {
        totals.observe(record);
    }
    totals
}

pub fn shards() -> Vec<ShardView> {
    let counters = ShardCounters { connections_accepted: 3, records_dropped: 1, ..ShardCounters::default() };
    vec![
        ShardView { shard: 0, driver: Some(Driver::IoUring), counters },
        ShardView { shard: 1, driver: Some(Driver::Epoll), counters: ShardCounters::default() },
    ]
}

fn health() -> HealthView {
    let healthy = |name: &str| ScopeView { name: name.into(), healthy: true, ..ScopeView::default() };
    let slow = ScopeView { name: "mock/slow".into(), cooldown_end_ms: Some(1_700_000_000_500), ..ScopeView::default() };
    let back = ScopeView { half_open: true, ..slow.clone() };
    HealthView {
        targets: vec![healthy("mock/fast"), slow],
        regions: vec![healthy("mock/mock"), ScopeView { name: "mock/there".into(), ..back }],
        slow: vec![("mock/fast".into(), "chat".into(), false), ("mock/slow".into(), "chat".into(), true)],
        verdicts: vec![("mock/slow".into(), "unhealthy", "rate_limited", 2)],
        probes: vec![ProbeView { account: "mock".into(), failures: 1, last_seconds: Some(0.25) }],
    }
}

pub fn view<'a>(totals: &'a Totals, shards: &'a [ShardView], telemetry: &'a Telemetry) -> MetricsView<'a> {
    let process =
        ProcessStats { cpu_seconds: 1.5, resident_bytes: 4096, open_fds: 9, threads: 3, start_seconds: 1.7e9 };
    let control = ControlCounters { config_reloads: 1, config_epoch: 1, ..ControlCounters::default() };
    MetricsView { totals, shards, process, export: ExportStats::default(), control, health: health(), telemetry }
}
