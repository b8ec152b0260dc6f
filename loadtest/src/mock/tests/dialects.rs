//! Google's, Amazon's, Cohere's and Azure's ways of saying the same.

use super::*;

/// The frames of an event stream, their checksums checked: headers by name, payload.
pub fn frames(mut bytes: &[u8]) -> Vec<(Vec<(String, String)>, Value)> {
    let mut frames = Vec::new();
    let number = |bytes: &[u8], at: usize| u32::from_be_bytes(bytes[at..at + 4].try_into().expect("four bytes"));
    while !bytes.is_empty() {
        let (total, headers) = (number(bytes, 0) as usize, number(bytes, 4) as usize);
        assert_eq!(number(bytes, 8), crc32fast::hash(&bytes[..8]), "checksum of the lengths");
        assert_eq!(number(bytes, total - 4), crc32fast::hash(&bytes[..total - 4]), "checksum of the frame");
        let (mut rest, mut named) = (&bytes[12..12 + headers], Vec::new());
        while !rest.is_empty() {
            let (name, tail) = rest[1..].split_at(rest[0] as usize);
            assert_eq!(tail[0], 7, "a string");
            let length = u16::from_be_bytes([tail[1], tail[2]]) as usize;
            let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("UTF-8");
            named.push((text(name), text(&tail[3..3 + length])));
            rest = &tail[3 + length..];
        }
        frames.push((named, serde_json::from_slice(&bytes[12 + headers..total - 4]).expect("JSON")));
        bytes = &bytes[total..];
    }
    frames
}

fn gemini_body() -> Value {
    json!({"contents": [{"role": "user", "parts": [{"text": "one two"}]}]})
}

#[test]
fn gemini_streams_events_with_crlf_or_one_array() {
    let addr = provider();
    let body = gemini_body();
    let answer = ask(addr, "/v1beta/models/g:tokens=2,cached=1,reasoning=3:generateContent", body.clone()).json();
    let parts = &answer["candidates"][0]["content"]["parts"];
    assert_eq!((&parts[0]["thought"], &parts[1]["text"]), (&json!(true), &json!("The gate")));
    assert_eq!(answer["candidates"][0]["finishReason"], "STOP");
    let usage = &answer["usageMetadata"];
    // Thoughts are outside the candidates, cached inside the prompt.
    assert_eq!(
        [
            &usage["promptTokenCount"],
            &usage["candidatesTokenCount"],
            &usage["thoughtsTokenCount"],
            &usage["totalTokenCount"]
        ],
        [&json!(9), &json!(2), &json!(3), &json!(14)]
    );
    assert_eq!(usage["cachedContentTokenCount"], 1);

    let path = "/v1beta/models/g%3Atokens%3D2:streamGenerateContent";
    let answer = ask(addr, &format!("{path}?alt=sse"), body.clone());
    let text = String::from_utf8(answer.body.clone()).expect("UTF-8");
    let chunks: Vec<Value> = text
        .split_terminator("\r\n\r\n")
        .map(|event| serde_json::from_str(event.strip_prefix("data: ").expect("data")).expect("JSON"))
        .collect();
    assert!(answer.whole && chunks.len() == 3);
    assert_eq!(chunks[1]["candidates"][0]["content"]["parts"][0]["text"], " gate");
    assert!(chunks[1]["candidates"][0].get("finishReason").is_none());
    assert_eq!(chunks[1]["usageMetadata"]["candidatesTokenCount"], 2);
    assert_eq!(chunks[2]["candidates"][0]["finishReason"], "STOP");

    let array = ask(addr, path, body.clone()).json();
    assert_eq!(array.as_array().map(Vec::len), Some(3));
    assert_eq!(array[2]["candidates"][0]["finishReason"], "STOP");

    let answer = ask(addr, "/v1beta/models/g:noterm:streamGenerateContent?alt=sse", body.clone());
    assert!(answer.whole && !String::from_utf8_lossy(&answer.body).contains("finishReason"));
    let answer = ask(addr, "/v1beta/models/g:errevent@1:streamGenerateContent?alt=sse", body.clone());
    let text = String::from_utf8_lossy(&answer.body);
    let last = text.trim_end().rsplit("\r\n\r\n").next().and_then(|event| event.strip_prefix("data: "));
    let last: Value = serde_json::from_str(last.expect("data")).expect("JSON");
    assert_eq!(last["error"]["status"], "UNAVAILABLE");
    assert_eq!(ask(addr, "/v1beta/models/g:countTokens", body).json(), json!({"totalTokens": 9}));
}

