//! A channel that holds a few values.
//!
//! ```go
//! ch := make(chan int, 3)
//! ```

use gander::chan::{TrySendError, bounded};

pub(crate) fn run() {
    crate::heading(
        6,
        "A buffered channel takes as many values as it has room for, without a receiver.",
        "nothing (the original is one line); a fourth send would block.",
    );

    let (tx, rx) = bounded(3);
    for i in 1..=3 {
        tx.send(i).expect("there is room");
        println!("sent {i}: {} of 3", rx.len());
    }
    match tx.try_send(4) {
        Err(TrySendError::Full(value)) => println!("no room for {value}"),
        other => panic!("a fourth value went somewhere: {other:?}"),
    }
    drop(tx);
    // Closing does not take away what was sent: a receiver gets that first, and then the end.
    println!("received {:?}", rx.iter().collect::<Vec<i32>>());
    println!("and then: {}", rx.recv().expect_err("it is empty and closed"));
}
