//! Requests: what is read of a client's body, what is lost by name, what is wrong, and what a provider gets.

use serde_json::json;

use super::*;
use crate::dialect::To;
use crate::dialect::common::{
    CallResult, Effort, Format, Invalid, Lost, Media, Message, Part, ReasoningAsk, ReasoningText, Role, Source, Tool,
    ToolCall, ToolChoice,
};
use crate::dialect::openai_responses::{read_request, write_request};
use crate::telemetry::Face;

fn read(body: &Value) -> (Result<Request, Invalid>, Vec<String>) {
    let mut lost = Lost::new(Face::Responses);
    (read_request(body, &mut lost), lost.fields().to_vec())
}

fn read_whole(body: &Value) -> Request {
    let (request, lost) = read(body);
    assert!(lost.is_empty(), "{lost:?}");
    request.unwrap()
}

fn write(request: &Request, kind: &str) -> (Value, Vec<String>) {
    let mut lost = Lost::new(Face::Responses);
    (write_request(request, &To { kind, model: "m" }, &mut lost), lost.fields().to_vec())
}

/// A request read, written and read again is the same.
pub(super) fn round(body: &Value, kind: &str) {
    let request = read(body).0.unwrap_or_else(|error| panic!("{error}: {body}"));
    let (written, lost) = write(&request, kind);
    assert!(lost.is_empty(), "{lost:?}: {body}");
    let (mut again, lost) = read(&written);
    assert!(lost.is_empty(), "{lost:?}: {written}");
    if let Ok(again) = &mut again {
        // What nobody asked for is said to the provider.
        for (tool, original) in again.tools.iter_mut().zip(&request.tools) {
            tool.strict = tool.strict.filter(|strict| *strict || original.strict.is_some());
        }
    }
    assert_eq!(again, Ok(request), "{written}");
}

fn media(source: Source, media_type: &str) -> Media {
    Media { source, media_type: media_type.into(), name: None, detail: None }
}

#[test]
fn items_become_messages() {
    let request = read_whole(&json!({
        "model": "m",
        "instructions": "Be brief.",
        "input": [
            {"role": "developer", "content": "Be kind."},
            {"type": "message", "role": "user", "content": [
                {"type": "input_text", "text": "See"},
                {"type": "input_image", "image_url": "data:image/png;base64,iVBO", "detail": "low"},
                {"type": "input_image", "image_url": "https://x.test/a.png", "detail": "auto"},
                {"type": "input_image", "file_id": "file-1"},
                {"type": "input_file", "filename": "a.pdf", "file_data": "data:application/pdf;base64,JVBE"},
                {"type": "input_file", "file_url": "https://x.test/b.pdf"},
                {"type": "input_audio", "input_audio": {"data": "UklG", "format": "wav"}},
            ]},
            {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "Hm"}],
             "encrypted_content": "gAAA"},
            {"type": "message", "id": "msg_1", "status": "completed", "role": "assistant", "content": [
                {"type": "output_text", "text": "I look", "annotations": []}, {"type": "refusal", "refusal": "no"}]},
            {"type": "reasoning", "summary": [], "encrypted_content": "sluice:call:Z2Vt"},
            {"type": "function_call", "id": "fc_1", "call_id": "c1", "name": "f", "arguments": "{\"b\":1,\"a\":1.50}"},
            {"type": "function_call", "call_id": "c2", "name": "g", "arguments": ""},
            {"type": "function_call_output", "call_id": "c1", "output": "21"},
            {"type": "function_call_output", "call_id": "c2", "output": [{"type": "input_text", "text": "x"}]},
            {"type": "reasoning", "summary": [], "encrypted_content": "sluice:redacted:aGlk"},
            {"role": "user", "content": "And?"},
        ],
    }));
    let text = |text: &str| Part::Text(text.into());
    let call = |id: &str, name: &str, arguments: &str, signature: Option<&str>| {
        Part::Call(ToolCall {
            id: id.into(),
            name: name.into(),
            arguments: serde_json::from_str(arguments).unwrap(),
            signature: signature.map(Into::into),
        })
    };
    let result = |id: &str, text: Part| {
        Part::Result(CallResult { call_id: id.into(), name: String::new(), parts: vec![text], is_error: false })
    };
    let thought = |text: &str, signature: Option<&str>, redacted: Option<&str>| {
        Part::Reasoning(ReasoningText {
            text: text.into(),
            signature: signature.map(Into::into),
            redacted: redacted.map(Into::into),
        })
    };
    let mut low = media(Source::Base64("iVBO".into()), "image/png");
    low.detail = Some("low".into());
    let mut named = media(Source::Base64("JVBE".into()), "application/pdf");
    named.name = Some("a.pdf".into());
    let expected = [
        Message::text(Role::System, "Be brief."),
        Message::text(Role::System, "Be kind."),
        Message::new(
            Role::User,
            vec![
                text("See"),
                Part::Image(low),
                Part::Image(media(Source::Url("https://x.test/a.png".into()), "")),
                Part::Image(media(Source::Id("file-1".into()), "")),
                Part::File(named),
                Part::File(media(Source::Url("https://x.test/b.pdf".into()), "")),
                Part::Audio(media(Source::Base64("UklG".into()), "audio/wav")),
            ],
        ),
        Message::new(
            Role::Assistant,
            vec![
                thought("Hm", Some("gAAA"), None),
                text("I look"),
                Part::Refusal("no".into()),
                call("c1", "f", "{\"b\":1,\"a\":1.50}", Some("Z2Vt")),
                call("c2", "g", "{}", None),
            ],
        ),
        Message::new(Role::User, vec![result("c1", text("21")), result("c2", text("x"))]),
        Message::new(Role::Assistant, vec![thought("", None, Some("aGlk"))]),
        Message::text(Role::User, "And?"),
    ];
    assert_eq!(request.messages, expected);
    let Part::Call(call) = &request.messages[3].parts[3] else { panic!() };
    assert_eq!(call.arguments.to_string(), "{\"b\":1,\"a\":1.50}", "order and spelling are kept");
}

