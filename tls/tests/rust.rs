//! What Rust's library keeps for each thread is kept for each block.

#![allow(unsafe_code, reason = "lays blocks")]

mod common;

use std::cell::{Cell, RefCell};
use std::collections::{HashMap, HashSet};
use std::panic::catch_unwind;
use std::sync::{Condvar, Mutex, mpsc};

use common::with_both_makers;

thread_local! {
    static COUNT: Cell<u32> = const { Cell::new(7) };
    static LAZY: RefCell<Vec<String>> = RefCell::new(vec!["first".into()]);
}

#[test]
fn thread_locals_are_the_blocks() {
    COUNT.set(1);
    LAZY.with_borrow_mut(|v| v.push("native".into()));
    with_both_makers(|maker, blocks: &[_; 3]| {
        for (nth, block) in blocks.iter().enumerate() {
            block.on(|| {
                assert_eq!(COUNT.replace(100 + nth as u32), 7, "{maker}");
                LAZY.with_borrow_mut(|v| {
                    assert_eq!(*v, ["first"]);
                    v.push(format!("block {nth}"));
                });
            });
        }
        // A block is a thread of a pool: what one guest left, the next finds.
        for (nth, block) in blocks.iter().enumerate() {
            assert_eq!(block.on(|| COUNT.get()), 100 + nth as u32);
            assert_eq!(block.on(|| LAZY.with_borrow(|v| v[1].clone())), format!("block {nth}"));
        }
    });
    assert_eq!(COUNT.get(), 1);
    LAZY.with_borrow(|v| assert_eq!(*v, ["first", "native"]));
}

#[test]
fn thread_ids_differ() {
    let native = std::thread::current().id();
    with_both_makers(|_, blocks: &[_; 4]| {
        let ids: HashSet<_> = blocks.iter().map(|b| b.on(|| std::thread::current().id())).collect();
        assert_eq!(ids.len(), 4);
        assert!(!ids.contains(&native));
        assert!(blocks.iter().all(|b| ids.contains(&b.on(|| std::thread::current().id()))));
    });
    assert_eq!(std::thread::current().id(), native);
}

#[test]
fn panics_are_caught_and_carried() {
    with_both_makers(|_, [block]: &[_; 1]| {
        let inside = block.on(|| {
            let caught = catch_unwind(|| std::panic::resume_unwind(Box::new(5))).unwrap_err();
            assert!(!std::thread::panicking());
            let shown = catch_unwind(|| panic!("shown on purpose")).unwrap_err();
            assert_eq!(*shown.downcast::<&str>().unwrap(), "shown on purpose");
            *caught.downcast::<i32>().unwrap()
        });
        assert_eq!(inside, 5);
        let outside = catch_unwind(|| block.on(|| std::panic::resume_unwind(Box::new(6)))).unwrap_err();
        assert_eq!(*outside.downcast::<i32>().unwrap(), 6);
        assert!(!std::thread::panicking());
        assert!(!block.on(std::thread::panicking));
    });
}

#[test]
fn locks_channels_maps_and_printing_work() {
    let mutex = Mutex::new(0);
    let turn = Condvar::new();
    let (send, receive) = mpsc::channel();
    with_both_makers(|_, blocks: &[_; 2]| {
        for block in blocks {
            block.on(|| {
                *mutex.lock().unwrap() += 1;
                turn.notify_all();
                send.send(vec![1, 2, 3]).unwrap();
                let map: HashMap<_, _> = (0..100).map(|i| (i, i * i)).collect();
                assert_eq!(map[&9], 81);
                println!("printed on a block");
            });
        }
    });
    assert_eq!(*mutex.lock().unwrap(), 4);
    assert_eq!(receive.try_iter().flatten().sum::<i32>(), 24);
}

#[test]
fn blocking_and_spawning_work() {
    with_both_makers(|_, [block]: &[_; 1]| {
        let answer = block.on(|| {
            let (send, receive) = mpsc::channel();
            let thread = std::thread::spawn(move || send.send(COUNT.get()).unwrap());
            let answer = receive.recv().unwrap();
            thread.join().unwrap();
            std::thread::park_timeout(std::time::Duration::from_millis(1));
            answer
        });
        assert_eq!(answer, 7);
    });
}
