//! Rows go in and come back, whatever happens to the process or the file.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use proptest::prelude::*;
use tokio::sync::oneshot;

use super::*;
use crate::control::testing::{TempDir, record};
use crate::telemetry::{Gaps, Outcome, Principal, RequestId, fixture};

fn storage(dir: &Path) -> Storage {
    Storage { dir: Some(dir.to_owned()), retention_days: 36_500, max_bytes: 1 << 40 }
}

fn ask(store: &Store, filter: Filter) -> Page {
    let (reply, answer) = oneshot::channel();
    store.query(filter, reply);
    answer.blocking_recv().expect("the store answers").expect("the query runs")
}

fn all(store: &Store, filter: Filter) -> Vec<String> {
    ask(store, Filter { limit: 1000, ..filter }).requests.into_iter().map(|row| row.id).collect()
}

/// Request `n` of second `n / 1000`.
fn numbered(n: u64) -> Box<Record> {
    Box::new(record(1_700_000_000_000 + n, n))
}

#[test]
fn a_row_shows_everything_the_record_knew() {
    let dir = TempDir::new();
    let mut store = Store::open(&storage(dir.path())).expect("opens");
    let mut record = record(1_700_000_000_123, 7);
    record.client = Some(SocketAddr::from(([127, 0, 0, 1], 4000)));
    record.principal = Some(Arc::new(Principal {
        subject: "virtualaccount:bot".into(),
        name: "bot".into(),
        teams: vec!["support".into()],
        key_id: "k1".into(),
    }));
    record.metadata = Some(Arc::new([("env".into(), "prod".into())]));
    record.max_tokens = Some(0);
    record.usage.reasoning = 5;
    record.gaps = Gaps::default();
    record.gaps.add(3_000_000);
    record.gaps.add(1_900_000_000);
    store.push(vec![Box::new(record.clone())]);
    let page = ask(&store, Filter { id: Some(record.id), limit: 10, ..Filter::default() });
    let row = serde_json::to_value(&page.requests[0]).expect("serializes");
    assert_eq!(row["id"], record.id.to_string());
    assert_eq!(row["trace_id"], hex(&record.trace.trace_id));
    assert_eq!(row["status"], 200);
    assert_eq!(row["outcome"], "served");
    assert_eq!(row["start"], "2023-11-14T22:13:20.123Z");
    assert_eq!(row["client"], "127.0.0.1:4000");
    assert_eq!(row["principal"]["teams"][0], "support");
    assert_eq!(row["metadata"]["env"], "prod");
    assert_eq!(row["max_tokens"], 0);
    assert_eq!(row["model"], "mock/fast");
    assert_eq!(row["model_requested"], "fast");
    assert_eq!(row["usage"]["input_tokens"], 11);
    assert_eq!(row["usage"]["reasoning_tokens"], 5);
    assert_eq!(row["usage"]["source"], "reported");
    assert_eq!(row["attempts"][0]["target"], "mock/fast");
    assert_eq!(row["attempts"][0]["reason"], "direct");
    assert_eq!(row["attempts"][0]["first_byte_ms"], 1.5);
    assert_eq!(row["cost_usd"], serde_json::Value::Null);
    assert_eq!(row["parent_span_id"], serde_json::Value::Null);
    assert_eq!(row["gaps"]["buckets"], serde_json::json!([[5.0, 1], [null, 1]]));
    store.close();
}

