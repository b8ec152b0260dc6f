//! Records for tests, each the whole story of one request.

use std::sync::Arc;

use super::{
    Attempt, AttemptReason, Diverted, ErrorClass, Face, Gaps, Metadata, Obstacle, Outcome, PassedOver, Principal,
    Record, RequestId, Route, Target, Trace,
};
use crate::meter::{Usage, UsageSource};

pub const START_UNIX_NS: u64 = 1_764_000_000_000_000_000;
const MS: u64 = 1_000_000;

pub fn target(account: &str, model: &str) -> Arc<Target> {
    Arc::new(Target {
        account: account.into(),
        model: model.into(),
        fqn: format!("{account}/{model}").into(),
        model_id: model.into(),
        family: crate::meter::family(model),
        provider: "openai".into(),
        host: "api.openai.com".into(),
        port: 443,
        pricing: None,
        learned: Default::default(),
    })
}

pub fn principal() -> Arc<Principal> {
    Arc::new(Principal {
        subject: "virtualaccount:support-bot".into(),
        name: "support-bot".into(),
        teams: vec!["support".into(), "night".into()],
        key_id: "k1".into(),
    })
}

pub fn metadata(pairs: &[(&str, &str)]) -> Option<Arc<Metadata>> {
    let pairs: Vec<(Box<str>, Box<str>)> = pairs.iter().map(|&(key, value)| (key.into(), value.into())).collect();
    Some(pairs.into())
}

pub fn attempt(target: Arc<Target>) -> Attempt {
    Attempt {
        target,
        reason: AttemptReason::Direct,
        by_fallback_rule: false,
        passed_over: None,
        waited_ns: 0,
        span_id: [0xa0; 8],
        start_ns: 40_000,
        first_byte_ns: Some(200 * MS),
        end_ns: 900 * MS,
        status: 200,
        error: None,
        reused: true,
        usage: Usage {
            input: 120,
            cache_read: 100,
            output: 41,
            reasoning: 16,
            source: UsageSource::Reported,
            ..Usage::default()
        },
        cost_pico_usd: Some(42_600_000),
        cost_source: Some(crate::meter::CostSource::Public),
    }
}

/// A stream, served to its end by the first attempt.
pub fn stream() -> Record {
    let mut gaps = Gaps::default();
    for ms in [10, 20, 30] {
        gaps.add(ms * MS);
    }
    let attempt = attempt(target("openai-main", "gpt-4o-mini"));
    Record {
        id: RequestId(0x0199_0000_0000_0001_0000_0000_0000_0007),
        shard: 1,
        trace: Trace {
            trace_id: *b"0123456789abcdef",
            span_id: *b"serverid",
            parent_span_id: Some(*b"callerid"),
            flags: 1,
            state: Some("vendor=1".into()),
        },
        start_unix_ns: START_UNIX_NS,
        duration_ns: 901 * MS,
        face: Face::ChatCompletions,
        method: "POST".into(),
        route: "/v1/chat/completions",
        client: Some("10.1.2.3:5555".parse().unwrap()),
        tls: false,
        principal: Some(principal()),
        metadata: metadata(&[("customer_id", "acme"), ("environment", "prod")]),
        model_requested: "gpt-4o-mini".into(),
        stream: true,
        max_tokens: Some(256),
        status: 200,
        outcome: Outcome::Served,
        error_code: None,
        usage: attempt.usage,
        cost_pico_usd: attempt.cost_pico_usd,
        routing: None,
        fallback_rule: None,
        diverted: None,
        attempts: vec![attempt],
        finish_reason: Some("stop".into()),
        response_id: Some("chatcmpl-1".into()),
        response_model: Some("gpt-4o-mini-2024-07-18".into()),
        first_token_ns: Some(250 * MS),
        last_token_ns: Some(850 * MS),
        chunks: 4,
        gaps,
        request_body_bytes: 1024,
        response_body_bytes: 4096,
        admit_ns: 40_000,
    }
}

