//! The provider accounts this version serves.

use super::snapshot::Api;

pub(super) struct Kind {
    /// `mistral-ai` of `provider-account/mistral-ai` and of `integration/model/mistral-ai`.
    pub suffix: &'static str,
    pub api: Api,
    /// `gen_ai.provider.name`: the registry's name where it has one.
    pub provider: &'static str,
    /// Where the provider is when the account has no `base_url`.
    pub base_url: Option<&'static str>,
    /// The variable its own tools read the key from.
    pub key_variable: Option<&'static str>,
    /// Whether it takes `stream_options.include_usage` and needs it to report usage in a stream.
    pub ask_usage: bool,
    /// Its paths have no `/v1` in front.
    pub versionless: bool,
}

const OPENAI: Kind = Kind {
    suffix: "openai",
    api: Api::OpenAi,
    provider: "openai",
    base_url: Some("https://api.openai.com/v1"),
    key_variable: Some("OPENAI_API_KEY"),
    ask_usage: true,
    versionless: false,
};

/// A hosted provider that speaks OpenAI's API.
const fn hosted(suffix: &'static str, provider: &'static str, base_url: &'static str, key: &'static str) -> Kind {
    Kind { suffix, provider, base_url: Some(base_url), key_variable: Some(key), ..OPENAI }
}

pub(super) static KINDS: [Kind; 15] = [
    OPENAI,
    Kind {
        suffix: "anthropic",
        api: Api::Anthropic,
        provider: "anthropic",
        base_url: Some("https://api.anthropic.com/v1"),
        key_variable: Some("ANTHROPIC_API_KEY"),
        ask_usage: false,
        ..OPENAI
    },
    // Both report usage in every stream unasked, and are strict about fields they do not know (spec "providers" 7).
    Kind { ask_usage: false, ..hosted("mistral-ai", "mistral_ai", "https://api.mistral.ai/v1", "MISTRAL_API_KEY") },
    Kind {
        ask_usage: false,
        versionless: true,
        ..hosted("perplexity-ai", "perplexity", "https://api.perplexity.ai", "PERPLEXITY_API_KEY")
    },
    hosted("groq", "groq", "https://api.groq.com/openai/v1", "GROQ_API_KEY"),
    hosted("together-ai", "together_ai", "https://api.together.xyz/v1", "TOGETHER_API_KEY"),
    hosted("deepseek", "deepseek", "https://api.deepseek.com/v1", "DEEPSEEK_API_KEY"),
    hosted("openrouter", "openrouter", "https://openrouter.ai/api/v1", "OPENROUTER_API_KEY"),
    hosted("xai", "x_ai", "https://api.x.ai/v1", "XAI_API_KEY"),
    hosted("cerebras", "cerebras", "https://api.cerebras.ai/v1", "CEREBRAS_API_KEY"),
    hosted("deepinfra", "deepinfra", "https://api.deepinfra.com/v1/openai", "DEEPINFRA_API_KEY"),
    hosted("sambanova", "sambanova", "https://api.sambanova.ai/v1", "SAMBANOVA_API_KEY"),
    Kind {
        suffix: "ollama",
        provider: "ollama",
        base_url: Some("http://127.0.0.1:11434/v1"),
        key_variable: None,
        ..OPENAI
    },
    Kind { suffix: "self-hosted-model", provider: "self_hosted", base_url: None, key_variable: None, ..OPENAI },
    // Without a base_url: the provider simulated inside the process.
    Kind { suffix: "mock", api: Api::Mock, provider: "mock", base_url: None, key_variable: None, ..OPENAI },
];

pub(super) const ACCOUNT: &str = "provider-account/";

pub(super) fn kind(suffix: &str) -> Option<&'static Kind> {
    KINDS.iter().find(|kind| kind.suffix == suffix)
}
