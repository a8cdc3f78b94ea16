//! Two goroutines send, main prints what arrives.
//!
//! ```go
//! ch := make(chan int)
//! go func() { for i := 1; i <= 10; i++ { ch <- i } }()
//! go func() { for i := 11; i <= 20; i++ { ch <- i } }()
//! close(ch) // Too early: the senders have not sent.
//! for i := range ch { fmt.Println(i) }
//! ```

use gander::chan::{SendError, bounded};

pub(crate) fn run() {
    crate::heading(
        1,
        "Two goroutines send 1 to 10 and 11 to 20 over one channel.",
        "nothing, or \"panic: send on closed channel\": the original closes the channel before anything was sent.",
    );

    let (tx, rx) = bounded(0);
    for numbers in [1..=10, 11..=20] {
        let tx = tx.clone();
        gander::go(move || numbers.for_each(|i| tx.send(i).expect("main receives until both have sent all")));
    }
    // Each goroutine has a sender of its own. When the last one is dropped the channel closes, and the loop ends.
    drop(tx);
    let mut numbers: Vec<u32> = rx.iter().collect();
    numbers.sort_unstable(); // Which sender comes first is up to the scheduler.
    println!("closed when both have sent: {numbers:?}");

    // The original's mistake. A send on a closed channel is no panic here: it gives the value back.
    let (tx, rx) = bounded::<u32>(0);
    let senders = [1..=10, 11..=20].map(|mut numbers| {
        let tx = tx.clone();
        gander::spawn(move || numbers.try_for_each(|i| tx.send(i)))
    });
    rx.close();
    for sender in senders {
        let SendError(value) = sender.join().expect("it does not panic").expect_err("nobody receives");
        println!("closed too early: a sender got {value} back");
    }
}
