//! The core against shards played by the test: each holds a ring's far end and says and hears what a shard would.

mod credentials;
mod drain;
mod health;
mod reload;
mod serve;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::thread::JoinHandle;
use std::time::Duration;

use serde_json::Value;
use tokio::sync::mpsc;

use super::testing::TempDir;
use super::{Event, Mock, Setup, Source, Store, core::Core};
use crate::config::Env;
use crate::mesh::{Down, ShardEnd, Up, mesh};
use crate::runtime::Driver;
use crate::telemetry::totals::Totals;

/// Nothing takes that long; a test that waits longer has failed.
const PATIENCE: Duration = Duration::from_secs(20);

struct FakeShard(ShardEnd);

impl FakeShard {
    fn say(&mut self, message: Up) {
        assert!(self.0.up.push(message).is_ok(), "the ring has room");
    }

    /// Waits for the next message.
    fn hear(&mut self) -> Down {
        self.0.doorbell.socket.set_read_timeout(Some(PATIENCE)).expect("sets a timeout");
        loop {
            if let Ok(message) = self.0.down.pop() {
                return message;
            }
            let read = self.0.doorbell.socket.read(&mut [0; 64]).expect("the core rings in time");
            assert_ne!(read, 0, "the core is there");
            self.0.doorbell.answered();
        }
    }

    /// Hears a request for totals and answers with `connections` accepted since the last one.
    fn answer_collect(&mut self, connections: u64) {
        let Down::Collect { sequence } = self.hear() else { panic!("a request for totals is next") };
        let mut totals = Totals::default();
        totals.counters.connections_accepted = connections;
        self.say(Up::Totals { sequence, totals: Box::new(totals) });
    }
}

struct World {
    shards: Vec<FakeShard>,
    admin: SocketAddr,
    events: mpsc::Sender<Event>,
    core: JoinHandle<u8>,
    dir: TempDir,
}

impl World {
    /// A core whose shards have said nothing yet.
    fn begin(shards: usize, config: &str) -> Self {
        let dir = TempDir::new();
        let file = dir.path().join("sluice.yaml");
        std::fs::write(dir.path().join("token"), "s3cret\n").expect("writes");
        write_config(&file, dir.path().join("data"), config);
        let source = Source { paths: vec![file], env: Env::of(&[]) };
        let snapshot = source.load().unwrap_or_else(|errors| panic!("{errors:?}"));
        let (shard_ends, ends) = mesh(shards).expect("makes rings");
        let admin = TcpListener::bind("127.0.0.1:0").expect("binds");
        let address = admin.local_addr().expect("is bound");
        let store = Store::open(&snapshot.process.storage).expect("opens");
        let (mock, addresses) = (Mock::default(), Vec::new());
        let setup = Setup { snapshot, source, addresses, ends, admin, mock, store, greeting: None };
        let (send, receive) = std::sync::mpsc::channel();
        let core = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(async {
                let core = Core::begin(setup).expect("begins");
                send.send(core.sender.clone()).expect("the test waits for it");
                core.serve().await.expect("serves")
            })
        });
        let events = receive.recv_timeout(PATIENCE).expect("the core begins");
        Self { shards: shard_ends.into_iter().map(FakeShard).collect(), admin: address, events, core, dir }
    }

    /// All shards serve.
    fn serving(shards: usize, config: &str) -> Self {
        let mut world = Self::begin(shards, config);
        world.shards.iter_mut().for_each(|shard| shard.say(Up::Started { driver: Driver::IoUring, why: None }));
        world.until("/readyz", |status, _| status == 200);
        world
    }

    fn config(&self) -> PathBuf {
        self.dir.path().join("sluice.yaml")
    }

    fn data(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    fn rewrite(&self, config: &str) {
        write_config(&self.config(), self.data(), config);
    }

    fn event(&self, event: Event) {
        assert!(self.events.blocking_send(event).is_ok(), "the core is there");
    }

    fn get(&self, path: &str) -> (u16, String) {
        get(self.admin, path, "")
    }

    fn json(&self, path: &str) -> Value {
        let (status, body) = self.get(path);
        assert_eq!(status, 200, "{body}");
        serde_json::from_str(&body).expect("JSON")
    }

    /// Asks until the answer is the wanted one. Each question is a turn of the core's loop, so no time need pass.
    fn until(&self, path: &str, wanted: impl Fn(u16, &str) -> bool) -> String {
        let begun = std::time::Instant::now();
        loop {
            let (status, body) = self.get(path);
            if wanted(status, &body) {
                return body;
            }
            assert!(begun.elapsed() < PATIENCE, "{path} stays {status} {body}");
        }
    }

    /// A scrape, and what each shard counted since the last one.
    fn scrape(&mut self, connections: &[u64]) -> String {
        let admin = self.admin;
        let scrape = std::thread::spawn(move || get(admin, "/metrics", ""));
        self.shards.iter_mut().zip(connections).for_each(|(shard, &count)| shard.answer_collect(count));
        let (status, body) = scrape.join().expect("scrapes");
        assert_eq!(status, 200);
        body
    }

    /// Drains the shards that are left and gives the exit code.
    fn end(mut self) -> u8 {
        self.event(Event::Signal(super::Signal::Terminate));
        for mut shard in self.shards.drain(..) {
            while !matches!(shard.hear(), Down::Drain { .. }) {}
            shard.say(Up::Stopped);
        }
        self.core.join().expect("the core ends")
    }
}

fn write_config(file: &std::path::Path, data: PathBuf, more: &str) {
    let text = format!(
        "type: sluice\nname: main\nlisten: 127.0.0.1:8080\nadmin: 127.0.0.1:8081\nauth: none\n\
         storage: {{dir: {}, retention_days: 3650}}\n{more}\n",
        data.display()
    );
    // As an editor does: the file is never seen half written.
    let new = file.with_extension("new");
    std::fs::write(&new, text).expect("writes");
    std::fs::rename(new, file).expect("renames");
}

fn get(admin: SocketAddr, path: &str, fields: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(admin).expect("connects");
    stream.set_read_timeout(Some(PATIENCE)).expect("sets a timeout");
    write!(stream, "GET {path} HTTP/1.1\r\nhost: admin\r\nconnection: close\r\n{fields}\r\n").expect("writes");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("answers");
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
    (status, body.to_owned())
}
