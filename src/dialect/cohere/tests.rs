//! What Cohere is asked and says, and what is made of it.

use serde_json::{Value, json};

use super::{AnswerIn, write_request};
use crate::dialect::common::{
    Answer, AnswerPart, CallResult, Effort, Finish, Format, Gather, Lost, Media, Message, Part, ReasoningAsk,
    ReasoningText, Request, Role, Source, Tool, ToolCall, ToolChoice,
};
use crate::dialect::{Mark, Reading, To, Wire};
use crate::meter::{Billed, Family};
use crate::sse::Scanner;
use crate::telemetry::{ErrorClass, Face};

fn write(request: &Request, model: &str) -> (Value, Vec<String>) {
    let mut lost = Lost::new(Face::ChatCompletions);
    let body = write_request(request, &To { kind: "cohere", model }, &mut lost);
    (body, lost.fields().to_vec())
}

fn hello() -> Request {
    Request { messages: vec![Message::text(Role::User, "hi")], ..Request::default() }
}

fn tool(name: &str, strict: Option<bool>) -> Tool {
    Tool { name: name.into(), description: None, parameters: None, strict }
}

fn image(source: Source) -> Part {
    Part::Image(Media { source, media_type: "image/png".into(), name: None, detail: Some("low".into()) })
}

#[test]
fn messages_are_written_with_results_of_their_own() {
    let call = |id: &str| {
        let arguments = json!({"at": 1.50});
        Part::Call(ToolCall { id: id.into(), name: "look".into(), arguments, signature: None })
    };
    let result = |id: &str, is_error| {
        let parts = vec![Part::Text("sun".into()), Part::Text("wind".into())];
        Part::Result(CallResult { call_id: id.into(), name: "look".into(), parts, is_error })
    };
    let thought = |text: &str| Part::Reasoning(ReasoningText { text: text.into(), ..ReasoningText::default() });
    let request = Request {
        messages: vec![
            Message::text(Role::System, "Be brief."),
            Message::new(
                Role::User,
                vec![
                    Part::Text("see".into()),
                    image(Source::Base64("QUJD".into())),
                    image(Source::Url("https://example.com/a.png".into())),
                ],
            ),
            Message::new(Role::Assistant, vec![thought("I will look."), call("a"), call("b")]),
            Message::new(Role::User, vec![Part::Text("well?".into()), result("a", false), result("b", true)]),
            Message::new(Role::Assistant, vec![thought("Hm."), Part::Text("Sunny.".into())]),
            Message::text(Role::User, "thanks"),
        ],
        ..Request::default()
    };
    let (body, lost) = write(&request, "command-a-03-2025");
    assert_eq!(lost, ["is_error"]);
    assert_eq!((&body["model"], &body["stream"]), (&json!("command-a-03-2025"), &json!(false)));
    let calls = json!([
        {"id": "a", "type": "function", "function": {"name": "look", "arguments": "{\"at\":1.5}"}},
        {"id": "b", "type": "function", "function": {"name": "look", "arguments": "{\"at\":1.5}"}},
    ]);
    assert_eq!(
        body["messages"],
        json!([
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": [
                {"type": "text", "text": "see"},
                {"type": "image_url", "image_url": {"url": "data:image/png;base64,QUJD", "detail": "low"}},
                {"type": "image_url", "image_url": {"url": "https://example.com/a.png", "detail": "low"}},
            ]},
            {"role": "assistant", "tool_plan": "I will look.", "tool_calls": calls},
            {"role": "tool", "tool_call_id": "a", "content": "sun\nwind"},
            {"role": "tool", "tool_call_id": "b", "content": "sun\nwind"},
            {"role": "user", "content": "well?"},
            {"role": "assistant", "content": [
                {"type": "thinking", "thinking": "Hm."}, {"type": "text", "text": "Sunny."}]},
            {"role": "user", "content": "thanks"},
        ])
    );
    let (body, _) = write(&request, "command-a-reasoning-08-2025");
    let thinking = json!([{"type": "thinking", "thinking": "I will look."}]);
    assert_eq!(body["messages"][2], json!({"role": "assistant", "content": thinking, "tool_calls": calls}));
}

