//! Plays a plan on a connection: in its time, in its writes, to its end.

use super::{
    Ctx,
    conn::Conn,
    plan::{End, Kind, Plan},
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

/// `asked` is when the request was complete.
pub async fn play(conn: &mut Conn, plan: &Plan, asked: Instant, ctx: &Ctx) -> io::Result<After> {
    if plan.stream {
        stats::add(&ctx.stats.streams, 1);
    }
    if plan.faulty {
        stats::add(&ctx.stats.faults, 1);
    }
    let played = parts(conn, plan, asked, ctx).await;
    if played.is_err() {
        stats::add(&ctx.stats.aborted, 1);
        return played.map(|()| After::Close);
    }
    match plan.end {
        End::KeepAlive => {
            if plan.stream {
                stats::add(&ctx.stats.streams_finished, 1);
            }
            return Ok(After::KeepAlive);
        }
        End::Fin => {}
        End::Rst => reset_on_close(&conn.stream),
        End::Stall => {
            gone(&conn.stream).await;
            stats::add(&ctx.stats.aborted, 1);
        }
    }
    Ok(After::Close)
}

async fn parts(conn: &mut Conn, plan: &Plan, asked: Instant, ctx: &Ctx) -> io::Result<()> {
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
    let mut tokens = 0;
    for part in &plan.parts {
        if part.kind == Kind::Token && tokens > 0 && tokens % scenario.batch == 0 {
            due += gaps(scenario.batch);
        }
        match (part.kind, scenario.head) {
            (Kind::Head, Some(head)) => until(&conn.stream, (asked + head.sample(&ctx.rng)).min(due)).await?,
            // The head waits for what comes with it.
            (Kind::Head, None) => {}
            _ => until(&conn.stream, due).await?,
        }
        plan.copy(part.start, part.end, &id, &mut conn.out);
        tokens += (part.kind == Kind::Token) as u32;
        let hold = match part.kind {
            Kind::Head => scenario.head.is_none(),
            Kind::Token => tokens % scenario.batch != 0,
            Kind::Open | Kind::Close => false,
        };
        if !hold {
            send(conn, scenario.drip).await?;
        }
    }
    stats::add(&ctx.stats.tokens, tokens as u64);
    send(conn, scenario.drip).await
}

async fn send(conn: &mut Conn, drip: bool) -> io::Result<()> {
    if !drip {
        return conn.flush().await;
    }
    let bytes = std::mem::take(&mut conn.out);
    for byte in bytes {
        conn.out.push(byte);
        conn.flush().await?;
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
