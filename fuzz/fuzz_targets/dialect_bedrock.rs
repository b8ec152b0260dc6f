//! Converse events (their framing has a target of its own: few random bytes have a right CRC) as lines `name payload`.
#![no_main]

#[path = "common.rs"]
mod common;

use sluice::dialect::common::Request;
use sluice::dialect::{About, Reading, Translation, Wire};
use sluice::meter::Family;
use sluice::sse::Event;
use sluice::telemetry::Face;

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    common::body(Wire::Bedrock, input);
    let about = About { id: "0".repeat(32), model: "m".into(), created_unix_s: 1 };
    let asked = Request { stream: true, ..Request::default() };
    let mut translation = Translation::new(Face::Messages, Wire::Bedrock, asked, about);
    let (mut reading, mut out) = (Reading::new(Family::Unknown), Vec::new());
    for line in input.split(|&byte| byte == b'\n') {
        let at = line.iter().position(|&byte| byte == b' ').unwrap_or(line.len());
        let (name, data) = line.split_at(at);
        let event = Event { name, data, raw: line, end: line.len(), carried: false };
        Wire::Bedrock.read_event(&event, &mut reading);
        translation.event(&event, &mut out);
    }
    translation.end(&reading.settle(1), &mut out);
});
