//! Continued: the next attempt says what is missing.

use serde_json::json;

use super::providers::{Say, call, native, text, think};
use super::*;
use crate::dialect::common::Lost;
use crate::dialect::{To, read_request};

const GIVEN: &str = "The quick brown fox jumps over the lazy dog";

fn body_of(face: Face) -> Value {
    match face {
        Face::Completions => json!({"model": "m", "prompt": "say it", "stream": true, "max_tokens": 100, "x": 1}),
        Face::Responses => json!({"model": "m", "input": "say it", "stream": true}),
        Face::Gemini => json!({"contents": [{"role": "user", "parts": [{"text": "say it"}]}], "x": 1}),
        _ => json!({"model": "m", "messages": [{"role": "user", "content": "say it"}], "max_tokens": 9, "x": 1}),
    }
}

/// A first run that gave this text and broke off.
pub(super) fn gave(face: Face, wire: Wire, given: &str) -> (Translation, Vec<u8>) {
    let sent = native(wire, &[Say::Text(vec![given.to_owned()])]);
    let said = serde_json::to_string(given).unwrap();
    let end = sent.iter().position(|(_, data)| data.contains(&said)).unwrap();
    first_run(face, wire, &sent[..=end])
}

#[test]
fn a_stream_cut_anywhere_and_gone_on_from_reads_as_one_that_was_not_cut() {
    let words: Vec<String> = GIVEN.split_inclusive(' ').map(str::to_owned).collect();
    for face in FACES {
        for first in WIRES {
            let expected = whole(face, first, &[Say::Text(words.clone())]);
            let sent = native(first, &[Say::Text(words.clone())]);
            for second in WIRES {
                for cut in 0..sent.len() {
                    let (mut translation, mut out) = first_run(face, first, &sent[..cut]);
                    if !translation.rescuable() {
                        continue;
                    }
                    let said = essence(&read(face, &out)).text;
                    let rest = Say::Text(GIVEN[said.len()..].chars().map(String::from).collect());
                    next_run(&mut translation, second, &native(second, &[rest]), Resume::Continue, &mut out);
                    let told = format!("{face:?} {first:?} {second:?} cut {cut}");
                    assert_eq!(essence(&read(face, &out)), expected, "{told}");
                    grammar::check(face, &out);
                }
            }
        }
    }
}

#[test]
fn white_space_that_was_cut_from_the_prefill_is_given_once() {
    let to = To { kind: "anthropic", model: "claude-sonnet-4-5" };
    for (given, continuation, read_back) in [
        ("Hello ", &["world"][..], "Hello world"),
        ("Hello ", &[" world"], "Hello world"),
        ("Hello ", &[" ", "world"], "Hello world"),
        ("Hello\n\n", &["\n", "\nworld"], "Hello\n\nworld"),
        ("Hello\n\n", &["\n", "world"], "Hello\n\n\nworld"),
        ("Hello\n\n", &["\nworld"], "Hello\n\n\nworld"),
        ("Hello\n\n", &["world"], "Hello\n\nworld"),
        ("Hello \t", &[" \t\tworld"], "Hello \t\tworld"),
        ("Hello", &[" world"], "Hello world"),
        ("Hello ", &[" "], "Hello "),
        ("Hello\n\n", &["\n"], "Hello\n\n\n"),
        ("Hello ", &[], "Hello "),
    ] {
        for face in FACES {
            let (mut translation, mut out) = gave(face, Wire::Messages, given);
            let mut lost = Lost::new(face);
            let body = translation.continue_body(&body_of(face), Wire::Messages, &to, &mut lost).unwrap();
            let last = &body["messages"].as_array().unwrap().last().unwrap()["content"];
            assert_eq!(last.as_str().or(last[0]["text"].as_str()), Some("Hello"), "{face:?} {body}");
            let pieces = continuation.iter().map(|piece| (*piece).to_owned()).collect();
            next_run(
                &mut translation,
                Wire::Messages,
                &native(Wire::Messages, &[Say::Text(pieces)]),
                Resume::Continue,
                &mut out,
            );
            assert_eq!(essence(&read(face, &out)).text, read_back, "{face:?} {given:?} {continuation:?}");
            assert!(translation.caught_up());
            grammar::check(face, &out);
        }
    }
}

#[test]
fn a_continuation_that_begins_with_what_was_given_is_heard_once_or_ends() {
    let mistral = To { kind: "mistral-ai", model: "mistral-small-latest" };
    let claude = To { kind: "anthropic", model: "claude-haiku-4-5" };
    for (to, wire, given, continuation, read_back) in [
        (mistral, Wire::Chat, GIVEN, format!("{GIVEN} and runs."), Some(format!("{GIVEN} and runs."))),
        (mistral, Wire::Chat, "So", "So it is.".to_owned(), Some("So it is.".to_owned())),
        (mistral, Wire::Chat, "So", " it is.".to_owned(), Some("So it is.".to_owned())),
        (claude, Wire::Messages, GIVEN, format!("{GIVEN} and runs."), Some(format!("{GIVEN} and runs."))),
        (claude, Wire::Messages, "ha", "ha ha".to_owned(), Some("haha ha".to_owned())),
        (claude, Wire::Messages, GIVEN, "The quick brown fox jumps over the fence.".to_owned(), None),
        (claude, Wire::Messages, GIVEN, "The end.".to_owned(), Some(format!("{GIVEN}The end."))),
        (claude, Wire::Messages, GIVEN, GIVEN[..40].to_owned(), None),
    ] {
        for every in [1, 3, 100] {
            let (mut translation, mut out) = gave(Face::ChatCompletions, Wire::Chat, given);
            let body = body_of(Face::ChatCompletions);
            translation.continue_body(&body, wire, &to, &mut Lost::new(Face::ChatCompletions)).unwrap();
            let before = out.clone();
            let chars: Vec<char> = continuation.chars().collect();
            let said = Say::Text(chars.chunks(every).map(|chunk| chunk.iter().collect()).collect());
            next_run(&mut translation, wire, &native(wire, &[said]), Resume::Continue, &mut out);
            match &read_back {
                Some(text) => assert_eq!(essence(&read(Face::ChatCompletions, &out)).text, *text),
                None => {
                    assert!(translation.diverged(), "{continuation}");
                    assert_eq!(out, before);
                }
            }
        }
    }
}

