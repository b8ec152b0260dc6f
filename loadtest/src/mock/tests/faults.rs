//! Faults that come and go, hints, prefill, and what the provider says it saw.

use super::dialects::frames;
use super::*;

/// Path, body and content of one streamed question in each dialect; `said` is what the assistant is to go on from.
fn asks(name: &str, words: &str, said: Option<&str>) -> Vec<(&'static str, String, Value)> {
    let model = format!("{name}:{words}");
    let encoded: String = model.bytes().map(|byte| format!("%{byte:02x}")).collect();
    let turns = |assistant: &str, turn: &dyn Fn(&str, &str) -> Value| {
        let mut turns = vec![turn("user", "hi there")];
        turns.extend(said.map(|said| turn(assistant, said)));
        turns
    };
    let plain = turns("assistant", &|role, text| json!({"role": role, "content": text}));
    let mut marked = plain.clone();
    if said.is_some() {
        marked[1]["prefix"] = json!(true);
    }
    let google = turns("model", &|role, text| json!({"role": role, "parts": [{"text": text}]}));
    let amazon = turns("assistant", &|role, text| json!({"role": role, "content": [{"text": text}]}));
    let vllm = json!({"model": model, "stream": true, "messages": plain, "continue_final_message": said.is_some(),
                      "add_generation_prompt": said.is_none()});
    vec![
        ("chat", "/v1/chat/completions".to_owned(), json!({"model": model, "stream": true, "messages": marked})),
        ("vllm", "/v1/chat/completions".to_owned(), vllm),
        ("claude", "/v1/messages".to_owned(), json!({"model": model, "stream": true, "messages": plain})),
        ("gemini", format!("/v1/models/{encoded}:streamGenerateContent?alt=sse"), json!({"contents": google})),
        ("array", format!("/v1/models/{encoded}:streamGenerateContent"), json!({"contents": google})),
        ("bedrock", format!("/model/{encoded}/converse-stream"), json!({"messages": amazon})),
        ("responses", "/v1/responses".to_owned(), json!({"model": model, "stream": true, "input": plain})),
        ("cohere", "/v2/chat".to_owned(), json!({"model": model, "stream": true, "messages": plain})),
    ]
}

/// The data of all events, those that are no JSON left out.
fn payloads(dialect: &str, answer: &Answer) -> Vec<Value> {
    match dialect {
        "bedrock" => frames(&answer.body).into_iter().map(|(_, payload)| payload).collect(),
        "array" if answer.body.is_empty() => Vec::new(),
        "array" => answer.json().as_array().expect("a list").clone(),
        _ => {
            let text = String::from_utf8_lossy(&answer.body).into_owned();
            let data = text.lines().filter_map(|line| line.trim_end().strip_prefix("data: "));
            data.filter_map(|data| serde_json::from_str(data).ok()).collect()
        }
    }
}

/// Of each event that says something.
fn texts(dialect: &str, answer: &Answer) -> Vec<String> {
    let pointers = match dialect {
        "chat" | "vllm" => "/choices/0/delta/content",
        "claude" => "/delta/text",
        "gemini" | "array" => "/candidates/0/content/parts/0/text",
        "bedrock" => "/delta/text",
        "responses" => "/delta",
        _ => "/delta/message/content/text",
    };
    let said =
        payloads(dialect, answer).into_iter().filter_map(|event| Some(event.pointer(pointers)?.as_str()?.to_owned()));
    said.filter(|text| !text.is_empty()).collect()
}

fn seen(addr: SocketAddr, model: &str) -> Value {
    let wire = format!("GET /mock/seen?model={model} HTTP/1.1\r\nHost: x\r\n\r\n");
    call(addr, wire.as_bytes()).expect("an answer").json()
}

