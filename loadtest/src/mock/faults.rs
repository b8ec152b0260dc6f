//! Error bodies as each provider words them.

use super::{
    plan::{ID, Plan},
    scenario::{Class, Scenario},
};
use serde_json::{Value, json};

/// Whose words are spoken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// Everything of OpenAI's but the responses API, and what speaks like it.
    OpenAi,
    Responses,
    Anthropic,
    Gemini,
    /// The same where the answer is a JSON array, which errors are wrapped in as well.
    GeminiArray,
    Bedrock,
    Cohere,
}

/// An error answer; `sentence` overrides the usual words.
pub fn answer(dialect: Dialect, status: u16, class: Class, sentence: Option<&str>, scenario: &Scenario) -> Plan {
    let body = body(dialect, status, class, sentence, scenario.hints.retry_after);
    let request_id = format!("req_{ID}");
    let headers = match dialect {
        Dialect::OpenAi | Dialect::Responses => vec![("x-request-id", request_id.as_str())],
        Dialect::Anthropic => vec![("request-id", request_id.as_str())],
        Dialect::Bedrock => vec![("x-amzn-errortype", bedrock(status, class).0)],
        Dialect::Gemini | Dialect::GeminiArray | Dialect::Cohere => Vec::new(),
    };
    let mut plan = Plan::unary(status, "application/json", &headers, body.to_string().as_bytes(), scenario);
    plan.faulty = true;
    plan
}

/// Of a conversation that ends with the assistant's own words.
pub fn no_prefill(dialect: Dialect, scenario: &Scenario) -> Plan {
    let words = "This model does not support assistant message prefill. The conversation must end with a user message.";
    let amazon = format!("The model returned the following errors: {words}");
    let words = if dialect == Dialect::Bedrock { &amazon } else { words };
    answer(dialect, 400, Class::ByStatus, Some(words), scenario)
}

fn body(dialect: Dialect, status: u16, class: Class, sentence: Option<&str>, retry_after: Option<u32>) -> Value {
    match dialect {
        Dialect::OpenAi | Dialect::Responses => openai(status, class, sentence),
        Dialect::Anthropic => anthropic(status, class, sentence),
        Dialect::Gemini => gemini(status, class, sentence, retry_after),
        Dialect::GeminiArray => json!([gemini(status, class, sentence, retry_after)]),
        Dialect::Bedrock => json!({"message": sentence.unwrap_or(bedrock(status, class).1)}),
        Dialect::Cohere => json!({"id": ID, "message": sentence.unwrap_or(cohere(status, class))}),
    }
}

/// The data of an error inside a stream.
pub fn in_stream(dialect: Dialect) -> Value {
    let status = match dialect {
        Dialect::Anthropic => 529,
        Dialect::Gemini | Dialect::GeminiArray => 503,
        _ => 500,
    };
    body(dialect, status, Class::ByStatus, None, None)
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
    let mut error = json!({"type": kind, "message": sentence.unwrap_or(words)});
    if class == Class::InsufficientQuota {
        error["details"] = json!({"error_code": "enforced_spend_limit_reached"});
    }
    json!({"type": "error", "error": error, "request_id": format!("req_{ID}")})
}

