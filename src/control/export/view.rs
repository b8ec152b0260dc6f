//! Everything that `/metrics` and OTLP metrics are made of, as the control core holds it at one moment.

use std::sync::Arc;

use crate::config::Telemetry;
use crate::runtime::Driver;
use crate::telemetry::totals::{ShardCounters, Totals};

use super::process::ProcessStats;

pub struct MetricsView<'a> {
    /// Merged over all shards since the start.
    pub totals: &'a Totals,
    pub shards: &'a [ShardView],
    pub process: ProcessStats,
    pub export: ExportStats,
    pub control: ControlCounters,
    pub health: HealthView,
    pub telemetry: &'a Telemetry,
}

/// One shard, since its start: [`ShardCounters::absorb`] of every totals it sent.
#[derive(Clone, Debug, Default)]
pub struct ShardView {
    pub shard: usize,
    /// `None` until it has said that it serves.
    pub driver: Option<Driver>,
    pub counters: ShardCounters,
}

/// Health of what rules name, and the probes.
#[derive(Clone, Debug, Default)]
pub struct HealthView {
    /// By `account/model`.
    pub targets: Vec<ScopeView>,
    pub regions: Vec<ScopeView>,
    /// Of each target and rule with an SLA or an objective, whether it is missed.
    pub slow: Vec<(Box<str>, Arc<str>, bool)>,
    /// Changes of targets since the start: what they became, why (empty for healthy), how often.
    pub verdicts: Vec<(Box<str>, &'static str, &'static str, u64)>,
    pub probes: Vec<ProbeView>,
}

/// A target or a region.
#[derive(Clone, Debug, Default)]
pub struct ScopeView {
    pub name: Box<str>,
    pub healthy: bool,
    /// It failed, its cool-down is over, and the next request tries it.
    pub half_open: bool,
    /// Of one that is not healthy; unix milliseconds, past or to come.
    pub cooldown_end_ms: Option<u64>,
}

/// The probe of one account.
#[derive(Clone, Debug)]
pub struct ProbeView {
    pub account: Box<str>,
    pub failures: u64,
    /// How long the last one took; `None` before it.
    pub last_seconds: Option<f64>,
}

/// What the control core itself counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ControlCounters {
    /// Loads and reloads whose configuration was refused.
    pub config_parsing_failures: u64,
    /// Configurations put in force, the first included.
    pub config_reloads: u64,
    /// Gauge: the epoch in force.
    pub config_epoch: u64,
    /// Renewals of the price table from its list.
    pub price_refreshes: u64,
    pub price_refresh_failures: u64,
    pub rows_written: u64,
    /// Request rows lost because the store could not keep up.
    pub rows_dropped: u64,
}

/// What the exporter did, per signal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ExportStats {
    pub traces: SignalStats,
    pub metrics: SignalStats,
}

/// Items are spans or data points.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SignalStats {
    pub exported: u64,
    /// Refused by the receiver in a partial success.
    pub rejected: u64,
    /// Requests sent again.
    pub retried: u64,
    /// Gauge: items waiting or under way.
    pub queued: u64,
    pub dropped: Dropped,
}

/// Items lost, by reason.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Dropped {
    pub queue_full: u64,
    /// The receiver answered with an error that a retry does not mend.
    pub refused: u64,
    /// Retried for as long as allowed.
    pub gave_up: u64,
    /// One request above the protocol's 64 MiB.
    pub too_large: u64,
    /// Not sent when the time for shutting down was over.
    pub shutdown: u64,
}

impl Dropped {
    pub fn by_reason(&self) -> [(&'static str, u64); 5] {
        [
            ("queue_full", self.queue_full),
            ("refused", self.refused),
            ("gave_up", self.gave_up),
            ("too_large", self.too_large),
            ("shutdown", self.shutdown),
        ]
    }
}
