//! Bytes pass as they came: only the model's name and the credentials change on the way there, nothing on the way back.

mod common;

use common::http::{self, Connection, chat};
use common::upstream::{SSE_HEAD, Upstream, chunk, delta, json};
use common::{DRIVERS, Gateway, account, anthropic_account, config};

const CHAT: &str = "/v1/chat/completions";

fn start(driver: &str, upstream: &Upstream) -> Gateway {
    let gemini =
        format!("---\ntype: provider-account/google-gemini\nname: gem\nbase_url: http://{}\n", upstream.address);
    let accounts = [account(upstream.address), anthropic_account(upstream.address), gemini];
    Gateway::start(driver, &config(&accounts.concat()))
}

fn body_of(request: &str) -> &str {
    request.split_once("\r\n\r\n").expect("a head").1
}

/// Scenario: every JSON path with odd but valid bodies, and a query.
/// Guarantees: the provider sees the path, the query and the bytes but for the model; the client sees the answer's bytes.
#[test]
fn every_path_passes_its_bytes() {
    let answer = "{ \"odd\" : [1.0, 1e5, \"\\u00e9\\/\"] ,\"usage\":{\"input_tokens\":3,\"prompt_tokens\":3,\"total_tokens\":3}}\n";
    let paths = [
        (CHAT, "up"),
        ("/v1/completions", "up"),
        ("/v1/embeddings", "up"),
        ("/v1/responses", "up"),
        ("/v1/moderations", "up"),
        ("/v1/rerank", "up"),
        ("/v1/images/generations", "up"),
        ("/v1/messages", "claude"),
        ("/v1/messages/count_tokens", "claude"),
    ];
    for driver in DRIVERS {
        let upstream = Upstream::always(json(answer));
        let gateway = start(driver, &upstream);
        let mut connection = Connection::open(gateway.address);
        for (path, name) in paths {
            let body = format!(
                "\n{{ \"zeta\":[1.50,-0,1E+2,null] ,\"in\\u0070ut\":\"\\ud83d\\ude00 \u{1f600}\", \"model\"\t:\t\"{name}/the\\u002dmodel\" ,\"deep\":{{\"model\":\"up/x\"}},\"big\":123456789012345678901234567890}}\r\n "
            );
            let response = connection.post(&format!("{path}?a=b%20c&d"), &body);
            assert_eq!((response.status, response.text().as_str()), (200, answer), "{path}");
            let seen = upstream.request();
            assert!(seen.starts_with(&format!("POST {path}?a=b%20c&d HTTP/1.1\r\n")), "{seen}");
            assert_eq!(body_of(&seen), body.replace(&format!("{name}/the\\u002dmodel"), "the-model"), "{path}");
            let row = gateway.row(response.field("x-request-id").expect("an id"));
            assert_eq!(
                (&row["outcome"], &row["response_body_bytes"]),
                (&"served".into(), &answer.len().into()),
                "{row}"
            );
        }
    }
}

/// Scenario: speech: binary, in chunks of the provider's own, with every byte value.
/// Guarantees: the same bytes, and the content type.
#[test]
fn binary_answers_pass() {
    let sound: Vec<u8> = (0..200_000_u32).map(|n| (n * 7 % 251) as u8 ^ (n >> 8) as u8).collect();
    for driver in DRIVERS {
        let mut answer = b"HTTP/1.1 200 OK\r\ncontent-type: audio/mpeg\r\ntransfer-encoding: chunked\r\n\r\n".to_vec();
        for piece in sound.chunks(3001) {
            answer.extend_from_slice(format!("{:X};x=y\r\n", piece.len()).as_bytes());
            answer.extend_from_slice(piece);
            answer.extend_from_slice(b"\r\n");
        }
        answer.extend_from_slice(b"0\r\nx-trailer: a\r\n\r\n");
        let upstream = Upstream::always(answer);
        let gateway = start(driver, &upstream);
        let response =
            http::once(gateway.address, "/v1/audio/speech", "{\"model\":\"up/tts\",\"input\":\"a\",\"voice\":\"b\"}");
        assert_eq!((response.status, response.field("content-type")), (200, Some("audio/mpeg")));
        assert!(response.complete && response.body == sound);
        assert!(body_of(&upstream.request()).starts_with("{\"model\":\"tts\""));
    }
}

