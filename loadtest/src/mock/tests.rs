//! The provider over real sockets: every face, every fault, any split of the request.

mod dialects;
mod faults;
mod tools;

use super::*;
use crate::http::Chunked;
use serde_json::{Value, json};
use std::{
    io::{Read, Write},
    net::{Shutdown, TcpStream},
};

struct Answer {
    status: u16,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    /// Whether the body ended as its framing says.
    whole: bool,
    /// The connection was reset.
    reset: bool,
}

impl Answer {
    fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str())
    }

    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|e| panic!("{e}: {}", String::from_utf8_lossy(&self.body)))
    }

    /// Of each event: its name and its data.
    fn events(&self) -> Vec<(String, String)> {
        let text = std::str::from_utf8(&self.body).expect("UTF-8");
        let field = |event: &str, name: &str| {
            let value = event.lines().find_map(|l| l.strip_prefix(name)).unwrap_or_default();
            value.trim().to_owned()
        };
        text.split_terminator("\n\n").map(|e| (field(e, "event:"), field(e, "data:"))).collect()
    }
}

fn provider() -> SocketAddr {
    spawn("127.0.0.1:0".parse().expect("address")).expect("starts")
}

fn connect(addr: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(addr).expect("connects");
    stream.set_nodelay(true).expect("nodelay");
    stream
}

fn post(path: &str, headers: &str, body: &str) -> Vec<u8> {
    format!("POST {path} HTTP/1.1\r\nHost: x\r\n{headers}Content-Length: {}\r\n\r\n{body}", body.len()).into_bytes()
}

/// Reads one answer; what comes after it stays in `rest`. `None` when not even a head came.
fn read(stream: &mut TcpStream, rest: &mut Vec<u8>) -> Option<Answer> {
    let (mut ended, mut reset) = (false, false);
    loop {
        if let Some((mut answer, used)) = take(rest, ended) {
            answer.reset = reset;
            rest.drain(..used);
            return Some(answer);
        }
        if ended {
            return None;
        }
        let mut chunk = [0; 4096];
        match stream.read(&mut chunk) {
            Ok(0) => ended = true,
            Ok(n) => rest.extend_from_slice(&chunk[..n]),
            Err(_) => (ended, reset) = (true, true),
        }
    }
}

fn take(bytes: &[u8], ended: bool) -> Option<(Answer, usize)> {
    let mut headers = [httparse::EMPTY_HEADER; 32];
    let mut head = httparse::Response::new(&mut headers);
    let httparse::Status::Complete(len) = head.parse(bytes).expect("head") else { return None };
    let headers: Vec<_> =
        head.headers.iter().map(|h| (h.name.to_owned(), String::from_utf8_lossy(h.value).into_owned())).collect();
    let mut answer =
        Answer { status: head.code.expect("status"), headers, body: Vec::new(), whole: false, reset: false };
    let body = &bytes[len..];
    if let Some(stated) = answer.header("content-length") {
        let stated: usize = stated.parse().expect("length");
        answer.whole = body.len() >= stated;
        answer.body = body[..stated.min(body.len())].to_vec();
        return (answer.whole || ended).then(|| (answer, len + stated.min(body.len())));
    }
    let mut decoder = Chunked::new();
    let used = decoder.feed(body, |s| answer.body.extend_from_slice(s));
    answer.whole = decoder.done();
    let over = used.is_err() || ended || answer.whole;
    over.then(|| (answer, len + used.unwrap_or(body.len())))
}

fn call(addr: SocketAddr, wire: &[u8]) -> Option<Answer> {
    let mut stream = connect(addr);
    stream.write_all(wire).expect("sent");
    read(&mut stream, &mut Vec::new())
}

fn ask(addr: SocketAddr, path: &str, body: Value) -> Answer {
    call(addr, &post(path, "", &body.to_string())).expect("an answer")
}

fn chat(addr: SocketAddr, scenario: &str, stream: bool) -> Option<Answer> {
    let body =
        json!({"model": "mock-fast", "stream": stream, "messages": [{"role": "user", "content": "hello there"}]});
    call(addr, &post("/v1/chat/completions", &format!("X-Mock-Scenario: {scenario}\r\n"), &body.to_string()))
}

