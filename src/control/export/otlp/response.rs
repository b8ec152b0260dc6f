//! What a collector answers: partial success, and over gRPC the delay it asks for. Both are read leniently: an answer
//! that cannot be read is an answer without details.

use std::time::Duration;

use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use base64::{Engine, alphabet};

/// ExportTracePartialSuccess and ExportMetricsPartialSuccess: {rejected=1, error_message=2}.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct PartialSuccess {
    pub rejected: u64,
    pub message: String,
}

/// From an Export...ServiceResponse{partial_success=1}.
pub fn partial_success(body: &[u8]) -> PartialSuccess {
    let mut found = PartialSuccess::default();
    for (field, value) in Fields(body) {
        let (1, Value::Bytes(partial)) = (field, value) else { continue };
        for (field, value) in Fields(partial) {
            match (field, value) {
                // A negative count makes no sense.
                (1, Value::Number(rejected)) => found.rejected = if rejected >> 63 == 0 { rejected } else { 0 },
                (2, Value::Bytes(message)) => found.message = String::from_utf8_lossy(message).into_owned(),
                _ => {}
            }
        }
    }
    found
}

/// The delay of a google.rpc.RetryInfo in `grpc-status-details-bin`: google.rpc.Status{details=3: Any{type_url=1,
/// value=2: RetryInfo{retry_delay=1: Duration{seconds=1, nanos=2}}}}, in base64.
pub fn retry_info(details: &[u8]) -> Option<Duration> {
    let status = BASE64.decode(details).ok()?;
    let any = Fields(&status).filter_map(|(field, value)| value.bytes().filter(|_| field == 3));
    for any in any {
        let of = |wanted| Fields(any).find_map(|(field, value)| value.bytes().filter(|_| field == wanted));
        if !of(1)?.ends_with(b"google.rpc.RetryInfo") {
            continue;
        }
        let delay = of(2).and_then(|info| Fields(info).find_map(|(field, value)| value.bytes().filter(|_| field == 1)));
        let number = |wanted| {
            let numbers = Fields(delay.unwrap_or(&[]));
            numbers.filter_map(|(field, value)| value.number().filter(|_| field == wanted)).last().unwrap_or(0)
        };
        let nanos = u32::try_from(number(2)).unwrap_or(0).min(999_999_999);
        return Some(Duration::new(number(1).min(u64::from(u32::MAX)), nanos));
    }
    None
}

#[derive(Clone, Copy)]
enum Value<'a> {
    Number(u64),
    Bytes(&'a [u8]),
}

impl<'a> Value<'a> {
    fn bytes(self) -> Option<&'a [u8]> {
        match self {
            Value::Bytes(bytes) => Some(bytes),
            Value::Number(_) => None,
        }
    }

    fn number(self) -> Option<u64> {
        match self {
            Value::Number(number) => Some(number),
            Value::Bytes(_) => None,
        }
    }
}

/// The fields of a message, up to the first that makes no sense.
struct Fields<'a>(&'a [u8]);

impl<'a> Iterator for Fields<'a> {
    type Item = (u64, Value<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        let tag = self.varint()?;
        let value = match tag & 7 {
            0 => Value::Number(self.varint()?),
            1 => Value::Bytes(self.take(8)?),
            2 => {
                let len = usize::try_from(self.varint()?).ok()?;
                Value::Bytes(self.take(len)?)
            }
            5 => Value::Bytes(self.take(4)?),
            _ => return None,
        };
        Some((tag >> 3, value))
    }
}

impl<'a> Fields<'a> {
    fn varint(&mut self) -> Option<u64> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let (&byte, rest) = self.0.split_first()?;
            self.0 = rest;
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
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

/// Padding is optional, as gRPC allows.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

#[cfg(test)]
mod tests {
    use opentelemetry_proto::tonic::collector::trace::v1 as collector;
    use proptest::prelude::*;
    use prost::Message;

    use super::*;

    #[test]
    fn a_partial_success_is_read_as_it_was_written() {
        let partial = collector::ExportTracePartialSuccess { rejected_spans: 300, error_message: "too old".into() };
        let body = collector::ExportTraceServiceResponse { partial_success: Some(partial) }.encode_to_vec();
        assert_eq!(partial_success(&body), PartialSuccess { rejected: 300, message: "too old".into() });
        assert_eq!(partial_success(&[]), PartialSuccess::default());
    }

    #[test]
    fn the_delay_of_a_retry_info_is_found() {
        // Status{code: 8, details: [Any{RetryInfo{retry_delay: 2.5 s}}]}, as protoc writes it.
        let mut any = vec![0x0a, 40];
        any.extend_from_slice(b"type.googleapis.com/google.rpc.RetryInfo");
        any.extend_from_slice(&[0x12, 10, 0x0a, 8, 0x08, 2, 0x10, 0x80, 0xca, 0xb5, 0xee, 0x01]);
        let mut status = vec![0x08, 8, 0x1a, any.len() as u8];
        status.extend_from_slice(&any);
        let delay = retry_info(encode(&status).as_bytes());
        assert_eq!(delay, Some(Duration::from_millis(2_500)));
        assert_eq!(retry_info(b"CAg="), None);
        assert_eq!(retry_info(b"not base64!"), None);
    }

    fn encode(bytes: &[u8]) -> String {
        const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        let mut out = String::new();
        for chunk in bytes.chunks(3) {
            let bits = chunk.iter().fold(0u32, |bits, &byte| bits << 8 | u32::from(byte)) << (8 * (3 - chunk.len()));
            for at in 0..=chunk.len() {
                out.push(char::from(ALPHABET[(bits >> (18 - 6 * at) & 63) as usize]));
            }
        }
        out
    }

    proptest! {
        #[test]
        fn any_bytes_are_an_answer(body in proptest::collection::vec(any::<u8>(), 0..64)) {
            partial_success(&body);
            retry_info(&body);
            prop_assert_eq!(BASE64.decode(encode(&body)).ok(), Some(body));
        }
    }
}
