//! What a receiver's answer means: taken, try again, or lost (OTLP specification, "failures").

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use hyper::header::{HeaderMap, RETRY_AFTER};
use hyper::http::StatusCode;

use crate::control::export::otlp::response::{self, PartialSuccess};

#[derive(Debug, PartialEq, Eq)]
pub enum Answer {
    Taken(PartialSuccess),
    /// Worth another try; `after` when the receiver said when.
    Retry {
        after: Option<Duration>,
        why: String,
    },
    Refused(String),
}

pub fn of_http(status: StatusCode, headers: &HeaderMap, body: &[u8]) -> Answer {
    if status.is_success() {
        return Answer::Taken(response::partial_success(body));
    }
    let why = format!("the receiver answered {status}");
    match status.as_u16() {
        429 | 502 | 503 | 504 => Answer::Retry { after: retry_after(headers, SystemTime::now()), why },
        _ => Answer::Refused(why),
    }
}

/// `trailers` are the headers in an answer that has only those.
pub fn of_grpc(status: StatusCode, trailers: &HeaderMap, body: &[u8]) -> Answer {
    let code = trailers.get("grpc-status").and_then(|value| value.to_str().ok()?.parse::<u32>().ok());
    let Some(code) = code else {
        // Not from a gRPC server, or the connection broke before its trailers.
        return match of_http(status, trailers, &[]) {
            Answer::Taken(_) => Answer::Retry { after: None, why: "the answer has no grpc-status".into() },
            other => other,
        };
    };
    let delay = trailers.get("grpc-status-details-bin").and_then(|details| response::retry_info(details.as_bytes()));
    let message = trailers.get("grpc-message").and_then(|value| value.to_str().ok()).unwrap_or("");
    let why = format!("the receiver answered gRPC status {code} {message}");
    match code {
        0 => Answer::Taken(response::partial_success(body.get(5..).unwrap_or(&[]))),
        // CANCELLED, DEADLINE_EXCEEDED, ABORTED, OUT_OF_RANGE, UNAVAILABLE, DATA_LOSS
        1 | 4 | 10 | 11 | 14 | 15 => Answer::Retry { after: delay, why },
        // RESOURCE_EXHAUSTED: only when the receiver says that it will recover.
        8 if delay.is_some() => Answer::Retry { after: delay, why },
        _ => Answer::Refused(why),
    }
}

/// Seconds or a date (RFC 9110 10.2.3).
fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let value = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = value.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let at = UNIX_EPOCH + Duration::from_secs(http_date(value)?);
    Some(at.duration_since(now).unwrap_or(Duration::ZERO))
}

/// Unix seconds of an IMF-fixdate, `Sun, 06 Nov 1994 08:49:37 GMT` (RFC 9110 5.6.7). The obsolete forms are not sent
/// by anything that speaks OTLP.
fn http_date(text: &str) -> Option<u64> {
    const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let mut parts = text.split_once(", ")?.1.split(' ');
    let day: u64 = parts.next()?.parse().ok().filter(|day| (1..=31).contains(day))?;
    let name = parts.next()?;
    let month = MONTHS.iter().position(|month| *month == name)? as u64 + 1;
    let year: u64 = parts.next()?.parse().ok().filter(|year| (1970..=9999).contains(year))?;
    let mut clock = parts.next()?.split(':').map(|part| part.parse::<u64>().ok().filter(|&part| part <= 60));
    let (hour, minute, second) = (clock.next()??, clock.next()??, clock.next()??);
    if parts.next() != Some("GMT") {
        return None;
    }
    // Days of the proleptic Gregorian calendar, with years that begin in March.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let days = year * 365 + year / 4 - year / 100 + year / 400 + (month * 153 + 2) / 5 + day - 1;
    const DAYS_TO_1970: u64 = 719_468;
    Some(((days - DAYS_TO_1970) * 24 + hour) * 3600 + minute * 60 + second)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs.iter().map(|&(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
    }

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let now = UNIX_EPOCH + Duration::from_secs(784_111_777 - 5);
        let after = |value| retry_after(&headers(&[("retry-after", value)]), now);
        assert_eq!(after("7"), Some(Duration::from_secs(7)));
        assert_eq!(after("Sun, 06 Nov 1994 08:49:37 GMT"), Some(Duration::from_secs(5)));
        assert_eq!(after("Sun, 06 Nov 1994 08:49:00 GMT"), Some(Duration::ZERO));
        assert_eq!(http_date("Thu, 29 Feb 2024 00:00:00 GMT"), Some(1_709_164_800));
        for odd in ["soon", "-1", "Sun, 06 Nov 1994", "Sun, 99 Nov 1994 08:49:37 GMT", "Thu, 01 Jan 0000 00:00:00 GMT"]
        {
            assert_eq!(after(odd), None, "{odd}");
        }
    }

    #[test]
    fn only_what_may_pass_is_tried_again() {
        let retried = |code: u16| {
            matches!(of_http(StatusCode::from_u16(code).unwrap(), &headers(&[]), &[]), Answer::Retry { .. })
        };
        let codes: Vec<u16> = (300..600).filter(|&code| retried(code)).collect();
        assert_eq!(codes, [429, 502, 503, 504]);
        let retried = |code: u32| {
            let mut trailers = HeaderMap::new();
            trailers.insert("grpc-status", code.into());
            matches!(of_grpc(StatusCode::OK, &trailers, &[]), Answer::Retry { .. })
        };
        let codes: Vec<u32> = (0..17).filter(|&code| retried(code)).collect();
        assert_eq!(codes, [1, 4, 10, 11, 14, 15]);
    }

    #[test]
    fn an_exhausted_receiver_is_tried_again_when_it_says_when() {
        // Status{code: 8, details: [Any{RetryInfo{retry_delay: 2 s}}]}
        let details = "CAgaMAoodHlwZS5nb29nbGVhcGlzLmNvbS9nb29nbGUucnBjLlJldHJ5SW5mbxIECgIIAg";
        let answer =
            of_grpc(StatusCode::OK, &headers(&[("grpc-status", "8"), ("grpc-status-details-bin", details)]), &[]);
        assert!(matches!(answer, Answer::Retry { after: Some(after), .. } if after == Duration::from_secs(2)));
    }

    #[test]
    fn an_answer_without_grpc_status_is_judged_by_its_http_status() {
        assert!(matches!(of_grpc(StatusCode::UNAUTHORIZED, &headers(&[]), &[]), Answer::Refused(_)));
        assert!(matches!(of_grpc(StatusCode::BAD_GATEWAY, &headers(&[]), &[]), Answer::Retry { .. }));
        assert!(matches!(of_grpc(StatusCode::OK, &headers(&[]), &[]), Answer::Retry { .. }));
    }
}