#[test]
fn unary_faces_answer_in_their_dialect() {
    let addr = provider();
    let messages = json!([{"role": "user", "content": "one two three"}]);

    let answer = ask(addr, "/v1/chat/completions", json!({"model": "gpt-x:tokens=4", "messages": messages}));
    assert_eq!((answer.status, answer.header("x-mock-model")), (200, Some("gpt-x:tokens=4")));
    let body = answer.json();
    assert_eq!(body["choices"][0]["message"]["content"], "The gate opens and");
    assert_eq!(body["usage"]["prompt_tokens"], 10);
    assert_eq!(body["usage"]["total_tokens"], 14);
    assert_eq!(body["id"].as_str().map(str::len), Some("chatcmpl-".len() + 16));

    let body =
        ask(addr, "/anthropic/messages", json!({"model": "c:tokens=9", "max_tokens": 2, "messages": messages})).json();
    assert_eq!((&body["type"], &body["content"][0]["text"]), (&json!("message"), &json!("The gate")));
    assert_eq!((&body["stop_reason"], &body["usage"]["output_tokens"]), (&json!("max_tokens"), &json!(2)));

    let body = ask(addr, "/v1/messages/count_tokens", json!({"model": "c", "messages": messages})).json();
    assert_eq!(body, json!({"input_tokens": 10}));

    let body = ask(addr, "/v1/responses", json!({"model": "g:tokens=2", "input": "hi"})).json();
    assert_eq!((&body["status"], &body["output"][0]["content"][0]["text"]), (&json!("completed"), &json!("The gate")));

    let body = ask(addr, "/v1/completions", json!({"model": "g:tokens=2", "prompt": "hi"})).json();
    assert_eq!((&body["object"], &body["choices"][0]["text"]), (&json!("text_completion"), &json!("The gate")));

    let body = ask(addr, "/v1/embeddings", json!({"model": "e", "input": ["a b", "c"], "dimensions": 3})).json();
    assert_eq!(body["data"].as_array().map(Vec::len), Some(2));
    assert_eq!(body["data"][1]["embedding"].as_array().map(Vec::len), Some(3));
    assert_eq!(body["usage"], json!({"prompt_tokens": 3, "total_tokens": 3}));

    let body = ask(addr, "/v1/moderations", json!({"model": "m", "input": "hi"})).json();
    assert_eq!(body["results"][0]["flagged"], false);
    let body =
        ask(addr, "/v1/rerank", json!({"model": "r", "query": "q", "documents": ["a", "b", "c"], "top_n": 2})).json();
    assert_eq!(body["results"].as_array().map(Vec::len), Some(2));
    let body = ask(addr, "/v1/images/generations", json!({"model": "i", "prompt": "p", "n": 2})).json();
    assert_eq!(body["data"].as_array().map(Vec::len), Some(2));

    let answer = ask(addr, "/v1/audio/speech", json!({"model": "tts:tokens=3", "input": "hi", "voice": "a"}));
    assert_eq!((answer.header("content-type"), answer.body.len(), answer.whole), (Some("audio/mpeg"), 768, true));

    let form = "--b\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\nwhisper-1:tokens=2\r\n--b--\r\n";
    let wire = post("/v1/audio/transcriptions", "Content-Type: multipart/form-data; boundary=b\r\n", form);
    let body = call(addr, &wire).expect("an answer").json();
    assert_eq!(body["text"], "The gate");
}

