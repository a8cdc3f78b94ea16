//! Trees of contexts are cancelled while many wait on them. Law: everybody below a cancelled context goes on, nobody
//! beside it does, and each is told why.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use gander::context::Context;
use gander::sync::WaitGroup;
use gander::time;

use crate::random::Random;

pub(crate) fn round(random: &mut Random) -> u64 {
    let (root, cancel_root) = Context::background().with_cancel();
    let mut tree = vec![root];
    let mut cancels = vec![cancel_root];
    for _ in 0..random.between(1, 10) {
        let parent = &tree[random.below(tree.len() as u64) as usize];
        let (child, cancel) = match random.below(3) {
            0 => parent.with_timeout(random.micros(3000)),
            _ => parent.with_cancel(),
        };
        tree.push(child);
        cancels.push(cancel);
    }
    let woken = Arc::new(AtomicU64::new(0));
    let all = WaitGroup::new();
    let waiters = random.between(1, 12);
    for _ in 0..waiters {
        let ctx = tree[random.below(tree.len() as u64) as usize].clone();
        let (mut own, woken) = (random.fork(), woken.clone());
        all.go(move || {
            wait(&ctx, &mut own);
            assert!(ctx.err().is_some(), "told to stop by a context that has not ended");
            woken.fetch_add(1, Ordering::Relaxed);
        });
    }
    // Some by hand, in any order; the root last, which ends them all.
    for _ in 0..random.below(4) {
        random.dawdle();
        let one = random.below(cancels.len() as u64) as usize;
        cancels[one].cancel();
        assert!(tree[one].err().is_some(), "cancelled, and goes on");
    }
    random.dawdle();
    cancels[0].cancel();
    all.wait();
    assert!(tree.iter().all(|ctx| ctx.err().is_some()), "the root ended, and not all below it");
    woken.load(Ordering::Relaxed)
}

fn wait(ctx: &Context, random: &mut Random) {
    let (_keep, nothing) = gander::chan::bounded::<()>(0);
    match random.below(4) {
        0 => assert!(ctx.done().recv().is_err(), "a context sends nothing"),
        1 => assert!(nothing.recv_ctx(ctx).is_err(), "nobody sends"),
        2 => assert!(time::sleep_ctx(ctx, Duration::from_secs(3600)).is_err(), "an hour has passed"),
        _ => gander::select! {
            recv(ctx.done()) -> _ => {}
            recv(nothing) -> _ => panic!("nobody sends"),
        },
    }
}
