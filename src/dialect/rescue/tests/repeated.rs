//! Restarted: the next attempt says everything again.

use proptest::prelude::*;

use super::providers::{Say, call, native, pieces, text, think};
use super::*;

fn scripts() -> Vec<Vec<Say>> {
    vec![
        vec![text("Hello to all of you, \u{1f600} \u{e9}\"\\ and\n good bye.")],
        vec![think("let me see, yes"), text("It is so.")],
        vec![text("I look it up. "), call("find", "{\"a\":\"x y\",\"b\":[1,2]}"), call("get", "{\"c\":3}")],
        vec![call("now", "{}")],
        vec![think("hm"), call("find", "{\"a\":\"x, y\",\"b\":{}}")],
    ]
}

/// Whether a wire can say it at all.
fn can_say(wire: Wire, script: &[Say]) -> bool {
    wire != Wire::Completions || script.iter().all(|say| matches!(say, Say::Text(_)))
}

/// The same answer in other pieces.
fn cut_otherwise(script: &[Say], every: usize) -> Vec<Say> {
    let cut = |pieces: &[String]| {
        let all: Vec<char> = pieces.concat().chars().collect();
        all.chunks(every.max(1)).map(|chunk| chunk.iter().collect()).collect()
    };
    let each = |say: &Say| match say {
        Say::Text(pieces) => Say::Text(cut(pieces)),
        Say::Think(pieces) => Say::Think(cut(pieces)),
        Say::Call(name, pieces) => Say::Call(name, cut(pieces)),
    };
    script.iter().map(each).collect()
}

#[test]
fn a_stream_cut_anywhere_and_run_again_reads_as_one_that_was_not_cut() {
    let mut rescued = 0;
    for script in scripts() {
        for face in FACES {
            for first in WIRES.into_iter().filter(|wire| can_say(*wire, &script)) {
                let expected = whole(face, first, &script);
                let sent = native(first, &script);
                for (second, every) in WIRES.into_iter().zip([1, 2, 3, 5, 8, 13, 100]) {
                    if !can_say(second, &script) {
                        continue;
                    }
                    let again = native(second, &cut_otherwise(&script, every));
                    for cut in 0..sent.len() {
                        let (mut translation, mut out) = first_run(face, first, &sent[..cut]);
                        let told = format!("{face:?} {first:?} {second:?} cut {cut} {script:?}");
                        if !translation.rescuable() {
                            assert!(cut + 2 >= sent.len(), "{told}: only its end is missing");
                            continue;
                        }
                        next_run(&mut translation, second, &again, Resume::Restart, &mut out);
                        assert!(translation.caught_up() && !translation.diverged(), "{told}");
                        assert_eq!(essence(&read(face, &out)), expected, "{told}");
                        grammar::check(face, &out);
                        rescued += 1;
                    }
                }
            }
        }
    }
    assert!(rescued > 5000, "{rescued}");
}

#[test]
fn a_stream_may_break_off_again_and_again() {
    let script = &scripts()[2];
    for face in FACES.into_iter().filter(|face| *face != Face::Completions) {
        let expected = whole(face, Wire::Messages, script);
        let (mut translation, mut out) = first_run(face, Wire::Messages, &native(Wire::Messages, script)[..4]);
        for (wire, len) in
            [(Wire::Chat, 3), (Wire::Responses, 9), (Wire::Gemini, 4), (Wire::Chat, 9), (Wire::Bedrock, 99)]
        {
            assert!(translation.rescuable(), "{face:?} {wire:?}");
            translation.resume(wire, "m", Resume::Restart);
            let sent = native(wire, script);
            for sent in &sent[..len.min(sent.len())] {
                translation.event(&event(sent), &mut out);
            }
            assert!(!translation.diverged(), "{face:?} {wire:?}");
        }
        assert!(!translation.rescuable());
        translation.end(&Usage::default(), &mut out);
        assert_eq!(essence(&read(face, &out)), expected, "{face:?}");
        grammar::check(face, &out);
    }
}

