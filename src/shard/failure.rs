//! A provider's error answer, told to a client of another dialect: by its class, with the provider's own words where
//! those may be shown.

use super::request::{Refusal, Request};
use super::respond::upstream_request_id;
use crate::dialect::{answer_of, may_quote};
use crate::http1::{Name, ResponseHead};
use crate::provider::retry_delay_s;
use crate::telemetry::{ErrorClass, Face};

/// What the head of an answer says beside its status.
pub struct Told {
    /// Amazon names the error here (`x-amzn-errortype`), up to the first colon.
    pub name: String,
    pub retry_after_s: Option<u32>,
    pub request_id: Vec<u8>,
}

impl Told {
    pub fn of(head: &ResponseHead, received: &[u8]) -> Self {
        let named = |name: &[u8]| {
            let mut fields = head.fields.iter();
            let found = fields.find(|field| field.name_span.of(received).eq_ignore_ascii_case(name))?;
            std::str::from_utf8(found.value.of(received)).ok()
        };
        let name = named(b"x-amzn-errortype").and_then(|value| value.split(':').next()).unwrap_or_default();
        let seconds = head.value(Name::RetryAfter, received).and_then(|value| std::str::from_utf8(value).ok());
        let ms = named(b"retry-after-ms").and_then(|value| value.trim().parse::<u32>().ok());
        Self {
            name: name.to_owned(),
            retry_after_s: ms
                .map(|ms| ms.div_ceil(1000))
                .or_else(|| seconds.and_then(|seconds| seconds.trim().parse().ok())),
            request_id: upstream_request_id(head, received).unwrap_or_default().to_vec(),
        }
    }

    /// `said`: the provider's own words, in `body`.
    pub fn refusal(&self, request: &mut Request, class: ErrorClass, said: &str, body: &[u8]) -> Refusal {
        let face = request.record().face;
        let account = request.record().attempts.last().map(|last| last.target.account.clone()).unwrap_or_default();
        let (status, code) = answer_of(class, face);
        let said = if may_quote(class) { said } else { "" };
        let message = match (class, said.is_empty()) {
            (ErrorClass::Auth, _) => {
                format!(
                    "The provider account `{account}` brought no answer: it refused this gateway's own credentials."
                )
            }
            // Clients look for these words.
            (ErrorClass::ContextLength, false) if face == Face::Messages => format!("prompt is too long: {said}"),
            (_, false) => format!("The provider account `{account}` answered: {said}"),
            (_, true) => format!("The provider account `{account}` brought no answer ({}).", class.as_str()),
        };
        let refusal = Refusal::failed(status, code, message);
        match self.retry_after_s.or_else(|| retry_delay_s(body)) {
            Some(seconds) if matches!(status, 429 | 503 | 529) => refusal.retry_after(seconds),
            _ => refusal,
        }
    }
}
