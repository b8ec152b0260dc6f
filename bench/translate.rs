//! Translating a stream: 10k events of one dialect written as another, usage folded beside it, as the data plane does.
//! The figure is the time per event (budget: 2 us).

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use sluice::dialect::common::Request;
use sluice::dialect::{About, Reading, Translation, Wire};
use sluice::meter::Family;
use sluice::sse::Scanner;
use sluice::telemetry::Face;

const EVENTS: usize = 10_000;
const WORDS: [&str; 8] = [" the", " gate", " opens", " slow", "ly", ",", " caf\\u00e9", "\\n"];

fn chat() -> String {
    let mut text = String::new();
    for i in 0..EVENTS {
        let word = WORDS[i % WORDS.len()];
        text.push_str(&format!(
            "data: {{\"id\":\"chatcmpl-ASv9ejXDUtAhGOJJxWuw026zdinc4\",\"object\":\"chat.completion.chunk\",\"created\":1731456250,\"model\":\"gpt-4o-mini\",\
             \"choices\":[{{\"index\":0,\"delta\":{{\"content\":\"{word}\"}},\"logprobs\":null,\"finish_reason\":null}}]}}\n\n"
        ));
    }
    text + "data: {\"id\":\"x\",\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\ndata: {\"choices\":[],\"usage\":{\"prompt_tokens\":9,\"completion_tokens\":5000,\"total_tokens\":5009}}\n\ndata: [DONE]\n\n"
}

fn messages() -> String {
    let mut text = String::from(
        "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"msg_1\",\"model\":\"claude\",\"usage\":{\"input_tokens\":9,\"output_tokens\":1}}}\n\n\
         event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"text\",\"text\":\"\"}}\n\n",
    );
    for i in 0..EVENTS {
        let word = WORDS[i % WORDS.len()];
        text.push_str(&format!(
            "event: content_block_delta\ndata: {{\"type\":\"content_block_delta\",\"index\":0,\"delta\":{{\"type\":\"text_delta\",\"text\":\"{word}\"}}      }}\n\n"
        ));
    }
    text + "event: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":0}\n\n\
            event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\"},\"usage\":{\"output_tokens\":5000}}\n\n\
            event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n"
}

fn gemini() -> String {
    let mut text = String::new();
    for i in 0..EVENTS {
        let word = WORDS[i % WORDS.len()];
        text.push_str(&format!(
            "data: {{\"candidates\":[{{\"content\":{{\"parts\":[{{\"text\":\"{word}\"}}],\"role\":\"model\"}},\"index\":0}}],\
             \"usageMetadata\":{{\"promptTokenCount\":9,\"candidatesTokenCount\":{i},\"totalTokenCount\":{}}},\"modelVersion\":\"gemini-3-flash\",\"responseId\":\"r\"}}\r\n\r\n",
            i + 9
        ));
    }
    text + "data: {\"candidates\":[{\"content\":{\"parts\":[],\"role\":\"model\"},\"finishReason\":\"STOP\",\"index\":0}]}\r\n\r\n"
}

fn translate(face: Face, wire: Wire, stream: &[u8], out: &mut Vec<u8>) -> u64 {
    let about = About { id: "0123456789abcdef0123456789abcdef".into(), model: "m".into(), created_unix_s: 1 };
    let asked = Request { stream: true, stream_usage: true, ..Request::default() };
    let mut translation = Translation::new(face, wire, asked, about);
    let mut reading = Reading::new(Family::Unknown);
    let mut scanner = Scanner::new(1 << 20);
    for read in stream.chunks(2048) {
        out.clear();
        let fed = scanner.feed(read, |event| {
            wire.read_event(&event, &mut reading);
            translation.event(&event, out);
        });
        assert!(fed.is_ok());
        black_box(&out);
    }
    let usage = reading.settle(0);
    translation.end(&usage, out);
    usage.output
}

fn bench(c: &mut Criterion) {
    let mut group = c.benchmark_group("translate");
    group.throughput(Throughput::Elements(EVENTS as u64));
    let mut out = Vec::new();
    for (name, face, wire, stream) in [
        ("anthropic to chat", Face::ChatCompletions, Wire::Messages, messages()),
        ("chat to anthropic", Face::Messages, Wire::Chat, chat()),
        ("chat to responses", Face::Responses, Wire::Chat, chat()),
        ("gemini to chat", Face::ChatCompletions, Wire::Gemini, gemini()),
        ("chat to gemini", Face::Gemini, Wire::Chat, chat()),
    ] {
        group.bench_function(name, |b| b.iter(|| translate(face, wire, black_box(stream.as_bytes()), &mut out)));
    }
    group.finish();
}

criterion_group!(benches, bench);
criterion_main!(benches);
