//! A worker sends more than main receives.
//!
//! ```go
//! func worker(ch chan int) {
//!     for i := 0; i < 5; i++ {
//!         fmt.Println("Worker:", i)
//!         ch <- i // Send value to channel
//!     }
//! }
//! func main() {
//!     ch := make(chan int)
//!     go worker(ch) // Start worker goroutine
//!     for i := 0; i < 3; i++ {
//!         value := <-ch // Receive value from channel
//!         fmt.Println("Main:", value)
//!     }
//! }
//! ```

use gander::chan::{Sender, bounded, unbounded};

pub(crate) fn run() {
    crate::heading(
        5,
        "A worker sends five values over an unbuffered channel, main receives three.",
        "Main: 0 to 2 among Worker: 0 to 2, mostly 3 too, and leaves the worker blocked in its send.",
    );

    let (log, lines) = unbounded();
    let (tx, rx) = bounded(0);
    let worker = gander::spawn({
        let log = log.clone();
        move || worker(&tx, &log)
    });
    for _ in 0..3 {
        let value = rx.recv().expect("the worker has five");
        log.send(format!("Main: {value}")).expect("main holds the receiver");
    }
    // Nobody will receive any more. In Go the worker would wait for ever; here its send returns, with the value.
    drop(rx);
    let unsent = worker.join().expect("the worker does not panic");
    drop(log);

    let mut lines: Vec<String> = lines.iter().collect();
    lines.sort_unstable(); // How the two interleave is up to the scheduler.
    lines.iter().for_each(|line| println!("{line}"));
    println!("The worker ended with {unsent:?} unsent.");
}

/// Sends 0 to 4; returns the value it could not send.
fn worker(tx: &Sender<u32>, log: &Sender<String>) -> Option<u32> {
    for i in 0..5 {
        log.send(format!("Worker: {i}")).expect("main holds the receiver");
        if let Err(error) = tx.send(i) {
            return Some(error.0);
        }
    }
    None
}
