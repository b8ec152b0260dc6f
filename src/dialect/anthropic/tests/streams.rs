//! Streams: what clients get for what providers of other dialects say, and what is made of Anthropic's own.

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::dialect::common::{AnswerCall, AnswerPart, Choice, Finish, Format, ReasoningAsk, Text};

fn call(index: u32, id: &'static str) -> Piece<'static> {
    Piece::Call { choice: 0, index, id: Text::Plain(id), name: Text::Plain("f"), signature: None }
}

fn arguments(index: u32, text: &str) -> Piece<'_> {
    Piece::Arguments { choice: 0, index, text: Text::Plain(text) }
}

fn text(text: &str) -> Piece<'_> {
    Piece::Text { choice: 0, text: Text::Plain(text) }
}

fn finish(reason: Finish) -> Piece<'static> {
    Piece::Finish { choice: 0, reason, said: Text::Plain("") }
}

/// `type` of each event with the text of its delta, in short.
fn outline(stream: &str) -> Vec<String> {
    let short = |event: &Value| {
        let kind = event["type"].as_str().unwrap().trim_start_matches("content_block_");
        let inside = event["delta"].as_object().or(event["content_block"].as_object());
        let value = inside.and_then(|members| members.values().nth(1)).and_then(Value::as_str);
        value.map_or_else(|| kind.to_owned(), |value| format!("{kind} {value}"))
    };
    check_grammar(stream).iter().map(short).collect()
}

