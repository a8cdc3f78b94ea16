//! A goroutine and main each say hello.
//!
//! ```go
//! go func(msg string) { fmt.Println(msg) }("Hello from a goroutine!")
//! fmt.Println("Hello from the main function!")
//! time.Sleep(100 * time.Millisecond) // Pause for a bit to let goroutine finish
//! ```

use std::time::Duration;

use gander::chan::unbounded;

pub(crate) fn run() {
    crate::heading(
        2,
        "A goroutine and main say hello, and main sleeps so that the goroutine can finish.",
        "both lines, in either order.",
    );

    // The lines are collected and sorted, as their order is not fixed. A plain `gander::go!(println!("…"))` would do.
    let (say, said) = unbounded();
    let from_goroutine = say.clone();
    gander::go!(from_goroutine.send("Hello from a goroutine!"));
    say.send("Hello from the main function!").expect("main holds the receiver");
    drop(say);
    gander::sleep(Duration::from_millis(100));

    // To sleep is to hope. This waits: the loop ends when the goroutine is done and its sender is gone.
    let mut lines: Vec<_> = said.iter().collect();
    lines.sort_unstable();
    lines.iter().for_each(|line| println!("{line}"));
}
