//! A client's body read into the common request.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::{read_request, write_request};
use crate::dialect::To;
use crate::dialect::common::{
    CallResult, Effort, Format, Lost, Media, Message, Part, ReasoningAsk, ReasoningText, Request, Role, Source,
    ToolChoice,
};
use crate::telemetry::Face;

fn read(body: Value) -> (Request, Vec<String>) {
    let mut lost = Lost::new(Face::Gemini);
    let request = read_request(&body, &mut lost).unwrap_or_else(|invalid| panic!("{invalid}: {body}"));
    (request, lost.fields().to_vec())
}

/// With one user's word added where there are no contents.
fn read_with(mut body: Value) -> (Request, Vec<String>) {
    body["contents"] = json!([{"role": "user", "parts": [{"text": "hi"}]}]);
    read(body)
}

fn write(request: &Request, kind: &str, model: &str) -> (Value, Vec<String>) {
    let mut lost = Lost::new(Face::ChatCompletions);
    let body = write_request(request, &To { kind, model }, &mut lost);
    (body, lost.fields().to_vec())
}

fn text(text: &str) -> Part {
    Part::Text(text.into())
}

fn result(id: &str, name: &str, said: &str) -> Part {
    Part::Result(CallResult { call_id: id.into(), name: name.into(), parts: vec![text(said)], is_error: false })
}

