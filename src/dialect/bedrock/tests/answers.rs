use super::{event, exception};
use crate::dialect::common::{Answer, AnswerPart, Finish, Format, Gather, Piece, Request};
use crate::dialect::{Frames, Mark, Reading, Wire, bedrock};
use crate::meter::{Family, Tier};
use crate::telemetry::ErrorClass;
use serde_json::json;

const CLAUDE: &str = "us.anthropic.claude-sonnet-4-20250514-v1:0";

fn stream(frames: &[Vec<u8>], request: &Request, model: &str) -> (Answer, Reading, Vec<Mark>) {
    let mut answer_in = bedrock::AnswerIn::new(request, model);
    let (mut gather, mut reading, mut marks) = (Gather::default(), Reading::new(Family::Unknown), Vec::new());
    let read = |event: crate::sse::Event<'_>| {
        marks.push(Wire::Bedrock.read_event(&event, &mut reading));
        answer_in.event(&event, &mut |piece| gather.piece(piece));
    };
    Frames::default().feed(&frames.concat(), read).unwrap();
    (gather.answer(), reading, marks)
}

fn unary(body: &str, request: &Request, model: &str) -> (Answer, Reading) {
    let (mut gather, mut reading) = (Gather::default(), Reading::new(Family::Unknown));
    Wire::Bedrock.read_body(body.as_bytes(), &mut reading);
    let mut starts = 0;
    bedrock::AnswerIn::new(request, model).body(body.as_bytes(), &mut |piece| {
        starts += u32::from(matches!(piece, Piece::Start { .. }));
        gather.piece(piece);
    });
    assert_eq!(starts, 1);
    (gather.answer(), reading)
}

fn call(name: &str, arguments: &str) -> AnswerPart {
    AnswerPart::Call(crate::dialect::common::AnswerCall {
        id: "t1".into(),
        name: name.into(),
        arguments: arguments.into(),
        signature: None,
    })
}

fn schema_request() -> Request {
    let schema = json!({"type": "object"});
    let format = Format::Schema { name: None, description: None, schema, strict: None };
    Request { format: Some(format), ..Request::default() }
}

