//! Every face a client may call, before every kind of provider: what is said on one side is heard on the other, and what
//! cannot be said is refused by name. The provider is the simulated one behind an account of each kind; it says in its
//! answers what it was shown. A pair of the same dialect is among the pairs: a client must not be able to tell.

#[path = "../common/mod.rs"]
mod common;

mod answers;
mod errors;
mod face;
mod hear;
mod requests;
mod vectors;

use common::Gateway;
use common::providers::{ACCOUNTS, gateway};
use face::{Ask, FACES, Face, Said};

/// Faces before accounts, each pair once.
fn pairs() -> impl Iterator<Item = (Face, &'static str)> {
    FACES.into_iter().flat_map(|face| ACCOUNTS.into_iter().map(move |(account, ..)| (face, account)))
}

/// All failures of a table at once: one broken pair must not hide the others.
#[derive(Default)]
struct Failures(Vec<String>);

impl Failures {
    fn check<T: PartialEq + std::fmt::Debug>(&mut self, what: &str, found: T, want: T) {
        if found != want {
            self.0.push(format!("{what}: {found:?} instead of {want:?}"));
        }
    }

    fn none(self) {
        assert!(self.0.is_empty(), "{} failures:\n{}", self.0.len(), self.0.join("\n"));
    }
}

/// Calls a model of an account by a face; the answer as that face tells it.
fn call(gateway: &Gateway, face: Face, account: &str, model: &str, ask: &Ask) -> Said {
    face.call(gateway, &format!("{account}/{model}"), ask)
}
