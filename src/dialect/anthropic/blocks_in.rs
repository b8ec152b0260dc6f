//! The content of a client's messages -> parts.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use super::ids;
use super::node::{Node, shortened};
use crate::dialect::common::{CallResult, Invalid, Lost, Media, Part, ReasoningText, Source, ToolCall};

/// A string, or an array of blocks. Empty texts are no parts.
pub(super) fn content(value: &Value, path: &str, lost: &mut Lost) -> Result<Vec<Part>, Invalid> {
    read(value, path, false, lost)
}

/// `inside`: of a tool's result or of a document, where texts, images and documents may stand only.
fn read(value: &Value, path: &str, inside: bool, lost: &mut Lost) -> Result<Vec<Part>, Invalid> {
    let mut parts = Vec::new();
    match value {
        Value::String(text) => push_text(text, &mut parts),
        Value::Array(blocks) => {
            for (at, block) in blocks.iter().enumerate() {
                read_block(&Node::new(block, format!("{path}[{at}]"))?, inside, &mut parts, lost)?;
            }
        }
        _ => return Err(Invalid::new(path, "a string or an array of blocks")),
    }
    Ok(parts)
}

fn push_text(text: &str, parts: &mut Vec<Part>) {
    if !text.is_empty() {
        parts.push(Part::Text(text.to_owned()));
    }
}

fn read_block(node: &Node<'_>, inside: bool, parts: &mut Vec<Part>, lost: &mut Lost) -> Result<(), Invalid> {
    match node.need_text("type")? {
        "text" => {
            push_text(node.need_text("text")?, parts);
            node.rest(&["type", "text"], lost);
        }
        "image" => {
            let source = media(&node.need_node("source")?, None, lost)?;
            parts.push(Part::Image(source));
            node.rest(&["type", "source"], lost);
        }
        "document" => document(node, parts, lost)?,
        "tool_use" if !inside => parts.push(Part::Call(tool_use(node, lost)?)),
        "tool_result" if !inside => parts.push(Part::Result(tool_result(node, lost)?)),
        "thinking" if !inside => {
            let signature = node.text("signature")?.filter(|signature| !signature.is_empty()).map(str::to_owned);
            let text = node.need_text("thinking")?.to_owned();
            parts.push(Part::Reasoning(ReasoningText { text, signature, redacted: None }));
            node.rest(&["type", "thinking", "signature"], lost);
        }
        "redacted_thinking" if !inside => {
            let redacted = Some(node.need_text("data")?.to_owned());
            parts.push(Part::Reasoning(ReasoningText { redacted, ..ReasoningText::default() }));
            node.rest(&["type", "data"], lost);
        }
        // Of tools that Anthropic's servers ran, or newer than this.
        kind => lost.named(format!("{} of type {}", node.path(), shortened(kind))),
    }
    Ok(())
}

fn tool_use(node: &Node<'_>, lost: &mut Lost) -> Result<ToolCall, Invalid> {
    let arguments = match node.get("input") {
        Some(input @ Value::Object(_)) => input.clone(),
        _ => return Err(node.invalid("input", "an object")),
    };
    let (id, signature) = ids::split(node.need_text("id")?);
    let caller = node.node("caller")?;
    if caller.is_some_and(|caller| caller.get("type").is_some_and(|kind| kind != "direct")) {
        lost.named(node.at("caller"));
    }
    node.rest(&["type", "id", "name", "input", "caller"], lost);
    Ok(ToolCall { id: id.to_owned(), name: node.need_text("name")?.to_owned(), arguments, signature })
}

fn tool_result(node: &Node<'_>, lost: &mut Lost) -> Result<CallResult, Invalid> {
    let (call_id, _) = ids::split(node.need_text("tool_use_id")?);
    let parts = match node.get("content") {
        Some(content) => read(content, &node.at("content"), true, lost)?,
        None => Vec::new(),
    };
    node.rest(&["type", "tool_use_id", "content", "is_error"], lost);
    Ok(CallResult { call_id: call_id.to_owned(), name: String::new(), parts, is_error: node.flag("is_error")? })
}

/// A document that is made of blocks is these blocks.
fn document(node: &Node<'_>, parts: &mut Vec<Part>, lost: &mut Lost) -> Result<(), Invalid> {
    let source = node.need_node("source")?;
    if source.text("type")? == Some("content") {
        let content = source.get("content").ok_or_else(|| source.invalid("content", "a string or an array"))?;
        if let Some(title) = node.text("title")? {
            push_text(title, parts);
        }
        parts.extend(read(content, &source.at("content"), true, lost)?);
    } else {
        parts.push(Part::File(media(&source, node.text("title")?, lost)?));
    }
    if let Some(citations) = node.node("citations")? {
        citations.rest(&[], lost);
    }
    node.rest(&["type", "source", "title", "citations"], lost);
    Ok(())
}

fn media(source: &Node<'_>, name: Option<&str>, lost: &mut Lost) -> Result<Media, Invalid> {
    let mut media_type = source.text("media_type")?.unwrap_or_default().to_owned();
    let from = match source.need_text("type")? {
        "base64" => Source::Base64(source.need_text("data")?.to_owned()),
        "url" => Source::Url(source.need_text("url")?.to_owned()),
        "file" => Source::Id(source.need_text("file_id")?.to_owned()),
        "text" => {
            "text/plain".clone_into(&mut media_type);
            Source::Base64(STANDARD.encode(source.need_text("data")?))
        }
        _ => return Err(source.invalid("type", "`base64`, `url`, `file` or `text`")),
    };
    source.rest(&["type", "media_type", "data", "url", "file_id"], lost);
    Ok(Media { source: from, media_type, name: name.map(str::to_owned), detail: None })
}
