//! How a request is changed for one target: `override_params` and `headers_override`.

use serde_json::{Map, Number, Value as Json};

use super::Change;
use crate::config::read::{Fields, Reader};
use crate::config::secret::{is_token, not_empty};
use crate::config::tree::{Node, Value};

const KEY: &str = "override_params";

/// What the target and the caller decide, and answers depend on.
const OWNED_PARAMS: [(&str, &str); 2] = [("model", "the target decides it"), ("stream", "the caller decides it")];

/// `owned`: the header fields that Sluice writes itself.
pub(super) fn read(reader: &mut Reader<'_>, fields: Fields<'_>, owned: &[&str]) -> Change {
    let mut change = Change::default();
    params(reader, fields, &mut change);
    let Some(headers) = reader.map(fields, "headers_override", &["set", "remove"]) else { return change };
    change.headers_set = reader.headers(headers, "set", owned).unwrap_or_default();
    for item in reader.list(headers, "remove") {
        let Some(name) = reader.scalar(item, "remove", "a header name").map(str::to_ascii_lowercase) else { continue };
        let fault = if !is_token(&name) {
            "expected a header name (RFC 9110 5.1)".to_owned()
        } else if owned.contains(&name.as_str()) {
            format!("`{name}` is written by Sluice itself and may not be removed here")
        } else if change.headers_remove.contains(&name) {
            format!("`{name}` is given twice")
        } else if change.headers_set.iter().any(|(known, _)| *known == name) {
            format!("`{name}` is set as well; what is set replaces the caller's own")
        } else {
            change.headers_remove.push(name);
            continue;
        };
        reader.fault(item.line, format!("`remove`: {fault}"));
    }
    change
}

fn params(reader: &mut Reader<'_>, fields: Fields<'_>, change: &mut Change) {
    let map = fields.get(KEY).and_then(|node| reader.open_fields(node, KEY));
    for entry in map.map_or(&[][..], |map| map.entries()) {
        if let Some((name, why)) = OWNED_PARAMS.iter().find(|(name, _)| *name == entry.key) {
            reader.fault(entry.line, format!("`{KEY}`: `{name}` may not be set here: {why}"));
        }
        let mut has_secret = false;
        let value = json(reader, &entry.value, &mut has_secret);
        change.params.extend(value.map(|value| (entry.key.clone(), value)));
        if has_secret {
            change.params_hidden.push(entry.key.clone());
        }
    }
}

/// The tree as JSON; numbers keep their spelling, and what references stand for is in their places. `None` after a fault.
fn json(reader: &mut Reader<'_>, node: &Node, has_secret: &mut bool) -> Option<Json> {
    match &node.value {
        Value::Scalar { text, plain: is_plain } => {
            let (text, has_references) = reader.mixed(node, KEY, text, not_empty)?;
            *has_secret |= has_references;
            if *is_plain { plain(reader, node.line, &text) } else { Some(Json::from(text)) }
        }
        Value::List(items) => {
            let items: Vec<Option<Json>> = items.iter().map(|item| json(reader, item, has_secret)).collect();
            items.into_iter().collect::<Option<Vec<Json>>>().map(Json::Array)
        }
        Value::Map(entries) => {
            let mut map = Map::new();
            for entry in entries {
                let value = json(reader, &entry.value, has_secret)?;
                map.insert(entry.key.clone(), value);
            }
            Some(Json::Object(map))
        }
    }
}

/// A word without quotes, as YAML 1.2's core schema understands it (10.3.2).
fn plain(reader: &mut Reader<'_>, line: usize, text: &str) -> Option<Json> {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Some(Json::Null),
        "true" | "True" | "TRUE" => return Some(Json::Bool(true)),
        "false" | "False" | "FALSE" => return Some(Json::Bool(false)),
        _ => {}
    }
    if let Ok(number) = text.parse::<Number>() {
        return Some(Json::Number(number));
    }
    if is_number(text) {
        let message = "`override_params`: expected numbers as JSON spells them, such as `0.5`; quotes make it a text";
        reader.fault(line, message);
        return None;
    }
    Some(Json::from(text))
}

/// Numbers to YAML that are none to JSON: `+1`, `.5`, `007`, `0x1F`, `.inf`.
fn is_number(text: &str) -> bool {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let based = |prefix: &str, radix: u32| {
        text.strip_prefix(prefix).is_some_and(|rest| !rest.is_empty() && rest.chars().all(|c| c.is_digit(radix)))
    };
    matches!(unsigned, ".inf" | ".Inf" | ".INF")
        || matches!(text, ".nan" | ".NaN" | ".NAN")
        || based("0x", 16)
        || based("0o", 8)
        || (unsigned.starts_with(|c: char| c.is_ascii_digit() || c == '.') && text.parse::<f64>().is_ok())
}
