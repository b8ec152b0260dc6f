//! What of a request cannot be carried over. Nothing is ever dropped in silence: either the request is refused and the
//! fields are named, or the account says `on_unsupported: drop` and the answer carries a `warning` that names them.

use super::Field;
use crate::telemetry::Face;

/// The request is wrong in itself: what, and what was expected.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Invalid {
    /// As the caller spells it: `messages[2].content`.
    pub field: String,
    pub expected: String,
}

impl Invalid {
    pub fn new(field: impl Into<String>, expected: impl Into<String>) -> Self {
        Self { field: field.into(), expected: expected.into() }
    }
}

impl std::fmt::Display for Invalid {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "`{}`: expected {}", self.field, self.expected)
    }
}

/// Names of fields, each once, in the order they were met.
#[derive(Clone, Debug)]
pub struct Lost {
    face: Face,
    fields: Vec<String>,
}

impl Lost {
    pub fn new(face: Face) -> Self {
        Self { face, fields: Vec::new() }
    }

    /// A field of the common request that the provider's dialect has no place for.
    pub fn field(&mut self, field: Field) {
        self.named(field.name(self.face));
    }

    /// A field by its name in the caller's dialect. Values that are the default are not lost.
    pub fn named(&mut self, name: impl Into<String>) {
        // A request with thousands of unknown members must not make a message of that length.
        const FIELDS_MAX: usize = 16;
        let name = name.into();
        if self.fields.len() < FIELDS_MAX && !self.fields.contains(&name) {
            self.fields.push(name);
        }
    }

    pub fn fields(&self) -> &[String] {
        &self.fields
    }
}
