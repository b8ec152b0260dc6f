//! The one pass over a request body: strict (RFC 8259, valid UTF-8, bounded depth), and on its way it notes the
//! members that routing, limits and metering need.
//!
//! Strict because the provider reads the same bytes with a parser of its own: a body that two parsers could read
//! differently (two `model` members, an escaped spelling of one) would be judged by one and served by the other.

use std::borrow::Cow;

use super::strict::{Cursor, Text};
use super::{JsonError, Span, decode, weight};

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
    /// The strings of `messages`, `input`, `prompt`, `system`, `instructions` and `contents`, for estimates. Keys and
    /// inlined files (base64) are left out; short values such as roles stand for the template that a provider wraps
    /// around each message.
    pub text: Text,
    /// Weight of `tools` or `functions` as they are written, names, descriptions and schemas.
    pub tools_weight: u64,
    pub has_tools: bool,
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
    let mut cursor = Cursor::new(body);
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
        None => Ok(RequestScan { text: cursor.text, ..scan }),
        Some(_) => Err(cursor.error("the end of the body")),
    }
}

impl Cursor<'_> {
    /// One member of the top-level object and what follows it; true when another member comes.
    fn member(&mut self, scan: &mut RequestScan) -> Result<bool, JsonError> {
        self.white();
        let key_at = self.at;
        let key = self.key()?;
        // An escaped spelling of a name is that name.
        let key = if self.escaped() { Cow::Owned(decode(key).into_owned().into_bytes()) } else { Cow::Borrowed(key) };
        match &*key {
            b"model" => {
                if scan.model.is_some() {
                    return Err(JsonError { offset: key_at, expected: "`model` once" });
                }
                scan.model = Some(self.str("a string as `model`")?);
            }
            b"stream" => {
                scan.stream = self.peek() == Some(b't');
                if !matches!(self.peek(), Some(b't' | b'f' | b'n')) {
                    return Err(self.error("true or false as `stream`"));
                }
                self.value()?;
            }
            b"max_tokens" | b"max_completion_tokens" | b"max_output_tokens" => {
                let value = self.span()?.of(self.bytes);
                let number = std::str::from_utf8(value).ok().and_then(|digits| digits.parse().ok());
                scan.max_tokens = scan.max_tokens.max(number);
            }
            b"user" if self.peek() == Some(b'"') => scan.user = Some(self.str("a string")?),
            b"stream_options" => self.stream_options(scan)?,
            b"messages" | b"input" | b"prompt" | b"system" | b"instructions" | b"contents" => {
                self.counting = true;
                self.value()?;
                self.counting = false;
            }
            b"tools" | b"functions" | b"toolConfig" => {
                let span = self.span()?.of(self.bytes);
                scan.has_tools |= span.len() > b"[{}]".len();
                scan.tools_weight += weight(span);
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
