//! Which traces are exported. Metrics and rows are never sampled.

use crate::config::Telemetry;
use crate::telemetry::Trace;

/// The random part of a trace id (W3C Trace Context level 2, "random trace id").
const RANDOM_BITS: u32 = 56;

#[derive(Clone, Copy, Debug)]
pub struct Sampler {
    /// A trace is kept when the low 56 bits of its id are at least this: every gateway decides alike.
    threshold: u64,
    parent_based: bool,
}

impl Sampler {
    pub fn new(telemetry: &Telemetry) -> Self {
        let dropped = 1.0 - telemetry.sample_ratio.clamp(0.0, 1.0);
        let threshold = (dropped * (1u64 << RANDOM_BITS) as f64) as u64;
        Self { threshold, parent_based: telemetry.parent_based }
    }

    pub fn keeps(&self, trace: &Trace) -> bool {
        if self.parent_based && trace.parent_span_id.is_some() {
            return trace.flags & 1 != 0;
        }
        let [.., a, b, c, d, e, f, g] = trace.trace_id;
        u64::from_be_bytes([0, a, b, c, d, e, f, g]) >= self.threshold
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trace(low: u64, parent: Option<u8>) -> Trace {
        let mut trace_id = [0xee; 16];
        trace_id[8..].copy_from_slice(&low.to_be_bytes());
        Trace { trace_id, parent_span_id: parent.map(|_| [1; 8]), flags: parent.unwrap_or(1), ..Trace::default() }
    }

    #[test]
    fn a_ratio_keeps_the_upper_part_of_the_ids() {
        let sampler =
            |ratio: f64| Sampler { threshold: ((1.0 - ratio) * (1u64 << 56) as f64) as u64, parent_based: true };
        let (low, middle, high) = (0, 1 << 55, u64::MAX);
        assert_eq!([low, middle, high].map(|id| sampler(1.0).keeps(&trace(id, None))), [true; 3]);
        assert_eq!([low, middle, high].map(|id| sampler(0.5).keeps(&trace(id, None))), [false, true, true]);
        assert_eq!([low, middle, high].map(|id| sampler(0.0).keeps(&trace(id, None))), [false; 3]);
    }

    #[test]
    fn the_caller_decides_when_it_may() {
        let mut sampler = Sampler { threshold: 1 << 56, parent_based: true };
        assert!(sampler.keeps(&trace(0, Some(1))));
        assert!(!sampler.keeps(&trace(u64::MAX, Some(0))));
        sampler = Sampler { threshold: 0, parent_based: false };
        assert!(sampler.keeps(&trace(0, Some(0))));
    }
}
