//! Which candidate of a rule is next: the first, in the order of its routing type, of those that can be used.

use super::rank::{Rank, Ranking};
use super::{State, States};
use crate::config::{CANDIDATES_MAX, Candidate, RouteTarget, RoutingType};
use crate::telemetry::AttemptReason;

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
    /// Eligible candidates that would have come first, but for their health, their limits or their SLA.
    pub passed_over: u8,
    /// It is one of those itself: nothing better was left.
    pub unavailable: bool,
}

/// Whether a candidate can be used, the best first. Where none is available, one that is slow still beats one over its
/// limit, and that beats one that will probably fail.
#[derive(Clone, Copy)]
enum Standing {
    Available,
    /// Its SLA is not kept.
    Slow,
    /// Its usage limits are reached.
    Full,
    /// It or its region is unhealthy.
    Unhealthy,
}

/// `None` when nothing is eligible. That a half-open target is being tried is for the attempt to say: [`States::begin`].
pub fn choose(
    routing_type: &RoutingType,
    candidates: &[Candidate],
    states: &mut States,
    ask: &Ask<'_>,
) -> Option<Choice> {
    let mut ranks = [Rank::LAST; CANDIDATES_MAX];
    let mut standings = [0_u64; Standing::Unhealthy as usize + 1];
    let mut ranking = Ranking::new(routing_type, candidates, ask);
    for (at, (candidate, rank)) in candidates.iter().zip(&mut ranks).enumerate() {
        let dup = ranking.occurrence(at, candidate);
        if ask.eligible & (1 << at) == 0 || !takes(routing_type, candidate, ask.is_fallback) {
            continue;
        }
        let Some(target) = ask.routing.targets.get(candidate.target) else { continue };
        let region = states.regions.get(target.region);
        let region_admits = region.is_none_or(|region| region.admits(ask.now_ms));
        let Some(state) = states.targets.get_mut(candidate.target) else { continue };
        let standing = if region_admits { standing(candidate, target, state, ask) } else { Standing::Unhealthy };
        if let Some(mask) = standings.get_mut(standing as usize) {
            *mask |= 1 << at;
        }
        *rank = ranking.rank(at, dup, candidate, target, state);
    }
    let (at, &best) = standings.iter().enumerate().find(|(_, mask)| **mask != 0)?;
    let all = standings.iter().fold(0, |all, mask| all | mask);
    ranking.compare(&mut ranks, best, all);
    let rank = |at: &usize| ranks.get(*at).copied().unwrap_or(Rank::LAST);
    let candidate = bits(best).min_by_key(rank)?;
    let passed_over = bits(all & !best).filter(|other| rank(other) < rank(&candidate)).count() as u8;
    Some(Choice { candidate, passed_over, unavailable: at != Standing::Available as usize })
}

/// Weight 0 is for what failed elsewhere: where it does not take that either, it is for nothing.
fn takes(routing_type: &RoutingType, candidate: &Candidate, is_fallback: bool) -> bool {
    let never_first = *routing_type == RoutingType::Weight && candidate.weight == 0;
    candidate.takes_fallback || !(is_fallback || never_first)
}

fn standing(candidate: &Candidate, target: &RouteTarget, state: &mut State, ask: &Ask<'_>) -> Standing {
    if !state.health.admits(ask.now_ms) {
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

/// The indices of the bits that are set.
pub(super) fn bits(mut mask: u64) -> impl Iterator<Item = usize> {
    std::iter::from_fn(move || {
        let at = (mask != 0).then(|| mask.trailing_zeros() as usize);
        mask &= mask.wrapping_sub(1);
        at
    })
}
