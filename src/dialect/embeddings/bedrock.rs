//! Embedding models on Bedrock's InvokeModel: each speaks its maker's dialect.

use serde_json::{Map, Value};

use super::vectors::Vectors;
use super::{Asked, cohere};
use crate::dialect::common::{Invalid, Lost};
use crate::json::Walk;

pub(super) fn write_request(asked: &Asked<'_>, model: &str, lost: &mut Lost) -> Result<Value, Invalid> {
    if model.contains("cohere.embed") {
        return Ok(cohere::body(asked).into());
    }
    if !model.contains("amazon.titan-embed-text") {
        return Err(Invalid::new("model", "a Titan text or Cohere embedding model"));
    }
    let [text] = asked.texts.as_slice() else {
        return Err(Invalid::new("input", "one text: this model embeds one at a time"));
    };
    let mut body = Map::new();
    body.insert("inputText".into(), (*text).into());
    if let Some(dimensions) = asked.dimensions {
        // Before the second version all vectors had one length.
        if model.contains("text-v2") {
            body.insert("dimensions".into(), dimensions.into());
        } else {
            lost.named("dimensions");
        }
    }
    Ok(body.into())
}

/// Titan: `{"embedding":[..],"inputTextTokenCount":..}`. `None` when it is something else.
pub(super) fn read_answer(body: &[u8], vectors: &mut Vectors) -> Option<()> {
    let mut walk = Walk::new(body);
    if !walk.object() {
        return None;
    }
    while let Some(key) = walk.key() {
        match key {
            b"embedding" if vectors.is_empty() => vectors.take(&mut walk)?,
            _ => walk.skip(),
        }
    }
    (walk.at_end() && !vectors.is_empty()).then_some(())
}
