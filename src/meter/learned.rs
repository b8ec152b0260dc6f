//! How far the estimate of a target's input tokens is off, learned from what its provider reports.

use std::sync::atomic::{AtomicU32, Ordering};

/// One factor for requests with tools, one for those without. Atomics only so that a target can be handed to the control
/// core with its records: each shard has targets of its own and is the only writer.
#[derive(Debug, Default)]
pub struct Learned {
    /// Bits of an f32; 0 until something was learned.
    factors: [AtomicU32; 2],
}

impl Learned {
    /// `estimate`, corrected by what was seen so far.
    pub fn correct(&self, estimate: u64, has_tools: bool) -> u64 {
        let factor = f32::from_bits(self.factors[has_tools as usize].load(Ordering::Relaxed));
        if factor == 0.0 { estimate } else { (estimate as f64 * f64::from(factor)).ceil() as u64 }
    }
}

/// What was learned is no part of a target's identity.
impl PartialEq for Learned {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Learned {}

impl std::hash::Hash for Learned {
    fn hash<H: std::hash::Hasher>(&self, _: &mut H) {}
}

impl Clone for Learned {
    fn clone(&self) -> Self {
        let copy = |factor: &AtomicU32| AtomicU32::new(factor.load(Ordering::Relaxed));
        Self { factors: [copy(&self.factors[0]), copy(&self.factors[1])] }
    }
}