#[test]
fn gemini_is_strict_and_words_its_errors() {
    let addr = provider();
    let generate = |options: &str, body: Value| ask(addr, &format!("/v1beta/models/g{options}:generateContent"), body);
    let mut body = gemini_body();
    body["max_tokens"] = json!(5);
    let answer = generate("", body);
    assert_eq!((answer.status, &answer.json()["error"]["status"]), (400, &json!("INVALID_ARGUMENT")));
    assert_eq!(generate("", json!({"contents": [{"role": "assistant", "parts": [{"text": "a"}]}]})).status, 400);

    let error = generate(":429,retry_after=3", gemini_body()).json();
    assert_eq!(error["error"]["details"][0]["retryDelay"], "3s");
    let blocked = generate(":content_filter", gemini_body());
    assert_eq!((blocked.status, &blocked.json()["promptFeedback"]["blockReason"]), (200, &json!("PROHIBITED_CONTENT")));
    let array = ask(addr, "/v1beta/models/g:503:streamGenerateContent", gemini_body());
    assert_eq!((array.status, &array.json()[0]["error"]["code"]), (503, &json!(503)));
    let answer = generate(
        ":tokens=9",
        json!({
            "contents": gemini_body()["contents"],
            "generationConfig": {"candidateCount": 2, "stopSequences": ["opens"], "maxOutputTokens": 5},
        }),
    );
    let candidates = answer.json()["candidates"].clone();
    assert_eq!(candidates.as_array().map(Vec::len), Some(2));
    assert_eq!(candidates[1]["content"]["parts"][0]["text"], "The gate ");
}

#[test]
fn bedrock_streams_frames() {
    let addr = provider();
    let body =
        json!({"messages": [{"role": "user", "content": [{"text": "one two"}]}], "inferenceConfig": {"maxTokens": 2}});
    let answer = ask(addr, "/model/us.mock-v1%3Atokens%3D3,cached%3D4/converse", body.clone()).json();
    assert_eq!(answer["output"]["message"]["content"], json!([{"text": "The gate"}]));
    // Cached tokens stand outside the input.
    let usage = &answer["usage"];
    assert_eq!(
        (&answer["stopReason"], &usage["inputTokens"], &usage["totalTokens"]),
        (&json!("max_tokens"), &json!(5), &json!(11))
    );

    let answer = ask(addr, "/model/m%3Areasoning%3D1/converse-stream", body.clone());
    assert!(answer.whole && answer.header("content-type") == Some("application/vnd.amazon.eventstream"));
    let frames_seen = frames(&answer.body);
    let kinds: Vec<&str> = frames_seen.iter().map(|(headers, _)| headers[0].1.as_str()).collect();
    let (delta, stop) = ("contentBlockDelta", "contentBlockStop");
    assert_eq!(kinds, ["messageStart", delta, delta, stop, delta, delta, stop, "messageStop", "metadata"]);
    assert_eq!(frames_seen[4].1["contentBlockIndex"], 1);
    assert_eq!(frames_seen[8].1["usage"]["outputTokens"], 3);

    let broken = frames(&ask(addr, "/model/m%3Aerrevent%401/converse-stream", body.clone()).body);
    let (headers, payload) = broken.last().expect("frames");
    assert!(headers.contains(&(":message-type".to_owned(), "exception".to_owned())));
    assert!(payload["message"].is_string());
    let cut = frames(&ask(addr, "/model/m%3Anoterm/converse-stream", body.clone()).body);
    assert!(cut.iter().all(|(headers, _)| headers[0].1 != "metadata"));

    let answer = ask(addr, "/model/m%3A429/converse", body);
    assert_eq!((answer.status, answer.header("x-amzn-errortype")), (429, Some("ThrottlingException")));
    let answer = ask(addr, "/model/titan/invoke", json!({"inputText": "one two", "dimensions": 4}));
    assert_eq!(answer.json()["inputTextTokenCount"], 2);
    assert_eq!(answer.json()["embedding"].as_array().map(Vec::len), Some(4));
    let twice = json!([{"role": "user", "content": [{"text": "a"}]}, {"role": "user", "content": [{"text": "b"}]}]);
    assert_eq!(ask(addr, "/model/m/converse", json!({"messages": twice})).status, 400);
}