#[test]
fn settings_are_read() {
    let request = read_whole(&json!({
        "model": "m", "input": "Hi", "stream": true, "max_output_tokens": 100, "temperature": 0.5, "top_p": 0.9,
        "tools": [{"type": "function", "name": "f", "description": null, "parameters": {"type": "object"}, "strict": true}],
        "tool_choice": {"type": "function", "name": "f"}, "parallel_tool_calls": false,
        "text": {"format": {"type": "json_schema", "name": "n", "schema": {"type": "object"}, "strict": true}},
        "reasoning": {"effort": "low", "summary": "detailed"}, "top_logprobs": 2,
        "include": ["message.output_text.logprobs", "reasoning.encrypted_content"],
        "safety_identifier": "u1", "service_tier": "flex",
    }));
    let expected = Request {
        stream: true,
        messages: vec![Message::text(Role::User, "Hi")],
        tools: vec![Tool {
            name: "f".into(),
            description: None,
            parameters: Some(json!({"type": "object"})),
            strict: Some(true),
        }],
        tool_choice: Some(ToolChoice::Named("f".into())),
        parallel_tool_calls: Some(false),
        max_tokens: Some(100),
        temperature: Some(json!(0.5)),
        top_p: Some(json!(0.9)),
        logprobs: Some(2),
        format: Some(Format::Schema {
            name: Some("n".into()),
            description: None,
            schema: json!({"type": "object"}),
            strict: Some(true),
        }),
        reasoning: Some(ReasoningAsk { effort: Some(Effort::Low), budget_tokens: None, show: Some(true) }),
        user: Some("u1".into()),
        service_tier: Some("flex".into()),
        ..Request::default()
    };
    assert_eq!(request, expected);
}

#[test]
fn what_is_meant_anyway_is_not_lost() {
    let request = read_whole(&json!({
        "model": "m", "input": "Hi", "stream": false, "store": false, "background": false, "truncation": "disabled",
        "metadata": {}, "previous_response_id": null, "conversation": null, "prompt": null, "tools": [],
        "tool_choice": "auto", "parallel_tool_calls": true, "text": {"format": {"type": "text"}, "verbosity": "medium"},
        "reasoning": {"effort": null, "summary": null}, "top_logprobs": 0, "service_tier": "auto",
        "stream_options": {"include_obfuscation": false}, "include": [], "user": null, "instructions": null,
    }));
    assert_eq!(request, Request { messages: vec![Message::text(Role::User, "Hi")], ..Request::default() });
}

