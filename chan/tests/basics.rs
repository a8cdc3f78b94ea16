//! What a channel does, one thing at a time.

mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use common::{in_goroutines, settle, until_waits, watched};
use gander_chan::{
    Receiver, RecvError, RecvTimeoutError, SendError, SendTimeoutError, Sender, TryRecvError, TrySendError,
    bounded, unbounded,
};
use gander_runtime::{go, run, scope, spawn};

#[test]
fn chan_1_receive_from_empty_blocks() {
    in_goroutines(|| {
        for capacity in 0..64 {
            let (s, r) = bounded(capacity);
            let done = Arc::new(AtomicUsize::new(0));
            let waiting: Vec<_> = (0..2)
                .map(|_| {
                    let (r, done) = (r.clone(), Arc::clone(&done));
                    spawn(move || {
                        assert_eq!(r.recv(), Ok(7));
                        done.fetch_add(1, Ordering::SeqCst);
                    })
                })
                .collect();
            if capacity % 16 == 0 {
                settle();
            }
            assert_eq!(done.load(Ordering::SeqCst), 0);
            assert_eq!(r.try_recv(), Err(TryRecvError::Empty));
            s.send(7).unwrap();
            s.send(7).unwrap();
            waiting.into_iter().for_each(|w| w.join().unwrap());
        }
    });
}

#[test]
fn chan_1_send_to_full_blocks() {
    in_goroutines(|| {
        for capacity in 0..16 {
            let (s, r) = bounded(capacity);
            (0..capacity).for_each(|i| s.send(i).unwrap());
            let done = Arc::new(AtomicUsize::new(0));
            let sending = {
                let (s, done) = (s.clone(), Arc::clone(&done));
                spawn(move || {
                    s.send(capacity).unwrap();
                    done.fetch_add(1, Ordering::SeqCst);
                })
            };
            settle();
            assert_eq!(done.load(Ordering::SeqCst), 0);
            assert_eq!(s.try_send(99), Err(TrySendError::Full(99)));
            for i in 0..=capacity {
                assert_eq!(r.recv(), Ok(i));
            }
            sending.join().unwrap();
            assert_eq!(r.try_recv(), Err(TryRecvError::Empty));
        }
    });
}

#[test]
fn chan_2_fifo() {
    in_goroutines(|| {
        for capacity in (0..64).map(Some).chain([None]) {
            let (s, r) = capacity.map_or_else(unbounded, bounded);
            go(move || (0..100).for_each(|i| s.send(i).unwrap()));
            for i in 0..100 {
                assert_eq!(r.recv(), Ok(i));
            }
            assert_eq!(r.recv(), Err(RecvError));
        }
    });
}

/// Semantics 11.
#[test]
fn chan_3_len_and_capacity() {
    in_goroutines(|| {
        for capacity in 1..20 {
            let (s, r) = bounded(capacity);
            assert_eq!((s.len(), r.len(), s.capacity(), r.capacity()), (0, 0, Some(capacity), Some(capacity)));
            assert!(s.is_empty() && r.is_empty() && !s.is_full() && !r.is_full());
            (0..capacity).for_each(|i| s.send(i).unwrap());
            assert_eq!((s.len(), r.len()), (capacity, capacity));
            assert!(!s.is_empty() && !r.is_empty() && s.is_full() && r.is_full());
            for k in 1..=capacity / 2 {
                r.recv().unwrap();
                assert_eq!(s.len(), capacity - k);
            }
            assert!(s.close());
            assert_eq!((s.len(), r.len()), (capacity - capacity / 2, capacity - capacity / 2));
            assert_eq!(r.iter().count(), capacity - capacity / 2);
            assert_eq!((s.len(), r.len()), (0, 0));
        }
        let (s, r) = bounded(0);
        let shows_nothing = || {
            assert_eq!((s.len(), r.len(), s.capacity()), (0, 0, Some(0)));
            assert!(s.is_empty() && s.is_full() && r.is_empty() && r.is_full());
        };
        shows_nothing();
        let sending = {
            let s = s.clone();
            spawn(move || s.send(1).unwrap())
        };
        settle();
        shows_nothing();
        assert_eq!(r.recv(), Ok(1));
        sending.join().unwrap();
        let receiving = {
            let r = r.clone();
            spawn(move || r.recv().unwrap())
        };
        settle();
        shows_nothing();
        s.send(2).unwrap();
        assert_eq!(receiving.join().unwrap(), 2);
        let (s, r) = unbounded();
        assert_eq!((s.capacity(), r.capacity(), s.is_full()), (None, None, false));
        (0..1000).for_each(|i| s.send(i).unwrap());
        assert_eq!((s.len(), r.len()), (1000, 1000));
    });
}

