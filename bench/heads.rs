//! What a head and a chunked body cost. The request head is what an OpenAI SDK sends; the goal is under 1 us.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use sluice::http1::{
    BodyDecoder, CHUNK_END, HeadLimits, LAST_CHUNK, Method, ResponseBody, chunk_head, forward_fields, parse_request,
    parse_response,
};

const LIMITS: HeadLimits = HeadLimits { line_bytes_max: 8192, head_bytes_max: 32 * 1024, fields_max: 100 };

/// 12 fields, 600 bytes.
const REQUEST: &[u8] = b"POST /v1/chat/completions HTTP/1.1\r\n\
    Host: gateway.internal.example.com:8080\r\n\
    Accept: application/json\r\n\
    Accept-Encoding: gzip, deflate\r\n\
    Connection: keep-alive\r\n\
    Content-Type: application/json\r\n\
    User-Agent: OpenAI/Python 1.99.1 (linux; x86_64; cpython)\r\n\
    X-Stainless-Runtime-Version: 3.12.4\r\n\
    X-Stainless-Retry-Count: 0\r\n\
    Authorization: Bearer sk-abcdefghijklmnopqrstuvwxyz0123456789abcdefghijklmnopqrstuvwxyz0123456789ABCDEF\r\n\
    traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01\r\n\
    X-TFY-Metadata: {\"customer_id\":\"acme\",\"environment\":\"production\"}\r\n\
    Content-Length: 1024\r\n\r\n";

const RESPONSE: &[u8] = b"HTTP/1.1 200 OK\r\n\
    Date: Wed, 20 Aug 2025 12:00:00 GMT\r\n\
    Content-Type: text/event-stream; charset=utf-8\r\n\
    Transfer-Encoding: chunked\r\n\
    Connection: keep-alive\r\n\
    Cache-Control: no-cache\r\n\
    x-request-id: req_0123456789abcdef0123456789abcdef\r\n\
    openai-organization: acme\r\n\
    openai-processing-ms: 215\r\n\
    x-ratelimit-limit-requests: 10000\r\n\
    x-ratelimit-remaining-requests: 9999\r\n\
    Server: cloudflare\r\n\r\n";

fn heads(c: &mut Criterion) {
    let mut group = c.benchmark_group("heads");
    group.throughput(Throughput::Bytes(REQUEST.len() as u64));
    group.bench_function("request", |b| b.iter(|| parse_request(black_box(REQUEST), &LIMITS)));
    // The parser we do not use, on the same bytes, as a yardstick: it cuts lines and nothing else.
    group.bench_function("request_httparse", |b| {
        b.iter(|| {
            let mut fields = [httparse::EMPTY_HEADER; 100];
            httparse::Request::new(&mut fields).parse(black_box(REQUEST))
        })
    });
    let head = parse_request(REQUEST, &LIMITS).ok().flatten().expect("a valid head");
    let mut out = Vec::with_capacity(1024);
    group.bench_function("forward_fields", |b| {
        b.iter(|| {
            out.clear();
            forward_fields(black_box(&head.fields), REQUEST, &mut out, |_, _| false);
        })
    });
    group.throughput(Throughput::Bytes(RESPONSE.len() as u64));
    group.bench_function("response", |b| b.iter(|| parse_response(black_box(RESPONSE), Method::Post, &LIMITS)));
    group.finish();
}

fn chunked_body(c: &mut Criterion) {
    let event = b"data: {\"id\":\"chatcmpl-1\",\"object\":\"chat.completion.chunk\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\" word\"}}]}\n\n";
    let mut wire = Vec::new();
    for _ in 0..64 {
        wire.extend_from_slice(&chunk_head(event.len()));
        wire.extend_from_slice(event);
        wire.extend_from_slice(CHUNK_END);
    }
    wire.extend_from_slice(LAST_CHUNK);
    let mut group = c.benchmark_group("body");
    group.throughput(Throughput::Elements(64));
    group.bench_function("64_chunks", |b| {
        b.iter(|| {
            let mut decoder = BodyDecoder::response(ResponseBody::Chunked, 4096);
            let (mut at, mut content) = (0, 0);
            while !decoder.is_done() {
                let advance = decoder.advance(black_box(&wire[at..])).expect("a valid body");
                at += advance.consumed;
                content += advance.content.len();
            }
            content
        })
    });
    group.finish();
}

criterion_group!(benches, heads, chunked_body);
criterion_main!(benches);
