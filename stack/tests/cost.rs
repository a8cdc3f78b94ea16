//! What things cost: `cargo test --release -p gander-stack --test cost -- --ignored --nocapture`.
#![allow(unsafe_code, reason = "stacks are touched")]

use std::hint::black_box;
use std::time::Instant;

use gander_stack::{Cache, Class, class_of, locate, put, take};

/// The median of nine runs.
fn nanos(what: &str, rounds: u32, mut work: impl FnMut()) {
    let mut runs: Vec<_> = (0..9)
        .map(|_| {
            let begin = Instant::now();
            (0..rounds).for_each(|_| work());
            begin.elapsed().as_nanos() as f64 / f64::from(rounds)
        })
        .collect();
    runs.sort_by(f64::total_cmp);
    println!("{what:44} {:10.1} ns   ({:.1} to {:.1})", runs[4], runs[0], runs[8]);
}

#[test]
#[ignore = "measures"]
fn costs() {
    let class = class_of(256 << 10).unwrap();
    let mut cache = Cache::new();
    nanos("cache: take + put, hit", 1_000_000, || {
        let stack = cache.take(black_box(class)).unwrap();
        cache.put(black_box(stack));
    });
    nanos("cache: 64 takes, then 64 puts, a pair", 10_000, || {
        let stacks: [_; 64] = std::array::from_fn(|_| cache.take(class).unwrap());
        stacks.into_iter().for_each(|stack| cache.put(stack));
    });
    nanos("cache: 1000 takes, then 1000 puts, a thousand pairs", 100, || {
        let stacks: [_; 1000] = std::array::from_fn(|_| cache.take(class).unwrap());
        stacks.into_iter().for_each(|stack| cache.put(stack));
    });
    nanos("shared pool: take + put", 200_000, || put(take(black_box(class)).unwrap()));
    nanos("cache: take + put, 1 GiB", 10_000, || {
        let stack = cache.take(Class::LARGEST).unwrap();
        cache.put(stack);
    });

    let mut stack = take(class).unwrap();
    // SAFETY: [one-owner] this test took the stack.
    unsafe { stack.top().wrapping_sub(8).write(1) };
    nanos("release_below(16 KiB), nothing there", 10_000, || stack.release_below(16 << 10));
    nanos("touch 10 pages and release them", 1_000, || {
        for page in 5..15 {
            // SAFETY: as above.
            unsafe { stack.top().wrapping_sub(page * 4096).write(1) };
        }
        stack.release_below(16 << 10);
    });
    nanos("footprint, 256 KiB", 10_000, || _ = black_box(stack.footprint()));
    let inside = stack.top().addr() - 100;
    nanos("locate", 1_000_000, || _ = black_box(locate(black_box(inside))));

    for class in Class::all().filter(|class| class.bytes() <= 4 << 20) {
        let count = (4usize << 30 >> class.index()).min(20_000 << 14) >> 14;
        let begin = Instant::now();
        let stacks: Vec<_> = (0..count).map(|_| cache.take(class).unwrap()).collect();
        println!(
            "fresh, {:5} KiB, {count:6} of them {:10} ns",
            class.bytes() >> 10,
            begin.elapsed().as_nanos() / count as u128
        );
        drop(stacks);
    }
}
