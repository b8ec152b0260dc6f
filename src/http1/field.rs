//! The field section of a head: `name: value` lines until the empty line.

use super::lines::{BareLf, Lines, is_token, is_token_byte, is_value, trim, trim_start};
use super::name::Name;
use super::{HeadError, HeadLimits, ResponseError, Span};

/// One header field; the value is trimmed of the whitespace around it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Field {
    pub name: Name,
    pub name_span: Span,
    pub value: Span,
}

/// Who sent the head: RFC 9112 asks for more patience with responses in one place.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Sender {
    Client,
    Upstream,
}

pub(super) enum FieldFault {
    TooLarge,
    TooMany,
    Line(&'static str),
}

pub(super) const BARE_LF: &str = "Every line of a head must end with CRLF.";
const NO_COLON: &str = "Every header line must be a name, a colon and a value.";
const BAD_NAME: &str = "A header name must be made of token characters, directly followed by a colon.";
const FOLDED: &str = "A header line must not start with whitespace.";
const BAD_VALUE: &str = "A header value must not contain control characters.";

impl From<BareLf> for FieldFault {
    fn from(_: BareLf) -> FieldFault {
        FieldFault::Line(BARE_LF)
    }
}

impl From<FieldFault> for HeadError {
    fn from(fault: FieldFault) -> HeadError {
        match fault {
            FieldFault::TooLarge => {
                HeadError::new(431, "head_too_large", "The request head must be smaller than the configured limit.")
            }
            FieldFault::TooMany => HeadError::new(
                431,
                "too_many_fields",
                "The request must have no more header fields than the configured limit.",
            ),
            FieldFault::Line(expected) => HeadError::bad("invalid_head", expected),
        }
    }
}

impl From<FieldFault> for ResponseError {
    fn from(fault: FieldFault) -> ResponseError {
        match fault {
            FieldFault::TooLarge => ResponseError::HeadTooLarge,
            FieldFault::TooMany => ResponseError::TooManyFields,
            FieldFault::Line(expected) => ResponseError::Field(expected),
        }
    }
}

/// Reads up to and over the empty line; None when it is not here yet.
pub(super) fn parse_fields(
    lines: &mut Lines<'_>,
    limits: &HeadLimits,
    sender: Sender,
) -> Result<Option<Vec<Field>>, FieldFault> {
    let mut fields = Vec::with_capacity(16.min(limits.fields_max));
    loop {
        let clean = lines.next_clean();
        let Some(line) = clean.map_or_else(|| lines.next(), |line| Ok(Some(line)))? else {
            return if lines.is_full { Err(FieldFault::TooLarge) } else { Ok(None) };
        };
        if line.is_empty() {
            return Ok(Some(fields));
        }
        let field = match clean.and_then(|line| parse_clean(lines.window, line)) {
            Some(field) => field,
            None => parse_field(lines.window, line, sender).map_err(FieldFault::Line)?,
        };
        if fields.len() >= limits.fields_max {
            return Err(FieldFault::TooMany);
        }
        fields.push(field);
    }
}

/// A line without control characters whose name is directly followed by its colon. None: let [`parse_field`] judge.
#[inline]
fn parse_clean(buf: &[u8], line: Span) -> Option<Field> {
    let bytes = line.of(buf);
    let (name, value) = bytes.split_at_checked(colon_at(bytes)?)?;
    let class = Name::of(name);
    // A name that is known whole, in a line without controls, has nothing but letters and hyphens.
    if !class.is_exactly_known() && !is_token(name) {
        return None;
    }
    let value = trim_start(value.get(1..)?);
    let name_start = line.start as usize;
    let value_start = line.end as usize - value.len();
    Some(Field {
        name: class,
        name_span: Span::new(name_start, name_start + name.len()),
        value: Span::new(value_start, value_start + trim(value).len()),
    })
}

/// Where the first colon is, eight bytes at a time: a name is too short for a call to memchr to pay.
#[inline]
fn colon_at(bytes: &[u8]) -> Option<usize> {
    const LOW_BITS: u64 = 0x0101_0101_0101_0101;
    let (words, rest) = bytes.as_chunks::<8>();
    for (index, word) in words.iter().enumerate() {
        let word = u64::from_le_bytes(*word) ^ (LOW_BITS * b':' as u64);
        // The lowest bit is exact; those above it may be off by a borrow.
        let found = word.wrapping_sub(LOW_BITS) & !word & (LOW_BITS << 7);
        if found != 0 {
            return Some(index * 8 + (found.trailing_zeros() / 8) as usize);
        }
    }
    Some(words.len() * 8 + rest.iter().position(|byte| *byte == b':')?)
}

fn parse_field(buf: &[u8], line: Span, sender: Sender) -> Result<Field, &'static str> {
    let bytes = line.of(buf);
    let name_len = bytes.iter().position(|byte| !is_token_byte(*byte)).ok_or(NO_COLON)?;
    let (name, rest) = bytes.split_at_checked(name_len).ok_or(NO_COLON)?;
    if name.is_empty() {
        // Also where a folded value would go on (obs-fold, RFC 9112 5.2).
        return Err(if matches!(rest, [b' ' | b'\t', ..]) { FOLDED } else { BAD_NAME });
    }
    let value = match (sender, rest) {
        (_, [b':', value @ ..]) => value,
        // A proxy MUST remove whitespace between name and colon from a response (RFC 9112 5.1): the name ends before it.
        (Sender::Upstream, [b' ' | b'\t', ..]) => match trim_start(rest) {
            [b':', value @ ..] => value,
            _ => return Err(BAD_NAME),
        },
        _ => return Err(BAD_NAME),
    };
    if !is_value(value) {
        return Err(BAD_VALUE);
    }
    let name_start = line.start as usize;
    let value_start = line.end as usize - trim_start(value).len();
    Ok(Field {
        name: Name::of(name),
        name_span: Span::new(name_start, name_start + name_len),
        value: Span::new(value_start, value_start + trim(value).len()),
    })
}

pub(super) fn find(fields: &[Field], name: Name) -> Option<&Field> {
    fields.iter().find(|field| field.name == name)
}
