//! Sessions that stay with their target. No map: every shard computes the same, also after a restart.
//!
//! By weighted rendezvous hashing: session and target together are a die, every target has an arrival time that its
//! weight shortens, the earliest wins. Whatever changes about one target moves only sessions from or to that target,
//! and a session whose target is out goes to its own second choice until it is back. (Schindelhauer and Schomaker,
//! "Weighted distributed hash tables", 2005.) Without a session the die is a random number: that is weighted chance.

use std::f64::consts::{LN_2, SQRT_2};

/// Of a session's identifiers, in their order; one that the request does not have is an empty one. It changes every
/// `ttl_s` seconds, for each session at a time of its own, so that not all move at once; 0: never.
pub fn session(identifiers: &[&[u8]], ttl_s: u64, now_ms: u64) -> u64 {
    let mut state = FNV_BASIS;
    for identifier in identifiers {
        // With its length before it: "ab", "c" is not "a", "bc".
        state = fnv(state, &(identifier.len() as u64).to_le_bytes());
        state = fnv(state, identifier);
    }
    let session = mix(state);
    let ttl_ms = ttl_s.saturating_mul(1000);
    let offset_ms = session.checked_rem(ttl_ms).unwrap_or(0);
    let epoch = now_ms.saturating_add(offset_ms).checked_div(ttl_ms).unwrap_or(0);
    mix(session ^ mix(epoch))
}

/// Of a target, by its name: it stays the same when others come or go.
pub fn target(fqn: &str) -> u64 {
    mix(fnv(FNV_BASIS, fqn.as_bytes()))
}

/// When a target would take this session, or die: the earliest does. `u64`s compare as the times do. Nobody takes
/// anything with weight 0.
pub fn arrival(session: u64, target: u64, weight: u32) -> u64 {
    if weight == 0 {
        return u64::MAX;
    }
    // Not below 0, so the bits are in the order of the numbers.
    (exponential(mix(session ^ target)) / f64::from(weight)).to_bits()
}

/// -log2(u), where u in (0, 1) is made of 52 bits of `die`; to 5e-8, which is less than weights can show. The library's
/// logarithm takes three times as long and may differ in the last bit from one machine to the next; this is IEEE 754's
/// own operations in a fixed order, the same everywhere.
#[inline]
fn exponential(die: u64) -> f64 {
    const MANTISSA: u64 = (1 << 52) - 1;
    const C: f64 = 2.0 / LN_2;
    // u * 2^52, exactly: m * 2^exponent with m in [1, 2).
    let bits = ((die >> 12) as i64 as f64 + 0.5).to_bits();
    let exponent = (bits >> 52) as i32 - 1023;
    let m = f64::from_bits(bits & MANTISSA | 1.0_f64.to_bits());
    // log2(m / sqrt 2) = 2 artanh s / ln 2, by the first terms of its series: |s| < 0.172.
    let s = (m - SQRT_2) / (m + SQRT_2);
    let s2 = s * s;
    let series = (C + s2 * (C / 3.0)) + s2 * s2 * (C / 5.0 + s2 * (C / 7.0));
    // Where u is next to 1 the error may be more than what is left.
    (f64::from(52 - exponent) - 0.5 - s * series).abs()
}

