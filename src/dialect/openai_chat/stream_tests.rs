//! What answers are read from and written to: the clones' own ways, and that writing and reading again changes nothing.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::{AnswerIn, AnswerOut, completions, write_answer};
use crate::dialect::About;
use crate::dialect::common::{Answer, AnswerCall, AnswerPart, Choice, Finish, Gather, Piece, Request, Text};
use crate::meter::{Usage, UsageSource};
use crate::sse::Scanner;

pub(super) fn about() -> About {
    About { id: "0123456789abcdef0123456789abcdef".into(), model: "asked".into(), created_unix_s: 1_700_000_000 }
}

fn scan(bytes: &[u8], slice_len: usize, mut each: impl FnMut(&mut AnswerIn, &crate::sse::Event<'_>)) {
    let mut reads = AnswerIn::new(&Request::default(), "asked");
    let mut scanner = Scanner::new(1 << 22);
    for slice in bytes.chunks(slice_len) {
        scanner.feed(slice, |event| each(&mut reads, &event)).unwrap();
    }
    scanner.finish(|event| each(&mut reads, &event));
}

pub(super) fn read_stream(bytes: &[u8], slice_len: usize) -> Answer {
    let mut gather = Gather::default();
    scan(bytes, slice_len, |reads, event| reads.event(event, &mut |piece| gather.piece(piece)));
    gather.answer()
}

pub(super) fn read_body(bytes: &[u8]) -> Answer {
    let mut gather = Gather::default();
    AnswerIn::new(&Request::default(), "asked").body(bytes, &mut |piece| gather.piece(piece));
    gather.answer()
}

/// The stream read, written, and read again. What only the second one can know is taken from the first: ids that were
/// made, ends that were left out.
pub(super) fn again(bytes: &[u8]) -> Answer {
    let mut writes = AnswerOut::new(&Request::default(), &about());
    let mut out = Vec::new();
    scan(bytes, usize::MAX, |reads, event| reads.event(event, &mut |piece| writes.piece(piece, &mut out)));
    writes.end(&Usage::default(), &mut out);
    let (first, mut second) = (read_stream(bytes, usize::MAX), read_stream(&out, usize::MAX));
    for (choice, original) in second.choices.iter_mut().zip(&first.choices) {
        choice.said.clone_from(&original.said);
        if original.finish.is_none() {
            choice.finish = None;
        }
        for (part, original) in choice.parts.iter_mut().zip(&original.parts) {
            if let (AnswerPart::Call(call), AnswerPart::Call(original)) = (part, original)
                && original.id.is_empty()
            {
                assert!(call.id.starts_with("call_") && call.id.len() <= 40, "{}", call.id);
                call.id.clear();
            }
        }
    }
    second
}

fn chunk(delta: Value, finish: Value) -> String {
    let chunk = json!({"id": "c", "model": "m", "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]});
    format!("data: {chunk}\n\n")
}

fn only(text: &str) -> Choice {
    let answer = read_stream(text.as_bytes(), usize::MAX);
    assert_eq!(answer.choices.len(), 1, "{answer:?}");
    answer.choices.into_iter().next().unwrap()
}

fn call(id: &str, name: &str, arguments: &str) -> AnswerPart {
    AnswerPart::Call(AnswerCall { id: id.into(), name: name.into(), arguments: arguments.into(), signature: None })
}

fn thought(text: &str, signature: Option<&str>) -> AnswerPart {
    AnswerPart::Reasoning { text: text.into(), signature: signature.map(str::to_owned) }
}

#[test]
fn tool_calls_of_the_clones_are_told_apart() {
    let function = |name: &str, arguments: Value| json!({"name": name, "arguments": arguments});
    for (what, deltas, expected) in [
        (
            "OpenAI: parallel, in pieces",
            vec![
                json!([{"index": 0, "id": "a", "type": "function", "function": function("f", "".into())}]),
                json!([{"index": 0, "function": {"arguments": "{\"x\":"}}]),
                json!([{"index": 1, "id": "b", "type": "function", "function": function("g", "".into())}]),
                json!([{"index": 0, "function": {"arguments": "1}"}}, {"index": 1, "function": {"arguments": "{}"}}]),
            ],
            vec![call("a", "f", "{\"x\":1}"), call("b", "g", "{}")],
        ),
        (
            "Mistral: whole, without an index",
            vec![
                json!([{"id": "a", "function": function("f", "{}".into())}, {"id": "b", "function": function("f", "{}".into())}]),
            ],
            vec![call("a", "f", "{}"), call("b", "f", "{}")],
        ),
        (
            "TGI: id and role repeated, name null",
            vec![
                json!([{"index": 0, "id": "0", "function": function("f", "{".into())}]),
                json!([{"index": 0, "id": "0", "function": {"name": null, "arguments": "}"}}]),
            ],
            vec![call("0", "f", "{}")],
        ),
        (
            "Gemini's endpoint: every index 0, ids empty",
            vec![
                json!([{"index": 0, "id": "", "function": function("f", "{\"a\":1}".into())}]),
                json!([{"index": 0, "id": "", "function": function("f", "{\"a\":2}".into())}]),
            ],
            vec![call("", "f", "{\"a\":1}"), call("", "f", "{\"a\":2}")],
        ),
        (
            "every index 0, ids differ",
            vec![
                json!([{"index": 0, "id": "a", "function": function("f", "{}".into())}]),
                json!([{"index": 0, "id": "b", "function": function("f", "{}".into())}]),
            ],
            vec![call("a", "f", "{}"), call("b", "f", "{}")],
        ),
        (
            "names repeated with every piece",
            vec![
                json!([{"index": 0, "id": "a", "function": function("f", "{\"a\"".into())}]),
                json!([{"index": 0, "id": "a", "function": function("f", ":1}".into())}]),
            ],
            vec![call("a", "f", "{\"a\":1}")],
        ),
        (
            "Ollama: arguments as an object",
            vec![json!([{"index": 0, "id": "a", "function": function("f", json!({"x": "\"\u{e9}"}))}])],
            vec![call("a", "f", "{\"x\":\"\\\"\u{e9}\"}")],
        ),
        ("no arguments at all", vec![json!([{"id": "a", "function": {"name": "f"}}])], vec![call("a", "f", "{}")]),
        ("arguments for nothing", vec![json!([{"index": 3, "function": {"arguments": "{}"}}])], vec![]),
    ] {
        let mut text: String =
            deltas.iter().map(|calls| chunk(json!({"role": "assistant", "tool_calls": calls}), Value::Null)).collect();
        text += &chunk(json!({}), "tool_calls".into());
        let choice = only(&text);
        assert_eq!(choice.parts, expected, "{what}");
        assert_eq!(choice.finish, Some(Finish::ToolCalls));
        assert_eq!(again(text.as_bytes()).choices[0].parts, choice.parts, "{what}");
    }
}

#[test]
fn the_old_function_call_is_a_call() {
    let text = chunk(json!({"function_call": {"name": "f", "arguments": ""}}), Value::Null)
        + &chunk(json!({"function_call": {"arguments": "{\"a\":1}"}}), Value::Null)
        + &chunk(json!({}), "function_call".into());
    let choice = only(&text);
    assert_eq!(choice.parts, [call("", "f", "{\"a\":1}")]);
    assert_eq!(choice.finish, Some(Finish::ToolCalls));
}

#[test]
fn a_thought_is_told_once_under_whatever_names() {
    let details = json!([{"type": "reasoning.text", "text": "Hm", "signature": null}]);
    for delta in [
        json!({"reasoning": "Hm", "reasoning_content": "Hm", "reasoning_details": details}),
        json!({"reasoning": null, "reasoning_details": details, "content": null}),
        json!({"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "Hm"}]}]}),
        json!({"reasoning_content": "Hm", "thinking_blocks": [{"type": "thinking", "thinking": "Hm", "signature": ""}]}),
        json!({"thinking_blocks": [{"type": "thinking", "thinking": "Hm"}]}),
    ] {
        let text = chunk(delta.clone(), Value::Null) + &chunk(json!({"content": "Hi"}), "stop".into());
        assert_eq!(only(&text).parts, [thought("Hm", None), AnswerPart::Text("Hi".into())], "{delta}");
    }
    let signed = chunk(json!({"reasoning_content": "H"}), Value::Null)
        + &chunk(json!({"reasoning_content": "m"}), Value::Null)
        + &chunk(json!({"thinking_blocks": [{"type": "thinking", "thinking": "Hm", "signature": "s"}]}), Value::Null);
    assert_eq!(only(&signed).parts, [thought("Hm", Some("s"))]);
    let item = json!({"type": "reasoning.encrypted", "data": "x", "id": "rs_1", "format": "openai-responses-v1"});
    let encrypted = chunk(json!({"reasoning_details": [item]}), Value::Null);
    assert_eq!(only(&encrypted).parts, [AnswerPart::Redacted(item.to_string())]);
}

#[test]
fn failures_and_ends_are_read_from_where_the_clones_put_them() {
    for (text, message) in [
        ("event: error\ndata: {\"error\":{\"message\":\"m\"}}\n\n", "m"),
        ("event: error\ndata: {\"message\":\"m\"}\n\n", "m"),
        ("data: {\"error\":\"m\",\"error_type\":\"generation\"}\n\n", "m"),
        ("data: [{\"error\":{\"code\":400,\"message\":\"m\"}}]\n\n", "m"),
        ("data: {\"object\":\"error\",\"message\":\"m\",\"code\":400}\n\n", "m"),
        ("data: {\"id\":\"a\",\"error\":{\"message\":\"m\"},\"choices\":[{\"delta\":{\"content\":\"\"}}]}\n\n", "m"),
        ("data: {\"choices\":[{\"delta\":{},\"error\":{\"message\":\"m\"}}]}\n\n", "m"),
    ] {
        let answer = read_stream(text.as_bytes(), usize::MAX);
        assert_eq!(answer.error.as_deref(), Some(message), "{text}");
    }
    for (choice, finish) in [
        (json!({"finish_reason": "eos"}), Some(Finish::Stop)),
        (json!({"finish_reason": "stop", "stop_reason": "END"}), Some(Finish::StopSequence)),
        (json!({"finish_reason": "stop", "stop_reason": 2}), Some(Finish::Stop)),
        (json!({"finish_reason": "model_length"}), Some(Finish::Length)),
        (json!({"finish_reason": "FAKE_NEW_FINISH_REASON"}), Some(Finish::Stop)),
        (json!({"finish_reason": "stop", "delta": {"refusal": "No."}}), Some(Finish::ContentFilter)),
        (json!({"finish_reason": "error"}), Some(Finish::Error)),
        (json!({"finish_reason": ""}), None),
        (json!({"finish_reason": null, "delta": {"content": "a"}}), None),
    ] {
        let text = format!("data: {}\n\n", json!({"id": "a", "choices": [choice]}));
        let answer = read_stream(text.as_bytes(), usize::MAX);
        assert_eq!(answer.choices.first().and_then(|choice| choice.finish), finish, "{choice}");
    }
}

#[test]
fn the_answer_starts_with_the_first_chunk_that_says_something() {
    let text = concat!(
        "data: {\"choices\":[],\"id\":\"\",\"model\":\"\",\"prompt_filter_results\":[]}\n\n",
        "data: {\"choices\":[{\"delta\":{\"content\":\"Hi\"},\"index\":0}],\"id\":\"a\",\"model\":\"m\"}\n\n",
        "data: {\"choices\":[],\"usage\":{},\"id\":\"b\",\"model\":\"n\"}\n\n",
        "data: [DONE]\n\n",
    );
    let mut starts = Vec::new();
    scan(text.as_bytes(), usize::MAX, |reads, event| {
        reads.event(event, &mut |piece| starts.push(matches!(piece, Piece::Start { .. })));
    });
    assert_eq!(starts, [true, false]);
    let answer = read_stream(text.as_bytes(), usize::MAX);
    assert_eq!((answer.id.as_str(), answer.model.as_str()), ("a", "m"));
}

#[test]
fn log_probabilities_are_carried_and_broken_ones_are_not() {
    let chunk = |logprobs: &str| {
        format!("data: {{\"id\":\"a\",\"choices\":[{{\"delta\":{{\"content\":\"a\"}},\"logprobs\":{logprobs}}}]}}\n\n")
    };
    let items = r#"{"token":"a","logprob":-1e-5,"bytes":[97],"top_logprobs":[]}"#;
    let text =
        [format!(r#"{{"content":[{items}],"refusal":null}}"#), "null".into(), format!(r#"{{"content":[ {items} ]}}"#)];
    let text: String = text.iter().map(|logprobs| chunk(logprobs)).collect();
    let choice = only(&text);
    assert_eq!(choice.logprobs, format!("{items},{items}").into_bytes());
    assert_eq!(again(text.as_bytes()).choices[0].logprobs, choice.logprobs);
    for broken in [r#"{"content":[{]}"#, r#"{"content":[{"a":}]}"#, r#"{"content":[]}"#, r#"{"content":{}}"#] {
        let answer = read_stream(chunk(broken).as_bytes(), usize::MAX);
        assert!(answer.choices.iter().all(|choice| choice.logprobs.is_empty()), "{broken}");
    }
}

fn events(bytes: &[u8]) -> Vec<Value> {
    let text = std::str::from_utf8(bytes).unwrap();
    let data = text.split_terminator("\n\n").map(|event| event.strip_prefix("data: ").unwrap());
    data.filter(|data| *data != "[DONE]").map(|data| serde_json::from_str(data).unwrap()).collect()
}

fn usage() -> Usage {
    Usage {
        input: 20,
        cache_read: 8,
        cache_write_5m: 2,
        output: 7,
        reasoning: 3,
        source: UsageSource::Reported,
        ..Usage::default()
    }
}

#[test]
fn a_stream_has_the_shape_that_sdks_expect() {
    let text = Text::Plain;
    let request = Request { stream: true, stream_usage: true, ..Request::default() };
    let mut writes = AnswerOut::new(&request, &about());
    let mut out = Vec::new();
    for piece in [
        Piece::Start { id: text("msg_1"), model: text("claude") },
        Piece::Reasoning { choice: 0, text: text("H\"") },
        Piece::Reasoning { choice: 0, text: Text::Escaped(b"m\\n") },
        Piece::Signature { choice: 0, signature: text("sig") },
        Piece::Redacted { choice: 0, data: text("enc") },
        Piece::Text { choice: 0, text: text("Hi") },
        Piece::Logprobs { choice: 0, items: b"{\"token\":\"Hi\"}" },
        Piece::Call { choice: 0, index: 0, id: text(""), name: text("f"), signature: Some(text("ts")) },
        Piece::Call { choice: 0, index: 1, id: text("b"), name: text("g"), signature: None },
        Piece::Arguments { choice: 0, index: 1, text: Text::Escaped(b"{\\\"a\\\":1}") },
        Piece::Finish { choice: 0, reason: Finish::ToolCalls, said: text("tool_use") },
    ] {
        writes.piece(piece, &mut out);
    }
    writes.end(&usage(), &mut out);
    assert!(out.ends_with(b"data: [DONE]\n\n"));
    let events = events(&out);
    let (last, chunks) = events.split_last().unwrap();
    for chunk in chunks {
        assert_eq!(chunk["id"], format!("chatcmpl-{}", about().id));
        assert_eq!((&chunk["object"], &chunk["model"]), (&json!("chat.completion.chunk"), &json!("claude")));
        assert_eq!((&chunk["created"], &chunk["usage"]), (&json!(1_700_000_000), &Value::Null));
        assert!(chunk["choices"][0].as_object().unwrap().contains_key("finish_reason"));
    }
    let deltas: Vec<&Value> = chunks.iter().map(|chunk| &chunk["choices"][0]["delta"]).collect();
    let id = "call_89abcdef0123456789abcdef000000";
    let expected = [
        json!({"role": "assistant", "content": null, "reasoning_content": "H\""}),
        json!({"reasoning_content": "m\n"}),
        json!({"thinking_blocks": [{"index": 0, "type": "thinking", "thinking": "H\"m\n", "signature": "sig"}]}),
        json!({"thinking_blocks": [{"index": 1, "type": "redacted_thinking", "data": "enc"}]}),
        json!({"content": "Hi"}),
        json!({}),
        json!({"tool_calls": [{"index": 0, "id": id, "type": "function", "function": {"name": "f", "arguments": ""},
            "extra_content": {"google": {"thought_signature": "ts"}}}]}),
        json!({"tool_calls": [{"index": 1, "id": "b", "type": "function", "function": {"name": "g", "arguments": ""}}]}),
        json!({"tool_calls": [{"index": 1, "function": {"arguments": "{\"a\":1}"}}]}),
        json!({"tool_calls": [{"index": 0, "function": {"arguments": "{}"}}]}),
        json!({}),
    ];
    assert_eq!(deltas, expected.iter().collect::<Vec<_>>());
    assert_eq!(chunks[5]["choices"][0]["logprobs"], json!({"content": [{"token": "Hi"}], "refusal": null}));
    let end = &chunks.last().unwrap()["choices"][0];
    assert_eq!((&end["finish_reason"], &end["native_finish_reason"]), (&json!("tool_calls"), &json!("tool_use")));
    assert_eq!(last["choices"], json!([]));
    assert_eq!(
        last["usage"],
        json!({"prompt_tokens": 20, "completion_tokens": 7, "total_tokens": 27,
            "prompt_tokens_details": {"cached_tokens": 8, "cache_write_tokens": 2, "audio_tokens": 0},
            "completion_tokens_details": {"reasoning_tokens": 3, "audio_tokens": 0}})
    );
}

#[test]
fn a_stream_without_a_word_still_has_a_choice_that_ends() {
    let mut writes = AnswerOut::new(&Request::default(), &about());
    let mut out = Vec::new();
    writes.piece(Piece::Error { message: Text::Plain("m") }, &mut out);
    assert!(out.is_empty());
    writes.end(&Usage::default(), &mut out);
    let events = events(&out);
    assert_eq!(events.len(), 1);
    assert_eq!(events[0]["choices"][0]["delta"], json!({"role": "assistant", "content": null}));
    assert_eq!(events[0]["choices"][0]["finish_reason"], "stop");
    assert_eq!(events[0]["model"], "asked");
}

#[test]
fn a_body_has_the_shape_that_sdks_expect() {
    let choice = Choice {
        parts: vec![
            AnswerPart::Text("Hi ".into()),
            thought("Hm", Some("sig")),
            AnswerPart::Text("there".into()),
            call("", "f", "{}"),
        ],
        finish: Some(Finish::ToolCalls),
        said: "tool_calls".into(),
        logprobs: b"{\"token\":\"Hi\"}".to_vec(),
    };
    let answer = Answer { model: "claude".into(), choices: vec![choice], ..Answer::default() };
    let mut out = Vec::new();
    write_answer(&Request::default(), &about(), &answer, &usage(), &mut out);
    let body: Value = serde_json::from_slice(&out).unwrap();
    assert_eq!(
        body["choices"],
        json!([{"index": 0, "message": {"role": "assistant", "content": "Hi there", "refusal": null,
            "reasoning_content": "Hm", "thinking_blocks": [{"type": "thinking", "thinking": "Hm", "signature": "sig"}],
            "tool_calls": [{"id": "call_89abcdef0123456789abcdef000000", "type": "function",
                "function": {"name": "f", "arguments": "{}"}}]},
            "logprobs": {"content": [{"token": "Hi"}], "refusal": null}, "finish_reason": "tool_calls"}])
    );
    assert_eq!((&body["object"], &body["model"]), (&json!("chat.completion"), &json!("claude")));
    assert_eq!(body["usage"]["total_tokens"], 27);
    out.clear();
    write_answer(&Request::default(), &about(), &Answer::default(), &usage(), &mut out);
    let body: Value = serde_json::from_slice(&out).unwrap();
    assert_eq!(body["choices"][0]["message"], json!({"role": "assistant", "content": "", "refusal": null}));
}

#[test]
fn completions_are_written_in_their_own_shape() {
    let text = chunk(json!({"reasoning_content": "Hm"}), Value::Null)
        + &chunk(json!({"content": "Hi"}), Value::Null)
        + &chunk(json!({}), "length".into());
    let request = Request { stream_usage: true, ..Request::default() };
    let mut writes = completions::AnswerOut::new(&request, &about());
    let mut out = Vec::new();
    scan(text.as_bytes(), usize::MAX, |reads, event| reads.event(event, &mut |piece| writes.piece(piece, &mut out)));
    writes.end(&usage(), &mut out);
    assert!(out.ends_with(b"data: [DONE]\n\n"));
    let events = events(&out);
    let choice =
        |text: &str, finish: Value| json!([{"text": text, "index": 0, "logprobs": null, "finish_reason": finish}]);
    let choices: Vec<&Value> = events.iter().map(|event| &event["choices"]).collect();
    assert_eq!(choices, [&choice("Hi", Value::Null), &choice("", "length".into()), &json!([])]);
    assert_eq!((&events[0]["object"], &events[0]["model"]), (&json!("text_completion"), &json!("m")));
    assert_eq!((&events[0]["usage"], &events[2]["usage"]["total_tokens"]), (&Value::Null, &json!(27)));
    out.clear();
    completions::write_answer(&request, &about(), &read_stream(text.as_bytes(), 7), &usage(), &mut out);
    let body: Value = serde_json::from_slice(&out).unwrap();
    assert_eq!(body["choices"], choice("Hi", "length".into()));
    assert_eq!(body["id"], format!("cmpl-{}", about().id));
}

/// A piece by its kind, with a text of its own.
fn piece<'a>(kind: u8, choice: u32, text: &'a str, calls: &mut [u32]) -> Option<(Piece<'a>, bool)> {
    let spelled = Text::Plain(text);
    let call = &mut calls[choice as usize];
    Some(match kind {
        0..=6 if text.is_empty() => return None,
        0..=2 => (Piece::Text { choice, text: spelled }, false),
        3 => (Piece::Refusal { choice, text: spelled }, false),
        4..=6 => (Piece::Reasoning { choice, text: spelled }, false),
        7 if !text.is_empty() => (Piece::Signature { choice, signature: spelled }, false),
        8 if !text.is_empty() => (Piece::Redacted { choice, data: spelled }, false),
        9 => {
            *call += 1;
            (Piece::Call { choice, index: *call - 1, id: Text::Plain("id"), name: spelled, signature: None }, true)
        }
        10 if *call > 0 => (Piece::Arguments { choice, index: *call - 1, text: spelled }, false),
        _ => return None,
    })
}

proptest! {
    #[test]
    fn what_is_written_is_read_again(
        given in prop::collection::vec((0_u8..11, 0_u32..3, "[a-c\"\\\\\n\u{e9}\u{1f980}]{0,3}"), 0..40),
        slice_len in 1_usize..64,
    ) {
        let (mut calls, mut gather, mut out) = ([0; 3], Gather::default(), Vec::new());
        let mut writes = AnswerOut::new(&Request::default(), &about());
        gather.piece(Piece::Start { id: Text::Plain(""), model: Text::Plain("") });
        for (kind, choice, text) in &given {
            let Some((piece, is_call)) = piece(*kind, *choice, text, &mut calls) else { continue };
            // Ids differ, or they are one call.
            let id = format!("{choice}-{}", calls[*choice as usize]);
            let piece = match piece {
                Piece::Call { choice, index, name, signature, .. } if is_call =>
                    Piece::Call { choice, index, id: Text::Plain(&id), name, signature },
                piece => piece,
            };
            gather.piece(piece);
            writes.piece(piece, &mut out);
        }
        writes.end(&Usage::default(), &mut out);
        let (first, second) = (gather.answer(), read_stream(&out, slice_len));
        for (at, choice) in first.choices.iter().enumerate() {
            let read = second.choices.get(at).map(|choice| choice.parts.as_slice()).unwrap_or_default();
            prop_assert_eq!(read, choice.parts.as_slice(), "{}", String::from_utf8_lossy(&out));
        }
    }

    #[test]
    fn no_bytes_make_the_reader_or_the_writer_panic(
        text in "(\\{|\\}|\\[|\\]|,|:|\"(choices|delta|message|content|index|tool_calls|function|name|arguments|error|reasoning|thinking_blocks|text|type)\"|\"a\"|null|1|-|\\\\|\u{e9}){0,60}",
    ) {
        let mut writes = AnswerOut::new(&Request::default(), &about());
        let mut out = Vec::new();
        let mut reads = AnswerIn::new(&Request::default(), "");
        reads.body(text.as_bytes(), &mut |piece| writes.piece(piece, &mut out));
        writes.end(&Usage::default(), &mut out);
        events(&out);
    }
}
