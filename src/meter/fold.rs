//! What a provider says of usage, folded into one [`Usage`]. Usage objects are snapshots, not increments: the last
//! value of each field holds, and what was said of single iterations outranks the sum at the top (spec "providers"
//! 0.1-0.3). `dialect` reads the fields, this decides what they mean.

use super::{Billed, Usage, UsageSource};

/// The fields of one usage object, as far as it has them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    pub input: Option<u64>,
    pub output: Option<u64>,
    pub total: Option<u64>,
    pub cache_read: Option<u64>,
    /// All cache writes, of whatever time-to-live.
    pub cache_write: Option<u64>,
    pub cache_write_5m: Option<u64>,
    pub cache_write_1h: Option<u64>,
    pub reasoning: Option<u64>,
    pub audio_input: Option<u64>,
    pub audio_output: Option<u64>,
    /// What is charged for, where the provider tells it apart from the tokens.
    pub billed: Option<Billed>,
    pub image_input: Option<u64>,
    pub image_output: Option<u64>,
    pub web_searches: Option<u64>,
    pub provider_cost_pico_usd: Option<i64>,
}

/// Whether the provider's input count includes what came from and went into its cache.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum CacheInput {
    /// OpenAI and all that speak like it.
    Inside,
    /// Anthropic: to be added.
    Outside,
}

/// Everything said of one attempt's usage so far.
#[derive(Clone, Debug, Default)]
pub struct Fold {
    counts: Counts,
    iterations: Option<Box<Usage>>,
    odd: bool,
}

impl Fold {
    /// A later usage object. `iterations` is the sum of those it lists, `odd` whether a field was no count.
    pub fn update(&mut self, newer: &Counts, iterations: Option<Usage>, odd: bool) {
        let last = &mut self.counts;
        last.input = newer.input.or(last.input);
        last.output = newer.output.or(last.output);
        last.total = newer.total.or(last.total);
        last.cache_read = newer.cache_read.or(last.cache_read);
        last.cache_write = newer.cache_write.or(last.cache_write);
        last.cache_write_5m = newer.cache_write_5m.or(last.cache_write_5m);
        last.cache_write_1h = newer.cache_write_1h.or(last.cache_write_1h);
        last.reasoning = newer.reasoning.or(last.reasoning);
        last.audio_input = newer.audio_input.or(last.audio_input);
        last.audio_output = newer.audio_output.or(last.audio_output);
        last.billed = newer.billed.or(last.billed);
        last.image_input = newer.image_input.or(last.image_input);
        last.image_output = newer.image_output.or(last.image_output);
        last.web_searches = newer.web_searches.or(last.web_searches);
        last.provider_cost_pico_usd = newer.provider_cost_pico_usd.or(last.provider_cost_pico_usd);
        if let Some(iterations) = iterations {
            self.iterations = Some(Box::new(iterations));
        }
        self.odd |= odd;
    }

    /// What was used, and whether that is odd: a field was no count (a string, a negative, an absurd number), or the
    /// total is not the sum of its parts, so that the numbers are what could be made of it.
    pub fn usage(&self, cache: CacheInput) -> (Usage, bool) {
        let top = self.counts.usage(cache);
        let odd = self.odd || self.counts.total.is_some_and(|total| total != top.input + top.output);
        let usage = match self.iterations.as_deref() {
            // Iterations do not tell their reasoning, nor what is billed beside tokens.
            Some(billed) => Usage {
                reasoning: top.reasoning.min(billed.output),
                web_searches: top.web_searches,
                provider_cost_pico_usd: top.provider_cost_pico_usd,
                ..*billed
            },
            None => top,
        };
        (usage, odd)
    }
}

impl Counts {
    /// Their meaning. Subsets are clamped to what contains them, never the other way round.
    pub fn usage(&self, cache: CacheInput) -> Usage {
        if *self == Self::default() {
            return Usage::default();
        }
        let known = |count: Option<u64>| count.unwrap_or(0);
        let written = known(self.cache_write).max(known(self.cache_write_5m) + known(self.cache_write_1h));
        let (input, output) = match (cache, self.input, self.total) {
            // Cohere's embeddings: what is billed is all that is said.
            (_, None, None) if self.output.is_none() && self.billed.is_some() => {
                self.billed.map_or((0, 0), |billed| (billed.input, billed.output))
            }
            (CacheInput::Outside, input, _) => (known(input) + known(self.cache_read) + written, known(self.output)),
            // Embeddings and reranks of some say their total only.
            (CacheInput::Inside, None, Some(total)) => (total.saturating_sub(known(self.output)), known(self.output)),
            // xAI and Gemini's OpenAI endpoint leave reasoning out of the completion; the total betrays it.
            (CacheInput::Inside, input, total) => {
                (known(input), known(self.output).max(known(total).saturating_sub(known(input))))
            }
        };
        let cache_read = known(self.cache_read).min(input);
        let mut left = input - cache_read;
        let mut subset = |count: u64| {
            let count = count.min(left);
            left -= count;
            count
        };
        let cache_write_5m = subset(known(self.cache_write_5m));
        let cache_write_1h = subset(known(self.cache_write_1h));
        Usage {
            input,
            cache_read,
            cache_write_5m,
            cache_write_1h,
            cache_write: subset(written.saturating_sub(cache_write_5m + cache_write_1h)),
            output,
            reasoning: known(self.reasoning).min(output),
            audio_input: known(self.audio_input).min(input),
            audio_output: known(self.audio_output).min(output),
            billed: self.billed,
            image_input: known(self.image_input).min(input),
            image_output: known(self.image_output).min(output),
            web_searches: u32::try_from(known(self.web_searches)).unwrap_or(u32::MAX),
            provider_cost_pico_usd: self.provider_cost_pico_usd,
            source: UsageSource::Reported,
            ..Usage::default()
        }
    }
}
