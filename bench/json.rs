//! The one pass over a request body, and the splices.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use sluice::json::{apply_edits, edit_include_usage, edit_model, scan_request};
use sluice::meter::estimate;

/// A chat request of about this size: an agent's history with tools.
fn request(bytes: usize) -> Vec<u8> {
    let mut body = String::from(
        r#"{"model":"openai-main/gpt-4o-mini","stream":true,"temperature":0.7,"max_tokens":512,"messages":["#,
    );
    body.push_str(r#"{"role":"system","content":"You are a helpful assistant that answers in one sentence."}"#);
    for i in 0.. {
        if body.len() + 200 >= bytes {
            break;
        }
        body.push_str(&format!(
            r#",{{"role":"user","content":[{{"type":"text","text":"Line {i}: what does \"sluice\" mean,\nand does a gate — even a slow one — meter what flows through it?"}}]}}"#
        ));
    }
    body.push_str(r#"],"tools":[{"type":"function","function":{"name":"lookup","parameters":{"type":"object","properties":{"q":{"type":"string"}}}}}]}"#);
    body.into_bytes()
}

fn benches(c: &mut Criterion) {
    let mut group = c.benchmark_group("json");
    for (name, size) in [("1k", 1024), ("100k", 100 * 1024)] {
        let body = request(size);
        group.throughput(Throughput::Bytes(body.len() as u64));
        group.bench_function(format!("scan_request/{name}"), |b| b.iter(|| scan_request(black_box(&body)).unwrap()));
        group.bench_function(format!("scan_and_estimate/{name}"), |b| {
            b.iter(|| estimate(&scan_request(black_box(&body)).unwrap()))
        });
        let mut out = Vec::new();
        group.bench_function(format!("scan_and_edit/{name}"), |b| {
            b.iter(|| {
                let scan = scan_request(black_box(&body)).unwrap();
                let mut edits = [edit_model(&scan, "gpt-4o-mini"), edit_include_usage(&scan, &body).unwrap()];
                out.clear();
                apply_edits(&body, &mut edits, &mut out);
                out.len()
            })
        });
    }
    group.finish();
}

criterion_group!(json, benches);
criterion_main!(json);
