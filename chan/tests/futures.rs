//! Receives and sends as futures: on executors written by hand, dropped at every moment, beside those that simply wait.

mod common;

use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use common::{Ledger, in_goroutines, watched};
use gander_chan::{
    Receiver, RecvError, Select, SendError, TryRecvError, TrySendError, after, bounded, never, select, tick,
    unbounded,
};
use gander_runtime::{block_on, spawn};

/// An executor of one future, on a plain thread.
fn on_thread<F: Future>(future: F) -> F::Output {
    struct Unpark(Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut future = pin!(future);
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
            return output;
        }
        thread::park();
    }
}

/// Counts how often it is woken.
#[derive(Default)]
struct Count(AtomicUsize);

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

impl Count {
    fn get(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

/// Polls once.
fn poll<F: Future + Unpin>(future: &mut F, waker: &Waker) -> Poll<F::Output> {
    Pin::new(future).poll(&mut Context::from_waker(waker))
}

fn poll_idly<F: Future + Unpin>(future: &mut F) -> Poll<F::Output> {
    poll(future, Waker::noop())
}

fn what_is_left<T>(receiver: &Receiver<T>) -> Vec<T> {
    receiver.try_iter().collect()
}

#[test]
fn as_recv_and_send() {
    watched(|| {
        let (s, r) = bounded(1);
        assert_eq!(on_thread(s.send_async(1)), Ok(()));
        assert_eq!(on_thread(r.recv_async()), Ok(1));
        let other = thread::spawn({
            let s = s.clone();
            move || (2..5).for_each(|i| s.send(i).unwrap())
        });
        assert_eq!([2, 3, 4].map(|_| on_thread(async { (&r).await })), [Ok(2), Ok(3), Ok(4)]);
        other.join().unwrap();
        s.send(3).unwrap();
        assert!(poll_idly(&mut s.send_async(4)).is_pending());
        s.close();
        assert_eq!(on_thread(s.send_async(4)), Err(SendError(4)));
        assert_eq!(on_thread(r.recv_async()), Ok(3));
        assert_eq!(on_thread(r.recv_async()), Err(RecvError));
        assert!(poll_idly(&mut never::<u8>().recv_async()).is_pending());
        let mut over = r.recv_async();
        assert_eq!(poll_idly(&mut over), Poll::Ready(Err(RecvError)));
        assert!(std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| poll_idly(&mut over))).is_err());
    });
}

/// A pending receive is a receiver like others: a rendezvous is kept with it, and it has its turn.
#[test]
fn stands_in_line() {
    in_goroutines(|| {
        let (s, r) = bounded(0);
        let count = Arc::new(Count::default());
        let waker = Waker::from(Arc::clone(&count));
        let mut first = r.recv_async();
        assert_eq!(s.try_send(0), Err(TrySendError::Full(0)));
        assert!(poll(&mut first, &waker).is_pending());
        let second = spawn({
            let r = r.clone();
            move || r.recv()
        });
        while s.try_send(1).is_err() {
            gander_runtime::yield_now();
        }
        assert_eq!(count.get(), 1);
        // The first is served whether it has been polled or not: the next value is the second's.
        s.send(2).unwrap();
        assert_eq!(second.join().unwrap(), Ok(2));
        assert_eq!(poll(&mut first, &waker), Poll::Ready(Ok(1)));
        assert_eq!(count.get(), 1);
    });
}

/// The latest waker is woken, once; polls in between change nothing.
#[test]
fn latest_waker() {
    watched(|| {
        let (s, r) = bounded(0);
        let counts: Vec<_> = (0..3).map(|_| Arc::new(Count::default())).collect();
        let wakers: Vec<_> = counts.iter().map(|count| Waker::from(Arc::clone(count))).collect();
        let mut receive = r.recv_async();
        for waker in [0, 0, 1, 2, 2] {
            assert!(poll(&mut receive, &wakers[waker]).is_pending());
        }
        assert_eq!(s.try_send(1), Ok(()));
        assert_eq!(s.try_send(2), Err(TrySendError::Full(2)), "it stands in line once");
        assert_eq!(poll(&mut receive, &wakers[1]), Poll::Ready(Ok(1)));
        let mut send = s.send_async(3);
        for waker in [2, 1] {
            assert!(poll(&mut send, &wakers[waker]).is_pending());
        }
        assert_eq!(r.try_recv(), Ok(3));
        assert_eq!(r.try_recv(), Err(TryRecvError::Empty), "it stands in line once");
        assert_eq!(poll(&mut send, &wakers[0]), Poll::Ready(Ok(())));
        assert_eq!(counts.iter().map(|count| count.get()).collect::<Vec<_>>(), [0, 1, 1]);
        drop((receive, send));
        for (count, waker) in counts.iter().zip(wakers) {
            drop(waker);
            assert_eq!(Arc::strong_count(count), 1, "no waker is kept");
        }
    });
}

