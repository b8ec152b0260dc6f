//! Answers of this dialect read into pieces, and pieces written as answers of this dialect.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::{AnswerIn, AnswerOut, write_answer};
use crate::dialect::common::{Answer, AnswerPart, Finish, Gather, Piece, ReasoningAsk, Request, Text};
use crate::dialect::{About, Reading, Wire};
use crate::meter::{Family, Tier, Usage, UsageSource};
use crate::sse::Scanner;

fn about() -> About {
    About { id: "abc".into(), model: "asked".into(), created_unix_s: 1 }
}

fn read_body(body: &str) -> Answer {
    let mut gather = Gather::default();
    AnswerIn::new(&Request::default(), "m").body(body.as_bytes(), &mut |piece| gather.piece(piece));
    gather.answer()
}

fn read_stream(stream: &[u8]) -> Answer {
    let (mut reads, mut gather) = (AnswerIn::new(&Request::default(), "m"), Gather::default());
    let mut scanner = Scanner::new(1 << 20);
    scanner.feed(stream, |event| reads.event(&event, &mut |piece| gather.piece(piece))).unwrap();
    gather.answer()
}

fn events(chunks: &[Value]) -> Vec<u8> {
    chunks.iter().flat_map(|chunk| format!("data: {chunk}\r\n\r\n").into_bytes()).collect()
}

fn parts(parts: Value) -> Value {
    json!({"candidates": [{"content": {"parts": parts, "role": "model"}}], "responseId": "r", "modelVersion": "v"})
}

