//! Spawning and joining.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use gander::{Builder, SpawnError};

use crate::common::{run, run_on, until};

/// panics-9: a value, a panic's payload, whatever its type.
#[test]
fn panics_9_join() {
    run(|| {
        assert_eq!(gander::spawn(|| "value".to_string()).join().unwrap(), "value");
        let payload =
            gander::spawn(|| panic!("boom {}", std::hint::black_box(1))).join().map(|(): ()| ()).unwrap_err();
        assert_eq!(payload.downcast_ref::<String>().unwrap(), "boom 1");
        let payload = gander::spawn(|| std::panic::panic_any(17u64)).join().map(|(): ()| ()).unwrap_err();
        assert_eq!(*payload.downcast::<u64>().unwrap(), 17);
    });
}

/// panics-6: a payload that was caught and raised again keeps its value across goroutines.
#[test]
fn panics_6_resumed() {
    run(|| {
        let inner = gander::spawn(|| -> u32 { std::panic::panic_any(vec![1, 2, 3]) });
        let outer =
            gander::spawn(move || inner.join().unwrap_or_else(|payload| std::panic::resume_unwind(payload)));
        assert_eq!(*outer.join().unwrap_err().downcast::<Vec<i32>>().unwrap(), [1, 2, 3]);
    });
}

/// `is_finished` is false while it runs, and becomes true without a join.
#[test]
fn is_finished() {
    run(|| {
        let go_on = Arc::new(AtomicBool::new(false));
        let seen = go_on.clone();
        let worker = gander::spawn(move || until(|| seen.load(Ordering::Relaxed)));
        for _ in 0..100 {
            gander::yield_now();
            assert!(!worker.is_finished());
        }
        go_on.store(true, Ordering::Relaxed);
        until(|| worker.is_finished());
        worker.join().unwrap();
    });
}

/// panics-9: a dropped handle contains the panic, drops the result once, and the goroutine goes on.
#[test]
fn panics_9_dropped_handle() {
    struct Counted(Arc<AtomicUsize>);
    impl Drop for Counted {
        fn drop(&mut self) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }
    let drops = Arc::new(AtomicUsize::new(0));
    run(|| {
        for i in 0..100 {
            let counted = Counted(drops.clone());
            drop(gander::spawn(move || {
                if i % 2 == 0 {
                    gander::yield_now();
                }
                if i % 5 == 0 {
                    panic!("nobody hears it");
                }
                counted
            }));
        }
        until(|| drops.load(Ordering::SeqCst) == 100);
    });
}

/// A result whose destructor panics when nobody takes it hurts nobody.
#[test]
fn dropped_result_panics() {
    struct Bad(Arc<AtomicUsize>);
    impl Drop for Bad {
        fn drop(&mut self) {
            self.0.fetch_add(1, Ordering::SeqCst);
            panic!("in a result's destructor");
        }
    }
    run(|| {
        let drops = Arc::new(AtomicUsize::new(0));
        let bad = Bad(drops.clone());
        drop(gander::spawn(move || bad));
        until(|| drops.load(Ordering::SeqCst) == 1);
        assert_eq!(gander::spawn(|| 1).join().unwrap(), 1);
    });
}

/// An ordinary thread can join, while the goroutine runs and after.
#[test]
fn join_from_thread() {
    let worker = run(|| gander::spawn(|| (gander::sleep(Duration::from_millis(10)), 3).1));
    assert_eq!(worker.join().unwrap(), 3);
    let worker = run(|| gander::spawn(|| 4));
    while !worker.is_finished() {
        std::thread::yield_now();
    }
    assert_eq!(worker.join().unwrap(), 4);
}

/// Unparks the thread or the goroutine that polls, and counts.
struct Unparker(Option<gander::Goroutine>, std::thread::Thread, AtomicUsize);