#[test]
fn any_fault_may_happen_the_first_times_only() {
    let addr = provider();
    let whole = |name: &str, words: &str| {
        let body = json!({"model": format!("{name}:tokens=3,{words}"), "stream": true, "messages": []});
        let answer = call(addr, &post("/v1/chat/completions", "", &body.to_string()));
        answer.is_some_and(|answer| answer.status == 200 && answer.whole && answer.body.ends_with(b"[DONE]\n\n"))
    };
    for fault in [
        "503",
        "reset",
        "close",
        "cut@1",
        "rst@0",
        "cut-head",
        "rst-head",
        "empty",
        "end@1",
        "noterm",
        "errevent-first",
    ] {
        let times = |words: &str| [(); 3].map(|()| whole("m", &format!("{fault},{words}")));
        assert_eq!(times("once"), [false, true, true], "{fault}");
        assert_eq!(times("first=2"), [false, false, true], "{fault}");
        assert_eq!(times("down=3600000"), [false; 3], "{fault}");
        assert_eq!(times("flap=3600000"), [false; 3], "{fault}");
        assert_eq!(times("up=3600000"), [true; 3], "{fault}");
        // Another model is counted apart.
        assert!(!whole("other", &format!("{fault},once")), "{fault}");
    }
    let seen = seen(addr, "m:tokens=3,503,first=2");
    let counts = ["requests", "faulty", "answered"].map(|key| seen["targets"][0][key].as_u64());
    assert_eq!(counts, [Some(3), Some(2), Some(3)]);
    // The hints of a fault go with it.
    let retry = || chat(addr, "503,retry_after=2,once", false).expect("an answer").header("retry-after").is_some();
    assert_eq!([retry(), retry()], [true, false]);
}

#[test]
fn hints_stand_in_the_head_of_a_success_as_well() {
    let addr = provider();
    let answer = chat(addr, "retry_after=2,retry_after_ms=1500,should_retry=false,remaining=0,reset_ms=2000", true);
    let answer = answer.expect("an answer");
    for (name, value) in [
        ("retry-after", "2"),
        ("retry-after-ms", "1500"),
        ("x-should-retry", "false"),
        ("x-ratelimit-remaining-requests", "0"),
        ("x-ratelimit-reset-requests", "2s"),
    ] {
        assert_eq!(answer.header(name), Some(value), "{name}");
    }
    assert!(answer.status == 200 && answer.whole);
    let model = "c:tokens=1,remaining_tokens=0,reset_ms=1";
    let answer = ask(addr, "/v1/messages", json!({"model": model, "messages": []}));
    assert_eq!(answer.header("anthropic-ratelimit-tokens-remaining"), Some("0"));
    assert!(answer.header("anthropic-ratelimit-tokens-reset").is_some_and(|date| date.ends_with('Z')));
    assert!(answer.header("anthropic-ratelimit-requests-reset").is_none());
    let answer = ask(addr, "/v1beta/models/g%3A429%2Cretry_after%3D2:generateContent", json!({}));
    assert!(answer.header("retry-after").is_none());
    assert_eq!(answer.json()["error"]["details"][0]["retryDelay"], "2s");
}

