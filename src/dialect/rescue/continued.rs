//! A continuation: the body that asks for it, and its beginning, which may repeat what was given.

use serde_json::{Map, Value, json};

use super::prefill::{Form, Prefill};
use super::{Phase, Rescue};
use crate::dialect::common::{Effort, Lost, Message, Piece, Request, Role, Text, ToolChoice};
use crate::dialect::{To, Wire, read_request, write_request};
use crate::meter::{count_tokens, estimate_tokens, family};
use crate::telemetry::Face;

/// A text that repeats this much of the given one's beginning is no continuation, but the answer once more.
const ANEW_BYTES_MIN: usize = 32;

/// The request with the assistant's message behind it. `None`: what was asked for does not go with that.
pub(super) fn body(
    asked: &Request,
    face: Face,
    face_body: &Value,
    given: &str,
    (wire, to, way): (Wire, &To<'_>, Prefill),
    lost: &mut Lost,
) -> Option<Value> {
    let text = if way.trims { given.trim_end() } else { given };
    if text.is_empty() || forbids(asked) {
        return None;
    }
    let same = wire == Wire::of(face);
    let mut body = if same {
        longer(asked, face, face_body, text, to)?
    } else {
        rewritten(asked, face, face_body, text, wire, to, lost)?
    };
    match way.form {
        Form::Message | Form::Prompt => {}
        Form::Prefix => {
            body.get_mut("messages")?.as_array_mut()?.last_mut()?.as_object_mut()?.insert("prefix".into(), true.into());
        }
        Form::FinalMessage => {
            let members = body.as_object_mut()?;
            members.insert("continue_final_message".into(), true.into());
            members.insert("add_generation_prompt".into(), false.into());
        }
    }
    Some(body)
}

/// Thinking comes before an answer that is begun already, a schema holds for all of it, and a forced call is no text.
fn forbids(asked: &Request) -> bool {
    let thinks = asked.reasoning.as_ref().is_some_and(|ask| {
        ask.effort.is_some_and(|effort| effort != Effort::None) || ask.budget_tokens.is_some_and(|tokens| tokens > 0)
    });
    let forced = matches!(asked.tool_choice, Some(ToolChoice::Required | ToolChoice::Named(_)));
    thinks || forced || asked.format.is_some()
}

/// What is left of a limit on the answer's tokens, when the text was given by it: all of it, as the model that goes on
/// counts it. An answer may not be longer for having been rescued; a limit of none is refused, so one is always left.
fn left(limit: u64, text: &str, to: &To<'_>) -> u64 {
    let given = count_tokens(family(to.model), text).unwrap_or_else(|| estimate_tokens(text.as_bytes()));
    limit.saturating_sub(given).max(1)
}

/// The client's own body, all of its members kept but for the limit on its answer.
fn longer(asked: &Request, face: Face, body: &Value, text: &str, to: &To<'_>) -> Option<Value> {
    let mut body = body.clone();
    let members = body.as_object_mut()?;
    if face == Face::Completions && members.get("max_tokens").is_none_or(Value::is_null) {
        // The one API where no limit is a limit.
        members.extend(asked.max_tokens.map(|limit| ("max_tokens".to_owned(), limit.into())));
    }
    for limit in limits(face, members) {
        if let Some(most) = limit.as_u64() {
            *limit = left(most, text, to).into();
        }
    }
    if face != Face::Gemini {
        members.insert("model".into(), to.model.into());
    }
    match face {
        Face::ChatCompletions | Face::Messages => {
            push_turn(members.get_mut("messages")?, "assistant", json!({"role": "assistant", "content": text}))?;
        }
        Face::Gemini => {
            push_turn(members.get_mut("contents")?, "model", json!({"role": "model", "parts": [{"text": text}]}))?;
        }
        Face::Completions => longer_prompt(members, text)?,
        _ => return None,
    }
    Some(body)
}

/// Where a client's body limits its answer.
fn limits(face: Face, members: &mut Map<String, Value>) -> impl Iterator<Item = &mut Value> {
    let config = |name: &str| matches!(name, "generationConfig" | "generation_config");
    let members = match face {
        Face::Gemini => {
            members.iter_mut().find(|(name, _)| config(name)).and_then(|(_, config)| config.as_object_mut())
        }
        _ => Some(members),
    };
    const NAMES: [&str; 4] = ["max_tokens", "max_completion_tokens", "maxOutputTokens", "max_output_tokens"];
    let members = members.into_iter().flat_map(|members| members.iter_mut());
    members.filter(|(name, _)| NAMES.contains(&name.as_str())).map(|(_, limit)| limit)
}

/// A client that began the answer itself may have its own text in what was given, or not: that is not gone on from.
fn push_turn(turns: &mut Value, role: &str, turn: Value) -> Option<()> {
    let turns = turns.as_array_mut()?;
    if turns.last()?.get("role").and_then(Value::as_str) == Some(role) {
        return None;
    }
    turns.push(turn);
    Some(())
}

fn longer_prompt(members: &mut Map<String, Value>, text: &str) -> Option<()> {
    if members.get("echo").is_some_and(|echo| *echo != false && !echo.is_null()) {
        return None;
    }
    let prompt = match members.get_mut("prompt")? {
        Value::Array(items) if items.len() == 1 => items.first_mut()?,
        prompt => prompt,
    };
    let Value::String(prompt) = prompt else { return None };
    prompt.push_str(text);
    Some(())
}

/// The client's request in the wire of another provider.
fn rewritten(
    asked: &Request,
    face: Face,
    face_body: &Value,
    text: &str,
    wire: Wire,
    to: &To<'_>,
    lost: &mut Lost,
) -> Option<Value> {
    // Read anew: whose signatures are taken back depends on the wire.
    let mut request = read_request(face, wire, face_body, lost).ok()?;
    (request.stream, request.stream_usage, request.stream_array) =
        (asked.stream, asked.stream_usage, asked.stream_array);
    if request.messages.last()?.role == Role::Assistant {
        return None;
    }
    request.max_tokens = request.max_tokens.map(|limit| left(limit, text, to));
    request.messages.push(Message::text(Role::Assistant, text));
    Some(write_request(wire, &request, to, lost))
}

/// What a continuation may say again.
#[derive(Default)]
pub(super) struct Beginning {
    given: Vec<u8>,
    /// White space at its end that was not sent, and may come again.
    cut_bytes: usize,
    /// All of what was given may come again.
    may_repeat: bool,
    /// What came so far, while it may be either.
    held: Vec<u8>,
}

enum Said {
    /// Too little to tell.
    Undecided,
    /// So much of what is held was given before.
    Before(usize),
    Anew,
}

impl Beginning {
    pub fn of(given: &str, way: Prefill) -> Self {
        let cut_bytes = if way.trims { given.len() - given.trim_end().len() } else { 0 };
        let may_repeat = way.repeats || given.len() >= ANEW_BYTES_MIN;
        Self { given: given.as_bytes().to_vec(), cut_bytes, may_repeat, held: Vec::new() }
    }

    /// `over`: no more text comes.
    fn said(&self, over: bool) -> Said {
        let common = self.given.iter().zip(&self.held).take_while(|(given, held)| given == held).count();
        if self.may_repeat {
            if common == self.given.len() {
                return Said::Before(common);
            }
            if common == self.held.len() && !over {
                return Said::Undecided;
            }
            if common >= ANEW_BYTES_MIN {
                return Said::Anew;
            }
        }
        let white = self.given.get(self.given.len() - self.cut_bytes..).unwrap_or_default();
        if self.held.starts_with(white) {
            return Said::Before(white.len());
        }
        if white.starts_with(&self.held) && !over { Said::Undecided } else { Said::Before(0) }
    }
}

impl Rescue {
    /// Takes a piece of a continuation whose beginning has not shown yet what it is.
    pub(super) fn begin(&mut self, piece: Piece<'_>, on: &mut dyn FnMut(Piece<'_>)) {
        match piece {
            Piece::Text { choice: 0, text } => {
                text.push_plain(&mut None, &mut self.beginning.held);
                if !self.beginning.held.is_empty() {
                    self.decide(false, on);
                }
            }
            // Thinking of an attempt that began with the answer given: the client never saw such.
            Piece::Start { .. } | Piece::Reasoning { .. } | Piece::Signature { .. } => {}
            Piece::Redacted { .. } | Piece::Logprobs { .. } => {}
            piece => {
                self.decide(true, on);
                self.pass(piece, on);
            }
        }
    }

    fn decide(&mut self, over: bool, on: &mut dyn FnMut(Piece<'_>)) {
        let from = match self.beginning.said(over) {
            Said::Undecided => return,
            Said::Anew => {
                self.phase = Phase::Diverged;
                return;
            }
            Said::Before(bytes) => bytes,
        };
        self.phase = Phase::Through;
        let Beginning { held, .. } = std::mem::take(&mut self.beginning);
        let rest = String::from_utf8_lossy(held.get(from..).unwrap_or_default());
        if !rest.is_empty() {
            self.give(Piece::Text { choice: 0, text: Text::Plain(&rest) }, on);
        }
    }
}
