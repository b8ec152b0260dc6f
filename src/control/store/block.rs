//! Rows on their way into blocks: a [`Batch`] gathers, a [`Head`] is what a filter asks of a row.
//!
//! A block is two columns: `heads`, of [`HEAD_BYTES`] a row in order of key, and `details`, their
//! [`codec`](super::codec) bytes in the same order. A query reads heads, and the details of those rows only it returns.

use super::{bloom, codec, tlv};
use crate::telemetry::{Outcome, Record, RequestId};

/// Rows of a full block: about 100 KiB.
pub const BLOCK_ROWS: usize = 512;
/// Key, id, trace id, model, end of the detail, status, outcome and traits.
pub const HEAD_BYTES: usize = 8 + 16 + 16 + 8 + 4 + 2 + 1;
/// Bits of a key below the milliseconds.
const KEY_BITS: u32 = 20;
/// What an idle store keeps of its buffers.
const IDLE_BYTES_MAX: usize = 16 * 1024;

#[derive(Clone, Copy, Debug)]
pub struct Head {
    /// Milliseconds of the id, then bits that tell apart what began in the same one.
    pub key: i64,
    pub id: RequestId,
    pub trace_id: [u8; 16],
    /// [`model_hash`] of `account/model`.
    pub model: u64,
    pub status: u16,
    pub outcome: u8,
    /// Of [`traits`]; rows from before there were any have none.
    pub traits: u8,
    /// Where the detail lies among the details of the block; only the end is stored.
    pub start: u32,
    pub end: u32,
}

/// What routing did, in the bits of the outcome's byte that outcomes do not need.
pub mod traits {
    use crate::telemetry::{Record, path};

    pub const ALL: u8 = 0xf0;
    /// A rule decided, or named a fallback.
    pub const BY_RULE: u8 = 0x10;
    /// Served though an attempt had failed.
    pub const RESCUED: u8 = 0x20;
    /// More than one target was tried.
    pub const MOVED: u8 = 0x40;

    pub fn of(record: &Record) -> u8 {
        let mut traits = 0;
        if record.routing.is_some() || record.fallback_rule.is_some() {
            traits |= BY_RULE;
        }
        if let Some((last, earlier @ [_, ..])) = record.attempts.split_last() {
            if path::rescue(record).is_some() {
                traits |= RESCUED;
            }
            if earlier.iter().any(|attempt| attempt.target.fqn != last.target.fqn) {
                traits |= MOVED;
            }
        }
        traits
    }

    /// Among the outcomes of a block, above theirs.
    pub fn bits(traits: u8) -> i64 {
        i64::from(traits) << 32
    }
}

impl Head {
    fn write(&self, end: usize, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.key.to_be_bytes());
        out.extend_from_slice(&self.id.0.to_be_bytes());
        out.extend_from_slice(&self.trace_id);
        out.extend_from_slice(&self.model.to_be_bytes());
        out.extend_from_slice(&(end as u32).to_be_bytes());
        out.extend_from_slice(&self.status.to_be_bytes());
        out.push(self.outcome | self.traits);
    }

    /// Row `at` of a block's heads.
    pub fn read(heads: &[u8], at: usize) -> Option<Self> {
        let head = heads.get(at.checked_mul(HEAD_BYTES)?..)?;
        let (key, rest) = head.split_first_chunk()?;
        let (id, rest) = rest.split_first_chunk()?;
        let (trace_id, rest) = rest.split_first_chunk()?;
        let (model, rest) = rest.split_first_chunk()?;
        let (end, rest) = rest.split_first_chunk()?;
        let (status, rest) = rest.split_first_chunk()?;
        Some(Self {
            key: i64::from_be_bytes(*key),
            id: RequestId(u128::from_be_bytes(*id)),
            trace_id: *trace_id,
            model: u64::from_be_bytes(*model),
            status: u16::from_be_bytes(*status),
            outcome: rest.first()? & !traits::ALL,
            traits: rest.first()? & traits::ALL,
            start: at.checked_sub(1).map_or(Some(0), |before| end_of(heads, before))?,
            end: u32::from_be_bytes(*end),
        })
    }

    pub fn detail<'a>(&self, details: &'a [u8]) -> &'a [u8] {
        details.get(self.start as usize..self.end as usize).unwrap_or_default()
    }
}

fn end_of(heads: &[u8], at: usize) -> Option<u32> {
    let end = heads.get(at.checked_mul(HEAD_BYTES)? + 48..)?.first_chunk()?;
    Some(u32::from_be_bytes(*end))
}

/// Rows that wait for their commit, encoded: records are freed as they come.
pub struct Batch {
    rows: Vec<Head>,
    details: Vec<u8>,
    unique: i64,
}

impl Batch {
    pub fn new() -> Self {
        // Rows from before a restart may be of the same millisecond: they did not count from the same number.
        let unique = std::time::UNIX_EPOCH.elapsed().map_or(0, |since| since.subsec_micros());
        Self { rows: Vec::new(), details: Vec::new(), unique: unique.into() }
    }