#[test]
fn contents_become_messages() {
    let (request, lost) = read(json!({
        "system_instruction": {"parts": {"text": "Be brief."}},
        "contents": [
            {"role": "user", "parts": [
                {"text": "What is this?"},
                {"inline_data": {"mime_type": "image/png", "data": "iVBO-_=="}},
                {"fileData": {"mimeType": "application/pdf", "fileUri": "https://example.com/a.pdf"}},
                {"fileData": {"mimeType": "audio/wav", "fileUri": "gs://bucket/a.wav"}},
            ]},
            {"role": "model", "parts": [
                {"text": "h", "thought": true},
                {"text": "m", "thought": true},
                {"text": "", "thought": true, "thoughtSignature": "c2ln"},
                {"functionCall": {"name": "f", "args": {"x": 1.50}}, "thought_signature": "Zg=="},
                {"functionCall": {"name": "f"}},
                {"functionCall": {"name": "g", "id": "own"}},
            ]},
            {"role": "user", "parts": [
                {"functionResponse": {"name": "g", "id": "own", "response": {"error": "no"}}},
                {"functionResponse": {"name": "f", "response": {"result": "one"}}},
                {"functionResponse": {"name": "f", "response": {"rows": [1, 2]}}},
            ]},
        ],
    }));
    assert_eq!(lost, [""; 0]);
    let [system, user, model, results] = request.messages.as_slice() else { panic!("{request:?}") };
    assert_eq!(*system, Message::text(Role::System, "Be brief."));
    let media = |source, media_type: &str| Media { source, media_type: media_type.into(), name: None, detail: None };
    assert_eq!(
        user.parts,
        [
            text("What is this?"),
            Part::Image(media(Source::Base64("iVBO+/==".into()), "image/png")),
            Part::File(media(Source::Url("https://example.com/a.pdf".into()), "application/pdf")),
            Part::Audio(media(Source::Id("gs://bucket/a.wav".into()), "audio/wav")),
        ]
    );
    let thought = ReasoningText { text: "hm".into(), signature: Some("c2ln".into()), redacted: None };
    assert_eq!(model.role, Role::Assistant);
    assert_eq!(model.parts[0], Part::Reasoning(thought));
    let ids: Vec<(&str, String, Option<&str>)> = model.parts[1..]
        .iter()
        .map(|part| match part {
            Part::Call(call) => (call.id.as_str(), call.arguments.to_string(), call.signature.as_deref()),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(
        ids,
        [
            ("call_0", r#"{"x":1.5}"#.to_owned(), Some("Zg==")),
            ("call_1", "{}".to_owned(), None),
            ("own", "{}".to_owned(), None)
        ]
    );
    let failed = CallResult { call_id: "own".into(), name: "g".into(), parts: vec![text("no")], is_error: true };
    assert_eq!(
        results.parts,
        [Part::Result(failed), result("call_0", "f", "one"), result("call_1", "f", r#"{"rows":[1,2]}"#),]
    );
}

#[test]
fn the_config_is_carried_over_and_defaults_are_not_lost() {
    let (request, lost) = read_with(json!({
        "generationConfig": {
            "temperature": 0.10, "topP": 0.9, "top_k": 40.0, "maxOutputTokens": 100, "candidateCount": 2, "seed": 7,
            "presencePenalty": -1, "frequencyPenalty": 0.5, "stopSequences": ["a", "b"], "responseLogprobs": true,
            "logprobs": 3, "responseMimeType": "application/json",
            "responseSchema": {"type": "OBJECT", "properties": {"a": {"type": "STRING"}}},
            "thinkingConfig": {"thinkingBudget": 2048, "includeThoughts": true},
            "responseModalities": ["TEXT"], "mediaResolution": "MEDIA_RESOLUTION_UNSPECIFIED", "audioTimestamp": false,
            "speechConfig": null,
        },
        "safetySettings": [], "cachedContent": "", "labels": {}, "serviceTier": "FLEX",
    }));
    assert_eq!(lost, [""; 0]);
    assert_eq!(request.temperature.map(|number| number.to_string()).as_deref(), Some("0.1"));
    assert_eq!((request.top_k, request.max_tokens, request.choices), (Some(40), Some(100), Some(2)));
    assert_eq!((request.seed, request.presence_penalty), (Some(7.into()), Some((-1).into())));
    assert_eq!((request.stop, request.logprobs), (vec!["a".into(), "b".into()], Some(3)));
    let schema = json!({"type": "object", "properties": {"a": {"type": "string"}}});
    assert_eq!(request.format, Some(Format::Schema { name: None, description: None, schema, strict: None }));
    let ask = ReasoningAsk { effort: None, budget_tokens: Some(2048), show: Some(true) };
    assert_eq!(request.reasoning, Some(ask));
    assert_eq!(request.service_tier.as_deref(), Some("flex"));
}

#[test]
fn thinking_is_read_in_both_ways_of_saying_it() {
    let ask = |effort, budget_tokens, show| ReasoningAsk { effort, budget_tokens, show: Some(show) };
    for (config, expected) in [
        (json!({"thinkingBudget": 0}), ask(Some(Effort::None), None, false)),
        (json!({"thinkingBudget": -1, "includeThoughts": true}), ask(None, None, true)),
        (json!({"thinking_level": "LOW"}), ask(Some(Effort::Low), None, false)),
        (json!({"thinkingLevel": "THINKING_LEVEL_UNSPECIFIED"}), ask(None, None, false)),
    ] {
        let (request, lost) = read_with(json!({"generation_config": {"thinking_config": config}}));
        assert_eq!((request.reasoning, lost), (Some(expected), vec![]));
    }
}

#[test]
fn tools_and_their_choice_are_carried_over() {
    let body = |calling: Value| {
        json!({
            "tools": [{"functionDeclarations": [
                {"name": "f", "description": "d", "parameters": {"type": "OBJECT", "properties": {"a": {"type": "INTEGER"}}}},
                {"name": "g", "parametersJsonSchema": {"type": "object"}},
                {"name": "h"},
            ]}],
            "toolConfig": {"functionCallingConfig": calling},
        })
    };
    let named = |name: &str| Some(ToolChoice::Named(name.into()));
    for (calling, choice, offered) in [
        (json!({}), None, "fgh"),
        (json!({"mode": "AUTO"}), Some(ToolChoice::Auto), "fgh"),
        (json!({"mode": "VALIDATED"}), Some(ToolChoice::Auto), "fgh"),
        (json!({"mode": "NONE"}), Some(ToolChoice::None), "fgh"),
        (json!({"mode": "any"}), Some(ToolChoice::Required), "fgh"),
        (json!({"mode": "ANY", "allowedFunctionNames": ["g"]}), named("g"), "fgh"),
        (json!({"mode": "ANY", "allowed_function_names": ["g", "h"]}), Some(ToolChoice::Required), "gh"),
    ] {
        let (request, lost) = read_with(body(calling));
        let names: String = request.tools.iter().map(|tool| tool.name.as_str()).collect();
        assert_eq!((request.tool_choice, names.as_str(), lost), (choice, offered, vec![]));
    }
    let (request, _) = read_with(body(json!({})));
    let schema = json!({"type": "object", "properties": {"a": {"type": "integer"}}});
    assert_eq!((&request.tools[0].parameters, request.tools[0].description.as_deref()), (&Some(schema), Some("d")));
}

#[test]
fn what_has_no_place_is_named() {
    let (_, lost) = read_with(json!({
        "safetySettings": [{"category": "HARM_CATEGORY_HATE_SPEECH", "threshold": "BLOCK_NONE"}],
        "cachedContent": "cachedContents/x", "labels": {"a": "b"}, "tools": [{"googleSearch": {}}],
        "generationConfig": {"responseModalities": ["IMAGE"], "speechConfig": {"a": 1}}, "surprise": 1,
    }));
    assert_eq!(
        lost,
        [
            "safetySettings",
            "cachedContent",
            "labels",
            "tools[].googleSearch",
            "generationConfig.responseModalities",
            "generationConfig.speechConfig",
            "surprise",
        ]
    );
    let (_, lost) = read(json!({"contents": {"parts": [{"executableCode": {"code": "x"}}, {"text": "a"}]}}));
    assert_eq!(lost, ["contents[].parts[].executableCode"]);
}

#[test]
fn what_is_wrong_is_named_as_the_caller_spells_it() {
    for (body, field) in [
        (json!([]), ""),
        (json!({}), "contents"),
        (json!({"contents": "hi"}), "contents[0]"),
        (json!({"contents": [{"role": "judge"}]}), "contents[0].role"),
        (json!({"contents": [{"parts": [{"text": 1}]}]}), "contents[0].parts[0].text"),
        (
            json!({"contents": [{"parts": [{"inline_data": {"data": "x"}}]}]}),
            "contents[0].parts[0].inline_data.mimeType",
        ),
        (json!({"contents": [{"parts": [{"functionCall": {"args": {}}}]}]}), "contents[0].parts[0].functionCall.name"),
        (
            json!({"contents": [{"parts": [{"functionCall": {"name": "f", "args": []}}]}]}),
            "contents[0].parts[0].functionCall.args",
        ),
        (json!({"contents": [], "generation_config": {"top_k": 0.5}}), "generation_config.top_k"),
        (json!({"contents": [], "generationConfig": {"maxOutputTokens": -1}}), "generationConfig.maxOutputTokens"),
        (json!({"contents": [], "tools": [{"functionDeclarations": [{}]}]}), "tools[0].functionDeclarations[0].name"),
        (
            json!({"contents": [], "toolConfig": {"functionCallingConfig": {"mode": 1}}}),
            "toolConfig.functionCallingConfig.mode",
        ),
    ] {
        let invalid = read_request(&body, &mut Lost::new(Face::Gemini)).unwrap_err();
        assert_eq!(invalid.field, field, "{body}");
    }
}

fn json_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        "[a-z_]{0,6}".prop_map(Value::from),
    ];
    let key = prop::sample::select(vec![
        "contents",
        "parts",
        "role",
        "text",
        "inlineData",
        "functionCall",
        "functionResponse",
        "name",
        "args",
        "response",
        "tools",
        "functionDeclarations",
        "parameters",
        "generation_config",
        "stopSequences",
        "thinkingConfig",
        "system_instruction",
        "toolConfig",
        "functionCallingConfig",
        "mode",
        "responseSchema",
        "type",
        "properties",
    ]);
    leaf.prop_recursive(6, 64, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec((key.clone(), inner), 0..5).prop_map(|members| Value::Object(
                members.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
            )),
        ]
    })
}

proptest! {
    #[test]
    fn no_json_panics_and_what_is_read_can_be_written(body in json_value()) {
        if let Ok(request) = read_request(&body, &mut Lost::new(Face::Gemini)) {
            let mut lost = Lost::new(Face::Gemini);
            write_request(&request, &To { kind: "google-gemini", model: "gemini-3-pro" }, &mut lost);
        }
    }
}

/// What is read and written again says the same.
#[test]
fn a_body_of_this_dialect_survives_the_middle() {
    let body = json!({
        "systemInstruction": {"parts": [{"text": "s"}]},
        "contents": [
            {"role": "user", "parts": [{"text": "a"}, {"inlineData": {"mimeType": "image/png", "data": "aa=="}}]},
            {"role": "model", "parts": [{"functionCall": {"id": "1", "name": "f", "args": {"x": [1, null]}}, "thoughtSignature": "Zg=="}]},
            {"role": "user", "parts": [{"functionResponse": {"id": "1", "name": "f", "response": {"rows": 2, "ok": true}}}]},
        ],
        "tools": [{"functionDeclarations": [{"name": "f", "parametersJsonSchema": {"type": "object", "properties": {"x": {"type": "array"}}}}]}],
        "toolConfig": {"functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": ["f"]}},
        "generationConfig": {"temperature": 0.5, "topP": 1, "maxOutputTokens": 9, "thinkingConfig": {"thinkingLevel": "low", "includeThoughts": true}},
    });
    let (mut request, lost) = read(body.clone());
    request.name_results();
    assert_eq!(lost, [""; 0]);
    let (written, lost) = write(&request, "google-gemini", "gemini-3-flash-preview");
    assert_eq!(written, body);
    assert_eq!(lost, [""; 0]);
}
