//! A row of a table: a fault, what the client must get and how often each provider must have been asked.

use std::ops::RangeInclusive;

use super::face::Face;
use super::stage::{Told, to};
use super::{Failures, Live, Route, Stage};

/// Words of a whole answer.
pub const WORDS: usize = 60;

/// Who asks, and what kind the first target and the others are.
#[derive(Clone, Copy, Debug)]
pub struct Pair(pub Face, pub &'static str, pub &'static str);

/// One dialect from end to end.
pub const SAME: [Pair; 4] = [
    Pair(Face::Chat, "openai", "openai"),
    Pair(Face::Messages, "anthropic", "anthropic"),
    Pair(Face::Responses, "openai", "openai"),
    Pair(Face::Gemini, "google-gemini", "google-gemini"),
];

/// From one dialect to another in the middle of it.
pub const ACROSS: [Pair; 5] = [
    Pair(Face::Chat, "openai", "anthropic"),
    Pair(Face::Chat, "anthropic", "openai"),
    Pair(Face::Messages, "anthropic", "google-gemini"),
    Pair(Face::Responses, "openai", "anthropic"),
    Pair(Face::Gemini, "anthropic", "google-gemini"),
];

#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Client {
    /// A complete answer, each word once.
    Whole,
    /// This status, in the shape of the face.
    Error(u16),
    /// The beginning of the answer, then an error event and no proper end.
    Broken,
}

#[derive(Clone, Debug)]
pub struct Row {
    /// Of the first target; `tokens=` is given.
    pub first: String,
    /// Of the others, in their order.
    pub others: Vec<String>,
    /// Keys of the first target's candidate.
    pub keys: &'static str,
    /// Further keys of the rule.
    pub rule: &'static str,
    pub client: Client,
    /// Requests that each of them sees.
    pub calls: Vec<RangeInclusive<u64>>,
}

impl Row {
    /// One target, which is asked so often.
    pub fn alone(first: &str, keys: &'static str, client: Client, calls: u64) -> Row {
        let (first, calls) = (first.to_owned(), vec![calls..=calls]);
        Row { first, others: Vec::new(), keys, rule: "", client, calls }
    }

    /// Two targets, the second one in good health.
    pub fn two(first: &str, keys: &'static str, client: Client, calls: [u64; 2]) -> Row {
        let calls = calls.into_iter().map(|calls| calls..=calls).collect();
        Row { first: first.to_owned(), others: vec![String::new()], keys, rule: "", client, calls }
    }

    pub fn rule(self, rule: &'static str) -> Row {
        Row { rule, ..self }
    }

    pub fn others(self, others: &[&str], calls: &[u64]) -> Row {
        let others = others.iter().map(|one| (*one).to_owned()).collect();
        Row { others, calls: calls.iter().map(|&calls| calls..=calls).collect(), ..self }
    }
}

/// A row as one client meets it.
pub struct Case {
    pub row: Row,
    pub pair: Pair,
    pub stream: bool,
    route: Route,
    what: String,
}

impl Case {
    pub fn new(stage: &mut Stage, row: &Row, pair: Pair, stream: bool) -> Case {
        let Pair(face, first, other) = pair;
        let scenario = |words: &str| match words {
            super::stage::REFUSES => words.to_owned(),
            // A stream takes its time, so that what it says is on its way before it breaks off.
            _ if stream => format!("tokens={WORDS},gap=2,{words}").trim_end_matches(',').to_owned(),
            _ => format!("tokens={WORDS},{words}").trim_end_matches(',').to_owned(),
        };
        let mut targets = vec![to(first, scenario(&row.first), row.keys)];
        targets.extend(row.others.iter().map(|words| to(other, scenario(words), "")));
        let route = stage.rule(row.rule, &targets);
        let Row { first: words, others, keys, rule, .. } = row;
        let what =
            format!("{} {face:?} {first}:{words} -> {other}:{others:?} stream={stream} {keys} {rule}", route.model);
        Case { row: row.clone(), pair, stream, route, what }
    }

    pub fn run(&self, live: &Live, whole: &str, failures: &mut Failures) {
        let told = live.ask(self.pair.0, &self.route.model, self.stream);
        self.check(live, &told, whole, failures);
    }

    pub fn check(&self, live: &Live, told: &Told, whole: &str, failures: &mut Failures) {
        let said = &told.said;
        let what = format!("{}\n    got {} {:?}\n   ", self.what, said.status, tail(&said.body));
        match self.row.client {
            Client::Whole => {
                failures.check(&what, (said.status, said.ended, said.error.as_deref()), (200, true, None));
                failures.check(&what, said.text.as_str(), whole);
            }
            Client::Error(status) => {
                failures.check(&what, said.status, status);
                failures.holds(&format!("{what} no error in the face's shape"), said.error.is_some());
            }
            Client::Broken => {
                failures.check(&what, (said.status, said.ended, said.error.is_some()), (200, false, true));
                // Only the terminator may be all that is missing.
                let may_be_all = self.row.first.contains("noterm");
                let is_part = !said.text.is_empty() && (may_be_all || said.text != whole);
                let is_beginning = is_part && whole.starts_with(&said.text);
                failures.holds(&format!("{what} not a beginning: {:?}", said.text), is_beginning);
            }
        }
        for (target, calls) in self.route.targets.iter().zip(&self.row.calls) {
            let seen = live.requests(target);
            failures.holds(&format!("{what} {target} saw {seen}, not {calls:?}"), calls.contains(&seen));
        }
    }

    /// The last request that the target at this place saw.
    pub fn last_call(&self, live: &Live, at: usize) -> serde_json::Value {
        live.seen(&self.route.targets[at]).calls.last().cloned().unwrap_or_default()
    }
}

/// The end of a body, which is where it tells.
fn tail(body: &str) -> &str {
    let from = body.len().saturating_sub(600);
    let from = (from..=body.len()).find(|&at| body.is_char_boundary(at)).unwrap_or(body.len());
    &body[from..]
}

/// All of these rows, for each of these clients, on one gateway.
pub fn run(driver: &str, more: &str, rows: &[Row], pairs: &[Pair], streams: &[bool]) {
    let mut stage = Stage::new();
    let whole = stage.rule("", &[to("openai", format!("tokens={WORDS}"), "")]);
    let mut cases = Vec::new();
    for row in rows {
        for &pair in pairs {
            cases.extend(streams.iter().map(|&stream| Case::new(&mut stage, row, pair, stream)));
        }
    }
    let live = stage.start(driver, more);
    let whole = live.ask(Face::Chat, &whole.model, false).said.text;
    assert_eq!(whole.split(' ').count(), WORDS);
    super::all(&cases, |case, failures| case.run(&live, &whole, failures));
}
