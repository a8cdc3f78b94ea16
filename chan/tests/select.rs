//! Selects: exactly one operation happens. Named after the rows of Go's and crossbeam's behaviours.

mod common;

use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use common::{in_goroutines, watched};
use gander_chan::{
    Receiver, RecvError, Select, SendError, Sender, TryRecvError, after, bounded, never, select, select_biased,
    unbounded,
};
use gander_runtime::{go, spawn, yield_now};

const MS: Duration = Duration::from_millis(1);

/// How often a race is run.
fn rounds(release: usize) -> usize {
    if cfg!(debug_assertions) || std::env::var_os("GANDER_TEST_SMALL").is_some() { release / 50 } else { release }
}

/// What holds in goroutines holds on threads.
fn everywhere(test: impl Fn() + Sync) {
    in_goroutines(&test);
    watched(&test);
}

/// Runs in a goroutine beside one, and on a thread beside a thread.
fn beside<R: Send + 'static>(f: impl FnOnce() -> R + Send + 'static) -> Box<dyn FnOnce() -> R> {
    if gander_runtime::is_goroutine() {
        let handle = spawn(f);
        Box::new(|| handle.join().unwrap())
    } else {
        let handle = std::thread::spawn(f);
        Box::new(|| handle.join().unwrap())
    }
}

/// Lets others come to rest.
fn settle() {
    for _ in 0..10 {
        yield_now();
    }
    gander_runtime::sleep(MS / 2);
}

/// Semantics 17.
#[test]
fn select_1_there_is_always_something() {
    in_goroutines(|| {
        for _ in 0..rounds(20_000) {
            let (s1, r1) = bounded(1);
            let (s2, r2) = bounded::<()>(0);
            s1.send(()).unwrap();
            let other = {
                let (r1, r2) = (r1.clone(), r2.clone());
                beside(move || {
                    select! {
                        recv(r1) -> _ => true,
                        recv(r2) -> _ => true,
                        default => false,
                    }
                })
            };
            drop(s2);
            let _ = r1.try_recv();
            assert!(other(), "nothing was ready");
        }
    });
}

#[test]
fn select_3_stress() {
    in_goroutines(|| {
        let count = rounds(20_000);
        let channels: Vec<_> = [0, 0, 2, 3].map(bounded::<usize>).into_iter().collect();
        let mut all: Vec<Box<dyn FnOnce()>> = Vec::new();
        for (s, r) in channels.clone() {
            all.push(beside(move || (0..count).for_each(|i| s.send(i).unwrap())));
            all.push(beside(move || (0..count).for_each(|_| assert!(r.recv().is_ok()))));
        }
        let senders: Vec<_> = channels.iter().map(|(s, _)| s.clone()).collect();
        all.push(beside(move || {
            let mut left = [count; 4];
            for _ in 0..4 * count {
                let mut select = Select::new();
                let on: Vec<_> = (0..4).filter(|i| left[*i] > 0).collect();
                on.iter().for_each(|i| assert!(select.send(&senders[*i]) < 4));
                let operation = select.select();
                let i = on[operation.index()];
                operation.send(&senders[i], left[i]).unwrap();
                left[i] -= 1;
            }
        }));
        let mut receivers: Vec<_> = channels.iter().map(|(_, r)| r.clone()).collect();
        all.push(beside(move || {
            let mut left = [count; 4];
            for _ in 0..4 * count {
                let i = select! {
                    recv(receivers[0]) -> v => { v.unwrap(); 0 }
                    recv(receivers[1]) -> v => { v.unwrap(); 1 }
                    recv(receivers[2]) -> v => { v.unwrap(); 2 }
                    recv(receivers[3]) -> v => { v.unwrap(); 3 }
                };
                left[i] -= 1;
                if left[i] == 0 {
                    receivers[i] = never();
                }
            }
        }));
        all.into_iter().for_each(|join| join());
        assert!(channels.iter().all(|(s, _)| s.is_empty()));
    });
}

