//! The tokenizers that are public: OpenAI's. Their tables take tens of megabytes and tens of milliseconds, so they are
//! loaded when a stream first needs one, off the data plane; until then the data plane keeps the text.

use std::sync::atomic::{AtomicU8, Ordering};

use bpe_openai::Tokenizer;

/// Which tokenizer a model's text is counted with.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Family {
    O200k,
    Cl100k,
    Unknown,
}

/// One bit per family. Written when a stream first wants one, and when one is loaded; never on the path of a request
/// after that.
static WANTED: AtomicU8 = AtomicU8::new(0);
static LOADED: AtomicU8 = AtomicU8::new(0);

const O200K_MODELS: [&str; 12] = [
    "gpt-4o",
    "gpt-4.1",
    "gpt-4.5",
    "gpt-5",
    "gpt-oss",
    "gpt-audio",
    "gpt-realtime",
    "chatgpt-4o",
    "o1",
    "o3",
    "o4",
    "codex-mini",
];
const CL100K_MODELS: [&str; 7] =
    ["gpt-4", "gpt-3.5", "gpt-35", "text-embedding-3", "text-embedding-ada-002", "davinci-002", "babbage-002"];

/// The family of a model by its name; names of other makers' models, and unknown ones, have none that is public.
pub fn family(model: &str) -> Family {
    let name = model.rsplit('/').next().unwrap_or(model);
    let name = name.strip_prefix("ft:").unwrap_or(name);
    // `gpt-4` and `gpt-4-turbo`, but not `gpt-4o`; `o1-mini`, but not `o1x`.
    let is = |known: &&str| {
        name.strip_prefix(*known).is_some_and(|rest| rest.is_empty() || rest.starts_with(['-', '.', ':', '@']))
    };
    if O200K_MODELS.iter().any(is) {
        Family::O200k
    } else if CL100K_MODELS.iter().any(is) {
        Family::Cl100k
    } else {
        Family::Unknown
    }
}

impl Family {
    fn bit(self) -> u8 {
        match self {
            Family::O200k => 1,
            Family::Cl100k => 2,
            Family::Unknown => 0,
        }
    }

    /// Says that text of this family waits to be counted.
    pub(super) fn want(self) {
        if WANTED.load(Ordering::Relaxed) & self.bit() != self.bit() {
            WANTED.fetch_or(self.bit(), Ordering::Relaxed);
        }
    }

    /// Never waits: `None` until [`load_tokenizers`] is done. (The tables' own initialisation would block.)
    pub(super) fn tokenizer(self) -> Option<&'static Tokenizer> {
        let loaded = LOADED.load(Ordering::Acquire) & self.bit() != 0;
        match self {
            Family::O200k if loaded => Some(bpe_openai::o200k_base()),
            Family::Cl100k if loaded => Some(bpe_openai::cl100k_base()),
            _ => None,
        }
    }
}

/// Loads the tables of every family asked for so far (o200k when none was). Takes tens of milliseconds: never called
/// on the data plane. Idempotent.
pub fn load_tokenizers() {
    let wanted = WANTED.load(Ordering::Relaxed);
    for (family, table) in
        [(Family::O200k, bpe_openai::o200k_base as fn() -> _), (Family::Cl100k, bpe_openai::cl100k_base as fn() -> _)]
    {
        let asked = wanted & family.bit() != 0 || (wanted == 0 && family == Family::O200k);
        if asked && family.tokenizer().is_none() {
            // The first use also builds the pre-tokenizer's state.
            let tokenizer: &Tokenizer = table();
            tokenizer.count("warm up");
            LOADED.fetch_or(family.bit(), Ordering::Release);
        }
    }
}

/// Every family asked for so far is loaded, and at least one is.
pub fn tokenizers_loaded() -> bool {
    let loaded = LOADED.load(Ordering::Acquire);
    loaded != 0 && WANTED.load(Ordering::Relaxed) & !loaded == 0
}
