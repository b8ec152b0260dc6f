//! Reading answers as the clients of each face do: whole ones and streams, strictly by the face's own grammar.

use serde_json::{Value, json};

use super::common::http::Response;
use super::face::{Face, Said};

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn number(value: &Value) -> u64 {
    value.as_u64().unwrap_or_default()
}

/// The object that a call's arguments are the text of.
fn arguments(value: &Value) -> Value {
    let text = text(value);
    serde_json::from_str(&text).unwrap_or_else(|error| json!(format!("{error}: {text}")))
}

impl Face {
    pub fn read(self, response: &Response, stream: bool) -> Said {
        let mut said = Said::begin(response);
        if response.status != 200 {
            let body = serde_json::from_slice(&response.body).unwrap_or_default();
            said.error = self.error(response.status, &body);
            return said;
        }
        if !stream {
            let Ok(body) = serde_json::from_slice(&response.body) else { return said };
            self.whole(&body, &mut said);
            said.ended &= response.complete;
            return said;
        }
        let body = response.text().replace("\r\n", "\n");
        let mut hearing = Hearing::default();
        for event in body.split_terminator("\n\n") {
            let named = event.lines().find_map(|line| line.strip_prefix("event: "));
            let data = event.lines().find_map(|line| line.strip_prefix("data: "));
            let Some(data) = data else { continue };
            assert!(!said.ended, "{self:?}: an event after the end: {data}\n{body}");
            if data == "[DONE]" {
                said.ended = matches!(self, Face::Chat | Face::Completions);
                continue;
            }
            let data: Value = serde_json::from_str(data).unwrap_or_else(|error| panic!("{error}: {data}"));
            assert!(named.is_none_or(|named| data["type"] == named), "{self:?}: the name is the type: {event}");
            self.event(&data, &mut said, &mut hearing);
        }
        said.calls = hearing.calls.into_iter().map(|(name, text)| (name, arguments(&json!(text)))).collect();
        said.ended &= response.complete;
        said
    }

    /// The message of an error body in this face's shape.
    fn error(self, status: u16, body: &Value) -> Option<String> {
        let error = &body["error"];
        let shaped = match self {
            Face::Messages => body["type"] == "error" && error["type"].is_string(),
            Face::Gemini => error["code"] == status && error["status"].is_string(),
            _ => error["type"].is_string() && error.get("code").is_some() && error.get("param").is_some(),
        };
        shaped.then(|| text(&error["message"]))
    }

    fn usage(self, usage: &Value) -> Option<(u64, u64, u64)> {
        let cached = |key: &str, details: &str| number(&usage[details][key]);
        usage.as_object()?;
        Some(match self {
            Face::Chat | Face::Completions => (
                number(&usage["prompt_tokens"]),
                cached("cached_tokens", "prompt_tokens_details"),
                number(&usage["completion_tokens"]),
            ),
            Face::Responses => (
                number(&usage["input_tokens"]),
                cached("cached_tokens", "input_tokens_details"),
                number(&usage["output_tokens"]),
            ),
            Face::Messages => {
                let cached = number(&usage["cache_read_input_tokens"]);
                (number(&usage["input_tokens"]) + cached, cached, number(&usage["output_tokens"]))
            }
            Face::Gemini => (
                number(&usage["promptTokenCount"]),
                number(&usage["cachedContentTokenCount"]),
                number(&usage["candidatesTokenCount"]) + number(&usage["thoughtsTokenCount"]),
            ),
        })
    }

