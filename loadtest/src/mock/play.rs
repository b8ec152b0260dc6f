//! Plays a plan on a connection: in its time, in its writes, to its end.

use super::{
    Ctx,
    conn::Conn,
    plan::{End, Kind, Plan},
    scenario::Fault,
    seen::Outcome,
    stats,
};
use monoio::{net::TcpStream, time};
use std::{
    future::Future,
    io,
    os::fd::AsRawFd,
    pin::pin,
    task::Poll,
    time::{Duration, Instant},
};

pub enum After {
    KeepAlive,
    Close,
}

/// Waits at least this long also watch for a client that leaves; shorter ones notice it by the next write.
const WATCH_MIN: Duration = Duration::from_millis(50);

/// How it went.
pub struct Played {
    pub after: After,
    pub outcome: Outcome,
    /// Tokens that were written.
    pub tokens: u32,
}

/// `asked` is when the request was complete.
pub async fn play(conn: &mut Conn, plan: &Plan, asked: Instant, ctx: &Ctx) -> Played {
    if plan.stream {
        stats::add(&ctx.stats.streams, 1);
    }
    if plan.faulty {
        stats::add(&ctx.stats.faults, 1);
    }
    let mut tokens = 0;
    let played = parts(conn, plan, asked, ctx, &mut tokens).await;
    stats::add(&ctx.stats.tokens, tokens.into());
    let (after, outcome) = match plan.end {
        _ if played.is_err() => (After::Close, Outcome::HungUp),
        End::KeepAlive => (After::KeepAlive, Outcome::Answered),
        End::Fin => (After::Close, Outcome::Broken),
        End::Rst => {
            reset_on_close(&conn.stream);
            (After::Close, Outcome::Broken)
        }
        End::Stall => {
            gone(&conn.stream).await;
            (After::Close, Outcome::HungUp)
        }
    };
    match outcome {
        Outcome::Answered if plan.stream => stats::add(&ctx.stats.streams_finished, 1),
        Outcome::HungUp => stats::add(&ctx.stats.aborted, 1),
        _ => {}
    }
    Played { after, outcome, tokens }
}

/// `tokens` counts those that were written.
async fn parts(conn: &mut Conn, plan: &Plan, asked: Instant, ctx: &Ctx, tokens: &mut u32) -> io::Result<()> {
    let scenario = &plan.scenario;
    let id = ctx.next_id();
    let gaps = |n: u32| -> Duration {
        if scenario.gap.is_zero() { Duration::ZERO } else { (0..n).map(|_| scenario.gap.sample(&ctx.rng)).sum() }
    };
    let mut due = asked + scenario.ttft.sample(&ctx.rng);
    if !plan.stream {
        // The whole answer at once, when its last token would be ready.
        due += gaps(scenario.tokens.saturating_sub(1));
    }
    for part in &plan.parts {
        if part.kind == Kind::Token && *tokens > 0 && tokens.is_multiple_of(scenario.batch) {
            due += gaps(scenario.batch);
        }
        match (part.kind, scenario.head) {
            (Kind::Head, Some(head)) => until(&conn.stream, (asked + head.sample(&ctx.rng)).min(due)).await?,
            // The head waits for what comes with it.
            (Kind::Head, None) => {}
            _ => until(&conn.stream, due).await?,
        }
        if let Some(gap) = drip(plan, part.kind, *tokens) {
            // What was held goes out whole.
            conn.flush().await?;
            plan.copy(part.start, part.end, &id, &mut conn.out);
            byte_by_byte(conn, gap).await?;
        } else {
            plan.copy(part.start, part.end, &id, &mut conn.out);
        }
        if part.kind == Kind::Token {
            *tokens += 1;
        }
        let hold = match part.kind {
            Kind::Head => scenario.head.is_none(),
            Kind::Token => !tokens.is_multiple_of(scenario.batch),
            Kind::Open | Kind::Close => false,
        };
        if !hold {
            send(conn, scenario.drip).await?;
        }
    }
    send(conn, scenario.drip).await
}

/// The time between two bytes of this part, where the fault is that they come one at a time.
fn drip(plan: &Plan, kind: Kind, tokens: u32) -> Option<Duration> {
    match plan.scenario.fault {
        Some(Fault::Drip { gap_us, after }) if kind != Kind::Head && tokens >= after => {
            Some(Duration::from_micros(gap_us.into()))
        }
        _ => None,
    }
}

async fn send(conn: &mut Conn, drip: bool) -> io::Result<()> {
    if drip { byte_by_byte(conn, Duration::ZERO).await } else { conn.flush().await }
}

async fn byte_by_byte(conn: &mut Conn, gap: Duration) -> io::Result<()> {
    let bytes = std::mem::take(&mut conn.out);
    for byte in bytes {
        conn.out.push(byte);
        conn.flush().await?;
        until(&conn.stream, Instant::now() + gap).await?;
    }
    Ok(())
}

/// Waits for the time. An error when the client leaves meanwhile.
async fn until(stream: &TcpStream, at: Instant) -> io::Result<()> {
    let left = at.saturating_duration_since(Instant::now());
    if left.is_zero() {
        return Ok(());
    }
    let timer = time::sleep_until(time::Instant::from_std(at));
    if left < WATCH_MIN {
        timer.await;
        return Ok(());
    }
    let (mut timer, mut watch) = (pin!(timer), pin!(gone(stream)));
    std::future::poll_fn(|cx| {
        if timer.as_mut().poll(cx).is_ready() {
            return Poll::Ready(Ok(()));
        }
        watch.as_mut().poll(cx).map(|()| Err(io::ErrorKind::ConnectionAborted.into()))
    })
    .await
}

/// Returns when the client has closed or reset the connection. Only asks for readiness, so dropping it loses no byte.
/// With pipelined bytes in the way it never returns: they have to be read first.
async fn gone(stream: &TcpStream) {
    if stream.readable(false).await.is_ok() {
        let mut byte = 0u8;
        let flags = libc::MSG_PEEK | libc::MSG_DONTWAIT;
        // SAFETY: one byte is written into one byte; the descriptor lives as long as `stream`.
        let n = unsafe { libc::recv(stream.as_raw_fd(), (&raw mut byte).cast(), 1, flags) };
        if n > 0 {
            std::future::pending::<()>().await;
        }
    }
}

fn reset_on_close(stream: &TcpStream) {
    let linger = libc::linger { l_onoff: 1, l_linger: 0 };
    let size = size_of::<libc::linger>() as libc::socklen_t;
    // SAFETY: `linger` outlives the call and `size` is its size. A failure leaves an ordinary close, which tests would show.
    unsafe {
        libc::setsockopt(stream.as_raw_fd(), libc::SOL_SOCKET, libc::SO_LINGER, (&raw const linger).cast(), size);
    }
}