/// The finaliser of SplitMix64: every bit of the result depends on every bit of `value`.
pub fn mix(value: u64) -> u64 {
    let value = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

const FNV_BASIS: u64 = 0xcbf2_9ce4_8422_2325;

/// FNV-1a, 64 bits: it must be the same in every build, and what it hashes is short.
fn fnv(state: u64, bytes: &[u8]) -> u64 {
    bytes.iter().fold(state, |state, byte| (state ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_700_000_000_000;

    fn pick(session: u64, targets: &[(&str, u32)]) -> &'static str {
        const NAMES: [&str; 4] = ["a/m", "b/m", "c/m", "d/m"];
        let (name, _) =
            targets.iter().min_by_key(|(name, weight)| arrival(session, target(name), *weight)).expect("some");
        NAMES.into_iter().find(|known| known == name).expect("one of them")
    }

    fn sessions() -> impl Iterator<Item = u64> {
        (0..10_000u64).map(|id| session(&[&id.to_le_bytes()], 0, NOW))
    }

    #[test]
    fn hashes_are_the_same_for_ever() {
        // Shards of different builds, behind one balancer, must agree.
        assert_eq!(session(&[b"user-1", b""], 600, NOW), 0x3b27_4049_dc38_e6e6);
        assert_eq!(target("openai-main/gpt-4o"), 0x555e_3f6d_9606_47c1);
    }

    #[test]
    fn the_die_is_a_logarithm() {
        let dice = (0..100_000).map(mix).chain([0, 1, 1 << 12, u64::MAX, u64::MAX >> 1, 1 << 63]);
        for die in dice {
            let exact = -(((die >> 12) as f64 + 0.5) / (1_u64 << 52) as f64).log2();
            let near = exponential(die);
            assert!(near.is_sign_positive() && (near - exact).abs() < 5e-8, "{die} {near} {exact}");
        }
        // To the last bit, on every machine: sessions go by it.
        let bits = [0, 1 << 63, u64::MAX, mix(1)].map(|die| exponential(die).to_bits());
        let known = [0x404a_7fff_ffa5_1b99, 0x3fef_ffff_e946_e658, 0x3e66_b919_a880_0000, 0x3fea_3af1_b5a6_484a];
        assert_eq!(bits, known);
    }

    #[test]
    fn identifiers_are_told_apart() {
        let all = [session(&[b"ab", b"c"], 0, NOW), session(&[b"a", b"bc"], 0, NOW), session(&[b"abc"], 0, NOW)];
        assert!(all[0] != all[1] && all[1] != all[2] && all[0] != all[2]);
    }

    #[test]
    fn a_session_lasts_for_its_time_to_live_and_ends_at_its_own() {
        let mut ends = Vec::new();
        for id in 0..200u64 {
            let at = |after_s: u64| session(&[&id.to_le_bytes()], 600, NOW + after_s * 1000);
            let changes: Vec<u64> = (1..=1800).filter(|&s| at(s) != at(s - 1)).collect();
            assert_eq!(changes.len(), 3, "{id}");
            assert!(changes.windows(2).all(|pair| pair[1] - pair[0] == 600), "{id} {changes:?}");
            ends.push(changes[0]);
        }
        let early = ends.iter().filter(|&&end| end <= 300).count();
        assert!((70..130).contains(&early), "{early}");
    }

    #[test]
    fn sessions_spread_by_weight() {
        let targets = [("a/m", 70), ("b/m", 20), ("c/m", 10), ("d/m", 0)];
        for (name, share) in [("a/m", 7_000), ("b/m", 2_000), ("c/m", 1_000), ("d/m", 0_usize)] {
            let got = sessions().filter(|&session| pick(session, &targets) == name).count();
            assert!(got.abs_diff(share) <= 200, "{name} {got}");
        }
    }

    #[test]
    fn a_change_of_one_target_moves_only_from_or_to_it() {
        let before = [("a/m", 50), ("b/m", 30), ("c/m", 20)];
        // A weight raised, one lowered, a target less, one more.
        let raised: &[_] = &[("a/m", 50), ("b/m", 60), ("c/m", 20)];
        let lowered: &[_] = &[("a/m", 50), ("b/m", 10), ("c/m", 20)];
        let without: &[_] = &[("a/m", 50), ("c/m", 20)];
        let with: &[_] = &[("d/m", 40), ("a/m", 50), ("b/m", 30), ("c/m", 20)];
        for (after, moves_to, moves_from) in [
            (raised, Some("b/m"), None),
            (lowered, None, Some("b/m")),
            (without, None, Some("b/m")),
            (with, Some("d/m"), None),
        ] {
            for session in sessions() {
                let (was, is) = (pick(session, &before), pick(session, after));
                assert!(was == is || Some(is) == moves_to || Some(was) == moves_from, "{was} -> {is}");
            }
        }
    }
}
