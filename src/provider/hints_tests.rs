use proptest::prelude::*;

use super::*;

/// 2026-09-01T10:00:00Z.
const NOW_MS: u64 = 1_788_256_800_000;

fn read(fields: &[(&str, &str)]) -> Hints {
    Hints::read(fields.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes())), NOW_MS)
}

#[test]
fn a_failure_says_when_to_come_back() {
    const RETRY_INFO: &str = r#"{"error":{"details":[{"retryDelay":"34.07s"}]}}"#;
    for (fields, body, expected) in [
        (&[][..], "", None),
        // In order of what is most exact.
        (&[("Retry-After", "3"), ("retry-after-ms", "1250")], RETRY_INFO, Some(1250)),
        (&[("retry-after-ms", "soon"), ("RETRY-AFTER", " 3 ")], RETRY_INFO, Some(3000)),
        (&[("retry-after", "soon"), ("x-ratelimit-reset-requests", "7s")], RETRY_INFO, Some(34_070)),
        (&[("x-ratelimit-reset-requests", "7s"), ("x-ratelimit-reset-tokens", "20ms")], "", Some(7000)),
        // As they are written.
        (&[("retry-after", "0")], "", Some(0)),
        (&[("retry-after", "1.5")], "", Some(1500)),
        (&[("retry-after", "Tue, 01 Sep 2026 10:00:07 GMT")], "", Some(7000)),
        (&[("retry-after", "Tue, 01 Sep 2026 09:00:00 GMT")], "", Some(0)),
        (&[("x-ratelimit-reset-tokens", "6m0s")], "", Some(360_000)),
        (&[("x-ratelimit-reset-tokens", "1m2.5s")], "", Some(62_500)),
        (&[("x-ratelimit-reset-tokens", "500us")], "", Some(1)),
        (&[("x-ratelimit-reset-tokens", "60")], "", Some(60_000)),
        (&[("x-ratelimit-reset", "2")], "", Some(2000)),
        (&[("x-ratelimit-reset", "1788256805")], "", Some(5000)),
        (&[("X-RateLimit-Reset", "1788256805250")], "", Some(5250)),
        (&[("anthropic-ratelimit-requests-reset", "2026-09-01T10:00:12Z")], "", Some(12_000)),
        (&[("anthropic-ratelimit-output-tokens-reset", "2026-09-01T12:00:12.5+02:00")], "", Some(12_500)),
        (&[("anthropic-ratelimit-tokens-reset", "2026-09-01T07:00:12-03:00")], "", Some(12_000)),
        (&[("anthropic-ratelimit-tokens-reset", "2026-08-01T10:00:12Z")], "", Some(0)),
        // Which limit was hit: not one of which something is left.
        (
            &[
                ("x-ratelimit-remaining-requests", "14399"),
                ("x-ratelimit-reset-requests", "1h0m0s"),
                ("x-ratelimit-remaining-tokens", "0"),
                ("x-ratelimit-reset-tokens", "2s"),
            ],
            "",
            Some(2000),
        ),
        (&[("x-ratelimit-reset-requests", "2s"), ("x-ratelimit-limit-requests", "-1")], "", None),
        // Never longer than ten minutes.
        (&[("retry-after", "86400")], "", Some(HINT_MS_MAX)),
        (&[("x-ratelimit-reset-requests", "23h59m")], "", Some(HINT_MS_MAX)),
        (&[("retry-after-ms", "99999999999999999999999999")], "", Some(HINT_MS_MAX)),
        // Nonsense.
        (&[("retry-after", "-1"), ("retry-after-ms", "1e3"), ("x-ratelimit-reset", "")], "", None),
        (&[("retry-after", "nan"), ("x-ratelimit-reset-tokens", "6x"), ("x-ratelimit-reset-requests", "s")], "", None),
        (&[("anthropic-ratelimit-tokens-reset", "2026-13-01T10:00:12Z")], "", None),
        (&[("anthropic-ratelimit-tokens-reset", "2026-09-01T25:00:12Z")], "", None),
        (&[("anthropic-ratelimit-tokens-reset", "2026-09-01T10:00:12")], "", None),
        (&[("x-ratelimit-reset-images", "6s"), ("retry-afterwards", "6"), ("x-ratelimit-reset-", "6")], "", None),
    ] {
        assert_eq!(read(fields).wait_ms(body.as_bytes()), expected, "{fields:?} {body}");
    }
}

