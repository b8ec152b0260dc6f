//! A provider simulated down to its faults. `sluice mock` runs it as a server; the gateway's account `mock` and the tests run it
//! inside their own process. It answers as OpenAI, Azure, Anthropic, Google, Amazon Bedrock and Cohere do, as fast as it can unless
//! told otherwise, by the [`scenario`] that the model's name or a request header chooses. It calls tools, thinks, fills schemas and
//! says what it was shown, so that a gateway's translation can be seen. It checks no key unless asked to. It keeps nothing but
//! counts, and the last requests of models that have a scenario, for whoever tests with it.

mod anthropic;
mod ask;
mod bedrock;
mod chunks;
mod cohere;
mod conn;
mod face;
mod faults;
mod gemini;
mod hints;
mod openai;
mod others;
mod otlp;
mod outage;
mod plan;
mod play;
mod request;
mod responses;
mod route;
mod scenario;
mod schema;
mod seen;
mod stats;
mod story;
#[cfg(test)]
mod tests;
mod text;

use crate::{dist::Rng, rt::Rt};
use monoio::net::{TcpListener, TcpStream};
use outage::Outages;
use plan::Plan;
use route::View;
use scenario::Scenario;
use seen::Seen;
use socket2::{Domain, Protocol, Socket, Type};
use stats::Stats;
use std::{
    cell::{Cell, RefCell},
    io,
    net::SocketAddr,
    os::fd::AsRawFd,
    rc::Rc,
    sync::{Arc, atomic::Ordering::Relaxed},
    thread,
    time::Duration,
};

/// The models that `/v1/models` lists. Any other name is served as well, as fast as `mock-fast`.
pub const MODELS: &[&str] = &[
    "mock-fast",
    "mock-slow",
    "echo",
    "gpt-4o",
    "gpt-4o-mini",
    "gpt-5",
    "claude-sonnet-5",
    "claude-haiku-4-5",
    "text-embedding-3-small",
    "omni-moderation-latest",
    "rerank-v3.5",
    "gpt-image-1",
    "tts-1",
    "whisper-1",
];

/// How the built-in models behave, as scenario options.
fn nature(model: &str) -> &'static str {
    match model {
        "mock-slow" => "ttft=400~80,gap=40~10,tokens=64",
        "gpt-4o" | "gpt-5" | "claude-sonnet-5" => "ttft=60~10,gap=12~3,tokens=32",
        "gpt-4o-mini" | "claude-haiku-4-5" => "ttft=30~5,gap=6~2,tokens=32",
        _ => "",
    }
}

#[derive(clap::Args, Clone, Debug)]
#[command(after_long_help = include_str!("scenario.md"))]
pub struct Args {
    /// Where to listen; port 0 takes a free one, which is printed.
    #[arg(long, default_value = "127.0.0.1:8090")]
    pub listen: SocketAddr,
    /// One listener and one ring each.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=256))]
    pub threads: u16,
    /// Time to the first token: 20, 20~5 (normal), 10..30 (uniform) or exp:20 milliseconds.
    #[arg(long, value_name = "DELAY")]
    pub ttft_ms: Option<String>,
    /// Time between two tokens, written in the same ways.
    #[arg(long, value_name = "DELAY")]
    pub gap_ms: Option<String>,
    /// Tokens in each answer.
    #[arg(long)]
    pub tokens: Option<u32>,
    /// Any scenario for every answer, e.g. `size=5,cut@40` (the words are below, where --help shows this).
    #[arg(long, value_name = "OPTIONS")]
    pub scenario: Option<String>,
    /// Refuse requests that do not carry this key.
    #[arg(long, value_name = "KEY")]
    pub require_key: Option<String>,
}

impl Args {
    /// The options of the command line in the words of a scenario.
    fn options(&self) -> io::Result<String> {
        let named = |key: &str, value: Option<String>| value.map(|v| format!("{key}={v},")).unwrap_or_default();
        let options = [
            named("ttft", self.ttft_ms.clone()),
            named("gap", self.gap_ms.clone()),
            named("tokens", self.tokens.map(|n| n.to_string())),
            self.scenario.clone().unwrap_or_default(),
        ]
        .concat();
        Scenario::default().apply(&options).map_err(|words| io::Error::new(io::ErrorKind::InvalidInput, words))?;
        Ok(options)
    }
}

/// Serves until the process ends.
pub fn run(args: Args) -> io::Result<()> {
    let shared = Arc::new(Shared { options: args.options()?, require_key: args.require_key, ..Shared::default() });
    let (addr, threads) = start(args.listen, args.threads, 4096, shared)?;
    eprintln!("mock provider listens on http://{addr}/v1");
    for thread in threads {
        thread.join().map_err(|_| io::Error::other("a thread of the mock provider panicked"))??;
    }
    Ok(())
}

/// Serves on a thread of this process and returns the bound address.
pub fn spawn(addr: SocketAddr) -> io::Result<SocketAddr> {
    start(addr, 1, 256, Arc::default()).map(|(addr, _)| addr)
}

/// The same, refusing whoever does not bring this key (or a signature, where its kind of API takes one).
pub fn spawn_requiring(addr: SocketAddr, key: &str) -> io::Result<SocketAddr> {
    let shared = Shared { require_key: Some(key.to_owned()), ..Shared::default() };
    start(addr, 1, 256, Arc::new(shared)).map(|(addr, _)| addr)
}

