//! The rerank face (`/v1/rerank`: Cohere's and Jina's shape) in front of Cohere v2.
//!
//! Cohere's second version takes texts only and does not give them back: texts are taken out of documents on the way
//! there, and put beside the results on the way back where the caller asked for them.

use serde_json::{Map, Value, json};

use super::common::{Invalid, Lost};
use super::{To, Wire};
use crate::meter::Usage;

/// A client's body -> the provider's.
pub fn write_request(body: &Value, wire: Wire, to: &To<'_>, lost: &mut Lost) -> Result<Value, Invalid> {
    if wire != Wire::Cohere {
        return Err(Invalid::new("model", "a model of an account that reranks"));
    }
    let Some(members) = body.as_object() else { return Err(Invalid::new("body", "an object")) };
    let mut written = Map::new();
    written.insert("model".into(), to.model.into());
    let query = body.get("query").and_then(Value::as_str);
    written.insert("query".into(), query.ok_or_else(|| Invalid::new("query", "a string"))?.into());
    written.insert("documents".into(), texts(body)?.into());
    for (name, value) in members {
        match name.as_str() {
            _ if value.is_null() => {}
            "model" | "query" | "documents" => {}
            "return_documents" if value.is_boolean() => {}
            "return_documents" => return Err(Invalid::new(name, "true or false")),
            "top_n" | "max_tokens_per_doc" | "priority" if value.is_u64() => {
                written.insert(name.clone(), value.clone());
            }
            "top_n" | "max_tokens_per_doc" | "priority" => return Err(Invalid::new(name, "a whole number")),
            // The first version's: how a document is cut is the model's business now.
            _ => lost.named(name.as_str()),
        }
    }
    Ok(written.into())
}

/// Strings, or objects with a `text`.
fn texts(body: &Value) -> Result<Vec<&str>, Invalid> {
    let documents = body.get("documents").and_then(Value::as_array).filter(|documents| !documents.is_empty());
    let documents = documents.ok_or_else(|| Invalid::new("documents", "a list of texts"))?;
    let texts = documents.iter().enumerate().map(|(at, document)| {
        let text = document.as_str().or_else(|| document.get("text")?.as_str());
        text.ok_or_else(|| Invalid::new(format!("documents[{at}]"), "a string or an object with a `text`"))
    });
    texts.collect()
}

/// The provider's answer -> the face's. `None` when it is not what the provider should say.
pub fn write_answer(request: &Value, model: &str, wire: Wire, body: &[u8], usage: &Usage) -> Option<Vec<u8>> {
    if wire != Wire::Cohere {
        return None;
    }
    let mut answer: Map<String, Value> = serde_json::from_slice(body).ok()?;
    let results = answer.get_mut("results")?.as_array_mut()?;
    if request.get("return_documents") == Some(&Value::Bool(true)) {
        let texts = texts(request).unwrap_or_default();
        for result in results {
            let index = result.get("index")?.as_u64()?;
            let text = texts.get(usize::try_from(index).ok()?)?;
            result.as_object_mut()?.insert("document".into(), json!({"text": text}));
        }
    }
    answer.insert("model".into(), model.into());
    let mut said = Map::new();
    if let Some(billed) = usage.billed.filter(|billed| billed.search_units > 0) {
        said.insert("search_units".into(), billed.search_units.into());
    }
    // Jina's clients read it.
    said.insert("total_tokens".into(), usage.input.into());
    answer.insert("usage".into(), said.into());
    serde_json::to_vec(&answer).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialect::Reading;
    use crate::meter::Family;
    use crate::telemetry::Face;

    fn write(body: Value) -> (Result<Value, Invalid>, Vec<String>) {
        let mut lost = Lost::new(Face::Rerank);
        let to = To { kind: "cohere", model: "rerank-v3.5" };
        let written = write_request(&body, Wire::Cohere, &to, &mut lost);
        (written, lost.fields().to_vec())
    }

    #[test]
    fn a_request_is_carried_over_and_what_has_no_place_is_named() {
        let (written, lost) = write(json!({
            "model": "a/b", "query": "q", "documents": ["x", {"text": "y", "title": "t"}], "top_n": 1,
            "return_documents": true, "max_chunks_per_doc": 10, "rank_fields": null,
        }));
        assert_eq!(
            written.unwrap(),
            json!({"model": "rerank-v3.5", "query": "q", "documents": ["x", "y"], "top_n": 1})
        );
        assert_eq!(lost, ["max_chunks_per_doc"]);
    }

    #[test]
    fn a_request_of_another_shape_is_told_what_is_expected() {
        for (body, field) in [
            (json!([]), "body"),
            (json!({"documents": ["x"]}), "query"),
            (json!({"query": "q"}), "documents"),
            (json!({"query": "q", "documents": []}), "documents"),
            (json!({"query": "q", "documents": ["x", {"title": "t"}]}), "documents[1]"),
            (json!({"query": "q", "documents": ["x"], "top_n": "1"}), "top_n"),
            (json!({"query": "q", "documents": ["x"], "return_documents": 1}), "return_documents"),
        ] {
            assert_eq!(write(body.clone()).0.unwrap_err().field, field, "{body}");
        }
    }

    #[test]
    fn an_answer_comes_back_with_what_was_asked_for_and_its_search_units() {
        let body = br#"{"id":"1","results":[{"index":1,"relevance_score":0.90},{"index":0,"relevance_score":0.1}],
            "meta":{"api_version":{"version":"2"},"billed_units":{"search_units":3}}}"#;
        let mut reading = Reading::new(Family::Unknown);
        Wire::Plain.read_body(body, &mut reading);
        assert_eq!(reading.usage.billed.map(|billed| billed.search_units), Some(3));
        assert!(!reading.odd_usage && reading.terminated);
        let request = json!({"query": "q", "documents": ["x", "y"], "return_documents": true});
        let answer = write_answer(&request, "rerank-v3.5", Wire::Cohere, body, &reading.usage).unwrap();
        let answer: Value = serde_json::from_slice(&answer).unwrap();
        assert_eq!(answer["results"][0].to_string(), r#"{"index":1,"relevance_score":0.90,"document":{"text":"y"}}"#);
        assert_eq!((&answer["model"], &answer["id"]), (&json!("rerank-v3.5"), &json!("1")));
        assert_eq!(answer["usage"], json!({"search_units": 3, "total_tokens": 0}));
        assert_eq!(answer["meta"]["billed_units"]["search_units"], 3);

        let plain = json!({"query": "q", "documents": ["x", "y"]});
        let answer = write_answer(&plain, "m", Wire::Cohere, body, &reading.usage).unwrap();
        assert!(!String::from_utf8(answer).unwrap().contains("document\""));
        for broken in [&b"{}"[..], b"[", br#"{"results":[{"index":9}]}"#] {
            assert_eq!(write_answer(&request, "m", Wire::Cohere, broken, &reading.usage), None);
        }
    }
}
