//! What clients of OpenAI's embeddings ask for and get, whoever embeds.

use serde_json::{Value, json};

use super::*;
use crate::dialect::Reading;
use crate::meter::{Family, UsageSource};
use crate::telemetry::Face;

fn write(body: Value, kind: &str) -> Result<(Value, Vec<String>), Invalid> {
    let mut lost = Lost::new(Face::Embeddings);
    let to = To { kind, model: "gemini-embedding-001" };
    let body = write_request(&body, Wire::Gemini, &to, &mut lost)?;
    Ok((body, lost.fields().to_vec()))
}

fn answer(request: Value, body: &Value) -> Option<Value> {
    let usage = Usage { input: 11, source: UsageSource::Reported, ..Usage::default() };
    let out = write_answer(&request, "m", Wire::Gemini, body.to_string().as_bytes(), &usage)?;
    Some(serde_json::from_slice(&out).unwrap())
}

#[test]
fn requests_become_googles() {
    let request = json!({"model": "a/b", "input": ["x", "y"], "dimensions": 8, "encoding_format": "base64"});
    let one = |text: &str| json!({"model": "models/gemini-embedding-001", "content": {"parts": [{"text": text}]}, "outputDimensionality": 8});
    let (body, lost) = write(request.clone(), "google-gemini").unwrap();
    assert_eq!((body, lost), (json!({"requests": [one("x"), one("y")]}), vec![]));
    let (body, _) = write(request, "google-vertex").unwrap();
    let instances = json!([{"content": "x"}, {"content": "y"}]);
    assert_eq!(body, json!({"instances": instances, "parameters": {"outputDimensionality": 8}}));
    let (body, lost) = write(json!({"input": "x", "user": "u", "dimensions": null}), "google-vertex").unwrap();
    assert_eq!((body, lost), (json!({"instances": [{"content": "x"}]}), vec!["user".to_owned()]));
}

#[test]
fn what_is_no_text_is_refused() {
    for (body, field) in [
        (json!({"input": [1, 2]}), "input[0]"),
        (json!({"input": [[1, 2]]}), "input[0]"),
        (json!({"input": ["x", 2]}), "input[1]"),
        (json!({"input": 1}), "input"),
        (json!({"input": []}), "input"),
        (json!({"model": "m"}), "input"),
        (json!({"input": "x", "encoding_format": "hex"}), "encoding_format"),
        (json!({"input": "x", "dimensions": 0}), "dimensions"),
        (json!("x"), "body"),
    ] {
        assert_eq!(write(body.clone(), "google-gemini").unwrap_err().field, field, "{body}");
    }
}

#[test]
fn answers_become_openais() {
    let gemini = json!({"embeddings": [{"values": [0.5, -1]}, {"values": [2, 0.25]}]});
    let vertex = json!({"predictions": [
        {"embeddings": {"statistics": {"token_count": 5}, "values": [0.5, -1]}},
        {"embeddings": {"values": [2, 0.25], "statistics": {"token_count": 6}}},
    ]});
    for body in [&gemini, &vertex] {
        let got = answer(json!({"input": ["x", "y"]}), body).unwrap();
        assert_eq!(
            got,
            json!({
                "object": "list",
                "data": [
                    {"object": "embedding", "index": 0, "embedding": [0.5, -1]},
                    {"object": "embedding", "index": 1, "embedding": [2, 0.25]},
                ],
                "model": "m",
                "usage": {"prompt_tokens": 11, "total_tokens": 11},
            })
        );
        let got = answer(json!({"input": ["x", "y"], "encoding_format": "base64"}), body).unwrap();
        // 0.5 and -1 as little-endian floats.
        assert_eq!(got["data"][0]["embedding"], "AAAAPwAAgL8=");
        assert_eq!(answer(json!({"input": "x"}), body), None, "one for each input");
    }
    let mut reading = Reading::new(Family::Unknown);
    Wire::Gemini.read_body(vertex.to_string().as_bytes(), &mut reading);
    assert_eq!((reading.usage.input, reading.usage.output), (11, 0));
    let mut reading = Reading::new(Family::Unknown);
    Wire::Gemini.read_body(gemini.to_string().as_bytes(), &mut reading);
    let usage = reading.settle(9);
    assert_eq!((usage.input, usage.output, usage.source), (9, 0, UsageSource::Estimated), "Gemini says no usage");
}

#[test]
fn what_is_no_answer_makes_none() {
    for body in [
        json!({}),
        json!([]),
        json!({"embeddings": [{}]}),
        json!({"embeddings": [{"values": ["a"]}]}),
        json!({"embeddings": [{"values": []}]}),
        json!({"predictions": [{"embeddings": 1}]}),
    ] {
        assert_eq!(answer(json!({"input": "x"}), &body), None, "{body}");
    }
    let usage = Usage::default();
    assert_eq!(
        write_answer(&json!({"input": "x"}), "m", Wire::Gemini, b"{\"embeddings\":[{\"values\":[1", &usage),
        None
    );
}
