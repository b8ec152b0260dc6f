//! The one pass over a request body: strict (RFC 8259, valid UTF-8, bounded depth), and on its way it notes the
//! members that routing, limits and metering need.
//!
//! Strict because the provider reads the same bytes with a parser of its own: a body that two parsers could read
//! differently (two `model` members, an escaped spelling of one) would be judged by one and served by the other.

use std::borrow::Cow;

use super::string::{hex4, plain};
use super::{DEPTH_MAX, JsonError, Span, decode};

/// What is known of a request body after the scan.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RequestScan {
    pub model: Option<Str>,
    pub stream: bool,
    /// The largest of `max_tokens`, `max_completion_tokens` and `max_output_tokens`.
    pub max_tokens: Option<u64>,
    pub user: Option<Str>,
    /// Of the value of `stream_options`.
    pub stream_options: Option<Span>,
    pub include_usage: Option<bool>,
    /// Of the value of `stream_options.include_usage`, whatever it is.
    pub include_usage_value: Option<Span>,
    /// Just past the `{`.
    pub object_start: usize,
    pub is_empty_object: bool,
    /// Bytes inside the strings of `messages`, `input`, `prompt`, `system`, `instructions` and `contents`, for
    /// estimates. Keys and inlined files (base64) are left out; short values such as roles stand for the template
    /// that a provider wraps around each message.
    pub text_bytes: u64,
}

/// A string of a body, where it lies.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Str {
    /// With its quotes.
    pub span: Span,
}

impl Str {
    /// What stands between the quotes, escapes and all.
    pub fn raw(self, body: &[u8]) -> &[u8] {
        let quoted = self.span.of(body);
        quoted.get(1..quoted.len().saturating_sub(1)).unwrap_or_default()
    }

    /// The text; borrowed when it has no escapes.
    pub fn decode(self, body: &[u8]) -> Cow<'_, str> {
        decode(self.raw(body))
    }
}

/// Scans a whole request body. The top level must be an object, with nothing but white space around it.
pub fn scan_request(body: &[u8]) -> Result<RequestScan, JsonError> {
    if u32::try_from(body.len()).is_err() {
        return Err(JsonError { offset: u32::MAX as usize, expected: "less than 4 GiB of JSON" });
    }
    let mut scan = RequestScan::default();
    let mut cursor = Cursor { bytes: body, ..Cursor::default() };
    cursor.white();
    cursor.byte(b'{', "a JSON object")?;
    cursor.push(true)?;
    scan.object_start = cursor.at;
    cursor.white();
    if cursor.peek() == Some(b'}') {
        scan.is_empty_object = true;
        cursor.at += 1;
    } else {
        while cursor.member(&mut scan)? {}
    }
    cursor.white();
    match cursor.peek() {
        None => Ok(scan),
        Some(_) => Err(cursor.error("the end of the body")),
    }
}

#[derive(Default)]
struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
    depth: u32,
    /// One bit per open level, the innermost lowest: set for an object.
    objects: u128,
    /// The last key names a value that is no text (base64).
    binary: bool,
    /// Bytes inside string values passed so far.
    text_bytes: u64,
}

impl<'a> Cursor<'a> {
    fn error(&self, expected: &'static str) -> JsonError {
        JsonError { offset: self.at, expected }
    }

    #[inline]
    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    #[inline]
    fn white(&mut self) {
        while let Some(b' ' | b'\n' | b'\r' | b'\t') = self.peek() {
            self.at += 1;
        }
    }

    #[inline]
    fn byte(&mut self, byte: u8, expected: &'static str) -> Result<(), JsonError> {
        if self.peek() != Some(byte) {
            return Err(self.error(expected));
        }
        self.at += 1;
        Ok(())
    }

    #[inline]
    fn push(&mut self, object: bool) -> Result<(), JsonError> {
        if self.depth == DEPTH_MAX {
            return Err(self.error("at most 128 levels of nesting"));
        }
        self.depth += 1;
        self.objects = self.objects << 1 | u128::from(object);
        Ok(())
    }

