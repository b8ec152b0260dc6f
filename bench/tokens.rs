//! Counting and estimating delivered text, token by token as it streams.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use sluice::meter::{Delivered, Family, estimate_tokens, load_tokenizers};

const TEXT_BYTES: usize = 64 * 1024;

fn text(sentence: &str) -> String {
    sentence.repeat(TEXT_BYTES / sentence.len())
}

fn benches(c: &mut Criterion) {
    load_tokenizers();
    let mut group = c.benchmark_group("tokens");
    for (name, text) in [
        ("prose", text("The gate opens slowly, and the water that passes under it is counted to the last drop. ")),
        ("code", text("    if let Some(end) = boundary(&self.text) { self.counted += count(&text[..end]); }\\n")),
        ("cjk", text("水闸缓缓打开，流过的每一滴水都被计量。")),
    ] {
        // Four bytes or one character at a time, as deltas come.
        let ends: Vec<usize> = text
            .char_indices()
            .map(|(at, _)| at)
            .filter(|at| at % 4 == 0 || name == "cjk")
            .chain([text.len()])
            .collect();
        group.throughput(Throughput::Bytes(text.len() as u64));
        for (kind, family) in [("counted", Family::O200k), ("estimated", Family::Unknown)] {
            group.bench_function(format!("delivered/{name}/{kind}"), |b| {
                b.iter(|| {
                    let mut delivered = Delivered::new(family);
                    for pair in ends.windows(2) {
                        delivered.push_json(&black_box(text.as_bytes())[pair[0]..pair[1]]);
                    }
                    delivered.tokens(family)
                })
            });
        }
        group.bench_function(format!("estimate/{name}"), |b| b.iter(|| estimate_tokens(black_box(text.as_bytes()))));
    }
    group.finish();
}

criterion_group! { name = tokens; config = Criterion::default().sample_size(20); targets = benches }
criterion_main!(tokens);
