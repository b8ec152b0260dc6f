//! Which models go on from an assistant's message, and how they are told to. A model that does not would begin anew or
//! refuse, so what is not known here is not asked.
//!
//! Sources: Anthropic's "what's new in Claude 4.6" (prefill removed; LiteLLM, LiveKit and Strands report the same of
//! Bedrock and OpenRouter, and of every later family); Mistral's `prefix` of assistant messages, which its answers repeat;
//! vLLM's and SGLang's `continue_final_message`; for Gemini, LibreChat agents #323 and Pipecat #5821 (2.x go on, newer
//! ones refuse a last turn of the model's, one by one).

use crate::dialect::Wire;

/// How a model is told to go on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Prefill {
    pub(super) form: Form,
    /// It refuses a text that ends in white space.
    pub(super) trims: bool,
    /// Its answer begins with the text that it goes on from.
    pub(super) repeats: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Form {
    /// A last message of the assistant's.
    Message,
    /// One that says `"prefix": true`.
    Prefix,
    /// One, and `"continue_final_message": true, "add_generation_prompt": false` beside the messages.
    FinalMessage,
    /// Completions: the prompt is longer.
    Prompt,
}

const MESSAGE: Prefill = Prefill { form: Form::Message, trims: false, repeats: false };
const CLAUDE: Prefill = Prefill { trims: true, ..MESSAGE };
const PREFIX: Prefill = Prefill { form: Form::Prefix, ..MESSAGE };

/// Whether the model behind an account of this kind goes on from an assistant's text. `model` as the provider names it.
pub fn prefill(kind: &str, wire: Wire, model: &str) -> Option<Prefill> {
    if kind == "mock" {
        return match wire {
            Wire::Messages | Wire::Bedrock => Some(CLAUDE),
            Wire::Gemini => Some(MESSAGE),
            Wire::Chat => Some(PREFIX),
            _ => None,
        };
    }
    match wire {
        Wire::Messages | Wire::Bedrock => is_claude(model).then_some(CLAUDE),
        Wire::Gemini => is_gemini(model).then_some(MESSAGE),
        // To complete a text is all that these do.
        Wire::Completions => Some(Prefill { form: Form::Prompt, ..MESSAGE }),
        Wire::Chat => match kind {
            "mistral-ai" => is_mistral(model).then_some(Prefill { repeats: true, ..PREFIX }),
            "openrouter" => is_claude(model).then_some(CLAUDE),
            "self-hosted-model" => Some(Prefill { form: Form::FinalMessage, ..MESSAGE }),
            _ => None,
        },
        Wire::Responses | Wire::Cohere | Wire::Plain => None,
    }
}

/// Claude up to 4.5, by every host's name for it.
fn is_claude(model: &str) -> bool {
    const GO_ON: [&str; 11] = [
        "instant",
        "2",
        "3",
        "4-opus",
        "4-sonnet",
        "opus-4-1",
        "opus-4-5",
        "sonnet-4-5",
        "haiku-4-5",
        "opus-4-0",
        "sonnet-4-0",
    ];
    let Some((_, name)) = model.split_once("claude-") else { return false };
    let name = name.replace('.', "-");
    // `opus-4-20250514`, `opus-4`: the first of its kind, unlike `opus-4-6`.
    let is_first_four = ["opus-4", "sonnet-4"].into_iter().filter_map(|start| name.strip_prefix(start)).any(|rest| {
        let digits = rest.trim_start_matches(['-', '@']);
        rest.is_empty() || digits.starts_with("20") || !digits.starts_with(|char: char| char.is_ascii_digit())
    });
    is_first_four || GO_ON.into_iter().filter_map(|start| name.strip_prefix(start)).any(ends_number)
}

fn is_gemini(model: &str) -> bool {
    let name = model.rsplit_once('/').map_or(model, |(_, name)| name);
    let is_text = !["image", "tts", "live", "audio", "embedding"].iter().any(|other| name.contains(other));
    is_text && ["gemini-1.5", "gemini-2.0", "gemini-2.5"].iter().any(|start| name.starts_with(start))
}