    #[inline]
    fn pop(&mut self) {
        self.depth -= 1;
        self.objects >>= 1;
    }

    #[inline]
    fn in_object(&self) -> bool {
        self.objects & 1 == 1
    }

    /// A string at the cursor, without its quotes.
    #[inline]
    fn string(&mut self, expected: &'static str) -> Result<&'a [u8], JsonError> {
        self.byte(b'"', expected)?;
        let start = self.at;
        let mut high = false;
        loop {
            let part = plain(self.bytes, self.at);
            high |= part.high;
            self.at = part.at;
            match self.peek() {
                Some(b'"') => break,
                Some(b'\\') => self.escape()?,
                Some(_) => return Err(self.error("no bare control character in a string")),
                None => return Err(self.error("the end of a string")),
            }
        }
        let raw = self.bytes.get(start..self.at).unwrap_or_default();
        if high && let Err(error) = std::str::from_utf8(raw) {
            return Err(JsonError { offset: start + error.valid_up_to(), expected: "valid UTF-8" });
        }
        self.at += 1;
        Ok(raw)
    }

    fn escape(&mut self) -> Result<(), JsonError> {
        let escape = self.bytes.get(self.at..).unwrap_or_default();
        self.at += match escape.get(1) {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => 2,
            Some(b'u') if escape.get(2..6).and_then(hex4).is_some() => 6,
            _ => return Err(self.error("an escape of RFC 8259")),
        };
        Ok(())
    }

    /// A key and its colon. Returns the key as it is written.
    #[inline]
    fn key(&mut self) -> Result<&'a [u8], JsonError> {
        self.white();
        let key = self.string("a key in quotes")?;
        self.white();
        self.byte(b':', "a colon")?;
        self.white();
        self.binary = matches!(key, b"data" | b"file_data" | b"b64_json" | b"encrypted_content" | b"signature");
        Ok(key)
    }

    /// Any value, whole: iterative, so that depth costs no stack.
    fn value(&mut self) -> Result<(), JsonError> {
        let base = self.depth;
        loop {
            self.white();
            match self.peek() {
                Some(b'"') => {
                    let text = self.string("a string")?;
                    if !self.binary && !text.starts_with(b"data:") {
                        self.text_bytes += text.len() as u64;
                    }
                }
                Some(b'{') => {
                    self.push(true)?;
                    self.at += 1;
                    self.white();
                    if self.peek() != Some(b'}') {
                        self.key()?;
                        continue;
                    }
                    self.at += 1;
                    self.pop();
                }
                Some(b'[') => {
                    self.push(false)?;
                    self.at += 1;
                    self.white();
                    if self.peek() != Some(b']') {
                        continue;
                    }
                    self.at += 1;
                    self.pop();
                }
                Some(b'-' | b'0'..=b'9') => self.number()?,
                Some(b't') => self.literal(b"true")?,
                Some(b'f') => self.literal(b"false")?,
                Some(b'n') => self.literal(b"null")?,
                _ => return Err(self.error("a JSON value")),
            }
            if !self.more(base)? {
                return Ok(());
            }
        }
    }

    /// After a value: closes levels down to `base`, or stands before the next value (true).
    #[inline]
    fn more(&mut self, base: u32) -> Result<bool, JsonError> {
        while self.depth != base {
            self.white();
            match (self.peek(), self.in_object()) {
                (Some(b','), object) => {
                    self.at += 1;
                    if object {
                        self.key()?;
                    }
                    return Ok(true);
                }
                (Some(b'}'), true) | (Some(b']'), false) => {
                    self.at += 1;
                    self.pop();
                }
                (_, true) => return Err(self.error("a comma or `}`")),
                (_, false) => return Err(self.error("a comma or `]`")),
            }
        }
        Ok(false)
    }

    fn literal(&mut self, word: &'static [u8]) -> Result<(), JsonError> {
        if !self.bytes.get(self.at..).unwrap_or_default().starts_with(word) {
            return Err(self.error("true, false or null"));
        }
        self.at += word.len();
        Ok(())
    }

