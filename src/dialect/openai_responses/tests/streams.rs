//! What clients get for pieces, event by event.

use serde_json::json;

use super::*;
use crate::dialect::common::{Format, Message, ReasoningAsk, Role, Tool, ToolChoice};

fn start() -> Piece<'static> {
    Piece::Start { id: plain("msg_1"), model: plain("claude") }
}

fn finish(reason: Finish) -> Piece<'static> {
    Piece::Finish { choice: 0, reason, said: plain("said") }
}

fn text(text: &str) -> Piece<'_> {
    Piece::Text { choice: 0, text: plain(text) }
}

fn call<'a>(index: u32, id: &'a str) -> Piece<'a> {
    Piece::Call { choice: 0, index, id: plain(id), name: plain("f"), signature: None }
}

fn arguments(index: u32, text: &str) -> Piece<'_> {
    Piece::Arguments { choice: 0, index, text: plain(text) }
}

#[test]
fn a_text_is_the_events_that_the_api_documents() {
    let stream = written(&Request::default(), &[start(), text("Hi\n"), text(" you"), finish(Finish::Stop)]);
    let events = grammar::check(&stream);
    let kinds: Vec<&str> = events.iter().map(|event| event["type"].as_str().unwrap()).collect();
    assert_eq!(
        kinds,
        [
            "response.created",
            "response.in_progress",
            "response.output_item.added",
            "response.content_part.added",
            "response.output_text.delta",
            "response.output_text.delta",
            "response.output_text.done",
            "response.content_part.done",
            "response.output_item.done",
            "response.completed",
        ]
    );
    assert_eq!(
        events[4],
        json!({"type": "response.output_text.delta", "sequence_number": 4, "item_id": "msg_0abc_0",
               "output_index": 0, "content_index": 0, "delta": "Hi\n", "logprobs": []})
    );
    let response = &events[9]["response"];
    assert_eq!((&response["model"], &response["status"]), (&json!("claude"), &json!("completed")));
    assert_eq!(
        response["usage"],
        json!({"input_tokens": 11, "input_tokens_details": {"cached_tokens": 3, "cache_write_tokens": 0}, "output_tokens": 7,
               "output_tokens_details": {"reasoning_tokens": 2}, "total_tokens": 18})
    );
    assert_eq!(events[0]["response"]["usage"], Value::Null);
}

#[test]
fn calls_that_are_written_at_the_same_time_stay_apart() {
    let pieces = [
        start(),
        text("Let me see"),
        call(0, "call_a"),
        call(1, ""),
        arguments(0, "{\"a\":"),
        arguments(1, "{\"b\":"),
        arguments(0, "1}"),
        arguments(1, "2}"),
        call(2, "call_c"),
        finish(Finish::ToolCalls),
    ];
    let stream = written(&Request::default(), &pieces);
    let events = grammar::check(&stream);
    let output = &events.last().unwrap()["response"]["output"];
    assert_eq!(output[1]["arguments"], "{\"a\":1}");
    assert_eq!(output[2]["arguments"], "{\"b\":2}");
    assert_eq!(output[2]["call_id"], "call_0abc_2", "one is made where the provider gave none");
    assert_eq!(output[3]["arguments"], "{}", "a call without arguments has an empty object");
    assert_eq!(read_stream(&stream).choices[0].finish, Some(Finish::ToolCalls));
}

#[test]
fn ends_are_told_by_the_last_event() {
    for (reason, kind, details) in [
        (Finish::Stop, "completed", json!(null)),
        (Finish::StopSequence, "completed", json!(null)),
        (Finish::ToolCalls, "completed", json!(null)),
        (Finish::Length, "incomplete", json!({"reason": "max_output_tokens"})),
        (Finish::ContentFilter, "incomplete", json!({"reason": "content_filter"})),
        (Finish::Pause, "incomplete", json!({"reason": null})),
        (Finish::Error, "failed", json!(null)),
    ] {
        let events = grammar::check(&written(&Request::default(), &[start(), text("a"), finish(reason)]));
        let last = events.last().unwrap();
        assert_eq!(last["type"], format!("response.{kind}"));
        assert_eq!(last["response"]["incomplete_details"], details);
        assert_eq!(last["response"]["error"].is_null(), reason != Finish::Error);
        let status = if matches!(kind, "completed") || reason == Finish::Pause { "completed" } else { "incomplete" };
        assert_eq!(last["response"]["output"][0]["status"], status, "{reason:?}");
    }
    let refusal = Piece::Refusal { choice: 0, text: plain("No.") };
    let events = grammar::check(&written(&Request::default(), &[start(), refusal, finish(Finish::ContentFilter)]));
    let last = events.last().unwrap();
    assert_eq!(last["type"], "response.completed", "a refusal is a whole answer");
    assert_eq!(last["response"]["output"][0]["content"], json!([{"type": "refusal", "refusal": "No."}]));
}

