//! Cohere's `/v2/embed`, and its models on Bedrock.

use serde_json::{Map, Value, json};

use super::Asked;
use super::vectors::Vectors;
use crate::json::Walk;

pub(super) fn write_request(asked: &Asked<'_>, model: &str) -> Value {
    let mut body = body(asked);
    body.insert("model".into(), model.into());
    body.into()
}

/// Without the model, which is in the path on Bedrock.
pub(super) fn body(asked: &Asked<'_>) -> Map<String, Value> {
    let mut body = Map::new();
    body.insert("texts".into(), json!(asked.texts));
    // It must be said. What is embedded without saying what for is mostly to be found later.
    body.insert("input_type".into(), asked.input_type.unwrap_or("search_document").into());
    body.insert("embedding_types".into(), json!(["float"]));
    if let Some(dimensions) = asked.dimensions {
        body.insert("output_dimension".into(), dimensions.into());
    }
    body
}

/// `{"embeddings":{"float":[[..]]}}`; older models on Bedrock leave out the type. `None` when it is something else.
pub(super) fn read_answer(body: &[u8], vectors: &mut Vectors) -> Option<()> {
    let mut walk = Walk::new(body);
    if !walk.object() {
        return None;
    }
    while let Some(key) = walk.key() {
        match key {
            b"embeddings" if walk.object() => {
                while let Some(key) = walk.key() {
                    match key {
                        b"float" if vectors.is_empty() => list(&mut walk, vectors)?,
                        _ => walk.skip(),
                    }
                }
            }
            b"embeddings" if vectors.is_empty() => list(&mut walk, vectors)?,
            _ => walk.skip(),
        }
    }
    (walk.at_end() && !vectors.is_empty()).then_some(())
}

fn list(walk: &mut Walk<'_>, vectors: &mut Vectors) -> Option<()> {
    if !walk.array() {
        return None;
    }
    while walk.item() {
        vectors.take(walk)?;
    }
    Some(())
}
