//! Pieces -> the answer a client of this dialect reads.
//!
//! A Messages answer is one choice: others cannot be shown. The input's tokens are not known when `message_start` is
//! written, so it says zero, and `message_delta` says everything.

use super::blocks_out::{Blocks, Kind, Whole, call_id, number, write_call};
use crate::dialect::common::{Answer, AnswerCall, AnswerPart, Finish, Piece, Request, Text};
use crate::dialect::{About, error_event};
use crate::json::escape_into;
use crate::meter::Usage;
use crate::telemetry::Face;

const STOP: &[u8] = b"event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n";

/// Writes a stream. One per attempt.
pub struct AnswerOut {
    about: About,
    /// False: the client wants its thinking kept, but not shown.
    show_thinking: bool,
    pub(super) started: bool,
    pub(super) blocks: Blocks,
    /// The client has calls that this did not write, so many.
    pub(super) followed_calls: u32,
    /// The client knows why it ended.
    pub(super) ended: bool,
    pub(super) called: bool,
    refused: bool,
    finish: Option<Finish>,
    said: String,
}

impl AnswerOut {
    pub fn new(request: &Request, about: &About) -> Self {
        Self {
            about: about.clone(),
            show_thinking: shows_thinking(request),
            started: false,
            blocks: Blocks::default(),
            followed_calls: 0,
            ended: false,
            called: false,
            refused: false,
            finish: None,
            said: String::new(),
        }
    }

    /// Appends the events that this piece makes, complete with their framing; none when it only changes what comes.
    pub fn piece(&mut self, piece: Piece<'_>, out: &mut Vec<u8>) {
        match piece {
            Piece::Start { id, model } => return self.start(&id.decode(), &model.decode(), out),
            Piece::Error { .. } => return,
            _ => self.start("", "", out),
        }
        match piece {
            Piece::Text { choice: 0, text } => self.blocks.grow(Kind::Text, text, out),
            Piece::Refusal { choice: 0, text } => {
                self.refused = true;
                self.blocks.grow(Kind::Text, text, out);
            }
            Piece::Reasoning { choice: 0, text } if self.show_thinking => self.blocks.grow(Kind::Thinking, text, out),
            Piece::Signature { choice: 0, signature } => self.blocks.sign(signature, out),
            Piece::Redacted { choice: 0, data } => self.blocks.redacted(data, out),
            Piece::Call { choice: 0, index, id, name, signature } => {
                self.called = true;
                let signature = signature.map(|signature| signature.decode());
                let id = call_id(&id.decode(), index, signature.as_deref(), &self.about.id);
                let name = name.decode().into_owned();
                self.blocks.begin(Kind::Call { index, id, name, arguments: Whole::default() }, out);
            }
            Piece::Arguments { choice: 0, index, text } => self.blocks.arguments(index, text, out),
            Piece::Finish { choice: 0, reason, said } => {
                self.finish = Some(reason);
                self.said = said.decode().into_owned();
            }
            _ => {}
        }
    }

