//! The path and query that a provider is called on (spec "providers" 2-8). Called by the data plane for every attempt.

use crate::config::{Account, Paths, vertex_model};
use crate::telemetry::Face;

/// Appends the request target for a call that the provider knows as `face` (a translated one is another there than it is
/// to its client), the path prefix of the account's `base_url` first. `model` is the provider's name for it. Images and
/// audio have several paths each and keep the client's own: [`push_path`].
pub fn push_target(account: &Account, face: Face, model: &str, stream: bool, out: &mut Vec<u8>) {
    match &account.paths {
        Paths::Plain if face == Face::Gemini => {
            push_prefix(account, out);
            push_gemini(face, model, stream, out);
        }
        Paths::Plain | Paths::AzureDeployments { .. } | Paths::AzureV1 { .. } => {
            push_path(account, openai_path(face), model, out);
        }
        Paths::Gemini => {
            push_prefix(account, out);
            push_gemini(face, model, stream, out);
        }
        Paths::Vertex { project, location } => {
            push_prefix(account, out);
            push_vertex(project, location, face, model, stream, out);
        }
        Paths::Bedrock => {
            push_prefix(account, out);
            push_bedrock(face, model, stream, out);
        }
        Paths::Cohere => {
            push_prefix(account, out);
            out.extend_from_slice(match face {
                Face::Embeddings => b"/v2/embed",
                Face::Rerank => b"/v2/rerank",
                _ => b"/v2/chat",
            });
        }
    }
}

/// Appends the target for a path as clients call it (`/v1/images/edits`) at an account that speaks OpenAI's or
/// Anthropic's API.
pub fn push_path(account: &Account, path: &[u8], model: &str, out: &mut Vec<u8>) {
    push_prefix(account, out);
    let unversioned = path.strip_prefix(b"/v1").unwrap_or(path);
    match &account.paths {
        Paths::AzureDeployments { api_version } => {
            out.extend_from_slice(b"/openai");
            if is_of_deployment(unversioned) {
                out.extend_from_slice(b"/deployments/");
                push_encoded(model, out);
            }
            out.extend_from_slice(unversioned);
            push_api_version(Some(api_version), out);
        }
        Paths::AzureV1 { api_version } => {
            out.extend_from_slice(b"/openai/v1");
            out.extend_from_slice(unversioned);
            push_api_version(api_version.as_deref(), out);
        }
        _ if account.upstream.strip_v1 => out.extend_from_slice(unversioned),
        _ => out.extend_from_slice(path),
    }
}

fn push_prefix(account: &Account, out: &mut Vec<u8>) {
    out.extend_from_slice(account.upstream.path_prefix.as_bytes());
}

fn openai_path(face: Face) -> &'static [u8] {
    match face {
        Face::Embeddings => b"/v1/embeddings",
        Face::Rerank => b"/v1/rerank",
        Face::Moderations => b"/v1/moderations",
        Face::CountTokens => b"/v1/messages/count_tokens",
        Face::Completions => b"/v1/completions",
        Face::Responses => b"/v1/responses",
        Face::Messages => b"/v1/messages",
        _ => b"/v1/chat/completions",
    }
}

/// What has the deployment in its path; the rest names it in the body. The list is that of OpenAI's own Azure client.
fn is_of_deployment(path: &[u8]) -> bool {
    let paths: [&[u8]; 8] = [
        b"/completions",
        b"/chat/completions",
        b"/embeddings",
        b"/audio/transcriptions",
        b"/audio/translations",
        b"/audio/speech",
        b"/images/generations",
        b"/images/edits",
    ];
    paths.contains(&path)
}

/// The configuration lets only letters, digits, `-` and `.` into a version.
fn push_api_version(version: Option<&str>, out: &mut Vec<u8>) {
    if let Some(version) = version {
        out.extend_from_slice(b"?api-version=");
        out.extend_from_slice(version.as_bytes());
    }
}

fn push_gemini(face: Face, model: &str, stream: bool, out: &mut Vec<u8>) {
    out.extend_from_slice(b"/v1beta/");
    match model.strip_prefix("tunedModels/") {
        Some(tuned) => {
            out.extend_from_slice(b"tunedModels/");
            push_encoded(tuned, out);
        }
        None => {
            out.extend_from_slice(b"models/");
            push_encoded(model.strip_prefix("models/").unwrap_or(model), out);
        }
    }
    out.extend_from_slice(match face {
        Face::Embeddings => b":batchEmbedContents",
        _ => google_method(face, stream),
    });
}

fn push_vertex(project: &str, location: &str, face: Face, model: &str, stream: bool, out: &mut Vec<u8>) {
    out.extend_from_slice(b"/v1/projects/");
    push_encoded(project, out);
    out.extend_from_slice(b"/locations/");
    push_encoded(location, out);
    out.extend_from_slice(b"/publishers/google/models/");
    push_encoded(vertex_model(model), out);
    out.extend_from_slice(match face {
        Face::Embeddings => b":predict",
        _ => google_method(face, stream),
    });
}

/// Without `alt=sse` a stream is one long JSON array.
fn google_method(face: Face, stream: bool) -> &'static [u8] {
    match (face, stream) {
        (Face::CountTokens, _) => b":countTokens",
        (_, true) => b":streamGenerateContent?alt=sse",
        (_, false) => b":generateContent",
    }
}

fn push_bedrock(face: Face, model: &str, stream: bool, out: &mut Vec<u8>) {
    out.extend_from_slice(b"/model/");
    // An ARN is one segment, its slashes encoded.
    push_encoded(model, out);
    out.extend_from_slice(match (face, stream) {
        (Face::Embeddings, _) => b"/invoke",
        (Face::CountTokens, _) => b"/count-tokens",
        (_, true) => b"/converse-stream",
        (_, false) => b"/converse",
    });
}

/// One path segment: everything but RFC 3986's unreserved characters is percent-encoded, once, in upper case.
pub fn push_encoded(segment: &str, out: &mut Vec<u8>) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    for &byte in segment.as_bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            out.push(byte);
        } else {
            out.extend_from_slice(&[b'%', HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]]);
        }
    }
}

#[cfg(test)]
#[path = "paths_tests.rs"]
mod tests;
