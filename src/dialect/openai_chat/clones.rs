//! What the servers that speak chat completions do differently, by the account's kind: which members they have no
//! place for, and how they spell the ones they do (spec "providers" 2, 7, 9-13, and their own references).
//!
//! A kind that is not listed here takes what OpenAI documents, in its old spelling (`system`, `max_tokens`).

use serde_json::{Value, json};

use super::fields::Object;
use crate::dialect::To;
use crate::dialect::common::{Effort, Field, ReasoningAsk};

/// The generation of an OpenAI model, as far as it decides what is refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Family {
    /// `gpt-4o` and before: do not think.
    Gpt4,
    /// `o1`, `o3`, `o4-mini`.
    O,
    /// `gpt-5`, `gpt-5-mini`, `gpt-5-nano`.
    Gpt5,
    /// `gpt-5.1` and later, by the number behind the point.
    Gpt5Point(u32),
    /// An Azure deployment has any name.
    Unknown,
}

impl Family {
    fn of(model: &str) -> Self {
        let digit =
            |text: Option<&str>| text.is_some_and(|rest| rest.starts_with(|first: char| first.is_ascii_digit()));
        if digit(model.strip_prefix('o')) {
            return Family::O;
        }
        if ["gpt-4", "gpt-3", "chatgpt", "gpt-5-chat"].iter().any(|old| model.starts_with(old)) {
            return Family::Gpt4;
        }
        match model.strip_prefix("gpt-5") {
            Some(rest) => match rest.strip_prefix('.') {
                Some(minor) => {
                    let digits = minor.find(|c: char| !c.is_ascii_digit()).unwrap_or(minor.len());
                    Family::Gpt5Point(minor.get(..digits).and_then(|minor| minor.parse().ok()).unwrap_or(1))
                }
                None => Family::Gpt5,
            },
            None => Family::Unknown,
        }
    }
}

/// Who is asked, and what that means for the body.
pub(super) struct Upstream<'a> {
    pub kind: &'a str,
    family: Family,
}

impl<'a> Upstream<'a> {
    pub fn new(to: &To<'a>) -> Self {
        let family = match to.kind {
            "openai" | "azure-openai" | "azure-foundry" => Family::of(to.model),
            _ => Family::Unknown,
        };
        Self { kind: to.kind, family }
    }

    pub fn is_openai(&self) -> bool {
        matches!(self.kind, "openai" | "azure-openai" | "azure-foundry")
    }

    pub fn is(&self, kind: &str) -> bool {
        self.kind == kind
    }

    /// OpenAI's models that think have a word of their own for who instructs them, and for the limit of the output.
    fn thinks(&self) -> bool {
        matches!(self.family, Family::O | Family::Gpt5 | Family::Gpt5Point(_))
    }

    pub fn system_role(&self) -> &'static str {
        if self.thinks() { "developer" } else { "system" }
    }

    pub fn max_tokens(&self) -> &'static str {
        if self.thinks() { "max_completion_tokens" } else { "max_tokens" }
    }

    pub fn seed(&self) -> &'static str {
        if self.is("mistral-ai") { "random_seed" } else { "seed" }
    }

    /// The word for "some tool must be called".
    pub fn required(&self) -> &'static str {
        if self.is("mistral-ai") { "any" } else { "required" }
    }

    /// Not of those that report usage in every stream unasked, or are strict about members they do not know; the same
    /// as the accounts' own table says of streams that are not translated.
    pub fn asks_usage(&self) -> bool {
        !matches!(self.kind, "mistral-ai" | "perplexity-ai" | "ai21" | "databricks" | "snowflake-cortex")
    }

    /// How many stop sequences it takes.
    pub fn stops_max(&self) -> usize {
        if self.is_openai() || self.is("groq") { 4 } else { usize::MAX }
    }

    pub fn takes(&self, field: Field) -> bool {
        !lacks(self.kind).contains(&field) && !self.refused_by_thinkers().contains(&field)
    }

    /// OpenAI's thinking models before gpt-5.1 sample in their own way only.
    fn refused_by_thinkers(&self) -> &'static [Field] {
        use Field::*;
        match self.family {
            Family::O | Family::Gpt5 => {
                &[Temperature, TopP, PresencePenalty, FrequencyPenalty, Logprobs, LogitBias, Stop]
            }
            Family::Gpt4 => &[Reasoning],
            _ => &[],
        }
    }

    /// Puts down how much to think, in the provider's own words; the nearest of them where it has fewer. False where
    /// that cannot be said.
    pub fn reasoning(&self, ask: &ReasoningAsk, body: &mut Object) -> bool {
        let Some(effort) = ask.effort.or(ask.budget_tokens.map(Effort::of_budget)) else {
            if ask.show == Some(false) && self.is("openrouter") {
                body.insert("reasoning".to_owned(), json!({"exclude": true}));
            }
            return true;
        };
        let off = effort == Effort::None;
        if !self.takes(Field::Reasoning) {
            return off;
        }
        let (name, value): (_, Value) = match self.kind {
            "deepseek" => ("thinking", json!({"type": if off { "disabled" } else { "enabled" }})),
            "openrouter" => ("reasoning", openrouter(ask, effort)),
            "mistral-ai" => ("reasoning_effort", if off { "none" } else { "high" }.into()),
            "openai" | "azure-openai" | "azure-foundry" => {
                ("reasoning_effort", self.openai_effort(effort).as_str().into())
            }
            // Qwen on Groq knows on and off; gpt-oss everywhere and Grok cannot be turned off.
            "xai" | "cerebras" | "groq" | "perplexity-ai" => {
                ("reasoning_effort", effort.clamp(Effort::Low, Effort::High).as_str().into())
            }
            _ if off => ("reasoning_effort", "none".into()),
            _ => ("reasoning_effort", effort.clamp(Effort::Low, Effort::High).as_str().into()),
        };
        body.insert(name.to_owned(), value);
        true
    }

    fn openai_effort(&self, effort: Effort) -> Effort {
        match (self.family, effort) {
            (Family::O, effort) => effort.clamp(Effort::Low, Effort::High),
            (Family::Gpt5, effort) => effort.clamp(Effort::Minimal, Effort::High),
            (Family::Gpt5Point(_), Effort::Minimal) => Effort::Low,
            (Family::Gpt5Point(2..), effort) => effort.min(Effort::XHigh),
            (_, effort) => effort.min(Effort::High),
        }
    }
}

