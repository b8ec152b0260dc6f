//! The messages of the common request as chat completions wants them: results of tools are messages of their own right
//! behind the calls they answer, and arguments are text.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};

use super::clones::Upstream;
use super::fields::Object;
use crate::dialect::To;
use crate::dialect::common::{CallResult, Field, Lost, Media, Message, Part, ReasoningText, Request, Role, Source};

pub(super) fn write_messages(request: &Request, to: &To<'_>, upstream: &Upstream<'_>, lost: &mut Lost) -> Vec<Value> {
    let is_prompt = |message: &Message| {
        message.role == Role::User && message.parts.iter().any(|part| !matches!(part, Part::Result(_)))
    };
    let turn = request.messages.iter().rposition(is_prompt).unwrap_or(0);
    let mut out = Writer { upstream, model: to.model, in_turn: false, messages: Vec::new(), lost };
    for (at, message) in request.messages.iter().enumerate() {
        out.in_turn = at > turn;
        match message.role {
            Role::System => out.system(message),
            Role::User => out.user(message),
            Role::Assistant => out.assistant(message),
        }
    }
    out.messages
}

struct Writer<'a, 'l> {
    upstream: &'a Upstream<'a>,
    model: &'a str,
    /// Behind the last thing a user said: the model is at work on it.
    in_turn: bool,
    messages: Vec<Value>,
    lost: &'l mut Lost,
}

impl Writer<'_, '_> {
    fn push(&mut self, role: &str, members: Object) {
        let mut message = Object::from_iter([("role".to_owned(), role.into())]);
        message.extend(members);
        self.messages.push(Value::Object(message));
    }

    /// One string: not every clone takes parts here.
    fn system(&mut self, message: &Message) {
        let content = texts(&message.parts, "\n\n");
        self.push(self.upstream.system_role(), members([("content", content.into())]));
    }

    fn user(&mut self, message: &Message) {
        let mut content = Vec::new();
        for part in &message.parts {
            match part {
                Part::Result(result) => self.result(result),
                Part::Text(text) => content.push(json!({"type": "text", "text": text})),
                Part::Image(media) => content.extend(self.image(media)),
                Part::Audio(media) => content.extend(self.audio(media)),
                Part::File(media) => content.extend(self.file(media)),
                // Never the user's.
                Part::Call(_) | Part::Reasoning(_) | Part::Refusal(_) => {}
            }
        }
        let only_text = match message.parts.as_slice() {
            [Part::Text(text)] => Some(Value::from(text.as_str())),
            _ => None,
        };
        if let Some(content) = only_text.or((!content.is_empty()).then_some(Value::Array(content))) {
            self.push("user", members([("content", content)]));
        }
    }

    /// There is no flag for a failure here: the model is told in words.
    fn result(&mut self, result: &CallResult) {
        for part in &result.parts {
            match part {
                Part::Image(_) => self.lost.field(Field::Image),
                Part::Audio(_) => self.lost.field(Field::Audio),
                Part::File(_) => self.lost.field(Field::File),
                _ => {}
            }
        }
        let mut content = texts(&result.parts, "\n");
        let says_so = content.get(..5).is_some_and(|start| start.eq_ignore_ascii_case("error"));
        if result.is_error && !says_so {
            content.insert_str(0, "Error: ");
        }
        let id = self.call_id(&result.call_id);
        self.push("tool", members([("tool_call_id", id.into()), ("content", content.into())]));
    }

