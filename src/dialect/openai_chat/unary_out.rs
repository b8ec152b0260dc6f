//! A gathered answer -> the body of a unary `chat.completion`.
//!
//! The message has one place for each kind of part: texts are joined, and thinking stands before them, wherever it
//! stood among them.

use super::shape::{call_id, finish, head, model, number, quoted, usage};
use crate::dialect::About;
use crate::dialect::common::{Answer, AnswerCall, AnswerPart, Choice, Finish, Request, Text};
use crate::meter::Usage;

/// Appends the body of a unary answer.
pub fn write_answer(_request: &Request, about: &About, answer: &Answer, counts: &Usage, out: &mut Vec<u8>) {
    head("chatcmpl-", "chat.completion", about, model(&answer.model, about), out);
    out.extend_from_slice(b"\"choices\":[");
    // A client looks at the first choice, whatever came.
    let nothing = [Choice::default()];
    let choices = if answer.choices.is_empty() { &nothing[..] } else { &answer.choices };
    for (index, found) in (0..).zip(choices) {
        if index > 0 {
            out.push(b',');
        }
        choice(about, index, found, out);
    }
    out.extend_from_slice(b"],");
    usage(counts, out);
    out.push(b'}');
}

fn choice(about: &About, index: u32, choice: &Choice, out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"index\":");
    number(index.into(), out);
    out.extend_from_slice(b",\"message\":{\"role\":\"assistant\",");
    let calls: Vec<&AnswerCall> = choice.parts.iter().filter_map(call).collect();
    let refusal = joined(choice, |part| if let AnswerPart::Refusal(text) = part { Some(text) } else { None });
    let content = joined(choice, |part| if let AnswerPart::Text(text) = part { Some(text) } else { None });
    out.extend_from_slice(b"\"content\":");
    match &content {
        None if calls.is_empty() && refusal.is_none() => quoted("", out),
        content => string_or_null(content.as_deref(), out),
    }
    out.extend_from_slice(b",\"refusal\":");
    string_or_null(refusal.as_deref(), out);
    thoughts(choice, out);
    if !calls.is_empty() {
        out.extend_from_slice(b",\"tool_calls\":[");
        for (at, call) in (0..).zip(&calls) {
            if at > 0 {
                out.push(b',');
            }
            tool_call(about, [index, at], call, out);
        }
        out.push(b']');
    }
    out.extend_from_slice(b"},\"logprobs\":");
    if choice.logprobs.is_empty() {
        out.extend_from_slice(b"null");
    } else {
        out.extend_from_slice(b"{\"content\":[");
        out.extend_from_slice(&choice.logprobs);
        out.extend_from_slice(b"],\"refusal\":null}");
    }
    out.push(b',');
    let unsaid = if calls.is_empty() { Finish::Stop } else { Finish::ToolCalls };
    finish(choice.finish.unwrap_or(unsaid), refusal.is_some(), Text::Plain(&choice.said), out);
    out.push(b'}');
}

fn call(part: &AnswerPart) -> Option<&AnswerCall> {
    match part {
        AnswerPart::Call(call) => Some(call),
        _ => None,
    }
}

/// The texts of one kind; `None` when there are none.
pub(super) fn joined(choice: &Choice, of: fn(&AnswerPart) -> Option<&String>) -> Option<String> {
    let mut texts = choice.parts.iter().filter_map(of).peekable();
    texts.peek()?;
    Some(texts.map(String::as_str).collect())
}

fn string_or_null(text: Option<&str>, out: &mut Vec<u8>) {
    match text {
        Some(text) => quoted(text, out),
        None => out.extend_from_slice(b"null"),
    }
}

/// `reasoning_content`, and `thinking_blocks` where anything of it must come back.
fn thoughts(choice: &Choice, out: &mut Vec<u8>) {
    let text = joined(choice, |part| if let AnswerPart::Reasoning { text, .. } = part { Some(text) } else { None });
    if let Some(text) = text.filter(|text| !text.is_empty()) {
        out.extend_from_slice(b",\"reasoning_content\":");
        quoted(&text, out);
    }
    let bound =
        |part: &AnswerPart| matches!(part, AnswerPart::Redacted(_) | AnswerPart::Reasoning { signature: Some(_), .. });
    if !choice.parts.iter().any(bound) {
        return;
    }
    out.extend_from_slice(b",\"thinking_blocks\":[");
    let mut separator: &[u8] = b"";
    for part in &choice.parts {
        match part {
            AnswerPart::Reasoning { text, signature } => {
                out.extend_from_slice(separator);
                out.extend_from_slice(b"{\"type\":\"thinking\",\"thinking\":");
                quoted(text, out);
                if let Some(signature) = signature {
                    out.extend_from_slice(b",\"signature\":");
                    quoted(signature, out);
                }
                out.push(b'}');
            }
            AnswerPart::Redacted(data) => {
                out.extend_from_slice(separator);
                out.extend_from_slice(b"{\"type\":\"redacted_thinking\",\"data\":");
                quoted(data, out);
                out.push(b'}');
            }
            _ => continue,
        }
        separator = b",";
    }
    out.push(b']');
}

fn tool_call(about: &About, at: [u32; 2], call: &AnswerCall, out: &mut Vec<u8>) {
    let [choice, index] = at;
    out.extend_from_slice(b"{\"id\":");
    if call.id.is_empty() {
        out.push(b'"');
        call_id(&about.id, choice, index, out);
        out.push(b'"');
    } else {
        quoted(&call.id, out);
    }
    out.extend_from_slice(b",\"type\":\"function\",\"function\":{\"name\":");
    quoted(&call.name, out);
    out.extend_from_slice(b",\"arguments\":");
    quoted(&call.arguments, out);
    out.push(b'}');
    if let Some(signature) = &call.signature {
        out.extend_from_slice(b",\"extra_content\":{\"google\":{\"thought_signature\":");
        quoted(signature, out);
        out.extend_from_slice(b"}}");
    }
    out.push(b'}');
}