#[test]
fn streams_break_alike_in_every_dialect() {
    let addr = provider();
    let run = |words: &str, check: &dyn Fn(&str, &Answer)| {
        for (dialect, path, body) in asks("m", &format!("tokens=4,{words}"), None) {
            check(dialect, &ask(addr, &path, body));
        }
    };
    run("empty", &|dialect, answer| {
        assert!(answer.status == 200 && answer.whole && answer.body.is_empty(), "{dialect}");
        assert!(answer.header("content-type").is_some(), "{dialect}");
    });
    run("cut-head", &|dialect, answer| {
        assert!(answer.status == 200 && !answer.whole && answer.body.is_empty(), "{dialect}")
    });
    run("cutlen", &|dialect, answer| {
        assert!(answer.whole && !answer.body.is_empty() && !answer.body.ends_with(b"\n\n"), "{dialect}")
    });
    let is_error = |event: &Value| {
        ["/error", "/message", "/delta/error", "/code"]
            .iter()
            .any(|at| event.pointer(at).is_some_and(|at| !at.is_null()))
    };
    run("errevent-first", &|dialect, answer| {
        let events = payloads(dialect, answer);
        assert!(answer.whole && events.first().is_some_and(is_error), "{dialect}: {events:?}");
        assert!(texts(dialect, answer).is_empty(), "{dialect}");
        if dialect == "responses" {
            assert_eq!(events[0]["sequence_number"], 0);
        }
    });
    run("errevent@0", &|dialect, answer| {
        let events = payloads(dialect, answer);
        // Google's streams have no event before the first token.
        let first = events.first().expect("an event");
        let opened = first["message"].is_object() || first["response"].is_object() || !is_error(first);
        assert_eq!(opened, !["gemini", "array"].contains(&dialect), "{dialect}: {events:?}");
        assert!(texts(dialect, answer).is_empty() && events.iter().any(is_error), "{dialect}");
    });
    run("errevent@2", &|dialect, answer| {
        assert_eq!(texts(dialect, answer).concat(), "The gate", "{dialect}");
        assert!(payloads(dialect, answer).iter().any(is_error), "{dialect}");
    });
    for (fault, text) in [("badevent@1", "The gate opens and"), ("badtoken@1", "The opens and")] {
        run(fault, &|dialect, answer| {
            // What is broken there has no rest that could be read.
            if !["array", "bedrock"].contains(&dialect) {
                assert!(answer.whole, "{dialect}");
                assert_eq!(texts(dialect, answer).concat(), text, "{dialect}");
                let body = String::from_utf8_lossy(&answer.body);
                let data = body.lines().filter_map(|line| line.trim_end().strip_prefix("data: "));
                let broken = data.filter(|data| *data != "[DONE]" && serde_json::from_str::<Value>(data).is_err());
                assert_eq!(broken.count(), 1, "{dialect}");
            }
        });
    }
}

#[test]
fn lengths_lie_and_bytes_drip() {
    let addr = provider();
    let whole = chat(addr, "tokens=9", false).expect("an answer").body;
    let answer = chat(addr, "tokens=9,cutlen", false).expect("an answer");
    assert!(answer.whole && answer.body.len() == whole.len() / 2);
    assert!(serde_json::from_slice::<Value>(&answer.body).is_err());
    let answer = chat(addr, "tokens=9,empty", false).expect("an answer");
    assert!(answer.whole && answer.body.is_empty());

    // All of the body comes, half of it behind the answer.
    let (mut stream, mut rest) = (connect(addr), Vec::new());
    let body = r#"{"model":"m:tokens=9,excess","messages":[]}"#;
    stream.write_all(&post("/v1/chat/completions", "Connection: close\r\n", body)).expect("sent");
    stream.read_to_end(&mut rest).expect("all of it");
    let (answer, used) = take(&rest, true).expect("an answer");
    assert!(answer.whole && rest.len() - used >= answer.body.len() && rest.ends_with(b"}"));

    for stream in [true, false] {
        let answer = chat(addr, "tokens=2,drip=0.01", stream).expect("an answer");
        assert!(answer.whole && String::from_utf8_lossy(&answer.body).contains(" gate"));
    }
    // Two tokens as usual, then so slowly that nothing more completes before the client leaves.
    let (mut stream, mut rest) = (connect(addr), Vec::new());
    let body = r#"{"model":"dripping:tokens=9,drip=60000@2","stream":true,"messages":[]}"#;
    stream.write_all(&post("/v1/chat/completions", "", body)).expect("sent");
    while String::from_utf8_lossy(&rest).matches("\"content\":\"").count() < 3 {
        let mut chunk = [0; 4096];
        let n = stream.read(&mut chunk).expect("more");
        rest.extend_from_slice(&chunk[..n]);
    }
    stream.shutdown(Shutdown::Write).expect("half closed");
    stream.read_to_end(&mut rest).expect("closed by the provider");
    let text = String::from_utf8_lossy(&rest).into_owned();
    assert!(text.contains(" gate") && !text.contains(" opens"));
    let seen = seen(addr, "dripping");
    let last = &seen["targets"][0]["calls"][0];
    assert_eq!((&last["outcome"], &last["tokens"], &last["faulty"]), (&json!("hung_up"), &json!(2), &json!(true)));
}

