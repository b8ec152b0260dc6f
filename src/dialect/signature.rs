//! Signatures of thinking are their maker's: no other model takes them back. A conversation may move from one provider
//! to another, so a signature that a client keeps in a dialect other than its maker's says who made it
//! (`sluice:gemini:..`), and thoughts that another maker signed do not go out again: that model never thought them.

use super::Wire;
use super::common::{Part, Piece, Request, Text};
use crate::telemetry::Face;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Maker {
    Anthropic,
    Gemini,
    OpenAi,
}

impl Maker {
    /// `None`: models whose answers carry no signatures.
    fn of(wire: Wire) -> Option<Self> {
        match wire {
            Wire::Messages | Wire::Bedrock => Some(Maker::Anthropic),
            Wire::Gemini => Some(Maker::Gemini),
            Wire::Responses => Some(Maker::OpenAi),
            _ => None,
        }
    }

    /// Whose signature it is when nothing says so. Only Gemini signs calls.
    fn native(face: Face, of_call: bool) -> Self {
        match face {
            _ if of_call => Maker::Gemini,
            Face::Gemini => Maker::Gemini,
            Face::Responses => Maker::OpenAi,
            _ => Maker::Anthropic,
        }
    }

    fn tag(self) -> &'static str {
        match self {
            Maker::Anthropic => "sluice:anthropic:",
            Maker::Gemini => "sluice:gemini:",
            Maker::OpenAi => "sluice:openai:",
        }
    }
}

/// Hands on a piece of an answer, its signature marked where the face would take it for another maker's.
#[inline]
pub fn mark<'a>(face: Face, wire: Wire, piece: Piece<'a>, on: impl FnOnce(Piece<'_>)) {
    let tag = |of_call| Maker::of(wire).filter(|maker| *maker != Maker::native(face, of_call)).map(Maker::tag);
    let tagged = |tag: &str, text: Text<'_>| format!("{tag}{}", text.decode());
    match piece {
        Piece::Signature { choice, signature } => match tag(false) {
            Some(tag) => on(Piece::Signature { choice, signature: Text::Plain(&tagged(tag, signature)) }),
            None => on(piece),
        },
        Piece::Redacted { choice, data } => match tag(false) {
            Some(tag) => on(Piece::Redacted { choice, data: Text::Plain(&tagged(tag, data)) }),
            None => on(piece),
        },
        Piece::Call { choice, index, id, name, signature: Some(signature) } => match tag(true) {
            Some(tag) => {
                let signature = tagged(tag, signature);
                on(Piece::Call { choice, index, id, name, signature: Some(Text::Plain(&signature)) });
            }
            None => on(piece),
        },
        _ => on(piece),
    }
}

/// Takes the marks off, and takes out what another maker signed.
pub fn take_own(face: Face, wire: Wire, request: &mut Request) {
    let Some(own) = Maker::of(wire) else { return };
    let is_own = |signature: &mut String, of_call: bool| {
        let tagged = [Maker::Anthropic, Maker::Gemini, Maker::OpenAi]
            .into_iter()
            .find_map(|maker| Some((maker, signature.strip_prefix(maker.tag())?.to_owned())));
        let maker = match tagged {
            Some((maker, bare)) => {
                *signature = bare;
                maker
            }
            None => Maker::native(face, of_call),
        };
        maker == own
    };
    for message in &mut request.messages {
        message.parts.retain_mut(|part| match part {
            Part::Call(call) => {
                if call.signature.as_mut().is_some_and(|signature| !is_own(signature, true)) {
                    call.signature = None;
                }
                true
            }
            Part::Reasoning(thought) => {
                thought.signature.as_mut().is_none_or(|signature| is_own(signature, false))
                    && thought.redacted.as_mut().is_none_or(|data| is_own(data, false))
            }
            _ => true,
        });
    }
    request.messages.retain(|message| !message.parts.is_empty());
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialect::common::{Message, ReasoningText, Role, ToolCall};

    fn asked(signature: &str, call_signature: &str) -> Request {
        let thought = ReasoningText { text: "t".into(), signature: Some(signature.into()), redacted: None };
        let call = ToolCall {
            id: "1".into(),
            name: "f".into(),
            arguments: serde_json::json!({}),
            signature: Some(call_signature.into()),
        };
        let parts = vec![Part::Reasoning(thought), Part::Call(call)];
        Request { messages: vec![Message::new(Role::Assistant, parts)], ..Request::default() }
    }

    /// What of the thought's and the call's signature goes out.
    fn sent(face: Face, wire: Wire, signature: &str, call_signature: &str) -> (Option<String>, Option<String>) {
        let mut request = asked(signature, call_signature);
        take_own(face, wire, &mut request);
        let (mut thought, mut call) = (None, None);
        for part in request.messages.into_iter().flat_map(|message| message.parts) {
            match part {
                Part::Reasoning(one) => thought = one.signature,
                Part::Call(one) => call = one.signature,
                _ => {}
            }
        }
        (thought, call)
    }

    #[test]
    fn a_signature_goes_back_to_its_maker_only() {
        let some = |text: &str| Some(text.to_owned());
        let chat = Face::ChatCompletions;
        assert_eq!(sent(chat, Wire::Messages, "a", "g"), (some("a"), None));
        assert_eq!(sent(chat, Wire::Bedrock, "a", "g"), (some("a"), None));
        assert_eq!(sent(chat, Wire::Gemini, "a", "g"), (None, some("g")));
        assert_eq!(sent(chat, Wire::Gemini, "sluice:gemini:x", "g"), (some("x"), some("g")));
        assert_eq!(sent(Face::Messages, Wire::Responses, "a", "g"), (None, None));
        assert_eq!(sent(Face::Responses, Wire::Messages, "sluice:anthropic:a", "g"), (some("a"), None));
        assert_eq!(sent(Face::Responses, Wire::Messages, "o", "g"), (None, None));
    }

    #[test]
    fn a_signature_that_is_not_the_faces_own_says_who_made_it() {
        let signed = |face, wire| {
            let mut text = String::new();
            let piece = Piece::Signature { choice: 0, signature: Text::Plain("s") };
            mark(face, wire, piece, |piece| {
                if let Piece::Signature { signature, .. } = piece {
                    text = signature.decode().into_owned();
                }
            });
            text
        };
        assert_eq!(signed(Face::ChatCompletions, Wire::Bedrock), "s");
        assert_eq!(signed(Face::ChatCompletions, Wire::Gemini), "sluice:gemini:s");
        assert_eq!(signed(Face::Gemini, Wire::Messages), "sluice:anthropic:s");
        assert_eq!(signed(Face::Responses, Wire::Messages), "sluice:anthropic:s");
    }
}
