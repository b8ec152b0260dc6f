//! Text by classes of bytes, for estimates of tokens: how many bytes are letters, how many digits, and so on. `meter`
//! gives the classes their weights.

/// Bytes of text by class. Characters of several bytes count once, by the length that their first byte tells.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Classes {
    /// ASCII letters, blanks, line ends.
    pub prose: u64,
    pub digits: u64,
    /// The rest of ASCII.
    pub punctuation: u64,
    /// Characters of two bytes: accented Latin, Greek, Cyrillic, Hebrew, Arabic.
    pub two: u64,
    /// Of three: mostly CJK.
    pub three: u64,
    /// Of four: emoji and rare scripts.
    pub four: u64,
}

/// Rounds of a block's lanes before a lane could overflow.
const ROUNDS: usize = 255;
const LANES: usize = 16;

impl Classes {
    pub fn of(text: &[u8]) -> Self {
        let mut classes = Self::default();
        classes.add(text);
        classes
    }

    pub fn bytes_of_ascii(&self) -> u64 {
        self.prose + self.digits + self.punctuation
    }

    /// Counts in sixteen lanes of bytes side by side, which compilers turn into vector instructions.
    pub fn add(&mut self, text: &[u8]) {
        let (blocks, rest) = text.as_chunks::<LANES>();
        let mut high = 0;
        for run in blocks.chunks(ROUNDS) {
            let (mut prose, mut digits, mut above) = ([0_u8; LANES], [0_u8; LANES], [0_u8; LANES]);
            for block in run {
                for lane in 0..LANES {
                    prose[lane] += u8::from(is_prose(block[lane]));
                    digits[lane] += u8::from(is_digit(block[lane]));
                    above[lane] += block[lane] >> 7;
                }
            }
            let (prose, digits, above) = (sum(&prose), sum(&digits), sum(&above));
            self.prose += prose;
            self.digits += digits;
            self.punctuation += (run.len() * LANES) as u64 - prose - digits - above;
            high += above;
        }
        // Most requests have no character beyond ASCII.
        if high > 0 {
            self.leads(blocks.as_flattened());
        }
        for &byte in rest {
            self.byte(byte);
        }
    }

    fn leads(&mut self, blocks: &[u8]) {
        let (blocks, _) = blocks.as_chunks::<LANES>();
        for run in blocks.chunks(ROUNDS) {
            let (mut two, mut three, mut four) = ([0_u8; LANES], [0_u8; LANES], [0_u8; LANES]);
            for block in run {
                for lane in 0..LANES {
                    two[lane] += u8::from(block[lane] >= 0xc2);
                    three[lane] += u8::from(block[lane] >= 0xe0);
                    four[lane] += u8::from(block[lane] >= 0xf0);
                }
            }
            let (two, three, four) = (sum(&two), sum(&three), sum(&four));
            self.two += two - three;
            self.three += three - four;
            self.four += four;
        }
    }

    fn byte(&mut self, byte: u8) {
        match byte {
            _ if is_prose(byte) => self.prose += 1,
            _ if is_digit(byte) => self.digits += 1,
            0x00..=0x7f => self.punctuation += 1,
            0xc2..=0xdf => self.two += 1,
            0xe0..=0xef => self.three += 1,
            0xf0..=0xff => self.four += 1,
            // Continuation bytes.
            0x80..=0xc1 => {}
        }
    }
}

/// Without branches: `|`, not `||`.
#[inline]
fn is_prose(byte: u8) -> bool {
    ((byte | 0x20).wrapping_sub(b'a') < 26) | (byte == b' ') | (byte.wrapping_sub(b'\t') < 5)
}

#[inline]
fn is_digit(byte: u8) -> bool {
    byte.wrapping_sub(b'0') < 10
}

#[inline]
fn sum(lanes: &[u8; LANES]) -> u64 {
    lanes.iter().map(|&lane| u64::from(lane)).sum()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn classes_are_told_apart() {
        let classes = Classes::of("The gate, 42 m wide:\n\tÖffnet 水闸 🦀".as_bytes());
        let expected = Classes { prose: 25, digits: 2, punctuation: 2, two: 1, three: 2, four: 1 };
        assert_eq!(classes, expected);
        assert_eq!(classes.bytes_of_ascii(), 29);
    }

    proptest! {
        #[test]
        fn long_texts_count_as_their_bytes(text in prop::collection::vec(any::<u8>(), 0..9000)) {
            let mut single = Classes::default();
            text.iter().for_each(|&byte| single.byte(byte));
            prop_assert_eq!(Classes::of(&text), single);
        }
    }
}
