//! What the head of an answer says about when to come back (spec "providers" 14c): `retry-after-ms`, `retry-after`, the
//! `x-ratelimit-*` and `anthropic-ratelimit-*` families, `x-should-retry`. The data plane reads it where an attempt ended;
//! what cannot be read is as if it was not there.

use super::message::retry_delay_ms;
use super::moment::{after_ms, decimal_ms};

/// No provider is waited for, or left alone, for longer than this because it said so.
pub const HINT_MS_MAX: u64 = 600_000;

/// Of one answer. Milliseconds from the moment at which it was read.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Hints {
    retry_after_ms: Option<u64>,
    retry_after: Option<u64>,
    should_retry: Option<bool>,
    limits: [Limit; LIMITS.len()],
}

/// One limit of a family.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
struct Limit {
    reset_ms: Option<u64>,
    /// Some is left; `None`: not told.
    is_left: Option<bool>,
    /// Its size is not a size (Azure writes -1 or 0 where it does not know).
    is_unknown: bool,
}

/// Ends of the names; Together's have none. OpenAI, Azure, Groq, Anthropic.
const LIMITS: [&[u8]; 5] = [b"", b"-requests", b"-tokens", b"-input-tokens", b"-output-tokens"];

impl Hints {
    /// Names in any case. `now_ms` is unix milliseconds.
    pub fn read<'a>(fields: impl Iterator<Item = (&'a [u8], &'a [u8])>, now_ms: u64) -> Self {
        let mut hints = Self::default();
        fields.for_each(|(name, value)| hints.field(name, value, now_ms));
        hints
    }

    fn field(&mut self, name: &[u8], value: &[u8], now_ms: u64) {
        // Nearly all fields of nearly all answers are others.
        let prefix = match name.first() {
            Some(b'r' | b'R') => {
                let value = std::str::from_utf8(value).unwrap_or_default().trim_ascii();
                if name.eq_ignore_ascii_case(b"retry-after-ms") {
                    self.retry_after_ms = decimal_ms(value, 1);
                } else if name.eq_ignore_ascii_case(b"retry-after") {
                    self.retry_after = after_ms(value, now_ms);
                }
                return;
            }
            Some(b'x' | b'X') => "x-ratelimit-",
            Some(b'a' | b'A') => "anthropic-ratelimit-",
            _ => return,
        };
        if name.eq_ignore_ascii_case(b"x-should-retry") {
            self.should_retry = [(&b"true"[..], true), (b"false", false)]
                .into_iter()
                .find_map(|(word, said)| value.trim_ascii().eq_ignore_ascii_case(word).then_some(said));
        } else if let Some((head, rest)) = name.split_at_checked(prefix.len())
            && head.eq_ignore_ascii_case(prefix.as_bytes())
        {
            self.limit(rest, std::str::from_utf8(value).unwrap_or_default().trim_ascii(), now_ms);
        }
    }

    /// OpenAI's family says first what, then of which limit (`reset-tokens`), Anthropic's the other way round.
    fn limit(&mut self, name: &[u8], value: &str, now_ms: u64) {
        let Some((of, what)) = LIMITS.iter().enumerate().find_map(|(at, limit)| Some((at, without(name, limit)?)))
        else {
            return;
        };
        let Some(limit) = self.limits.get_mut(of) else { return };
        if what.eq_ignore_ascii_case(b"reset") {
            limit.reset_ms = after_ms(value, now_ms);
        } else if what.eq_ignore_ascii_case(b"remaining") {
            limit.is_left = value.parse().ok().filter(|&left: &i64| left >= 0).map(|left| left > 0);
        } else if what.eq_ignore_ascii_case(b"limit") {
            limit.is_unknown = value.parse().is_ok_and(|size: i64| size <= 0);
        }
    }

    /// Of a failure: how long the provider wants to be left alone, at most [`HINT_MS_MAX`].
    pub fn wait_ms(&self, body: &[u8]) -> Option<u64> {
        let said = self.retry_after_ms.or(self.retry_after);
        // A limit of which something is left is not the one that was hit.
        let told =
            || said.or_else(|| retry_delay_ms(body)).or_else(|| self.reset_ms(|limit| limit.is_left != Some(true)));
        told().map(|ms| ms.min(HINT_MS_MAX))
    }

    /// Of a success: nothing is left for so long. (Its `retry-after` means nothing.)
    pub fn exhausted_ms(&self) -> Option<u64> {
        self.reset_ms(|limit| limit.is_left == Some(false)).filter(|&ms| ms > 0).map(|ms| ms.min(HINT_MS_MAX))
    }

    /// `x-should-retry: false`: the same call would fail again.
    pub fn forbids_retry(&self) -> bool {
        self.should_retry == Some(false)
    }

    fn reset_ms(&self, counts: impl Fn(&Limit) -> bool) -> Option<u64> {
        self.limits.iter().filter(|limit| !limit.is_unknown && counts(limit)).filter_map(|limit| limit.reset_ms).max()
    }
}

/// The part of the name that says what it is, where the rest of it is this limit's.
fn without<'a>(name: &'a [u8], limit: &[u8]) -> Option<&'a [u8]> {
    // `tokens-reset`: the limit's name without its dash, then the dash.
    let last = name.len().checked_sub(limit.len())?;
    let (head, tail) = name.split_at_checked(last)?;
    if tail.eq_ignore_ascii_case(limit)
        && [&b"reset"[..], b"remaining", b"limit"].iter().any(|what| head.eq_ignore_ascii_case(what))
    {
        return Some(head);
    }
    let limit = limit.strip_prefix(b"-")?;
    let (head, tail) = name.split_at_checked(limit.len())?;
    tail.strip_prefix(b"-").filter(|_| head.eq_ignore_ascii_case(limit))
}

#[cfg(test)]
#[path = "hints_tests.rs"]
mod tests;
