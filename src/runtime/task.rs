//! Tasks and timers of this thread.

use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

/// Runs `future` on this thread. A panic in it drops the future and calls `panicked`; nothing else is touched.
pub fn spawn<F: Future<Output = ()> + 'static>(future: F, panicked: impl FnOnce() + 'static) {
    monoio::spawn(Caught { future: Some(Box::pin(future)), panicked: Some(panicked) });
}

pub async fn sleep_ms(ms: u64) {
    monoio::time::sleep(Duration::from_millis(ms)).await;
}

struct Caught<F, P> {
    future: Option<Pin<Box<F>>>,
    panicked: Option<P>,
}

impl<F: Future<Output = ()>, P: FnOnce()> Future for Caught<F, P> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        // SAFETY: the future is pinned by its own box; neither field is pinned by `self`.
        let this = unsafe { self.get_unchecked_mut() };
        let Some(future) = this.future.as_mut() else { return Poll::Ready(()) };
        let panicked = match std::panic::catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(cx))) {
            Ok(Poll::Pending) => return Poll::Pending,
            Ok(Poll::Ready(())) => false,
            Err(_) => true,
        };
        // Dropping what has panicked may panic again: that is caught as well.
        let future = this.future.take();
        let dropped = std::panic::catch_unwind(AssertUnwindSafe(move || drop(future)));
        if (panicked || dropped.is_err())
            && let Some(report) = this.panicked.take()
        {
            report();
        }
        Poll::Ready(())
    }
}