#[test]
fn select_4_duplicates_disappear() {
    everywhere(|| {
        let (sc, rc) = bounded(0);
        let (sd, rd) = bounded(0);
        let (twice, d) = (rc.clone(), rd.clone());
        let a = beside(move || {
            select! {
                recv(twice) -> _ => 1,
                recv(twice) -> _ => 2,
                recv(d) -> v => v.unwrap(),
            }
        });
        settle();
        let b = beside(move || rc.recv());
        settle();
        sd.send(3).unwrap();
        assert_eq!(a(), 3);
        sc.send(4).unwrap();
        assert_eq!(b(), Ok(4));

        let (sc, rc) = bounded(0);
        let (sd, rd) = bounded(0);
        let (twice, d) = (sc.clone(), sd.clone());
        let a = beside(move || {
            select! {
                send(twice, 1) -> _ => 1,
                send(twice, 2) -> _ => 2,
                send(d, 3) -> r => { r.unwrap(); 3 }
            }
        });
        settle();
        let b = beside(move || sc.send(4));
        settle();
        assert_eq!(rd.recv(), Ok(3));
        assert_eq!(a(), 3);
        assert_eq!(rc.recv(), Ok(4));
        assert_eq!(b(), Ok(()));
    });
}

#[test]
fn select_5_arms_that_are_switched_off() {
    everywhere(|| {
        let (s, r) = bounded(1);
        let (off, closed) = (never(), bounded(0).0);
        for i in 0..20 {
            let is_send = i % 2 == 0;
            let done = select! {
                send(if is_send { &s } else { &closed }, i) -> _ => "sent or closed",
                recv(if is_send { &off } else { &r }) -> v => { assert_eq!(v, Ok(i - 1)); "received" }
            };
            if is_send {
                assert_eq!(done, "sent or closed");
            } else if done != "received" {
                assert_eq!(r.recv(), Ok(i - 1));
            }
        }
    });
}

/// The parts of select-6 that have a meaning here: what is never ready, and what always is.
/// Semantics 2.
#[test]
fn select_6_what_waits_and_what_does_not() {
    everywhere(|| {
        let none = never::<i32>();
        let (s0, r0) = bounded::<i32>(0);
        let (s1, r1) = bounded::<i32>(1);
        let (_s, empty) = bounded::<i32>(1);
        // What waits.
        select! { recv(none) -> _ => panic!(), default => {} }
        select! { recv(none) -> _ => panic!(), recv(empty) -> _ => panic!(), default(MS) => {} }
        select! { recv(empty) -> _ => panic!(), send(s0, 1) -> _ => panic!(), default => {} }
        // A task does not meet itself.
        select! { send(s0, 1) -> _ => panic!(), recv(r0) -> _ => panic!(), default(MS) => {} }
        select! { default => {} }
        select! { default(MS) => {} }
        // What does not.
        select! { send(s1, 1) -> r => r.unwrap(), default => panic!() }
        select! { send(s1, 2) -> _ => panic!(), default => {} }
        select! { recv(r1) -> v => assert_eq!(v, Ok(1)), recv(none) -> _ => panic!(), default => panic!() }
        drop((s0, r1));
        for _ in 0..10 {
            select! { recv(r0) -> v => assert_eq!(v, Err(RecvError)), default => panic!() }
            select! { recv(r0) -> v => assert_eq!(v, Err(RecvError)), recv(empty) -> _ => panic!(), default => panic!() }
            select! { send(s1, 3) -> r => assert_eq!(r, Err(SendError(3))), default => panic!() }
            select! { send(s1, 3) -> r => assert_eq!(r, Err(SendError(3))), recv(none) -> _ => panic!() }
        }
    });
}

/// Semantics 15.
#[test]
fn select_7_only_the_winners_parts_are_evaluated() {
    everywhere(|| {
        let (s1, r1) = bounded(1);
        let (s2, _r2) = bounded(0);
        let evaluated = Cell::new(0);
        let value = |v| {
            evaluated.set(evaluated.get() + 1);
            v
        };
        let kept = String::from("kept");
        select! {
            send(s1, value("won")) -> r => r.unwrap(),
            send(s2, { value("lost"); kept }) -> _ => panic!(),
        }
        assert_eq!((evaluated.get(), r1.recv()), (1, Ok("won")));
    });
}

