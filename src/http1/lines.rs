//! Cutting a head into lines and checking bytes against the grammar of RFC 9110 5.6.2 and 5.5.

use memchr::memchr;

use super::{HeadLimits, Span};

/// A line of a head ended with LF alone. RFC 9112 2.2 allows accepting that; we do not (rule 1).
pub(super) struct BareLf;

/// The lines of a head. Sees `head_bytes_max` bytes and no more, so a body behind the head is never scanned.
pub(super) struct Lines<'a> {
    pub window: &'a [u8],
    /// Where the next line starts.
    pub at: usize,
    /// There are bytes enough for the largest head allowed: if it is not complete in them, it is too large.
    pub is_full: bool,
}

impl<'a> Lines<'a> {
    pub fn new(buf: &'a [u8], limits: &HeadLimits) -> Lines<'a> {
        let max = limits.head_bytes_max.min(u32::MAX as usize);
        Lines { window: buf.get(..max).unwrap_or(buf), at: 0, is_full: buf.len() >= max }
    }

    /// The next line without its CRLF, or None when its end is not here yet. A CR inside the line is left in it: no
    /// grammar of a head allows that byte, so whoever reads the line refuses it.
    pub fn next(&mut self) -> Result<Option<Span>, BareLf> {
        let rest = self.rest();
        let Some(lf) = memchr(b'\n', rest) else { return Ok(None) };
        let Some([line @ .., b'\r']) = rest.get(..lf) else { return Err(BareLf) };
        let span = Span::new(self.at, self.at + line.len());
        self.at += lf + 1;
        Ok(Some(span))
    }

    pub fn rest(&self) -> &'a [u8] {
        self.window.get(self.at..).unwrap_or_default()
    }
}

/// tchar (RFC 9110 5.6.2).
pub(super) fn is_token_byte(byte: u8) -> bool {
    const TABLE: [bool; 256] = byte_table(b"!#$%&'*+-.^_`|~");
    TABLE[byte as usize]
}

pub(super) fn is_token(bytes: &[u8]) -> bool {
    !bytes.is_empty() && bytes.iter().all(|byte| is_token_byte(*byte))
}

/// Letters, digits and `others`.
pub(super) const fn byte_table(others: &[u8]) -> [bool; 256] {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < 128 {
        table[byte] = (byte as u8).is_ascii_alphanumeric();
        byte += 1;
    }
    let mut index = 0;
    while index < others.len() {
        table[others[index] as usize] = true;
        index += 1;
    }
    table
}

pub(super) fn is_value_byte(byte: u8) -> bool {
    byte == b'\t' || (byte >= b' ' && byte != 0x7f)
}

/// A field value: no control byte but HTAB (rule 4, stricter than RFC 9110 5.5, which forbids NUL, CR and LF).
pub(super) fn is_value(bytes: &[u8]) -> bool {
    // No early exit, so that the compiler checks many bytes at a time.
    bytes.iter().fold(true, |ok, byte| ok & is_value_byte(*byte))
}

pub(super) fn trim_start(mut bytes: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] = bytes {
        bytes = rest;
    }
    bytes
}

/// Without spaces and tabs around.
pub(super) fn trim(bytes: &[u8]) -> &[u8] {
    let mut bytes = trim_start(bytes);
    while let [rest @ .., b' ' | b'\t'] = bytes {
        bytes = rest;
    }
    bytes
}

/// The trimmed members of a comma-separated list, empty ones included.
pub(super) fn members(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value.split(|byte| *byte == b',').map(trim)
}
