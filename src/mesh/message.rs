//! What travels on the rings.

use std::net::SocketAddr;
use std::os::fd::OwnedFd;

use crate::config::Snapshot;
use crate::policy::route::health::{Scope, Verdict};
use crate::policy::route::slow::SlowFor;
use crate::provider::Fetched;
use crate::runtime::Driver;
use crate::telemetry::Record;
use crate::telemetry::totals::Totals;

/// From a shard to the control core. Only [`Up::Record`] may be dropped, and then it is counted in the totals.
pub enum Up {
    /// The shard listens and serves on this driver; `why` says why io_uring was not used.
    Started {
        driver: Driver,
        why: Option<Box<str>>,
    },
    Record(Box<Record>),
    /// The answer to [`Down::Collect`]: everything since the last one.
    Totals {
        sequence: u64,
        totals: Box<Totals>,
    },
    /// The snapshot of this epoch is in force.
    Applied {
        epoch: u64,
    },
    /// An accepted socket for another shard.
    HandOver {
        shard: usize,
        socket: OwnedFd,
    },
    /// Text waits to be counted and the tokenizers are not loaded yet.
    NeedTokenizers,
    /// What a target or region can do has changed, as this shard sees it.
    Verdict(Box<(Scope, Verdict)>),
    /// All targets that are too slow for a rule, as this shard measures them: others than before.
    Slow(Box<[SlowFor]>),
    Log(Box<LogLine>),
    /// Drained: nothing is open any more, the thread is about to end.
    Stopped,
    /// The shard's thread failed and serves no more.
    Failed(Box<str>),
}

/// From the control core to a shard.
pub enum Down {
    /// Replaces the configuration, between two requests.
    Snapshot(Box<Snapshot>),
    /// Addresses of an upstream host; an empty list means it does not resolve.
    Addresses { host: Box<str>, addresses: Vec<SocketAddr> },
    /// The credential of an account that the control core keeps fresh.
    Credential { account: Box<str>, fetched: Box<Fetched> },
    /// The same from another shard, or from an active probe.
    Verdict(Box<(Scope, Verdict)>),
    /// Swap in empty totals and send the full ones.
    Collect { sequence: u64 },
    /// A socket another shard accepted.
    Connection(OwnedFd),
    /// Stop accepting, finish what is open, then end; cut what is still open after this long.
    Drain { within_ms: u64 },
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LogLevel {
    Error,
    Warn,
    Info,
    Debug,
}

/// A log line made on a shard and written by the control core: a shard never writes to a file or terminal.
pub struct LogLine {
    pub level: LogLevel,
    pub message: String,
}
