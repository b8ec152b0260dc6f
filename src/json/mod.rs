//! JSON by spans: what must be known of a document is found where it lies, what must change is spliced, and the rest
//! of the bytes are never touched (DESIGN P2). No tree, no allocation but for an edit's own text.
//!
//! [`scan_request`] judges a client's body strictly, in one pass. [`Walk`] reads a provider's events and bodies, which
//! are forwarded whatever they say, so it is lenient and merely stops at what it cannot read. `dialect`, `provider`
//! and the data plane call it. Nothing here may recurse or panic on what a peer sent.

mod edit;
mod scan;
mod strict;
mod string;
#[cfg(test)]
mod tests;
mod walk;
mod weight;

pub use edit::{Edit, apply_edits, edit_include_usage, edit_members, edit_model};
pub use scan::{RequestScan, Str, scan_request};
pub use strict::Text;
pub use string::{Unescaped, decode, escape_into, is_string_inside, trailing_half, unescape};
pub use walk::{Number, Walk};
pub use weight::{TOKEN, weight};

/// Deepest nesting of a request body. One bit per level keeps what kind it is.
pub const DEPTH_MAX: u32 = 128;

/// A half-open range of byte offsets into a body. Bodies are shorter than 4 GiB.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Span {
    pub start: u32,
    pub end: u32,
}

impl Span {
    /// The bytes of the span; empty when it does not lie in `body`.
    pub fn of(self, body: &[u8]) -> &[u8] {
        body.get(self.start as usize..self.end as usize).unwrap_or_default()
    }

    pub fn len(self) -> usize {
        self.end.saturating_sub(self.start) as usize
    }

    pub fn is_empty(self) -> bool {
        self.len() == 0
    }
}

/// Why a body is not accepted: where, and what belongs there.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct JsonError {
    pub offset: usize,
    pub expected: &'static str,
}

impl std::fmt::Display for JsonError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "at byte {} of the body: expected {}", self.offset, self.expected)
    }
}

impl std::error::Error for JsonError {}
