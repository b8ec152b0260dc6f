//! Reading a client's JSON as Google's servers do: each name in camel case or in snake case, null for absent, one value
//! where a list of them is meant, whole numbers as `40` or `40.0`.

use std::borrow::Cow;

use serde_json::{Map, Value};

use crate::dialect::common::Invalid;

/// One member of an object that is not null.
pub(super) struct Member<'a> {
    /// As the caller spells it.
    pub key: &'a str,
    pub value: &'a Value,
    /// In camel case.
    pub name: Cow<'a, str>,
}

/// The members of an object; `expected` says what should stand here where none does.
pub(super) fn members<'a>(value: &'a Value, expected: &str) -> Result<impl Iterator<Item = Member<'a>>, Invalid> {
    let object = value.as_object().ok_or_else(|| Invalid::new("", expected))?;
    Ok(members_of(object))
}

fn members_of(object: &Map<String, Value>) -> impl Iterator<Item = Member<'_>> {
    object.iter().filter(|(_, value)| !value.is_null()).map(|(key, value)| Member { key, value, name: camel(key) })
}

fn camel(key: &str) -> Cow<'_, str> {
    if !key.contains('_') {
        return Cow::Borrowed(key);
    }
    let mut name = String::with_capacity(key.len());
    let mut upper = false;
    for char in key.chars() {
        match char {
            '_' => upper = !name.is_empty(),
            _ if upper => {
                name.extend(char.to_uppercase());
                upper = false;
            }
            _ => name.push(char),
        }
    }
    Cow::Owned(name)
}

/// A list, or the one value that stands for it.
pub(super) fn list(value: &Value) -> &[Value] {
    match value {
        Value::Array(items) => items,
        one => std::slice::from_ref(one),
    }
}

/// Puts where it is before the name of a field that is wrong: `contents[2].parts`.
pub(super) fn within<T>(outer: impl std::fmt::Display, result: Result<T, Invalid>) -> Result<T, Invalid> {
    result.map_err(|invalid| {
        let field = match invalid.field.as_str() {
            "" => outer.to_string(),
            inner if inner.starts_with('[') => format!("{outer}{inner}"),
            inner => format!("{outer}.{inner}"),
        };
        Invalid { field, ..invalid }
    })
}

impl<'a> Member<'a> {
    pub fn invalid(&self, expected: &str) -> Invalid {
        Invalid::new(self.key, expected)
    }

    pub fn text(&self) -> Result<&'a str, Invalid> {
        self.value.as_str().ok_or_else(|| self.invalid("a string"))
    }

    pub fn bool(&self) -> Result<bool, Invalid> {
        self.value.as_bool().ok_or_else(|| self.invalid("a boolean"))
    }

    /// As it is spelled.
    pub fn number(&self) -> Result<Value, Invalid> {
        if self.value.is_number() { Ok(self.value.clone()) } else { Err(self.invalid("a number")) }
    }

    pub fn whole(&self) -> Result<i64, Invalid> {
        const EXACT_MAX: f64 = 9.0e15;
        let float = || self.value.as_f64().filter(|float| float.fract() == 0.0 && float.abs() < EXACT_MAX);
        let whole = self.value.as_i64().or_else(|| float().map(|float| float as i64));
        whole.ok_or_else(|| self.invalid("a whole number"))
    }

    pub fn count(&self) -> Result<u64, Invalid> {
        u64::try_from(self.whole()?).map_err(|_| self.invalid("a whole number, not negative"))
    }

    /// The value means what is meant without it: false, nothing, `MEDIA_RESOLUTION_UNSPECIFIED`.
    pub fn is_default(&self) -> bool {
        match self.value {
            Value::Null | Value::Bool(false) => true,
            Value::String(text) => text.is_empty() || text.ends_with("_UNSPECIFIED"),
            Value::Array(items) => items.is_empty(),
            Value::Object(members) => members.is_empty(),
            _ => false,
        }
    }
}
