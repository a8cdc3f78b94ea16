//! A receive as a future.

#![allow(unsafe_code, reason = "values are moved by address")]

use std::fmt;
use std::future::{Future, IntoFuture};
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use gander_runtime::lock::Guard;
use gander_runtime::timer::WakeAt;

use super::seat::Seat;
use crate::chan::Receiver;
use crate::clock::NEVER;
use crate::err::RecvError;
use crate::transfer::{Channel, Take};
use crate::wait::{Node, Outcome};

impl<T> Receiver<T> {
    /// [`recv`](Receiver::recv) as a future: for `async` code, on whatever executor. A goroutine simply calls `recv`.
    ///
    /// It stands in line from its first poll on, among all others that wait for this channel, and is served in its turn.
    /// Nothing happens before that. `receiver.await` is the same, for a reference to a receiver.
    ///
    /// # Cancel safety
    ///
    /// Dropped before it was ready it has received nothing. If it had just been given a value then that goes to the
    /// receiver that waits longest; if none waits it is the next that is received, also from a channel that has been closed
    /// since. What others received meanwhile, they received before it. A future that is neither polled nor dropped keeps the
    /// value that it was given.
    ///
    /// # Blocking
    ///
    /// Never blocks. It needs no runtime of gander's; only where a clock sends ([`after`](crate::after()) and its kin) and
    /// no runtime runs, a thread of gander's own minds the time.
    ///
    /// # Errors
    ///
    /// If the channel is closed, before or while this waits, and nothing is left in it.
    ///
    /// # Panics
    ///
    /// If it is polled again after it was ready. If its waker's `clone` panics: nothing is lost by that. If that thread
    /// cannot be started.
    ///
    /// # Examples
    ///
    /// ```
    /// # gander_runtime::run(|| {
    /// let (s, r) = gander_chan::bounded(0);
    /// gander_runtime::go(move || (1..=3).for_each(|i| s.send(i).unwrap()));
    /// let sum = gander_runtime::block_on(async {
    ///     let mut sum = 0;
    ///     while let Ok(i) = r.recv_async().await {
    ///         sum += i;
    ///     }
    ///     sum
    /// });
    /// assert_eq!(sum, 6);
    /// # });
    /// ```
    pub fn recv_async(&self) -> RecvFuture<'_, T> {
        RecvFuture { receiver: self, state: State::New, alarm: None }
    }
}

impl<'a, T> IntoFuture for &'a Receiver<T> {
    type Output = Result<T, RecvError>;
    type IntoFuture = RecvFuture<'a, T>;

    fn into_future(self) -> RecvFuture<'a, T> {
        self.recv_async()
    }
}

/// What [`Receiver::recv_async`] returns.
#[must_use = "futures do nothing unless polled"]
pub struct RecvFuture<'a, T> {
    receiver: &'a Receiver<T>,
    state: State<T>,
    /// Where a clock sends.
    alarm: Option<Box<WakeAt>>,
}

enum State<T> {
    /// In no line.
    New,
    /// In line, or served.
    Seated(Arc<Seat<T>>),
    Done,
}

/// What a look came to.
enum Look<T> {
    Ready(Result<T, RecvError>),
    /// There is nothing before this moment of the clock, or before it is told.
    Pending(u64),
    /// It has no seat any more, or has one now.
    Again,
}

// The value does not lie in the future.
impl<T> Unpin for RecvFuture<'_, T> {}

impl<T> Future for RecvFuture<'_, T> {
    type Output = Result<T, RecvError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<T, RecvError>> {
        let this = &mut *self;
        let channel = this.receiver.channel();
        loop {
            let look = match &this.state {
                State::New => channel.take_or_sit(&mut this.state, cx.waker()),
                State::Seated(seat) => {
                    let look = channel.look_at_recv(seat, cx.waker());
                    if !matches!(look, Look::Pending(_))
                        && let State::Seated(seat) = std::mem::replace(&mut this.state, State::New)
                    {
                        // A waker that is still there is dropped here, and not by whoever tells us late. It may panic: the
                        // seat is not ours any more.
                        seat.waker.clear();
                    }
                    look
                }
                State::Done => panic!("a receive was polled after it was ready"),
            };
            match look {
                Look::Ready(result) => {
                    this.state = State::Done;
                    this.alarm = None;
                    return Poll::Ready(result);
                }
                Look::Pending(NEVER) => return Poll::Pending,
                Look::Pending(when) => {
                    this.alarm.get_or_insert_default().set(when, cx.waker());
                    return Poll::Pending;
                }
                Look::Again => {}
            }
        }
    }
}

