//! Names for threads that the kernel does not know.
//!
//! libc writes the owner's thread id into recursive and error-checking mutexes. A goroutine must therefore have one of
//! its own, which no other block has and which the kernel never gives out: above its `PID_MAX_LIMIT`, and within the 30
//! bits that a futex word has for it.

use core::sync::atomic::{AtomicU32, Ordering::Relaxed};

const FIRST: u32 = (1 << 22) + 1;
const SPAN: u32 = (1 << 30) - FIRST;

/// A name that was not given before, until a billion were.
pub(crate) fn fresh() -> u32 {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    nth(NEXT.fetch_add(1, Relaxed))
}

const fn nth(n: u32) -> u32 {
    FIRST + n % SPAN
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_are_out_of_the_kernels_reach() {
        for n in [0, 1, SPAN - 1, SPAN, u32::MAX] {
            assert!(nth(n) > 1 << 22 && nth(n) < 1 << 30, "{n}");
        }
        assert_ne!(fresh(), fresh());
    }
}
