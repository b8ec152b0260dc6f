//! Google's generateContent, its two kinds of streams, its embeddings and Vertex's, and its token counts.

use super::{
    ask::{self, Ask, SIGNATURE},
    faults::{self, Dialect},
    others,
    plan::{Events, ID, Plan},
    scenario::Scenario,
    story::{Finish, Step, Story},
};
use serde_json::{Value, json};

const JSON: &str = "application/json; charset=UTF-8";

/// How an answer is delivered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delivery {
    Unary,
    /// `alt=sse`.
    Events,
    /// One JSON array, element by element.
    Array,
}

pub fn generate(ask: &Ask, scenario: &Scenario, delivery: Delivery) -> Plan {
    let story = Story::new(ask, scenario);
    let answer = Answer { ask, story: &story, no_usage: scenario.no_usage };
    let headers = [("x-mock-model", ask.model.as_str())];
    match delivery {
        Delivery::Unary => {
            let body = pretty(&answer.chunk(answer.parts(), Some(&answer.story.finish), story.output));
            Plan::unary(200, JSON, &headers, body.as_bytes(), scenario)
        }
        Delivery::Events => Plan::stream("text/event-stream", &headers, answer.events(), scenario),
        Delivery::Array => Plan::stream(JSON, &headers, answer.array(), scenario),
    }
}

/// A prompt that the safety filter refuses is a success without an answer.
pub fn blocked(ask: &Ask, scenario: &Scenario, delivery: Delivery) -> Plan {
    let input = Story::new(ask, scenario).input;
    let body = json!({
        "promptFeedback": {"blockReason": "PROHIBITED_CONTENT"},
        "usageMetadata": {"promptTokenCount": input, "totalTokenCount": input},
        "modelVersion": ask.model,
        "responseId": ID,
    });
    let headers = [("x-mock-model", ask.model.as_str())];
    match delivery {
        Delivery::Unary => Plan::unary(200, JSON, &headers, pretty(&body).as_bytes(), scenario),
        Delivery::Events => Plan::stream(
            "text/event-stream",
            &headers,
            Events { open: vec![data(&body)], ..Events::default() },
            scenario,
        ),
        Delivery::Array => {
            let all = format!("[{}\n]\n", pretty(&body));
            Plan::stream(JSON, &headers, Events { open: vec![all.into_bytes()], ..Events::default() }, scenario)
        }
    }
}

fn pretty(value: &Value) -> String {
    serde_json::to_string_pretty(value).unwrap_or_default()
}

/// Google ends its lines with CR LF.
fn data(payload: &Value) -> Vec<u8> {
    format!("data: {payload}\r\n\r\n").into_bytes()
}

struct Answer<'a> {
    ask: &'a Ask,
    story: &'a Story,
    no_usage: bool,
}

impl Answer<'_> {
    fn finish(finish: &Finish) -> &'static str {
        match finish {
            // A call ends with STOP as well.
            Finish::Stop | Finish::Sequence(_) | Finish::Calls => "STOP",
            Finish::Length => "MAX_TOKENS",
        }
    }

    /// Everything at once.
    fn parts(&self) -> Vec<Value> {
        let story = self.story;
        let mut parts = Vec::new();
        if !story.thoughts.is_empty() {
            parts.push(json!({"text": story.thoughts.concat(), "thought": true}));
        }
        if !story.text.is_empty() {
            let mut part = json!({"text": story.text.concat()});
            if !story.thoughts.is_empty() && story.calls.is_empty() {
                part["thoughtSignature"] = json!(SIGNATURE);
            }
            parts.push(part);
        }
        parts.extend((0..story.calls.len()).filter_map(|index| self.call(index)));
        parts
    }

    /// A call comes whole. The first of several carries the signature of the thinking before it.
    fn call(&self, index: usize) -> Option<Value> {
        let call = self.story.calls.get(index)?;
        let mut part = json!({"functionCall": {"name": call.name, "args": call.arguments}});
        if index == 0 && !self.story.thoughts.is_empty() {
            part["thoughtSignature"] = json!(SIGNATURE);
        }
        Some(part)
    }

    /// `output`: of all candidates, so far. Thoughts are counted outside the candidates here.
    fn chunk(&self, parts: Vec<Value>, finish: Option<&Finish>, output: u64) -> Value {
        let story = self.story;
        let candidate = |index: usize| {
            let mut candidate = json!({"content": {"parts": parts, "role": "model"}});
            if let Some(finish) = finish {
                candidate["finishReason"] = json!(Self::finish(finish));
                if self.ask.logprobs.is_some() {
                    candidate["avgLogprobs"] = json!(-0.25);
                    candidate["logprobsResult"] = logprobs(self.ask, story);
                }
            }
            candidate["index"] = json!(index);
            candidate
        };
        let mut chunk = json!({"candidates": (0..story.candidates).map(candidate).collect::<Vec<_>>()});
        if !self.no_usage {
            chunk["usageMetadata"] = self.usage(output);
        }
        chunk["modelVersion"] = json!(self.ask.model);
        chunk["responseId"] = json!(ID);
        chunk
    }

    fn usage(&self, output: u64) -> Value {
        let story = self.story;
        let thoughts = story.reasoning.min(output);
        let mut usage = json!({
            "promptTokenCount": story.input,
            "candidatesTokenCount": output - thoughts,
            "totalTokenCount": story.input + output,
            "promptTokensDetails": [{"modality": "TEXT", "tokenCount": story.input}],
        });
        if story.cached > 0 {
            usage["cachedContentTokenCount"] = json!(story.cached);
        }
        if thoughts > 0 {
            usage["thoughtsTokenCount"] = json!(thoughts);
        }
        usage
    }

    /// Chunk by chunk: those of tokens, and the last one, which has the finish reason.
    fn chunks(&self) -> (Vec<Value>, Value) {
        let story = self.story;
        let mut chunks = Vec::new();
        let mut output = 0;
        for step in story.steps(false) {
            output += match step {
                Step::Think(_) => 1,
                Step::Text(_) => story.candidates as u64,
                Step::Argument { .. } => 0,
            };
            let part = match step {
                Step::Think(text) => json!({"text": text, "thought": true}),
                Step::Text(text) => json!({"text": text}),
                // The first fragment brings the whole call.
                Step::Argument { call, fragment, .. } if !is_first(call, fragment) => continue,
                Step::Argument { index, .. } => match self.call(index) {
                    Some(call) => call,
                    None => continue,
                },
            };
            // The report is a snapshot that grows; it never exceeds the last.
            chunks.push(self.chunk(vec![part], None, output.min(story.output)));
        }
        let mut last = json!({"text": ""});
        if !story.thoughts.is_empty() && story.calls.is_empty() {
            last["thoughtSignature"] = json!(SIGNATURE);
        }
        (chunks, self.chunk(vec![last], Some(&story.finish), story.output))
    }

    fn events(&self) -> Events {
        let (chunks, last) = self.chunks();
        Events {
            tokens: chunks.iter().map(data).collect(),
            term: Some(data(&last)),
            error: data(&faults::in_stream(Dialect::Gemini)),
            ..Events::default()
        }
    }

    fn array(&self) -> Events {
        let (chunks, last) = self.chunks();
        let element = |(at, chunk): (usize, &Value)| {
            format!("{}{}", if at == 0 { "[" } else { ",\r\n" }, pretty(chunk)).into_bytes()
        };
        let begin = if chunks.is_empty() { "[" } else { ",\r\n" };
        let error = faults::in_stream(Dialect::Gemini);
        Events {
            tokens: chunks.iter().enumerate().map(element).collect(),
            term: Some(format!("{begin}{}\n]\n", pretty(&last)).into_bytes()),
            error: format!("{begin}{}\n]\n", pretty(&error)).into_bytes(),
            error_alone: format!("[{}\n]\n", pretty(&error)).into_bytes(),
            bad: b",\r\n{\"candidates\": [".to_vec(),
            ..Events::default()
        }
    }
}

