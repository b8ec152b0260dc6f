//! What the providers that are strict about their requests refuse, so that a gateway's mistakes show as 400.

use super::Dialect;
use serde_json::Value;

const GEMINI: &[&str] = &[
    "model",
    "contents",
    "systemInstruction",
    "tools",
    "toolConfig",
    "safetySettings",
    "generationConfig",
    "cachedContent",
    "labels",
    "requests",
    "instances",
    "parameters",
    "content",
    "taskType",
    "title",
    "outputDimensionality",
    "generateContentRequest",
    "store",
    "serviceTier",
];
const GEMINI_CONFIG: &[&str] = &[
    "stopSequences",
    "responseMimeType",
    "responseSchema",
    "responseJsonSchema",
    "responseModalities",
    "candidateCount",
    "maxOutputTokens",
    "temperature",
    "topP",
    "topK",
    "seed",
    "presencePenalty",
    "frequencyPenalty",
    "responseLogprobs",
    "logprobs",
    "enableEnhancedCivicAnswers",
    "speechConfig",
    "thinkingConfig",
    "imageConfig",
    "mediaResolution",
    "audioTimestamp",
    "routingConfig",
];
const GEMINI_PART: &[&str] = &[
    "text",
    "inlineData",
    "fileData",
    "functionCall",
    "functionResponse",
    "executableCode",
    "codeExecutionResult",
    "thought",
    "thoughtSignature",
    "videoMetadata",
    "partMetadata",
    "mediaResolution",
];
const BEDROCK: &[&str] = &[
    "messages",
    "system",
    "inferenceConfig",
    "toolConfig",
    "guardrailConfig",
    "additionalModelRequestFields",
    "additionalModelResponseFieldPaths",
    "promptVariables",
    "requestMetadata",
    "performanceConfig",
    "serviceTier",
    "outputConfig",
    "inputText",
    "dimensions",
    "normalize",
    "embeddingTypes",
    "texts",
    "input_type",
    "embedding_types",
    "output_dimension",
    "truncate",
];
const BEDROCK_CONFIG: &[&str] = &["maxTokens", "temperature", "topP", "stopSequences"];
const BEDROCK_BLOCK: &[&str] = &[
    "text",
    "image",
    "document",
    "video",
    "audio",
    "toolUse",
    "toolResult",
    "guardContent",
    "cachePoint",
    "reasoningContent",
    "citationsContent",
    "searchResult",
];
const COHERE: &[&str] = &[
    "model",
    "messages",
    "stream",
    "tools",
    "strict_tools",
    "documents",
    "citation_options",
    "response_format",
    "safety_mode",
    "max_tokens",
    "stop_sequences",
    "temperature",
    "seed",
    "frequency_penalty",
    "presence_penalty",
    "k",
    "p",
    "logprobs",
    "tool_choice",
    "thinking",
    "priority",
    "raw_prompting",
    "texts",
    "inputs",
    "images",
    "input_type",
    "embedding_types",
    "output_dimension",
    "truncate",
    "query",
    "top_n",
    "max_tokens_per_doc",
];

/// The error is the provider's sentence.
pub fn check(dialect: Dialect, body: &Value) -> Result<(), String> {
    match dialect {
        Dialect::Gemini | Dialect::GeminiArray => gemini(body),
        Dialect::Bedrock => bedrock(body),
        Dialect::Cohere => match unknown(body, COHERE) {
            Some(name) => Err(format!("unknown field: parameter '{name}' is not a valid field")),
            None => Ok(()),
        },
        Dialect::OpenAi | Dialect::Responses | Dialect::Anthropic => Ok(()),
    }
}

fn unknown<'a>(object: &'a Value, known: &[&str]) -> Option<&'a str> {
    object.as_object()?.keys().map(String::as_str).find(|name| !known.contains(name))
}

fn list<'a>(body: &'a Value, key: &str) -> impl Iterator<Item = &'a Value> {
    body.get(key).and_then(Value::as_array).into_iter().flatten()
}

fn gemini(body: &Value) -> Result<(), String> {
    let refused = |name: &str, place: &str| {
        Err(format!("Invalid JSON payload received. Unknown name \"{name}\"{place}: Cannot find field."))
    };
    if let Some(name) = unknown(body, GEMINI) {
        return refused(name, "");
    }
    if let Some(name) = body.get("generationConfig").and_then(|config| unknown(config, GEMINI_CONFIG)) {
        return refused(name, " at 'generation_config'");
    }
    for content in list(body, "contents") {
        if !["", "user", "model"].contains(&content.get("role").and_then(Value::as_str).unwrap_or_default()) {
            return Err("Please use a valid role: user, model.".to_owned());
        }
        if content.get("parts").and_then(Value::as_array).is_none_or(Vec::is_empty) {
            return Err("* GenerateContentRequest.contents: parts must not be empty".to_owned());
        }
        if let Some(name) = list(content, "parts").find_map(|part| unknown(part, GEMINI_PART)) {
            return refused(name, " at 'contents[0].parts[0]'");
        }
    }
    Ok(())
}

fn bedrock(body: &Value) -> Result<(), String> {
    let refused = |name: &str| Err(format!("The model returned the following errors: extraneous key [{name}]"));
    if let Some(name) = unknown(body, BEDROCK) {
        return refused(name);
    }
    if let Some(name) = body.get("inferenceConfig").and_then(|config| unknown(config, BEDROCK_CONFIG)) {
        return refused(name);
    }
    let mut last = "";
    for message in list(body, "messages") {
        let role = message.get("role").and_then(Value::as_str).unwrap_or_default();
        if !["user", "assistant"].contains(&role) {
            return Err("Value at 'messages.role' failed to satisfy constraint: [user, assistant]".to_owned());
        }
        if role == last {
            return Err(
                "A conversation must alternate between user and assistant roles. Make sure that it does.".to_owned()
            );
        }
        last = role;
        for block in list(message, "content") {
            if let Some(name) = unknown(block, BEDROCK_BLOCK) {
                return refused(name);
            }
            if block.get("text").and_then(Value::as_str).is_some_and(|text| text.trim().is_empty()) {
                return Err(
                    "The text field in the ContentBlock object is blank. Add text to the text field.".to_owned()
                );
            }
        }
    }
    Ok(())
}
