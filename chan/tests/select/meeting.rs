//! Selects that meet others: sends, receives, selects, in goroutines and on threads.

use super::*;

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
