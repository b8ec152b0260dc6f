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
            // Moonshot, Zhipu, Alibaba.
            "exceeded_current_quota_error",
            "1113",
            "arrearage",
            // Google: a quota per day, see `Told::object`.
            PER_DAY,
        ],
    ),
    (
        ErrorClass::ContextLength,
        // llama.cpp, GitHub.
        &["context_length_exceeded", "exceed_context_size_error", "tokens_limit_reached"],
    ),
    (
        ErrorClass::ContentFilter,
        &[
            "content_filter",
            "content_policy_violation",
            "responsibleaipolicyviolation",
            "invalid_prompt",
            "moderation_blocked",
            "data_inspection_failed",
            "datainspectionfailed",
            FLAGGED,
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
            // AWS.
            "accessdeniedexception",
            "unrecognizedclientexception",
            "invalidsignatureexception",
            "expiredtokenexception",
            "invalidclienttokenid",
            "incompletesignatureexception",
            "incompletesignature",
            "missingauthenticationtokenexception",
            "missingauthenticationtoken",
            "signaturedoesnotmatch",
        ],
    ),
    (
        ErrorClass::Permission,
        &[
            "permission_error",
            "permission_denied",
            "unsupported_country_region_territory",
            "service_disabled",
            // Google: the place or the billing is not right.
            "failed_precondition",
        ],
    ),
    (
        ErrorClass::NotFound,
        &["model_not_found", "not_found_error", "deploymentnotfound", "not_found", "resourcenotfoundexception"],
    ),
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
            "serviceunavailableexception",
            "serviceunavailable",
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
            "throttlingexception",
            "throttling",
            "toomanyrequestsexception",
            // A 400, and to be retried all the same.
            "servicequotaexceededexception",
            "modelnotreadyexception",
        ],
    ),
    (ErrorClass::Timeout, &["timeout_error", "deadline_exceeded", "timeout", "modeltimeoutexception"]),
    (
        ErrorClass::Server,
        &[
            "api_error",
            "server_error",
            "internal_server_error",
            "internal_error",
            "internal",
            "internalserverexception",
            "internalfailure",
            MODEL_ERROR,
            MODEL_STREAM_ERROR,
        ],
    ),
];
/// Bedrock's model failed behind it, and may say with which status.
const MODEL_ERROR: &str = "modelerrorexception";
const MODEL_STREAM_ERROR: &str = "modelstreamerrorexception";
/// Not a provider's word: what is told of a `quotaId` like `GenerateRequestsPerDayPerProjectPerModel`.
const PER_DAY: &str = "quota per day";
/// Nor is this: what OpenRouter's moderation tells beside a 403.
const FLAGGED: &str = "flagged input";

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
            // Bedrock, Cohere.
            "too many input tokens",
            "too many tokens",
        ],
    ),
    // Anthropic, Bedrock, Gemini, Cohere.
    (ErrorClass::ContentFilter, &["content filtering policy", "prompt was blocked", "blocked by the safety filter"]),
    (ErrorClass::NotFound, &["provided model identifier is invalid"]),
    (ErrorClass::Auth, &["api key not valid", "invalid api key", "incorrect api key"]),
];
/// Bedrock throttles by the minute and by the day under one name.
const BEDROCK_PER_DAY: &[u8] = b"Too many tokens per day";
/// Anthropic says these with a 400 (its own words open the message).
/// So does Cohere of its trial keys, with a 429 (there are limits per minute too).
const WORDED_QUOTA: &[&str] =
    &["credit balance is too low", "spend limit", "usage limits", "insufficient balance", "calls / month"];

/// The class of an error answer.
pub fn classify(api: Api, status: u16, body: &[u8]) -> ErrorClass {
    classify_named(api, status, b"", body)
}

/// The same, where the error's name stands outside of its body: AWS's `x-amzn-errortype`, which may go on with `:` and
/// a URL. An empty name is none.
pub fn classify_named(api: Api, status: u16, name: &[u8], body: &[u8]) -> ErrorClass {
    let told = Told::read(name, body);
    told.named().unwrap_or_else(|| {
        let status = told.status.filter(|_| status < 400).unwrap_or(status);
        told.worded(api, by_status(api, status))
    })
}

/// The class of an error inside a stream or a 200 body. What is not told apart is a plain error of the stream.
pub fn classify_event(error: &[u8]) -> ErrorClass {
    classify_named_event(b"", error)
}

