//! Usage objects of all dialects: their keys do not contradict each other, so one reader serves all.

use crate::json::{Number, Walk};
use crate::meter::pricing::scaled;
use crate::meter::{Billed, CacheInput, Counts, Fold, Geo, Modifiers, Tier, Usage, UsageSource};

/// Takes the value of a `usage` member, with what it says of the price of a token; true when it was an object with anything in it.
pub(super) fn read(walk: &mut Walk<'_>, cache: CacheInput, fold: &mut Fold, modifiers: &mut Modifiers) -> bool {
    if !walk.object() {
        walk.skip();
        return false;
    }
    let (mut counts, mut billed, mut odd) = (Counts::default(), None, false);
    let mut cost = Cost::default();
    while let Some(key) = walk.key() {
        match key {
            b"iterations" => billed = iterations(walk, cache, &mut odd),
            b"service_tier" => modifiers.tier = tier(walk).unwrap_or(modifiers.tier),
            b"inference_geo" => modifiers.geo = geo(walk),
            b"speed" => modifiers.fast = walk.string() == Some(b"fast"),
            b"server_tool_use" => web_searches(walk, &mut counts, &mut odd),
            b"cost" | b"estimated_cost" | b"cost_in_usd_ticks" | b"cost_details" | b"is_byok" => {
                cost.member(walk, key, &mut odd);
            }
            _ => member(walk, key, &mut counts, &mut odd),
        }
    }
    counts.provider_cost_pico_usd = cost.pico_usd();
    fold.update(&counts, billed, odd);
    counts != Counts::default() || billed.is_some()
}

fn member(walk: &mut Walk<'_>, key: &[u8], counts: &mut Counts, odd: &mut bool) {
    let slot = match key {
        b"prompt_tokens" | b"input_tokens" => &mut counts.input,
        b"completion_tokens" | b"output_tokens" => &mut counts.output,
        b"total_tokens" => &mut counts.total,
        // DeepSeek; Moonshot and Cohere.
        b"cache_read_input_tokens" | b"prompt_cache_hit_tokens" | b"cached_tokens" => &mut counts.cache_read,
        b"cache_creation_input_tokens" => &mut counts.cache_write,
        // Bedrock.
        b"inputTokens" => &mut counts.input,
        b"outputTokens" => &mut counts.output,
        b"totalTokens" => &mut counts.total,
        b"cacheReadInputTokens" => &mut counts.cache_read,
        b"cacheWriteInputTokens" => &mut counts.cache_write,
        b"inputTextTokenCount" => &mut counts.input,
        b"cacheDetails" => return cache_details(walk, counts, odd),
        // Cohere.
        b"tokens" => return tokens(walk, counts, odd),
        b"billed_units" => return billed_units(walk, counts, odd),
        b"prompt_tokens_details"
        | b"input_tokens_details"
        | b"completion_tokens_details"
        | b"output_tokens_details"
        | b"cache_creation" => return details(walk, key, counts, odd),
        _ => return walk.skip(),
    };
    number(walk, slot, odd);
}

fn details(walk: &mut Walk<'_>, of: &[u8], counts: &mut Counts, odd: &mut bool) {
    if !walk.object() {
        return walk.skip();
    }
    let input = of.starts_with(b"prompt") || of.starts_with(b"input");
    while let Some(key) = walk.key() {
        let slot = match key {
            b"cached_tokens" if input => &mut counts.cache_read,
            b"cache_write_tokens" if input => &mut counts.cache_write,
            b"audio_tokens" if input => &mut counts.audio_input,
            b"audio_tokens" => &mut counts.audio_output,
            b"image_tokens" if input => &mut counts.image_input,
            b"image_tokens" => &mut counts.image_output,
            b"reasoning_tokens" | b"thinking_tokens" => &mut counts.reasoning,
            b"ephemeral_5m_input_tokens" => &mut counts.cache_write_5m,
            b"ephemeral_1h_input_tokens" => &mut counts.cache_write_1h,
            _ => {
                walk.skip();
                continue;
            }
        };
        number(walk, slot, odd);
    }
}

/// Bedrock's cache writes by time-to-live: `[{"ttl":"1h","inputTokens":3}]`.
fn cache_details(walk: &mut Walk<'_>, counts: &mut Counts, odd: &mut bool) {
    if !walk.array() {
        return walk.skip();
    }
    while walk.item() {
        if !walk.object() {
            walk.skip();
            continue;
        }
        let (mut written, mut ttl) = (None, None);
        while let Some(key) = walk.key() {
            match key {
                b"ttl" => ttl = walk.string(),
                b"inputTokens" => number(walk, &mut written, odd),
                _ => walk.skip(),
            }
        }
        match ttl {
            Some(b"5m") => counts.cache_write_5m = written,
            Some(b"1h") => counts.cache_write_1h = written,
            _ => {}
        }
    }
}

fn tokens(walk: &mut Walk<'_>, counts: &mut Counts, odd: &mut bool) {
    if !walk.object() {
        return walk.skip();
    }
    while let Some(key) = walk.key() {
        match key {
            b"input_tokens" => number(walk, &mut counts.input, odd),
            b"output_tokens" => number(walk, &mut counts.output, odd),
            _ => walk.skip(),
        }
    }
}

