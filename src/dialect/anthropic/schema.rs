//! JSON Schemas for `output_config.format` and strict tools. Anthropic's grammar takes closed objects only and no bounds;
//! a schema that has them is refused with a 400. What its own SDKs do is done here: objects are closed (what fits the
//! closed schema fits the open one) and bounds become part of the description, for the model to read.

use serde_json::{Map, Value};

/// `schema` as the grammar takes it; `None` when it says what no closed schema can: a map of free keys.
pub(super) fn closed(schema: &Value) -> Option<Value> {
    let mut schema = schema.clone();
    close(&mut schema).then_some(schema)
}

const BOUNDS: [&str; 12] = [
    "minimum",
    "maximum",
    "exclusiveMinimum",
    "exclusiveMaximum",
    "multipleOf",
    "minLength",
    "maxLength",
    "minItems",
    "maxItems",
    "uniqueItems",
    "minProperties",
    "maxProperties",
];

/// Depth is bounded by that of the body it came in.
fn close(schema: &mut Value) -> bool {
    let Value::Object(members) = schema else { return true };
    move_bounds(members);
    if members.get("type").is_some_and(|kind| kind == "object") || members.contains_key("properties") {
        let named = members.get("properties").is_some_and(Value::is_object);
        match members.get("additionalProperties") {
            Some(Value::Bool(false)) => {}
            // Said of an object with names, it is what is meant anyway; without any, it means a map.
            None | Some(Value::Bool(true)) if named => {
                members.insert("additionalProperties".to_owned(), Value::Bool(false));
            }
            _ => return false,
        }
    }
    members.iter_mut().all(|(name, value)| match (name.as_str(), value) {
        ("properties" | "$defs" | "definitions", Value::Object(schemas)) => schemas.values_mut().all(close),
        ("anyOf" | "allOf" | "oneOf" | "prefixItems", Value::Array(schemas)) => schemas.iter_mut().all(close),
        ("items", schema) => close(schema),
        _ => true,
    })
}

fn move_bounds(members: &mut Map<String, Value>) {
    let mut said = String::new();
    for bound in BOUNDS {
        // The one bound that the grammar knows.
        let known = |value: &Value| bound == "minItems" && value.as_u64().is_some_and(|least| least <= 1);
        if members.get(bound).is_none_or(known) {
            continue;
        }
        if let Some(value) = members.shift_remove(bound) {
            said.push_str(if said.is_empty() { "{" } else { ", " });
            said.push_str(&format!("{bound}: {value}"));
        }
    }
    if said.is_empty() {
        return;
    }
    said.push('}');
    let description = match members.get("description").and_then(Value::as_str) {
        Some(description) => format!("{description}\n\n{said}"),
        None => said,
    };
    members.insert("description".to_owned(), Value::String(description));
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn objects_are_closed_and_bounds_are_described() {
        let schema = json!({"type": "object", "required": ["n"], "properties": {
            "n": {"type": "integer", "minimum": 1, "maximum": 9, "description": "a digit"},
            "list": {"type": "array", "minItems": 1, "items": {"$ref": "#/$defs/item"}},
            "minimum": {"type": "string"},
        }, "$defs": {"item": {"type": "object", "properties": {}}}});
        assert_eq!(
            closed(&schema),
            Some(json!({"type": "object", "required": ["n"], "properties": {
                "n": {"type": "integer", "description": "a digit\n\n{minimum: 1, maximum: 9}"},
                "list": {"type": "array", "minItems": 1, "items": {"$ref": "#/$defs/item"}},
                "minimum": {"type": "string"},
            }, "additionalProperties": false,
            "$defs": {"item": {"type": "object", "properties": {}, "additionalProperties": false}}}))
        );
        for map in [
            json!({"type": "object"}),
            json!({"type": "object", "properties": {"a": {"type": "object", "additionalProperties": {"type": "string"}}}}),
        ] {
            assert_eq!(closed(&map), None);
        }
    }
}
