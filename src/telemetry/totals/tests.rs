use super::*;
use crate::telemetry::{Face, Outcome, fixture};

fn only<S: Series>(store: &Store<S>) -> &S {
    let mut all = store.iter();
    let (series, _) = all.next().unwrap();
    assert!(all.next().is_none(), "one series");
    series
}

#[test]
fn a_served_stream_is_counted_once_everywhere() {
    let mut totals = Totals::new(&["customer_id".into()]);
    totals.observe(&fixture::stream());
    let gateway = only(&totals.gateway);
    assert_eq!((&*gateway.caller.model, &*gateway.caller.username), ("openai-main/gpt-4o-mini", "support-bot"));
    assert_eq!(gateway.caller.metadata_at(0), "acme");
    assert_eq!((gateway.requests, gateway.input_tokens, gateway.output_tokens), (1, 120, 41));
    assert_eq!((gateway.cost_pico_usd, gateway.priced), (42_600_000, 1));
    assert_eq!((gateway.processing.sum(), gateway.first_token.sum(), gateway.inter_token.sum()), (901.0, 250.0, 20.0));
    assert_eq!(gateway.failures.iter().count(), 0);

    let client = only(&totals.client);
    assert_eq!((client.input_text, client.cache_read, client.output_text, client.reasoning), (120, 100, 41, 16));
    assert_eq!(client.chunk_gaps.count(), 3);
    assert_eq!(client.first_chunk.sum(), 0.24996);
    let server = only(&totals.server);
    // 600 ms for the 40 tokens after the first.
    assert_eq!(server.per_token.sum(), 0.015);
    assert_eq!((totals.overhead.count(), totals.gaps.count()), (1, 3));
}

#[test]
fn a_refusal_is_a_request_but_no_failure_of_a_model() {
    let mut totals = Totals::default();
    totals.observe(&fixture::refused());
    let gateway = only(&totals.gateway);
    assert_eq!((&*gateway.caller.model, gateway.requests), ("", 1));
    assert_eq!(gateway.failures.iter().count(), 0);
    let errors: Vec<_> = only(&totals.server).by_error.iter().map(|(error, _)| error).collect();
    assert_eq!(errors, [Some("invalid_api_key")]);
    let http: Vec<_> = only(&totals.http).by_error.iter().map(|(error, _)| error).collect();
    assert_eq!(http, [None], "a 4xx is not the server's error");
    assert_eq!((totals.client.iter().count(), totals.overhead.count()), (0, 0));
}

#[test]
fn names_of_models_that_resolve_to_nothing_make_no_series() {
    let mut totals = Totals::default();
    for name in ["a", "b", "c"] {
        let unknown = Record {
            model_requested: name.into(),
            principal: Some(fixture::principal()),
            status: 404,
            ..fixture::refused()
        };
        totals.observe(&unknown);
        totals.observe(&Record { model_requested: name.into(), ..fixture::refused() });
    }
    assert_eq!(totals.server.iter().count(), 1);
    assert_eq!(totals.gateway.iter().map(|(series, _)| &*series.caller.model).collect::<Vec<_>>(), ["", ""]);
}

#[test]
fn every_attempt_is_counted_and_the_last_failure_is_the_requests() {
    let mut totals = Totals::default();
    totals.observe(&fixture::failed_attempts());
    let attempts: Vec<_> = totals.attempts.iter().map(|(key, &count)| (key, count)).collect();
    let (direct, race) = (AttemptReason::Direct, AttemptReason::ReuseRace);
    assert_eq!(attempts, [((direct, Some(ErrorClass::Disconnected)), 1), ((race, Some(ErrorClass::Overloaded)), 1)]);
    let failures: Vec<_> = only(&totals.gateway).failures.iter().map(|(code, &count)| (code, count)).collect();
    assert_eq!(failures, [("overloaded", 1)]);
    assert_eq!(only(&totals.client).usage_unknown, 2);
}

#[test]
fn a_client_that_leaves_is_no_error_and_its_tokens_count() {
    let mut totals = Totals::default();
    totals.observe(&fixture::cancelled());
    assert_eq!(only(&totals.gateway).output_tokens, 9);
    assert_eq!(only(&totals.gateway).failures.iter().count(), 0);
    assert!(only(&totals.client).by_error.iter().all(|(error, _)| error.is_none()));
    assert!(only(&totals.server).by_error.iter().all(|(error, _)| error.is_none()));
    assert!(only(&totals.http).by_error.iter().all(|(error, _)| error.is_none()));
}

