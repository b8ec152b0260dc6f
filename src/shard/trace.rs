//! W3C trace context: continued where the caller sent one that is valid, begun here otherwise.

use super::state::Shard;
use crate::http1::{Name, RequestHead};
use crate::telemetry::Trace;

/// The caller's trace, else one begun here, which is sampled.
pub fn trace_of(shard: &Shard, head: &RequestHead, buf: &[u8]) -> Trace {
    let span_id = shard.random_bytes();
    match head.value(Name::Traceparent, buf).and_then(parse_traceparent) {
        Some((trace_id, parent, flags)) => Trace {
            trace_id,
            span_id,
            parent_span_id: Some(parent),
            flags,
            state: head.value(Name::Tracestate, buf).map(|state| String::from_utf8_lossy(state).into()),
        },
        None => Trace { trace_id: shard.random_bytes(), span_id, parent_span_id: None, flags: 1, state: None },
    }
}

/// `00-TRACEID-SPANID-FLAGS` (W3C Trace Context, traceparent). Later versions may be longer after another dash.
fn parse_traceparent(value: &[u8]) -> Option<([u8; 16], [u8; 8], u8)> {
    let fixed = value.get(..55)?;
    let version = unhex::<1>(&fixed[..2])?[0];
    let longer = value.len() > 55;
    if version == 0xff || (version == 0 && longer) || (longer && value[55] != b'-') {
        return None;
    }
    if fixed[2] != b'-' || fixed[35] != b'-' || fixed[52] != b'-' {
        return None;
    }
    let trace_id = unhex::<16>(&fixed[3..35])?;
    let span_id = unhex::<8>(&fixed[36..52])?;
    let flags = unhex::<1>(&fixed[53..55])?[0];
    (trace_id != [0; 16] && span_id != [0; 8]).then_some((trace_id, span_id, flags))
}

/// Lower-case hex only, as the specification demands.
fn unhex<const N: usize>(text: &[u8]) -> Option<[u8; N]> {
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(text.chunks_exact(2)) {
        *byte = digit(pair[0])? << 4 | digit(pair[1])?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_traceparent_is_continued_only_when_it_is_valid() {
        let good = b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        let (trace_id, span_id, flags) = parse_traceparent(good).expect("valid");
        assert_eq!((trace_id[0], span_id[7], flags), (0x4b, 0xb7, 1));
        for bad in [
            &b"00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01"[..],
            b"00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            b"00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            b"ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-x",
            b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7",
            b"",
        ] {
            assert_eq!(parse_traceparent(bad), None, "{}", String::from_utf8_lossy(bad));
        }
        assert!(parse_traceparent(b"01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more").is_some());
    }
}