#[test]
fn thinking_is_a_summary_and_its_signature_what_is_encrypted() {
    let thought = |text| Piece::Reasoning { choice: 0, text: plain(text) };
    let pieces = [
        start(),
        thought("First"),
        thought(" this"),
        Piece::Signature { choice: 0, signature: plain("c2ln") },
        thought("then"),
        Piece::Redacted { choice: 0, data: plain("aGlk") },
        Piece::Call { choice: 0, index: 0, id: plain("c"), name: plain("f"), signature: Some(plain("Z2Vt")) },
        finish(Finish::ToolCalls),
    ];
    let stream = written(&Request::default(), &pieces);
    let output = grammar::check(&stream).last().unwrap()["response"]["output"].clone();
    assert_eq!(output[0]["summary"], json!([{"type": "summary_text", "text": "First this"}]));
    assert_eq!(output[0]["encrypted_content"], "c2ln");
    assert_eq!(output[1].get("encrypted_content"), None);
    assert_eq!(output[2]["encrypted_content"], "sluice:redacted:aGlk");
    assert_eq!(output[3]["encrypted_content"], "sluice:call:Z2Vt");
    let mut gather = Gather::default();
    pieces.iter().for_each(|piece| gather.piece(*piece));
    let original = gather.answer();
    assert_eq!(parts(&read_stream(&stream)), parts(&original), "a gateway behind a gateway reads them back");
    let whole = written_whole(&Request::default(), &original);
    assert_eq!(parts(&read_body(whole.to_string().as_bytes())), parts(&original));
}

#[test]
fn log_probabilities_are_beside_the_text() {
    let items = br#"{"token":"a","logprob":-0.5,"bytes":[97],"top_logprobs":[]}"#;
    let pieces = [
        start(),
        text("a"),
        Piece::Logprobs { choice: 0, items },
        Piece::Logprobs { choice: 0, items: b"{\"token\": \n 1}" },
        Piece::Logprobs { choice: 0, items: b"{broken" },
        finish(Finish::Stop),
    ];
    let stream = written(&Request::default(), &pieces);
    let output = grammar::check(&stream).last().unwrap()["response"]["output"].clone();
    let part = &output[0]["content"][0];
    assert_eq!(part["logprobs"].as_array().unwrap().len(), 2);
    assert_eq!(part["logprobs"][0]["token"], "a");
    let read = read_stream(&stream);
    assert_eq!(
        serde_json::from_slice::<Value>(&[b"[", &read.choices[0].logprobs[..], b"]"].concat()).unwrap()[0]["token"],
        "a"
    );
}

#[test]
fn half_a_surrogate_pair_is_no_text() {
    let raw = |raw: &'static [u8]| Piece::Text { choice: 0, text: Text::Escaped(raw) };
    let out = String::from_utf8(written(&Request::default(), &[raw(b"x\\ud83d"), finish(Finish::Stop)])).unwrap();
    let last: Value =
        serde_json::from_str(out.lines().rev().find_map(|line| line.strip_prefix("data: ")).unwrap()).unwrap();
    assert_eq!(last["response"]["output"][0]["content"][0]["text"], "x\u{fffd}");
}

#[test]
fn an_answer_of_nothing_still_has_its_frame() {
    let events = grammar::check(&written(&Request::default(), &[]));
    assert_eq!(events.len(), 3);
    assert_eq!(events[2]["response"]["output"], json!([]));
    assert_eq!(events[2]["response"]["model"], "asked-for");
    grammar::response(&written_whole(&Request::default(), &Answer::default()));
}

#[test]
fn a_response_repeats_its_request() {
    let request = Request {
        messages: vec![Message::text(Role::System, "Be \"brief\"."), Message::text(Role::User, "Hi")],
        tools: vec![Tool {
            name: "f".into(),
            description: None,
            parameters: Some(json!({"type": "object"})),
            strict: Some(true),
        }],
        tool_choice: Some(ToolChoice::Named("f".into())),
        parallel_tool_calls: Some(false),
        max_tokens: Some(9),
        temperature: Some(serde_json::from_str("0.70").unwrap()),
        format: Some(Format::Json),
        reasoning: Some(ReasoningAsk { show: Some(true), ..ReasoningAsk::default() }),
        ..Request::default()
    };
    let response = written_whole(&request, &Answer::default());
    grammar::response(&response);
    assert_eq!(response["instructions"], "Be \"brief\".");
    assert_eq!(response["tools"][0]["name"], "f");
    assert_eq!(response["tool_choice"], json!({"type": "function", "name": "f"}));
    assert_eq!(response["parallel_tool_calls"], false);
    assert_eq!(response["max_output_tokens"], 9);
    assert_eq!(response["temperature"].to_string(), "0.70");
    assert_eq!(response["text"], json!({"format": {"type": "json_object"}}));
    assert_eq!(response["reasoning"]["summary"], "auto");
}

#[test]
fn other_choices_are_not_of_this_dialect() {
    let other = Piece::Text { choice: 1, text: plain("b") };
    let events = grammar::check(&written(&Request::default(), &[start(), text("a"), other, finish(Finish::Stop)]));
    assert_eq!(events.last().unwrap()["response"]["output"].as_array().unwrap().len(), 1);
}
