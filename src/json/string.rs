//! Strings: where one ends, what it says, how one is written.

use std::borrow::Cow;

const LOW_BITS: u64 = 0x0101_0101_0101_0101;
const HIGH_BITS: u64 = 0x8080_8080_8080_8080;

/// Bytes of `word` that end the plain part of a string: a quote, a backslash or a control character. The lowest bit
/// set is exact; higher ones may be off by a borrow, which no caller looks at.
#[inline]
fn special(word: u64) -> u64 {
    let quote = word ^ (LOW_BITS * b'"' as u64);
    let backslash = word ^ (LOW_BITS * b'\\' as u64);
    ((quote.wrapping_sub(LOW_BITS) & !quote)
        | (backslash.wrapping_sub(LOW_BITS) & !backslash)
        | (word.wrapping_sub(LOW_BITS * 0x20) & !word))
        & HIGH_BITS
}

/// How the plain part of a string ended.
pub(super) struct Plain {
    /// Offset of the quote, backslash or control character, or the end of the bytes.
    pub at: usize,
    /// A byte above 0x7f was passed (or stands within 15 bytes behind the end).
    pub high: bool,
}

/// Bit `i` of the first is set where byte `i` of the block is special, and of the second where it is above 0x7f.
#[cfg(target_arch = "x86_64")]
#[inline]
fn masks(block: &[u8; 16]) -> (u32, u32) {
    use std::arch::x86_64::{
        _mm_cmpeq_epi8, _mm_max_epu8, _mm_movemask_epi8, _mm_or_si128, _mm_set_epi64x, _mm_set1_epi8,
    };
    // SAFETY: SSE2 is part of x86_64, and nothing here goes through a pointer.
    unsafe {
        let block = u128::from_le_bytes(*block);
        let bytes = _mm_set_epi64x((block >> 64) as i64, block as i64);
        let last_control = _mm_set1_epi8(0x1f);
        let ends = _mm_or_si128(
            _mm_cmpeq_epi8(bytes, _mm_set1_epi8(b'"' as i8)),
            _mm_cmpeq_epi8(bytes, _mm_set1_epi8(b'\\' as i8)),
        );
        let controls = _mm_cmpeq_epi8(_mm_max_epu8(bytes, last_control), last_control);
        (_mm_movemask_epi8(_mm_or_si128(ends, controls)) as u32, _mm_movemask_epi8(bytes) as u32)
    }
}

/// The length of a string whose inside begins at `at`, where it is plain and ends within sixteen bytes.
#[inline]
pub(super) fn short(bytes: &[u8], at: usize) -> Option<usize> {
    #[cfg(target_arch = "x86_64")]
    {
        let block = bytes.get(at..)?.first_chunk::<16>()?;
        let (found, _) = masks(block);
        let len = found.trailing_zeros() as usize;
        (found != 0 && block.get(len) == Some(&b'"')).then_some(len)
    }
    #[cfg(not(target_arch = "x86_64"))]
    {
        let word = u64::from_le_bytes(*bytes.get(at..)?.first_chunk::<8>()?);
        let found = special(word);
        let len = (found.trailing_zeros() / 8) as usize;
        (found != 0 && bytes.get(at + len) == Some(&b'"')).then_some(len)
    }
}

/// Skips plain characters from `at`, sixteen or eight at a time.
#[inline]
pub(super) fn plain(bytes: &[u8], mut at: usize) -> Plain {
    let mut high = 0;
    #[cfg(target_arch = "x86_64")]
    while let Some(block) = bytes.get(at..).and_then(|rest| rest.first_chunk::<16>()) {
        let (found, above) = masks(block);
        high |= u64::from(above);
        if found != 0 {
            return Plain { at: at + found.trailing_zeros() as usize, high: high != 0 };
        }
        at += 16;
    }
    while let Some(word) = bytes.get(at..).and_then(|rest| rest.first_chunk::<8>()) {
        let word = u64::from_le_bytes(*word);
        high |= word & HIGH_BITS;
        let found = special(word);
        if found != 0 {
            return Plain { at: at + (found.trailing_zeros() / 8) as usize, high: high != 0 };
        }
        at += 8;
    }
    while let Some(&byte) = bytes.get(at) {
        high |= u64::from(byte & 0x80);
        if byte == b'"' || byte == b'\\' || byte < 0x20 {
            break;
        }
        at += 1;
    }
    Plain { at, high: high != 0 }
}

/// The string `raw` (what stands between its quotes) as text. Lone surrogates and broken escapes become U+FFFD.
pub fn decode(raw: &[u8]) -> Cow<'_, str> {
    let start = plain(raw, 0);
    if start.at == raw.len() && !start.high {
        // SAFETY: every byte was looked at and none is above 0x7f. (Names and ids: checking them once more as UTF-8 takes
        // four times as long.)
        return Cow::Borrowed(unsafe { std::str::from_utf8_unchecked(raw) });
    }
    // What was passed has no escape in it.
    if memchr::memchr(b'\\', raw.get(start.at..).unwrap_or_default()).is_none() {
        // The lossy reading goes byte by byte, so it is left to what needs it.
        return match std::str::from_utf8(raw) {
            Ok(text) => Cow::Borrowed(text),
            Err(_) => String::from_utf8_lossy(raw),
        };
    }
    let mut text = Vec::with_capacity(raw.len());
    let mut open = None;
    unescape(raw, &mut open, &mut text);
    if open.is_some() {
        text.extend_from_slice(REPLACEMENT);
    }
    // Only invalid input makes the second form.
    Cow::Owned(match String::from_utf8(text) {
        Ok(text) => text,
        Err(error) => String::from_utf8_lossy(error.as_bytes()).into_owned(),
    })
}

