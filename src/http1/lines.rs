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

    /// The next line if it ends at its first control character other than HTAB, as every line of a valid head does: one
    /// pass both cuts it and checks its bytes. None says nothing: ask [`Lines::next`].
    #[inline]
    pub fn next_clean(&mut self) -> Option<Span> {
        let rest = self.rest();
        let len = clean_len(rest);
        let Some([b'\r', b'\n', ..]) = rest.get(len..) else { return None };
        let span = Span::new(self.at, self.at + len);
        self.at += len + 2;
        Some(span)
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
    // No early exit: a name is short.
    !bytes.is_empty() && bytes.iter().fold(true, |ok, byte| ok & is_token_byte(*byte))
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
#[inline]
pub(super) fn is_value(bytes: &[u8]) -> bool {
    clean_len(bytes) == bytes.len()
}

/// How many bytes come before the first that no value may have: sixteen or eight at a time.
#[inline]
fn clean_len(bytes: &[u8]) -> usize {
    let mut at = 0;
    #[cfg(target_arch = "x86_64")]
    while let Some(block) = bytes.get(at..).and_then(|rest| rest.first_chunk::<16>()) {
        let controls = controls_of_block(block);
        if controls != 0 {
            return at + controls.trailing_zeros() as usize;
        }
        at += 16;
    }
    while let Some(word) = bytes.get(at..).and_then(|rest| rest.first_chunk::<8>()) {
        if has_control(u64::from_le_bytes(*word)) {
            break;
        }
        at += 8;
    }
    while bytes.get(at).is_some_and(|byte| is_value_byte(*byte)) {
        at += 1;
    }
    at
}

/// Bit `i` is set where byte `i` is no [`is_value_byte`].
#[cfg(target_arch = "x86_64")]
#[inline]
fn controls_of_block(block: &[u8; 16]) -> u32 {
    use std::arch::x86_64::{
        _mm_andnot_si128, _mm_cmpeq_epi8, _mm_max_epu8, _mm_movemask_epi8, _mm_or_si128, _mm_set_epi64x, _mm_set1_epi8,
    };
    // SAFETY: SSE2 is part of x86_64, and nothing here goes through a pointer.
    unsafe {
        let block = u128::from_le_bytes(*block);
        let bytes = _mm_set_epi64x((block >> 64) as i64, block as i64);
        let last_control = _mm_set1_epi8(0x1f);
        let low = _mm_cmpeq_epi8(_mm_max_epu8(bytes, last_control), last_control);
        let tab = _mm_cmpeq_epi8(bytes, _mm_set1_epi8(b'\t' as i8));
        let delete = _mm_cmpeq_epi8(bytes, _mm_set1_epi8(0x7f));
        _mm_movemask_epi8(_mm_or_si128(_mm_andnot_si128(tab, low), delete)) as u32
    }
}

/// Whether any byte is below 0x20, HTAB too, or 0x7f.
#[inline]
fn has_control(word: u64) -> bool {
    const LOW_BITS: u64 = 0x0101_0101_0101_0101;
    let delete = word ^ (LOW_BITS * 0x7f);
    let found = (word.wrapping_sub(LOW_BITS * 0x20) & !word) | (delete.wrapping_sub(LOW_BITS) & !delete);
    found & (LOW_BITS << 7) != 0
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
