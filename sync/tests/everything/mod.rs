//! All of the room at once.

use std::hint::black_box;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use gander_runtime::{scope, spawn, yield_now};
use gander_sync::{Arc, Condvar, Mutex, Notify, Pool, RwLock, Semaphore, WaitGroup};

/// Computes for about so many steps, without a pause.
fn compute(steps: usize) {
    for i in 0..steps {
        black_box(i);
    }
}

/// So many turns of goroutines and a thread with every kind of lock.
pub(crate) fn everything(turns: usize) {
    let (mutex, condvar) = (Mutex::new((0, 0)), Condvar::new());
    let (rwlock, semaphore, pool) = (RwLock::new((0, 0)), Semaphore::new(3), Pool::<Vec<usize>>::new());
    let (group, notify, stop) = (WaitGroup::new(), Notify::new(), AtomicBool::new(false));
    let work = || {
        for i in 0..turns {
            let mut pair = mutex.lock().unwrap();
            pair.0 += 1;
            compute(i % 500);
            assert_eq!(pair.0, pair.1 + 1);
            pair.1 += 1;
            drop(pair);
            condvar.notify_one();
            if i % 5 == 0 {
                let mut pair = rwlock.write().unwrap();
                pair.0 += 1;
                compute(i % 300);
                pair.1 += 1;
            } else {
                let pair = rwlock.read().unwrap();
                compute(i % 300);
                assert_eq!(pair.0, pair.1);
            }
            let _permits = semaphore.acquire(1 + i % 3);
            let mut buffer = pool.get_or_else(Vec::new);
            buffer.push(i);
            pool.put(buffer);
            notify.notify_one();
        }
    };
    let pass = group.pass();
    thread::scope(|threads| {
        threads.spawn(work);
        scope(|s| {
            let workers: Vec<_> = (0..6).map(|_| s.spawn(work)).collect();
            s.spawn(|| {
                let all = 7 * turns;
                let mut pair = mutex.lock().unwrap();
                while pair.0 < all {
                    pair = condvar.wait_timeout(pair, Duration::from_micros(200)).unwrap().0;
                }
                drop(pair);
                drop(pass);
            });
            s.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    notify.wait_timeout(Duration::from_micros(50));
                }
            });
            group.wait();
            workers.into_iter().for_each(|worker| worker.join().unwrap());
            stop.store(true, Ordering::Relaxed);
        });
    });
    assert_eq!(semaphore.available(), 3);
    assert_eq!(rwlock.into_inner().unwrap().0, 7 * turns.div_ceil(5));
}

/// Goroutines that panic with locks, and wait while they unwind; others run on the same threads meanwhile.
pub(crate) fn panics(times: usize) {
    struct Unwinds(Arc<(Mutex<usize>, Semaphore)>);
    impl Drop for Unwinds {
        fn drop(&mut self) {
            let _permit = self.0.1.acquire(1);
            let mut count = self.0.0.lock().unwrap();
            yield_now();
            *count += 1;
        }
    }
    let shared = Arc::new((Mutex::new(0), Semaphore::new(1)));
    let calm = Arc::new(Mutex::new(0));
    let all: Vec<_> = (0..times)
        .map(|i| {
            let (shared, calm) = (Arc::clone(&shared), Arc::clone(&calm));
            spawn(move || {
                if i % 2 == 0 {
                    let _unwinds = Unwinds(shared);
                    let own = Mutex::new(());
                    let _held = own.lock();
                    std::panic::resume_unwind(Box::new(i));
                }
                for _ in 0..20 {
                    let mut count = calm.lock().unwrap();
                    yield_now();
                    *count += 1;
                }
            })
        })
        .collect();
    let panicked = all.into_iter().filter_map(|one| one.join().err()).count();
    assert_eq!((panicked, *shared.0.lock().unwrap()), (times / 2, times / 2));
    assert_eq!(*calm.lock().unwrap(), times / 2 * 20);
}
