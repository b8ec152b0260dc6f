//! A sink for OTLP over HTTP: takes what an exporter sends, keeps nothing, and counts the SERVER spans, so that a benchmark can show
//! that every request was exported. Spans are found by walking the protobuf; a compressed body is counted in bytes only.

/// Field numbers of `opentelemetry.proto.collector.trace.v1`: resource spans, scope spans, spans.
const PATH: [u64; 3] = [1, 2, 2];
const SPAN_KIND: u64 = 6;
const KIND_SERVER: u64 = 2;

pub fn server_spans(body: &[u8]) -> u64 {
    count(body, &PATH)
}

fn count(message: &[u8], path: &[u64]) -> u64 {
    let Some((wanted, deeper)) = path.split_first() else {
        return Fields(message).any(|field| matches!(field, (SPAN_KIND, Value::Number(KIND_SERVER)))) as u64;
    };
    let children = Fields(message).filter_map(|(number, value)| match value {
        Value::Bytes(bytes) if number == *wanted => Some(bytes),
        _ => None,
    });
    children.map(|child| count(child, deeper)).sum()
}

enum Value<'a> {
    Number(u64),
    Bytes(&'a [u8]),
}

/// The fields of a message, up to the first byte that makes no sense.
struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    fn varint(&mut self) -> Option<u64> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let (byte, rest) = self.0.split_first()?;
            self.0 = rest;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Some(value);
            }
        }
        None
    }

    fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(taken)
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = (u64, Value<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        let tag = self.varint()?;
        let value = match tag & 7 {
            0 => Value::Number(self.varint()?),
            1 => Value::Bytes(self.take(8)?),
            2 => {
                let len = self.varint()?;
                Value::Bytes(self.take(usize::try_from(len).ok()?)?)
            }
            5 => Value::Bytes(self.take(4)?),
            _ => return None,
        };
        Some((tag >> 3, value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wrap(field: u8, body: &[u8]) -> Vec<u8> {
        [&[field << 3 | 2, body.len() as u8][..], body].concat()
    }

    #[test]
    fn server_spans_are_counted_and_broken_bodies_do_no_harm() {
        let server = wrap(2, &[&wrap(1, b"trace-id")[..], &[SPAN_KIND as u8 * 8, 2]].concat());
        let client = wrap(2, &[SPAN_KIND as u8 * 8, 3]);
        let scope = wrap(2, &[&server[..], &client, &server].concat());
        let request = wrap(1, &[&wrap(1, b"resource")[..], &scope].concat());
        assert_eq!(server_spans(&request), 2);
        for cut in 0..request.len() {
            assert!(server_spans(&request[..cut]) <= 2);
        }
        assert_eq!(server_spans(b"\x1f\x8b\x08gzip"), 0);
    }
}
