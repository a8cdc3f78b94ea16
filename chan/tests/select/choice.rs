//! Which arm it is: even, or the first; duplicates, closed channels, operations that are not completed.

use super::*;

fn no_value() -> i32 {
    panic!("no value")
}

#[test]
fn select_14_an_operation_that_is_not_completed() {
    everywhere(|| {
        let dropped = "dropped `SelectedOperation` without completing the operation";
        // A receive has its value: it is dropped, once.
        let (s, r) = bounded(1);
        let value = Arc::new(());
        s.send(Arc::clone(&value)).unwrap();
        let mut select = Select::new();
        select.recv(&r);
        assert_eq!(panics(|| drop(select.select())), dropped);
        assert_eq!((Arc::strong_count(&value), r.len()), (1, 0));
        // A send gives its place back, also to who waits for it.
        let (s, r) = bounded(1);
        let mut select = Select::new();
        select.send(&s);
        let operation = select.select();
        let (late, early) = (s.clone(), s.clone());
        let other = beside(move || late.send(1).unwrap());
        settle();
        assert!(early.try_send(2).is_err(), "the place is promised");
        assert_eq!(panics(|| drop(operation)), dropped);
        other();
        assert_eq!(r.recv(), Ok(1));
        // And its receiver, who waits on.
        let (s, r) = bounded(0);
        let other = beside(move || r.recv());
        settle();
        let mut select = Select::new();
        select.send(&s);
        let operation = select.select();
        assert_eq!(panics(|| drop(operation)), dropped);
        s.send(3).unwrap();
        assert_eq!(other(), Ok(3));
    });
}

/// Semantics 15.
#[test]
fn select_14_a_value_that_panics_while_it_is_made() {
    everywhere(|| {
        for capacity in [0, 1] {
            let (s, r) = bounded(capacity);
            let (_idle, never) = bounded::<()>(0);
            let theirs = s.clone();
            let other = beside(move || {
                if capacity == 1 {
                    theirs.send(0).unwrap();
                }
                let said = panics(|| {
                    select! {
                        send(theirs, no_value()) -> _ => unreachable!(),
                        recv(never) -> _ => unreachable!(),
                    }
                });
                theirs.send(1).unwrap();
                said
            });
            settle();
            if capacity == 1 {
                assert_eq!(r.recv(), Ok(0));
            }
            // This takes up the promise, is disappointed, and waits on.
            assert_eq!(r.recv(), Ok(1));
            assert_eq!(other(), "no value");
        }
    });
}

#[test]
fn select_14_the_wrong_handle() {
    let (s, r) = bounded(1);
    let (other_s, other_r) = bounded::<i32>(1);
    for _ in 0..2 {
        let mut select = Select::new();
        select.send(&s);
        let said = panics(|| select.select().send(&other_s, 1).unwrap());
        assert_eq!(said, "passed a sender that wasn't selected");
        s.send(2).unwrap();
        let mut select = Select::new();
        select.recv(&r);
        assert_eq!(
            panics(|| assert!(select.select().recv(&other_r).is_ok())),
            "passed a receiver that wasn't selected"
        );
    }
    // The right channel, the wrong direction.
    let mut select = Select::new();
    select.send(&s);
    assert_eq!(panics(|| assert!(select.select().recv(&r).is_ok())), "passed a receiver that wasn't selected");
    s.send(1).unwrap();
    let mut select = Select::new();
    select.recv(&r);
    assert_eq!(panics(|| select.select().send(&s, 1).unwrap()), "passed a sender that wasn't selected");
}

/// Semantics 16.
#[test]
fn select_15_duplicates_count() {
    everywhere(|| {
        let (s, r) = unbounded();
        let (s5, r5) = unbounded();
        let count = 6000;
        let mut hits = [0; 6];
        for _ in 0..count {
            s.send(()).unwrap();
            s5.send(()).unwrap();
            let hit = select! {
                recv(r5) -> _ => 0,
                recv(r5) -> _ => 1,
                recv(r) -> _ => 2,
                recv(r5) -> _ => 3,
                recv(r5) -> _ => 4,
                recv(r5) -> _ => 5,
            };
            hits[hit] += 1;
        }
        // Five standard deviations.
        assert!(hits.iter().all(|hit| (850..=1150).contains(hit)), "{hits:?}");
    });
}

/// Also when it is others who choose, among the lines that the select stands in.
/// Semantics 16.
#[test]
fn select_15_duplicates_that_wait_are_even() {
    in_goroutines(|| {
        let (s, r) = bounded(0);
        let count = 2000;
        let sending = beside(move || {
            for _ in 0..count {
                select! { send(s, 0) -> r => r.unwrap(), send(s, 1) -> r => r.unwrap() }
            }
        });
        let ones: i32 = (0..count)
            .map(|_| {
                yield_now();
                r.recv().unwrap()
            })
            .sum();
        sending();
        // Five standard deviations.
        assert!((count / 2 - 112..=count / 2 + 112).contains(&ones), "{ones} of {count}");
    });
}

