//! Requests: what a client of this dialect says comes back when it is written in it again; what others ask for is
//! fitted to the model or named.

use serde_json::json;

use super::*;
use crate::dialect::To;
use crate::dialect::anthropic::{read_request, write_request};
use crate::dialect::common::{
    CallResult, Effort, Format, Lost, Media, Message, Part, ReasoningAsk, ReasoningText, Role, Source, Tool, ToolCall,
    ToolChoice,
};
use crate::telemetry::Face;

fn read(body: &Value) -> (Request, Vec<String>) {
    let mut lost = Lost::new(Face::Messages);
    let request = read_request(body, &mut lost).unwrap();
    (request, lost.fields().to_vec())
}

/// What is sent, and what is lost, by the names of chat completions.
fn write(request: &Request, model: &str) -> (Value, Vec<String>) {
    let mut lost = Lost::new(Face::ChatCompletions);
    let body = write_request(request, &To { kind: "anthropic", model }, &mut lost);
    (body, lost.fields().to_vec())
}

fn asking(text: &str) -> Request {
    Request { messages: vec![Message::text(Role::User, text)], ..Request::default() }
}

#[test]
fn what_is_read_is_written_again() {
    let user = |content: Value| json!({"role": "user", "content": content});
    let assistant = |content: Value| json!({"role": "assistant", "content": content});
    let text = |text: &str| json!({"type": "text", "text": text});
    let bodies = [
        json!({"model": "claude-sonnet-4-0", "max_tokens": 10, "messages": [user(json!([text("hi")]))]}),
        json!({
            "model": "claude-sonnet-4-0", "max_tokens": 4096, "system": "be brief",
            "messages": [
                user(json!([text("q")])),
                assistant(json!([
                    {"type": "thinking", "thinking": "hm", "signature": "EqkE"},
                    {"type": "redacted_thinking", "data": "EtgB"},
                    text("let me see"),
                    {"type": "tool_use", "id": "toolu_1", "name": "f", "input": {"b": 1.50, "a": []}},
                    {"type": "tool_use", "id": "toolu_2", "name": "g", "input": {}},
                ])),
                user(json!([
                    {"type": "tool_result", "tool_use_id": "toolu_1", "content": "42"},
                    {"type": "tool_result", "tool_use_id": "toolu_2", "is_error": true, "content": [
                        text("see"), {"type": "image", "source": {"type": "url", "url": "https://x/y.png"}}]},
                    text("go on"),
                ])),
            ],
            "tools": [{"name": "f", "description": "d", "input_schema": {"type": "object", "properties": {"b": {"type": "number"}}}}],
            "tool_choice": {"type": "auto", "disable_parallel_tool_use": true},
            "stop_sequences": ["END"], "thinking": {"type": "enabled", "budget_tokens": 2048},
            "metadata": {"user_id": "u"}, "service_tier": "standard_only", "stream": true
        }),
        json!({
            "model": "claude-sonnet-4-6", "max_tokens": 10, "temperature": 0.20, "top_k": 5,
            "messages": [user(json!([
                {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AA=="}},
                {"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": "AA=="}, "title": "t"},
                {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "né"}},
                text("what?"),
            ]))],
            "tools": [{"name": "f", "input_schema": {"type": "object"}}], "tool_choice": {"type": "any"},
            "output_config": {"effort": "max", "format": {"type": "json_schema",
                "schema": {"type": "object", "properties": {}, "additionalProperties": false}}}
        }),
        json!({
            "model": "claude-opus-5", "max_tokens": 10, "messages": [user(json!([text("hi")]))],
            "thinking": {"type": "adaptive", "display": "summarized"}, "output_config": {"effort": "xhigh"}
        }),
    ];
    for body in bodies {
        let (request, lost) = read(&body);
        assert_eq!(lost, Vec::<String>::new());
        let (mut again, lost) = write(&request, body["model"].as_str().unwrap());
        assert_eq!(lost, Vec::<String>::new());
        // An effort alone makes a model think that only thinks when it is asked to.
        if body.get("thinking").is_none() {
            again.as_object_mut().unwrap().shift_remove("thinking");
        }
        assert_eq!(again, body);
    }
}

