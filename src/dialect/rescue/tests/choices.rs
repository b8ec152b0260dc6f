//! An answer of several choices: each is followed and said again by itself, in whatever turns the two runs take.

use proptest::prelude::*;
use serde_json::json;

use super::providers::pieces;
use super::*;

/// What a choice says, and when: the choices of a run take turns.
type Turn = (u32, String);

const TEXTS: [&str; 3] = ["Hello to all, \u{1f600} \u{e9}\"\\ and good bye.", "It is so.", "No, it is not: 1, 2, 3."];

fn asked(choices: u32) -> Request {
    Request { choices: Some(choices), ..request() }
}

fn about() -> About {
    About { id: "0123456789abcdef0123456789abcdef".into(), model: "the-model".into(), created_unix_s: 1 }
}

/// All that the choices say, the next piece always of the choice that `order` names, or of the first one left.
fn turns(texts: &[Vec<String>], order: &[usize]) -> Vec<Turn> {
    let mut left: Vec<std::vec::IntoIter<String>> = texts.iter().map(|text| text.clone().into_iter()).collect();
    let mut turns = Vec::new();
    let mut order = order.iter().copied();
    loop {
        let wanted = order.next().unwrap_or(0) % left.len();
        let choices = (wanted..left.len()).chain(0..wanted);
        let Some((choice, piece)) = choices.into_iter().find_map(|at| Some((at, left[at].next()?))) else {
            return turns;
        };
        turns.push((choice as u32, piece));
        if left[choice].len() == 0 {
            turns.push((choice as u32, String::new()));
        }
    }
}

/// As a provider of this dialect streams it. An empty turn is a choice's end.
fn native(wire: Wire, turns: &[Turn]) -> Vec<Sent> {
    let unnamed = |data: Value| (String::new(), data.to_string());
    let chunk = |choice: Value, object: &str| {
        unnamed(json!({"id": "native", "object": object, "created": 17, "model": "native", "choices": [choice]}))
    };
    let mut sent = Vec::new();
    let mut begun = Vec::new();
    for (choice, piece) in turns {
        let is_end = piece.is_empty();
        let one = match wire {
            Wire::Chat => {
                if !begun.contains(choice) {
                    begun.push(*choice);
                    let delta = json!({"role": "assistant", "content": ""});
                    let first = json!({"index": choice, "delta": delta, "finish_reason": null});
                    sent.push(chunk(first, "chat.completion.chunk"));
                }
                let delta = if is_end { json!({}) } else { json!({"content": piece}) };
                let finish = if is_end { json!("stop") } else { Value::Null };
                let one = json!({"index": choice, "delta": delta, "finish_reason": finish});
                chunk(one, "chat.completion.chunk")
            }
            Wire::Completions => {
                let finish = if is_end { json!("stop") } else { Value::Null };
                let one = json!({"index": choice, "text": piece, "logprobs": null, "finish_reason": finish});
                chunk(one, "text_completion")
            }
            _ => {
                let mut one = json!({"index": choice, "content": {"role": "model", "parts": [{"text": piece}]}});
                if is_end {
                    one["finishReason"] = json!("STOP");
                }
                unnamed(json!({"candidates": [one], "modelVersion": "native", "responseId": "native"}))
            }
        };
        sent.push(one);
    }
    if wire != Wire::Gemini {
        sent.push((String::new(), "[DONE]".into()));
    }
    sent
}

fn first(face: Face, wire: Wire, choices: u32, sent: &[Sent]) -> (Translation, Vec<u8>) {
    let mut translation = Translation::new(face, wire, asked(choices), about());
    translation.track();
    let mut out = Vec::new();
    for sent in sent {
        if Wire::of(face) == wire {
            translation.follow(&event(sent));
            out.extend_from_slice(&framed(sent));
        } else {
            translation.event(&event(sent), &mut out);
        }
    }
    (translation, out)
}

/// What the client reads of each choice: its text, and how it ended.
fn choices(face: Face, bytes: &[u8]) -> Vec<(String, Option<Finish>)> {
    let mut reads = Reads::new(Wire::of(face), &asked(3), "the-model");
    let mut gather = Gather::default();
    for sent in events(bytes) {
        reads.event(&event(&sent), &mut |piece| gather.piece(piece));
    }
    let text = |parts: &[AnswerPart]| {
        let texts = parts.iter().map(|part| match part {
            AnswerPart::Text(text) => text.as_str(),
            _ => "",
        });
        texts.collect::<String>()
    };
    gather.answer().choices.iter().map(|choice| (text(&choice.parts), choice.finish)).collect()
}

fn expected(texts: &[Vec<String>]) -> Vec<(String, Option<Finish>)> {
    texts.iter().map(|text| (text.concat(), Some(Finish::Stop))).collect()
}

