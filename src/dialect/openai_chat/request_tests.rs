//! What clients ask for and what providers get: read, and written again for each kind.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::{completions, read_request, write_request};
use crate::dialect::To;
use crate::dialect::common::{
    CallResult, Effort, Field, Format, Lost, Media, Message, Part, ReasoningAsk, ReasoningText, Request, Role, Source,
    Tool, ToolCall, ToolChoice,
};
use crate::telemetry::Face;

fn read(body: &Value) -> (Request, Vec<String>) {
    let mut lost = Lost::new(Face::ChatCompletions);
    let mut request = read_request(body, &mut lost).unwrap_or_else(|invalid| panic!("{body}: {invalid}"));
    request.name_results();
    (request, lost.fields().to_vec())
}

/// The fields are named as a client of messages names them.
fn write(request: &Request, kind: &str, model: &str) -> (Value, Vec<String>) {
    let mut lost = Lost::new(Face::Messages);
    let body = write_request(request, &To { kind, model }, &mut lost);
    (body, lost.fields().to_vec())
}

fn with(member: &str, value: Value) -> Value {
    let mut body = json!({"model": "m", "messages": [{"role": "user", "content": "Hi"}]});
    body[member] = value;
    body
}

/// A number as a caller spelled it.
fn spelled(number: &str) -> Value {
    serde_json::from_str(number).unwrap()
}

#[test]
fn a_body_survives_reading_and_writing() {
    let tool = json!({"type": "function", "function": {"name": "f", "description": "d",
        "parameters": {"type": "object", "properties": {"z": {}, "a": {"maximum": 1.0}}}, "strict": true}});
    let body = json!({
        "model": "gpt-4o",
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": [
                {"type": "text", "text": "Look"},
                {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA", "detail": "low"}},
                {"type": "image_url", "image_url": {"url": "https://example.com/a.jpg"}},
                {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "mp3"}},
                {"type": "file", "file": {"file_data": "data:application/pdf;base64,AAAA", "filename": "a.pdf"}},
                {"type": "file", "file": {"file_id": "file-1"}},
            ]},
            {"role": "assistant", "content": null, "tool_calls": [
                {"id": "call_1", "type": "function", "function": {"name": "f", "arguments": "{\"b\":1.50,\"a\":[]}"}},
                {"id": "call_2", "type": "function", "function": {"name": "f", "arguments": "{}"}},
            ]},
            {"role": "tool", "tool_call_id": "call_1", "content": "one"},
            {"role": "tool", "tool_call_id": "call_2", "content": "two"},
            {"role": "user", "content": "And?"},
            {"role": "assistant", "content": "", "refusal": "No."},
            {"role": "user", "content": "Please."},
        ],
        "tools": [tool],
        "tool_choice": {"type": "function", "function": {"name": "f"}},
        "parallel_tool_calls": false,
        "max_tokens": 100, "temperature": spelled("0.70"), "top_p": 1, "presence_penalty": 0.5, "frequency_penalty": -0.5,
        "seed": 12345678901234567890_u64, "stop": ["a", "b"], "n": 2, "logit_bias": {"50256": -100},
        "logprobs": true, "top_logprobs": 3,
        "response_format": {"type": "json_schema", "json_schema": {"name": "s", "schema": {"type": "object"}, "strict": true}},
        "user": "u", "service_tier": "flex",
        "stream": true, "stream_options": {"include_usage": true},
    });
    let (request, lost) = read(&body);
    assert!(lost.is_empty(), "{lost:?}");
    let mut expected = body.clone();
    // Nothing and null are one where an assistant refused.
    expected["messages"][6]["content"] = Value::Null;
    let (written, lost) = write(&request, "openai", "gpt-4o");
    assert!(lost.is_empty(), "{lost:?}");
    assert_eq!(written, expected);
    let spelled = written.to_string();
    assert!(spelled.contains("\"temperature\":0.70") && spelled.contains("\\\"b\\\":1.50"), "{spelled}");
    assert_eq!(read(&written).0, request);
}

