//! Main ends before its goroutine had a turn.
//!
//! ```go
//! func main() { go hello() }
//! func hello() { fmt.Println("It's most likely you will never see this.") }
//! ```

pub(crate) fn run() {
    crate::heading(
        3,
        "The process ends with main and waits for no other goroutine.",
        "most likely nothing: that hello gets a turn before the end is possible, and rare.",
    );

    let child = crate::run_alone("never");
    let printed = String::from_utf8_lossy(&child.stdout);
    println!("it printed {printed:?} and ended with {}", child.status);
}

/// Go's program, in a process of its own.
///
/// Go's `main` ends the process when it returns; `gander::run` returns to an ordinary thread instead, and until that
/// one ends the process a ready goroutine may still run. So the end is written out here. With one processor
/// (`GANDER_PROCS=1`) "most likely" becomes "always": hello waits for the processor that main is on.
pub(crate) fn child() {
    gander::run(|| {
        gander::go(hello);
        std::process::exit(0)
    })
}

fn hello() {
    println!("It's most likely you will never see this.");
}
