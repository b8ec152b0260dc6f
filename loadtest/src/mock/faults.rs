//! Error bodies as OpenAI and Anthropic word them.

use super::{
    plan::{ID, Plan},
    scenario::{Class, Scenario},
};
use serde_json::{Value, json};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    OpenAi,
    Anthropic,
}

/// An error answer; `sentence` overrides the usual words.
pub fn answer(dialect: Dialect, status: u16, class: Class, sentence: Option<&str>, scenario: &Scenario) -> Plan {
    let body = match dialect {
        Dialect::OpenAi => openai(status, class, sentence),
        Dialect::Anthropic => anthropic(status, class, sentence),
    };
    let request_id = format!("req_{ID}");
    let id_name = if dialect == Dialect::Anthropic { "request-id" } else { "x-request-id" };
    let retry_after = scenario.retry_after.map(|s| s.to_string());
    let mut headers = vec![(id_name, request_id.as_str())];
    if let Some(seconds) = &retry_after {
        headers.push(("retry-after", seconds));
    }
    let mut plan = Plan::unary(status, "application/json", &headers, body.to_string().as_bytes(), scenario);
    plan.faulty = true;
    plan
}

/// The data of an error inside a stream.
pub fn in_stream(dialect: Dialect) -> Value {
    match dialect {
        Dialect::OpenAi => openai(500, Class::ByStatus, None),
        Dialect::Anthropic => anthropic(529, Class::ByStatus, None),
    }
}

fn openai(status: u16, class: Class, sentence: Option<&str>) -> Value {
    let (kind, code, words) = match (class, status) {
        (Class::InsufficientQuota, _) => (
            "insufficient_quota",
            Some("insufficient_quota"),
            "You exceeded your current quota, please check your plan and billing details.",
        ),
        (Class::ContextLength, _) => (
            "invalid_request_error",
            Some("context_length_exceeded"),
            "This model's maximum context length is 8192 tokens. However, your messages resulted in 9001 tokens. Please reduce the length of the messages.",
        ),
        (Class::ContentFilter, _) => (
            "invalid_request_error",
            Some("content_policy_violation"),
            "The request was rejected as a result of the safety system.",
        ),
        (_, 401) => ("invalid_request_error", Some("invalid_api_key"), "Incorrect API key provided."),
        (_, 403) => ("invalid_request_error", Some("permission_denied"), "You do not have access to this resource."),
        (_, 404) => (
            "invalid_request_error",
            Some("model_not_found"),
            "The model does not exist or you do not have access to it.",
        ),
        (_, 429) => ("requests", Some("rate_limit_exceeded"), "Rate limit reached. Please try again later."),
        (_, 503) => (
            "server_error",
            Some("server_is_overloaded"),
            "The engine is currently overloaded, please try again later.",
        ),
        (_, 500..) => {
            ("server_error", None, "The server had an error while processing your request. Sorry about that!")
        }
        _ => ("invalid_request_error", None, "The request was not understood."),
    };
    json!({"error": {"message": sentence.unwrap_or(words), "type": kind, "param": null, "code": code}})
}

fn anthropic(status: u16, class: Class, sentence: Option<&str>) -> Value {
    let (kind, words) = match (class, status) {
        (Class::InsufficientQuota, _) => {
            ("rate_limit_error", "Your credit balance is too low to access the Anthropic API.")
        }
        (Class::ContextLength, _) => ("invalid_request_error", "prompt is too long: 209001 tokens > 200000 maximum"),
        (Class::ContentFilter, _) => ("invalid_request_error", "Output blocked by content filtering policy"),
        (_, 401) => ("authentication_error", "invalid x-api-key"),
        (_, 402) => ("billing_error", "Your billing information needs attention."),
        (_, 403) => ("permission_error", "Your API key does not have permission to use the specified resource."),
        (_, 404) => ("not_found_error", "The requested resource could not be found."),
        (_, 413) => ("request_too_large", "Request exceeds the maximum allowed number of bytes."),
        (_, 429) => ("rate_limit_error", "Number of requests has exceeded your rate limit."),
        (_, 504) => ("timeout_error", "The request timed out."),
        (_, 529) => ("overloaded_error", "Overloaded"),
        (_, 500..) => ("api_error", "Internal server error"),
        _ => ("invalid_request_error", "The request was not understood."),
    };
    json!({"type": "error", "error": {"type": kind, "message": sentence.unwrap_or(words)}, "request_id": format!("req_{ID}")})
}