#[test]
fn members_are_read_into_the_common_request() {
    let format = |value: Value| read(&with("response_format", value)).0.format;
    assert_eq!(format(json!({"type": "text"})), None);
    assert_eq!(format(json!({"type": "json_object"})), Some(Format::Json));
    for (member, value, expected) in [
        ("max_completion_tokens", json!(5), Request { max_tokens: Some(5), ..Request::default() }),
        ("stop", json!("x"), Request { stop: vec!["x".into()], ..Request::default() }),
        ("top_k", json!(40), Request { top_k: Some(40), ..Request::default() }),
        ("logprobs", json!(true), Request { logprobs: Some(0), ..Request::default() }),
        ("safety_identifier", json!("u"), Request { user: Some("u".into()), ..Request::default() }),
        ("stream_options", json!({"include_usage": true}), Request { stream_usage: true, ..Request::default() }),
        (
            "functions",
            json!([{"name": "f"}]),
            Request {
                tools: vec![Tool { name: "f".into(), description: None, parameters: None, strict: None }],
                ..Request::default()
            },
        ),
        (
            "function_call",
            json!({"name": "f"}),
            Request { tool_choice: Some(ToolChoice::Named("f".into())), ..Request::default() },
        ),
    ] {
        let (mut request, lost) = read(&with(member, value));
        request.messages.clear();
        assert_eq!((request, lost), (expected, vec![]), "{member}");
    }
    for (member, value, expected) in [
        ("reasoning_effort", json!("xhigh"), ReasoningAsk { effort: Some(Effort::XHigh), ..Default::default() }),
        (
            "reasoning",
            json!({"max_tokens": 2000, "exclude": true}),
            ReasoningAsk { budget_tokens: Some(2000), show: Some(false), ..Default::default() },
        ),
        ("reasoning", json!({"enabled": true}), ReasoningAsk { effort: Some(Effort::Medium), ..Default::default() }),
        (
            "thinking",
            json!({"type": "enabled", "budget_tokens": 5}),
            ReasoningAsk { budget_tokens: Some(5), ..Default::default() },
        ),
        ("thinking", json!({"type": "disabled"}), ReasoningAsk { effort: Some(Effort::None), ..Default::default() }),
    ] {
        assert_eq!(read(&with(member, value.clone())).0.reasoning, Some(expected), "{member} {value}");
    }
}

#[test]
fn what_is_meant_anyway_is_not_lost_and_what_nobody_knows_is() {
    for (member, value) in [
        ("n", json!(1)),
        ("presence_penalty", json!(0)),
        ("frequency_penalty", json!(0.0)),
        ("logit_bias", json!({})),
        ("logprobs", json!(false)),
        ("top_logprobs", json!(0)),
        ("parallel_tool_calls", json!(true)),
        ("tool_choice", json!("auto")),
        ("tool_choice", json!("none")),
        ("service_tier", json!("auto")),
        ("store", json!(false)),
        ("modalities", json!(["text"])),
        ("verbosity", json!("medium")),
        ("metadata", json!({})),
        ("reasoning", json!({})),
        ("tools", json!([])),
        ("stop", json!([])),
        ("anything", Value::Null),
        ("stop", Value::Null),
    ] {
        let plain = read(&with("model", json!("m")));
        assert_eq!(read(&with(member, value)), plain, "{member}");
    }
    for (member, value, lost) in [
        ("store", json!(true), "store"),
        ("audio", json!({"voice": "a"}), "audio"),
        ("web_search_options", json!({}), "web_search_options"),
        ("prediction", json!({"type": "content"}), "prediction"),
        ("stream_options", json!({"x": 1}), "stream_options.x"),
        ("tools", json!([{"type": "custom", "custom": {"name": "f"}}]), "tools[0] of type custom"),
        ("tool_choice", json!({"type": "allowed_tools"}), "tool_choice of type allowed_tools"),
        ("messages", json!([{"role": "user", "content": "Hi", "name": "Bob"}]), "messages[0].name"),
        (
            "messages",
            json!([{"role": "user", "content": [{"type": "text", "text": "Hi", "cache_control": {}}]}]),
            "messages[0].content[0].cache_control",
        ),
    ] {
        assert_eq!(read(&with(member, value)).1, [lost], "{member}");
    }
}

