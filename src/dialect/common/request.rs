//! The common request: what a chat-like call asks for, whatever dialect it was written in.

use serde_json::Value;

/// One call. Absent means that the caller said nothing, or said what is the default anyway.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Request {
    pub stream: bool,
    /// Chat completions and completions: the caller wants the chunk with the usage.
    pub stream_usage: bool,
    /// Gemini without `alt=sse`: the stream is one JSON array.
    pub stream_array: bool,
    /// In the caller's order. System messages may stand anywhere.
    pub messages: Vec<Message>,
    pub tools: Vec<Tool>,
    pub tool_choice: Option<ToolChoice>,
    /// False: at most one call per turn.
    pub parallel_tool_calls: Option<bool>,
    pub max_tokens: Option<u64>,
    /// JSON numbers, as they were spelled.
    pub temperature: Option<Value>,
    pub top_p: Option<Value>,
    pub top_k: Option<u64>,
    pub presence_penalty: Option<Value>,
    pub frequency_penalty: Option<Value>,
    pub seed: Option<Value>,
    pub stop: Vec<String>,
    /// How many answers; `None` is one.
    pub choices: Option<u32>,
    /// Log probabilities of the output, with this many alternatives (0: of the chosen token only).
    pub logprobs: Option<u32>,
    pub logit_bias: Option<Value>,
    pub format: Option<Format>,
    pub reasoning: Option<ReasoningAsk>,
    /// An opaque id of the end user.
    pub user: Option<String>,
    pub service_tier: Option<String>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Role {
    /// System and developer.
    System,
    User,
    /// Results of tools are parts of user messages.
    Assistant,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Message {
    pub role: Role,
    pub parts: Vec<Part>,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Part {
    Text(String),
    Image(Media),
    Audio(Media),
    /// A document.
    File(Media),
    /// Assistant: what the model called.
    Call(ToolCall),
    /// User: what came of it.
    Result(CallResult),
    /// Assistant: what it thought, to be given back to it.
    Reasoning(ReasoningText),
    /// Assistant: how it declined.
    Refusal(String),
}

#[derive(Clone, Debug, PartialEq)]
pub struct Media {
    pub source: Source,
    /// `image/png`, `audio/wav`, `application/pdf`; empty when the caller did not say (a URL).
    pub media_type: String,
    /// Of a file.
    pub name: Option<String>,
    /// OpenAI's `detail` of an image: `low`, `high`, `auto`.
    pub detail: Option<String>,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Source {
    /// Base64 (RFC 4648 4), as the caller wrote it.
    Base64(String),
    Url(String),
    /// An id that only the provider it came from knows.
    Id(String),
}

#[derive(Clone, Debug, PartialEq)]
pub struct ToolCall {
    pub id: String,
    pub name: String,
    /// An object, its order and its numbers as they were spelled.
    pub arguments: Value,
    /// Gemini's `thoughtSignature` of this call, which must come back with it.
    pub signature: Option<String>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct CallResult {
    pub call_id: String,
    /// Of the tool: looked up from the call where the dialect does not say it; empty when unknown.
    pub name: String,
    /// Text, images, files.
    pub parts: Vec<Part>,
    pub is_error: bool,
}

/// A stretch of thinking, with what its provider needs to take it back.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ReasoningText {
    pub text: String,
    /// Anthropic's and Bedrock's `signature`, Gemini's `thoughtSignature`, OpenAI's `encrypted_content`.
    pub signature: Option<String>,
    /// Thinking that came encrypted only (`redacted_thinking`).
    pub redacted: Option<String>,
}

/// A function the model may call.
#[derive(Clone, Debug, PartialEq)]
pub struct Tool {
    pub name: String,
    pub description: Option<String>,
    /// JSON Schema of its arguments, as the caller wrote it; `None` when it takes none.
    pub parameters: Option<Value>,
    pub strict: Option<bool>,
}

#[derive(Clone, Debug, PartialEq)]
pub enum ToolChoice {
    Auto,
    None,
    /// Some tool must be called.
    Required,
    Named(String),
}

#[derive(Clone, Debug, PartialEq)]
pub enum Format {
    /// Any JSON object.
    Json,
    Schema {
        /// `None` where the dialect names none.
        name: Option<String>,
        description: Option<String>,
        schema: Value,
        strict: Option<bool>,
    },
}

/// How much the model should think.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ReasoningAsk {
    pub effort: Option<Effort>,
    pub budget_tokens: Option<u64>,
    /// Whether the thoughts (or a summary of them) are to be shown. `None`: as the dialect does by default.
    pub show: Option<bool>,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Effort {
    /// Do not think at all.
    None,
    Minimal,
    Low,
    Medium,
    High,
    XHigh,
    Max,
}

impl Effort {
    pub const ALL: [Effort; 7] =
        [Effort::None, Effort::Minimal, Effort::Low, Effort::Medium, Effort::High, Effort::XHigh, Effort::Max];

    /// As OpenAI and Anthropic spell it.
    pub fn as_str(self) -> &'static str {
        match self {
            Effort::None => "none",
            Effort::Minimal => "minimal",
            Effort::Low => "low",
            Effort::Medium => "medium",
            Effort::High => "high",
            Effort::XHigh => "xhigh",
            Effort::Max => "max",
        }
    }

    pub fn parse(text: &str) -> Option<Effort> {
        Self::ALL.into_iter().find(|effort| effort.as_str() == text)
    }

    /// A thinking budget that means about as much, where the dialect counts tokens.
    pub fn budget_tokens(self) -> u64 {
        match self {
            Effort::None => 0,
            Effort::Minimal => 1024,
            Effort::Low => 2048,
            Effort::Medium => 8192,
            Effort::High => 16_384,
            Effort::XHigh => 24_576,
            Effort::Max => 32_768,
        }
    }

    /// The other way round.
    pub fn of_budget(budget_tokens: u64) -> Effort {
        Self::ALL.into_iter().rev().find(|effort| effort.budget_tokens() <= budget_tokens).unwrap_or(Effort::None)
    }
}

impl Message {
    pub fn new(role: Role, parts: Vec<Part>) -> Self {
        Self { role, parts }
    }

    pub fn text(role: Role, text: impl Into<String>) -> Self {
        Self::new(role, vec![Part::Text(text.into())])
    }
}

impl Request {
    /// Gives every result the name of its tool, for the dialects that go by names. Readers of faces that leave it out
    /// call this once at their end.
    pub fn name_results(&mut self) {
        let mut names: Vec<(String, String)> = Vec::new();
        for part in self.messages.iter_mut().flat_map(|message| &mut message.parts) {
            match part {
                Part::Call(call) => names.push((call.id.clone(), call.name.clone())),
                Part::Result(result) if result.name.is_empty() => {
                    if let Some((_, name)) = names.iter().rev().find(|(id, _)| *id == result.call_id) {
                        result.name.clone_from(name);
                    }
                }
                _ => {}
            }
        }
    }

    /// Joins neighbours of the same role, for the dialects whose roles must alternate. (System messages stay apart.)
    pub fn merged_messages(&self) -> Vec<Message> {
        let mut merged: Vec<Message> = Vec::with_capacity(self.messages.len());
        for message in &self.messages {
            match merged.last_mut() {
                Some(last) if last.role == message.role && message.role != Role::System => {
                    last.parts.extend_from_slice(&message.parts);
                }
                _ => merged.push(message.clone()),
            }
        }
        merged
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn efforts_and_budgets_go_both_ways() {
        for effort in Effort::ALL {
            assert_eq!(Effort::of_budget(effort.budget_tokens()), effort);
            assert_eq!(Effort::parse(effort.as_str()), Some(effort));
        }
        assert_eq!(Effort::of_budget(4096), Effort::Low);
        assert_eq!(Effort::of_budget(1_000_000), Effort::Max);
    }
}
