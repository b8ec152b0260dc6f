//! What was asked of each target, for tests: `GET /mock/seen`. A target is a model with its scenario as they were written; only
//! those that have a scenario are kept, so that a benchmark of plain ones pays nothing. Memory is bounded.

use serde_json::{Value, json};
use std::{
    collections::{HashMap, VecDeque},
    sync::{Mutex, PoisonError},
    time::Instant,
};

const TARGETS_MAX: usize = 1024;
const TIMES_MAX: usize = 4096;
const CALLS_MAX: usize = 64;
/// Of those calls, the ones whose bodies are kept as well.
const BODIES_MAX: usize = 16;
const BODY_BYTES_MAX: usize = 16 * 1024;
/// Over all targets.
const BODIES_BYTES_MAX: usize = 16 << 20;

pub struct Seen {
    started: Instant,
    log: Mutex<Log>,
}

impl Default for Seen {
    fn default() -> Self {
        Seen { started: Instant::now(), log: Mutex::default() }
    }
}

#[derive(Default)]
struct Log {
    targets: HashMap<String, Target>,
    body_bytes: usize,
}

#[derive(Default)]
struct Target {
    requests: u64,
    faulty: u64,
    answered: u64,
    broken: u64,
    hung_up: u64,
    times_ms: VecDeque<f64>,
    /// Those of them that met the fault.
    faulty_ms: VecDeque<f64>,
    calls: VecDeque<Call>,
}

fn push(times_ms: &mut VecDeque<f64>, at_ms: f64) {
    if times_ms.len() == TIMES_MAX {
        times_ms.pop_front();
    }
    times_ms.push_back(at_ms);
}

struct Call {
    at_ms: f64,
    ended: Option<(f64, Outcome)>,
    path: String,
    faulty: bool,
    tokens: u32,
    body: Option<Box<[u8]>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    Answered,
    /// By this side: the fault of the scenario.
    Broken,
    /// The client left before the end.
    HungUp,
}

/// One call that has begun: the name of its target and its number there, from 0.
pub struct Begun<'a>(&'a str, u64);

/// The name of a target. The header is on its second line.
pub fn name(model: &str, header: &[u8]) -> String {
    format!("{model}\n{}", String::from_utf8_lossy(header))
}

impl Seen {
    fn now_ms(&self) -> f64 {
        (self.started.elapsed().as_micros() as f64) / 1e3
    }

    pub fn begin<'a>(&self, name: &'a str, path: &[u8], body: &[u8], faulty: bool) -> Begun<'a> {
        let at_ms = self.now_ms();
        let mut log = self.log.lock().unwrap_or_else(PoisonError::into_inner);
        let log = &mut *log;
        log.make_room(name);
        let target = log.targets.entry(name.to_owned()).or_default();
        target.requests += 1;
        push(&mut target.times_ms, at_ms);
        if faulty {
            target.faulty += 1;
            push(&mut target.faulty_ms, at_ms);
        }
        if target.calls.len() == CALLS_MAX {
            target.calls.pop_front();
        }
        // Bodies stand in the last calls only, so one leaves for each that comes.
        let old = target.calls.len().checked_sub(BODIES_MAX).and_then(|at| target.calls.get_mut(at));
        log.body_bytes -= old.and_then(|call| call.body.take()).map_or(0, |body| body.len());
        let body: Option<Box<[u8]>> = (body.len() <= BODY_BYTES_MAX).then(|| body.into());
        log.body_bytes += body.as_ref().map_or(0, |body| body.len());
        let path = String::from_utf8_lossy(path).into_owned();
        target.calls.push_back(Call { at_ms, ended: None, path, faulty, tokens: 0, body });
        Begun(name, target.requests - 1)
    }

    pub fn end(&self, Begun(name, number): Begun, outcome: Outcome, tokens: u32) {
        let at_ms = self.now_ms();
        let mut log = self.log.lock().unwrap_or_else(PoisonError::into_inner);
        // It may have been forgotten meanwhile, and even come again.
        let Some(target) = log.targets.get_mut(name) else { return };
        match outcome {
            Outcome::Answered => target.answered += 1,
            Outcome::Broken => target.broken += 1,
            Outcome::HungUp => target.hung_up += 1,
        }
        let gone = target.requests - target.calls.len() as u64;
        let at = number.checked_sub(gone).and_then(|at| usize::try_from(at).ok());
        if let Some(call) = at.and_then(|at| target.calls.get_mut(at)) {
            (call.ended, call.tokens) = (Some((at_ms, outcome)), tokens);
        }
    }

    /// `model`: its name without or with its scenario; all of them without.
    pub fn to_json(&self, model: Option<&str>) -> String {
        let log = self.log.lock().unwrap_or_else(PoisonError::into_inner);
        let mut targets: Vec<(&String, &Target)> = log
            .targets
            .iter()
            .filter(|(name, _)| {
                let (written, _) = name.split_once('\n').unwrap_or((name, ""));
                model.is_none_or(|model| written == model || written.split(':').next() == Some(model))
            })
            .collect();
        targets.sort_by_key(|(name, _)| *name);
        let targets: Vec<Value> = targets.into_iter().map(|(name, target)| target.to_json(name)).collect();
        json!({"now_ms": self.now_ms(), "targets": targets}).to_string()
    }
}

