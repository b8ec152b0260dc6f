//! What a provider sends is read, and written to every face: no panic, the same for any split, and every stream that is
//! written can be read again.

use sluice::dialect::common::Request;
use sluice::dialect::{About, Reading, Translation, Wire};
use sluice::meter::{Family, Usage};
use sluice::sse::{Event, Scanner};
use sluice::telemetry::Face;

const FACES: [Face; 5] = [Face::ChatCompletions, Face::Completions, Face::Responses, Face::Messages, Face::Gemini];

fn translation(face: Face, wire: Wire, stream: bool) -> Translation {
    let about = About { id: "0".repeat(32), model: "m".into(), created_unix_s: 1 };
    Translation::new(face, wire, Request { stream, ..Request::default() }, about)
}

/// Streams of `wire` that come as SSE.
pub fn sse(wire: Wire, input: &[u8]) {
    let Some((&split, bytes)) = input.split_first() else { return };
    let face = FACES[usize::from(split) % FACES.len()];
    let read = |slice_len: usize| {
        let mut reading = Reading::new(Family::Unknown);
        let mut translation = translation(face, wire, true);
        let mut out = Vec::new();
        let mut scanner = Scanner::new(1 << 20);
        let mut on_event = |event: Event<'_>| {
            wire.read_event(&event, &mut reading);
            translation.event(&event, &mut out);
        };
        for slice in bytes.chunks(slice_len) {
            scanner.feed(slice, &mut on_event).unwrap();
        }
        scanner.finish(&mut on_event);
        let usage = reading.settle(7);
        translation.end(&usage, &mut out);
        (out, usage, reading.terminated)
    };
    let whole = read(usize::MAX);
    assert_eq!(read(usize::from(split) + 1), whole);
    let mut scanner = Scanner::new(1 << 24);
    let mut written = Reading::new(Family::Unknown);
    let mut on_event = |event: Event<'_>| {
        assert!(
            event.data.is_empty()
                || event.data == b"[DONE]"
                || serde_json::from_slice::<serde_json::Value>(event.data).is_ok()
        );
        Wire::of(face).read_event(&event, &mut written);
    };
    scanner.feed(&whole.0, &mut on_event).unwrap();
    scanner.finish(&mut on_event);
    body(wire, bytes);
}

/// Unary answers.
pub fn body(wire: Wire, bytes: &[u8]) {
    let mut reading = Reading::new(Family::Unknown);
    wire.read_body(bytes, &mut reading);
    for face in FACES {
        let mut out = Vec::new();
        translation(face, wire, false).body(bytes, &Usage::default(), &mut out);
        serde_json::from_slice::<serde_json::Value>(&out).expect("an answer is JSON");
    }
}
