//! Claims, in shared mode on one processor: a ping-pong over two unbuffered channels takes at most 60 ns a round trip,
//! and a value through a channel with room for 128 at most 12 ns. Own mode: `GANDER_BENCH_MODE=own`.
//!
//! ```text
//! cargo bench --bench chan
//! ```

mod mode;

use std::hint::black_box;
use std::time::Instant;

use criterion::{Criterion, Throughput};
use gander::chan::bounded;

fn main() {
    mode::run(|criterion| {
        ping_pong(criterion);
        buffered(criterion);
        by_oneself(criterion);
    });
}

/// There and back again over two unbuffered channels.
fn ping_pong(criterion: &mut Criterion) {
    let (ping, pinged) = bounded(0);
    let (pong, ponged) = bounded(0);
    let other = gander::spawn(move || pinged.iter().try_for_each(|i: u64| pong.send(i + 1)));
    criterion.bench_function("ping-pong, unbuffered", |b| {
        b.iter(|| {
            ping.send(black_box(1)).expect("the other end is there");
            assert_eq!(ponged.recv(), Ok(2));
        });
    });
    drop(ping);
    other.join().expect("it does not panic").expect("all was received");
}

/// One sends, one receives.
fn buffered(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("buffered 128");
    group.throughput(Throughput::Elements(1));
    group.bench_function("one to one", |b| {
        b.iter_custom(|count| {
            let (tx, rx) = bounded(128);
            let begin = Instant::now();
            gander::go(move || (0..count).for_each(|i| tx.send(i).expect("main receives all")));
            let sum = rx.iter().fold(0, u64::wrapping_add);
            let elapsed = begin.elapsed();
            assert_eq!(sum, (0..count).fold(0, u64::wrapping_add));
            elapsed
        });
    });
    group.finish();
}

/// One goroutine sends and receives: what a channel costs when nobody waits.
fn by_oneself(criterion: &mut Criterion) {
    let (tx, rx) = bounded(128);
    criterion.bench_function("send + receive, nobody waits", |b| {
        b.iter(|| {
            tx.send(black_box(1)).expect("there is room");
            assert_eq!(rx.recv(), Ok(1));
        });
    });
}
