//! The protobuf wire format, as much as OTLP needs (protobuf encoding spec, "message structure").

const VARINT: u32 = 0;
const FIXED64: u32 = 1;
const BYTES: u32 = 2;
const FIXED32: u32 = 5;

#[inline]
pub fn varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

#[inline]
fn varint_len(value: usize) -> usize {
    let bits = usize::BITS - (value | 1).leading_zeros();
    bits.div_ceil(7) as usize
}

fn tag(out: &mut Vec<u8>, field: u32, kind: u32) {
    varint(out, u64::from(field << 3 | kind));
}

pub fn uint(out: &mut Vec<u8>, field: u32, value: u64) {
    tag(out, field, VARINT);
    varint(out, value);
}

pub fn fixed64(out: &mut Vec<u8>, field: u32, value: u64) {
    tag(out, field, FIXED64);
    out.extend_from_slice(&value.to_le_bytes());
}

pub fn double(out: &mut Vec<u8>, field: u32, value: f64) {
    fixed64(out, field, value.to_bits());
}

pub fn fixed32(out: &mut Vec<u8>, field: u32, value: u32) {
    tag(out, field, FIXED32);
    out.extend_from_slice(&value.to_le_bytes());
}

#[inline]
pub fn bytes(out: &mut Vec<u8>, field: u32, value: &[u8]) {
    tag(out, field, BYTES);
    varint(out, value.len() as u64);
    out.extend_from_slice(value);
}

/// Begins a packed or message field of known length.
pub fn length(out: &mut Vec<u8>, field: u32, len: usize) {
    tag(out, field, BYTES);
    varint(out, len as u64);
}

/// A message field whose length is known only when `fill` has written it. Two bytes are held for the length, which
/// suits every span; another length moves the body.
pub fn message(out: &mut Vec<u8>, field: u32, fill: impl FnOnce(&mut Vec<u8>)) {
    tag(out, field, BYTES);
    let at = out.len();
    out.extend_from_slice(&[0, 0]);
    fill(out);
    let len = out.len() - at - 2;
    match varint_len(len) {
        2 => {
            if let Some(held) = out.get_mut(at..at + 2) {
                held.copy_from_slice(&[len as u8 | 0x80, (len >> 7) as u8]);
            }
        }
        _ => {
            let mut prefix = Vec::with_capacity(10);
            varint(&mut prefix, len as u64);
            out.splice(at..at + 2, prefix);
        }
    }
}

/// The fields of AnyValue.
const STRING_VALUE: u32 = 1;
const BOOL_VALUE: u32 = 2;
const INT_VALUE: u32 = 3;
const DOUBLE_VALUE: u32 = 4;
const ARRAY_VALUE: u32 = 5;

/// Writes attributes as field `field` of the message under way: KeyValue{key=1, value=2: AnyValue}.
pub struct Attributes<'a> {
    pub out: &'a mut Vec<u8>,
    pub field: u32,
}

impl Attributes<'_> {
    /// An empty text is left out: it says nothing.
    #[inline(always)]
    pub fn text(&mut self, key: &str, value: &str) {
        if value.is_empty() {
            return;
        }
        self.key(key, 1 + varint_len(value.len()) + value.len());
        bytes(self.out, STRING_VALUE, value.as_bytes());
    }

    #[inline(always)]
    pub fn int(&mut self, key: &str, value: u64) {
        self.key(key, 1 + varint_len(value as usize));
        uint(self.out, INT_VALUE, value);
    }

    #[inline(always)]
    pub fn float(&mut self, key: &str, value: f64) {
        self.key(key, 9);
        double(self.out, DOUBLE_VALUE, value);
    }

    #[inline(always)]
    pub fn flag(&mut self, key: &str, value: bool) {
        self.key(key, 2);
        uint(self.out, BOOL_VALUE, value.into());
    }

    pub fn texts<'t>(&mut self, key: &str, values: impl Iterator<Item = &'t str> + Clone) {
        // ArrayValue{values=1: AnyValue}
        let one = |text: &str| 1 + varint_len(text.len()) + text.len();
        let array: usize = values.clone().map(|text| 1 + varint_len(one(text)) + one(text)).sum();
        self.key(key, 1 + varint_len(array) + array);
        length(self.out, ARRAY_VALUE, array);
        for text in values {
            length(self.out, 1, one(text));
            bytes(self.out, STRING_VALUE, text.as_bytes());
        }
    }

    /// Everything before the AnyValue's own bytes, of which there will be `value_len`. Inlined, so that a constant key is
    /// written by a few moves: a record has about forty of them.
    #[inline(always)]
    fn key(&mut self, key: &str, value_len: usize) {
        let pair = key.len() + value_len + 4;
        if pair < 0x80 && self.field < 0x10 {
            // Every length and tag is one byte.
            self.out.reserve(pair + 2);
            self.out.extend_from_slice(&[
                (self.field << 3 | BYTES) as u8,
                pair as u8,
                1 << 3 | BYTES as u8,
                key.len() as u8,
            ]);
            self.out.extend_from_slice(key.as_bytes());
            self.out.extend_from_slice(&[2 << 3 | BYTES as u8, value_len as u8]);
            return;
        }
        self.long_key(key, value_len);
    }

    #[cold]
    fn long_key(&mut self, key: &str, value_len: usize) {
        let pair = 1 + varint_len(key.len()) + key.len() + 1 + varint_len(value_len) + value_len;
        length(self.out, self.field, pair);
        bytes(self.out, 1, key.as_bytes());
        length(self.out, 2, value_len);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_of_any_length_has_the_length_it_says() {
        for len in [0, 1, 127, 128, 300, 16_383, 16_384, 2_097_152] {
            let mut out = vec![9];
            message(&mut out, 3, |out| out.extend(std::iter::repeat_n(7, len)));
            let mut expected = vec![9];
            bytes(&mut expected, 3, &vec![7; len]);
            assert!(out == expected, "{len}");
        }
    }

    #[test]
    fn varint_lengths_are_what_is_written() {
        for value in [0, 1, 127, 128, 16_383, 16_384, usize::MAX] {
            let mut out = Vec::new();
            varint(&mut out, value as u64);
            assert_eq!(out.len(), varint_len(value));
        }
    }
}
