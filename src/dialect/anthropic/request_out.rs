//! The common request -> this provider's body: everything but the messages ([`super::turns_out`]), fitted to what the
//! model takes ([`super::models`]).

use serde_json::{Map, Value, json};

use super::FORMAT_TOOL;
use super::models::{Off, Sampling, Thinking, Traits};
use super::schema::closed;
use super::turns_out::{self, Turns};
use crate::dialect::To;
use crate::dialect::common::{Effort, Field, Format, Lost, Request, Tool, ToolChoice};

/// What the provider's dialect has no place for goes into `lost`.
pub fn write_request(request: &Request, to: &To<'_>, lost: &mut Lost) -> Value {
    let traits = Traits::of(to.model);
    let turns = turns_out::write(request, lost);
    let format = plan_format(request, &traits, lost);
    let choice = plan_choice(request, &format, &traits, lost);
    let thinking = plan_thinking(request, &traits, &choice, &turns, lost);
    let mut body = Map::new();
    let mut put = |name: &str, value: Value| {
        body.insert(name.to_owned(), value);
    };
    put("model", to.model.into());
    put("max_tokens", request.max_tokens.unwrap_or(traits.output_max).into());
    if let Some(system) = turns.system {
        put("system", system.into());
    }
    put("messages", turns.messages.into());
    let tools = tools(request, &format, &traits, lost);
    if !tools.is_empty() {
        put("tools", tools.into());
    }
    if let Some(choice) = choice {
        put("tool_choice", choice);
    }
    sampling(request, traits.sampling, &thinking, &mut put, lost);
    let stop: Vec<&String> = request.stop.iter().filter(|stop| !stop.trim().is_empty()).collect();
    if stop.len() < request.stop.len() {
        lost.field(Field::Stop);
    }
    if !stop.is_empty() {
        put("stop_sequences", json!(stop));
    }
    if let Some(switch) = thinking.switch {
        put("thinking", switch);
    }
    let mut config = Map::new();
    if let Some(effort) = thinking.effort {
        config.insert("effort".to_owned(), effort.as_str().into());
    }
    if let Plan::Native(schema) = format {
        config.insert("format".to_owned(), json!({"type": "json_schema", "schema": schema}));
    }
    if !config.is_empty() {
        put("output_config", config.into());
    }
    if let Some(user) = &request.user {
        put("metadata", json!({"user_id": user}));
    }
    match request.service_tier.as_deref() {
        None | Some("auto") => {}
        Some("default" | "standard" | "standard_only") => put("service_tier", "standard_only".into()),
        Some(_) => lost.field(Field::ServiceTier),
    }
    if request.stream {
        put("stream", true.into());
    }
    no_place(request, lost);
    body.into()
}

/// What no Claude model takes. A value that changes nothing is no loss.
fn no_place(request: &Request, lost: &mut Lost) {
    let is_something = |value: &Option<Value>| match value {
        Some(Value::Number(number)) => number.as_f64() != Some(0.0),
        Some(Value::Object(members)) => !members.is_empty(),
        Some(_) => true,
        None => false,
    };
    for (asked, field) in [
        (is_something(&request.presence_penalty), Field::PresencePenalty),
        (is_something(&request.frequency_penalty), Field::FrequencyPenalty),
        (request.seed.is_some(), Field::Seed),
        (request.choices.is_some_and(|choices| choices > 1), Field::Choices),
        (request.logprobs.is_some(), Field::Logprobs),
        (is_something(&request.logit_bias), Field::LogitBias),
    ] {
        if asked {
            lost.field(field);
        }
    }
}

/// How a format is asked for.
enum Plan {
    Free,
    Native(Value),
    /// As the input of a tool that must be called: its schema and what it is for.
    Tool(Value, Option<String>),
}

fn plan_format(request: &Request, traits: &Traits, lost: &mut Lost) -> Plan {
    let any_object = || json!({"type": "object", "additionalProperties": true});
    let (schema, description) = match &request.format {
        None => return Plan::Free,
        Some(Format::Json) => (any_object(), None),
        Some(Format::Schema { schema, description, .. }) => {
            if let Some(schema) = closed(schema).filter(|_| traits.structured) {
                return Plan::Native(schema);
            }
            (schema.clone(), description.clone())
        }
    };
    if !traits.forced_tools {
        lost.field(Field::Format);
        return Plan::Free;
    }
    Plan::Tool(schema, description)
}