#[test]
fn a_wrong_shape_is_named_where_it_stands() {
    let message = |message: Value| with("messages", json!([message]));
    let calls = |arguments: Value| {
        message(
            json!({"role": "assistant", "tool_calls": [{"id": "a", "function": {"name": "f", "arguments": arguments}}]}),
        )
    };
    for (body, field) in [
        (json!([]), "body"),
        (json!({}), "messages"),
        (with("messages", json!([])), "messages"),
        (with("messages", json!(["x"])), "messages[0]"),
        (message(json!({"content": "x"})), "messages[0].role"),
        (message(json!({"role": "owner", "content": "x"})), "messages[0].role"),
        (message(json!({"role": "user"})), "messages[0].content"),
        (message(json!({"role": "user", "content": 1})), "messages[0].content"),
        (message(json!({"role": "user", "content": [{"type": "video"}]})), "messages[0].content[0].type"),
        (message(json!({"role": "user", "content": [{"type": "text"}]})), "messages[0].content[0].text"),
        (
            message(json!({"role": "user", "content": [{"type": "image_url", "image_url": {"url": "ftp://x"}}]})),
            "messages[0].content[0].image_url.url",
        ),
        (message(json!({"role": "system", "content": [{"type": "image_url"}]})), "messages[0].content[0].type"),
        (message(json!({"role": "assistant"})), "messages[0].content"),
        (message(json!({"role": "tool", "content": "x"})), "messages[0].tool_call_id"),
        (calls(json!("[]")), "messages[0].tool_calls[0].function.arguments"),
        (calls(json!("{\"a\":")), "messages[0].tool_calls[0].function.arguments"),
        (calls(json!(1)), "messages[0].tool_calls[0].function.arguments"),
        (with("temperature", json!("hot")), "temperature"),
        (with("max_tokens", json!(0)), "max_tokens"),
        (with("max_completion_tokens", json!(-1)), "max_completion_tokens"),
        (with("n", json!(1000)), "n"),
        (with("stop", json!([1])), "stop[0]"),
        (with("top_logprobs", json!(2)), "top_logprobs"),
        (with("stream", json!("yes")), "stream"),
        (with("tools", json!([{"type": "function", "function": {}}])), "tools[0].function.name"),
        (with("tool_choice", json!("any")), "tool_choice"),
        (with("response_format", json!({"type": "xml"})), "response_format.type"),
        (with("reasoning_effort", json!("huge")), "reasoning_effort"),
    ] {
        let invalid = read_request(&body, &mut Lost::new(Face::ChatCompletions)).unwrap_err();
        assert_eq!(invalid.field, field, "{body}: {invalid}");
    }
}

#[test]
fn what_an_assistant_thought_comes_back_whole() {
    let (request, lost) = read(&with(
        "messages",
        json!([{"role": "assistant", "content": "Hi", "reasoning_content": "Hm", "annotations": [], "audio": null,
            "thinking_blocks": [{"index": 0, "type": "thinking", "thinking": "Hm", "signature": "sig"},
                {"index": 1, "type": "redacted_thinking", "data": "enc"}],
            "tool_calls": [{"index": 0, "id": "a", "type": "function", "function": {"name": "f", "arguments": ""},
                "extra_content": {"google": {"thought_signature": "ts"}}}]}]),
    ));
    assert!(lost.is_empty(), "{lost:?}");
    let thought = |text: &str, signature: Option<&str>, redacted: Option<&str>| {
        let [signature, redacted] = [signature, redacted].map(|text| text.map(str::to_owned));
        Part::Reasoning(ReasoningText { text: text.into(), signature, redacted })
    };
    assert_eq!(
        request.messages[0].parts,
        [
            thought("Hm", Some("sig"), None),
            thought("", None, Some("enc")),
            Part::Text("Hi".into()),
            Part::Call(ToolCall {
                id: "a".into(),
                name: "f".into(),
                arguments: json!({}),
                signature: Some("ts".into())
            }),
        ]
    );
    let (request, _) = read(&with("messages", json!([{"role": "assistant", "content": "Hi", "reasoning": "Hm"}])));
    assert_eq!(request.messages[0].parts[0], thought("Hm", None, None));
    let item = json!({"type": "reasoning.encrypted", "data": "x", "id": "rs_1"});
    let (request, _) =
        read(&with("messages", json!([{"role": "assistant", "content": "Hi", "reasoning_details": [item]}])));
    let (body, _) = write(&request, "openrouter", "openai/o3");
    assert_eq!(body["messages"][0]["reasoning_details"], json!([item]), "as it came");
}

