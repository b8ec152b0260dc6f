//! A stored record as the admin API shows it.

use std::collections::BTreeMap;

use serde::Serialize;

use super::codec::gap_bounds_ms;

#[derive(Default, Serialize)]
pub struct Row {
    pub id: String,
    pub trace_id: String,
    pub span_id: String,
    pub parent_span_id: Option<String>,
    /// RFC 3339, UTC.
    pub start: String,
    pub start_unix_ms: u64,
    pub duration_ms: f64,
    pub shard: u64,
    pub operation: String,
    pub method: String,
    pub route: String,
    pub client: Option<String>,
    pub principal: Option<PrincipalRow>,
    pub metadata: BTreeMap<String, String>,
    /// `account/model` that was tried last; what the client asked for when none was.
    pub model: String,
    pub model_requested: String,
    pub stream: bool,
    pub max_tokens: Option<u64>,
    /// 0: no status was sent.
    pub status: u64,
    pub outcome: String,
    pub error_code: Option<String>,
    /// The routing rule that decided, or the virtual model.
    pub rule: Option<String>,
    pub routing_type: Option<String>,
    /// The fallback rule that named further targets.
    pub fallback_rule: Option<String>,
    /// Where that rule decided before anything was tried: the target that was meant and could not be used.
    pub diverted_from: Option<String>,
    /// Why it could not: the failure that made it unhealthy; `rate_limited` also where its usage limits were reached.
    pub diverted_why: Option<String>,
    /// `retry`, `fallback`, `hedge` or `stream`: what made it served though an attempt had failed.
    pub rescued_by: Option<String>,
    /// In the order they began, but for the last, which was delivered.
    pub attempts: Vec<AttemptRow>,
    pub usage: UsageRow,
    pub cost_usd: Option<f64>,
    pub finish_reason: Option<String>,
    pub response_id: Option<String>,
    pub response_model: Option<String>,
    pub first_token_ms: Option<f64>,
    pub last_token_ms: Option<f64>,
    pub chunks: u64,
    pub gaps: Option<GapsRow>,
    pub request_body_bytes: u64,
    pub response_body_bytes: u64,
    pub admit_ms: f64,
}

#[derive(Default, Serialize)]
pub struct PrincipalRow {
    pub subject: String,
    pub name: String,
    pub teams: Vec<String>,
    pub key_id: String,
}

#[derive(Default, Serialize)]
pub struct AttemptRow {
    pub target: String,
    pub model_id: String,
    pub provider: String,
    pub host: String,
    pub reason: String,
    /// The fallback rule named the target; else the routing rule, or the caller.
    pub by_fallback_rule: bool,
    /// Targets that would have come first, but for their health, limits or SLA.
    pub passed_over: u64,
    /// Of the first of them: `unhealthy`, `limit` or `sla`.
    pub passed_over_why: Option<String>,
    /// Waited before it.
    pub waited_ms: f64,
    pub span_id: String,
    /// Times count from the start of the request.
    pub start_ms: f64,
    pub first_byte_ms: Option<f64>,
    pub end_ms: f64,
    pub status: u64,
    pub error: Option<String>,
    pub reused: bool,
    pub usage: UsageRow,
    pub cost_usd: Option<f64>,
}

#[derive(Default, Serialize)]
pub struct UsageRow {
    pub input_tokens: u64,
    pub cache_read_tokens: u64,
    pub cache_write_5m_tokens: u64,
    pub cache_write_1h_tokens: u64,
    pub cache_write_tokens: u64,
    pub output_tokens: u64,
    pub reasoning_tokens: u64,
    pub audio_input_tokens: u64,
    pub audio_output_tokens: u64,
    /// `reported`, `counted`, `estimated` or `none`.
    pub source: String,
}

/// Gaps between content events.
#[derive(Default, Serialize)]
pub struct GapsRow {
    pub count: u64,
    pub sum_ms: f64,
    pub max_ms: f64,
    /// Upper bound in milliseconds (`null`: above all) and how many gaps were within it and above the one before.
    pub buckets: Vec<(Option<f64>, u64)>,
}

impl GapsRow {
    pub fn set_counts(&mut self, counts: impl Iterator<Item = u64>) {
        let bounds = gap_bounds_ms().map(Some).chain(std::iter::once(None));
        self.buckets = bounds.zip(counts).filter(|&(_, count)| count > 0).collect();
        self.count = self.buckets.iter().map(|&(_, count)| count).sum();
    }
}

impl Row {
    pub fn set_start(&mut self, unix_ns: u64) {
        self.start_unix_ms = unix_ns / 1_000_000;
        self.start = crate::control::clock::rfc3339(unix_ns);
    }
}
