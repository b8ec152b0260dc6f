//! What is known of a target or a region, as shards tell it each other and as it is shown.

use crate::telemetry::ErrorClass;

/// Whose health.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Scope {
    /// `account/model`.
    Target(Box<str>),
    /// A name of `Routing::regions`.
    Region(Box<str>),
}

/// Times are unix milliseconds.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Verdict {
    #[default]
    Healthy,
    /// Until then nobody is sent there, then one request at a time until one succeeds.
    Unhealthy {
        since_ms: u64,
        until_ms: u64,
        /// The latest failure. `RateLimited` with no failures: it said beforehand that its limit is used up.
        why: ErrorClass,
        /// In a row, failed trials among them.
        failures: u32,
        /// Cool-downs in a row, this one among them.
        cooldowns: u8,
    },
}

impl Verdict {
    /// The first cool-down, where no failures of requests were counted.
    pub const fn unhealthy(since_ms: u64, until_ms: u64, why: ErrorClass) -> Self {
        Self::Unhealthy { since_ms, until_ms, why, failures: 0, cooldowns: 1 }
    }
}
