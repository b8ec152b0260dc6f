use super::*;
use ErrorClass::*;
use Then::{GiveUp, Next};

const CLASSES: [ErrorClass; 26] = [
    Resolve,
    Connect,
    ConnectTimeout,
    Tls,
    Disconnected,
    FirstByteTimeout,
    IdleTimeout,
    TotalTimeout,
    Protocol,
    Truncated,
    StreamError,
    RateLimited,
    Overloaded,
    QuotaExhausted,
    Auth,
    Permission,
    BadRequest,
    ContextLength,
    ContentFilter,
    NotFound,
    Timeout,
    Server,
    ClientGone,
    ClientStalled,
    HedgeLost,
    Internal,
];

/// The status that comes with it as a rule.
fn status(class: ErrorClass) -> u16 {
    match class {
        RateLimited | QuotaExhausted => 429,
        Overloaded => 503,
        Auth => 401,
        Permission => 403,
        BadRequest | ContextLength | ContentFilter => 400,
        NotFound => 404,
        Timeout => 504,
        Server => 500,
        StreamError => 200,
        _ => 0,
    }
}

fn failure(class: ErrorClass) -> Failure {
    Failure { class, status: status(class), hint_ms: None, forbids_retry: false, unsent: false }
}

fn codes(statuses: &[u16], classes: &[ErrorClass]) -> Codes {
    Codes::Listed { statuses: statuses.to_vec(), classes: classes.to_vec() }
}

fn retry(on: Codes) -> Retry {
    Retry { attempts: 2, delay_ms: 100, on }
}

/// With nothing in the way, and the longest wait.
fn standing<'a>(retry: &'a Retry, fallback_on: &'a Codes) -> Standing<'a> {
    Standing { retry, fallback_on, retries: 0, healthy: true, budget: true, has_next: true, random: u64::MAX }
}

fn again(wait_ms: u64) -> Then {
    Then::Retry { wait_ms }
}

#[test]
fn without_lists_the_class_decides() {
    let (retry, by_class) = (retry(Codes::ByClass), Codes::ByClass);
    let with_next = standing(&retry, &by_class);
    let alone = Standing { has_next: false, ..with_next };
    for class in CLASSES {
        let (expected, expected_alone) = match class {
            RateLimited | Overloaded | Server | Timeout => (again(100), again(100)),
            Resolve | Connect | ConnectTimeout | Tls | Disconnected | Protocol | Truncated | StreamError => {
                (Next, again(100))
            }
            FirstByteTimeout | IdleTimeout | TotalTimeout | QuotaExhausted | Auth | Permission | NotFound => {
                (Next, Next)
            }
            BadRequest | ContextLength | ContentFilter => (GiveUp, GiveUp),
            ClientGone | ClientStalled | HedgeLost | Diverged | Internal => (GiveUp, GiveUp),
        };
        assert_eq!(judge(&failure(class), &with_next), expected, "{class:?}");
        assert_eq!(judge(&failure(class), &alone), expected_alone, "{class:?} alone");
    }
}

#[test]
fn a_list_decides_by_status_but_not_against_sense() {
    for (class, on, expected) in [
        // As most people list them.
        (RateLimited, codes(&[429, 500, 503], &[]), again(100)),
        (Server, codes(&[429, 500, 503], &[]), again(100)),
        (Overloaded, codes(&[503], &[]), again(100)),
        (Timeout, codes(&[429, 500, 503], &[]), GiveUp),
        (Timeout, codes(&[504], &[]), again(100)),
        (Auth, codes(&[429, 500, 503], &[]), GiveUp),
        (Auth, codes(&[401], &[]), again(100)),
        (BadRequest, codes(&[400], &[]), again(100)),
        (TotalTimeout, codes(&[408], &[]), again(100)),
        (StreamError, codes(&[500], &[]), again(100)),
        (Disconnected, codes(&[502], &[]), again(100)),
        (NotFound, codes(&[], &[NotFound]), again(100)),
        // The same request on the same target.
        (QuotaExhausted, codes(&[429], &[]), Next),
        (ContextLength, codes(&[400], &[ContextLength]), Next),
        (ContentFilter, codes(&[400], &[ContentFilter]), Next),
        (FirstByteTimeout, codes(&[408, 504], &[]), Next),
        (IdleTimeout, codes(&[408, 504], &[]), Next),
        // Broken connections move on, listed or not.
        (Disconnected, codes(&[429], &[]), Next),
        (Truncated, codes(&[429], &[]), Next),
        (FirstByteTimeout, codes(&[429], &[]), Next),
        // It counts as a 500: not listed, so nobody else may answer.
        (StreamError, codes(&[429], &[]), again(100)),
    ] {
        let retry = retry(on.clone());
        assert_eq!(judge(&failure(class), &standing(&retry, &on)), expected, "{class:?} {on:?}");
    }
}