impl<T> Drop for RecvFuture<'_, T> {
    fn drop(&mut self) {
        if let State::Seated(seat) = &self.state {
            self.receiver.channel().leave(seat);
            // Last: it runs code of the program.
            seat.waker.clear();
        }
    }
}

impl<T> fmt::Debug for RecvFuture<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad("RecvFuture { .. }")
    }
}

impl<T> Channel<T> {
    /// Receives if there is something; else sits down in line.
    fn take_or_sit(&self, state: &mut State<T>, waker: &Waker) -> Look<T> {
        let mut place = MaybeUninit::<T>::uninit();
        let mut fresh: Option<Arc<Seat<T>>> = None;
        loop {
            let mut lines = self.lock.lock();
            // SAFETY: the place is free, and read only if it has been filled. Tasks that come with that are ours to ready.
            unsafe {
                match self.take(&mut lines, place.as_mut_ptr()) {
                    Take::Taken => {}
                    Take::Handed(task) => Guard::unlock_and_ready(lines, task),
                    Take::Freed(block) => {
                        drop(lines);
                        drop(block);
                    }
                    Take::Closed => return Look::Ready(Err(RecvError)),
                    Take::Promised(sender) => {
                        // It waits for us, so nothing can change. No code of the program here: the sender must be told.
                        drop(lines);
                        let seat = fresh.unwrap_or_else(Seat::new);
                        Node::set_number(seat.node(), self.arrive());
                        seat.share();
                        let task = sender.pair(seat.node());
                        *state = State::Seated(seat);
                        task.ready();
                        return Look::Again;
                    }
                    Take::Empty => {
                        let Some(seat) = fresh.take() else {
                            // Nothing is allocated under the lock, nor is the waker cloned.
                            drop(lines);
                            let seat = Seat::new();
                            seat.waker.set(waker);
                            fresh = Some(seat);
                            continue;
                        };
                        Node::set_number(seat.node(), self.futures.arrive());
                        seat.share();
                        self.queue_receiver(&mut lines, seat.node());
                        let due = lines.dial.as_ref().map_or(NEVER, |dial| dial.when());
                        drop(lines);
                        *state = State::Seated(seat);
                        return Look::Pending(due);
                    }
                }
                return Look::Ready(Ok(place.assume_init()));
            }
        }
    }

    /// A number, without the lock.
    fn arrive(&self) -> usize {
        let _lines = self.lock.lock();
        self.futures.arrive()
    }

    /// Says whom to wake from now on, and looks what has become of the wait.
    fn look_at_recv(&self, seat: &Arc<Seat<T>>, waker: &Waker) -> Look<T> {
        // First: who ends the wait after the look wakes this one.
        seat.waker.set(waker);
        let mut lines = self.lock.lock();
        // SAFETY: the lock is held. The value is ours where it has been moved, and free where nothing has been.
        unsafe {
            match seat.outcome() {
                Outcome::Moved => Look::Ready(Ok(seat.value().read())),
                Outcome::Waiting if self.is_clock() => match self.take(&mut lines, seat.value()) {
                    Take::Taken => {
                        self.unqueue_receiver(&mut lines, seat.node());
                        drop(lines);
                        seat.unshare();
                        Look::Ready(Ok(seat.value().read()))
                    }
                    _ => Look::Pending(lines.dial.as_ref().map_or(NEVER, |dial| dial.when())),
                },
                Outcome::Waiting => Look::Pending(NEVER),
                // Closed, too: something may have come back before.
                _ => Look::Again,
            }
        }
    }
}