#[test]
fn filters_find_what_they_name_and_nothing_else() {
    let dir = TempDir::new();
    let mut store = Store::open(&storage(dir.path())).expect("opens");
    let mut rows: Vec<_> = (0..10).map(numbered).collect();
    rows[3].status = 429;
    rows[3].outcome = Outcome::Refused;
    rows[4].status = 404;
    rows[5].status = 502;
    rows[5].outcome = Outcome::Failed;
    rows[6].trace.trace_id = [9; 16];
    rows[7].attempts.clear();
    rows[7].model_requested = "what'ever".into();
    let ids: Vec<String> = rows.iter().map(|row| row.id.to_string()).collect();
    let expect = |numbers: &[usize]| numbers.iter().map(|&n| ids[n].clone()).collect::<Vec<_>>();
    store.push(rows);
    let find = |filter| all(&store, filter);
    assert_eq!(find(Filter::default()), expect(&[9, 8, 7, 6, 5, 4, 3, 2, 1, 0]));
    assert_eq!(find(Filter { status: Some(Status::Class(4)), ..Filter::default() }), expect(&[4, 3]));
    assert_eq!(find(Filter { status: Some(Status::Exact(429)), ..Filter::default() }), expect(&[3]));
    assert_eq!(find(Filter { status: Some(Status::Exact(200)), ..Filter::default() }).len(), 7);
    assert_eq!(find(Filter { status: Some(Status::Class(2)), ..Filter::default() }).len(), 7);
    assert_eq!(find(Filter { outcome: Some(Outcome::Failed), ..Filter::default() }), expect(&[5]));
    assert_eq!(find(Filter { outcome: Some(Outcome::Served), ..Filter::default() }).len(), 8);
    assert_eq!(find(Filter { trace_id: Some([9; 16]), ..Filter::default() }), expect(&[6]));
    assert_eq!(find(Filter { model: Some("what'ever".into()), ..Filter::default() }), expect(&[7]));
    assert_eq!(find(Filter { id: RequestId::parse(&ids[2]), ..Filter::default() }), expect(&[2]));
    let between =
        Filter { from_unix_ms: Some(1_700_000_000_002), to_unix_ms: Some(1_700_000_000_003), ..Filter::default() };
    assert_eq!(find(between), expect(&[3, 2]));
    assert_eq!(
        find(Filter { model: Some("mock/fast".into()), status: Some(Status::Class(5)), ..Filter::default() }),
        expect(&[5])
    );
    store.close();
}

/// The ways of [`fixture`], as requests of their own.
fn ways() -> Rows {
    let plain = [fixture::stream(), fixture::failed_attempts(), fixture::refused()];
    let routed = [fixture::fallback(), fixture::hedged(), fixture::rescued()];
    let number = |(n, record): (usize, Record)| {
        let id = RequestId(1_700_000_000_000 << 80 | n as u128);
        Box::new(Record { id, ..record })
    };
    plain.into_iter().chain(routed).enumerate().map(number).collect()
}

#[test]
fn a_row_tells_where_the_request_went_and_why() {
    let dir = TempDir::new();
    let mut store = Store::open(&storage(dir.path())).expect("opens");
    let mut ways = ways();
    let id = RequestId(1_700_000_000_000 << 80 | 6);
    ways.push(Box::new(Record { id, ..fixture::diverted() }));
    let ids: Vec<_> = ways.iter().map(|record| record.id).collect();
    store.push(ways);
    let row = |n: usize| {
        let page = ask(&store, Filter { id: Some(ids[n]), limit: 1, ..Filter::default() });
        serde_json::to_value(&page.requests[0]).expect("serializes")
    };
    let fallback = row(3);
    assert_eq!((&fallback["rule"], &fallback["routing_type"]), (&"chat".into(), &"priority-based-routing".into()));
    assert_eq!((&fallback["fallback_rule"], &fallback["rescued_by"]), (&"last-resort".into(), &"fallback".into()));
    assert_eq!(fallback["model"], "claude/claude-sonnet-5");
    let [first, again, last] = &fallback["attempts"].as_array().expect("attempts")[..] else { panic!("three") };
    assert_eq!(
        (&first["reason"], &first["passed_over"], &first["passed_over_why"], &first["error"]),
        (&"priority".into(), &1.into(), &"sla".into(), &"rate_limited".into())
    );
    assert_eq!((&again["reason"], &again["waited_ms"], &again["status"]), (&"retry".into(), &80.0.into(), &503.into()));
    assert_eq!(
        (&last["reason"], &last["waited_ms"], &last["passed_over"], &last["passed_over_why"]),
        (&"fallback".into(), &0.0.into(), &0.into(), &serde_json::Value::Null)
    );
    assert_eq!([first, again, last].map(|attempt| attempt["by_fallback_rule"] == true), [false, false, true]);
    let hedged = row(4);
    assert_eq!(
        (&hedged["attempts"][0]["error"], &hedged["rescued_by"]),
        (&"hedge_lost".into(), &serde_json::Value::Null)
    );
    assert_eq!((&hedged["attempts"][0]["cost_usd"], &hedged["cost_usd"]), (&5e-5.into(), &9.26e-5.into()));
    assert_eq!(
        (&hedged["attempts"][0]["usage"]["output_tokens"], &hedged["usage"]["output_tokens"]),
        (&5.into(), &41.into())
    );
    assert_eq!(row(5)["rescued_by"], "stream");
    let diverted = row(6);
    assert_eq!(
        [&diverted["diverted_from"], &diverted["diverted_why"], &diverted["rescued_by"]],
        [&"openai-main/gpt-4o-mini".into(), &"overloaded".into(), &serde_json::Value::Null]
    );
    assert_eq!((&row(0)["rule"], &row(0)["rescued_by"]), (&serde_json::Value::Null, &serde_json::Value::Null));
    store.close();
}

