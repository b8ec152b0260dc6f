//! The bytes of [`codec`](super::codec): fields of `tag, varint` or `tag, length, bytes`, the tag's lowest bit saying which.

/// Longest text kept; a client can write a model name of any length.
pub const TEXT_BYTES_MAX: usize = 512;

pub fn varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

pub fn uint(out: &mut Vec<u8>, tag: u8, value: u64) {
    if value != 0 {
        optional(out, tag, Some(value));
    }
}

/// Unlike [`uint`], a zero is written: it is not the same as nothing.
pub fn optional(out: &mut Vec<u8>, tag: u8, value: Option<u64>) {
    if let Some(value) = value {
        out.push(tag << 1);
        varint(out, value);
    }
}

pub fn bytes(out: &mut Vec<u8>, tag: u8, value: &[u8]) {
    if !value.is_empty() {
        out.push(tag << 1 | 1);
        varint(out, value.len() as u64);
        out.extend_from_slice(value);
    }
}

pub fn text(out: &mut Vec<u8>, tag: u8, value: &str) {
    bytes(out, tag, cut(value, TEXT_BYTES_MAX).as_bytes());
}

/// The start of `value`, at most `bytes_max` long and cut between characters.
pub fn cut(value: &str, bytes_max: usize) -> &str {
    let fitting = (0..=bytes_max.min(value.len())).rev().find_map(|end| value.get(..end));
    fitting.unwrap_or_default()
}

pub fn nested(out: &mut Vec<u8>, tag: u8, write: impl FnOnce(&mut Vec<u8>)) {
    out.push(tag << 1 | 1);
    let at = out.len();
    // Room for a length of two varint bytes: texts are clipped, so nothing nested outgrows 16 KiB.
    out.extend_from_slice(&[0x80, 0]);
    write(out);
    let length = out.len() - at - 2;
    debug_assert!(length < 1 << 14);
    if let Some([low, high]) = out.get_mut(at..at + 2) {
        *low = length as u8 & 0x7f | 0x80;
        *high = (length >> 7) as u8;
    }
}

/// Small negative numbers stay short.
pub fn zigzag(value: i64) -> u64 {
    (value << 1 ^ value >> 63) as u64
}

#[derive(Clone, Copy)]
pub enum Value<'a> {
    Uint(u64),
    Bytes(&'a [u8]),
}

impl<'a> Value<'a> {
    pub fn uint(self) -> u64 {
        match self {
            Value::Uint(value) => value,
            Value::Bytes(_) => 0,
        }
    }

    pub fn bytes(self) -> &'a [u8] {
        match self {
            Value::Uint(_) => &[],
            Value::Bytes(value) => value,
        }
    }

    pub fn text(self) -> String {
        String::from_utf8_lossy(self.bytes()).into_owned()
    }

    pub fn hex(self) -> String {
        super::hex(self.bytes())
    }

    pub fn ms(self) -> f64 {
        self.uint() as f64 / 1e6
    }

    pub fn usd(self) -> f64 {
        let value = self.uint();
        ((value >> 1) as i64 ^ -((value & 1) as i64)) as f64 / 1e12
    }
}

fn take_varint(input: &mut &[u8]) -> Option<u64> {
    let mut value = 0u64;
    for shift in (0..64).step_by(7) {
        let (&byte, rest) = input.split_first()?;
        *input = rest;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

pub fn varints(mut input: &[u8]) -> impl Iterator<Item = u64> + '_ {
    std::iter::from_fn(move || take_varint(&mut input))
}

/// Ends at the first byte that makes no sense.
pub fn fields(mut input: &[u8]) -> impl Iterator<Item = (u8, Value<'_>)> {
    std::iter::from_fn(move || {
        let (&head, rest) = input.split_first()?;
        input = rest;
        let number = take_varint(&mut input)?;
        if head & 1 == 0 {
            return Some((head >> 1, Value::Uint(number)));
        }
        let (value, rest) = input.split_at_checked(usize::try_from(number).ok()?)?;
        input = rest;
        Some((head >> 1, Value::Bytes(value)))
    })
}
