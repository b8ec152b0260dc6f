//! What the head of an answer says about coming again: when, whether, and how much is left until when.

use super::faults::Dialect;
use std::time::{SystemTime, UNIX_EPOCH};

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hints {
    /// In seconds.
    pub retry_after: Option<u32>,
    retry_after_ms: Option<u32>,
    should_retry: Option<bool>,
    remaining: Option<u64>,
    remaining_tokens: Option<u64>,
    pub reset_ms: Option<u32>,
}

impl Hints {
    pub fn set(&mut self, key: &str, value: &str) -> Option<()> {
        match key {
            "retry_after" => self.retry_after = Some(value.parse().ok()?),
            "retry_after_ms" => self.retry_after_ms = Some(value.parse().ok()?),
            "should_retry" => self.should_retry = Some(value.parse().ok()?),
            "remaining" => self.remaining = Some(value.parse().ok()?),
            "remaining_tokens" => self.remaining_tokens = Some(value.parse().ok()?),
            "reset_ms" => self.reset_ms = Some(value.parse().ok()?),
            _ => return None,
        }
        Some(())
    }

    /// As the dialect's provider writes them. `failed`: on an error answer.
    pub fn headers(&self, dialect: Dialect, failed: bool) -> Vec<(&'static str, String)> {
        let mut headers = Vec::new();
        let google = matches!(dialect, Dialect::Gemini | Dialect::GeminiArray);
        // Google says it in the body of the error.
        if let Some(seconds) = self.retry_after.filter(|_| !(google && failed)) {
            headers.push(("retry-after", seconds.to_string()));
        }
        if let Some(ms) = self.retry_after_ms {
            headers.push(("retry-after-ms", ms.to_string()));
        }
        if let Some(should) = self.should_retry {
            headers.push(("x-should-retry", should.to_string()));
        }
        let anthropic = dialect == Dialect::Anthropic;
        let [requests, tokens] = if anthropic {
            [
                ("anthropic-ratelimit-requests-remaining", "anthropic-ratelimit-requests-reset"),
                ("anthropic-ratelimit-tokens-remaining", "anthropic-ratelimit-tokens-reset"),
            ]
        } else {
            [
                ("x-ratelimit-remaining-requests", "x-ratelimit-reset-requests"),
                ("x-ratelimit-remaining-tokens", "x-ratelimit-reset-tokens"),
            ]
        };
        for (left, names) in [(self.remaining, requests), (self.remaining_tokens, tokens)] {
            headers.extend(left.map(|left| (names.0, left.to_string())));
            // Where nothing is said to be left of either, the reset is that of requests.
            let meant = left.is_some() || (names == requests && self.remaining_tokens.is_none());
            if let Some(ms) = self.reset_ms.filter(|_| meant) {
                let said =
                    if anthropic { rfc3339(unix_s().saturating_add(ms.div_ceil(1000).into())) } else { span(ms) };
                headers.push((names.1, said));
            }
        }
        headers
    }
}

/// `120ms`, `1.5s`, `1m30s`.
fn span(ms: u32) -> String {
    let seconds = |ms: u32| f64::from(ms) / 1e3;
    match ms {
        0..1000 => format!("{ms}ms"),
        1000..60_000 => format!("{}s", seconds(ms)),
        _ => format!("{}m{}s", ms / 60_000, seconds(ms % 60_000)),
    }
}

fn unix_s() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// `2026-11-25T04:30:00Z`, by the Gregorian calendar's eras of 400 years that begin in March.
fn rfc3339(unix_s: u64) -> String {
    let (days, second) = (unix_s / 86_400 + 719_468, unix_s % 86_400);
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let march_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * march_month + 2) / 5 + 1;
    let month = if march_month < 10 { march_month + 3 } else { march_month - 9 };
    let year = 400 * era + year_of_era + u64::from(month <= 2);
    let (hour, minute) = (second / 3600, second / 60 % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{:02}Z", second % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_dialect_has_its_own_spelling() {
        let mut hints = Hints::default();
        for (key, value) in [("retry_after", "2"), ("should_retry", "false"), ("remaining", "0"), ("reset_ms", "2000")]
        {
            hints.set(key, value).expect("understood");
        }
        let said = |dialect, failed| -> String {
            let headers = hints.headers(dialect, failed);
            headers.iter().map(|(name, value)| format!("{name}: {value}\n")).collect()
        };
        let limit = "x-should-retry: false\nx-ratelimit-remaining-requests: 0\nx-ratelimit-reset-requests: 2s\n";
        assert_eq!(said(Dialect::OpenAi, true), format!("retry-after: 2\n{limit}"));
        assert_eq!(said(Dialect::Gemini, true), limit);
        assert_eq!(said(Dialect::Gemini, false), format!("retry-after: 2\n{limit}"));
        let anthropic = said(Dialect::Anthropic, false);
        assert!(
            anthropic.contains("anthropic-ratelimit-requests-remaining: 0\nanthropic-ratelimit-requests-reset: 20")
        );
        assert!(hints.set("should_retry", "maybe").is_none() && hints.set("other", "1").is_none());
    }

    #[test]
    fn times_are_written_as_providers_do() {
        assert_eq!([120, 1000, 1500, 90_000].map(span), ["120ms", "1s", "1.5s", "1m30s"]);
        for (unix_s, date) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (1_767_225_599, "2025-12-31T23:59:59Z"),
            (1_774_958_706, "2026-03-31T12:05:06Z"),
        ] {
            assert_eq!(rfc3339(unix_s), date);
        }
    }
}
