//! How threads sleep: the futex system call, and nothing else that could allocate or lock.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// Sleeps while `*word == expected`, at most for `timeout`. Spurious returns happen; false means the time is up.
pub(crate) fn wait(word: &AtomicU32, expected: u32, timeout: Option<Duration>) -> bool {
    let spec = timeout.map(timespec);
    let spec = spec.as_ref().map_or(std::ptr::null(), std::ptr::from_ref);
    // SAFETY: the word is alive for the call, and `spec` is null or points to our local.
    let answer = unsafe {
        libc::syscall(libc::SYS_futex, word.as_ptr(), libc::FUTEX_WAIT | libc::FUTEX_PRIVATE_FLAG, expected, spec)
    };
    // SAFETY: errno is the calling thread's own.
    answer == 0 || unsafe { *libc::__errno_location() } != libc::ETIMEDOUT
}

/// Wakes one thread that sleeps on the word at `address`. The word itself may be gone by now: the kernel only
/// looks the address up, and a sleeper elsewhere that is woken for it takes that for a spurious return.
pub(crate) fn wake_address(address: *const AtomicU32) {
    // SAFETY: FUTEX_WAKE does not read or write the word.
    unsafe {
        libc::syscall(libc::SYS_futex, address, libc::FUTEX_WAKE | libc::FUTEX_PRIVATE_FLAG, 1);
    }
}

/// A one-shot signal for one sleeper: set once per sleep.
#[derive(Debug, Default)]
pub(crate) struct Event {
    set: AtomicU32,
}

impl Event {
    pub(crate) const fn new() -> Event {
        Event { set: AtomicU32::new(0) }
    }

    /// Wakes the sleeper, or lets its next sleep return at once. May outlive the event's memory by its last call.
    pub(crate) fn set(&self) {
        let address = std::ptr::from_ref(&self.set);
        self.set.store(1, Ordering::Release);
        wake_address(address);
    }

    /// Sleeps until set, then clears it.
    pub(crate) fn wait(&self) {
        while self.set.load(Ordering::Acquire) == 0 {
            wait(&self.set, 0, None);
        }
        // A read-modify-write: a set that comes now is seen with all that was before it, or stays.
        self.set.swap(0, Ordering::Acquire);
    }

    /// Sleeps until set (true, and clears it) or until the clock shows `deadline` (false).
    pub(crate) fn wait_until(&self, deadline: u64) -> bool {
        while self.set.load(Ordering::Acquire) == 0 {
            let now = crate::timer::now();
            if now >= deadline {
                return false;
            }
            wait(&self.set, 0, Some(Duration::from_nanos(deadline - now)));
        }
        // A read-modify-write: a set that comes now is seen with all that was before it, or stays.
        self.set.swap(0, Ordering::Acquire);
        true
    }
}

/// Sleeps for some microseconds without any lock or allocation.
pub(crate) fn nap(micros: u64) {
    let spec = timespec(Duration::from_micros(micros));
    // SAFETY: `spec` is our local; an early return is as good.
    unsafe {
        libc::nanosleep(&spec, std::ptr::null_mut());
    }
}

fn timespec(duration: Duration) -> libc::timespec {
    libc::timespec {
        tv_sec: duration.as_secs().try_into().unwrap_or(libc::time_t::MAX),
        tv_nsec: duration.subsec_nanos().into(),
    }
}
