//! What a provider's error body says to people and to clients that would try again, for callers of another dialect.

use crate::json::{Walk, decode};

/// Nesting that is looked into: `{"error":{"message":..}}`, `{"message":{"detail":..}}`.
const DEPTH_MAX: u32 = 3;
const MESSAGE_BYTES_MAX: usize = 1024;

/// Empty when the body says nothing that can be read. Bounded: a message may quote a whole prompt.
pub fn error_message(body: &[u8]) -> String {
    let mut walk = Walk::new(body);
    if walk.array() {
        walk.item();
    }
    let raw = find(&mut walk, 0).unwrap_or_default();
    let text = decode(raw);
    let end = (0..=MESSAGE_BYTES_MAX.min(text.len())).rev().find(|&at| text.is_char_boundary(at)).unwrap_or(0);
    text.get(..end).unwrap_or_default().to_owned()
}

/// Google says in the body when to come back: `"retryDelay": "34.07s"` of a google.rpc.RetryInfo. Bounded to a day.
pub fn retry_delay_ms(body: &[u8]) -> Option<u64> {
    const KEY: &[u8] = b"\"retryDelay\"";
    const DAY_S: f64 = 86_400.0;
    let at = memchr::memmem::find(body, KEY)?;
    let value = body.get(at + KEY.len()..)?.trim_ascii_start().strip_prefix(b":")?;
    let text = std::str::from_utf8(Walk::new(value).string()?).ok()?;
    let seconds: f64 = text.strip_suffix('s')?.parse().ok()?;
    (seconds.is_finite() && seconds >= 0.0).then(|| (seconds.min(DAY_S) * 1000.0).ceil() as u64)
}

/// The same in seconds, rounded up, as `retry-after` has it.
pub fn retry_delay_s(body: &[u8]) -> Option<u32> {
    retry_delay_ms(body).map(|ms| ms.div_ceil(1000) as u32)
}

fn find<'a>(walk: &mut Walk<'a>, depth: u32) -> Option<&'a [u8]> {
    if depth > DEPTH_MAX || !walk.object() {
        let text = if walk.peek() == b'"' && depth > 0 { walk.string() } else { None };
        if text.is_none() {
            walk.skip();
        }
        return text.filter(|text| !text.is_empty());
    }
    let mut found = None;
    while let Some(key) = walk.key() {
        match key {
            // Bedrock writes either case.
            b"message" | b"Message" | b"error" | b"detail" | b"msg" => {
                let text = find(walk, depth + 1);
                found = found.or(text);
            }
            _ => walk.skip(),
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn google_says_when_to_come_back() {
        for (body, expected) in [
            (r#"{"error":{"details":[{"@type":"t/google.rpc.RetryInfo","retryDelay" : "34.07s"}]}}"#, Some(35)),
            (r#"{"retryDelay":"0s"}"#, Some(0)),
            (r#"{"retryDelay":"1e300s"}"#, Some(86_400)),
            (r#"{"retryDelay":"-1s"}"#, None),
            (r#"{"retryDelay":"soon"}"#, None),
            (r#"{"retryDelay":7}"#, None),
            (r#"{"retryDelay"#, None),
        ] {
            assert_eq!(retry_delay_s(body.as_bytes()), expected, "{body}");
        }
    }

    #[test]
    fn the_sentence_is_found_in_every_shape() {
        for (body, expected) in [
            (r#"{"error":{"message":"Too \"long\"","type":"x"}}"#, "Too \"long\""),
            (r#"{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}"#, "Overloaded"),
            (r#"[{"error":{"code":400,"message":"Bad"}}]"#, "Bad"),
            (r#"{"Message":"denied"}"#, "denied"),
            (r#"{"id":"1","message":"gone"}"#, "gone"),
            (r#"{"error":"text","error_type":"validation"}"#, "text"),
            (r#"{"message":{"detail":"deep"}}"#, "deep"),
            ("<html>", ""),
            ("", ""),
        ] {
            assert_eq!(error_message(body.as_bytes()), expected, "{body}");
        }
    }
}
