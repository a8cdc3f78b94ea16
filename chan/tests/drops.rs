//! Every value is dropped once, whatever becomes of it.

mod common;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use common::{Chance, Counted, Ledger, in_goroutines, rounds, settle, watched};
use gander_chan::{Receiver, Sender, bounded, unbounded};
use gander_runtime::{go, spawn};

type Pair = (Sender<Counted>, Receiver<Counted>);

fn kinds() -> [fn() -> Pair; 4] {
    [|| bounded(0), || bounded(1), || bounded(50), unbounded]
}

#[test]
fn chan_4_trait_objects_are_counted_exactly() {
    trait Thing: Send + Sync {}
    impl Thing for u32 {}
    in_goroutines(|| {
        let thing: Arc<dyn Thing> = Arc::new(1_u32);
        let (s, r) = bounded(1);
        s.send(Arc::clone(&thing)).unwrap();
        assert_eq!(Arc::strong_count(&thing), 2);
        let refused = s.try_send(Arc::clone(&thing)).unwrap_err().into_inner();
        assert_eq!(Arc::strong_count(&thing), 3);
        drop(refused);
        drop(s.send_timeout(Arc::clone(&thing), Duration::from_millis(1)).unwrap_err());
        assert_eq!(Arc::strong_count(&thing), 2);
        drop(r.recv().unwrap());
        assert_eq!(Arc::strong_count(&thing), 1);
        s.send(Arc::clone(&thing)).unwrap();
        drop((s, r));
        assert_eq!(Arc::strong_count(&thing), 1);

        let (s, r) = bounded::<Box<dyn Thing>>(0);
        go(move || s.send(Box::new(5)).unwrap());
        r.recv().unwrap();
    });
}

#[test]
fn chan_15_left_in_the_buffer() {
    watched(|| {
        for count in [0, 1, 49, 1000] {
            for receiver_first in [true, false] {
                for make in [|| bounded(1001), unbounded as fn() -> Pair] {
                    let ledger = Ledger::new(count + 1);
                    let (s, r) = make();
                    // So that the ring wraps and the chain does not begin at the front of a block.
                    s.send(ledger.value(count)).unwrap();
                    (0..count).for_each(|i| s.send(ledger.value(i)).unwrap());
                    assert_eq!(r.recv().unwrap().id, count);
                    if receiver_first {
                        drop(r);
                        // No later than the channel: at once, as nobody can receive them.
                        ledger.settle();
                        drop(s);
                    } else {
                        drop(s);
                        assert!((0..count).all(|i| ledger.drops(i) == 0));
                        drop(r);
                    }
                    ledger.settle();
                }
            }
        }
    });
}

#[test]
fn chan_15_refused_and_given_back() {
    in_goroutines(|| {
        for make in kinds() {
            let ledger = Ledger::new(6);
            let (s, r) = make();
            let mut filler = 0;
            let fill = Ledger::new(50);
            while s.capacity().is_some() && s.try_send(fill.value(filler % 50)).is_ok() {
                filler += 1;
            }
            if s.capacity().is_some() {
                assert_eq!(s.try_send(ledger.value(0)).unwrap_err().into_inner().id, 0);
                let timed = s.send_timeout(ledger.value(1), Duration::from_millis(1));
                assert_eq!(timed.unwrap_err().into_inner().id, 1);
                let waiting = {
                    let (s, value) = (s.clone(), ledger.value(2));
                    spawn(move || assert_eq!(s.send(value).unwrap_err().into_inner().id, 2))
                };
                settle();
                assert_eq!(ledger.drops(2), 0);
                s.close();
                waiting.join().unwrap();
            } else {
                s.close();
                (0..3).for_each(|i| drop(ledger.value(i)));
            }
            drop(s.send(ledger.value(3)));
            drop(s.try_send(ledger.value(4)));
            drop(s.send_timeout(ledger.value(5), Duration::from_secs(9)));
            ledger.settle();
            assert_eq!(r.iter().count(), filler);
        }
    });
}

#[test]
fn chan_15_waits_in_a_frame_that_unwinds() {
    // The value of a sender that is given back and then dropped by a panic.
    in_goroutines(|| {
        let ledger = Ledger::new(1);
        let (s, r) = bounded(0);
        let value = ledger.value(0);
        let waiting = spawn(move || s.send(value).unwrap());
        settle();
        r.close();
        assert!(waiting.join().is_err());
        ledger.settle();
    });
}