#[test]
fn models_errors_and_odd_paths() {
    let addr = provider();
    let get = |path: &str, header: &str| {
        call(addr, format!("GET {path} HTTP/1.1\r\nHost: x\r\n{header}\r\n").as_bytes()).expect("an answer")
    };
    let list = get("/v1/models", "").json();
    assert_eq!(list["data"].as_array().map(Vec::len), Some(MODELS.len()));
    assert_eq!(get("/v1/models", "anthropic-version: 2023-06-01\r\n").json()["has_more"], false);
    assert_eq!(get("/v1/models/gpt-4o", "").json()["id"], "gpt-4o");
    assert_eq!(get("/nowhere", "").status, 404);
    assert_eq!(get("/v1/chat/completions", "").status, 405);

    assert_eq!(call(addr, &post("/v1/chat/completions", "", "{")).expect("an answer").status, 400);
    let answer = call(addr, &post("/v1/messages", "", "{")).expect("an answer");
    assert_eq!((answer.status, &answer.json()["error"]["type"]), (400, &json!("invalid_request_error")));
    assert_eq!(ask(addr, "/v1/chat/completions", json!({"model": "mock:oops=1", "messages": []})).status, 400);
    assert_eq!(ask(addr, "/v1/chat/completions", json!({"model": "llama3:8b", "messages": []})).status, 200);

    let answer = call(addr, &post("/v1/traces", "", "\u{0}\u{1}")).expect("an answer");
    assert_eq!((answer.status, answer.body.len()), (200, 0));
    assert_eq!(get("/mock/stats", "").json()["otlp_bytes"], 2);
}

