//! What a model's name says of it: how thinking is asked for differs from one generation to the next.

use serde_json::{Map, Value};

use crate::dialect::common::{Effort, Field, Lost, ReasoningAsk};

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Model<'a> {
    name: &'a str,
    /// Of `gemini-2.5-flash`: (2, 5). `None` for what is named otherwise (`gemini-flash-latest`, a tuned model).
    version: Option<(u32, u32)>,
}

impl<'a> Model<'a> {
    pub fn of(model: &'a str) -> Self {
        let name = model.rsplit('/').next().unwrap_or(model);
        let version = name.strip_prefix("gemini-").and_then(|rest| {
            let number = rest.split('-').next()?;
            let (major, minor) = number.split_once('.').unwrap_or((number, "0"));
            Some((major.parse().ok()?, minor.parse().ok()?))
        });
        Self { name, version }
    }

    /// From the third generation on: thinks by levels, and calls must come back with their signature.
    pub fn is_third(self) -> bool {
        self.version.is_some_and(|version| version >= (3, 0))
    }

    fn cannot_think(self) -> bool {
        self.version.is_some_and(|version| version < (2, 5))
    }

    /// A `thinkingConfig`; `None` when there is nothing to say.
    pub fn thinking(self, ask: &ReasoningAsk, lost: &mut Lost) -> Option<Value> {
        let mut config = Map::new();
        let asks_effort = ask.effort.is_some() || ask.budget_tokens.is_some();
        if self.cannot_think() {
            if asks_effort && ask.effort != Some(Effort::None) {
                lost.field(Field::Reasoning);
            }
            return None;
        }
        if asks_effort && self.is_third() {
            config.insert("thinkingLevel".into(), self.level(ask).into());
        } else if asks_effort {
            config.insert("thinkingBudget".into(), self.budget(ask).into());
        }
        if ask.show == Some(true) {
            config.insert("includeThoughts".into(), true.into());
        }
        (!config.is_empty()).then_some(Value::Object(config))
    }

    /// Pro does not know `minimal`, and its first version of the third generation no `medium`.
    fn level(self, ask: &ReasoningAsk) -> &'static str {
        let is_pro = self.name.contains("pro");
        let effort = ask.effort.or(ask.budget_tokens.map(Effort::of_budget)).unwrap_or(Effort::High);
        match effort {
            Effort::None | Effort::Minimal if is_pro => "low",
            Effort::None | Effort::Minimal => "minimal",
            Effort::Low => "low",
            Effort::Medium if is_pro && self.version == Some((3, 0)) => "high",
            Effort::Medium => "medium",
            Effort::High | Effort::XHigh | Effort::Max => "high",
        }
    }

    /// Within what the model takes (ai.google.dev, "Thinking": pro 128-32768, flash 0-24576, flash-lite 512-24576).
    fn budget(self, ask: &ReasoningAsk) -> u64 {
        let budget = ask.budget_tokens.or(ask.effort.map(Effort::budget_tokens)).unwrap_or(0);
        if self.name.contains("pro") {
            budget.clamp(128, 32_768)
        } else if self.name.contains("lite") && budget > 0 {
            budget.clamp(512, 24_576)
        } else {
            budget.min(24_576)
        }
    }
}