#[test]
fn what_has_no_place_is_named_by_its_path_and_what_says_nothing_is_not() {
    let (request, lost) = read(&json!({
        "model": "m", "container": "c", "mcp_servers": [], "context_management": {"edits": [{}]}, "speed": "standard",
        "cache_control": {"type": "ephemeral"}, "service_tier": "auto", "stream": false, "metadata": {"user_id": null},
        "system": [{"type": "text", "text": "s", "cache_control": {"type": "ephemeral"}}],
        "messages": [
            {"role": "user", "content": [
                {"type": "text", "text": "", "cache_control": null},
                {"type": "text", "text": "q", "cache_control": {"type": "ephemeral"}},
                {"type": "document", "source": {"type": "url", "url": "u"}, "citations": {"enabled": true}, "context": null}]},
            {"role": "assistant", "content": [
                {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {}},
                {"type": "tool_use", "id": "a", "name": "f", "input": {}, "caller": {"type": "direct"}}]}],
        "tools": [{"type": "web_search_20250305", "name": "web_search"},
                  {"type": "custom", "name": "f", "input_schema": {}, "defer_loading": false, "strict": false}],
        "tool_choice": {"type": "auto"}
    }));
    assert_eq!(
        lost,
        [
            "system[0].cache_control",
            "messages[0].content[1].cache_control",
            "messages[0].content[2].citations.enabled",
            "messages[1].content[0] of type server_tool_use",
            "tools[0] of type web_search_20250305",
            "container",
            "context_management",
            "cache_control"
        ]
    );
    assert_eq!(request.messages[1].parts.len(), 2);
    assert_eq!((request.tools.len(), request.tool_choice, request.max_tokens), (1, None, None));
}

#[test]
fn a_wrong_shape_is_refused_by_its_path() {
    let user = |content: Value| json!({"messages": [{"role": "user", "content": content}]});
    for (body, field) in [
        (json!([]), "body"),
        (json!({}), "messages"),
        (json!({"messages": {}}), "messages"),
        (json!({"messages": [{"role": "tool", "content": ""}]}), "messages[0].role"),
        (json!({"messages": [{"role": "user"}]}), "messages[0].content"),
        (user(json!(1)), "messages[0].content"),
        (user(json!([1])), "messages[0].content[0]"),
        (user(json!([{"text": "x"}])), "messages[0].content[0].type"),
        (user(json!([{"type": "text"}])), "messages[0].content[0].text"),
        (user(json!([{"type": "image", "source": {"type": "base64"}}])), "messages[0].content[0].source.data"),
        (user(json!([{"type": "tool_use", "id": "a", "name": "f", "input": "{}"}])), "messages[0].content[0].input"),
        (
            user(json!([{"type": "tool_result", "tool_use_id": "a", "content": [{"type": "text"}]}])),
            "messages[0].content[0].content[0].text",
        ),
        (json!({"messages": [], "tools": [{"name": "f"}]}), "tools[0].input_schema"),
        (json!({"messages": [], "tool_choice": "auto"}), "tool_choice"),
        (json!({"messages": [], "max_tokens": "1"}), "max_tokens"),
        (json!({"messages": [], "temperature": "1"}), "temperature"),
        (json!({"messages": [], "thinking": {"type": "enabled"}}), "thinking.budget_tokens"),
        (json!({"messages": [], "output_config": {"effort": "minimal"}}), "output_config.effort"),
        (json!({"messages": [], "stop_sequences": ["a", 1]}), "stop_sequences[1]"),
    ] {
        let invalid = read_request(&body, &mut Lost::new(Face::Messages)).unwrap_err();
        assert_eq!(invalid.field, field, "{body}");
    }
}

