//! `setgid` and its family, which libc carries out in all threads by a signal. In a file of its own: no other test's
//! thread may be on a block meanwhile.
#![allow(unsafe_code, reason = "calls libc")]

mod common;

use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::time::{Duration, Instant};

use common::with_both_makers;

fn set_group() -> i32 {
    // SAFETY: no preconditions; the group stays what it is.
    unsafe { libc::setgid(libc::getgid()) }
}

/// libc marks the threads it knows and waits until each has cleared its mark; a thread on a foreign block clears that
/// one's. So it waits until the thread is home again.
#[test]
fn set_group_waits_for_threads_to_come_home() {
    const AWAY: Duration = Duration::from_millis(200);
    with_both_makers(|maker, [block]: &[_; 1]| {
        assert_eq!(set_group(), 0, "{maker}: blocks that nobody runs on do no harm");
        let left = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                block.on(|| {
                    left.store(true, SeqCst);
                    let start = Instant::now();
                    while start.elapsed() < AWAY {
                        std::hint::spin_loop();
                    }
                });
                std::thread::sleep(Duration::from_millis(50));
            });
            while !left.load(SeqCst) {
                std::thread::yield_now();
            }
            let start = Instant::now();
            assert_eq!(set_group(), 0);
            println!("{maker}: setgid took {:?}", start.elapsed());
        });
        assert_eq!(set_group(), 0);
    });
}
