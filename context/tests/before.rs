//! Before there is a runtime: contexts end all the same.

use std::time::Duration;

use gander_chan::bounded;
use gander_context::{Context, ContextError};
use gander_time::sleep_ctx;

#[test]
fn without_a_runtime() {
    let (ctx, _) = Context::background().with_timeout(Duration::from_millis(5));
    let (tx, rx) = bounded(0);
    ctx.after_func(move || tx.send(gander_runtime::is_goroutine()).unwrap());
    assert_eq!(sleep_ctx(&ctx, Duration::from_secs(3600)), Err(ContextError::DeadlineExceeded));
    assert!(ctx.done().recv().is_err());
    assert_eq!(rx.recv(), Ok(false));
    let (ctx, cancel) = Context::background().with_cancel();
    let waiter = std::thread::spawn(move || ctx.done().recv().is_err());
    cancel.cancel();
    assert!(waiter.join().unwrap());
}