#[test]
fn a_list_of_models_is_not_a_model_request() {
    let mut totals = Totals::default();
    totals.observe(&Record { face: Face::Models, route: "/v1/models", status: 200, ..fixture::refused() });
    assert_eq!((totals.gateway.iter().count(), totals.server.iter().count(), totals.http.iter().count()), (0, 0, 1));
}

#[test]
fn what_is_over_budget_folds_and_sums_stay_right() {
    let mut totals = Totals::new(&["customer_id".into()]);
    let extra = 500;
    for at in 0..SERIES_PER_FAMILY_MAX + extra {
        let customer = at.to_string();
        let metadata = fixture::metadata(&[("customer_id", &customer)]);
        totals.observe(&Record { metadata, ..fixture::stream() });
    }
    let mut merged = Totals::default();
    merged.merge(&totals);
    merged.merge(&totals);
    for (totals, times) in [(&totals, 1), (&merged, 2)] {
        assert_eq!(totals.gateway.iter().count(), SERIES_PER_FAMILY_MAX + 1);
        let (last, over_budget) = totals.gateway.iter().last().unwrap();
        assert!(over_budget && *last.caller.model == *OTHER);
        assert_eq!(last.requests, times * extra as u64);
        let requests: u64 = totals.gateway.iter().map(|(series, _)| series.requests).sum();
        assert_eq!(requests, times * (SERIES_PER_FAMILY_MAX + extra) as u64);
        assert_eq!(totals.gateway.folded, times * extra as u64);
        assert_eq!(totals.client.iter().count(), 1, "another family keeps its own budget");
    }
}

#[test]
fn two_label_sets_with_one_hash_stay_apart() {
    let (mut store, mut budget) = (Store::<Gateway>::default(), Budget::default());
    for _ in 0..2 {
        for model in ["a", "b", "c"] {
            let make = || Gateway::new(Caller { model: model.into(), username: "".into(), metadata: Vec::new() });
            store.slot(u64::MAX, &mut budget, |known| *known.caller.model == *model, make).requests += 1;
        }
    }
    let all: Vec<_> = store.iter().map(|(series, _)| (&*series.caller.model, series.requests)).collect();
    assert_eq!(all, [("a", 2), ("b", 2), ("c", 2)]);
}

#[test]
fn metadata_values_are_cut_and_cleaned() {
    let mut totals = Totals::new(&["missing".into(), "customer_id".into()]);
    let long = format!("{}é", "x".repeat(63));
    for value in ["tab\there", &long] {
        let metadata = fixture::metadata(&[("customer_id", value), ("free", "form")]);
        totals.observe(&Record { metadata, ..fixture::stream() });
    }
    let values: Vec<_> = totals.gateway.iter().map(|(series, _)| series.caller.metadata_at(1)).collect();
    assert_eq!(values, ["tabhere", &"x".repeat(63)]);
    assert!(totals.gateway.iter().all(|(series, _)| series.caller.metadata_at(0).is_empty()));
}

#[test]
fn labels_survive_a_swap_and_meet_by_name_in_a_merge() {
    let mut shards = [Totals::new(&["customer_id".into()]), Totals::new(&["environment".into(), "customer_id".into()])];
    let mut merged = Totals::default();
    for at in [0, 1, 0] {
        shards[at].observe(&fixture::stream());
        merged.merge(&shards[at].take());
        assert_eq!(shards[at].gateway.iter().count(), 0);
    }
    assert_eq!(merged.metadata_labels, ["customer_id", "environment"].map(Box::<str>::from));
    let found: Vec<_> = merged
        .gateway
        .iter()
        .map(|(series, _)| (series.caller.metadata_at(0), series.caller.metadata_at(1), series.requests))
        .collect();
    assert_eq!(found, [("acme", "", 2), ("acme", "prod", 1)]);
}

#[test]
fn counters_add_and_gauges_follow() {
    let mut shard = ShardCounters { panics: 1, connections_open: 7, ..ShardCounters::default() };
    shard.absorb(&ShardCounters { panics: 2, connections_open: 3, ..ShardCounters::default() });
    assert_eq!((shard.panics, shard.connections_open), (3, 3));
}

#[test]
fn an_unpriced_or_crashed_request_shows_as_what_it_is() {
    let mut totals = Totals::default();
    let mut record = fixture::stream();
    record.outcome = Outcome::Crashed;
    record.cost_pico_usd = None;
    record.attempts[0].cost_pico_usd = None;
    totals.observe(&record);
    assert_eq!(only(&totals.client).price_unknown, 1);
    assert_eq!(only(&totals.gateway).priced, 0);
    let failures: Vec<_> = only(&totals.gateway).failures.iter().map(|(code, _)| code).collect();
    assert_eq!(failures, ["internal"]);
}