#[test]
fn an_answer_goes_on_from_a_prefill_byte_for_byte() {
    let addr = provider();
    let answers = |words: &str, said: Option<&str>| {
        let asks = asks("m", &format!("tokens=60,{words}"), said).into_iter();
        asks.map(|(dialect, path, body)| (dialect, ask(addr, &path, body))).collect::<Vec<_>>()
    };
    // The same words everywhere, whatever the fault.
    let (_, whole) = &answers("size=7", None)[0];
    let whole = texts("chat", whole).concat();
    for (dialect, answer) in answers("size=7,late=1", None) {
        assert_eq!(texts(dialect, &answer).concat(), whole, "{dialect}");
    }
    let goes_on = |dialect: &str| !["responses", "cohere"].contains(&dialect);
    for cut in (1..whole.len()).step_by(13).filter(|cut| !whole[..*cut].ends_with(' ')) {
        for (dialect, answer) in answers("size=7", Some(&whole[..cut])) {
            let rest = if goes_on(dialect) { &whole[cut..] } else { &whole };
            assert_eq!(texts(dialect, &answer).concat(), *rest, "{dialect} after {cut}");
        }
    }
    for (dialect, answer) in answers("size=7,ignore-prefill", Some(&whole[..20])) {
        assert_eq!(texts(dialect, &answer).concat(), whole, "{dialect}");
    }
    for (dialect, answer) in answers("size=7,repeat-prefill", Some(&whole[..20])) {
        let texts = texts(dialect, &answer);
        assert!(texts.concat() == whole && (texts[0] == whole[..20]) == goes_on(dialect), "{dialect}");
    }
    for (dialect, answer) in answers("other-words", Some("The gate")) {
        assert!(texts(dialect, &answer).concat().starts_with("THE GATE OPENS"), "{dialect}");
    }
    for (dialect, answer) in answers("no-prefill", Some("The gate")) {
        let body = String::from_utf8_lossy(&answer.body);
        assert!(answer.status == 400 && body.contains("does not support assistant message prefill"), "{dialect}");
    }
    assert!(answers("no-prefill", None).iter().all(|(_, answer)| answer.status == 200));
    for (dialect, answer) in answers("", Some("The ")) {
        assert_eq!(answer.status == 400, ["claude", "bedrock"].contains(&dialect), "{dialect}");
    }
    let plain = json!({"model": "m:tokens=2,mistral", "messages": [{"role": "assistant", "content": "The"}]});
    assert_eq!(ask(addr, "/v1/chat/completions", plain).status, 400);
}

#[test]
fn what_was_asked_can_be_read_afterwards() {
    let addr = provider();
    let body = |stream: bool| json!({"model": "seen:tokens=3", "stream": stream, "messages": [{"role": "user", "content": "hi"}]});
    ask(addr, "/v1/chat/completions", body(true));
    ask(addr, "/v1/chat/completions", body(false));
    chat(addr, "tokens=1,cut@1", true);
    // Without a scenario nothing is kept.
    ask(addr, "/v1/chat/completions", json!({"model": "mock-fast", "messages": []}));

    let all = seen(addr, "");
    assert_eq!(all["targets"], json!([]));
    let one = seen(addr, "seen");
    let target = &one["targets"][0];
    assert_eq!(
        (&target["model"], &target["requests"], &target["open"]),
        (&json!("seen:tokens=3"), &json!(2), &json!(0))
    );
    let call = &target["calls"][0];
    assert_eq!(
        (&call["tokens"], &call["outcome"], &call["last_role"]),
        (&json!(3), &json!("answered"), &json!("user"))
    );
    assert_eq!((&call["body"], &call["path"]), (&body(true), &json!("/v1/chat/completions")));
    let times = target["times_ms"].as_array().expect("times");
    assert!(times.len() == 2 && times[0].as_f64() <= times[1].as_f64() && call["at_ms"] == times[0]);
    let fast = seen(addr, "mock-fast");
    assert_eq!((&fast["targets"][0]["scenario"], &fast["targets"][0]["broken"]), (&json!("tokens=1,cut@1"), &json!(1)));
    assert_eq!(fast["targets"].as_array().map(Vec::len), Some(1));
}
