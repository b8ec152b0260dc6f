use serde_json::{Value, json};

use crate::dialect::To;
use crate::dialect::bedrock::write_request;
use crate::dialect::common::{
    CallResult, Effort, Format, Lost, Media, Message, Part, ReasoningAsk, ReasoningText, Request, Role, Source, Tool,
    ToolCall, ToolChoice,
};
use crate::telemetry::Face;

const CLAUDE: &str = "us.anthropic.claude-sonnet-4-20250514-v1:0";
const CLAUDE_45: &str = "us.anthropic.claude-sonnet-4-5-20250929-v1:0";

fn write(request: &Request, model: &str) -> (Value, Vec<String>) {
    let mut lost = Lost::new(Face::ChatCompletions);
    let body = write_request(request, &To { kind: "aws-bedrock", model }, &mut lost);
    (body, lost.fields().to_vec())
}

fn user(parts: Vec<Part>) -> Message {
    Message::new(Role::User, parts)
}

fn hello() -> Request {
    Request { messages: vec![Message::text(Role::User, "hi")], ..Request::default() }
}

fn tool(name: &str) -> Tool {
    Tool { name: name.into(), description: Some("d".into()), parameters: Some(json!({"type": "object"})), strict: None }
}

fn call(id: &str, name: &str) -> Part {
    Part::Call(ToolCall { id: id.into(), name: name.into(), arguments: json!({"z": 1.50, "a": 2}), signature: None })
}

fn result(id: &str, name: &str, text: &str, is_error: bool) -> Part {
    let parts = vec![Part::Text(text.into())];
    Part::Result(CallResult { call_id: id.into(), name: name.into(), parts, is_error })
}

fn media(media_type: &str, name: Option<&str>, source: Source) -> Media {
    Media { source, media_type: media_type.into(), name: name.map(str::to_owned), detail: None }
}