#[test]
fn the_clients_own_body_is_made_longer_and_nothing_else() {
    let prefix = json!({"role": "assistant", "content": GIVEN, "prefix": true});
    for (face, kind, model, at, appended) in [
        (Face::ChatCompletions, "mistral-ai", "mistral-small-latest", "/messages/1", prefix),
        (Face::Completions, "openai", "babbage", "/prompt", json!(format!("say it{GIVEN}"))),
        (Face::Messages, "anthropic", "claude-3-haiku", "/messages/1", json!({"role": "assistant", "content": GIVEN})),
        (
            Face::Gemini,
            "google-gemini",
            "gemini-2.5-pro",
            "/contents/1",
            json!({"role": "model", "parts": [{"text": GIVEN}]}),
        ),
    ] {
        let wire = Wire::of(face);
        let (mut translation, _) = gave(face, wire, GIVEN);
        let body = translation.continue_body(&body_of(face), wire, &To { kind, model }, &mut Lost::new(face)).unwrap();
        assert_eq!(body.pointer(at), Some(&appended), "{body}");
        assert_eq!(body["x"], 1);
        if face != Face::Gemini {
            assert_eq!(body["model"], model);
        }
    }
    let (mut translation, _) = gave(Face::ChatCompletions, Wire::Chat, GIVEN);
    let to = To { kind: "self-hosted-model", model: "llama" };
    let body = body_of(Face::ChatCompletions);
    let body = translation.continue_body(&body, Wire::Chat, &to, &mut Lost::new(Face::ChatCompletions)).unwrap();
    assert_eq!((&body["continue_final_message"], &body["add_generation_prompt"]), (&json!(true), &json!(false)));
}

#[test]
fn a_request_is_written_anew_for_another_dialect() {
    for face in FACES {
        for (kind, wire, model, at) in [
            ("anthropic", Wire::Messages, "claude-sonnet-4-5", "/messages/1/content/0/text"),
            ("aws-bedrock", Wire::Bedrock, "anthropic.claude-sonnet-4-5-v1:0", "/messages/1/content/0/text"),
            ("google-gemini", Wire::Gemini, "gemini-2.5-flash", "/contents/1/parts/0/text"),
            ("mistral-ai", Wire::Chat, "mistral-small", "/messages/1/content"),
        ] {
            if Wire::of(face) == wire {
                continue;
            }
            let (mut translation, _) = gave(face, Wire::Cohere, GIVEN);
            let body =
                translation.continue_body(&body_of(face), wire, &To { kind, model }, &mut Lost::new(face)).unwrap();
            assert_eq!(body.pointer(at).and_then(Value::as_str), Some(GIVEN), "{face:?} {body}");
            if kind == "mistral-ai" {
                assert_eq!(body.pointer("/messages/1/prefix"), Some(&json!(true)));
            }
        }
    }
}

#[test]
fn what_cannot_be_gone_on_from_is_not_asked_for() {
    let face = Face::Messages;
    let to = To { kind: "anthropic", model: "claude-sonnet-4-5" };
    let asked = |extra: Value| {
        let mut body = body_of(face);
        body.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        let mut request = read_request(face, Wire::Messages, &body, &mut Lost::new(face)).unwrap();
        request.stream = true;
        let about = About { id: "0".into(), model: "m".into(), created_unix_s: 1 };
        let mut translation = Translation::new(face, Wire::Messages, request, about);
        translation.track();
        (body, translation)
    };
    let tool = json!({"name": "f", "input_schema": {"type": "object"}});
    for (extra, script, goes_on) in [
        (json!({}), vec![text("So it is")], true),
        (json!({"tools": [tool]}), vec![text("So it is")], true),
        (json!({"tools": [tool], "tool_choice": {"type": "any"}}), vec![text("So it is")], false),
        (json!({"thinking": {"type": "enabled", "budget_tokens": 2000}, "max_tokens": 9000}), vec![text("So")], false),
        (json!({"thinking": {"type": "disabled"}}), vec![text("So it is")], true),
        (json!({"output_config": {"format": {"type": "json_schema", "schema": {}}}}), vec![text("So it is")], false),
        (
            json!({"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]}),
            vec![text("So")],
            false,
        ),
        (json!({}), vec![think("hm"), text("So it is")], false),
        (json!({}), vec![text("So it is"), call("f", "{}")], false),
        (json!({}), vec![text(" \n")], false),
        (json!({}), vec![], false),
    ] {
        let (body, mut translation) = asked(extra);
        let sent = native(Wire::Messages, &script);
        sent[..sent.len() - 2].iter().for_each(|sent| translation.follow(&event(sent)));
        let made = translation.continue_body(&body, Wire::Messages, &to, &mut Lost::new(face));
        assert_eq!(made.is_some(), goes_on, "{body} {script:?}");
        let newer = To { model: "claude-opus-4-6", ..to };
        assert!(translation.continue_body(&body, Wire::Messages, &newer, &mut Lost::new(face)).is_none());
    }
}
