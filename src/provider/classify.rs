//! Error bodies of every provider -> one class (spec "providers" 14). Runs on errors only, never on the hot path.

use crate::config::Api;
use crate::json::{Walk, decode};
use crate::telemetry::ErrorClass;

/// Nesting of error bodies that is looked into: `error`, `details[]`, `metadata`.
const DEPTH_MAX: u32 = 4;
const CODES_MAX: usize = 12;
/// Messages may quote a whole prompt; what they mean stands at their beginning.
const MESSAGE_BYTES_MAX: usize = 2048;

/// Codes, types and statuses as providers write them, lower-cased.
const NAMED: &[(ErrorClass, &[&str])] = &[
    (
        ErrorClass::QuotaExhausted,
        &[
            "insufficient_quota",
            "credit_balance_exhausted",
            "organization_spend_limit_exceeded",
            "project_spend_limit_exceeded",
            "organization_usage_limit_exceeded",
            "billing_hard_limit_reached",
            "billing_not_active",
            "billing_error",
            "enforced_spend_limit_reached",
            "insufficient_balance",
        ],
    ),
    (ErrorClass::ContextLength, &["context_length_exceeded", "exceed_context_size_error"]),
    (
        ErrorClass::ContentFilter,
        &[
            "content_filter",
            "content_policy_violation",
            "responsibleaipolicyviolation",
            "invalid_prompt",
            "moderation_blocked",
        ],
    ),
    (
        ErrorClass::Auth,
        &[
            "invalid_api_key",
            "authentication_error",
            "invalid_authentication",
            "unauthenticated",
            "api_key_invalid",
            "401",
        ],
    ),
    (
        ErrorClass::Permission,
        &["permission_error", "permission_denied", "unsupported_country_region_territory", "service_disabled"],
    ),
    (ErrorClass::NotFound, &["model_not_found", "not_found_error", "deploymentnotfound", "not_found"]),
    (
        ErrorClass::Overloaded,
        &[
            "server_is_overloaded",
            "overloaded_error",
            "overloaded",
            "capacity_exceeded",
            "service_tier_capacity_exceeded",
            "3505",
            "unavailable",
            "model_overloaded",
        ],
    ),
    (
        ErrorClass::RateLimited,
        &[
            "rate_limit_exceeded",
            "rate_limit_error",
            "slow_down",
            "resource_exhausted",
            "openrouter_in_flight_budget",
            "1300",
            "429",
        ],
    ),
    (ErrorClass::Timeout, &["timeout_error", "deadline_exceeded", "timeout"]),
    (ErrorClass::Server, &["api_error", "server_error", "internal_server_error", "internal_error", "internal"]),
];

/// Wording that tells more than a plain 400 (or 402, 403, 413, 429).
const WORDED: &[(ErrorClass, &[&str])] = &[
    (
        ErrorClass::ContextLength,
        &[
            "maximum context length",
            "prompt is too long",
            "input is too long",
            "exceed context limit",
            "exceeds the maximum number of tokens",
            "input token count",
            "context window",
            "context size",
        ],
    ),
    (ErrorClass::Auth, &["api key not valid", "invalid api key", "incorrect api key"]),
];
/// Anthropic says these with a 400 (its own words open the message).
const WORDED_QUOTA: &[&str] = &["credit balance is too low", "spend limit", "usage limits", "insufficient balance"];

/// The class of an error answer.
pub fn classify(api: Api, status: u16, body: &[u8]) -> ErrorClass {
    let told = Told::read(body);
    told.named().unwrap_or_else(|| {
        let status = told.status.filter(|_| status < 400).unwrap_or(status);
        told.worded(api, by_status(status))
    })
}

/// The class of an error inside a stream or a 200 body. What is not told apart is a plain error of the stream.
pub fn classify_event(error: &[u8]) -> ErrorClass {
    let told = Told::read(error);
    let class = told.named().or_else(|| told.status.map(|status| told.worded(Api::Mock, by_status(status))));
    match class {
        None | Some(ErrorClass::BadRequest | ErrorClass::Server) => ErrorClass::StreamError,
        Some(class) => class,
    }
}

