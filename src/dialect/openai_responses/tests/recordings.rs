//! Recorded answers of providers: read as an independent reading of their JSON has them, and the same after they were
//! written for a client and read again. Skipped where the recordings are not at hand.

use std::path::PathBuf;

use serde_json::Value;

use super::*;

struct Recording {
    file: String,
    stream: bool,
    bytes: Vec<u8>,
}

fn recordings() -> Vec<Recording> {
    let shared = std::env::var_os("SLUICE_SHARED")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared"), PathBuf::from)
        .join("wire");
    let Ok(index) = std::fs::read_to_string(shared.join("INDEX.tsv")) else {
        eprintln!("no recordings in {}: skipped", shared.display());
        return Vec::new();
    };
    let mut lines = index.lines();
    let names: Vec<&str> = lines.next().unwrap().split('\t').collect();
    let mut found = Vec::new();
    for line in lines {
        let fields: Vec<&str> = line.split('\t').collect();
        let field = |name: &str| fields[names.iter().position(|known| *known == name).unwrap()];
        if field("api") != "responses" || field("status") != "200" {
            continue;
        }
        let bytes = std::fs::read(shared.join(field("file"))).unwrap();
        // One file is a chat completion by mistake.
        if !String::from_utf8_lossy(&bytes).contains("chat.completion") {
            found.push(Recording { file: field("file").into(), stream: field("file").ends_with(".sse"), bytes });
        }
    }
    assert!(found.len() > 25, "{} recordings", found.len());
    found
}

/// What a person sees in an answer.
#[derive(Debug, Default, PartialEq)]
struct Seen {
    id: String,
    model: String,
    text: String,
    refusal: String,
    /// Id, name, arguments.
    calls: Vec<[String; 3]>,
    thoughts: Vec<String>,
    signatures: Vec<String>,
}

fn string(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// The independent reading of whole items.
fn seen_items<'a>(items: impl Iterator<Item = &'a Value>, seen: &mut Seen) {
    for item in items {
        match item["type"].as_str().unwrap() {
            "message" => {
                for part in item["content"].as_array().unwrap() {
                    seen.text += &string(&part["text"]);
                    seen.refusal += &string(&part["refusal"]);
                }
            }
            "function_call" => seen.calls.push(["call_id", "name", "arguments"].map(|name| string(&item[name]))),
            "reasoning" => {
                let parts = ["content", "summary"].map(|name| item[name].as_array().cloned().unwrap_or_default());
                let parts = parts.iter().find(|parts| !parts.is_empty());
                let texts: Vec<String> = parts.into_iter().flatten().map(|part| string(&part["text"])).collect();
                seen.thoughts.extend((!texts.is_empty()).then(|| texts.join("\n\n")));
                seen.signatures.extend(item["encrypted_content"].as_str().map(str::to_owned));
            }
            _ => {}
        }
    }
}

fn independent(recording: &Recording) -> Seen {
    let mut seen = Seen::default();
    let whole = |response: &Value, seen: &mut Seen| {
        (seen.id, seen.model) = (string(&response["id"]), string(&response["model"]));
    };
    if !recording.stream {
        let response: Value = serde_json::from_slice(&recording.bytes).unwrap();
        whole(&response, &mut seen);
        seen_items(response["output"].as_array().unwrap().iter(), &mut seen);
        return seen;
    }
    let text = String::from_utf8(recording.bytes.clone()).unwrap();
    let (mut items, mut deltas) = (Vec::new(), String::new());
    for event in text.lines().filter_map(|line| line.strip_prefix("data:")) {
        let Ok(event) = serde_json::from_str::<Value>(event) else { continue };
        match event["type"].as_str().unwrap() {
            "response.created" => whole(&event["response"], &mut seen),
            "response.output_text.delta" => deltas += event["delta"].as_str().unwrap(),
            "response.output_item.done" => items.push((event["output_index"].as_u64(), event["item"].clone())),
            // One recording is several answers in a row.
            "response.completed" => break,
            _ => {}
        }
    }
    items.sort_by_key(|(index, _)| *index);
    seen_items(items.iter().map(|(_, item)| item), &mut seen);
    assert_eq!(seen.text, deltas, "{}", recording.file);
    seen
}

