//! Stacks: depth, segments, backtraces, numbers.

use std::backtrace::Backtrace;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use gander::{Builder, stack};

use crate::common::{migrate, run, run_on, scaled, tid};

/// Uses at least `bytes` of stack in frames of about 4 KiB, checks what it wrote on the way back.
#[inline(never)]
fn descend(bytes: usize, bottom: &mut dyn FnMut()) -> usize {
    let mut frame = [0u8; 4096];
    frame[bytes % 4096] = 1;
    std::hint::black_box(&mut frame);
    if bytes < frame.len() {
        bottom();
        return 1;
    }
    let depth = descend(bytes - frame.len(), bottom) + 1;
    assert_eq!(std::hint::black_box(&frame)[bytes % 4096], 1);
    depth
}

/// stack-1: most of the stack is usable, in main, on a large stack, while locked, after a migration.
#[test]
fn stack_1_deep() {
    run_on(4, || {
        descend(700 << 10, &mut gander::yield_now);
        let mut moved = || assert!(migrate());
        gander::spawn(move || descend(700 << 10, &mut moved)).join().unwrap();
        gander::spawn(|| {
            gander::lock_os_thread();
            descend(700 << 10, &mut gander::yield_now);
            gander::unlock_os_thread();
        })
        .join()
        .unwrap();
        let bytes = scaled(200 << 20);
        let deep =
            Builder::new().stack_size(1 << 30).spawn(move || descend(bytes, &mut gander::yield_now)).unwrap();
        assert!(deep.join().unwrap() > bytes / 4096);
    });
}

/// stack-6: guards in every frame run once, in reverse order, on return and on panic.
#[test]
fn stack_6_guards() {
    struct Guard(usize, Arc<AtomicUsize>);
    impl Drop for Guard {
        fn drop(&mut self) {
            assert_eq!(self.1.fetch_sub(1, Ordering::Relaxed), self.0 + 1);
        }
    }
    fn down(left: usize, live: &Arc<AtomicUsize>, panics: bool) {
        let _guard = Guard(live.fetch_add(1, Ordering::Relaxed), live.clone());
        if left > 0 {
            down(left - 1, live, panics);
        } else if panics {
            gander::yield_now();
            std::panic::resume_unwind(Box::new(5));
        }
    }
    run(|| {
        for panics in [false, true] {
            let live = Arc::new(AtomicUsize::new(0));
            let seen = live.clone();
            let deep = Builder::new().stack_size(64 << 20).spawn(move || down(10_000, &seen, panics)).unwrap();
            assert_eq!(deep.join().is_err(), panics);
            assert_eq!(live.load(Ordering::Relaxed), 0);
        }
    });
}

/// A recursion goes as deep as it likes on segments, parks and migrates there, panics through them.
#[test]
fn segments() {
    fn depth(left: usize, bottom: &dyn Fn()) -> usize {
        stack::maybe_grow(64 << 10, 1 << 20, || {
            let frame = std::hint::black_box([left; 64]);
            let below = if left == 0 { (bottom(), 0).1 } else { depth(left - 1, bottom) };
            below + frame[0] / left.max(1)
        })
    }
    let levels = scaled(20_000);
    run_on(4, || {
        assert_eq!(depth(levels, &|| ()), levels);
        gander::spawn(move || {
            assert_eq!(depth(levels, &|| assert!(migrate())), levels);
            let caught = catch_unwind(|| depth(levels, &|| std::panic::panic_any(levels)));
            assert_eq!(*caught.unwrap_err().downcast::<usize>().unwrap(), levels);
            // exit goes through segments as well.
            stack::grow(|| gander::exit())
        })
        .join()
        .unwrap_err();
    });
    assert_eq!(depth(levels, &|| ()), levels, "on an ordinary thread");
    let caught = catch_unwind(|| stack::grow(|| stack::grow(|| panic!("from a thread's segment"))));
    assert!(caught.map(|(): ()| ()).is_err());
}

