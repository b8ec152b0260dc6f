//! What lies in the file: blocks that overlap, summaries that may be wrong, rows that are too old.

use proptest::prelude::*;

use super::block::{Batch, Block, key_of, model_bits, model_hash};
use super::database::Database;
use super::retention;
use super::{Filter, LIMIT_MAX, Status, bloom};
use crate::control::testing::{TempDir, record};
use crate::telemetry::Record;

/// In one commit.
fn insert(database: &mut Database, records: impl Iterator<Item = Record>) {
    let mut batch = Batch::new();
    records.for_each(|record| batch.push(&record));
    database.insert(&mut batch).expect("inserts");
}

fn number(database: &Database, sql: &str) -> i64 {
    database.writer.query_row(sql, [], |row| row.get(0)).expect("answers")
}

/// The ids of all pages.
fn keys_by_pages(database: &Database, mut filter: Filter) -> Vec<String> {
    let mut ids = Vec::new();
    loop {
        let page = filter.run(&database.reader).expect("runs");
        ids.extend(page.requests.into_iter().map(|row| row.id));
        match page.next {
            Some(next) => filter.before = next.parse().ok(),
            None => return ids,
        }
    }
}

fn now_ms() -> u64 {
    std::time::UNIX_EPOCH.elapsed().expect("after 1970").as_millis() as u64
}

#[test]
fn age_and_size_are_kept_in_bounds() {
    let dir = TempDir::new();
    let mut database = Database::open(dir.path()).expect("opens");
    let begun_ms = now_ms() - 30_000;
    insert(&mut database, (0..100).map(|n| record(1_700_000_000_000 + n, n)));
    insert(&mut database, (0..20_000).map(|n| record(begun_ms + n, n)));
    let forget = |database: &mut Database, limits| {
        while retention::step(&mut database.writer, limits).expect("deletes") {}
    };
    forget(&mut database, retention::Limits { days: 30, max_bytes: 1 << 40 });
    assert_eq!(number(&database, "SELECT sum(rows) FROM summaries"), 20_000, "only what is too old is gone");
    assert_eq!(number(&database, "SELECT min(first) FROM summaries") >> 20, begun_ms as i64);
    let max_bytes = 2 << 20;
    forget(&mut database, retention::Limits { days: 30, max_bytes });
    let left = number(&database, "SELECT sum(rows) FROM summaries");
    assert!((1..20_000).contains(&left), "{left} rows are left");
    let newest = number(&database, "SELECT max(last) FROM summaries");
    assert!(newest >= key_of(begun_ms + 19_999), "the oldest went first");
    assert_eq!(
        number(&database, "SELECT count(*) FROM summaries"),
        number(&database, "SELECT count(*) FROM summaries JOIN blocks USING (id)")
    );
    let bytes = number(&database, "PRAGMA page_count") * number(&database, "PRAGMA page_size");
    assert!(bytes as u64 <= max_bytes, "the file itself became smaller");
}

#[test]
fn rows_of_many_small_commits_share_blocks() {
    let dir = TempDir::new();
    let mut database = Database::open(dir.path()).expect("opens");
    let mut batch = Batch::new();
    for n in 0..1500 {
        batch.push(&record(1_700_000_000_000 + n, n));
        database.insert(&mut batch).expect("inserts");
        batch.clear();
    }
    let blocks = number(&database, "SELECT count(*) FROM summaries");
    assert!(blocks <= 3 + 9, "{blocks} blocks: two full ones, and one for each bit of the rest");
    assert_eq!(number(&database, "SELECT sum(rows) FROM summaries"), 1500);
    let filter = Filter { limit: LIMIT_MAX, ..Filter::default() };
    assert_eq!(keys_by_pages(&database, filter).len(), 1500);
}

#[test]
fn what_is_hours_apart_is_not_joined() {
    let dir = TempDir::new();
    let mut database = Database::open(dir.path()).expect("opens");
    for hour in 0..20 {
        insert(&mut database, (0..3).map(|n| record(1_700_000_000_000 + hour * 3_600_001 + n, n)));
    }
    assert_eq!(number(&database, "SELECT count(*) FROM summaries"), 20);
}

#[test]
fn long_streams_are_found_among_what_ended_with_them() {
    let dir = TempDir::new();
    let mut database = Database::open(dir.path()).expect("opens");
    // One in a hundred began a minute before the rest of its block.
    let begun = |n: u64| 1_700_000_060_000 + n - if n % 100 == 7 { 60_000.min(n * 10) } else { 0 };
    for commit in 0..8 {
        insert(&mut database, (commit * 700..(commit + 1) * 700).map(|n| record(begun(n), n)));
    }
    for limit in [50, 999] {
        let filter = Filter { limit, from_unix_ms: Some(1_700_000_050_000), ..Filter::default() };
        let expected = (0..5600).filter(|&n| begun(n) >= 1_700_000_050_000).count();
        let keys = keys_by_pages(&database, filter);
        assert_eq!(keys.len(), expected);
        assert!(keys.is_sorted_by(|a, b| a > b), "newest first, none twice");
    }
    for n in [7, 3407, 5507, 5599] {
        let id = record(begun(n), n).id;
        let page = Filter { id: Some(id), limit: 1, ..Filter::default() }.run(&database.reader).expect("runs");
        assert_eq!(page.requests.first().map(|row| row.id.clone()), Some(id.to_string()));
    }
}