#[test]
fn a_signature_in_an_id_comes_back_to_its_call() {
    let id = super::super::ids::with_signature("a", "c2ln");
    let (request, _) = read(&json!({"messages": [
        {"role": "assistant", "content": [{"type": "tool_use", "id": id, "name": "f", "input": {}}]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": id}]}]}));
    let Part::Call(call) = &request.messages[0].parts[0] else { panic!() };
    assert_eq!((call.id.as_str(), call.signature.as_deref()), ("a", Some("c2ln")));
    let Part::Result(result) = &request.messages[1].parts[0] else { panic!() };
    assert_eq!(result.call_id, "a");
}

#[test]
fn turns_alternate_and_begin_with_the_user_and_with_what_must_come_first() {
    let call =
        |id: &str| Part::Call(ToolCall { id: id.into(), name: "f".into(), arguments: json!({}), signature: None });
    let result = |id: &str, text: &str| {
        let parts = if text.is_empty() { vec![] } else { vec![Part::Text(text.into())] };
        Part::Result(CallResult { call_id: id.into(), name: "f".into(), parts, is_error: false })
    };
    let signed = ReasoningText { text: "hm".into(), signature: Some("s".into()), redacted: None };
    let unsigned = ReasoningText { text: "hm".into(), ..ReasoningText::default() };
    let request = Request {
        messages: vec![
            Message::text(Role::System, "one"),
            Message::text(Role::Assistant, "hello"),
            Message::text(Role::User, " \n"),
            Message::new(Role::Assistant, vec![Part::Text("a".into()), Part::Reasoning(signed), call("x:0")]),
            Message::new(Role::Assistant, vec![call(""), Part::Reasoning(unsigned)]),
            Message::text(Role::User, "wait"),
            Message::text(Role::System, "two"),
            Message::new(Role::User, vec![result("x:0", "1")]),
            Message::new(Role::User, vec![result("", "")]),
            Message::text(Role::Assistant, "so \n"),
        ],
        ..Request::default()
    };
    let (body, lost) = write(&request, "claude-sonnet-4-0");
    assert_eq!(lost, ["messages[].reasoning_content"]);
    assert_eq!(body["system"], json!("one\n\ntwo"));
    let nameless = "toolu_unnamed00";
    assert_eq!(
        body["messages"],
        json!([
            {"role": "user", "content": [{"type": "text", "text": "."}]},
            {"role": "assistant", "content": [
                {"type": "thinking", "thinking": "hm", "signature": "s"},
                {"type": "text", "text": "hello"}, {"type": "text", "text": "a"},
                {"type": "tool_use", "id": "x_0", "name": "f", "input": {}},
                {"type": "tool_use", "id": nameless, "name": "f", "input": {}}]},
            {"role": "user", "content": [
                {"type": "tool_result", "tool_use_id": "x_0", "content": "1"},
                {"type": "tool_result", "tool_use_id": nameless, "content": ""},
                {"type": "text", "text": "wait"}]},
            {"role": "assistant", "content": [{"type": "text", "text": "so"}]},
        ])
    );
    assert_eq!(body["max_tokens"], json!(64_000));
}

#[test]
fn media_of_other_stores_and_kinds_are_named() {
    let media = |source, media_type: &str| Media { source, media_type: media_type.into(), name: None, detail: None };
    let data = || Source::Base64("AA==".into());
    for (part, lost) in [
        (Part::Image(media(data(), "image/png")), None),
        (Part::Image(media(Source::Id("file-1".into()), "")), Some("messages[].content[].image_url")),
        (Part::File(media(data(), "application/pdf")), None),
        (Part::File(media(data(), "application/zip")), Some("messages[].content[].file")),
        (Part::Audio(media(data(), "audio/wav")), Some("messages[].content[].input_audio")),
    ] {
        let request = Request { messages: vec![Message::new(Role::User, vec![part])], ..Request::default() };
        assert_eq!(write(&request, "claude-opus-5").1, lost.as_slice());
    }
}

#[test]
fn settings_are_fitted_to_the_model_or_named() {
    let set = |change: fn(&mut Request)| {
        let mut request = asking("q");
        change(&mut request);
        request
    };
    let none: &[&str] = &[];
    let cases: &[(Request, &str, Value, &[&str])] = &[
        (set(|r| r.temperature = Some(json!(1.5))), "claude-sonnet-4-0", json!({}), &["temperature"]),
        (set(|r| r.temperature = Some(json!(0.5))), "claude-opus-5", json!({}), &["temperature"]),
        (set(|r| (r.temperature, r.top_p) = (Some(json!(1)), Some(json!(1.0)))), "claude-opus-5", json!({}), none),
        (
            set(|r| (r.temperature, r.top_p) = (Some(json!(0.5)), Some(json!(0.9)))),
            "claude-sonnet-4-5",
            json!({"temperature": 0.5}),
            &["top_p"],
        ),
        (set(|r| r.stop = vec!["\n".into(), "x".into()]), "claude-opus-5", json!({"stop_sequences": ["x"]}), &["stop"]),
        (
            set(|r| {
                (r.seed, r.choices, r.logprobs) = (Some(json!(1)), Some(2), Some(0));
                (r.presence_penalty, r.frequency_penalty) = (Some(json!(0)), Some(json!(0.5)));
                (r.logit_bias, r.service_tier) = (Some(json!({})), Some("flex".into()));
            }),
            "claude-opus-5",
            json!({}),
            &["service_tier", "frequency_penalty", "seed", "n", "logprobs"],
        ),
        (set(|r| r.tool_choice = Some(ToolChoice::Required)), "claude-opus-5", json!({}), &["tool_choice"]),
    ];
    for (request, model, wanted, lost) in cases {
        let (mut body, named) = write(request, model);
        assert_eq!(named, *lost);
        for member in ["model", "messages", "max_tokens"] {
            body.as_object_mut().unwrap().shift_remove(member);
        }
        assert_eq!(body, *wanted);
    }
}

#[test]
fn thinking_is_asked_for_in_the_model_s_own_way() {
    let enabled = |budget: u64| json!({"type": "enabled", "budget_tokens": budget});
    let adaptive = json!({"type": "adaptive"});
    let absent = Value::Null;
    let lost: &[&str] = &["reasoning_effort"];
    let none: &[&str] = &[];
    for (effort, max_tokens, model, thinking, wanted_effort, named) in [
        (Effort::Medium, None, "claude-sonnet-4-5", enabled(8192), absent.clone(), none),
        (Effort::High, Some(4000), "claude-sonnet-4-5", enabled(3000), absent.clone(), none),
        (Effort::High, Some(1100), "claude-sonnet-4-5", enabled(1024), absent.clone(), none),
        (Effort::High, Some(1024), "claude-sonnet-4-5", absent.clone(), absent.clone(), lost),
        (Effort::None, None, "claude-sonnet-4-5", absent.clone(), absent.clone(), none),
        (Effort::Low, None, "claude-3-5-haiku", absent.clone(), absent.clone(), lost),
        (Effort::Minimal, None, "claude-opus-4-7", adaptive.clone(), json!("low"), none),
        (Effort::XHigh, None, "claude-opus-4-6", adaptive.clone(), json!("high"), none),
        (Effort::XHigh, None, "claude-opus-5", adaptive.clone(), json!("xhigh"), none),
        (Effort::None, None, "claude-opus-4-8", absent.clone(), absent.clone(), none),
        (Effort::None, None, "claude-opus-5", json!({"type": "disabled"}), absent.clone(), none),
        (Effort::None, None, "claude-sonnet-5-5", json!({"type": "between_tools"}), absent.clone(), none),
        (Effort::None, None, "claude-opus-5-5", absent.clone(), json!("low"), lost),
    ] {
        let reasoning = Some(ReasoningAsk { effort: Some(effort), ..ReasoningAsk::default() });
        let (body, got) = write(&Request { reasoning, max_tokens, ..asking("q") }, model);
        assert_eq!(body.get("thinking").unwrap_or(&absent), &thinking, "{model} {effort:?}");
        assert_eq!(body["output_config"]["effort"], wanted_effort, "{model} {effort:?}");
        assert_eq!(got, named, "{model} {effort:?}");
    }
}

#[test]
fn a_turn_that_lost_its_thinking_goes_on_without_it() {
    let call = ToolCall { id: "a".into(), name: "f".into(), arguments: json!({}), signature: None };
    let result = CallResult { call_id: "a".into(), name: "f".into(), parts: vec![], is_error: false };
    let thought = ReasoningText { text: "hm".into(), signature: Some("s".into()), redacted: None };
    for (thought, switched) in [(None, false), (Some(thought), true)] {
        let mut parts: Vec<Part> = thought.map(Part::Reasoning).into_iter().collect();
        parts.push(Part::Call(call.clone()));
        let mut request = asking("q");
        request.messages.push(Message::new(Role::Assistant, parts));
        request.messages.push(Message::new(Role::User, vec![Part::Result(result.clone())]));
        request.reasoning = Some(ReasoningAsk { effort: Some(Effort::Low), ..ReasoningAsk::default() });
        let (body, lost) = write(&request, "claude-sonnet-4-5");
        assert_eq!((body.get("thinking").is_some(), lost.is_empty()), (switched, true));
    }
}

#[test]
fn a_format_is_native_or_a_tool_that_must_be_called() {
    let schema = |schema: Value| Some(Format::Schema { name: None, description: None, schema, strict: Some(true) });
    let names = json!({"type": "object", "properties": {"a": {"type": "string"}}});
    let map = json!({"type": "object", "additionalProperties": {"type": "string"}});
    let tool = Tool { name: "f".into(), description: None, parameters: None, strict: None };
    let forced = json!({"type": "tool", "name": "answer_as_json", "disable_parallel_tool_use": true});
    let any = json!({"type": "any", "disable_parallel_tool_use": true});
    for (format, tools, model, native, choice, lost) in [
        (schema(names.clone()), vec![], "claude-opus-4-6", true, Value::Null, false),
        (schema(names.clone()), vec![tool.clone()], "claude-opus-5", true, Value::Null, false),
        (schema(names), vec![], "claude-sonnet-4-0", false, forced.clone(), false),
        (schema(map.clone()), vec![tool], "claude-opus-4-6", false, any, false),
        (schema(map), vec![], "claude-opus-5-5", false, Value::Null, true),
        (Some(Format::Json), vec![], "claude-opus-4-6", false, forced, false),
    ] {
        let given = tools.len();
        let (body, named) = write(&Request { format, tools, ..asking("q") }, model);
        let is_tool = !native && !lost;
        assert_eq!(body["output_config"]["format"]["type"] == "json_schema", native, "{body}");
        assert_eq!(body["tools"].as_array().map_or(0, Vec::len), given + usize::from(is_tool), "{body}");
        assert_eq!(body["tool_choice"], choice, "{body}");
        assert_eq!(named.contains(&"response_format".to_owned()), lost);
    }
}

#[test]
fn tools_take_objects_and_are_strict_where_the_model_can() {
    let tool = Tool {
        name: "f".into(),
        description: Some("d".into()),
        parameters: Some(json!({"properties": {"a": {"type": "string"}}})),
        strict: Some(true),
    };
    let bare = Tool { name: "g".into(), description: None, parameters: None, strict: None };
    let request = Request { tools: vec![tool, bare], ..asking("q") };
    let closed = json!({"properties": {"a": {"type": "string"}}, "type": "object", "additionalProperties": false});
    let open = json!({"properties": {"a": {"type": "string"}}, "type": "object"});
    let g = json!({"name": "g", "input_schema": {"type": "object", "properties": {}}});
    let (body, lost) = write(&request, "claude-opus-5");
    let strict = json!({"name": "f", "description": "d", "strict": true, "input_schema": closed});
    assert_eq!((&body["tools"], lost.is_empty()), (&json!([strict, g]), true));
    let (body, lost) = write(&request, "claude-sonnet-4-0");
    let loose = json!({"name": "f", "description": "d", "input_schema": open});
    assert_eq!((&body["tools"], lost), (&json!([loose, g]), vec!["strict".to_owned()]));
}
