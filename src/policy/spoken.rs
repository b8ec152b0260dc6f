//! In which dialect an account is spoken to when a client calls a face: its own wherever it has that face, and nothing is
//! translated then (DESIGN P2); else the one that all of its models understand.

use crate::config::{Account, Api};
use crate::dialect::Wire;
use crate::telemetry::Face;

/// How a call reaches a provider.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Spoken {
    /// As the client wrote it.
    Same,
    Translated(Wire),
    /// Not at all: count_tokens of a model whose provider counts no tokens for others is answered here.
    Here,
}

/// `None`: the account cannot serve this face. `model` is the account's own name for it.
pub fn spoken(account: &Account, model: &str, face: Face) -> Option<Spoken> {
    use Spoken::{Here, Same, Translated};
    let api = account.api;
    match face {
        Face::ChatCompletions | Face::Completions | Face::Responses | Face::Messages | Face::Gemini => {
            let wire = chat_wire(account, model, face);
            Some(if wire == Wire::of(face) { Same } else { Translated(wire) })
        }
        Face::CountTokens => Some(if matches!(api, Api::Anthropic | Api::Mock) { Same } else { Here }),
        Face::Embeddings => match api {
            Api::OpenAi | Api::Mock => Some(Same),
            Api::Gemini => Some(Translated(Wire::Gemini)),
            Api::Bedrock => Some(Translated(Wire::Bedrock)),
            Api::Cohere => Some(Translated(Wire::Cohere)),
            Api::Anthropic => None,
        },
        Face::Rerank => match api {
            Api::OpenAi | Api::Mock => Some(Same),
            Api::Cohere => Some(Translated(Wire::Cohere)),
            _ => None,
        },
        Face::Moderations | Face::Images | Face::Audio => matches!(api, Api::OpenAi | Api::Mock).then_some(Same),
        Face::Models | Face::Unknown => None,
    }
}

fn chat_wire(account: &Account, model: &str, face: Face) -> Wire {
    match account.api {
        Api::Mock => Wire::of(face),
        Api::Anthropic => Wire::Messages,
        Api::Gemini => Wire::Gemini,
        Api::Bedrock => Wire::Bedrock,
        Api::Cohere => Wire::Cohere,
        Api::OpenAi if responds_only(account, model) => Wire::Responses,
        Api::OpenAi => match face {
            Face::Completions => Wire::Completions,
            Face::Responses if account.speaks_responses => Wire::Responses,
            _ => Wire::Chat,
        },
    }
}

/// Some models are served by `/v1/responses` alone; their integration says `model_types: [responses]`.
fn responds_only(account: &Account, model: &str) -> bool {
    account.model_types.get(model).is_some_and(|types| {
        let has = |kind: &str| types.iter().any(|known| known == kind);
        has("responses") && !has("chat")
    })
}