    pub fn len(&self) -> usize {
        self.rows.len()
    }

    pub fn bytes(&self) -> usize {
        self.details.len()
    }

    pub fn newest_key(&self) -> i64 {
        self.rows.iter().map(|row| row.key).max().unwrap_or_default()
    }

    pub fn push(&mut self, record: &Record) {
        let start = self.details.len() as u32;
        codec::encode(record, &mut self.details);
        self.unique += 1;
        self.rows.push(Head {
            key: key_of(record.id.unix_ms()) | self.unique & ((1 << KEY_BITS) - 1),
            id: record.id,
            trace_id: record.trace.trace_id,
            model: model_hash(model_of(record)),
            status: record.status,
            outcome: outcome_code(record.outcome),
            traits: traits::of(record),
            start,
            end: self.details.len() as u32,
        });
    }

    /// Takes the rows of a block in, to be written anew with those that came since.
    pub fn push_block(&mut self, heads: &[u8], details: &[u8]) {
        for head in (0..heads.len() / HEAD_BYTES).filter_map(|at| Head::read(heads, at)) {
            let start = self.details.len() as u32;
            self.details.extend_from_slice(head.detail(details));
            self.rows.push(Head { start, end: self.details.len() as u32, ..head });
        }
    }

    pub fn sort(&mut self) {
        self.rows.sort_unstable_by_key(|row| row.key);
    }

    pub fn blocks(&self) -> impl Iterator<Item = &[Head]> {
        self.rows.chunks(BLOCK_ROWS)
    }

    pub fn clear(&mut self) {
        self.rows.clear();
        self.details.clear();
    }

    /// Gives back what a burst left behind.
    pub fn shrink(&mut self) {
        self.details.shrink_to(IDLE_BYTES_MAX);
        self.rows.shrink_to(IDLE_BYTES_MAX / size_of::<Head>());
    }

    /// The columns of a block of these rows.
    pub fn write(&self, rows: &[Head], block: &mut Block) {
        block.heads.clear();
        block.details.clear();
        (block.classes, block.outcomes, block.models) = (0, 0, 0);
        for row in rows {
            block.details.extend_from_slice(row.detail(&self.details));
            row.write(block.details.len(), &mut block.heads);
            block.classes |= class_bit(row.status / 100);
            block.outcomes |= outcome_bit(row.outcome) | traits::bits(row.traits);
            block.models |= model_bits(row.model);
        }
        bloom::fill(&mut block.traces, rows.iter().map(|row| &row.trace_id));
    }
}

/// A block and what its summary says of it. One is enough: its buffers are used again.
#[derive(Default)]
pub struct Block {
    pub heads: Vec<u8>,
    pub details: Vec<u8>,
    /// One bit for each class of status.
    pub classes: i64,
    /// One bit for each outcome, and above them one for each trait.
    pub outcomes: i64,
    /// Two bits for each model; others may have the same.
    pub models: i64,
    pub traces: Vec<u8>,
}

impl Block {
    /// Gives back what a burst left behind.
    pub fn shrink(&mut self) {
        self.heads.shrink_to(IDLE_BYTES_MAX);
        self.details.shrink_to(IDLE_BYTES_MAX);
    }
}

/// The first key of a millisecond.
pub fn key_of(unix_ms: u64) -> i64 {
    (unix_ms.min(1 << 42) << KEY_BITS) as i64
}

pub fn class_bit(class: u16) -> i64 {
    1 << class.min(62)
}

pub fn outcome_bit(code: u8) -> i64 {
    1 << code.min(62)
}

pub fn model_bits(hash: u64) -> i64 {
    1 << (hash >> 58) | 1 << (hash >> 52 & 63)
}

/// FNV-1a, which stays the same from one version to the next.
pub fn model_hash(name: &str) -> u64 {
    let step = |hash: u64, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    name.bytes().fold(0xcbf2_9ce4_8422_2325, step)
}

/// `account/model` that was tried last; what the client asked for when none was.
fn model_of(record: &Record) -> &str {
    let name = record.attempts.last().map_or(&record.model_requested, |attempt| &attempt.target.fqn);
    tlv::cut(name, tlv::TEXT_BYTES_MAX)
}

const OUTCOMES: [Outcome; 6] =
    [Outcome::Served, Outcome::Refused, Outcome::Failed, Outcome::Truncated, Outcome::Cancelled, Outcome::Crashed];

/// Stored: a number is never given a second meaning.
pub fn outcome_code(outcome: Outcome) -> u8 {
    match outcome {
        Outcome::Served => 0,
        Outcome::Refused => 1,
        Outcome::Failed => 2,
        Outcome::Truncated => 3,
        Outcome::Cancelled => 4,
        Outcome::Crashed => 5,
    }
}

pub fn outcome_name(code: u8) -> &'static str {
    OUTCOMES.get(usize::from(code)).map_or("", |outcome| outcome.as_str())
}
