//! The two sides of a call whose provider speaks another dialect than its client: the body that goes out, and what makes
//! the client's answer of the provider's. Where both speak the same, nothing here is used.

use serde_json::Value;

use super::head::asks_sse;
use super::request::{Refusal, Request};
use crate::config::{Account, OnUnsupported};
use crate::dialect::common::{Invalid, Lost, Part};
use crate::dialect::{About, To, Translation, Wire, embeddings, read_request, rerank, write_request};
use crate::meter::{self, Family, Usage};
use crate::telemetry::{Face, Target};

/// Makes the client's answer.
pub enum Back {
    Chat(Box<Translation>),
    Embeddings(Box<Asked>),
    Rerank(Box<Asked>),
}

/// What the answer to a call that is no chat is made with.
pub struct Asked {
    request: Value,
    model: Box<str>,
    wire: Wire,
}

/// A provider's body, and the way back.
pub struct Outgoing {
    pub body: Vec<u8>,
    pub back: Back,
}

/// The client's body, with the members set that a rule sets for this target.
pub fn asked(content: &[u8], params: &[(String, Value)]) -> Result<Value, Refusal> {
    let mut body: Value = serde_json::from_slice(content)
        .map_err(|error| Refusal::new(400, "invalid_json", format!("The body is not valid JSON: {error}.")))?;
    if let Value::Object(members) = &mut body {
        members.extend(params.iter().cloned());
    }
    Ok(body)
}

/// Translates the body of a request. What cannot be carried over refuses it, or is noted for the answer's `warning`.
pub fn outgoing(
    request: &mut Request,
    received: &[u8],
    account: &Account,
    target: &Target,
    wire: Wire,
    body: Value,
) -> Result<Outgoing, Refusal> {
    let face = request.record().face;
    let mut lost = Lost::new(face);
    let to = To { kind: account.kind, model: &target.model_id };
    let invalid =
        |invalid: Invalid| Refusal::new(400, "invalid_request_error", format!("The body is not valid: {invalid}."));
    let (out, back) = match face {
        Face::Embeddings => {
            let out = embeddings::write_request(&body, wire, &to, &mut lost).map_err(invalid)?;
            (out, Back::Embeddings(Box::new(Asked { request: body, model: target.model_id.clone(), wire })))
        }
        Face::Rerank => {
            let out = rerank::write_request(&body, wire, &to, &mut lost).map_err(invalid)?;
            (out, Back::Rerank(Box::new(Asked { request: body, model: target.model_id.clone(), wire })))
        }
        _ => {
            let mut asked = read_request(face, wire, &body, &mut lost).map_err(invalid)?;
            asked.stream = request.record().stream;
            asked.stream_array = face == Face::Gemini && !asks_sse(request, received);
            let out = write_request(wire, &asked, &to, &mut lost);
            let about = about(request, target);
            (out, Back::Chat(Box::new(Translation::new(face, wire, asked, about))))
        }
    };
    note_lost(request, account, &lost)?;
    // A `Value` that was parsed or built here always has a spelling.
    let body = serde_json::to_vec(&out).map_err(|error| Refusal::failed(500, "internal", error.to_string()))?;
    Ok(Outgoing { body, back })
}

/// Follows a stream that passes as it is. `None`: what was asked is not understood here, only passed on.
pub fn followed(request: &mut Request, received: &[u8], target: &Target, content: &[u8]) -> Option<Box<Translation>> {
    let face = request.record().face;
    let chats =
        matches!(face, Face::ChatCompletions | Face::Completions | Face::Responses | Face::Messages | Face::Gemini);
    let body: Value = serde_json::from_slice(content).ok().filter(|_| chats)?;
    let wire = Wire::of(face);
    let mut asked = read_request(face, wire, &body, &mut Lost::new(face)).ok()?;
    asked.stream = true;
    asked.stream_array = face == Face::Gemini && !asks_sse(request, received);
    let mut translation = Box::new(Translation::new(face, wire, asked, about(request, target)));
    translation.track();
    Some(translation)
}

fn about(request: &mut Request, target: &Target) -> About {
    let record = request.record();
    About {
        id: format!("{:032x}", record.id.0),
        model: target.model_id.to_string(),
        created_unix_s: record.start_unix_ns / 1_000_000_000,
    }
}

