//! Reading a stream: 1 MB of events, fed as 16 KiB reads. `scan` finds events, `read` also folds usage and marks,
//! `count` also counts the delivered text with o200k.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use sluice::dialect::{Mark, Reading, Wire};
use sluice::meter::{Family, load_tokenizers};
use sluice::sse::Scanner;

const STREAM_BYTES: usize = 1 << 20;
const READ_BYTES: usize = 16 * 1024;
const WORDS: [&str; 16] = [
    " the", " gate", " opens", " slow", "ly", ",", " and", " water", " passes", " under", " it", ".", " Every",
    " drop", " is", " counted",
];

fn stream(event: impl Fn(&str, usize) -> String, end: &str) -> Vec<u8> {
    let mut text = String::new();
    for i in 0.. {
        if text.len() >= STREAM_BYTES {
            break;
        }
        text.push_str(&event(WORDS[i % WORDS.len()], i));
    }
    (text + end).into_bytes()
}

/// About 200 bytes each, as OpenAI writes them.
fn chat() -> Vec<u8> {
    stream(
        |word, _| {
            format!(
                "data: {{\"id\":\"chatcmpl-ASv9ejXDUtAhGOJJxWuw026zdinc4\",\"object\":\"chat.completion.chunk\",\"created\":1731456250,\"model\":\"gpt-4o-mini\",\
                 \"choices\":[{{\"index\":0,\"delta\":{{\"content\":\"{word}\"}},\"logprobs\":null,\"finish_reason\":null}}]}}\n\n"
            )
        },
        "data: {\"id\":\"chatcmpl-ASv9ejXDUtAhGOJJxWuw026zdinc4\",\"choices\":[],\"usage\":{\"prompt_tokens\":9,\"completion_tokens\":5000,\"total_tokens\":5009}}\n\ndata: [DONE]\n\n",
    )
}

/// The same, but no two chunks begin alike.
fn chat_changing() -> Vec<u8> {
    stream(
        |word, i| {
            format!(
                "data: {{\"id\":\"chatcmpl-ASv9ejXDUtAhGOJJx{i:012}\",\"object\":\"chat.completion.chunk\",\"created\":1731456250,\"model\":\"gpt-4o-mini\",\
                 \"choices\":[{{\"index\":0,\"delta\":{{\"content\":\"{word}\"}},\"logprobs\":null,\"finish_reason\":null}}]}}\n\n"
            )
        },
        "data: [DONE]\n\n",
    )
}

fn messages() -> Vec<u8> {
    stream(
        |word, _| {
            format!(
                "event: content_block_delta\ndata: {{\"type\":\"content_block_delta\",\"index\":0,\"delta\":{{\"type\":\"text_delta\",\"text\":\"{word}\"}}      }}\n\n"
            )
        },
        "event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\"},\"usage\":{\"output_tokens\":9}}\n\nevent: message_stop\ndata: {\"type\":\"message_stop\"}\n\n",
    )
}

fn responses() -> Vec<u8> {
    stream(
        |word, i| {
            format!(
                "event: response.output_text.delta\ndata: {{\"type\":\"response.output_text.delta\",\"sequence_number\":{i},\"item_id\":\"msg_68c42de022c881948db7ed1cc2529f2e\",\
                 \"output_index\":0,\"content_index\":0,\"delta\":\"{word}\",\"logprobs\":[],\"obfuscation\":\"aB3dE5gH7\"}}\n\n"
            )
        },
        "event: response.completed\ndata: {\"type\":\"response.completed\",\"response\":{\"status\":\"completed\",\"usage\":{\"input_tokens\":1,\"output_tokens\":2,\"total_tokens\":3}}}\n\n",
    )
}

fn read(wire: Wire, family: Family, bytes: &[u8]) -> (Reading, u32) {
    let mut scanner = Scanner::new(1 << 20);
    let mut reading = Reading::new(family);
    let mut tokens = 0;
    for slice in bytes.chunks(READ_BYTES) {
        scanner
            .feed(slice, |event| tokens += u32::from(wire.read_event(&event, &mut reading) == Mark::Content))
            .unwrap();
    }
    assert!(reading.terminated);
    (reading, tokens)
}

fn benches(c: &mut Criterion) {
    load_tokenizers();
    let mut group = c.benchmark_group("sse");
    for (name, wire, bytes) in [
        ("chat", Wire::Chat, chat()),
        ("chat_changing", Wire::Chat, chat_changing()),
        ("messages", Wire::Messages, messages()),
        ("responses", Wire::Responses, responses()),
    ] {
        group.throughput(Throughput::Bytes(bytes.len() as u64));
        group.bench_function(format!("{name}/scan"), |b| {
            b.iter(|| {
                let mut scanner = Scanner::new(1 << 20);
                let mut data = 0;
                for slice in black_box(&bytes).chunks(READ_BYTES) {
                    scanner.feed(slice, |event| data += event.data.len()).unwrap();
                }
                data
            })
        });
        group.bench_function(format!("{name}/read"), |b| b.iter(|| read(wire, Family::Unknown, black_box(&bytes)).1));
        group.bench_function(format!("{name}/count"), |b| {
            b.iter(|| read(wire, Family::O200k, black_box(&bytes)).0.delivered.tokens(Family::O200k))
        });
    }
    group.finish();
}

criterion_group! { name = sse; config = Criterion::default().sample_size(20); targets = benches }
criterion_main!(sse);
