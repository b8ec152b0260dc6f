//! The grammar of RFC 8259, checked to the letter while passing over it.

use super::string::{hex4, plain};
use super::{DEPTH_MAX, JsonError, weight};

#[derive(Default)]
pub(super) struct Cursor<'a> {
    pub bytes: &'a [u8],
    pub at: usize,
    pub depth: u32,
    /// One bit per open level, the innermost lowest: set for an object.
    objects: u128,
    /// The last key names a value that is no text (base64).
    binary: bool,
    /// Escapes of the last string: of two bytes, `\n`, and of six, `\u00e9`.
    escapes: u64,
    unicode_escapes: u64,
    /// Strings that are passed are text, to be counted.
    pub counting: bool,
    pub text: Text,
}

/// What the strings of some part of a body amount to.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Text {
    /// Of the strings as they are written, escapes and all (weight.rs).
    pub weight: u64,
    /// Escapes of two bytes and of six among them.
    pub escapes: u64,
    pub unicode_escapes: u64,
}

impl<'a> Cursor<'a> {
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, ..Self::default() }
    }

    pub fn error(&self, expected: &'static str) -> JsonError {
        JsonError { offset: self.at, expected }
    }

    #[inline]
    pub fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    #[inline]
    pub fn white(&mut self) {
        while let Some(b' ' | b'\n' | b'\r' | b'\t') = self.peek() {
            self.at += 1;
        }
    }

    #[inline]
    pub fn byte(&mut self, byte: u8, expected: &'static str) -> Result<(), JsonError> {
        if self.peek() != Some(byte) {
            return Err(self.error(expected));
        }
        self.at += 1;
        Ok(())
    }

    #[inline]
    pub fn push(&mut self, object: bool) -> Result<(), JsonError> {
        if self.depth == DEPTH_MAX {
            return Err(self.error("at most 128 levels of nesting"));
        }
        self.depth += 1;
        self.objects = self.objects << 1 | u128::from(object);
        Ok(())
    }

    #[inline]
    pub fn pop(&mut self) {
        self.depth -= 1;
        self.objects >>= 1;
    }

    #[inline]
    fn in_object(&self) -> bool {
        self.objects & 1 == 1
    }

    /// A string at the cursor, without its quotes.
    #[inline]
    pub fn string(&mut self, expected: &'static str) -> Result<&'a [u8], JsonError> {
        self.byte(b'"', expected)?;
        let start = self.at;
        let mut high = false;
        (self.escapes, self.unicode_escapes) = (0, 0);
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

    /// The last string has escapes.
    #[inline]
    pub fn escaped(&self) -> bool {
        self.escapes + self.unicode_escapes > 0
    }

    #[inline]
    fn count(&mut self, text: &[u8]) {
        self.text.weight += weight(text);
        self.text.escapes += self.escapes;
        self.text.unicode_escapes += self.unicode_escapes;
    }

    fn escape(&mut self) -> Result<(), JsonError> {
        let escape = self.bytes.get(self.at..).unwrap_or_default();
        self.at += match escape.get(1) {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => {
                self.escapes += 1;
                2
            }
            Some(b'u') if escape.get(2..6).and_then(hex4).is_some() => {
                self.unicode_escapes += 1;
                6
            }
            _ => return Err(self.error("an escape of RFC 8259")),
        };
        Ok(())
    }

    /// A key and its colon. Returns the key as it is written.
    #[inline]
    pub fn key(&mut self) -> Result<&'a [u8], JsonError> {
        self.white();
        let key = self.string("a key in quotes")?;
        self.white();
        self.byte(b':', "a colon")?;
        self.white();
        self.binary = matches!(key, b"data" | b"file_data" | b"b64_json" | b"encrypted_content" | b"signature");
        Ok(key)
    }

    /// Any value, whole: iterative, so that depth costs no stack.
    pub fn value(&mut self) -> Result<(), JsonError> {
        let base = self.depth;
        loop {
            self.white();
            match self.peek() {
                Some(b'"') => {
                    let text = self.string("a string")?;
                    if self.counting && !self.binary && !text.starts_with(b"data:") {
                        self.count(text);
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
}
