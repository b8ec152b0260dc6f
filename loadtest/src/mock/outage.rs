//! When a scenario's fault happens: always, the first times only, or by the clock that its first request starts.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::Instant,
};

/// All that is given has to hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct When {
    /// What requests are counted by instead of the model and its scenario.
    pub key: Option<String>,
    /// Not so many requests before all others.
    after: u64,
    /// So many requests.
    first: Option<u64>,
    /// Healthy for so long before anything else.
    up_ms: u64,
    /// Faulty for so long, then healthy for good.
    down_ms: Option<u64>,
    /// Faulty and healthy in turns of this length.
    flap_ms: Option<u64>,
}

impl When {
    pub fn set(&mut self, key: &str, value: &str) -> Option<()> {
        let number = || value.parse::<u64>().ok().filter(|n| *n > 0);
        match key {
            "once" => (self.first, self.key) = (Some(1), Some(value.to_owned())),
            "after" => self.after = number()?,
            "first" => self.first = Some(number()?),
            "up" => self.up_ms = number()?,
            "down" => self.down_ms = Some(number()?),
            "flap" => self.flap_ms = Some(number()?),
            _ => return None,
        }
        Some(())
    }

    pub fn once(&mut self) {
        self.first = Some(1);
    }

    pub fn always(&self) -> bool {
        self.after == 0 && self.first.is_none() && self.up_ms == 0 && self.down_ms.is_none() && self.flap_ms.is_none()
    }

    /// `before`: requests that came before this one, the first of them `elapsed_ms` ago.
    fn faulty(&self, before: u64, elapsed_ms: u64) -> bool {
        let (Some(down_ms), Some(before)) = (elapsed_ms.checked_sub(self.up_ms), before.checked_sub(self.after)) else {
            return false;
        };
        self.first.is_none_or(|first| before < first)
            && self.down_ms.is_none_or(|ms| down_ms < ms)
            && self.flap_ms.is_none_or(|ms| (down_ms / ms).is_multiple_of(2))
    }
}

/// What was counted so far, by key. Touched only by requests whose fault comes and goes.
#[derive(Default)]
pub struct Outages {
    begun: Mutex<HashMap<String, Begun>>,
}

struct Begun {
    at: Instant,
    requests: u64,
}

/// A client may send a new key each time.
const KEYS_MAX: usize = 100_000;

impl Outages {
    /// Whether this request meets the fault; it is counted.
    pub fn faulty(&self, when: &When, key: &str) -> bool {
        let mut all = self.begun.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= KEYS_MAX {
            all.clear();
        }
        let key = when.key.as_deref().unwrap_or(key);
        let begun = all.entry(key.to_owned()).or_insert_with(|| Begun { at: Instant::now(), requests: 0 });
        begun.requests += 1;
        when.faulty(begun.requests - 1, begun.at.elapsed().as_millis() as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_come_and_go_by_count_and_by_clock() {
        let when = |words: &[(&str, &str)]| {
            let mut when = When::default();
            words.iter().for_each(|(key, value)| when.set(key, value).expect("understood"));
            when
        };
        let by_clock = |when: &When| [0, 99, 100, 199, 200, 250, 300, 400].map(|ms| when.faulty(7, ms));
        assert!(When::default().always() && by_clock(&When::default()) == [true; 8]);
        let (t, f) = (true, false);
        assert_eq!(by_clock(&when(&[("down", "200")])), [t, t, t, t, f, f, f, f]);
        assert_eq!(by_clock(&when(&[("flap", "100")])), [t, t, f, f, t, t, f, t]);
        assert_eq!(by_clock(&when(&[("up", "100")])), [f, f, t, t, t, t, t, t]);
        assert_eq!(by_clock(&when(&[("up", "100"), ("down", "150")])), [f, f, t, t, t, f, f, f]);
        let first = when(&[("first", "2")]);
        assert_eq!([0, 1, 2, 3].map(|before| first.faulty(before, 0)), [t, t, f, f]);
        let after = when(&[("after", "2")]);
        assert_eq!([0, 1, 2, 9].map(|before| after.faulty(before, 0)), [f, f, t, t]);
        let both = when(&[("after", "1"), ("first", "2")]);
        assert_eq!([0, 1, 2, 3].map(|before| both.faulty(before, 0)), [f, t, t, f]);
        assert!(!after.always());
        assert!(When::default().set("flap", "0").is_none() && When::default().set("down", "x").is_none());
    }
}
