//! Schemas. Google's own are of OpenAPI 3.0 (types in upper case, `nullable`, counts as strings); ours are JSON Schema.

use serde_json::{Map, Value};

/// A caller's schema must not be deeper than what JSON bodies may be.
const DEPTH_MAX: u32 = 128;

/// Google's `Schema` as JSON Schema.
pub(super) fn to_json_schema(schema: &Value) -> Value {
    from_openapi(schema, 0)
}

fn from_openapi(schema: &Value, depth: u32) -> Value {
    let Some(object) = schema.as_object().filter(|_| depth < DEPTH_MAX) else { return schema.clone() };
    let mut out = Map::new();
    let is_nullable = object.get("nullable") == Some(&Value::Bool(true));
    for (key, value) in object.iter().filter(|(_, value)| !value.is_null()) {
        let (key, value) = match (key.as_str(), value) {
            ("type", Value::String(kind)) if kind == "TYPE_UNSPECIFIED" => continue,
            ("type", Value::String(kind)) => {
                let kind = Value::String(kind.to_ascii_lowercase());
                ("type", if is_nullable { Value::Array(vec![kind, "null".into()]) } else { kind })
            }
            ("type", Value::Array(kinds)) => ("type", kinds.iter().map(lower).collect()),
            // `property_ordering` is of Google's own; what it orders is ordered already.
            ("nullable" | "propertyOrdering" | "property_ordering", _) => continue,
            ("properties", Value::Object(properties)) => {
                let read = |(name, value): (&String, &Value)| (name.clone(), from_openapi(value, depth + 1));
                ("properties", Value::Object(properties.iter().map(read).collect()))
            }
            ("items" | "additionalProperties", value) => (key.as_str(), from_openapi(value, depth + 1)),
            ("anyOf" | "any_of", Value::Array(schemas)) => {
                ("anyOf", schemas.iter().map(|schema| from_openapi(schema, depth + 1)).collect())
            }
            ("format", Value::String(format)) if format == "enum" => continue,
            ("minItems" | "min_items", value) => ("minItems", count(value)),
            ("maxItems" | "max_items", value) => ("maxItems", count(value)),
            ("minLength" | "min_length", value) => ("minLength", count(value)),
            ("maxLength" | "max_length", value) => ("maxLength", count(value)),
            ("minProperties" | "min_properties", value) => ("minProperties", count(value)),
            ("maxProperties" | "max_properties", value) => ("maxProperties", count(value)),
            ("example", value) => ("examples", Value::Array(vec![value.clone()])),
            (key, value) => (key, value.clone()),
        };
        out.insert(key.to_owned(), value);
    }
    Value::Object(out)
}

fn lower(kind: &Value) -> Value {
    kind.as_str().map_or_else(|| kind.clone(), |kind| kind.to_ascii_lowercase().into())
}

/// Google writes 64-bit counts as strings.
fn count(value: &Value) -> Value {
    value.as_str().and_then(|text| text.parse::<u64>().ok()).map_or_else(|| value.clone(), Value::from)
}

/// JSON Schema as `parametersJsonSchema` and `responseJsonSchema` take it: without the keywords that Google's servers
/// answer with a 400 or do not know. What is left out only narrows; the model sees the rest.
pub(super) fn for_google(schema: &Value) -> Value {
    cleaned(schema, 0)
}

fn cleaned(schema: &Value, depth: u32) -> Value {
    let Some(object) = schema.as_object().filter(|_| depth < DEPTH_MAX) else { return schema.clone() };
    let mut out = Map::new();
    for (key, value) in object {
        let value = match key.as_str() {
            "$schema"
            | "$comment"
            | "strict"
            | "discriminator"
            | "examples"
            | "example"
            | "deprecated"
            | "readOnly"
            | "writeOnly"
            | "contentEncoding"
            | "contentMediaType"
            | "patternProperties"
            | "propertyNames"
            | "unevaluatedProperties"
            | "unevaluatedItems"
            | "dependentRequired"
            | "dependentSchemas"
            | "if"
            | "then"
            | "else"
            | "not"
            | "contains"
            | "uniqueItems"
            | "multipleOf"
            | "exclusiveMinimum"
            | "exclusiveMaximum" => {
                continue;
            }
            "const" => {
                out.insert("enum".into(), Value::Array(vec![value.clone()]));
                continue;
            }
            "properties" | "$defs" | "definitions" => match value {
                Value::Object(named) => {
                    let clean = |(name, value): (&String, &Value)| (name.clone(), cleaned(value, depth + 1));
                    Value::Object(named.iter().map(clean).collect())
                }
                other => other.clone(),
            },
            "items" | "additionalProperties" | "anyOf" | "oneOf" | "allOf" | "prefixItems" => match value {
                Value::Array(schemas) => schemas.iter().map(|schema| cleaned(schema, depth + 1)).collect(),
                one => cleaned(one, depth + 1),
            },
            _ => value.clone(),
        };
        out.insert(key.clone(), value);
    }
    Value::Object(out)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn googles_schema_becomes_json_schema() {
        let google = json!({
            "type": "OBJECT",
            "properties": {
                "type": {"type": "STRING", "format": "enum", "enum": ["a", "b"], "nullable": true},
                "list": {"type": "ARRAY", "items": {"type": "INTEGER", "format": "int32"}, "minItems": "1", "max_items": 3},
                "either": {"any_of": [{"type": "NUMBER"}, {"type": "BOOLEAN"}]},
            },
            "required": ["type"],
            "propertyOrdering": ["type", "list"],
        });
        assert_eq!(
            to_json_schema(&google),
            json!({
                "type": "object",
                "properties": {
                    "type": {"type": ["string", "null"], "enum": ["a", "b"]},
                    "list": {"type": "array", "items": {"type": "integer", "format": "int32"}, "minItems": 1, "maxItems": 3},
                    "either": {"anyOf": [{"type": "number"}, {"type": "boolean"}]},
                },
                "required": ["type"],
            })
        );
    }

    #[test]
    fn what_google_refuses_is_taken_out() {
        let schema = json!({
            "$schema": "http://json-schema.org/draft-07/schema#",
            "type": "object",
            "additionalProperties": false,
            "properties": {
                "not": {"const": "x"},
                "n": {"type": "number", "exclusiveMinimum": 0, "minimum": 1},
                "r": {"$ref": "#/$defs/r"},
                "l": {"type": "array", "uniqueItems": true, "items": {"anyOf": [{"$comment": "c", "type": "string"}]}},
            },
            "$defs": {"r": {"type": "string", "examples": ["e"]}},
        });
        assert_eq!(
            for_google(&schema),
            json!({
                "type": "object",
                "additionalProperties": false,
                "properties": {
                    "not": {"enum": ["x"]},
                    "n": {"type": "number", "minimum": 1},
                    "r": {"$ref": "#/$defs/r"},
                    "l": {"type": "array", "items": {"anyOf": [{"type": "string"}]}},
                },
                "$defs": {"r": {"type": "string"}},
            })
        );
    }
}
