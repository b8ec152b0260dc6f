//! The rerank face (`/v1/rerank`: Cohere's and Jina's shape) in front of Cohere v2.

use serde_json::Value;

use super::common::{Invalid, Lost};
use super::{To, Wire};
use crate::meter::Usage;

/// A client's body -> the provider's.
pub fn write_request(_body: &Value, _wire: Wire, _to: &To<'_>, _lost: &mut Lost) -> Result<Value, Invalid> {
    Ok(Value::Null)
}

/// The provider's answer -> the face's. `None` when it is not what the provider should say.
pub fn write_answer(_request: &Value, _model: &str, _wire: Wire, _body: &[u8], _usage: &Usage) -> Option<Vec<u8>> {
    None
}