/// `remaining` shrinks with depth, is larger on a segment and the same again after it; sizes that cannot be panic.
#[test]
fn remaining() {
    let check = || {
        let before = stack::remaining().unwrap();
        let mut deeper = 0;
        descend(64 << 10, &mut || deeper = stack::remaining().unwrap());
        assert!(before - deeper >= 64 << 10, "{before} {deeper}");
        let inside = stack::grow_to(4 << 20, || stack::remaining().unwrap());
        assert!(inside > 3 << 20 && inside <= (4 << 20) + (16 << 10), "{inside}");
        let nested = stack::grow_to(64 << 10, || stack::grow(|| stack::remaining().unwrap()));
        assert!(nested > 7 << 20, "{nested}");
        assert!(catch_unwind(|| stack::grow_to(1 << 20, || panic!("inside"))).map(|(): ()| ()).is_err());
        let caught = catch_unwind(AssertUnwindSafe(|| stack::grow_to((1 << 30) + 1, || ())));
        assert!(caught.unwrap_err().downcast_ref::<String>().unwrap().contains("1024 MiB"));
        assert_eq!(stack::grow_to(0, || 1), 1);
        assert!(stack::remaining().unwrap().abs_diff(before) < 4096);
    };
    run(check);
    run(|| gander::spawn(check).join().unwrap());
    std::thread::spawn(check).join().unwrap();
}

#[inline(never)]
fn named_frame_for_backtraces() -> String {
    std::hint::black_box(Backtrace::force_capture()).to_string()
}

/// stack-4: a backtrace names its caller and ends at the goroutine's root, before and after a migration and on a
/// segment.
#[test]
fn stack_4_backtrace() {
    run_on(4, || {
        let check = |text: &str| {
            assert!(text.contains("named_frame_for_backtraces"), "{text}");
            assert!(text.contains("stack_4_backtrace"), "{text}");
            assert!(!text.contains("gander_runtime::sched::work"), "it runs into the scheduler: {text}");
            assert!(text.matches(": ").count() < 100, "no end: {text}");
        };
        gander::spawn(move || {
            check(&named_frame_for_backtraces());
            assert!(migrate());
            check(&named_frame_for_backtraces());
            let text = stack::grow(named_frame_for_backtraces);
            assert!(text.contains("named_frame_for_backtraces"), "{text}");
        })
        .join()
        .unwrap();
    });
}

/// Very many live goroutines, twice, so that stacks are reused.
#[test]
fn many_live() {
    let count = scaled(if std::env::var_os("GANDER_TEST_MILLION").is_some() { 1_000_000 } else { 40_000 });
    run_on(2, move || {
        for _ in 0..2 {
            let all: Vec<_> = (0..count).map(|i| gander::spawn(move || (gander::park(), i).1)).collect();
            assert!(gander::num_goroutines() > count);
            for one in &all {
                one.goroutine().unpark();
            }
            for (i, one) in all.into_iter().enumerate() {
                assert_eq!(one.join().unwrap(), i);
            }
        }
    });
}

/// stack-2: bursts reuse stacks: the address space reaches a plateau.
#[test]
fn stack_2_bursts() {
    fn mapped() -> usize {
        let text = std::fs::read_to_string("/proc/self/status").unwrap();
        let line = text.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    }
    run_on(4, || {
        let burst = || {
            let all: Vec<_> = (0..1000).map(|i| gander::spawn(move || (gander::yield_now(), i).1)).collect();
            assert_eq!(all.into_iter().map(|one| one.join().unwrap()).sum::<i32>(), 499_500);
        };
        (0..5).for_each(|_| burst());
        let before = mapped();
        (0..scaled(50)).for_each(|_| burst());
        let after = mapped();
        assert!(after < before + (64 << 10), "resident KiB went from {before} to {after}");
        assert_ne!(tid(), 0);
    });
}
