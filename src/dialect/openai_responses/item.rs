//! An item of the output that a client reads, while it grows and when it is done.
//!
//! Every item that is written here has one part at most: what changes its kind (text, then a refusal) begins a new item, which is as legal
//! and needs no second level of bookkeeping.

use std::io::Write;

use serde::de::IgnoredAny;

use crate::dialect::common::Text;
use crate::json::{decode, escape_into};

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    Text,
    Refusal,
    Reasoning,
    Call,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Status {
    InProgress,
    Completed,
    /// Cut where the answer was cut.
    Incomplete,
}

impl Status {
    fn as_str(self) -> &'static str {
        match self {
            Status::InProgress => "in_progress",
            Status::Completed => "completed",
            Status::Incomplete => "incomplete",
        }
    }
}

/// How much of an item the client has: each part and each text has an event for its beginning and one for its end.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Stage {
    /// No part is open yet. Calls have none.
    Added,
    Part,
    TextDone,
    /// The part is among the `earlier` ones.
    PartDone,
}

/// All texts are insides of JSON strings.
pub(super) struct Item {
    pub kind: Kind,
    pub status: Status,
    pub stage: Stage,
    /// As its provider named it; empty where it gets a name of ours.
    pub id: Vec<u8>,
    /// Index of the part that is open, or was last.
    pub part: u64,
    /// Parts before it, with commas between.
    pub earlier: Vec<u8>,
    /// All of the item, as its provider wrote it.
    pub whole: Vec<u8>,
    /// Text, refusal, summary of the thinking or arguments.
    pub text: Vec<u8>,
    /// Items of the `logprobs` array.
    pub logprobs: Vec<u8>,
    pub name: Vec<u8>,
    pub call_id: Vec<u8>,
    /// `encrypted_content`.
    pub signature: Vec<u8>,
}

impl Item {
    pub fn new(kind: Kind) -> Self {
        Item {
            kind,
            status: Status::InProgress,
            stage: Stage::Added,
            id: Vec::new(),
            part: 0,
            earlier: Vec::new(),
            whole: Vec::new(),
            text: Vec::new(),
            logprobs: Vec::new(),
            name: Vec::new(),
            call_id: Vec::new(),
            signature: Vec::new(),
        }
    }

    /// A reasoning item that carries something behind a prefix (see [`super::carried`]).
    pub fn carrier(prefix: &str, content: Text<'_>) -> Self {
        let mut item = Item::new(Kind::Reasoning);
        item.signature.extend_from_slice(prefix.as_bytes());
        content.push_escaped(&mut item.signature);
        item
    }

    /// A call. `answer` is the answer's id, of which an id is made where the provider gave none.
    pub fn call(id: Text<'_>, name: Text<'_>, answer: &str, at: usize) -> Self {
        let mut item = Item::new(Kind::Call);
        name.push_escaped(&mut item.name);
        if id.is_empty() {
            push(&mut item.call_id, format_args!("call_{answer}_{at}"));
        } else {
            id.push_escaped(&mut item.call_id);
        }
        item
    }

    /// Whether text of this kind can go on in it.
    pub fn takes(&self, kind: Kind) -> bool {
        let is_said = |kind| matches!(kind, Kind::Text | Kind::Refusal);
        match self.stage {
            Stage::Part => self.kind == kind,
            Stage::Added | Stage::PartDone => self.kind == kind || (is_said(self.kind) && is_said(kind)),
            Stage::TextDone => false,
        }
    }

    /// Opens a part where none is open; true when it did.
    pub fn open_part(&mut self, kind: Kind) -> bool {
        if self.stage == Stage::Part {
            return false;
        }
        if self.stage == Stage::PartDone {
            self.part += 1;
        }
        (self.kind, self.stage) = (kind, Stage::Part);
        true
    }

    /// The part is over, and this is all of it.
    pub fn part_done(&mut self, part: &[u8]) {
        if !self.earlier.is_empty() {
            self.earlier.push(b',');
        }
        push_on_one_line(part, &mut self.earlier);
        self.text.clear();
        self.logprobs.clear();
        self.stage = Stage::PartDone;
    }

    /// Nothing more comes. A surrogate half that stayed alone becomes U+FFFD, and a call has arguments.
    pub fn finish(&mut self, status: Status) {
        self.status = status;
        if memchr::memmem::find(&self.text, b"\\ud").is_some() || memchr::memmem::find(&self.text, b"\\uD").is_some() {
            let text = decode(&self.text).into_owned();
            self.text.clear();
            escape_into(&text, &mut self.text);
        }
    }

