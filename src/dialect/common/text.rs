//! Text of an answer where it lies in the provider's bytes.

use std::borrow::Cow;

use crate::json::{Unescaped, decode, escape_into, is_string_inside, unescape};

/// A stretch of text. It is copied, not decoded, as long as it goes from one JSON string into another.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Text<'a> {
    /// The inside of a JSON string as the provider wrote it, escapes and all. May be broken; a surrogate pair may be
    /// cut between two of them.
    Escaped(&'a [u8]),
    /// Itself.
    Plain(&'a str),
}

impl<'a> Text<'a> {
    pub fn is_empty(&self) -> bool {
        match self {
            Text::Escaped(raw) => raw.is_empty(),
            Text::Plain(text) => text.is_empty(),
        }
    }

    /// Writes the inside of a JSON string: always valid.
    #[inline]
    pub fn push_escaped(&self, out: &mut Vec<u8>) {
        match self {
            Text::Escaped(raw) if is_string_inside(raw) => out.extend_from_slice(raw),
            Text::Escaped(raw) => escape_into(&decode(raw), out),
            Text::Plain(text) => escape_into(text, out),
        }
    }

    /// Appends the text itself. `open` is carried from one piece of a text to the next.
    pub fn push_plain(&self, open: &mut Unescaped, out: &mut Vec<u8>) {
        match self {
            Text::Escaped(raw) => unescape(raw, open, out),
            Text::Plain(text) => out.extend_from_slice(text.as_bytes()),
        }
    }

    pub fn decode(&self) -> Cow<'a, str> {
        match *self {
            Text::Escaped(raw) => decode(raw),
            Text::Plain(text) => Cow::Borrowed(text),
        }
    }
}