fn gemini(status: u16, class: Class, sentence: Option<&str>, retry_after: Option<u32>) -> Value {
    let (name, words) = match (class, status) {
        (Class::InsufficientQuota, _) => {
            ("RESOURCE_EXHAUSTED", "You exceeded your current quota, please check your plan and billing details.")
        }
        (Class::ContextLength, _) => (
            "INVALID_ARGUMENT",
            "The input token count (1209001) exceeds the maximum number of tokens allowed (1048576).",
        ),
        (Class::ContentFilter, _) => ("INVALID_ARGUMENT", "The prompt was blocked."),
        (_, 401) => ("UNAUTHENTICATED", "Request had invalid authentication credentials."),
        (_, 403) => ("PERMISSION_DENIED", "The caller does not have permission"),
        (_, 404) => ("NOT_FOUND", "The model is not found for API version v1beta."),
        (_, 429) => ("RESOURCE_EXHAUSTED", "Resource has been exhausted (e.g. check quota)."),
        (_, 503) => ("UNAVAILABLE", "The model is overloaded. Please try again later."),
        (_, 504) => ("DEADLINE_EXCEEDED", "The request did not complete within its deadline."),
        (_, 500..) => ("INTERNAL", "An internal error has occurred. Please retry."),
        _ => ("INVALID_ARGUMENT", "Request contains an invalid argument."),
    };
    let mut details = Vec::new();
    if class == Class::InsufficientQuota {
        let quota = "GenerateRequestsPerDayPerProjectPerModel-FreeTier";
        details
            .push(json!({"@type": "type.googleapis.com/google.rpc.QuotaFailure", "violations": [{"quotaId": quota}]}));
    }
    if let Some(seconds) = retry_after {
        details.push(json!({"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": format!("{seconds}s")}));
    }
    let mut error = json!({"code": status, "message": sentence.unwrap_or(words), "status": name});
    if !details.is_empty() {
        error["details"] = json!(details);
    }
    json!({"error": error})
}

/// A key that Google does not know is an invalid argument.
pub fn gemini_bad_key(dialect: Dialect, scenario: &Scenario) -> Plan {
    let mut error = gemini(400, Class::ByStatus, Some("API key not valid. Please pass a valid API key."), None);
    error["error"]["details"] = json!([{"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "API_KEY_INVALID", "domain": "googleapis.com"}]);
    let body = if dialect == Dialect::GeminiArray { json!([error]) } else { error };
    let mut plan = Plan::unary(400, "application/json", &[], body.to_string().as_bytes(), scenario);
    plan.faulty = true;
    plan
}

/// The exception, which is in a header, and its words.
fn bedrock(status: u16, class: Class) -> (&'static str, &'static str) {
    match (class, status) {
        (Class::InsufficientQuota, _) => {
            ("ServiceQuotaExceededException", "Your request exceeds the service quota for your account.")
        }
        (Class::ContextLength, _) => ("ValidationException", "Input is too long for requested model."),
        (Class::ContentFilter, _) => ("ValidationException", "The request was blocked by content filtering policy."),
        (_, 401) => ("UnrecognizedClientException", "The security token included in the request is invalid."),
        (_, 403) => ("AccessDeniedException", "You don't have access to the model with the specified model ID."),
        (_, 404) => ("ResourceNotFoundException", "Could not resolve the foundation model from the provided model id."),
        (_, 408) => ("ModelTimeoutException", "The request took too long to process."),
        (_, 424) => ("ModelErrorException", "The request failed due to an error while processing the model."),
        (_, 429) => ("ThrottlingException", "Too many requests, please wait before trying again."),
        (_, 503) => ("ServiceUnavailableException", "The service is temporarily unavailable."),
        (_, 500..) => ("InternalServerException", "An internal server error occurred. Try again later."),
        _ => ("ValidationException:http://internal.amazon.com/coral/", "The provided request is not valid."),
    }
}

fn cohere(status: u16, class: Class) -> &'static str {
    match (class, status) {
        (Class::InsufficientQuota, _) => "You are using a Trial key, which is limited to 1000 API calls / month.",
        (Class::ContextLength, _) => {
            "too many tokens: total number of tokens in the prompt cannot exceed 128000 - received 129001."
        }
        (Class::ContentFilter, _) => "the request was blocked by the safety filter",
        (_, 401) => "invalid api token",
        (_, 402) => "Please add or update your payment method.",
        (_, 403) => "not permitted",
        (_, 404) => "model not found, make sure the correct model ID was used and that you have access to the model.",
        (_, 429) => "Please wait and try again later",
        (_, 503) => "the service is unavailable, please try again",
        (_, 500..) => "internal server error",
        _ => "invalid request",
    }
}