#[test]
fn a_call_that_is_not_whole_keeps_the_next_one_waiting_and_nothing_is_lost() {
    let stream = |pieces: &[Piece<'_>]| outline(&write_stream(&Request::default(), pieces, &Usage::default()));
    let in_order = [
        text("hi"),
        call(0, "a"),
        arguments(0, "{\"x\":"),
        arguments(0, "\"}\"}"),
        call(1, "b"),
        arguments(1, "{}"),
        finish(Finish::ToolCalls),
    ];
    assert_eq!(
        stream(&in_order),
        [
            "message_start",
            "start ",
            "delta hi",
            "stop",
            "start a",
            "delta {\"x\":",
            "delta \"}\"}",
            "stop",
            "start b",
            "delta {}",
            "stop",
            "message_delta",
            "message_stop"
        ]
    );
    // The second call's arguments come before the first one's: they wait, then come at once.
    let in_turns = [
        call(0, "a"),
        call(1, "b"),
        arguments(1, "{\"y\""),
        arguments(0, "{\"x\":1"),
        arguments(1, ":2}"),
        arguments(0, "}"),
        arguments(0, " "),
        call(2, "c"),
        text("bye"),
    ];
    assert_eq!(
        stream(&in_turns)[1..],
        [
            "start a",
            "delta {\"x\":1",
            "delta }",
            "stop",
            "start b",
            "delta {\"y\":2}",
            "stop",
            "start c",
            "stop",
            "start ",
            "delta bye",
            "stop",
            "message_delta",
            "message_stop"
        ]
    );
}

#[test]
fn the_end_says_why_and_how_much() {
    let request = Request::default();
    for (pieces, reason) in [
        (vec![text("a"), finish(Finish::Stop)], "end_turn"),
        (vec![finish(Finish::Length)], "max_tokens"),
        (vec![finish(Finish::StopSequence)], "stop_sequence"),
        (vec![finish(Finish::ContentFilter)], "refusal"),
        (vec![finish(Finish::Pause)], "pause_turn"),
        (vec![call(0, "a"), finish(Finish::ToolCalls)], "tool_use"),
        (vec![call(0, "a")], "tool_use"),
        (vec![Piece::Refusal { choice: 0, text: Text::Plain("no") }, finish(Finish::Stop)], "refusal"),
        (vec![text("a"), Piece::Finish { choice: 1, reason: Finish::Length, said: Text::Plain("") }], "end_turn"),
    ] {
        let usage =
            Usage { input: 100, cache_read: 60, cache_write_5m: 30, output: 7, reasoning: 3, ..Usage::default() };
        let events = check_grammar(&write_stream(&request, &pieces, &usage));
        let end = &events[events.len() - 2];
        assert_eq!(end["delta"], json!({"stop_reason": reason, "stop_sequence": null}));
        assert_eq!(end["usage"]["input_tokens"], json!(10));
        assert_eq!(end["usage"]["cache_read_input_tokens"], json!(60));
        assert_eq!(end["usage"]["cache_creation_input_tokens"], json!(30));
        assert_eq!(end["usage"]["output_tokens"], json!(7));
        assert_eq!(events[0]["message"]["usage"]["output_tokens"], json!(0));
        assert_eq!(events[0]["message"]["id"], json!("msg_0123456789abcdef"));
        assert_eq!(events[0]["message"]["model"], json!("asked-model"));
    }
    // A model that failed is no answer: the stream ends as an error, without its terminator.
    let failed = write_stream(&request, &[text("a"), finish(Finish::Error)], &Usage::default());
    assert!(failed.contains("event: error\n") && !failed.contains("message_stop"), "{failed}");
}

#[test]
fn ids_are_made_where_there_are_none_and_carry_what_must_come_back() {
    let signature = Some(Text::Plain("c2ln+/=="));
    let pieces = [
        call(0, ""),
        arguments(0, "{}"),
        Piece::Call { choice: 0, index: 1, id: Text::Plain("b"), name: Text::Plain("g"), signature },
    ];
    let events = check_grammar(&write_stream(&Request::default(), &pieces, &Usage::default()));
    let ids: Vec<&str> = events.iter().filter_map(|event| event["content_block"]["id"].as_str()).collect();
    assert_eq!(ids[0], "toolu_0123456789abcdef00");
    assert_eq!(super::super::ids::split(ids[1]), ("b", Some("c2ln+/==".to_owned())));
}

#[test]
fn thinking_that_is_not_to_be_shown_keeps_its_signature() {
    let pieces = [
        Piece::Reasoning { choice: 0, text: Text::Plain("hm") },
        Piece::Signature { choice: 0, signature: Text::Plain("s") },
        text("a"),
    ];
    let request = Request {
        reasoning: Some(ReasoningAsk { show: Some(false), ..ReasoningAsk::default() }),
        ..Request::default()
    };
    for (request, thinking) in [(Request::default(), "hm"), (request, "")] {
        let answer = read_stream(&request, write_stream(&request, &pieces, &Usage::default()).as_bytes());
        let signed = AnswerPart::Reasoning { text: thinking.into(), signature: Some("s".into()) };
        assert_eq!(answer.choices[0].parts, [signed, AnswerPart::Text("a".into())]);
    }
}

#[test]
fn the_call_that_carries_the_format_is_the_answer() {
    let events = |input: &str, parts: &str, name: &str| {
        format!(
            r#"data: {{"type":"content_block_start","index":0,"content_block":{{"type":"tool_use","id":"t","name":"{name}","input":{input}}}}}

{parts}data: {{"type":"content_block_stop","index":0}}

data: {{"type":"message_delta","delta":{{"stop_reason":"tool_use"}}}}

data: {{"type":"message_stop"}}

"#
        )
    };
    let part = |json: &str| {
        format!(
            "data: {{\"type\":\"content_block_delta\",\"index\":0,\"delta\":{{\"type\":\"input_json_delta\",\"partial_json\":\"{json}\"}}}}\n\n"
        )
    };
    let formatted = Request { format: Some(Format::Json), ..Request::default() };
    let parts = part("") + &part("{\\\"a\\\":") + &part("1}");
    let name = super::super::FORMAT_TOOL;
    for (input, parts, text) in [
        ("{}", parts.as_str(), "{\"a\":1}"),
        ("{}", "", "{}"),
        ("{\"b\":2}", "", "{\"b\":2}"),
        ("{\"b\":2}", &parts, "{\"a\":1}"),
    ] {
        let answer = read_stream(&formatted, events(input, parts, name).as_bytes());
        let choice = Choice {
            parts: vec![AnswerPart::Text(text.into())],
            finish: Some(Finish::Stop),
            said: "end_turn".into(),
            ..Choice::default()
        };
        assert_eq!(answer.choices, [choice]);
    }
    for (request, name) in [(&formatted, "other"), (&Request::default(), name)] {
        let answer = read_stream(request, events("{}", &parts, name).as_bytes());
        let call = AnswerCall { id: "t".into(), name: name.into(), arguments: "{\"a\":1}".into(), signature: None };
        assert_eq!(answer.choices[0].parts, [AnswerPart::Call(call)]);
        assert_eq!(answer.choices[0].finish, Some(Finish::ToolCalls));
    }
}

#[test]
fn errors_refusals_and_what_is_unknown() {
    let request = Request::default();
    let error =
        "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"Over\"}}\n\n";
    assert_eq!(read_stream(&request, error.as_bytes()).error.as_deref(), Some("Over"));
    assert_eq!(read_body(&request, error.split_once("data: ").unwrap().1.as_bytes()).error.as_deref(), Some("Over"));
    let unknown = "event: news\ndata: {\"type\":\"news\",\"delta\":{\"text\":\"x\"}}\n\nevent: ping\ndata: {\"type\":\"ping\"}\n\n";
    assert_eq!(read_stream(&request, unknown.as_bytes()), Answer::default());
    let refused = r#"{"id":"msg_1","model":"m","content":[],"stop_reason":"refusal","stop_details":{"type":"refusal","explanation":"Not that."}}"#;
    let choice = &read_body(&request, refused.as_bytes()).choices[0];
    assert_eq!(choice.parts, [AnswerPart::Refusal("Not that.".into())]);
    assert_eq!(choice.finish, Some(Finish::ContentFilter));
    // A second start in the middle does not begin a second answer.
    let spliced = "data: {\"type\":\"message_start\",\"message\":{\"id\":\"a\",\"model\":\"x\"}}\n\n\
        data: {\"type\":\"message_start\",\"message\":{\"id\":\"b\",\"model\":\"y\"}}\n\n";
    assert_eq!(read_stream(&request, spliced.as_bytes()).id, "a");
}

/// One step of an answer; arguments name the call they belong to by a number taken modulo the calls so far.
#[derive(Clone, Debug)]
enum Step {
    Text(String),
    Reasoning(String),
    Signature(String),
    Redacted(String),
    Call,
    Arguments(usize),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        ".{0,4}".prop_map(Step::Text),
        ".{0,4}".prop_map(Step::Reasoning),
        "[a-z]{1,4}".prop_map(Step::Signature),
        "[a-z]{1,4}".prop_map(Step::Redacted),
        Just(Step::Call),
        any::<usize>().prop_map(Step::Arguments),
        any::<usize>().prop_map(Step::Arguments),
    ];
    prop::collection::vec(step, 0..40)
}

