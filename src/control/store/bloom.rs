//! Which trace ids a block may hold, in ten bits each: one block in a hundred is read in vain, none is missed.

const BITS_PER_ID: usize = 10;
const PROBES: u64 = 4;

/// Makes `filter` the one of `trace_ids`.
pub fn fill<'a>(filter: &mut Vec<u8>, trace_ids: impl ExactSizeIterator<Item = &'a [u8; 16]>) {
    filter.clear();
    filter.resize((trace_ids.len() * BITS_PER_ID).div_ceil(8), 0);
    for trace_id in trace_ids {
        for bit in bits(trace_id, filter.len()) {
            if let Some(byte) = filter.get_mut(bit / 8) {
                *byte |= 1 << (bit % 8);
            }
        }
    }
}

pub fn may_hold(filter: &[u8], trace_id: &[u8; 16]) -> bool {
    bits(trace_id, filter.len()).all(|bit| filter.get(bit / 8).is_some_and(|byte| byte & 1 << (bit % 8) != 0))
}

/// Clients choose trace ids, so their bytes are mixed (splitmix64) before they are taken for random.
fn bits(trace_id: &[u8; 16], filter_bytes: usize) -> impl Iterator<Item = usize> + use<> {
    let whole = u128::from_be_bytes(*trace_id);
    let mut hash = (whole >> 64) as u64 ^ (whole as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    hash = (hash ^ hash >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    hash = (hash ^ hash >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    hash ^= hash >> 31;
    let (begin, step) = (hash & 0xffff_ffff, hash >> 32 | 1);
    (0..PROBES).map(move |probe| {
        let spot = begin.wrapping_add(probe.wrapping_mul(step)) & 0xffff_ffff;
        ((spot * filter_bytes as u64 * 8) >> 32) as usize
    })
}