#[test]
fn parts_become_text_thoughts_and_calls() {
    let answer = read_body(
        &json!({
            "candidates": [{
                "finishReason": "STOP",
                "content": {"parts": [
                    {"thought": true, "text": "hm"},
                    {"thoughtSignature": "c2ln", "text": "Hello"},
                    {"functionCall": {"args": {"a": 1.50, "b": "x y"}, "name": "f", "id": "1"}, "thoughtSignature": "Zg=="},
                    {"functionCall": {"name": "g"}},
                ], "role": "model"},
            }],
            "responseId": "r", "modelVersion": "v",
        })
        .to_string(),
    );
    assert_eq!((answer.id.as_str(), answer.model.as_str()), ("r", "v"));
    let [choice] = answer.choices.as_slice() else { panic!("{answer:?}") };
    assert_eq!(choice.finish, Some(Finish::Stop));
    let [AnswerPart::Reasoning { text, signature }, AnswerPart::Text(said), AnswerPart::Call(f), AnswerPart::Call(g)] =
        choice.parts.as_slice()
    else {
        panic!("{choice:?}")
    };
    assert_eq!((text.as_str(), signature.as_deref(), said.as_str()), ("hm", Some("c2ln"), "Hello"));
    assert_eq!((f.id.as_str(), f.name.as_str(), f.arguments.as_str()), ("1", "f", r#"{"a":1.5,"b":"x y"}"#));
    assert_eq!(f.signature.as_deref(), Some("Zg=="));
    assert_eq!((g.id.as_str(), g.name.as_str(), g.arguments.as_str()), ("", "g", "{}"));
}

#[test]
fn arguments_of_a_whole_body_lose_their_indentation_only() {
    let body = "{\n \"candidates\": [{\"content\": {\"parts\": [{\"functionCall\": {\"name\": \"f\", \"args\": {\n  \
                \"a b\": \"c \\\" \\n d\",\n  \"n\": [1, 2]\n}}}]}}]}";
    let answer = read_body(body);
    let AnswerPart::Call(call) = &answer.choices[0].parts[0] else { panic!("{answer:?}") };
    assert_eq!(call.arguments, r#"{"a b":"c \" \n d","n":[1,2]}"#);
}

#[test]
fn arguments_in_pieces_are_put_together() {
    let piece = |args: Value, more: bool| parts(json!([{"functionCall": {"partialArgs": args, "willContinue": more}}]));
    let stream = events(&[
        parts(json!([{"functionCall": {"name": "f", "id": "1", "willContinue": true}, "thoughtSignature": "Zg=="}])),
        piece(json!([{"jsonPath": "$.items[0].name", "stringValue": "ap", "willContinue": true}]), true),
        piece(json!([{"jsonPath": "$.items[0].name", "stringValue": "ple"}]), true),
        piece(
            json!([{"jsonPath": "$.items[0].price", "numberValue": 0.50}, {"jsonPath": "$['a.b']", "nullValue": "NULL_VALUE"}]),
            true,
        ),
        piece(
            json!([{"jsonPath": "$.items[99999999].price", "numberValue": 1}, {"jsonPath": "odd", "numberValue": 1}]),
            true,
        ),
        piece(json!([{"jsonPath": "$.ok", "boolValue": true}]), false),
        parts(json!([{"functionCall": {"name": "g", "willContinue": true}}])),
        parts(json!([{"functionCall": {}}])),
        parts(json!([{"functionCall": {"name": "h", "args": {"x": 1}}}])),
        json!({"candidates": [{"finishReason": "STOP"}]}),
    ]);
    let answer = read_stream(&stream);
    let calls: Vec<_> = answer.choices[0]
        .parts
        .iter()
        .map(|part| match part {
            AnswerPart::Call(call) => (call.name.as_str(), call.arguments.as_str()),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(
        calls,
        [("f", r#"{"items":[{"name":"apple","price":0.5}],"a.b":null,"ok":true}"#), ("g", "{}"), ("h", r#"{"x":1}"#),]
    );
}

#[test]
fn why_it_ended_is_told() {
    use Finish::*;
    let candidate = |word: Value| json!({"candidates": [{"content": {"role": "model"}, "finishReason": word}]});
    for (body, expected) in [
        (candidate("STOP".into()), Some(Stop)),
        (candidate("MAX_TOKENS".into()), Some(Length)),
        (candidate(2.into()), Some(Length)),
        (candidate("RECITATION".into()), Some(ContentFilter)),
        (candidate("MALFORMED_FUNCTION_CALL".into()), Some(Error)),
        (candidate("FAKE_ENUM".into()), Some(Stop)),
        (candidate("FINISH_REASON_UNSPECIFIED".into()), None),
        (json!({"promptFeedback": {"blockReason": "SAFETY"}}), Some(ContentFilter)),
        (json!({"promptFeedback": {}}), None),
        (json!({}), None),
    ] {
        let answer = read_body(&body.to_string());
        let finish = answer.choices.first().and_then(|choice| choice.finish);
        assert_eq!(finish, expected, "{body}");
        let mut reading = Reading::new(Family::Unknown);
        let mut scanner = Scanner::new(1 << 20);
        scanner.feed(&events(&[body]), |event| _ = Wire::Gemini.read_event(&event, &mut reading)).unwrap();
        assert_eq!(reading.terminated, expected.is_some());
    }
    assert_eq!(read_body(r#"[{"error":{"code":500,"message":"no"}}]"#).error.as_deref(), Some("no"));
}

#[test]
fn a_stream_of_two_candidates_is_over_when_both_are() {
    let chunk = |index: u32, finish: Option<&str>| {
        let mut candidate = json!({"content": {"parts": [{"text": format!("{index}")}]}, "index": index});
        if let Some(finish) = finish {
            candidate["finishReason"] = finish.into();
        }
        json!({"candidates": [candidate]})
    };
    let chunks = [chunk(0, None), chunk(1, None), chunk(0, Some("STOP")), chunk(1, Some("MAX_TOKENS"))];
    for (len, terminated) in [(1, false), (2, false), (3, false), (4, true)] {
        let mut reading = Reading::new(Family::Unknown);
        let mut scanner = Scanner::new(1 << 20);
        scanner.feed(&events(&chunks[..len]), |event| _ = Wire::Gemini.read_event(&event, &mut reading)).unwrap();
        assert_eq!(reading.terminated, terminated, "{len}");
    }
    let answer = read_stream(&events(&chunks));
    assert_eq!(answer.choices[0].parts, [AnswerPart::Text("00".into())]);
    assert_eq!(answer.choices[1].parts, [AnswerPart::Text("11".into())]);
    assert_eq!(answer.choices[1].finish, Some(Finish::Length));
}

#[test]
fn usage_is_the_newest_snapshot_of_each_field() {
    let read = |usages: &[Value]| {
        let mut reading = Reading::new(Family::Unknown);
        let chunks: Vec<Value> = usages.iter().map(|usage| json!({"usageMetadata": usage})).collect();
        Wire::Gemini.read_body(Value::from(chunks).to_string().as_bytes(), &mut reading);
        reading
    };
    let reading = read(&[
        json!({"promptTokenCount": 10, "thoughtsTokenCount": 5, "totalTokenCount": 15}),
        json!({"promptTokenCount": 10, "toolUsePromptTokenCount": 7, "totalTokenCount": 17, "trafficType": "ON_DEMAND_FLEX"}),
        json!({
            "promptTokenCount": 12, "cachedContentTokenCount": 4, "candidatesTokenCount": 30, "thoughtsTokenCount": 6,
            "totalTokenCount": 55, "promptTokensDetails": [{"modality": "AUDIO", "tokenCount": 3}],
            "candidatesTokensDetails": [{"modality": "IMAGE", "tokenCount": 20}, {"modality": "AUDIO", "tokenCount": 2}],
        }),
    ]);
    let usage = reading.usage;
    assert_eq!((usage.input, usage.output, usage.reasoning, usage.cache_read), (19, 36, 6, 4));
    assert_eq!((usage.audio_input, usage.audio_output, usage.image_output), (3, 2, 20));
    assert_eq!((usage.modifiers.tier, usage.source, reading.odd_usage), (Tier::Flex, UsageSource::Reported, false));
    let reading = read(&[json!({"promptTokenCount": "12", "candidatesTokenCount": 3})]);
    assert!(reading.odd_usage && reading.usage.output == 3);
    for (said, tier) in
        [("priority", Tier::Priority), ("PROVISIONED_THROUGHPUT", Tier::Provisioned), ("standard", Tier::Standard)]
    {
        let usage = read(&[json!({"promptTokenCount": 1, "serviceTier": said})]).usage;
        assert_eq!(usage.modifiers.tier, tier, "{said}");
    }
}

#[test]
fn text_without_its_count_is_not_lost_when_the_stream_is_cut() {
    let mut reading = Reading::new(Family::Unknown);
    let chunk = json!({"candidates": [{"content": {"parts": [{"text": "Once upon a time"}]}}],
        "usageMetadata": {"promptTokenCount": 9, "totalTokenCount": 9}});
    let mut scanner = Scanner::new(1 << 20);
    scanner.feed(&events(&[chunk]), |event| _ = Wire::Gemini.read_event(&event, &mut reading)).unwrap();
    let usage = reading.settle(100);
    assert!(usage.input == 9 && usage.output > 0 && usage.source == UsageSource::Estimated, "{usage:?}");
}

/// What a client of a stream gets for these pieces.
fn written(request: &Request, pieces: &[Piece<'_>], usage: &Usage) -> Vec<u8> {
    let (mut writes, mut out) = (AnswerOut::new(request, &about()), Vec::new());
    for piece in pieces {
        writes.piece(*piece, &mut out);
    }
    writes.end(usage, &mut out);
    out
}

fn usage() -> Usage {
    Usage { input: 10, cache_read: 4, output: 7, reasoning: 2, source: UsageSource::Reported, ..Usage::default() }
}

const PIECES: [Piece<'static>; 11] = [
    Piece::Start { id: Text::Plain("r1"), model: Text::Plain("") },
    Piece::Reasoning { choice: 0, text: Text::Plain("hm") },
    Piece::Signature { choice: 0, signature: Text::Plain("c2ln") },
    Piece::Text { choice: 0, text: Text::Escaped(br"a\u00e9\n") },
    Piece::Call {
        choice: 0,
        index: 0,
        id: Text::Plain("c1"),
        name: Text::Plain("f"),
        signature: Some(Text::Plain("Zg==")),
    },
    Piece::Arguments { choice: 0, index: 0, text: Text::Escaped(br#"{\"a\":"#) },
    Piece::Call { choice: 0, index: 1, id: Text::Plain(""), name: Text::Plain("g"), signature: None },
    Piece::Arguments { choice: 0, index: 0, text: Text::Escaped(b"1}") },
    Piece::Arguments { choice: 0, index: 1, text: Text::Plain("") },
    Piece::Logprobs {
        choice: 0,
        items: br#"{"token":"a","logprob":-0.5,"bytes":null,"top_logprobs":[{"token":"b","logprob":-2}]}"#,
    },
    Piece::Finish { choice: 0, reason: Finish::ToolCalls, said: Text::Plain("tool_use") },
];

#[test]
fn a_stream_is_written_as_google_does() {
    let out = String::from_utf8(written(&Request::default(), &PIECES, &usage())).unwrap();
    let chunk = |part: &str| {
        format!(
            "data: {{\"candidates\":[{{\"content\":{{\"parts\":[{part}],\"role\":\"model\"}},\"index\":0}}],\"modelVersion\":\"asked\",\"responseId\":\"r1\"}}"
        )
    };
    let lines: Vec<&str> = out.split("\r\n\r\n").collect();
    assert_eq!(lines[0], chunk(r#"{"text":"hm","thought":true}"#));
    assert_eq!(lines[1], chunk(r#"{"text":"","thought":true,"thoughtSignature":"c2ln"}"#));
    assert_eq!(lines[2], chunk(r#"{"text":"a\u00e9\n"}"#));
    assert!(lines[3].contains(r#""logprobsResult":{"topCandidates":[{"candidates":[{"token":"b","logProbability":-2}]}],"chosenCandidates":[{"token":"a","logProbability":-0.5}]}"#), "{}", lines[3]);
    assert_eq!(lines[4], chunk(r#"{"functionCall":{"id":"c1","name":"f","args":{"a":1}},"thoughtSignature":"Zg=="}"#));
    assert_eq!(lines[5], chunk(r#"{"functionCall":{"name":"g","args":{}}}"#));
    assert_eq!(
        lines[6],
        concat!(
            r#"data: {"candidates":[{"content":{"parts":[{"text":""}],"role":"model"},"finishReason":"STOP","index":0}],"#,
            r#""usageMetadata":{"promptTokenCount":10,"cachedContentTokenCount":4,"candidatesTokenCount":5,"thoughtsTokenCount":2,"totalTokenCount":17},"#,
            r#""modelVersion":"asked","responseId":"r1"}"#
        )
    );
    assert_eq!(lines[7..], [""]);
}

#[test]
fn an_array_and_a_whole_answer_say_what_the_stream_says() {
    let streamed = read_stream(&written(&Request::default(), &PIECES, &usage()));
    let array = Request { stream: true, stream_array: true, ..Request::default() };
    let array = String::from_utf8(written(&array, &PIECES, &usage())).unwrap();
    assert!(serde_json::from_str::<Vec<Value>>(&array).unwrap().len() == 7 && array.contains("},\r\n{"), "{array}");
    assert_eq!(read_body(&array), streamed);
    let mut gather = Gather::default();
    PIECES.iter().for_each(|piece| gather.piece(*piece));
    let mut body = Vec::new();
    write_answer(&Request::default(), &about(), &gather.answer(), &usage(), &mut body);
    let body = String::from_utf8(body).unwrap();
    assert_eq!(read_body(&body), streamed);
    let mut reading = Reading::new(Family::Unknown);
    Wire::Gemini.read_body(body.as_bytes(), &mut reading);
    assert_eq!(reading.usage, usage());
}

#[test]
fn a_client_that_wants_no_thoughts_gets_their_signature_only() {
    let ask = ReasoningAsk { show: Some(false), ..ReasoningAsk::default() };
    let request = Request { reasoning: Some(ask), ..Request::default() };
    let answer = read_stream(&written(&request, &PIECES, &usage()));
    let hidden = AnswerPart::Reasoning { text: String::new(), signature: Some("c2ln".into()) };
    assert_eq!(answer.choices[0].parts[0], hidden);
}

#[test]
fn arguments_that_are_no_object_are_given_as_their_text() {
    let pieces = [
        Piece::Call { choice: 0, index: 0, id: Text::Plain(""), name: Text::Plain("f"), signature: None },
        Piece::Arguments { choice: 0, index: 0, text: Text::Plain(r#"{"a":"cut"#) },
    ];
    let answer = read_stream(&written(&Request::default(), &pieces, &usage()));
    let AnswerPart::Call(call) = &answer.choices[0].parts[0] else { panic!("{answer:?}") };
    assert_eq!(call.arguments, r#"{"_raw":"{\"a\":\"cut"}"#);
}

proptest! {
    #[test]
    fn broken_bytes_never_panic(cut in 0_usize..900, flips in prop::collection::vec((0_usize..900, any::<u8>()), 0..4)) {
        let mut bytes = written(&Request::default(), &PIECES, &usage());
        for (at, byte) in flips {
            if let Some(slot) = bytes.get_mut(at) {
                *slot = byte;
            }
        }
        bytes.truncate(cut);
        let (mut reads, mut out) = (AnswerIn::new(&Request::default(), "m"), Vec::new());
        let mut writes = AnswerOut::new(&Request::default(), &about());
        let mut reading = Reading::new(Family::Unknown);
        let mut scanner = Scanner::new(1 << 20);
        let mut each = |event: crate::sse::Event<'_>| {
            Wire::Gemini.read_event(&event, &mut reading);
            reads.event(&event, &mut |piece| writes.piece(piece, &mut out));
        };
        scanner.feed(&bytes, &mut each).unwrap();
        scanner.finish(&mut each);
        for event in String::from_utf8(out).unwrap().split("\r\n\r\n").filter_map(|event| event.strip_prefix("data: ")) {
            serde_json::from_str::<Value>(event).unwrap();
        }
    }
}