#[test]
fn cohere_counts_more_than_it_bills() {
    let addr = provider();
    let body = json!({"model": "c:tokens=2", "messages": [{"role": "user", "content": "one two"}]});
    let answer = ask(addr, "/v2/chat", body.clone()).json();
    assert_eq!(answer["message"]["content"], json!([{"type": "text", "text": "The gate"}]));
    let usage = &answer["usage"];
    assert_eq!((&usage["billed_units"]["input_tokens"], &usage["tokens"]["input_tokens"]), (&json!(6), &json!(9)));

    let mut streamed = body.clone();
    streamed["stream"] = json!(true);
    let events = ask(addr, "/v2/chat", streamed).events();
    let names: Vec<&str> = events.iter().map(|event| event.0.as_str()).collect();
    let delta = "content-delta";
    assert_eq!(names, ["message-start", "content-start", delta, delta, "content-end", "message-end", ""]);
    assert_eq!(events[6].1, "[DONE]");

    let answer = ask(
        addr,
        "/v2/embed",
        json!({"model": "e", "texts": ["a b", "c"], "input_type": "search_query",
        "embedding_types": ["float"], "output_dimension": 3}),
    );
    assert_eq!(answer.json()["embeddings"]["float"][1].as_array().map(Vec::len), Some(3));
    assert_eq!(answer.json()["meta"]["billed_units"]["input_tokens"], 3);
    let answer = ask(addr, "/v2/rerank", json!({"model": "r", "query": "q", "documents": ["a", "b"], "top_n": 1}));
    assert_eq!(answer.json()["results"], json!([{"index": 0, "relevance_score": 1.0}]));
    let mut unknown = body;
    unknown["top_p"] = json!(0.5);
    assert_eq!(ask(addr, "/v2/chat", unknown).status, 400);
}

#[test]
fn google_embeds_in_two_ways_and_azure_has_its_deployments() {
    let addr = provider();
    let one = json!({"model": "models/e", "content": {"parts": [{"text": "a b"}]}, "outputDimensionality": 2});
    let answer = ask(addr, "/v1beta/models/e:batchEmbedContents", json!({"requests": [one, one]})).json();
    assert_eq!(answer["embeddings"].as_array().map(Vec::len), Some(2));
    let path = "/v1/projects/p/locations/l/publishers/google/models/e:predict";
    let answer = ask(addr, path, json!({"instances": [{"content": "a b"}]})).json();
    assert_eq!(answer["predictions"][0]["embeddings"]["statistics"]["token_count"], 2.0);

    let messages = json!([{"role": "user", "content": "hi"}]);
    let path = "/openai/deployments/gpt%3Atokens%3D1/chat/completions?api-version=2024-10-21";
    let answer = ask(addr, path, json!({"messages": messages})).json();
    assert!(answer["prompt_filter_results"].is_array());
    let events = ask(addr, path, json!({"messages": messages, "stream": true})).events();
    let first: Value = serde_json::from_str(&events[0].1).expect("JSON");
    assert_eq!((&first["choices"], events.len()), (&json!([]), 5));
}

#[test]
fn each_provider_takes_its_own_kind_of_key() {
    let listener = listener("127.0.0.1:0".parse().expect("address")).expect("listens");
    let addr = listener.local_addr().expect("address");
    let shared = Arc::new(Shared { require_key: Some("k1".to_owned()), ..Shared::default() });
    thread::spawn(move || serve(&mut Rt::epoll()?, listener, 0, shared));
    let with =
        |path: &str, header: &str, body: &Value| call(addr, &post(path, header, &body.to_string())).expect("an answer");
    let gemini = "/v1beta/models/g:generateContent";
    assert_eq!(with(gemini, "x-goog-api-key: k1\r\n", &gemini_body()).status, 200);
    let refused = with(gemini, "x-goog-api-key: k2\r\n", &gemini_body());
    assert_eq!((refused.status, &refused.json()["error"]["details"][0]["reason"]), (400, &json!("API_KEY_INVALID")));

    let converse = "/model/m/converse";
    let body = json!({"messages": [{"role": "user", "content": [{"text": "a"}]}]});
    let signed = |scope: &str, headers: &str, signature: &str| {
        format!(
            "authorization: AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders={headers}, Signature={signature}\r\n"
        )
    };
    let (scope, signature) = ("AKID/20260101/us-east-1/bedrock/aws4_request", "0f".repeat(32));
    assert_eq!(with(converse, &signed(scope, "host;x-amz-date", &signature), &body).status, 200);
    assert_eq!(with(converse, &signed(scope, "x-amz-date", &signature), &body).status, 403);
    assert_eq!(with(converse, &signed(scope, "host;x-amz-date", "0F"), &body).status, 403);
    let wrong = "AKID/20260101/us-east-1/s3/aws4_request";
    assert_eq!(with(converse, &signed(wrong, "host;x-amz-date", &signature), &body).status, 403);
    assert_eq!(with(converse, "authorization: Bearer k1\r\n", &body).status, 200);
    assert_eq!(with(converse, "", &body).status, 401);
}
