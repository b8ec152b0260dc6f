//! The common request -> this provider's body.

use serde_json::Value;

use crate::dialect::To;
use crate::dialect::common::{Lost, Request};

/// What the provider's dialect has no place for goes into `lost`.
pub fn write_request(_request: &Request, _to: &To<'_>, _lost: &mut Lost) -> Value {
    Value::Null
}