fn plan_choice(request: &Request, format: &Plan, traits: &Traits, lost: &mut Lost) -> Option<Value> {
    let has_tools = !request.tools.is_empty();
    // One call is the answer, or one is all that was asked for.
    let single = request.parallel_tool_calls == Some(false);
    let kind = match &request.tool_choice {
        // The model may still call the client's tools first, where it has them: some tool it must call.
        None | Some(ToolChoice::Auto) if matches!(format, Plan::Tool(..)) => {
            let mut choice =
                if has_tools { json!({"type": "any"}) } else { json!({"type": "tool", "name": FORMAT_TOOL}) };
            forbid_parallel(&mut choice);
            return Some(choice);
        }
        Some(ToolChoice::None) if matches!(format, Plan::Tool(..)) => {
            return Some(json!({"type": "tool", "name": FORMAT_TOOL, "disable_parallel_tool_use": true}));
        }
        None | Some(ToolChoice::Auto) if has_tools && single => json!({"type": "auto"}),
        None | Some(ToolChoice::Auto) => return None,
        Some(ToolChoice::None) => return has_tools.then(|| json!({"type": "none"})),
        Some(_) if !has_tools || !traits.forced_tools => {
            lost.field(Field::ToolChoice);
            return None;
        }
        Some(ToolChoice::Required) => json!({"type": "any"}),
        Some(ToolChoice::Named(name)) => json!({"type": "tool", "name": name}),
    };
    let mut choice = kind;
    if single {
        forbid_parallel(&mut choice);
    }
    Some(choice)
}

fn forbid_parallel(choice: &mut Value) {
    if let Some(members) = choice.as_object_mut() {
        members.insert("disable_parallel_tool_use".to_owned(), true.into());
    }
}

fn tools(request: &Request, format: &Plan, traits: &Traits, lost: &mut Lost) -> Vec<Value> {
    let mut tools: Vec<Value> = request.tools.iter().map(|tool| write_tool(tool, traits, lost)).collect();
    if let Plan::Tool(schema, description) = format {
        let mut what = "Gives the answer to the user. Call it with the whole answer once it is known.".to_owned();
        if let Some(description) = description {
            what = format!("{what}\n\n{description}");
        }
        tools.push(json!({"name": FORMAT_TOOL, "description": what, "input_schema": object_schema(Some(schema))}));
    }
    tools
}

fn write_tool(tool: &Tool, traits: &Traits, lost: &mut Lost) -> Value {
    let mut written = Map::new();
    written.insert("name".to_owned(), tool.name.as_str().into());
    if let Some(description) = &tool.description {
        written.insert("description".to_owned(), description.as_str().into());
    }
    let mut schema = object_schema(tool.parameters.as_ref());
    if tool.strict == Some(true) {
        match closed(&schema).filter(|_| traits.structured) {
            Some(closed) => {
                written.insert("strict".to_owned(), true.into());
                schema = closed;
            }
            None => lost.field(Field::Strict),
        }
    }
    written.insert("input_schema".to_owned(), schema);
    written.into()
}

/// An input schema must say `type: object`.
fn object_schema(schema: Option<&Value>) -> Value {
    let mut schema = match schema {
        Some(Value::Object(members)) => members.clone(),
        _ => Map::new(),
    };
    if schema.is_empty() {
        schema.insert("properties".to_owned(), Value::Object(Map::new()));
    }
    schema.entry("type").or_insert_with(|| "object".into());
    schema.into()
}

#[derive(Default)]
struct ThinkingPlan {
    /// `thinking`.
    switch: Option<Value>,
    effort: Option<Effort>,
    /// A budget is given: sampling is restricted then.
    budgeted: bool,
}