/// All pairs of a receiver and a sender, each plain, or in a select beside an idle receive or an idle send.
#[test]
fn select_8_all_kinds_meet() {
    fn receive(kind: usize, r: &Receiver<i32>) -> i32 {
        let (idle_s, idle_r) = bounded::<i32>(0);
        match kind {
            0 => r.recv().unwrap(),
            1 => select! { recv(r) -> v => v.unwrap(), recv(idle_r) -> _ => panic!() },
            _ => select! { recv(r) -> v => v.unwrap(), send(idle_s, 0) -> _ => panic!() },
        }
    }
    fn send(kind: usize, s: &Sender<i32>) {
        let (idle_s, idle_r) = bounded::<i32>(0);
        match kind {
            0 => s.send(7).unwrap(),
            1 => select! { send(s, 7) -> r => r.unwrap(), recv(idle_r) -> _ => panic!() },
            _ => select! { send(s, 7) -> r => r.unwrap(), send(idle_s, 0) -> _ => panic!() },
        }
    }
    everywhere(|| {
        for receiver in 0..3 {
            for sender in 0..3 {
                for capacity in [0, 1] {
                    for (waits_first, settles) in [(true, true), (false, true), (true, false), (false, false)] {
                        let (s, r) = bounded(capacity);
                        if waits_first {
                            let other = beside(move || receive(receiver, &r));
                            settles.then(settle);
                            send(sender, &s);
                            assert_eq!(other(), 7);
                        } else {
                            let other = beside(move || send(sender, &s));
                            settles.then(settle);
                            assert_eq!(receive(receiver, &r), 7);
                            other();
                        }
                    }
                }
            }
        }
    });
}

#[test]
fn select_9_control_flow() {
    fn question(r: &Receiver<i32>) -> Result<i32, RecvError> {
        let never = never::<()>();
        loop {
            select! {
                recv(r) -> v => {
                    match v? {
                        0 => continue,
                        1 => break,
                        v => return Ok(v),
                    }
                }
                recv(never) -> _ => unreachable!(),
            }
        }
        Ok(-1)
    }
    everywhere(|| {
        let (s, r) = unbounded();
        [0, 0, 5, 0, 1, 7].into_iter().for_each(|v| s.send(v).unwrap());
        drop(s);
        assert_eq!([question(&r), question(&r), question(&r)], [Ok(5), Ok(-1), Ok(7)]);
        assert_eq!(question(&r), Err(RecvError));
        let (_s, r) = bounded::<()>(0);
        let mut turns = 0;
        'outer: loop {
            for _ in 0..2 {
                turns += 1;
                select! {
                    recv(r) -> _ => break,
                    default => match turns {
                        1 => {}
                        2 => continue 'outer,
                        _ => break 'outer,
                    },
                }
            }
        }
    });
}

#[test]
fn select_10_waiters_in_many_places_all_end() {
    in_goroutines(|| {
        for _ in 0..rounds(2000) {
            let (s, r) = bounded::<()>(0);
            let all: Vec<_> = (0..10)
                .map(|_| {
                    let r = r.clone();
                    beside(move || {
                        select! { recv(r) -> v => v, recv(r) -> v => v, recv(r) -> v => v }
                    })
                })
                .collect();
            yield_now();
            s.close();
            all.into_iter().for_each(|join| assert_eq!(join(), Err(RecvError)));
        }
    });
}

/// Semantics 20.
#[test]
fn select_11_any_number_of_cases() {
    everywhere(|| {
        let most = if cfg!(debug_assertions) { 5_000 } else { 65_536 };
        for count in [1, 2, 3, 10, most] {
            let channels: Vec<_> = (0..count).map(|_| bounded(1)).collect();
            let mut select = Select::new();
            for (_, r) in &channels {
                select.recv(r);
            }
            assert!(select.try_select().is_err() && select.try_ready().is_err());
            assert!(select.select_timeout(MS).is_err());
            for i in [0, count / 2, count - 1] {
                let (s, r) = &channels[i];
                s.send(i).unwrap();
                assert_eq!(select.ready(), i);
                let operation = select.select();
                assert_eq!((operation.index(), operation.recv(r)), (i, Ok(i)));
                // And after having waited.
                let late = s.clone();
                let other = beside(move || late.send(i).unwrap());
                let operation = select.select();
                assert_eq!((operation.index(), operation.recv(r)), (i, Ok(i)));
                other();
            }
        }
    });
}

