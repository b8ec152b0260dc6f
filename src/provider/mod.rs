//! Provider accounts at work: the path a call goes to, the signature or token it carries, and what a provider's error
//! means, whatever its status says (a 429 may mean "no money", a 400 "slow down"): the code in the body decides first, the
//! status second, the wording last. The data plane and the control core call it; no I/O here.

mod classify;
mod credential;
pub mod google;
mod hints;
mod message;
mod moment;
pub mod paths;
pub mod sigv4;
#[cfg(test)]
mod sigv4_tests;
#[cfg(test)]
mod tests;

pub use classify::{classify, classify_event, classify_named, classify_named_event};
pub use credential::Fetched;
pub use hints::{HINT_MS_MAX, Hints};
pub use message::{error_message, retry_delay_s};
