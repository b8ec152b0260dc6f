//! Tokens guessed from bytes, for models whose tokenizer is private or unknown: each character class has a weight.
//! One pass, no allocation. The weights are a starting point (spec "providers" 15), not a fit.

/// Thousandths of a token that each byte stands for. Characters of several bytes are weighed by their first.
const WEIGHTS: [u16; 256] = {
    let mut weights = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        weights[byte] = match byte as u8 {
            b'a'..=b'z' | b'A'..=b'Z' | b' ' => 250,
            b'0'..=b'9' => 400,
            // Newlines and indentation merge into runs.
            b'\n' | b'\r' | b'\t' => 250,
            0x21..=0x7e => 450,
            // Accented Latin, Greek, Cyrillic, Hebrew, Arabic.
            0xc2..=0xdf => 600,
            // Mostly CJK.
            0xe0..=0xef => 700,
            // Emoji and rare scripts.
            0xf0..=0xf4 => 2000,
            // Control characters; continuation bytes weigh nothing of their own.
            0x00..=0x1f | 0x7f => 1000,
            _ => 0,
        };
        byte += 1;
    }
    weights
};

/// Thousandths of a token.
pub(super) fn weigh(text: &[u8]) -> u64 {
    text.iter().map(|&byte| u64::from(WEIGHTS[usize::from(byte)])).sum()
}

/// Tokens that this text probably is.
pub fn estimate_tokens(text: &[u8]) -> u64 {
    weigh(text).div_ceil(1000)
}

/// Tokens that this many bytes of a request's text probably are: a quarter each, and the priming of the reply.
pub fn estimate_tokens_of_bytes(text_bytes: u64) -> u64 {
    text_bytes.div_ceil(4) + 3
}
