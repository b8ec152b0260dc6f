//! Log probabilities: Google's `{"chosenCandidates":[..],"topCandidates":[{"candidates":[..]}]}` and the items of OpenAI's
//! `logprobs.content`.

use serde_json::{Map, Value, json};

use crate::json::Walk;

/// Takes a `logprobsResult` and appends its tokens as OpenAI's items, with commas between them. A value that is not of
/// this shape makes none.
pub(super) fn push_openai_items(walk: &mut Walk<'_>, out: &mut Vec<u8>) {
    let Ok(Value::Object(result)) = serde_json::from_slice(walk.raw()) else { return };
    let list = |name: &str| result.get(name).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let top = list("topCandidates");
    for (at, chosen) in list("chosenCandidates").iter().enumerate() {
        let others = top.get(at).and_then(|top| top.get("candidates")).and_then(Value::as_array);
        let others: Vec<Value> = others.into_iter().flatten().filter_map(openai_token).map(Value::Object).collect();
        let Some(mut item) = openai_token(chosen) else { continue };
        item.insert("top_logprobs".into(), Value::Array(others));
        if !out.is_empty() {
            out.push(b',');
        }
        out.extend_from_slice(Value::Object(item).to_string().as_bytes());
    }
}

fn openai_token(candidate: &Value) -> Option<Map<String, Value>> {
    let token = candidate.get("token")?.as_str()?;
    let mut item = Map::new();
    item.insert("token".into(), token.into());
    item.insert("logprob".into(), candidate.get("logProbability").cloned().unwrap_or(0.into()));
    item.insert("bytes".into(), token.as_bytes().into());
    Some(item)
}

/// The other way round: `items` are OpenAI's, with commas between them. `None` when they are not.
pub(super) fn google_result(items: &[u8]) -> Option<Value> {
    let items: Vec<Value> = serde_json::from_slice(&[b"[", items, b"]"].concat()).ok()?;
    let token = |item: &Value| json!({"token": item.get("token"), "logProbability": item.get("logprob")});
    let tops = |item: &Value| {
        let top = item.get("top_logprobs").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        json!({"candidates": top.iter().map(token).collect::<Vec<_>>()})
    };
    Some(json!({
        "topCandidates": items.iter().map(tops).collect::<Vec<_>>(),
        "chosenCandidates": items.iter().map(token).collect::<Vec<_>>(),
    }))
}
