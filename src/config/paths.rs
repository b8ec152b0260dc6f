//! What an account speaks, how its URLs are made, and what they have no place for.

/// The API an account speaks upstream.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum Api {
    /// And everything that speaks like it, Azure too.
    OpenAi,
    Anthropic,
    /// The Gemini API and Vertex AI.
    Gemini,
    /// Converse.
    Bedrock,
    /// Version 2.
    Cohere,
    /// The simulated provider: speaks all of OpenAI's, Anthropic's and Gemini's.
    Mock,
}

/// How an account's URLs are made (provider/paths.rs).
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Paths {
    /// The client's own path behind the prefix.
    Plain,
    /// `/openai/deployments/{model}/chat/completions?api-version=`.
    AzureDeployments { api_version: String },
    /// `/openai/v1/chat/completions`, the deployment in `model`.
    AzureV1 { api_version: Option<String> },
    /// `/v1beta/models/{model}:generateContent`.
    Gemini,
    /// `/v1/projects/{project}/locations/{location}/publishers/google/models/{model}:generateContent`.
    Vertex { project: String, location: String },
    /// `/model/{model}/converse`.
    Bedrock,
    /// `/v2/chat`.
    Cohere,
}

impl Paths {
    /// The field that a key of the configuration is sent in; as a bearer token where that is `authorization`.
    pub fn key_field(&self, api: Api) -> &'static str {
        match (api, self) {
            (_, Paths::AzureDeployments { .. } | Paths::AzureV1 { .. }) => "api-key",
            (Api::Anthropic, _) => "x-api-key",
            (Api::Gemini, _) => "x-goog-api-key",
            _ => "authorization",
        }
    }

    /// Whether there is a place for a model of this name; the reason where not. Asked once for each name in the
    /// configuration, and by the data plane for names that are passed on.
    pub fn check_model(&self, model: &str) -> Result<(), &'static str> {
        // Encoded or not, a dot segment is taken out by whoever reads the path (RFC 3986 6.2.2.3).
        if matches!(model, "" | "." | "..") {
            return Err("no model can be called so");
        }
        match self {
            Paths::Vertex { .. } if vertex_model(model).contains('/') => {
                Err("only Google's own models are served on Vertex")
            }
            _ => Ok(()),
        }
    }
}

/// Google's own names for its models there: plain, `google/NAME` and `publishers/google/models/NAME`.
pub fn vertex_model(model: &str) -> &str {
    model.strip_prefix("publishers/google/models/").or_else(|| model.strip_prefix("google/")).unwrap_or(model)
}
