//! Providers that fail, in every way the simulated one knows: what the client must get, and what each provider must have
//! seen (`GET /mock/seen`). A row is a rule of its own with targets of its own, so that nobody's health is another's; rows
//! run beside each other on one gateway.

#[path = "../common/mod.rs"]
mod common;
#[path = "../translation/face.rs"]
#[allow(dead_code, reason = "the translation tests use all of it")]
mod face;
#[path = "../translation/hear.rs"]
mod hear;

mod accounting;
mod again;
mod before;
mod bill;
mod broken;
mod carried;
mod change;
mod choice;
mod diverted;
mod fallback;
mod hedge;
mod load;
mod moves;
mod outage;
mod params;
mod people;
mod pieces;
mod refused;
mod rescue;
mod row;
mod scorecard;
mod silent;
mod stage;
mod trailers;
mod upload;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use face::Face;
use row::{Client, Pair, Row};
use stage::{Live, Route, Stage, to};

/// Those whose streams have a way of their own to end.
const ACROSS_FACES: [Face; 4] = [Face::Chat, Face::Messages, Face::Responses, Face::Gemini];

/// What did not go as it must, of all rows of a table at once: one must not hide the others.
#[derive(Default)]
struct Failures(Vec<String>);

impl Failures {
    fn check<T: PartialEq + std::fmt::Debug>(&mut self, what: &str, found: T, want: T) {
        if found != want {
            self.0.push(format!("{what}: {found:?} instead of {want:?}"));
        }
    }

    fn holds(&mut self, what: &str, so: bool) {
        if !so {
            self.0.push(what.to_owned());
        }
    }

    fn none(self) {
        assert!(self.0.is_empty(), "{} failures:\n{}", self.0.len(), self.0.join("\n"));
    }
}

/// On both drivers beside each other.
fn on_both(run: impl Fn(&'static str) + Sync) {
    std::thread::scope(|scope| {
        let run = &run;
        for driver in common::DRIVERS {
            scope.spawn(move || run(driver));
        }
    });
}

/// Runs all cases, some beside each other, and tells all that failed.
fn all<T: Sync>(cases: &[T], run: impl Fn(&T, &mut Failures) + Sync) {
    const AT_ONCE: usize = 24;
    let (next, failed) = (AtomicUsize::new(0), Mutex::new(Failures::default()));
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE.min(cases.len()) {
            scope.spawn(|| {
                while let Some(case) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let mut failures = Failures::default();
                    // A reader that panics has found something that is not its dialect.
                    if let Err(panic) = catch_unwind(AssertUnwindSafe(|| run(case, &mut failures))) {
                        let said = panic.downcast_ref::<String>().cloned();
                        failures.0.push(format!("panicked: {}", said.unwrap_or_default()));
                    }
                    failed.lock().expect("no panic in between").0.append(&mut failures.0);
                }
            });
        }
    });
    failed.into_inner().expect("no panic in between").none();
}