/// What a future had been given when it was dropped is the next that is received, in the order in which it was sent.
#[test]
fn comes_back_to_the_front() {
    watched(|| {
        for (capacity, extra) in [(Some(0), 0), (Some(2), 2), (None, 3)] {
            for order in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
                let (s, r) = capacity.map_or_else(unbounded, bounded);
                let mut futures: Vec<_> = (0..3).map(|_| Some(r.recv_async())).collect();
                for future in futures.iter_mut().flatten() {
                    assert!(poll_idly(future).is_pending());
                }
                (0..3 + extra).for_each(|i| s.try_send(i).unwrap());
                assert_eq!(r.len(), extra);
                for (at, i) in order.into_iter().enumerate() {
                    futures[i] = None;
                    assert_eq!(r.len(), if capacity == Some(0) { 0 } else { extra + at + 1 });
                }
                assert_eq!(what_is_left(&r), (0..3 + extra).collect::<Vec<_>>());
                assert!(r.is_empty());
            }
        }
    });
}

/// It goes to who waits: another future, a goroutine, a select, one that watches.
#[test]
fn comes_back_to_who_waits() {
    in_goroutines(|| {
        let (s, r) = bounded(0);
        let give = || {
            let mut first = r.recv_async();
            assert!(poll_idly(&mut first).is_pending());
            assert_eq!(s.try_send(7), Ok(()));
            first
        };
        let first = give();
        let count = Arc::new(Count::default());
        let mut second = r.recv_async();
        assert!(poll(&mut second, &Waker::from(Arc::clone(&count))).is_pending());
        drop(first);
        assert_eq!((poll_idly(&mut second), count.get()), (Poll::Ready(Ok(7)), 1));

        for how in 0..4 {
            let first = give();
            let other = r.clone();
            let waiter = spawn(move || match how {
                0 => other.recv(),
                1 => other.recv_timeout(Duration::from_secs(60)).map_err(|_| RecvError),
                2 => select! { recv(other) -> value => value },
                _ => {
                    let mut select = Select::new();
                    select.recv(&other);
                    select.ready();
                    other.recv()
                }
            });
            common::settle();
            drop(first);
            assert_eq!(waiter.join().unwrap(), Ok(7), "{how}");
        }
    });
}

/// Behind what came back senders go on to wait; a close ends them and leaves it; a broken promise leaves it, too.
#[test]
fn comes_back_before_senders() {
    watched(|| {
        let (s, r) = bounded(1);
        let mut first = r.recv_async();
        assert!(poll_idly(&mut first).is_pending());
        s.try_send(1).unwrap();
        s.try_send(2).unwrap();
        let mut third = s.send_async(3);
        assert!(poll_idly(&mut third).is_pending());
        drop(first);
        assert_eq!(r.try_recv(), Ok(1));
        assert!(poll_idly(&mut third).is_pending(), "there is still no room");
        assert_eq!(r.try_recv(), Ok(2));
        assert_eq!(poll_idly(&mut third), Poll::Ready(Ok(())));
        assert_eq!(r.try_recv(), Ok(3));

        let mut first = r.recv_async();
        assert!(poll_idly(&mut first).is_pending());
        s.try_send(1).unwrap();
        // A place is promised to this one, and given back.
        let mut select = Select::new();
        select.send(&s);
        let operation = select.select();
        let mut second = s.send_async(2);
        assert!(poll_idly(&mut second).is_pending());
        drop(first);
        assert!(std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| drop(operation))).is_err());
        assert_eq!(poll_idly(&mut second), Poll::Ready(Ok(())));
        let mut third = s.send_async(3);
        assert!(poll_idly(&mut third).is_pending());
        assert!(s.close());
        assert_eq!(poll_idly(&mut third), Poll::Ready(Err(SendError(3))));
        assert_eq!(what_is_left(&r), [1, 2]);
        assert_eq!(r.try_recv(), Err(TryRecvError::Disconnected));
    });
}

