//! Ordinary threads at both ends, among themselves and with goroutines.

mod common;

use std::cell::RefCell;
use std::thread;
use std::time::Duration;

use common::{in_goroutines, rounds, watched};
use gander_chan::{Receiver, RecvError, RecvTimeoutError, SendError, Sender, TryRecvError, bounded, unbounded};
use gander_runtime::{goroutine_local, run, spawn};

#[test]
fn chan_19_threads_alone() {
    watched(|| {
        for capacity in [0, 1, 10] {
            let (s, r) = bounded(capacity);
            let (back, answers) = bounded(capacity);
            let other = thread::spawn(move || {
                for i in r {
                    back.send(i * 2).unwrap();
                }
            });
            for i in 0..rounds(300) {
                s.send(i).unwrap();
                assert_eq!(answers.recv(), Ok(i * 2));
            }
            drop(s);
            assert_eq!(answers.recv(), Err(RecvError));
            other.join().unwrap();
        }
    });
}

#[test]
fn chan_19_threads_and_goroutines() {
    in_goroutines(|| {
        let each = if cfg!(debug_assertions) { rounds(2_500) } else { 25_000 };
        for capacity in [Some(0), Some(1), Some(64), None] {
            let (s, r) = capacity.map_or_else(unbounded, bounded);
            let send =
                |part: usize, s: Sender<usize>| move || (0..each).for_each(|i| s.send(part * each + i).unwrap());
            let receive = |r: Receiver<usize>| move || r.into_iter().fold((0, 0), |(n, sum), i| (n + 1, sum + i));
            let threads = [thread::spawn(send(0, s.clone())), thread::spawn(send(1, s.clone()))];
            let goroutines = [spawn(send(2, s.clone())), spawn(send(3, s))];
            let receiving_threads = [thread::spawn(receive(r.clone())), thread::spawn(receive(r.clone()))];
            let receiving = [spawn(receive(r.clone())), spawn(receive(r))];
            goroutines.into_iter().for_each(|g| g.join().unwrap());
            let sums = receiving.into_iter().map(|g| g.join().unwrap());
            let (mut n, mut sum) = sums.fold((0, 0), |a, b| (a.0 + b.0, a.1 + b.1));
            threads.into_iter().for_each(|t| t.join().unwrap());
            for thread in receiving_threads {
                let part = thread.join().unwrap();
                n += part.0;
                sum += part.1;
            }
            assert_eq!((n, sum), (4 * each, (4 * each) * (4 * each - 1) / 2));
        }
    });
}

#[test]
fn chan_19_thread_is_woken_by_close_and_time() {
    in_goroutines(|| {
        for capacity in [0, 1] {
            let (s, r) = bounded(capacity);
            (0..capacity).for_each(|i| s.send(i).unwrap());
            let sending = {
                let s = s.clone();
                thread::spawn(move || s.send(77))
            };
            let (nothing, never) = bounded::<()>(0);
            let receiving = thread::spawn(move || {
                assert_eq!(never.try_recv(), Err(TryRecvError::Empty));
                assert_eq!(never.recv_timeout(Duration::from_millis(2)), Err(RecvTimeoutError::Timeout));
                never.recv()
            });
            gander_runtime::sleep(Duration::from_millis(10));
            r.close();
            nothing.close();
            assert_eq!(sending.join().unwrap(), Err(SendError(77)));
            assert_eq!(receiving.join().unwrap(), Err(RecvError));
            assert_eq!(r.iter().count(), capacity);
        }
    });
}

#[test]
fn chan_19_outlives_a_run() {
    watched(|| {
        let (s, r) = bounded(1);
        run(|| s.send(1).unwrap());
        assert_eq!(r.recv(), Ok(1));
        let echo = run(|| {
            let (s, r) = (s.clone(), r.clone());
            spawn(move || s.send(r.recv().unwrap() + 1).unwrap())
        });
        s.send(5).unwrap();
        echo.join().unwrap();
        assert_eq!(r.recv(), Ok(6));
    });
}

type Ends = (Sender<u32>, Receiver<u32>);

/// Sends and receives while the locals it lies in are dropped.
struct AtEnd(Ends);

impl Drop for AtEnd {
    fn drop(&mut self) {
        self.0.0.send(self.0.1.recv().unwrap() + 1).unwrap();
    }
}

thread_local! {
    static KEPT: RefCell<Option<Ends>> = const { RefCell::new(None) };
    static AT_END: RefCell<Option<AtEnd>> = const { RefCell::new(None) };
}

goroutine_local! {
    static OWN_KEPT: RefCell<Option<Ends>> = RefCell::new(None);
    static OWN_AT_END: RefCell<Option<AtEnd>> = RefCell::new(None);
}

/// Thread-locals end with their thread. Those of a goroutine do not end with it (its thread-local block goes to the
/// next goroutine on its stack): what shall end with a goroutine is goroutine-local, and ends with a thread too.
#[test]
fn chan_18_handles_in_locals() {
    let kept = |start: fn(Ends)| {
        let ((s, their_r), (their_s, r)) = (bounded(0), bounded(0));
        start((their_s, their_r));
        assert_eq!(r.recv(), Err(RecvError));
        assert_eq!(s.send(1), Err(SendError(1)));
    };
    let used_at_end = |start: fn(Ends)| {
        let ((s, their_r), (their_s, r)) = (bounded(0), bounded(0));
        start((their_s, their_r));
        s.send(1).unwrap();
        assert_eq!(r.recv(), Ok(2));
        assert_eq!(r.recv(), Err(RecvError));
    };
    in_goroutines(|| {
        kept(|ends| drop(thread::spawn(|| KEPT.set(Some(ends)))));
        kept(|ends| drop(thread::spawn(|| OWN_KEPT.with_borrow_mut(|own| *own = Some(ends)))));
        kept(|ends| drop(spawn(|| OWN_KEPT.with_borrow_mut(|own| *own = Some(ends)))));
        used_at_end(|ends| drop(thread::spawn(|| AT_END.set(Some(AtEnd(ends))))));
        used_at_end(|ends| drop(thread::spawn(|| OWN_AT_END.with_borrow_mut(|own| *own = Some(AtEnd(ends))))));
        used_at_end(|ends| drop(spawn(|| OWN_AT_END.with_borrow_mut(|own| *own = Some(AtEnd(ends))))));
    });
}
