//! How an answer behaves: its delays, its length, the usage it reports and the fault it ends in.
//!
//! Written as `key=value` pairs and bare names with commas between, in the request header `x-mock-scenario` or after a colon in
//! the model's name: `mock:ttft=20,gap=20~5,tokens=64,cut@40`.
//!
//! What is said: `calls=2` calls the first two tools that are offered, with arguments made of their schemas (`calls=2,tokens=3`:
//! after three words); `reasoning=4` thinks first, four words long; `echo-system` and `echo-ask` repeat the system prompt and the
//! sampling parameters; `mistral` speaks chat as Mistral does. What an answer was shown it says unasked: `saw 1 image. `,
//! `tool said: 15 degrees. `.

use crate::dist::Dist;

/// A provider that does not do as it should. Counts are in tokens already sent (in body bytes when the answer is not a stream).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// An error answer with this status and the body of this class.
    Status(u16, Class),
    /// The connection is reset before the head of the answer.
    Reset,
    /// The request is taken and never answered.
    Silence,
    /// The connection is closed without a byte.
    Close,
    /// The connection is closed in the middle (FIN).
    Cut(u32),
    /// The connection is reset in the middle.
    Rst(u32),
    /// The answer stops in the middle and the connection stays open.
    Stall(u32),
    /// A chunk whose size line is not hexadecimal.
    BadChunk(u32),
    /// An event whose data is not JSON, or a frame whose checksum is wrong; the stream goes on after it.
    BadEvent(u32),
    /// The stream ends cleanly in the middle: without a finish reason, without a terminator.
    EndEarly(u32),
    /// The stream ends cleanly, without `[DONE]`, `message_stop`, `response.completed` or what the dialect ends with.
    NoTerm,
    /// An error event in the middle of a 200 stream, then a clean end.
    ErrEvent(u32),
    /// A Content-Length larger than what is sent before the connection closes.
    ShortLen,
}

/// What an error body says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    ByStatus,
    InsufficientQuota,
    ContextLength,
    ContentFilter,
}

/// Usage reported instead of the true one. `reasoning` tokens are delivered as thinking, too.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reported {
    pub input: Option<u64>,
    pub cached: u64,
    pub output: Option<u64>,
    pub reasoning: u64,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Scenario {
    /// From the end of the request to the first token.
    pub ttft: Dist,
    /// From the end of the request to the head; without it the head goes out with the first token.
    pub head: Option<Dist>,
    /// Between two tokens.
    pub gap: Dist,
    pub tokens: u32,
    /// Tokens of text before calls: as many as `tokens=` says after `calls=`.
    pub talk: u32,
    /// Tools that the answer calls, of those the request offers; without it one when the request forces a call.
    pub calls: Option<u32>,
    /// Chat: the arguments of several calls take turns.
    pub interleave: bool,
    /// The answer repeats the system prompt.
    pub echo_system: bool,
    /// The answer repeats what was asked beside the conversation: `asked: temperature=0.5. `.
    pub echo_ask: bool,
    /// Chat: as Mistral speaks it. Usage comes unasked and with the finish reason, thinking in an array of content, calls
    /// whole; ids of calls are nine letters and digits, and others are refused.
    pub mistral: bool,
    /// Bytes of text per token; without it each token is one word.
    pub size: Option<u32>,
    /// Tokens written at once.
    pub batch: u32,
    pub usage: Reported,
    pub no_usage: bool,
    pub retry_after: Option<u32>,
    /// One byte per write.
    pub drip: bool,
    pub fault: Option<Fault>,
    /// The fault happens only the first time this key is seen.
    pub once: Option<String>,
}

pub const TOKENS_DEFAULT: u32 = 64;
const TOKENS_MAX: u32 = 100_000;
const CALLS_MAX: u32 = 128;
const SIZE_BYTES_MAX: u32 = 65_536;
/// Of tokens times size: the whole answer is built in memory.
const TEXT_BYTES_MAX: u64 = 256 << 20;

impl Default for Scenario {
    fn default() -> Self {
        Scenario {
            ttft: Dist::ZERO,
            head: None,
            gap: Dist::ZERO,
            tokens: TOKENS_DEFAULT,
            talk: 0,
            calls: None,
            interleave: false,
            echo_system: false,
            echo_ask: false,
            mistral: false,
            size: None,
            batch: 1,
            usage: Reported::default(),
            no_usage: false,
            retry_after: None,
            drip: false,
            fault: None,
            once: None,
        }
    }
}

impl Scenario {
    /// Applies options on top of what is there. The error names the first option that is not understood.
    pub fn apply(&mut self, options: &str) -> Result<(), String> {
        for option in options.split(',').map(str::trim).filter(|o| !o.is_empty()) {
            let understood = match option.split_once('=') {
                Some((key, value)) => self.set(key.trim(), value.trim()),
                None => self.flag(option),
            };
            understood.ok_or_else(|| format!("scenario option not understood: {option}"))?;
        }
        if self.tokens as u64 * self.size.unwrap_or(8) as u64 > TEXT_BYTES_MAX {
            return Err(format!("scenario option not understood: tokens times size over {TEXT_BYTES_MAX} bytes"));
        }
        Ok(())
    }

