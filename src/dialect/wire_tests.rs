//! Recorded provider traffic folds to the usage it must fold to. Skipped where the recordings are not at hand.

use std::path::PathBuf;

use serde_json::Value;

use super::{Frames, Mark, Reading, Wire};
use crate::config::Api;
use crate::meter::Family;
use crate::provider::classify;
use crate::sse::{Event, Scanner};
use crate::telemetry::ErrorClass;

struct Sample {
    file: String,
    wire: Wire,
    api: Api,
    stream: bool,
    status: u16,
    finish: String,
    expect: Option<Value>,
    notes: String,
    bytes: Vec<u8>,
}

fn samples() -> Vec<Sample> {
    let shared = std::env::var_os("SLUICE_SHARED")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared"), PathBuf::from)
        .join("wire");
    let Ok(index) = std::fs::read_to_string(shared.join("INDEX.tsv")) else {
        eprintln!("no recordings in {}: skipped", shared.display());
        return Vec::new();
    };
    let mut lines = index.lines();
    let names: Vec<&str> = lines.next().unwrap().split('\t').collect();
    let mut samples = Vec::new();
    for line in lines {
        let fields: Vec<&str> = line.split('\t').collect();
        let field = |name: &str| fields[names.iter().position(|known| *known == name).unwrap()];
        let wire = match field("api") {
            "chat" => Wire::Chat,
            "completions" => Wire::Completions,
            "responses" => Wire::Responses,
            "messages" => Wire::Messages,
            "generate" | "generate-array" => Wire::Gemini,
            "converse" => Wire::Bedrock,
            "chat2" => Wire::Cohere,
            "embeddings"
            | "rerank"
            | "count_tokens"
            | "transcription"
            | "audio-transcription"
            | "audio-translation"
            | "image-generation" => Wire::Plain,
            _ => continue,
        };
        let Ok(bytes) = std::fs::read(shared.join(field("file"))) else { continue };
        samples.push(Sample {
            file: field("file").into(),
            wire,
            api: match wire {
                Wire::Messages => Api::Anthropic,
                Wire::Gemini => Api::Gemini,
                Wire::Bedrock => Api::Bedrock,
                Wire::Cohere => Api::Cohere,
                _ => Api::OpenAi,
            },
            stream: field("file").ends_with(".sse") || field("file").ends_with(".bin"),
            status: field("status").parse().unwrap(),
            finish: field("finish_raw").into(),
            expect: (!field("expect_norm").is_empty()).then(|| serde_json::from_str(field("expect_norm")).unwrap()),
            notes: field("notes").into(),
            bytes,
        });
    }
    assert!(samples.len() > 100, "{} samples of our dialects", samples.len());
    samples
}

