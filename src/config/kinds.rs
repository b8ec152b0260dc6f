//! The provider accounts this version serves.

use super::snapshot::Api;

#[derive(Clone, Copy)]
pub(super) struct Kind {
    /// `mistral-ai` of `provider-account/mistral-ai` and of `integration/model/mistral-ai`.
    pub suffix: &'static str,
    /// `bedrock` of `integration/model/bedrock`, where models have another name than their account.
    pub model_suffix: Option<&'static str>,
    pub api: Api,
    pub form: Form,
    /// `gen_ai.provider.name`: the registry's name where it has one.
    pub provider: &'static str,
    /// Where the provider is when the account has no `base_url`.
    pub base_url: Option<&'static str>,
    /// The variables its own tools read the key from, the first first.
    pub key_variables: &'static [&'static str],
    /// Whether it takes `stream_options.include_usage` and needs it to report usage in a stream.
    pub ask_usage: bool,
    /// Its paths have no `/v1` in front.
    pub versionless: bool,
    /// `/v1/responses` is there too.
    pub speaks_responses: bool,
}

/// What an account of the kind is told besides its base URL, and how its paths are made.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    Plain,
    Azure,
    Gemini,
    Vertex,
    Bedrock,
    Cohere,
}

impl Kind {
    /// It is a provider's: nobody gets in without a credential.
    pub fn is_hosted(&self) -> bool {
        !self.key_variables.is_empty() || matches!(self.form, Form::Azure | Form::Vertex | Form::Bedrock)
    }

    /// The types a model of such an account may have.
    pub fn model_types(&self) -> Vec<String> {
        let suffixes = self.model_suffix.into_iter().chain([self.suffix]);
        suffixes.map(|suffix| format!("integration/model/{suffix}")).collect()
    }
}

const OPENAI: Kind = Kind {
    suffix: "openai",
    model_suffix: None,
    api: Api::OpenAi,
    form: Form::Plain,
    provider: "openai",
    base_url: Some("https://api.openai.com/v1"),
    key_variables: &["OPENAI_API_KEY"],
    ask_usage: true,
    versionless: false,
    speaks_responses: true,
};

/// A hosted provider that speaks OpenAI's chat completions.
const fn hosted(
    suffix: &'static str,
    provider: &'static str,
    base_url: &'static str,
    key: &'static [&'static str],
) -> Kind {
    Kind { suffix, provider, base_url: Some(base_url), key_variables: key, speaks_responses: false, ..OPENAI }
}

/// One whose address the account says.
const fn addressed(suffix: &'static str, provider: &'static str) -> Kind {
    Kind { suffix, provider, base_url: None, key_variables: &[], ..OPENAI }
}

/// One that speaks an API of its own, in which usage needs no asking for.
const fn own(suffix: &'static str, provider: &'static str, api: Api, form: Form) -> Kind {
    Kind { api, form, ask_usage: false, speaks_responses: false, ..addressed(suffix, provider) }
}

// `ask_usage: false` at providers that speak like OpenAI: they report usage in every stream unasked, or are strict about
// fields they do not know (spec "providers" 7); or which of it holds is not known, and a refused request is worse than
// tokens counted here.
pub(super) static KINDS: [Kind; 25] = [
    OPENAI,
    Kind {
        base_url: Some("https://api.anthropic.com/v1"),
        key_variables: &["ANTHROPIC_API_KEY"],
        ..own("anthropic", "anthropic", Api::Anthropic, Form::Plain)
    },
    Kind { form: Form::Azure, ..addressed("azure-openai", "azure.ai.openai") },
    Kind { form: Form::Azure, ..addressed("azure-foundry", "azure.ai.inference") },
    Kind {
        model_suffix: Some("gemini"),
        base_url: Some("https://generativelanguage.googleapis.com"),
        key_variables: &["GEMINI_API_KEY", "GOOGLE_API_KEY"],
        ..own("google-gemini", "gcp.gemini", Api::Gemini, Form::Gemini)
    },
    Kind { model_suffix: Some("vertex"), ..own("google-vertex", "gcp.vertex_ai", Api::Gemini, Form::Vertex) },
    Kind { model_suffix: Some("bedrock"), ..own("aws-bedrock", "aws.bedrock", Api::Bedrock, Form::Bedrock) },
    Kind {
        base_url: Some("https://api.cohere.com"),
        key_variables: &["COHERE_API_KEY", "CO_API_KEY"],
        ..own("cohere", "cohere", Api::Cohere, Form::Cohere)
    },
    Kind { ask_usage: false, ..hosted("mistral-ai", "mistral_ai", "https://api.mistral.ai/v1", &["MISTRAL_API_KEY"]) },
    Kind {
        ask_usage: false,
        versionless: true,
        ..hosted("perplexity-ai", "perplexity", "https://api.perplexity.ai", &["PERPLEXITY_API_KEY"])
    },
    Kind { speaks_responses: true, ..hosted("groq", "groq", "https://api.groq.com/openai/v1", &["GROQ_API_KEY"]) },
    hosted("together-ai", "together_ai", "https://api.together.xyz/v1", &["TOGETHER_API_KEY"]),
    hosted("deepseek", "deepseek", "https://api.deepseek.com/v1", &["DEEPSEEK_API_KEY"]),
    Kind {
        speaks_responses: true,
        ..hosted("openrouter", "openrouter", "https://openrouter.ai/api/v1", &["OPENROUTER_API_KEY"])
    },
    Kind { speaks_responses: true, ..hosted("xai", "x_ai", "https://api.x.ai/v1", &["XAI_API_KEY"]) },
    hosted("cerebras", "cerebras", "https://api.cerebras.ai/v1", &["CEREBRAS_API_KEY"]),
    hosted("deepinfra", "deepinfra", "https://api.deepinfra.com/v1/openai", &["DEEPINFRA_API_KEY"]),
    hosted("sambanova", "sambanova", "https://api.sambanova.ai/v1", &["SAMBANOVA_API_KEY"]),
    Kind { ask_usage: false, ..hosted("ai21", "ai21", "https://api.ai21.com/studio/v1", &["AI21_API_KEY"]) },
    hosted("baseten", "baseten", "https://inference.baseten.co/v1", &["BASETEN_API_KEY"]),
    // https://HOST/serving-endpoints and https://ACCOUNT.snowflakecomputing.com/api/v2/cortex/v1.
    Kind { ask_usage: false, versionless: true, speaks_responses: false, ..addressed("databricks", "databricks") },
    Kind { ask_usage: false, speaks_responses: false, ..addressed("snowflake-cortex", "snowflake") },
    Kind { base_url: Some("http://127.0.0.1:11434/v1"), ..addressed("ollama", "ollama") },
    addressed("self-hosted-model", "self_hosted"),
    // Without a base_url: the provider simulated inside the process.
    Kind { api: Api::Mock, ..addressed("mock", "mock") },
];

pub(super) const ACCOUNT: &str = "provider-account/";

pub(super) fn kind(suffix: &str) -> Option<&'static Kind> {
    KINDS.iter().find(|kind| kind.suffix == suffix)
}
