//! One [`Record`] per request, whatever happens to it (DESIGN P3). Everything that is shown, exported or billed is
//! derived from it, so the numbers agree.
//!
//! Owned by the shard until it is pushed into the ring, by the control core afterwards. Strings that live as long as
//! a configuration are `Arc`s made once per snapshot; a record never copies them.

use std::borrow::Cow;
use std::net::SocketAddr;
use std::sync::Arc;

use crate::meter::{CostSource, Family, Learned, Pricing, Usage};

/// 16 bytes, time-ordered: 48 bits of unix milliseconds, 16 of shard, 64 of a per-shard counter mixed with a seed.
/// Shown to clients as `req_` and 32 hex digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default, PartialOrd, Ord)]
pub struct RequestId(pub u128);

impl std::fmt::Display for RequestId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "req_{:032x}", self.0)
    }
}

impl RequestId {
    /// Unix milliseconds at which the id was made.
    pub fn unix_ms(self) -> u64 {
        (self.0 >> 80) as u64
    }

    /// Reads back what [`Display`](std::fmt::Display) writes; the `req_` may be left out.
    pub fn parse(text: &str) -> Option<Self> {
        let hex = text.strip_prefix("req_").unwrap_or(text);
        if hex.len() != 32 {
            return None;
        }
        u128::from_str_radix(hex, 16).ok().map(Self)
    }
}

/// W3C trace context of the request. Without a valid incoming `traceparent` the shard makes the trace id.
#[derive(Clone, Debug, Default)]
pub struct Trace {
    pub trace_id: [u8; 16],
    /// The SERVER span's own id.
    pub span_id: [u8; 8],
    /// The caller's span, when it sent one.
    pub parent_span_id: Option<[u8; 8]>,
    /// `trace-flags`; bit 0 is "sampled". A trace begun here is sampled.
    pub flags: u8,
    pub state: Option<Box<str>>,
}

/// The API the client called, one per path family. Also decides the shape of error bodies.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Face {
    ChatCompletions,
    Completions,
    Embeddings,
    Responses,
    Messages,
    CountTokens,
    /// Gemini's generateContent and streamGenerateContent.
    Gemini,
    Moderations,
    Rerank,
    Images,
    Audio,
    Models,
    /// Any other path: answered 404 in OpenAI's error shape.
    Unknown,
}

impl Face {
    /// The `face` label of our own metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Face::ChatCompletions => "chat_completions",
            Face::Completions => "completions",
            Face::Embeddings => "embeddings",
            Face::Responses => "responses",
            Face::Messages => "messages",
            Face::CountTokens => "count_tokens",
            Face::Gemini => "generate_content",
            Face::Moderations => "moderations",
            Face::Rerank => "rerank",
            Face::Images => "images",
            Face::Audio => "audio",
            Face::Models => "models",
            Face::Unknown => "unknown",
        }
    }

    /// `gen_ai.operation.name` (semantic conventions, GenAI attributes).
    pub fn operation_name(self) -> &'static str {
        match self {
            Face::ChatCompletions | Face::Responses | Face::Messages => "chat",
            Face::Completions => "text_completion",
            Face::Embeddings => "embeddings",
            Face::CountTokens => "count_tokens",
            Face::Moderations => "moderations",
            Face::Rerank => "rerank",
            Face::Gemini | Face::Images => "generate_content",
            Face::Audio => "audio",
            Face::Models => "list_models",
            Face::Unknown => "unknown",
        }
    }
}

/// How the request ended, as `sluice.outcome`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Outcome {
    /// A complete answer was delivered, whatever its status said.
    Served,
    /// Sluice itself answered with a 4xx: bad input, bad key, unknown model, a limit.
    Refused,
    /// No attempt brought an answer; the client got a 5xx from Sluice.
    Failed,
    /// The upstream broke off after bytes had reached the client.
    Truncated,
    /// The client left before the end.
    Cancelled,
    /// A panic in Sluice closed the connection.
    Crashed,
}

