//! Every recorded answer, translated to every face and read again there, says the same. Skipped where the recordings are
//! not at hand.

use std::path::PathBuf;

use serde_json::Value;

use super::Reads;
use crate::dialect::common::{Answer, AnswerPart, Finish, Gather, Request};
use crate::dialect::{About, Frames, Reading, Translation, Wire};
use crate::meter::{Family, Usage};
use crate::sse::{Event, Scanner};
use crate::telemetry::Face;

const FACES: [Face; 5] = [Face::ChatCompletions, Face::Completions, Face::Responses, Face::Messages, Face::Gemini];

struct Sample {
    file: String,
    wire: Wire,
    bytes: Vec<u8>,
}

impl Sample {
    fn is_stream(&self) -> bool {
        self.file.ends_with(".sse") || self.file.ends_with(".bin")
    }
}

/// Successes of every dialect that is translated from.
fn samples() -> Vec<Sample> {
    let wires = std::env::var_os("SLUICE_SHARED")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared"), PathBuf::from)
        .join("wire");
    let Ok(index) = std::fs::read_to_string(wires.join("INDEX.tsv")) else {
        eprintln!("no recordings in {}: skipped", wires.display());
        return Vec::new();
    };
    let mut samples = Vec::new();
    for line in index.lines().skip(1) {
        let fields: Vec<&str> = line.split('\t').collect();
        let (file, api, status) = (fields[0], fields[2], fields[4]);
        let wire = match api {
            "chat" => Wire::Chat,
            "responses" => Wire::Responses,
            "messages" => Wire::Messages,
            "generate" => Wire::Gemini,
            "converse" | "converse-stream" => Wire::Bedrock,
            "chat2" => Wire::Cohere,
            _ => continue,
        };
        if status != "200" || file.ends_with(".ndjson") {
            continue;
        }
        let Ok(bytes) = std::fs::read(wires.join(file)) else { continue };
        samples.push(Sample { file: file.to_owned(), wire, bytes });
    }
    assert!(samples.len() > 150, "{} samples", samples.len());
    samples
}

fn request(stream: bool) -> Request {
    Request { stream, stream_usage: true, ..Request::default() }
}

fn about() -> About {
    About { id: "0123456789abcdef0123456789abcdef".into(), model: "the-model".into(), created_unix_s: 1 }
}