    fn whole(self, body: &Value, said: &mut Said) {
        said.ended = true;
        let usage = if self == Face::Gemini { &body["usageMetadata"] } else { &body["usage"] };
        said.usage = self.usage(usage);
        let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
        match self {
            Face::Chat => {
                let choice = &body["choices"][0];
                let message = &choice["message"];
                (said.text, said.thoughts) = (text(&message["content"]), text(&message["reasoning_content"]));
                for call in list(&message["tool_calls"]) {
                    let function = &call["function"];
                    said.calls.push((text(&function["name"]), arguments(&function["arguments"])));
                }
                said.finish = text(&choice["finish_reason"]);
            }
            Face::Completions => {
                said.text = text(&body["choices"][0]["text"]);
                said.finish = text(&body["choices"][0]["finish_reason"]);
            }
            Face::Responses => {
                for item in list(&body["output"]) {
                    responses_item(&item, said);
                }
                said.finish = text(&body["status"]);
            }
            Face::Messages => {
                for block in list(&body["content"]) {
                    match block["type"].as_str() {
                        Some("text") => said.text.push_str(&text(&block["text"])),
                        Some("thinking") => said.thoughts.push_str(&text(&block["thinking"])),
                        Some("tool_use") => said.calls.push((text(&block["name"]), block["input"].clone())),
                        other => panic!("an unknown block: {other:?}"),
                    }
                }
                said.finish = text(&body["stop_reason"]);
            }
            Face::Gemini => {
                gemini_parts(&body["candidates"][0], said);
                said.finish = text(&body["candidates"][0]["finishReason"]);
            }
        }
    }

    fn event(self, data: &Value, said: &mut Said, hearing: &mut Hearing) {
        match self {
            Face::Chat | Face::Completions => self.chunk(data, said, hearing),
            Face::Responses => responses_event(data, said, hearing),
            Face::Messages => messages_event(data, said, hearing),
            Face::Gemini => {
                if data.get("error").is_some() {
                    said.error = Some(text(&data["error"]["message"]));
                    return;
                }
                gemini_parts(&data["candidates"][0], said);
                hearing.calls.extend(said.calls.drain(..).map(|(name, args)| (name, args.to_string())));
                said.usage = self.usage(&data["usageMetadata"]).or(said.usage);
                // The last chunk is the one with a finish reason.
                if let Some(finish) = data["candidates"][0]["finishReason"].as_str() {
                    (said.finish, said.ended) = (finish.to_owned(), true);
                }
            }
        }
        if self == Face::Responses && said.ended {
            said.usage = self.usage(&data["response"]["usage"]);
        } else if self == Face::Messages {
            let usage = if data["type"] == "message_start" { &data["message"]["usage"] } else { &data["usage"] };
            said.usage = self.usage(usage).or(said.usage);
        }
    }

    fn chunk(self, data: &Value, said: &mut Said, hearing: &mut Hearing) {
        if data.get("error").is_some() {
            said.error = Some(text(&data["error"]["message"]));
            return;
        }
        said.usage = self.usage(&data["usage"]).or(said.usage);
        let choice = &data["choices"][0];
        let delta = &choice["delta"];
        said.text.push_str(&text(if self == Face::Chat { &delta["content"] } else { &choice["text"] }));
        said.thoughts.push_str(&text(&delta["reasoning_content"]));
        for call in delta["tool_calls"].as_array().into_iter().flatten() {
            let function = &call["function"];
            hearing.call(number(&call["index"]) as usize, &function["name"], &function["arguments"]);
        }
        if let Some(finish) = choice["finish_reason"].as_str() {
            said.finish = finish.to_owned();
        }
    }
}

/// What is open in a stream.
#[derive(Default)]
struct Hearing {
    calls: Vec<(String, String)>,
    /// Responses and messages: which item or block was what.
    kinds: Vec<(u64, Option<usize>)>,
}

impl Hearing {
    /// The first piece of a call has its name, the others only go on.
    fn call(&mut self, index: usize, name: &Value, fragment: &Value) {
        if let Some(name) = name.as_str().filter(|name| !name.is_empty())
            && index == self.calls.len()
        {
            self.calls.push((name.to_owned(), String::new()));
        }
        let call = self.calls.get_mut(index).expect("a call begins with its name");
        call.1.push_str(fragment.as_str().unwrap_or_default());
    }

