//! A stream that is cut and carried on reads as one that was not.

mod choices;
mod continued;
mod grammar;
mod limits;
mod providers;
mod recordings;
mod repeated;

use serde_json::Value;

use super::Resume;
use crate::dialect::common::{Answer, AnswerPart, Finish, Gather, Request};
use crate::dialect::translate::Reads;
use crate::dialect::{About, Translation, Wire};
use crate::meter::Usage;
use crate::sse::{Event, Scanner};
use crate::telemetry::Face;
use providers::{Say, native};

const FACES: [Face; 5] = [Face::ChatCompletions, Face::Completions, Face::Responses, Face::Messages, Face::Gemini];
const WIRES: [Wire; 7] =
    [Wire::Chat, Wire::Completions, Wire::Responses, Wire::Messages, Wire::Gemini, Wire::Bedrock, Wire::Cohere];

/// An event of a provider: name and data.
type Sent = (String, String);

fn request() -> Request {
    Request { stream: true, stream_usage: true, ..Request::default() }
}

fn translation(face: Face, wire: Wire) -> Translation {
    let about = About { id: "0123456789abcdef0123456789abcdef".into(), model: "the-model".into(), created_unix_s: 1 };
    let mut translation = Translation::new(face, wire, request(), about);
    translation.track();
    translation
}

fn event<'a>((name, data): &'a Sent) -> Event<'a> {
    Event { name: name.as_bytes(), data: data.as_bytes(), raw: b"", end: 0, carried: false }
}

/// As it goes to a client.
fn framed((name, data): &Sent) -> Vec<u8> {
    match name.as_str() {
        "" => format!("data: {data}\n\n").into_bytes(),
        name => format!("event: {name}\ndata: {data}\n\n").into_bytes(),
    }
}

/// The first attempt, up to where it breaks off: followed where the face is the wire's own.
fn first_run(face: Face, wire: Wire, events: &[Sent]) -> (Translation, Vec<u8>) {
    let mut translation = translation(face, wire);
    let mut out = Vec::new();
    for sent in events {
        if Wire::of(face) == wire {
            translation.follow(&event(sent));
            out.extend_from_slice(&framed(sent));
        } else {
            translation.event(&event(sent), &mut out);
        }
    }
    (translation, out)
}

/// The next one.
fn next_run(translation: &mut Translation, wire: Wire, events: &[Sent], how: Resume, out: &mut Vec<u8>) {
    translation.resume(wire, "another-model", how);
    for sent in events {
        translation.event(&event(sent), out);
    }
    if !translation.diverged() {
        translation.end(&Usage::default(), out);
    }
}

fn events(bytes: &[u8]) -> Vec<Sent> {
    let mut events = Vec::new();
    let mut scanner = Scanner::new(1 << 22);
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("clients get UTF-8");
    scanner.feed(bytes, |event| events.push((text(event.name), text(event.data)))).expect("no event is that long");
    assert!(scanner.pending().is_empty());
    events
}

/// What a client reads.
fn read(face: Face, bytes: &[u8]) -> Answer {
    let mut reads = Reads::new(Wire::of(face), &request(), "the-model");
    let mut gather = Gather::default();
    for sent in events(bytes) {
        reads.event(&event(&sent), &mut |piece| gather.piece(piece));
    }
    gather.answer()
}

#[derive(Debug, PartialEq)]
struct Essence {
    text: String,
    thoughts: String,
    calls: Vec<(String, Value)>,
    finish: Option<Finish>,
    error: Option<String>,
}

fn essence(answer: &Answer) -> Essence {
    let mut essence = Essence {
        text: String::new(),
        thoughts: String::new(),
        calls: Vec::new(),
        finish: None,
        error: answer.error.clone(),
    };
    let Some(choice) = answer.choices.first() else { return essence };
    for part in &choice.parts {
        match part {
            AnswerPart::Text(text) | AnswerPart::Refusal(text) => essence.text.push_str(text),
            AnswerPart::Reasoning { text, .. } => essence.thoughts.push_str(text),
            AnswerPart::Redacted(_) => {}
            AnswerPart::Call(call) => {
                essence.calls.push((
                    call.name.clone(),
                    serde_json::from_str(&call.arguments).unwrap_or(Value::String(call.arguments.clone())),
                ));
            }
        }
    }
    // Google has no word for calls.
    essence.finish = choice.finish.map(|finish| if finish == Finish::ToolCalls { Finish::Stop } else { finish });
    essence
}

fn whole(face: Face, wire: Wire, script: &[Say]) -> Essence {
    let (mut translation, mut out) = first_run(face, wire, &native(wire, script));
    if Wire::of(face) != wire {
        translation.end(&Usage::default(), &mut out);
    }
    essence(&read(face, &out))
}
