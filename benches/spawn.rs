//! Claims, in shared mode on one processor: a yield through the scheduler takes at most 15 ns, to spawn a goroutine and
//! join it at most 60 ns in batches of 1000. Own mode (`GANDER_BENCH_MODE=own`) may take one exchange of the thread
//! pointer more for each switch.
//!
//! ```text
//! cargo bench --bench spawn
//! ```

mod mode;

use criterion::{Criterion, Throughput};

const BATCH: u64 = 1000;

fn main() {
    mode::run(|criterion| {
        yield_now(criterion);
        spawn_and_join(criterion);
        go(criterion);
    });
}

/// Two goroutines take turns; one of the two is measured, so an iteration is two yields.
fn yield_now(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("yield");
    group.throughput(Throughput::Elements(2));
    let (stop, stopped) = gander::chan::bounded::<()>(0);
    let other = gander::spawn(move || {
        while stopped.try_recv().is_err_and(|error| error.is_empty()) {
            for _ in 0..64 {
                gander::yield_now();
            }
        }
    });
    group.bench_function("two in turn", |b| b.iter(gander::yield_now));
    drop(stop);
    other.join().expect("it does not panic");
    group.finish();
}

/// A thousand are spawned and then joined.
fn spawn_and_join(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("spawn");
    group.throughput(Throughput::Elements(BATCH));
    let mut handles = Vec::with_capacity(BATCH as usize);
    group.bench_function("spawn + join, batches", |b| {
        b.iter(|| {
            handles.extend((0..BATCH).map(|i| gander::spawn(move || i)));
            let sum: u64 = handles.drain(..).map(|handle| handle.join().expect("it does not panic")).sum();
            assert_eq!(sum, BATCH * (BATCH - 1) / 2);
        });
    });
    group.bench_function("spawn + join, one by one", |b| {
        b.iter(|| (0..BATCH).for_each(|i| assert_eq!(gander::spawn(move || i).join().ok(), Some(i))));
    });
    group.finish();
}

/// A thousand without handles; a channel closes when the last has ended.
fn go(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("go");
    group.throughput(Throughput::Elements(BATCH));
    group.bench_function("go + end, batches", |b| {
        b.iter(|| {
            let (alive, all_ended) = gander::chan::bounded::<()>(0);
            for _ in 0..BATCH {
                let alive = alive.clone();
                gander::go(move || drop(alive));
            }
            drop(alive);
            all_ended.recv().expect_err("nothing is ever sent");
        });
    });
    group.finish();
}
