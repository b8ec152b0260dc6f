//! What the end of an attempt says about the health of where it went, and how long that is left alone for it.

use crate::provider::HINT_MS_MAX;
use crate::telemetry::ErrorClass;

const COOLDOWN_MS_MIN: u64 = 1000;
const COOLDOWN_MS_MAX: u64 = 60_000;
/// A cool-down is no longer than this, or ten times what the failed attempt took: where failures come fast, asking costs
/// little, and a target is back soon after it recovers.
const COOLDOWN_MS_QUICK: u64 = 4000;
const QUOTA_COOLDOWN_MS: u64 = 300_000;

/// How an attempt ended.
#[derive(Clone, Copy, Debug)]
pub struct Ended {
    /// Unix milliseconds.
    pub now_ms: u64,
    pub duration_ms: u64,
    /// `None`: it went well. Never a timeout that a request set for itself: a caller in a hurry is nobody's failure, and
    /// must not take a target from the others.
    pub error: Option<ErrorClass>,
    pub status: u16,
    /// How long the provider wants to be left alone. Of a success: because its limit is used up
    /// ([`Hints::exhausted_ms`](crate::provider::Hints::exhausted_ms)), never its `retry-after`.
    pub hint_ms: Option<u64>,
}

/// What that says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Says {
    Well,
    Failed(ErrorClass),
    /// The request was at fault, or the client.
    Nothing,
}

impl Ended {
    pub fn began_ms(&self) -> u64 {
        self.now_ms.saturating_sub(self.duration_ms)
    }

    pub(super) fn of_target(&self) -> Says {
        use ErrorClass::*;
        match self.error {
            None => Says::Well,
            Some(
                BadRequest | ContextLength | ContentFilter | ClientGone | ClientStalled | HedgeLost | Diverged
                | Internal,
            ) => Says::Nothing,
            Some(class) => Says::Failed(class),
        }
    }

    /// A region is its network and its doors: whoever answers, be it with a refusal, is there.
    pub(super) fn of_region(&self) -> Says {
        use ErrorClass::*;
        match self.error {
            None => Says::Well,
            Some(class @ (Resolve | Connect | ConnectTimeout | Tls | Disconnected | FirstByteTimeout)) => {
                Says::Failed(class)
            }
            Some(ClientGone | ClientStalled | HedgeLost | Diverged | Internal) => Says::Nothing,
            // A 5xx may be that of a load balancer with nothing behind it.
            Some(_) if (400..500).contains(&self.status) => Says::Well,
            Some(_) => Says::Nothing,
        }
    }

    /// How long it is to be left alone from now on, whatever came before.
    pub(super) fn wish_ms(&self) -> Option<u64> {
        let hint_ms = self.hint_ms.filter(|&ms| ms > 0).map(|ms| ms.min(HINT_MS_MAX));
        match self.error {
            Some(ErrorClass::QuotaExhausted) => Some(hint_ms.unwrap_or_default().max(QUOTA_COOLDOWN_MS)),
            None | Some(ErrorClass::RateLimited | ErrorClass::Overloaded) => hint_ms,
            Some(_) => None,
        }
    }

    /// The cool-down after so many others.
    pub(super) fn cooldown_ms(&self, before: u8) -> u64 {
        let doubled = COOLDOWN_MS_MIN << before.min(6);
        doubled.min(self.duration_ms.saturating_mul(10).clamp(COOLDOWN_MS_QUICK, COOLDOWN_MS_MAX))
    }
}