impl Outcome {
    pub fn as_str(self) -> &'static str {
        match self {
            Outcome::Served => "served",
            Outcome::Refused => "refused",
            Outcome::Failed => "failed",
            Outcome::Truncated => "truncated",
            Outcome::Cancelled => "cancelled",
            Outcome::Crashed => "crashed",
        }
    }
}

/// Why an attempt failed, by side and kind; the label of failure metrics and `error.type`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum ErrorClass {
    Resolve,
    Connect,
    ConnectTimeout,
    Tls,
    /// The upstream closed or reset before a complete answer.
    Disconnected,
    FirstByteTimeout,
    IdleTimeout,
    TotalTimeout,
    /// The upstream's bytes are not HTTP/1.1, or break its framing.
    Protocol,
    /// The stream ended without its dialect's terminator.
    Truncated,
    /// An error event inside a 200 stream.
    StreamError,
    RateLimited,
    Overloaded,
    /// The account has no money or quota left: waiting does not help.
    QuotaExhausted,
    Auth,
    /// The key is good, but not for this.
    Permission,
    BadRequest,
    /// The prompt does not fit into the model's window.
    ContextLength,
    /// Refused by the provider's content policy.
    ContentFilter,
    NotFound,
    /// The provider itself says that it took too long.
    Timeout,
    Server,
    /// The client went away.
    ClientGone,
    /// The client stopped reading.
    ClientStalled,
    /// The other of two hedged attempts was faster.
    HedgeLost,
    /// A second run says something else than the client has already.
    Diverged,
    Internal,
}

impl ErrorClass {
    pub fn as_str(self) -> &'static str {
        match self {
            ErrorClass::Resolve => "resolve",
            ErrorClass::Connect => "connect",
            ErrorClass::ConnectTimeout => "connect_timeout",
            ErrorClass::Tls => "tls",
            ErrorClass::Disconnected => "disconnected",
            ErrorClass::FirstByteTimeout => "first_byte_timeout",
            ErrorClass::IdleTimeout => "idle_timeout",
            ErrorClass::TotalTimeout => "total_timeout",
            ErrorClass::Protocol => "protocol",
            ErrorClass::Truncated => "truncated",
            ErrorClass::StreamError => "stream_error",
            ErrorClass::RateLimited => "rate_limited",
            ErrorClass::Overloaded => "overloaded",
            ErrorClass::QuotaExhausted => "quota_exhausted",
            ErrorClass::Auth => "auth",
            ErrorClass::Permission => "permission",
            ErrorClass::BadRequest => "bad_request",
            ErrorClass::ContextLength => "context_length",
            ErrorClass::ContentFilter => "content_filter",
            ErrorClass::NotFound => "not_found",
            ErrorClass::Timeout => "timeout",
            ErrorClass::Server => "server_error",
            ErrorClass::ClientGone => "client_gone",
            ErrorClass::ClientStalled => "client_stalled",
            ErrorClass::HedgeLost => "hedge_lost",
            ErrorClass::Diverged => "diverged",
            ErrorClass::Internal => "internal",
        }
    }
}

/// Why this attempt was made.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum AttemptReason {
    /// The model name says so.
    Direct,
    /// A reused connection died before any byte of the answer; the same request went out on a fresh one.
    ReuseRace,
    /// A rule chose it: by weight,
    Weight,
    /// because the session was there before,
    Sticky,
    /// because it is among the fastest,
    Latency,
    /// because it comes first,
    Priority,
    /// because it is the cheapest,
    Cost,
    /// because it keeps the objective,
    Slo,
    /// or because it has the least to do.
    LeastBusy,
    /// Once more on the same target.
    Retry,
    /// Another one had failed.
    Fallback,
    /// Another one was late.
    Hedge,
    /// Another one's stream had broken off: this one goes on from what was delivered,
    Continue,
    /// or says it again first.
    Restart,
}

/// Targets that would have come first, but for their health, their limits or their SLA.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PassedOver {
    /// At least 1.
    pub count: u8,
    /// Of the first of them.
    pub why: Obstacle,
}

impl PassedOver {
    /// One more, behind those before.
    pub fn after(before: Option<Self>, why: Obstacle) -> Self {
        before.map_or(Self { count: 1, why }, |before| Self { count: before.count.saturating_add(1), ..before })
    }
}