/// Semantics 17.
#[test]
fn select_11_nothing_at_all() {
    let mut select = Select::new();
    assert!(select.try_select().is_err() && select.try_ready().is_err());
    let start = Instant::now();
    assert!(select.select_timeout(MS).is_err() && select.ready_deadline(start + 2 * MS).is_err());
    assert!(start.elapsed() >= 2 * MS);
    let message = "no operations have been added to `Select`";
    assert_eq!(panics(|| assert_eq!(Select::new().ready(), 0)), message);
    assert_eq!(panics(|| assert_eq!(Select::new().select().index(), 0)), message);
}

/// Semantics 17.
#[test]
fn select_12_there_is_room_for_everybody() {
    in_goroutines(|| {
        const N: usize = 4;
        let channels: Arc<Vec<_>> = Arc::new((0..N).map(|_| bounded::<usize>(N)).collect());
        let all: Vec<_> = (0..N)
            .map(|i| {
                let channels = Arc::clone(&channels);
                beside(move || {
                    for round in 0..rounds(10_000) {
                        let mut select = Select::new();
                        channels.iter().for_each(|(s, _)| assert!(select.send(s) < N));
                        let operation = if round % 2 == 0 {
                            select.try_select().expect("there is room")
                        } else {
                            select.select_timeout(Duration::from_secs(30)).expect("there is room")
                        };
                        let at = operation.index();
                        operation.send(&channels[at].0, i).unwrap();
                        let mut select = Select::new();
                        channels.iter().for_each(|(_, r)| assert!(select.recv(r) < N));
                        let operation = select.try_select().expect("there is a value");
                        let at = operation.index();
                        assert!(operation.recv(&channels[at].1).unwrap() < N);
                    }
                })
            })
            .collect();
        all.into_iter().for_each(|join| join());
    });
}

#[test]
fn select_13_small() {
    everywhere(|| {
        // Ready before, both ready, closed beats default, a deadline in the past.
        let (s1, r1) = bounded(1);
        let (s2, r2) = bounded(1);
        s1.send(1).unwrap();
        s2.send(2).unwrap();
        for _ in 0..2 {
            select! {
                recv(r1) -> v => assert_eq!(v, Ok(1)),
                recv(r2) -> v => assert_eq!(v, Ok(2)),
            }
        }
        assert!(r1.is_empty() && r2.is_empty());
        let mut select = Select::new();
        select.recv(&r1);
        assert!(select.select_deadline(Instant::now() - MS).is_err());
        assert!(select.select_deadline(Instant::now() + MS).is_err());
        s1.send(3).unwrap();
        assert_eq!(select.select_deadline(Instant::now() - MS).unwrap().recv(&r1), Ok(3));
        // Clones are one channel.
        let clone = s1.clone();
        drop(s1);
        select! { recv(r1) -> _ => panic!(), default => {} }
        drop(clone);
        select! { recv(r1) -> v => assert!(v.is_err()), default => panic!() }
        // A partner that comes late is found.
        let (s, r) = bounded(0);
        let other = beside(move || s.send(9).unwrap());
        let found = loop {
            select! {
                recv(r) -> v => break v,
                default => yield_now(),
            }
        };
        assert_eq!(found, Ok(9));
        other();
    });
}

fn no_value() -> i32 {
    panic!("no value")
}

fn panics(f: impl FnOnce()) -> String {
    let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(f)).unwrap_err();
    caught.downcast_ref::<&str>().map(ToString::to_string).or_else(|| caught.downcast_ref().cloned()).unwrap()
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

#[test]
fn select_18_a_chain() {
    everywhere(|| {
        let (s1, r1) = bounded(0);
        let (s2, r2) = bounded(0);
        let never = never::<()>();
        let other = beside(move || {
            let v: i32 = select! { recv(r1) -> v => v.unwrap(), recv(never) -> _ => unreachable!() };
            select! { send(s2, v + 1) -> r => r.unwrap(), recv(never) -> _ => unreachable!() }
        });
        settle();
        select! { send(s1, 1) -> r => r.unwrap(), recv(r2) -> _ => panic!() }
        select! { recv(r2) -> v => assert_eq!(v, Ok(2)), default(Duration::from_secs(30)) => panic!() }
        other();
    });
}

