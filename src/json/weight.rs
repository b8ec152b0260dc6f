//! How many tokens a text probably is, by classes of its bytes: one number, added up sixteen bytes at a time while a
//! body is scanned, of a long text a quarter of them, so that an estimate costs next to nothing. The weights are a starting point (spec "providers" 15),
//! not a fit; `meter` corrects them for each target.

/// What one token weighs.
pub const TOKEN: u64 = 20;
/// Letters, blanks and line ends; runs of blanks merge into one token.
const PROSE: u8 = 5;
const DIGIT: u8 = 8;
const PUNCTUATION: u8 = 9;
/// Characters of several bytes weigh by the length that their first byte tells. Accented Latin, Greek, Cyrillic.
const TWO: u8 = 12;
/// Mostly CJK.
const THREE: u8 = 14;
/// Emoji and rare scripts.
const FOUR: u8 = 40;

const WEIGHTS: [u8; 256] = {
    let mut weights = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        weights[byte] = match byte as u8 {
            b'a'..=b'z' | b'A'..=b'Z' | 0x00..=0x20 => PROSE,
            b'0'..=b'9' => DIGIT,
            0x21..=0x7f => PUNCTUATION,
            0xc2..=0xdf => TWO,
            0xe0..=0xef => THREE,
            0xf0..=0xff => FOUR,
            0x80..=0xc1 => 0,
        };
        byte += 1;
    }
    weights
};

/// The weight of a text.
#[inline]
pub fn weight(text: &[u8]) -> u64 {
    // Roles, types and names: letters.
    const WORD: usize = 8;
    if text.len() <= WORD {
        return text.iter().map(|&byte| u64::from(WEIGHTS[usize::from(byte)])).sum();
    }
    let (blocks, rest) = text.as_chunks::<16>();
    let mut sum = if blocks.len() <= WHOLE { blocks.iter().map(block).sum() } else { sampled(blocks) };
    if !rest.is_empty() {
        // Padded with what weighs as prose does.
        let mut last = [b' '; 16];
        if let Some(start) = last.get_mut(..rest.len()) {
            start.copy_from_slice(rest);
        }
        sum += block(&last) - u64::from(PROSE) * (16 - rest.len()) as u64;
    }
    sum
}

/// Blocks of sixteen bytes up to which a text is weighed whole.
const WHOLE: usize = 16;

/// One block in four, a different one each time, so that what repeats itself is not missed.
fn sampled(blocks: &[[u8; 16]]) -> u64 {
    let (fours, rest) = blocks.as_chunks::<4>();
    let of_fours: u64 = fours.iter().enumerate().map(|(turn, four)| block(&four[turn % 4])).sum();
    of_fours * 4 + rest.iter().map(block).sum::<u64>()
}

#[cfg(not(target_arch = "x86_64"))]
#[inline]
fn block(block: &[u8; 16]) -> u64 {
    block.iter().map(|&byte| u64::from(WEIGHTS[usize::from(byte)])).sum()
}

#[cfg(target_arch = "x86_64")]
#[inline]
fn block(block: &[u8; 16]) -> u64 {
    use std::arch::x86_64::{
        __m128i, _mm_add_epi8, _mm_and_si128, _mm_andnot_si128, _mm_cmpeq_epi8, _mm_cvtsi128_si64, _mm_max_epu8,
        _mm_min_epu8, _mm_movemask_epi8, _mm_or_si128, _mm_sad_epu8, _mm_set_epi64x, _mm_set1_epi8, _mm_setzero_si128,
        _mm_sub_epi8, _mm_unpackhi_epi64,
    };
    // SAFETY: SSE2 is part of x86_64, and nothing here goes through a pointer.
    unsafe {
        let all = |byte: u8| _mm_set1_epi8(byte as i8);
        let at_most = |bytes: __m128i, last: u8| _mm_cmpeq_epi8(_mm_min_epu8(bytes, all(last)), bytes);
        let at_least = |bytes: __m128i, first: u8| _mm_cmpeq_epi8(_mm_max_epu8(bytes, all(first)), bytes);
        let block = u128::from_le_bytes(*block);
        let bytes = _mm_set_epi64x((block >> 64) as i64, block as i64);
        let letter = at_most(_mm_sub_epi8(_mm_or_si128(bytes, all(0x20)), all(b'a')), 25);
        let prose = _mm_or_si128(letter, at_most(bytes, b' '));
        let digit = at_most(_mm_sub_epi8(bytes, all(b'0')), 9);
        let less = _mm_or_si128(
            _mm_and_si128(prose, all(PUNCTUATION - PROSE)),
            _mm_and_si128(digit, all(PUNCTUATION - DIGIT)),
        );
        let mut weights = _mm_sub_epi8(all(PUNCTUATION), less);
        if _mm_movemask_epi8(bytes) != 0 {
            let ascii = at_most(bytes, 0x7f);
            let above = _mm_and_si128(at_least(bytes, 0xc2), all(TWO));
            let above = _mm_add_epi8(above, _mm_and_si128(at_least(bytes, 0xe0), all(THREE - TWO)));
            let above = _mm_add_epi8(above, _mm_and_si128(at_least(bytes, 0xf0), all(FOUR - THREE)));
            weights = _mm_or_si128(_mm_and_si128(ascii, weights), _mm_andnot_si128(ascii, above));
        }
        let halves = _mm_sad_epu8(weights, _mm_setzero_si128());
        (_mm_cvtsi128_si64(halves) + _mm_cvtsi128_si64(_mm_unpackhi_epi64(halves, halves))) as u64
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn classes_have_their_weights() {
        for (text, expected) in
            [("", 0), ("four", 20), ("1,", 17), ("\u{d6}", 12), ("\u{6c34}\u{95f8}", 28), ("\u{1f980}", 40)]
        {
            assert_eq!(weight(text.as_bytes()), expected, "{text}");
            assert_eq!(weight(text.repeat(40).as_bytes()), expected * 40, "{text}");
        }
    }

    #[test]
    fn a_long_text_weighs_about_as_its_bytes_do() {
        let line = "The gate opens at 06:30, {\"water\": true}, \u{6c34}\u{95f8} -- every drop is counted.\n";
        for repeated in [5, 17, 64, 1000] {
            let text = line.repeat(repeated);
            let single: u64 = text.bytes().map(|byte| u64::from(WEIGHTS[usize::from(byte)])).sum();
            let off = weight(text.as_bytes()).abs_diff(single);
            assert!(off * 20 <= single, "{repeated}: {off} of {single}");
        }
    }

    proptest! {
        #[test]
        fn a_text_weighs_as_its_bytes_do(text in prop::collection::vec(any::<u8>(), 0..272)) {
            let single: u64 = text.iter().map(|&byte| u64::from(WEIGHTS[usize::from(byte)])).sum();
            prop_assert_eq!(weight(&text), single);
        }
    }
}
