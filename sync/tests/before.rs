//! Threads alone, before any runtime was started; then with one: one test in a process of its own.

use std::thread;
use std::time::Duration;

use gander_runtime::{num_goroutines, run, spawn};
use gander_sync::{Arc, Barrier, Condvar, Mutex, Notify, Once, RwLock, Semaphore, WaitGroup};

#[test]
fn before_and_after_the_runtime() {
    assert_eq!(num_goroutines(), 0);
    let shared = Arc::new((Mutex::new(0), RwLock::new(0), Condvar::new(), Semaphore::new(2), Once::new()));
    let (barrier, group) = (Arc::new(Barrier::new(4)), WaitGroup::new());
    let work = |turns: i32| {
        let (shared, barrier, pass) = (Arc::clone(&shared), Arc::clone(&barrier), group.pass());
        move || {
            barrier.wait();
            for i in 0..turns {
                let _permit = shared.3.acquire(1 + (i % 2) as usize);
                *shared.0.lock().unwrap() += 1;
                if i % 10 == 0 {
                    *shared.1.write().unwrap() += 1;
                }
                assert!(*shared.1.read().unwrap() <= 4 * turns);
                shared.4.call_once(|| thread::sleep(Duration::from_millis(1)));
            }
            shared.2.notify_all();
            drop(pass);
        }
    };
    let turns = 500;
    let threads: Vec<_> = (0..4).map(|_| thread::spawn(work(turns))).collect();
    let all = shared.2.wait_while(shared.0.lock().unwrap(), |count| *count < 4 * turns);
    drop(all.unwrap());
    group.wait();
    threads.into_iter().for_each(|one| one.join().unwrap());
    assert_eq!(num_goroutines(), 0);

    // A thread that began to wait before there was a runtime is woken by a goroutine.
    let notify = Arc::new(Notify::new());
    let theirs = Arc::clone(&notify);
    let waits = thread::spawn(move || theirs.wait());
    thread::sleep(Duration::from_millis(5));
    run(|| notify.notify_one());
    waits.join().unwrap();

    // And half and half.
    let threads: Vec<_> = (0..2).map(|_| thread::spawn(work(turns))).collect();
    run(|| {
        let goroutines: Vec<_> = (0..2).map(|_| spawn(work(turns))).collect();
        goroutines.into_iter().for_each(|one| one.join().unwrap());
    });
    threads.into_iter().for_each(|one| one.join().unwrap());
    assert_eq!(*shared.0.lock().unwrap(), 8 * turns);
    assert_eq!(*shared.1.read().unwrap(), 8 * turns / 10);
}