/// Many selects over the same channels in different orders, sending and receiving both: nobody waits for ever.
/// Semantics 19.
#[test]
fn selects_that_face_each_other() {
    in_goroutines(|| {
        let channels: Arc<Vec<_>> = Arc::new((0..3).map(|i| bounded::<usize>(i % 2)).collect());
        let (sent, received) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let total = rounds(20_000);
        let all: Vec<_> = (0..4)
            .map(|me| {
                let channels = Arc::clone(&channels);
                let (sent, received) = (Arc::clone(&sent), Arc::clone(&received));
                let work = move || {
                    while received.load(Ordering::Relaxed) < total {
                        let [a, b, c] = [me % 3, (me + 1) % 3, (me + 2) % 3];
                        select! {
                            send(channels[a].0, me) -> r => { r.unwrap(); sent.fetch_add(1, Ordering::Relaxed); }
                            recv(channels[b].1) -> v => { v.unwrap(); received.fetch_add(1, Ordering::Relaxed); }
                            recv(channels[a].1) -> v => { v.unwrap(); received.fetch_add(1, Ordering::Relaxed); }
                            send(channels[c].0, me) -> r => { r.unwrap(); sent.fetch_add(1, Ordering::Relaxed); }
                            default(MS) => {}
                        }
                    }
                };
                // Goroutines and threads, mixed.
                if me % 2 == 0 {
                    beside(work)
                } else {
                    let handle = std::thread::spawn(work);
                    Box::new(|| gander_runtime::blocking(|| handle.join().unwrap()))
                }
            })
            .collect();
        all.into_iter().for_each(|join| join());
        let left: usize = channels.iter().map(|(s, _)| s.len()).sum();
        assert_eq!(sent.load(Ordering::Relaxed), received.load(Ordering::Relaxed) + left);
    });
}

/// A promise that is taken up by all kinds of receives, also those that do not wait.
#[test]
fn promises_are_kept() {
    everywhere(|| {
        let never = never::<()>();
        for kind in 0..5 {
            let (s, r) = bounded(0);
            let idle = never.clone();
            let other = beside(move || {
                select! { send(s, "value".to_string()) -> r => r.unwrap(), recv(idle) -> _ => unreachable!() }
            });
            let value = loop {
                match kind {
                    0 => break r.recv().unwrap(),
                    1 => match r.try_recv() {
                        Ok(value) => break value,
                        Err(error) => assert_eq!(error, TryRecvError::Empty),
                    },
                    2 => break r.recv_timeout(Duration::from_secs(30)).unwrap(),
                    3 => select! {
                        recv(r) -> v => break v.unwrap(),
                        recv(never) -> _ => unreachable!(),
                        default => {}
                    },
                    _ => select! {
                        recv(never) -> _ => unreachable!(),
                        recv(r) -> v => break v.unwrap(),
                    },
                }
                yield_now();
            };
            assert_eq!(value, "value");
            other();
        }
    });
}

#[test]
fn a_select_in_a_full_buffer_gets_the_place_that_becomes_free() {
    everywhere(|| {
        let (s, r) = bounded(1);
        s.send(0).unwrap();
        let (idle, theirs) = (never::<()>(), s.clone());
        let other = beside(move || {
            select! { send(theirs, 1) -> r => r.unwrap(), recv(idle) -> _ => unreachable!() }
        });
        settle();
        assert_eq!((r.recv(), r.recv()), (Ok(0), Ok(1)));
        other();
        assert!(s.try_send(2).is_ok() && s.try_send(3).is_err());
    });
}

#[test]
fn ready_watches_and_takes_nothing() {
    everywhere(|| {
        let (s, r) = bounded(0);
        let (full, rest) = bounded(1);
        full.send(0).unwrap();
        let (theirs, theirs_full) = (r.clone(), full.clone());
        let watcher = beside(move || {
            let mut select = Select::new();
            select.recv(&theirs);
            select.send(&theirs_full);
            select.ready()
        });
        settle();
        // What only watches does not count as a receiver or a sender.
        assert!(s.try_send(1).is_err());
        assert_eq!((rest.len(), rest.recv()), (1, Ok(0)));
        assert_eq!(watcher(), 1);
        let theirs = r.clone();
        let watcher = beside(move || {
            let mut select = Select::new();
            select.recv(&theirs);
            select.ready_timeout(Duration::from_secs(30))
        });
        let other = beside(move || s.send(1).unwrap());
        assert_eq!(watcher(), Ok(0));
        assert_eq!(r.recv(), Ok(1));
        other();
    });
}

