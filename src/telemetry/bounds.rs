//! Every histogram's bucket bounds, in one place. Bounds are whole numbers in the unit that is observed (nanoseconds
//! or tokens), so that observing is integer work and merging is exact; `per_unit` turns them into the unit shown.

/// Upper bounds, inclusive, ascending; at most [`BOUNDS_MAX`] of them.
#[derive(Debug, PartialEq)]
pub struct Bounds {
    pub upper: &'static [u64],
    /// How many of the observed unit make one of the shown unit: 1e9 for nanoseconds shown as seconds.
    pub per_unit: f64,
}

/// The longest list below; a histogram has one slot more.
pub const BOUNDS_MAX: usize = 16;

const NS_PER_S: f64 = 1e9;
const NS_PER_MS: f64 = 1e6;

const fn scaled<const N: usize>(values: [u64; N], by: u64) -> [u64; N] {
    let mut out = values;
    let mut i = 0;
    while i < N {
        out[i] *= by;
        i += 1;
    }
    out
}

const US: u64 = 1_000;
const MS: u64 = 1_000_000;

/// `llm_gateway_*_ms`, but inter-token.
pub static LLM_MS: Bounds = Bounds {
    upper: &scaled([5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10_000, 20_000, 40_000, 80_000, 160_000], MS),
    per_unit: NS_PER_MS,
};

/// `llm_gateway_inter_token_latency_ms`.
pub static INTER_TOKEN_MS: Bounds =
    Bounds { upper: &scaled([1, 2, 5, 10, 15, 20, 30, 40, 50, 75, 100, 150, 250, 500, 1000], MS), per_unit: NS_PER_MS };

/// Gaps between content events in seconds: the bounds of [`Gaps`](super::Gaps), which a stream fills itself. They are
/// finer than the conventions' advice for `time_per_output_chunk`, which would blur all of them into four buckets.
pub static GAPS: Bounds = Bounds { upper: &super::Gaps::BOUNDS_NS, per_unit: NS_PER_S };

/// Advice of the GenAI conventions for durations.
pub static GEN_AI: Bounds = Bounds {
    upper: &scaled([10, 20, 40, 80, 160, 320, 640, 1280, 2560, 5120, 10_240, 20_480, 40_960, 81_920], MS),
    per_unit: NS_PER_S,
};

/// Advice for tokens of one operation: powers of four.
pub static TOKENS: Bounds = Bounds {
    upper: &[1, 4, 16, 64, 256, 1024, 4096, 16_384, 65_536, 262_144, 1_048_576, 4_194_304, 16_777_216, 67_108_864],
    per_unit: 1.0,
};

/// Advice for `gen_ai.server.time_to_first_token`.
pub static SERVER_FIRST_TOKEN: Bounds = Bounds {
    upper: &scaled([1, 5, 10, 20, 40, 60, 80, 100, 250, 500, 750, 1000, 2500, 5000, 7500, 10_000], MS),
    per_unit: NS_PER_S,
};

/// Advice for `gen_ai.server.time_per_output_token`.
pub static SERVER_PER_TOKEN: Bounds =
    Bounds { upper: &scaled([10, 25, 50, 75, 100, 150, 200, 300, 400, 500, 750, 1000, 2500], MS), per_unit: NS_PER_S };

/// Advice of the HTTP conventions for `http.server.request.duration`.
pub static HTTP: Bounds = Bounds {
    upper: &scaled([5, 10, 25, 50, 75, 100, 250, 500, 750, 1000, 2500, 5000, 7500, 10_000], MS),
    per_unit: NS_PER_S,
};

/// Time in Sluice before the first attempt: 10 us to 50 ms.
pub static OVERHEAD: Bounds = Bounds {
    upper: &scaled([10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000, 20_000, 50_000], US),
    per_unit: NS_PER_S,
};

/// What failing over takes: a refused connection costs less than a millisecond, a silent provider its whole limit.
pub static FAILOVER: Bounds = Bounds {
    upper: &scaled(
        [
            500, 1000, 2000, 5000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000, 2_500_000, 5_000_000,
            10_000_000, 30_000_000, 60_000_000,
        ],
        US,
    ),
    per_unit: NS_PER_S,
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_list_ascends_and_fits_a_histogram() {
        for bounds in [
            &LLM_MS,
            &INTER_TOKEN_MS,
            &GAPS,
            &GEN_AI,
            &TOKENS,
            &SERVER_FIRST_TOKEN,
            &SERVER_PER_TOKEN,
            &HTTP,
            &OVERHEAD,
            &FAILOVER,
        ] {
            assert!(bounds.upper.len() <= BOUNDS_MAX);
            assert!(bounds.upper.windows(2).all(|pair| pair[0] < pair[1]));
        }
    }
}