impl Wake for Unparker {
    fn wake(self: Arc<Self>) {
        self.2.fetch_add(1, Ordering::SeqCst);
        match &self.0 {
            Some(goroutine) => goroutine.unpark(),
            None => self.1.unpark(),
        }
    }
}

fn unparker() -> Arc<Unparker> {
    Arc::new(Unparker(gander::try_current(), std::thread::current(), AtomicUsize::new(0)))
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    let waker = Waker::from(unparker());
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(value) => return value,
            Poll::Pending if gander::is_goroutine() => gander::park(),
            Poll::Pending => std::thread::park(),
        }
    }
}

/// A handle is a future: on an ordinary thread and in a goroutine.
#[test]
fn join_as_future() {
    let worker = run(|| {
        for i in 0..200 {
            let worker = gander::spawn(move || (gander::yield_now(), i).1);
            if i % 2 == 0 {
                gander::yield_now();
            }
            assert_eq!(block_on(worker).unwrap(), i);
        }
        gander::spawn(|| (gander::sleep(Duration::from_millis(10)), 7).1)
    });
    assert_eq!(block_on(worker).unwrap(), 7);
    assert!(block_on(run(|| gander::spawn(|| panic!("through a future")))).map(|(): ()| ()).is_err());
}

/// Only the waker of the last poll is woken; and a polled handle can still be joined.
#[test]
fn waker_is_replaced() {
    run(|| {
        let (first, second) = (unparker(), unparker());
        let mut worker = gander::spawn(gander::park);
        for waker in [&first, &second] {
            let waker = Waker::from(waker.clone());
            let poll = std::pin::Pin::new(&mut worker).poll(&mut Context::from_waker(&waker));
            assert!(poll.is_pending());
        }
        worker.goroutine().unpark();
        until(|| second.2.load(Ordering::SeqCst) == 1);
        assert_eq!(first.2.load(Ordering::SeqCst), 0);
        worker.join().unwrap();
    });
}

/// Name, id and handle are those of the builder, inside and outside.
#[test]
fn names_and_ids() {
    run(|| {
        assert_eq!(gander::current().name(), Some("main"));
        let worker = Builder::new().name("n\0ß".into()).spawn(gander::current).unwrap();
        let outside = worker.goroutine().clone();
        let inside = worker.join().unwrap();
        assert_eq!((inside.id(), inside.name()), (outside.id(), Some("n\0ß")));
        assert_eq!(gander::spawn(|| gander::current().name().map(str::to_string)).join().unwrap(), None);
        let ids: Vec<_> = (0..1000).map(|_| gander::spawn(|| gander::current().id())).collect();
        let mut ids: Vec<_> = ids.into_iter().map(|one| one.join().unwrap()).collect();
        ids.sort();
        ids.dedup();
        assert_eq!(ids.len(), 1000);
    });
}

/// Sizes from nothing to the largest work; beyond it the error says what was asked and what the limit is.
#[test]
fn stack_sizes() {
    run(|| {
        for size in [0, 1, 16 << 10, (16 << 10) + 1, 1 << 20, 1 << 30] {
            let sum = Builder::new().stack_size(size).spawn(|| (0..100).sum::<u32>()).unwrap().join().unwrap();
            assert_eq!(sum, 4950);
        }
        for size in [(1 << 30) + 1, usize::MAX] {
            let error = Builder::new().stack_size(size).spawn(|| ()).unwrap_err();
            assert!(matches!(error, SpawnError::Stack(_)));
            let text = error.to_string();
            assert!(text.contains(&size.to_string()) && text.contains("1024 MiB"), "{text}");
            assert_eq!(std::io::Error::from(error).kind(), std::io::ErrorKind::InvalidInput);
        }
    });
}

