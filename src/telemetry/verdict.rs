//! How a record is judged: what counts as an error, and under which name. One reading for metrics and spans, so that
//! they never disagree. Rules: semantic conventions, HTTP spans "status" and GenAI spans "error.type".

use super::{Attempt, ErrorClass, Face, Outcome, Record};

/// `error.type` of an error that has no better name.
const OTHER_ERROR: &str = "_OTHER";

/// Whether a model was asked for, so that the GenAI families apply.
pub fn is_model_request(record: &Record) -> bool {
    !matches!(record.face, Face::Models | Face::Unknown)
}

/// Whether the caller got what it asked for.
pub fn succeeded(record: &Record) -> bool {
    record.outcome == Outcome::Served && record.status < 400
}

/// `error.type` of a caller's model request. A caller that leaves is not an error.
pub fn request_error(record: &Record) -> Option<&'static str> {
    if succeeded(record) || record.outcome == Outcome::Cancelled { None } else { Some(error_name(record)) }
}

/// `error.type` of the SERVER span and the HTTP metric: a 4xx is the caller's, not an error of the server.
pub fn server_error(record: &Record) -> Option<&'static str> {
    let failed = match record.outcome {
        Outcome::Served | Outcome::Refused => record.status >= 500,
        Outcome::Failed | Outcome::Truncated | Outcome::Crashed => true,
        Outcome::Cancelled => false,
    };
    failed.then(|| error_name(record))
}

/// The code under which a model request counts as failed in the end: refusals and cancellations do not.
pub fn inference_failure(record: &Record) -> Option<&'static str> {
    let failed = match record.outcome {
        Outcome::Served => record.status >= 400,
        Outcome::Failed | Outcome::Truncated | Outcome::Crashed => true,
        Outcome::Refused | Outcome::Cancelled => false,
    };
    (failed && is_model_request(record)).then(|| error_name(record))
}

fn error_name(record: &Record) -> &'static str {
    let of_attempt = || record.attempts.last().and_then(attempt_error).map(ErrorClass::as_str);
    let of_outcome = || match record.outcome {
        Outcome::Crashed => Some(ErrorClass::Internal.as_str()),
        Outcome::Truncated => Some(ErrorClass::Truncated.as_str()),
        _ => None,
    };
    // What a provider answered has one name, whether it was passed on as it came or said again in the caller's dialect.
    let answered = record.attempts.last().is_some_and(|attempt| attempt.status >= 400);
    let of_answer = of_attempt().filter(|_| answered && record.outcome != Outcome::Refused);
    of_answer.or(record.error_code).or_else(of_attempt).or_else(of_outcome).unwrap_or(OTHER_ERROR)
}

/// What went wrong between Sluice and the upstream. The client's own doings are not the upstream's error; any status
/// of 400 and above is.
pub fn attempt_error(attempt: &Attempt) -> Option<ErrorClass> {
    match attempt.error {
        Some(ErrorClass::ClientGone | ErrorClass::ClientStalled | ErrorClass::HedgeLost) => None,
        Some(class) => Some(class),
        None => match attempt.status {
            0..=399 => None,
            401 | 403 => Some(ErrorClass::Auth),
            404 => Some(ErrorClass::NotFound),
            429 => Some(ErrorClass::RateLimited),
            503 | 529 => Some(ErrorClass::Overloaded),
            400..=499 => Some(ErrorClass::BadRequest),
            _ => Some(ErrorClass::Server),
        },
    }
}

/// The method as the conventions want it: of the registry (RFC 9110 9, RFC 5789), else `_OTHER`.
pub fn method_name(method: &str) -> &'static str {
    const KNOWN: [&str; 9] = ["POST", "GET", "HEAD", "OPTIONS", "PUT", "DELETE", "PATCH", "CONNECT", "TRACE"];
    KNOWN.into_iter().find(|known| *known == method).unwrap_or("_OTHER")
}

/// From the attempt's start to its first content event, of the attempt that was delivered.
pub fn first_chunk_ns(record: &Record, attempt: &Attempt) -> Option<u64> {
    let first = record.first_token_ns.filter(|_| record.stream)?;
    first.checked_sub(attempt.start_ns)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::fixture;

    #[test]
    fn a_providers_answer_has_one_name_in_whatever_dialect_it_was_passed_on() {
        let mut limited = fixture::stream();
        (limited.status, limited.attempts[0].status) = (429, 429);
        limited.attempts[0].error = Some(ErrorClass::RateLimited);
        let translated =
            Record { outcome: Outcome::Failed, error_code: Some("rate_limit_exceeded"), ..limited.clone() };
        for record in [&limited, &translated] {
            assert_eq!([inference_failure(record), request_error(record)], [Some("rate_limited"); 2]);
        }
        let mut silent = translated;
        silent.attempts[0].status = 0;
        assert_eq!(inference_failure(&silent), Some("rate_limit_exceeded"));
    }
}