#[test]
fn rows_are_found_by_rule_by_any_target_and_by_having_been_saved() {
    let dir = TempDir::new();
    let mut store = Store::open(&storage(dir.path())).expect("opens");
    let ways = ways();
    let ids: Vec<String> = ways.iter().map(|record| record.id.to_string()).collect();
    store.push(ways);
    let named = |name: &str| Some(name.to_owned());
    let cases: [(Filter, &[usize]); 11] = [
        (Filter { rule: named("chat"), ..Filter::default() }, &[3]),
        (Filter { rule: named("last-resort"), ..Filter::default() }, &[3]),
        (Filter { rule: named("split"), ..Filter::default() }, &[4]),
        (Filter { rule: named("nobody"), ..Filter::default() }, &[]),
        (Filter { target: named("openai-main/gpt-4o-mini"), ..Filter::default() }, &[5, 3, 1, 0]),
        (Filter { target: named("claude/claude-sonnet-5"), ..Filter::default() }, &[5, 3]),
        (Filter { target: named("slow/gpt-4o-mini"), ..Filter::default() }, &[4]),
        (Filter { target: named("slow"), ..Filter::default() }, &[]),
        (Filter { rescued: Some(true), ..Filter::default() }, &[5, 3]),
        (Filter { rescued: Some(false), ..Filter::default() }, &[4, 2, 1, 0]),
        (
            Filter { rescued: Some(true), rule: named("fast"), outcome: Some(Outcome::Served), ..Filter::default() },
            &[5],
        ),
    ];
    for (filter, expected) in cases {
        let expected: Vec<_> = expected.iter().map(|&n| ids[n].clone()).collect();
        assert_eq!(all(&store, filter.clone()), expected, "{filter:?}");
    }
    store.close();
}

#[test]
fn rows_from_before_routing_read_as_they_did() {
    let mut batch = block::Batch::new();
    batch.push(&record(1_700_000_000_000, 1));
    let mut block = block::Block::default();
    let rows: Vec<_> = batch.blocks().flatten().copied().collect();
    batch.write(&rows, &mut block);
    let head = block::Head::read(&block.heads, 0).expect("a row");
    assert_eq!((block.heads[block::HEAD_BYTES - 1], head.outcome, head.traits), (0, 0, 0), "the byte they wrote");
    let row = codec::decode(head.detail(&block.details));
    assert_eq!((row.rule, row.rescued_by, row.attempts[0].waited_ms), (None, None, 0.0));
}

#[test]
fn pages_join_without_a_gap() {
    let dir = TempDir::new();
    let mut store = Store::open(&storage(dir.path())).expect("opens");
    // Many in one millisecond, so that the cursor must be finer than time.
    store.push((0..95).map(|n| Box::new(record(1_700_000_000_000 + n / 50, n))).collect());
    let (mut seen, mut before) = (Vec::new(), None);
    loop {
        let page = ask(&store, Filter { limit: 10, before, ..Filter::default() });
        seen.extend(page.requests.into_iter().map(|row| row.id));
        match page.next {
            Some(next) => before = next.parse().ok(),
            None => break,
        }
    }
    assert_eq!(seen.len(), 95);
    assert!(seen.is_sorted_by(|a, b| a > b), "newest first, none twice");
    store.close();
}

