//! The tools a request offers and which of them it wants called.

use super::Dialect;
use serde_json::Value;

#[derive(Clone, Debug)]
pub struct Tool {
    pub name: String,
    /// JSON Schema of its arguments; null when it says nothing.
    pub schema: Value,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Choice {
    #[default]
    Auto,
    None,
    Required,
    Named(String),
}

pub fn read(dialect: Dialect, body: &Value) -> Vec<Tool> {
    let list = |pointer: &str| body.pointer(pointer).and_then(Value::as_array).into_iter().flatten();
    let tool = |tool: &Value, schemas: &[&str]| {
        let name = tool.get("name").and_then(Value::as_str)?.to_owned();
        let schema = schemas.iter().find_map(|schema| tool.pointer(schema)).cloned().unwrap_or_default();
        Some(Tool { name, schema })
    };
    match dialect {
        Dialect::OpenAi | Dialect::Cohere => {
            list("/tools").filter_map(|item| tool(item.get("function")?, &["/parameters"])).collect()
        }
        Dialect::Responses => {
            let functions = list("/tools").filter(|item| item.get("type").is_some_and(|kind| kind == "function"));
            functions.filter_map(|item| tool(item, &["/parameters"])).collect()
        }
        Dialect::Anthropic => list("/tools").filter_map(|item| tool(item, &["/input_schema"])).collect(),
        Dialect::Gemini | Dialect::GeminiArray => {
            let declared = list("/tools").filter_map(|item| item.get("functionDeclarations")?.as_array()).flatten();
            declared.filter_map(|item| tool(item, &["/parametersJsonSchema", "/parameters"])).collect()
        }
        Dialect::Bedrock => {
            list("/toolConfig/tools").filter_map(|item| tool(item.get("toolSpec")?, &["/inputSchema/json"])).collect()
        }
    }
}

/// And whether at most one call is wanted.
pub fn choice(dialect: Dialect, body: &Value) -> (Choice, bool) {
    let word = |pointer: &str| body.pointer(pointer).and_then(Value::as_str);
    let named = |pointer: &str| word(pointer).map(|name| Choice::Named(name.to_owned()));
    let by_word = |word: Option<&str>| match word {
        Some("required" | "REQUIRED" | "any" | "ANY") => Choice::Required,
        Some("none" | "NONE") => Choice::None,
        _ => Choice::Auto,
    };
    let one = |pointer: &str, value: bool| body.pointer(pointer) == Some(&Value::Bool(value));
    match dialect {
        Dialect::OpenAi => {
            let choice = named("/tool_choice/function/name").unwrap_or_else(|| by_word(word("/tool_choice")));
            (choice, one("/parallel_tool_calls", false))
        }
        Dialect::Responses => {
            let choice = named("/tool_choice/name").unwrap_or_else(|| by_word(word("/tool_choice")));
            (choice, one("/parallel_tool_calls", false))
        }
        Dialect::Anthropic => {
            let choice = named("/tool_choice/name").unwrap_or_else(|| by_word(word("/tool_choice/type")));
            (choice, one("/tool_choice/disable_parallel_tool_use", true))
        }
        Dialect::Gemini | Dialect::GeminiArray => {
            let allowed = named("/toolConfig/functionCallingConfig/allowedFunctionNames/0");
            (allowed.unwrap_or_else(|| by_word(word("/toolConfig/functionCallingConfig/mode"))), false)
        }
        Dialect::Bedrock => {
            let any = body.pointer("/toolConfig/toolChoice/any").is_some();
            let choice = named("/toolConfig/toolChoice/tool/name");
            (choice.unwrap_or(if any { Choice::Required } else { Choice::Auto }), false)
        }
        Dialect::Cohere => (by_word(word("/tool_choice")), false),
    }
}
