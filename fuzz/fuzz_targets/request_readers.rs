//! No body makes a reader of a face or a writer of a dialect panic.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sluice::dialect::common::Lost;
use sluice::dialect::{To, Wire, read_request, write_request};
use sluice::telemetry::Face;

const KINDS: [(Wire, &str, &str); 8] = [
    (Wire::Chat, "openai", "gpt-5-mini"),
    (Wire::Chat, "mistral-ai", "mistral-large"),
    (Wire::Responses, "openai", "gpt-5-pro"),
    (Wire::Messages, "anthropic", "claude-3-5-haiku"),
    (Wire::Messages, "anthropic", "claude-sonnet-5"),
    (Wire::Gemini, "google-gemini", "gemini-3-pro"),
    (Wire::Bedrock, "aws-bedrock", "anthropic.claude-sonnet-4"),
    (Wire::Cohere, "cohere", "command-a"),
];

fuzz_target!(|input: &[u8]| {
    let Some((&face, body)) = input.split_first() else { return };
    let Ok(body) = serde_json::from_slice(body) else { return };
    let face = [Face::ChatCompletions, Face::Completions, Face::Responses, Face::Messages, Face::Gemini]
        [usize::from(face) % 5];
    for (wire, kind, model) in KINDS {
        let Ok(request) = read_request(face, wire, &body, &mut Lost::new(face)) else { return };
        let out = write_request(wire, &request, &To { kind, model }, &mut Lost::new(face));
        serde_json::to_vec(&out).expect("a body can be spelled");
    }
});
