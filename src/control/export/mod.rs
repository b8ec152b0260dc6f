//! Where the numbers go: OTLP traces and metrics by push, Prometheus by scrape.
//!
//! Owned by the control core. Reads records and merged totals; never asks a shard for anything and never makes the
//! control core wait: encoding is done in place, sending happens in tasks of its runtime with bounded memory.

pub mod families;
#[cfg(test)]
mod fixture;
pub mod otlp;
pub mod process;
pub mod prometheus;
mod push;
#[cfg(test)]
mod tests;
mod view;

pub use process::ProcessStats;
pub use push::Exporter;
pub use view::{
    ControlCounters, Dropped, ExportStats, HealthView, MetricsView, ProbeView, ScopeView, ShardView, SignalStats,
};