fn events(wire: Wire, bytes: &[u8], mut on_event: impl FnMut(Event<'_>)) {
    if wire == Wire::Bedrock {
        return Frames::default().feed(bytes, on_event).expect("recorded frames are good");
    }
    let mut scanner = Scanner::new(1 << 22);
    scanner.feed(bytes, &mut on_event).expect("no recorded event is that long");
    scanner.finish(on_event);
}

/// What an answer says in the dialect it is written in.
fn said(wire: Wire, stream: bool, bytes: &[u8]) -> Answer {
    let mut reads = Reads::new(wire, &request(stream), "the-model");
    let mut gather = Gather::default();
    let mut seen = super::Seen::default();
    let mut emit = |piece: super::Piece<'_>| gather.piece(seen.correct(piece));
    if stream {
        events(wire, bytes, |event| reads.event(&event, &mut emit));
    } else {
        reads.body(bytes, &mut emit);
    }
    gather.answer()
}

fn translated(face: Face, sample: &Sample) -> Vec<u8> {
    let stream = sample.is_stream();
    let mut translation = Translation::new(face, sample.wire, request(stream), about());
    let mut out = Vec::new();
    if stream {
        let mut reading = Reading::new(Family::Unknown);
        events(sample.wire, &sample.bytes, |event| {
            sample.wire.read_event(&event, &mut reading);
            translation.event(&event, &mut out);
        });
        translation.end(&reading.settle(0), &mut out);
    } else {
        translation.body(&sample.bytes, &Usage::default(), &mut out);
    }
    out
}

/// What must survive: texts, thoughts, calls with what they say, and why it ended.
#[derive(Debug, PartialEq)]
struct Essence {
    text: String,
    thoughts: String,
    calls: Vec<(String, Value)>,
    finish: Option<Finish>,
}

fn essence(answer: &Answer) -> Essence {
    let mut essence = Essence { text: String::new(), thoughts: String::new(), calls: Vec::new(), finish: None };
    let Some(choice) = answer.choices.first() else { return essence };
    for part in &choice.parts {
        match part {
            AnswerPart::Text(text) | AnswerPart::Refusal(text) => essence.text.push_str(text),
            AnswerPart::Reasoning { text, .. } => essence.thoughts.push_str(text),
            AnswerPart::Redacted(_) => {}
            AnswerPart::Call(call) => {
                let arguments = serde_json::from_str(&call.arguments).unwrap_or(Value::String(call.arguments.clone()));
                essence.calls.push((call.name.clone(), arguments));
            }
        }
    }
    essence.finish = choice.finish.map(|finish| match finish {
        // Not every dialect tells these apart.
        Finish::StopSequence | Finish::Pause | Finish::Error => Finish::Stop,
        other => other,
    });
    essence
}

#[test]
fn every_recorded_answer_says_the_same_in_every_dialect() {
    let mut failures = Vec::new();
    let mut compared = 0;
    for sample in samples() {
        let answer = said(sample.wire, sample.is_stream(), &sample.bytes);
        let paused = answer.choices.iter().any(|choice| choice.finish == Some(Finish::Pause));
        let mut original = essence(&answer);
        if paused {
            original.finish = None;
        }
        for face in FACES {
            let out = translated(face, &sample);
            let wire = Wire::of(face);
            let mut got = match face {
                Face::Completions => continue,
                _ => essence(&said(wire, sample.is_stream(), &out)),
            };
            // A stream that broke off has no end to be compared, and a pause is Anthropic's alone.
            if original.finish.is_none() || paused {
                got.finish = None;
            }
            compared += 1;
            if got != original {
                failures.push(format!("{} as {}:\n  {original:?}\n  {got:?}", sample.file, face.as_str()));
            }
        }
    }
    assert!(failures.is_empty(), "{} of {compared}:\n{}", failures.len(), failures.join("\n"));
    eprintln!("{compared} translations compared");
}

#[test]
fn a_translated_stream_is_metered_as_what_the_provider_said() {
    for sample in samples().iter().filter(|sample| sample.is_stream()) {
        let mut reading = Reading::new(Family::Unknown);
        events(sample.wire, &sample.bytes, |event| {
            sample.wire.read_event(&event, &mut reading);
        });
        if !reading.terminated || reading.usage == Usage::default() || reading.error.is_some() {
            continue;
        }
        for face in FACES {
            let mut again = Reading::new(Family::Unknown);
            events(Wire::of(face), &translated(face, sample), |event| {
                Wire::of(face).read_event(&event, &mut again);
            });
            assert!(again.terminated, "{} as {}", sample.file, face.as_str());
            let (was, is) = (reading.usage, again.usage);
            assert_eq!(
                (is.input, is.output, is.cache_read),
                (was.input, was.output, was.cache_read),
                "{} as {}",
                sample.file,
                face.as_str()
            );
        }
    }
}

/// Found by fuzzing: a flipped byte in log probabilities made a chunk that was no JSON.
#[test]
fn log_probabilities_that_are_no_json_are_left_out() {
    let delta = |logprobs: &[u8]| {
        let before: &[u8] = b"data: {\"type\":\"response.output_text.delta\",\"output_index\":0,\"content_index\":0,\"delta\":\"a\",\"logprobs\":[";
        [before, logprobs, b"]}\n\n"].concat()
    };
    for (logprobs, passes) in [
        (&br#"{"token":"a","logprob":-1,"top_logprobs":[]}"#[..], true),
        (b"{\"token\":\"a\",\"logprob\":0,\"top_logprob\xf3\":[]}", false),
        (b"{\"token\":\"a\",,}", false),
    ] {
        let mut translation = Translation::new(Face::ChatCompletions, Wire::Responses, request(true), about());
        let mut out = Vec::new();
        events(Wire::Responses, &delta(logprobs), |event| translation.event(&event, &mut out));
        translation.end(&Usage::default(), &mut out);
        assert_eq!(memchr::memmem::find(&out, b"\"logprob\"").is_some(), passes);
        events(Wire::Chat, &out, |event| {
            assert!(event.data == b"[DONE]" || serde_json::from_slice::<Value>(event.data).is_ok());
        });
    }
}
