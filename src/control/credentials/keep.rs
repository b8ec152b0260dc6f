//! When a credential is fetched, and what is told: at once, again before it expires, and with growing pauses while that fails.

use std::time::Duration;

use ring::rand::{SecureRandom, SystemRandom};

use crate::provider::Fetched;

/// What a source gave.
#[derive(Debug)]
pub struct Fresh {
    pub fetched: Fetched,
    /// `None`: it has no end that is known.
    pub expires_unix_s: Option<u64>,
}

/// Before a credential expires: the clocks of both sides may differ, and the newer one takes a few tries to get.
const EARLY_S: u64 = 300;
/// Gateways that were started together do not ask together.
const JITTER_S: u64 = 60;
/// Files and variables without an end are looked at again: something may have written newer keys.
const STATIC_S: u64 = 300;
const SOONEST_S: u64 = 5;
const RETRY_FIRST_MS: u64 = 1000;
const RETRY_MAX_MS: u64 = 60_000;

/// What is remembered between two fetches of one source.
#[derive(Default)]
pub struct Keep {
    told: Option<Fetched>,
    fault: Option<String>,
    failures: u32,
}

/// What comes after a fetch.
pub struct Next {
    /// A credential that the shards do not know.
    pub tell: Option<Fetched>,
    pub wait: Duration,
}

impl Keep {
    /// `random` spreads what is due. A failure is logged once for as long as it is the same.
    pub fn after(&mut self, source: &str, fetched: Result<Fresh, String>, now_unix_s: u64, random: u64) -> Next {
        match fetched {
            Ok(Fresh { fetched, expires_unix_s }) => {
                self.failures = 0;
                if self.fault.take().is_some() {
                    tracing::info!(source, "fresh credentials");
                }
                let new = self.told.as_ref() != Some(&fetched);
                let tell = new.then(|| self.told.insert(fetched).clone());
                Next { tell, wait: refresh_after(expires_unix_s, now_unix_s, random) }
            }
            Err(error) => {
                self.failures = self.failures.saturating_add(1);
                if self.fault.as_ref() != Some(&error) {
                    tracing::warn!(source, error, kept = self.told.is_some(), "no fresh credentials");
                    self.fault = Some(error);
                }
                Next { tell: None, wait: retry_after(self.failures, random) }
            }
        }
    }
}

/// One that comes with little time left, as a metadata server's cache gives it, is asked for again halfway.
fn refresh_after(expires_unix_s: Option<u64>, now_unix_s: u64, random: u64) -> Duration {
    let Some(expires) = expires_unix_s else { return Duration::from_secs(STATIC_S) };
    let left = expires.saturating_sub(now_unix_s);
    let early = EARLY_S + random % JITTER_S;
    Duration::from_secs(left.saturating_sub(early).max(left / 2).max(SOONEST_S))
}

/// Doubles with every failure, give or take a quarter.
fn retry_after(failures: u32, random: u64) -> Duration {
    let step = (RETRY_FIRST_MS << failures.saturating_sub(1).min(16)).min(RETRY_MAX_MS);
    Duration::from_millis(step * 3 / 4 + random % (step / 2))
}

pub fn random() -> u64 {
    let mut bytes = [0; 8];
    // Without entropy there is no jitter.
    let _ = SystemRandom::new().fill(&mut bytes);
    u64::from_ne_bytes(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Secret;

    fn token(text: &str) -> Fetched {
        Fetched::Bearer(Secret::new(text.to_owned()))
    }

    #[test]
    fn it_is_fetched_again_before_it_expires() {
        for (left, soonest, latest) in [(3600, 3240, 3300), (400, 200, 200), (8, 5, 5), (0, 5, 5)] {
            for random in [0, 7, 59, u64::MAX] {
                let after = refresh_after(Some(1000 + left), 1000, random).as_secs();
                assert!((soonest..=latest).contains(&after), "{left}: {after}");
            }
        }
        assert_eq!(refresh_after(None, 1000, 0).as_secs(), STATIC_S);
        assert_eq!(refresh_after(Some(1), 1000, 0).as_secs(), SOONEST_S);
    }

    #[test]
    fn pauses_grow_to_a_minute_and_are_spread() {
        for (failures, step) in [(1, 1000), (2, 2000), (6, 32_000), (7, 60_000), (u32::MAX, 60_000)] {
            for random in [0, step / 2 - 1, u64::MAX] {
                let after = retry_after(failures, random).as_millis() as u64;
                assert!((step * 3 / 4..=step * 5 / 4).contains(&after), "{failures}: {after}");
            }
        }
    }

    #[test]
    fn newer_ones_are_told_in_time_and_failures_keep_the_old_one() {
        let mut keep = Keep::default();
        let mut now = 10_000;
        let mut told = Vec::new();
        // A token for an hour; two failures; one for an hour; the same again; another.
        for answer in ["a", "", "", "b", "b", "c"] {
            let fresh = Fresh { fetched: token(answer), expires_unix_s: Some(now + 3600) };
            let fetched = if answer.is_empty() { Err("down".to_owned()) } else { Ok(fresh) };
            let next = keep.after("test", fetched, now, 30);
            told.extend(next.tell.map(|fetched| (fetched, now)));
            now += next.wait.as_secs();
        }
        let tokens: Vec<&Fetched> = told.iter().map(|(fetched, _)| fetched).collect();
        assert_eq!(tokens, [&token("a"), &token("b"), &token("c")]);
        assert!(told[1].1 < 10_000 + 3600, "before the first one's end, in spite of the failures");
    }
}