/// Refused for its key, before anything was known about it.
pub fn refused() -> Record {
    Record {
        trace: Trace { parent_span_id: None, state: None, ..stream().trace },
        duration_ns: 90_000,
        client: None,
        tls: false,
        principal: None,
        metadata: None,
        model_requested: "".into(),
        stream: false,
        max_tokens: None,
        status: 401,
        outcome: Outcome::Refused,
        error_code: Some("invalid_api_key"),
        attempts: Vec::new(),
        usage: Usage::default(),
        cost_pico_usd: None,
        finish_reason: None,
        response_id: None,
        response_model: None,
        first_token_ns: None,
        last_token_ns: None,
        chunks: 0,
        gaps: Gaps::default(),
        ..stream()
    }
}

/// A pooled connection died, the fresh one brought the provider's 503, which was delivered.
pub fn failed_attempts() -> Record {
    let none =
        Attempt { usage: Usage::default(), cost_pico_usd: None, ..attempt(target("openai-main", "gpt-4o-mini")) };
    let first = Attempt {
        first_byte_ns: None,
        end_ns: 2 * MS,
        status: 0,
        error: Some(ErrorClass::Disconnected),
        ..none.clone()
    };
    let second = Attempt {
        reason: AttemptReason::ReuseRace,
        span_id: [0xa1; 8],
        start_ns: 3 * MS,
        end_ns: 30 * MS,
        status: 503,
        error: Some(ErrorClass::Overloaded),
        reused: false,
        ..none
    };
    Record {
        duration_ns: 31 * MS,
        stream: false,
        status: 503,
        attempts: vec![first, second],
        usage: Usage::default(),
        cost_pico_usd: None,
        finish_reason: None,
        response_id: None,
        response_model: None,
        first_token_ns: None,
        last_token_ns: None,
        chunks: 0,
        gaps: Gaps::default(),
        ..stream()
    }
}

/// The client left in the middle of the stream; what was delivered is counted.
pub fn cancelled() -> Record {
    let mut record = stream();
    record.outcome = Outcome::Cancelled;
    record.finish_reason = None;
    record.usage = Usage { input: 120, output: 9, source: UsageSource::Counted, ..Usage::default() };
    for attempt in &mut record.attempts {
        attempt.error = Some(ErrorClass::ClientGone);
        attempt.usage = record.usage;
    }
    record
}

fn route(rule: &str, routing_type: &'static str) -> Option<Route> {
    Some(Route { rule: rule.into(), routing_type })
}

/// An attempt that brought nothing: no usage, no cost.
pub fn failed(target: Arc<Target>, begun_ms: u64, ended_ms: u64, status: u16, error: ErrorClass) -> Attempt {
    Attempt {
        start_ns: begun_ms * MS,
        first_byte_ns: (status != 0).then_some(ended_ms * MS),
        end_ns: ended_ms * MS,
        status,
        error: Some(error),
        usage: Usage::default(),
        cost_pico_usd: None,
        cost_source: None,
        ..attempt(target)
    }
}

/// What an attempt of `output` tokens used and cost: ten micro-USD each.
fn used(output: u64) -> Usage {
    Usage { input: 120, output, source: UsageSource::Reported, ..Usage::default() }
}

/// By priority `openai-main` first, which answered 429 and then, 80 ms later, 503; the fallback rule's `claude` served.
/// `azure` was passed over. Everything was paid for that was used: nothing but the last.
pub fn fallback() -> Record {
    let openai = target("openai-main", "gpt-4o-mini");
    let first = Attempt {
        reason: AttemptReason::Priority,
        passed_over: Some(PassedOver { count: 1, why: Obstacle::Sla }),
        ..failed(openai.clone(), 1, 20, 429, ErrorClass::RateLimited)
    };
    let again = Attempt {
        reason: AttemptReason::Retry,
        waited_ns: 80 * MS,
        span_id: [0xa1; 8],
        ..failed(openai, 100, 150, 503, ErrorClass::Overloaded)
    };
    let last = Attempt {
        reason: AttemptReason::Fallback,
        by_fallback_rule: true,
        span_id: [0xa2; 8],
        start_ns: 151 * MS,
        ..attempt(target("claude", "claude-sonnet-5"))
    };
    Record {
        model_requested: "chat".into(),
        routing: route("chat", "priority-based-routing"),
        fallback_rule: Some("last-resort".into()),
        attempts: vec![first, again, last],
        ..stream()
    }
}

