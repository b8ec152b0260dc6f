use proptest::prelude::*;

use super::{event, exception, frame};
use crate::dialect::bedrock::frames::is_failure;
use crate::dialect::{BadFrame, Frames};

/// Names and payloads, as they come when the bytes are cut at these places.
fn read(bytes: &[u8], cuts: &[usize]) -> Result<Vec<(String, String)>, BadFrame> {
    let mut frames = Frames::default();
    let (mut found, mut raw) = (Vec::new(), Vec::new());
    let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut % (bytes.len() + 1)).collect();
    cuts.extend([0, bytes.len()]);
    cuts.sort_unstable();
    for pair in cuts.windows(2) {
        let slice = &bytes[pair[0]..pair[1]];
        let mut last_end = 0;
        frames.feed(slice, |event| {
            assert!(event.end > last_end && event.end <= slice.len());
            assert_eq!(event.carried, event.raw.len() > event.end - last_end);
            last_end = event.end;
            raw.extend_from_slice(event.raw);
            let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
            found.push((text(event.name), text(event.data)));
        })?;
    }
    assert_eq!(raw.len() + frames.held_bytes(), bytes.len());
    assert_eq!(&bytes[..raw.len()], raw);
    Ok(found)
}

fn stream() -> Vec<u8> {
    [
        event("messageStart", r#"{"role":"assistant","p":"abc"}"#),
        event("contentBlockDelta", r#"{"contentBlockIndex":0,"delta":{"text":"Hi"}}"#),
        event("messageStop", r#"{"stopReason":"end_turn"}"#),
        event("metadata", r#"{"usage":{"inputTokens":1,"outputTokens":2,"totalTokens":3}}"#),
        exception("throttlingException", r#"{"message":"slow"}"#),
    ]
    .concat()
}

#[test]
fn events_exceptions_and_errors_have_names_that_tell_them_apart() {
    let bytes = [
        event("metadata", "{}"),
        exception("throttlingException", r#"{"message":"m"}"#),
        exception("throttlingException", ""),
        exception("oddity", "words"),
        frame(&[(":message-type", "error"), (":error-code", "Code"), (":error-message", "say \"no\"")], ""),
    ]
    .concat();
    let events = read(&bytes, &[]).unwrap();
    let events: Vec<(&str, &str)> = events.iter().map(|(name, data)| (name.as_str(), data.as_str())).collect();
    assert_eq!(
        events,
        [
            ("metadata", "{}"),
            ("throttlingException", r#"{"message":"m"}"#),
            ("throttlingException", "{}"),
            ("error", r#"{"code":"oddity","message":"words"}"#),
            ("error", r#"{"code":"Code","message":"say \"no\""}"#),
        ]
    );
    let failures: Vec<bool> = events.iter().map(|(name, _)| is_failure(name.as_bytes())).collect();
    assert_eq!(failures, [false, true, true, true, true]);
}

#[test]
fn lengths_that_cannot_be_are_refused_at_once() {
    let prelude = |total: u32, headers: u32| {
        let mut bytes = [total.to_be_bytes(), headers.to_be_bytes()].concat();
        let mut crc = flate2::Crc::new();
        crc.update(&bytes);
        bytes.extend_from_slice(&crc.sum().to_be_bytes());
        bytes
    };
    for (total, headers, why) in [
        (15, 0, "below"),
        (0, 0, "below"),
        (100, 85, "headers"),
        (16 << 20 | 1, 0, "bound"),
        (u32::MAX, u32::MAX, "bound"),
    ] {
        let error = read(&prelude(total, headers), &[]).unwrap_err();
        assert!(error.to_string().contains(why), "{error}");
    }
    // A length is believed only with its checksum, or a stream would wait for what never comes.
    let mut broken = prelude(1 << 20, 0);
    assert_eq!(read(&broken, &[]), Ok(Vec::new()));
    broken[2] ^= 1;
    assert!(read(&broken, &[]).unwrap_err().to_string().contains("checksum"));
}

#[test]
fn a_frame_of_an_unknown_message_type_is_refused() {
    assert!(read(&frame(&[(":event-type", "metadata")], "{}"), &[]).is_err());
    assert!(read(&frame(&[], ""), &[]).is_err());
}

#[test]
fn a_byte_flipped_anywhere_is_refused() {
    let bytes = stream();
    let whole = read(&bytes, &[]).unwrap();
    for at in 0..bytes.len() {
        for bit in [0x01, 0x80] {
            let mut broken = bytes.clone();
            broken[at] ^= bit;
            // Nothing before the broken frame is lost, nothing of it or behind it comes through; a length that grew may
            // leave its frame open.
            let mut frames = Frames::default();
            let mut seen = 0;
            let result = frames.feed(&broken, |event| {
                assert_eq!(event.data, whole[seen].1.as_bytes());
                seen += 1;
            });
            assert!(result.is_err() && seen < whole.len(), "byte {at}");
        }
    }
}

proptest! {
    #[test]
    fn any_split_gives_the_same_events(cuts in prop::collection::vec(0_usize..4096, 0..12)) {
        let bytes = stream();
        prop_assert_eq!(read(&bytes, &cuts), read(&bytes, &[]));
    }

    #[test]
    fn bytes_of_any_kind_do_not_panic(bytes in prop::collection::vec(any::<u8>(), 0..600), cut in 0_usize..600) {
        let _ = read(&bytes, &[cut]);
    }

    #[test]
    fn a_mutated_stream_does_not_panic(at in 0_usize..4096, byte in any::<u8>(), cut in 0_usize..4096) {
        let mut bytes = stream();
        let len = bytes.len();
        bytes[at % len] = byte;
        let _ = read(&bytes, &[cut]);
    }
}
