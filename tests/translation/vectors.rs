//! Embeddings and rerank, as OpenAI and Cohere ask for them, at providers that have them in other words.

use serde_json::json;

use super::common::http::once;
use super::{Failures, gateway};

/// Scenario: texts are embedded by providers of every kind that can.
/// Guarantees: a vector for each, in their order, in numbers and in base64; what the provider counted is on the record.
#[test]
fn embeddings_come_from_every_kind() {
    let gateway = gateway("epoll", "");
    let mut failures = Failures::default();
    // Neither Google's API nor Cohere's on Bedrock says how many tokens it counted.
    for (model, input, tokens) in [
        ("chat/word", json!(["one two", "three"]), Some(3)),
        ("azure/word", json!(["one two", "three"]), Some(3)),
        ("gemini/word", json!(["one two", "three"]), None),
        ("vertex/word", json!(["one two", "three"]), Some(3)),
        ("cohere/word", json!(["one two", "three"]), Some(3)),
        ("bedrock/titan", json!("one two"), Some(2)),
        ("bedrock/cohere-embed", json!(["one two", "three"]), None),
    ] {
        let count = input.as_array().map_or(1, Vec::len);
        for base64 in [false, true] {
            let mut body = json!({"model": model, "input": input, "dimensions": 8});
            if base64 {
                body["encoding_format"] = json!("base64");
            }
            let answer = once(gateway.address, "/v1/embeddings", &body.to_string());
            let what = format!("{model} base64={base64} {}", answer.text());
            failures.check(&what, answer.status, 200);
            if answer.status != 200 {
                continue;
            }
            let json = answer.json();
            let data = json["data"].as_array().cloned().unwrap_or_default();
            failures.check(&what, data.len(), count);
            for (index, item) in data.iter().enumerate() {
                failures.check(&what, item["index"].as_u64(), Some(index as u64));
                let fits = match &item["embedding"] {
                    serde_json::Value::String(text) => base64 && text.len() == 44,
                    other => !base64 && other.as_array().is_some_and(|numbers| numbers.len() == 8),
                };
                failures.check(&what, fits, true);
            }
            let row = gateway.row(answer.field("x-request-id").unwrap_or_default());
            if let Some(tokens) = tokens {
                failures.check(&what, row["usage"]["input_tokens"].as_u64(), Some(tokens));
            }
        }
    }
    failures.none();
}

/// Scenario: documents are ranked by Cohere.
/// Guarantees: the best come first, as many as asked for.
#[test]
fn rerank_goes_to_cohere() {
    let gateway = gateway("epoll", "");
    let body = json!({"model": "cohere/word", "query": "q", "documents": ["a", "b", "c"], "top_n": 2});
    let answer = once(gateway.address, "/v1/rerank", &body.to_string());
    assert_eq!(answer.status, 200, "{}", answer.text());
    let results = answer.json()["results"].clone();
    assert_eq!(results.as_array().map(Vec::len), Some(2), "{results}");
    assert_eq!((&results[0]["index"], &results[1]["index"]), (&json!(0), &json!(1)));
    let refused = once(gateway.address, "/v1/rerank", &body.to_string().replace("cohere/", "claude/"));
    assert_eq!(refused.status, 400, "{}", refused.text());
}
