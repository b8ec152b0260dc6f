//! The common request -> the body of a provider that speaks chat completions.

use serde_json::{Value, json};

use super::clones::Upstream;
use super::fields::Object;
use super::messages_out::write_messages;
use crate::dialect::To;
use crate::dialect::common::{Field, Format, Lost, Request, Tool, ToolChoice};

/// What the provider's dialect has no place for goes into `lost`.
pub fn write_request(request: &Request, to: &To<'_>, lost: &mut Lost) -> Value {
    let mut out = Writer { upstream: Upstream::new(to), body: Object::new(), lost };
    out.put("model", to.model);
    let messages = write_messages(request, to, &out.upstream, out.lost);
    out.put("messages", messages);
    out.tools(request);
    out.sampling(request);
    if let Some(format) = &request.format {
        out.format(format);
    }
    if let Some(ask) = &request.reasoning
        && !out.upstream.reasoning(ask, &mut out.body)
    {
        out.lost.field(Field::Reasoning);
    }
    out.member(Field::User, "user", request.user.as_deref());
    if let Some(tier) = &request.service_tier {
        out.service_tier(tier);
    }
    if request.stream {
        out.put("stream", true);
        if out.upstream.asks_usage() {
            out.put("stream_options", json!({"include_usage": true}));
        }
    }
    Value::Object(out.body)
}

struct Writer<'a, 'l> {
    upstream: Upstream<'a>,
    body: Object,
    lost: &'l mut Lost,
}

impl Writer<'_, '_> {
    fn put(&mut self, name: &str, value: impl Into<Value>) {
        self.body.insert(name.to_owned(), value.into());
    }

    /// Puts a member down where the provider has a place for it.
    fn member(&mut self, field: Field, name: &str, value: Option<impl Into<Value>>) {
        match value {
            Some(value) if self.upstream.takes(field) => self.put(name, value),
            Some(_) => self.lost.field(field),
            None => {}
        }
    }

    fn sampling(&mut self, request: &Request) {
        let max_tokens = self.upstream.max_tokens();
        if let Some(value) = request.max_tokens {
            self.put(max_tokens, value);
        }
        // Who refuses to be told how to sample does so as these say anyway.
        let unless_one = |field, value: &Option<Value>| {
            let is_one = value.as_ref().is_some_and(|value| value.as_f64() == Some(1.0));
            value.clone().filter(|_| self.upstream.takes(field) || !is_one)
        };
        let temperature = unless_one(Field::Temperature, &request.temperature);
        let top_p = unless_one(Field::TopP, &request.top_p);
        self.member(Field::Temperature, "temperature", temperature);
        self.member(Field::TopP, "top_p", top_p);
        self.member(Field::TopK, "top_k", request.top_k);
        self.member(Field::PresencePenalty, "presence_penalty", request.presence_penalty.clone());
        self.member(Field::FrequencyPenalty, "frequency_penalty", request.frequency_penalty.clone());
        let seed = self.upstream.seed();
        self.member(Field::Seed, seed, request.seed.clone());
        if request.stop.len() > self.upstream.stops_max() {
            self.lost.field(Field::Stop);
        } else if !request.stop.is_empty() {
            self.member(Field::Stop, "stop", Some(request.stop.clone()));
        }
        self.member(Field::Choices, "n", request.choices);
        self.member(Field::LogitBias, "logit_bias", request.logit_bias.clone());
        self.member(Field::Logprobs, "logprobs", request.logprobs.map(|_| true));
        if let Some(top @ 1..) = request.logprobs.filter(|_| self.upstream.takes(Field::Logprobs)) {
            self.put("top_logprobs", top);
        }
    }

    fn tools(&mut self, request: &Request) {
        let without = request.tool_choice == Some(ToolChoice::None) && !self.upstream.takes(Field::ToolChoice);
        if request.tools.is_empty() || without {
            return;
        }
        let tools: Vec<Value> = request.tools.iter().map(tool).collect();
        self.member(Field::Tools, "tools", Some(tools));
        if !self.upstream.takes(Field::Tools) {
            return;
        }
        let choice: Option<Value> = match &request.tool_choice {
            // Is meant anyway.
            None | Some(ToolChoice::Auto) => None,
            Some(ToolChoice::None) => Some("none".into()),
            Some(ToolChoice::Required) => Some(self.upstream.required().into()),
            Some(ToolChoice::Named(name)) => Some(json!({"type": "function", "function": {"name": name}})),
        };
        self.member(Field::ToolChoice, "tool_choice", choice);
        self.member(Field::ParallelToolCalls, "parallel_tool_calls", request.parallel_tool_calls.filter(|many| !many));
    }

    /// The plain tier is what a provider without tiers has anyway.
    fn service_tier(&mut self, asked: &str) {
        let plain = matches!(asked, "default" | "standard" | "standard_only");
        let groq = self.upstream.is("groq");
        match asked {
            _ if plain && !self.upstream.takes(Field::ServiceTier) => {}
            _ if plain => self.put("service_tier", if groq { "on_demand" } else { "default" }),
            "flex" | "priority" | "scale" if !groq => self.member(Field::ServiceTier, "service_tier", Some(asked)),
            "flex" | "performance" | "on_demand" if groq => self.put("service_tier", asked),
            _ => self.lost.field(Field::ServiceTier),
        }
    }

    fn format(&mut self, format: &Format) {
        let (name, description, schema, strict) = match format {
            Format::Json => return self.put("response_format", json!({"type": "json_object"})),
            // It answers such a request with 400.
            Format::Schema { .. } if self.upstream.is("deepseek") => return self.lost.field(Field::Format),
            Format::Schema { name, description, schema, strict } => (name, description, schema, strict),
        };
        let mut inner = Object::new();
        // A name is required here.
        inner.insert("name".to_owned(), name.as_deref().unwrap_or("response").into());
        if let Some(description) = description {
            inner.insert("description".to_owned(), description.as_str().into());
        }
        inner.insert("schema".to_owned(), schema.clone());
        if let Some(strict) = strict {
            inner.insert("strict".to_owned(), (*strict).into());
        }
        self.put("response_format", json!({"type": "json_schema", "json_schema": inner}));
    }
}

fn tool(tool: &Tool) -> Value {
    let mut function = Object::new();
    function.insert("name".to_owned(), tool.name.as_str().into());
    if let Some(description) = &tool.description {
        function.insert("description".to_owned(), description.as_str().into());
    }
    // Left out it means none to OpenAI; several clones insist on it.
    let none = || json!({"type": "object", "properties": {}});
    function.insert("parameters".to_owned(), tool.parameters.clone().unwrap_or_else(none));
    if let Some(strict) = tool.strict {
        function.insert("strict".to_owned(), strict.into());
    }
    json!({"type": "function", "function": function})
}
