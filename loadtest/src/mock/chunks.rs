//! The chunks of a chat completion's stream.

use super::{
    ask::Ask,
    faults::{self, Dialect},
    openai::{call_id, data, filtered, finish, logprobs, prompt_filter_results, thinking, usage},
    plan::{Events, ID},
    scenario::Scenario,
    story::{Call, Step, Story, created},
};
use serde_json::{Value, json};

pub fn events(ask: &Ask, scenario: &Scenario, story: &Story) -> Events {
    let with_usage = ask.include_usage && !scenario.no_usage;
    let chunks = Chunks { ask, scenario, story, created: created(), model: json!(ask.model), with_usage };
    let begin = json!({"role": "assistant", "content": "", "refusal": null});
    let mut events = Events {
        open: vec![chunks.each(|_| begin.clone(), None)],
        finish: vec![chunks.finish()],
        term: Some(b"data: [DONE]\n\n".to_vec()),
        error: data(&faults::in_stream(Dialect::OpenAi)),
        ..Events::default()
    };
    if ask.azure {
        let first = json!({"id": "", "object": "", "created": 0, "model": "", "choices": [],
                           "prompt_filter_results": prompt_filter_results()});
        events.open.insert(0, data(&first));
    }
    let mut begun = 0;
    for step in story.steps(scenario.interleave && !scenario.mistral) {
        let bytes = chunks.step(step, &mut begun);
        if !bytes.is_empty() {
            events.tokens.push(bytes);
        }
    }
    if with_usage && !scenario.mistral {
        events.finish.push(chunks.chunk(json!([]), Some(usage(story))));
    }
    events
}

struct Chunks<'a> {
    ask: &'a Ask,
    scenario: &'a Scenario,
    story: &'a Story,
    created: u64,
    model: Value,
    with_usage: bool,
}

impl Chunks<'_> {
    /// Written out, so that the fields stand in the provider's order.
    fn chunk(&self, choices: Value, usage: Option<Value>) -> Vec<u8> {
        // Every chunk has the field when the client asked for usage, and none has it otherwise.
        let usage = match usage {
            Some(usage) => format!(",\"usage\":{usage}"),
            None if self.with_usage && !self.scenario.mistral => ",\"usage\":null".to_owned(),
            None => String::new(),
        };
        let (created, model) = (self.created, &self.model);
        format!(
            "data: {{\"id\":\"chatcmpl-{ID}\",\"object\":\"chat.completion.chunk\",\"created\":{created},\"model\":{model},\
             \"service_tier\":\"default\",\"system_fingerprint\":\"fp_mock\",\"choices\":{choices}{usage}}}\n\n"
        )
        .into_bytes()
    }

    fn choice(&self, index: usize, delta: Value, logprobs: Value, finish: Option<&str>) -> Value {
        let choice = json!({"index": index, "delta": delta, "logprobs": logprobs, "finish_reason": finish});
        json!([filtered(self.ask, choice)])
    }

    /// One chunk for each of the answers.
    fn each(&self, delta: impl Fn(usize) -> Value, said: Option<&Step>) -> Vec<u8> {
        let logprobs = match said {
            Some(Step::Text(text)) => logprobs(self.ask, &[(*text).to_owned()]),
            _ => Value::Null,
        };
        let chunk = |index| self.chunk(self.choice(index, delta(index), logprobs.clone(), None), None);
        (0..self.story.candidates).flat_map(chunk).collect()
    }

    /// The end of each; Mistral's last one has the usage, asked for or not.
    fn finish(&self) -> Vec<u8> {
        let chunk = |index: usize| {
            let last = self.scenario.mistral && !self.scenario.no_usage && index + 1 == self.story.candidates;
            let choice = self.choice(index, json!({}), Value::Null, Some(finish(self.story)));
            self.chunk(choice, last.then(|| usage(self.story)))
        };
        (0..self.story.candidates).flat_map(chunk).collect()
    }

    /// `begun`: how many calls have begun.
    fn step(&self, step: Step, begun: &mut usize) -> Vec<u8> {
        match step {
            Step::Think(text) if self.scenario.mistral => {
                self.each(|_| json!({"content": [thinking(text)]}), Some(&step))
            }
            Step::Think(text) => self.each(|_| json!({"reasoning_content": text}), Some(&step)),
            Step::Text(text) => self.each(|_| json!({"content": text}), Some(&step)),
            Step::Argument { index, call, fragment } => {
                let fresh = index == *begun;
                *begun = (*begun).max(index + 1);
                if self.scenario.mistral {
                    let whole = call.arguments.to_string();
                    return if fresh { self.begin(index, call, &whole) } else { Vec::new() };
                }
                let mut bytes = if fresh { self.begin(index, call, "") } else { Vec::new() };
                let next = json!({"tool_calls": [{"index": index, "function": {"arguments": fragment}}]});
                bytes.extend(self.each(|_| next.clone(), Some(&step)));
                bytes
            }
        }
    }

    fn begin(&self, index: usize, call: &Call, arguments: &str) -> Vec<u8> {
        let delta = |choice: usize| {
            let begun = json!({"index": index, "id": call_id(choice, index, self.scenario), "type": "function",
                               "function": {"name": call.name, "arguments": arguments}});
            json!({"tool_calls": [begun]})
        };
        self.each(delta, None)
    }
}
