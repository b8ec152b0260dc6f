//! Vertex: `:predict`, the form of all its older models.

use serde_json::{Value, json};

use super::Asked;
use super::gemini::values;
use super::vectors::Vectors;
use crate::json::Walk;

pub(super) fn write_request(asked: &Asked<'_>) -> Value {
    let instances: Vec<Value> = asked.texts.iter().map(|text| json!({"content": text})).collect();
    match asked.dimensions {
        Some(dimensions) => json!({"instances": instances, "parameters": {"outputDimensionality": dimensions}}),
        None => json!({"instances": instances}),
    }
}

/// `{"predictions":[{"embeddings":{"values":[..],"statistics":{"token_count"}}}]}`. `None` when it is something else.
pub(super) fn read_answer(body: &[u8], vectors: &mut Vectors) -> Option<()> {
    let mut walk = Walk::new(body);
    if !walk.object() {
        return None;
    }
    while let Some(key) = walk.key() {
        if key != b"predictions" || !walk.array() {
            walk.skip();
            continue;
        }
        while walk.item() {
            if !walk.object() {
                return None;
            }
            while let Some(key) = walk.key() {
                match key {
                    b"embeddings" => values(&mut walk, vectors)?,
                    _ => walk.skip(),
                }
            }
        }
    }
    (walk.at_end() && !vectors.is_empty()).then_some(())
}
