//! A function call whose arguments come in pieces: `{"jsonPath":"$.items[0].name","stringValue":"ap","willContinue":true}`
//! and so on. They are put together and told once they are whole.

use serde_json::{Map, Value};

use crate::json::{Walk, decode};

/// A longer array would be a provider's mistake, and must not cost memory.
const INDEX_MAX: usize = 4096;
const DEPTH_MAX: usize = 64;

pub(super) struct PartialCall {
    pub index: u32,
    arguments: Value,
}

impl PartialCall {
    /// `args`: what came whole; may be empty.
    pub fn new(index: u32, args: &[u8]) -> Self {
        let arguments = serde_json::from_slice(args).ok().filter(Value::is_object);
        Self { index, arguments: arguments.unwrap_or_else(|| Value::Object(Map::new())) }
    }

    /// Takes the value of `partialArgs`.
    pub fn take(&mut self, walk: &mut Walk<'_>) {
        if !walk.array() {
            return walk.skip();
        }
        while walk.item() {
            if !walk.object() {
                walk.skip();
                continue;
            }
            let (mut path, mut value) = (&b""[..], None);
            while let Some(key) = walk.key() {
                match key {
                    b"jsonPath" => path = walk.string().unwrap_or_default(),
                    b"stringValue" => value = walk.string().map(|text| Value::String(decode(text).into_owned())),
                    b"numberValue" | b"boolValue" => value = serde_json::from_slice(walk.raw()).ok(),
                    b"nullValue" => {
                        walk.skip();
                        value = Some(Value::Null);
                    }
                    _ => walk.skip(),
                }
            }
            if let Some(value) = value {
                self.put(&decode(path), value);
            }
        }
    }

    fn put(&mut self, path: &str, value: Value) {
        let Some(steps) = steps(path) else { return };
        let mut at = &mut self.arguments;
        for step in steps {
            let next = match step {
                Step::Key(key) => {
                    if !at.is_object() {
                        *at = Value::Object(Map::new());
                    }
                    at.as_object_mut().map(|object| object.entry(key).or_insert(Value::Null))
                }
                Step::Index(index) => {
                    if !at.is_array() {
                        *at = Value::Array(Vec::new());
                    }
                    at.as_array_mut().and_then(|array| {
                        if array.len() <= index {
                            array.resize(index + 1, Value::Null);
                        }
                        array.get_mut(index)
                    })
                }
            };
            match next {
                Some(next) => at = next,
                None => return,
            }
        }
        match (at, value) {
            // A string goes on where it was left.
            (Value::String(text), Value::String(more)) => text.push_str(&more),
            (at, value) => *at = value,
        }
    }

    pub fn arguments(&self) -> String {
        self.arguments.to_string()
    }
}

enum Step {
    Key(String),
    Index(usize),
}

/// The normal form of RFC 9535 (2.7) and its short form: `$.a[0]['b c']`. `None` when it is neither.
fn steps(path: &str) -> Option<Vec<Step>> {
    let mut rest = path.strip_prefix('$')?;
    let mut steps = Vec::new();
    while !rest.is_empty() && steps.len() < DEPTH_MAX {
        if let Some(name) = rest.strip_prefix('.') {
            let end = name.find(['.', '[']).unwrap_or(name.len());
            let (key, after) = name.split_at(end);
            steps.push(Step::Key(key.to_owned()));
            rest = after;
            continue;
        }
        let inside = rest.strip_prefix('[')?;
        match inside.chars().next()? {
            quote @ ('\'' | '"') => {
                let (key, after) = quoted(inside.get(1..)?, quote)?;
                steps.push(Step::Key(key));
                rest = after.strip_prefix(']')?;
            }
            _ => {
                let (index, after) = inside.split_once(']')?;
                steps.push(Step::Index(index.parse().ok().filter(|index| *index <= INDEX_MAX)?));
                rest = after;
            }
        }
    }
    (rest.is_empty() && !steps.is_empty()).then_some(steps)
}

/// A quoted key and what stands behind its quote.
fn quoted(text: &str, quote: char) -> Option<(String, &str)> {
    let mut key = String::new();
    let mut chars = text.char_indices();
    while let Some((at, char)) = chars.next() {
        match char {
            '\\' => key.push(chars.next()?.1),
            _ if char == quote => return Some((key, text.get(at + 1..)?)),
            _ => key.push(char),
        }
    }
    None
}
