//! Cohere and Bedrock behind OpenAI's embeddings.

use serde_json::{Value, json};

use super::{write_answer, write_request};
use crate::dialect::common::{Invalid, Lost};
use crate::dialect::{Reading, To, Wire};
use crate::meter::{Family, Usage};
use crate::telemetry::Face;

const TITAN: &str = "amazon.titan-embed-text-v2:0";

fn write(body: &Value, wire: Wire, model: &str) -> (Result<Value, Invalid>, Vec<String>) {
    let mut lost = Lost::new(Face::Embeddings);
    let written = write_request(body, wire, &To { kind: "any", model }, &mut lost);
    (written, lost.fields().to_vec())
}

#[test]
fn cohere_is_asked_for_floats() {
    let body =
        json!({"model": "a/b", "input": ["x", "y"], "dimensions": 256, "encoding_format": "base64", "user": "u"});
    let (written, lost) = write(&body, Wire::Cohere, "embed-v4.0");
    let expected = json!({
        "texts": ["x", "y"], "input_type": "search_document", "embedding_types": ["float"],
        "output_dimension": 256, "model": "embed-v4.0",
    });
    assert_eq!((written.unwrap(), lost), (expected, vec!["user".to_owned()]));

    let body = json!({"input": "x", "input_type": "search_query", "user": null});
    let (written, lost) = write(&body, Wire::Bedrock, "cohere.embed-english-v3");
    assert_eq!(written.unwrap(), json!({"texts": ["x"], "input_type": "search_query", "embedding_types": ["float"]}));
    assert!(lost.is_empty());
}

#[test]
fn titan_takes_one_text() {
    let (written, lost) = write(&json!({"input": ["x"], "dimensions": 256}), Wire::Bedrock, TITAN);
    assert_eq!((written.unwrap(), lost.len()), (json!({"inputText": "x", "dimensions": 256}), 0));
    let (written, _) = write(&json!({"input": ["x", "y"]}), Wire::Bedrock, TITAN);
    assert_eq!(written.unwrap_err().field, "input");
    let (_, lost) = write(&json!({"input": "x", "dimensions": 256}), Wire::Bedrock, "amazon.titan-embed-text-v1");
    assert_eq!(lost, ["dimensions"]);
    assert_eq!(write(&json!({"input": "x"}), Wire::Bedrock, "meta.llama3").0.unwrap_err().field, "model");
}

#[test]
fn a_request_of_another_shape_is_told_what_is_expected() {
    for (body, field) in [
        (json!(7), "body"),
        (json!({}), "input"),
        (json!({"input": []}), "input"),
        (json!({"input": [1, 2]}), "input[0]"),
        (json!({"input": ["x", 1]}), "input[1]"),
        (json!({"input": "x", "dimensions": -1}), "dimensions"),
        (json!({"input": "x", "encoding_format": "int8"}), "encoding_format"),
    ] {
        assert_eq!(write(&body, Wire::Cohere, "m").0.unwrap_err().field, field, "{body}");
    }
}

#[test]
fn vectors_come_back_as_a_list_with_their_usage() {
    for (wire, body, tokens) in [
        (
            Wire::Cohere,
            r#"{"id":"1","texts":["x"],"embeddings":{"float":[[0.50, -1]]},"meta":{"billed_units":{"input_tokens":10}}}"#,
            10,
        ),
        (Wire::Bedrock, r#"{"embedding":[0.50, -1],"inputTextTokenCount":3}"#, 3),
        (Wire::Bedrock, r#"{"embeddings":[[0.50,-1]],"id":"1","response_type":"embeddings_floats"}"#, 0),
    ] {
        let mut reading = Reading::new(Family::Unknown);
        Wire::Plain.read_body(body.as_bytes(), &mut reading);
        assert_eq!((reading.usage.input, reading.odd_usage), (tokens, false), "{body}");
        let answer = |format: &str| {
            let request = json!({"input": "x", "encoding_format": format});
            write_answer(&request, "m", wire, body.as_bytes(), &reading.usage).unwrap()
        };
        let expected = format!(
            r#"{{"object":"list","data":[{{"object":"embedding","index":0,"embedding":[0.50,-1]}}],"model":"m","usage":{{"prompt_tokens":{tokens},"total_tokens":{tokens}}}}}"#
        );
        assert_eq!(String::from_utf8(answer("float")).unwrap(), expected);
        let base64: Value = serde_json::from_slice(&answer("base64")).unwrap();
        assert_eq!(base64["data"][0]["embedding"], "AAAAPwAAgL8=");
    }
}

#[test]
fn answers_of_another_shape_are_none() {
    let request = json!({"input": "x"});
    for body in ["", "{}", "[]", r#"{"embeddings":{"float":[["a"]]}}"#, r#"{"embeddings":{"float":[[1]]}"#, "null"] {
        for wire in [Wire::Cohere, Wire::Bedrock] {
            assert_eq!(write_answer(&request, "m", wire, body.as_bytes(), &Usage::default()), None, "{body}");
        }
    }
}