fn is_first(call: &super::story::Call, fragment: &str) -> bool {
    call.fragments.first().is_some_and(|first| std::ptr::eq(first.as_str(), fragment))
}

fn logprobs(ask: &Ask, story: &Story) -> Value {
    let candidate = |token: &str, logprob: f64| json!({"token": token, "tokenId": 7, "logProbability": logprob});
    let chosen: Vec<Value> = story.text.iter().map(|token| candidate(token, -0.25)).collect();
    let top = ask.logprobs.unwrap_or(0).max(1);
    let others = |token: &String| {
        let list =
            (0..top).map(|at| if at == 0 { candidate(token, -0.25) } else { candidate(" else", -1.5 - at as f64) });
        json!({"candidates": list.collect::<Vec<_>>()})
    };
    json!({"topCandidates": story.text.iter().map(others).collect::<Vec<_>>(), "chosenCandidates": chosen})
}

pub fn count_tokens(ask: &Ask, scenario: &Scenario) -> Plan {
    let body = json!({"totalTokens": Story::new(ask, scenario).input});
    Plan::unary(200, JSON, &[("x-mock-model", &ask.model)], pretty(&body).as_bytes(), scenario)
}

/// `batchEmbedContents`, which reports no usage, and `embedContent`.
pub fn embed(ask: &Ask, scenario: &Scenario, batch: bool) -> Plan {
    let vector = |index: usize, request: &Value| {
        let dimensions = request.get("outputDimensionality").and_then(Value::as_u64);
        json!({"values": others::vector(index, others::dimensions(dimensions))})
    };
    let body = if batch {
        let requests = ask.body.get("requests").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        json!({"embeddings": requests.iter().enumerate().map(|(i, one)| vector(i, one)).collect::<Vec<_>>()})
    } else {
        json!({"embedding": vector(0, &ask.body)})
    };
    Plan::unary(200, JSON, &[("x-mock-model", &ask.model)], pretty(&body).as_bytes(), scenario)
}

/// Vertex's embeddings: each with its own count.
pub fn predict(ask: &Ask, scenario: &Scenario) -> Plan {
    let dimensions = ask.body.pointer("/parameters/outputDimensionality").and_then(Value::as_u64);
    let instances = ask.body.get("instances").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let prediction = |(index, instance): (usize, &Value)| {
        let statistics = json!({"truncated": false, "token_count": ask::words(instance) as f64});
        let values = others::vector(index, others::dimensions(dimensions));
        json!({"embeddings": {"statistics": statistics, "values": values}})
    };
    let predictions: Vec<Value> = instances.iter().enumerate().map(prediction).collect();
    let body = json!({"predictions": predictions, "metadata": {"billableCharacterCount": 1}});
    Plan::unary(200, JSON, &[("x-mock-model", &ask.model)], pretty(&body).as_bytes(), scenario)
}
