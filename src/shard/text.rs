//! Numbers and ids into heads: these are written several times per request, and the formatting machinery of the
//! standard library costs more than the digits.

use crate::telemetry::RequestId;

/// Decimal digits.
pub fn push_decimal(mut number: u64, out: &mut Vec<u8>) {
    let mut digits = [0; 20];
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[at..]);
}

/// The digits of every byte.
const PAIRS: [[u8; 2]; 256] = {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut pairs = [[0; 2]; 256];
    let mut byte = 0;
    while byte < pairs.len() {
        pairs[byte] = [DIGITS[byte >> 4], DIGITS[byte & 15]];
        byte += 1;
    }
    pairs
};

/// Lower-case hex digits, two for each byte.
pub fn push_hex(bytes: &[u8], out: &mut Vec<u8>) {
    for chunk in bytes.chunks(16) {
        let mut digits = [0; 32];
        for (pair, byte) in digits.chunks_exact_mut(2).zip(chunk) {
            pair.copy_from_slice(&PAIRS[usize::from(*byte)]);
        }
        out.extend_from_slice(&digits[..2 * chunk.len()]);
    }
}

/// The same text as the id's `Display`.
pub fn push_request_id(id: RequestId, out: &mut Vec<u8>) {
    out.extend_from_slice(b"req_");
    push_hex(&id.0.to_be_bytes(), out);
}

/// W3C Trace Context, version 00.
pub fn push_traceparent(trace_id: &[u8; 16], span_id: &[u8; 8], flags: u8, out: &mut Vec<u8>) {
    out.extend_from_slice(b"00-");
    push_hex(trace_id, out);
    out.push(b'-');
    push_hex(span_id, out);
    out.push(b'-');
    push_hex(&[flags], out);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_as_the_standard_library_writes() {
        for number in [0, 7, 10, 999, 1_000_000, u64::MAX] {
            let mut out = Vec::new();
            push_decimal(number, &mut out);
            assert_eq!(out, number.to_string().into_bytes());
        }
        let id = RequestId(0x0123_4567_89ab_cdef_0011_2233_4455_6677);
        let mut out = Vec::new();
        push_request_id(id, &mut out);
        assert_eq!(out, id.to_string().into_bytes());
    }
}
