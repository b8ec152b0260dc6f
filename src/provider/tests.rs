use super::{classify, classify_event, classify_named, classify_named_event};
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

#[test]
fn aws_names_its_errors_beside_the_body() {
    use ErrorClass::*;
    for (status, name, body, class) in [
        (403, "AccessDeniedException", r#"{"Message":"no"}"#, Auth),
        (403, "UnrecognizedClientException:http://internal.amazon.com/x/", r#"{"message":"m"}"#, Auth),
        (403, "ExpiredTokenException", r#"{"message":"The security token included in the request is expired"}"#, Auth),
        (403, "InvalidSignatureException", "{}", Auth),
        (400, "ValidationException:http://internal.amazon.com/x/", r#"{"message":"m"}"#, BadRequest),
        (400, "ValidationException", r#"{"message":"The provided model identifier is invalid."}"#, NotFound),
        (400, "ValidationException", r#"{"message":"Input is too long for requested model."}"#, ContextLength),
        (400, "ValidationException", r#"{"message":"Too many input tokens. Max input tokens: 1"}"#, ContextLength),
        (
            400,
            "ValidationException",
            r#"{"message":"input length and `max_tokens` exceed context limit: 9 + 1 > 5"}"#,
            ContextLength,
        ),
        (404, "ResourceNotFoundException", "{}", NotFound),
        (429, "ThrottlingException", r#"{"message":"Too many requests"}"#, RateLimited),
        (429, "ModelNotReadyException", "{}", RateLimited),
        (400, "ServiceQuotaExceededException", "{}", RateLimited),
        (408, "ModelTimeoutException", "{}", Timeout),
        (424, "ModelErrorException", r#"{"message":"m","originalStatusCode":500}"#, Server),
        (424, "ModelErrorException", r#"{"message":"m","originalStatusCode":429}"#, RateLimited),
        (424, "ModelErrorException", r#"{"message":"prompt is too long: 9","originalStatusCode":400}"#, ContextLength),
        (424, "ModelErrorException", r#"{"message":"m","originalStatusCode":403}"#, Server),
        (500, "InternalServerException", "{}", Server),
        (503, "ServiceUnavailableException", "{}", Overloaded),
        (400, "", r#"{"__type":"com.amazon.coral.service#ThrottlingException","message":"m"}"#, RateLimited),
        (529, "", r#"{"type":"error","error":{"type":"overloaded_error","message":"m"}}"#, Overloaded),
        (403, "", "<html>", Permission),
    ] {
        assert_eq!(classify_named(Api::Bedrock, status, name.as_bytes(), body.as_bytes()), class, "{name} {body}");
    }
}

#[test]
fn exceptions_inside_an_aws_stream_are_told_by_their_names() {
    use ErrorClass::*;
    for (name, body, class) in [
        ("throttlingException", r#"{"message":"Too many tokens, please wait"}"#, RateLimited),
        ("serviceUnavailableException", "{}", Overloaded),
        ("modelTimeoutException", "{}", Timeout),
        ("internalServerException", "{}", StreamError),
        ("modelStreamErrorException", r#"{"message":"m","originalStatusCode":503}"#, Overloaded),
        ("modelStreamErrorException", r#"{"message":"m"}"#, StreamError),
        ("validationException", r#"{"message":"Input is too long for requested model."}"#, ContextLength),
        ("validationException", r#"{"message":"m"}"#, StreamError),
        ("someNewException", "not json", StreamError),
        ("error", r#"{"code":"ThrottlingException","message":"m"}"#, RateLimited),
        ("error", r#"{"code":"InternalFailure","message":"m"}"#, StreamError),
    ] {
        assert_eq!(classify_named_event(name.as_bytes(), body.as_bytes()), class, "{name} {body}");
    }
}

#[test]
fn google_tells_a_quota_of_the_day_from_one_of_the_minute() {
    use ErrorClass::*;
    let exhausted = |quota: &str| {
        format!(
            r#"{{"error":{{"code":429,"message":"You exceeded your current quota","status":"RESOURCE_EXHAUSTED","details":[
            {{"@type":"type.googleapis.com/google.rpc.QuotaFailure","violations":[{{"quotaMetric":"m","quotaId":"{quota}"}}]}},
            {{"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay":"34.07s"}}]}}}}"#
        )
    };
    let day = exhausted("GenerateRequestsPerDayPerProjectPerModel-FreeTier");
    let minute = exhausted("GenerateContentInputTokensPerModelPerMinute-FreeTier");
    let key = r#"{"error":{"code":400,"message":"API key not valid.","status":"INVALID_ARGUMENT","details":[{"@type":"type.googleapis.com/google.rpc.ErrorInfo","reason":"API_KEY_INVALID","domain":"googleapis.com"}]}}"#;
    for (status, body, class) in [
        (429, day.as_str(), QuotaExhausted),
        (429, minute.as_str(), RateLimited),
        (400, key, Auth),
        (
            400,
            r#"{"error":{"code":400,"message":"User location is not supported for the API use.","status":"FAILED_PRECONDITION"}}"#,
            Permission,
        ),
        (
            400,
            r#"{"error":{"code":400,"message":"The input token count (9) exceeds the maximum number of tokens allowed (1).","status":"INVALID_ARGUMENT"}}"#,
            ContextLength,
        ),
        (503, r#"{"error":{"code":503,"message":"m","status":"UNAVAILABLE"}}"#, Overloaded),
        (504, r#"{"error":{"code":504,"message":"m","status":"DEADLINE_EXCEEDED"}}"#, Timeout),
        (404, "<!DOCTYPE html>", NotFound),
    ] {
        assert_eq!(classify(Api::Gemini, status, body.as_bytes()), class, "{body}");
    }
}

#[test]
fn cohere_tells_its_errors_by_status_and_words() {
    use ErrorClass::*;
    for (status, body, class) in [
        (401, r#"{"id":"1","message":"invalid api token"}"#, Auth),
        (402, r#"{"id":"1","message":"m"}"#, QuotaExhausted),
        (404, r#"{"id":"1","message":"model 'nonexistent' not found"}"#, NotFound),
        (400, r#"{"id":"1","message":"too many tokens: size limit exceeded by 8 tokens."}"#, ContextLength),
        (422, r#"{"id":"1","message":"m"}"#, BadRequest),
        (
            429,
            r#"{"id":"1","message":"You are using a Trial key, which is limited to 40 API calls / minute."}"#,
            RateLimited,
        ),
        (
            429,
            r#"{"id":"1","message":"You are using a Trial key, which is limited to 1000 API calls / month."}"#,
            QuotaExhausted,
        ),
        (498, r#"{"id":"1","message":"blocked input"}"#, ContentFilter),
        (500, "", Server),
        (503, "", Overloaded),
        (504, "", Timeout),
    ] {
        assert_eq!(classify(Api::Cohere, status, body.as_bytes()), class, "{body}");
    }
}

/// One row for each that routing treats differently, as each provider says it.
#[test]
fn what_routing_decides_by_is_told_apart_for_every_provider() {
    use ErrorClass::*;
    for (api, status, body, class) in [
        // No money, which no waiting mends, against too fast.
        (
            Api::OpenAi,
            429,
            r#"{"error":{"message":"You exceeded your current quota","code":"insufficient_quota"}}"#,
            QuotaExhausted,
        ),
        (Api::OpenAi, 429, r#"{"error":{"message":"Rate limit reached","code":"rate_limit_exceeded"}}"#, RateLimited),
        (Api::OpenAi, 429, r#"{"error":{"message":"m","type":"exceeded_current_quota_error"}}"#, QuotaExhausted),
        (Api::OpenAi, 429, r#"{"error":{"code":"1113","message":"Insufficient balance"}}"#, QuotaExhausted),
        (Api::OpenAi, 400, r#"{"error":{"code":"Arrearage","message":"m"}}"#, QuotaExhausted),
        (Api::OpenAi, 402, r#"{"error":{"message":"Insufficient Balance"}}"#, QuotaExhausted),
        (Api::Anthropic, 402, r#"{"type":"error","error":{"type":"billing_error","message":"m"}}"#, QuotaExhausted),
        (Api::Anthropic, 429, r#"{"type":"error","error":{"type":"rate_limit_error","message":"m"}}"#, RateLimited),
        (
            Api::Bedrock,
            429,
            r#"{"__type":"ThrottlingException","message":"Too many requests, please wait"}"#,
            RateLimited,
        ),
        (
            Api::Bedrock,
            429,
            r#"{"__type":"ThrottlingException","message":"Too many tokens per day, please wait before trying again."}"#,
            QuotaExhausted,
        ),
        (Api::Bedrock, 429, r#"{"__type":"Throttling","message":"Rate exceeded"}"#, RateLimited),
        // Too much for now.
        (Api::Anthropic, 529, "", Overloaded),
        (Api::OpenAi, 503, r#"{"error":{"code":"server_is_overloaded"}}"#, Overloaded),
        (Api::OpenAi, 429, r#"{"object":"error","message":"m","code":"3505"}"#, Overloaded),
        (Api::OpenAi, 429, r#"{"error":"Model is overloaded","error_type":"overloaded"}"#, Overloaded),
        (Api::Bedrock, 503, r#"{"__type":"ServiceUnavailable"}"#, Overloaded),
        (Api::Bedrock, 429, r#"{"__type":"ModelNotReadyException","message":"m"}"#, RateLimited),
        (Api::Gemini, 503, r#"{"error":{"code":503,"status":"UNAVAILABLE","message":"m"}}"#, Overloaded),
        // Too long for this model.
        (Api::OpenAi, 400, r#"{"error":{"code":"context_length_exceeded","message":"m"}}"#, ContextLength),
        (Api::OpenAi, 400, r#"{"error":{"type":"exceed_context_size_error","n_ctx":4096}}"#, ContextLength),
        (Api::OpenAi, 413, r#"{"error":{"code":"tokens_limit_reached","message":"m"}}"#, ContextLength),
        (
            Api::Anthropic,
            400,
            r#"{"error":{"type":"invalid_request_error","message":"input length and `max_tokens` exceed context limit"}}"#,
            ContextLength,
        ),
        // What the provider will not have.
        (Api::OpenAi, 400, r#"{"error":{"code":"content_policy_violation"}}"#, ContentFilter),
        (Api::OpenAi, 400, r#"{"error":{"code":"content_filter","status":400}}"#, ContentFilter),
        (
            Api::OpenAi,
            403,
            r#"{"error":{"code":403,"message":"m","metadata":{"reasons":["violence"],"flagged_input":"x"}}}"#,
            ContentFilter,
        ),
        (Api::OpenAi, 400, r#"{"error":{"code":"data_inspection_failed","message":"m"}}"#, ContentFilter),
        // Neither.
        (Api::OpenAi, 403, r#"{"error":{"code":403,"message":"m"}}"#, Permission),
        (Api::OpenAi, 413, "", BadRequest),
    ] {
        assert_eq!(classify(api, status, body.as_bytes()), class, "{status} {body}");
    }
}