#[test]
fn chan_7_fifo_ring_wraps() {
    watched(|| {
        let (s, r) = bounded(10);
        for _ in 0..3 {
            (0..10).for_each(|i| s.try_send(i).unwrap());
            assert!(s.try_send(10).is_err());
            assert!(r.try_iter().eq(0..10));
        }
        let (mut sent, mut received) = (0, 0);
        for (puts, takes) in [(7, 5), (8, 4), (3, 9), (10, 9), (1, 2)].into_iter().cycle().take(100) {
            for _ in 0..puts {
                s.try_send(sent).unwrap();
                sent += 1;
            }
            for _ in 0..takes {
                assert_eq!(r.recv(), Ok(received));
                received += 1;
            }
        }
        assert_eq!(sent, received);
    });
}

#[test]
fn chan_7_unbounded_grows_and_shrinks() {
    watched(|| {
        fn check<T: From<u16> + PartialEq + std::fmt::Debug>() {
            let (s, r) = unbounded::<T>();
            let (mut sent, mut received) = (0_u16, 0_u16);
            for burst in [1, 2, 3, 300, 0, 700, 1000, 5, 3000, 1] {
                for _ in 0..burst {
                    s.send(T::from(sent)).unwrap();
                    sent += 1;
                }
                let leave = if burst % 2 == 0 { burst / 2 } else { 0 };
                while sent - received > leave {
                    assert_eq!(r.recv(), Ok(T::from(received)));
                    received += 1;
                }
                assert_eq!(r.len(), leave as usize);
            }
        }
        check::<u16>();
        check::<u64>();
        check::<Big>();
    });
}

#[derive(Debug, PartialEq)]
struct Big([u16; 1000]);

impl From<u16> for Big {
    fn from(n: u16) -> Big {
        Big([n; 1000])
    }
}

/// Semantics 7.
#[test]
fn chan_7_who_waits_is_served_in_order() {
    watched(|| {
        run(|| {
            for capacity in [0, 1, 3] {
                let (s, r) = bounded(capacity);
                (0..capacity).for_each(|i| s.send(i).unwrap());
                for i in capacity..capacity + 5 {
                    let s = s.clone();
                    let sends = spawn(move || s.send(i).unwrap());
                    until_waits(sends.goroutine().id(), "chan send");
                }
                for i in 0..5 {
                    // Whoever comes now does not get in before those who wait.
                    assert_eq!(s.try_send(99), Err(TrySendError::Full(99)));
                    assert_eq!(r.recv(), Ok(i));
                }
                assert!(r.try_iter().eq(5..capacity + 5));

                let (given, served) = unbounded();
                for i in 0..5 {
                    let (r, given) = (r.clone(), given.clone());
                    let receives = spawn(move || given.send((i, r.recv().unwrap())).unwrap());
                    until_waits(receives.goroutine().id(), "chan receive");
                }
                for i in 0..5 {
                    s.try_send(i).unwrap();
                    // It was handed over: whoever comes now cannot take it.
                    assert_eq!(r.try_recv(), Err(TryRecvError::Empty));
                    assert_eq!(r.len(), 0);
                }
                drop(given);
                let mut served: Vec<_> = served.iter().collect();
                served.sort();
                assert_eq!(served, [(0, 0), (1, 1), (2, 2), (3, 3), (4, 4)]);
            }
        });
    });
}