fn by_status(status: u16) -> ErrorClass {
    match status {
        401 => ErrorClass::Auth,
        402 => ErrorClass::QuotaExhausted,
        403 => ErrorClass::Permission,
        404 => ErrorClass::NotFound,
        408 | 504 | 524 => ErrorClass::Timeout,
        429 => ErrorClass::RateLimited,
        // 498: Groq's flex tier; 529: Anthropic and CDNs.
        498 | 503 | 529 => ErrorClass::Overloaded,
        // 424: a dependency of theirs; 499: they gave up on themselves.
        424 | 499 => ErrorClass::Server,
        400..=499 => ErrorClass::BadRequest,
        0..=399 => ErrorClass::StreamError,
        _ => ErrorClass::Server,
    }
}

/// What an error body tells: `{"error":{...}}`, `{"error":"text"}`, an array of such, or its members at the top.
#[derive(Default)]
struct Told<'a> {
    codes: [&'a [u8]; CODES_MAX],
    codes_len: usize,
    /// A code that is an HTTP status (OpenRouter, Groq's `status_code`).
    status: Option<u16>,
    message: &'a [u8],
}

impl<'a> Told<'a> {
    fn read(body: &'a [u8]) -> Self {
        let mut told = Self::default();
        let mut walk = Walk::new(body);
        if walk.array() {
            walk.item();
        }
        match walk.peek() {
            b'"' => told.message = walk.string().unwrap_or_default(),
            _ => told.object(&mut walk, 0),
        }
        told
    }

    fn object(&mut self, walk: &mut Walk<'a>, depth: u32) {
        if depth > DEPTH_MAX || !walk.object() {
            return walk.skip();
        }
        while let Some(key) = walk.key() {
            match (key, walk.peek()) {
                (b"message" | b"error" | b"detail" | b"raw", b'"') => {
                    let text = walk.string().unwrap_or_default();
                    if self.message.is_empty() {
                        self.message = text;
                    }
                }
                (b"code" | b"type" | b"status" | b"reason" | b"error_code" | b"error_type" | b"limit_source", b'"') => {
                    self.code(walk.string().unwrap_or_default());
                }
                (b"code" | b"status_code" | b"statusCode", b'0'..=b'9') => {
                    let number = walk.raw();
                    self.code(number);
                    let status = std::str::from_utf8(number).ok().and_then(|digits| digits.parse().ok());
                    self.status = status.filter(|status| (400..600).contains(status)).or(self.status);
                }
                (b"error" | b"innererror" | b"details" | b"metadata" | b"message", b'{') => {
                    self.object(walk, depth + 1)
                }
                (b"details" | b"error", b'[') => {
                    walk.array();
                    while walk.item() {
                        self.object(walk, depth + 1);
                    }
                }
                _ => walk.skip(),
            }
        }
    }

    fn code(&mut self, code: &'a [u8]) {
        if let Some(slot) = self.codes.get_mut(self.codes_len) {
            *slot = code;
            self.codes_len += 1;
        }
    }

    /// By code; the order of the table decides where several are told.
    fn named(&self) -> Option<ErrorClass> {
        let codes = self.codes.get(..self.codes_len).unwrap_or_default();
        let told = |known: &&str| codes.iter().any(|code| code.eq_ignore_ascii_case(known.as_bytes()));
        NAMED.iter().find(|(_, known)| known.iter().any(told)).map(|(class, _)| *class)
    }

    /// By wording, where `class` (from the status) leaves more than one meaning.
    fn worded(&self, api: Api, class: ErrorClass) -> ErrorClass {
        use ErrorClass::{BadRequest, Permission, RateLimited};
        if !matches!(class, BadRequest | Permission | RateLimited) {
            return class;
        }
        let message = decode(self.message.get(..MESSAGE_BYTES_MAX).unwrap_or(self.message)).to_ascii_lowercase();
        let says = |words: &[&str]| words.iter().any(|words| message.contains(words));
        if api != Api::OpenAi && says(WORDED_QUOTA) {
            return ErrorClass::QuotaExhausted;
        }
        match class {
            BadRequest => WORDED.iter().find(|(_, words)| says(words)).map_or(class, |(class, _)| *class),
            _ => class,
        }
    }
}
