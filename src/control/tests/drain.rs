//! The end: asked for, or because a shard is gone.

use super::*;
use crate::control::Signal;
use crate::control::testing::record;

#[test]
fn what_ends_during_a_drain_is_still_recorded() {
    let mut world = World::serving(2, "");
    world.event(Event::Signal(Signal::Terminate));
    for shard in &mut world.shards {
        assert!(matches!(shard.hear(), Down::Drain { within_ms } if within_ms > 0));
    }
    let body = world.until("/readyz", |status, _| status == 503);
    assert!(body.contains(r#""draining":true"#), "{body}");
    for (n, shard) in world.shards.iter_mut().enumerate() {
        shard.say(Up::Record(Box::new(record(1_700_000_000_000, n as u64))));
        shard.say(Up::Totals { sequence: 0, totals: Box::default() });
        shard.say(Up::Stopped);
    }
    let World { core, dir, .. } = world;
    assert_eq!(core.join().expect("the core ends"), 0);
    let rows = rusqlite::Connection::open(dir.path().join("data/requests.db"))
        .and_then(|database| database.query_row("SELECT sum(rows) FROM summaries", [], |row| row.get::<_, i64>(0)));
    assert_eq!(rows, Ok(2));
}

#[test]
fn when_a_shard_fails_the_others_finish_and_the_process_fails() {
    let mut world = World::serving(2, "");
    world.shards[0].say(Up::Failed("no more".into()));
    assert!(matches!(world.shards[1].hear(), Down::Drain { .. }));
    world.until("/readyz", |status, _| status == 503);
    world.shards[1].say(Up::Stopped);
    assert_eq!(world.core.join().expect("the core ends"), 1);
}

#[test]
fn a_thread_that_vanishes_has_failed() {
    let mut world = World::serving(2, "");
    drop(world.shards.remove(0));
    assert!(matches!(world.shards[0].hear(), Down::Drain { .. }));
    world.shards[0].say(Up::Stopped);
    assert_eq!(world.core.join().expect("the core ends"), 1);
}
