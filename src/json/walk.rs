//! A forward-only reader of a document that is forwarded whatever it says. It reads each byte once and stops for good
//! at the first thing it cannot read: every later call then returns nothing.
//!
//! ```
//! # use sluice::json::Walk;
//! let mut walk = Walk::new(br#"{"id":"a","usage":{"prompt_tokens":3}}"#);
//! let mut tokens = None;
//! if walk.object() {
//!     while let Some(key) = walk.key() {
//!         match key {
//!             b"usage" if walk.object() => {
//!                 while let Some(key) = walk.key() {
//!                     if key == b"prompt_tokens" { tokens = walk.number().whole() } else { walk.skip() }
//!                 }
//!             }
//!             _ => walk.skip(),
//!         }
//!     }
//! }
//! assert_eq!(tokens, Some(3));
//! assert!(walk.at_end());
//! ```
//! The rule: after a key or an item, take exactly one value (`string`, `number`, `skip`, or `object`/`array` to its
//! end; those two return false without moving when another kind of value stands there).

use super::string::{plain, short};

#[derive(Clone, Copy)]
pub struct Walk<'a> {
    bytes: &'a [u8],
    at: usize,
}

/// A value where a count was looked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Number {
    /// A whole number from 0 up to 10^12 (`12`, `12.0`).
    Whole(u64),
    Null,
    /// Anything else: a negative, an absurd size, a string, an object.
    Odd,
}

impl Number {
    pub fn whole(self) -> Option<u64> {
        match self {
            Number::Whole(value) => Some(value),
            _ => None,
        }
    }
}

impl<'a> Walk<'a> {
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// Goes on at `offset`, which must be where an earlier walk over the same leading bytes stood.
    pub fn resume(bytes: &'a [u8], offset: usize) -> Self {
        Self { bytes, at: offset }
    }

    pub fn offset(&self) -> usize {
        self.at
    }

    /// The document was read whole and nothing follows it.
    pub fn at_end(&mut self) -> bool {
        self.white();
        self.at == self.bytes.len()
    }

    /// The first byte of the next value; 0 when there is none.
    #[inline]
    pub fn peek(&mut self) -> u8 {
        self.white();
        self.bytes.get(self.at).copied().unwrap_or(0)
    }

    #[inline]
    fn white(&mut self) {
        if let Some(b' ' | b'\n' | b'\r' | b'\t') = self.bytes.get(self.at) {
            self.at = past_white(self.bytes, self.at);
        }
    }

    /// Never [`Walk::at_end`] again, unlike a cursor that merely reached the end.
    fn fail(&mut self) {
        self.at = usize::MAX;
    }

    #[inline]
    fn enter(&mut self, open: u8) -> bool {
        // Not `usize::from(found)`: rustc 1.95 drops such an addition where `found` is also branched on
        // (rust-lang/rust#158206).
        if self.peek() != open {
            return false;
        }
        self.at += 1;
        true
    }

    /// Enters an object, when one stands here.
    #[inline]
    pub fn object(&mut self) -> bool {
        self.enter(b'{')
    }

    /// Enters an array, when one stands here.
    #[inline]
    pub fn array(&mut self) -> bool {
        self.enter(b'[')
    }