/// Who watches learns of partners of every kind, also of those that wait in a select.
#[test]
fn ready_sees_selects() {
    everywhere(|| {
        for watches_send in [false, true] {
            for watcher_first in [false, true] {
                let (s, r) = bounded(0);
                let ends = (s.clone(), r.clone());
                let (idle, ws, wr) = (never::<()>(), s.clone(), r.clone());
                let watch = move || {
                    let mut select = Select::new();
                    if watches_send {
                        select.send(&ws)
                    } else {
                        select.recv(&wr)
                    };
                    select.ready();
                };
                let partner = move || {
                    if watches_send {
                        select! { recv(r) -> v => v.unwrap(), recv(idle) -> _ => unreachable!() }
                    } else {
                        select! { send(s, 7) -> r => r.unwrap(), recv(idle) -> _ => unreachable!() }
                        7
                    }
                };
                let (first, second) = {
                    let watch: Box<dyn FnOnce() + Send> = Box::new(watch);
                    let partner: Box<dyn FnOnce() + Send> = Box::new(move || assert_eq!(partner(), 7));
                    if watcher_first { (watch, partner) } else { (partner, watch) }
                };
                let (first, second) = {
                    let first = beside(first);
                    settle();
                    (first, beside(second))
                };
                settle();
                let (watcher, partner) = if watcher_first { (first, second) } else { (second, first) };
                watcher();
                if watches_send {
                    ends.0.send(7).unwrap();
                } else {
                    assert_eq!(ends.1.recv(), Ok(7));
                }
                partner();
            }
        }
    });
}

#[test]
fn clocks_among_the_arms() {
    everywhere(|| {
        let (s, r) = bounded(0);
        let start = Instant::now();
        select! {
            recv(r) -> v => { let _: Result<i32, _> = v; panic!() }
            recv(after(2 * MS)) -> v => assert!(v.unwrap() >= start + 2 * MS),
            recv(after(Duration::from_secs(3600))) -> _ => panic!(),
        }
        let other = beside(move || s.send(1).unwrap());
        select! {
            recv(r) -> v => assert_eq!(v, Ok(1)),
            recv(after(Duration::from_secs(3600))) -> _ => panic!(),
        }
        other();
        // One that is stopped, and goes off when it is set.
        let clock = Arc::new(gander_chan::clock::Clock::stopped());
        let theirs = Arc::clone(&clock);
        let other = beside(move || {
            select! {
                recv(theirs.receiver()) -> v => v.unwrap(),
                default(Duration::from_secs(30)) => panic!(),
            };
            let never = never::<()>();
            select! {
                recv(theirs.receiver()) -> v => v.unwrap(),
                recv(never) -> _ => unreachable!(),
                default(Duration::from_secs(30)) => panic!(),
            }
        });
        settle();
        clock.reset(MS, Some(MS));
        other();
    });
}

#[test]
fn values_of_all_sizes() {
    everywhere(|| {
        fn through<T: Clone + PartialEq + std::fmt::Debug + Send + 'static>(value: T) {
            let (s, r) = bounded(0);
            let theirs = value.clone();
            let idle = never::<()>();
            let other = beside(move || {
                select! { send(s, theirs) -> r => r.unwrap(), recv(idle) -> _ => unreachable!() }
            });
            let mut select = Select::new();
            select.recv(&r);
            let operation = select.select();
            assert_eq!(operation.recv(&r), Ok(value));
            other();
        }
        #[derive(Clone, Debug, PartialEq)]
        #[repr(align(256))]
        struct Aligned(u8);
        through(());
        through([7_u64; 8]);
        through([7_u64; 9]);
        through(vec![1; 1000]);
        through([3_u8; 40_000]);
        through(Aligned(9));
    });
}

#[test]
fn a_value_never_changes_threads_by_being_abandoned() {
    use std::rc::Rc;
    let (s, r) = bounded(1);
    let value = Rc::new(());
    s.send(Rc::clone(&value)).unwrap();
    let mut select = Select::new();
    select.recv(&r);
    let select = std::sync::Mutex::new(select);
    std::thread::scope(|scope| {
        scope.spawn(|| panics(|| drop(select.lock().unwrap().select())));
    });
    // Forgotten there, not dropped.
    assert_eq!(Rc::strong_count(&value), 2);
}

