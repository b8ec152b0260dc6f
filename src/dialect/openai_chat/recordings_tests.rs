//! Recorded chat traffic through the reader, and through the writer and the reader again. Skipped where the recordings
//! are not at hand.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde_json::Value;

use super::stream_tests::{about, again, read_body, read_stream};
use super::{AnswerIn, write_answer};
use crate::dialect::common::{Answer, AnswerPart, Gather, Request};
use crate::dialect::{Reading, Translation, Wire};
use crate::meter::{Family, Usage};
use crate::sse::{Event, Scanner};
use crate::telemetry::Face;

struct Recording {
    file: String,
    bytes: Vec<u8>,
}

/// Answers of chat completions and completions.
fn recordings(ending: &str) -> Vec<Recording> {
    recordings_of(&["chat", "completions"], ending)
}

fn recordings_of(apis: &[&str], ending: &str) -> Vec<Recording> {
    let wire = std::env::var_os("SLUICE_SHARED")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared"), PathBuf::from)
        .join("wire");
    let Ok(index) = std::fs::read_to_string(wire.join("INDEX.tsv")) else {
        eprintln!("no recordings in {}: skipped", wire.display());
        return Vec::new();
    };
    let mut found = Vec::new();
    for line in index.lines().skip(1) {
        let fields: Vec<&str> = line.split('\t').collect();
        let (file, api, status) = (fields[0], fields[2], fields[4]);
        if apis.contains(&api) && status == "200" && file.ends_with(ending) {
            let Ok(bytes) = std::fs::read(wire.join(file)) else { continue };
            found.push(Recording { file: file.to_owned(), bytes });
        }
    }
    assert!(found.len() >= 20, "{} recordings", found.len());
    found
}

/// What a choice said, read from a tree and not by spans.
#[derive(Default, PartialEq, Debug)]
struct Said {
    text: String,
    thought: String,
    refusal: String,
    /// By the provider's index: name and arguments.
    calls: Vec<(String, String)>,
    finish: Option<String>,
}

fn string(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

impl Said {
    fn add(&mut self, choice: &Value) {
        let message = choice.get("delta").or(choice.get("message")).unwrap_or(&Value::Null);
        self.text.push_str(string(&choice["text"]));
        match &message["content"] {
            Value::Array(parts) => {
                for part in parts {
                    self.text.push_str(string(&part["text"]));
                    for thought in part["thinking"].as_array().into_iter().flatten() {
                        self.thought.push_str(string(&thought["text"]));
                    }
                }
            }
            text => self.text.push_str(string(text)),
        }
        self.text.push_str(string(&message["audio"]["transcript"]));
        self.refusal.push_str(string(&message["refusal"]));
        let plain = [&message["reasoning_content"], &message["reasoning"]];
        match plain.into_iter().map(string).find(|text| !text.is_empty()) {
            Some(text) => self.thought.push_str(text),
            None => {
                for detail in message["reasoning_details"].as_array().into_iter().flatten() {
                    self.thought.push_str(string(&detail["text"]));
                    self.thought.push_str(string(&detail["summary"]));
                }
            }
        }
        for call in message["tool_calls"].as_array().into_iter().flatten() {
            let function = &call["function"];
            let at = call["index"].as_u64().map_or(self.calls.len(), |index| index as usize);
            if self.calls.len() <= at {
                self.calls.resize(at + 1, Default::default());
            }
            self.calls[at].0.push_str(string(&function["name"]));
            self.calls[at].1.push_str(string(&function["arguments"]));
        }
        self.finish = self.finish.take().or(choice["finish_reason"].as_str().map(str::to_owned));
    }

    fn of(answer: &Answer) -> BTreeMap<usize, Said> {
        let mut all = BTreeMap::new();
        for (index, choice) in answer.choices.iter().enumerate() {
            let mut said = Said::default();
            for part in &choice.parts {
                match part {
                    AnswerPart::Text(text) => said.text.push_str(text),
                    AnswerPart::Refusal(text) => said.refusal.push_str(text),
                    AnswerPart::Reasoning { text, .. } => said.thought.push_str(text),
                    AnswerPart::Redacted(_) => {}
                    AnswerPart::Call(call) => said.calls.push((call.name.clone(), call.arguments.clone())),
                }
            }
            said.finish = choice.finish.map(|_| choice.said.clone());
            all.insert(index, said);
        }
        all
    }
}

fn tree<'a>(documents: impl Iterator<Item = &'a [u8]>) -> BTreeMap<usize, Said> {
    let mut all: BTreeMap<usize, Said> = BTreeMap::new();
    for document in documents {
        let Ok(value) = serde_json::from_slice::<Value>(document) else { continue };
        for choice in value["choices"].as_array().into_iter().flatten() {
            all.entry(choice["index"].as_u64().unwrap_or(0) as usize).or_default().add(choice);
        }
    }
    all
}

