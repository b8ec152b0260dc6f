//! What an answer has said so far: for the record, and to tell when it begins, and when it falls silent.

use crate::telemetry::{Gaps, Record};

/// Times in nanoseconds since the request began.
#[derive(Clone, Copy, Default)]
pub struct Progress {
    pub first_token_ns: Option<u64>,
    pub last_token_ns: Option<u64>,
    /// Content events, and the gaps between them.
    pub chunks: u32,
    pub gaps: Gaps,
    /// Given to the client.
    pub body_bytes: u64,
    /// Whole events of any kind.
    pub events: u64,
}

impl Progress {
    /// A content event.
    pub fn token(&mut self, now_ns: u64) {
        self.first_token_ns.get_or_insert(now_ns);
        if let Some(last_ns) = self.last_token_ns {
            self.gaps.add(now_ns - last_ns);
        }
        self.last_token_ns = Some(now_ns);
        self.chunks += 1;
    }

    /// Some of a body that is no stream.
    pub fn piece(&mut self, now_ns: u64) {
        self.first_token_ns.get_or_insert(now_ns);
        self.last_token_ns = Some(now_ns);
    }

    /// Goes on from what another attempt had delivered.
    pub fn after(&mut self, before: &Progress) {
        if let (Some(last_ns), Some(first_ns)) = (before.last_token_ns, self.first_token_ns) {
            self.gaps.add(first_ns.saturating_sub(last_ns));
        }
        self.gaps.absorb(&before.gaps);
        self.first_token_ns = before.first_token_ns.or(self.first_token_ns);
        self.chunks += before.chunks;
        self.body_bytes += before.body_bytes;
    }

    pub fn record(&self, record: &mut Record) {
        record.first_token_ns = self.first_token_ns;
        record.last_token_ns = self.last_token_ns;
        record.chunks = self.chunks;
        record.gaps = self.gaps;
        record.response_body_bytes = self.body_bytes;
    }
}