    fn assistant(&mut self, message: &Message) {
        let (mut calls, mut thoughts) = (Vec::new(), Vec::new());
        let (mut text, mut refusal) = (String::new(), String::new());
        for part in &message.parts {
            match part {
                Part::Text(more) => text.push_str(more),
                Part::Refusal(more) if self.upstream.is_openai() => refusal.push_str(more),
                Part::Refusal(more) => text.push_str(more),
                Part::Reasoning(thought) => thoughts.push(thought),
                Part::Call(call) => {
                    let function = json!({"name": call.name, "arguments": call.arguments.to_string()});
                    let mut item = members([
                        ("id", self.call_id(&call.id).into()),
                        ("type", "function".into()),
                        ("function", function),
                    ]);
                    if let Some(signature) = call.signature.as_ref().filter(|_| self.takes_signatures()) {
                        let google = json!({"google": {"thought_signature": signature}});
                        item.insert("extra_content".to_owned(), google);
                    }
                    calls.push(Value::Object(item));
                }
                Part::Image(_) | Part::Audio(_) | Part::File(_) | Part::Result(_) => {}
            }
        }
        let nothing = text.is_empty() && !(calls.is_empty() && refusal.is_empty());
        let mut out = members([("content", if nothing { Value::Null } else { text.into() })]);
        if !refusal.is_empty() {
            out.insert("refusal".to_owned(), refusal.into());
        }
        self.thoughts(&thoughts, !calls.is_empty(), &mut out);
        if !calls.is_empty() {
            out.insert("tool_calls".to_owned(), Value::Array(calls));
        }
        self.push("assistant", out);
    }

    /// Google's own endpoint of this dialect is reached through such an account. Others do not know the member.
    fn takes_signatures(&self) -> bool {
        self.upstream.is("self-hosted-model")
    }

    /// Most providers never want to see what their model thought: nothing is lost there. DeepSeek wants it back while
    /// the model works with tools, and refused it otherwise (spec "providers" 10); OpenRouter wants what it signed or
    /// encrypted.
    fn thoughts(&self, thoughts: &[&ReasoningText], calls: bool, out: &mut Object) {
        if self.upstream.is("deepseek") && self.in_turn && calls {
            let text: String = thoughts.iter().map(|thought| thought.text.as_str()).collect();
            if !text.is_empty() {
                out.insert("reasoning_content".to_owned(), text.into());
            }
        }
        if self.upstream.is("openrouter") {
            let details: Vec<Value> = thoughts.iter().filter_map(|thought| self.detail(thought)).collect();
            if !details.is_empty() {
                out.insert("reasoning_details".to_owned(), Value::Array(details));
            }
        }
    }

    fn detail(&self, thought: &ReasoningText) -> Option<Value> {
        if let Some(redacted) = &thought.redacted {
            // As `answer_in` kept it; from elsewhere it is Anthropic's.
            let kept = serde_json::from_str(redacted).ok().filter(Value::is_object);
            return Some(kept.unwrap_or_else(
                || json!({"type": "reasoning.encrypted", "data": redacted, "format": "anthropic-claude-v1"}),
            ));
        }
        let signature = thought.signature.as_ref()?;
        let mut detail = members([
            ("type", "reasoning.text".into()),
            ("text", thought.text.as_str().into()),
            ("signature", signature.as_str().into()),
        ]);
        if self.model.starts_with("anthropic/") {
            detail.insert("format".to_owned(), "anthropic-claude-v1".into());
        }
        Some(Value::Object(detail))
    }

    /// Ids of other providers in a form that this one takes; alike for a call and its result.
    fn call_id(&self, id: &str) -> String {
        const OPENAI_ID_CHARS_MAX: usize = 40;
        let alphanumeric = id.bytes().all(|byte| byte.is_ascii_alphanumeric());
        match self.upstream.kind {
            "mistral-ai" if id.len() != MISTRAL_ID_CHARS || !alphanumeric => short_id(id),
            _ if self.upstream.is_openai() && id.len() > OPENAI_ID_CHARS_MAX => format!("call_{}", short_id(id)),
            _ => id.to_owned(),
        }
    }

