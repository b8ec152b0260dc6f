//! Serving: readiness, totals, rows, handed-over sockets, the admin token.

use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;

use super::*;
use crate::control::testing::record;
use crate::telemetry::Outcome;

#[test]
fn it_is_ready_when_every_shard_serves_and_says_on_which_driver() {
    let mut world = World::begin(2, "");
    assert_eq!(world.get("/healthz").0, 200);
    world.shards[0].say(Up::Started { driver: Driver::IoUring, why: None });
    let body = world.until("/readyz", |_, body| body.contains("io_uring"));
    assert!(body.contains(r#""ready":false"#), "one of two is not enough: {body}");
    world.shards[1].say(Up::Started { driver: Driver::Epoll, why: Some("io_uring is denied".into()) });
    world.until("/readyz", |status, _| status == 200);
    let ready = world.json("/readyz");
    assert_eq!(ready["shards"][1]["driver"], "epoll");
    assert_eq!(ready["shards"][1]["why"], "io_uring is denied");
    assert_eq!(ready["epoch"], 1);
    assert_eq!(world.end(), 0);
}

#[test]
fn a_scrape_shows_what_every_shard_has_counted_so_far() {
    let mut world = World::serving(2, "");
    let accepted = |page: &str, shard: usize| -> u64 {
        let label = format!("shard=\"{shard}\"");
        let line = page.lines().find(|line| line.contains("connections_accepted") && line.contains(&label));
        line.and_then(|line| line.rsplit(' ').next()).and_then(|value| value.parse().ok()).expect("a sample")
    };
    let page = world.scrape(&[3, 5]);
    assert_eq!((accepted(&page, 0), accepted(&page, 1)), (3, 5));
    let page = world.scrape(&[1, 0]);
    assert_eq!((accepted(&page, 0), accepted(&page, 1)), (4, 5));
    assert_eq!(world.end(), 0);
}

#[test]
fn a_silent_shard_does_not_hold_up_a_scrape_and_its_totals_count_when_they_come() {
    let mut world = World::serving(2, "");
    let admin = world.admin;
    let scrape = std::thread::spawn(move || get(admin, "/metrics", ""));
    world.shards[0].answer_collect(1);
    let Down::Collect { sequence } = world.shards[1].hear() else { panic!("a request for totals is next") };
    assert_eq!(scrape.join().expect("scrapes").0, 200);
    let mut late = Totals::default();
    late.counters.connections_accepted = 7;
    world.shards[1].say(Up::Totals { sequence, totals: Box::new(late) });
    let page = world.scrape(&[0, 1]);
    assert!(page.lines().any(|line| line.contains("connections_accepted") && line.ends_with(" 8")), "{page}");
    assert_eq!(world.end(), 0);
}

#[test]
fn a_record_is_a_row_as_soon_as_somebody_asks() {
    let mut world = World::serving(1, "");
    let mut refused = record(1_700_000_000_500, 2);
    refused.status = 429;
    refused.outcome = Outcome::Refused;
    let id = refused.id;
    world.shards[0].say(Up::Record(Box::new(record(1_700_000_000_000, 1))));
    world.shards[0].say(Up::Record(Box::new(refused)));
    let page = world.json("/api/v1/requests");
    assert_eq!(page["requests"].as_array().expect("a list").len(), 2);
    assert_eq!(page["requests"][0]["id"], id.to_string(), "the newest is first");
    let count =
        |query: &str| world.json(&format!("/api/v1/requests?{query}"))["requests"].as_array().expect("a list").len();
    assert_eq!(count("status=4xx&outcome=refused"), 1);
    assert_eq!(count("model=mock%2Ffast"), 2);
    assert_eq!(count("from=2023-11-14T22:13:20.100Z"), 1);
    assert_eq!(count("to=1700000000000"), 1);
    assert_eq!(count(&format!("trace_id={}", page["requests"][1]["trace_id"].as_str().expect("an id"))), 1);
    assert_eq!(world.json("/api/v1/requests?limit=1")["requests"].as_array().expect("a list").len(), 1);
    assert_eq!(world.json(&format!("/api/v1/requests/{id}"))["status"], 429);
    assert_eq!(world.get("/api/v1/requests/req_00000000000000000000000000000000").0, 404);
    for wrong in
        ["limit=0", "limit=1001", "status=6xx", "status=+2xx", "outcome=fine", "from=soon", "colour=red", "trace_id=1"]
    {
        let (status, body) = world.get(&format!("/api/v1/requests?{wrong}"));
        assert_eq!(status, 400, "{wrong}: {body}");
        assert!(body.contains("bad_parameter"), "{body}");
    }
    assert_eq!(world.end(), 0);
}

#[test]
fn a_socket_reaches_the_shard_it_is_handed_to() {
    let mut world = World::serving(2, "");
    let (ours, theirs) = UnixStream::pair().expect("a pair");
    world.shards[0].say(Up::HandOver { shard: 1, socket: OwnedFd::from(theirs) });
    let Down::Connection(socket) = world.shards[1].hear() else { panic!("a socket is next") };
    UnixStream::from(socket).write_all(b"here").expect("writes");
    let mut read = [0; 4];
    (&ours).read_exact(&mut read).expect("reads");
    assert_eq!(&read, b"here");
    assert_eq!(world.end(), 0);
}

#[test]
fn the_admin_token_guards_everything_but_health() {
    let world = World::serving(1, "admin_token: ${file:token}");
    for path in ["/", "/metrics", "/api/v1/requests", "/api/v1/openapi.json"] {
        assert_eq!(world.get(path).0, 401, "{path}");
        assert_eq!(get(world.admin, path, "authorization: Bearer wrong\r\n").0, 401, "{path}");
    }
    assert_eq!(world.get("/healthz").0, 200);
    assert_eq!(world.get("/readyz").0, 200);
    let (status, document) = get(world.admin, "/api/v1/openapi.json", "authorization: bearer s3cret\r\n");
    assert_eq!(status, 200);
    serde_json::from_str::<Value>(&document).expect("the document is JSON");
    assert_eq!(get(world.admin, "/", "authorization: Bearer s3cret\r\n").0, 200);
    assert_eq!(world.end(), 0);
}

#[test]
fn what_is_not_there_is_said_in_json() {
    let world = World::serving(1, "");
    let (status, body) = world.get("/nothing");
    assert_eq!((status, body.contains("not_found")), (404, true), "{body}");
    assert_eq!(world.end(), 0);
}
