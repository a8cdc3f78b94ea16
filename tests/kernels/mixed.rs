//! Channels among locks and wait groups.

use std::sync::Arc;

use gander::select;
use gander::sync::{Mutex, WaitGroup};

use crate::{ends, kept};

/// Who stops waits for a worker that sends to somebody who has stopped.
#[test]
fn cockroach_1462() {
    ends(&[&["stop: wait group wait", "worker: chan send"]], |all| {
        let (message, _) = kept::<()>(0);
        let workers = WaitGroup::new();
        let pass = workers.pass();
        all.go("worker", move || {
            message.send(()).unwrap();
            drop(pass);
        });
        all.go("stop", move || workers.wait());
    });
}

/// Waits for all in the loop that starts them one after the other.
#[test]
fn moby_25384() {
    ends(&[&["restore: wait group wait"]], |all| {
        all.go("restore", || {
            let group = Arc::new(WaitGroup::new());
            group.add(2);
            for _ in 0..2 {
                let theirs = group.clone();
                gander::spawn(move || theirs.done()).join().unwrap();
                group.wait();
            }
        });
    });
}

/// One holds a lock and sends; who would receive wants the lock first. With three names it came to three programs.
fn send_under_lock(all: &crate::Kernel, capacity: usize, sender: &str, receiver: &str) {
    let state = Arc::new(Mutex::new(()));
    let (tx, rx) = kept::<usize>(capacity);
    let (has_locked, is_locked) = kept::<()>(0);
    let theirs = state.clone();
    all.go(sender, move || {
        let _state = theirs.lock().unwrap();
        has_locked.send(()).unwrap();
        (0..=capacity).for_each(|i| tx.send(i).unwrap());
    });
    all.go(receiver, move || {
        is_locked.recv().unwrap();
        let _state = state.lock().unwrap();
        while rx.recv().is_ok() {}
    });
}

#[test]
fn kubernetes_10182() {
    ends(&[&["batch: mutex lock", "set status: chan send"]], |all| send_under_lock(all, 0, "set status", "batch"));
}

#[test]
fn kubernetes_6632() {
    ends(&[&["monitor: mutex lock", "write: chan send"]], |all| send_under_lock(all, 1, "write", "monitor"));
}

#[test]
fn istio_16224() {
    ends(&[&["drain: mutex lock", "notify: chan send"]], |all| send_under_lock(all, 3, "notify", "drain"));
}

/// A new token is announced under the lock that the keeper takes when its clock ticks.
#[test]
fn etcd_7492() {
    ends(&[&["assign: chan send", "keeper: mutex lock"]], |all| {
        let tokens = Arc::new(Mutex::new(()));
        let (new, news) = kept::<()>(0);
        let (tick, ticks) = kept::<()>(0);
        let theirs = tokens.clone();
        all.go("keeper", move || {
            loop {
                select! {
                    recv(news) -> _ => {}
                    recv(ticks) -> _ => drop(theirs.lock()),
                }
            }
        });
        all.go("assign", move || {
            new.send(()).unwrap();
            let _tokens = tokens.lock().unwrap();
            tick.send(()).unwrap();
            new.send(()).unwrap();
        });
    });
}

/// Who stops holds the lock and waits for the one that wants it before it ends.
#[test]
fn etcd_6873() {
    ends(&[&["coalesce: mutex lock", "stop: chan receive"]], |all| {
        let broadcasts = Arc::new(Mutex::new(()));
        let (update, updates) = kept::<()>(1);
        let (done, is_done) = kept::<()>(0);
        let theirs = broadcasts.clone();
        all.go("stop", move || {
            let _broadcasts = broadcasts.lock().unwrap();
            update.send(()).unwrap();
            update.close();
            let _ = is_done.recv();
        });
        all.go("coalesce", move || {
            for () in updates {
                drop(theirs.lock());
            }
            done.close();
        });
    });
}

/// The monitor is told to stop by one that holds the lock which it needs for a result; or just before it had one.
#[test]
fn moby_28462() {
    ends(&[&[], &["change: chan send", "monitor: mutex lock"]], |all| {
        let container = Arc::new(Mutex::new(()));
        let (stop, stopped) = kept::<()>(0);
        let theirs = container.clone();
        all.go("monitor", move || {
            loop {
                select! {
                    recv(stopped) -> _ => break,
                    default => drop(theirs.lock()),
                }
                gander::yield_now();
            }
        });
        all.go("change", move || {
            let _container = container.lock().unwrap();
            stop.send(()).unwrap();
        });
    });
}
