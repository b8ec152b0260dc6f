//! Vectors on their way into an OpenAI embeddings answer, written as they are found.

use std::io::Write;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::json::{Walk, escape_into};
use crate::meter::Usage;

/// `{"object":"list","data":[..],..}` as it grows.
pub(super) struct Vectors {
    base64: bool,
    out: Vec<u8>,
    count: usize,
    /// Scratch: little-endian floats.
    floats: Vec<u8>,
}

impl Vectors {
    pub fn new(base64: bool, body_len: usize) -> Self {
        let mut out = Vec::with_capacity(body_len + 256);
        out.extend_from_slice(b"{\"object\":\"list\",\"data\":[");
        Self { base64, out, count: 0, floats: Vec::new() }
    }

    /// Takes one vector, an array of numbers, which stands at `walk`; numbers stay as they are spelled. `None` when it
    /// is something else.
    pub fn take(&mut self, walk: &mut Walk<'_>) -> Option<()> {
        if self.count > 0 {
            self.out.push(b',');
        }
        let _ = write!(self.out, "{{\"object\":\"embedding\",\"index\":{},\"embedding\":", self.count);
        self.count += 1;
        self.floats.clear();
        if !self.base64 {
            self.out.push(b'[');
        }
        if !walk.array() {
            return None;
        }
        let mut first = true;
        while walk.item() {
            let number = walk.raw();
            let value = number_of(number)?;
            if self.base64 {
                self.floats.extend_from_slice(&value.to_le_bytes());
            } else {
                if !first {
                    self.out.push(b',');
                }
                self.out.extend_from_slice(number);
            }
            first = false;
        }
        if first {
            return None;
        }
        if self.base64 {
            self.out.push(b'"');
            self.out.extend_from_slice(STANDARD.encode(&self.floats).as_bytes());
            self.out.extend_from_slice(b"\"}");
        } else {
            self.out.extend_from_slice(b"]}");
        }
        Some(())
    }

    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The answer; `None` unless there is one vector for each of the `asked` inputs.
    pub fn finish(mut self, asked: usize, model: &str, usage: &Usage) -> Option<Vec<u8>> {
        if self.count != asked {
            return None;
        }
        self.out.extend_from_slice(b"],\"model\":\"");
        escape_into(model, &mut self.out);
        let tokens = usage.input;
        let _ = write!(self.out, "\",\"usage\":{{\"prompt_tokens\":{tokens},\"total_tokens\":{tokens}}}}}");
        Some(self.out)
    }
}

/// A number that may stand in JSON as it is spelled. (Rust's own reading also takes `inf` and `1.`.)
fn number_of(raw: &[u8]) -> Option<f32> {
    let is_json = matches!(raw, [b'-' | b'0'..=b'9', ..]) && raw.last().is_some_and(u8::is_ascii_digit);
    std::str::from_utf8(raw).ok().filter(|_| is_json)?.parse().ok()
}
