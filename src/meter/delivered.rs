//! The text a stream delivered, so that a stream that never reports its usage (cut, cancelled, not asked) is still
//! accounted for. Bounded: it is counted in pieces as it grows.

use crate::json::{Unescaped, unescape};

use super::estimate::weigh;
use super::{Family, UsageSource};

/// Text is counted in pieces of about this size, which bounds both the memory of a stream and the time of a count.
const PIECE_BYTES: usize = 4 * 1024;
/// Text kept for tokenizers that are not loaded yet. What comes beyond is estimated.
const KEPT_BYTES_MAX: usize = 64 * 1024;

/// One per stream.
#[derive(Debug, Default)]
pub struct Delivered {
    /// `None`: not said yet; text is kept and counted at the end.
    family: Option<Family>,
    /// Of all text so far.
    bytes: u64,
    /// Not counted yet.
    text: Vec<u8>,
    /// Length of `text` at which the next count is worth trying, beyond the first piece.
    shrink_at: usize,
    open: Unescaped,
    counted: u64,
    /// Thousandths of tokens of text that was neither counted nor kept.
    estimated_milli: u64,
}

impl Delivered {
    /// For text of this family. (The default keeps text of any family, but cannot count it piece by piece.)
    pub fn new(family: Family) -> Self {
        Self { family: Some(family), ..Self::default() }
    }

    /// Adds the inside of a JSON string, escapes not yet decoded. A surrogate pair may be cut between two calls.
    #[inline]
    pub fn push_json(&mut self, escaped: &[u8]) {
        let before = self.text.len();
        unescape(escaped, &mut self.open, &mut self.text);
        self.bytes += (self.text.len() - before) as u64;
        match self.family {
            Some(Family::Unknown) => self.weigh_all(),
            _ if self.text.len() > PIECE_BYTES.max(self.shrink_at) => self.shrink(),
            _ => {}
        }
    }

    /// Bytes of text, unescaped.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Text waits for a tokenizer that is not loaded.
    pub fn needs_tokenizer(&self, family: Family) -> bool {
        let needs = family != Family::Unknown && !self.text.is_empty() && family.tokenizer().is_none();
        if needs {
            family.want();
        }
        needs
    }

    /// Tokens of all text so far, and whether they are counted or estimated.
    pub fn tokens(&mut self, family: Family) -> (u64, UsageSource) {
        if self.bytes == 0 {
            return (0, UsageSource::None);
        }
        let consistent = self.counted == 0 || self.family == Some(family);
        match family.tokenizer() {
            Some(tokenizer) if self.estimated_milli == 0 && consistent => {
                let rest = tokenizer.count(&*String::from_utf8_lossy(&self.text));
                (self.counted + rest as u64, UsageSource::Counted)
            }
            _ => {
                family.want();
                let milli = self.estimated_milli + weigh(&self.text);
                (self.counted + milli.div_ceil(1000), UsageSource::Estimated)
            }
        }
    }

    fn weigh_all(&mut self) {
        self.estimated_milli += weigh(&self.text);
        self.text.clear();
    }

    /// Counts what can be counted exactly on its own.
    #[cold]
    fn shrink(&mut self) {
        let tokenizer = self.family.and_then(Family::tokenizer);
        let full = self.text.len() > KEPT_BYTES_MAX;
        match (tokenizer, tokenizer.and_then(|_| boundary(&self.text))) {
            (Some(tokenizer), Some(end)) => self.count_to(tokenizer, end),
            // A text without a single boundary: off by one token at most.
            (Some(tokenizer), None) if full => self.count_to(tokenizer, self.text.len()),
            (None, _) if full => self.weigh_all(),
            _ => {}
        }
        // Text that cannot be cut yet is looked at again when it has grown by a piece, not for every token.
        self.shrink_at = self.text.len() + PIECE_BYTES;
    }

    fn count_to(&mut self, tokenizer: &bpe_openai::Tokenizer, end: usize) {
        let piece = String::from_utf8_lossy(self.text.get(..end).unwrap_or_default());
        self.counted += tokenizer.count(&*piece) as u64;
        self.text.drain(..end);
    }
}

/// The last offset at which both tokenizers surely begin a new piece. No alternative of their patterns reaches over
/// it, so the counts of the two sides add up to the count of the whole. (`text` is UTF-8: a lead byte says the rest.)
fn boundary(text: &[u8]) -> Option<usize> {
    (1..text.len()).rev().find(|&at| {
        let (before, after) = text.split_at(at);
        match *after {
            // After anything that is not white space.
            [b' ', ..] => match *before {
                [.., 0x21..=0x7e] => true,
                // No two-byte character from U+00C0 on and no three-byte one from U+4000 to U+DFFF is a space.
                [.., 0xc3..=0xdf, _] => true,
                [.., 0xe4..=0xed, _, _] => true,
                _ => false,
            },
            [b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z', ..] => before.ends_with(b"\n"),
            // Ideographic comma and full stop, the full-width `!` `,` `:` `;` `?`: after an ideograph or a kana.
            [0xe3, 0x80, 0x81 | 0x82, ..] | [0xef, 0xbc, 0x81 | 0x8c | 0x9a | 0x9b | 0x9f, ..] => {
                matches!(
                    *before,
                    [.., 0xe5..=0xe9, _, _] | [.., 0xe3, 0x81, 0x81..=0xbf] | [.., 0xe3, 0x82, 0x80..=0x93]
                )
            }
            _ => false,
        }
    })
}
