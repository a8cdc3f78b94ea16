//! A goroutine that nobody listens to any more comes to an end.
//!
//! "Avoid goroutine leaks: ensure that all goroutines have a clear termination condition. Use context for timeout and
//! cancellation."

use std::time::Duration;

use gander::chan::{Receiver, SendTimeoutError, Sender, TryRecvError, bounded};

pub(crate) fn run() {
    crate::heading(
        9,
        "A goroutine that would send for ever is told to stop.",
        "nothing (the original is one sentence); it would select on a done channel.",
    );

    // Usually there is nothing to do: when the receiver goes, a blocked send returns.
    let (tx, rx) = bounded(0);
    let naturals = gander::spawn(move || (0..).take_while(|&i: &u32| tx.send(i).is_ok()).count());
    println!("the first three: {:?}", rx.iter().take(3).collect::<Vec<_>>());
    drop(rx);
    println!("receiver gone: it ended after {} sends", naturals.join().expect("it does not panic"));

    // With a channel that says stop, where the receiver must stay. (select! will do this without the interval.)
    let (tx, rx) = bounded(0);
    let (stop, done) = bounded::<()>(0);
    let naturals = gander::spawn(move || send_until(&done, &tx));
    println!("the first three: {:?}", rx.iter().take(3).collect::<Vec<_>>());
    drop(stop);
    println!("told to stop: it ended after {} sends", naturals.join().expect("it does not panic"));
}

/// Sends 0, 1, 2, … until `done` is closed; returns how many were received.
fn send_until(done: &Receiver<()>, tx: &Sender<u32>) -> u32 {
    let mut next = 0;
    while done.try_recv() != Err(TryRecvError::Disconnected) {
        match tx.send_timeout(next, Duration::from_millis(1)) {
            Ok(()) => next += 1,
            Err(SendTimeoutError::Timeout(_)) => {}
            Err(SendTimeoutError::Disconnected(_)) => break,
        }
    }
    next
}
