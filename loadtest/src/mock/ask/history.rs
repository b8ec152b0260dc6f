//! What the conversation so far holds that an answer acknowledges, so that a test can see that it was carried over.

use super::Dialect;
use serde_json::Value;

/// What thinking and calls are signed with here. Base64, as all providers' signatures are.
pub const SIGNATURE: &str = "bW9jay1zaWduYXR1cmU=";

#[derive(Debug, Default)]
pub struct History {
    pub system: String,
    /// Of the last turn, when it brings results of tools: what each said.
    pub results: Vec<String>,
    pub images: usize,
    pub files: usize,
    /// Signatures of ours that came back.
    pub signatures: usize,
}

impl History {
    /// `but_last`: the last message is the beginning of the answer.
    pub fn read(dialect: Dialect, body: &Value, but_last: bool) -> History {
        let mut history = History::default();
        let (system, messages) = match dialect {
            Dialect::OpenAi | Dialect::Cohere => ("", "messages"),
            Dialect::Responses => ("instructions", "input"),
            Dialect::Anthropic | Dialect::Bedrock => ("system", "messages"),
            Dialect::Gemini | Dialect::GeminiArray => ("systemInstruction", "contents"),
        };
        if let Some(system) = body.get(system) {
            history.system = text(system);
        }
        let messages = body.get(messages).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        let before = messages.split_last().map_or(messages, |(_, before)| before);
        for message in if but_last { before } else { messages } {
            history.message(dialect, message);
        }
        history
    }

    fn message(&mut self, dialect: Dialect, message: &Value) {
        let role = word(message, "role");
        match role {
            "system" | "developer" => {
                self.system.push_str(&text(message.get("content").unwrap_or(&Value::Null)));
            }
            // A chat's results are messages of their own.
            "tool" if matches!(dialect, Dialect::OpenAi | Dialect::Cohere) => {
                self.results.push(text(message.get("content").unwrap_or(&Value::Null)));
                return;
            }
            // What came before an answer was answered by it.
            "assistant" | "model" => self.results.clear(),
            _ => {}
        }
        if dialect == Dialect::Responses {
            self.item(message);
        }
        if message.pointer("/extra_content/google/thought_signature").is_some_and(|given| given == SIGNATURE) {
            self.signatures += 1;
        }
        let parts = message.get(if role_has_parts(dialect) { "parts" } else { "content" });
        for part in parts.and_then(Value::as_array).into_iter().flatten() {
            self.part(dialect, part);
        }
    }

    fn item(&mut self, item: &Value) {
        match word(item, "type") {
            "function_call_output" => self.results.push(text(item.get("output").unwrap_or(&Value::Null))),
            "function_call" => self.results.clear(),
            "reasoning" => self.signed(item.get("encrypted_content")),
            _ => {}
        }
    }

    fn part(&mut self, dialect: Dialect, part: &Value) {
        let kind = word(part, "type");
        match dialect {
            Dialect::OpenAi | Dialect::Cohere | Dialect::Responses => match kind {
                "image_url" | "input_image" => self.images += 1,
                "file" | "input_file" => self.files += 1,
                _ => {}
            },
            Dialect::Anthropic => match kind {
                "image" => self.images += 1,
                "document" => self.files += 1,
                "thinking" => self.signed(part.get("signature")),
                "tool_result" => self.result(part.get("content"), part.get("is_error") == Some(&Value::Bool(true))),
                _ => {}
            },
            Dialect::Gemini | Dialect::GeminiArray => {
                self.signed(part.get("thoughtSignature"));
                let media = part.get("inlineData").or_else(|| part.get("fileData"));
                match media.map(|media| word(media, "mimeType")) {
                    Some(kind) if kind.starts_with("image/") => self.images += 1,
                    Some(_) => self.files += 1,
                    None => {}
                }
                if let Some(result) = part.pointer("/functionResponse/response") {
                    self.result(Some(result), result.get("error").is_some());
                }
            }
            Dialect::Bedrock => {
                self.images += part.get("image").into_iter().count();
                self.files += part.get("document").into_iter().count();
                self.signed(part.pointer("/reasoningContent/reasoningText/signature"));
                if let Some(result) = part.get("toolResult") {
                    self.result(result.get("content"), word(result, "status") == "error");
                }
            }
        }
    }

    fn result(&mut self, content: Option<&Value>, failed: bool) {
        let said = text(content.unwrap_or(&Value::Null));
        self.results.push(if failed { format!("(failed) {said}") } else { said });
    }

    fn signed(&mut self, signature: Option<&Value>) {
        if signature.is_some_and(|given| given == SIGNATURE) {
            self.signatures += 1;
        }
    }

    /// One sentence each, in the order they begin an answer.
    pub fn notes(&self, echo_system: bool) -> Vec<String> {
        /// Of each text that is repeated.
        const CHARS_MAX: usize = 40;
        let begin = |text: &str| text.chars().take(CHARS_MAX).collect::<String>();
        let count = |n: usize, what: &str, plural: &str| match n {
            0 => None,
            1 => Some(format!("saw 1 {what}. ")),
            n => Some(format!("saw {n} {plural}. ")),
        };
        let mut notes = Vec::new();
        if echo_system && !self.system.is_empty() {
            notes.push(format!("system: {}. ", begin(&self.system)));
        }
        notes.extend(count(self.images, "image", "images"));
        notes.extend(count(self.files, "file", "files"));
        notes.extend(count(self.signatures, "signature", "signatures"));
        notes.extend(self.results.iter().map(|said| format!("tool said: {}. ", begin(said))));
        notes
    }
}

fn role_has_parts(dialect: Dialect) -> bool {
    matches!(dialect, Dialect::Gemini | Dialect::GeminiArray)
}

fn word<'a>(value: &'a Value, key: &str) -> &'a str {
    value.get(key).and_then(Value::as_str).unwrap_or_default()
}

/// The text of whatever a content may be: a string, parts with texts, a document, or else the JSON itself.
fn text(content: &Value) -> String {
    match content {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Array(parts) => parts.iter().map(text).collect(),
        Value::Object(fields) => {
            let inner = ["text", "parts", "json", "document", "data", "result", "output", "error"];
            let only = fields.len() == 1 || fields.contains_key("text") || fields.contains_key("document");
            match inner.iter().find_map(|key| fields.get(*key)) {
                Some(inner) if only || fields.contains_key("parts") => text(inner),
                _ => content.to_string(),
            }
        }
        other => other.to_string(),
    }
}
