//! A new configuration comes into force whole, or not at all.

use super::*;
use crate::control::Signal;

const ACCOUNT: &str = "---\ntype: provider-account/openai\nname: local\nbase_url: http://localhost:9\nauth_data: {type: api-key, api_key: \"${file:token}\"}\n";

fn hear_snapshot(shard: &mut FakeShard) -> u64 {
    loop {
        match shard.hear() {
            Down::Snapshot(snapshot) => return snapshot.epoch,
            Down::Addresses { .. } => {}
            _ => panic!("a snapshot is next"),
        }
    }
}

#[test]
fn a_changed_file_reaches_every_shard_with_the_addresses_it_needs_first() {
    let mut world = World::serving(2, "");
    world.rewrite(ACCOUNT);
    for shard in &mut world.shards {
        let Down::Addresses { host, addresses } = shard.hear() else { panic!("addresses are next") };
        assert_eq!(&*host, "localhost");
        assert!(addresses.iter().all(|address| address.ip().is_loopback()) && !addresses.is_empty());
        let Down::Snapshot(snapshot) = shard.hear() else { panic!("a snapshot is next") };
        assert_eq!((snapshot.epoch, snapshot.accounts.len()), (2, 1));
        shard.say(Up::Applied { epoch: 2 });
    }
    let body = world.until("/readyz", |_, body| body.matches(r#""epoch":2"#).count() == 3);
    assert!(body.contains(r#""ready":true"#));
    assert_eq!(world.end(), 0);
}

#[test]
fn a_bad_configuration_changes_nothing_and_is_counted() {
    let mut world = World::serving(1, "");
    world.rewrite("lissten: 1");
    world.event(Event::Signal(Signal::Hangup));
    let failures =
        |page: &str| page.lines().any(|line| line.contains("config_parsing_failures") && line.ends_with(" 1"));
    while !failures(&world.scrape(&[0])) {}
    assert_eq!(world.json("/readyz")["epoch"], 1);
    // The next good one is in force as epoch 2: the bad one left no trace.
    world.rewrite("log: {access: false}");
    world.event(Event::Signal(Signal::Hangup));
    assert_eq!(hear_snapshot(&mut world.shards[0]), 2);
    assert_eq!(world.end(), 0);
}

#[test]
fn what_needs_a_restart_is_refused() {
    let mut world = World::serving(1, "");
    let text = std::fs::read_to_string(world.config()).expect("reads").replace("127.0.0.1:8080", "127.0.0.1:8090");
    std::fs::write(world.config(), text).expect("writes");
    world.event(Event::Signal(Signal::Hangup));
    let failures =
        |page: &str| page.lines().any(|line| line.contains("config_parsing_failures") && line.ends_with(" 1"));
    while !failures(&world.scrape(&[0])) {}
    assert_eq!(world.json("/readyz")["epoch"], 1);
    assert_eq!(world.end(), 0);
}

#[test]
fn a_scheduled_renewal_of_prices_is_in_force_without_a_restart() {
    let lists = TempDir::new();
    let (list, table) = (lists.path().join("list.json"), lists.path().join("prices.json"));
    let entry =
        r#"{"new-model":{"litellm_provider":"openai","input_cost_per_token":1e-06,"output_cost_per_token":2e-06}}"#;
    std::fs::write(&list, entry).expect("writes");
    let (from, to) = (list.display(), table.display());
    let mut world = World::serving(1, &format!("prices: {{table: {to}, refresh: {{from: {from}, every_hours: 1}}}}"));
    loop {
        match world.shards[0].hear() {
            Down::Snapshot(snapshot) => {
                assert_eq!((snapshot.epoch, snapshot.process.prices.table.as_ref()), (2, Some(&table)));
                break;
            }
            Down::Addresses { .. } => {}
            _ => panic!("a snapshot is next"),
        }
    }
    let page = world.scrape(&[0]);
    assert!(page.lines().any(|line| line == "sluice_price_refreshes_total 1"), "{page}");
    assert_eq!(world.end(), 0);
}