#[test]
fn select_15_a_timeout_takes_nothing_with_it() {
    in_goroutines(|| {
        let (s, r) = bounded(2);
        let count = rounds(5000).min(1000);
        let sending = beside(move || {
            for i in 0..count {
                if i % 2 == 0 {
                    gander_runtime::sleep(Duration::from_micros(200));
                }
                loop {
                    select! {
                        send(s, i) -> r => break r.unwrap(),
                        default(Duration::from_micros(200)) => {}
                    }
                }
            }
        });
        let never = never::<()>();
        let mut next = 0;
        while next < count {
            select! {
                recv(r) -> v => { assert_eq!(v, Ok(next)); next += 1; }
                recv(never) -> _ => unreachable!(),
                default(Duration::from_micros(200)) => {}
            }
        }
        sending();
        assert!(r.recv().is_err());
    });
}

/// Semantics 16, 21.
#[test]
fn select_16_even_or_the_first() {
    everywhere(|| {
        let (s1, r1) = bounded(1);
        let (s2, r2) = bounded(1);
        let (mut first, count) = (0, 4000);
        for _ in 0..count {
            let _ = (s1.try_send(()), s2.try_send(()));
            select! {
                recv(r1) -> _ => first += 1,
                recv(r2) -> _ => {}
            }
        }
        assert!((count / 2 - 200..count / 2 + 200).contains(&first), "{first} of {count}");
        for _ in 0..100 {
            let _ = (s1.try_send(()), s2.try_send(()));
            select_biased! {
                recv(r2) -> _ => {}
                recv(r1) -> _ => panic!(),
            }
        }
    });
}

/// Semantics 3, 18.
#[test]
fn select_17_closed_meanwhile() {
    everywhere(|| {
        for closed in 0..4 {
            let (s0, r0) = bounded::<i32>(0);
            let (s1, r1) = bounded::<i32>(0);
            let (s2, r2) = bounded::<i32>(1);
            let (s3, r3) = bounded::<i32>(0);
            s2.send(0).unwrap();
            let closers: [Box<dyn Fn() -> bool>; 4] = [
                {
                    let s0 = s0.clone();
                    Box::new(move || s0.close())
                },
                {
                    let r1 = r1.clone();
                    Box::new(move || r1.close())
                },
                {
                    let s2 = s2.clone();
                    Box::new(move || s2.close())
                },
                {
                    let r3 = r3.clone();
                    Box::new(move || r3.close())
                },
            ];
            let (h0, h1, h2, h3) = (r0.clone(), s1.clone(), s2.clone(), r3.clone());
            let other = beside(move || {
                select! {
                    recv(h0) -> v => { assert_eq!(v, Err(RecvError)); 0 }
                    send(h1, 1) -> r => { assert_eq!(r, Err(SendError(1))); 1 }
                    send(h2, 2) -> r => { assert_eq!(r, Err(SendError(2))); 2 }
                    recv(h3) -> v => { assert_eq!(v, Err(RecvError)); 3 }
                }
            });
            settle();
            assert!(closers[closed]());
            assert_eq!(other(), closed);
            // The neighbours are as they were.
            assert_eq!(r2.recv(), Ok(0));
            for (i, (s, r)) in [(s0, r0), (s1, r1), (s2, r2), (s3, r3)].into_iter().enumerate() {
                assert_eq!(s.is_closed(), i == closed);
                if i != closed {
                    assert_eq!(r.try_recv(), Err(TryRecvError::Empty));
                    let other = beside(move || s.send(5));
                    assert_eq!((r.recv(), other()), (Ok(5), Ok(())));
                }
            }
        }
    });
}

#[test]
fn select_17_two_closed_at_once() {
    in_goroutines(|| {
        for _ in 0..rounds(5000) {
            let (s1, r1) = bounded::<()>(0);
            let (s2, r2) = bounded::<()>(0);
            let other = beside(move || {
                let won = select! {
                    recv(r1) -> v => { v.unwrap_err(); 1 }
                    recv(r2) -> v => { v.unwrap_err(); 2 }
                };
                (won, r1.recv(), r2.recv())
            });
            let one = beside(move || drop(s1));
            drop(s2);
            one();
            let (won, first, second) = other();
            assert!((1..=2).contains(&won) && first.is_err() && second.is_err());
        }
    });
}

/// Semantics 18.
#[test]
fn close_6_closed_channels_among_others() {
    everywhere(|| {
        let (s, r) = bounded::<i32>(0);
        let (full, rest) = bounded(1);
        drop(s);
        let mut hits = [0; 2];
        for _ in 0..1000 {
            let _ = full.try_send(1);
            select! {
                recv(r) -> v => { assert_eq!(v, Err(RecvError)); hits[0] += 1; }
                recv(rest) -> v => { assert_eq!(v, Ok(1)); hits[1] += 1; }
                default => panic!("a closed channel is ready"),
            }
        }
        assert!(hits.iter().all(|hits| *hits > 400), "{hits:?}");
        let (s, _) = bounded(0);
        select! { send(s, 1) -> r => assert_eq!(r, Err(SendError(1))), default => panic!("a closed channel is ready") }
    });
}

/// What holds an operation that was chosen may be caught when it panics; as crossbeam's.
#[test]
fn an_operation_that_was_chosen_is_unwind_safe() {
    fn caught<T: std::panic::UnwindSafe + std::panic::RefUnwindSafe>(_: &T) {}
    let (s, r) = bounded(1);
    s.send(1).unwrap();
    let mut select = Select::new();
    select.recv(&r);
    let operation = select.select();
    caught(&operation);
    assert_eq!(operation.recv(&r), Ok(1));
}