type Started = (SocketAddr, Vec<thread::JoinHandle<io::Result<()>>>);

fn start(addr: SocketAddr, threads: u16, entries: u32, shared: Arc<Shared>) -> io::Result<Started> {
    let first = listener(addr)?;
    let bound = first.local_addr()?;
    let mut listeners = vec![first];
    for _ in 1..threads {
        listeners.push(listener(bound)?);
    }
    let spawned = listeners.into_iter().enumerate().map(|(index, listener)| {
        let shared = shared.clone();
        // Idle, a thread costs its ring and the few pages of stack it has touched.
        let builder = thread::Builder::new().name(format!("mock-{index}")).stack_size(1 << 20);
        builder.spawn(move || serve(&mut Rt::new(entries)?, listener, index as u64, shared))
    });
    Ok((bound, spawned.collect::<io::Result<_>>()?))
}

fn listener(addr: SocketAddr) -> io::Result<std::net::TcpListener> {
    let socket = Socket::new(Domain::for_address(addr), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(true)?;
    socket.bind(&addr.into())?;
    socket.listen(4096)?;
    Ok(socket.into())
}

fn serve(rt: &mut Rt, listener: std::net::TcpListener, thread: u64, shared: Arc<Shared>) -> io::Result<()> {
    // The ring waits on blocking sockets, epoll needs them non-blocking.
    listener.set_nonblocking(matches!(rt, Rt::Epoll(_)))?;
    rt.block_on(async move {
        let ctx = Rc::new(Ctx::new(shared, thread));
        let listener = TcpListener::from_std(listener)?;
        loop {
            let Ok((stream, _)) = listener.accept().await else {
                // Out of descriptors, most likely: give connections a moment to end.
                monoio::time::sleep(Duration::from_millis(10)).await;
                continue;
            };
            close_on_exec(&stream);
            let ctx = ctx.clone();
            monoio::spawn(async move {
                stats::add(&ctx.stats.connections, 1);
                stats::add(&ctx.stats.connections_open, 1);
                conn::serve(stream, ctx.clone()).await;
                ctx.stats.connections_open.fetch_sub(1, Relaxed);
            });
        }
    })
}

/// A process that is started beside this one must not inherit the connection: it would stay open when it is closed here.
/// (The ring's accept does not ask for it.)
fn close_on_exec(stream: &TcpStream) {
    // SAFETY: the descriptor is the stream's; a failure leaves it as it is.
    unsafe { libc::fcntl(stream.as_raw_fd(), libc::F_SETFD, libc::FD_CLOEXEC) };
}

/// What the threads of one provider have in common.
#[derive(Default)]
struct Shared {
    options: String,
    require_key: Option<String>,
    stats: Stats,
    outages: Outages,
    seen: Seen,
}

/// What the connections of one thread have in common.
struct Ctx {
    shared: Arc<Shared>,
    rng: Rng,
    next: Cell<u64>,
    cache: RefCell<Vec<Cached>>,
}

struct Cached {
    target: Vec<u8>,
    scenario: Vec<u8>,
    body: Vec<u8>,
    plan: Rc<Plan>,
}

impl Cached {
    fn fits(&self, view: &View) -> bool {
        self.body == view.body && self.target == view.target() && self.scenario == view.scenario()
    }
}

/// A benchmark sends few different requests; these are answered without being parsed again.
const CACHED_MAX: usize = 8;
const CACHED_BODY_MAX: usize = 16 * 1024;
const CACHED_PLAN_MAX: usize = 1 << 20;

impl std::ops::Deref for Ctx {
    type Target = Shared;

    fn deref(&self) -> &Shared {
        &self.shared
    }
}

impl Ctx {
    fn new(shared: Arc<Shared>, thread: u64) -> Ctx {
        let rng = Rng::from_clock();
        let next = Cell::new(rng.next() << 32 ^ thread << 56);
        Ctx { shared, rng, next, cache: RefCell::default() }
    }

    fn plan(&self, view: &View) -> Rc<Plan> {
        // Whatever depends on more than target, scenario and body is not kept.
        let plain = !view.head.echo && self.require_key.is_none() && !view.body.is_empty();
        let mut cache = self.cache.borrow_mut();
        if plain && let Some(found) = cache.iter().position(|cached| cached.fits(view)) {
            cache.swap(0, found);
            return cache[0].plan.clone();
        }
        let answer = route::answer(view, self);
        let plan = Rc::new(answer.plan);
        if plain && answer.reusable && view.body.len() <= CACHED_BODY_MAX && plan.bytes.len() <= CACHED_PLAN_MAX {
            cache.truncate(CACHED_MAX - 1);
            let (target, scenario, body) = (view.target().to_vec(), view.scenario().to_vec(), view.body.to_vec());
            cache.insert(0, Cached { target, scenario, body, plan: plan.clone() });
        }
        plan
    }

    fn next_id(&self) -> [u8; 16] {
        let n = self.next.get().wrapping_add(1);
        self.next.set(n);
        let mut id = [b'0'; 16];
        for (at, digit) in id.iter_mut().enumerate() {
            *digit = b"0123456789abcdef"[(n >> (60 - 4 * at)) as usize & 15];
        }
        id
    }
}
