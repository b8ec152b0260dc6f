//! Lists of failures (`fallback_status_codes`, `on_status_codes`, `failure_status_codes`): whether one holds a failure. A
//! failure that had no status of its own counts as the one a proxy would have answered with.

use crate::config::Codes;
use crate::telemetry::ErrorClass;

/// `None` where nothing was listed: what the failure means decides.
pub fn listed(codes: &Codes, class: ErrorClass, status: u16) -> Option<bool> {
    match codes {
        Codes::ByClass => None,
        Codes::Listed { statuses, classes } => Some(classes.contains(&class) || statuses_hold(statuses, class, status)),
    }
}

pub fn statuses_hold(statuses: &[u16], class: ErrorClass, status: u16) -> bool {
    counts_as(class, status).iter().any(|status| *status != 0 && statuses.contains(status))
}

/// The statuses by which a list may name it, 0 for none. An error event of a 200 stream counts by what it says.
fn counts_as(class: ErrorClass, status: u16) -> [u16; 2] {
    use ErrorClass::*;
    match status {
        // Anthropic's "overloaded" is a 503 elsewhere.
        529 => return [529, 503],
        400.. => return [status, 0],
        _ => {}
    }
    match class {
        Resolve | Connect | Tls | Disconnected | Protocol | Truncated => [502, 0],
        ConnectTimeout | FirstByteTimeout | IdleTimeout | TotalTimeout | Timeout => [504, 408],
        StreamError => [500, 502],
        Server => [500, 0],
        Overloaded => [503, 529],
        RateLimited | QuotaExhausted => [429, 0],
        Auth => [401, 0],
        Permission => [403, 0],
        NotFound => [404, 0],
        BadRequest | ContextLength | ContentFilter => [400, 0],
        ClientGone | ClientStalled | HedgeLost | Diverged | Internal => [0, 0],
    }
}
