//! The sentence in a provider's error body, for callers of another dialect.

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
