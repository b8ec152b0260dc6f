//! A client's body -> the common request.

use serde_json::Value;

use crate::dialect::common::{Invalid, Lost, Request};

/// Members that the common request has no place for go into `lost`, unless their value is what is meant without them.
pub fn read_request(_body: &Value, _lost: &mut Lost) -> Result<Request, Invalid> {
    Ok(Request::default())
}
