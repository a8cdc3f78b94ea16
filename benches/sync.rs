//! Claims, on two processors: a mutex that 8 goroutines want costs at most 20 ns a turn, that 1000 want at most 6 ns; a
//! read-write lock with 5 % writes at most 5 ns; and one that nobody else wants, lock and unlock, two atomic
//! read-modify-writes. That is the floor of all of them: what is above it is waiting.
//!
//! The peers' locks are used by the same goroutines, so what differs is the lock. Where one of them waits its worker
//! thread blocks. Each figure is the median of some rounds, in which all take turns: the process's processor time, which
//! other load on the machine disturbs less than the clock on the wall.
//!
//! ```text
//! cargo bench --bench sync
//! ```

#![allow(unsafe_code, reason = "shared mode is entered by a promise; processor time is asked of libc")]

use std::hint::black_box;
use std::time::Duration;

use gander::Builder;

const ROUNDS: usize = 9;

fn main() {
    let is_own = std::env::var("GANDER_BENCH_MODE").is_ok_and(|mode| mode == "own");
    let mut builder = Builder::new();
    if std::env::var_os("GANDER_PROCS").is_none() {
        builder = builder.procs(2);
    }
    if !is_own {
        // SAFETY: the benches use no thread-locals across a wait; locks of std and parking_lot do not either, for a
        // goroutine that waits for one keeps its thread.
        builder = unsafe { builder.shared() };
    }
    builder.run(|| {
        println!("{:<28}{:>10}{:>10}{:>14}   processor ns per turn", "", "gander", "std", "parking_lot");
        alone();
        mutex(8, 200_000);
        mutex(1000, 2_000);
        rwlock(8, 200_000);
        rwlock(1000, 2_000);
    });
}

/// Runs each in turn, and prints the medians.
fn report(name: &str, turns: u64, peers: [&dyn Fn() -> Duration; 3]) {
    let mut took = [[0.0; ROUNDS]; 3];
    for round in 0..ROUNDS {
        for (took, peer) in took.iter_mut().zip(peers) {
            took[round] = peer().as_nanos() as f64 / turns as f64;
        }
    }
    let [gander, std, parking_lot] = took.map(|mut took| {
        took.sort_by(f64::total_cmp);
        took[ROUNDS / 2]
    });
    println!("{name:<28}{gander:>10.1}{std:>10.1}{parking_lot:>14.1}");
}

/// What the process has used of all processors.
fn processor_time() -> Duration {
    let mut at = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: writes our local; this clock always exists.
    unsafe {
        libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, &mut at);
    }
    Duration::new(at.tv_sec as u64, at.tv_nsec as u32)
}

/// So many goroutines do so many turns each.
fn contend(count: usize, turns: u64, turn: impl Fn(u64) + Sync) -> Duration {
    let begin = processor_time();
    gander::scope(|s| {
        for _ in 0..count {
            s.spawn(|| (0..turns).for_each(&turn));
        }
    });
    processor_time() - begin
}

fn alone() {
    const TURNS: u64 = 2_000_000;
    let time = |turn: &dyn Fn()| {
        let begin = processor_time();
        (0..TURNS).for_each(|_| turn());
        processor_time() - begin
    };
    let (ours, std, other) = (gander::sync::Mutex::new(0), std::sync::Mutex::new(0), parking_lot::Mutex::new(0));
    report(
        "mutex, nobody else",
        TURNS,
        [
            &|| time(&|| *ours.lock().unwrap() += black_box(1)),
            &|| time(&|| *std.lock().unwrap() += black_box(1)),
            &|| time(&|| *other.lock() += black_box(1)),
        ],
    );
    let (ours, std, other) = (gander::sync::RwLock::new(0), std::sync::RwLock::new(0), parking_lot::RwLock::new(0));
    report(
        "rwlock, nobody else, read",
        TURNS,
        [
            &|| {
                time(&|| {
                    black_box(*ours.read().unwrap());
                })
            },
            &|| {
                time(&|| {
                    black_box(*std.read().unwrap());
                })
            },
            &|| {
                time(&|| {
                    black_box(*other.read());
                })
            },
        ],
    );
}

fn mutex(count: usize, turns: u64) {
    let all = count as u64 * turns;
    report(
        &format!("mutex, {count} contenders"),
        all,
        [
            &|| {
                let lock = gander::sync::Mutex::new(0u64);
                let took = contend(count, turns, |_| *lock.lock().unwrap() += 1);
                assert_eq!(lock.into_inner().unwrap(), all);
                took
            },
            &|| {
                let lock = std::sync::Mutex::new(0u64);
                let took = contend(count, turns, |_| *lock.lock().unwrap() += 1);
                assert_eq!(lock.into_inner().unwrap(), all);
                took
            },
            &|| {
                let lock = parking_lot::Mutex::new(0u64);
                let took = contend(count, turns, |_| *lock.lock() += 1);
                assert_eq!(lock.into_inner(), all);
                took
            },
        ],
    );
}

/// Every twentieth turn writes.
fn rwlock(count: usize, turns: u64) {
    let (all, writes) = (count as u64 * turns, count as u64 * turns.div_ceil(20));
    report(
        &format!("rwlock, {count}, 5 % writes"),
        all,
        [
            &|| {
                let lock = gander::sync::RwLock::new(0u64);
                let took = contend(count, turns, |i| match i % 20 {
                    0 => *lock.write().unwrap() += 1,
                    _ => assert!(*lock.read().unwrap() <= all),
                });
                assert_eq!(lock.into_inner().unwrap(), writes);
                took
            },
            &|| {
                let lock = std::sync::RwLock::new(0u64);
                let took = contend(count, turns, |i| match i % 20 {
                    0 => *lock.write().unwrap() += 1,
                    _ => assert!(*lock.read().unwrap() <= all),
                });
                assert_eq!(lock.into_inner().unwrap(), writes);
                took
            },
            &|| {
                let lock = parking_lot::RwLock::new(0u64);
                let took = contend(count, turns, |i| match i % 20 {
                    0 => *lock.write() += 1,
                    _ => assert!(*lock.read() <= all),
                });
                assert_eq!(lock.into_inner(), writes);
                took
            },
        ],
    );
}
