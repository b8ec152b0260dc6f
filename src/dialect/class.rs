//! How a caller is told of a provider's failure: a status and a stable `code` for each class (spec "providers" 14).

use crate::telemetry::{ErrorClass, Face};

/// The status and the code of an answer that stands for a provider's error.
pub fn answer_of(class: ErrorClass, face: Face) -> (u16, &'static str) {
    match class {
        // The fault is this gateway's: a 401 would tell the caller that theirs is bad.
        ErrorClass::Auth => (502, "upstream_auth"),
        ErrorClass::Permission => (403, "permission_denied"),
        ErrorClass::NotFound => (404, "model_not_found"),
        ErrorClass::BadRequest => (400, "invalid_request_error"),
        ErrorClass::ContextLength => (400, "context_length_exceeded"),
        ErrorClass::ContentFilter => (400, "content_filter"),
        ErrorClass::RateLimited => (429, "rate_limit_exceeded"),
        ErrorClass::QuotaExhausted => (429, "insufficient_quota"),
        ErrorClass::Overloaded if face == Face::Messages => (529, "server_is_overloaded"),
        ErrorClass::Overloaded => (503, "server_is_overloaded"),
        ErrorClass::Timeout | ErrorClass::FirstByteTimeout => (504, "timeout"),
        ErrorClass::Protocol => (502, "upstream_protocol"),
        ErrorClass::Truncated => (502, "upstream_truncated"),
        ErrorClass::IdleTimeout => (504, "upstream_stalled"),
        ErrorClass::TotalTimeout => (504, "total_timeout"),
        ErrorClass::Disconnected => (502, "upstream_disconnected"),
        _ => (502, "server_error"),
    }
}

/// Whether a provider's own words may be shown: those about credentials echo key fragments and organisations.
pub fn may_quote(class: ErrorClass) -> bool {
    !matches!(class, ErrorClass::Auth | ErrorClass::Permission | ErrorClass::QuotaExhausted)
}