impl Log {
    /// For one more call: what was asked of least recently is forgotten.
    fn make_room(&mut self, name: &str) {
        let fits = |log: &Log| {
            (log.targets.len() < TARGETS_MAX || log.targets.contains_key(name))
                && log.body_bytes + BODY_BYTES_MAX <= BODIES_BYTES_MAX
        };
        while !fits(self) {
            let last = |target: &Target| target.times_ms.back().copied().unwrap_or(0.0);
            let oldest = self.targets.iter().min_by(|a, b| last(a.1).total_cmp(&last(b.1)));
            let Some(oldest) = oldest.map(|(name, _)| name.clone()) else { return };
            if let Some(target) = self.targets.remove(&oldest) {
                let bodies = target.calls.iter().filter_map(|call| call.body.as_ref());
                self.body_bytes -= bodies.map(|body| body.len()).sum::<usize>();
            }
        }
    }
}

impl Target {
    fn to_json(&self, name: &str) -> Value {
        let (model, header) = name.split_once('\n').unwrap_or((name, ""));
        json!({
            "model": model,
            "scenario": header,
            "requests": self.requests,
            "faulty": self.faulty,
            "answered": self.answered,
            "broken": self.broken,
            "hung_up": self.hung_up,
            "open": self.requests.saturating_sub(self.answered + self.broken + self.hung_up),
            "times_ms": self.times_ms,
            "faulty_ms": self.faulty_ms,
            "calls": self.calls.iter().map(Call::to_json).collect::<Vec<_>>(),
        })
    }
}

impl Call {
    fn to_json(&self) -> Value {
        let body: Option<Value> = self.body.as_ref().and_then(|body| serde_json::from_slice(body).ok());
        let outcome = match self.ended {
            None => "open",
            Some((_, Outcome::Answered)) => "answered",
            Some((_, Outcome::Broken)) => "broken",
            Some((_, Outcome::HungUp)) => "hung_up",
        };
        json!({
            "at_ms": self.at_ms,
            "ended_ms": self.ended.map(|(at_ms, _)| at_ms),
            "path": self.path,
            "faulty": self.faulty,
            "outcome": outcome,
            "tokens": self.tokens,
            "last_role": body.as_ref().and_then(last_role),
            "body": body,
        })
    }
}

/// Whose message the conversation ends with. Google may leave the role out, and a prompt of one string is the user's.
fn last_role(body: &Value) -> Option<&str> {
    let messages = ["messages", "contents", "input"].iter().find_map(|key| body.get(key))?;
    match messages {
        Value::Array(messages) => Some(messages.last()?.get("role").and_then(Value::as_str).unwrap_or("user")),
        _ => Some("user"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(seen: &Seen, model: Option<&str>) -> Value {
        serde_json::from_str(&seen.to_json(model)).expect("JSON")
    }

    #[test]
    fn calls_are_counted_and_the_last_of_them_kept() {
        let seen = Seen::default();
        let (first, other) = (name("a:503,first=2", b""), name("ab:tokens=1", b"cut@1"));
        let body = json!({"messages": [{"role": "user"}, {"role": "assistant"}]}).to_string();
        let open = seen.begin(&first, b"/x", body.as_bytes(), true);
        for _ in 0..CALLS_MAX {
            let begun = seen.begin(&first, b"/x", body.as_bytes(), false);
            seen.end(begun, Outcome::Answered, 3);
        }
        let begun = seen.begin(&other, b"/y", b"no JSON", false);
        seen.end(begun, Outcome::HungUp, 0);
        // No longer in the list, but counted.
        seen.end(open, Outcome::Broken, 0);

        let all = read(&seen, None);
        assert_eq!(all["targets"].as_array().map(Vec::len), Some(2));
        assert_eq!((&all["targets"][1]["scenario"], &all["targets"][1]["hung_up"]), (&json!("cut@1"), &json!(1)));
        assert_eq!(all["targets"][1]["calls"][0]["body"], Value::Null);
        for model in ["a", "a:503,first=2"] {
            let one = read(&seen, Some(model));
            assert_eq!(one["targets"].as_array().map(Vec::len), Some(1), "{model}");
            let target = &one["targets"][0];
            let count = |key: &str| target[key].as_u64().expect("a count");
            assert_eq!(["requests", "faulty", "answered", "broken", "open"].map(count), [65, 1, 64, 1, 0]);
            let times = |key: &str| target[key].as_array().map(Vec::len);
            assert_eq!((times("times_ms"), times("faulty_ms")), (Some(65), Some(1)));
            let calls = target["calls"].as_array().expect("calls");
            assert_eq!(calls.len(), CALLS_MAX);
            assert_eq!(calls.iter().filter(|call| call["body"].is_object()).count(), BODIES_MAX);
            assert_eq!((&calls[63]["last_role"], &calls[63]["tokens"]), (&json!("assistant"), &json!(3)));
        }
    }

    #[test]
    fn memory_is_bounded() {
        let seen = Seen::default();
        let body = vec![b' '; BODY_BYTES_MAX];
        for number in 0..3000 {
            let name = name(&format!("m{number}:x"), b"");
            seen.begin(&name, b"/x", &body, false);
        }
        let log = seen.log.lock().expect("no panic");
        assert!(log.targets.len() <= TARGETS_MAX && log.body_bytes <= BODIES_BYTES_MAX);
        assert_eq!(log.body_bytes, log.targets.len() * BODY_BYTES_MAX);
        assert!(log.targets.contains_key("m2999:x\n"));
    }
}