    fn set(&mut self, key: &str, value: &str) -> Option<()> {
        let number = || value.parse::<u64>().ok();
        match key {
            "ttft" => self.ttft = Dist::parse(value)?,
            "head" => self.head = Some(Dist::parse(value)?),
            "gap" => self.gap = Dist::parse(value)?,
            "tokens" => {
                self.tokens = value.parse().ok().filter(|n| *n <= TOKENS_MAX)?;
                self.talk = self.tokens;
            }
            "calls" => {
                self.calls = Some(value.parse().ok().filter(|n| *n <= CALLS_MAX)?);
                self.talk = 0;
            }
            "size" => self.size = Some(value.parse().ok().filter(|n| (1..=SIZE_BYTES_MAX).contains(n))?),
            "batch" => self.batch = value.parse().ok().filter(|n| *n > 0)?,
            "in" => self.usage.input = Some(number()?),
            "cached" => self.usage.cached = number()?,
            "out" => self.usage.output = Some(number()?),
            "reasoning" => self.usage.reasoning = number()?,
            "retry_after" => self.retry_after = Some(value.parse().ok()?),
            "status" => self.fault = Some(Fault::Status(status(value)?, Class::ByStatus)),
            "once" => self.once = Some(value.to_owned()),
            "fault" => self.flag(value)?,
            _ => return None,
        }
        Some(())
    }

    fn flag(&mut self, name: &str) -> Option<()> {
        let (name, at) = match name.split_once('@') {
            Some((name, at)) => (name, Some(at.parse::<u32>().ok()?)),
            None => (name, None),
        };
        self.fault = Some(match (name, at) {
            ("nousage", None) => {
                self.no_usage = true;
                return Some(());
            }
            ("drip", None) => {
                self.drip = true;
                return Some(());
            }
            ("interleave", None) => {
                self.interleave = true;
                return Some(());
            }
            ("echo-ask", None) => {
                self.echo_ask = true;
                return Some(());
            }
            ("echo-system", None) => {
                self.echo_system = true;
                return Some(());
            }
            ("mistral", None) => {
                self.mistral = true;
                return Some(());
            }
            ("reset", None) => Fault::Reset,
            ("silence", None) => Fault::Silence,
            ("close", None) => Fault::Close,
            ("noterm", None) => Fault::NoTerm,
            ("shortlen", None) => Fault::ShortLen,
            ("end", Some(n)) => Fault::EndEarly(n),
            ("cut", Some(n)) => Fault::Cut(n),
            ("rst", Some(n)) => Fault::Rst(n),
            ("stall", Some(n)) => Fault::Stall(n),
            ("badchunk", Some(n)) => Fault::BadChunk(n),
            ("badevent", Some(n)) => Fault::BadEvent(n),
            ("errevent", Some(n)) => Fault::ErrEvent(n),
            ("insufficient_quota", None) => Fault::Status(429, Class::InsufficientQuota),
            ("context_length", None) => Fault::Status(400, Class::ContextLength),
            ("content_filter", None) => Fault::Status(400, Class::ContentFilter),
            (number, None) => Fault::Status(status(number)?, Class::ByStatus),
            _ => return None,
        });
        Some(())
    }
}

fn status(text: &str) -> Option<u16> {
    text.parse().ok().filter(|status| (400..=599).contains(status))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_applied_in_order_and_unknown_ones_are_named() {
        let mut scenario = Scenario::default();
        scenario.apply("ttft=20, gap=20~5,tokens=8,size=5,in=100,cached=40,once=a,cut@4").expect("understood");
        assert_eq!(scenario.ttft, Dist::Fixed(20.0));
        assert_eq!(scenario.gap, Dist::Normal(20.0, 5.0));
        assert_eq!((scenario.tokens, scenario.size), (8, Some(5)));
        assert_eq!(scenario.usage, Reported { input: Some(100), cached: 40, output: None, reasoning: 0 });
        assert_eq!(scenario.fault, Some(Fault::Cut(4)));
        assert_eq!(scenario.once.as_deref(), Some("a"));

        scenario.apply("fault=503,retry_after=2").expect("understood");
        assert_eq!(scenario.fault, Some(Fault::Status(503, Class::ByStatus)));
        assert_eq!(scenario.retry_after, Some(2));

        for bad in ["cut", "cut@x", "tokens=-1", "ttfb=1", "700", "size=0", "nonsense", "tokens=100000,size=65536"] {
            let error = Scenario::default().apply(bad).expect_err(bad);
            assert!(error.starts_with("scenario option not understood"), "{error}");
        }
    }
}
