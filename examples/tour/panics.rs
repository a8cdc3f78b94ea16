//! What becomes of a panic in a goroutine.
//!
//! ```go
//! go func() { panic("boom") }()
//! ```

pub(crate) fn run() {
    crate::heading(
        10,
        "A panic is reported to whoever joins the goroutine; without a joiner it ends the process.",
        "\"panic: boom\" and a trace, and its exit code is 2.",
    );

    // The message of the panic itself is printed by std's panic hook, on standard error.
    let payload = gander::spawn(boom).join().expect_err("it panicked");
    println!("the joiner got {:?}", payload.downcast_ref::<&str>().expect("the panic's message"));

    let child = crate::run_alone("panics");
    let said = String::from_utf8_lossy(&child.stderr);
    let report = said.lines().find(|line| line.starts_with("panic: ")).expect("a report on standard error");
    println!("without a joiner it said {report:?} and ended with {}", child.status);
}

/// A panic that nobody takes.
pub(crate) fn child() {
    gander::run(|| {
        gander::go(boom);
        gander::park(); // Nobody unparks main; the process ends all the same.
    });
}

fn boom() {
    panic!("boom");
}
