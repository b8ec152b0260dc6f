//! Usage objects of all dialects: their keys do not contradict each other, so one reader serves all.

use crate::json::{Number, Walk};
use crate::meter::{Billed, CacheInput, Counts, Fold, Usage, UsageSource};

/// Takes the value of a `usage` member; true when it was an object with anything in it.
pub(super) fn read(walk: &mut Walk<'_>, cache: CacheInput, fold: &mut Fold) -> bool {
    if !walk.object() {
        walk.skip();
        return false;
    }
    let (mut counts, mut billed, mut odd) = (Counts::default(), None, false);
    while let Some(key) = walk.key() {
        match key {
            b"iterations" => billed = iterations(walk, cache, &mut odd),
            _ => member(walk, key, &mut counts, &mut odd),
        }
    }
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
    sum.source = UsageSource::Reported;
}
