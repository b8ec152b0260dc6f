//! The order of a rule's candidates for one request, as its routing type wants it, whether they can be used or not.

use super::choose::{Ask, Choice, Standing};
use super::latency::Latency;
use super::{State, States, sticky};
use crate::config::{CANDIDATES_MAX, Candidate, RouteTarget, RoutingType, Slo};
use crate::meter::{Usage, UsageSource};
use crate::telemetry::PassedOver;

/// The least comes first. The last bits say which candidate it is, so no two are the same and between equals the one that
/// is listed first comes first. One number, that the least of many is found without a branch.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Rank(u64);

impl Rank {
    const AT_BITS: u32 = CANDIDATES_MAX.ilog2();
    /// What is more counts as this.
    const ABOUT_MAX: u64 = (1 << (64 - Self::AT_BITS)) - 2;
    /// What is below comes before all that is not.
    const BEHIND: u64 = 1 << (63 - Self::AT_BITS);
    /// Of those that are not eligible.
    const LAST: Rank = Rank(u64::MAX);

    fn new(about: u64, at: usize) -> Self {
        Self(about.min(Self::ABOUT_MAX) << Self::AT_BITS | at as u64)
    }

    /// For equal ones chance decides.
    fn by_chance(about: u32, ask: &Ask<'_>, at: usize) -> Self {
        Self::new(u64::from(about) << 26 | chance(26, ask, at), at)
    }

    fn about(self) -> u64 {
        self.0 >> Self::AT_BITS
    }

    fn at(self) -> usize {
        self.0 as usize % CANDIDATES_MAX
    }
}

/// Of a target whose time per token is not known.
const UNMEASURED: u64 = 0;

/// For one choice.
pub struct Order {
    ranks: [Rank; CANDIDATES_MAX],
    /// The rest of them is nobody's.
    candidates: usize,
}

impl Order {
    pub fn of(routing_type: &RoutingType, candidates: &[Candidate], states: &mut States, ask: &Ask<'_>) -> Self {
        let mut order = Self { ranks: [Rank::LAST; CANDIDATES_MAX], candidates: candidates.len() };
        let now_ms = ask.now_ms;
        // One loop for each, so that none reads what only another one is about.
        match routing_type {
            RoutingType::Weight => {
                let (die, repeated) = (ask.session.unwrap_or(ask.random), repeated(candidates));
                order.rank(candidates, states, ask, |at, candidate, state, _| {
                    if !candidate.takes_fallback && candidate.weight == 0 {
                        return Rank::LAST;
                    }
                    let before = if repeated & (1 << at) == 0 { 0 } else { occurrences(candidates, at) };
                    let arrival = sticky::arrival(die, state.hash.wrapping_add(before), candidate.weight);
                    Rank::new(arrival >> Rank::AT_BITS, at)
                });
            }
            RoutingType::Latency => order.rank(candidates, states, ask, |at, _, state, _| {
                let ns = state.latency.time_per_token_ns(now_ms).map_or(UNMEASURED, |ns| ns.max(1));
                Rank::new(ns.min(Rank::BEHIND - 1), at)
            }),
            RoutingType::Priority => {
                order.rank(candidates, states, ask, |at, candidate, _, _| Rank::by_chance(candidate.priority, ask, at))
            }
            RoutingType::LeastBusy => {
                order.rank(candidates, states, ask, |at, _, state, _| Rank::by_chance(state.in_flight, ask, at));
            }
            RoutingType::Cost => {
                let usage = expected(ask);
                order.rank(candidates, states, ask, |at, _, _, target| Rank::new(cost(target, &usage, now_ms), at));
            }
            RoutingType::Slo(slo) => {
                let usage = expected(ask);
                // The order of costs among those that keep it; only excess counts among the others.
                order.rank(candidates, states, ask, |at, _, state, target| {
                    let about = match excess(slo, &mut state.latency, now_ms) {
                        0 => cost(target, &usage, now_ms).min(Rank::BEHIND - 1),
                        excess => Rank::BEHIND | excess.min(Rank::BEHIND - 1),
                    };
                    Rank::new(about, at)
                });
            }
        }
        order
    }

    fn rank(
        &mut self,
        candidates: &[Candidate],
        states: &mut States,
        ask: &Ask<'_>,
        rank: impl Fn(usize, &Candidate, &mut State, &RouteTarget) -> Rank,
    ) {
        for (at, (candidate, slot)) in candidates.iter().zip(&mut self.ranks).enumerate() {
            if ask.eligible & (1 << at) == 0 || (ask.is_fallback && !candidate.takes_fallback) {
                continue;
            }
            let known = (states.targets.get_mut(candidate.target), ask.routing.targets.get(candidate.target));
            if let (Some(state), Some(target)) = known {
                *slot = rank(at, candidate, state, target);
            }
        }
    }

