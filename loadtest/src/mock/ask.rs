//! What a request asks for, as far as the provider cares.

use super::text;
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
    pub body: Value,
}

impl Ask {
    pub fn from_json(body: &[u8]) -> Result<Ask, String> {
        let body: Value = serde_json::from_slice(body)
            .map_err(|error| format!("We could not parse the JSON body of your request: {error}"))?;
        let text = |key: &str| body.get(key).and_then(Value::as_str);
        let model = text("model").ok_or("you must provide a model parameter")?.to_owned();
        let number = |key: &str| body.get(key).and_then(Value::as_u64);
        Ok(Ask {
            stream: body.get("stream").and_then(Value::as_bool).unwrap_or(false),
            include_usage: body.pointer("/stream_options/include_usage").and_then(Value::as_bool).unwrap_or(false),
            max_tokens: number("max_completion_tokens").or(number("max_output_tokens")).or(number("max_tokens")),
            input_tokens: input_tokens(&body),
            model,
            body,
        })
    }

    /// The fields of a form; the file itself counts one token per KiB.
    pub fn from_multipart(body: &[u8]) -> Result<Ask, String> {
        let model = form_field(body, "model").ok_or("you must provide a model parameter")?;
        let stream = form_field(body, "stream").is_some_and(|v| v == "true");
        Ok(Ask { model, stream, input_tokens: (body.len() as u64).div_ceil(1024), ..Ask::default() })
    }
}

fn input_tokens(body: &Value) -> u64 {
    let mut tokens = 0;
    for key in ["system", "instructions", "prompt", "query", "documents"] {
        tokens += body.get(key).map_or(0, words);
    }
    let messages = body.get("messages").or_else(|| body.get("input").filter(|input| is_messages(input)));
    if let Some(Value::Array(messages)) = messages {
        tokens += 3 + messages.iter().map(|m| 4 + m.get("content").map_or(0, words)).sum::<u64>();
    } else {
        tokens += body.get("input").map_or(0, words);
    }
    tokens.max(1)
}

fn is_messages(input: &Value) -> bool {
    input.as_array().is_some_and(|items| items.first().is_some_and(|item| item.get("role").is_some()))
}

/// Of all strings a content may hold; token ids count one each.
fn words(value: &Value) -> u64 {
    match value {
        Value::String(text) => text::words(text),
        Value::Number(_) => 1,
        Value::Array(items) => items.iter().map(words).sum(),
        Value::Object(fields) => fields.get("text").map_or(0, words),
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
        let count = |body: &str| Ask::from_json(body.as_bytes()).expect("parses").input_tokens;
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
    }

    #[test]
    fn forms_and_broken_bodies() {
        let form = b"--x\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\nwhisper-1\r\n--x--\r\n";
        assert_eq!(Ask::from_multipart(form).expect("model").model, "whisper-1");
        assert!(Ask::from_multipart(b"--x").is_err());
        assert!(Ask::from_json(b"{").is_err());
        assert!(Ask::from_json(b"{}").expect_err("no model").contains("model"));
    }
}
