//! Errors travel over a channel like any other value.
//!
//! "Error handling: use channels to propagate errors between goroutines."

use std::num::ParseIntError;

use gander::chan::unbounded;

pub(crate) fn run() {
    crate::heading(
        8,
        "Goroutines report errors over a channel.",
        "nothing (the original is one sentence); it would send a struct with a value and an error.",
    );

    let (tx, rx) = unbounded::<(&str, Result<u32, ParseIntError>)>();
    for text in ["12", "seven", "30"] {
        let tx = tx.clone();
        gander::go!(tx.send((text, text.parse())));
    }
    drop(tx);
    let mut results: Vec<_> = rx.iter().collect();
    results.sort_unstable_by_key(|&(text, _)| text); // Who is first is up to the scheduler.
    for (text, result) in results {
        match result {
            Ok(number) => println!("{text:?}: {number}"),
            Err(error) => println!("{text:?}: {error}"),
        }
    }
}