    fn image(&mut self, media: &Media) -> Option<Value> {
        // Ollama fetches nothing.
        let unknown = matches!(media.source, Source::Id(_))
            || (self.upstream.is("ollama") && matches!(media.source, Source::Url(_)));
        if unknown || !self.upstream.takes(Field::Image) {
            self.lost.field(Field::Image);
            return None;
        }
        let mut image = members([("url", url(media, "image/png")?.into())]);
        if let Some(detail) = &media.detail {
            image.insert("detail".to_owned(), detail.as_str().into());
        }
        Some(json!({"type": "image_url", "image_url": image}))
    }

    fn audio(&mut self, media: &Media) -> Option<Value> {
        let Source::Base64(data) = &media.source else {
            self.lost.field(Field::Audio);
            return None;
        };
        if !self.upstream.takes(Field::Audio) {
            self.lost.field(Field::Audio);
            return None;
        }
        if self.upstream.is("mistral-ai") {
            return Some(json!({"type": "input_audio", "input_audio": data}));
        }
        let format = match media.media_type.strip_prefix("audio/").unwrap_or_default() {
            "mpeg" | "mp3" => "mp3",
            "" | "wave" | "x-wav" | "vnd.wave" => "wav",
            other => other,
        };
        Some(json!({"type": "input_audio", "input_audio": {"data": data, "format": format}}))
    }

    fn file(&mut self, media: &Media) -> Option<Value> {
        if let Some(text) = plain_text(media) {
            return Some(json!({"type": "text", "text": text}));
        }
        let openai = self.upstream.is_openai();
        let file = match &media.source {
            _ if !self.upstream.takes(Field::File) => None,
            Source::Id(id) => {
                (openai || self.upstream.is("mistral-ai")).then(|| members([("file_id", id.as_str().into())]))
            }
            Source::Url(_) if openai => None,
            _ => url(media, "application/pdf").map(|url| members([("file_data", url.into())])),
        };
        let Some(mut file) = file else {
            self.lost.field(Field::File);
            return None;
        };
        if self.upstream.is("mistral-ai") {
            return Some(match file.remove("file_data") {
                Some(url) => json!({"type": "document_url", "document_url": url}),
                None => json!({"type": "file", "file_id": file.remove("file_id")}),
            });
        }
        if file.contains_key("file_data") {
            // Required beside the data.
            file.insert("filename".to_owned(), media.name.as_deref().unwrap_or("document.pdf").into());
        }
        Some(json!({"type": "file", "file": file}))
    }
}

fn members<const N: usize>(all: [(&str, Value); N]) -> Object {
    all.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

fn texts(parts: &[Part], between: &str) -> String {
    let text = |part: &'_ Part| match part {
        Part::Text(text) => Some(text.clone()),
        _ => None,
    };
    parts.iter().filter_map(text).collect::<Vec<_>>().join(between)
}

/// A document that is text is told as text: who takes files takes PDFs.
fn plain_text(media: &Media) -> Option<String> {
    let Source::Base64(data) = &media.source else { return None };
    if !media.media_type.starts_with("text/") {
        return None;
    }
    String::from_utf8(BASE64_STANDARD.decode(data).ok()?).ok()
}

/// `None` for an id, which is no address.
fn url(media: &Media, type_unsaid: &str) -> Option<String> {
    match &media.source {
        Source::Url(url) => Some(url.clone()),
        Source::Base64(data) => {
            let media_type = if media.media_type.is_empty() { type_unsaid } else { &media.media_type };
            Some(format!("data:{media_type};base64,{data}"))
        }
        Source::Id(_) => None,
    }
}

const MISTRAL_ID_CHARS: usize = 9;

/// Nine letters and digits made from an id (FNV-1a): 53 bits, enough for the calls of one conversation.
fn short_id(id: &str) -> String {
    const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    let hash = id
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    let mut rest = hash;
    (0..MISTRAL_ID_CHARS)
        .map(|_| {
            let digit = DIGITS.get((rest % 62) as usize).copied().unwrap_or(b'0');
            rest /= 62;
            char::from(digit)
        })
        .collect()
}
