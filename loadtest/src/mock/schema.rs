//! Values that fit a JSON Schema: what a simulated model fills its calls and its structured answers with. The same schema
//! always gives the same value.

use serde_json::{Map, Value, json};

/// A schema may refer to itself; deeper than this only what is required is filled in.
const DEPTH_MAX: u32 = 4;
/// Deeper than this nothing is.
const DEPTH_LIMIT: u32 = 16;

/// Has everything in it that has to be escaped or takes more than one byte.
pub const TEXT: &str = "\u{e9} \"quoted\" \n";

/// Arguments of a call are an object, whatever the schema says.
pub fn arguments(schema: &Value) -> Value {
    match value(schema) {
        Value::Object(fields) => Value::Object(fields),
        _ => json!({}),
    }
}

pub fn value(schema: &Value) -> Value {
    Fill { root: schema }.value(schema, "", 0)
}

struct Fill<'a> {
    root: &'a Value,
}

impl Fill<'_> {
    fn value(&self, schema: &Value, name: &str, depth: u32) -> Value {
        if depth > DEPTH_LIMIT {
            return Value::Null;
        }
        if let Some(reference) = schema.get("$ref").and_then(Value::as_str) {
            let found = reference.strip_prefix('#').and_then(|pointer| self.root.pointer(pointer));
            return found.map_or(Value::Null, |found| self.value(found, name, depth + 1));
        }
        if let Some(value) = schema.get("const") {
            return value.clone();
        }
        if let Some(value) = schema.get("enum").and_then(|values| values.get(0)) {
            return value.clone();
        }
        for key in ["anyOf", "oneOf", "allOf"] {
            let options = schema.get(key).and_then(Value::as_array);
            if let Some(option) = options.and_then(|list| list.iter().find(|one| kind(one) != "null")) {
                return self.value(option, name, depth + 1);
            }
        }
        match kind(schema).as_str() {
            "object" => self.object(schema, depth),
            "array" => self.array(schema, name, depth),
            "integer" => json!(bounded(schema, 7.0) as i64),
            "number" => json!(bounded(schema, 7.5)),
            "boolean" => json!(true),
            "null" => Value::Null,
            _ if name.contains("text") => json!(TEXT),
            _ => json!("word"),
        }
    }

    fn object(&self, schema: &Value, depth: u32) -> Value {
        let required = schema.get("required").and_then(Value::as_array);
        let is_required = |name: &str| required.is_some_and(|list| list.iter().any(|one| one == name));
        let mut object = Map::new();
        for (name, property) in schema.get("properties").and_then(Value::as_object).into_iter().flatten() {
            if depth < DEPTH_MAX || is_required(name) {
                object.insert(name.clone(), self.value(property, name, depth + 1));
            }
        }
        Value::Object(object)
    }

    fn array(&self, schema: &Value, name: &str, depth: u32) -> Value {
        let least = schema.get("minItems").and_then(Value::as_u64).unwrap_or(u64::from(depth < DEPTH_MAX)).min(16);
        let items = schema.get("items").unwrap_or(&Value::Null);
        Value::Array((0..least).map(|_| self.value(items, name, depth + 1)).collect())
    }
}

/// Gemini writes types in capitals. Of several the first that is not null.
fn kind(schema: &Value) -> String {
    let kind = match schema.get("type") {
        Some(Value::Array(kinds)) => kinds.iter().find(|kind| *kind != "null").and_then(Value::as_str),
        Some(kind) => kind.as_str(),
        None if schema.get("properties").is_some() => Some("object"),
        None => None,
    };
    kind.unwrap_or_default().to_ascii_lowercase()
}

fn bounded(schema: &Value, usual: f64) -> f64 {
    let bound = |key: &str| schema.get(key).and_then(Value::as_f64);
    let least = bound("minimum").map_or(usual, |least| usual.max(least));
    bound("maximum").map_or(least, |most| least.min(most))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_fit_their_schema() {
        let schema = json!({
            "type": "object",
            "properties": {
                "city": {"type": "string"},
                "text": {"type": "STRING"},
                "days": {"type": "integer", "maximum": 3},
                "factor": {"type": ["null", "number"]},
                "unit": {"enum": ["C", "F"]},
                "deep": {"$ref": "#/$defs/node"},
                "either": {"anyOf": [{"type": "null"}, {"type": "boolean"}]},
                "list": {"type": "array", "items": {"type": "integer"}, "minItems": 2},
            },
            "$defs": {"node": {"properties": {"next": {"$ref": "#/$defs/node"}, "name": {"const": "n"}}, "required": ["name"]}},
        });
        let value = value(&schema);
        assert_eq!(
            (&value["city"], &value["text"], &value["days"], &value["factor"]),
            (&json!("word"), &json!(TEXT), &json!(3), &json!(7.5))
        );
        assert_eq!((&value["unit"], &value["either"], &value["list"]), (&json!("C"), &json!(true), &json!([7, 7])));
        assert_eq!(value["deep"]["name"], "n");
        assert!(value["deep"].to_string().len() < 200, "it ends");
        assert_eq!(arguments(&Value::Null), json!({}));
        assert_eq!(arguments(&json!({"type": "string"})), json!({}));
    }

    #[test]
    fn a_schema_that_is_its_own_only_branch_ends() {
        let schema = json!({"$ref": "#"});
        assert_eq!(value(&schema), Value::Null);
    }
}
