//! What becomes of a request whose attempt failed before anything of it reached the client (spec "providers" 14, "seed"
//! 2.3). What the failure means comes first, its status second: a list of statuses never brings back what cannot get
//! better.

use super::backoff::{WAIT_MS_MAX, backoff_ms, share};
use super::codes::{listed, statuses_hold};
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
    /// Nothing of the request can have been worked on: no byte of it went out.
    pub unsent: bool,
}

/// What the target's candidate says, and where the request stands.
#[derive(Clone, Copy)]
pub struct Standing<'a> {
    pub retry: &'a Retry,
    pub fallback_on: &'a Codes,
    /// Retries made on this target.
    pub retries: u32,
    /// Whether the target's and the region's verdict is still a good one.
    pub healthy: bool,
    /// Whether the retry budget allows one more.
    pub budget: bool,
    /// Whether another candidate is left for it.
    pub has_next: bool,
    /// Uniform.
    pub random: u64,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Then {
    /// The same target, after this long.
    Retry { wait_ms: u64 },
    /// Another target, if there is one.
    Next,
    /// The client gets this failure, unless a fallback rule names it ([`falls_back`]).
    GiveUp,
}

pub fn judge(failure: &Failure, standing: &Standing<'_>) -> Then {
    let moves = moves(failure, standing.fallback_on);
    match wait_ms(failure, standing, moves && standing.has_next) {
        Some(wait_ms) => Then::Retry { wait_ms },
        None if moves => Then::Next,
        None => Then::GiveUp,
    }
}

/// Whether a rule of a `gateway-fallback-config` with these `response_status_codes` takes it.
pub fn falls_back(failure: &Failure, statuses: &[u16]) -> bool {
    failure.class != ErrorClass::ContentFilter && statuses_hold(statuses, failure.class, failure.status)
}

/// How long until the same target is tried again; `None`: it is not. `can_move`: another one would take it now.
fn wait_ms(failure: &Failure, standing: &Standing<'_>, can_move: bool) -> Option<u64> {
    let may = standing.retries < standing.retry.attempts && standing.budget && !failure.forbids_retry;
    if !may || !repeats(failure, standing, can_move) {
        return None;
    }
    match failure.hint_ms.filter(|&hint_ms| hint_ms > 0) {
        // Nobody waits for one target while another is free, unless it was listed that this one is tried again.
        Some(_) if can_move && listed(&standing.retry.on, failure.class, failure.status) != Some(true) => None,
        // The target is not used until then, and usable then: its health says nothing about that moment.
        Some(hint_ms) => (hint_ms <= WAIT_MS_MAX).then(|| hint_ms + share(hint_ms / 10, standing.random)),
        None if !standing.healthy => None,
        // A connection that is broken at once costs nothing; the next target must not wait for it.
        None if can_move && worth_a_connection(failure) => Some(0),
        None => Some(backoff_ms(standing.retry.delay_ms, standing.retries, standing.random)),
    }
}

/// Whether the same target may do better.
fn repeats(failure: &Failure, standing: &Standing<'_>, can_move: bool) -> bool {
    use ErrorClass::*;
    let by_list = listed(&standing.retry.on, failure.class, failure.status);
    match failure.class {
        // The same request fails the same way.
        ContextLength | ContentFilter => false,
        // Waiting does not help.
        QuotaExhausted => false,
        // A silent provider would take as long again.
        FirstByteTimeout | IdleTimeout => false,
        ClientGone | ClientStalled | HedgeLost | Diverged | Internal => false,
        _ if by_list == Some(true) => true,
        // Once: whatever was sent may be worked on, and paid for, twice; an answer paid twice is better than none.
        class if is_transport(class) => standing.retries == 0 && (!can_move || worth_a_connection(failure)),
        RateLimited | Overloaded | Server | Timeout => by_list.is_none(),
        _ => false,
    }
}

/// A transport failure that a new connection may not have, and that took no time. One that was refused is refused again.
fn worth_a_connection(failure: &Failure) -> bool {
    use ErrorClass::{Disconnected, Tls};
    failure.unsent && matches!(failure.class, Disconnected | Tls)
}

/// Whether another target may do better.
fn moves(failure: &Failure, codes: &Codes) -> bool {
    use ErrorClass::*;
    let by_list = listed(codes, failure.class, failure.status);
    match failure.class {
        ClientGone | ClientStalled | HedgeLost | Diverged | Internal => false,
        // A provider's refusal is not shopped around unless that is asked for by name.
        ContentFilter => matches!(codes, Codes::Listed { classes, .. } if classes.contains(&ContentFilter)),
        BadRequest | ContextLength => by_list == Some(true),
        FirstByteTimeout | IdleTimeout => true,
        StreamError => by_list.unwrap_or(true),
        class => is_transport(class) || by_list.unwrap_or(true),
    }
}

/// The connection, or what came over it, broke: no answer was read to its end.
fn is_transport(class: ErrorClass) -> bool {
    use ErrorClass::*;
    matches!(class, Resolve | Connect | ConnectTimeout | Tls | Disconnected | Protocol | Truncated | StreamError)
}

#[cfg(test)]
#[path = "judge_tests.rs"]
mod tests;
