//! The smaller faces: embeddings, moderations, rerank, models, images, audio, and the request given back as JSON.

use super::{
    MODELS,
    ask::Ask,
    openai::{headers, json_answer},
    plan::{Events, ID, Plan},
    scenario::Scenario,
    story::{Story, created},
    text,
};
use serde_json::{Value, json};

const DIMENSIONS_DEFAULT: u64 = 256;
const DIMENSIONS_MAX: u64 = 4096;

/// How many inputs a body holds; a list of token ids is one.
fn inputs(ask: &Ask, key: &str) -> usize {
    match ask.body.get(key) {
        Some(Value::Array(items)) if !items.first().is_some_and(Value::is_number) => items.len(),
        _ => 1,
    }
}

pub fn dimensions(asked: Option<u64>) -> u64 {
    asked.unwrap_or(DIMENSIONS_DEFAULT).clamp(1, DIMENSIONS_MAX)
}

/// The embedding of input number `index`, whatever it says.
pub fn vector(index: usize, dimensions: u64) -> Vec<f32> {
    (0..dimensions).map(|i| ((i * 7 + index as u64 * 13) % 31) as f32 / 64.0 - 0.25).collect()
}

pub fn embeddings(ask: &Ask, scenario: &Scenario) -> Plan {
    let story = Story::new(ask, scenario);
    let dimensions = dimensions(ask.body.get("dimensions").and_then(Value::as_u64));
    let base64 = ask.body.get("encoding_format").and_then(Value::as_str) == Some("base64");
    let vector = |index: usize| {
        let vector = vector(index, dimensions);
        if base64 {
            let bytes: Vec<u8> = vector.into_iter().flat_map(f32::to_le_bytes).collect();
            json!(encode_base64(&bytes))
        } else {
            json!(vector)
        }
    };
    let data: Vec<Value> =
        (0..inputs(ask, "input")).map(|i| json!({"object": "embedding", "index": i, "embedding": vector(i)})).collect();
    let usage = json!({"prompt_tokens": story.input, "total_tokens": story.input});
    json_answer(ask, scenario, json!({"object": "list", "data": data, "model": ask.model, "usage": usage}))
}

pub fn moderations(ask: &Ask, scenario: &Scenario) -> Plan {
    let result = json!({
        "flagged": false,
        "categories": {"harassment": false, "hate": false, "self-harm": false, "sexual": false, "violence": false},
        "category_scores": {"harassment": 0.0001, "hate": 0.0001, "self-harm": 0.0001, "sexual": 0.0001, "violence": 0.0001},
    });
    let results = vec![result; inputs(ask, "input")];
    json_answer(ask, scenario, json!({"id": format!("modr-{ID}"), "model": ask.model, "results": results}))
}

/// Documents as they came, each a little less relevant than the one before.
pub fn ranks(ask: &Ask) -> Vec<Value> {
    let documents = inputs(ask, "documents");
    let wanted = ask.body.get("top_n").and_then(Value::as_u64).map_or(documents, |n| n as usize);
    (0..documents.min(wanted)).map(|i| json!({"index": i, "relevance_score": 1.0 / (i + 1) as f64})).collect()
}

pub fn rerank(ask: &Ask, scenario: &Scenario) -> Plan {
    let tokens = Story::new(ask, scenario).input;
    json_answer(
        ask,
        scenario,
        json!({
            "id": format!("rerank-{ID}"),
            "model": ask.model,
            "results": ranks(ask),
            "meta": {"billed_units": {"search_units": 1}, "tokens": {"input_tokens": tokens, "output_tokens": 0}},
            "usage": {"prompt_tokens": tokens, "total_tokens": tokens},
        }),
    )
}

