//! What a target was given in this minute, for `usage_limits`. Per shard: N shards give each N-th part.

/// Requests and tokens of the last minute.
#[derive(Debug, Default)]
pub struct Usage;

impl Usage {
    pub fn add(&mut self, _now_ms: u64, _requests: u64, _tokens: u64) {}
}