/// With the last receiver it is dropped; once.
#[test]
fn comes_back_and_nobody_is_left() {
    watched(|| {
        let ledger = Ledger::new(6);
        let (s, r) = bounded(2);
        let mut futures: Vec<_> = (0..3).map(|_| r.recv_async()).collect();
        futures.iter_mut().for_each(|future| assert!(poll_idly(future).is_pending()));
        (0..5).for_each(|id| s.try_send(ledger.value(id)).unwrap());
        drop(futures);
        let mut last = s.send_async(ledger.value(5));
        assert!(poll_idly(&mut last).is_pending());
        drop(r);
        assert!((0..5).all(|id| ledger.drops(id) == 1));
        assert!(matches!(poll_idly(&mut last), Poll::Ready(Err(_))));
        ledger.settle();
    });
}

/// Closed while one has a value and another waits: what comes back is the other's.
#[test]
fn comes_back_after_the_close() {
    watched(|| {
        let (s, r) = bounded(0);
        let (mut first, mut second) = (r.recv_async(), r.recv_async());
        assert!(poll_idly(&mut first).is_pending() && poll_idly(&mut second).is_pending());
        s.try_send(1).unwrap();
        drop(s);
        drop(first);
        assert_eq!(poll_idly(&mut second), Poll::Ready(Ok(1)));
        assert_eq!(r.recv(), Err(RecvError));
    });
}

/// A select that sends has chosen a future, which is dropped before the value is made.
#[test]
fn leaves_a_promise() {
    watched(|| {
        for end in 0..4 {
            let (s, r) = bounded(0);
            let mut first = r.recv_async();
            assert!(poll_idly(&mut first).is_pending());
            let mut select = Select::new();
            select.send(&s);
            let operation = select.select();
            assert!(poll_idly(&mut first).is_pending());
            drop(first);
            let mut second = r.recv_async();
            match end {
                0 => {
                    operation.send(&s, 1).unwrap();
                    assert_eq!(poll_idly(&mut second), Poll::Ready(Ok(1)));
                }
                1 => {
                    assert!(poll_idly(&mut second).is_pending());
                    operation.send(&s, 1).unwrap();
                    assert_eq!(poll_idly(&mut second), Poll::Ready(Ok(1)));
                }
                2 => {
                    s.close();
                    assert_eq!(operation.send(&s, 1), Err(SendError(1)));
                    assert_eq!(poll_idly(&mut second), Poll::Ready(Err(RecvError)));
                }
                _ => {
                    assert!(std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| drop(operation))).is_err());
                    assert!(poll_idly(&mut second).is_pending());
                    assert_eq!(s.try_send(2), Ok(()));
                    assert_eq!(poll_idly(&mut second), Poll::Ready(Ok(2)));
                }
            }
        }
    });
}

/// A select that waits to send owes its value to the future that comes, which does not block for it.
#[test]
fn takes_up_a_promise() {
    in_goroutines(|| {
        for keep in [true, false] {
            let (s, r) = bounded(0);
            let (made, may_make) = bounded(0);
            let sender = spawn(move || select! { send(s, { may_make.recv().unwrap(); 5 }) -> sent => sent });
            let count = Arc::new(Count::default());
            let waker = Waker::from(Arc::clone(&count));
            let mut receive = r.recv_async();
            // Pending either way: there is nobody, or who is there has no value.
            common::settle();
            assert!(poll(&mut receive, &waker).is_pending());
            assert!(poll(&mut receive, &waker).is_pending());
            if keep {
                made.send(()).unwrap();
                assert_eq!(sender.join().unwrap(), Ok(()));
                assert_eq!((poll(&mut receive, &waker), count.get()), (Poll::Ready(Ok(5)), 1));
            } else {
                drop(receive);
                made.send(()).unwrap();
                assert_eq!(r.recv(), Ok(5));
                assert_eq!(sender.join().unwrap(), Ok(()));
            }
        }
    });
}

