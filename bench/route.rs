//! The choice between twenty targets of which everything is known, by every type of routing. `cost` is by prices of one's
//! own, `cost_listed` by list prices with a step at long inputs and a discount; at `outage` the five that come first are out.

use std::hint::black_box;
use std::sync::Arc;

use criterion::{Criterion, criterion_group, criterion_main};
use sluice::config::{Candidate, Change, Codes, Retry, RouteTarget, Routing, RoutingType, SlaCutoff, Slo, UsageLimits};
use sluice::meter::pricing::{PER_THOUSAND, PerThousand, PriceList, Ratio, scaled};
use sluice::meter::{Pricing, PrivateCost};
use sluice::policy::route::States;
use sluice::policy::route::choose::{Ask, choose};
use sluice::policy::route::health::Verdict;
use sluice::policy::route::latency::Answered;
use sluice::policy::route::sticky;
use sluice::telemetry::{ErrorClass, Gaps, Target};

const TARGETS: usize = 20;
const NOW: u64 = 1_764_000_000_000;

fn price(at: usize) -> Option<Arc<Pricing>> {
    let rate = |usd: String| scaled(&usd, PER_THOUSAND).unwrap_or_default();
    let (input, output) = (rate(format!("0.00{}", 1 + at)), rate(format!("0.01{at}")));
    Some(Arc::new(Pricing::private(PrivateCost::Tokens(PerThousand { input, output, ..PerThousand::default() }))))
}

fn listed(_: usize) -> Option<Arc<Pricing>> {
    let list = PriceList { discount: Ratio::discounted("12.5").unwrap_or(Ratio::ONE), ..PriceList::default() };
    list.pricing("openai", "api.openai.com", None, "gpt-5.4").map(Arc::new)
}

fn routing(price: fn(usize) -> Option<Arc<Pricing>>) -> Routing {
    let mut routing = Routing::default();
    for at in 0..TARGETS {
        let target = Target {
            account: format!("account-{at}").into(),
            model: "gpt-4o-mini".into(),
            fqn: format!("account-{at}/gpt-4o-mini").into(),
            model_id: "gpt-4o-mini".into(),
            provider: "openai".into(),
            host: "api.openai.com".into(),
            port: 443,
            pricing: price(at),
            learned: Default::default(),
            family: sluice::meter::family("gpt-4o-mini"),
        };
        let usage_limits = Some(UsageLimits { requests_per_minute: Some(1_000_000), tokens_per_minute: None });
        routing.regions.push(format!("region-{at}").into());
        let target = Arc::new(target);
        routing.targets.push(RouteTarget { account: at, target, region: at, usage_limits, tolerance: None });
    }
    routing
}

fn candidates() -> Vec<Candidate> {
    let sla = Some(SlaCutoff { time_to_first_token_ms: Some(5_000), time_per_output_token_ms: Some(1_000) });
    let candidate = |target| Candidate {
        target,
        weight: 1 + target as u32,
        priority: target as u32 / 4,
        sla,
        retry: Retry::default(),
        fallback_on: Codes::default(),
        takes_fallback: true,
        change: Change::default(),
        timeout_ms: None,
        ttft_timeout_ms: None,
        metadata_match: Vec::new(),
    };
    (0..TARGETS).map(candidate).collect()
}

fn states(routing: &Routing) -> States {
    let mut states = States::default();
    states.apply(&Routing::default(), routing);
    for (at, state) in states.targets.iter_mut().enumerate() {
        for _ in 0..200 {
            state.latency.observe(&answered(at as u64));
            state.usage.add(NOW, 1, 1_000);
        }
    }
    states
}

fn answered(at: u64) -> Answered {
    let mut gaps = Gaps::default();
    (0..100).for_each(|_| gaps.add((20 + at) * 1_000_000));
    let (ttft_us, generating_us) = (Some(300_000 + at * 1000), gaps.sum_ns / 1000);
    Answered { now_ms: NOW, ttft_us, generating_us, output_tokens: 100, gaps }
}

fn benches(c: &mut Criterion) {
    let (own, listed, candidates) = (routing(price), routing(listed), candidates());
    let mut states = states(&own);
    let mut group = c.benchmark_group("route");
    let slo = RoutingType::Slo(Slo { ttft_p95_ms: Some(310), itl_p95_ms: Some(30) });
    for (name, routing_type, session, routing) in [
        ("weight", RoutingType::Weight, None, &own),
        ("sticky", RoutingType::Weight, Some(7), &own),
        ("latency", RoutingType::Latency, None, &own),
        ("priority", RoutingType::Priority, None, &own),
        ("cost", RoutingType::Cost, None, &own),
        ("cost_listed", RoutingType::Cost, None, &listed),
        ("slo", slo, None, &own),
        ("least_busy", RoutingType::LeastBusy, None, &own),
        ("outage", RoutingType::Priority, None, &own),
    ] {
        if name == "outage" {
            let out = states.targets.iter_mut().take(5);
            out.for_each(|state| state.health.apply(Verdict::unhealthy(NOW, u64::MAX, ErrorClass::Server)));
        }
        let mut random = 0;
        group.bench_function(format!("choose/{name}"), |b| {
            b.iter(|| {
                random = sticky::mix(random);
                let ask = Ask {
                    eligible: u64::MAX,
                    is_fallback: false,
                    now_ms: NOW,
                    random,
                    session,
                    tokens: (1_000, 200),
                    shards: 2,
                    routing,
                };
                let choice = choose(black_box(&routing_type), &candidates, &mut states, black_box(&ask));
                if let Some(choice) = choice {
                    states.begin(routing, candidates[choice.candidate].target, NOW);
                }
                choice
            })
        });
    }
    let answered = answered(0);
    group.bench_function("observe", |b| b.iter(|| states.targets[0].latency.observe(black_box(&answered))));
    let identifiers: [&[u8]; 2] = [b"conversation-0123456789abcdef", b"support-bot"];
    group.bench_function("session", |b| b.iter(|| sticky::session(black_box(&identifiers), 600, NOW)));
    group.finish();
}

criterion_group!(route, benches);
criterion_main!(route);