/// Every event of these bytes, cut into slices.
fn events(sample: &Sample, bytes: &[u8], slice_len: usize, mut on_event: impl FnMut(Event<'_>)) {
    if sample.wire == Wire::Bedrock {
        let mut frames = Frames::default();
        return bytes.chunks(slice_len).for_each(|slice| frames.feed(slice, &mut on_event).unwrap());
    }
    let mut scanner = Scanner::new(1 << 22);
    bytes.chunks(slice_len).for_each(|slice| scanner.feed(slice, &mut on_event).unwrap());
    scanner.finish(on_event);
}

fn read(sample: &Sample, bytes: &[u8], slice_len: usize) -> (Reading, Vec<Mark>) {
    let mut reading = Reading::new(Family::Unknown);
    let mut marks = Vec::new();
    events(sample, bytes, slice_len, |event| marks.push(sample.wire.read_event(&event, &mut reading)));
    (reading, marks)
}

/// The numbers of `expect_norm`; billed ones where iterations are listed.
fn check(sample: &Sample, reading: &Reading) {
    let Some(expect) = &sample.expect else { return };
    let usage = reading.usage;
    let expected = |name: &str| {
        let billed = expect.get(format!("billed_{name}")).filter(|_| sample.wire != Wire::Cohere);
        billed.or_else(|| expect.get(name)).and_then(Value::as_u64)
    };
    if sample.wire == Wire::Cohere {
        // It bills less than the tokens, since its template is free.
        let billed = usage.billed.map(|billed| (Some(billed.input), Some(billed.output)));
        let [input, output] = ["billed_in", "billed_out"].map(|name| expect.get(name).and_then(Value::as_u64));
        assert_eq!(billed, Some((input, output)), "{}", sample.file);
    }
    let out = expected("out").unwrap_or(0);
    for (name, wanted, got) in [
        ("in", expected("in").or(expected("total")), usage.input),
        ("out", expected("out"), usage.output),
        ("cr", expected("cr"), usage.cache_read),
        ("cw", expected("cw"), usage.cache_write_total()),
        ("cw5m", expected("cw5m"), usage.cache_write_5m),
        ("cw1h", expected("cw1h"), usage.cache_write_1h),
        ("rt", expected("rt").map(|reasoning| reasoning.min(out)), usage.reasoning),
    ] {
        assert!(wanted.is_none_or(|wanted| wanted == got), "{}: {name} {wanted:?} {usage:?}", sample.file);
    }
    // A duration is billed by the second.
    assert!(!reading.odd_usage, "{}", sample.file);
}

#[test]
fn recordings_fold_to_their_expected_usage() {
    let mut checked = 0;
    for sample in samples().iter().filter(|sample| sample.status == 200) {
        if sample.stream {
            for slice_len in [usize::MAX, 1, 13, 1400, 16 * 1024] {
                let (reading, _) = read(sample, &sample.bytes, slice_len);
                check(sample, &reading);
            }
        } else {
            let mut reading = Reading::new(Family::Unknown);
            sample.wire.read_body(&sample.bytes, &mut reading);
            assert!(reading.terminated && reading.error.is_none(), "{}: {:?}", sample.file, reading.error);
            check(sample, &reading);
        }
        checked += usize::from(sample.expect.is_some());
    }
    eprintln!("{checked} recordings folded to their expected usage");
}

#[test]
fn recorded_streams_end_with_their_terminator_and_their_finish_reason() {
    for sample in samples().iter().filter(|sample| sample.stream) {
        let (reading, marks) = read(sample, &sample.bytes, 4096);
        // A snapshot without an end, errors before the end, an event that is not JSON.
        let mut broken = ["NO finish_reason", "MID-STREAM", "badjson"].iter().any(|note| sample.notes.contains(note));
        // Gemini's made-up ones.
        broken |= ["empty-content", "invalid-json", "malformed-content"].iter().any(|note| sample.notes.contains(note));
        assert_eq!(reading.terminated, !broken, "{}", sample.file);
        // Gemini's last text may come with its end.
        if sample.wire != Wire::Gemini {
            assert_eq!(marks.contains(&Mark::End), !broken, "{}", sample.file);
        }
        let malformed = sample.notes.contains("badjson");
        assert_eq!(marks.contains(&Mark::Malformed), malformed, "{}: {}", sample.file, sample.notes);
        assert_eq!(marks.contains(&Mark::Error), reading.error.is_some(), "{}", sample.file);
        assert_eq!(reading.error.is_some(), sample.notes.to_lowercase().contains("error"), "{}", sample.file);
        let has = |text: &[u8]| memchr::memmem::find(&sample.bytes, text).is_some();
        let nameless = has(b"\"id\":\"\"")
            || sample.wire == Wire::Gemini && !has(b"\"responseId\"")
            || sample.wire == Wire::Bedrock;
        assert!(reading.response_id.is_some() || nameless || broken, "{}", sample.file);
        let content = marks.iter().filter(|mark| **mark == Mark::Content).count();
        assert!(content > 0 || reading.usage.output == 0 || sample.wire == Wire::Responses, "{}", sample.file);
        if !sample.finish.is_empty() {
            assert_eq!(reading.finish_reason.as_deref(), Some(sample.finish.as_str()), "{}", sample.file);
        }
    }
}

#[test]
fn a_recording_cut_at_any_event_does_not_look_complete() {
    for sample in samples().iter().filter(|sample| sample.stream) {
        let mut reading = Reading::new(Family::Unknown);
        let (mut last_end, mut terminator) = (0, None);
        events(sample, &sample.bytes, usize::MAX, |event| {
            sample.wire.read_event(&event, &mut reading);
            if reading.terminated && terminator.is_none() && event.end > last_end {
                terminator = Some((last_end, event.end));
            }
            last_end = event.end;
        });
        let Some((start, end)) = terminator else { continue };
        // Right before the terminator, and inside of it.
        let len = sample.bytes[start..end].trim_ascii_end().len() - 2;
        for cut in (0..=8).map(|part| start + len * part / 8) {
            let (reading, _) = read(sample, &sample.bytes[..cut], 4096);
            assert!(!reading.terminated, "{} cut at {cut}", sample.file);
        }
    }
}

#[test]
fn recorded_frames_end_at_the_last_and_are_refused_when_a_byte_is_wrong() {
    for sample in samples().iter().filter(|sample| sample.stream && sample.wire == Wire::Bedrock) {
        let mut ends = Vec::new();
        events(sample, &sample.bytes, usize::MAX, |event| ends.push(event.end));
        assert_eq!(ends.pop(), Some(sample.bytes.len()), "{}", sample.file);
        for end in ends {
            assert!(!read(sample, &sample.bytes[..end], 4096).0.terminated, "{} cut at {end}", sample.file);
        }
        for at in (0..sample.bytes.len()).step_by(17) {
            let mut broken = sample.bytes.clone();
            broken[at] ^= 0x10;
            let mut reading = Reading::new(Family::Unknown);
            let result = Frames::default().feed(&broken, |event| {
                sample.wire.read_event(&event, &mut reading);
            });
            assert!(result.is_err() && !reading.terminated, "{} byte {at}", sample.file);
        }
    }
}

#[test]
fn recorded_errors_are_classified() {
    use ErrorClass::*;
    for sample in samples().iter().filter(|sample| sample.status >= 400) {
        let class = classify(sample.api, sample.status, &sample.bytes);
        let expected = match sample.file.as_str() {
            "openai/responses-json-13.json" | "openai/responses-json-7.json" | "bedrock/converse-json-15.json" => {
                NotFound
            }
            "gemini/generate-json-13.json" | "vertex/generate-json-13.json" | "vertex/generate-json-16.json" => Auth,
            // A place that is not served.
            "vertex/generate-json-24.json" | "vertex/generate-json-36.json" => Permission,
            _ => match sample.status {
                400 => BadRequest,
                401 => Auth,
                403 => Permission,
                404 => NotFound,
                429 => RateLimited,
                other => panic!("{}: status {other} has no expectation", sample.file),
            },
        };
        assert_eq!(class, expected, "{}", sample.file);
    }
}
