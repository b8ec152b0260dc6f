//! A rule, its targets, and providers behind them that are as fast and as well as a test wants: time passes as it says.

use super::choose::{Ask, Choice, choose};
use super::health::{Ended, Verdict};
use super::latency::Answered;
use super::{States, sticky};
use crate::config::{Candidate, Change, Codes, Retry, RouteTarget, Routing, RoutingType, SlaCutoff, UsageLimits};
use crate::meter::pricing::PerThousand;
use crate::meter::{Pricing, PrivateCost};
use crate::telemetry::{ErrorClass, Gaps, fixture};

pub const NOW: u64 = 1_764_000_000_000;
pub const FOR_EVER: u64 = u64::MAX;

/// What a provider does with a request. Times are means.
#[derive(Clone, Copy)]
pub struct Provider {
    pub ttft_ms: u64,
    pub token_ms: u64,
    pub tokens: u64,
    /// A single answer is up to so much slower or faster.
    pub noise_percent: u64,
}

pub const USUAL: Provider = Provider { ttft_ms: 400, token_ms: 20, tokens: 100, noise_percent: 0 };

pub struct World {
    pub now_ms: u64,
    pub routing_type: RoutingType,
    pub candidates: Vec<Candidate>,
    pub routing: Routing,
    pub states: States,
    pub providers: Vec<Provider>,
    pub session: Option<u64>,
    pub tokens: (u64, u64),
    seed: u64,
}

pub fn candidate(target: usize) -> Candidate {
    Candidate {
        target,
        weight: 1,
        priority: 0,
        sla: None,
        retry: Retry::default(),
        fallback_on: Codes::default(),
        takes_fallback: true,
        change: Change::default(),
        timeout_ms: None,
        ttft_timeout_ms: None,
        metadata_match: Vec::new(),
    }
}

/// In USD per million tokens.
pub fn price(input: i64, output: i64) -> Option<std::sync::Arc<Pricing>> {
    let rate = |usd: i64| usd * 1_000_000_000_000;
    let cost = PerThousand { input: rate(input), output: rate(output), ..PerThousand::default() };
    Some(std::sync::Arc::new(Pricing::private(PrivateCost::Tokens(cost))))
}

impl World {
    /// Each target in a region of its own.
    pub fn new(routing_type: RoutingType, targets: usize) -> Self {
        let mut routing = Routing::default();
        for at in 0..targets {
            let target = fixture::target(&format!("account-{at}"), "model");
            routing.regions.push(format!("region-{at}").into());
            routing.targets.push(RouteTarget { account: at, target, region: at, usage_limits: None, tolerance: None });
        }
        let mut states = States::default();
        states.apply(&Routing::default(), &routing);
        let candidates = (0..targets).map(candidate).collect();
        let providers = vec![USUAL; targets];
        let (now_ms, session, tokens, seed) = (NOW, None, (1_000, 200), 1);
        Self { now_ms, routing_type, candidates, routing, states, providers, session, tokens, seed }
    }

    pub fn weights(mut self, weights: &[u32]) -> Self {
        self.candidates.iter_mut().zip(weights).for_each(|(candidate, weight)| candidate.weight = *weight);
        self
    }

    pub fn priorities(mut self, priorities: &[u32]) -> Self {
        self.candidates.iter_mut().zip(priorities).for_each(|(candidate, priority)| candidate.priority = *priority);
        self
    }

    /// USD per million input and output tokens.
    pub fn prices(mut self, prices: &[Option<(i64, i64)>]) -> Self {
        for (target, usd) in self.routing.targets.iter_mut().zip(prices) {
            let mut priced = (*target.target).clone();
            priced.pricing = usd.and_then(|(input, output)| price(input, output));
            target.target = priced.into();
        }
        self
    }

    pub fn sla(mut self, at: usize, ttft_ms: Option<u32>, token_ms: Option<u32>) -> Self {
        self.candidates[at].sla =
            Some(SlaCutoff { time_to_first_token_ms: ttft_ms, time_per_output_token_ms: token_ms });
        self
    }

