//! Members of a client's JSON by name, read strictly: null is absent, a wrong shape is [`Invalid`] and says where.

use serde_json::{Map, Number, Value};

use crate::dialect::common::{Invalid, Lost};

/// An object and where it stands in the body.
pub(super) struct Node<'a> {
    map: &'a Map<String, Value>,
    path: String,
}

impl<'a> Node<'a> {
    /// `path` is empty for the body itself.
    pub fn new(value: &'a Value, path: String) -> Result<Self, Invalid> {
        match value {
            Value::Object(map) => Ok(Self { map, path }),
            _ if path.is_empty() => Err(Invalid::new("body", "an object")),
            _ => Err(Invalid::new(path, "an object")),
        }
    }

    pub fn path(&self) -> &str {
        &self.path
    }

    /// The path of a member.
    pub fn at(&self, name: &str) -> String {
        if self.path.is_empty() { name.to_owned() } else { format!("{}.{name}", self.path) }
    }

    pub fn invalid(&self, name: &str, expected: &str) -> Invalid {
        Invalid::new(self.at(name), expected)
    }

    pub fn get(&self, name: &str) -> Option<&'a Value> {
        self.map.get(name).filter(|value| !value.is_null())
    }

    pub fn text(&self, name: &str) -> Result<Option<&'a str>, Invalid> {
        let Some(value) = self.get(name) else { return Ok(None) };
        value.as_str().map(Some).ok_or_else(|| self.invalid(name, "a string"))
    }

    pub fn need_text(&self, name: &str) -> Result<&'a str, Invalid> {
        self.text(name)?.ok_or_else(|| self.invalid(name, "a string"))
    }

    /// What is not there is false.
    pub fn flag(&self, name: &str) -> Result<bool, Invalid> {
        let Some(value) = self.get(name) else { return Ok(false) };
        value.as_bool().ok_or_else(|| self.invalid(name, "true or false"))
    }

    pub fn count(&self, name: &str) -> Result<Option<u64>, Invalid> {
        let Some(value) = self.get(name) else { return Ok(None) };
        value.as_u64().map(Some).ok_or_else(|| self.invalid(name, "a whole number"))
    }

    pub fn number(&self, name: &str) -> Result<Option<Value>, Invalid> {
        let Some(value) = self.get(name) else { return Ok(None) };
        if value.as_number().and_then(Number::as_f64).is_none() {
            return Err(self.invalid(name, "a number"));
        }
        Ok(Some(value.clone()))
    }

    pub fn items(&self, name: &str) -> Result<&'a [Value], Invalid> {
        match self.get(name) {
            None => Ok(&[]),
            Some(Value::Array(items)) => Ok(items),
            Some(_) => Err(self.invalid(name, "an array")),
        }
    }

    pub fn node(&self, name: &str) -> Result<Option<Node<'a>>, Invalid> {
        self.get(name).map(|value| Node::new(value, self.at(name))).transpose()
    }

    pub fn need_node(&self, name: &str) -> Result<Node<'a>, Invalid> {
        self.node(name)?.ok_or_else(|| self.invalid(name, "an object"))
    }

    /// Members that nobody read are lost, but for those that say nothing: null, false and what is empty.
    pub fn rest(&self, known: &[&str], lost: &mut Lost) {
        for (name, value) in self.map {
            let says_nothing = match value {
                Value::Null | Value::Bool(false) => true,
                Value::Array(items) => items.is_empty(),
                Value::Object(members) => members.is_empty(),
                _ => false,
            };
            if !says_nothing && !known.contains(&name.as_str()) {
                lost.named(self.at(shortened(name)));
            }
        }
    }
}

/// A caller's own word inside of a message to it: not longer than a person reads.
pub(super) fn shortened(word: &str) -> &str {
    const CHARS_MAX: usize = 64;
    word.char_indices().nth(CHARS_MAX).and_then(|(end, _)| word.get(..end)).unwrap_or(word)
}
