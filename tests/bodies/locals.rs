//! goroutine_local!.

use std::cell::{Cell, RefCell};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::common::run;

gander::goroutine_local! {
    static NUMBER: Cell<u64> = Cell::new(7);
    /// With an attribute and a visibility.
    pub(crate) static LIST: RefCell<Vec<u64>> = const { RefCell::new(Vec::new()) };
    static KEPT: Cell<Option<Tell>> = Cell::new(None);
    static BAD: Bad = Bad;
    static RECURSIVE: u64 = RECURSIVE_STEP.with(|step| *step) + 1;
    static RECURSIVE_STEP: u64 = 4;
}

/// Notes its drop, and what it finds in another local then.
struct Tell(Arc<AtomicUsize>);

impl Drop for Tell {
    fn drop(&mut self) {
        self.0.fetch_add(NUMBER.get() as usize, Ordering::SeqCst);
    }
}

struct Bad;

impl Drop for Bad {
    fn drop(&mut self) {
        panic!("a local's destructor");
    }
}

/// Each goroutine has its own, made at first use, across yields; ordinary threads have theirs.
#[test]
fn isolated() {
    run(|| {
        let all: Vec<_> = (0..200)
            .map(|i| {
                gander::spawn(move || {
                    assert_eq!(NUMBER.get(), 7);
                    assert!(LIST.with_borrow(Vec::is_empty));
                    for round in 0..20 {
                        NUMBER.set(i * 100 + round);
                        LIST.with_borrow_mut(|list| list.push(i));
                        gander::yield_now();
                        assert_eq!(NUMBER.get(), i * 100 + round);
                    }
                    LIST.with_borrow(|list| assert_eq!(*list, vec![i; 20]));
                    assert_eq!(NUMBER.replace(1), i * 100 + 19);
                    assert_eq!(NUMBER.take(), 1);
                    assert_eq!(NUMBER.get(), 0);
                })
            })
            .collect();
        for one in all {
            one.join().unwrap();
        }
        assert_eq!(RECURSIVE.with(|number| *number), 5);
    });
    std::thread::spawn(|| assert_eq!(NUMBER.get(), 7)).join().unwrap();
    NUMBER.set(9);
    run(|| assert_eq!(NUMBER.get(), 7));
    assert_eq!(NUMBER.get(), 9);
}

/// A value is dropped once, before the joiner goes on; its destructor can use another local.
#[test]
fn dropped_before_join() {
    run(|| {
        for how in 0..3 {
            let told = Arc::new(AtomicUsize::new(0));
            let tell = Tell(told.clone());
            let ended = gander::spawn(move || {
                NUMBER.set(11);
                KEPT.set(Some(tell));
                match how {
                    0 => {}
                    1 => gander::exit(),
                    _ => panic!("with a local"),
                }
            });
            assert_eq!(ended.join().is_ok(), how == 0);
            // KEPT is the younger one and goes first.
            assert_eq!(told.load(Ordering::SeqCst), 11);
        }
    });
}

/// A destructor that panics is the goroutine's panic; the other locals are dropped all the same.
#[test]
fn destructor_panics() {
    run(|| {
        let told = Arc::new(AtomicUsize::new(0));
        let tell = Tell(told.clone());
        let ended = gander::spawn(move || {
            KEPT.set(Some(tell));
            BAD.with(|_| ());
        });
        assert!(ended.join().is_err());
        assert_eq!(told.load(Ordering::SeqCst), 7, "the local that is older than the one that panicked");
    });
}
