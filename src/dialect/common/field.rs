//! What a caller can ask for and a provider may not know, by the name it has in the caller's dialect.

use crate::telemetry::Face;

/// A member of the common [`super::Request`] that some dialect has no place for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Field {
    Temperature,
    TopP,
    TopK,
    PresencePenalty,
    FrequencyPenalty,
    Seed,
    Stop,
    Choices,
    Logprobs,
    LogitBias,
    Format,
    Reasoning,
    User,
    ServiceTier,
    Tools,
    ToolChoice,
    ParallelToolCalls,
    /// `strict` of a tool or a schema.
    Strict,
    Image,
    Audio,
    File,
    /// An error flag of a tool's result.
    ResultIsError,
    /// Thinking of an earlier turn.
    ReasoningText,
}

impl Field {
    /// As the caller of `face` spells it.
    pub fn name(self, face: Face) -> &'static str {
        let [chat, responses, messages, gemini] = self.names();
        match face {
            Face::Responses => responses,
            Face::Messages | Face::CountTokens => messages,
            Face::Gemini => gemini,
            _ => chat,
        }
    }

    /// In chat completions, responses, messages and Gemini.
    fn names(self) -> [&'static str; 4] {
        match self {
            Field::Temperature => ["temperature", "temperature", "temperature", "generationConfig.temperature"],
            Field::TopP => ["top_p", "top_p", "top_p", "generationConfig.topP"],
            Field::TopK => ["top_k", "top_k", "top_k", "generationConfig.topK"],
            Field::PresencePenalty => {
                ["presence_penalty", "presence_penalty", "presence_penalty", "generationConfig.presencePenalty"]
            }
            Field::FrequencyPenalty => {
                ["frequency_penalty", "frequency_penalty", "frequency_penalty", "generationConfig.frequencyPenalty"]
            }
            Field::Seed => ["seed", "seed", "seed", "generationConfig.seed"],
            Field::Stop => ["stop", "stop", "stop_sequences", "generationConfig.stopSequences"],
            Field::Choices => ["n", "n", "n", "generationConfig.candidateCount"],
            Field::Logprobs => ["logprobs", "top_logprobs", "logprobs", "generationConfig.responseLogprobs"],
            Field::LogitBias => ["logit_bias", "logit_bias", "logit_bias", "logit_bias"],
            Field::Format => {
                ["response_format", "text.format", "output_config.format", "generationConfig.responseSchema"]
            }
            Field::Reasoning => ["reasoning_effort", "reasoning", "thinking", "generationConfig.thinkingConfig"],
            Field::User => ["user", "user", "metadata.user_id", "labels"],
            Field::ServiceTier => ["service_tier", "service_tier", "service_tier", "serviceTier"],
            Field::Tools => ["tools", "tools", "tools", "tools"],
            Field::ToolChoice => ["tool_choice", "tool_choice", "tool_choice", "toolConfig.functionCallingConfig"],
            Field::ParallelToolCalls => [
                "parallel_tool_calls",
                "parallel_tool_calls",
                "tool_choice.disable_parallel_tool_use",
                "toolConfig.functionCallingConfig",
            ],
            Field::Strict => ["strict", "strict", "strict", "strict"],
            Field::Image => [
                "messages[].content[].image_url",
                "input[].content[].input_image",
                "messages[].content[] of type image",
                "contents[].parts[].inlineData",
            ],
            Field::Audio => [
                "messages[].content[].input_audio",
                "input[].content[].input_audio",
                "messages[].content[] of type audio",
                "contents[].parts[].inlineData",
            ],
            Field::File => [
                "messages[].content[].file",
                "input[].content[].input_file",
                "messages[].content[] of type document",
                "contents[].parts[].fileData",
            ],
            Field::ResultIsError => ["is_error", "is_error", "messages[].content[].is_error", "is_error"],
            Field::ReasoningText => [
                "messages[].reasoning_content",
                "input[] of type reasoning",
                "messages[].content[] of type thinking",
                "contents[].parts[].thought",
            ],
        }
    }
}