#[test]
fn a_stream_of_thinking_text_and_a_call_is_read() {
    let frames = [
        event("messageStart", r#"{"p":"ab","role":"assistant"}"#),
        event("contentBlockDelta", r#"{"contentBlockIndex":0,"delta":{"reasoningContent":{"text":"Hm"}},"p":"a"}"#),
        event("contentBlockDelta", r#"{"delta":{"reasoningContent":{"text":"m\n"}},"contentBlockIndex":0}"#),
        event("contentBlockDelta", r#"{"contentBlockIndex":0,"delta":{"reasoningContent":{"signature":"sig=="}}}"#),
        event("contentBlockStop", r#"{"contentBlockIndex":0}"#),
        event(
            "contentBlockDelta",
            r#"{"contentBlockIndex":1,"delta":{"reasoningContent":{"redactedContent":"cmVk"}}}"#,
        ),
        event("contentBlockDelta", r#"{"contentBlockIndex":3,"delta":{"text":""}}"#),
        event("contentBlockDelta", r#"{"contentBlockIndex":3,"delta":{"text":"It is \ud83d"}}"#),
        event("contentBlockDelta", r#"{"contentBlockIndex":3,"delta":{"text":"\ude00"}}"#),
        event("contentBlockStop", r#"{"contentBlockIndex":3}"#),
        event("contentBlockStart", r#"{"contentBlockIndex":4,"start":{"toolUse":{"name":"look","toolUseId":"t1"}}}"#),
        event("contentBlockDelta", r#"{"contentBlockIndex":4,"delta":{"toolUse":{"input":"{\"at\":"}}}"#),
        event("contentBlockDelta", r#"{"contentBlockIndex":4,"delta":{"toolUse":{"input":"1}"}}}"#),
        event("contentBlockStop", r#"{"contentBlockIndex":4}"#),
        event("someNewEvent", r#"{"delta":{"text":"no"}}"#),
        event("messageStop", r#"{"stopReason":"tool_use"}"#),
        event(
            "metadata",
            r#"{"metrics":{"latencyMs":1},"serviceTier":{"type":"priority"},"usage":{"inputTokens":3,"outputTokens":20,"totalTokens":33,
            "cacheReadInputTokens":4,"cacheWriteInputTokens":6,"cacheDetails":[{"ttl":"1h","inputTokens":2},{"ttl":"5m","inputTokens":4}]}}"#,
        ),
    ];
    let (answer, reading, marks) = stream(&frames, &Request::default(), CLAUDE);
    let [choice] = answer.choices.as_slice() else { panic!("{answer:?}") };
    assert_eq!(
        choice.parts,
        [
            AnswerPart::Reasoning { text: "Hmm\n".into(), signature: Some("sig==".into()) },
            AnswerPart::Redacted("cmVk".into()),
            AnswerPart::Text("It is 😀".into()),
            call("look", r#"{"at":1}"#),
        ]
    );
    assert_eq!((choice.finish, choice.said.as_str()), (Some(Finish::ToolCalls), "tool_use"));
    let usage = reading.usage;
    assert_eq!((usage.input, usage.cache_read, usage.cache_write_total(), usage.output), (13, 4, 6, 20));
    assert_eq!((usage.cache_write_1h, usage.cache_write_5m, usage.modifiers.tier), (2, 4, Tier::Priority));
    assert!(reading.terminated && !reading.odd_usage && reading.error.is_none());
    assert_eq!(reading.finish_reason.as_deref(), Some("tool_use"));
    assert_eq!(marks.iter().filter(|mark| **mark == Mark::Content).count(), 8, "{marks:?}");
    assert_eq!(marks.last(), Some(&Mark::End));

    for cut in 0..frames.len() {
        assert!(!stream(&frames[..cut], &Request::default(), CLAUDE).1.terminated, "cut behind {cut} frames");
    }
}

#[test]
fn an_exception_ends_a_stream_as_an_error() {
    for (name, message, class) in [
        ("throttlingException", "slow down", ErrorClass::RateLimited),
        ("modelStreamErrorException", "oh", ErrorClass::StreamError),
    ] {
        let frames = [
            event("messageStart", r#"{"role":"assistant"}"#),
            event("contentBlockDelta", r#"{"contentBlockIndex":0,"delta":{"text":"Hi"}}"#),
            exception(name, &format!(r#"{{"message":"{message}"}}"#)),
        ];
        let (answer, reading, marks) = stream(&frames, &Request::default(), CLAUDE);
        assert_eq!(answer.error.as_deref(), Some(message));
        assert_eq!((reading.error, reading.terminated, marks.last()), (Some(class), false, Some(&Mark::Error)));
        assert!(reading.delivered.bytes() > 0);
    }
}

#[test]
fn a_whole_answer_is_read_in_whatever_order_its_members_stand() {
    let body = r#"{"metrics":{"latencyMs":1},"usage":{"inputTokens":397,"outputTokens":130,"totalTokens":527},
        "output":{"message":{"content":[
            {"reasoningContent":{"reasoningText":{"signature":"s","text":"think"}}},
            {"reasoningContent":{"redactedContent":"cmVk"}},
            {"citationsContent":{"citations":[{"title":"x"}],"content":[{"text":"Cited. "}]}},
            {"text":"And said."},
            {"toolUse":{"input":{"a":1.0,"b":"\u00e9"},"name":"look","toolUseId":"t1"}}],"role":"assistant"}},
        "stopReason":"tool_use"}"#;
    let (answer, reading) = unary(body, &Request::default(), CLAUDE);
    assert_eq!(
        answer.choices[0].parts,
        [
            AnswerPart::Reasoning { text: "think".into(), signature: Some("s".into()) },
            AnswerPart::Redacted("cmVk".into()),
            AnswerPart::Text("Cited. And said.".into()),
            call("look", r#"{"a":1.0,"b":"\u00e9"}"#),
        ]
    );
    assert_eq!(answer.choices[0].finish, Some(Finish::ToolCalls));
    assert!(reading.terminated);
    assert_eq!((reading.usage.input, reading.usage.output), (397, 130));

    // Without usage the text is what is known.
    let (_, mut reading) = unary(&body.replace("usage", "abuse"), &Request::default(), CLAUDE);
    assert!(reading.delivered.bytes() > 20 && reading.settle(7).input == 7);
}

#[test]
fn what_a_servers_tool_does_is_not_the_callers() {
    let frames = [
        event("messageStart", "{}"),
        event(
            "contentBlockStart",
            r#"{"contentBlockIndex":0,"start":{"toolUse":{"name":"nova_code_interpreter","toolUseId":"x","type":"server_tool_use"}}}"#,
        ),
        event("contentBlockDelta", r#"{"contentBlockIndex":0,"delta":{"toolUse":{"input":"{}"}}}"#),
        event("contentBlockStop", r#"{"contentBlockIndex":0}"#),
        event(
            "contentBlockStart",
            r#"{"contentBlockIndex":1,"start":{"toolResult":{"status":"success","toolUseId":"x"}}}"#,
        ),
        event("contentBlockDelta", r#"{"contentBlockIndex":1,"delta":{"toolResult":[{"json":{"stdOut":"7"}}]}}"#),
        event("contentBlockStop", r#"{"contentBlockIndex":1}"#),
        event("contentBlockDelta", r#"{"contentBlockIndex":2,"delta":{"text":"7"}}"#),
        event("messageStop", r#"{"stopReason":"tool_use"}"#),
    ];
    let (answer, ..) = stream(&frames, &Request::default(), "us.amazon.nova-2-lite-v1:0");
    assert_eq!(answer.choices[0].parts, [AnswerPart::Text("7".into())]);
    assert_eq!(answer.choices[0].finish, Some(Finish::Stop));
}

#[test]
fn the_tool_that_stands_for_a_format_is_told_as_text() {
    let frames = [
        event("messageStart", "{}"),
        event(
            "contentBlockStart",
            r#"{"contentBlockIndex":0,"start":{"toolUse":{"name":"give_answer","toolUseId":"x"}}}"#,
        ),
        event("contentBlockDelta", r#"{"contentBlockIndex":0,"delta":{"toolUse":{"input":"{\"a\""}}}"#),
        event("contentBlockDelta", r#"{"contentBlockIndex":0,"delta":{"toolUse":{"input":": 1}"}}}"#),
        event("contentBlockStop", r#"{"contentBlockIndex":0}"#),
        event("messageStop", r#"{"stopReason":"tool_use"}"#),
    ];
    let body = r#"{"output":{"message":{"content":[{"toolUse":{"input":{"a": 1},"name":"give_answer","toolUseId":"x"}}]}},"stopReason":"tool_use"}"#;
    for answer in [stream(&frames, &schema_request(), CLAUDE).0, unary(body, &schema_request(), CLAUDE).0] {
        assert_eq!(answer.choices[0].parts, [AnswerPart::Text(r#"{"a": 1}"#.into())]);
        assert_eq!((answer.choices[0].finish, answer.choices[0].said.as_str()), (Some(Finish::Stop), "end_turn"));
    }
    // A model that knows formats may well have a tool of that name.
    let (answer, _) = unary(&body.replace("\"x\"", "\"t1\""), &schema_request(), "anthropic.claude-opus-5");
    assert_eq!(answer.choices[0].parts, [call("give_answer", r#"{"a": 1}"#)]);
}

#[test]
fn stop_reasons_have_their_meaning() {
    for (said, reason) in [
        ("end_turn", Finish::Stop),
        ("stop_sequence", Finish::StopSequence),
        ("max_tokens", Finish::Length),
        ("model_context_window_exceeded", Finish::Length),
        ("guardrail_intervened", Finish::ContentFilter),
        ("content_filtered", Finish::ContentFilter),
        ("malformed_tool_use", Finish::Error),
        ("something_new", Finish::Stop),
    ] {
        let body = format!(r#"{{"output":{{"message":{{"content":[{{"text":"a"}}]}}}},"stopReason":"{said}"}}"#);
        let (answer, _) = unary(&body, &Request::default(), CLAUDE);
        assert_eq!(answer.choices[0].finish, Some(reason), "{said}");
        assert_eq!(answer.choices[0].said, said);
    }
}

#[test]
fn answers_of_any_shape_do_not_panic() {
    for body in ["", "[]", "{", r#"{"output":[]}"#, r#"{"output":{"message":{"content":{}}}}"#, "null"] {
        unary(body, &Request::default(), CLAUDE);
    }
    for payload in ["", "[]", "{", r#"{"delta":null}"#, r#"{"start":7}"#, r#"{"delta":{"toolUse":{"input":{}}}}"#] {
        for name in
            ["messageStart", "contentBlockStart", "contentBlockDelta", "contentBlockStop", "messageStop", "metadata"]
        {
            stream(&[event(name, payload)], &schema_request(), CLAUDE);
        }
    }
}
