//! Google's servers read every name in camel case and in snake case; its SDKs mix them.

use serde_json::Value;

/// What is the caller's own, not a message of Google's.
const OPAQUE: [&str; 7] =
    ["args", "response", "parameters", "parametersJsonSchema", "responseSchema", "responseJsonSchema", "labels"];

/// The same with all names in camel case.
pub fn camel(value: Value) -> Value {
    match value {
        Value::Array(items) => items.into_iter().map(camel).collect(),
        Value::Object(fields) => {
            let renamed = fields.into_iter().map(|(name, value)| {
                let name = camel_name(&name);
                let value = if OPAQUE.contains(&name.as_str()) { value } else { camel(value) };
                (name, value)
            });
            Value::Object(renamed.collect())
        }
        other => other,
    }
}

fn camel_name(name: &str) -> String {
    let mut words = name.split('_');
    let mut camel = words.next().unwrap_or_default().to_owned();
    for word in words {
        let mut letters = word.chars();
        camel.extend(letters.next().map(|first| first.to_ascii_uppercase()));
        camel.push_str(letters.as_str());
    }
    camel
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn names_are_changed_and_what_is_the_callers_is_not() {
        let mixed = json!({"generation_config": {"max_output_tokens": 1}, "contents": [{"parts": [
            {"inline_data": {"mime_type": "a"}}, {"functionCall": {"args": {"a_b": {"c_d": 1}}}}]}]});
        let camel_case = json!({"generationConfig": {"maxOutputTokens": 1}, "contents": [{"parts": [
            {"inlineData": {"mimeType": "a"}}, {"functionCall": {"args": {"a_b": {"c_d": 1}}}}]}]});
        assert_eq!(camel(mixed), camel_case);
    }
}
