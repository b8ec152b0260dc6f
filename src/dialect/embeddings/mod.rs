//! The embeddings face (OpenAI's) in front of providers that embed in another dialect: Gemini, Vertex, Cohere, Bedrock.
//!
//! [`Asked`] is what a client can ask for, [`Vectors`] what it gets; each provider's file reads the one and makes the
//! other.

mod bedrock;
mod cohere;
mod gemini;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod upstream_tests;
mod vectors;
mod vertex;

use serde_json::Value;

use super::common::{Invalid, Lost};
use super::{To, Wire};
use crate::meter::Usage;
use vectors::Vectors;

/// What a client asks for, as OpenAI's API has it.
struct Asked<'a> {
    texts: Vec<&'a str>,
    dimensions: Option<u64>,
    /// What the texts are for, in Cohere's words: clients of OpenAI's libraries send it beside the rest.
    input_type: Option<&'a str>,
}

/// A client's body -> the provider's. `wire` is that of the provider's chat.
pub fn write_request(body: &Value, wire: Wire, to: &To<'_>, lost: &mut Lost) -> Result<Value, Invalid> {
    let asked = Asked::read(body, lost)?;
    if asked.input_type.is_some() && !(wire == Wire::Cohere || to.model.contains("cohere.embed")) {
        lost.named("input_type");
    }
    Ok(match wire {
        Wire::Cohere => cohere::write_request(&asked, to.model),
        Wire::Bedrock => bedrock::write_request(&asked, to.model, lost)?,
        Wire::Gemini if to.kind == "google-vertex" => vertex::write_request(&asked),
        Wire::Gemini => gemini::write_request(&asked, to.model),
        _ => Value::Null,
    })
}

/// The provider's answer -> OpenAI's. `None` when it is not what the provider should say.
pub fn write_answer(request: &Value, model: &str, wire: Wire, body: &[u8], usage: &Usage) -> Option<Vec<u8>> {
    let asked = request.get("input").and_then(Value::as_array).map_or(1, Vec::len);
    let read = |reader: fn(&[u8], &mut Vectors) -> Option<()>| {
        let mut vectors = Vectors::new(wants_base64(request), body.len());
        reader(body, &mut vectors)?;
        vectors.finish(asked, model, usage)
    };
    match wire {
        Wire::Gemini => read(gemini::read_answer).or_else(|| read(vertex::read_answer)),
        Wire::Cohere => read(cohere::read_answer),
        Wire::Bedrock => read(bedrock::read_answer).or_else(|| read(cohere::read_answer)),
        _ => None,
    }
}

impl<'a> Asked<'a> {
    fn read(body: &'a Value, lost: &mut Lost) -> Result<Self, Invalid> {
        let object = body.as_object().ok_or_else(|| Invalid::new("body", "an object"))?;
        let mut asked = Asked { texts: Vec::new(), dimensions: None, input_type: None };
        for (key, value) in object.iter().filter(|(_, value)| !value.is_null()) {
            match key.as_str() {
                "model" => {}
                "input" => asked.texts = texts(value)?,
                "dimensions" => {
                    let dimensions = value.as_u64().filter(|dimensions| *dimensions > 0);
                    asked.dimensions = Some(dimensions.ok_or_else(|| Invalid::new("dimensions", "a positive number"))?);
                }
                "encoding_format" if matches!(value.as_str(), Some("float" | "base64")) => {}
                "encoding_format" => return Err(Invalid::new("encoding_format", "`float` or `base64`")),
                "input_type" if value.is_string() => asked.input_type = value.as_str(),
                other => lost.named(other),
            }
        }
        if asked.texts.is_empty() {
            return Err(Invalid::new("input", "a string or a non-empty array of strings"));
        }
        Ok(asked)
    }
}

/// Token ids are of OpenAI's own tokenizers.
fn texts(input: &Value) -> Result<Vec<&str>, Invalid> {
    let invalid = |field: String| Invalid::new(field, "a string (token ids mean nothing to this model)");
    match input {
        Value::String(text) => Ok(vec![text]),
        Value::Array(texts) => texts
            .iter()
            .enumerate()
            .map(|(at, text)| text.as_str().ok_or_else(|| invalid(format!("input[{at}]"))))
            .collect(),
        _ => Err(invalid("input".into())),
    }
}

fn wants_base64(request: &Value) -> bool {
    request.get("encoding_format").and_then(Value::as_str) == Some("base64")
}
