//! Recorded answers: read as a tree they say what the pieces say, and what is written for them says it again.

use std::path::PathBuf;

use serde_json::Value;

use super::*;
use crate::dialect::anthropic::write_answer;
use crate::dialect::common::{AnswerPart, Choice};
use crate::dialect::{Reading, Wire};
use crate::meter::Family;

/// Recorded 2xx answers; empty where the recordings are not at hand.
fn recordings() -> Vec<(String, Vec<u8>)> {
    let folder = std::env::var_os("SLUICE_SHARED")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared"), PathBuf::from)
        .join("wire/anthropic");
    let Ok(entries) = std::fs::read_dir(&folder) else {
        eprintln!("no recordings in {}: skipped", folder.display());
        return Vec::new();
    };
    let mut found = Vec::new();
    for path in entries.flatten().map(|entry| entry.path()) {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let is_answer = name.starts_with("messages-") && !name.contains(".request.") && !name.contains(".headers.");
        let bytes = std::fs::read(&path).unwrap();
        if is_answer && !bytes.starts_with(b"{\"error\"") {
            found.push((name, bytes));
        }
    }
    assert!(found.len() > 20);
    found
}

/// What the model said, thought and called.
#[derive(Default, PartialEq, Debug)]
struct Said {
    text: String,
    thinking: String,
    signatures: Vec<String>,
    redacted: Vec<String>,
    calls: Vec<(String, String, Value)>,
}

impl Said {
    fn of_choice(choice: &Choice) -> Said {
        let mut said = Said::default();
        for part in &choice.parts {
            match part {
                AnswerPart::Text(text) | AnswerPart::Refusal(text) => said.text.push_str(text),
                AnswerPart::Reasoning { text, signature } => {
                    said.thinking.push_str(text);
                    said.signatures.extend(signature.clone());
                }
                AnswerPart::Redacted(data) => said.redacted.push(data.clone()),
                AnswerPart::Call(call) => {
                    let input = serde_json::from_str(&call.arguments).unwrap();
                    said.calls.push((call.id.clone(), call.name.clone(), input));
                }
            }
        }
        said
    }

    /// The blocks as a tree, deltas already in them.
    fn of_blocks<'a>(blocks: impl IntoIterator<Item = &'a Value>) -> Said {
        let mut said = Said::default();
        let text = |block: &Value, name: &str| block[name].as_str().unwrap_or_default().to_owned();
        for block in blocks {
            match block["type"].as_str().unwrap() {
                "text" => said.text.push_str(&text(block, "text")),
                "thinking" => {
                    said.thinking.push_str(&text(block, "thinking"));
                    said.signatures.push(text(block, "signature"));
                }
                "redacted_thinking" => said.redacted.push(text(block, "data")),
                "tool_use" => said.calls.push((text(block, "id"), text(block, "name"), block["input"].clone())),
                _ => {}
            }
        }
        said
    }

    fn of_stream(bytes: &[u8]) -> Said {
        let mut blocks: Vec<Value> = Vec::new();
        let mut inputs: Vec<String> = Vec::new();
        each_event(bytes, |event| {
            let Ok(data) = serde_json::from_slice::<Value>(event.data) else { return };
            if data["type"] == "content_block_start" {
                blocks.push(data["content_block"].clone());
                inputs.push(String::new());
            }
            let Some(delta) = data.get("delta").filter(|_| data["type"] == "content_block_delta") else { return };
            let at = data["index"].as_u64().unwrap() as usize;
            for name in ["text", "thinking", "signature"] {
                if let Some(more) = delta[name].as_str() {
                    let before = blocks[at][name].as_str().unwrap_or_default();
                    blocks[at][name] = format!("{before}{more}").into();
                }
            }
            inputs[at].push_str(delta["partial_json"].as_str().unwrap_or_default());
        });
        for (block, input) in blocks.iter_mut().zip(&inputs).filter(|(_, input)| !input.is_empty()) {
            block["input"] = serde_json::from_str(input).unwrap();
        }
        Said::of_blocks(&blocks)
    }
}

#[test]
fn pieces_say_what_a_tree_says_and_can_be_written_and_read_again() {
    let request = Request::default();
    for (name, bytes) in recordings() {
        let is_stream = name.ends_with(".sse");
        let mut reading = Reading::new(Family::Unknown);
        let (answer, said) = if is_stream {
            each_event(&bytes, |event| _ = Wire::Messages.read_event(event, &mut reading));
            (read_stream(&request, &bytes), Said::of_stream(&bytes))
        } else {
            Wire::Messages.read_body(&bytes, &mut reading);
            let tree: Value = serde_json::from_slice(&bytes).unwrap();
            (read_body(&request, &bytes), Said::of_blocks(tree["content"].as_array().unwrap()))
        };
        let choice = answer.choices.first().unwrap();
        assert_eq!(Said::of_choice(choice), said, "{name}");
        assert_eq!(Some(choice.said.as_str()), reading.finish_reason.as_deref(), "{name}");

        let (out, again) = if is_stream {
            let (mut reads, mut writes) = (AnswerIn::new(&request, "m"), AnswerOut::new(&request, &about()));
            let mut out = Vec::new();
            each_event(&bytes, |event| reads.event(event, &mut |piece| writes.piece(piece, &mut out)));
            writes.end(&reading.usage, &mut out);
            check_grammar(std::str::from_utf8(&out).unwrap());
            let again = read_stream(&request, &out);
            (out, again)
        } else {
            let mut out = Vec::new();
            write_answer(&request, &about(), &answer, &reading.usage, &mut out);
            let again = read_body(&request, &out);
            (out, again)
        };
        let mut wanted = answer.clone();
        // Words for the end that only mean the same: none here but these.
        wanted.choices[0].said = again.choices[0].said.clone();
        assert_eq!(again, wanted, "{name}");

        let mut read_again = Reading::new(Family::Unknown);
        if is_stream {
            each_event(&out, |event| _ = Wire::Messages.read_event(event, &mut read_again));
        } else {
            Wire::Messages.read_body(&out, &mut read_again);
        }
        assert!(read_again.terminated && !read_again.odd_usage, "{name}");
        let strip = |usage: Usage| (usage.input, usage.cache_read, usage.cache_write_total(), usage.output);
        assert_eq!(strip(read_again.usage), strip(reading.usage), "{name}");
    }
}
