//! A program with one of each trouble, and the page that shows them.
//!
//! ```text
//! cargo run --release --example troubles            then look at the address it prints, or attach gander-top
//! cargo run --release --example troubles -- 6061    at another port; 0: any that is free
//! ```
//!
//! | trouble | its goroutines |
//! |---|---|
//! | two locks, taken in different orders | `left then right`, `right then left` |
//! | a receiver whose sender is kept by somebody who never sends | `leaked receiver` |
//! | a loop without an end | `hot loop` |
//! | a system call that nobody announced, and that does not return | `stuck in read` |
//! | two that wait for each other's end | `waits for second`, `waits for first` |
//! | ten thousand sleepers | without names |
//!
//! Beside them a few that work: `talker`s, which spawn, join and mark regions, and an `echo` over a socket. The tests of the
//! page (`tests/browser/`) and of gander-top (`top/`) look for all of these by name.

mod work;

use std::io::Read;
use std::sync::Arc;
use std::time::Duration;

use gander::chan::{Receiver, bounded};
use gander::sync::Mutex;
use gander::{Builder, JoinHandle, go, run, sleep, yield_now};

/// Longer than anybody looks.
const EVER: Duration = Duration::from_secs(1_000_000);

const SLEEPERS: usize = 10_000;

fn named(name: &str, f: impl FnOnce() + Send + 'static) -> JoinHandle<()> {
    Builder::new().name(name.into()).spawn(f).expect("memory for a goroutine")
}

// Each trouble has a function of its own, which is not inlined, so that it has a name on the stack.

#[inline(never)]
fn take_both(first: &Mutex<u32>, second: &Mutex<u32>) {
    let mut first = first.lock().expect("nobody panics");
    // The other one is to have its first lock as well.
    sleep(Duration::from_millis(50));
    let second = second.lock().expect("nobody panics");
    *first += *second;
}

fn lock_cycle() {
    let (left, right) = (Arc::new(Mutex::new(0)), Arc::new(Mutex::new(0)));
    let (l, r) = (left.clone(), right.clone());
    named("left then right", move || take_both(&l, &r));
    named("right then left", move || take_both(&right, &left));
}

#[inline(never)]
fn receive_for_ever(rx: &Receiver<u32>) {
    let _ = rx.recv();
}

fn leaked_receiver() {
    let (tx, rx) = bounded::<u32>(0);
    named("leaked receiver", move || receive_for_ever(&rx));
    // Never dropped: the channel never closes.
    std::mem::forget(tx);
}

#[inline(never)]
fn compute_without_end() {
    loop {
        std::hint::black_box(1);
    }
}

#[inline(never)]
fn read_without_end(mut pipe: std::io::PipeReader) {
    let _ = pipe.read(&mut [0]);
}

fn stuck_in_read() {
    let (reader, writer) = std::io::pipe().expect("a descriptor");
    named("stuck in read", move || read_without_end(reader));
    std::mem::forget(writer);
}

fn circle_of_joins() {
    let (tx, rx) = bounded::<JoinHandle<()>>(1);
    let first = named("waits for second", move || {
        let second = rx.recv().expect("it is sent");
        let _ = second.join();
    });
    let second = named("waits for first", move || drop(first.join()));
    tx.send(second).expect("it is received");
}

fn main() {
    let port = std::env::args().nth(1).unwrap_or_else(|| "6060".into());
    run(move || {
        // The loop and the call have one each for a while.
        gander::set_procs(gander::procs().max(2));
        let server = gander::inspect::serve(format!("127.0.0.1:{port}")).expect("the port is free");
        lock_cycle();
        leaked_receiver();
        named("hot loop", compute_without_end);
        stuck_in_read();
        circle_of_joins();
        (0..SLEEPERS).for_each(|_| go(|| sleep(EVER)));
        (0..4).for_each(|_| drop(named("talker", work::talk)));
        work::echo();
        while gander::inspect::goroutines().iter().filter(|g| g.state.to_string() == "sleep").count() < SLEEPERS {
            yield_now();
        }
        println!("look at http://{}", server.local_addr());
        sleep(EVER);
    });
}
