//! What Claude's models take, by name: the Messages API refuses with a 400 what a model does not know, so what a caller
//! of another dialect asks for must be fitted to the model. Sources: spec "providers" 4, LiteLLM's model table
//! (`max_output_tokens`, `supports_*`), Anthropic's "what's new" pages of Opus 4.7, 5 and 5.5 (autumn 2026).

/// The contract of one family of models.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Traits {
    /// Most output tokens: what a request without `max_tokens` gets.
    pub output_max: u64,
    pub thinking: Thinking,
    pub sampling: Sampling,
    /// `output_config.format` and `strict` tools.
    pub structured: bool,
    /// `tool_choice` may be `any` or `tool`.
    pub forced_tools: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Thinking {
    Never,
    /// `{type: enabled, budget_tokens}`; not together with a forced tool, and a turn in progress must begin with it.
    Budget,
    /// `{type: adaptive}` and `output_config.effort`.
    Adaptive {
        off: Off,
        xhigh: bool,
        /// What was thought is left out unless `display` asks for it.
        hidden: bool,
    },
}

/// How an adaptive model is told not to think.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Off {
    /// It does not, unless asked to.
    Silence,
    /// `{type: disabled}`, at an effort of `high` or less.
    Disabled,
    /// `{type: between_tools}` comes closest.
    BetweenTools,
    /// It always thinks.
    Impossible,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Sampling {
    Free,
    /// `temperature` or `top_p`, not both.
    Either,
    Fixed,
}

const FIRST: Traits = Traits {
    output_max: 4096,
    thinking: Thinking::Never,
    sampling: Sampling::Free,
    structured: false,
    forced_tools: true,
};
const BUDGET: Traits = Traits { output_max: 64_000, thinking: Thinking::Budget, ..FIRST };
const EITHER: Traits = Traits { sampling: Sampling::Either, structured: true, ..BUDGET };
const FOUR_SIX: Traits = Traits { thinking: adaptive(Off::Silence, false, false), ..EITHER };
const FOUR_SEVEN: Traits = Traits {
    output_max: 128_000,
    thinking: adaptive(Off::Silence, true, true),
    sampling: Sampling::Fixed,
    structured: true,
    forced_tools: true,
};
const FIVE: Traits = Traits { thinking: adaptive(Off::Disabled, true, true), ..FOUR_SEVEN };
/// Also of Claude models that are not known here: they are newer.
const NEWEST: Traits = Traits { thinking: adaptive(Off::Impossible, true, true), forced_tools: false, ..FOUR_SEVEN };

const fn adaptive(off: Off, xhigh: bool, hidden: bool) -> Thinking {
    Thinking::Adaptive { off, xhigh, hidden }
}

/// By the start of the name behind `claude-`; the first that fits.
const BY_NAME: [(&str, Traits); 25] = [
    ("instant", FIRST),
    ("2", FIRST),
    ("3-7", BUDGET),
    ("3-5", Traits { output_max: 8192, ..FIRST }),
    ("3", FIRST),
    ("4-opus", Traits { output_max: 32_000, ..BUDGET }),
    ("4-sonnet", BUDGET),
    ("opus-4-1", Traits { output_max: 32_000, ..EITHER }),
    ("opus-4-5", EITHER),
    ("opus-4-6", Traits { output_max: 128_000, ..FOUR_SIX }),
    ("opus-4-7", FOUR_SEVEN),
    ("opus-4-8", FOUR_SEVEN),
    ("opus-4", Traits { output_max: 32_000, ..BUDGET }),
    ("opus-5-5", NEWEST),
    ("opus-5", FIVE),
    ("sonnet-4-5", EITHER),
    ("sonnet-4-6", FOUR_SIX),
    ("sonnet-4", BUDGET),
    ("sonnet-5-5", Traits { thinking: adaptive(Off::BetweenTools, true, true), ..NEWEST }),
    ("sonnet-5", FIVE),
    ("haiku-4-5", EITHER),
    ("haiku-5", FIVE),
    ("fable-5-1", NEWEST),
    ("fable-5", Traits { forced_tools: true, ..NEWEST }),
    ("", NEWEST),
];

/// Of models that only speak the dialect (DeepSeek, Kimi, MiniMax): its common core.
const FOREIGN: Traits = Traits { output_max: 8192, thinking: Thinking::Budget, ..FIRST };

impl Traits {
    /// `model` as the provider names it: `claude-sonnet-4-5-20250929`, `us.anthropic.claude-opus-4-7-v1:0`,
    /// `claude-sonnet-4-5@20250929`.
    pub fn of(model: &str) -> Traits {
        let Some((_, name)) = model.split_once("claude-") else { return FOREIGN };
        let name = name.replace('.', "-");
        BY_NAME.iter().find(|(start, _)| name.starts_with(start)).map_or(NEWEST, |(_, traits)| *traits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn models_are_known_by_every_host_s_name_for_them() {
        for (model, output_max, thinking, sampling) in [
            ("claude-3-haiku-20240307", 4096, Thinking::Never, Sampling::Free),
            ("claude-3-5-sonnet-20241022", 8192, Thinking::Never, Sampling::Free),
            ("claude-opus-4-20250514", 32_000, Thinking::Budget, Sampling::Free),
            ("claude-sonnet-4-0", 64_000, Thinking::Budget, Sampling::Free),
            ("us.anthropic.claude-sonnet-4-5-20250929-v1:0", 64_000, Thinking::Budget, Sampling::Either),
            ("claude-haiku-4-5@20251001", 64_000, Thinking::Budget, Sampling::Either),
            ("anthropic/claude-sonnet-4.6", 64_000, adaptive(Off::Silence, false, false), Sampling::Either),
            ("claude-opus-4-8", 128_000, adaptive(Off::Silence, true, true), Sampling::Fixed),
            ("claude-opus-5", 128_000, adaptive(Off::Disabled, true, true), Sampling::Fixed),
            ("claude-opus-5-5", 128_000, adaptive(Off::Impossible, true, true), Sampling::Fixed),
            ("claude-saga-9", 128_000, adaptive(Off::Impossible, true, true), Sampling::Fixed),
            ("deepseek-chat", 8192, Thinking::Budget, Sampling::Free),
        ] {
            let traits = Traits::of(model);
            assert_eq!(
                (traits.output_max, traits.thinking, traits.sampling),
                (output_max, thinking, sampling),
                "{model}"
            );
        }
        assert!(!Traits::of("claude-opus-4-20250514").structured && Traits::of("claude-opus-4-1").structured);
        assert!(Traits::of("claude-sonnet-5").forced_tools && !Traits::of("claude-sonnet-5-5").forced_tools);
    }
}