#[test]
fn a_second_run_that_differs_anywhere_in_what_was_given_is_noticed_and_not_passed_on() {
    let given = "The quick brown fox";
    for at in 0..given.len() {
        let mut other = given.as_bytes().to_vec();
        other[at] ^= 1;
        let other = String::from_utf8(other).unwrap();
        for face in FACES {
            let (mut translation, mut out) =
                first_run(face, Wire::Messages, &native(Wire::Messages, &[text(given)])[..7]);
            let before = out.clone();
            let again = [text(&format!("{other} jumps"))];
            next_run(&mut translation, Wire::Chat, &native(Wire::Chat, &again), Resume::Restart, &mut out);
            assert!(translation.diverged() && !translation.caught_up(), "{face:?} {other}");
            assert_eq!(out, before, "{face:?}");
            // And a third may still do it.
            let again = [text(&format!("{given} jumps"))];
            next_run(&mut translation, Wire::Chat, &native(Wire::Chat, &again), Resume::Restart, &mut out);
            assert_eq!(essence(&read(face, &out)).text, format!("{given} jumps"));
            grammar::check(face, &out);
        }
    }
}

#[test]
fn what_else_makes_a_second_run_another_answer() {
    let given = vec![think("hm, well"), text("I look. "), call("find", "{\"a\":1,\"b\":2}")];
    let sent = native(Wire::Chat, &given);
    for (told, again) in [
        ("it ends too early", vec![think("hm, well"), text("I look. ")]),
        ("it thinks less", vec![think("hm,"), text("I look. "), call("find", "{\"a\":1,\"b\":2}")]),
        ("it does not think", vec![text("I look. "), call("find", "{\"a\":1,\"b\":2}")]),
        (
            "it says more before it calls",
            vec![think("hm, well"), text("I look. Yes."), call("find", "{\"a\":1,\"b\":2}")],
        ),
        ("it calls another tool", vec![think("hm, well"), text("I look. "), call("get", "{\"a\":1,\"b\":2}")]),
        ("it calls with something else", vec![think("hm, well"), text("I look. "), call("find", "{\"a\":2,\"b\":2}")]),
    ] {
        for wire in [Wire::Chat, Wire::Messages, Wire::Responses] {
            let (mut translation, mut out) = first_run(Face::ChatCompletions, Wire::Chat, &sent[..sent.len() - 2]);
            let before = out.clone();
            next_run(&mut translation, wire, &native(wire, &again), Resume::Restart, &mut out);
            assert!(translation.diverged(), "{told}");
            assert_eq!(out, before, "{told}");
        }
    }
}

#[test]
fn thinking_that_the_client_never_saw_is_passed_over() {
    for face in FACES {
        let (mut translation, mut out) = first_run(face, Wire::Chat, &native(Wire::Chat, &[text("So it is.")])[..3]);
        let again = native(Wire::Messages, &[think("first I think"), text("So it is.")]);
        next_run(&mut translation, Wire::Messages, &again, Resume::Restart, &mut out);
        let read = essence(&read(face, &out));
        assert_eq!((read.text.as_str(), read.thoughts.as_str()), ("So it is.", ""), "{face:?}");
        grammar::check(face, &out);
    }
}

#[test]
fn calls_that_were_written_in_turns_are_rescued_by_ones_that_are_not() {
    let given = vec![call("a", "{\"x\":1,\"y\":2}"), call("b", "{\"z\":3,\"w\":4}")];
    let sent = native(Wire::Chat, &given);
    // Both begin, then both go on.
    let in_turns: Vec<Sent> = [0, 1, 4, 2, 5].into_iter().map(|at| sent[at].clone()).collect();
    for face in [Face::ChatCompletions, Face::Responses, Face::Messages, Face::Gemini] {
        for wire in [Wire::Messages, Wire::Chat, Wire::Gemini] {
            let (mut translation, mut out) = first_run(face, Wire::Chat, &in_turns);
            assert!(translation.rescuable());
            let more = [given.clone(), vec![call("c", "{}")]].concat();
            next_run(&mut translation, wire, &native(wire, &more), Resume::Restart, &mut out);
            assert!(!translation.diverged(), "{face:?} {wire:?}");
            assert_eq!(essence(&read(face, &out)), whole(face, wire, &more), "{face:?} {wire:?}");
        }
    }
}