#[test]
fn chan_12_values_without_size() {
    in_goroutines(|| {
        fn check<T: Default + Send + 'static>() {
            for capacity in [0, 1, 1_000_000, usize::MAX] {
                let (s, r) = bounded::<T>(capacity);
                assert_eq!(s.capacity(), Some(capacity));
                let sending = spawn(move || (0..1000).for_each(|_| s.send(T::default()).unwrap()));
                assert_eq!(r.iter().count(), 1000);
                sending.join().unwrap();
                assert_eq!(r.len(), 0);
            }
            let (s, r) = unbounded::<T>();
            (0..1000).for_each(|_| s.send(T::default()).unwrap());
            assert_eq!(r.len(), 1000);
            assert!(s.close());
            assert_eq!(r.iter().count(), 1000);
        }
        check::<()>();
        check::<[u8; 0]>();
        let (s, r) = bounded(10);
        let (inside, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
        scope(|scope| {
            for _ in 0..1000 {
                scope.spawn(|| {
                    s.send(()).unwrap();
                    most.fetch_max(inside.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                    gander_runtime::yield_now();
                    inside.fetch_sub(1, Ordering::SeqCst);
                    r.recv().unwrap();
                });
            }
        });
        assert!(most.load(Ordering::SeqCst) <= 10);
        assert_eq!(s.len(), 0);
    });
}

/// Semantics 1.
#[test]
fn chan_12_too_large() {
    watched(|| {
        // More than can be addressed, and more than there is.
        for capacity in [usize::MAX / 8, isize::MAX as usize / 8] {
            let caught = std::panic::catch_unwind(|| bounded::<u64>(capacity));
            let message = *caught.unwrap_err().downcast::<String>().unwrap();
            assert!(message.starts_with("makechan: size out of range"), "{message}");
            assert!(message.contains(&capacity.to_string()), "{message}");
        }
    });
}

/// Semantics 11.
#[test]
fn chan_14_iteration() {
    in_goroutines(|| {
        let (s, r) = bounded(3);
        go(move || ('a'..='z').for_each(|letter| s.send(letter).unwrap()));
        let mut text = String::new();
        for letter in &r {
            text.push(letter);
            if letter == 'j' {
                break;
            }
        }
        assert_eq!(text, "abcdefghij");
        let mut evaluated = 0;
        let rest: String = {
            evaluated += 1;
            r
        }
        .into_iter()
        .collect();
        assert_eq!(text + &rest, ('a'..='z').collect::<String>());
        assert_eq!(evaluated, 1);

        let (s, r) = bounded(2);
        let shares: Vec<_> = (0..4)
            .map(|_| {
                let r = r.clone();
                spawn(move || r.iter().sum::<usize>())
            })
            .collect();
        (0..1000).for_each(|i| s.send(i).unwrap());
        s.close();
        assert_eq!(shares.into_iter().map(|s| s.join().unwrap()).sum::<usize>(), 499_500);
        assert_eq!(r.iter().next(), None);
        assert_eq!(r.try_iter().next(), None);
    });
}

#[test]
fn chan_17_same_channel() {
    watched(|| {
        for make in [|| bounded::<u8>(0), || bounded(1), unbounded] {
            let ((s, r), (other_s, other_r)) = (make(), make());
            assert!(s.same_channel(&s) && s.same_channel(&s.clone()));
            assert!(r.same_channel(&r) && r.same_channel(&r.clone()));
            assert!(!s.same_channel(&other_s) && !r.same_channel(&other_r));
        }
    });
}

/// Semantics 5.
#[test]
fn close_1_drains_in_order() {
    in_goroutines(|| {
        for capacity in 0..=16 {
            for by_drop in [false, true] {
                let (s, r) = bounded(capacity);
                (0..capacity).for_each(|i| s.send(i).unwrap());
                if by_drop {
                    drop(s);
                } else {
                    assert!(s.close());
                    assert!(!s.close() && !r.close());
                }
                assert!(r.is_closed());
                for i in 0..capacity {
                    assert_eq!(if i % 2 == 0 { r.recv().ok() } else { r.try_recv().ok() }, Some(i));
                }
                for _ in 0..10 {
                    assert_eq!(r.recv(), Err(RecvError));
                    assert_eq!(r.try_recv(), Err(TryRecvError::Disconnected));
                    assert_eq!(r.iter().next(), None);
                    assert_eq!(r.recv_timeout(Duration::from_secs(100)), Err(RecvTimeoutError::Disconnected));
                }
            }
        }
    });
}

/// Semantics 3, 14.
#[test]
fn close_2_send_on_closed() {
    in_goroutines(|| {
        for capacity in [0, 1, 4] {
            for values in [0, capacity] {
                let (s, r) = bounded(capacity);
                (0..values).for_each(|i| s.send(i).unwrap());
                r.close();
                assert_eq!(s.send(77), Err(SendError(77)));
                assert_eq!(s.try_send(77), Err(TrySendError::Disconnected(77)));
                assert_eq!(s.send_timeout(77, Duration::from_secs(100)), Err(SendTimeoutError::Disconnected(77)));
                assert!(r.iter().eq(0..values));
                assert_eq!(r.recv(), Err(RecvError));
                assert_eq!(s.send(78), Err(SendError(78)));
            }
        }
    });
}

/// Semantics 14.
#[test]
fn close_3_last_handle_wakes() {
    in_goroutines(|| {
        for capacity in [0, 2] {
            // The last sender goes: all receivers go on.
            let (s, r) = bounded::<usize>(capacity);
            let waiting: Vec<_> = (0..6)
                .map(|i| {
                    let r = r.clone();
                    spawn(move || match i % 3 {
                        0 => assert_eq!(r.recv(), Err(RecvError)),
                        1 => assert_eq!(r.iter().next(), None),
                        _ => {
                            assert_eq!(r.recv_timeout(Duration::from_secs(50)), Err(RecvTimeoutError::Disconnected))
                        }
                    })
                })
                .collect();
            let another = s.clone();
            settle();
            drop(s);
            settle();
            assert!(!another.is_closed());
            drop(another);
            waiting.into_iter().for_each(|w| w.join().unwrap());

            // The last receiver goes: all senders go on, with their values.
            let (s, r) = bounded(capacity);
            (0..capacity).for_each(|i| s.send(i).unwrap());
            let waiting: Vec<_> = (0..4)
                .map(|i| {
                    let s = s.clone();
                    spawn(move || {
                        if i % 2 == 0 {
                            assert_eq!(s.send(i), Err(SendError(i)));
                        } else {
                            let end = s.send_timeout(i, Duration::from_secs(50));
                            assert_eq!(end, Err(SendTimeoutError::Disconnected(i)));
                        }
                    })
                })
                .collect();
            let another = r.clone();
            settle();
            drop(r);
            settle();
            assert!(!s.is_closed());
            drop(another);
            waiting.into_iter().for_each(|w| w.join().unwrap());
            assert_eq!(s.len(), 0);
        }
    });
}

/// Semantics 3, 5.
#[test]
fn close_3_explicit_close_gives_values_back() {
    in_goroutines(|| {
        for capacity in [0, 1, 5] {
            let (s, r) = bounded(capacity);
            (0..capacity).for_each(|i| s.send(i).unwrap());
            let waiting: Vec<_> = (100..104)
                .map(|i| {
                    let s = s.clone();
                    spawn(move || assert_eq!(s.send(i), Err(SendError(i))))
                })
                .collect();
            settle();
            assert!(r.close());
            waiting.into_iter().for_each(|w| w.join().unwrap());
            assert!(r.iter().eq(0..capacity), "values of blocked senders are not delivered");
        }
    });
}

/// Semantics 4.
#[test]
fn close_5_errors_in_words() {
    watched(|| {
        run(|| {
            let (s, r) = bounded(1);
            s.send(1).unwrap();
            let texts = [s.try_send(2).unwrap_err().to_string(), {
                let timed = s.send_timeout(2, Duration::from_millis(1));
                timed.unwrap_err().to_string()
            }];
            assert_eq!(texts, ["sending on a full channel", "timed out waiting on send operation"]);
            r.recv().unwrap();
            assert_eq!(r.try_recv().unwrap_err().to_string(), "receiving on an empty channel");
            let timed = r.recv_timeout(Duration::from_millis(1)).unwrap_err();
            assert_eq!(timed.to_string(), "timed out waiting on receive operation");
            s.close();
            let panic = std::panic::catch_unwind(|| s.send(2).unwrap()).unwrap_err();
            assert!(panic.downcast::<String>().unwrap().contains("SendError(..)"));
            assert_eq!(s.send(2).unwrap_err().to_string(), "sending on a disconnected channel");
            assert_eq!(s.try_send(2).unwrap_err().to_string(), "sending on a disconnected channel");
            assert_eq!(r.recv().unwrap_err().to_string(), "receiving on an empty and disconnected channel");
            assert_eq!(r.try_recv().unwrap_err().to_string(), "receiving on an empty and disconnected channel");
            let timed = r.recv_timeout(Duration::ZERO).unwrap_err();
            assert_eq!(timed.to_string(), "channel is empty and disconnected");
            assert_eq!(TrySendError::from(SendError(1)), TrySendError::Disconnected(1));
            assert_eq!(SendTimeoutError::from(SendError(1)), SendTimeoutError::Disconnected(1));
            assert_eq!(TryRecvError::from(RecvError), TryRecvError::Disconnected);
            assert_eq!(RecvTimeoutError::from(RecvError), RecvTimeoutError::Disconnected);
        });
    });
}

#[test]
fn handles_are_what_they_should_be() {
    use std::panic::{RefUnwindSafe, UnwindSafe};
    fn check<H: Send + Sync + UnwindSafe + RefUnwindSafe + Unpin + Clone + std::fmt::Debug>(
        handle: H,
        debug: &str,
    ) {
        assert_eq!(format!("{handle:?}"), debug);
    }
    // A payload that is Send, and neither Sync nor unwind-safe nor Debug nor Clone.
    struct Payload(std::cell::Cell<Option<Box<dyn FnMut() + Send>>>);
    let (s, r): (Sender<Payload>, Receiver<Payload>) = bounded(1);
    check(s.clone(), "Sender { .. }");
    check(r.clone(), "Receiver { .. }");
    s.send(Payload(None.into())).unwrap();
    assert!(r.recv().unwrap().0.take().is_none());
    assert_eq!(
        format!("{:?} {:?} {:?}", r.iter(), r.try_iter(), r.clone().into_iter()),
        "Iter { .. } TryIter { .. } IntoIter { .. }"
    );
}