fn plan_thinking(
    request: &Request,
    traits: &Traits,
    choice: &Option<Value>,
    turns: &Turns,
    lost: &mut Lost,
) -> ThinkingPlan {
    let mut plan = ThinkingPlan::default();
    let Some(ask) = &request.reasoning else { return plan };
    let effort = ask.effort.or(ask.budget_tokens.map(Effort::of_budget));
    let forced = choice.as_ref().is_some_and(|choice| matches!(choice["type"].as_str(), Some("any" | "tool")));
    match traits.thinking {
        Thinking::Never => {
            if effort.is_some_and(|effort| effort > Effort::None) {
                lost.field(Field::Reasoning);
            }
        }
        Thinking::Budget => {
            let Some(effort) = effort.filter(|effort| *effort > Effort::None) else { return plan };
            let output_max = request.max_tokens.unwrap_or(traits.output_max);
            let budget = ask.budget_tokens.unwrap_or(effort.budget_tokens());
            match fitted(budget, output_max) {
                Some(budget) if !forced => {
                    // A caller whose dialect does not bring thinking back cannot help it that the model must go on
                    // without: an effort is advice, a budget is a number.
                    if turns.in_call && !turns.in_thought {
                        if ask.budget_tokens.is_some() {
                            lost.field(Field::Reasoning);
                        }
                        return plan;
                    }
                    plan.budgeted = true;
                    plan.switch = Some(json!({"type": "enabled", "budget_tokens": budget}));
                }
                _ => lost.field(Field::Reasoning),
            }
        }
        Thinking::Adaptive { off, xhigh, hidden } => match effort {
            None => {}
            Some(Effort::None) => match off {
                Off::Silence => {}
                Off::Disabled => plan.switch = Some(json!({"type": "disabled"})),
                Off::BetweenTools => plan.switch = Some(json!({"type": "between_tools"})),
                Off::Impossible => {
                    plan.effort = Some(Effort::Low);
                    lost.field(Field::Reasoning);
                }
            },
            Some(effort) => {
                plan.effort = Some(match effort {
                    Effort::None | Effort::Minimal => Effort::Low,
                    Effort::XHigh if !xhigh => Effort::High,
                    effort => effort,
                });
                if !forced {
                    plan.switch = Some(match ask.show {
                        Some(true) if hidden => json!({"type": "adaptive", "display": "summarized"}),
                        Some(false) if !hidden => json!({"type": "adaptive", "display": "omitted"}),
                        _ => json!({"type": "adaptive"}),
                    });
                }
            }
        },
    }
    plan
}

/// A budget of at least 1024 tokens that leaves a quarter of the output to the answer, where there is room for one.
fn fitted(budget: u64, output_max: u64) -> Option<u64> {
    const LEAST: u64 = 1024;
    (output_max > LEAST).then(|| budget.min(output_max - output_max / 4).max(LEAST))
}

/// `temperature` goes up to 1 here, and 1 is what no `temperature` means; so is a `top_p` of 1.
fn sampling(
    request: &Request,
    sampling: Sampling,
    thinking: &ThinkingPlan,
    put: &mut impl FnMut(&str, Value),
    lost: &mut Lost,
) {
    let fixed = sampling == Sampling::Fixed;
    let number = |value: &Option<Value>| value.as_ref().and_then(Value::as_f64).filter(|number| *number != 1.0);
    let mut temperature = request.temperature.clone().filter(|_| number(&request.temperature).is_some());
    if number(&request.temperature).is_some_and(|number| number > 1.0) {
        lost.field(Field::Temperature);
        temperature = None;
    }
    if temperature.is_some() && (fixed || thinking.budgeted) {
        lost.field(Field::Temperature);
        temperature = None;
    }
    let mut top_p = request.top_p.clone().filter(|_| number(&request.top_p).is_some());
    let narrow = number(&request.top_p).is_some_and(|number| number < 0.95);
    let refused = fixed || (thinking.budgeted && narrow) || (sampling == Sampling::Either && temperature.is_some());
    if top_p.is_some() && refused {
        lost.field(Field::TopP);
        top_p = None;
    }
    let top_k = request.top_k.filter(|_| {
        let refused = fixed || thinking.budgeted;
        if refused {
            lost.field(Field::TopK);
        }
        !refused
    });
    for (name, value) in [("temperature", temperature), ("top_p", top_p), ("top_k", top_k.map(Value::from))] {
        if let Some(value) = value {
            put(name, value);
        }
    }
}