/// The same, where the event is named after its error: an exception of an AWS event stream.
pub fn classify_named_event(name: &[u8], error: &[u8]) -> ErrorClass {
    let told = Told::read(name, error);
    let status = told.status.or(name.eq_ignore_ascii_case(b"validationException").then_some(400));
    let class = told.named().or_else(|| status.map(|status| told.worded(Api::Mock, by_status(Api::Mock, status))));
    match class {
        None | Some(ErrorClass::BadRequest | ErrorClass::Server) => ErrorClass::StreamError,
        Some(class) => class,
    }
}

fn by_status(api: Api, status: u16) -> ErrorClass {
    match status {
        // A word on its deny list.
        498 if api == Api::Cohere => ErrorClass::ContentFilter,
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
    /// Of the model behind Bedrock (`originalStatusCode`).
    model_status: Option<u16>,
    message: &'a [u8],
}

impl<'a> Told<'a> {
    fn read(name: &'a [u8], body: &'a [u8]) -> Self {
        let mut told = Self::default();
        told.code(short_name(name));
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
                (b"message" | b"Message" | b"error" | b"detail" | b"raw", b'"') => {
                    let text = walk.string().unwrap_or_default();
                    if self.message.is_empty() {
                        self.message = text;
                    }
                }
                (b"code" | b"type" | b"status" | b"reason" | b"error_code" | b"error_type" | b"limit_source", b'"') => {
                    self.code(walk.string().unwrap_or_default());
                }
                // AWS, where no header names the error.
                (b"__type", b'"') => self.code(short_name(walk.string().unwrap_or_default())),
                (b"flagged_input", b'"') => {
                    self.code(FLAGGED.as_bytes());
                    walk.skip();
                }
                (b"quotaId", b'"') => {
                    if memchr::memmem::find(walk.string().unwrap_or_default(), b"PerDay").is_some() {
                        self.code(PER_DAY.as_bytes());
                    }
                }
                (b"code" | b"status_code" | b"statusCode", b'0'..=b'9') => {
                    let number = walk.raw();
                    self.code(number);
                    self.status = http_status(number).or(self.status);
                }
                (b"originalStatusCode", b'0'..=b'9') => self.model_status = http_status(walk.raw()),
                (b"error" | b"innererror" | b"details" | b"metadata" | b"message", b'{') => {
                    self.object(walk, depth + 1)
                }
                (b"details" | b"error" | b"violations", b'[') => {
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
        if let Some(slot) = self.codes.get_mut(self.codes_len)
            && !code.is_empty()
        {
            *slot = code;
            self.codes_len += 1;
        }
    }

    /// By code; the order of the table decides where several are told.
    fn named(&self) -> Option<ErrorClass> {
        let codes = self.codes.get(..self.codes_len).unwrap_or_default();
        let told = |known: &&str| codes.iter().any(|code| code.eq_ignore_ascii_case(known.as_bytes()));
        let class = NAMED.iter().find(|(_, known)| known.iter().any(told)).map(|(class, _)| *class)?;
        if class == ErrorClass::RateLimited && memchr::memmem::find(self.message, BEDROCK_PER_DAY).is_some() {
            return Some(ErrorClass::QuotaExhausted);
        }
        match self.model_status {
            Some(status) if [MODEL_ERROR, MODEL_STREAM_ERROR].iter().any(told) => Some(self.of_model(status)),
            _ => Some(class),
        }
    }

    /// What the model's own status means to the caller: who asks the model is Bedrock, so its keys are not ours.
    fn of_model(&self, status: u16) -> ErrorClass {
        match by_status(Api::Bedrock, status) {
            class @ (ErrorClass::RateLimited | ErrorClass::Overloaded | ErrorClass::Timeout) => class,
            ErrorClass::BadRequest => self.worded(Api::Bedrock, ErrorClass::BadRequest),
            _ => ErrorClass::Server,
        }
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

/// `ThrottlingException` of `ThrottlingException:http://..` and of `com.amazon.coral.service#ThrottlingException`.
fn short_name(name: &[u8]) -> &[u8] {
    let name = name.split(|&byte| byte == b':').next().unwrap_or_default();
    name.rsplit(|&byte| byte == b'#').next().unwrap_or_default().trim_ascii()
}

fn http_status(digits: &[u8]) -> Option<u16> {
    let status = std::str::from_utf8(digits).ok()?.parse().ok()?;
    (400..600).contains(&status).then_some(status)
}