#[test]
fn an_answer_that_is_finished_too_long_or_of_several_choices_is_not_rescued() {
    let sent = native(Wire::Messages, &[text("a b")]);
    for face in [Face::Messages, Face::ChatCompletions] {
        let (mut translation, mut out) = first_run(face, Wire::Messages, &sent[..sent.len() - 1]);
        assert!(!translation.rescuable() && translation.delivered_anything(), "only the terminator is missing");
        translation.end(&Usage::default(), &mut out);
        grammar::check(face, &out);
        let long = native(Wire::Chat, &[Say::Text(vec!["x".repeat(1000); 300])]);
        let (translation, _) = first_run(face, Wire::Chat, &long[..290]);
        assert!(!translation.rescuable() && translation.delivered_anything());
        let (translation, _) = first_run(face, Wire::Chat, &long[..200]);
        assert!(translation.rescuable());
    }
    let second = (String::new(), "{\"id\":\"a\",\"choices\":[{\"index\":1,\"delta\":{\"content\":\"b\"}}]}".to_owned());
    assert!(!first_run(Face::ChatCompletions, Wire::Chat, &[second]).0.rescuable());
    let (translation, _) = first_run(Face::Messages, Wire::Messages, &sent[..2]);
    assert!(translation.rescuable() && !translation.delivered_anything());
}

#[test]
fn what_no_other_attempt_can_go_on_from_is_not_rescued() {
    let chat = |delta: &str| {
        let data = format!("{{\"id\":\"a\",\"choices\":[{{\"index\":0,\"delta\":{delta}}}]}}");
        (Face::ChatCompletions, vec![(String::new(), data)])
    };
    let block = |block: &str| {
        let data = format!("{{\"type\":\"content_block_start\",\"index\":0,\"content_block\":{block}}}");
        (Face::Messages, vec![("content_block_start".to_owned(), data)])
    };
    let item = |item: &str| {
        let data = format!("{{\"type\":\"response.output_item.added\",\"output_index\":0,\"item\":{item}}}");
        (Face::Responses, vec![(String::new(), data)])
    };
    let part = |part: &str| {
        (Face::Gemini, vec![(String::new(), format!("{{\"candidates\":[{{\"content\":{{\"parts\":[{part}]}}}}]}}"))])
    };
    let candidate = |more: &str| {
        let parts = "\"content\":{\"parts\":[{\"text\":\"a\"}]}";
        (Face::Gemini, vec![(String::new(), format!("{{\"candidates\":[{{{parts},{more}}}]}}"))])
    };
    let delta = |delta: &str| {
        let (_, mut sent) = block("{\"type\":\"text\",\"text\":\"\"}");
        let data = format!("{{\"type\":\"content_block_delta\",\"index\":0,\"delta\":{delta}}}");
        sent.push(("content_block_delta".to_owned(), data));
        (Face::Messages, sent)
    };
    for ((face, sent), rescuable) in [
        (chat("{\"content\":\"a\"}"), true),
        (chat("{\"content\":\"\\ud83d\"}"), false),
        (chat("{\"audio\":{\"transcript\":\"a\",\"data\":\"AA==\"}}"), false),
        (chat("{\"function_call\":{\"name\":\"a\",\"arguments\":\"\"}}"), false),
        (chat("{\"content\":\"a\",\"annotations\":[]}"), true),
        (chat("{\"annotations\":[{\"type\":\"url_citation\",\"url_citation\":{\"url\":\"u\"}}]}"), false),
        (candidate("\"groundingMetadata\":{}"), true),
        (candidate("\"groundingMetadata\":{\"groundingChunks\":[{\"web\":{\"uri\":\"u\"}}]}"), false),
        (candidate("\"citationMetadata\":{\"citationSources\":[{\"uri\":\"u\"}]}"), false),
        (delta("{\"type\":\"citations_delta\",\"citation\":{\"cited_text\":\"a\"}}"), false),
        (block("{\"type\":\"text\",\"text\":\"\"}"), true),
        (block("{\"type\":\"server_tool_use\",\"id\":\"a\",\"name\":\"web_search\",\"input\":{}}"), false),
        (item("{\"type\":\"message\",\"id\":\"a\",\"content\":[]}"), true),
        (item("{\"type\":\"web_search_call\",\"id\":\"a\"}"), false),
        (part("{\"text\":\"a\"}"), true),
        (part("{\"inlineData\":{\"mimeType\":\"image/png\",\"data\":\"AA==\"}}"), false),
        (part("{\"functionCall\":{\"name\":\"f\",\"willContinue\":true}}"), false),
    ] {
        assert_eq!(first_run(face, Wire::of(face), &sent).0.rescuable(), rescuable, "{sent:?}");
    }
}