/// Of those that think (Magistral) it is not known.
fn is_mistral(model: &str) -> bool {
    const GO_ON: [&str; 6] = ["mistral-", "ministral-", "open-mi", "codestral-", "pixtral-", "devstral-"];
    GO_ON.iter().any(|start| model.starts_with(start))
}

/// What follows is not more of the same number.
fn ends_number(rest: &str) -> bool {
    !rest.starts_with(|char: char| char.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_models_that_are_known_to_go_on_are_asked_to() {
        for (kind, wire, model, goes_on) in [
            ("anthropic", Wire::Messages, "claude-3-haiku-20240307", true),
            ("anthropic", Wire::Messages, "claude-3-7-sonnet-latest", true),
            ("anthropic", Wire::Messages, "claude-sonnet-4-20250514", true),
            ("anthropic", Wire::Messages, "claude-opus-4-1-20250805", true),
            ("anthropic", Wire::Messages, "claude-sonnet-4-5-20250929", true),
            ("anthropic", Wire::Messages, "claude-haiku-4-5", true),
            ("anthropic", Wire::Messages, "claude-opus-4-6", false),
            ("anthropic", Wire::Messages, "claude-opus-4-10", false),
            ("anthropic", Wire::Messages, "claude-sonnet-4-6", false),
            ("anthropic", Wire::Messages, "claude-opus-4-7", false),
            ("anthropic", Wire::Messages, "claude-opus-5-5", false),
            ("anthropic", Wire::Messages, "claude-sonnet-5", false),
            ("anthropic", Wire::Messages, "claude-fable-5", false),
            ("anthropic", Wire::Messages, "claude-saga-9", false),
            ("anthropic", Wire::Messages, "deepseek-chat", false),
            ("aws-bedrock", Wire::Bedrock, "us.anthropic.claude-sonnet-4-5-20250929-v1:0", true),
            ("aws-bedrock", Wire::Bedrock, "us.anthropic.claude-sonnet-4-20250514-v1:0", true),
            ("aws-bedrock", Wire::Bedrock, "us.anthropic.claude-opus-4-6-v1", false),
            ("aws-bedrock", Wire::Bedrock, "amazon.nova-pro-v1:0", false),
            ("google-vertex", Wire::Messages, "claude-sonnet-4@20250514", true),
            ("google-gemini", Wire::Gemini, "gemini-2.5-flash", true),
            ("google-gemini", Wire::Gemini, "gemini-2.5-flash-image", false),
            ("google-gemini", Wire::Gemini, "gemini-3.6-flash", false),
            ("google-vertex", Wire::Gemini, "publishers/google/models/gemini-2.0-flash", true),
            ("mistral-ai", Wire::Chat, "mistral-large-latest", true),
            ("mistral-ai", Wire::Chat, "magistral-medium-latest", false),
            ("openai", Wire::Chat, "gpt-4o-mini", false),
            ("openai", Wire::Responses, "gpt-5", false),
            ("openai", Wire::Completions, "gpt-3.5-turbo-instruct", true),
            ("openrouter", Wire::Chat, "anthropic/claude-sonnet-4.5", true),
            ("openrouter", Wire::Chat, "anthropic/claude-sonnet-4.6", false),
            ("openrouter", Wire::Chat, "openai/gpt-5", false),
            ("self-hosted-model", Wire::Chat, "llama", true),
            ("deepseek", Wire::Chat, "deepseek-chat", false),
            ("cohere", Wire::Cohere, "command-a", false),
            ("mock", Wire::Chat, "mock-a:tokens=60", true),
            ("mock", Wire::Messages, "mock-a:tokens=60", true),
            ("mock", Wire::Responses, "mock-a:tokens=60", false),
        ] {
            assert_eq!(prefill(kind, wire, model).is_some(), goes_on, "{kind} {model}");
        }
    }
}