#[test]
fn what_cannot_be_carried_over_is_lost_by_name() {
    for (member, name) in [
        (json!({"store": true}), "store"),
        (json!({"background": true}), "background"),
        (json!({"truncation": "auto"}), "truncation"),
        (json!({"previous_response_id": "resp_1"}), "previous_response_id"),
        (json!({"conversation": "conv_1"}), "conversation"),
        (json!({"prompt": {"id": "p"}}), "prompt"),
        (json!({"metadata": {"a": "b"}}), "metadata"),
        (json!({"max_tool_calls": 3}), "max_tool_calls"),
        (json!({"prompt_cache_key": "k"}), "prompt_cache_key"),
        (json!({"text": {"verbosity": "low"}}), "text.verbosity"),
        (json!({"reasoning": {"context": "all_turns"}}), "reasoning.context"),
        (json!({"tools": [{"type": "web_search"}]}), "tools[] of type web_search"),
        (json!({"tools": [{"type": "function", "name": "f", "defer_loading": true}]}), "tools[].defer_loading"),
        (json!({"tool_choice": {"type": "allowed_tools"}}), "tool_choice of type allowed_tools"),
        (json!({"include": ["web_search_call.action.sources"]}), "include[] of web_search_call.action.sources"),
        (json!({"input": [{"type": "item_reference", "id": "x"}]}), "input[] of type item_reference"),
        (
            json!({"input": [{"role": "user", "content": [{"type": "input_video"}]}]}),
            "input[].content[] of type input_video",
        ),
        (
            json!({"input": [{"role": "user", "content": [{"type": "input_text", "text": "a", "prompt_cache_breakpoint": {}}]}]}),
            "input[].content[].prompt_cache_breakpoint",
        ),
        (json!({"safety_identifier": "a", "user": "b"}), "user"),
    ] {
        let mut body = json!({"model": "m", "input": "Hi"});
        body.as_object_mut().unwrap().extend(member.as_object().unwrap().clone());
        let (request, lost) = read(&body);
        assert!(request.is_ok(), "{request:?}");
        assert_eq!(lost, [name]);
    }
}

#[test]
fn what_is_wrong_is_named() {
    let content = |part: Value| json!({"input": [{"role": "user", "content": [part]}]});
    for (body, field) in [
        (json!([]), "body"),
        (json!({}), "input"),
        (json!({"input": 3}), "input"),
        (json!({"input": ["a"]}), "input[0]"),
        (json!({"input": [{}]}), "input[0].type"),
        (json!({"input": [{"role": "robot", "content": "a"}]}), "input[0].role"),
        (json!({"input": [{"role": "user"}]}), "input[0].content"),
        (content(json!({"type": "input_text"})), "input[0].content[0].text"),
        (content(json!({"type": "input_image"})), "input[0].content[0]"),
        (content(json!({"type": "input_audio"})), "input[0].content[0].input_audio"),
        (
            json!({"input": [{"type": "function_call", "call_id": "c", "name": "f", "arguments": "{"}]}),
            "input[0].arguments",
        ),
        (json!({"input": [{"type": "function_call", "name": "f", "arguments": "{}"}]}), "input[0].call_id"),
        (json!({"input": [{"type": "function_call_output", "call_id": "c"}]}), "input[0].output"),
        (json!({"input": [{"type": "reasoning", "summary": [{}]}]}), "input[0].summary[0].text"),
        (json!({"input": "a", "temperature": "hot"}), "temperature"),
        (json!({"input": "a", "max_output_tokens": -1}), "max_output_tokens"),
        (json!({"input": "a", "tools": {}}), "tools"),
        (json!({"input": "a", "tools": [{"type": "function"}]}), "tools[0].name"),
        (json!({"input": "a", "tool_choice": "maybe"}), "tool_choice"),
        (json!({"input": "a", "text": {"format": {"type": "xml"}}}), "text.format.type"),
        (json!({"input": "a", "text": {"format": {"type": "json_schema", "name": "n"}}}), "text.format.schema"),
        (json!({"input": "a", "reasoning": {"effort": "huge"}}), "reasoning.effort"),
        (json!({"input": "a", "include": [1]}), "include[0]"),
        (json!({"input": "a", "stream": "yes"}), "stream"),
    ] {
        let (request, _) = read(&body);
        assert_eq!(request.map_err(|invalid| invalid.field), Err(field.into()), "{body}");
    }
}

