//! What the data plane must know of an answer: usage, ends, errors, delivered text.

use crate::dialect::{Mark, Reading};
use crate::sse::Event;

pub(in crate::dialect) fn event(_event: &Event<'_>, _reading: &mut Reading) -> Mark {
    Mark::Other
}

/// Returns whether the body is whole JSON.
pub(in crate::dialect) fn body(_body: &[u8], _reading: &mut Reading) -> bool {
    true
}
