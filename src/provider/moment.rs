//! How providers write "then": a number of seconds, Go's durations, moments of RFC 3339 and of HTTP, unix time. All become
//! milliseconds from now; what is past is 0.

use std::time::UNIX_EPOCH;

use crate::meter::pricing::Date;

/// Numbers from here on are moments in unix time: seconds, or milliseconds (OpenRouter).
const UNIX_S_MIN: u64 = 1_000_000_000;
const UNIX_MS_MIN: u64 = UNIX_S_MIN * 1000;

pub fn after_ms(text: &str, now_ms: u64) -> Option<u64> {
    let from_now = |then_ms: u64| then_ms.saturating_sub(now_ms);
    if let Some(ms) = decimal_ms(text, 1000) {
        return Some(match ms / 1000 {
            UNIX_MS_MIN.. => from_now(ms / 1000),
            UNIX_S_MIN.. => from_now(ms),
            _ => ms,
        });
    }
    go_ms(text).or_else(|| rfc3339_ms(text).map(from_now)).or_else(|| http_date_ms(text).map(from_now))
}

/// `2`, `0.25`: times so many milliseconds, rounded up. Nothing negative, no exponent.
pub fn decimal_ms(text: &str, unit_ms: u64) -> Option<u64> {
    let is_plain = text.starts_with(|first: char| first.is_ascii_digit())
        && text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    let number: f64 = is_plain.then(|| text.parse().ok())??;
    Some((number * unit_ms as f64).ceil() as u64)
}

/// Go's `time.Duration.String`: `6m0s`, `1.5s`, `20ms`, `1h2m3.5s`.
fn go_ms(text: &str) -> Option<u64> {
    let mut rest = text;
    let mut sum_ms = 0.0_f64;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, unit) = rest.split_at_checked(digits)?;
        let end = unit.find(|c: char| c.is_ascii_digit()).unwrap_or(unit.len());
        let (unit, after) = unit.split_at_checked(end)?;
        let unit_ms = match unit {
            "h" => 3_600_000.0,
            "m" => 60_000.0,
            "s" => 1000.0,
            "ms" => 1.0,
            "us" | "\u{b5}s" => 1e-3,
            "ns" => 1e-6,
            "d" => 86_400_000.0,
            _ => return None,
        };
        sum_ms += number.parse::<f64>().ok()? * unit_ms;
        rest = after;
    }
    (!text.is_empty()).then(|| sum_ms.ceil() as u64)
}

/// Unix milliseconds of `2026-09-01T10:11:12.5Z`, also with `+02:00`.
fn rfc3339_ms(text: &str) -> Option<u64> {
    let (date, time) = text.split_once(['T', 't', ' '])?;
    let zone = time.find(['Z', 'z', '+', '-'])?;
    let (time, zone) = time.split_at_checked(zone)?;
    let (clock, fraction) = time.split_once('.').unwrap_or((time, "0"));
    let clock_s = match clock.split(':').map(two_digits).collect::<Option<Vec<_>>>()?.as_slice() {
        &[hour @ 0..24, minute @ 0..60, second @ 0..=60] => hour * 3600 + minute * 60 + second,
        _ => return None,
    };
    let ms = decimal_ms(&format!("0.{fraction}"), 1000)?;
    let local_s = Date::parse(date)?.unix_s() + clock_s;
    let (sign, offset) = zone.split_at_checked(1)?;
    let offset_s = match offset.split_once(':') {
        None if offset.is_empty() && sign.eq_ignore_ascii_case("z") => 0,
        Some((hours, minutes)) => two_digits(hours)? * 3600 + two_digits(minutes)? * 60,
        None => return None,
    };
    let unix_s = if sign == "-" { local_s + offset_s } else { local_s.checked_sub(offset_s)? };
    Some(unix_s * 1000 + ms)
}

fn two_digits(text: &str) -> Option<u64> {
    let is_two = text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit());
    is_two.then(|| text.parse().ok())?
}

fn http_date_ms(text: &str) -> Option<u64> {
    let then = httpdate::parse_http_date(text).ok()?.duration_since(UNIX_EPOCH).ok()?;
    u64::try_from(then.as_millis()).ok()
}