#[test]
fn a_filter_that_may_be_wrong_shows_no_wrong_row() {
    let dir = TempDir::new();
    let mut database = Database::open(dir.path()).expect("opens");
    insert(&mut database, (0..2000).map(|n| record(1_700_000_000_000 + n, n)));
    // As if every block might hold everything.
    let everything = "UPDATE summaries SET traces = ?1, models = -1, classes = -1";
    database.writer.execute(everything, [vec![0xff_u8; 640]]).expect("runs");
    let find = |filter: Filter| keys_by_pages(&database, Filter { limit: 100, ..filter });
    assert!(find(Filter { trace_id: Some([7; 16]), ..Filter::default() }).is_empty());
    assert!(find(Filter { model: Some("mock/slow".into()), ..Filter::default() }).is_empty());
    assert!(find(Filter { status: Some(Status::Exact(404)), ..Filter::default() }).is_empty());
    let trace_id = record(1_700_000_000_999, 999).trace.trace_id;
    assert_eq!(find(Filter { trace_id: Some(trace_id), ..Filter::default() }).len(), 1);
}

#[test]
fn a_name_with_the_hash_of_another_is_not_taken_for_it() {
    let dir = TempDir::new();
    let mut database = Database::open(dir.path()).expect("opens");
    let mut batch = Batch::new();
    batch.push(&record(1_700_000_000_000, 1));
    database.insert(&mut batch).expect("inserts");
    // The row's head and summary now say that it is of another model; its detail does not.
    let other = model_hash("mock/slow");
    let mut heads: Vec<u8> =
        database.writer.query_row("SELECT heads FROM blocks", [], |row| row.get(0)).expect("has one");
    heads[40..48].copy_from_slice(&other.to_be_bytes());
    database.writer.execute("UPDATE blocks SET heads = ?1", [&heads]).expect("runs");
    database.writer.execute("UPDATE summaries SET models = ?1", [model_bits(other)]).expect("runs");
    let filter = Filter { model: Some("mock/slow".into()), limit: 10, ..Filter::default() };
    assert!(filter.run(&database.reader).expect("runs").requests.is_empty());
}

proptest! {
    // Each case makes a file.
    #![proptest_config(ProptestConfig::with_cases(16))]

    #[test]
    fn any_commits_read_back_in_order_by_pages_of_any_size(
        commits in proptest::collection::vec(proptest::collection::vec(0u64..2000, 0..700), 1..6),
        limit in 1usize..400,
        (from, to) in (0u64..2000, 0u64..2000),
    ) {
        let dir = TempDir::new();
        let mut database = Database::open(dir.path()).expect("opens");
        let mut batch = Batch::new();
        let (mut expected, mut n) = (Vec::new(), 0);
        for commit in commits {
            for ms in commit {
                batch.push(&record(1_700_000_000_000 + ms, n));
                expected.extend((from..=to).contains(&ms).then_some((ms, n)));
                n += 1;
            }
            database.insert(&mut batch).expect("inserts");
            batch.clear();
        }
        // Of one millisecond, those that were stored later come first.
        expected.sort_unstable();
        let expected: Vec<_> =
            expected.iter().rev().map(|&(ms, n)| record(1_700_000_000_000 + ms, n).id.to_string()).collect();
        let (from, to) = (Some(1_700_000_000_000 + from), Some(1_700_000_000_000 + to));
        let filter = Filter { limit, from_unix_ms: from, to_unix_ms: to, ..Filter::default() };
        prop_assert_eq!(keys_by_pages(&database, filter), expected);
    }
}

proptest! {
    #[test]
    fn no_trace_id_is_missed(ids in proptest::collection::vec(any::<[u8; 16]>(), 1..600)) {
        let mut filter = Vec::new();
        bloom::fill(&mut filter, ids.iter());
        prop_assert!(ids.iter().all(|id| bloom::may_hold(&filter, id)));
        prop_assert!(!bloom::may_hold(&[], &[1; 16]));
    }

    #[test]
    fn any_bytes_are_some_heads(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let mut batch = Batch::new();
        batch.push_block(&bytes, &bytes);
        batch.sort();
        let mut block = Block::default();
        batch.blocks().for_each(|rows| batch.write(rows, &mut block));
    }
}
