//! Races, many times over.

mod common;

use std::cell::UnsafeCell;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicUsize, Ordering};

use common::{Chance, in_goroutines, rounds};
use gander_chan::{Receiver, RecvError, Sender, TryRecvError, bounded, unbounded};
use gander_runtime::{go, scope, spawn, yield_now};

#[test]
fn chan_13_each_is_sent_then_received() {
    in_goroutines(|| {
        const VALUES: usize = 1000;
        let table: Arc<Vec<AtomicU8>> = Arc::new((0..VALUES).map(|_| AtomicU8::new(0)).collect());
        let (s, r) = bounded::<usize>(2);
        let (over, all) = bounded(VALUES);
        for _ in 0..10 {
            let (r, table, over) = (r.clone(), Arc::clone(&table), over.clone());
            go(move || {
                while let Ok(i) = r.recv() {
                    assert_eq!(table[i].swap(2, Ordering::Relaxed), 1, "value {i}");
                    over.send(()).unwrap();
                }
            });
        }
        for i in 0..VALUES {
            assert_eq!(table[i].swap(1, Ordering::Relaxed), 0, "value {i}");
            s.send(i).unwrap();
        }
        (0..VALUES).for_each(|_| all.recv().unwrap());
        assert!(table.iter().all(|entry| entry.load(Ordering::Relaxed) == 2));
    });
}

/// Semantics 11.
#[test]
fn chan_16_linearizable() {
    in_goroutines(|| {
        for make in [|| bounded(4), unbounded as fn() -> (Sender<usize>, Receiver<usize>)] {
            let (s, r) = make();
            let over = AtomicBool::new(false);
            scope(|scope| {
                let tasks: Vec<_> = (0..4)
                    .map(|_| {
                        scope.spawn(|| {
                            for i in 0..rounds(1000) {
                                s.send(i).unwrap();
                                r.try_recv().expect("what was sent, or what another sent, is there");
                            }
                        })
                    })
                    .collect();
                scope.spawn(|| {
                    while !over.load(Ordering::Relaxed) {
                        assert!(s.len() <= 4 && r.len() <= 4);
                        yield_now();
                    }
                });
                tasks.into_iter().for_each(|t| t.join().unwrap());
                over.store(true, Ordering::Relaxed);
            });
            assert_eq!(s.len(), 0);
        }
    });
}

/// Two that each put a value and then look for the other's: not both may find nothing.
/// Semantics 10.
#[test]
fn tries_take_part_in_one_order() {
    in_goroutines(|| {
        for _ in 0..rounds(200) {
            let ((s, r), (t, q)) = (bounded(1), bounded(1));
            let (a, b) = scope(|scope| {
                let a = scope.spawn(|| {
                    s.try_send(()).unwrap();
                    q.try_recv()
                });
                t.try_send(()).unwrap();
                let b = r.try_recv();
                (a.join().unwrap(), b)
            });
            assert!(a.is_ok() || b.is_ok());
        }
    });
}

/// select-2, with tries for selects.
/// Semantics 10.
#[test]
fn select_2_try_against_close() {
    in_goroutines(|| {
        for round in 0..rounds(300) {
            let (s, r) = bounded(1);
            s.send(()).unwrap();
            let other = {
                let r = r.clone();
                spawn(move || {
                    if round % 2 == 0 {
                        yield_now();
                    }
                    r.try_recv()
                })
            };
            if round % 3 == 0 {
                yield_now();
            }
            s.close();
            assert_ne!(r.try_recv(), Err(TryRecvError::Empty));
            assert_ne!(other.join().unwrap(), Err(TryRecvError::Empty));
        }
    });
}

#[test]
fn close_3_dropping_against_operations() {
    in_goroutines(|| {
        for round in 0..rounds(300) {
            let (s, r) = bounded::<usize>(round % 3);
            let receiving = spawn(move || r.iter().count());
            let others: Vec<_> = (0..2)
                .map(|_| {
                    let s = s.clone();
                    spawn(move || (0..round % 5).for_each(|i| s.send(i).unwrap()))
                })
                .collect();
            drop(s);
            others.into_iter().for_each(|o| o.join().unwrap());
            assert_eq!(receiving.join().unwrap(), 2 * (round % 5));

            let (s, r) = bounded::<usize>(round % 3);
            let sending = spawn(move || (0..).take_while(|&i| s.send(i).is_ok()).count());
            let taken = r.iter().take(round % 5).count();
            drop(r);
            let sent = sending.join().unwrap();
            assert!(sent >= taken && sent <= taken + round % 3, "{sent} sent, {taken} taken");
        }
    });
}

#[test]
fn close_4_sent_is_received_and_failed_is_not() {
    let chance = std::sync::Mutex::new(Chance::new("close_4_sent_is_received_and_failed_is_not"));
    in_goroutines(|| {
        for _ in 0..rounds(150) {
            let (capacity, pause) = {
                let mut chance = chance.lock().unwrap();
                (chance.below(5), chance.below(50))
            };
            let (s, r) = if capacity == 4 { unbounded() } else { bounded(capacity) };
            let sending: Vec<_> = (0..3)
                .map(|part| {
                    let s = s.clone();
                    spawn(move || (0..1000).take_while(|i| s.send((part, *i)).is_ok()).count())
                })
                .collect();
            let receiving = {
                let r = r.clone();
                spawn(move || {
                    let mut next = [0; 3];
                    for (part, i) in &r {
                        assert_eq!(next[part], i, "order of one sender");
                        next[part] += 1;
                        assert!(r.capacity().is_none_or(|capacity| r.len() <= capacity));
                    }
                    assert_eq!(r.len(), 0);
                    next
                })
            };
            (0..pause).for_each(|_| yield_now());
            assert!(s.close());
            let sent: Vec<_> = sending.into_iter().map(|s| s.join().unwrap()).collect();
            assert_eq!(receiving.join().unwrap().to_vec(), sent);
            assert_eq!(r.len(), 0);
        }
    });
}

