//! What one answer says, before any dialect words it: thoughts, text, calls, how it ends, and the numbers reported for it.

use super::{
    ask::{Ask, Choice, Tool},
    scenario::{Prefill, Scenario},
    schema, text,
};
use serde_json::Value;

pub struct Story {
    pub thoughts: Vec<String>,
    /// The text, token by token.
    pub text: Vec<String>,
    pub calls: Vec<Call>,
    pub finish: Finish,
    /// So many answers, all the same.
    pub candidates: usize,
    pub input: u64,
    /// Inside `input`.
    pub cached: u64,
    pub output: u64,
    /// Inside `output`.
    pub reasoning: u64,
}

pub struct Call {
    pub name: String,
    pub arguments: Value,
    /// The arguments' JSON text, cut without regard to what is in it.
    pub fragments: Vec<String>,
}

impl Call {
    pub fn takes_none(&self) -> bool {
        self.arguments.as_object().is_none_or(serde_json::Map::is_empty)
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finish {
    Stop,
    /// The client's own maximum cut it short.
    Length,
    /// One of the client's stop sequences came.
    Sequence(String),
    Calls,
}

/// What is sent at once.
#[derive(Clone, Copy)]
pub enum Step<'a> {
    Think(&'a str),
    Text(&'a str),
    Argument { index: usize, call: &'a Call, fragment: &'a str },
}

/// Thoughts are text as well: bounded whatever is reported.
const THOUGHTS_MAX: u64 = 10_000;
const FRAGMENT_CHARS: usize = 7;

impl Story {
    pub fn new(ask: &Ask, scenario: &Scenario) -> Story {
        let calls = calls(ask, scenario);
        let (text, mut finish) = text(ask, scenario, !calls.is_empty());
        if !calls.is_empty() {
            finish = Finish::Calls;
        }
        let candidates = ask.candidates.max(1);
        let fragments: usize = calls.iter().map(|call| call.fragments.len()).sum();
        let sent = ((text.len() + fragments) * candidates) as u64;
        let reported = scenario.usage;
        let input = reported.input.unwrap_or(ask.input_tokens);
        Story {
            thoughts: (0..reported.reasoning.min(THOUGHTS_MAX)).map(|index| text::thought(index as u32)).collect(),
            text,
            calls,
            finish,
            candidates,
            input,
            cached: reported.cached.min(input),
            output: reported.output.unwrap_or(sent + reported.reasoning),
            reasoning: reported.reasoning,
        }
    }

    /// In the order they are sent. `interleave`: calls take turns.
    pub fn steps(&self, interleave: bool) -> Vec<Step<'_>> {
        let thoughts = self.thoughts.iter().map(|text| Step::Think(text));
        let mut steps: Vec<Step> = thoughts.chain(self.text.iter().map(|text| Step::Text(text))).collect();
        let mut arguments: Vec<(usize, usize, Step)> = Vec::new();
        for (index, call) in self.calls.iter().enumerate() {
            for (turn, fragment) in call.fragments.iter().enumerate() {
                arguments.push((if interleave { turn } else { 0 }, index, Step::Argument { index, call, fragment }));
            }
        }
        // Stable: the fragments of one call stay in their order.
        arguments.sort_by_key(|(turn, index, _)| (*turn, *index));
        steps.extend(arguments.into_iter().map(|(.., step)| step));
        steps
    }
}

fn calls(ask: &Ask, scenario: &Scenario) -> Vec<Call> {
    // Results are answered by text, so that a client's loop of calls ends.
    if ask.choice == Choice::None || !ask.history.results.is_empty() {
        return Vec::new();
    }
    let forced = ask.choice != Choice::Auto;
    let wanted = scenario.calls.map_or(usize::from(forced), |calls| calls as usize);
    let wanted = if ask.one_call { wanted.min(1) } else { wanted };
    let chosen = ask.tools.iter().filter(|tool| match &ask.choice {
        Choice::Named(name) => tool.name == *name,
        _ => true,
    });
    // More calls than tools: the tools are called again.
    let chosen: Vec<&Tool> = chosen.collect();
    chosen.iter().cycle().take(if chosen.is_empty() { 0 } else { wanted }).map(|tool| call(tool)).collect()
}

fn call(tool: &Tool) -> Call {
    let arguments = schema::arguments(&tool.schema);
    Call { name: tool.name.clone(), fragments: fragments(&arguments.to_string()), arguments }
}

fn fragments(text: &str) -> Vec<String> {
    let chars: Vec<char> = text.chars().collect();
    chars.chunks(FRAGMENT_CHARS).map(|chunk| chunk.iter().collect()).collect()
}

fn text(ask: &Ask, scenario: &Scenario, with_calls: bool) -> (Vec<String>, Finish) {
    let max = ask.max_tokens.unwrap_or(u64::MAX);
    let (mut pieces, wanted) = match &ask.schema {
        _ if with_calls => (Vec::new(), scenario.calls.map_or(0, |_| scenario.talk)),
        Some(schema) => (fragments(&schema::value(schema).to_string()), 0),
        None => (ask.history.notes(scenario.echo_system), scenario.tokens),
    };
    if scenario.echo_ask && !ask.asked.is_empty() {
        pieces.push(ask.asked.clone());
    }
    let mut words = text::tokens(wanted, scenario.size, scenario.other_words);
    if let Some(prefill) = &ask.prefill {
        go_on(prefill, scenario.prefill, &mut pieces, &mut words);
    }
    let max = usize::try_from(max).unwrap_or(usize::MAX);
    pieces.truncate(max);
    // A maximum cuts words only where there are notes before them: a test that asks for both wants to see the notes.
    let cut = words.len() > max || (ask.schema.is_some() && !with_calls && pieces.len() == max);
    words.truncate(max);
    pieces.append(&mut words);
    let finish = if cut { Finish::Length } else { Finish::Stop };
    match stop(&mut pieces, &ask.stop) {
        Some(sequence) => (pieces, Finish::Sequence(sequence)),
        None => (pieces, finish),
    }
}

/// Leaves of the text what comes after the prefill. A text that does not begin so starts over.
fn go_on(prefill: &str, how: Prefill, pieces: &mut Vec<String>, words: &mut Vec<String>) {
    let whole = pieces.iter().chain(words.iter()).map(String::as_str).collect::<String>();
    if !matches!(how, Prefill::Continue | Prefill::Repeat) || !whole.starts_with(prefill) {
        return;
    }
    let mut left = prefill.len();
    for piece in pieces.iter_mut().chain(words.iter_mut()) {
        let said = left.min(piece.len());
        // The prefill ends with a character, and so does what it takes of a piece.
        piece.drain(..said);
        left -= said;
    }
    pieces.retain(|piece| !piece.is_empty());
    words.retain(|word| !word.is_empty());
    if how == Prefill::Repeat && !prefill.is_empty() {
        pieces.insert(0, prefill.to_owned());
    }
}

/// Ends the text before the first stop sequence in it, and says which one that was.
fn stop(pieces: &mut Vec<String>, sequences: &[String]) -> Option<String> {
    if sequences.is_empty() {
        return None;
    }
    let whole = pieces.concat();
    let found = sequences.iter().filter_map(|sequence| Some((whole.find(sequence.as_str())?, sequence)));
    let (mut left, sequence) = found.min_by_key(|(at, _)| *at)?;
    pieces.retain_mut(|piece| {
        let keep = left.min(piece.len());
        // Where the sequence begins a character begins; the pieces are cut between characters as well.
        piece.truncate(keep);
        left -= keep;
        keep > 0
    });
    Some(sequence.clone())
}

/// Seconds since 1970, as providers stamp their answers.
pub fn created() -> u64 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0, |d| d.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stop_sequence_may_lie_across_pieces() {
        let pieces = || ["The", " gate", " öpens"].map(str::to_owned).to_vec();
        let mut cut = pieces();
        assert_eq!(stop(&mut cut, &["te ö".to_owned(), "pens".to_owned()]), Some("te ö".to_owned()));
        assert_eq!(cut, ["The", " ga"]);
        let mut whole = pieces();
        assert_eq!(stop(&mut whole, &["x".to_owned()]), None);
        assert_eq!(whole, pieces());
        let mut nothing = pieces();
        stop(&mut nothing, &["The".to_owned()]);
        assert!(nothing.is_empty());
    }

    #[test]
    fn a_text_goes_on_behind_its_prefill() {
        let told = |prefill: &str, how| {
            let owned = |list: &[&str]| list.iter().map(|piece| (*piece).to_owned()).collect::<Vec<_>>();
            let (mut pieces, mut words) = (owned(&["saw 1 \u{f6}. "]), owned(&["The", " gate", " opens"]));
            go_on(prefill, how, &mut pieces, &mut words);
            [pieces, words].concat()
        };
        assert_eq!(told("", Prefill::Continue), ["saw 1 \u{f6}. ", "The", " gate", " opens"]);
        assert_eq!(told("saw 1 \u{f6}", Prefill::Continue), [". ", "The", " gate", " opens"]);
        assert_eq!(told("saw 1 \u{f6}. The ga", Prefill::Continue), ["te", " opens"]);
        assert_eq!(told("saw 1 \u{f6}. The ga", Prefill::Repeat), ["saw 1 \u{f6}. The ga", "te", " opens"]);
        assert!(told("saw 1 \u{f6}. The gate opens", Prefill::Continue).is_empty());
        for (prefill, how) in [("The", Prefill::Continue), ("saw", Prefill::Ignore)] {
            assert_eq!(told(prefill, how).len(), 4);
        }
    }

    #[test]
    fn calls_take_turns_when_interleaved() {
        let call = |name: &str| Call {
            name: name.to_owned(),
            arguments: Value::Null,
            fragments: ["1", "2"].map(str::to_owned).to_vec(),
        };
        let story = Story {
            thoughts: vec!["hm".to_owned()],
            text: Vec::new(),
            calls: vec![call("a"), call("b")],
            finish: Finish::Calls,
            candidates: 1,
            input: 0,
            cached: 0,
            output: 0,
            reasoning: 0,
        };
        let order = |interleave| {
            let told = story.steps(interleave).into_iter().map(|step| match step {
                Step::Think(text) | Step::Text(text) => text.to_owned(),
                Step::Argument { call, fragment, .. } => format!("{}{fragment}", call.name),
            });
            told.collect::<Vec<_>>()
        };
        assert_eq!(order(false), ["hm", "a1", "a2", "b1", "b2"]);
        assert_eq!(order(true), ["hm", "a1", "b1", "a2", "b2"]);
    }
}
