//! Usage: `usageMetadata` is a snapshot that grows, each field on its own (an early one has no `candidatesTokenCount`), so
//! fields are kept apart and added up anew each time.

use crate::dialect::Reading;
use crate::json::{Number, Walk};
use crate::meter::{CacheInput, Counts, Tier};

/// What was said so far. One per [`Reading`].
#[derive(Debug, Default)]
pub(in crate::dialect) struct Snapshot {
    prompt: Option<u64>,
    tool_prompt: Option<u64>,
    cached: Option<u64>,
    candidates: Option<u64>,
    thoughts: Option<u64>,
    total: Option<u64>,
    audio_input: Option<u64>,
    audio_output: Option<u64>,
    image_output: Option<u64>,
    tier: Tier,
    odd: bool,
    /// The answer is one of batchEmbedContents, which mostly says no usage.
    pub(in crate::dialect) has_vectors: bool,
    /// One bit per candidate.
    pub(super) begun: u128,
    pub(super) ended: u128,
}

pub(super) fn usage(walk: &mut Walk<'_>, reading: &mut Reading) {
    if !walk.object() {
        return walk.skip();
    }
    let snapshot = reading.gemini.get_or_insert_default();
    let mut counted = false;
    while let Some(key) = walk.key() {
        let slot = match key {
            b"promptTokenCount" => &mut snapshot.prompt,
            b"toolUsePromptTokenCount" => &mut snapshot.tool_prompt,
            b"cachedContentTokenCount" => &mut snapshot.cached,
            b"candidatesTokenCount" => &mut snapshot.candidates,
            b"thoughtsTokenCount" => &mut snapshot.thoughts,
            b"totalTokenCount" => &mut snapshot.total,
            b"promptTokensDetails" | b"candidatesTokensDetails" => {
                modalities(walk, key == b"promptTokensDetails", snapshot);
                continue;
            }
            b"trafficType" | b"serviceTier" => {
                snapshot.tier = walk.string().map_or(snapshot.tier, tier);
                continue;
            }
            _ => {
                walk.skip();
                continue;
            }
        };
        match walk.number() {
            Number::Whole(count) => {
                *slot = Some(count);
                counted = true;
            }
            Number::Null => {}
            Number::Odd => snapshot.odd = true,
        }
    }
    reading.usage.modifiers.tier = snapshot.tier;
    if counted {
        settle(reading);
    }
}

/// `[{"modality":"AUDIO","tokenCount":3}]`: the newest list holds as a whole.
fn modalities(walk: &mut Walk<'_>, input: bool, snapshot: &mut Snapshot) {
    if !walk.array() {
        return walk.skip();
    }
    let (mut audio, mut image) = (None, None);
    while walk.item() {
        if !walk.object() {
            walk.skip();
            continue;
        }
        let (mut modality, mut count) = (&b""[..], 0);
        while let Some(key) = walk.key() {
            match key {
                b"modality" => modality = walk.string().unwrap_or_default(),
                b"tokenCount" => count = walk.number().whole().unwrap_or(0),
                _ => walk.skip(),
            }
        }
        match modality {
            b"AUDIO" => audio = Some(audio.unwrap_or(0) + count),
            b"IMAGE" => image = Some(image.unwrap_or(0) + count),
            _ => {}
        }
    }
    if input {
        snapshot.audio_input = audio.or(snapshot.audio_input);
    } else {
        snapshot.audio_output = audio.or(snapshot.audio_output);
        snapshot.image_output = image.or(snapshot.image_output);
    }
}

/// Vertex: `ON_DEMAND`, `ON_DEMAND_FLEX`, `ON_DEMAND_PRIORITY`, `PROVISIONED_THROUGHPUT`; Gemini: `flex`, `priority`.
fn tier(said: &[u8]) -> Tier {
    let said = said.to_ascii_lowercase();
    match said.as_slice() {
        b"flex" | b"on_demand_flex" => Tier::Flex,
        b"priority" | b"on_demand_priority" => Tier::Priority,
        b"batch" => Tier::Batch,
        b"provisioned_throughput" => Tier::Provisioned,
        _ => Tier::Standard,
    }
}

/// What the snapshot amounts to (spec "providers" 1.2).
fn settle(reading: &mut Reading) {
    let Some(snapshot) = reading.gemini.as_deref() else { return };
    let sum = |a: Option<u64>, b: Option<u64>| a.or(b).map(|_| a.unwrap_or(0) + b.unwrap_or(0));
    let counts = Counts {
        input: sum(snapshot.prompt, snapshot.tool_prompt),
        output: sum(snapshot.candidates, snapshot.thoughts),
        total: snapshot.total,
        cache_read: snapshot.cached,
        reasoning: snapshot.thoughts,
        audio_input: snapshot.audio_input,
        audio_output: snapshot.audio_output,
        ..Counts::default()
    };
    let mut usage = counts.usage(CacheInput::Inside);
    usage.image_output = snapshot.image_output.unwrap_or(0).min(usage.output);
    usage.modifiers = reading.usage.modifiers;
    reading.odd_usage = snapshot.odd || snapshot.total.is_some_and(|total| total != usage.input + usage.output);
    reading.usage = usage;
    // Text that came before its count is not lost when the stream is cut.
    reading.output_is_stub = snapshot.candidates.is_none();
}

/// Vertex's embeddings say the tokens of each input.
pub(super) fn predictions(walk: &mut Walk<'_>, reading: &mut Reading) {
    let mut sum = None;
    while walk.item() {
        let mut count = |key: &[u8], walk: &mut Walk<'_>| match key {
            b"token_count" => sum = walk.number().whole().map(|count| sum.unwrap_or(0) + count).or(sum),
            _ => walk.skip(),
        };
        members(walk, |key, walk| match key {
            b"embeddings" => members(walk, |key, walk| match key {
                b"statistics" => members(walk, &mut count),
                _ => walk.skip(),
            }),
            _ => walk.skip(),
        });
    }
    if sum.is_some() {
        reading.gemini.get_or_insert_default().prompt = sum;
        settle(reading);
    }
}

/// Calls `member` for each key of the object that stands here; it takes the value.
fn members(walk: &mut Walk<'_>, mut member: impl FnMut(&[u8], &mut Walk<'_>)) {
    if !walk.object() {
        return walk.skip();
    }
    while let Some(key) = walk.key() {
        member(key, walk);
    }
}
