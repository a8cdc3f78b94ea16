//! One value through a channel.
//!
//! ```go
//! ch := make(chan int) // Create an unbuffered channel
//! ch <- 42             // Send value 42 to the channel
//! value := <-ch        // Receive value from the channel
//! ```

use gander::chan::bounded;

pub(crate) fn run() {
    crate::heading(
        4,
        "One value through an unbuffered channel takes two goroutines.",
        "\"fatal error: all goroutines are asleep - deadlock!\" if one goroutine runs the three lines as they stand.",
    );

    let (tx, rx) = bounded(0);
    gander::go!(tx.send(42));
    let value: i32 = rx.recv().expect("the goroutine sends before it drops its sender");
    println!("value = {value}");
}
