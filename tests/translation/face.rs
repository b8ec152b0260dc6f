//! The faces as their clients see them: how a question is written, and what an answer says.

use serde_json::{Value, json};

use super::common::Gateway;
use super::common::http::{Connection, Response};

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Face {
    Chat,
    Completions,
    Responses,
    Messages,
    Gemini,
}

pub const FACES: [Face; 5] = [Face::Chat, Face::Completions, Face::Responses, Face::Messages, Face::Gemini];

/// A question, in words of no dialect.
#[derive(Clone, Debug, Default)]
pub struct Ask {
    pub stream: bool,
    pub system: Option<&'static str>,
    /// Instead of a plain question: a turn with an image.
    pub image: bool,
    /// Offers the tools [`tools`] names.
    pub tools: bool,
    /// The conversation goes on with the result of a call.
    pub result: Option<&'static str>,
    pub max_tokens: Option<u64>,
    pub stop: Option<&'static str>,
    pub schema: Option<Value>,
    /// Further members of the body, as this face spells them.
    pub more: Value,
}

pub fn stream() -> Ask {
    Ask { stream: true, ..Ask::default() }
}

/// What an answer says, in words of no dialect.
#[derive(Debug, Default)]
pub struct Said {
    pub status: u16,
    pub request_id: String,
    pub warning: String,
    pub retry_after: String,
    pub content_type: String,
    pub text: String,
    pub thoughts: String,
    pub calls: Vec<(String, Value)>,
    pub finish: String,
    /// All of the input, cached and not; the cached part; the output.
    pub usage: Option<(u64, u64, u64)>,
    /// The face's own sign of a whole answer was there, and the framing was whole.
    pub ended: bool,
    /// An error in this face's shape: its message.
    pub error: Option<String>,
    pub body: String,
}

/// One with a schema of every kind, one without arguments.
pub fn tools() -> [(&'static str, Value); 2] {
    let look = json!({"type": "object", "properties": {
        "text": {"type": "string", "description": "what to look for"},
        "count": {"type": "integer"},
        "where": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}},
        "required": ["text", "count", "where"]});
    [("look", look), ("pause", json!({"type": "object", "properties": {}}))]
}

/// What the simulated provider calls `look` with.
pub fn arguments() -> Value {
    json!({"text": "é \"quoted\" \n", "count": 7, "where": {"city": "word"}})
}

const PIXEL: &str = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAQAAAC1HAwCAAAAC0lEQVR42mNk+A8AAQUBAScY42YAAAAASUVORK5CYII=";

impl Face {
    pub fn path(self, model: &str, stream: bool) -> String {
        match self {
            Face::Chat => "/v1/chat/completions".to_owned(),
            Face::Completions => "/v1/completions".to_owned(),
            Face::Responses => "/v1/responses".to_owned(),
            Face::Messages => "/v1/messages".to_owned(),
            Face::Gemini if stream => format!("/v1beta/models/{model}:streamGenerateContent?alt=sse"),
            Face::Gemini => format!("/v1beta/models/{model}:generateContent"),
        }
    }

    /// Whether the face can ask for tools, images, turns of a conversation.
    pub fn converses(self) -> bool {
        self != Face::Completions
    }

    /// The face's word for each way to end: by itself, by the maximum, by a call.
    pub fn finishes(self) -> [&'static str; 3] {
        match self {
            Face::Chat | Face::Completions => ["stop", "length", "tool_calls"],
            Face::Responses => ["completed", "incomplete", "completed"],
            Face::Messages => ["end_turn", "max_tokens", "tool_use"],
            Face::Gemini => ["STOP", "MAX_TOKENS", "STOP"],
        }
    }

    pub fn call(self, gateway: &Gateway, model: &str, ask: &Ask) -> Said {
        let body = self.body(model, ask).to_string();
        let response = Connection::open(gateway.address).post(&self.path(model, ask.stream), &body);
        self.read(&response, ask.stream)
    }

    pub fn body(self, model: &str, ask: &Ask) -> Value {
        let mut body = match self {
            Face::Chat => self.chat(ask),
            Face::Completions => json!({"prompt": "Tell me", "max_tokens": ask.max_tokens, "stop": ask.stop}),
            Face::Responses => self.responses(ask),
            Face::Messages => self.messages(ask),
            Face::Gemini => self.gemini(ask),
        };
        let fields = body.as_object_mut().expect("an object");
        fields.retain(|_, value| !value.is_null());
        if self != Face::Gemini {
            fields.insert("model".to_owned(), json!(model));
            if ask.stream {
                fields.insert("stream".to_owned(), json!(true));
            }
        }
        if ask.stream && matches!(self, Face::Chat | Face::Completions) {
            fields.insert("stream_options".to_owned(), json!({"include_usage": true}));
        }
        if let Value::Object(more) = &ask.more {
            fields.extend(more.clone());
        }
        body
    }