pub fn models(anthropic: bool, scenario: &Scenario) -> Plan {
    let list = if anthropic {
        let data: Vec<Value> = MODELS
            .iter()
            .filter(|id| id.starts_with("claude"))
            .map(|id| json!({"type": "model", "id": id, "display_name": id, "created_at": "2026-01-01T00:00:00Z"}))
            .collect();
        let end = |model: Option<&Value>| model.and_then(|m| m.get("id")).cloned();
        json!({"data": data, "has_more": false, "first_id": end(data.first()), "last_id": end(data.last())})
    } else {
        let data: Vec<Value> = MODELS.iter().map(|id| model(id)).collect();
        json!({"object": "list", "data": data})
    };
    json_answer(&Ask::default(), scenario, list)
}

pub fn model(id: &str) -> Value {
    json!({"id": id, "object": "model", "created": 1_767_225_600, "owned_by": "mock"})
}

pub fn images(ask: &Ask, scenario: &Scenario) -> Plan {
    /// One white pixel.
    const PNG: &str = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAQAAAC1HAwCAAAAC0lEQVR42mNk+A8AAQUBAScY42YAAAAASUVORK5CYII=";
    let story = Story::new(ask, scenario);
    let wanted = ask.body.get("n").and_then(Value::as_u64).unwrap_or(1).clamp(1, 10) as usize;
    let data = vec![json!({"b64_json": PNG}); wanted];
    let usage = json!({
        "input_tokens": story.input,
        "input_tokens_details": {"image_tokens": 0, "text_tokens": story.input},
        "output_tokens": story.output,
        "total_tokens": story.input + story.output,
    });
    json_answer(ask, scenario, json!({"created": created(), "data": data, "usage": usage}))
}

/// Every byte value occurs, so that whoever treats the body as text breaks it. One slice per token.
pub fn speech(ask: &Ask, scenario: &Scenario) -> Plan {
    let slice: Vec<u8> = (0..=255).collect();
    let events = Events { tokens: vec![slice; scenario.tokens.max(1) as usize], ..Events::default() };
    let request_id = format!("req_{ID}");
    Plan::stream("audio/mpeg", &headers(ask, &request_id), events, scenario)
}

pub fn transcription(ask: &Ask, scenario: &Scenario) -> Plan {
    let story = Story::new(ask, scenario);
    let usage = json!({
        "type": "tokens",
        "input_tokens": story.input,
        "input_token_details": {"text_tokens": 0, "audio_tokens": story.input},
        "output_tokens": story.output,
        "total_tokens": story.input + story.output,
    });
    let text = text::tokens(scenario.tokens, scenario.size, scenario.other_words).concat();
    json_answer(ask, scenario, json!({"text": text, "usage": usage}))
}

/// The request as it came. A body that is not UTF-8 is in `body_hex` only; the head is byte for byte in `head`.
pub fn echo(head: &[u8], body: &[u8], chunked: bool) -> String {
    let head = String::from_utf8_lossy(head);
    let mut lines = head.split("\r\n");
    let mut first = lines.next().unwrap_or_default().split(' ');
    let headers: Vec<Value> = lines.filter_map(|l| l.split_once(':')).map(|(n, v)| json!([n, v.trim()])).collect();
    let text = std::str::from_utf8(body).ok();
    let hex = text.is_none().then(|| body.iter().map(|b| format!("{b:02x}")).collect::<String>());
    json!({
        "method": first.next(),
        "path": first.next(),
        "headers": headers,
        "head": head,
        "chunked": chunked,
        "body": text,
        "body_hex": hex,
    })
    .to_string()
}

fn encode_base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for group in bytes.chunks(3) {
        let byte = |i: usize| group.get(i).copied().unwrap_or(0) as usize;
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for i in 0..4 {
            let letter = ALPHABET[bits >> (18 - 6 * i) & 63] as char;
            out.push(if i <= group.len() { letter } else { '=' });
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_pads_as_rfc_4648_says() {
        for (plain, coded) in [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foobar", "Zm9vYmFy")] {
            assert_eq!(encode_base64(plain.as_bytes()), coded);
        }
    }
}