/// A form with a model and a file of this size, and what the provider should see for `up/whisper-1`.
fn form(file_bytes: usize) -> (Vec<u8>, Vec<u8>) {
    let file: Vec<u8> = (0..file_bytes).map(|n| (n * 31 % 256) as u8).collect();
    let whole = |model: &str| {
        let mut body = format!(
            "--frontier\r\ncontent-disposition: form-data; name=\"language\"\r\n\r\nen --frontier\r\n--frontier\r\n\
             Content-Disposition: form-data; name=\"model\"\r\n\r\n{model}\r\n--frontier\r\n\
             Content-Disposition: form-data; name=\"file\"; filename=\"a.wav\"\r\nContent-Type: audio/wav\r\n\r\n"
        )
        .into_bytes();
        body.extend_from_slice(&file);
        body.extend_from_slice(b"\r\n--frontier--\r\n");
        body
    };
    (whole("up/whisper-1"), whole("whisper-1"))
}

const FORM_HEAD: &str =
    "POST /v1/audio/transcriptions HTTP/1.1\r\nhost: g\r\ncontent-type: multipart/form-data; boundary=frontier\r\n";

/// Scenario: an upload of a few bytes and of 5 MiB, with a length and in chunks.
/// Guarantees: it is streamed on with only the model changed; the length is right, chunks stay chunks; both connections go on.
#[test]
fn uploads_stream_through() {
    for driver in DRIVERS {
        let upstream = Upstream::always(json("{\"text\":\"hello\"}"));
        let gateway = start(driver, &upstream);
        let mut connection = Connection::open(gateway.address);
        for size in [10, 5 << 20] {
            let (body, want) = form(size);
            connection.send(format!("{FORM_HEAD}content-length: {}\r\n\r\n", body.len()).as_bytes());
            connection.send(&body);
            let response = connection.response();
            assert_eq!((response.status, response.text().as_str()), (200, "{\"text\":\"hello\"}"));
            let seen = upstream.request_bytes();
            let at = seen.windows(4).position(|window| window == b"\r\n\r\n").expect("a head") + 4;
            assert!(String::from_utf8_lossy(&seen[..at]).contains(&format!("\r\ncontent-length: {}\r\n", want.len())));
            assert!(seen[at..] == want, "{size} bytes differ");

            connection.send(format!("{FORM_HEAD}transfer-encoding: chunked\r\n\r\n").as_bytes());
            for piece in body.chunks(70_001) {
                connection.send(format!("{:x}\r\n", piece.len()).as_bytes());
                connection.send(piece);
                connection.send(b"\r\n");
            }
            connection.send(b"0\r\n\r\n");
            assert_eq!(connection.response().status, 200);
            let seen = upstream.request_bytes();
            let at = seen.windows(4).position(|window| window == b"\r\n\r\n").expect("a head") + 4;
            assert!(String::from_utf8_lossy(&seen[..at]).contains("\r\ntransfer-encoding: chunked\r\n"));
            assert!(unchunked(&seen[at..]) == want, "{size} bytes differ");
        }
        let rows = gateway.rows("outcome=served", 4);
        assert!(rows.iter().all(|row| row["target"].as_str().unwrap_or("up/whisper-1") == "up/whisper-1"), "{rows:?}");
    }
}

fn unchunked(mut bytes: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    loop {
        let line = bytes.windows(2).position(|window| window == b"\r\n").expect("a size line");
        let size = usize::from_str_radix(std::str::from_utf8(&bytes[..line]).expect("ASCII"), 16).expect("a size");
        body.extend_from_slice(&bytes[line + 2..line + 2 + size]);
        bytes = &bytes[line + 2 + size + 2..];
        if size == 0 {
            return body;
        }
    }
}

/// Scenario: the provider refuses an upload while it is still going on, and closes.
/// Guarantees: the client gets that answer, not a broken connection.
#[test]
fn a_refused_upload_is_told() {
    for driver in DRIVERS {
        let upstream = Upstream::start(|peer| {
            peer.head();
            peer.send(b"HTTP/1.1 413 Content Too Large\r\ncontent-type: application/json\r\nconnection: close\r\ncontent-length: 17\r\n\r\n{\"error\":\"large\"}");
            peer.wait_for_close();
        });
        let gateway = start(driver, &upstream);
        let (body, _) = form(5 << 20);
        let mut connection = Connection::open(gateway.address);
        connection.send(format!("{FORM_HEAD}content-length: {}\r\n\r\n", body.len()).as_bytes());
        connection.send(&body[..100_000]);
        let response = connection.response();
        assert_eq!((response.status, response.text().as_str()), (413, "{\"error\":\"large\"}"));
        assert_eq!(response.field("connection"), Some("close"));
        assert!(connection.is_closed());
    }
}