fn openrouter(ask: &ReasoningAsk, effort: Effort) -> Value {
    let mut reasoning = match (ask.effort, ask.budget_tokens) {
        (None, Some(budget)) if budget > 0 => json!({"max_tokens": budget}),
        _ => json!({"effort": effort.min(Effort::XHigh).as_str()}),
    };
    if ask.show == Some(false)
        && let Some(reasoning) = reasoning.as_object_mut()
    {
        reasoning.insert("exclude".to_owned(), true.into());
    }
    reasoning
}

/// What a kind has no place for. Members that a server takes and does not heed count as taken: the caller asked for
/// them of a provider that says so itself.
fn lacks(kind: &str) -> &'static [Field] {
    use Field::*;
    match kind {
        "mistral-ai" => &[TopK, Logprobs, LogitBias, User, ServiceTier],
        "groq" => &[TopK, Choices, Logprobs, LogitBias, PresencePenalty, FrequencyPenalty, Audio, File],
        "deepseek" => &[TopK, Choices, Seed, LogitBias, ParallelToolCalls, ServiceTier, Image, Audio, File],
        "together-ai" => &[Logprobs, ServiceTier, Audio, File],
        "xai" => &[TopK, LogitBias, ServiceTier, Audio, File],
        "cerebras" => &[TopK, Choices, PresencePenalty, FrequencyPenalty, LogitBias, Image, Audio, File],
        "perplexity-ai" => {
            &[Choices, Seed, Logprobs, LogitBias, User, ServiceTier, Tools, ToolChoice, ParallelToolCalls, Audio, File]
        }
        // Of its OpenAI form; a tool choice of `none` is told by leaving the tools out.
        "ollama" => &[TopK, Choices, Logprobs, LogitBias, ServiceTier, ToolChoice, ParallelToolCalls, Audio, File],
        "deepinfra" | "sambanova" => &[Choices, LogitBias, ServiceTier, Audio, File],
        "ai21" => &[TopK, LogitBias, Logprobs, Seed, ParallelToolCalls, ServiceTier, Image, Audio, File],
        // vLLM, SGLang, TGI, llama.cpp, and those who host them.
        "self-hosted-model" | "mock" | "baseten" => &[ServiceTier, File],
        "openrouter" => &[],
        // OpenAI and Azure among them.
        _ => &[TopK],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn models_are_told_apart_by_their_names() {
        for (model, family) in [
            ("gpt-4o-mini", Family::Gpt4),
            ("gpt-5-chat-latest", Family::Gpt4),
            ("gpt-5-mini", Family::Gpt5),
            ("gpt-5", Family::Gpt5),
            ("gpt-5.1", Family::Gpt5Point(1)),
            ("gpt-5.12-codex", Family::Gpt5Point(12)),
            ("o3-mini", Family::O),
            ("omni-moderation", Family::Unknown),
            ("my-deployment", Family::Unknown),
        ] {
            assert_eq!(Family::of(model), family, "{model}");
        }
    }

    #[test]
    fn an_effort_becomes_the_nearest_word_that_is_known() {
        let written = |kind, model, effort| {
            let mut body = Object::new();
            let ask = ReasoningAsk { effort: Some(effort), ..ReasoningAsk::default() };
            let told = Upstream::new(&To { kind, model }).reasoning(&ask, &mut body);
            (told, Value::Object(body).to_string())
        };
        for (kind, model, effort, told, expected) in [
            ("openai", "o3", Effort::None, true, r#"{"reasoning_effort":"low"}"#),
            ("openai", "gpt-5", Effort::None, true, r#"{"reasoning_effort":"minimal"}"#),
            ("openai", "gpt-5.1", Effort::None, true, r#"{"reasoning_effort":"none"}"#),
            ("openai", "gpt-5.1", Effort::Max, true, r#"{"reasoning_effort":"high"}"#),
            ("openai", "gpt-5.2", Effort::Max, true, r#"{"reasoning_effort":"xhigh"}"#),
            ("openai", "gpt-4o", Effort::None, true, "{}"),
            ("openai", "gpt-4o", Effort::High, false, "{}"),
            ("deepseek", "deepseek-chat", Effort::Low, true, r#"{"thinking":{"type":"enabled"}}"#),
            ("openrouter", "a/b", Effort::Max, true, r#"{"reasoning":{"effort":"xhigh"}}"#),
            ("mistral-ai", "m", Effort::Medium, true, r#"{"reasoning_effort":"high"}"#),
            ("self-hosted-model", "m", Effort::Minimal, true, r#"{"reasoning_effort":"low"}"#),
        ] {
            assert_eq!(written(kind, model, effort), (told, expected.to_owned()), "{kind} {model} {effort:?}");
        }
    }
}
