//! What a provider says of usage, folded into one [`Usage`]. Usage objects are snapshots, not increments: the last
//! value of each field holds, and what was said of single iterations outranks the sum at the top (spec "providers"
//! 0.1-0.3). `dialect` reads the fields, this decides what they mean.

use super::{Usage, UsageSource};

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
    iterations: Option<Usage>,
    odd: bool,
}

impl Fold {
    /// A later usage object. `iterations` is the sum of those it lists, `odd` whether a field was no count.
    pub fn update(&mut self, newer: &Counts, iterations: Option<Usage>, odd: bool) {
        let last = &mut self.counts;
        for (last, newer) in [
            (&mut last.input, newer.input),
            (&mut last.output, newer.output),
            (&mut last.total, newer.total),
            (&mut last.cache_read, newer.cache_read),
            (&mut last.cache_write, newer.cache_write),
            (&mut last.cache_write_5m, newer.cache_write_5m),
            (&mut last.cache_write_1h, newer.cache_write_1h),
            (&mut last.reasoning, newer.reasoning),
            (&mut last.audio_input, newer.audio_input),
            (&mut last.audio_output, newer.audio_output),
        ] {
            *last = newer.or(*last);
        }
        self.iterations = iterations.or(self.iterations);
        self.odd |= odd;
    }

    pub fn usage(&self, cache: CacheInput) -> Usage {
        let top = self.counts.usage(cache);
        match self.iterations {
            // Iterations do not tell their reasoning.
            Some(billed) => Usage { reasoning: top.reasoning.min(billed.output), ..billed },
            None => top,
        }
    }

    /// A field was no count (a string, a negative, an absurd number), or the total is not the sum of its parts: the
    /// numbers are what could be made of it.
    pub fn is_odd(&self, cache: CacheInput) -> bool {
        let usage = self.counts.usage(cache);
        self.odd || self.counts.total.is_some_and(|total| total != usage.input + usage.output)
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
            source: UsageSource::Reported,
        }
    }
}