/// What speaks against a target.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Obstacle {
    /// It, or its region, fails.
    Unhealthy,
    /// Its usage limits are reached.
    Limit,
    /// It is too slow for the rule.
    Sla,
}

impl Obstacle {
    pub fn as_str(self) -> &'static str {
        match self {
            Obstacle::Unhealthy => "unhealthy",
            Obstacle::Limit => "limit",
            Obstacle::Sla => "sla",
        }
    }
}

/// A target that was meant and could not be used, so that a fallback rule decided before anything was tried.
#[derive(Clone, Debug)]
pub struct Diverted {
    pub from: Arc<Target>,
    /// Why it was meant.
    pub reason: AttemptReason,
    /// What made it unhealthy; `RateLimited` also where its usage limits are reached.
    pub why: ErrorClass,
}

impl AttemptReason {
    pub fn as_str(self) -> &'static str {
        match self {
            AttemptReason::Direct => "direct",
            AttemptReason::ReuseRace => "reuse_race",
            AttemptReason::Weight => "weight",
            AttemptReason::Sticky => "sticky",
            AttemptReason::Latency => "latency",
            AttemptReason::Priority => "priority",
            AttemptReason::Cost => "cost",
            AttemptReason::Slo => "slo",
            AttemptReason::LeastBusy => "least_busy",
            AttemptReason::Retry => "retry",
            AttemptReason::Fallback => "fallback",
            AttemptReason::Hedge => "hedge",
            AttemptReason::Continue => "continue",
            AttemptReason::Restart => "restart",
        }
    }
}

/// Where an attempt goes: the labels of a target, made once per snapshot (or once per passed-on model name).
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Target {
    pub account: Box<str>,
    /// The name after the account: `gpt-4o-mini` of `openai-main/gpt-4o-mini`.
    pub model: Box<str>,
    /// `account/model`, the `model_name` label.
    pub fqn: Box<str>,
    /// The `model` value sent upstream.
    pub model_id: Box<str>,
    /// Which tokens it counts in.
    pub family: Family,
    /// `gen_ai.provider.name`.
    pub provider: Box<str>,
    pub host: Box<str>,
    pub port: u16,
    /// What its tokens cost; `None`: not known, or not asked for.
    pub pricing: Option<Arc<Pricing>>,
    /// How far estimates of its input are off. One per shard.
    pub learned: Learned,
}

/// Who calls: the labels of a principal, made once per snapshot.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Principal {
    /// `virtualaccount:support-bot`, or `anonymous` under `auth: none`.
    pub subject: Box<str>,
    /// The `username` label: the name without its kind.
    pub name: Box<str>,
    pub teams: Vec<Box<str>>,
    /// The id of the key that was used, never the key.
    pub key_id: Box<str>,
}

/// Key and value of request metadata, in the order of the configured label keys first.
pub type Metadata = [(Box<str>, Box<str>)];

#[derive(Clone, Debug)]
pub struct Attempt {
    pub target: Arc<Target>,
    pub reason: AttemptReason,
    /// Its target was named by the fallback rule ([`Record::fallback_rule`]); else by the routing, or by the caller.
    pub by_fallback_rule: bool,
    pub passed_over: Option<PassedOver>,
    /// Waited before it.
    pub waited_ns: u64,
    /// The CLIENT span's id.
    pub span_id: [u8; 8],
    /// Nanoseconds since the record's start.
    pub start_ns: u64,
    pub first_byte_ns: Option<u64>,
    pub end_ns: u64,
    /// 0 when no head arrived.
    pub status: u16,
    pub error: Option<ErrorClass>,
    /// Whether the connection came from the pool.
    pub reused: bool,
    pub usage: Usage,
    /// Pico-USD (1e-12 USD); `None` when the price is unknown.
    pub cost_pico_usd: Option<i64>,
    /// Whose price that is.
    pub cost_source: Option<CostSource>,
}

