//! What the models behind Converse differ in, by their ids: what one knows by a field another refuses. An id that
//! tells no family (the ARN of a profile of one's own) is taken to know everything: Bedrock then says so itself.

use crate::dialect::common::{Effort, Format, ReasoningAsk, Request};

/// Who made the model.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Maker {
    /// With the version, 4.5 as (4, 5); what has none is newer than all numbers.
    Anthropic(u32, u32),
    /// With the generation: 1 for `nova-micro-v1:0`, 2 for `nova-2-lite-v1:0`.
    Nova(u32),
    Titan,
    Meta,
    Mistral,
    Cohere,
    Ai21,
    OpenAi,
    Qwen,
    DeepSeek,
    /// Others, and ids that do not say.
    Other,
}

impl Maker {
    pub fn of(model: &str) -> Maker {
        let has = |name: &str| model.contains(name);
        if has("anthropic.") || has("claude") {
            let (major, minor) = claude_version(model);
            return Maker::Anthropic(major, minor);
        }
        [
            ("amazon.nova-2", Maker::Nova(2)),
            ("amazon.nova", Maker::Nova(1)),
            ("amazon.titan", Maker::Titan),
            ("meta.", Maker::Meta),
            ("mistral.", Maker::Mistral),
            ("cohere.", Maker::Cohere),
            ("ai21.", Maker::Ai21),
            ("openai.", Maker::OpenAi),
            ("qwen.", Maker::Qwen),
            ("deepseek.", Maker::DeepSeek),
        ]
        .into_iter()
        .find_map(|(name, maker)| has(name).then_some(maker))
        .unwrap_or(Maker::Other)
    }

    /// Claude that thinks as much as it likes, by an effort; it refuses budgets (or soon will).
    pub fn thinks_adaptively(self) -> bool {
        matches!(self, Maker::Anthropic(major, minor) if (major, minor) >= (4, 6))
    }

    /// Converse's own structured output and strict tools (since February 2026).
    fn knows_schemas(self) -> bool {
        match self {
            Maker::Anthropic(major, minor) => (major, minor) >= (4, 5),
            Maker::Nova(_) | Maker::Titan | Maker::Meta | Maker::Cohere | Maker::Ai21 => false,
            Maker::Mistral | Maker::OpenAi | Maker::Qwen | Maker::DeepSeek | Maker::Other => true,
        }
    }

    /// Whether `strict` of a tool is known.
    pub fn knows_strict(self) -> bool {
        self.knows_schemas()
    }
}

/// `claude-3-5-haiku-20241022` is 3.5, `claude-sonnet-4-20250514` is 4.0, `claude-v2:1` is 2.0.
fn claude_version(model: &str) -> (u32, u32) {
    let name = model.split("claude").nth(1).unwrap_or_default();
    if name.starts_with("-v2") || name.starts_with("-instant") {
        return (2, 0);
    }
    let mut numbers = name.split('-').map(|part| part.len().le(&2).then(|| part.parse::<u32>().ok()).flatten());
    let major = numbers.find(Option::is_some).flatten();
    let minor = numbers.next().flatten();
    major.map_or((u32::MAX, 0), |major| (major, minor.unwrap_or(0)))
}

/// How the model is made to answer in the caller's format.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum FormatBy {
    /// Nothing is asked.
    Nothing,
    /// `outputConfig.textFormat`.
    Itself,
    /// A tool that takes the schema, and must be called ([`FORMAT_TOOL`]); its arguments are the answer.
    Tool,
    /// It cannot be.
    Lost,
}

/// The tool that stands for the format. The caller never sees it.
pub(super) const FORMAT_TOOL: &str = "give_answer";

/// Decides for the request and, the same way, for its answer.
pub(super) fn format_by(request: &Request, maker: Maker) -> FormatBy {
    match &request.format {
        None => FormatBy::Nothing,
        // There is no mode without a schema, and a schema that allows any object is refused.
        Some(Format::Json) => FormatBy::Lost,
        Some(Format::Schema { .. }) if maker.knows_schemas() => FormatBy::Itself,
        // A model that thinks cannot be forced to call a tool.
        Some(Format::Schema { .. }) if thinks(request) => FormatBy::Lost,
        Some(Format::Schema { .. }) => match maker {
            Maker::Anthropic(3.., _) | Maker::Nova(_) => FormatBy::Tool,
            _ => FormatBy::Lost,
        },
    }
}

/// Whether thinking is asked for.
pub(super) fn thinks(request: &Request) -> bool {
    match &request.reasoning {
        None => false,
        Some(ReasoningAsk { effort: Some(Effort::None), .. }) => false,
        Some(ReasoningAsk { budget_tokens: Some(0), .. }) => false,
        Some(ReasoningAsk { effort, budget_tokens, .. }) => effort.is_some() || budget_tokens.is_some(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_maker_and_the_version_are_in_the_id() {
        for (model, maker) in [
            ("anthropic.claude-v2:1", Maker::Anthropic(2, 0)),
            ("anthropic.claude-3-5-haiku-20241022-v1:0", Maker::Anthropic(3, 5)),
            ("us.anthropic.claude-sonnet-4-20250514-v1:0", Maker::Anthropic(4, 0)),
            ("us.anthropic.claude-sonnet-4-5-20250929-v1:0", Maker::Anthropic(4, 5)),
            ("global.anthropic.claude-opus-4-6-v1", Maker::Anthropic(4, 6)),
            ("anthropic.claude-opus-5", Maker::Anthropic(5, 0)),
            ("anthropic.claude-mythos-preview", Maker::Anthropic(u32::MAX, 0)),
            ("us.amazon.nova-micro-v1:0", Maker::Nova(1)),
            ("us.amazon.nova-2-lite-v1:0", Maker::Nova(2)),
            ("arn:aws:bedrock:us-east-1:1:inference-profile/us.meta.llama3-2-1b-instruct-v1:0", Maker::Meta),
            ("arn:aws:bedrock:us-east-1:1:application-inference-profile/abc", Maker::Other),
        ] {
            assert_eq!(Maker::of(model), maker, "{model}");
        }
    }
}
