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

/// `Box::pin` for large futures: the memory is there before the future is, so it is made in place. Made first, it would
/// have to be dropped if there were no memory, and is copied whole, though a fresh one has little but its arguments in it.
#[inline]
pub fn boxed<F: Future>(make: impl FnOnce() -> F) -> Pin<Box<F>> {
    let place = Box::new_uninit();
    Box::into_pin(Box::write(place, make()))
}

/// Boxed: a timer takes 768 bytes, aligned to 128, and whoever may have to wait now and then would carry them always.
pub fn sleep_ms(ms: u64) -> Pin<Box<impl Future<Output = ()>>> {
    Box::pin(monoio::time::sleep(Duration::from_millis(ms)))
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

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::rc::Rc;

    use super::*;
    use crate::runtime::run;

    /// Scenario: one of two tasks panics, on either driver.
    /// Guarantees: it is reported, what it owned is dropped, and the other task goes on.
    #[test]
    fn a_panic_ends_its_task_and_nothing_else() {
        for force_epoll in [false, true] {
            let owned = Rc::new(());
            let (reports, lived_on) = (Rc::new(Cell::new(0)), Rc::new(Cell::new(false)));
            let (held, counted, proof) = (owned.clone(), reports.clone(), lived_on.clone());
            run(force_epoll, |_, _| async move {
                let bad = async move {
                    let _held = held;
                    sleep_ms(1).await;
                    panic!("on purpose");
                };
                spawn(bad, move || counted.set(counted.get() + 1));
                spawn(
                    async move {
                        sleep_ms(5).await;
                        proof.set(true);
                    },
                    || {},
                );
                while !lived_on.get() {
                    sleep_ms(1).await;
                }
            })
            .expect("a driver");
            assert_eq!((reports.get(), Rc::strong_count(&owned)), (1, 1));
        }
    }
}
