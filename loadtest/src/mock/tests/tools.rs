//! Tools, thinking, structured output and what else a request can ask for, in every dialect.

use super::dialects::frames;
use super::*;

fn schema() -> Value {
    json!({"type": "object", "properties": {
        "text": {"type": "string"}, "count": {"type": "integer"},
        "where": {"type": "object", "properties": {"city": {"type": "string"}}}}})
}

fn arguments() -> Value {
    json!({"text": "é \"quoted\" \n", "count": 7, "where": {"city": "word"}})
}

/// One request in each dialect that offers `look` and `none`, which takes no arguments: path, body, and whether it streams.
fn offers(stream: bool, options: &str) -> Vec<(&'static str, String, Value)> {
    let user = json!([{"role": "user", "content": "hi"}]);
    let function =
        |name: &str, schema: Value| json!({"type": "function", "function": {"name": name, "parameters": schema}});
    let functions = json!([function("look", schema()), function("none", json!({"type": "object"}))]);
    let model = format!("m:{options}");
    let encoded = model.replace(':', "%3A").replace('=', "%3D");
    let (google, aws) =
        if stream { ("streamGenerateContent?alt=sse", "converse-stream") } else { ("generateContent", "converse") };
    let declared = json!([{"name": "look", "parameters": schema()}, {"name": "none"}]);
    let spec = |name: &str, schema: Value| json!({"toolSpec": {"name": name, "inputSchema": {"json": schema}}});
    vec![
        (
            "chat",
            "/v1/chat/completions".to_owned(),
            json!({"model": model, "stream": stream, "messages": user, "tools": functions}),
        ),
        (
            "responses",
            "/v1/responses".to_owned(),
            json!({"model": model, "stream": stream, "input": user, "tools": [
                {"type": "function", "name": "look", "parameters": schema()},
                {"type": "function", "name": "none", "parameters": {"type": "object"}}]}),
        ),
        (
            "anthropic",
            "/v1/messages".to_owned(),
            json!({"model": model, "stream": stream, "max_tokens": 50, "messages": user, "tools": [
                {"name": "look", "input_schema": schema()}, {"name": "none", "input_schema": {"type": "object"}}]}),
        ),
        (
            "gemini",
            format!("/v1beta/models/{encoded}:{google}"),
            json!({"contents": [{"role": "user", "parts": [{"text": "hi"}]}], "tools": [{"functionDeclarations": declared}]}),
        ),
        (
            "bedrock",
            format!("/model/{encoded}/{aws}"),
            json!({"messages": [{"role": "user", "content": [{"text": "hi"}]}],
                   "toolConfig": {"tools": [spec("look", schema()), spec("none", json!({"type": "object"}))]}}),
        ),
        (
            "cohere",
            "/v2/chat".to_owned(),
            json!({"model": model, "stream": stream, "messages": user, "tools": functions}),
        ),
    ]
}

