//! How an answer behaves: its delays, its length, the usage it reports and the fault it ends in. What an answer was shown it says
//! unasked: `saw 1 image. `, `tool said: 15 degrees. `.
//!
#![doc = include_str!("scenario.md")]

use super::{hints::Hints, outage::When, plan::End};
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
    /// One event more, whose data is not JSON, or a frame whose checksum is wrong; the stream goes on after it.
    BadEvent(u32),
    /// The same in the place of a token.
    BadToken(u32),
    /// The stream ends cleanly in the middle: without a finish reason, without a terminator.
    EndEarly(u32),
    /// The stream ends cleanly, without `[DONE]`, `message_stop`, `response.completed` or what the dialect ends with.
    NoTerm,
    /// An error event in the middle of a 200 stream, then a clean end.
    ErrEvent(u32),
    /// The same as the first event, before those that open a stream.
    ErrFirst,
    /// The head of a success, no byte of its body, and that end.
    OnlyHead(End),
    /// A success whose body ends cleanly without a byte.
    Empty,
    /// A Content-Length larger than what is sent before the connection closes.
    ShortLen,
    /// A Content-Length smaller than the body, of which no more is sent.
    CutLen,
    /// The same, and all of the body is sent.
    Excess,
    /// The first token comes so many milliseconds after the request.
    Late(u32),
    /// So many microseconds between two bytes of the body, after so many tokens.
    Drip { gap_us: u32, after: u32 },
}

/// What an error body says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    ByStatus,
    InsufficientQuota,
    ContextLength,
    ContentFilter,
}

/// What becomes of a conversation that ends with the assistant's own words, where the dialect goes on from them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Prefill {
    #[default]
    Continue,
    /// Refused, in every dialect.
    Refuse,
    /// The answer starts over.
    Ignore,
    /// The answer begins with these words again.
    Repeat,
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
    /// One byte per write.
    pub drip: bool,
    /// Other words are said from this token on.
    pub other_words: Option<u32>,
    pub prefill: Prefill,
    pub hints: Hints,
    /// The hints in the words of the dialect that is spoken.
    pub headers: Vec<(&'static str, String)>,
    pub fault: Option<Fault>,
    pub when: When,
}

pub const TOKENS_DEFAULT: u32 = 64;
const TOKENS_MAX: u32 = 100_000;
const CALLS_MAX: u32 = 128;
const LATE_MS_MAX: u32 = 3_600_000;
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
            drip: false,
            other_words: None,
            prefill: Prefill::Continue,
            hints: Hints::default(),
            headers: Vec::new(),
            fault: None,
            when: When::default(),
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
            "late" => self.fault = Some(Fault::Late(value.parse().ok().filter(|ms| *ms <= LATE_MS_MAX)?)),
            "drip" => self.fault = Some(drip(value)?),
            "status" => self.fault = Some(Fault::Status(status(value)?, Class::ByStatus)),
            "fault" => self.flag(value)?,
            _ => return self.hints.set(key, value).or_else(|| self.when.set(key, value)),
        }
        Some(())
    }

    fn flag(&mut self, name: &str) -> Option<()> {
        let (name, at) = match name.split_once('@') {
            Some((name, at)) => (name, Some(at.parse::<u32>().ok()?)),
            None => (name, None),
        };
        match (name, at) {
            ("nousage", None) => self.no_usage = true,
            ("drip", None) => self.drip = true,
            ("interleave", None) => self.interleave = true,
            ("echo-ask", None) => self.echo_ask = true,
            ("echo-system", None) => self.echo_system = true,
            ("mistral", None) => self.mistral = true,
            ("other-words", from) => self.other_words = Some(from.unwrap_or(0)),
            ("no-prefill", None) => self.prefill = Prefill::Refuse,
            ("ignore-prefill", None) => self.prefill = Prefill::Ignore,
            ("repeat-prefill", None) => self.prefill = Prefill::Repeat,
            ("once", None) => self.when.once(),
            _ => self.fault = Some(fault(name, at)?),
        }
        Some(())
    }

    /// Leaves out the fault, and the hints that belong to it.
    pub fn heal(&mut self) {
        (self.fault, self.hints) = (None, Hints::default());
    }
}

fn fault(name: &str, at: Option<u32>) -> Option<Fault> {
    Some(match (name, at) {
        ("reset", None) => Fault::Reset,
        ("silence", None) => Fault::Silence,
        ("close", None) => Fault::Close,
        ("cut-head", None) => Fault::OnlyHead(End::Fin),
        ("rst-head", None) => Fault::OnlyHead(End::Rst),
        ("stall-head", None) => Fault::OnlyHead(End::Stall),
        ("empty", None) => Fault::Empty,
        ("noterm", None) => Fault::NoTerm,
        ("errevent-first", None) => Fault::ErrFirst,
        ("shortlen", None) => Fault::ShortLen,
        ("cutlen", None) => Fault::CutLen,
        ("excess", None) => Fault::Excess,
        ("end", Some(n)) => Fault::EndEarly(n),
        ("cut", Some(n)) => Fault::Cut(n),
        ("rst", Some(n)) => Fault::Rst(n),
        ("stall", Some(n)) => Fault::Stall(n),
        ("badchunk", Some(n)) => Fault::BadChunk(n),
        ("badevent", Some(n)) => Fault::BadEvent(n),
        ("badtoken", Some(n)) => Fault::BadToken(n),
        ("errevent", Some(n)) => Fault::ErrEvent(n),
        ("insufficient_quota", None) => Fault::Status(429, Class::InsufficientQuota),
        ("context_length", None) => Fault::Status(400, Class::ContextLength),
        ("content_filter", None) => Fault::Status(400, Class::ContentFilter),
        (number, None) => Fault::Status(status(number)?, Class::ByStatus),
        _ => return None,
    })
}

/// `5` or `0.5@40`: milliseconds, and tokens before.
fn drip(text: &str) -> Option<Fault> {
    let (gap_ms, after) = text.split_once('@').unwrap_or((text, "0"));
    let gap_ms = gap_ms.parse::<f64>().ok().filter(|ms| (0.0..=f64::from(LATE_MS_MAX)).contains(ms))?;
    Some(Fault::Drip { gap_us: (gap_ms * 1e3) as u32, after: after.parse().ok()? })
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
        assert_eq!(scenario.when.key.as_deref(), Some("a"));

        scenario.apply("fault=503,retry_after=2").expect("understood");
        assert_eq!(scenario.fault, Some(Fault::Status(503, Class::ByStatus)));
        assert_eq!(scenario.hints.retry_after, Some(2));
        scenario.heal();
        assert!(scenario.fault.is_none() && scenario.hints == Hints::default() && scenario.tokens == 8);

        scenario.apply("drip=0.5@4,flap=200,no-prefill,other-words@3").expect("understood");
        assert_eq!(scenario.fault, Some(Fault::Drip { gap_us: 500, after: 4 }));
        assert_eq!((scenario.prefill, scenario.other_words), (Prefill::Refuse, Some(3)));
        assert!(!scenario.when.always());

        for bad in [
            "cut",
            "cut@x",
            "tokens=-1",
            "ttfb=1",
            "700",
            "size=0",
            "nonsense",
            "late=x",
            "drip=1@x",
            "flap=0",
            "empty@1",
            "tokens=100000,size=65536",
        ] {
            let error = Scenario::default().apply(bad).expect_err(bad);
            assert!(error.starts_with("scenario option not understood"), "{error}");
        }
    }
}