#[test]
fn a_provider_gets_what_was_asked_for() {
    let request = Request {
        stream: true,
        messages: vec![
            Message::text(Role::System, "Be brief."),
            Message::text(Role::User, "Hi"),
            Message::new(
                Role::Assistant,
                vec![
                    Part::Reasoning(ReasoningText {
                        text: "Hm".into(),
                        signature: Some("gAAA".into()),
                        redacted: None,
                    }),
                    Part::Text("a".into()),
                    Part::Text("b".into()),
                    Part::Call(ToolCall {
                        id: "c".into(),
                        name: "f".into(),
                        arguments: json!({"x": 1}),
                        signature: Some("gemini's own".into()),
                    }),
                ],
            ),
            Message::new(
                Role::User,
                vec![
                    Part::Result(CallResult {
                        call_id: "c".into(),
                        name: "f".into(),
                        parts: vec![Part::Text("21".into())],
                        is_error: false,
                    }),
                    Part::Text("so?".into()),
                ],
            ),
        ],
        tools: vec![Tool { name: "f".into(), description: Some("d".into()), parameters: None, strict: None }],
        max_tokens: Some(99),
        logprobs: Some(0),
        reasoning: Some(ReasoningAsk { effort: Some(Effort::Max), budget_tokens: None, show: Some(true) }),
        format: Some(Format::Schema { name: None, description: None, schema: json!({"type": "object"}), strict: None }),
        ..Request::default()
    };
    let (body, lost) = write(&request, "openai");
    assert!(lost.is_empty(), "{lost:?}");
    assert_eq!(
        body,
        json!({
            "model": "m",
            "instructions": "Be brief.",
            "input": [
                {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Hi"}]},
                {"type": "reasoning", "summary": [{"type": "summary_text", "text": "Hm"}], "encrypted_content": "gAAA"},
                {"type": "message", "role": "assistant", "content": [
                    {"type": "output_text", "text": "a"}, {"type": "output_text", "text": "b"}]},
                {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{\"x\":1}"},
                {"type": "function_call_output", "call_id": "c", "output": "21"},
                {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "so?"}]},
            ],
            "tools": [{"type": "function", "name": "f", "description": "d",
                "parameters": {"type": "object", "properties": {}}, "strict": false}],
            "max_output_tokens": 99,
            "text": {"format": {"type": "json_schema", "name": "response", "schema": {"type": "object"}}},
            "reasoning": {"effort": "xhigh", "summary": "auto"},
            "include": ["reasoning.encrypted_content", "message.output_text.logprobs"],
            "stream": true,
            "store": false,
        })
    );
}

#[test]
fn what_a_provider_cannot_be_told_is_lost() {
    let request = Request {
        messages: vec![Message::new(
            Role::User,
            vec![
                Part::Audio(media(Source::Base64("x".into()), "audio/ogg")),
                Part::Result(CallResult { call_id: "c".into(), name: "f".into(), parts: vec![], is_error: true }),
                Part::Reasoning(ReasoningText { text: "unsigned".into(), ..ReasoningText::default() }),
            ],
        )],
        top_k: Some(1),
        presence_penalty: Some(json!(1)),
        frequency_penalty: Some(json!(1)),
        seed: Some(json!(1)),
        stop: vec!["x".into()],
        choices: Some(2),
        logit_bias: Some(json!({})),
        service_tier: Some("standard_only".into()),
        ..Request::default()
    };
    let (_, lost) = write(&request, "openai");
    let expected = [
        "top_k",
        "presence_penalty",
        "frequency_penalty",
        "seed",
        "stop",
        "n",
        "logit_bias",
        "input[].content[].input_audio",
        "is_error",
        "input[] of type reasoning",
        "service_tier",
    ];
    assert_eq!(lost, expected);
    let (body, lost) = write(&request, "self-hosted-model");
    assert!(!lost.contains(&"input[] of type reasoning".to_owned()));
    assert_eq!(body["input"][1]["content"][0]["text"], "unsigned", "servers of open models take their thinking back");
}

#[test]
fn a_request_goes_round() {
    for body in [
        json!({"input": "Hi"}),
        json!({"input": [{"role": "system", "content": "a"}, {"role": "system", "content": "b"}, {"role": "user", "content": "c"}]}),
        json!({"input": [{"role": "user", "content": [
            {"type": "input_image", "image_url": "data:image/png;base64,iVBO", "detail": "high"},
            {"type": "input_file", "file_data": "data:application/pdf;base64,JVBE", "filename": "a.pdf"},
            {"type": "input_file", "file_id": "file-1"},
            {"type": "input_audio", "input_audio": {"data": "UklG", "format": "mp3"}}]}]}),
        json!({"input": [
            {"role": "user", "content": "a"},
            {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{\"a\":[1.0,2e3]}"},
            {"type": "function_call_output", "call_id": "c", "output": [
                {"type": "input_text", "text": "x"}, {"type": "input_image", "image_url": "https://x.test/a.png"}]}]}),
        json!({"input": "Hi", "tools": [{"type": "function", "name": "f", "parameters": {"type": "object"}, "strict": true}],
            "tool_choice": "required", "parallel_tool_calls": false, "top_logprobs": 3, "user": "u",
            "text": {"format": {"type": "json_object"}}, "reasoning": {"effort": "minimal", "summary": "auto"},
            "temperature": 1, "top_p": 0.5, "max_output_tokens": 5, "stream": true, "service_tier": "priority"}),
    ] {
        round(&body, "openai");
    }
}
