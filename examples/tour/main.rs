//! The programs that introductions to goroutines show, in gander.
//!
//! ```text
//! cargo run --release --example tour
//! ```
//!
//! One file a program, with the Go original at its top. Each prints what it shows, what Go prints, and what it printed
//! itself. Where the order of the lines is up to the scheduler they are sorted first, so this program's output is always
//! the same.

mod buffered;
mod errors;
mod hello;
mod leak;
mod never;
mod numbers;
mod panics;
mod tasks;
mod value;
mod worker;

use std::process::{Command, Output};

fn main() {
    match std::env::args().nth(1).as_deref() {
        None => gander::run(tour),
        Some("never") => never::child(),
        Some("panics") => panics::child(),
        Some(other) => panic!("the tour has no program {other:?}"),
    }
}

fn tour() {
    numbers::run();
    hello::run();
    never::run();
    value::run();
    worker::run();
    buffered::run();
    tasks::run();
    errors::run();
    leak::run();
    panics::run();
    println!("\nThat was the tour: {COUNT} programs.");
}

/// How many programs there are.
const COUNT: usize = 10;

/// The lines above a program's own output.
fn heading(number: usize, shows: &str, go_prints: &str) {
    println!("\n{number}/{COUNT} {shows}\nGo prints: {go_prints}");
}

/// Runs one program of the tour in a process of its own, on one processor.
fn run_alone(program: &str) -> Output {
    let tour = std::env::current_exe().expect("this program has a path");
    Command::new(tour).arg(program).env("GANDER_PROCS", "1").output().expect("this program runs once more")
}