#[test]
fn turns_alternate_and_results_stand_first() {
    let request = Request {
        messages: vec![
            Message::text(Role::System, "Be brief."),
            Message::text(Role::User, "one"),
            Message::text(Role::System, "And kind."),
            user(vec![Part::Text("  ".into()), Part::Text("two".into())]),
            Message::new(
                Role::Assistant,
                vec![
                    Part::Reasoning(ReasoningText { text: "hm".into(), signature: Some("s".into()), redacted: None }),
                    Part::Reasoning(ReasoningText { redacted: Some("cmVk".into()), ..ReasoningText::default() }),
                    call("call_1", "look"),
                    call("functions.look:1", "look"),
                ],
            ),
            user(vec![Part::Text("well?".into())]),
            user(vec![result("call_1", "look", "sun", false), result("functions.look:1", "look", "boom", true)]),
            Message::text(Role::Assistant, ""),
        ],
        tools: vec![tool("look")],
        ..Request::default()
    };
    let (body, lost) = write(&request, CLAUDE);
    assert!(lost.is_empty(), "{lost:?}");
    assert_eq!(body["system"], json!([{"text": "Be brief."}, {"text": "And kind."}]));
    let messages = body["messages"].as_array().unwrap();
    let roles: Vec<&str> = messages.iter().map(|message| message["role"].as_str().unwrap()).collect();
    assert_eq!(roles, ["user", "assistant", "user"]);
    assert_eq!(messages[0]["content"], json!([{"text": "one"}, {"text": "two"}]));
    let second = messages[1]["content"].as_array().unwrap();
    assert_eq!(second[0], json!({"reasoningContent": {"reasoningText": {"text": "hm", "signature": "s"}}}));
    assert_eq!(second[1], json!({"reasoningContent": {"redactedContent": "cmVk"}}));
    assert_eq!(second[2]["toolUse"].to_string(), r#"{"toolUseId":"call_1","name":"look","input":{"z":1.5,"a":2}}"#);
    let third = messages[2]["content"].as_array().unwrap();
    assert_eq!(third[0], json!({"toolResult": {"toolUseId": "call_1", "content": [{"text": "sun"}]}}));
    assert_eq!(third[1]["toolResult"]["status"], "error");
    assert_eq!(third[1]["toolResult"]["toolUseId"], second[3]["toolUse"]["toolUseId"]);
    assert_eq!(third[2], json!({"text": "well?"}));
    // Another provider's id, made into one that Converse takes.
    let id = second[3]["toolUse"]["toolUseId"].as_str().unwrap();
    assert!(id.starts_with("functionslook1-") && id.len() <= 64, "{id}");
}

#[test]
fn bytes_go_with_the_names_of_their_formats() {
    let inline = || Source::Base64("QUJD".into());
    let request = Request {
        messages: vec![user(vec![
            Part::Image(media("image/jpg", None, inline())),
            Part::File(media("application/pdf", Some("the_report: 1.pdf"), inline())),
            Part::File(media("", Some("b.md"), inline())),
            Part::File(media("video/mp4", None, Source::Url("s3://bucket/film.mp4".into()))),
            Part::Image(media("image/png", None, Source::Url("https://example.com/a.png".into()))),
            Part::File(media("application/pdf", None, Source::Id("file-1".into()))),
            Part::Audio(media("audio/wav", None, inline())),
        ])],
        ..Request::default()
    };
    let (body, lost) = write(&request, CLAUDE);
    assert_eq!(
        body["messages"][0]["content"],
        json!([
            {"image": {"format": "jpeg", "source": {"bytes": "QUJD"}}},
            {"document": {"format": "pdf", "name": "the report 1", "source": {"bytes": "QUJD"}}},
            {"document": {"format": "md", "name": "b (2)", "source": {"bytes": "QUJD"}}},
            {"video": {"format": "mp4", "source": {"s3Location": {"uri": "s3://bucket/film.mp4"}}}},
        ])
    );
    assert_eq!(
        lost,
        ["messages[].content[].image_url", "messages[].content[].file", "messages[].content[].input_audio"]
    );
}

#[test]
fn parameters_have_their_places_and_others_are_named() {
    let request = Request {
        max_tokens: Some(5000),
        temperature: Some(json!(0.7)),
        top_p: Some(json!(0.9)),
        top_k: Some(40),
        stop: vec!["END".into(), String::new()],
        user: Some("u@1".into()),
        service_tier: Some("priority".into()),
        parallel_tool_calls: Some(true),
        ..hello()
    };
    let (body, lost) = write(&request, CLAUDE);
    assert!(lost.is_empty(), "{lost:?}");
    assert_eq!(
        body["inferenceConfig"],
        json!({"maxTokens": 5000, "temperature": 0.7, "topP": 0.9, "stopSequences": ["END"]})
    );
    assert_eq!(body["additionalModelRequestFields"], json!({"top_k": 40}));
    assert_eq!(body["serviceTier"], json!({"type": "priority"}));
    assert_eq!(body["requestMetadata"], json!({"user_id": "u@1"}));
    assert_eq!(
        write(&request, "amazon.nova-lite-v1:0").0["additionalModelRequestFields"],
        json!({"inferenceConfig": {"topK": 40}})
    );
    assert_eq!(write(&request, "meta.llama3-2-1b-instruct-v1:0").1, ["top_k"]);

    let request = Request {
        temperature: Some(json!(1.7)),
        presence_penalty: Some(json!(1)),
        frequency_penalty: Some(json!(1)),
        seed: Some(json!(7)),
        choices: Some(2),
        logprobs: Some(0),
        logit_bias: Some(json!({"1": 1})),
        user: Some("é".into()),
        service_tier: Some("scale".into()),
        format: Some(Format::Json),
        ..hello()
    };
    let (body, lost) = write(&request, CLAUDE);
    assert_eq!(body["inferenceConfig"], json!({"temperature": 1}));
    let all = [
        "response_format",
        "service_tier",
        "user",
        "presence_penalty",
        "frequency_penalty",
        "seed",
        "n",
        "logprobs",
        "logit_bias",
    ];
    assert_eq!(lost, all);

    let (body, lost) = write(&hello(), CLAUDE);
    assert!(lost.is_empty());
    assert_eq!(body, json!({"messages": [{"role": "user", "content": [{"text": "hi"}]}]}));
}

#[test]
fn choices_of_tools_have_their_words() {
    let spec = |name: &str| json!({"toolSpec": {"name": name, "description": "d", "inputSchema": {"json": {"type": "object"}}}});
    let bare = json!({"toolSpec": {"name": "old", "inputSchema": {"json": {"type": "object", "properties": {}}}}});
    let plain = Request { tools: vec![tool("look")], ..hello() };
    let history = Request {
        messages: vec![
            Message::text(Role::User, "hi"),
            Message::new(Role::Assistant, vec![call("c", "old")]),
            user(vec![result("c", "old", "x", false)]),
        ],
        ..Request::default()
    };
    for (request, choice, expected) in [
        (&plain, None, json!({"tools": [spec("look")]})),
        (&plain, Some(ToolChoice::Auto), json!({"tools": [spec("look")], "toolChoice": {"auto": {}}})),
        (&plain, Some(ToolChoice::Required), json!({"tools": [spec("look")], "toolChoice": {"any": {}}})),
        (
            &plain,
            Some(ToolChoice::Named("look".into())),
            json!({"tools": [spec("look")], "toolChoice": {"tool": {"name": "look"}}}),
        ),
        (&plain, Some(ToolChoice::None), Value::Null),
        (&history, None, json!({"tools": [bare.clone()]})),
        (&history, Some(ToolChoice::None), json!({"tools": [bare]})),
        (&hello(), Some(ToolChoice::Required), Value::Null),
    ] {
        let request = Request { tool_choice: choice.clone(), ..request.clone() };
        let (body, lost) = write(&request, CLAUDE);
        assert_eq!(body.get("toolConfig").cloned().unwrap_or_default(), expected, "{choice:?}");
        assert!(lost.is_empty());
    }
}

#[test]
fn one_call_at_a_time_and_strict_tools_are_for_models_that_know_them() {
    let strict = Tool { strict: Some(true), ..tool("look") };
    let request = Request {
        tools: vec![strict],
        parallel_tool_calls: Some(false),
        tool_choice: Some(ToolChoice::Auto),
        ..hello()
    };
    let (body, lost) = write(&request, CLAUDE_45);
    assert!(lost.is_empty(), "{lost:?}");
    assert_eq!(
        body["additionalModelRequestFields"]["tool_choice"],
        json!({"type": "auto", "disable_parallel_tool_use": true})
    );
    assert_eq!(body["toolConfig"].get("toolChoice"), None);
    assert_eq!(body["toolConfig"]["tools"][0]["toolSpec"]["strict"], true);
    assert_eq!(write(&request, "amazon.nova-lite-v1:0").1, ["strict", "parallel_tool_calls"]);
    // Agents say it on every turn, also where there are no tools.
    assert!(write(&Request { tools: Vec::new(), ..request }, CLAUDE_45).1.is_empty());
}

#[test]
fn thinking_is_asked_for_in_the_models_own_words() {
    let ask = |effort, budget_tokens| Request {
        reasoning: Some(ReasoningAsk { effort, budget_tokens, show: None }),
        ..hello()
    };
    let low = || ask(Some(Effort::Low), None);
    for (request, model, expected) in [
        (low(), CLAUDE, json!({"thinking": {"type": "enabled", "budget_tokens": 2048}})),
        (ask(None, Some(4000)), CLAUDE, json!({"thinking": {"type": "enabled", "budget_tokens": 4000}})),
        (
            ask(None, Some(4000)),
            "anthropic.claude-opus-4-6-v1",
            json!({"thinking": {"type": "adaptive"}, "output_config": {"effort": "low"}}),
        ),
        (
            Request { max_tokens: Some(2000), ..low() },
            CLAUDE,
            json!({"thinking": {"type": "enabled", "budget_tokens": 1999}}),
        ),
        (
            low(),
            "us.amazon.nova-2-lite-v1:0",
            json!({"reasoningConfig": {"type": "enabled", "maxReasoningEffort": "low"}}),
        ),
        (low(), "openai.gpt-oss-120b-1:0", json!({"reasoning_effort": "low"})),
        (low(), "qwen.qwen3-32b-v1:0", json!({"reasoning_config": "low"})),
        (ask(Some(Effort::None), None), CLAUDE, Value::Null),
        (ask(None, Some(0)), "meta.llama3", Value::Null),
    ] {
        let (body, lost) = write(&request, model);
        assert_eq!(body.get("additionalModelRequestFields").cloned().unwrap_or_default(), expected, "{model}");
        assert!(lost.is_empty(), "{model} {lost:?}");
    }
    assert_eq!(write(&low(), "meta.llama3").1, ["reasoning_effort"]);
    assert_eq!(write(&Request { max_tokens: Some(100), ..low() }, CLAUDE).1, ["reasoning_effort"]);
    let warm = Request { temperature: Some(json!(0.2)), top_k: Some(4), ..low() };
    assert_eq!(write(&warm, CLAUDE).1, ["temperature", "top_k"]);
}

#[test]
fn a_format_is_the_models_own_or_a_tool_that_must_be_called() {
    let schema = json!({"type": "object", "properties": {"a": {"type": "integer"}}});
    let format =
        Format::Schema { name: Some("City".into()), description: None, schema: schema.clone(), strict: Some(true) };
    let request = Request { format: Some(format), ..hello() };
    let (body, lost) = write(&request, CLAUDE_45);
    assert!(lost.is_empty() && body.get("toolConfig").is_none());
    let structure = &body["outputConfig"]["textFormat"];
    assert_eq!(structure["type"], "json_schema");
    assert_eq!(structure["structure"]["jsonSchema"]["name"], "City");
    assert_eq!(structure["structure"]["jsonSchema"]["schema"], schema.to_string());

    let (body, lost) = write(&request, CLAUDE);
    assert!(lost.is_empty() && body.get("outputConfig").is_none());
    assert_eq!(body["toolConfig"]["toolChoice"], json!({"tool": {"name": "give_answer"}}));
    assert_eq!(body["toolConfig"]["tools"][0]["toolSpec"]["inputSchema"]["json"], schema);

    let with_tools = Request { tools: vec![tool("look")], ..request.clone() };
    assert_eq!(write(&with_tools, CLAUDE).0["toolConfig"]["toolChoice"], json!({"any": {}}));
    assert_eq!(write(&request, "meta.llama3").1, ["response_format"]);
    let thinking = ReasoningAsk { effort: Some(Effort::High), ..ReasoningAsk::default() };
    assert_eq!(write(&Request { reasoning: Some(thinking), ..request }, CLAUDE).1, ["response_format"]);
}

#[test]
fn thinking_without_a_signature_cannot_be_given_back_to_claude() {
    let thought = Part::Reasoning(ReasoningText { text: "hm".into(), ..ReasoningText::default() });
    let messages = vec![
        Message::text(Role::User, "hi"),
        Message::new(Role::Assistant, vec![thought, Part::Text("a".into())]),
        Message::text(Role::User, "go on"),
    ];
    let request = Request { messages, ..Request::default() };
    let (body, lost) = write(&request, CLAUDE);
    assert_eq!(lost, ["messages[].reasoning_content"]);
    assert_eq!(body["messages"][1]["content"], json!([{"text": "a"}]));
    assert!(write(&request, "openai.gpt-oss-120b-1:0").1.is_empty());
}