const REPLACEMENT: &[u8] = "\u{fffd}".as_bytes();

/// Whether `raw` may stand between the quotes of a JSON string as it is (RFC 8259 7): only known escapes, no control
/// character, no quote, valid UTF-8, and no half of a surrogate pair, which strict readers refuse.
#[inline]
pub fn is_string_inside(raw: &[u8]) -> bool {
    let (mut at, mut high) = (0, false);
    loop {
        let part = plain(raw, at);
        high |= part.high;
        at = part.at;
        match raw.get(at..).unwrap_or_default() {
            [] => return !high || std::str::from_utf8(raw).is_ok(),
            [b'\\', b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't', ..] => at += 2,
            escape => match unit(escape) {
                Some(0xd800..=0xdbff) if matches!(unit(escape.get(6..).unwrap_or_default()), Some(0xdc00..=0xdfff)) => {
                    at += 12;
                }
                Some(0xd800..=0xdfff) | None => return false,
                Some(_) => at += 6,
            },
        }
    }
}

/// The UTF-16 unit of a `\uXXXX` that stands here.
fn unit(escape: &[u8]) -> Option<u16> {
    escape.strip_prefix(b"\\u").and_then(|digits| digits.get(..4)).and_then(hex4)
}

/// The last `\uXXXX` of `raw` when it is the first half of a surrogate pair: the second may come with the next piece.
pub fn trailing_half(raw: &[u8]) -> Option<[u8; 6]> {
    let last: [u8; 6] = *raw.last_chunk()?;
    let backslashes = raw.iter().rev().skip(6).take_while(|&&byte| byte == b'\\').count();
    (backslashes % 2 == 0 && matches!(unit(&last), Some(0xd800..=0xdbff))).then_some(last)
}

/// A first half of a surrogate pair whose second half has not come yet: a provider may cut a stream of text between
/// the two, each in an event of its own.
pub type Unescaped = Option<u16>;

/// Appends the text of `raw` to `out`. `open` is carried from one piece of a text to the next.
pub fn unescape(mut raw: &[u8], open: &mut Unescaped, out: &mut Vec<u8>) {
    while let Some(at) = memchr::memchr(b'\\', raw) {
        let (before, escape) = raw.split_at(at);
        push_plain(before, open, out);
        let (unit, taken) = read_escape(escape);
        match unit {
            Some(unit) => push_unit(unit, open, out),
            None => {
                close(open, out);
                out.extend_from_slice(REPLACEMENT);
            }
        }
        raw = escape.get(taken..).unwrap_or_default();
    }
    push_plain(raw, open, out);
}

fn push_plain(text: &[u8], open: &mut Unescaped, out: &mut Vec<u8>) {
    if !text.is_empty() {
        close(open, out);
        out.extend_from_slice(text);
    }
}

fn close(open: &mut Unescaped, out: &mut Vec<u8>) {
    if open.take().is_some() {
        out.extend_from_slice(REPLACEMENT);
    }
}

/// The UTF-16 unit that an escape stands for, and how many bytes it takes.
fn read_escape(escape: &[u8]) -> (Option<u16>, usize) {
    let unit = match escape.get(1) {
        Some(b'n') => b'\n',
        Some(b't') => b'\t',
        Some(b'r') => b'\r',
        Some(b'b') => 8,
        Some(b'f') => 12,
        Some(&byte @ (b'"' | b'\\' | b'/')) => byte,
        Some(b'u') => return (escape.get(2..6).and_then(hex4), 6),
        _ => return (None, 2),
    };
    (Some(u16::from(unit)), 2)
}

pub(super) fn hex4(digits: &[u8]) -> Option<u16> {
    digits.iter().try_fold(0, |value: u16, &digit| {
        let digit = (digit as char).to_digit(16)?;
        Some(value << 4 | digit as u16)
    })
}

fn push_unit(unit: u16, open: &mut Unescaped, out: &mut Vec<u8>) {
    let mut utf8 = [0; 4];
    let scalar = match (open.take(), unit) {
        (Some(first), 0xdc00..=0xdfff) => 0x10000 + (u32::from(first & 0x3ff) << 10 | u32::from(unit & 0x3ff)),
        (first, unit) => {
            if first.is_some() {
                out.extend_from_slice(REPLACEMENT);
            }
            if (0xd800..=0xdbff).contains(&unit) {
                *open = Some(unit);
                return;
            }
            u32::from(unit)
        }
    };
    let scalar = char::from_u32(scalar).unwrap_or(char::REPLACEMENT_CHARACTER);
    out.extend_from_slice(scalar.encode_utf8(&mut utf8).as_bytes());
}

/// Appends `text` as the inside of a JSON string (RFC 8259 7).
pub fn escape_into(text: &str, out: &mut Vec<u8>) {
    for &byte in text.as_bytes() {
        match byte {
            b'"' | b'\\' => out.extend_from_slice(&[b'\\', byte]),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            0..0x20 => {
                let digit = |nibble: u8| if nibble < 10 { b'0' + nibble } else { b'a' + nibble - 10 };
                out.extend_from_slice(&[b'\\', b'u', b'0', b'0', digit(byte >> 4), digit(byte & 15)]);
            }
            _ => out.push(byte),
        }
    }
}