/// Semantics 6.
#[test]
fn close_wakes_everybody_once() {
    in_goroutines(|| {
        for _ in 0..rounds(20) {
            let (s, r) = bounded::<usize>(0);
            let closed = AtomicUsize::new(0);
            scope(|scope| {
                for _ in 0..50 {
                    scope.spawn(|| assert_eq!(r.recv(), Err(RecvError)));
                }
                for _ in 0..4 {
                    scope.spawn(|| {
                        yield_now();
                        closed.fetch_add(usize::from(s.close()), Ordering::Relaxed);
                    });
                }
            });
            assert_eq!(closed.into_inner(), 1);
        }
    });
}

/// Plain memory that only channel operations order.
#[derive(Default)]
#[allow(clippy::undocumented_unsafe_blocks)]
struct Plain(UnsafeCell<usize>);

#[allow(unsafe_code, reason = "the test is whether the channel orders plain accesses")]
mod plain {
    use super::Plain;

    // SAFETY: the tests order all accesses by channel operations; if they did not, that would be the fault they seek.
    unsafe impl Sync for Plain {}

    impl Plain {
        pub(crate) fn set(&self, value: usize) {
            // SAFETY: see above.
            unsafe { *self.0.get() = value }
        }

        pub(crate) fn get(&self) -> usize {
            // SAFETY: see above.
            unsafe { *self.0.get() }
        }
    }
}

/// Each round `before` and then `after` of the other task: what the first wrote the second must read.
fn ordered(before: impl Fn(&Plain, usize) + Sync, after: impl Fn(&Plain) -> usize + Sync) {
    let data = Plain::default();
    let (turn, turns) = bounded(0);
    scope(|scope| {
        let writer = scope.spawn(|| {
            for round in 1..=rounds(300) {
                before(&data, round);
                turns.recv().unwrap();
            }
        });
        for round in 1..=rounds(300) {
            assert_eq!(after(&data), round, "stale read");
            turn.send(()).unwrap();
        }
        writer.join().unwrap();
    });
}

/// Semantics 12.
#[test]
fn chan_20_happens_before() {
    in_goroutines(|| {
        for capacity in [0, 1, 10] {
            // A send before the receive of its value.
            let (s, r) = bounded(capacity);
            let write = |data: &Plain, round| {
                data.set(round);
                s.send(()).unwrap();
            };
            ordered(write, |data| {
                r.recv().unwrap();
                data.get()
            });
        }
        // A receive from an unbuffered channel before the end of its send.
        let (s, r) = bounded(0);
        let write = |data: &Plain, round| {
            data.set(round);
            r.recv().unwrap();
        };
        ordered(write, |data| {
            s.send(()).unwrap();
            data.get()
        });
        // Of capacity 1, the receive of a value before the end of the send after the next.
        let (s, r) = bounded(1);
        s.send(()).unwrap();
        let write = |data: &Plain, round| {
            data.set(round);
            r.recv().unwrap();
        };
        ordered(write, |data| {
            s.send(()).unwrap();
            data.get()
        });
        // A value that is an address.
        let (s, r) = bounded(1);
        let write = |_: &Plain, round| s.send(Box::new(round)).unwrap();
        ordered(write, |_| *r.recv().unwrap());
        // A close before a receive that fails by it.
        for capacity in [0, 1] {
            for _ in 0..rounds(100) {
                let (s, r) = bounded::<()>(capacity);
                let data = Arc::new(Plain::default());
                let theirs = Arc::clone(&data);
                go(move || {
                    theirs.set(1);
                    drop(s);
                });
                match capacity {
                    0 => assert_eq!(r.recv(), Err(RecvError)),
                    _ => assert_eq!(r.iter().count(), 0),
                }
                assert_eq!(data.get(), 1);
            }
        }
        // A channel as a mutex, and one as a wait group.
        let (lock, unlock) = bounded(1);
        let (done, all) = bounded(0);
        let data = Plain::default();
        scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..rounds(200) {
                        lock.send(()).unwrap();
                        data.set(data.get() + 1);
                        unlock.recv().unwrap();
                    }
                    done.send(()).unwrap();
                });
            }
            (0..4).for_each(|_| all.recv().unwrap());
            assert_eq!(data.get(), 4 * rounds(200));
        });
    });
}

#[test]
fn many_to_many_any_capacity() {
    in_goroutines(|| {
        for capacity in [Some(0), Some(1), Some(3), Some(100), None] {
            let (s, r) = capacity.map_or_else(unbounded, bounded);
            let each = rounds(2000);
            let sending: Vec<_> = (0..4)
                .map(|part| {
                    let s = s.clone();
                    spawn(move || (0..each).for_each(|i| s.send(part * each + i).unwrap()))
                })
                .collect();
            let receiving: Vec<_> = (0..4)
                .map(|_| {
                    let r = r.clone();
                    spawn(move || {
                        // One sender's values reach one receiver in order.
                        let mut last = [None; 4];
                        let mut count = 0;
                        for i in r {
                            assert!(last[i / each].replace(i).is_none_or(|before| before < i));
                            count += 1;
                        }
                        count
                    })
                })
                .collect();
            drop((s, r));
            sending.into_iter().for_each(|s| s.join().unwrap());
            assert_eq!(receiving.into_iter().map(|r| r.join().unwrap()).sum::<usize>(), 4 * each);
        }
    });
}