const USAGE: &str = "data: {\"id\":\"c1\",\"object\":\"chat.completion.chunk\",\"model\":\"m\",\"choices\":[],\"usage\":{\"prompt_tokens\":11,\"completion_tokens\":22,\"total_tokens\":33}}\n\n";

fn stream() -> Vec<String> {
    vec![
        ": a comment\n\n".to_owned(),
        delta("Hel"),
        delta("lo \u{1f600}"),
        delta("!").replace("null", "\"stop\""),
        USAGE.to_owned(),
        "data: [DONE]\n\n".to_owned(),
    ]
}

/// Scenario: a stream whose caller did not ask for usage, one that did, and one with its own `stream_options`.
/// Guarantees: usage is asked for in every case and counted; the extra event reaches only those who asked.
#[test]
fn usage_is_asked_for_and_hidden_again() {
    for driver in DRIVERS {
        let upstream = Upstream::start(|peer| {
            while peer.request().is_some() {
                peer.send(SSE_HEAD);
                stream().iter().for_each(|event| {
                    peer.send(&chunk(event));
                });
                peer.send(b"0\r\n\r\n");
            }
        });
        let gateway = start(driver, &upstream);
        let plain = "{\"model\":\"up/m\",\"stream\":true,\"messages\":[]}";
        let asked = "{\"model\":\"up/m\",\"stream\":true,\"stream_options\":{\"include_usage\":true},\"messages\":[]}";
        let declined =
            "{\"model\":\"up/m\",\"stream\":true,\"stream_options\":{\"x\":1,\"include_usage\":false},\"messages\":[]}";
        for (body, shown) in [(plain, false), (asked, true), (declined, false)] {
            let response = http::once(gateway.address, CHAT, body);
            let whole = stream().concat();
            let want = if shown { whole } else { whole.replace(USAGE, "") };
            assert_eq!((response.complete, response.text()), (true, want), "{body}");
            let sent: serde_json::Value = serde_json::from_str(body_of(&upstream.request())).expect("JSON");
            assert_eq!(sent["stream_options"]["include_usage"], true, "{sent}");
            assert_eq!(sent["model"], "m");
            let row = gateway.row(response.field("x-request-id").expect("an id"));
            assert_eq!(
                (&row["usage"]["input_tokens"], &row["usage"]["output_tokens"]),
                (&11.into(), &22.into()),
                "{row}"
            );
        }
        let unary = http::once(gateway.address, CHAT, &chat("up/m", false));
        assert_eq!(unary.status, 200);
        assert!(!upstream.request().contains("stream_options"), "nothing is added to what is not a stream");
    }
}

/// Scenario: the provider's stream is cut into single bytes, each a chunk and a write of its own; and into one piece.
/// Guarantees: the client's bytes are the same, hidden usage included.
#[test]
fn any_split_gives_the_same_stream() {
    for driver in DRIVERS {
        for step in [1, 7, usize::MAX] {
            let upstream = Upstream::start(move |peer| {
                while peer.request().is_some() {
                    peer.send(SSE_HEAD);
                    for piece in stream().concat().as_bytes().chunks(step) {
                        let mut framed = format!("{:x}\r\n", piece.len()).into_bytes();
                        framed.extend_from_slice(piece);
                        // The framing is split as well.
                        peer.send(&framed[..1]);
                        peer.send(&framed[1..]);
                        peer.send(b"\r\n");
                    }
                    peer.send(b"0\r\n\r\n");
                }
            });
            let gateway = start(driver, &upstream);
            for asked in [false, true] {
                let options = if asked { ",\"stream_options\":{\"include_usage\":true}" } else { "" };
                let body = format!("{{\"model\":\"up/m\",\"stream\":true{options}}}");
                let response = http::once(gateway.address, CHAT, &body);
                let whole = stream().concat();
                let want = if asked { whole } else { whole.replace(USAGE, "") };
                assert_eq!((response.complete, response.text()), (true, want), "{step} {asked}");
                let row = gateway.row(response.field("x-request-id").expect("an id"));
                assert_eq!((&row["usage"]["output_tokens"], &row["chunks"]), (&22.into(), &3.into()), "{row}");
            }
        }
    }
}

