//! Loom models of the hand-over of a P and of rescue: at every step a P has one owner.
//!
//! The P of the models is a cell that loom watches: whoever takes himself for its owner writes to it, and two who do so
//! without an order between them are found.
#![cfg(loom)]
#![allow(unsafe_code, reason = "who may touch a P is what is checked")]

use gander_runtime::models::Seat;
use loom::cell::UnsafeCell;
use loom::sync::atomic::{AtomicBool, AtomicPtr, AtomicUsize, Ordering};
use loom::sync::{Arc, Mutex};
use loom::thread;

/// A P: how often it was used by an owner.
struct P(UnsafeCell<usize>);

// SAFETY: the protocol under test keeps it to one owner.
unsafe impl Sync for P {}

impl P {
    fn leak() -> &'static P {
        Box::leak(Box::new(P(UnsafeCell::new(0))))
    }

    /// What an owner does with it.
    fn work(&self) {
        // SAFETY: the caller takes itself for the owner; loom checks.
        self.0.with_mut(|count| unsafe { *count += 1 });
    }

    fn worked(&self) -> usize {
        // SAFETY: likewise.
        self.0.with(|count| unsafe { *count })
    }
}

/// A worker: its seat, and what wakes it.
struct M {
    seat: Seat<P>,
    wake: AtomicBool,
}

impl M {
    /// Out of the runtime, with a P.
    fn with(p: &P) -> M {
        let m = M::resting();
        m.seat.take(p);
        m.seat.leave_all();
        m
    }

    /// Resting, inside, without one.
    fn resting() -> M {
        M { seat: Seat::new(), wake: AtomicBool::new(false) }
    }

    /// Gives it a P and wakes it.
    fn hand(&self, p: &P) {
        self.seat.hand(p);
        self.wake.store(true, Ordering::Release);
    }

    /// Waits for a P, inside.
    fn await_p(&self) -> &'static P {
        while !self.wake.load(Ordering::Acquire) {
            thread::yield_now();
        }
        self.wake.swap(false, Ordering::Acquire);
        // SAFETY: Ps of the models are leaked, and one was handed before the wake-up.
        unsafe { &*self.seat.accept() }
    }

    /// A call to the runtime that uses the P; it wins one back through `idle` or by waiting if it has none.
    fn call(&self, idle: &Idle) {
        if self.seat.enter() && self.seat.attend() {
            self.reacquire(idle);
        }
        // SAFETY: Ps of the models are leaked.
        unsafe { (*self.seat.p()).work() };
        self.seat.leave();
    }

    fn reacquire(&self, idle: &Idle) {
        match idle.take_or_queue(self) {
            Some(p) => self.seat.take(p),
            None => {
                self.await_p();
            }
        }
    }
}

