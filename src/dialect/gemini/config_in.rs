//! A client's `generationConfig` -> the common request.

use serde_json::Value;

use super::fields::{Member, list, members, within};
use super::schema::to_json_schema;
use crate::dialect::common::{Effort, Format, Invalid, Lost, ReasoningAsk, Request};

pub(super) fn read_config(config: &Value, request: &mut Request, lost: &mut Lost) -> Result<(), Invalid> {
    let (mut mime, mut schema, mut wants_logprobs, mut logprobs) = (None, None, false, None);
    for member in members(config, "an object")? {
        match member.name.as_ref() {
            "temperature" => request.temperature = Some(member.number()?),
            "topP" => request.top_p = Some(member.number()?),
            "topK" => request.top_k = Some(member.count()?),
            "maxOutputTokens" => request.max_tokens = Some(member.count()?),
            "candidateCount" => request.choices = candidates(&member)?,
            "seed" => request.seed = Some(Value::from(member.whole()?)),
            "presencePenalty" => request.presence_penalty = Some(member.number()?),
            "frequencyPenalty" => request.frequency_penalty = Some(member.number()?),
            "stopSequences" => {
                for stop in list(member.value) {
                    let stop = stop.as_str().ok_or_else(|| member.invalid("an array of strings"))?;
                    request.stop.push(stop.to_owned());
                }
            }
            "responseMimeType" => mime = Some(member.text()?),
            "responseSchema" => schema = Some(to_json_schema(member.value)),
            // The second was the SDK's name of it for a while.
            "responseJsonSchema" | "ResponseJsonSchema" => schema = Some(member.value.clone()),
            "responseLogprobs" => wants_logprobs = member.bool()?,
            "logprobs" => logprobs = Some(member.count()?),
            "thinkingConfig" => request.reasoning = Some(within(member.key, read_thinking(member.value, lost))?),
            "responseModalities" if is_text(member.value) => {}
            name if !member.is_default() => lost.named(format!("generationConfig.{name}")),
            _ => {}
        }
    }
    if wants_logprobs {
        request.logprobs = Some(u32::try_from(logprobs.unwrap_or(0)).unwrap_or(u32::MAX));
    } else if logprobs.is_some() {
        return Err(Invalid::new("responseLogprobs", "true where `logprobs` is given"));
    }
    request.format = read_format(mime, schema, lost);
    Ok(())
}

fn candidates(member: &Member<'_>) -> Result<Option<u32>, Invalid> {
    let count = u32::try_from(member.count()?).ok().filter(|count| *count > 0);
    let count = count.ok_or_else(|| member.invalid("a whole number from 1 on"))?;
    Ok(Some(count).filter(|count| *count > 1))
}

fn read_format(mime: Option<&str>, schema: Option<Value>, lost: &mut Lost) -> Option<Format> {
    match (mime, schema) {
        (None | Some("application/json"), Some(schema)) => {
            Some(Format::Schema { name: None, description: None, schema, strict: None })
        }
        (Some("application/json"), None) => Some(Format::Json),
        (None | Some("" | "text/plain"), None) => None,
        _ => {
            lost.named("generationConfig.responseMimeType");
            None
        }
    }
}

fn is_text(modalities: &Value) -> bool {
    list(modalities).iter().all(|modality| modality.as_str().is_some_and(|name| name.eq_ignore_ascii_case("text")))
}

/// A budget of 0 is no thinking, one of -1 is what the model thinks fit. Thoughts are shown only to who asks for them.
fn read_thinking(config: &Value, lost: &mut Lost) -> Result<ReasoningAsk, Invalid> {
    let mut ask = ReasoningAsk { show: Some(false), ..ReasoningAsk::default() };
    for member in members(config, "an object")? {
        match member.name.as_ref() {
            "includeThoughts" => ask.show = Some(member.bool()?),
            "thinkingBudget" => match member.whole()? {
                -1 => {}
                0 => ask.effort = Some(Effort::None),
                budget => {
                    let budget = u64::try_from(budget).map_err(|_| member.invalid("-1, 0 or a number of tokens"))?;
                    ask.budget_tokens = Some(budget);
                }
            },
            "thinkingLevel" => {
                let level = member.text()?.to_ascii_lowercase();
                if level.ends_with("_unspecified") {
                    continue;
                }
                let effort = Effort::parse(level.strip_prefix("thinking_level_").unwrap_or(&level));
                ask.effort = Some(effort.ok_or_else(|| member.invalid("`MINIMAL`, `LOW`, `MEDIUM` or `HIGH`"))?);
            }
            name if !member.is_default() => lost.named(format!("generationConfig.thinkingConfig.{name}")),
            _ => {}
        }
    }
    Ok(ask)
}