#[test]
fn a_success_says_when_a_limit_is_used_up() {
    for (fields, expected) in [
        // Anthropic sends `retry-after` with answers that went well.
        (&[("retry-after", "30")][..], None),
        (&[("x-ratelimit-remaining-requests", "0"), ("x-ratelimit-reset-requests", "1.5s")], Some(1500)),
        (&[("x-ratelimit-remaining-requests", "1"), ("x-ratelimit-reset-requests", "1.5s")], None),
        (&[("x-ratelimit-remaining-requests", "0")], None),
        (&[("x-ratelimit-remaining-requests", "0"), ("x-ratelimit-reset-tokens", "1.5s")], None),
        (&[("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "1")], Some(1000)),
        (
            &[
                ("anthropic-ratelimit-input-tokens-remaining", "0"),
                ("anthropic-ratelimit-input-tokens-reset", "2026-09-01T10:00:02Z"),
            ],
            Some(2000),
        ),
        // Azure, where it does not know.
        (
            &[
                ("x-ratelimit-limit-tokens", "0"),
                ("x-ratelimit-remaining-tokens", "0"),
                ("x-ratelimit-reset-tokens", "60"),
            ],
            None,
        ),
        (&[("x-ratelimit-remaining-tokens", "-1"), ("x-ratelimit-reset-tokens", "60")], None),
        (&[("x-ratelimit-remaining-tokens", "0"), ("x-ratelimit-reset-tokens", "0s")], None),
    ] {
        assert_eq!(read(fields).exhausted_ms(), expected, "{fields:?}");
    }
}

#[test]
fn a_provider_may_forbid_to_try_again() {
    for (value, expected) in [("false", true), (" False ", true), ("true", false), ("", false), ("no", false)] {
        assert_eq!(read(&[("X-Should-Retry", value)]).forbids_retry(), expected, "{value}");
    }
    assert!(!read(&[]).forbids_retry());
}

const NAMES: [&str; 12] = [
    "retry-after",
    "retry-after-ms",
    "x-should-retry",
    "x-ratelimit-reset",
    "x-ratelimit-reset-requests",
    "x-ratelimit-remaining-tokens",
    "x-ratelimit-reset-tokens",
    "x-ratelimit-limit-tokens",
    "anthropic-ratelimit-requests-reset",
    "anthropic-ratelimit-tokens-remaining",
    "anthropic-ratelimit-input-tokens-reset",
    "x",
];

fn value() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        any::<Vec<u8>>(),
        "[0-9.]{0,30}(h|m|s|ms|us|ns|d)?[0-9.]{0,5}s?".prop_map(String::into_bytes),
        "[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}:[0-9]{2}(\\.[0-9]{0,40})?(Z|[+-][0-9]{2}:[0-9]{2})"
            .prop_map(String::into_bytes),
    ]
}

proptest! {
    #[test]
    fn whatever_a_head_says_no_hint_is_above_the_cap(
        fields in prop::collection::vec((prop::sample::select(&NAMES[..]), value()), 0..6),
        body in prop_oneof![any::<Vec<u8>>(), "\\{\"retryDelay\":\"[0-9.e]{0,20}s\"\\}".prop_map(String::into_bytes)],
        now_ms: u64,
    ) {
        let hints = Hints::read(fields.iter().map(|(name, value)| (name.as_bytes(), &**value)), now_ms);
        prop_assert!(hints.wait_ms(&body).is_none_or(|ms| ms <= HINT_MS_MAX));
        prop_assert!(hints.exhausted_ms().is_none_or(|ms| 0 < ms && ms <= HINT_MS_MAX));
        hints.forbids_retry();
    }
}