/// The scheduler's lists, under its lock: Ps that nobody needs, and workers that wait for one in the queue.
#[derive(Default)]
struct Idle(Mutex<(Vec<&'static P>, Vec<*const M>)>);

// SAFETY: the workers outlive the models' threads.
unsafe impl Sync for Idle {}
// SAFETY: likewise.
unsafe impl Send for Idle {}

impl Idle {
    fn take_or_queue(&self, m: &M) -> Option<&'static P> {
        let mut lists = self.0.lock().unwrap();
        let p = lists.0.pop();
        if p.is_none() {
            lists.1.push(m);
        }
        p
    }

    /// Gives a P that its owner does not need to whoever waits in the queue, or to the list.
    fn give(&self, p: &'static P) {
        let mut lists = self.0.lock().unwrap();
        match lists.1.pop() {
            // SAFETY: as for the type.
            Some(m) => unsafe { (*m).hand(p) },
            None => lists.0.push(p),
        }
    }
}

/// Preemption: M1 queues its goroutine and hands its P to M2. Meanwhile M3 finds that goroutine and hands its own P to
/// M1. All three go on, each with one P.
#[test]
fn a_hand_over_crossed_by_another() {
    loom::model(|| {
        let (p1, p3) = (P::leak(), P::leak());
        let (m1, m2) = (Arc::new(M::with(p1)), Arc::new(M::resting()));
        let queue = Arc::new(AtomicPtr::new(std::ptr::null_mut::<M>()));

        let (finder_queue, idle) = (queue.clone(), Arc::new(AtomicUsize::new(0)));
        let finder = thread::spawn(move || {
            // M3, inside, with p3.
            p3.work();
            let bound = finder_queue.swap(std::ptr::null_mut(), Ordering::AcqRel);
            match bound.is_null() {
                // SAFETY: m1 lives until the end of the model.
                false => unsafe { (*bound).hand(p3) },
                true => {
                    idle.fetch_add(1, Ordering::Relaxed);
                }
            }
            bound.is_null()
        });
        let heir = {
            let m2 = m2.clone();
            thread::spawn(move || m2.await_p().work())
        };

        // The handler on M1.
        assert!(!m1.seat.enter());
        p1.work();
        queue.store(Arc::as_ptr(&m1).cast_mut(), Ordering::Release);
        // SAFETY: Ps of the models are leaked.
        m2.hand(unsafe { &*m1.seat.let_go() });
        heir.join().unwrap();
        if finder.join().unwrap() {
            // Nobody found it: p1 comes back from the heir, which has nothing else to do.
            // SAFETY: likewise.
            m1.hand(unsafe { &*m2.seat.let_go() });
        }
        let back = m1.await_p();
        back.work();
        m1.seat.leave();
        assert_eq!(p1.worked() + p3.worked(), 4);
    });
}

/// Rescue against a worker that comes back from its system call: either it keeps its P, or the spare has it and the
/// worker waits for another.
#[test]
fn a_rescue_against_a_return() {
    loom::model(|| {
        let p = P::leak();
        let (m, spare, idle) = (Arc::new(M::with(p)), Arc::new(M::resting()), Arc::new(Idle::default()));
        let sysmon = {
            let (m, spare, idle) = (m.clone(), spare, idle.clone());
            thread::spawn(move || {
                if !m.seat.detach(p) {
                    return false;
                }
                // Ours; the spare worker has it, uses it, and has nothing else to do.
                spare.hand(p);
                spare.await_p().work();
                // SAFETY: Ps of the models are leaked.
                idle.give(unsafe { &*spare.seat.let_go() });
                true
            })
        };
        m.call(&idle);
        m.call(&idle);
        let rescued = sysmon.join().unwrap();
        // What sysmon gave to the list after the calls is nobody's; the worker sees it at its next.
        m.call(&idle);
        assert_eq!(p.worked(), if rescued { 4 } else { 3 });
    });
}

/// A thief that reaches into the next slot, against the owner and against sysmon, which wants to rescue.
#[test]
fn a_theft_against_a_call_and_a_rescue() {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(3);
    model.check(|| {
        let p = P::leak();
        let (m, idle) = (Arc::new(M::with(p)), Arc::new(Idle::default()));
        let thief = {
            let m = m.clone();
            thread::spawn(move || m.seat.seize(p, || p.work()).is_some())
        };
        let sysmon = {
            let (m, idle) = (m.clone(), idle.clone());
            thread::spawn(move || {
                let taken = m.seat.detach(p);
                if taken {
                    p.work();
                    idle.give(p);
                }
                taken
            })
        };
        m.call(&idle);
        let extra = usize::from(thief.join().unwrap()) + usize::from(sysmon.join().unwrap());
        m.call(&idle);
        assert_eq!(p.worked(), 2 + extra);
    });
}

/// An announced blocking call, while a thief is at the bar: the thief lifts its own bar and not the announcement.
#[test]
fn an_announcement_against_a_theft() {
    loom::model(|| {
        let p = P::leak();
        let (m, idle) = (Arc::new(M::with(p)), Arc::new(Idle::default()));
        let thief = {
            let m = m.clone();
            thread::spawn(move || m.seat.seize(p, || p.work()).is_some())
        };
        // `blocking`: inside, let go, announce, outside.
        assert!(!m.seat.enter() || !m.seat.attend());
        // SAFETY: Ps of the models are leaked.
        idle.give(unsafe { &*m.seat.let_go() });
        m.seat.announce();
        m.seat.leave();
        assert!(m.seat.is_detached());
        m.call(&idle);
        assert!(!m.seat.is_detached());
        let stolen = usize::from(thief.join().unwrap());
        assert_eq!(p.worked(), 1 + stolen);
    });
}

/// Two rescuers: one of them gets the P.
#[test]
fn two_rescues() {
    loom::model(|| {
        let p = P::leak();
        let m = Arc::new(M::with(p));
        let other = {
            let m = m.clone();
            thread::spawn(move || {
                m.seat.detach(p) && {
                    p.work();
                    true
                }
            })
        };
        let mine = m.seat.detach(p);
        if mine {
            p.work();
        }
        let theirs = other.join().unwrap();
        assert!(mine != theirs);
        assert_eq!(p.worked(), 1);
    });
}