fn parsed(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// The calls of a unary answer, and its finish reason.
fn calls(dialect: &str, answer: &Value) -> (Vec<(String, Value)>, String) {
    let list = |pointer: &str| answer.pointer(pointer).and_then(Value::as_array).cloned().unwrap_or_default();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let function = |call: &Value| (text(&call["function"]["name"]), parsed(&text(&call["function"]["arguments"])));
    match dialect {
        "chat" => (
            list("/choices/0/message/tool_calls").iter().map(function).collect(),
            text(&answer["choices"][0]["finish_reason"]),
        ),
        "responses" => {
            let calls = list("/output").into_iter().filter(|item| item["type"] == "function_call");
            (
                calls.map(|item| (text(&item["name"]), parsed(&text(&item["arguments"])))).collect(),
                text(&answer["status"]),
            )
        }
        "anthropic" => {
            let blocks = list("/content").into_iter().filter(|block| block["type"] == "tool_use");
            (blocks.map(|block| (text(&block["name"]), block["input"].clone())).collect(), text(&answer["stop_reason"]))
        }
        "gemini" => {
            let parts =
                list("/candidates/0/content/parts").into_iter().filter_map(|part| part.get("functionCall").cloned());
            let finish = text(&answer["candidates"][0]["finishReason"]);
            (parts.map(|call| (text(&call["name"]), call["args"].clone())).collect(), finish)
        }
        "bedrock" => {
            let blocks = list("/output/message/content").into_iter().filter_map(|block| block.get("toolUse").cloned());
            (blocks.map(|call| (text(&call["name"]), call["input"].clone())).collect(), text(&answer["stopReason"]))
        }
        _ => (list("/message/tool_calls").iter().map(function).collect(), text(&answer["finish_reason"])),
    }
}

#[test]
fn the_first_tools_are_called_as_each_dialect_does() {
    let addr = provider();
    let finishes = ["tool_calls", "completed", "tool_use", "STOP", "tool_use", "TOOL_CALL"];
    for ((dialect, path, body), finish) in offers(false, "calls=2").into_iter().zip(finishes) {
        let answer = ask(addr, &path, body);
        assert_eq!(answer.status, 200, "{dialect}: {}", String::from_utf8_lossy(&answer.body));
        let (called, finished) = calls(dialect, &answer.json());
        let want = vec![("look".to_owned(), arguments()), ("none".to_owned(), json!({}))];
        assert_eq!((called, finished.as_str()), (want, finish), "{dialect}");
    }
    for (dialect, path, body) in offers(false, "tokens=2") {
        let (called, _) = calls(dialect, &ask(addr, &path, body).json());
        assert!(called.is_empty(), "{dialect}: nothing asks for a call");
    }
}

/// The names and the joined arguments of a stream's calls.
fn streamed(dialect: &str, answer: &Answer) -> Vec<(String, Value)> {
    let mut found: Vec<(String, String)> = Vec::new();
    let mut add = |index: usize, name: &Value, fragment: &Value| {
        if index == found.len() {
            found.push((name.as_str().expect("a name").to_owned(), String::new()));
        }
        found[index].1.push_str(fragment.as_str().unwrap_or_default());
    };
    let events = || answer.events().into_iter().filter(|event| event.1 != "[DONE]").map(|event| parsed(&event.1));
    let at = |value: &Value| value.as_u64().map_or(usize::MAX, |index| index as usize);
    match dialect {
        "chat" => events().for_each(|event| {
            for call in event["choices"][0]["delta"]["tool_calls"].as_array().into_iter().flatten() {
                add(at(&call["index"]), &call["function"]["name"], &call["function"]["arguments"]);
            }
        }),
        "responses" => events().for_each(|event| match event["type"].as_str() {
            Some("response.output_item.added") => add(at(&event["output_index"]), &event["item"]["name"], &Value::Null),
            Some("response.function_call_arguments.delta") => {
                add(at(&event["output_index"]), &Value::Null, &event["delta"]);
            }
            _ => {}
        }),
        "anthropic" => events().for_each(|event| match event["type"].as_str() {
            Some("content_block_start") => add(at(&event["index"]), &event["content_block"]["name"], &Value::Null),
            Some("content_block_delta") => add(at(&event["index"]), &Value::Null, &event["delta"]["partial_json"]),
            _ => {}
        }),
        "gemini" => {
            let text = String::from_utf8_lossy(&answer.body).into_owned();
            let chunks =
                text.split_terminator("\r\n\r\n").map(|event| parsed(event.strip_prefix("data: ").expect("data")));
            for (index, chunk) in chunks.enumerate() {
                if let Some(call) = chunk.pointer("/candidates/0/content/parts/0/functionCall") {
                    add(index, &call["name"], &json!(call["args"].to_string()));
                }
            }
        }
        "bedrock" => frames(&answer.body).into_iter().for_each(|(headers, event)| match headers[0].1.as_str() {
            "contentBlockStart" => {
                add(at(&event["contentBlockIndex"]), &event["start"]["toolUse"]["name"], &Value::Null)
            }
            "contentBlockDelta" => {
                add(at(&event["contentBlockIndex"]), &Value::Null, &event["delta"]["toolUse"]["input"])
            }
            _ => {}
        }),
        _ => events().for_each(|event| {
            let call = &event["delta"]["message"]["tool_calls"]["function"];
            if !call.is_null() {
                add(at(&event["index"]), &call["name"], &call["arguments"]);
            }
        }),
    }
    let whole = |text: String| if text.is_empty() { json!({}) } else { parsed(&text) };
    found.into_iter().map(|(name, text)| (name, whole(text))).collect()
}

#[test]
fn arguments_are_streamed_in_fragments() {
    let addr = provider();
    for options in ["calls=2", "calls=2,interleave"] {
        for (dialect, path, body) in offers(true, options) {
            let answer = ask(addr, &path, body);
            assert!(answer.status == 200 && answer.whole, "{dialect}");
            let want = vec![("look".to_owned(), arguments()), ("none".to_owned(), json!({}))];
            assert_eq!(streamed(dialect, &answer), want, "{dialect} {options}");
        }
    }
}

#[test]
fn a_forced_call_needs_no_option_and_a_result_is_answered_in_words() {
    let addr = provider();
    let forced = [
        ("tool_choice", json!("required")),
        ("tool_choice", json!("required")),
        ("tool_choice", json!({"type": "any"})),
        ("toolConfig", json!({"functionCallingConfig": {"mode": "ANY"}})),
        ("toolConfig", json!(null)),
        ("tool_choice", json!("REQUIRED")),
    ];
    for ((dialect, path, mut body), (key, choice)) in offers(false, "tokens=2").into_iter().zip(forced) {
        match dialect {
            "bedrock" => body["toolConfig"]["toolChoice"] = json!({"any": {}}),
            _ => body[key] = choice,
        }
        let (called, _) = calls(dialect, &ask(addr, &path, body).json());
        assert_eq!(called.len(), 1, "{dialect}");
    }

    let said = "fifteen degrees";
    let result = [
        json!({"role": "tool", "tool_call_id": "c", "content": said}),
        json!({"type": "function_call_output", "call_id": "c", "output": said}),
        json!({"role": "user", "content": [{"type": "tool_result", "tool_use_id": "c", "content": said}]}),
        json!({"role": "user", "parts": [{"functionResponse": {"name": "look", "response": {"result": said}}}]}),
        json!({"role": "user", "content": [{"toolResult": {"toolUseId": "c", "content": [{"text": said}]}}]}),
        json!({"role": "tool", "tool_call_id": "c", "content": [{"type": "document", "document": {"data": said}}]}),
    ];
    for ((dialect, path, mut body), result) in offers(false, "tokens=1,calls=1").into_iter().zip(result) {
        let key = if dialect == "gemini" {
            "contents"
        } else if dialect == "responses" {
            "input"
        } else {
            "messages"
        };
        if let Some(list) = body[key].as_array_mut() {
            if dialect == "bedrock" {
                list.push(json!({"role": "assistant", "content": [{"toolUse": {"toolUseId": "c", "name": "look", "input": {}}}]}));
            }
            list.push(result);
        }
        let answer = ask(addr, &path, body);
        let text = String::from_utf8_lossy(&answer.body).into_owned();
        assert!(text.contains("tool said: fifteen degrees. The"), "{dialect}: {text}");
    }
}

#[test]
fn what_was_shown_is_acknowledged() {
    let addr = provider();
    let text = |body: Value| {
        let answer = ask(addr, "/v1/chat/completions", body).json();
        answer["choices"][0]["message"]["content"].as_str().unwrap_or_default().to_owned()
    };
    let image = json!({"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}});
    let messages = json!([{"role": "system", "content": "Be brief"}, {"role": "user", "content": [image, image]}]);
    assert_eq!(text(json!({"model": "m:tokens=1", "messages": messages})), "saw 2 images. The");
    let echoed = text(json!({"model": "m:tokens=1,echo-system", "messages": messages}));
    assert_eq!(echoed, "system: Be brief. saw 2 images. The");
    let asked =
        text(json!({"model": "m:tokens=1,echo-ask", "messages": [], "temperature": 0.5, "seed": 7, "top_k": 1}));
    assert_eq!(asked, "asked: temperature=0.5 seed=7. The");
    let format = json!({"type": "json_schema", "json_schema": {"name": "x", "schema": schema()}});
    assert_eq!(parsed(&text(json!({"model": "m", "messages": messages, "response_format": format}))), arguments());

    let answer = ask(
        addr,
        "/v1/chat/completions",
        json!({"model": "m:tokens=3", "messages": [], "n": 2, "logprobs": true, "top_logprobs": 2, "stop": "gate"}),
    );
    let choices = answer.json()["choices"].clone();
    assert_eq!((&choices[1]["index"], &choices[1]["message"]["content"]), (&json!(1), &json!("The ")));
    assert_eq!(choices[0]["logprobs"]["content"][0]["top_logprobs"].as_array().map(Vec::len), Some(2));
    assert_eq!(answer.json()["usage"]["completion_tokens"], 4);
}

#[test]
fn thinking_comes_first_with_its_signature() {
    let addr = provider();
    let answer = ask(
        addr,
        "/v1/messages",
        json!({"model": "m:tokens=1,reasoning=2,calls=1", "max_tokens": 9, "messages": [],
        "tools": [{"name": "look", "input_schema": schema()}]}),
    );
    let content = answer.json()["content"].clone();
    assert_eq!((&content[0]["thinking"], &content[1]["name"]), (&json!("First look"), &json!("look")));
    let again = ask(
        addr,
        "/v1/messages",
        json!({"model": "m:tokens=1", "max_tokens": 9, "messages": [
        {"role": "assistant", "content": content},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "c", "content": "ok", "is_error": true}]}]}),
    );
    assert_eq!(again.json()["content"][0]["text"], "saw 1 signature. tool said: (failed) ok. The");
    let answer = ask(addr, "/v1/responses", json!({"model": "m:tokens=1,reasoning=2", "input": "hi"}));
    let output = answer.json()["output"].clone();
    assert_eq!((&output[0]["summary"][0]["text"], &output[1]["type"]), (&json!("First look"), &json!("message")));
}