    fn open(&mut self, at: &Value, name: Option<&Value>) {
        let call = name.map(|name| {
            self.calls.push((text(name), String::new()));
            self.calls.len() - 1
        });
        self.kinds.push((number(at), call));
    }

    fn fragment(&mut self, at: &Value, fragment: &Value) {
        let call = self.kinds.iter().find(|(known, _)| *known == number(at)).and_then(|(_, call)| *call);
        self.calls[call.expect("the block is a call")].1.push_str(&text(fragment));
    }
}

fn responses_item(item: &Value, said: &mut Said) {
    match item["type"].as_str() {
        Some("message") => {
            for part in item["content"].as_array().into_iter().flatten() {
                said.text.push_str(&text(&part["text"]));
            }
        }
        Some("reasoning") => {
            for part in item["summary"].as_array().into_iter().flatten() {
                said.thoughts.push_str(&text(&part["text"]));
            }
        }
        Some("function_call") => said.calls.push((text(&item["name"]), arguments(&item["arguments"]))),
        other => panic!("an unknown item: {other:?}"),
    }
}

fn responses_event(data: &Value, said: &mut Said, hearing: &mut Hearing) {
    match data["type"].as_str().expect("a type") {
        "response.output_item.added" => {
            let name = (data["item"]["type"] == "function_call").then(|| &data["item"]["name"]);
            hearing.open(&data["output_index"], name);
        }
        "response.output_text.delta" => said.text.push_str(&text(&data["delta"])),
        "response.reasoning_summary_text.delta" | "response.reasoning_text.delta" => {
            said.thoughts.push_str(&text(&data["delta"]));
        }
        "response.function_call_arguments.delta" => hearing.fragment(&data["output_index"], &data["delta"]),
        "error" => said.error = Some(text(&data["message"])),
        kind @ ("response.completed" | "response.incomplete") => {
            (said.ended, said.finish) = (true, text(&data["response"]["status"]));
            assert_eq!(kind, format!("response.{}", said.finish));
            // The last event tells the whole answer once more.
            let mut whole = Said::default();
            for item in data["response"]["output"].as_array().expect("the output") {
                responses_item(item, &mut whole);
            }
            assert_eq!((&whole.text, &whole.thoughts), (&said.text, &said.thoughts));
            assert_eq!(whole.calls.len(), hearing.calls.len());
        }
        _ => {}
    }
}

fn messages_event(data: &Value, said: &mut Said, hearing: &mut Hearing) {
    let delta = &data["delta"];
    match data["type"].as_str().expect("a type") {
        "content_block_start" => {
            let block = &data["content_block"];
            assert_eq!(number(&data["index"]) as usize, hearing.kinds.len(), "blocks are counted from 0");
            hearing.open(&data["index"], (block["type"] == "tool_use").then(|| &block["name"]));
        }
        "content_block_delta" => match delta["type"].as_str().expect("a type") {
            "text_delta" => said.text.push_str(&text(&delta["text"])),
            "thinking_delta" => said.thoughts.push_str(&text(&delta["thinking"])),
            "input_json_delta" => hearing.fragment(&data["index"], &delta["partial_json"]),
            _ => {}
        },
        "message_delta" => {
            said.finish = text(&delta["stop_reason"]);
            // A call without arguments has no delta.
            for (_, arguments) in hearing.calls.iter_mut().filter(|(_, text)| text.is_empty()) {
                arguments.push_str("{}");
            }
        }
        "message_stop" => said.ended = true,
        "error" => said.error = Some(text(&data["error"]["message"])),
        _ => {}
    }
}

fn gemini_parts(candidate: &Value, said: &mut Said) {
    for part in candidate["content"]["parts"].as_array().into_iter().flatten() {
        if let Some(call) = part.get("functionCall") {
            said.calls.push((text(&call["name"]), call["args"].clone()));
        } else if part["thought"] == true {
            said.thoughts.push_str(&text(&part["text"]));
        } else {
            said.text.push_str(&text(&part["text"]));
        }
    }
}
