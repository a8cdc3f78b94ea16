//! A program with one of each trouble, and the page that shows them: `cargo run -p gander-inspect --example troubles`, then
//! look at the address it prints.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use gander_inspect::trace::region;
use gander_runtime::{Builder, JoinHandle, blocking, go, park, run, sleep, spawn, yield_now};
use gander_sync::{Barrier, RwLock};

fn named(name: &str, f: impl FnOnce() + Send + 'static) -> JoinHandle<()> {
    Builder::new().name(name.into()).spawn(f).expect("memory for a goroutine")
}

fn compute_without_end() {
    loop {
        std::hint::black_box(1);
    }
}

fn read_without_end() {
    blocking(|| {
        loop {
            std::thread::sleep(Duration::from_secs(1000));
        }
    })
}

fn talk() {
    loop {
        let _region = region("talk");
        for _ in 0..50 {
            spawn(yield_now).join().expect("it does not panic");
        }
        sleep(Duration::from_millis(5));
    }
}

/// Two that wait for each other's end.
fn circle() {
    let second: Arc<Mutex<Option<JoinHandle<()>>>> = Arc::default();
    let slot = second.clone();
    let first = named("waits for second", move || {
        let second = loop {
            match slot.lock().expect("nobody panics").take() {
                Some(second) => break second,
                None => yield_now(),
            }
        };
        let _ = second.join();
    });
    let handle = named("waits for first", move || drop(first.join()));
    *second.lock().expect("nobody panics") = Some(handle);
}

/// Two locks in two orders, and some who want one of them.
fn locks() {
    let (accounts, log, both) =
        (Arc::new(gander_sync::Mutex::new(0)), Arc::new(RwLock::new(0)), Arc::new(Barrier::new(2)));
    let (their_accounts, their_log, their_both) = (accounts.clone(), log.clone(), both.clone());
    named("audit", move || {
        let _log = their_log.write();
        their_both.wait();
        drop(their_accounts.lock());
    });
    let their_accounts = accounts.clone();
    named("transfer", move || {
        let _accounts = their_accounts.lock();
        both.wait();
        drop(log.read());
    });
    (0..5).for_each(|_| {
        let accounts = accounts.clone();
        drop(named("deposit", move || drop(accounts.lock())));
    });
}

fn main() {
    let port = std::env::args().nth(1).unwrap_or_else(|| "6060".into());
    run(move || {
        let server = gander_inspect::serve(format!("127.0.0.1:{port}")).expect("the port is free");
        named("never woken", park);
        named("hot loop", compute_without_end);
        named("stuck in a call", read_without_end);
        circle();
        locks();
        (0..10_000).for_each(|_| go(|| sleep(Duration::from_secs(1_000_000))));
        (0..4).for_each(|_| drop(named("talker", talk)));
        println!("look at http://{}", server.local_addr());
        sleep(Duration::from_secs(100_000));
    });
}
