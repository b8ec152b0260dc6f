//! What a request asks for, as far as the provider cares, in whatever dialect it was written.

mod fields;
mod history;
mod known;
mod prefill;
mod spelling;
mod tools;

pub use history::{History, SIGNATURE};
pub use tools::{Choice, Tool};

use super::{faults::Dialect, text};
use memchr::memmem;
use serde_json::Value;

#[derive(Debug, Default)]
pub struct Ask {
    pub model: String,
    pub stream: bool,
    pub include_usage: bool,
    pub max_tokens: Option<u64>,
    /// By the rule of this provider: one token per word, and four per message and three per request where there are messages.
    pub input_tokens: u64,
    pub tools: Vec<Tool>,
    pub choice: Choice,
    /// At most one call per answer.
    pub one_call: bool,
    pub stop: Vec<String>,
    /// The answer is to be JSON of this schema.
    pub schema: Option<Value>,
    /// How many answers.
    pub candidates: usize,
    /// Log probabilities, with this many alternatives.
    pub logprobs: Option<usize>,
    pub history: History,
    /// The conversation ends with the assistant's own words.
    pub ends_with_assistant: bool,
    /// Those words, where the answer is to go on from them; they are not in `history`.
    pub prefill: Option<String>,
    /// What else was asked, in a sentence.
    pub asked: String,
    /// Asked by a path of Azure's.
    pub azure: bool,
    pub body: Value,
}

impl Ask {
    /// `model`: where the path names it, and not the body.
    pub fn from_json(dialect: Dialect, model: Option<&str>, body: &[u8]) -> Result<Ask, String> {
        let body: Value = serde_json::from_slice(body)
            .map_err(|error| format!("We could not parse the JSON body of your request: {error}"))?;
        let body = match dialect {
            Dialect::Gemini | Dialect::GeminiArray => spelling::camel(body),
            _ => body,
        };
        let named = model.or_else(|| body.get("model").and_then(Value::as_str));
        let model = named.ok_or("you must provide a model parameter")?.to_owned();
        known::check(dialect, &body)?;
        let mut ask = fields::read(dialect, &body);
        ask.stream = body.get("stream").and_then(Value::as_bool).unwrap_or(false);
        ask.include_usage = body.pointer("/stream_options/include_usage").and_then(Value::as_bool).unwrap_or(false);
        ask.tools = tools::read(dialect, &body);
        (ask.choice, ask.one_call) = tools::choice(dialect, &body);
        let ending = prefill::read(dialect, &body)?;
        ask.history = History::read(dialect, &body, ending.prefill.is_some());
        (ask.ends_with_assistant, ask.prefill) = (ending.assistant, ending.prefill);
        ask.input_tokens = input_tokens(&body);
        Ok(Ask { model, body, ..ask })
    }

    /// The fields of a form; the file itself counts one token per KiB.
    pub fn from_multipart(body: &[u8]) -> Result<Ask, String> {
        let model = form_field(body, "model").ok_or("you must provide a model parameter")?;
        let stream = form_field(body, "stream").is_some_and(|v| v == "true");
        Ok(Ask { model, stream, candidates: 1, input_tokens: (body.len() as u64).div_ceil(1024), ..Ask::default() })
    }
}

fn input_tokens(body: &Value) -> u64 {
    let mut tokens = 0;
    for key in ["system", "systemInstruction", "instructions", "prompt", "query", "documents"] {
        tokens += body.get(key).map_or(0, words);
    }
    let messages = body.get("messages").or_else(|| body.get("contents"));
    let messages = messages.or_else(|| body.get("input").filter(|input| is_messages(input)));
    if let Some(Value::Array(messages)) = messages {
        tokens += 3 + messages.iter().map(|m| 4 + m.get("content").map_or_else(|| words(m), words)).sum::<u64>();
    } else {
        for key in ["input", "texts", "inputText", "requests", "instances"] {
            tokens += body.get(key).map_or(0, words);
        }
    }
    tokens.max(1)
}

fn is_messages(input: &Value) -> bool {
    input.as_array().is_some_and(|items| items.first().is_some_and(|item| item.get("role").is_some()))
}

/// Of all strings a content may hold; token ids count one each.
pub fn words(value: &Value) -> u64 {
    match value {
        Value::String(text) => text::words(text),
        Value::Number(_) => 1,
        Value::Array(items) => items.iter().map(words).sum(),
        Value::Object(fields) => {
            ["text", "parts", "content"].iter().filter_map(|key| fields.get(*key)).map(words).sum()
        }
        _ => 0,
    }
}

fn form_field(body: &[u8], name: &str) -> Option<String> {
    let after = |bytes: &[u8], needle: &str| memmem::find(bytes, needle.as_bytes()).map(|at| at + needle.len());
    let rest = body.get(after(body, &format!("name=\"{name}\""))?..)?;
    let rest = rest.get(after(rest, "\r\n\r\n")?..)?;
    let end = memmem::find(rest, b"\r\n")?;
    Some(String::from_utf8_lossy(rest.get(..end)?).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prompts_are_counted_by_the_stated_rule() {
        let count = |body: &str| Ask::from_json(Dialect::OpenAi, None, body.as_bytes()).expect("parses").input_tokens;
        assert_eq!(count(r#"{"model":"m","messages":[{"role":"user","content":"one two three"}]}"#), 3 + 4 + 3);
        assert_eq!(
            count(
                r#"{"model":"m","system":"be brief","messages":[{"role":"user","content":[{"type":"text","text":"a b"}]}]}"#
            ),
            2 + 3 + 4 + 2
        );
        assert_eq!(count(r#"{"model":"m","input":["one two","three"]}"#), 3);
        assert_eq!(count(r#"{"model":"m","input":[1,2,3]}"#), 3);
        assert_eq!(count(r#"{"model":"m","input":[{"role":"user","content":"hello there"}]}"#), 3 + 4 + 2);
        assert_eq!(
            count(r#"{"model":"m","contents":[{"role":"user","parts":[{"text":"one two"},{"text":"three"}]}]}"#),
            3 + 4 + 3
        );
    }

    #[test]
    fn forms_and_broken_bodies() {
        let form = b"--x\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\nwhisper-1\r\n--x--\r\n";
        assert_eq!(Ask::from_multipart(form).expect("model").model, "whisper-1");
        assert!(Ask::from_multipart(b"--x").is_err());
        let read = |body: &str| Ask::from_json(Dialect::OpenAi, None, body.as_bytes());
        assert!(read("{").is_err());
        assert!(read("{}").expect_err("no model").contains("model"));
    }
}