const PAIRS: [(Face, Wire, Wire); 7] = [
    (Face::ChatCompletions, Wire::Chat, Wire::Chat),
    (Face::ChatCompletions, Wire::Chat, Wire::Gemini),
    (Face::ChatCompletions, Wire::Gemini, Wire::Chat),
    (Face::Completions, Wire::Completions, Wire::Completions),
    (Face::Completions, Wire::Chat, Wire::Chat),
    (Face::Gemini, Wire::Gemini, Wire::Gemini),
    (Face::Gemini, Wire::Gemini, Wire::Chat),
];

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    /// Cut anywhere, and run again in other turns and other pieces, every choice reads as if it had not been cut, with one
    /// role and one end.
    #[test]
    fn each_choice_is_said_again_by_itself(
        count in 2usize..=3, order in proptest::collection::vec(0usize..3, 0..24),
        again in proptest::collection::vec(0usize..3, 0..24), cut in 0usize..32, every in 1usize..6,
    ) {
        let texts: Vec<Vec<String>> = TEXTS[..count].iter().map(|text| pieces(text)).collect();
        let cut_otherwise = |text: &&str| {
            let all: Vec<char> = text.chars().collect();
            all.chunks(every).map(|chunk| chunk.iter().collect()).collect::<Vec<String>>()
        };
        let other: Vec<Vec<String>> = TEXTS[..count].iter().map(cut_otherwise).collect();
        for (face, wire, second) in PAIRS {
            let sent = native(wire, &turns(&texts, &order));
            let (mut translation, mut out) = first(face, wire, count as u32, &sent[..cut.min(sent.len() - 1)]);
            let told = format!("{face:?} {wire:?} {second:?} cut {cut}");
            if !translation.rescuable() {
                prop_assert!(cut + 1 >= sent.len(), "{}: only its end is missing", told);
                continue;
            }
            next_run(&mut translation, second, &native(second, &turns(&other, &again)), Resume::Restart, &mut out);
            prop_assert!(translation.caught_up() && !translation.diverged(), "{}", told);
            prop_assert_eq!(choices(face, &out), expected(&texts), "{}", told);
            if face == Face::ChatCompletions {
                let roles = memchr::memmem::find_iter(&out, b"\"role\":\"assistant\"").count();
                prop_assert_eq!(roles, count, "{}", told);
                let ends = memchr::memmem::find_iter(&out, b"\"finish_reason\":\"stop\"").count();
                prop_assert_eq!(ends, count, "{}", told);
            }
        }
    }

    /// Where one of the choices says something else than the client has of it, nothing of any goes out.
    #[test]
    fn one_choice_that_differs_ends_it(
        at in 0usize..6, order in proptest::collection::vec(0usize..2, 0..24),
        again in proptest::collection::vec(0usize..2, 0..24),
    ) {
        let texts: Vec<Vec<String>> = TEXTS[..2].iter().map(|text| pieces(text)).collect();
        let mut other = texts.clone();
        other[1] = vec!["It is so!".chars().enumerate().map(|(n, c)| if n == at { '?' } else { c }).collect()];
        for (face, wire, second) in PAIRS {
            let sent = native(wire, &turns(&texts, &order));
            // All of both but the last end.
            let cut = sent.len() - if wire == Wire::Gemini { 1 } else { 2 };
            let (mut translation, mut out) = first(face, wire, 2, &sent[..cut]);
            prop_assert!(translation.rescuable());
            let before = out.clone();
            next_run(&mut translation, second, &native(second, &turns(&other, &again)), Resume::Restart, &mut out);
            prop_assert!(translation.diverged(), "{:?} {:?}", face, second);
            prop_assert_eq!(&out, &before);
        }
    }
}

#[test]
fn a_choice_that_has_ended_says_no_more() {
    let texts = [pieces("It is so."), pieces("No, it is not.")];
    for (face, wire, second) in PAIRS {
        let sent = native(wire, &turns(&texts, &[0, 0, 0, 0]));
        let end = sent.iter().position(|(_, data)| data.contains("\"stop\"") || data.contains("STOP")).expect("an end");
        let (mut translation, mut out) = first(face, wire, 2, &sent[..=end]);
        assert!(translation.rescuable(), "{face:?}");
        let longer = [pieces("It is so. And more."), pieces("No, it is not.")];
        next_run(&mut translation, second, &native(second, &turns(&longer, &[])), Resume::Restart, &mut out);
        assert!(translation.diverged(), "{face:?} {second:?}");
    }
}

/// A provider that gives fewer choices than were asked for leaves one behind that the client has something of.
#[test]
fn a_choice_that_does_not_come_again_is_missed() {
    let texts = [pieces("It is so."), pieces("No, it is not.")];
    for (face, wire, second) in PAIRS {
        let sent = native(wire, &turns(&texts, &[0, 1, 0, 1]));
        let (mut translation, mut out) = first(face, wire, 2, &sent[..4]);
        let before = out.clone();
        translation.resume(second, "another-model", Resume::Restart);
        for sent in native(second, &turns(&texts[..1], &[])) {
            translation.event(&event(&sent), &mut out);
        }
        assert!(!translation.caught_up() && out == before, "{face:?} {second:?}");
    }
}

/// What cannot be told apart by choice, or cannot wait for the others, is not rescued.
#[test]
fn signed_thinking_and_logprobs_of_several_choices_are_not_followed() {
    let logprobs = json!({"content": [{"token": "a", "logprob": -1, "bytes": null, "top_logprobs": []}]});
    let chunk = json!({"id": "a", "choices": [{"index": 0, "delta": {"content": "a"}, "logprobs": logprobs}]});
    let parts = json!([{"text": "hm", "thought": true}, {"text": "a", "thoughtSignature": "c2lnbmVk"}]);
    let thought = json!({"candidates": [{"index": 0, "content": {"parts": parts}}]});
    for (face, data) in [(Face::ChatCompletions, chunk), (Face::Gemini, thought)] {
        let sent = [(String::new(), data.to_string())];
        let rescuable = |count| first(face, Wire::of(face), count, &sent).0.rescuable();
        assert_eq!((rescuable(1), rescuable(2)), (true, false), "{face:?}");
    }
}