    fn digits(&mut self) -> Result<(), JsonError> {
        let start = self.at;
        while let Some(b'0'..=b'9') = self.peek() {
            self.at += 1;
        }
        if self.at == start { Err(self.error("a digit")) } else { Ok(()) }
    }

    fn number(&mut self) -> Result<(), JsonError> {
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        // RFC 8259 6: no leading zeros.
        if self.peek() == Some(b'0') {
            self.at += 1
        } else {
            self.digits()?
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.digits()?;
        }
        if let Some(b'e' | b'E') = self.peek() {
            self.at += 1;
            if let Some(b'+' | b'-') = self.peek() {
                self.at += 1;
            }
            self.digits()?;
        }
        Ok(())
    }

    /// One member of the top-level object and what follows it; true when another member comes.
    fn member(&mut self, scan: &mut RequestScan) -> Result<bool, JsonError> {
        self.white();
        let key_at = self.at;
        let key = self.key()?;
        let key = decode(key);
        match &*key {
            "model" => {
                if scan.model.is_some() {
                    return Err(JsonError { offset: key_at, expected: "`model` once" });
                }
                scan.model = Some(self.str("a string as `model`")?);
            }
            "stream" => {
                scan.stream = self.peek() == Some(b't');
                if !matches!(self.peek(), Some(b't' | b'f' | b'n')) {
                    return Err(self.error("true or false as `stream`"));
                }
                self.value()?;
            }
            "max_tokens" | "max_completion_tokens" | "max_output_tokens" => {
                let value = self.span()?.of(self.bytes);
                let number = std::str::from_utf8(value).ok().and_then(|digits| digits.parse().ok());
                scan.max_tokens = scan.max_tokens.max(number);
            }
            "user" if self.peek() == Some(b'"') => scan.user = Some(self.str("a string")?),
            "stream_options" => self.stream_options(scan)?,
            "messages" | "input" | "prompt" | "system" | "instructions" | "contents" => {
                let before = self.text_bytes;
                self.value()?;
                scan.text_bytes += self.text_bytes - before;
            }
            _ => self.value()?,
        }
        self.white();
        match self.peek() {
            Some(b',') => {
                self.at += 1;
                Ok(true)
            }
            Some(b'}') => {
                self.at += 1;
                Ok(false)
            }
            _ => Err(self.error("a comma or `}`")),
        }
    }

    fn span(&mut self) -> Result<Span, JsonError> {
        let start = self.at;
        self.value()?;
        Ok(Span { start: start as u32, end: self.at as u32 })
    }

    fn str(&mut self, expected: &'static str) -> Result<Str, JsonError> {
        let start = self.at;
        self.string(expected)?;
        Ok(Str { span: Span { start: start as u32, end: self.at as u32 } })
    }

    fn stream_options(&mut self, scan: &mut RequestScan) -> Result<(), JsonError> {
        (scan.include_usage, scan.include_usage_value) = (None, None);
        let start = self.at;
        if self.peek() == Some(b'{') {
            let base = self.depth;
            self.push(true)?;
            self.at += 1;
            self.white();
            if self.peek() == Some(b'}') {
                self.at += 1;
                self.pop();
            }
            while self.depth != base {
                let key = decode(self.key()?);
                let value = self.span()?;
                if &*key == "include_usage" {
                    scan.include_usage_value = Some(value);
                    scan.include_usage = match value.of(self.bytes) {
                        b"true" => Some(true),
                        b"false" => Some(false),
                        _ => None,
                    };
                }
                self.next_or_close()?;
            }
        } else {
            self.value()?;
        }
        scan.stream_options = Some(Span { start: start as u32, end: self.at as u32 });
        Ok(())
    }

    /// After a member of an object that is read by hand: past the comma, or past the `}` and one level up.
    fn next_or_close(&mut self) -> Result<(), JsonError> {
        self.white();
        match self.peek() {
            Some(b',') => self.at += 1,
            Some(b'}') => {
                self.at += 1;
                self.pop();
            }
            _ => return Err(self.error("a comma or `}`")),
        }
        Ok(())
    }
}