fn billed_units(walk: &mut Walk<'_>, counts: &mut Counts, odd: &mut bool) {
    if !walk.object() {
        return walk.skip();
    }
    let (mut input, mut output, mut search_units) = (None, None, None);
    while let Some(key) = walk.key() {
        match key {
            b"input_tokens" => number(walk, &mut input, odd),
            b"output_tokens" => number(walk, &mut output, odd),
            b"search_units" => number(walk, &mut search_units, odd),
            _ => walk.skip(),
        }
    }
    if input.or(output).or(search_units).is_some() {
        let [input, output, search_units] = [input, output, search_units].map(|count| count.unwrap_or(0));
        counts.billed = Some(Billed { input, output, search_units });
    }
}

fn number(walk: &mut Walk<'_>, slot: &mut Option<u64>, odd: &mut bool) {
    match walk.number() {
        Number::Whole(count) => *slot = Some(count),
        Number::Null => {}
        Number::Odd => *odd = true,
    }
}

/// The service tier that answered, as OpenAI, Groq, OpenRouter and Anthropic spell it; a request's wish may have been
/// declined. `None` where nothing, or nothing known, is said.
pub(super) fn tier(walk: &mut Walk<'_>) -> Option<Tier> {
    match walk.string()? {
        b"default" | b"standard" | b"standard_only" | b"auto" | b"on_demand" => Some(Tier::Standard),
        b"flex" => Some(Tier::Flex),
        b"priority" | b"performance" => Some(Tier::Priority),
        b"batch" => Some(Tier::Batch),
        // Units of it are bought ahead.
        b"scale" => Some(Tier::Provisioned),
        _ => None,
    }
}

fn geo(walk: &mut Walk<'_>) -> Geo {
    match walk.string() {
        Some(b"us") => Geo::Us,
        Some(b"eu") => Geo::Eu,
        // `global`, `not_available`.
        _ => Geo::Global,
    }
}

/// Anthropic.
fn web_searches(walk: &mut Walk<'_>, counts: &mut Counts, odd: &mut bool) {
    if !walk.object() {
        return walk.skip();
    }
    while let Some(key) = walk.key() {
        match key {
            b"web_search_requests" => number(walk, &mut counts.web_searches, odd),
            _ => walk.skip(),
        }
    }
}

/// What a provider says an answer cost.
#[derive(Default)]
struct Cost {
    usd: Option<i64>,
    /// OpenRouter with the caller's own key: what the provider behind it bills, beside OpenRouter's fee.
    upstream: Option<i64>,
    byok: bool,
}

impl Cost {
    fn member(&mut self, walk: &mut Walk<'_>, key: &[u8], odd: &mut bool) {
        /// Of a dollar: xAI's ticks are ten to the minus ten, everything else is dollars.
        const TICK: i32 = 2;
        const USD: i32 = 12;
        match key {
            b"is_byok" => self.byok = walk.raw() == b"true",
            b"cost_details" => within(walk, b"upstream_inference_cost", &mut self.upstream, odd),
            b"cost_in_usd_ticks" => money(walk, TICK, &mut self.usd, odd),
            // Perplexity: parts and their sum.
            b"cost" if walk.peek() == b'{' => within(walk, b"total_cost", &mut self.usd, odd),
            // OpenRouter; DeepInfra.
            _ => money(walk, USD, &mut self.usd, odd),
        }

        fn within(walk: &mut Walk<'_>, wanted: &[u8], slot: &mut Option<i64>, odd: &mut bool) {
            if !walk.object() {
                return walk.skip();
            }
            while let Some(key) = walk.key() {
                if key == wanted { money(walk, USD, slot, odd) } else { walk.skip() }
            }
        }
    }

    fn pico_usd(&self) -> Option<i64> {
        match self.upstream.filter(|_| self.byok) {
            Some(upstream) => upstream.checked_add(self.usd.unwrap_or(0)),
            None => self.usd,
        }
    }
}

/// A decimal amount times `10^shift`, exactly; null is none.
fn money(walk: &mut Walk<'_>, shift: i32, slot: &mut Option<i64>, odd: &mut bool) {
    let raw = walk.raw();
    match std::str::from_utf8(raw).ok().and_then(|text| scaled(text, shift)).filter(|amount| *amount >= 0) {
        Some(amount) => *slot = Some(amount),
        None => *odd |= raw != b"null",
    }
}

/// The sum of what is billed at this model's price: an advisor is another model, billed at its own.
fn iterations(walk: &mut Walk<'_>, cache: CacheInput, odd: &mut bool) -> Option<Usage> {
    let mut sum = None;
    if !walk.array() {
        walk.skip();
        return None;
    }
    while walk.item() {
        if !walk.object() {
            walk.skip();
            continue;
        }
        let (mut counts, mut advisor) = (Counts::default(), false);
        while let Some(key) = walk.key() {
            match key {
                b"type" => advisor = walk.string().is_some_and(|kind| kind.starts_with(b"advisor")),
                _ => member(walk, key, &mut counts, odd),
            }
        }
        if !advisor && counts != Counts::default() {
            add(sum.get_or_insert_default(), &counts.usage(cache));
        }
    }
    sum
}

fn add(sum: &mut Usage, one: &Usage) {
    sum.input += one.input;
    sum.cache_read += one.cache_read;
    sum.cache_write_5m += one.cache_write_5m;
    sum.cache_write_1h += one.cache_write_1h;
    sum.cache_write += one.cache_write;
    sum.output += one.output;
    sum.reasoning += one.reasoning;
    sum.audio_input += one.audio_input;
    sum.audio_output += one.audio_output;
    sum.image_input += one.image_input;
    sum.image_output += one.image_output;
    sum.source = UsageSource::Reported;
}
