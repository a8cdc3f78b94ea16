//! Claims, in shared mode on one processor: a select of two costs at most 100 ns a message, of eight at most 150 ns,
//! with `default` and nothing there at most 2 ns.
//! Floors: to wait for one of several is a node in each channel and as many locks, ~10 ns an arm, and the switch of any
//! receive. `default` is one load an arm.
//!
//! ```text
//! cargo bench --bench select
//! ```

mod mode;

use std::hint::black_box;
use std::time::{Duration, Instant};

use criterion::{Criterion, Throughput};
use gander::chan::{Receiver, bounded};
use gander::select;

fn main() {
    mode::run(|criterion| {
        with_default(criterion);
        let mut group = criterion.benchmark_group("select");
        group.throughput(Throughput::Elements(1));
        group.bench_function("of 2, unbuffered", |b| {
            b.iter_custom(|count| {
                time(count, |[a, b]: &[Receiver<u64>; 2]| {
                    let value = select! { recv(a) -> value => value, recv(b) -> value => value };
                    value.expect("its sender stays")
                })
            });
        });
        group.bench_function("of 8, unbuffered", |b| b.iter_custom(|count| time(count, of_eight)));
        group.bench_function("of 1 and a timeout", |b| {
            b.iter_custom(|count| {
                time(count, |[a]: &[Receiver<u64>; 1]| {
                    let value =
                        select! { recv(a) -> value => value.ok(), default(Duration::from_secs(60)) => None };
                    value.expect("it comes in time")
                })
            });
        });
        group.finish();
    });
}

fn with_default(criterion: &mut Criterion) {
    let (tx, rx) = bounded::<u64>(1);
    criterion.bench_function("select with default, nothing there", |b| {
        b.iter(|| {
            let came = select! { recv(black_box(&rx)) -> _ => true, default => false };
            assert!(!came);
        });
    });
    drop(tx);
}

fn of_eight([a, b, c, d, e, f, g, h]: &[Receiver<u64>; 8]) -> u64 {
    let value = select! {
        recv(a) -> value => value,
        recv(b) -> value => value,
        recv(c) -> value => value,
        recv(d) -> value => value,
        recv(e) -> value => value,
        recv(f) -> value => value,
        recv(g) -> value => value,
        recv(h) -> value => value,
    };
    value.expect("its sender stays")
}

/// How long it takes to receive so many from `N` senders, by `one`.
fn time<const N: usize>(count: u64, one: impl Fn(&[Receiver<u64>; N]) -> u64) -> Duration {
    let share = count.div_ceil(N as u64);
    let inputs = std::array::from_fn(|_| {
        let (tx, rx) = bounded(0);
        gander::go(move || {
            // Until nobody receives any more; at the end of its share its end would be another message.
            (0..share).take_while(|_| tx.send(1).is_ok()).count();
            let _ = tx.send(0);
        });
        rx
    });
    let begin = Instant::now();
    let sum: u64 = (0..count).map(|_| one(&inputs)).sum();
    let elapsed = begin.elapsed();
    assert!(sum <= count && sum + N as u64 >= count, "{sum} of {count}");
    elapsed
}