    fn chat(self, ask: &Ask) -> Value {
        let mut messages = Vec::new();
        messages.extend(ask.system.map(|system| json!({"role": "system", "content": system})));
        messages.push(if ask.image {
            let url = json!({"url": format!("data:image/png;base64,{PIXEL}")});
            json!({"role": "user", "content": [{"type": "text", "text": "See"}, {"type": "image_url", "image_url": url}]})
        } else {
            json!({"role": "user", "content": "Tell me"})
        });
        if let Some(result) = ask.result {
            let function = json!({"name": "look", "arguments": arguments().to_string()});
            messages.push(json!({"role": "assistant", "content": null,
                                 "tool_calls": [{"id": "callnumb1", "type": "function", "function": function}]}));
            messages.push(json!({"role": "tool", "tool_call_id": "callnumb1", "content": result}));
        }
        let tool = |(name, schema)| json!({"type": "function", "function": {"name": name, "parameters": schema}});
        let format = |schema| json!({"type": "json_schema", "json_schema": {"name": "answer", "schema": schema}});
        json!({
            "messages": messages,
            "tools": ask.tools.then(|| tools().map(tool)),
            "max_completion_tokens": ask.max_tokens,
            "stop": ask.stop,
            "response_format": ask.schema.clone().map(format),
        })
    }

    fn responses(self, ask: &Ask) -> Value {
        let mut input = vec![if ask.image {
            let url = format!("data:image/png;base64,{PIXEL}");
            json!({"role": "user", "content": [{"type": "input_text", "text": "See"}, {"type": "input_image", "image_url": url}]})
        } else {
            json!({"role": "user", "content": "Tell me"})
        }];
        if let Some(result) = ask.result {
            input.push(json!({"type": "function_call", "call_id": "callnumb1", "name": "look", "arguments": arguments().to_string()}));
            input.push(json!({"type": "function_call_output", "call_id": "callnumb1", "output": result}));
        }
        let tool = |(name, schema)| json!({"type": "function", "name": name, "parameters": schema, "strict": false});
        let format = |schema| json!({"format": {"type": "json_schema", "name": "answer", "schema": schema}});
        json!({
            "input": input,
            "instructions": ask.system,
            "tools": ask.tools.then(|| tools().map(tool)),
            "max_output_tokens": ask.max_tokens,
            "text": ask.schema.clone().map(format),
        })
    }

    fn messages(self, ask: &Ask) -> Value {
        let mut messages = vec![if ask.image {
            let source = json!({"type": "base64", "media_type": "image/png", "data": PIXEL});
            json!({"role": "user", "content": [{"type": "text", "text": "See"}, {"type": "image", "source": source}]})
        } else {
            json!({"role": "user", "content": "Tell me"})
        }];
        if let Some(result) = ask.result {
            let call = json!({"type": "tool_use", "id": "toolu_1", "name": "look", "input": arguments()});
            messages.push(json!({"role": "assistant", "content": [call]}));
            let result = json!({"type": "tool_result", "tool_use_id": "toolu_1", "content": result});
            messages.push(json!({"role": "user", "content": [result]}));
        }
        let tool = |(name, schema)| json!({"name": name, "input_schema": schema});
        json!({
            "messages": messages,
            "system": ask.system,
            "tools": ask.tools.then(|| tools().map(tool)),
            "max_tokens": ask.max_tokens.unwrap_or(1000),
            "stop_sequences": ask.stop.map(|stop| [stop]),
            "output_config": ask.schema.clone().map(|schema| json!({"format": {"type": "json_schema", "schema": schema}})),
        })
    }

    fn gemini(self, ask: &Ask) -> Value {
        let mut contents = vec![if ask.image {
            let data = json!({"mimeType": "image/png", "data": PIXEL});
            json!({"role": "user", "parts": [{"text": "See"}, {"inlineData": data}]})
        } else {
            json!({"role": "user", "parts": [{"text": "Tell me"}]})
        }];
        if let Some(result) = ask.result {
            contents.push(json!({"role": "model", "parts": [{"functionCall": {"name": "look", "args": arguments()}}]}));
            let response = json!({"name": "look", "response": {"result": result}});
            contents.push(json!({"role": "user", "parts": [{"functionResponse": response}]}));
        }
        let mut config = json!({"maxOutputTokens": ask.max_tokens, "stopSequences": ask.stop.map(|stop| [stop])});
        if let Some(schema) = &ask.schema {
            config["responseMimeType"] = json!("application/json");
            config["responseJsonSchema"] = schema.clone();
        }
        config.as_object_mut().expect("an object").retain(|_, value| !value.is_null());
        let tool = |(name, schema)| json!({"name": name, "parametersJsonSchema": schema});
        json!({
            "contents": contents,
            "systemInstruction": ask.system.map(|system| json!({"parts": [{"text": system}]})),
            "tools": ask.tools.then(|| json!([{"functionDeclarations": tools().map(tool)}])),
            "generationConfig": config,
        })
    }
}

impl Said {
    /// What is true of every answer.
    pub fn begin(response: &Response) -> Said {
        let field = |name: &str| response.field(name).unwrap_or_default().to_owned();
        Said {
            status: response.status,
            request_id: field("x-request-id"),
            warning: field("warning"),
            retry_after: field("retry-after"),
            content_type: field("content-type"),
            body: response.text(),
            ..Said::default()
        }
    }
}