#[test]
fn chan_15_channel_in_a_channel() {
    in_goroutines(|| {
        let ledger = Ledger::new(20);
        let (outer, outer_r) = bounded(2);
        for part in 0..2 {
            let (s, r) = unbounded();
            (0..10).for_each(|i| s.send(ledger.value(part * 10 + i)).unwrap());
            outer.send(r).unwrap();
        }
        let inner = outer_r.recv().unwrap();
        assert_eq!(inner.recv().unwrap().id, 0);
        drop(outer);
        assert_eq!(ledger.drops(1), 0);
        drop((outer_r, inner));
        ledger.settle();

        // A channel that holds a handle of itself is a cycle, which ends with its last receiver.
        #[derive(Debug)]
        struct Loop(#[allow(dead_code)] Sender<Loop>, #[allow(dead_code)] Counted);
        let ledger = Ledger::new(1);
        let (s, r) = bounded(1);
        s.send(Loop(s.clone(), ledger.value(0))).unwrap();
        drop(s);
        drop(r);
        ledger.settle();
    });
}

#[test]
fn chan_15_a_drop_that_panics() {
    #[derive(Debug)]
    struct Bomb(Option<Counted>, bool);
    impl Drop for Bomb {
        fn drop(&mut self) {
            drop(self.0.take());
            if self.1 {
                panic!("bomb");
            }
        }
    }
    in_goroutines(|| {
        for make in [|| bounded(100), unbounded as fn() -> (Sender<Bomb>, Receiver<Bomb>)] {
            for last_is_sender in [false, true] {
                let ledger = Ledger::new(100);
                let (s, r) = make();
                (0..100).for_each(|i| s.send(Bomb(Some(ledger.value(i)), i % 7 == 3)).unwrap());
                let s = if last_is_sender { Some(s) } else { None };
                let caught = catch_unwind(AssertUnwindSafe(|| drop(r)));
                assert_eq!(caught.unwrap_err().downcast_ref(), Some(&"bomb"));
                ledger.settle();
                if let Some(s) = s {
                    assert!(s.is_closed() && s.is_empty());
                    drop(s.send(Bomb(None, false)));
                }
            }
        }
    });
}

#[test]
fn chan_15_whatever_happens() {
    let mut chance = Chance::new("chan_15_whatever_happens");
    let chance = std::sync::Mutex::new(&mut chance);
    in_goroutines(|| {
        for _ in 0..rounds(20) {
            for make in kinds() {
                const EACH: usize = 60;
                let ledger = Arc::new(Ledger::new(3 * EACH));
                let (s, r) = make();
                let mut tasks = Vec::new();
                for part in 0..3 {
                    let (s, ledger) = (s.clone(), Arc::clone(&ledger));
                    let mut chance = chance.lock().unwrap().split();
                    tasks.push(spawn(move || {
                        for i in 0..EACH {
                            let value = ledger.value(part * EACH + i);
                            match chance.below(3) {
                                0 => drop(s.send(value)),
                                1 => drop(s.try_send(value)),
                                _ => {
                                    let micros = Duration::from_micros(chance.below(100) as u64);
                                    drop(s.send_timeout(value, micros));
                                }
                            }
                        }
                    }));
                }
                for _ in 0..2 {
                    let r = r.clone();
                    let mut chance = chance.lock().unwrap().split();
                    let few = chance.below(4) == 0;
                    tasks.push(spawn(move || {
                        for _ in 0..if few { 10 } else { 1000 } {
                            let end = match chance.below(3) {
                                0 => r.recv().is_err(),
                                1 => r.try_recv().is_err_and(|e| e.is_disconnected()),
                                _ => {
                                    let micros = Duration::from_micros(chance.below(100) as u64);
                                    r.recv_timeout(micros).is_err_and(|e| e.is_disconnected())
                                }
                            };
                            if end {
                                break;
                            }
                        }
                    }));
                }
                let close = chance.lock().unwrap().below(2) == 0;
                if close {
                    gander_runtime::yield_now();
                    r.close();
                }
                drop((s, r));
                tasks.into_iter().for_each(|t| t.join().unwrap());
                ledger.settle();
            }
        }
    });
}