    /// Everything came: the last events, usage, and the terminator.
    pub fn end(&mut self, usage: &Usage, out: &mut Vec<u8>) {
        self.start("", "", out);
        self.blocks.end(out);
        if self.ended {
            return out.extend_from_slice(STOP);
        }
        if self.finish == Some(Finish::Error) {
            // No reason to stop means this: the stream ends as one that failed (spec "providers" 1.3).
            let message = format!("the model's answer failed: {}", self.said);
            return error_event(Face::Messages, "upstream_failed", &message, &self.about.id, out);
        }
        out.extend_from_slice(b"event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"");
        out.extend_from_slice(stop_reason(self.finish, self.called, self.refused).as_bytes());
        out.extend_from_slice(b"\",\"stop_sequence\":null},\"usage\":");
        write_usage(usage, out);
        out.extend_from_slice(b"}\n\n");
        out.extend_from_slice(STOP);
    }

    /// False: thinking is kept from the client.
    pub fn shows_thinking(&self) -> bool {
        self.show_thinking
    }

    fn start(&mut self, id: &str, model: &str, out: &mut Vec<u8>) {
        if std::mem::replace(&mut self.started, true) {
            return;
        }
        out.extend_from_slice(b"event: message_start\ndata: {\"type\":\"message_start\",\"message\":");
        write_head(id, model, &self.about, out);
        out.extend_from_slice(b"[],\"stop_reason\":null,\"stop_sequence\":null,\"usage\":");
        write_usage(&Usage::default(), out);
        out.extend_from_slice(b"}}\n\n");
    }
}

/// Appends the body of a unary answer.
pub fn write_answer(request: &Request, about: &About, answer: &Answer, usage: &Usage, out: &mut Vec<u8>) {
    write_head(&answer.id, &answer.model, about, out);
    out.push(b'[');
    let choice = answer.choices.first();
    let (mut calls, mut refused) = (0, false);
    let show = shows_thinking(request);
    for part in choice.iter().flat_map(|choice| &choice.parts) {
        if !show && matches!(part, AnswerPart::Reasoning { signature: None, .. }) {
            continue;
        }
        if !out.ends_with(b"[") {
            out.push(b',');
        }
        match part {
            AnswerPart::Text(text) => write_text("text", "text", text, out),
            AnswerPart::Refusal(text) => {
                refused = true;
                write_text("text", "text", text, out);
            }
            AnswerPart::Reasoning { text, signature } => {
                write_text("thinking", "thinking", if show { text } else { "" }, out);
                // Put into the object that was just closed.
                out.pop();
                out.extend_from_slice(b",\"signature\":\"");
                escape_into(signature.as_deref().unwrap_or_default(), out);
                out.extend_from_slice(b"\"}");
            }
            AnswerPart::Redacted(data) => write_text("redacted_thinking", "data", data, out),
            AnswerPart::Call(call) => {
                let id = call_id(&call.id, calls, call.signature.as_deref(), &about.id);
                write_call(&id, &call.name, out);
                write_input(call, out);
                out.push(b'}');
                calls += 1;
            }
        }
    }
    out.extend_from_slice(b"],\"stop_reason\":\"");
    let finish = choice.and_then(|choice| choice.finish);
    out.extend_from_slice(stop_reason(finish, calls > 0, refused).as_bytes());
    out.extend_from_slice(b"\",\"stop_sequence\":null,\"usage\":");
    write_usage(usage, out);
    out.push(b'}');
}

fn shows_thinking(request: &Request) -> bool {
    request.reasoning.as_ref().and_then(|ask| ask.show) != Some(false)
}

/// A message up to its content.
fn write_head(id: &str, model: &str, about: &About, out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"id\":\"");
    if id.starts_with("msg_") {
        escape_into(id, out);
    } else {
        out.extend_from_slice(b"msg_");
        escape_into(&about.id, out);
    }
    out.extend_from_slice(b"\",\"type\":\"message\",\"role\":\"assistant\",\"model\":\"");
    escape_into(if model.is_empty() { &about.model } else { model }, out);
    out.extend_from_slice(b"\",\"content\":");
}

fn write_text(kind: &str, member: &str, text: &str, out: &mut Vec<u8>) {
    for piece in ["{\"type\":\"", kind, "\",\"", member, "\":\""] {
        out.extend_from_slice(piece.as_bytes());
    }
    escape_into(text, out);
    out.extend_from_slice(b"\"}");
}

/// Arguments are an object here, not a text: what is no object is shown as it came (spec "providers" 4).
fn write_input(call: &AnswerCall, out: &mut Vec<u8>) {
    let arguments = call.arguments.trim();
    if serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(arguments).is_ok() {
        return out.extend_from_slice(arguments.as_bytes());
    }
    out.extend_from_slice(b"{\"_raw\":\"");
    Text::Plain(&call.arguments).push_escaped(out);
    out.extend_from_slice(b"\"}");
}

fn stop_reason(finish: Option<Finish>, called: bool, refused: bool) -> &'static str {
    match finish {
        Some(Finish::Stop) | None if refused => "refusal",
        None if called => "tool_use",
        Some(Finish::Stop) | None => "end_turn",
        Some(Finish::StopSequence) => "stop_sequence",
        Some(Finish::Length) => "max_tokens",
        Some(Finish::ToolCalls) => "tool_use",
        Some(Finish::ContentFilter) => "refusal",
        Some(Finish::Pause) => "pause_turn",
        // Of unary answers only, whose status is already 200. None of Anthropic's words may stand for it.
        Some(Finish::Error) => "error",
    }
}

/// Everything so far; cached and cache-write tokens stand outside of `input_tokens` here.
fn write_usage(usage: &Usage, out: &mut Vec<u8>) {
    let plain = usage.input.saturating_sub(usage.cache_read).saturating_sub(usage.cache_write_total());
    for (name, count) in [
        ("{\"input_tokens\":", plain),
        (",\"cache_creation_input_tokens\":", usage.cache_write_total()),
        (",\"cache_read_input_tokens\":", usage.cache_read),
        (",\"output_tokens\":", usage.output),
    ] {
        out.extend_from_slice(name.as_bytes());
        number(count, out);
    }
    if usage.cache_write_5m + usage.cache_write_1h > 0 {
        out.extend_from_slice(b",\"cache_creation\":{\"ephemeral_5m_input_tokens\":");
        number(usage.cache_write_5m, out);
        out.extend_from_slice(b",\"ephemeral_1h_input_tokens\":");
        number(usage.cache_write_1h, out);
        out.push(b'}');
    }
    if usage.reasoning > 0 {
        out.extend_from_slice(b",\"output_tokens_details\":{\"thinking_tokens\":");
        number(usage.reasoning, out);
        out.push(b'}');
    }
    out.push(b'}');
}
