//! A gathered answer -> the body of a unary answer: the same items that a stream would make.

use super::carried;
use super::item::{Item, Kind, Status, checked_logprobs};
use super::response::{Head, State};
use crate::dialect::About;
use crate::dialect::common::{Answer, AnswerPart, Choice, Finish, Request, Text};
use crate::json::escape_into;
use crate::meter::Usage;

/// Appends the body of a unary answer.
pub fn write_answer(request: &Request, about: &About, answer: &Answer, usage: &Usage, out: &mut Vec<u8>) {
    let mut head = Head::new(request, about);
    if !answer.model.is_empty() {
        head.model.clear();
        escape_into(&answer.model, &mut head.model);
    }
    let empty = Choice::default();
    let choice = answer.choices.first().unwrap_or(&empty);
    let mut items = items(choice, &about.id);
    if matches!(choice.finish, Some(Finish::Length | Finish::ContentFilter | Finish::Error))
        && let Some(last) = items.last_mut()
    {
        last.status = Status::Incomplete;
    }
    let refused = items.iter().any(|item| item.kind == Kind::Refusal);
    head.write(State::of(choice.finish, &choice.said, refused), &items, usage, out);
}

fn items(choice: &Choice, answer: &str) -> Vec<Item> {
    let mut items = Vec::with_capacity(choice.parts.len());
    let mut logprobs = checked_logprobs(&choice.logprobs);
    for part in &choice.parts {
        match part {
            AnswerPart::Text(text) => {
                let mut item = whole(Kind::Text, text);
                item.logprobs = logprobs.take().unwrap_or_default();
                items.push(item);
            }
            AnswerPart::Refusal(text) => items.push(whole(Kind::Refusal, text)),
            AnswerPart::Reasoning { text, signature } => {
                let mut item = whole(Kind::Reasoning, text);
                escape_into(signature.as_deref().unwrap_or_default(), &mut item.signature);
                items.push(item);
            }
            AnswerPart::Redacted(data) => items.push(Item::carrier(carried::REDACTED, Text::Plain(data))),
            AnswerPart::Call(call) => {
                if let Some(signature) = &call.signature {
                    items.push(Item::carrier(carried::CALL, Text::Plain(signature)));
                }
                let mut item = Item::call(Text::Plain(&call.id), Text::Plain(&call.name), answer, items.len());
                escape_into(&call.arguments, &mut item.text);
                items.push(item);
            }
        }
    }
    for item in &mut items {
        item.status = Status::Completed;
    }
    items
}

fn whole(kind: Kind, text: &str) -> Item {
    let mut item = Item::new(kind);
    item.open_part(kind);
    escape_into(text, &mut item.text);
    item
}
