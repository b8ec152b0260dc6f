//! The order of a rule's candidates for one request, as its routing type wants it, whether they can be used or not.

use super::choose::{Ask, bits};
use super::latency::Latency;
use super::{State, sticky};
use crate::config::{Candidate, RouteTarget, RoutingType, Slo};
use crate::meter::{Usage, UsageSource};

/// The least comes first: what the type is about, then what decides between equals.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Rank(u64, u64);

impl Rank {
    pub const LAST: Rank = Rank(u64::MAX, u64::MAX);
}

/// Of a target whose time per token is not known.
const UNMEASURED: u64 = 0;

/// For one choice.
pub struct Ranking<'a> {
    routing_type: &'a RoutingType,
    candidates: &'a [Candidate],
    ask: &'a Ask<'a>,
    /// What the request will probably use.
    usage: Usage,
    /// One bit for every 64th target that was met.
    met: u64,
}

impl<'a> Ranking<'a> {
    pub fn new(routing_type: &'a RoutingType, candidates: &'a [Candidate], ask: &'a Ask<'a>) -> Self {
        let (input, output) = ask.tokens;
        let usage = Usage { input, output, source: UsageSource::Estimated, ..Usage::default() };
        Self { routing_type, candidates, ask, usage, met: 0 }
    }

    /// How many candidates before this one have its target. To be asked for each of them, in their order.
    pub fn occurrence(&mut self, at: usize, candidate: &Candidate) -> u64 {
        let bit = 1_u64 << (candidate.target % 64);
        let met = self.met & bit != 0;
        self.met |= bit;
        if !met {
            return 0;
        }
        self.candidates.iter().take(at).filter(|before| before.target == candidate.target).count() as u64
    }

    pub fn rank(
        &self,
        at: usize,
        occurrence: u64,
        candidate: &Candidate,
        target: &RouteTarget,
        state: &mut State,
    ) -> Rank {
        let listed = at as u64;
        match self.routing_type {
            RoutingType::Weight => {
                let die = self.ask.session.unwrap_or(self.ask.random);
                Rank(sticky::arrival(die, state.hash.wrapping_add(occurrence), candidate.weight), listed)
            }
            RoutingType::Latency => {
                let ns = state.latency.time_per_token_ns(self.ask.now_ms);
                // 0 is for those that are not known.
                Rank(ns.map_or(UNMEASURED, |ns| ns.max(1)), self.chance(at))
            }
            RoutingType::Priority => Rank(candidate.priority.into(), self.chance(at)),
            RoutingType::Cost => Rank(self.cost(target), listed),
            RoutingType::Slo(slo) => {
                // The order of costs among those that keep it; only excess counts among the others.
                match excess(slo, &mut state.latency, self.ask.now_ms) {
                    0 => Rank(0, self.cost(target) << 6 | listed),
                    excess => Rank(excess, listed),
                }
            }
            RoutingType::LeastBusy => Rank(state.in_flight.into(), self.chance(at)),
        }
    }

    /// Ranks that depend on those of others: all within 1.2 times of the fastest that can be used are as good as it
    /// is, and so are those that are not known, that they become known.
    pub fn compare(&self, ranks: &mut [Rank], usable: u64, all: u64) {
        if *self.routing_type != RoutingType::Latency {
            return;
        }
        let times = bits(usable).filter_map(|at| ranks.get(at)).map(|rank| rank.0);
        let fastest = times.filter(|ns| *ns != UNMEASURED).min().unwrap_or(u64::MAX);
        for at in bits(all) {
            if let Some(rank) = ranks.get_mut(at)
                && u128::from(rank.0) * 5 <= u128::from(fastest) * 6
            {
                rank.0 = UNMEASURED;
            }
        }
    }

    fn chance(&self, at: usize) -> u64 {
        sticky::mix(self.ask.random ^ at as u64)
    }

    /// In pico-USD; what is not known comes last.
    fn cost(&self, target: &RouteTarget) -> u64 {
        const UNKNOWN: u64 = u64::MAX >> 6;
        let pricing = target.target.pricing.as_ref();
        let cost = pricing.and_then(|pricing| pricing.cost(&self.usage, self.ask.now_ms / 1000));
        cost.map_or(UNKNOWN, |cost| cost.max(0) as u64).min(UNKNOWN)
    }
}

/// How far beyond the objective the target is, in millionths of it; 0: it keeps it, or too little is known.
fn excess(slo: &Slo, latency: &mut Latency, now_ms: u64) -> u64 {
    let beyond = |limit_ms: Option<u32>, p95_us: Option<u64>| match (limit_ms, p95_us) {
        (Some(limit_ms), Some(p95_us)) => {
            let limit_us = u64::from(limit_ms).saturating_mul(1000).max(1);
            p95_us.saturating_sub(limit_us).saturating_mul(1_000_000).div_ceil(limit_us)
        }
        _ => 0,
    };
    let ttft = slo.ttft_p95_ms.and_then(|_| latency.ttft_p95_us(now_ms));
    let itl = slo.itl_p95_ms.and_then(|_| latency.itl_p95_us(now_ms));
    beyond(slo.ttft_p95_ms, ttft).max(beyond(slo.itl_p95_ms, itl))
}
