//! What becomes of a request whose attempt failed before anything of it reached the client.

use crate::config::{Codes, Retry};
use crate::telemetry::ErrorClass;

/// A failed attempt.
#[derive(Clone, Copy, Debug)]
pub struct Failure {
    pub class: ErrorClass,
    /// 0 when there was none.
    pub status: u16,
    /// How long the provider wants to be left alone.
    pub hint_ms: Option<u64>,
    /// `x-should-retry: false`.
    pub forbids_retry: bool,
    /// Some of the request may have been worked on already: nothing of it was sent, or the connection was refused.
    pub unsent: bool,
}

/// What the target's candidate says, and where the request stands.
#[derive(Clone, Copy)]
pub struct Standing<'a> {
    pub retry: &'a Retry,
    pub fallback_on: &'a Codes,
    /// Retries made on this target.
    pub retries: u32,
    /// Whether the target may still be used.
    pub healthy: bool,
    /// Whether the retry budget allows one more.
    pub budget: bool,
    /// Uniform.
    pub random: u64,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Then {
    /// The same target, after this long.
    Retry { wait_ms: u64 },
    /// Another target, if there is one.
    Next,
    /// The client gets this failure.
    GiveUp,
}

pub fn judge(failure: &Failure, standing: &Standing<'_>) -> Then {
    let _ = (failure, standing);
    Then::GiveUp
}