/// A waker may poll at once, send, or panic.
#[test]
fn wakers_that_do_things() {
    struct Run<F: Fn()>(F);
    impl<F: Fn()> Wake for Run<F> {
        fn wake(self: Arc<Self>) {
            (self.0)();
        }
    }
    fn waker(f: impl Fn() + Send + Sync + 'static) -> Waker {
        Waker::from(Arc::new(Run(f)))
    }
    in_goroutines(|| {
        // Polled in the wake, and dropped there.
        let (s, r) = bounded(0);
        let (got, gets) = bounded(1);
        let boxed: Pin<Box<dyn Future<Output = _> + Send>> = Box::pin(async move { (&r).await });
        let slot = Arc::new(Mutex::new(Some(boxed)));
        let mut future = slot.lock().unwrap().take().unwrap();
        let theirs = Arc::clone(&slot);
        let inline = waker(move || {
            let mut future = theirs.lock().unwrap().take().unwrap();
            let Poll::Ready(value) = poll_idly(&mut future) else { panic!("woken for nothing") };
            got.send(value).unwrap();
        });
        assert!(poll(&mut future, &inline).is_pending());
        *slot.lock().unwrap() = Some(future);
        s.send(1).unwrap();
        assert_eq!(gets.try_recv(), Ok(Ok(1)));
        assert_eq!(s.send(2), Err(SendError(2)), "the receiver went with the future");

        // One that waits itself: no lock is held and preemption is not held off.
        let (s, r) = bounded(0);
        let (on, goes_on) = bounded(0);
        let mut future = r.recv_async();
        assert!(poll(&mut future, &waker(move || on.send(()).unwrap())).is_pending());
        let sender = spawn(move || s.send(3));
        goes_on.recv().unwrap();
        assert_eq!(sender.join().unwrap(), Ok(()));
        assert_eq!(poll_idly(&mut future), Poll::Ready(Ok(3)));

        // One that panics is alone with that: all are told, and the closer goes on.
        let (s, r) = bounded::<u8>(0);
        let count = Arc::new(Count::default());
        let (mut bad, mut good) = (r.recv_async(), r.recv_async());
        assert!(poll(&mut bad, &waker(|| std::panic::resume_unwind(Box::new(0)))).is_pending());
        assert!(poll(&mut good, &Waker::from(Arc::clone(&count))).is_pending());
        drop(s);
        assert_eq!(count.get(), 1);
        assert_eq!(
            (poll_idly(&mut bad), poll_idly(&mut good)),
            (Poll::Ready(Err(RecvError)), Poll::Ready(Err(RecvError)))
        );
    });
}

/// A future that is forgotten harms nobody: its value is lost with it.
#[test]
fn forgotten() {
    watched(|| {
        let ledger = Ledger::new(3);
        {
            let (s, r) = bounded(0);
            let mut first = r.recv_async();
            assert!(poll_idly(&mut first).is_pending());
            std::mem::forget(first);
            s.try_send(ledger.value(0)).unwrap();
            let mut second = r.recv_async();
            assert!(poll_idly(&mut second).is_pending());
            std::mem::forget(second);
            let mut third = s.send_async(ledger.value(1));
            assert!(matches!(poll_idly(&mut third), Poll::Ready(Ok(()))));
            let mut fourth = s.send_async(ledger.value(2));
            assert!(poll_idly(&mut fourth).is_pending());
            std::mem::forget(fourth);
        }
        assert_eq!([0, 1, 2].map(|id| ledger.drops(id)), [0, 0, 0]);
    });
}

type Receive<'f, 'p> = Pin<&'p mut (dyn Future<Output = Result<Instant, RecvError>> + 'f)>;

#[test]
fn clocks() {
    let test = |run: &dyn Fn(Receive<'_, '_>) -> Result<Instant, RecvError>| {
        let start = Instant::now();
        let due = Duration::from_millis(3);
        let alarm = after(due);
        assert!(run(pin!(alarm.recv_async())).unwrap() >= start + due);
        assert!(start.elapsed() >= due);
        assert!(poll_idly(&mut alarm.recv_async()).is_pending());
        let ticks = tick(due);
        let moments: Vec<_> = (0..3).map(|_| run(pin!(ticks.recv_async())).unwrap()).collect();
        assert!(moments.windows(2).all(|pair| pair[1] >= pair[0] + due));
        // Two for one value: one has it, the other waits on.
        let alarm = after(due);
        let (mut first, mut second) = (alarm.recv_async(), alarm.recv_async());
        assert!(poll_idly(&mut second).is_pending());
        assert!(run(pin!(&mut first)).is_ok());
        assert!(poll_idly(&mut second).is_pending());
        // One that is dropped does not take it along.
        let alarm = after(due);
        let mut first = alarm.recv_async();
        assert!(poll_idly(&mut first).is_pending());
        std::thread::sleep(2 * due);
        drop(first);
        assert!(alarm.try_recv().is_ok());
    };
    watched(|| test(&|future| on_thread(future)));
    in_goroutines(|| test(&|future| block_on(future)));
    watched(|| test(&|future| on_thread(future)));
}
