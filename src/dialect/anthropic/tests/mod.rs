//! What the messages dialect reads and writes, against recordings, against itself, and against broken input.

mod broken;
mod request;
mod streams;
mod wire;

use serde_json::Value;

use super::{AnswerIn, AnswerOut};
use crate::dialect::About;
use crate::dialect::common::{Answer, Gather, Piece, Request};
use crate::meter::Usage;
use crate::sse::{Event, Scanner};

fn about() -> About {
    About { id: "0123456789abcdef".into(), model: "asked-model".into(), created_unix_s: 0 }
}

fn each_event(bytes: &[u8], mut on_event: impl FnMut(&Event<'_>)) {
    let mut scanner = Scanner::new(1 << 22);
    scanner.feed(bytes, |event| on_event(&event)).unwrap();
    scanner.finish(|event| on_event(&event));
}

/// All that a stream says.
fn read_stream(request: &Request, bytes: &[u8]) -> Answer {
    let (mut reads, mut gather) = (AnswerIn::new(request, "m"), Gather::default());
    each_event(bytes, |event| reads.event(event, &mut |piece| gather.piece(piece)));
    gather.answer()
}

fn read_body(request: &Request, bytes: &[u8]) -> Answer {
    let mut gather = Gather::default();
    AnswerIn::new(request, "m").body(bytes, &mut |piece| gather.piece(piece));
    gather.answer()
}

/// What a client of this dialect gets for these pieces.
fn write_stream(request: &Request, pieces: &[Piece<'_>], usage: &Usage) -> String {
    let (mut writes, mut out) = (AnswerOut::new(request, &about()), Vec::new());
    for piece in pieces {
        writes.piece(*piece, &mut out);
    }
    writes.end(usage, &mut out);
    String::from_utf8(out).unwrap()
}

/// The grammar of a stream: one start, every block started, filled and stopped in its turn, one end. Returns the events.
fn check_grammar(stream: &str) -> Vec<Value> {
    let mut events = Vec::new();
    for event in stream.split_terminator("\n\n") {
        let (name, data) = event.split_once('\n').unwrap();
        let data: Value = serde_json::from_str(data.strip_prefix("data: ").unwrap()).unwrap();
        assert_eq!(name.strip_prefix("event: "), data["type"].as_str());
        events.push(data);
    }
    let (mut next_index, mut open) = (0, None);
    for (at, event) in events.iter().enumerate() {
        let index = event["index"].as_u64();
        match event["type"].as_str().unwrap() {
            "message_start" => assert_eq!(at, 0),
            "content_block_start" => {
                assert_eq!((open, index), (None, Some(next_index)), "{stream}");
                open = Some(event["content_block"]["type"].as_str().unwrap());
            }
            "content_block_delta" => {
                assert_eq!(index, Some(next_index));
                let fits = match event["delta"]["type"].as_str().unwrap() {
                    "text_delta" => "text",
                    "thinking_delta" | "signature_delta" => "thinking",
                    "input_json_delta" => "tool_use",
                    other => panic!("{other}"),
                };
                assert_eq!(open, Some(fits));
            }
            "content_block_stop" => {
                assert_eq!(index, Some(next_index));
                assert!(open.take().is_some());
                next_index += 1;
            }
            "message_delta" => assert_eq!((at, open), (events.len() - 2, None)),
            "message_stop" => assert_eq!(at, events.len() - 1),
            other => panic!("{other}"),
        }
    }
    assert_eq!(events.last().unwrap()["type"], "message_stop");
    events
}
