//! lock_os_thread.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::common::{migrate, run_on, scaled, tid, until};

/// sched-2: a locked goroutine stays on its thread across yields, sleeps and parks, and nobody else is seen there.
#[test]
fn sched_2_stays_alone() {
    run_on(4, || {
        let stop = Arc::new(AtomicBool::new(false));
        let locked_on = Arc::new(AtomicI64::new(0));
        let others: Vec<_> = (0..50)
            .map(|_| {
                let (stop, locked_on) = (stop.clone(), locked_on.clone());
                gander::spawn(move || {
                    while !stop.load(Ordering::SeqCst) {
                        assert_ne!(tid(), locked_on.load(Ordering::SeqCst), "a stranger on a locked thread");
                        gander::yield_now();
                    }
                })
            })
            .collect();
        let seen = locked_on.clone();
        let locked = gander::spawn(move || {
            gander::lock_os_thread();
            let here = tid();
            seen.store(here, Ordering::SeqCst);
            for i in 0..100 {
                match i % 3 {
                    0 => gander::yield_now(),
                    1 => gander::sleep(Duration::from_micros(200)),
                    _ => gander::park_timeout(Duration::from_micros(200)),
                }
                assert_eq!(tid(), here);
            }
            assert_ne!(gander::spawn(tid).join().unwrap(), here, "a child is not tied");
            assert_eq!(tid(), here);
            seen.store(0, Ordering::SeqCst);
            gander::unlock_os_thread();
        });
        locked.join().unwrap();
        stop.store(true, Ordering::SeqCst);
        for other in others {
            other.join().unwrap();
        }
    });
}

/// sched-10: locks nest; an unlock without a lock does nothing; after the last unlock it migrates again.
#[test]
fn sched_10_nesting() {
    run_on(4, || {
        gander::unlock_os_thread();
        gander::lock_os_thread();
        gander::lock_os_thread();
        let here = tid();
        gander::unlock_os_thread();
        for _ in 0..50 {
            gander::sleep(Duration::from_micros(100));
            assert_eq!(tid(), here);
        }
        gander::unlock_os_thread();
        assert!(migrate(), "an unlocked goroutine never migrated");
    });
}

/// sched-2: a goroutine that ends while locked takes its thread with it, also by panic and by exit.
#[test]
fn sched_2_ends_locked() {
    run_on(2, || {
        for how in 0..30 {
            let locked = gander::spawn(move || {
                gander::lock_os_thread();
                LAST.store(tid(), Ordering::SeqCst);
                gander::yield_now();
                assert_eq!(tid(), LAST.load(Ordering::SeqCst));
                match how % 3 {
                    0 => {}
                    1 => gander::exit(),
                    _ => std::panic::resume_unwind(Box::new(())),
                }
            });
            let _ = locked.join();
            let task = format!("/proc/self/task/{}", LAST.load(Ordering::SeqCst));
            let start = Instant::now();
            until(|| !std::path::Path::new(&task).exists() || start.elapsed() > Duration::from_secs(10));
            assert!(!std::path::Path::new(&task).exists(), "the thread of a goroutine that ended locked is there");
        }
        static LAST: AtomicI64 = AtomicI64::new(0);
    });
}

/// What a thread leaves behind when its locked goroutine ends serves the next thread: it comes back as good as new,
/// beside others and to others' wake-ups.
#[test]
fn ends_locked_often() {
    run_on(2, || {
        for _ in 0..scaled(300) {
            let locked: Vec<_> = (0..4)
                .map(|i| {
                    gander::spawn(move || {
                        gander::lock_os_thread();
                        let here = tid();
                        let other = gander::spawn(move || (tid(), i * 2).1);
                        gander::yield_now();
                        assert_eq!(other.join().unwrap(), i * 2);
                        assert_eq!(tid(), here);
                        i
                    })
                })
                .collect();
            assert_eq!(locked.into_iter().map(|one| one.join().unwrap()).sum::<i32>(), 6);
        }
        until(|| std::fs::read_dir("/proc/self/task").unwrap().count() < 200);
    });
}

/// sched-19: a thousand goroutines lock their threads in turns, wake each other and unlock.
#[test]
fn sched_19_turns() {
    run_on(4, || {
        let count = scaled(1000);
        let done = Arc::new(AtomicUsize::new(0));
        let all: Vec<_> = (0..count)
            .map(|i| {
                let done = done.clone();
                gander::spawn(move || {
                    for _ in 0..3 {
                        gander::lock_os_thread();
                        let here = tid();
                        if i % 7 == 0 {
                            gander::sleep(Duration::from_micros(50));
                        } else {
                            gander::yield_now();
                        }
                        assert_eq!(tid(), here);
                        gander::unlock_os_thread();
                        gander::yield_now();
                    }
                    done.fetch_add(1, Ordering::SeqCst);
                })
            })
            .collect();
        for one in all {
            one.join().unwrap();
        }
        assert_eq!(done.load(Ordering::SeqCst), count);
    });
}

/// A locked goroutine and an ordinary one wake each other: every hand-over changes the thread.
#[test]
fn locked_ping_pong() {
    for procs in [1, 2, 4] {
        run_on(procs, || {
            let turn = Arc::new(AtomicUsize::new(0));
            let (seen, main) = (turn.clone(), gander::current());
            let rounds = scaled(1000);
            let locked = gander::spawn(move || {
                gander::lock_os_thread();
                let here = tid();
                for round in 0..rounds {
                    while seen.load(Ordering::Acquire) != 2 * round + 1 {
                        gander::park();
                    }
                    assert_eq!(tid(), here);
                    seen.store(2 * round + 2, Ordering::Release);
                    main.unpark();
                }
                gander::unlock_os_thread();
            });
            let handle = locked.goroutine().clone();
            for round in 0..rounds {
                turn.store(2 * round + 1, Ordering::Release);
                handle.unpark();
                while turn.load(Ordering::Acquire) != 2 * round + 2 {
                    gander::park();
                }
            }
            locked.join().unwrap();
        });
    }
}
