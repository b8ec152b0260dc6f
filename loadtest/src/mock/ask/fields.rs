//! The plain fields of a request: bounds, stop sequences, formats. Each dialect has its own names for them, and no other
//! dialect's are looked at: what a gateway writes in the wrong one is as if it were not there.

use super::{Ask, Dialect};
use serde_json::{Value, json};

/// Where a dialect has them, as JSON pointers. An empty pointer: it has none.
struct Names {
    max_tokens: &'static [&'static str],
    stop: &'static str,
    candidates: &'static str,
}

fn names(dialect: Dialect) -> Names {
    let names = |max_tokens, stop, candidates| Names { max_tokens, stop, candidates };
    match dialect {
        Dialect::OpenAi => names(&["/max_completion_tokens", "/max_tokens"], "/stop", "/n"),
        Dialect::Responses => names(&["/max_output_tokens"], "", ""),
        Dialect::Anthropic => names(&["/max_tokens"], "/stop_sequences", ""),
        Dialect::Gemini | Dialect::GeminiArray => names(
            &["/generationConfig/maxOutputTokens"],
            "/generationConfig/stopSequences",
            "/generationConfig/candidateCount",
        ),
        Dialect::Bedrock => names(&["/inferenceConfig/maxTokens"], "/inferenceConfig/stopSequences", ""),
        Dialect::Cohere => names(&["/max_tokens"], "/stop_sequences", ""),
    }
}

const CANDIDATES_MAX: u64 = 16;

pub fn read(dialect: Dialect, body: &Value) -> Ask {
    let names = names(dialect);
    let at = |pointer: &str| if pointer.is_empty() { None } else { body.pointer(pointer) };
    Ask {
        max_tokens: names.max_tokens.iter().find_map(|name| at(name)).and_then(Value::as_u64),
        stop: at(names.stop).map(strings).unwrap_or_default(),
        candidates: at(names.candidates).and_then(Value::as_u64).unwrap_or(1).clamp(1, CANDIDATES_MAX) as usize,
        schema: schema(dialect, body),
        logprobs: logprobs(dialect, body),
        asked: asked(dialect, body),
        ..Ask::default()
    }
}

/// What an answer can repeat of the request, by names of no dialect: where each has it, in one order.
fn repeated(dialect: Dialect) -> &'static [(&'static str, &'static str)] {
    match dialect {
        Dialect::OpenAi => &[
            ("temperature", "/temperature"),
            ("top_p", "/top_p"),
            ("seed", "/seed"),
            ("presence", "/presence_penalty"),
            ("frequency", "/frequency_penalty"),
            ("effort", "/reasoning_effort"),
            ("user", "/user"),
        ],
        Dialect::Responses => {
            &[("temperature", "/temperature"), ("top_p", "/top_p"), ("effort", "/reasoning/effort"), ("user", "/user")]
        }
        Dialect::Anthropic => &[
            ("temperature", "/temperature"),
            ("top_p", "/top_p"),
            ("top_k", "/top_k"),
            ("budget", "/thinking/budget_tokens"),
            ("effort", "/output_config/effort"),
            ("user", "/metadata/user_id"),
        ],
        Dialect::Gemini | Dialect::GeminiArray => &[
            ("temperature", "/generationConfig/temperature"),
            ("top_p", "/generationConfig/topP"),
            ("top_k", "/generationConfig/topK"),
            ("seed", "/generationConfig/seed"),
            ("presence", "/generationConfig/presencePenalty"),
            ("frequency", "/generationConfig/frequencyPenalty"),
            ("budget", "/generationConfig/thinkingConfig/thinkingBudget"),
            ("effort", "/generationConfig/thinkingConfig/thinkingLevel"),
        ],
        Dialect::Bedrock => &[
            ("temperature", "/inferenceConfig/temperature"),
            ("top_p", "/inferenceConfig/topP"),
            ("top_k", "/additionalModelRequestFields/top_k"),
            ("budget", "/additionalModelRequestFields/thinking/budget_tokens"),
        ],
        Dialect::Cohere => &[
            ("temperature", "/temperature"),
            ("top_p", "/p"),
            ("top_k", "/k"),
            ("seed", "/seed"),
            ("presence", "/presence_penalty"),
            ("frequency", "/frequency_penalty"),
            ("budget", "/thinking/token_budget"),
        ],
    }
}

/// `asked: temperature=0.50 seed=7. ` with the numbers as they were spelled; empty when nothing of it was asked.
fn asked(dialect: Dialect, body: &Value) -> String {
    let said = repeated(dialect).iter().filter_map(|(name, pointer)| {
        let value = body.pointer(pointer).filter(|value| !value.is_null())?;
        Some(format!("{name}={}", value.as_str().map_or_else(|| value.to_string(), str::to_owned)))
    });
    let said: Vec<String> = said.collect();
    if said.is_empty() { String::new() } else { format!("asked: {}. ", said.join(" ")) }
}

/// A string, or the strings of a list. Empty ones are no stop sequences.
fn strings(value: &Value) -> Vec<String> {
    let all = match value {
        Value::Array(items) => items.as_slice(),
        one => std::slice::from_ref(one),
    };
    all.iter().filter_map(Value::as_str).filter(|text| !text.is_empty()).map(str::to_owned).collect()
}

/// `{}` where any JSON is asked for.
fn schema(dialect: Dialect, body: &Value) -> Option<Value> {
    let kind = |pointer: &str| body.pointer(pointer).and_then(Value::as_str);
    let at = |pointers: &[&str]| pointers.iter().find_map(|pointer| body.pointer(pointer)).cloned();
    match dialect {
        Dialect::OpenAi => match kind("/response_format/type")? {
            "json_schema" => at(&["/response_format/json_schema/schema"]),
            "json_object" => Some(json!({})),
            _ => None,
        },
        Dialect::Responses => match kind("/text/format/type")? {
            "json_schema" => at(&["/text/format/schema"]),
            "json_object" => Some(json!({})),
            _ => None,
        },
        Dialect::Anthropic => at(&["/output_config/format/schema", "/output_format/schema"]),
        Dialect::Gemini | Dialect::GeminiArray => {
            let json = kind("/generationConfig/responseMimeType")? == "application/json";
            let schemas = ["/generationConfig/responseJsonSchema", "/generationConfig/responseSchema"];
            json.then(|| at(&schemas).unwrap_or_else(|| json!({})))
        }
        // There the schema is a JSON text.
        Dialect::Bedrock => serde_json::from_str(kind("/outputConfig/textFormat/structure/jsonSchema/schema")?).ok(),
        Dialect::Cohere => {
            let json = kind("/response_format/type")? == "json_object";
            let schemas = ["/response_format/json_schema", "/response_format/schema"];
            json.then(|| at(&schemas).unwrap_or_else(|| json!({})))
        }
    }
}

fn logprobs(dialect: Dialect, body: &Value) -> Option<usize> {
    let (asked, top) = match dialect {
        Dialect::OpenAi => ("/logprobs", "/top_logprobs"),
        Dialect::Gemini | Dialect::GeminiArray => ("/generationConfig/responseLogprobs", "/generationConfig/logprobs"),
        _ => return None,
    };
    let asked = body.pointer(asked).and_then(Value::as_bool)?;
    let top = body.pointer(top).and_then(Value::as_u64).unwrap_or(0);
    asked.then_some(top.min(20) as usize)
}