fn note_lost(request: &mut Request, account: &Account, lost: &Lost) -> Result<(), Refusal> {
    if lost.fields().is_empty() {
        return Ok(());
    }
    let names = lost.fields().iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
    match account.on_unsupported {
        OnUnsupported::Refuse => Err(Refusal::new(
            400,
            "unsupported_field",
            format!(
                "The provider behind `{}` has no place for {names}. Leave it out, or let the account drop what it cannot \
                 carry (`on_unsupported: drop`).",
                account.name
            ),
        )),
        OnUnsupported::Drop => {
            // RFC 9111 obsoleted the field's caching codes; 299 is the one for everything else (RFC 7234 5.5.7).
            let plain: String =
                lost.fields().join(", ").chars().filter(|c| c.is_ascii_graphic() || *c == ' ').collect();
            request.warning =
                Some(format!("299 sluice \"not carried over: {}\"", plain.replace(['"', '\\'], "")).into());
            Ok(())
        }
    }
}

/// What a count_tokens body asks to be counted.
pub struct Countable {
    text: String,
    messages: u64,
}

/// `None`: the body is not what it should be.
pub fn text_of(content: &[u8]) -> Option<Countable> {
    let body: Value = serde_json::from_slice(content).ok()?;
    let face = Face::CountTokens;
    let asked = read_request(face, Wire::of(face), &body, &mut Lost::new(face)).ok()?;
    let mut text = String::new();
    for part in asked.messages.iter().flat_map(|message| &message.parts) {
        push_text(part, &mut text);
    }
    for tool in &asked.tools {
        text.push_str(&tool.name);
        text.push_str(tool.description.as_deref().unwrap_or_default());
        text.extend(tool.parameters.as_ref().map(Value::to_string));
    }
    Some(Countable { text, messages: asked.messages.len() as u64 })
}

fn push_text(part: &Part, text: &mut String) {
    match part {
        Part::Text(one) | Part::Refusal(one) => text.push_str(one),
        Part::Call(call) => {
            text.push_str(&call.name);
            text.push_str(&call.arguments.to_string());
        }
        Part::Result(result) => result.parts.iter().for_each(|part| push_text(part, text)),
        Part::Reasoning(thought) => text.push_str(&thought.text),
        Part::Image(_) | Part::Audio(_) | Part::File(_) => {}
    }
}

impl Countable {
    /// Text and tools, four tokens around each message and three before the reply (spec "providers" 15). `None`: the
    /// family's tokenizer is not public, or not loaded.
    pub fn count(&self, family: Family) -> Option<u64> {
        const AROUND_MESSAGE: u64 = 4;
        const BEFORE_REPLY: u64 = 3;
        Some(meter::count_tokens(family, &self.text)? + AROUND_MESSAGE * self.messages + BEFORE_REPLY)
    }
}

impl Back {
    /// The format the provider's answer is metered in. Vectors and ranks are plain JSON with a count at most; only
    /// Google's have their counts where nobody else has.
    pub fn metered(&self) -> Option<Wire> {
        match self {
            Back::Embeddings(asked) if asked.wire == Wire::Gemini => None,
            Back::Chat(_) => None,
            Back::Embeddings(_) | Back::Rerank(_) => Some(Wire::Plain),
        }
    }

    /// The translation of a stream, when the client asked for one.
    pub fn stream(&mut self) -> Option<&mut Translation> {
        match self {
            Back::Chat(translation) if translation.is_stream() => Some(translation),
            _ => None,
        }
    }

    /// The client's whole answer of the provider's whole body; false when the body is not what it should be.
    pub fn body(&mut self, body: &[u8], usage: &Usage, out: &mut Vec<u8>) -> bool {
        let written = match self {
            Back::Chat(translation) => {
                translation.body(body, usage, out);
                return true;
            }
            Back::Embeddings(asked) => embeddings::write_answer(&asked.request, &asked.model, asked.wire, body, usage),
            Back::Rerank(asked) => rerank::write_answer(&asked.request, &asked.model, asked.wire, body, usage),
        };
        match written {
            Some(written) => {
                out.extend_from_slice(&written);
                true
            }
            None => false,
        }
    }
}