#[test]
fn parameters_have_their_places_and_others_are_named() {
    let schema = json!({"type": "object"});
    let request = Request {
        stream: true,
        max_tokens: Some(10),
        temperature: Some(json!(0.3)),
        top_p: Some(json!(0.9)),
        top_k: Some(5),
        seed: Some(json!(7)),
        presence_penalty: Some(json!(0.1)),
        frequency_penalty: Some(json!(0.2)),
        stop: vec!["END".into()],
        format: Some(Format::Schema { name: None, description: None, schema: schema.clone(), strict: None }),
        reasoning: Some(ReasoningAsk { effort: Some(Effort::Low), ..ReasoningAsk::default() }),
        service_tier: Some("auto".into()),
        ..hello()
    };
    let (body, lost) = write(&request, "m");
    assert!(lost.is_empty(), "{lost:?}");
    assert_eq!(
        body,
        json!({
            "model": "m", "stream": true, "messages": [{"role": "user", "content": "hi"}],
            "max_tokens": 10, "temperature": 0.3, "p": 0.9, "k": 5,
            "presence_penalty": 0.1, "frequency_penalty": 0.2, "seed": 7, "stop_sequences": ["END"],
            "response_format": {"type": "json_object", "json_schema": schema},
            "thinking": {"type": "enabled", "token_budget": 2048},
        })
    );
    for (ask, thinking) in [
        (ReasoningAsk { effort: Some(Effort::None), ..ReasoningAsk::default() }, json!({"type": "disabled"})),
        (ReasoningAsk { budget_tokens: Some(0), ..ReasoningAsk::default() }, json!({"type": "disabled"})),
        (
            ReasoningAsk { budget_tokens: Some(9), ..ReasoningAsk::default() },
            json!({"type": "enabled", "token_budget": 9}),
        ),
        (ReasoningAsk { show: Some(true), ..ReasoningAsk::default() }, Value::Null),
    ] {
        let (body, _) = write(&Request { reasoning: Some(ask), ..hello() }, "m");
        assert_eq!(body.get("thinking").cloned().unwrap_or_default(), thinking);
    }
    let request = Request {
        choices: Some(2),
        logprobs: Some(0),
        logit_bias: Some(json!({})),
        user: Some("u".into()),
        service_tier: Some("priority".into()),
        ..hello()
    };
    assert_eq!(write(&request, "m").1, ["n", "logprobs", "logit_bias", "user", "service_tier"]);
}

#[test]
fn a_named_tool_is_the_only_one_and_must_be_called() {
    let tools = vec![tool("a", Some(true)), tool("b", None)];
    let plain = Request { tools, ..hello() };
    for (choice, word, names) in [
        (None, Value::Null, 2),
        (Some(ToolChoice::Auto), Value::Null, 2),
        (Some(ToolChoice::None), json!("NONE"), 2),
        (Some(ToolChoice::Required), json!("REQUIRED"), 2),
        (Some(ToolChoice::Named("b".into())), json!("REQUIRED"), 1),
    ] {
        let (body, lost) = write(&Request { tool_choice: choice, ..plain.clone() }, "m");
        assert_eq!(body.get("tool_choice").cloned().unwrap_or_default(), word);
        assert_eq!(body["tools"].as_array().unwrap().len(), names);
        // Strict is for all or none.
        assert_eq!(lost.is_empty(), names == 1, "{lost:?}");
    }
    let (body, lost) =
        write(&Request { tools: vec![tool("a", Some(true))], parallel_tool_calls: Some(false), ..hello() }, "m");
    assert_eq!((&body["strict_tools"], lost), (&json!(true), vec!["parallel_tool_calls".to_owned()]));
}