    /// Its id, unique in the answer: `msg_`, `rs_` or `fc_`, the answer's id and the place.
    pub fn push_id(&self, answer: &str, at: usize, out: &mut Vec<u8>) {
        if !self.id.is_empty() {
            return out.extend_from_slice(&self.id);
        }
        let prefix = match self.kind {
            Kind::Text | Kind::Refusal => "msg",
            Kind::Reasoning => "rs",
            Kind::Call => "fc",
        };
        push(out, format_args!("{prefix}_{answer}_{at}"));
    }

    /// The whole object; its content only once it is done.
    pub fn write(&self, answer: &str, at: usize, out: &mut Vec<u8>) {
        if !self.whole.is_empty() {
            return out.extend_from_slice(&self.whole);
        }
        let status = self.status.as_str();
        out.extend_from_slice(b"{\"id\":\"");
        self.push_id(answer, at, out);
        match self.kind {
            Kind::Text | Kind::Refusal => {
                push(
                    out,
                    format_args!(
                        "\",\"type\":\"message\",\"status\":\"{status}\",\"role\":\"assistant\",\"content\":["
                    ),
                );
                self.write_parts(self.status != Status::InProgress && self.has_part(), out);
                out.push(b']');
            }
            Kind::Reasoning => {
                out.extend_from_slice(b"\",\"type\":\"reasoning\",\"summary\":[");
                self.write_parts(!self.text.is_empty(), out);
                out.push(b']');
                if !self.signature.is_empty() {
                    member("encrypted_content", &self.signature, out);
                }
            }
            Kind::Call => {
                push(out, format_args!("\",\"type\":\"function_call\",\"status\":\"{status}\""));
                member("call_id", &self.call_id, out);
                member("name", &self.name, out);
                member("arguments", &self.text, out);
            }
        }
        out.push(b'}');
    }

    fn has_part(&self) -> bool {
        matches!(self.stage, Stage::Part | Stage::TextDone)
    }

    /// `with_last`: also the part that is not among the earlier ones.
    fn write_parts(&self, with_last: bool, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.earlier);
        if with_last {
            if !self.earlier.is_empty() {
                out.push(b',');
            }
            self.write_part(out);
        }
    }

    /// The part of a message or of a summary that is open, or was last.
    pub fn write_part(&self, out: &mut Vec<u8>) {
        match self.kind {
            Kind::Refusal => {
                out.extend_from_slice(b"{\"type\":\"refusal\"");
                member("refusal", &self.text, out);
            }
            Kind::Reasoning => {
                out.extend_from_slice(b"{\"type\":\"summary_text\"");
                member("text", &self.text, out);
            }
            Kind::Text | Kind::Call => {
                out.extend_from_slice(b"{\"type\":\"output_text\"");
                member("text", &self.text, out);
                out.extend_from_slice(b",\"annotations\":[],\"logprobs\":[");
                out.extend_from_slice(&self.logprobs);
                out.push(b']');
            }
        }
        out.push(b'}');
    }
}

/// Array items of the provider that are copied as they are: only when they are JSON, and on one line.
pub(super) fn checked_logprobs(items: &[u8]) -> Option<Vec<u8>> {
    std::str::from_utf8(items).ok()?;
    let mut array = [b"[", items, b"]"].concat();
    serde_json::from_slice::<Vec<IgnoredAny>>(&array).ok().filter(|items| !items.is_empty())?;
    for byte in &mut array {
        if matches!(byte, b'\n' | b'\r') {
            *byte = b' ';
        }
    }
    array.get(1..array.len() - 1).map(<[u8]>::to_vec)
}

/// JSON of the provider's as an event's line can hold it.
pub(super) fn push_on_one_line(json: &[u8], out: &mut Vec<u8>) {
    out.extend(json.iter().map(|byte| if matches!(byte, b'\n' | b'\r') { b' ' } else { *byte }));
}

/// `,"name":"value"`, the value escaped already.
pub(super) fn member(name: &str, value: &[u8], out: &mut Vec<u8>) {
    push(out, format_args!(",\"{name}\":\""));
    out.extend_from_slice(value);
    out.push(b'"');
}

/// Writing into memory does not fail.
pub(super) fn push(out: &mut Vec<u8>, text: std::fmt::Arguments<'_>) {
    let _ = out.write_fmt(text);
}
