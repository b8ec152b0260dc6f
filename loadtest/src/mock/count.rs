//! The numbers of one answer: what is sent and what is reported.

use super::{ask::Ask, scenario::Scenario, text};

pub struct Count {
    /// The text, token by token.
    pub tokens: Vec<String>,
    /// The client's own maximum cut it short.
    pub cut_by_max: bool,
    pub input: u64,
    /// Inside `input`.
    pub cached: u64,
    pub output: u64,
    /// Inside `output`.
    pub reasoning: u64,
}

impl Count {
    pub fn new(ask: &Ask, scenario: &Scenario) -> Count {
        let wanted = scenario.tokens as u64;
        let given = ask.max_tokens.unwrap_or(wanted).min(wanted);
        let reported = scenario.usage;
        let input = reported.input.unwrap_or(ask.input_tokens);
        Count {
            tokens: text::tokens(given as u32, scenario.size),
            cut_by_max: given < wanted,
            input,
            cached: reported.cached.min(input),
            output: reported.output.unwrap_or(given + reported.reasoning),
            reasoning: reported.reasoning,
        }
    }
}

/// Seconds since 1970, as providers stamp their answers.
pub fn created() -> u64 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0, |d| d.as_secs())
}