/// Closures and results of every size and alignment arrive intact, on the smallest stack too.
#[test]
fn large_and_aligned() {
    #[repr(align(128))]
    struct Aligned(u8);
    #[repr(align(4096))]
    struct Page([u8; 4096]);
    // Debug builds copy what is moved several times on the spawner's stack: give it one of 16 MiB.
    let body = || {
        let large = [7u8; 100_000];
        let sum = move || large.iter().map(|&byte| u64::from(byte)).sum::<u64>();
        let sum = Builder::new().stack_size(16 << 10).spawn(sum).unwrap();
        assert_eq!(sum.join().unwrap(), 700_000);
        let result = gander::spawn(|| [9u8; 100_000]).join().unwrap();
        assert!(result.iter().all(|&byte| byte == 9));
        for size in [0, 1 << 20] {
            let (aligned, page) = (Aligned(3), Page([4; 4096]));
            let worker = Builder::new().stack_size(size).spawn(move || {
                assert!((&raw const aligned).addr().is_multiple_of(128));
                assert!((&raw const page).addr().is_multiple_of(4096));
                assert!(page.0.iter().all(|&byte| byte == 4));
                aligned
            });
            let back = worker.unwrap().join().unwrap();
            assert_eq!(back.0, 3);
        }
    };
    run(move || Builder::new().stack_size(16 << 20).spawn(body).unwrap().join().unwrap());
}

/// A closure that is never called when the spawn fails is dropped once.
#[test]
fn refused_closure_is_dropped() {
    run(|| {
        let token = Arc::new(());
        let kept = token.clone();
        assert!(Builder::new().stack_size(usize::MAX).spawn(move || drop(kept)).is_err());
        assert_eq!(Arc::strong_count(&token), 1);
    });
}

/// `run` in a goroutine, from several threads at once, with a borrow, with a panic.
#[test]
fn nested_and_parallel_run() {
    run(|| assert_eq!(gander::run(|| gander::run(|| 3)), 3));
    std::thread::scope(|s| {
        for i in 0..4 {
            s.spawn(move || {
                for j in 0..100 {
                    let text = format!("{i} {j}");
                    assert_eq!(crate::common::builder().run(|| text.len()), text.len());
                }
            });
        }
    });
    let caught = std::panic::catch_unwind(|| run(|| panic!("out of run")));
    assert_eq!(*caught.map(|(): ()| ()).unwrap_err().downcast_ref::<&str>().unwrap(), "out of run");
}

/// exit(): destructors run, the joiner learns it, `run` in a goroutine passes it on.
/// Semantics 38.
#[test]
fn exit_unwinds() {
    struct Count(Arc<AtomicUsize>);
    impl Drop for Count {
        fn drop(&mut self) {
            assert!(!std::thread::panicking() || self.0.load(Ordering::SeqCst) < 2);
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }
    run(|| {
        let drops = Arc::new(AtomicUsize::new(0));
        let (a, b) = (Count(drops.clone()), Count(drops.clone()));
        let error = gander::spawn(move || {
            let _a = a;
            let _b = b;
            gander::exit();
        });
        let error = error.join().unwrap_err();
        assert!(gander::is_exit(&*error));
        assert_eq!(drops.load(Ordering::SeqCst), 2);
        assert!(!gander::is_exit(&*gander::spawn(|| panic!("no exit")).join().map(|(): ()| ()).unwrap_err()));
        // Without a handle it is silent: the process goes on.
        gander::go(|| gander::exit());
        gander::spawn(gander::yield_now).join().unwrap();
    });
    assert!(std::panic::catch_unwind(|| gander::exit()).is_err(), "not a goroutine");
}

/// exit() in a nested `run` ends that goroutine, and does not block its worker.
#[test]
fn exit_in_nested_run() {
    run_on(2, || {
        let nested = gander::spawn(|| gander::run(|| gander::exit()));
        let start = std::time::Instant::now();
        while !nested.is_finished() {
            gander::yield_now();
            assert!(start.elapsed() < Duration::from_secs(5), "exit in a nested run never comes back");
        }
        assert!(gander::is_exit(&*nested.join().unwrap_err()));
    });
}