/// By the rule's priority `openai-main`, then `azure`; by the fallback rule `claude`, twice, then `mistral`, which served.
pub fn twice_moved() -> Record {
    let [openai, azure, claude, mistral] = [
        ("openai-main", "gpt-4o-mini"),
        ("azure", "gpt-4o-mini"),
        ("claude", "claude-sonnet-5"),
        ("mistral", "mistral-small"),
    ]
    .map(|(account, model)| target(account, model));
    let overloaded = |target: Arc<Target>, begun_ms: u64, reason| Attempt {
        reason,
        ..failed(target, begun_ms, begun_ms + 5, 503, ErrorClass::Overloaded)
    };
    let by_fallback_rule = |attempt| Attempt { by_fallback_rule: true, ..attempt };
    let attempts = vec![
        overloaded(openai, 1, AttemptReason::Priority),
        overloaded(azure, 10, AttemptReason::Fallback),
        by_fallback_rule(overloaded(claude.clone(), 20, AttemptReason::Fallback)),
        by_fallback_rule(overloaded(claude, 30, AttemptReason::Retry)),
        by_fallback_rule(Attempt { reason: AttemptReason::Fallback, start_ns: 40 * MS, ..attempt(mistral) }),
    ];
    Record { attempts, ..fallback() }
}

/// `openai-main` was unhealthy: the fallback rule sent it to `claude` before anything was tried.
pub fn diverted() -> Record {
    let last = Attempt {
        reason: AttemptReason::Fallback,
        by_fallback_rule: true,
        passed_over: Some(PassedOver { count: 1, why: Obstacle::Unhealthy }),
        ..attempt(target("claude", "claude-sonnet-5"))
    };
    let from = target("openai-main", "gpt-4o-mini");
    let diverted = Diverted { from, reason: AttemptReason::Priority, why: ErrorClass::Overloaded };
    Record { attempts: vec![last], diverted: Some(diverted), ..fallback() }
}

/// `slow` was late, so `fast` was asked too, and won. The loser had written five tokens, which are paid for.
pub fn hedged() -> Record {
    let late = Attempt {
        reason: AttemptReason::Weight,
        end_ns: 410 * MS,
        error: Some(ErrorClass::HedgeLost),
        usage: used(5),
        cost_pico_usd: Some(50_000_000),
        ..attempt(target("slow", "gpt-4o-mini"))
    };
    let winner = Attempt {
        reason: AttemptReason::Hedge,
        span_id: [0xa1; 8],
        start_ns: 200 * MS,
        first_byte_ns: Some(390 * MS),
        ..attempt(target("fast", "gpt-4o-mini"))
    };
    Record {
        routing: route("split", "weight-based-routing"),
        cost_pico_usd: Some(92_600_000),
        attempts: vec![late, winner],
        first_token_ns: Some(400 * MS),
        ..stream()
    }
}

/// The stream of `openai-main` broke off after ten tokens; `claude` would not go on from them, `mistral` said them again
/// and finished.
pub fn rescued() -> Record {
    let broken = Attempt {
        reason: AttemptReason::Latency,
        end_ns: 500 * MS,
        error: Some(ErrorClass::Truncated),
        usage: used(10),
        cost_pico_usd: Some(100_000_000),
        ..attempt(target("openai-main", "gpt-4o-mini"))
    };
    let refused = Attempt {
        reason: AttemptReason::Continue,
        span_id: [0xa1; 8],
        ..failed(target("claude", "claude-sonnet-5"), 501, 520, 400, ErrorClass::BadRequest)
    };
    let served = Attempt {
        reason: AttemptReason::Restart,
        span_id: [0xa2; 8],
        start_ns: 521 * MS,
        first_byte_ns: Some(600 * MS),
        ..attempt(target("mistral", "mistral-small"))
    };
    Record {
        routing: route("fast", "latency-based-routing"),
        cost_pico_usd: Some(142_600_000),
        attempts: vec![broken, refused, served],
        ..stream()
    }
}