#[test]
fn threads_and_goroutines_in_one_select() {
    watched(|| {
        let count = rounds(20_000);
        let (s1, r1) = bounded(0);
        let (s2, r2) = bounded(3);
        let (total, sum) = bounded(0);
        let (one, two) = (r1.clone(), r2.clone());
        let thread = std::thread::spawn(move || {
            let mut got = 0;
            while let Ok(v) = select! { recv(one) -> v => v, recv(two) -> v => v } {
                got += v;
            }
            total.send(got).unwrap();
        });
        let mine = gander_runtime::run(move || {
            for s in [s1, s2] {
                go(move || (0..count).for_each(|_| s.send(1).unwrap()));
            }
            let mut got = 0;
            while let Ok(v) = select! { recv(r1) -> v => v, recv(r2) -> v => v } {
                got += v;
            }
            got += r1.iter().sum::<usize>() + r2.iter().sum::<usize>();
            got
        });
        let theirs = sum.recv().unwrap();
        thread.join().unwrap();
        // The thread may have stopped at the first end that it saw.
        assert!(mine + theirs <= 2 * count);
        assert_eq!(mine + theirs, 2 * count);
    });
}

/// Plain data, ordered by nothing but selects: with one case, two, four, a default in a loop, and lists that send and
/// receive on the same channels.
/// Semantics 12.
#[test]
fn select_19_what_a_select_orders() {
    struct Plain(std::cell::UnsafeCell<usize>);
    // SAFETY: the selects order the accesses; that is what is tested.
    #[allow(unsafe_code, reason = "plain data without a lock is the point")]
    unsafe impl Sync for Plain {}
    impl Plain {
        #[allow(unsafe_code, reason = "plain data without a lock is the point")]
        fn write(&self, value: usize) {
            // SAFETY: ordered by the selects.
            unsafe { *self.0.get() = value }
        }
        #[allow(unsafe_code, reason = "plain data without a lock is the point")]
        fn read(&self) -> usize {
            // SAFETY: ordered by the selects.
            unsafe { *self.0.get() }
        }
    }
    fn send(kind: usize, s: &Sender<()>) {
        let idle = never::<()>();
        match kind {
            0 => select! { send(s, ()) -> r => r.unwrap() },
            1 => select! { send(s, ()) -> r => r.unwrap(), recv(idle) -> _ => unreachable!() },
            2 => loop {
                select! { send(s, ()) -> r => break r.unwrap(), default => yield_now() }
            },
            _ => select! {
                recv(idle) -> _ => unreachable!(),
                send(s, ()) -> r => r.unwrap(),
                recv(idle) -> _ => unreachable!(),
                recv(idle) -> _ => unreachable!(),
            },
        }
    }
    fn receive(kind: usize, r: &Receiver<()>) {
        let idle = never::<()>();
        match kind {
            0 => select! { recv(r) -> v => v.unwrap() },
            1 => select! { recv(r) -> v => v.unwrap(), recv(idle) -> _ => unreachable!() },
            2 => loop {
                select! { recv(r) -> v => break v.unwrap(), recv(idle) -> _ => unreachable!(), default => yield_now() }
            },
            _ => select! {
                recv(idle) -> _ => unreachable!(),
                recv(idle) -> _ => unreachable!(),
                recv(idle) -> _ => unreachable!(),
                recv(r) -> v => v.unwrap(),
            },
        }
    }
    in_goroutines(|| {
        for kinds in 0..16 {
            let (sends, receives) = (kinds / 4, kinds % 4);
            for capacity in [0, 1] {
                if (sends, receives, capacity) == (2, 2, 0) {
                    continue; // Two that do not wait never meet.
                }
                let data = Arc::new(Plain(std::cell::UnsafeCell::new(0)));
                let (s, r) = bounded(capacity);
                let (back, answer) = bounded(capacity);
                let (theirs, count) = (Arc::clone(&data), rounds(2000));
                let other = beside(move || {
                    for i in 0..count {
                        theirs.write(2 * i + 1);
                        send(sends, &s);
                        receive(receives, &answer);
                        assert_eq!(theirs.read(), 2 * i + 2);
                    }
                });
                for i in 0..count {
                    receive(receives, &r);
                    assert_eq!(data.read(), 2 * i + 1);
                    data.write(2 * i + 2);
                    send(sends, &back);
                }
                other();
            }
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