/// Scenario: an event larger than any buffer, and one that never ends.
/// Guarantees: they pass byte for byte.
#[test]
fn large_events_pass() {
    for driver in DRIVERS {
        let upstream = Upstream::start(|peer| {
            while let Some(request) = peer.request() {
                let size = if request.contains("huge") { 3 << 20 } else { 300_000 };
                peer.send(SSE_HEAD);
                peer.send(&chunk(&delta(&"x".repeat(size))));
                peer.send(&chunk("data: [DONE]\n\n"));
                peer.send(b"0\r\n\r\n");
            }
        });
        let gateway = start(driver, &upstream);
        for (model, size) in [("up/large", 300_000), ("up/huge", 3 << 20)] {
            let response = http::once(gateway.address, CHAT, &chat(model, true));
            let want = delta(&"x".repeat(size)) + "data: [DONE]\n\n";
            assert!(response.complete && response.text() == want, "{model}: {} of {}", response.body.len(), want.len());
        }
    }
}

/// The path that a recorded stream answers, by what stands in it.
fn path_of(text: &str) -> Option<&'static str> {
    const MARKS: [(&str, &str); 5] = [
        ("\"response.created\"", "/v1/responses"),
        ("chat.completion.chunk", CHAT),
        ("\"message_start\"", "/v1/messages"),
        ("\"candidates\"", GEMINI),
        ("\"text_completion\"", "/v1/completions"),
    ];
    let is_stream = text.starts_with("data:") || text.starts_with("event:") || text.starts_with(": ");
    MARKS.into_iter().find(|(mark, _)| is_stream && text.contains(mark)).map(|(_, path)| path)
}

const GEMINI: &str = "/v1beta/models/gem%2Fsample-:streamGenerateContent?alt=sse";

fn recorded_streams() -> Vec<(&'static str, String)> {
    let Some(shared) = common::shared() else { return Vec::new() };
    let mut files: Vec<_> = match std::fs::read_dir(shared.join("wire")) {
        Ok(folders) => {
            folders.flatten().flat_map(|folder| std::fs::read_dir(folder.path())).flatten().flatten().collect()
        }
        Err(_) => Vec::new(),
    };
    files.sort_by_key(|file| file.path());
    let texts = files.iter().filter_map(|file| std::fs::read_to_string(file.path()).ok());
    texts.filter(|text| text.len() < 1 << 20).filter_map(|text| Some((path_of(&text)?, text))).collect()
}

/// Scenario: recorded streams of real providers, each behind its own path, cut into pieces of many sizes on their way,
/// with usage asked for where it can be.
/// Guarantees: byte-exact, whatever was recorded and wherever it was cut.
#[test]
fn recorded_streams_pass_unchanged() {
    let streams = recorded_streams();
    if streams.is_empty() {
        return eprintln!("skipped: no recorded streams (SLUICE_SHARED)");
    }
    for driver in DRIVERS {
        let texts: Vec<String> = streams.iter().map(|(_, text)| text.clone()).collect();
        let upstream = Upstream::start(move |peer| {
            if let Some(request) = peer.request() {
                let number = |mark: &str| {
                    let digits: String = request.split(mark).nth(1)?.chars().take_while(char::is_ascii_digit).collect();
                    digits.parse::<usize>().ok()
                };
                let (index, size) = (number("sample-").expect("an index"), number("size-").expect("a size"));
                let head =
                    "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\nconnection: close\r\n\r\n";
                peer.send(head.as_bytes());
                for piece in texts[index].as_bytes().chunks(size) {
                    peer.send(piece);
                }
            }
        });
        let gateway = start(driver, &upstream);
        for (index, (path, text)) in streams.iter().enumerate() {
            let small = text.len() < 3000;
            for size in [1013, if small { 1 } else { 97 }] {
                let name = if *path == "/v1/messages" { "claude" } else { "up" };
                let options = if matches!(*path, CHAT | "/v1/completions") {
                    ",\"stream_options\":{\"include_usage\":true}"
                } else {
                    ""
                };
                let model = format!("sample-{index}-size-{size}");
                let path = path.replace("sample-", &model);
                let body = match path.contains("models/") {
                    true => "{\"contents\":[]}".to_owned(),
                    false => format!("{{\"model\":\"{name}/{model}\",\"stream\":true{options}}}"),
                };
                let response = http::once(gateway.address, &path, &body);
                if response.status != 200 {
                    // It begins with an error, or ends before it says anything.
                    assert!(text.contains("error") || text.len() < 3000, "{path} {index} {}", response.text());
                    continue;
                }
                if response.complete {
                    assert!(response.text() == *text, "{path} {index}: {}\n----\n{text}", response.text());
                } else {
                    // The recording itself is cut: the bytes up to there, then the event that says so.
                    assert!(response.text().contains("broke off"), "{path} {index}");
                }
            }
        }
        eprintln!("{} recorded streams", streams.len());
    }
}