/// Every gap between two content events of one stream, in buckets: kept by the stream, merged into the shard's totals
/// once when it ends, so a chunk costs one increment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Gaps {
    /// By the upper bounds of [`Gaps::BOUNDS_NS`]; the last slot is everything above.
    pub counts: [u32; Gaps::BOUNDS_NS.len() + 1],
    pub sum_ns: u64,
    pub max_ns: u64,
}

impl Gaps {
    /// Upper bounds, inclusive: 1 2 5 10 15 20 30 40 50 75 100 150 250 500 1000 ms.
    pub const BOUNDS_NS: [u64; 15] = {
        let ms = [1, 2, 5, 10, 15, 20, 30, 40, 50, 75, 100, 150, 250, 500, 1000];
        let mut bounds = [0; 15];
        let mut i = 0;
        while i < 15 {
            bounds[i] = ms[i] * 1_000_000;
            i += 1;
        }
        bounds
    };

    pub fn add(&mut self, gap_ns: u64) {
        let slot = Self::BOUNDS_NS.iter().position(|&bound| gap_ns <= bound).unwrap_or(Self::BOUNDS_NS.len());
        self.counts[slot] += 1;
        self.sum_ns += gap_ns;
        self.max_ns = self.max_ns.max(gap_ns);
    }

    /// Those of another stretch of the same stream.
    pub fn absorb(&mut self, other: &Gaps) {
        for (count, more) in self.counts.iter_mut().zip(other.counts) {
            *count += more;
        }
        self.sum_ns += other.sum_ns;
        self.max_ns = self.max_ns.max(other.max_ns);
    }

    pub fn count(&self) -> u64 {
        self.counts.iter().map(|&count| u64::from(count)).sum()
    }
}

/// How a request was routed, where a rule decided.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Route {
    /// Id of the rule, or name of the virtual model.
    pub rule: Arc<str>,
    /// `weight-based-routing`, ...
    pub routing_type: &'static str,
}

/// What happened to one request.
#[derive(Clone, Debug)]
pub struct Record {
    pub id: RequestId,
    pub shard: u16,
    pub trace: Trace,
    pub start_unix_ns: u64,
    /// From the first byte of the head to the last byte handed to the kernel.
    pub duration_ns: u64,
    pub face: Face,
    /// Method as received, `GET` or `POST` in all but odd cases.
    pub method: Cow<'static, str>,
    /// The route template, for example `/v1/chat/completions`; empty for unknown paths.
    pub route: &'static str,
    pub client: Option<SocketAddr>,
    /// The client's connection was TLS.
    pub tls: bool,
    pub principal: Option<Arc<Principal>>,
    pub metadata: Option<Arc<Metadata>>,
    /// As the client wrote it; empty when none was read.
    pub model_requested: Box<str>,
    pub stream: bool,
    pub max_tokens: Option<u64>,
    /// The status the client saw; 0 when none was sent.
    pub status: u16,
    pub outcome: Outcome,
    /// The stable `code` of the error body Sluice itself sent.
    pub error_code: Option<&'static str>,
    pub routing: Option<Route>,
    /// Of the `gateway-fallback-config` that named further targets, when it came to that.
    pub fallback_rule: Option<Arc<str>>,
    /// Where that rule decided at once.
    pub diverted: Option<Diverted>,
    /// In the order they began, but for the last: that is the one whose answer, or failure, the client got.
    pub attempts: Vec<Attempt>,
    /// Of the attempt that was delivered. Its source says how it was known.
    pub usage: Usage,
    /// Of all attempts.
    pub cost_pico_usd: Option<i64>,
    pub finish_reason: Option<Box<str>>,
    pub response_id: Option<Box<str>>,
    pub response_model: Option<Box<str>>,
    /// Since the start; streams: the first content event, else the first byte of the body.
    pub first_token_ns: Option<u64>,
    pub last_token_ns: Option<u64>,
    /// Content events delivered, and the gaps between them.
    pub chunks: u32,
    pub gaps: Gaps,
    pub request_body_bytes: u64,
    pub response_body_bytes: u64,
    /// Time in Sluice before the first attempt began.
    pub admit_ns: u64,
}
