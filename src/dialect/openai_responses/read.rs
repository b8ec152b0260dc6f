//! Members of a client's body, and what is said when one is of another kind.

use serde_json::{Map, Value};

use crate::dialect::common::{Invalid, Lost};

pub(super) type Object = Map<String, Value>;

pub(super) fn object<'a>(value: &'a Value, field: &str) -> Result<&'a Object, Invalid> {
    value.as_object().ok_or_else(|| Invalid::new(field, "an object"))
}

pub(super) fn array<'a>(value: &'a Value, field: &str) -> Result<&'a [Value], Invalid> {
    value.as_array().map(Vec::as_slice).ok_or_else(|| Invalid::new(field, "an array"))
}

pub(super) fn string<'a>(value: &'a Value, field: &str) -> Result<&'a str, Invalid> {
    value.as_str().ok_or_else(|| Invalid::new(field, "a string"))
}

pub(super) fn boolean(value: &Value, field: &str) -> Result<bool, Invalid> {
    value.as_bool().ok_or_else(|| Invalid::new(field, "true or false"))
}

/// As it was spelled.
pub(super) fn number(value: &Value, field: &str) -> Result<Value, Invalid> {
    if value.is_number() { Ok(value.clone()) } else { Err(Invalid::new(field, "a number")) }
}

pub(super) fn count(value: &Value, field: &str) -> Result<u64, Invalid> {
    value.as_u64().ok_or_else(|| Invalid::new(field, "a whole number, 0 or more"))
}

/// A member that is there; null means absent.
pub(super) fn member<'a>(object: &'a Object, name: &str) -> Option<&'a Value> {
    object.get(name).filter(|value| !value.is_null())
}

/// A string member; `None` when it is absent.
pub(super) fn string_member<'a>(object: &'a Object, name: &str, place: &str) -> Result<Option<&'a str>, Invalid> {
    let Some(value) = member(object, name) else { return Ok(None) };
    value.as_str().map(Some).ok_or_else(|| Invalid::new(join(place, name), "a string"))
}

/// A string member that must be there.
pub(super) fn needed<'a>(object: &'a Object, name: &str, place: &str) -> Result<&'a str, Invalid> {
    string_member(object, name, place)?.ok_or_else(|| Invalid::new(join(place, name), "a string"))
}

/// Members besides the `known` ones are lost, by the name that `place` gives them.
pub(super) fn lose_others(object: &Object, known: &[&str], place: &str, lost: &mut Lost) {
    for (name, _) in object.iter().filter(|(name, value)| !value.is_null() && !known.contains(&name.as_str())) {
        lost.named(join(place, short(name)));
    }
}

/// A caller's word in a message: bounded.
pub(super) fn short(text: &str) -> &str {
    const NAME_CHARS_MAX: usize = 64;
    match text.char_indices().nth(NAME_CHARS_MAX) {
        Some((end, _)) => text.get(..end).unwrap_or_default(),
        None => text,
    }
}

fn join(place: &str, name: &str) -> String {
    if place.is_empty() { name.to_owned() } else { format!("{place}.{name}") }
}