fn stream(text: &str) -> (Answer, Reading, Vec<Mark>) {
    let mut answer_in = AnswerIn::new(&Request::default(), "m");
    let (mut gather, mut reading, mut marks) = (Gather::default(), Reading::new(Family::Unknown), Vec::new());
    let mut scanner = Scanner::new(1 << 20);
    let mut read = |event: crate::sse::Event<'_>| {
        marks.push(Wire::Cohere.read_event(&event, &mut reading));
        answer_in.event(&event, &mut |piece| gather.piece(piece));
    };
    scanner.feed(text.as_bytes(), &mut read).unwrap();
    scanner.finish(&mut read);
    (gather.answer(), reading, marks)
}

fn unary(body: &str) -> (Answer, Reading) {
    let (mut gather, mut reading) = (Gather::default(), Reading::new(Family::Unknown));
    Wire::Cohere.read_body(body.as_bytes(), &mut reading);
    AnswerIn::new(&Request::default(), "m").body(body.as_bytes(), &mut |piece| gather.piece(piece));
    (gather.answer(), reading)
}

const STREAM: &str = r#"event: message-start
data: {"id":"c1","type":"message-start","delta":{"message":{"role":"assistant","content":[],"tool_plan":"","tool_calls":[]}}}

event: content-start
data: {"type":"content-start","index":0,"delta":{"message":{"content":{"type":"thinking","thinking":""}}}}

event: content-delta
data: {"type":"content-delta","index":0,"delta":{"message":{"content":{"thinking":"Hm"}}}}

event: content-end
data: {"type":"content-end","index":0}

event: content-delta
data: {"type":"content-delta","index":1,"delta":{"message":{"content":{"text":"So \ud83d"}}}}

event: content-delta
data: {"type":"content-delta","index":1,"delta":{"message":{"content":{"text":"\ude00"}}}}

event: citation-start
data: {"type":"citation-start","index":0,"delta":{"message":{"citations":{"start":0,"end":2,"text":"So"}}}}

event: tool-plan-delta
data: {"type":"tool-plan-delta","delta":{"message":{"tool_plan":"I will look."}}}

event: tool-call-start
data: {"type":"tool-call-start","index":0,"delta":{"message":{"tool_calls":{"id":"a","type":"function","function":{"name":"look","arguments":""}}}}}

event: tool-call-delta
data: {"type":"tool-call-delta","index":0,"delta":{"message":{"tool_calls":{"function":{"arguments":"{\"at\":1}"}}}}}

event: tool-call-end
data: {"type":"tool-call-end","index":0}

event: tool-call-start
data: {"type":"tool-call-start","index":1,"delta":{"message":{"tool_calls":{"id":"b","type":"function","function":{"name":"now","arguments":null}}}}}

event: tool-call-delta
data: {"type":"tool-call-delta","index":1,"delta":{"message":{"tool_calls":{"function":{"arguments":"null"}}}}}

event: message-end
data: {"type":"message-end","delta":{"finish_reason":"TOOL_CALL","usage":{"billed_units":{"input_tokens":7,"output_tokens":5},"tokens":{"input_tokens":69,"output_tokens":9},"cached_tokens":64}}}

data: [DONE]

"#;

fn call(id: &str, name: &str, arguments: &str) -> AnswerPart {
    let (id, name, arguments) = (id.into(), name.into(), arguments.into());
    AnswerPart::Call(crate::dialect::common::AnswerCall { id, name, arguments, signature: None })
}

