//! Chance, for which of the operations that are ready is taken.

use std::cell::Cell;
use std::sync::atomic::{AtomicU64, Ordering};

thread_local! {
    /// The state of a generator; 0 before its first use. A goroutine's own, or in shared mode the worker's.
    static STATE: Cell<u64> = const { Cell::new(0) };
}

/// A number below `limit`, which is not 0.
///
/// Not inlined: so the address of the thread-local is not kept over a switch.
#[inline(never)]
pub(super) fn below(limit: u32) -> u32 {
    STATE.with(|state| {
        let mut x = state.get();
        if x == 0 {
            x = seed();
        }
        // xorshift64: never 0 again.
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        state.set(x);
        // The high half, scaled: as even as 2^32 numbers can be shared out among `limit`.
        (((x >> 32) * u64::from(limit)) >> 32) as u32
    })
}

/// Different for each goroutine: one that draws only once must not draw what all others do.
#[cold]
fn seed() -> u64 {
    static SEEDS: AtomicU64 = AtomicU64::new(0);
    // splitmix64.
    let mut x = SEEDS.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::Relaxed).wrapping_add(0x9e37_79b9_7f4a_7c15);
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    (x ^ (x >> 31)).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// First draws and later ones are even, to five standard deviations.
    #[test]
    fn is_even() {
        for limit in [2, 3, 7] {
            let mut counts = vec![0_i64; limit as usize];
            let draws = 20_000;
            for _ in 0..draws / 2 {
                counts[below(limit) as usize] += 1;
                STATE.with(|state| state.set(0));
                counts[below(limit) as usize] += 1;
            }
            let expected = draws / i64::from(limit);
            for count in counts {
                assert!((count - expected).pow(2) < 25 * expected, "{count} of {draws} below {limit}");
            }
        }
    }
}