#[test]
fn committed_rows_outlive_a_killed_process() {
    let dir = TempDir::new();
    let mut store = Store::open(&storage(dir.path())).expect("opens");
    store.push((0..100).map(numbered).collect());
    assert_eq!(all(&store, Filter::default()).len(), 100, "a query commits what came before it");
    // As after `kill -9`: nothing is closed, the files are as they are.
    let copy = TempDir::new();
    for file in std::fs::read_dir(dir.path()).expect("lists") {
        let file = file.expect("lists").path();
        std::fs::copy(&file, copy.path().join(file.file_name().expect("has a name"))).expect("copies");
    }
    let mut again = Store::open(&storage(copy.path())).expect("opens");
    assert_eq!(all(&again, Filter::default()).len(), 100);
    again.push((100..110).map(numbered).collect());
    assert_eq!(all(&again, Filter::default()).len(), 110);
    again.close();
    store.close();
}

#[test]
fn a_broken_file_is_moved_aside() {
    let dir = TempDir::new();
    std::fs::write(dir.path().join("requests.db"), vec![b'x'; 8192]).expect("writes");
    let mut store = Store::open(&storage(dir.path())).expect("opens all the same");
    store.push(vec![numbered(1)]);
    assert_eq!(all(&store, Filter::default()).len(), 1);
    store.close();
    let names = std::fs::read_dir(dir.path()).expect("lists").map(|file| file.expect("lists").file_name());
    assert!(names.into_iter().any(|name| name.to_string_lossy().contains(".broken-")));
}

#[test]
fn a_file_of_another_version_is_moved_aside_whole() {
    let dir = TempDir::new();
    let other = rusqlite::Connection::open(dir.path().join("requests.db")).expect("opens");
    other.execute_batch("CREATE TABLE requests (x); PRAGMA user_version = 1;").expect("writes");
    drop(other);
    let mut store = Store::open(&storage(dir.path())).expect("opens all the same");
    store.push(vec![numbered(1)]);
    assert_eq!(all(&store, Filter::default()).len(), 1);
    store.close();
}

#[test]
fn a_full_channel_drops_and_counts() {
    let dir = TempDir::new();
    let mut store = Store::open(&storage(dir.path())).expect("opens");
    let too_many = ROWS_WAITING_MAX as u64 + 1;
    store.push((0..too_many).map(numbered).collect());
    assert_eq!(store.rows_lost(), too_many);
    store.push((0..10).map(numbered).collect());
    assert_eq!(all(&store, Filter::default()).len(), 10);
    store.close();
}

#[test]
fn without_a_folder_nothing_is_left_behind() {
    let store = Store::open(&Storage { dir: None, retention_days: 1, max_bytes: 1 << 30 }).expect("opens");
    let dir = store.temporary.clone().expect("has a temporary folder");
    assert!(dir.exists());
    store.close();
    assert!(!dir.exists());
}

proptest! {
    #[test]
    fn any_bytes_decode_to_something(detail in proptest::collection::vec(any::<u8>(), 0..200)) {
        codec::decode(&detail);
    }

    #[test]
    fn any_prefix_of_a_row_decodes(at in 0usize..400) {
        let mut detail = Vec::new();
        codec::encode(&record(1_700_000_000_000, 1), &mut detail);
        codec::decode(&detail[..at.min(detail.len())]);
    }

    #[test]
    fn long_names_are_cut_at_a_character(name in "\\PC{0,700}") {
        let mut long = record(1_700_000_000_000, 1);
        long.model_requested = name.clone().into();
        let mut detail = Vec::new();
        codec::encode(&long, &mut detail);
        let row = codec::decode(&detail);
        prop_assert!(name.starts_with(&row.model_requested));
        prop_assert_eq!(row.chunks, 22, "what follows is whole");
    }
}
