//! What the tests of the control core share.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::config::{RouteTarget, Routing};
use crate::meter::{Usage, UsageSource};
use crate::telemetry::{Attempt, AttemptReason, Face, Gaps, Outcome, Record, RequestId, Target, Trace};

/// A folder that is gone with its value.
pub struct TempDir(PathBuf);

impl TempDir {
    pub fn new() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let name = format!("sluice-test-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let dir = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&dir).expect("makes a folder");
        Self(dir)
    }

    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for TempDir {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Rules naming these targets (`account/model`), all in one region. Their accounts are not there.
pub fn routing(targets: &[&str]) -> Routing {
    let one = |fqn: &&str| {
        let (account, model) = fqn.split_once('/').expect("account/model");
        let target = Target { account: account.into(), model: model.into(), fqn: (*fqn).into(), ..target() };
        RouteTarget { account: 0, target: Arc::new(target), region: 0, usage_limits: None, tolerance: None }
    };
    let targets = targets.iter().map(one).collect();
    Routing { targets, regions: vec!["mock/here".into()], ..Routing::default() }
}

fn target() -> Target {
    Target {
        account: "mock".into(),
        model: "fast".into(),
        fqn: "mock/fast".into(),
        model_id: "fast".into(),
        family: crate::meter::family("fast"),
        provider: "mock".into(),
        host: "127.0.0.1".into(),
        port: 9,
        pricing: None,
        learned: Default::default(),
    }
}

/// A served stream of one attempt; `n` makes its ids.
pub fn record(unix_ms: u64, n: u64) -> Record {
    let usage = Usage { input: 11, output: 22, source: UsageSource::Reported, ..Usage::default() };
    // Spread like random trace ids.
    let scattered = u128::from(n.wrapping_add(1)).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835);
    Record {
        id: RequestId(u128::from(unix_ms) << 80 | u128::from(n)),
        shard: 0,
        trace: Trace {
            trace_id: scattered.to_be_bytes(),
            span_id: [2; 8],
            parent_span_id: None,
            flags: 1,
            state: None,
        },
        start_unix_ns: unix_ms * 1_000_000,
        duration_ns: 250_000_000,
        face: Face::ChatCompletions,
        method: "POST".into(),
        route: "/v1/chat/completions",
        client: None,
        tls: false,
        principal: None,
        metadata: None,
        model_requested: "fast".into(),
        stream: true,
        max_tokens: None,
        status: 200,
        outcome: Outcome::Served,
        error_code: None,
        routing: None,
        fallback_rule: None,
        diverted: None,
        attempts: vec![Attempt {
            target: Arc::new(target()),
            reason: AttemptReason::Direct,
            by_fallback_rule: false,
            passed_over: None,
            waited_ns: 0,
            span_id: [3; 8],
            start_ns: 100_000,
            first_byte_ns: Some(1_500_000),
            end_ns: 249_000_000,
            status: 200,
            error: None,
            reused: true,
            usage,
            cost_pico_usd: None,
            cost_source: None,
        }],
        usage,
        cost_pico_usd: None,
        finish_reason: Some("stop".into()),
        response_id: Some("chatcmpl-1".into()),
        response_model: Some("fast-2026".into()),
        first_token_ns: Some(1_600_000),
        last_token_ns: Some(248_000_000),
        chunks: 22,
        gaps: Gaps::default(),
        request_body_bytes: 512,
        response_body_bytes: 4096,
        admit_ns: 40_000,
    }
}