fn seen(answer: &Answer) -> Seen {
    let mut seen = Seen { id: answer.id.clone(), model: answer.model.clone(), ..Seen::default() };
    for part in parts(answer) {
        match part {
            AnswerPart::Text(text) => seen.text += text,
            AnswerPart::Refusal(text) => seen.refusal += text,
            AnswerPart::Reasoning { text, signature } => {
                seen.thoughts.extend((!text.is_empty()).then(|| text.clone()));
                seen.signatures.extend(signature.clone());
            }
            AnswerPart::Redacted(data) => panic!("{data}"),
            AnswerPart::Call(AnswerCall { id, name, arguments, .. }) => {
                seen.calls.push([id, name, arguments].map(String::clone));
            }
        }
    }
    seen
}

fn read(recording: &Recording) -> Answer {
    if recording.stream { read_stream(&recording.bytes) } else { read_body(&recording.bytes) }
}

#[test]
fn recordings_read_as_their_json_says() {
    for recording in recordings() {
        let answer = read(&recording);
        let mut expected = independent(&recording);
        if expected.id.is_empty() {
            // The events with the response are no JSON in one of them: a walk finds the beginning all the same.
            (expected.id, expected.model) = (answer.id.clone(), answer.model.clone());
        }
        assert_eq!(seen(&answer), expected, "{}", recording.file);
        let choice = answer.choices.first();
        let finish = choice.and_then(|choice| choice.finish);
        let calls = choice.is_some_and(|choice| choice.parts.iter().any(|part| matches!(part, AnswerPart::Call(_))));
        let expected = if calls { Finish::ToolCalls } else { Finish::Stop };
        assert_eq!(finish, Some(expected), "{}", recording.file);
    }
}

#[test]
fn a_recording_written_for_a_client_is_the_same_answer() {
    for recording in recordings() {
        let original = read(&recording);
        if recording.stream {
            let written = through(&recording.bytes);
            grammar::check(&written);
            same(&read_stream(&written), &original, &recording.file);
        }
        let body = written_whole(&Request::default(), &original);
        grammar::response(&body);
        same(&read_body(body.to_string().as_bytes()), &original, &recording.file);
    }
}

/// But for the id, which is ours, and the provider's word for the end.
fn same(answer: &Answer, original: &Answer, file: &str) {
    assert_eq!(answer.id, "resp_0abc");
    let model = if original.model.is_empty() { "asked-for" } else { &original.model };
    assert_eq!(answer.model, model, "{file}");
    assert_eq!(parts(answer), parts(original), "{file}");
    let finish = |answer: &Answer| answer.choices.first().and_then(|choice| choice.finish);
    assert_eq!(finish(answer), finish(original), "{file}");
}

#[test]
fn a_recording_in_slices_of_any_length_reads_the_same() {
    for recording in recordings().iter().filter(|recording| recording.stream) {
        let whole = read_stream(&recording.bytes);
        for slice_len in [1, 7, 1400] {
            let mut gather = Gather::default();
            let mut answer_in = AnswerIn::new(&Request::default(), "m");
            let mut scanner = Scanner::new(1 << 22);
            for slice in recording.bytes.chunks(slice_len) {
                scanner.feed(slice, |event| answer_in.event(&event, &mut |piece| gather.piece(piece))).unwrap();
            }
            scanner.finish(|event| answer_in.event(&event, &mut |piece| gather.piece(piece)));
            assert_eq!(gather.answer(), whole, "{} by {slice_len}", recording.file);
        }
    }
}

/// The requests that were sent with the recordings: each is read without an error.
#[test]
fn recorded_requests_are_read_and_written_again() {
    let shared = std::env::var_os("SLUICE_SHARED")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared"), PathBuf::from);
    for recording in recordings() {
        let path = shared.join("wire").join(&recording.file).with_extension("request.json");
        let Ok(bytes) = std::fs::read(path) else { continue };
        let body: Value = serde_json::from_slice(&bytes).unwrap();
        super::requests::round(&body, "self-hosted-model");
    }
}
