//! The common request -> this provider's body. Vertex has the same.

use serde_json::{Map, Value, json};

use super::contents_out::write_contents;
use super::model::Model;
use super::schema::for_google;
use crate::dialect::To;
use crate::dialect::common::{Field, Format, Lost, Message, Part, Request, Tool, ToolChoice};

/// More are refused.
const STOPS_MAX: usize = 5;

/// What the provider's dialect has no place for goes into `lost`.
pub fn write_request(request: &Request, to: &To<'_>, lost: &mut Lost) -> Value {
    let is_vertex = to.kind == "google-vertex";
    let model = Model::of(to.model);
    let mut body = Map::new();
    let contents = write_contents(request, model, !is_vertex, lost);
    if let Some(system) = contents.system {
        body.insert("systemInstruction".into(), system);
    }
    body.insert("contents".into(), contents.contents.into());
    if !request.tools.is_empty() {
        let declarations: Vec<Value> = request.tools.iter().map(declaration).collect();
        body.insert("tools".into(), json!([{"functionDeclarations": declarations}]));
        if let Some(calling) = calling(request) {
            body.insert("toolConfig".into(), json!({"functionCallingConfig": calling}));
        }
    }
    if request.parallel_tool_calls == Some(false) && !request.tools.is_empty() {
        lost.field(Field::ParallelToolCalls);
    }
    let config = generation_config(request, model, lost);
    if !config.is_empty() {
        body.insert("generationConfig".into(), Value::Object(config));
    }
    if let Some(tier) = &request.service_tier {
        match tier.as_str() {
            "auto" | "default" | "standard" | "standard_only" => {}
            // There it is asked for in a header.
            "flex" | "priority" if !is_vertex => {
                body.insert("serviceTier".into(), tier.clone().into());
            }
            _ => lost.field(Field::ServiceTier),
        }
    }
    if request.user.is_some() {
        lost.field(Field::User);
    }
    Value::Object(body)
}

fn generation_config(request: &Request, model: Model<'_>, lost: &mut Lost) -> Map<String, Value> {
    let mut config = Map::new();
    let mut put = |name: &str, value: Option<Value>| {
        if let Some(value) = value {
            config.insert(name.into(), value);
        }
    };
    put("temperature", request.temperature.clone());
    put("topP", request.top_p.clone());
    put("topK", request.top_k.map(Value::from));
    put("maxOutputTokens", request.max_tokens.map(Value::from));
    put("candidateCount", request.choices.filter(|count| *count > 1).map(Value::from));
    put("seed", request.seed.clone());
    put("presencePenalty", request.presence_penalty.clone());
    put("frequencyPenalty", request.frequency_penalty.clone());
    if request.stop.len() > STOPS_MAX {
        lost.field(Field::Stop);
    }
    let stops: Vec<&String> = request.stop.iter().filter(|stop| !stop.is_empty()).take(STOPS_MAX).collect();
    put("stopSequences", (!stops.is_empty()).then(|| json!(stops)));
    if let Some(top) = request.logprobs {
        put("responseLogprobs", Some(true.into()));
        put("logprobs", (top > 0).then(|| top.into()));
    }
    if request.logit_bias.is_some() {
        lost.field(Field::LogitBias);
    }
    match &request.format {
        None => {}
        Some(Format::Json) => put("responseMimeType", Some("application/json".into())),
        // It has no place for a name; and its answers always are of the schema.
        Some(Format::Schema { schema, .. }) => {
            put("responseMimeType", Some("application/json".into()));
            put("responseJsonSchema", Some(for_google(schema)));
        }
    }
    put("thinkingConfig", request.reasoning.as_ref().and_then(|ask| model.thinking(ask, lost)));
    put("mediaResolution", resolution(request).map(Value::from));
    config
}

/// OpenAI's `detail` of an image is one setting for all of them here.
fn resolution(request: &Request) -> Option<&'static str> {
    let details = |message: &Message| {
        let (mut high, mut low) = (false, false);
        for part in &message.parts {
            if let Part::Image(image) = part {
                high |= image.detail.as_deref() == Some("high");
                low |= image.detail.as_deref() == Some("low");
            }
        }
        (high, low)
    };
    let (high, low) = request.messages.iter().map(details).fold((false, false), |a, b| (a.0 | b.0, a.1 | b.1));
    match (high, low) {
        (true, _) => Some("MEDIA_RESOLUTION_HIGH"),
        (false, true) => Some("MEDIA_RESOLUTION_LOW"),
        (false, false) => None,
    }
}

fn declaration(tool: &Tool) -> Value {
    let mut declaration = Map::new();
    declaration.insert("name".into(), tool.name.clone().into());
    if let Some(description) = &tool.description {
        declaration.insert("description".into(), description.clone().into());
    }
    if let Some(parameters) = tool.parameters.as_ref().filter(|schema| takes_any(schema)) {
        declaration.insert("parametersJsonSchema".into(), for_google(parameters));
    }
    Value::Object(declaration)
}

/// An object without properties is refused by some models: a function without arguments has no schema here.
fn takes_any(schema: &Value) -> bool {
    let named = schema.get("properties").and_then(Value::as_object);
    let is_closed = schema.as_object().is_some_and(|schema| {
        schema.keys().all(|key| {
            ["type", "properties", "required", "additionalProperties", "$schema", "title"].contains(&key.as_str())
        })
    });
    !is_closed || named.is_some_and(|named| !named.is_empty())
}

fn calling(request: &Request) -> Option<Value> {
    let is_strict = request.tools.iter().any(|tool| tool.strict == Some(true));
    match &request.tool_choice {
        // Arguments are held to their schema when a call is made.
        None | Some(ToolChoice::Auto) if is_strict => Some(json!({"mode": "VALIDATED"})),
        None => None,
        Some(ToolChoice::Auto) => Some(json!({"mode": "AUTO"})),
        Some(ToolChoice::None) => Some(json!({"mode": "NONE"})),
        Some(ToolChoice::Required) => Some(json!({"mode": "ANY"})),
        Some(ToolChoice::Named(name)) => Some(json!({"mode": "ANY", "allowedFunctionNames": [name]})),
    }
}
