//! Which candidate of a rule is next: the first, in the order of its routing type, of those that can be used.
//!
//! The order comes first, whether a candidate can be used after it, and only of those that the choice depends on: mostly
//! that is one, and most of what is known of the others stays where it is.

use super::States;
use super::rank::Order;
use crate::config::{Candidate, RoutingType};
use crate::telemetry::{AttemptReason, Obstacle, PassedOver};

/// What a choice depends on beside the rule and what is known of its targets.
#[derive(Clone, Copy)]
pub struct Ask<'a> {
    /// One bit per candidate: may serve this request and was not tried yet. Whether it takes fallbacks is seen to here.
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
    /// How many this process has: of a target's usage limits each gives its part.
    pub shards: u64,
    /// What `states` is beside.
    pub routing: &'a crate::config::Routing,
}

impl Ask<'_> {
    /// Why an attempt that this leads to is made.
    pub fn reason(&self, routing_type: &RoutingType) -> AttemptReason {
        match routing_type {
            _ if self.is_fallback => AttemptReason::Fallback,
            RoutingType::Weight if self.session.is_some() => AttemptReason::Sticky,
            RoutingType::Weight => AttemptReason::Weight,
            RoutingType::Latency => AttemptReason::Latency,
            RoutingType::Priority => AttemptReason::Priority,
            RoutingType::Cost => AttemptReason::Cost,
            RoutingType::Slo(_) => AttemptReason::Slo,
            RoutingType::LeastBusy => AttemptReason::LeastBusy,
        }
    }
}

/// A candidate and why it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Choice {
    /// Index into the rule's candidates.
    pub candidate: usize,
    /// Of the eligible ones.
    pub passed_over: Option<PassedOver>,
}

/// Whether a candidate can be used, the best first. Where none is available, one that is slow still beats one over its
/// limit, and that beats one that will probably fail.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Standing {
    Available,
    /// Its SLA is not kept.
    Slow,
    /// Its usage limits are reached.
    Full,
    /// It or its region is unhealthy.
    Unhealthy,
}

impl Standing {
    pub fn obstacle(self) -> Option<Obstacle> {
        match self {
            Standing::Available => None,
            Standing::Slow => Some(Obstacle::Sla),
            Standing::Full => Some(Obstacle::Limit),
            Standing::Unhealthy => Some(Obstacle::Unhealthy),
        }
    }
}

/// `None` when nothing is eligible. That a half-open target is being tried is for the attempt to say: [`States::begin`].
pub fn choose(
    routing_type: &RoutingType,
    candidates: &[Candidate],
    states: &mut States,
    ask: &Ask<'_>,
) -> Option<Choice> {
    let mut order = Order::of(routing_type, candidates, states, ask);
    let mut standing = |at: usize| candidates.get(at).map_or(Standing::Unhealthy, |one| standing(one, states, ask));
    if *routing_type == RoutingType::Latency {
        order.compare(ask, &mut standing);
    }
    order.first(&mut standing)
}

fn standing(candidate: &Candidate, states: &mut States, ask: &Ask<'_>) -> Standing {
    let at = candidate.target;
    let (Some(target), Some(state)) = (ask.routing.targets.get(at), states.targets.get_mut(at)) else {
        return Standing::Unhealthy;
    };
    let region = states.regions.get(target.region);
    if !state.health.admits(ask.now_ms) || region.is_some_and(|region| !region.admits(ask.now_ms)) {
        return Standing::Unhealthy;
    }
    if let Some(limits) = &target.usage_limits
        && !state.usage.within(limits, ask.shards, ask.now_ms)
    {
        return Standing::Full;
    }
    if let Some(sla) = &candidate.sla
        && !state.latency.keeps(sla, ask.now_ms)
    {
        return Standing::Slow;
    }
    Standing::Available
}
