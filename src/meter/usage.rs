//! The normalised usage of one attempt.

/// How a usage is known; recorded with it as `sluice.usage.source`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub enum UsageSource {
    /// Nothing was billed or seen.
    #[default]
    None,
    /// The provider said so.
    Reported,
    /// Counted here with the model's own tokenizer.
    Counted,
    /// Estimated here from bytes.
    Estimated,
}

impl UsageSource {
    pub fn as_str(self) -> &'static str {
        match self {
            UsageSource::None => "none",
            UsageSource::Reported => "reported",
            UsageSource::Counted => "counted",
            UsageSource::Estimated => "estimated",
        }
    }
}

/// Tokens of one attempt. Inputs include cached and cache-write tokens, outputs include reasoning: the subsets are
/// never added again (semantic conventions, GenAI spans, rule 1).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Usage {
    pub input: u64,
    pub cache_read: u64,
    pub cache_write_5m: u64,
    pub cache_write_1h: u64,
    /// Cache writes whose time-to-live the provider did not say.
    pub cache_write: u64,
    pub output: u64,
    pub reasoning: u64,
    pub audio_input: u64,
    pub image_input: u64,
    pub audio_output: u64,
    pub image_output: u64,
    /// Calls of the provider's own web search, billed one by one.
    pub web_searches: u32,
    /// What the provider bills where it differs from the tokens (Cohere: the template is free).
    pub billed: Option<Billed>,
    /// What the provider says it cost (OpenRouter, Perplexity).
    pub provider_cost_pico_usd: Option<i64>,
    pub modifiers: Modifiers,
    pub source: UsageSource,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Billed {
    pub input: u64,
    pub output: u64,
    /// Reranks are billed by these.
    pub search_units: u64,
}

/// What changes the price of a token, as the answer says it (a request's wish may have been declined).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Modifiers {
    pub tier: Tier,
    /// Anthropic's `speed: fast`.
    pub fast: bool,
    pub geo: Geo,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Tier {
    #[default]
    Standard,
    Batch,
    Flex,
    Priority,
    /// Paid by the hour, not by the token.
    Provisioned,
}

/// Where the answer was made, where that has a price of its own (`inference_geo`).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Geo {
    #[default]
    Global,
    Us,
    Eu,
}

impl Usage {
    /// Of two calls, as one. Known only as far as the less certain of them is.
    pub fn plus(&self, more: &Usage) -> Usage {
        if self.source == UsageSource::None {
            return *more;
        }
        let billed = |billed: fn(&Billed) -> u64| -> u64 {
            [self, more].into_iter().filter_map(|usage| usage.billed.as_ref()).map(billed).sum()
        };
        let either = self.billed.is_some() || more.billed.is_some();
        Usage {
            input: self.input + more.input,
            cache_read: self.cache_read + more.cache_read,
            cache_write_5m: self.cache_write_5m + more.cache_write_5m,
            cache_write_1h: self.cache_write_1h + more.cache_write_1h,
            cache_write: self.cache_write + more.cache_write,
            output: self.output + more.output,
            reasoning: self.reasoning + more.reasoning,
            audio_input: self.audio_input + more.audio_input,
            image_input: self.image_input + more.image_input,
            audio_output: self.audio_output + more.audio_output,
            image_output: self.image_output + more.image_output,
            web_searches: self.web_searches + more.web_searches,
            billed: either.then(|| Billed {
                input: billed(|billed| billed.input),
                output: billed(|billed| billed.output),
                search_units: billed(|billed| billed.search_units),
            }),
            provider_cost_pico_usd: match (self.provider_cost_pico_usd, more.provider_cost_pico_usd) {
                (Some(one), Some(other)) => Some(one + other),
                _ => None,
            },
            modifiers: more.modifiers,
            source: if more.source == UsageSource::None { self.source } else { self.source.max(more.source) },
        }
    }

    /// All cache-write tokens, whatever their time-to-live.
    pub fn cache_write_total(&self) -> u64 {
        self.cache_write_5m + self.cache_write_1h + self.cache_write
    }
}
