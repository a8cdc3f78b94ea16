//! A send as a future.

#![allow(unsafe_code, reason = "values are moved by address")]

use std::fmt;
use std::future::Future;
use std::mem::ManuallyDrop;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use super::seat::Seat;
use crate::chan::Sender;
use crate::err::SendError;
use crate::op::Start;
use crate::transfer::Channel;
use crate::wait::Outcome;

impl<T> Sender<T> {
    /// [`send`](Sender::send) as a future: for `async` code, on whatever executor. A goroutine simply calls `send`.
    ///
    /// It stands in line from its first poll on, among all others that wait for room in this channel, and is served in its
    /// turn. Nothing happens before that.
    ///
    /// # Cancel safety
    ///
    /// Dropped before it was ready, it drops the value, unless a receiver or the buffer has just taken it: then the value
    /// has been sent.
    ///
    /// # Blocking
    ///
    /// Never blocks. It needs no runtime of gander's.
    ///
    /// # Errors
    ///
    /// If the channel is closed, before or while this waits. The value comes back.
    ///
    /// # Panics
    ///
    /// If it is polled again after it was ready. If its waker's `clone` panics.
    ///
    /// # Examples
    ///
    /// ```
    /// # gander_runtime::run(|| {
    /// let (s, r) = gander_chan::bounded(0);
    /// let worker = gander_runtime::spawn(move || r.recv().unwrap() * 2);
    /// gander_runtime::block_on(async { s.send_async(21).await.unwrap() });
    /// assert_eq!(worker.join().unwrap(), 42);
    /// # });
    /// ```
    pub fn send_async(&self, value: T) -> SendFuture<'_, T> {
        SendFuture { sender: self, state: State::New(value) }
    }
}

/// What [`Sender::send_async`] returns.
#[must_use = "futures do nothing unless polled"]
pub struct SendFuture<'a, T> {
    sender: &'a Sender<T>,
    state: State<T>,
}

enum State<T> {
    /// In no line.
    New(T),
    /// In line with the value, or served.
    Seated(Arc<Seat<T>>),
    Done,
}

/// What a step came to.
enum Step<T> {
    Ready(Result<(), SendError<T>>),
    Pending(Arc<Seat<T>>),
    Again(T),
}

// The value is not pinned.
impl<T> Unpin for SendFuture<'_, T> {}

impl<T> Future for SendFuture<'_, T> {
    type Output = Result<(), SendError<T>>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), SendError<T>>> {
        let this = &mut *self;
        let channel = this.sender.channel();
        if let State::Seated(seat) = &this.state {
            // First: who ends the wait after the look wakes this one. It may panic, and then we still stand there.
            seat.waker.set(cx.waker());
        }
        loop {
            let step = match std::mem::replace(&mut this.state, State::Done) {
                State::New(value) => channel.send_or_sit(value, cx.waker()),
                State::Seated(seat) => channel.look_at_send(seat),
                State::Done => panic!("a send was polled after it was ready"),
            };
            match step {
                Step::Ready(result) => return Poll::Ready(result),
                Step::Pending(seat) => {
                    this.state = State::Seated(seat);
                    return Poll::Pending;
                }
                Step::Again(value) => this.state = State::New(value),
            }
        }
    }
}

impl<T> Drop for SendFuture<'_, T> {
    fn drop(&mut self) {
        let State::Seated(seat) = &self.state else { return };
        let channel = self.sender.channel();
        let mut lines = channel.lock.lock();
        // SAFETY: the lock is held, and the node is a sender's on this channel. Who waits with a value stands in line, so
        // nobody else has that share; once the wait is over, the links are of those who ended it. A value that has not been
        // moved is ours, and is dropped last: that is code of the program.
        let value = unsafe {
            let outcome = seat.outcome();
            if outcome == Outcome::Waiting {
                let was_there = channel.unqueue_sender(&mut lines, seat.node());
                debug_assert!(was_there);
                drop(lines);
                seat.unshare();
            } else {
                drop(lines);
            }
            (outcome != Outcome::Moved).then(|| seat.value().read())
        };
        seat.waker.clear();
        drop(value);
    }
}

impl<T> fmt::Debug for SendFuture<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad("SendFuture { .. }")
    }
}

impl<T> Channel<T> {
    /// Sends if there is room; else sits down in line.
    fn send_or_sit(&self, value: T, waker: &Waker) -> Step<T> {
        let mut value = ManuallyDrop::new(value);
        // SAFETY: the value is valid, and forgotten here unless it comes back.
        match unsafe { self.start_send(&raw mut *value) } {
            Start::Done => return Step::Ready(Ok(())),
            Start::Closed => return Step::Ready(Err(SendError(ManuallyDrop::into_inner(value)))),
            // Nothing is allocated under the lock, nor is the waker cloned.
            Start::MustWait(lines) => drop(lines),
        }
        let value = ManuallyDrop::into_inner(value);
        let seat = Seat::<T>::new();
        seat.waker.set(waker);
        // SAFETY: the place is free and nobody else's; then it is valid, until it is moved. The seat stays as it is while
        // the line has its share.
        unsafe {
            seat.value().write(value);
            let result = match self.start_send(seat.value()) {
                Start::MustWait(mut lines) => {
                    seat.share();
                    self.queue_sender(&mut lines, seat.node());
                    drop(lines);
                    return Step::Pending(seat);
                }
                Start::Done => Ok(()),
                Start::Closed => Err(SendError(seat.value().read())),
            };
            seat.waker.clear();
            Step::Ready(result)
        }
    }

    /// Looks what has become of the wait.
    fn look_at_send(&self, seat: Arc<Seat<T>>) -> Step<T> {
        let lines = self.lock.lock();
        // SAFETY: the lock is held.
        let outcome = unsafe { seat.outcome() };
        drop(lines);
        // SAFETY: the value is ours where it has not been moved and the wait is over.
        let step = unsafe {
            match outcome {
                Outcome::Waiting => return Step::Pending(seat),
                Outcome::Moved => Step::Ready(Ok(())),
                Outcome::Closed => Step::Ready(Err(SendError(seat.value().read()))),
                _ => Step::Again(seat.value().read()),
            }
        };
        seat.waker.clear();
        step
    }
}
