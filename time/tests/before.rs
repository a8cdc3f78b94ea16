//! Before there is a runtime: the clock works all the same, and functions are called on threads.

use std::time::{Duration, Instant};

use gander_chan::bounded;
use gander_time::{Ticker, Timer, after_func};

#[test]
fn without_a_runtime() {
    let start = Instant::now();
    let (tx, rx) = bounded(0);
    let theirs = tx.clone();
    let timer = after_func(Duration::from_millis(2), move || {
        theirs.send(gander_runtime::is_goroutine()).unwrap();
    });
    assert_eq!(rx.recv(), Ok(false));
    assert!(start.elapsed() >= Duration::from_millis(2));
    assert!(!timer.reset(Duration::from_millis(1)));
    assert_eq!(rx.recv(), Ok(false));
    assert!(after_func(Duration::from_secs(3600), || {}).stop());
    assert!(Timer::new(Duration::from_millis(1)).c().recv().is_ok());
    assert!(Ticker::new(Duration::from_millis(1)).c().recv().is_ok());

    // Set before the runtime, due in it, however long that takes to start; and set anew in it.
    timer.reset(Duration::from_millis(500));
    gander_runtime::run(move || {
        assert_eq!(rx.recv(), Ok(true));
        after_func(Duration::from_millis(1), move || tx.send(gander_runtime::is_goroutine()).unwrap());
        assert_eq!(rx.recv(), Ok(true));
    });
}