#[test]
fn functions_from_before_there_were_tools_are_tools() {
    let (request, lost) = read(&with(
        "messages",
        json!([
            {"role": "assistant", "content": null, "function_call": {"name": "f", "arguments": "{}"}},
            {"role": "function", "name": "f", "content": "1"},
        ]),
    ));
    assert!(lost.is_empty());
    let (body, _) = write(&request, "groq", "m");
    let (messages, id) = (&body["messages"], "call_function1");
    assert_eq!((&messages[0]["tool_calls"][0]["id"], &messages[1]["tool_call_id"]), (&json!(id), &json!(id)));
}

/// A turn with everything in it, as another face may have read it.
fn turn() -> Vec<Message> {
    let thought = ReasoningText { text: "Hm".into(), signature: Some("sig".into()), redacted: None };
    let call = ToolCall { id: "toolu_01ABC".into(), name: "f".into(), arguments: json!({"a": 1}), signature: None };
    let result = CallResult {
        call_id: "toolu_01ABC".into(),
        name: "f".into(),
        parts: vec![Part::Text("failed".into())],
        is_error: true,
    };
    vec![
        Message::new(Role::System, vec![Part::Text("a".into()), Part::Text("b".into())]),
        Message::text(Role::User, "Go"),
        Message::new(Role::Assistant, vec![Part::Reasoning(thought), Part::Call(call)]),
        Message::new(Role::User, vec![Part::Text("Well?".into()), Part::Result(result)]),
    ]
}

