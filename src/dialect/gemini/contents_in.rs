//! A client's `contents` -> the common messages.
//!
//! Calls often have no id here, and results name the tool only. Each call without one gets an id, and a result belongs
//! to the first call of its tool that has none yet.

use serde_json::Value;

use super::fields::{list, members, within};
use super::signature::unwrapped;
use crate::dialect::common::{CallResult, Invalid, Lost, Media, Message, Part, ReasoningText, Role, Source, ToolCall};

/// Of one conversation.
#[derive(Default)]
pub(super) struct Contents {
    /// Calls without a result so far: id and name.
    waiting: Vec<(String, String)>,
    /// For ids.
    calls: u32,
}

/// The member of a part that says what it is.
enum Data<'a> {
    Text(&'a str),
    Inline(&'a Value),
    File(&'a Value),
    Call(&'a Value),
    Result(&'a Value),
}

impl Contents {
    /// One content: `{"role","parts"}`.
    pub fn read(&mut self, content: &Value, lost: &mut Lost) -> Result<Message, Invalid> {
        let (mut role, mut parts) = (Role::User, Vec::new());
        for member in members(content, "an object with `role` and `parts`")? {
            match member.name.as_ref() {
                "role" => {
                    role = match member.text()? {
                        "model" => Role::Assistant,
                        // The last two are of older clients: for results, and from `systemInstruction`.
                        "" | "user" | "function" | "tool" => Role::User,
                        "system" => Role::System,
                        _ => return Err(member.invalid("`user` or `model`")),
                    };
                }
                "parts" => {
                    for (at, part) in list(member.value).iter().enumerate() {
                        let part = self.part(part, lost);
                        if let Some(part) = within(format_args!("{}[{at}]", member.key), part)? {
                            push(&mut parts, part);
                        }
                    }
                }
                name => lost.named(format!("contents[].{name}")),
            }
        }
        Ok(Message { role, parts })
    }

    fn part(&mut self, part: &Value, lost: &mut Lost) -> Result<Option<Part>, Invalid> {
        let (mut data, mut data_key, mut thought, mut signature) = (None, "", false, None);
        for member in members(part, "an object")? {
            let found = match member.name.as_ref() {
                "text" => Data::Text(member.text()?),
                "inlineData" => Data::Inline(member.value),
                "fileData" => Data::File(member.value),
                "functionCall" => Data::Call(member.value),
                "functionResponse" => Data::Result(member.value),
                "thought" => {
                    thought = member.bool()?;
                    continue;
                }
                "thoughtSignature" => {
                    signature = Some(unwrapped(member.text()?));
                    continue;
                }
                name => {
                    if !member.is_default() {
                        lost.named(format!("contents[].parts[].{name}"));
                    }
                    continue;
                }
            };
            (data, data_key) = (Some(found), member.key);
        }
        let Some(data) = data else { return Ok(None) };
        let part = match data {
            Data::Text(text) if thought => {
                Part::Reasoning(ReasoningText { text: text.to_owned(), signature, redacted: None })
            }
            // A signature of a text may be left out (ai.google.dev, "Thought signatures"), and means something to the
            // model that made it only.
            Data::Text(text) => Part::Text(text.to_owned()),
            Data::Inline(inline) => within(data_key, inline_data(inline, lost))?,
            Data::File(file) => within(data_key, file_data(file, lost))?,
            Data::Call(call) => within(data_key, self.call(call, signature, lost))?,
            Data::Result(result) => within(data_key, self.result(result, lost))?,
        };
        Ok(Some(part))
    }

    fn call(&mut self, call: &Value, signature: Option<String>, lost: &mut Lost) -> Result<Part, Invalid> {
        let (mut id, mut name, mut arguments) = (String::new(), "", Value::Object(serde_json::Map::new()));
        for member in members(call, "an object")? {
            match member.name.as_ref() {
                "id" => id = member.text()?.to_owned(),
                "name" => name = member.text()?,
                "args" if member.value.is_object() => arguments = member.value.clone(),
                "args" => return Err(member.invalid("an object")),
                other => lost.named(format!("contents[].parts[].functionCall.{other}")),
            }
        }
        if name.is_empty() {
            return Err(Invalid::new("name", "the name of a function"));
        }
        if id.is_empty() {
            id = format!("call_{}", self.calls);
        }
        self.calls += 1;
        self.waiting.push((id.clone(), name.to_owned()));
        Ok(Part::Call(ToolCall { id, name: name.to_owned(), arguments, signature }))
    }

    fn result(&mut self, result: &Value, lost: &mut Lost) -> Result<Part, Invalid> {
        let (mut id, mut name, mut response, mut media) = ("", "", None, Vec::new());
        for member in members(result, "an object")? {
            match member.name.as_ref() {
                "id" => id = member.text()?,
                "name" => name = member.text()?,
                "response" => response = Some(member.value),
                "parts" => {
                    for (at, part) in list(member.value).iter().enumerate() {
                        let part = self.part(part, lost);
                        media.extend(within(format_args!("{}[{at}]", member.key), part)?);
                    }
                }
                other if !member.is_default() => {
                    lost.named(format!("contents[].parts[].functionResponse.{other}"));
                }
                _ => {}
            }
        }
        if name.is_empty() && id.is_empty() {
            return Err(Invalid::new("name", "the name of the function that was called"));
        }
        let call_id = self.answered(id, name);
        let (text, is_error) = response.map(result_text).unwrap_or_default();
        let mut parts = Vec::with_capacity(1 + media.len());
        if !text.is_empty() || media.is_empty() {
            parts.push(Part::Text(text));
        }
        parts.append(&mut media);
        Ok(Part::Result(CallResult { call_id, name: name.to_owned(), parts, is_error }))
    }

    /// The id of the call that a result belongs to.
    fn answered(&mut self, id: &str, name: &str) -> String {
        let found = self.waiting.iter().position(|(waiting, called)| match id {
            "" => called == name,
            id => waiting == id,
        });
        match found {
            Some(at) => self.waiting.remove(at).0,
            // Its call is not part of the conversation.
            None if id.is_empty() => format!("call_{name}"),
            None => id.to_owned(),
        }
    }
}

/// The thoughts of a stream come back in the pieces they were sent in: those up to a signature are one.
fn push(parts: &mut Vec<Part>, part: Part) {
    match (parts.last_mut(), part) {
        (Some(Part::Reasoning(last)), Part::Reasoning(more)) if last.signature.is_none() => {
            last.text.push_str(&more.text);
            last.signature = more.signature;
        }
        (_, part) => parts.push(part),
    }
}

/// What a tool said. The SDKs wrap what is no object into `result` (or `output`), and errors into `error`.
fn result_text(response: &Value) -> (String, bool) {
    if let Some(object) = response.as_object()
        && object.len() == 1
    {
        for (key, is_error) in [("result", false), ("output", false), ("error", true)] {
            if let Some(value) = object.get(key) {
                return (value.as_str().map_or_else(|| value.to_string(), str::to_owned), is_error);
            }
        }
    }
    (response.as_str().map_or_else(|| response.to_string(), str::to_owned), false)
}

fn inline_data(inline: &Value, lost: &mut Lost) -> Result<Part, Invalid> {
    let (mut media_type, mut data, mut name) = ("", "", None);
    for member in members(inline, "an object")? {
        match member.name.as_ref() {
            "mimeType" => media_type = member.text()?,
            "data" => data = member.text()?,
            "displayName" => name = Some(member.text()?.to_owned()),
            other => lost.named(format!("contents[].parts[].inlineData.{other}")),
        }
    }
    if media_type.is_empty() {
        return Err(Invalid::new("mimeType", "a media type"));
    }
    if data.is_empty() {
        return Err(Invalid::new("data", "base64"));
    }
    // Both alphabets are accepted here; elsewhere only the plain one is.
    let data = if data.contains(['-', '_']) { data.replace('-', "+").replace('_', "/") } else { data.to_owned() };
    Ok(media(Source::Base64(data), media_type, name))
}

fn file_data(file: &Value, lost: &mut Lost) -> Result<Part, Invalid> {
    let (mut media_type, mut uri, mut name) = ("", "", None);
    for member in members(file, "an object")? {
        match member.name.as_ref() {
            "mimeType" => media_type = member.text()?,
            "fileUri" => uri = member.text()?,
            "displayName" => name = Some(member.text()?.to_owned()),
            other => lost.named(format!("contents[].parts[].fileData.{other}")),
        }
    }
    if uri.is_empty() {
        return Err(Invalid::new("fileUri", "a URI"));
    }
    let is_web = uri.starts_with("https://") || uri.starts_with("http://");
    let is_own = uri.starts_with("https://generativelanguage.googleapis.com/");
    let source = if is_web && !is_own { Source::Url(uri.to_owned()) } else { Source::Id(uri.to_owned()) };
    Ok(media(source, media_type, name))
}

fn media(source: Source, media_type: &str, name: Option<String>) -> Part {
    let media = Media { source, media_type: media_type.to_owned(), name, detail: None };
    match media_type.split_once('/') {
        Some(("image", _)) => Part::Image(media),
        Some(("audio", _)) => Part::Audio(media),
        _ => Part::File(media),
    }
}