    pub fn limits(mut self, at: usize, requests: Option<u64>, tokens: Option<u64>) -> Self {
        let limits = UsageLimits { requests_per_minute: requests, tokens_per_minute: tokens };
        self.routing.targets[at].usage_limits = Some(limits);
        self
    }

    pub fn down(&mut self, at: usize, until_ms: u64) {
        self.states.targets[at].health.apply(Verdict::unhealthy(0, until_ms, ErrorClass::Server));
    }

    pub fn up(&mut self, at: usize) {
        self.states.targets[at].health.apply(Verdict::Healthy);
    }

    pub fn random(&mut self) -> u64 {
        self.seed += 1;
        sticky::mix(self.seed)
    }

    /// A choice, and an attempt at it.
    pub fn ask(&mut self, eligible: u64, is_fallback: bool) -> Option<Choice> {
        let random = self.random();
        let Self { now_ms, routing_type, candidates, routing, states, session, tokens, .. } = self;
        let (now_ms, session, tokens) = (*now_ms, *session, *tokens);
        let ask = Ask { eligible, is_fallback, now_ms, random, session, tokens, shards: 1, routing };
        let choice = choose(routing_type, candidates, states, &ask)?;
        states.begin(routing, candidates[choice.candidate].target, now_ms);
        Some(choice)
    }

    /// The first attempt of a request.
    pub fn first(&mut self) -> Choice {
        self.ask(u64::MAX, false).expect("a candidate")
    }

    /// All that a request would try, in order, if everything failed.
    pub fn order(&mut self) -> Vec<usize> {
        let (mut left, mut order) = (u64::MAX, Vec::new());
        while let Some(choice) = self.ask(left, !order.is_empty()) {
            order.push(choice.candidate);
            left &= !(1 << choice.candidate);
        }
        order
    }

    /// A request that is answered by its first target, and `pause_ms` until the next one.
    pub fn serve(&mut self, pause_ms: u64) -> usize {
        let at = self.first().candidate;
        self.answer(at);
        self.now_ms += pause_ms;
        at
    }

    /// The target of candidate `at` fails at once.
    pub fn fail(&mut self, at: usize) {
        let target = self.candidates[at].target;
        let ended =
            Ended { now_ms: self.now_ms, duration_ms: 0, error: Some(ErrorClass::Server), status: 500, hint_ms: None };
        self.states.targets[target].health.observe(&ended, None);
    }

    /// What target of candidate `at` answers, whoever asked.
    pub fn answer(&mut self, at: usize) {
        let target = self.candidates[at].target;
        let Provider { ttft_ms, token_ms, tokens, noise_percent } = self.providers[target];
        let percent = 100 - noise_percent + self.random() % (2 * noise_percent + 1);
        let gap_us = token_ms * 10 * percent;
        let mut gaps = Gaps::default();
        (1..tokens).for_each(|_| gaps.add(gap_us * 1000));
        let now_ms = self.now_ms;
        let ended = Ended { now_ms, duration_ms: 0, error: None, status: 200, hint_ms: None };
        let region = self.routing.targets[target].region;
        self.states.regions[region].observe_region(&ended);
        let state = &mut self.states.targets[target];
        state.health.observe(&ended, None);
        state.latency.observe(&Answered {
            now_ms: self.now_ms,
            ttft_us: Some(ttft_ms * 10 * percent),
            generating_us: gap_us * (tokens - 1),
            output_tokens: tokens,
            gaps,
        });
        state.usage.add(self.now_ms, 1, 1_000 + tokens);
    }

    /// How many of so many requests each candidate served.
    pub fn shares(&mut self, requests: usize, pause_ms: u64) -> Vec<usize> {
        let mut shares = vec![0; self.candidates.len()];
        (0..requests).for_each(|_| shares[self.serve(pause_ms)] += 1);
        shares
    }
}
