use super::{classify, classify_event};
use crate::config::Api;
use crate::telemetry::ErrorClass;

#[test]
fn the_code_decides_before_the_status_and_the_wording_last() {
    use ErrorClass::*;
    for (api, status, body, class) in [
        (
            Api::OpenAi,
            429,
            r#"{"error":{"message":"m","type":"insufficient_quota","code":"credit_balance_exhausted"}}"#,
            QuotaExhausted,
        ),
        (Api::OpenAi, 429, r#"{"error":{"message":"m","type":"tokens","code":"rate_limit_exceeded"}}"#, RateLimited),
        (Api::OpenAi, 503, r#"{"error":{"code":"slow_down"}}"#, RateLimited),
        (Api::OpenAi, 400, r#"{"error":{"code":"model_not_found","type":"invalid_request_error"}}"#, NotFound),
        (
            Api::OpenAi,
            400,
            r#"{"object":"error","message":"This model's maximum context length is 5 tokens","code":400}"#,
            ContextLength,
        ),
        (
            Api::OpenAi,
            400,
            r#"{"error":{"code":"content_filter","innererror":{"code":"ResponsibleAIPolicyViolation"}}}"#,
            ContentFilter,
        ),
        (Api::OpenAi, 413, r#"{"error":{"code":"rate_limit_exceeded","type":"tokens"}}"#, RateLimited),
        (
            Api::OpenAi,
            402,
            r#"{"error":{"code":402,"metadata":{"limit_source":"openrouter_in_flight_budget"}}}"#,
            RateLimited,
        ),
        (Api::OpenAi, 402, "", QuotaExhausted),
        (Api::OpenAi, 498, "", Overloaded),
        (
            Api::OpenAi,
            400,
            r#"[{"error":{"code":400,"status":"INVALID_ARGUMENT","details":[{"reason":"API_KEY_INVALID"}]}}]"#,
            Auth,
        ),
        (Api::OpenAi, 422, r#"{"detail":[{"loc":[],"msg":"m"}]}"#, BadRequest),
        (Api::OpenAi, 404, r#"{"error":"model not pulled"}"#, NotFound),
        (Api::OpenAi, 502, "<html>", Server),
        (Api::Anthropic, 529, r#"{"type":"error","error":{"type":"overloaded_error","message":"m"}}"#, Overloaded),
        (
            Api::Anthropic,
            400,
            r#"{"type":"error","error":{"type":"invalid_request_error","message":"Your credit balance is too low"}}"#,
            QuotaExhausted,
        ),
        (
            Api::Anthropic,
            400,
            r#"{"type":"error","error":{"type":"invalid_request_error","message":"prompt is too long: 9 > 1"}}"#,
            ContextLength,
        ),
        (
            Api::Anthropic,
            429,
            r#"{"error":{"type":"rate_limit_error","details":{"error_code":"enforced_spend_limit_reached"}}}"#,
            QuotaExhausted,
        ),
        (Api::Anthropic, 504, "", Timeout),
    ] {
        assert_eq!(classify(api, status, body.as_bytes()), class, "{status} {body}");
    }
}

#[test]
fn errors_inside_a_stream_are_told_apart_when_they_say_what_they_are() {
    use ErrorClass::*;
    for (error, class) in [
        (r#"{"type":"overloaded_error","message":"Overloaded"}"#, Overloaded),
        (r#"{"code":429,"message":"m"}"#, RateLimited),
        (r#"{"code":400,"message":"Token limit reached"}"#, StreamError),
        (r#"{"type":"invalid_request_error","code":"tool_use_failed","status_code":400}"#, StreamError),
        (r#""text""#, StreamError),
        ("", StreamError),
    ] {
        assert_eq!(classify_event(error.as_bytes()), class, "{error}");
    }
}
