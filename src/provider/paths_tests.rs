use std::collections::HashMap;

use super::*;
use crate::config::{Api, Credential, OnUnsupported, Upstream};
use crate::dialect::Wire;

fn account(paths: Paths, path_prefix: &str, strip_v1: bool) -> Account {
    Account {
        name: "a".to_owned(),
        kind: "openai",
        provider: "openai".to_owned(),
        api: Api::OpenAi,
        upstream: Upstream {
            tls: None,
            ca: None,
            host: "h".to_owned(),
            port: 80,
            path_prefix: path_prefix.to_owned(),
            strip_v1,
            authority: "h".to_owned(),
        },
        paths,
        credential: Credential::None,
        region: None,
        on_unsupported: OnUnsupported::Refuse,
        speaks_responses: true,
        headers: Vec::new(),
        models: HashMap::new(),
        model_types: HashMap::new(),
        pass_any_model: true,
        ask_usage: false,
        prices: Default::default(),
        health_check: None,
    }
}

fn target(account: &Account, wire: Wire, face: Face, model: &str, stream: bool) -> String {
    let mut out = Vec::new();
    push_target(account, wire.face(face), model, stream, &mut out);
    String::from_utf8(out).expect("ASCII")
}

fn vertex() -> Paths {
    Paths::Vertex { project: "p-1".to_owned(), location: "global".to_owned() }
}

fn deployments() -> Paths {
    Paths::AzureDeployments { api_version: "2024-10-21".to_owned() }
}

#[test]
fn what_is_spoken_decides_the_path_at_servers_that_speak_like_openai_or_anthropic() {
    for (wire, face, path) in [
        (Wire::Chat, Face::ChatCompletions, "/chat/completions"),
        (Wire::Chat, Face::Messages, "/chat/completions"),
        (Wire::Chat, Face::Completions, "/chat/completions"),
        (Wire::Completions, Face::Completions, "/completions"),
        (Wire::Responses, Face::ChatCompletions, "/responses"),
        (Wire::Messages, Face::Gemini, "/messages"),
        (Wire::Messages, Face::CountTokens, "/messages/count_tokens"),
        (Wire::Plain, Face::CountTokens, "/messages/count_tokens"),
        (Wire::Plain, Face::Embeddings, "/embeddings"),
        (Wire::Plain, Face::Rerank, "/rerank"),
        (Wire::Plain, Face::Moderations, "/moderations"),
    ] {
        for (prefix, strip, before) in [("", false, "/v1"), ("/openai", false, "/openai/v1"), ("/v1/x", true, "/v1/x")]
        {
            let account = account(Paths::Plain, prefix, strip);
            assert_eq!(target(&account, wire, face, "m", true), format!("{before}{path}"), "{wire:?} {face:?}");
        }
    }
    let mock = account(Paths::Plain, "", false);
    assert_eq!(target(&mock, Wire::Gemini, Face::Gemini, "fast", false), "/v1beta/models/fast:generateContent");
}