#[test]
fn a_stream_of_thinking_text_and_calls_is_read() {
    let (answer, reading, marks) = stream(STREAM);
    assert_eq!(answer.id, "c1");
    assert_eq!(
        answer.choices[0].parts,
        [
            AnswerPart::Reasoning { text: "Hm".into(), signature: None },
            AnswerPart::Text("So 😀".into()),
            AnswerPart::Reasoning { text: "I will look.".into(), signature: None },
            call("a", "look", r#"{"at":1}"#),
            call("b", "now", "{}"),
        ]
    );
    assert_eq!((answer.choices[0].finish, answer.choices[0].said.as_str()), (Some(Finish::ToolCalls), "TOOL_CALL"));
    let usage = reading.usage;
    assert_eq!((usage.input, usage.output, usage.cache_read), (69, 9, 64));
    assert_eq!(usage.billed, Some(Billed { input: 7, output: 5, search_units: 0 }));
    assert!(reading.terminated && reading.error.is_none() && !reading.odd_usage);
    assert_eq!(reading.response_id.as_deref(), Some("c1"));
    assert!(marks.contains(&Mark::End) && !marks.contains(&Mark::Error));
    let cut = STREAM.find("event: message-end").unwrap();
    assert!(!stream(&STREAM[..cut]).1.terminated);
    assert!(!stream(&STREAM[..cut + 200]).1.terminated);
}

#[test]
fn a_whole_answer_is_read() {
    let body = r#"{"id":"c1","message":{"role":"assistant","tool_plan":"Plan.","content":[{"thinking":"Hm","type":"thinking"},
        {"type":"text","text":"Hi"}],"tool_calls":[{"id":"a","type":"function","function":{"name":"now","arguments":"null"}}]},
        "finish_reason":"MAX_TOKENS","usage":{"billed_units":{"input_tokens":2},"tokens":{"input_tokens":4,"output_tokens":3}}}"#;
    let (answer, reading) = unary(body);
    assert_eq!(
        answer.choices[0].parts,
        [
            AnswerPart::Reasoning { text: "Plan.Hm".into(), signature: None },
            AnswerPart::Text("Hi".into()),
            call("a", "now", "{}"),
        ]
    );
    assert_eq!((answer.id.as_str(), answer.choices[0].finish), ("c1", Some(Finish::Length)));
    assert_eq!((reading.usage.input, reading.usage.output), (4, 3));
    assert!(reading.terminated);
}

#[test]
fn what_fails_in_the_middle_is_an_error() {
    for (event, class, message) in [
        (
            "event: message-end\ndata: {\"type\":\"message-end\",\"delta\":{\"finish_reason\":\"ERROR\",\"error\":\"oh\"}}\n\n",
            ErrorClass::StreamError,
            "oh",
        ),
        (
            "event: message-end\ndata: {\"type\":\"message-end\",\"delta\":{\"finish_reason\":\"TIMEOUT\"}}\n\n",
            ErrorClass::Timeout,
            "",
        ),
        ("data: {\"id\":\"1\",\"message\":\"gone\"}\n\n", ErrorClass::StreamError, "gone"),
        ("event: error\ndata: {\"message\":\"gone\"}\n\n", ErrorClass::StreamError, "gone"),
    ] {
        let (answer, reading, marks) = stream(event);
        assert_eq!((reading.error, reading.terminated, marks[0]), (Some(class), false, Mark::Error), "{event}");
        assert_eq!(answer.error.as_deref(), Some(message));
    }
    let (answer, reading, _) = stream(
        "event: message-end\ndata: {\"type\":\"message-end\",\"delta\":{\"finish_reason\":\"ERROR_TOXIC\"}}\n\n",
    );
    assert_eq!((answer.choices[0].finish, reading.error), (Some(Finish::ContentFilter), None));
}

#[test]
fn answers_of_any_shape_do_not_panic() {
    for body in ["", "[]", "{", r#"{"message":[]}"#, r#"{"message":{"content":{},"tool_calls":7}}"#, "null"] {
        unary(body);
        for name in ["message-start", "content-delta", "tool-call-start", "tool-call-delta", "message-end", "error"] {
            stream(&format!("event: {name}\ndata: {body}\n\n"));
        }
    }
}
