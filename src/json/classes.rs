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
/// Below this length summing the lanes would take longer than what they save.
const FEW: usize = 96;

impl Classes {
    pub fn of(text: &[u8]) -> Self {
        let mut classes = Self::default();
        classes.add(text);
        classes
    }

    /// Counts in sixteen lanes of bytes side by side, which compilers turn into vector instructions.
    pub fn add(&mut self, text: &[u8]) {
        if text.len() < FEW {
            return self.few(text);
        }
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
        self.few(rest);
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

    /// Byte by byte, all classes in the fields of one number.
    fn few(&mut self, text: &[u8]) {
        for run in text.chunks(FIELD_MAX) {
            let sum = run.iter().fold(0, |sum, &byte| sum + FIELDS[usize::from(byte)]);
            let field = |class: u32| sum >> (class * FIELD_BITS) & FIELD_MAX as u64;
            self.prose += field(0);
            self.digits += field(1);
            self.punctuation += field(2);
            self.two += field(3);
            self.three += field(4);
            self.four += field(5);
        }
    }
}

const FIELD_BITS: u32 = 10;
const FIELD_MAX: usize = (1 << FIELD_BITS) - 1;

/// What a byte adds to the sum of [`Classes::few`].
const FIELDS: [u64; 256] = {
    let mut fields = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let class = match byte as u8 {
            b if is_prose(b) => 0,
            b if is_digit(b) => 1,
            0x00..=0x7f => 2,
            0xc2..=0xdf => 3,
            0xe0..=0xef => 4,
            0xf0..=0xff => 5,
            // Continuation bytes count with their first.
            0x80..=0xc1 => 6,
        };
        if class < 6 {
            fields[byte] = 1 << (class * FIELD_BITS);
        }
        byte += 1;
    }
    fields
};

/// Without branches: `|`, not `||`.
#[inline]
const fn is_prose(byte: u8) -> bool {
    ((byte | 0x20).wrapping_sub(b'a') < 26) | (byte == b' ') | (byte.wrapping_sub(b'\t') < 5)
}

#[inline]
const fn is_digit(byte: u8) -> bool {
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
    }

    fn one_by_one(text: &[u8]) -> Classes {
        let mut classes = Classes::default();
        for byte in text {
            match byte {
                b'a'..=b'z' | b'A'..=b'Z' | b' ' | 0x09..=0x0d => classes.prose += 1,
                b'0'..=b'9' => classes.digits += 1,
                0x00..=0x7f => classes.punctuation += 1,
                0xc2..=0xdf => classes.two += 1,
                0xe0..=0xef => classes.three += 1,
                0xf0..=0xff => classes.four += 1,
                _ => {}
            }
        }
        classes
    }

    proptest! {
        #[test]
        fn texts_of_any_length_count_as_their_bytes(text in prop::collection::vec(any::<u8>(), 0..9000), cut in 0..200usize) {
            prop_assert_eq!(Classes::of(&text), one_by_one(&text));
            let few = &text[..cut.min(text.len())];
            prop_assert_eq!(Classes::of(few), one_by_one(few));
        }
    }
}
