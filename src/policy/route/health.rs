//! Whether a target, or a region, can be used now.

use crate::config::FailureTolerance;
use crate::telemetry::ErrorClass;

/// Of one target or region, as one shard sees it and as it was told.
#[derive(Debug, Default)]
pub struct Health {
    verdict: Verdict,
}

/// Whose health.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Scope {
    /// `account/model`.
    Target(Box<str>),
    /// A name of `Routing::regions`.
    Region(Box<str>),
}

/// What is shared between shards, and shown.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Verdict {
    #[default]
    Healthy,
    /// Until then nobody is sent there, then one request at a time. Unix milliseconds.
    Unhealthy { until_ms: u64, why: ErrorClass },
}

/// How an attempt ended.
#[derive(Clone, Copy, Debug)]
pub struct Ended {
    /// Unix milliseconds.
    pub now_ms: u64,
    pub duration_ms: u64,
    /// `None`: it went well.
    pub error: Option<ErrorClass>,
    pub status: u16,
    /// How long the provider wants to be left alone.
    pub hint_ms: Option<u64>,
}

impl Health {
    pub fn verdict(&self) -> Verdict {
        self.verdict
    }

    /// Whether a request may go there now; does not begin a half-open trial ([`Health::begin`] does).
    pub fn admits(&self, now_ms: u64) -> bool {
        match self.verdict {
            Verdict::Healthy => true,
            Verdict::Unhealthy { until_ms, .. } => until_ms <= now_ms,
        }
    }

    /// A request goes there.
    pub fn begin(&mut self, _now_ms: u64) {}

    /// What came of it. A new verdict is for the other shards as well.
    pub fn observe(&mut self, _ended: &Ended, _tolerance: Option<&FailureTolerance>) -> Option<Verdict> {
        None
    }

    /// The same for a region: only what says something about the whole of it counts.
    pub fn observe_region(&mut self, _ended: &Ended) -> Option<Verdict> {
        None
    }

    /// An attempt ended and says nothing (its client left): a half-open trial is free again.
    pub fn release(&mut self) {}

    /// What another shard, or an active probe, found.
    pub fn apply(&mut self, verdict: Verdict) {
        self.verdict = verdict;
    }
}