#[test]
fn echo_gives_back_the_exact_request() {
    let addr = provider();
    let body =
        call(addr, &post("/v1/x?y=1", "x-mock-echo: 1\r\nX-A:  b \r\n", "raw \u{e9}")).expect("an answer").json();
    assert_eq!(
        (&body["method"], &body["path"], &body["body"]),
        (&json!("POST"), &json!("/v1/x?y=1"), &json!("raw \u{e9}"))
    );
    assert!(body["headers"].as_array().expect("list").contains(&json!(["X-A", "b"])));
    assert!(body["head"].as_str().expect("head").contains("X-A:  b \r\n"));
    let body = ask(addr, "/v1/chat/completions", json!({"model": "echo", "z": 1})).json();
    assert_eq!(body["body"], r#"{"model":"echo","z":1}"#);
}

#[test]
fn chat_stream_reports_usage_only_when_asked() {
    let addr = provider();
    for asked in [false, true] {
        let answer = ask(
            addr,
            "/v1/chat/completions",
            json!({"model": "mock:tokens=3,in=100,cached=40,reasoning=7", "stream": true, "stream_options": {"include_usage": asked},
                   "messages": []}),
        );
        assert!(answer.whole && answer.header("content-type").is_some_and(|t| t.starts_with("text/event-stream")));
        let events = answer.events();
        assert_eq!(events.len(), if asked { 14 } else { 13 });
        assert_eq!(events.last().expect("events").1, "[DONE]");
        let chunks: Vec<Value> =
            events[..events.len() - 1].iter().map(|e| serde_json::from_str(&e.1).expect("JSON")).collect();
        let text: String = chunks.iter().filter_map(|c| c["choices"][0]["delta"]["content"].as_str()).collect();
        assert_eq!(text, "The gate opens");
        let thought: String =
            chunks.iter().filter_map(|c| c["choices"][0]["delta"]["reasoning_content"].as_str()).collect();
        assert_eq!(thought, "First look at the level then at");
        assert_eq!(chunks[11]["choices"][0]["finish_reason"], "stop");
        assert!(chunks.iter().all(|c| c.get("usage").is_some() == asked && c["id"] == chunks[0]["id"]));
        if asked {
            let usage = &chunks[12]["usage"];
            assert_eq!((&usage["prompt_tokens"], &usage["completion_tokens"]), (&json!(100), &json!(10)));
            assert_eq!(usage["prompt_tokens_details"]["cached_tokens"], 40);
        }
    }
}

#[test]
fn named_event_streams_follow_their_grammar() {
    let addr = provider();
    let names = |answer: &Answer| answer.events().iter().map(|e| e.0.clone()).collect::<Vec<_>>();

    let answer = ask(addr, "/v1/messages", json!({"model": "c:tokens=2,cached=1", "stream": true, "messages": []}));
    let block = ["content_block_start", "ping", "content_block_delta", "content_block_delta", "content_block_stop"];
    assert_eq!(names(&answer), [&["message_start"][..], &block, &["message_delta", "message_stop"]].concat());
    let start: Value = serde_json::from_str(&answer.events()[0].1).expect("JSON");
    assert_eq!(start["message"]["usage"]["input_tokens"], 2);
    assert_eq!(start["message"]["usage"]["cache_read_input_tokens"], 1);
    let delta: Value = serde_json::from_str(&answer.events()[6].1).expect("JSON");
    assert_eq!((&delta["type"], &delta["usage"]["output_tokens"]), (&json!("message_delta"), &json!(2)));

    let answer = ask(
        addr,
        "/v1/responses",
        json!({"model": "g:tokens=9", "max_output_tokens": 1, "stream": true, "input": "hi"}),
    );
    let names = names(&answer);
    assert_eq!(names.first().map(String::as_str), Some("response.created"));
    assert_eq!(names.last().map(String::as_str), Some("response.incomplete"));
    for (at, (name, data)) in answer.events().iter().enumerate() {
        let data: Value = serde_json::from_str(data).expect("JSON");
        assert_eq!((&data["type"], &data["sequence_number"]), (&json!(name), &json!(at)));
    }
}

#[test]
fn error_answers_are_worded_by_dialect() {
    let addr = provider();
    let answer = chat(addr, "429,retry_after=2", true).expect("an answer");
    assert_eq!((answer.status, answer.header("retry-after")), (429, Some("2")));
    assert_eq!(answer.json()["error"]["code"], "rate_limit_exceeded");
    assert!(chat(addr, "429", false).expect("an answer").header("retry-after").is_none());
    assert_eq!(chat(addr, "status=418", false).expect("an answer").status, 418);
    for (fault, status, code) in [
        ("insufficient_quota", 429, "insufficient_quota"),
        ("context_length", 400, "context_length_exceeded"),
        ("content_filter", 400, "content_policy_violation"),
    ] {
        let answer = chat(addr, fault, false).expect("an answer");
        assert_eq!((answer.status, answer.json()["error"]["code"].as_str()), (status, Some(code)));
    }
    let answer = ask(addr, "/v1/messages", json!({"model": "c:529", "messages": []}));
    assert_eq!((answer.status, &answer.json()["error"]["type"]), (529, &json!("overloaded_error")));
}

#[test]
fn connections_break_where_the_fault_says() {
    let addr = provider();
    assert!(chat(addr, "close", true).is_none());
    assert!(chat(addr, "reset", true).is_none());
    let tokens = |answer: &Answer| String::from_utf8_lossy(&answer.body).matches("\"content\":\"").count() - 1;

    let answer = chat(addr, "cut@3,tokens=9", true).expect("a head");
    assert_eq!((tokens(&answer), answer.whole, answer.reset), (3, false, false));
    let answer = chat(addr, "rst@3,tokens=9", true).expect("a head");
    assert!(!answer.whole && answer.reset);
    let answer = chat(addr, "shortlen", false).expect("a head");
    assert!(!answer.whole && !answer.reset);
    let answer = chat(addr, "cut@5", false).expect("a head");
    assert_eq!((answer.body.len(), answer.whole), (5, false));
    let answer = chat(addr, "badchunk@2,tokens=9", true).expect("a head");
    assert_eq!((tokens(&answer), answer.whole), (2, false));

    // Stalled or silent, the provider notices the client leave.
    for scenario in ["stall@2,tokens=9", "silence", "ttft=3600000"] {
        let mut stream = connect(addr);
        stream
            .write_all(&post(
                "/v1/chat/completions",
                &format!("X-Mock-Scenario: {scenario}\r\n"),
                r#"{"model":"m","stream":true}"#,
            ))
            .expect("sent");
        stream.shutdown(Shutdown::Write).expect("half closed");
        let mut rest = Vec::new();
        stream.read_to_end(&mut rest).expect("closed by the provider");
        assert_eq!(
            String::from_utf8_lossy(&rest).matches("\"content\":\"").count() > 0,
            scenario.starts_with("stall"),
            "{scenario}"
        );
    }
}

#[test]
fn streams_misbehave_within_sound_framing() {
    let addr = provider();
    let answer = chat(addr, "noterm,tokens=3", true).expect("an answer");
    assert!(answer.whole && !answer.body.ends_with(b"[DONE]\n\n"));
    let answer = chat(addr, "badevent@1,tokens=3", true).expect("an answer");
    let broken =
        answer.events().iter().filter(|e| e.1 != "[DONE]" && serde_json::from_str::<Value>(&e.1).is_err()).count();
    assert!(answer.whole && broken == 1);
    let answer = chat(addr, "errevent@1,tokens=3", true).expect("an answer");
    let last: Value = serde_json::from_str(&answer.events().last().expect("events").1).expect("JSON");
    assert!(answer.whole && last["error"]["message"].is_string());
    assert!(chat(addr, "nousage", false).expect("an answer").json().get("usage").is_none());
    let answer = chat(addr, "drip,tokens=2,batch=2,ttft=1,gap=1~1", true).expect("an answer");
    assert!(answer.whole && answer.events().len() == 5);

    let stats = call(addr, b"GET /mock/stats HTTP/1.1\r\nHost: x\r\n\r\n").expect("an answer").json();
    assert_eq!((&stats["streams"], &stats["streams_finished"], &stats["aborted"]), (&json!(4), &json!(4), &json!(0)));
}

#[test]
fn once_fails_only_the_first_time() {
    let addr = provider();
    let status = |key: &str| chat(addr, &format!("503,once={key}"), false).expect("an answer").status;
    assert_eq!([status("a"), status("a"), status("b"), status("b")], [503, 200, 503, 200]);
}

#[test]
fn any_split_of_pipelined_requests_gives_the_same_answers() {
    let addr = provider();
    let mut wire = post("/v1/chat/completions", "", r#"{"model":"m:tokens=1","messages":[]}"#);
    wire.extend_from_slice(b"POST /v1/embeddings HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n");
    wire.extend_from_slice(b"14\r\n{\"model\":\"e\",\"input\"\r\nc;x=y\r\n:\"a b c\"    \r\n1\r\n}\r\n0\r\n\r\n");
    wire.extend_from_slice(&post(
        "/v1/responses",
        "Connection: close\r\n",
        r#"{"model":"m:tokens=1","input":"a","stream":true}"#,
    ));
    for split in 0..wire.len() {
        let (mut stream, mut rest) = (connect(addr), Vec::new());
        stream.write_all(&wire[..split]).expect("sent");
        stream.write_all(&wire[split..]).expect("sent");
        let first = read(&mut stream, &mut rest).expect("first").json();
        assert_eq!(first["choices"][0]["message"]["content"], "The");
        let second = read(&mut stream, &mut rest).expect("second").json();
        assert_eq!(second["usage"]["prompt_tokens"], 3, "split at {split}");
        let third = read(&mut stream, &mut rest).expect("third");
        assert_eq!(third.events().last().expect("events").0, "response.completed");
        assert!(read(&mut stream, &mut rest).is_none(), "closed after the last");
    }
}

#[test]
fn the_key_is_checked_when_required_and_epoll_serves_as_well() {
    let listener = listener("127.0.0.1:0".parse().expect("address")).expect("listens");
    let addr = listener.local_addr().expect("address");
    let shared = Arc::new(Shared { require_key: Some("k1".to_owned()), ..Shared::default() });
    thread::spawn(move || serve(&mut Rt::epoll()?, listener, 0, shared));
    let body = r#"{"model":"m:tokens=2,ttft=2,gap=60","stream":true,"messages":[]}"#;
    let with = |header: &str| call(addr, &post("/v1/chat/completions", header, body)).expect("an answer");
    assert_eq!(with("").status, 401);
    assert_eq!(with("Authorization: Bearer k2\r\n").status, 401);
    for header in ["Authorization: Bearer k1\r\n", "x-api-key: k1\r\n", "api-key: k1\r\n"] {
        let answer = with(header);
        assert!(answer.status == 200 && answer.whole && answer.events().len() == 5);
    }
    let mut stream = connect(addr);
    stream.write_all(&post("/v1/x", "Expect: 100-continue\r\n", "")).expect("sent");
    assert_eq!(read(&mut stream, &mut Vec::new()).expect("an answer").status, 100);
}