    /// The next key of the object entered last, as it is written; `None` leaves the object.
    #[inline]
    pub fn key(&mut self) -> Option<&'a [u8]> {
        let mut byte = self.peek();
        if byte == b',' {
            self.at += 1;
            byte = self.peek();
        }
        match byte {
            b'"' => {
                let key = self.quoted()?;
                if self.peek() != b':' {
                    self.fail();
                    return None;
                }
                self.at += 1;
                Some(key)
            }
            b'}' => {
                self.at += 1;
                None
            }
            _ => {
                self.fail();
                None
            }
        }
    }

    /// Whether the array entered last has another item; false leaves the array.
    #[inline]
    pub fn item(&mut self) -> bool {
        let mut byte = self.peek();
        if byte == b',' {
            self.at += 1;
            byte = self.peek();
        }
        match byte {
            b']' => {
                self.at += 1;
                false
            }
            0 | b'}' => {
                self.fail();
                false
            }
            _ => true,
        }
    }

    /// The inside of a string, escapes not decoded. Any other value is skipped.
    #[inline]
    pub fn string(&mut self) -> Option<&'a [u8]> {
        if self.peek() == b'"' {
            return self.quoted();
        }
        self.skip();
        None
    }

    /// A string at the cursor, which stands on its quote.
    #[inline]
    fn quoted(&mut self) -> Option<&'a [u8]> {
        let start = self.at + 1;
        // Keys are shorter than that, and so are most values.
        if let Some(len) = short(self.bytes, start) {
            self.at = start + len + 1;
            return self.bytes.get(start..start + len);
        }
        self.long(start)
    }

    /// A string of any length whose inside begins at `start`.
    #[inline(never)]
    fn long(&mut self, start: usize) -> Option<&'a [u8]> {
        let mut at = start;
        loop {
            at = plain(self.bytes, at).at;
            match self.bytes.get(at) {
                Some(b'"') => break,
                Some(b'\\') => at += 2,
                _ => {
                    self.fail();
                    return None;
                }
            }
        }
        self.at = at + 1;
        self.bytes.get(start..at)
    }

    /// A count. Whatever stands here is taken.
    pub fn number(&mut self) -> Number {
        const WHOLE_MAX: u64 = 1_000_000_000_000;
        match self.peek() {
            b'0'..=b'9' => {}
            b'n' => {
                self.skip();
                return Number::Null;
            }
            _ => {
                self.skip();
                return Number::Odd;
            }
        }
        if let Some(value) = self.short_number() {
            return Number::Whole(value);
        }
        let raw = self.scalar();
        let (whole, fraction) = match memchr::memchr(b'.', raw) {
            Some(dot) => (raw.get(..dot), raw.get(dot + 1..).unwrap_or_default()),
            None => (Some(raw), &[][..]),
        };
        let value = whole.and_then(|digits| std::str::from_utf8(digits).ok()).and_then(|digits| digits.parse().ok());
        match value {
            Some(value) if value <= WHOLE_MAX && fraction.iter().all(|&digit| digit == b'0') => Number::Whole(value),
            _ => Number::Odd,
        }
    }

    /// At most twelve digits and nothing else, as all real counts are; otherwise nothing is taken.
    #[inline]
    fn short_number(&mut self) -> Option<u64> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let mut value = 0;
        for (len, byte) in rest.iter().enumerate().take(13) {
            if byte.is_ascii_digit() {
                value = value * 10 + u64::from(byte - b'0');
            } else if ends_scalar(byte) && len > 0 {
                self.at += len;
                return Some(value);
            } else {
                break;
            }
        }
        None
    }

    /// A number or a word, up to what ends it.
    #[inline]
    fn scalar(&mut self) -> &'a [u8] {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        // By far the most frequent word of a stream.
        if let Some(word @ b"null") = rest.first_chunk::<4>() {
            self.at += 4;
            return word;
        }
        let len = rest.iter().position(ends_scalar).unwrap_or(rest.len());
        self.at += len;
        rest.get(..len).unwrap_or_default()
    }

    /// Passes over one value of any kind.
    #[inline]
    pub fn skip(&mut self) {
        match self.peek() {
            b'"' => {
                self.quoted();
            }
            b'{' | b'[' => self.skip_nested(),
            b'-' | b'0'..=b'9' | b'a'..=b'z' => {
                self.scalar();
            }
            _ => self.fail(),
        }
    }

    /// Passes over an object or array: brackets are counted, not matched by kind.
    fn skip_nested(&mut self) {
        let mut depth = 0_usize;
        loop {
            self.at = bracket_or_quote(self.bytes, self.at);
            match self.bytes.get(self.at) {
                Some(b'"') => {
                    if self.quoted().is_none() {
                        return;
                    }
                }
                Some(b'{' | b'[') => {
                    depth += 1;
                    self.at += 1;
                }
                Some(_) => {
                    depth -= 1;
                    self.at += 1;
                    if depth == 0 {
                        return;
                    }
                }
                None => return self.fail(),
            }
        }
    }

    /// Passes over one value and returns its bytes.
    pub fn raw(&mut self) -> &'a [u8] {
        self.white();
        let start = self.at;
        self.skip();
        self.bytes.get(start..self.at).unwrap_or_default()
    }
}

#[inline]
fn ends_scalar(byte: &u8) -> bool {
    matches!(byte, b',' | b'}' | b']' | b' ' | b'\n' | b'\r' | b'\t' | b'"' | b':')
}

/// Where the white space that stands at `at` ends. It is nearly always a line end and an indentation.
fn past_white(bytes: &[u8], mut at: usize) -> usize {
    const SPACES: u64 = u64::from_le_bytes([b' '; 8]);
    while let Some(b' ' | b'\n' | b'\r' | b'\t') = bytes.get(at) {
        at += 1;
        while let Some(word) = bytes.get(at..).and_then(|rest| rest.first_chunk::<8>()) {
            let other = u64::from_le_bytes(*word) ^ SPACES;
            at += (other.trailing_zeros() / 8) as usize;
            if other != 0 {
                break;
            }
        }
    }
    at
}

/// Offset of the next `"`, `[`, `]`, `{` or `}`, or the end: eight bytes at a time, for the long arrays of numbers of
/// an embedding.
#[inline]
fn bracket_or_quote(bytes: &[u8], mut at: usize) -> usize {
    const LOW_BITS: u64 = 0x0101_0101_0101_0101;
    let zeros = |word: u64| word.wrapping_sub(LOW_BITS) & !word & (LOW_BITS << 7);
    while let Some(word) = bytes.get(at..).and_then(|rest| rest.first_chunk::<8>()) {
        let word = u64::from_le_bytes(*word);
        // Setting bit 5 makes `[` and `{` one byte, `]` and `}` another; no other byte becomes either, but 0x5b, 0x5d.
        let folded = word | LOW_BITS << 5;
        let found = zeros(word ^ (LOW_BITS * b'"' as u64))
            | zeros(folded ^ (LOW_BITS * b'{' as u64))
            | zeros(folded ^ (LOW_BITS * b'}' as u64));
        if found != 0 {
            return at + (found.trailing_zeros() / 8) as usize;
        }
        at += 8;
    }
    while let Some(&byte) = bytes.get(at) {
        if matches!(byte, b'"' | b'[' | b']' | b'{' | b'}') {
            break;
        }
        at += 1;
    }
    at
}
