//! The common request written as a body.

use serde_json::{Value, json};

use super::write_request;
use crate::dialect::To;
use crate::dialect::common::{
    CallResult, Effort, Format, Lost, Media, Message, Part, ReasoningAsk, ReasoningText, Request, Role, Source, Tool,
    ToolCall, ToolChoice,
};
use crate::telemetry::Face;

fn write(request: &Request, kind: &str, model: &str) -> (Value, Vec<String>) {
    let mut lost = Lost::new(Face::ChatCompletions);
    let body = write_request(request, &To { kind, model }, &mut lost);
    (body, lost.fields().to_vec())
}

fn text(text: &str) -> Part {
    Part::Text(text.into())
}

fn call(id: &str, name: &str, signature: Option<&str>) -> Part {
    let signature = signature.map(str::to_owned);
    Part::Call(ToolCall { id: id.into(), name: name.into(), arguments: json!({"a": 1}), signature })
}

fn result(id: &str, name: &str, said: &str) -> Part {
    Part::Result(CallResult { call_id: id.into(), name: name.into(), parts: vec![text(said)], is_error: false })
}

fn tool(name: &str) -> Tool {
    Tool { name: name.into(), description: None, parameters: None, strict: None }
}

#[test]
fn a_conversation_is_written_in_turns() {
    let request = Request {
        messages: vec![
            Message::text(Role::System, "Be brief."),
            Message::text(Role::User, "a"),
            Message::text(Role::System, "Be kind."),
            Message::text(Role::User, "b"),
            Message::new(Role::Assistant, vec![text(""), call("1", "f", None), call("2", "g", Some("Zg=="))]),
            Message::new(Role::User, vec![result("1", "f", "plain")]),
            Message::new(Role::User, vec![text("and"), result("2", "g", r#"{"k":1}"#)]),
        ],
        ..Request::default()
    };
    let (body, lost) = write(&request, "google-gemini", "gemini-2.5-flash");
    assert_eq!(lost, [""; 0]);
    assert_eq!(
        body,
        json!({
            "systemInstruction": {"parts": [{"text": "Be brief."}, {"text": "Be kind."}]},
            "contents": [
                {"role": "user", "parts": [{"text": "a"}, {"text": "b"}]},
                {"role": "model", "parts": [
                    {"functionCall": {"id": "1", "name": "f", "args": {"a": 1}}},
                    {"functionCall": {"id": "2", "name": "g", "args": {"a": 1}}, "thoughtSignature": "Zg=="},
                ]},
                {"role": "user", "parts": [
                    {"functionResponse": {"id": "1", "name": "f", "response": {"output": "plain"}}},
                    {"functionResponse": {"id": "2", "name": "g", "response": {"k": 1}}},
                    {"text": "and"},
                ]},
            ],
        })
    );
    let (body, _) = write(&request, "google-vertex", "gemini-2.5-flash");
    assert_eq!(body["contents"][1]["parts"][0], json!({"functionCall": {"name": "f", "args": {"a": 1}}}));
}

#[test]
fn the_third_generation_gets_a_signature_for_the_calls_of_this_turn() {
    let request = Request {
        messages: vec![
            Message::text(Role::User, "a"),
            Message::new(Role::Assistant, vec![call("1", "f", None)]),
            Message::new(Role::User, vec![result("1", "f", "x")]),
            Message::text(Role::Assistant, "done"),
            Message::text(Role::User, "b"),
            Message::new(Role::Assistant, vec![call("2", "f", None), call("3", "f", None)]),
            Message::new(Role::User, vec![result("2", "f", "x"), result("3", "f", "x")]),
            Message::new(Role::Assistant, vec![call("4", "f", Some("Zg=="))]),
            Message::new(Role::User, vec![result("4", "f", "x")]),
        ],
        ..Request::default()
    };
    let signatures = |model: &str| -> Vec<Value> {
        let (body, _) = write(&request, "google-gemini", model);
        let parts = body["contents"].as_array().unwrap().iter().flat_map(|turn| turn["parts"].as_array().unwrap());
        parts.filter(|part| part.get("functionCall").is_some()).map(|part| part["thoughtSignature"].clone()).collect()
    };
    let dummy = json!("skip_thought_signature_validator");
    assert_eq!(signatures("gemini-3-pro-preview"), [Value::Null, dummy.clone(), Value::Null, json!("Zg==")]);
    assert_eq!(signatures("publishers/google/models/gemini-3.1-flash")[1], dummy);
    assert_eq!(signatures("gemini-2.5-pro"), [Value::Null, Value::Null, Value::Null, json!("Zg==")]);
}

#[test]
fn the_config_is_written() {
    let number = |text: &str| Some(serde_json::from_str(text).unwrap());
    let request = Request {
        messages: vec![Message::text(Role::User, "a")],
        tools: vec![Tool {
            parameters: Some(json!({"$schema": "x", "type": "object", "properties": {"a": {"const": 1}}})),
            description: Some("d".into()),
            ..tool("f")
        }],
        tool_choice: Some(ToolChoice::Named("f".into())),
        max_tokens: Some(5),
        temperature: number("0.5"),
        top_k: Some(3),
        seed: number("7"),
        stop: ["a", "b", "c", "d", "e", "f"].map(String::from).to_vec(),
        choices: Some(2),
        logprobs: Some(0),
        logit_bias: Some(json!({"1": 2})),
        format: Some(Format::Schema {
            name: Some("n".into()),
            description: None,
            schema: json!({"type": "object", "additionalProperties": false}),
            strict: Some(true),
        }),
        user: Some("u".into()),
        service_tier: Some("flex".into()),
        parallel_tool_calls: Some(false),
        ..Request::default()
    };
    let (body, lost) = write(&request, "google-gemini", "gemini-2.5-flash");
    assert_eq!(
        body["generationConfig"],
        json!({
            "temperature": 0.5, "topK": 3, "maxOutputTokens": 5, "candidateCount": 2, "seed": 7,
            "stopSequences": ["a", "b", "c", "d", "e"], "responseLogprobs": true, "responseMimeType": "application/json",
            "responseJsonSchema": {"type": "object", "additionalProperties": false},
        })
    );
    let declaration = json!({"name": "f", "description": "d",
        "parametersJsonSchema": {"type": "object", "properties": {"a": {"enum": [1]}}}});
    assert_eq!(body["tools"], json!([{"functionDeclarations": [declaration]}]));
    assert_eq!(body["toolConfig"]["functionCallingConfig"], json!({"mode": "ANY", "allowedFunctionNames": ["f"]}));
    assert_eq!(body["serviceTier"], "flex");
    assert_eq!(lost, ["parallel_tool_calls", "stop", "logit_bias", "user"]);
    let (body, lost) = write(&request, "google-vertex", "gemini-2.5-flash");
    assert!(body.get("serviceTier").is_none() && lost.contains(&"service_tier".to_owned()), "{lost:?}");
}

#[test]
fn thinking_is_asked_for_as_the_model_knows_it() {
    let effort = |effort| ReasoningAsk { effort: Some(effort), ..ReasoningAsk::default() };
    let budget = |tokens| ReasoningAsk { budget_tokens: Some(tokens), ..ReasoningAsk::default() };
    let shown = |ask| ReasoningAsk { show: Some(true), ..ask };
    for (model, ask, expected) in [
        ("gemini-2.5-flash", effort(Effort::Low), json!({"thinkingBudget": 2048})),
        ("gemini-2.5-flash", effort(Effort::None), json!({"thinkingBudget": 0})),
        ("gemini-2.5-flash", effort(Effort::Max), json!({"thinkingBudget": 24576})),
        ("gemini-2.5-pro", effort(Effort::None), json!({"thinkingBudget": 128})),
        ("gemini-2.5-flash-lite", budget(100), json!({"thinkingBudget": 512})),
        ("gemini-flash-latest", budget(100), json!({"thinkingBudget": 100})),
        ("gemini-3-pro-preview", effort(Effort::Minimal), json!({"thinkingLevel": "low"})),
        ("gemini-3-pro-preview", shown(budget(2048)), json!({"thinkingLevel": "low", "includeThoughts": true})),
        ("gemini-3.1-pro-preview", effort(Effort::Medium), json!({"thinkingLevel": "medium"})),
        ("models/gemini-3-flash-preview", effort(Effort::None), json!({"thinkingLevel": "minimal"})),
        ("gemini-3-flash-preview", effort(Effort::XHigh), json!({"thinkingLevel": "high"})),
        ("gemini-2.5-flash", shown(ReasoningAsk::default()), json!({"includeThoughts": true})),
        ("gemini-2.5-flash", ReasoningAsk::default(), Value::Null),
    ] {
        let request = Request { reasoning: Some(ask.clone()), ..Request::default() };
        let (body, lost) = write(&request, "google-gemini", model);
        assert_eq!(body["generationConfig"]["thinkingConfig"], expected, "{model} {ask:?}");
        assert_eq!(lost, [""; 0]);
    }
    let request = Request { reasoning: Some(effort(Effort::High)), ..Request::default() };
    assert_eq!(write(&request, "google-gemini", "gemini-2.0-flash").1, ["reasoning_effort"]);
}

#[test]
fn media_and_thoughts_are_written() {
    let media = |source, media_type: &str, detail: Option<&str>| Media {
        source,
        media_type: media_type.into(),
        name: None,
        detail: detail.map(str::to_owned),
    };
    let thought = |text: &str, signature: Option<&str>| {
        Part::Reasoning(ReasoningText { text: text.into(), signature: signature.map(str::to_owned), redacted: None })
    };
    let request = Request {
        messages: vec![
            Message::new(
                Role::User,
                vec![
                    Part::Image(media(Source::Base64("aa==".into()), "image/png", Some("low"))),
                    Part::Image(media(Source::Url("https://e.com/a.webp?x".into()), "", Some("auto"))),
                    Part::File(media(Source::Id("file-1".into()), "", None)),
                    Part::File(media(Source::Id("gs://b/a.pdf".into()), "", None)),
                ],
            ),
            Message::new(
                Role::Assistant,
                vec![
                    thought("hm", Some("c2ln")),
                    thought("", Some("not base64!")),
                    thought("", Some("Zg==")),
                    text("so"),
                ],
            ),
        ],
        ..Request::default()
    };
    let (body, lost) = write(&request, "google-gemini", "gemini-2.5-flash");
    assert_eq!(
        body["contents"][0]["parts"],
        json!([
            {"inlineData": {"mimeType": "image/png", "data": "aa=="}},
            {"fileData": {"mimeType": "image/webp", "fileUri": "https://e.com/a.webp?x"}},
            {"fileData": {"mimeType": "application/pdf", "fileUri": "gs://b/a.pdf"}},
        ])
    );
    assert_eq!(
        body["contents"][1]["parts"],
        json!([
            {"text": "hm", "thought": true, "thoughtSignature": "c2ln"},
            {"text": "", "thoughtSignature": "Zg=="},
            {"text": "so"},
        ])
    );
    assert_eq!(body["generationConfig"]["mediaResolution"], "MEDIA_RESOLUTION_LOW");
    assert_eq!(lost, ["messages[].content[].file", "messages[].reasoning_content"]);
}
