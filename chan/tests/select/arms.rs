//! What a select takes, evaluates and leaves: its arms, by number and kind.

use super::*;

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