    /// Times per token depend on each other: all within 1.2 times of the fastest that can be used are as good as it is,
    /// and so are those that are not known, that they become known.
    pub fn compare(&mut self, ask: &Ask<'_>, standing: impl FnMut(usize) -> Standing) {
        let measured = Rank::new(UNMEASURED + 1, 0);
        let fastest = self.find(measured, standing).and_then(|choice| self.ranks.get(choice.candidate));
        let limit_ns = fastest.map_or(u64::MAX, |fastest| fastest.about() + fastest.about() / 5);
        for (at, rank) in self.ranks.iter_mut().enumerate().take(self.candidates) {
            if *rank == Rank::LAST {
                continue;
            }
            let ns = rank.about();
            let chance = || chance(Rank::BEHIND.ilog2(), ask, at);
            *rank = Rank::new(if ns <= limit_ns { chance() } else { Rank::BEHIND | ns }, at);
        }
    }

    /// The first that can be used; where none can, the first of those for which there is most hope. `standing` is asked
    /// of those only that come before it.
    pub fn first(&self, standing: impl FnMut(usize) -> Standing) -> Option<Choice> {
        self.find(Rank(0), standing)
    }

    fn find(&self, mut from: Rank, mut standing: impl FnMut(usize) -> Standing) -> Option<Choice> {
        let ranks = self.ranks.get(..self.candidates).unwrap_or(&self.ranks);
        let mut best: Option<(Standing, Choice)> = None;
        let mut first = Standing::Available;
        for count in 0.. {
            // Those before `from` wrap around, to behind the last.
            let next = ranks.iter().fold(u64::MAX, |least, rank| least.min(rank.0.wrapping_sub(from.0)));
            let next = Rank(next.wrapping_add(from.0));
            if next == Rank::LAST || next.0 < from.0 {
                break;
            }
            let standing = standing(next.at());
            if count == 0 {
                first = standing;
            }
            if best.is_none_or(|(known, _)| standing < known) {
                let why = first.obstacle().filter(|_| count > 0);
                let passed_over = why.map(|why| PassedOver { count, why });
                best = Some((standing, Choice { candidate: next.at(), passed_over }));
            }
            if standing == Standing::Available {
                break;
            }
            from = Rank(next.0 + 1);
        }
        best.map(|(_, choice)| choice)
    }
}

/// So many random bits for this candidate.
fn chance(bits: u32, ask: &Ask<'_>, at: usize) -> u64 {
    sticky::mix(ask.random ^ at as u64) >> (64 - bits)
}

/// One bit per candidate that may have a target of an earlier one.
fn repeated(candidates: &[Candidate]) -> u64 {
    let (mut met, mut repeated) = (0_u64, 0);
    for (at, candidate) in candidates.iter().enumerate().take(CANDIDATES_MAX) {
        let bit = 1 << (candidate.target % 64);
        repeated |= u64::from(met & bit != 0) << at;
        met |= bit;
    }
    repeated
}

/// How many candidates before this one have its target.
fn occurrences(candidates: &[Candidate], at: usize) -> u64 {
    let target = candidates.get(at).map(|candidate| candidate.target);
    candidates.iter().take(at).filter(|before| Some(before.target) == target).count() as u64
}

/// What the request will probably use.
#[inline(always)]
fn expected(ask: &Ask<'_>) -> Usage {
    let (input, output) = ask.tokens;
    Usage { input, output, source: UsageSource::Estimated, ..Usage::default() }
}

/// In pico-USD; what is not known comes last.
#[inline(always)]
fn cost(target: &RouteTarget, usage: &Usage, now_ms: u64) -> u64 {
    let pricing = target.target.pricing.as_ref();
    let cost = pricing.and_then(|pricing| pricing.cost(usage, now_ms / 1000));
    cost.map_or(u64::MAX, |cost| cost.max(0) as u64)
}

/// How far beyond the objective the target is, in millionths of it; 0: it keeps it, or too little is known.
pub fn excess(slo: &Slo, latency: &mut Latency, now_ms: u64) -> u64 {
    let beyond = |limit_ms: Option<u32>, p95_us: Option<u64>| match (limit_ms, p95_us) {
        (Some(limit_ms), Some(p95_us)) => {
            let limit_us = u64::from(limit_ms).saturating_mul(1000).max(1);
            match p95_us.saturating_sub(limit_us) {
                0 => 0,
                more_us => more_us.saturating_mul(1_000_000).div_ceil(limit_us),
            }
        }
        _ => 0,
    };
    let ttft = slo.ttft_p95_ms.and_then(|_| latency.ttft_p95_us(now_ms));
    let itl = slo.itl_p95_ms.and_then(|_| latency.itl_p95_us(now_ms));
    beyond(slo.ttft_p95_ms, ttft).max(beyond(slo.itl_p95_ms, itl))
}