#[test]
fn a_signature_that_the_client_has_is_not_given_again() {
    let script = [think("so it is"), text("yes, it is")];
    for face in [Face::Messages, Face::ChatCompletions, Face::Responses] {
        let sent = native(Wire::Messages, &script);
        // Behind the signature, before the end of its block.
        let (mut translation, mut out) = first_run(face, Wire::Messages, &sent[..7]);
        next_run(&mut translation, Wire::Messages, &sent, Resume::Restart, &mut out);
        assert_eq!(
            memchr::memmem::find_iter(&out, b"\"c2lnbmVk\"").count(),
            memchr::memmem::find_iter(
                &{
                    let (mut translation, mut out) = first_run(face, Wire::Bedrock, &native(Wire::Bedrock, &script));
                    translation.end(&Usage::default(), &mut out);
                    out
                },
                b"\"c2lnbmVk\""
            )
            .count(),
            "{face:?}"
        );
        grammar::check(face, &out);
    }
}

#[test]
fn a_stream_that_is_one_array_stays_one() {
    let script = [text("So it is. "), call("find", "{\"a\":1}")];
    let sent = native(Wire::Gemini, &script);
    for cut in 0..sent.len() {
        let about = About { id: "0".into(), model: "m".into(), created_unix_s: 1 };
        let asked = Request { stream_array: true, ..request() };
        let mut translation = Translation::new(Face::Gemini, Wire::Gemini, asked, about);
        translation.track();
        let mut out = Vec::new();
        for (at, sent) in sent[..cut].iter().enumerate() {
            translation.follow(&event(sent));
            out.extend_from_slice(if at == 0 { b"[" } else { b",\r\n" });
            out.extend_from_slice(sent.1.as_bytes());
        }
        next_run(&mut translation, Wire::Chat, &native(Wire::Chat, &script), Resume::Restart, &mut out);
        let mut gather = Gather::default();
        let array: Vec<Value> = serde_json::from_slice(&out).unwrap();
        assert!(array.len() > 1);
        let mut reads = Reads::new(Wire::Gemini, &request(), "m");
        reads.event(&event(&(String::new(), String::from_utf8(out).unwrap())), &mut |piece| gather.piece(piece));
        assert_eq!(essence(&gather.answer()), whole(Face::Gemini, Wire::Gemini, &script), "cut {cut}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn whatever_pieces_both_runs_come_in(
        words in proptest::collection::vec("[a-z\u{e9}\u{1f600}\"\\\\ \n]{1,6}", 1..12),
        cut in 0usize..20, every in 1usize..9, slice in 1usize..200, face in 0usize..5, first in 0usize..7, second in 0usize..7,
    ) {
        let (face, first, second) = (FACES[face], WIRES[first], WIRES[second]);
        let script = [Say::Text(words.clone())];
        let sent = native(first, &script);
        let (mut translation, mut out) = first_run(face, first, &sent[..cut.min(sent.len() - 1)]);
        if translation.rescuable() {
            let again = native(second, &cut_otherwise(&script, every));
            let before = out.clone();
            next_run(&mut translation, second, &again, Resume::Restart, &mut out);
            prop_assert!(!translation.diverged());
            // The same bytes in other slices make the same.
            let bytes: Vec<u8> = again.iter().flat_map(framed).collect();
            let (mut sliced, mut scanner) = (first_run(face, first, &sent[..cut.min(sent.len() - 1)]).0, Scanner::new(1 << 20));
            let mut made = before;
            sliced.resume(second, "another-model", Resume::Restart);
            for bytes in bytes.chunks(slice) {
                scanner.feed(bytes, |event| sliced.event(&event, &mut made)).unwrap();
            }
            sliced.end(&Usage::default(), &mut made);
            prop_assert_eq!(&made, &out);
            prop_assert_eq!(essence(&read(face, &out)), whole(face, first, &script));
            grammar::check(face, &out);
        }
        prop_assert_eq!(pieces(&words.concat()).concat(), words.concat());
    }
}