proptest! {
    /// Whatever comes in whatever order is told in the grammar, and says the same when it is read again.
    #[test]
    fn any_order_of_pieces_makes_a_stream_that_says_the_same(steps in steps()) {
        const INPUT: [&str; 5] = ["{\"a\":", "[1,{\"b\":\"}\\\"\"}", "", "],\"c\":null", "}"];
        let mut pieces = Vec::new();
        let mut given: Vec<usize> = Vec::new();
        for step in &steps {
            pieces.push(match step {
                Step::Text(said) => text(said),
                Step::Reasoning(said) => Piece::Reasoning { choice: 0, text: Text::Plain(said) },
                Step::Signature(signature) => Piece::Signature { choice: 0, signature: Text::Plain(signature) },
                Step::Redacted(data) => Piece::Redacted { choice: 0, data: Text::Plain(data) },
                Step::Call => {
                    given.push(0);
                    call(given.len() as u32 - 1, "id")
                }
                Step::Arguments(of) => {
                    let Some(of) = of.checked_rem(given.len()) else { continue };
                    let Some(part) = INPUT.get(given[of]) else { continue };
                    given[of] += 1;
                    arguments(of as u32, part)
                }
            });
        }
        let request = Request::default();
        let stream = write_stream(&request, &pieces, &Usage::default());
        check_grammar(&stream);
        let mut gather = Gather::default();
        pieces.iter().for_each(|piece| gather.piece(*piece));
        let wanted = gather.answer().choices.pop().unwrap_or_default().parts;
        let got = read_stream(&request, stream.as_bytes()).choices.pop().unwrap_or_default().parts;
        prop_assert_eq!(got, wanted, "{}", stream);
    }
}

#[test]
fn a_whole_answer_shows_what_a_stream_shows() {
    let call = |arguments: &str, signature: Option<&str>| {
        let (id, name, signature) = (String::new(), "f".to_owned(), signature.map(str::to_owned));
        AnswerPart::Call(AnswerCall { id, name, arguments: arguments.into(), signature })
    };
    let parts = vec![
        AnswerPart::Reasoning { text: "not shown".into(), signature: None },
        AnswerPart::Redacted("EtgB".into()),
        AnswerPart::Text("a\"\n".into()),
        call("{\"x\":1.50}", None),
        call("{\"x\":", Some("c2ln")),
    ];
    let choice = Choice { parts, finish: Some(Finish::ToolCalls), ..Choice::default() };
    let answer = Answer { id: "chatcmpl-1".into(), choices: vec![choice], ..Answer::default() };
    let request = Request {
        reasoning: Some(ReasoningAsk { show: Some(false), ..ReasoningAsk::default() }),
        ..Request::default()
    };
    let mut out = Vec::new();
    super::super::write_answer(
        &request,
        &about(),
        &answer,
        &Usage { input: 3, output: 4, ..Usage::default() },
        &mut out,
    );
    // Numbers as they were spelled.
    let input: Value = serde_json::from_str("{\"x\":1.50}").unwrap();
    let cut = super::super::ids::with_signature("toolu_0123456789abcdef01", "c2ln");
    assert_eq!(
        serde_json::from_slice::<Value>(&out).unwrap(),
        json!({
            "id": "msg_0123456789abcdef", "type": "message", "role": "assistant", "model": "asked-model",
            "content": [
                {"type": "redacted_thinking", "data": "EtgB"},
                {"type": "text", "text": "a\"\n"},
                {"type": "tool_use", "id": "toolu_0123456789abcdef00", "name": "f", "input": input},
                {"type": "tool_use", "id": cut, "name": "f", "input": {"_raw": "{\"x\":"}}],
            "stop_reason": "tool_use", "stop_sequence": null,
            "usage": {"input_tokens": 3, "cache_creation_input_tokens": 0, "cache_read_input_tokens": 0, "output_tokens": 4}
        })
    );
}
