//! Gemini: `:batchEmbedContents`, several inputs at once.

use serde_json::{Map, Value, json};

use super::Asked;
use super::vectors::Vectors;
use crate::json::Walk;

/// Each request of a batch names the model again.
pub(super) fn write_request(asked: &Asked<'_>, model: &str) -> Value {
    let model = if model.contains('/') { model.to_owned() } else { format!("models/{model}") };
    let request = |text: &&str| {
        let mut request = Map::new();
        request.insert("model".into(), model.clone().into());
        request.insert("content".into(), json!({"parts": [{"text": text}]}));
        if let Some(dimensions) = asked.dimensions {
            request.insert("outputDimensionality".into(), dimensions.into());
        }
        Value::Object(request)
    };
    json!({"requests": asked.texts.iter().map(request).collect::<Vec<_>>()})
}

/// `{"embeddings":[{"values":[..]}]}`. `None` when it is something else.
pub(super) fn read_answer(body: &[u8], vectors: &mut Vectors) -> Option<()> {
    let mut walk = Walk::new(body);
    if !walk.object() {
        return None;
    }
    while let Some(key) = walk.key() {
        if key != b"embeddings" || !walk.array() {
            walk.skip();
            continue;
        }
        while walk.item() {
            values(&mut walk, vectors)?;
        }
    }
    (walk.at_end() && !vectors.is_empty()).then_some(())
}

/// One `{"values":[..]}`, whatever else it says.
pub(super) fn values(walk: &mut Walk<'_>, vectors: &mut Vectors) -> Option<()> {
    if !walk.object() {
        return None;
    }
    let mut found = None;
    while let Some(key) = walk.key() {
        match key {
            b"values" if found.is_none() => found = Some(vectors.take(walk)?),
            _ => walk.skip(),
        }
    }
    found
}
