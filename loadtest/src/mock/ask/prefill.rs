//! A conversation that ends with the assistant's own words: which dialects go on from them, and what they refuse of that.

use super::Dialect;
use serde_json::Value;

#[derive(Debug, Default)]
pub struct Ending {
    /// The last message is the assistant's.
    pub assistant: bool,
    /// Its text, where the answer is to go on from it.
    pub prefill: Option<String>,
}

/// The error is the provider's sentence.
pub fn read(dialect: Dialect, body: &Value) -> Result<Ending, String> {
    let (messages, parts, assistant) = match dialect {
        Dialect::Gemini | Dialect::GeminiArray => ("contents", "parts", "model"),
        Dialect::Responses => ("input", "content", "assistant"),
        _ => ("messages", "content", "assistant"),
    };
    let last = body.get(messages).and_then(Value::as_array).and_then(|messages| messages.last());
    let last = last.filter(|last| last.get("role").is_some_and(|role| role == assistant));
    let flag = |name: &str, usual: bool| body.get(name).and_then(Value::as_bool).unwrap_or(usual);
    let continued = dialect == Dialect::OpenAi && flag("continue_final_message", false);
    if continued && flag("add_generation_prompt", true) {
        return Err("Cannot set both `continue_final_message` and `add_generation_prompt` to True.".to_owned());
    }
    let Some(last) = last else { return Ok(Ending::default()) };
    let goes_on = match dialect {
        Dialect::OpenAi => continued || last.get("prefix") == Some(&Value::Bool(true)),
        Dialect::Anthropic | Dialect::Bedrock | Dialect::Gemini | Dialect::GeminiArray => true,
        Dialect::Responses | Dialect::Cohere => false,
    };
    let prefill = last.get(parts).and_then(text).filter(|_| goes_on);
    match (dialect, prefill.as_deref().and_then(|prefill| claude_refuses(body, last, prefill))) {
        (Dialect::Anthropic, Some(words)) => Err(words.to_owned()),
        (Dialect::Bedrock, Some(words)) => Err(format!("The model returned the following errors: {words}")),
        _ => Ok(Ending { assistant: true, prefill }),
    }
}

/// What Anthropic's models say against a prefill, wherever they are.
fn claude_refuses(body: &Value, last: &Value, prefill: &str) -> Option<&'static str> {
    if prefill.ends_with(char::is_whitespace) {
        return Some("messages: final assistant content cannot end with trailing whitespace");
    }
    let thinking = ["/thinking/type", "/additionalModelRequestFields/thinking/type"];
    let asked = thinking.iter().find_map(|at| body.pointer(at)).is_some_and(|kind| kind != "disabled");
    let begun = last.pointer("/content/0").is_some_and(is_thinking);
    let words = "Expected `thinking` or `redacted_thinking`, but found `text`. When `thinking` is enabled, a final `assistant` \
                 message must start with a thinking block";
    (asked && !begun).then_some(words)
}

/// `None` where there is more than text and thinking: an answer to a call does not go on from it.
fn text(content: &Value) -> Option<String> {
    let Value::Array(parts) = content else { return content.as_str().map(str::to_owned) };
    let texts = parts.iter().filter(|part| !is_thinking(part)).map(|part| part.get("text").and_then(Value::as_str));
    texts.collect()
}

fn is_thinking(part: &Value) -> bool {
    let kind = part.get("type").and_then(Value::as_str).unwrap_or_default();
    part.get("thought") == Some(&Value::Bool(true))
        || part.get("reasoningContent").is_some()
        || ["thinking", "redacted_thinking"].contains(&kind)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn each_dialect_goes_on_from_what_its_provider_would() {
        let turn = |role: &str, content: Value| json!({"role": role, "content": content});
        let said = |content: Value| json!({"messages": [turn("user", json!("hi")), turn("assistant", content)]});
        let with = |mut body: Value, pointer: &str, value: Value| {
            let (parent, key) = pointer.rsplit_once('/').expect("a pointer");
            body.pointer_mut(parent).expect("there")[key] = value;
            body
        };
        let plain = said(json!("The"));
        let model = json!({"contents": [{"role": "user", "parts": [{"text": "hi"}]},
                                        {"role": "model", "parts": [{"text": "hm", "thought": true}, {"text": "The"}]}]});
        let vllm = with(plain.clone(), "/continue_final_message", json!(true));
        let call = json!([{"type": "text", "text": "The"}, {"type": "tool_use", "id": "t", "name": "n", "input": {}}]);
        for (dialect, body, prefill) in [
            (Dialect::OpenAi, plain.clone(), None),
            (Dialect::OpenAi, with(plain.clone(), "/messages/1/prefix", json!(true)), Some("The")),
            (Dialect::OpenAi, with(vllm.clone(), "/add_generation_prompt", json!(false)), Some("The")),
            (Dialect::Cohere, plain.clone(), None),
            (Dialect::Responses, json!({"input": [turn("assistant", json!("The"))]}), None),
            (Dialect::Anthropic, plain, Some("The")),
            (
                Dialect::Anthropic,
                said(json!([{"type": "thinking", "thinking": "hm"}, {"type": "text", "text": "The"}])),
                Some("The"),
            ),
            (Dialect::Anthropic, said(call), None),
            (Dialect::Bedrock, said(json!([{"text": "The"}, {"text": " gate"}])), Some("The gate")),
            (Dialect::Gemini, model, Some("The")),
        ] {
            let ending = read(dialect, &body).expect("accepted");
            assert!(ending.assistant, "{body}");
            assert_eq!(ending.prefill.as_deref(), prefill, "{dialect:?} {body}");
        }
        let asked = json!({"messages": [turn("user", json!("hi"))]});
        assert!(!read(Dialect::Anthropic, &asked).expect("accepted").assistant);
        assert!(read(Dialect::OpenAi, &vllm).expect_err("both").contains("add_generation_prompt"));
        let thinking = json!({"type": "enabled", "budget_tokens": 9});
        let thinks = with(said(json!("The")), "/thinking", thinking.clone());
        assert!(read(Dialect::Anthropic, &thinks).expect_err("refused").contains("must start with a thinking block"));
        let begun = said(json!([{"type": "thinking", "thinking": "hm"}, {"type": "text", "text": "The"}]));
        assert!(read(Dialect::Anthropic, &with(begun, "/thinking", thinking)).is_ok());
        for dialect in [Dialect::Anthropic, Dialect::Bedrock] {
            assert!(read(dialect, &said(json!("The "))).expect_err("refused").ends_with("trailing whitespace"));
        }
    }
}