#[test]
fn each_provider_is_called_on_paths_of_its_own() {
    use Face::*;
    let arn = "arn:aws:bedrock:us-east-1:1:inference-profile/us.x:0";
    let version_of_v1 = |version: Option<&str>| Paths::AzureV1 { api_version: version.map(str::to_owned) };
    let cases: Vec<(Paths, Wire, Face, &str, bool, &str)> = vec![
        (
            deployments(),
            Wire::Chat,
            ChatCompletions,
            "gpt 4",
            true,
            "/openai/deployments/gpt%204/chat/completions?api-version=2024-10-21",
        ),
        (deployments(), Wire::Plain, Embeddings, "e", false, "/openai/deployments/e/embeddings?api-version=2024-10-21"),
        (deployments(), Wire::Responses, Responses, "d", true, "/openai/responses?api-version=2024-10-21"),
        (version_of_v1(None), Wire::Chat, Messages, "d", true, "/openai/v1/chat/completions"),
        (
            version_of_v1(Some("preview")),
            Wire::Responses,
            Responses,
            "d",
            true,
            "/openai/v1/responses?api-version=preview",
        ),
        (
            Paths::Gemini,
            Wire::Gemini,
            ChatCompletions,
            "gemini-2.5-pro",
            false,
            "/v1beta/models/gemini-2.5-pro:generateContent",
        ),
        (Paths::Gemini, Wire::Gemini, Gemini, "models/g", true, "/v1beta/models/g:streamGenerateContent?alt=sse"),
        (Paths::Gemini, Wire::Gemini, Gemini, "tunedModels/t", false, "/v1beta/tunedModels/t:generateContent"),
        (Paths::Gemini, Wire::Plain, Embeddings, "e", false, "/v1beta/models/e:batchEmbedContents"),
        (Paths::Gemini, Wire::Gemini, CountTokens, "g", false, "/v1beta/models/g:countTokens"),
        (Paths::Gemini, Wire::Gemini, Gemini, "../x?y#z", false, "/v1beta/models/..%2Fx%3Fy%23z:generateContent"),
        (
            vertex(),
            Wire::Gemini,
            Gemini,
            "google/g",
            true,
            "/v1/projects/p-1/locations/global/publishers/google/models/g:streamGenerateContent?alt=sse",
        ),
        (
            vertex(),
            Wire::Plain,
            Embeddings,
            "e",
            false,
            "/v1/projects/p-1/locations/global/publishers/google/models/e:predict",
        ),
        (Paths::Bedrock, Wire::Bedrock, ChatCompletions, "us.x-v1:0", false, "/model/us.x-v1%3A0/converse"),
        (
            Paths::Bedrock,
            Wire::Bedrock,
            Messages,
            arn,
            true,
            "/model/arn%3Aaws%3Abedrock%3Aus-east-1%3A1%3Ainference-profile%2Fus.x%3A0/converse-stream",
        ),
        (Paths::Bedrock, Wire::Plain, Embeddings, "e", false, "/model/e/invoke"),
        (Paths::Bedrock, Wire::Bedrock, CountTokens, "é", false, "/model/%C3%A9/count-tokens"),
        (Paths::Cohere, Wire::Cohere, ChatCompletions, "c", true, "/v2/chat"),
        (Paths::Cohere, Wire::Plain, Embeddings, "c", false, "/v2/embed"),
        (Paths::Cohere, Wire::Plain, Rerank, "c", false, "/v2/rerank"),
    ];
    for (paths, wire, face, model, stream, expected) in cases {
        for prefix in ["", "/proxy"] {
            let account = account(paths.clone(), prefix, false);
            assert_eq!(target(&account, wire, face, model, stream), format!("{prefix}{expected}"));
        }
    }
}

#[test]
fn a_clients_own_path_is_kept_and_put_where_the_account_has_it() {
    for (paths, strip, path, expected) in [
        (Paths::Plain, false, "/v1/images/edits", "/x/v1/images/edits"),
        (Paths::Plain, true, "/v1/audio/speech", "/x/audio/speech"),
        (deployments(), false, "/v1/audio/speech", "/x/openai/deployments/m/audio/speech?api-version=2024-10-21"),
        (deployments(), false, "/v1/images/variations", "/x/openai/images/variations?api-version=2024-10-21"),
    ] {
        let mut out = Vec::new();
        push_path(&account(paths, "/x", strip), path.as_bytes(), "m", &mut out);
        assert_eq!(String::from_utf8_lossy(&out), expected);
    }
}

#[test]
fn names_that_no_path_has_a_place_for_are_told() {
    for (paths, model, sound) in [
        (Paths::Bedrock, "us.x:0", true),
        (Paths::Bedrock, "..", false),
        (vertex(), "gemini-2.5-pro", true),
        (vertex(), "google/gemini-2.5-pro", true),
        (vertex(), "publishers/google/models/gemini-2.5-pro", true),
        (vertex(), "anthropic/claude-x", false),
        (Paths::Plain, "meta/llama", true),
    ] {
        assert_eq!(paths.check_model(model).is_ok(), sound, "{paths:?} {model}");
    }
}