#[test]
fn recorded_streams_say_the_same_as_a_tree_of_them() {
    for recording in recordings(".sse") {
        let answer = read_stream(&recording.bytes, usize::MAX);
        let mut documents = Vec::new();
        let mut scanner = Scanner::new(1 << 22);
        scanner.feed(&recording.bytes, |event| documents.push(event.data.to_vec())).unwrap();
        scanner.finish(|event| documents.push(event.data.to_vec()));
        assert_eq!(Said::of(&answer), tree(documents.iter().map(Vec::as_slice)), "{}", recording.file);
        for slice_len in [1, 13, 1400] {
            assert_eq!(read_stream(&recording.bytes, slice_len), answer, "{} by {slice_len}", recording.file);
        }
        assert_eq!(again(&recording.bytes).choices, answer.choices, "{}", recording.file);
    }
}

#[test]
fn recorded_bodies_say_the_same_as_a_tree_of_them() {
    for recording in recordings(".json") {
        let answer = read_body(&recording.bytes);
        assert_eq!(Said::of(&answer), tree(std::iter::once(recording.bytes.as_slice())), "{}", recording.file);
        let mut out = Vec::new();
        write_answer(&Request::default(), &about(), &answer, &Usage::default(), &mut out);
        serde_json::from_slice::<Value>(&out).unwrap();
        let mut second = read_body(&out);
        let mut first = answer.clone();
        for answer in [&mut first, &mut second] {
            for choice in &mut answer.choices {
                // An id of our own where there was none; the provider's word became ours.
                choice.said.clear();
                for part in &mut choice.parts {
                    if let AnswerPart::Call(call) = part {
                        call.id.clear();
                    }
                }
            }
        }
        assert_eq!(second.choices, first.choices, "{}", recording.file);
    }
}

/// What SDKs rely on: the role once, one end, calls in order with arguments that are objects.
fn check_chunks(file: &str, out: &[u8]) {
    let text = std::str::from_utf8(out).unwrap();
    let chunks = text.strip_suffix("data: [DONE]\n\n").unwrap_or_else(|| panic!("{file}: {text}"));
    let (mut roles, mut ends, mut calls) = (0, 0, Vec::<String>::new());
    for event in chunks.split_terminator("\n\n") {
        let chunk: Value = serde_json::from_str(event.strip_prefix("data: ").unwrap()).unwrap();
        assert!(chunk["id"].as_str().unwrap().starts_with("chatcmpl-") && chunk["created"].is_u64(), "{file}");
        for choice in chunk["choices"].as_array().unwrap() {
            roles += i32::from(choice["delta"].get("role").is_some());
            ends += i32::from(!choice["finish_reason"].is_null());
            for call in choice["delta"]["tool_calls"].as_array().into_iter().flatten() {
                let index = call["index"].as_u64().unwrap() as usize;
                if call.get("id").is_some() {
                    assert_eq!(index, calls.len(), "{file}");
                    assert!(!string(&call["id"]).is_empty() && !string(&call["function"]["name"]).is_empty(), "{file}");
                    calls.push(String::new());
                }
                calls[index].push_str(string(&call["function"]["arguments"]));
            }
        }
    }
    assert_eq!((roles, ends), (1, 1), "{file}");
    for arguments in calls {
        assert!(serde_json::from_str::<Value>(&arguments).is_ok_and(|value| value.is_object()), "{file}: {arguments}");
    }
}

#[test]
fn recorded_streams_of_other_dialects_reach_a_client_of_chat() {
    let wires = [("messages", Wire::Messages), ("responses", Wire::Responses), ("generate", Wire::Gemini)];
    for (api, wire) in wires {
        for recording in recordings_of(&[api], ".sse") {
            let mut translation = Translation::new(Face::ChatCompletions, wire, Request::default(), about());
            let (mut out, mut reading) = (Vec::new(), Reading::new(Family::Unknown));
            let mut scanner = Scanner::new(1 << 22);
            let mut each = |event: Event<'_>| {
                wire.read_event(&event, &mut reading);
                translation.event(&event, &mut out);
            };
            scanner.feed(&recording.bytes, &mut each).unwrap();
            scanner.finish(&mut each);
            if reading.terminated && reading.error.is_none() {
                translation.end(&reading.usage, &mut out);
                check_chunks(&recording.file, &out);
            }
        }
    }
}

#[test]
fn recordings_that_are_cut_or_broken_never_panic() {
    for recording in recordings("") {
        let step = (recording.bytes.len() / 40).max(1);
        for at in (0..recording.bytes.len()).step_by(step) {
            let mut broken = recording.bytes.clone();
            broken[at] ^= 1 << (at % 8);
            for bytes in [&recording.bytes[..at], &broken] {
                let mut gather = Gather::default();
                AnswerIn::default().body(bytes, &mut |piece| gather.piece(piece));
                read_stream(bytes, usize::MAX);
                let _ = gather.answer();
            }
        }
    }
}
