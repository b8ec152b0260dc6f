//! The embeddings face (OpenAI's) in front of providers that embed in another dialect: Gemini, Vertex, Cohere, Bedrock.

use serde_json::Value;

use super::common::{Invalid, Lost};
use super::{To, Wire};
use crate::meter::Usage;

/// A client's body -> the provider's. `wire` is that of the provider's chat.
pub fn write_request(_body: &Value, _wire: Wire, _to: &To<'_>, _lost: &mut Lost) -> Result<Value, Invalid> {
    Ok(Value::Null)
}

/// The provider's answer -> OpenAI's. `None` when it is not what the provider should say.
pub fn write_answer(_request: &Value, _model: &str, _wire: Wire, _body: &[u8], _usage: &Usage) -> Option<Vec<u8>> {
    None
}