#[test]
fn what_another_target_would_refuse_too_goes_there_only_when_listed() {
    let never = Retry { attempts: 0, ..Retry::default() };
    for (class, on, expected) in [
        (ContextLength, codes(&[400], &[]), Next),
        (ContextLength, codes(&[], &[ContextLength]), Next),
        (ContextLength, codes(&[429], &[]), GiveUp),
        (ContentFilter, codes(&[400], &[]), GiveUp),
        (ContentFilter, codes(&[], &[ContentFilter]), Next),
        (BadRequest, codes(&[400], &[]), Next),
        (RateLimited, codes(&[500], &[]), GiveUp),
        (QuotaExhausted, codes(&[500], &[]), GiveUp),
        (Connect, codes(&[500], &[]), Next),
        (TotalTimeout, codes(&[500], &[]), GiveUp),
        (TotalTimeout, codes(&[504], &[]), Next),
    ] {
        assert_eq!(judge(&failure(class), &standing(&never, &on)), expected, "{class:?} {on:?}");
    }
}

#[test]
fn an_overload_is_listed_as_529_or_503() {
    let overloaded = Failure { status: 529, ..failure(Overloaded) };
    for (listed, expected) in [(529, Next), (503, Next), (500, GiveUp)] {
        let (never, on) = (Retry { attempts: 0, ..Retry::default() }, codes(&[listed], &[]));
        assert_eq!(judge(&overloaded, &standing(&never, &on)), expected, "{listed}");
    }
}

#[test]
fn a_broken_connection_is_tried_once_more_where_that_is_safe_or_the_last_chance() {
    let (retry, by_class) = (retry(Codes::ByClass), Codes::ByClass);
    for (class, unsent, has_next, retries, expected) in [
        (Connect, true, true, 0, Next),
        (Tls, true, true, 0, again(0)),
        (Tls, true, true, 1, Next),
        (Disconnected, true, true, 0, again(0)),
        (ConnectTimeout, true, true, 0, Next),
        (Resolve, true, true, 0, Next),
        (Disconnected, false, true, 0, Next),
        (Truncated, false, true, 0, Next),
        // Nobody else can answer.
        (Connect, true, false, 0, again(100)),
        (ConnectTimeout, true, false, 0, again(100)),
        (Disconnected, false, false, 0, again(100)),
        (Truncated, false, false, 0, again(100)),
        (Disconnected, false, false, 1, Next),
    ] {
        let failure = Failure { unsent, ..failure(class) };
        let standing = Standing { has_next, retries, ..standing(&retry, &by_class) };
        assert_eq!(judge(&failure, &standing), expected, "{class:?} {unsent} {has_next} {retries}");
    }
}

#[test]
fn a_provider_that_says_when_is_waited_for_where_nobody_else_is_free() {
    let (retry, by_class) = (retry(Codes::ByClass), Codes::ByClass);
    for (hint_ms, has_next, healthy, expected) in [
        (2000, false, true, again(2200)),
        // Its cool-down ends when the wait does.
        (2000, false, false, again(2200)),
        (10_000, false, true, again(11_000)),
        (10_001, false, true, Next),
        (2000, true, true, Next),
        (0, true, true, again(100)),
        (0, false, false, Next),
    ] {
        let failure = Failure { hint_ms: Some(hint_ms), ..failure(RateLimited) };
        let standing = Standing { has_next, healthy, ..standing(&retry, &by_class) };
        assert_eq!(judge(&failure, &standing), expected, "{hint_ms} {has_next} {healthy}");
        let least = Standing { random: 0, ..standing };
        if let Then::Retry { wait_ms } = judge(&failure, &least) {
            assert_eq!(wait_ms, hint_ms, "never earlier");
        }
    }
    let nowhere = codes(&[500], &[]);
    let told = Failure { hint_ms: Some(2000), ..failure(RateLimited) };
    assert_eq!(judge(&told, &standing(&retry, &nowhere)), again(2200), "its failures do not move");
}

#[test]
fn no_retry_against_the_provider_the_budget_the_count_or_health() {
    let (retry, by_class) = (retry(Codes::ByClass), Codes::ByClass);
    let good = standing(&retry, &by_class);
    for class in [RateLimited, Overloaded, Server, Timeout] {
        let failed = failure(class);
        assert_eq!(judge(&failed, &good), again(100));
        assert_eq!(judge(&failed, &Standing { retries: 1, ..good }), again(200));
        assert_eq!(judge(&failed, &Standing { retries: 2, ..good }), Next);
        assert_eq!(judge(&failed, &Standing { budget: false, ..good }), Next);
        assert_eq!(judge(&failed, &Standing { healthy: false, ..good }), Next);
        assert_eq!(judge(&Failure { forbids_retry: true, ..failed }, &good), Next);
    }
}

#[test]
fn a_fallback_rule_takes_what_its_statuses_name() {
    for (class, statuses, expected) in [
        (RateLimited, &[429][..], true),
        (RateLimited, &[500], false),
        (ContextLength, &[400], true),
        (ContentFilter, &[400], false),
        (Connect, &[502], true),
        (FirstByteTimeout, &[408], true),
        (FirstByteTimeout, &[504], true),
        (ClientGone, &[0, 499, 500], false),
        (Internal, &[0, 500], false),
    ] {
        assert_eq!(falls_back(&failure(class), statuses), expected, "{class:?} {statuses:?}");
    }
}