#[test]
fn each_provider_gets_its_own_spelling() {
    let mut request = Request {
        messages: turn(),
        tools: vec![Tool { name: "f".into(), description: None, parameters: None, strict: None }],
        tool_choice: Some(ToolChoice::Required),
        max_tokens: Some(9),
        seed: Some(json!(7)),
        temperature: Some(json!(1.0)),
        stream: true,
        ..Request::default()
    };
    let (body, lost) = write(&request, "openai", "gpt-5-mini");
    assert!(lost.is_empty(), "{lost:?}");
    assert_eq!(
        body,
        json!({
            "model": "gpt-5-mini",
            "messages": [
                {"role": "developer", "content": "a\n\nb"},
                {"role": "user", "content": "Go"},
                {"role": "assistant", "content": null, "tool_calls": [{"id": "toolu_01ABC", "type": "function",
                    "function": {"name": "f", "arguments": "{\"a\":1}"}}]},
                {"role": "tool", "tool_call_id": "toolu_01ABC", "content": "Error: failed"},
                {"role": "user", "content": [{"type": "text", "text": "Well?"}]},
            ],
            "tools": [{"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {}}}}],
            "tool_choice": "required", "max_completion_tokens": 9, "seed": 7,
            "stream": true, "stream_options": {"include_usage": true},
        })
    );
    let (body, lost) = write(&request, "mistral-ai", "mistral-large");
    assert!(lost.is_empty(), "{lost:?}");
    let id = body["messages"][2]["tool_calls"][0]["id"].as_str().unwrap();
    assert!(id.len() == 9 && id.bytes().all(|byte| byte.is_ascii_alphanumeric()), "{id}");
    assert_eq!(body["messages"][3]["tool_call_id"], id);
    assert_eq!((&body["messages"][0]["role"], &body["tool_choice"]), (&json!("system"), &json!("any")));
    assert_eq!((&body["random_seed"], &body["seed"]), (&json!(7), &Value::Null));
    assert_eq!((&body["max_tokens"], &body["stream_options"]), (&json!(9), &Value::Null));
    // DeepSeek wants the thought back while the model works on what was asked; something else was asked since.
    request.messages[3].parts.remove(0);
    let (body, _) = write(&request, "deepseek", "deepseek-chat");
    assert_eq!(body["messages"][2]["reasoning_content"], "Hm");
    request.messages.push(Message::text(Role::User, "And now?"));
    let (body, _) = write(&request, "deepseek", "deepseek-chat");
    assert_eq!(body["messages"][2]["reasoning_content"], Value::Null);
    let (body, _) = write(&request, "openrouter", "anthropic/claude-sonnet-4");
    assert_eq!(
        body["messages"][2]["reasoning_details"],
        json!([{"type": "reasoning.text", "text": "Hm", "signature": "sig", "format": "anthropic-claude-v1"}])
    );
    let (_, lost) = write(&request, "perplexity-ai", "sonar");
    assert_eq!(lost, ["seed", "tools"].map(str::to_owned).iter().rev().cloned().collect::<Vec<_>>());
    let (body, lost) = write(&request, "ollama", "llama3");
    assert_eq!((lost, &body["tool_choice"]), (vec!["tool_choice".to_owned()], &Value::Null));
    request.tool_choice = Some(ToolChoice::None);
    let (body, lost) = write(&request, "ollama", "llama3");
    assert_eq!((lost, &body["tools"]), (vec![], &Value::Null), "no tool can be called that is not there");
}

#[test]
fn what_a_provider_has_no_place_for_is_named() {
    let image =
        |source: Source| Part::Image(Media { source, media_type: "image/png".into(), name: None, detail: None });
    let base64 = || Source::Base64("AAAA".into());
    let asking = |part: Part| Request { messages: vec![Message::new(Role::User, vec![part])], ..Request::default() };
    let result = |part: Part| {
        asking(Part::Result(CallResult {
            call_id: "a".into(),
            name: String::new(),
            parts: vec![part],
            is_error: false,
        }))
    };
    let schema = Format::Schema { name: None, description: None, schema: json!({}), strict: None };
    let effort = |effort| Some(ReasoningAsk { effort: Some(effort), ..ReasoningAsk::default() });
    let file = |source, media_type: &str| {
        asking(Part::File(Media { source, media_type: media_type.into(), name: None, detail: None }))
    };
    for (kind, model, request, lost) in [
        ("openai", "gpt-4o", Request { top_k: Some(5), ..Request::default() }, Some(Field::TopK)),
        ("self-hosted-model", "m", Request { top_k: Some(5), ..Request::default() }, None),
        ("openai", "o3", Request { temperature: Some(json!(0.5)), ..Request::default() }, Some(Field::Temperature)),
        ("openai", "o3", Request { temperature: Some(json!(1)), ..Request::default() }, None),
        ("openai", "gpt-5.1", Request { temperature: Some(json!(0.5)), ..Request::default() }, None),
        ("openai", "gpt-4o", Request { stop: vec!["a".into(); 5], ..Request::default() }, Some(Field::Stop)),
        ("openai", "gpt-4o", Request { reasoning: effort(Effort::High), ..Request::default() }, Some(Field::Reasoning)),
        ("openai", "gpt-4o", Request { reasoning: effort(Effort::None), ..Request::default() }, None),
        ("groq", "m", Request { logprobs: Some(0), ..Request::default() }, Some(Field::Logprobs)),
        ("mistral-ai", "m", Request { user: Some("u".into()), ..Request::default() }, Some(Field::User)),
        ("deepseek", "m", Request { format: Some(schema), ..Request::default() }, Some(Field::Format)),
        ("deepseek", "m", asking(image(base64())), Some(Field::Image)),
        ("openai", "gpt-4o", asking(image(Source::Id("file_1".into()))), Some(Field::Image)),
        ("ollama", "m", asking(image(Source::Url("https://a/b".into()))), Some(Field::Image)),
        ("ollama", "m", asking(image(base64())), None),
        ("openai", "gpt-4o", result(image(base64())), Some(Field::Image)),
        ("groq", "m", file(base64(), "application/pdf"), Some(Field::File)),
        ("groq", "m", file(Source::Base64("SGk=".into()), "text/plain"), None),
        ("openai", "gpt-4o", file(Source::Url("https://a/b.pdf".into()), ""), Some(Field::File)),
        ("openrouter", "m", file(Source::Url("https://a/b.pdf".into()), ""), None),
    ] {
        let expected: Vec<String> = lost.map(|field| field.name(Face::Messages).to_owned()).into_iter().collect();
        assert_eq!(write(&request, kind, model).1, expected, "{kind} {model} {request:?}");
    }
}

#[test]
fn tiers_are_told_in_the_words_of_the_provider() {
    for (kind, asked, told, lost) in [
        ("openai", "flex", json!("flex"), false),
        ("openai", "standard_only", json!("default"), false),
        ("openai", "on_demand", Value::Null, true),
        ("groq", "default", json!("on_demand"), false),
        ("groq", "performance", json!("performance"), false),
        ("groq", "priority", Value::Null, true),
        ("mistral-ai", "default", Value::Null, false),
        ("mistral-ai", "priority", Value::Null, true),
    ] {
        let request = Request { service_tier: Some(asked.into()), ..Request::default() };
        let (body, fields) = write(&request, kind, "m");
        assert_eq!((&body["service_tier"], fields.len() == 1), (&told, lost), "{kind} {asked}");
    }
}

#[test]
fn a_prompt_is_one_user_message() {
    let read = |body: &Value| {
        let mut lost = Lost::new(Face::Completions);
        completions::read_request(body, &mut lost).map(|request| (request, lost.fields().to_vec()))
    };
    let (request, lost) =
        read(&json!({"model": "m", "prompt": ["Hi"], "echo": false, "suffix": "", "best_of": 1, "stop": "x"})).unwrap();
    assert_eq!(request.messages, [Message::text(Role::User, "Hi")]);
    assert_eq!((request.max_tokens, request.stop, lost), (Some(16), vec!["x".to_owned()], vec![]));
    let (request, lost) = read(&json!({"prompt": "Hi", "max_tokens": 5, "echo": true, "logprobs": 2})).unwrap();
    assert_eq!((request.max_tokens, lost), (Some(5), vec!["echo".to_owned(), "logprobs".to_owned()]));
    for prompt in [json!(["a", "b"]), json!([1, 2]), json!([[1]]), json!([]), json!(null), json!(7)] {
        assert_eq!(read(&json!({"prompt": prompt})).unwrap_err().field, "prompt", "{prompt}");
    }
}

/// Any JSON in the place of a member, of a message, of a part.
fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        "[a-z]{0,4}|text|user|assistant|tool|function|image_url|data:,|\\{\\}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        let names = "role|content|type|text|tool_calls|function|name|arguments|id|thinking_blocks|image_url|url|[a-z]";
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::hash_map(names, inner, 0..5)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

const MEMBERS: [&str; 12] = [
    "messages",
    "tools",
    "tool_choice",
    "response_format",
    "stream_options",
    "stop",
    "reasoning",
    "thinking",
    "logit_bias",
    "functions",
    "n",
    "modalities",
];

proptest! {
    #[test]
    fn no_json_makes_the_reader_panic(
        at in 0..MEMBERS.len(), value in any_json(), parts in prop::collection::vec(any_json(), 0..4),
    ) {
        let mut lost = Lost::new(Face::ChatCompletions);
        let _ = read_request(&value, &mut lost);
        let _ = completions::read_request(&value, &mut lost);
        let _ = read_request(&with(MEMBERS[at], value), &mut lost);
        for role in ["user", "assistant", "tool"] {
            let message = json!([{"role": role, "tool_call_id": "a", "content": parts, "tool_calls": parts}]);
            if let Ok(request) = read_request(&with("messages", message), &mut lost) {
                write(&request, "mistral-ai", "m");
            }
        }
    }
}
