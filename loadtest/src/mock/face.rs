//! Which API a path belongs to, and the model where it is in the path.

use super::{faults::Dialect, gemini::Delivery};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Face {
    Chat,
    Completions,
    Embeddings,
    Responses,
    Moderations,
    Rerank,
    Images,
    Speech,
    Transcription,
    Messages,
    CountTokens,
    Generate(Delivery),
    GeminiCount,
    GeminiEmbed { batch: bool },
    VertexPredict,
    Converse,
    ConverseStream,
    Invoke,
    CohereChat,
    CohereEmbed,
    CohereRerank,
}

/// A path that is served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Called {
    pub face: Face,
    /// Decoded; where the path names it.
    pub model: Option<String>,
    pub azure: bool,
}

/// Faces are known by how the path ends, whatever the base path is. Longer endings first.
const FACES: &[(&str, Face)] = &[
    ("/v2/chat", Face::CohereChat),
    ("/v2/embed", Face::CohereEmbed),
    ("/v2/rerank", Face::CohereRerank),
    ("/chat/completions", Face::Chat),
    ("/completions", Face::Completions),
    ("/embeddings", Face::Embeddings),
    ("/responses", Face::Responses),
    ("/moderations", Face::Moderations),
    ("/rerank", Face::Rerank),
    ("/images/generations", Face::Images),
    ("/images/edits", Face::Images),
    ("/images/variations", Face::Images),
    ("/audio/speech", Face::Speech),
    ("/audio/transcriptions", Face::Transcription),
    ("/audio/translations", Face::Transcription),
    ("/messages/count_tokens", Face::CountTokens),
    ("/messages", Face::Messages),
];

impl Face {
    pub fn dialect(self) -> Dialect {
        match self {
            Face::Messages | Face::CountTokens => Dialect::Anthropic,
            Face::Responses => Dialect::Responses,
            Face::Generate(Delivery::Array) => Dialect::GeminiArray,
            Face::Generate(_) | Face::GeminiCount | Face::GeminiEmbed { .. } | Face::VertexPredict => Dialect::Gemini,
            Face::Converse | Face::ConverseStream | Face::Invoke => Dialect::Bedrock,
            Face::CohereChat | Face::CohereEmbed | Face::CohereRerank => Dialect::Cohere,
            _ => Dialect::OpenAi,
        }
    }
}

/// `None`: a path that no API has.
pub fn find(target: &str) -> Option<Called> {
    let target = target.split('#').next().unwrap_or_default();
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    google(path, query).or_else(|| bedrock(path)).or_else(|| {
        let (_, face) = FACES.iter().find(|(end, _)| path.ends_with(end))?;
        let deployment = path.split_once("/deployments/").map(|(_, rest)| rest.split('/').next().unwrap_or_default());
        Some(Called { face: *face, model: deployment.map(decode), azure: deployment.is_some() })
    })
}

fn google(path: &str, query: &str) -> Option<Called> {
    let (_, rest) = path.split_once("/models/").or_else(|| path.split_once("/tunedModels/"))?;
    let (model, method) = rest.rsplit_once(':')?;
    let sse = query.split('&').any(|pair| pair == "alt=sse");
    let face = match method {
        "generateContent" => Face::Generate(Delivery::Unary),
        "streamGenerateContent" if sse => Face::Generate(Delivery::Events),
        "streamGenerateContent" => Face::Generate(Delivery::Array),
        "countTokens" => Face::GeminiCount,
        "embedContent" => Face::GeminiEmbed { batch: false },
        "batchEmbedContents" => Face::GeminiEmbed { batch: true },
        "predict" => Face::VertexPredict,
        _ => return None,
    };
    Some(Called { face, model: Some(decode(model)), azure: false })
}

fn bedrock(path: &str) -> Option<Called> {
    let (_, rest) = path.split_once("/model/")?;
    // One segment: whatever slash or colon the id has is encoded.
    let (model, method) = rest.split_once('/')?;
    let face = match method {
        "converse" => Face::Converse,
        "converse-stream" => Face::ConverseStream,
        "invoke" => Face::Invoke,
        _ => return None,
    };
    Some(Called { face, model: Some(decode(model)), azure: false })
}

/// Percent-encoding taken off; what is no UTF-8 then is replaced.
pub fn decode(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, tail)) = rest.split_first() {
        let hex = tail.get(..2).and_then(|hex| std::str::from_utf8(hex).ok());
        match hex.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(byte) if first == b'%' => {
                bytes.push(byte);
                rest = tail.get(2..).unwrap_or_default();
            }
            _ => {
                bytes.push(first);
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_name_their_face_and_model() {
        let found = |target: &str| find(target).map(|called| (called.face, called.model));
        let named = |face, model: &str| Some((face, Some(model.to_owned())));
        for (target, want) in [
            ("/v1/chat/completions", Some((Face::Chat, None))),
            ("/openai/v1/responses?api-version=preview", Some((Face::Responses, None))),
            ("/openai/deployments/gpt%2D4o/chat/completions?api-version=2024-10-21", named(Face::Chat, "gpt-4o")),
            (
                "/v1beta/models/mock%3Atokens%3D2:generateContent",
                named(Face::Generate(Delivery::Unary), "mock:tokens=2"),
            ),
            ("/v1beta/models/mock:tokens=2:generateContent", named(Face::Generate(Delivery::Unary), "mock:tokens=2")),
            ("/v1beta/models/g:streamGenerateContent?alt=sse", named(Face::Generate(Delivery::Events), "g")),
            ("/v1beta/models/g:streamGenerateContent", named(Face::Generate(Delivery::Array), "g")),
            ("/v1/projects/p/locations/l/publishers/google/models/e:predict", named(Face::VertexPredict, "e")),
            ("/model/us.anthropic.claude-v2%3A0/converse", named(Face::Converse, "us.anthropic.claude-v2:0")),
            ("/model/arn%3Aaws%3Ax%2Fy/converse-stream", named(Face::ConverseStream, "arn:aws:x/y")),
            ("/model/arn:aws:x/y/converse", None),
            ("/v2/chat", Some((Face::CohereChat, None))),
            ("/v2/rerank", Some((Face::CohereRerank, None))),
            ("/v1/rerank", Some((Face::Rerank, None))),
            ("/v1/models/gpt-4o", None),
        ] {
            assert_eq!(found(target), want, "{target}");
        }
        assert!(find("/openai/deployments/d/chat/completions").is_some_and(|called| called.azure));
        assert_eq!(decode("%e9%zz%"), "\u{fffd}%zz%");
    }
}
