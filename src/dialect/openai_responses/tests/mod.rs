//! Responses as a client's and as a provider's dialect, each alone and both against each other.

mod answers;
mod grammar;
mod properties;
mod recordings;
mod requests;
mod streams;

use serde_json::Value;

use super::{AnswerIn, AnswerOut, write_answer};
use crate::dialect::About;
use crate::dialect::common::{Answer, AnswerCall, AnswerPart, Finish, Gather, Piece, Request, Text};
use crate::meter::{Usage, UsageSource};
use crate::sse::Scanner;

fn about() -> About {
    About { id: "0abc".into(), model: "asked-for".into(), created_unix_s: 1_700_000_000 }
}

fn usage() -> Usage {
    Usage { input: 11, cache_read: 3, output: 7, reasoning: 2, source: UsageSource::Reported, ..Usage::default() }
}

/// The pieces of a provider's stream, each given to `each`.
fn pieces(stream: &[u8], mut each: impl FnMut(Piece<'_>)) {
    let mut answer_in = AnswerIn::new(&Request::default(), "m");
    let mut scanner = Scanner::new(1 << 22);
    scanner.feed(stream, |event| answer_in.event(&event, &mut each)).unwrap();
    scanner.finish(|event| answer_in.event(&event, &mut each));
}

fn read_stream(stream: &[u8]) -> Answer {
    let mut gather = Gather::default();
    pieces(stream, |piece| gather.piece(piece));
    gather.answer()
}

fn read_body(body: &[u8]) -> Answer {
    let mut gather = Gather::default();
    AnswerIn::new(&Request::default(), "m").body(body, &mut |piece| gather.piece(piece));
    gather.answer()
}

/// A provider's stream as a client of this dialect gets it.
fn through(stream: &[u8]) -> Vec<u8> {
    let mut answer_out = AnswerOut::new(&Request::default(), &about());
    let mut out = Vec::new();
    pieces(stream, |piece| answer_out.piece(piece, &mut out));
    answer_out.end(&usage(), &mut out);
    out
}

/// What a client gets for these pieces.
fn written(request: &Request, pieces: &[Piece<'_>]) -> Vec<u8> {
    let mut answer_out = AnswerOut::new(request, &about());
    let mut out = Vec::new();
    for piece in pieces {
        answer_out.piece(*piece, &mut out);
    }
    answer_out.end(&usage(), &mut out);
    out
}

fn written_whole(request: &Request, answer: &Answer) -> Value {
    let mut out = Vec::new();
    write_answer(request, &about(), answer, &usage(), &mut out);
    serde_json::from_slice(&out).unwrap()
}

/// Events as a provider of this dialect sends them.
fn stream_of(events: &[Value]) -> Vec<u8> {
    let event = |event: &Value| format!("event: {}\ndata: {event}\n\n", event["type"].as_str().unwrap());
    events.iter().map(event).collect::<String>().into_bytes()
}

fn plain(text: &str) -> Text<'_> {
    Text::Plain(text)
}

/// The parts of the one choice.
fn parts(answer: &Answer) -> &[AnswerPart] {
    answer.choices.first().map_or(&[], |choice| &choice.parts)
}
