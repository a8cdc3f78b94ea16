//! gander's channels: how do goroutines exchange values?
//!
//! A channel is a queue between tasks. A task is a goroutine, which parks while it waits, or an ordinary thread,
//! which blocks; both may use both ends of any channel, before the runtime is started, while it runs, and after.
//!
//! ```
//! # gander_runtime::run(|| {
//! use gander_chan::bounded;
//! use gander_runtime::go;
//!
//! let (jobs, queue) = bounded::<u32>(8);
//! let (results, answers) = bounded(8);
//! for _ in 0..3 {
//!     let (queue, results) = (queue.clone(), results.clone());
//!     go(move || {
//!         for job in queue {
//!             results.send(job * job).unwrap();
//!         }
//!     });
//! }
//! drop(results); // the workers have their own: `answers` ends when the last of them is done
//! go(move || (1..=10).for_each(|job| jobs.send(job).unwrap()));
//! assert_eq!(answers.iter().sum::<u32>(), 385);
//! # });
//! ```
//!
//! # What a channel does
//!
//! | | open, has room / a value | open, full / empty | closed |
//! |---|---|---|---|
//! | [`send`](Sender::send) | succeeds | waits | fails at once and gives the value back |
//! | [`try_send`](Sender::try_send) | succeeds | fails: `Full` | fails: `Disconnected` |
//! | [`recv`](Receiver::recv) | the first value | waits | what is left in it, then fails at once |
//! | [`try_recv`](Receiver::try_recv) | the first value | fails: `Empty` | what is left in it, then fails: `Disconnected` |
//! | [`close`](Sender::close) | true | true: all who wait fail | false |
//!
//! * Of capacity 0, a send has room while a receive waits, and a receive has a value while a send waits.
//! * Values leave in the order in which they came. Who waits is served in the order of arrival, and nobody who
//!   arrives later is served before.
//! * A waiting receiver gets its value directly. When a value is taken out of a full buffer, that of the sender that
//!   waits longest takes the free place at once. One that waits in a select has no value yet (the arm's expression is
//!   evaluated when the arm is chosen): it takes the place, and fills it when it runs. Until then the place is neither
//!   free nor filled: `try_send` says `Full`, and `try_recv` may say `Empty`.
//! * The channel closes with [`close`](Sender::close), or when the last [`Sender`] or the last [`Receiver`] is
//!   dropped. Values of senders that wait at that moment go back to them. What is left in the buffer can still be
//!   received, or is dropped with the last receiver. Every value has one owner at any time, and is dropped once.
//! * A send happens before the receive of its value returns; of capacity `n`, the k-th receive happens before the
//!   k+n-th send returns; a close happens before the receives that fail by it. Failed tries, too, have their place
//!   in the one order of all operations.
//!
//! * A send in a select promises a value, which is made when the send is chosen. Whoever takes that up has it coming,
//!   and waits for it, also in a `try_` form or past a time limit; if the value is never made the wait goes on as before.
//! * Of several that wait for one clock any may get its value.
//!
//! # In `async` code
//!
//! [`recv_async`](Receiver::recv_async) (or `(&receiver).await`) and [`send_async`](Sender::send_async) are futures: for
//! tokio's tasks, for [`block_on`](gander_runtime::block_on), for any executor, with the runtime or without. They stand in
//! the same lines as tasks that wait, and meet these, selects and each other. Dropping one takes it out of the line; what a
//! receive had just been given goes to whom it would have gone to without it, or back to the front of the channel. So each
//! can stand in an executor's own `select!`, and no value is lost.
//!
//! # More
//!
//! [`select!`] and [`Select`] wait for several channels and do one operation; [`after`], [`at`] and [`tick`] make channels
//! that the clock sends into, [`never`](never()) one that nobody does.
//!
//! The names are those of crossbeam-channel; the behaviour is that of Go's channels, where errors stand for panics.

mod buffer;
mod chain;
mod chan;
#[doc(hidden)]
pub mod clock;
mod count;
mod ctx;
mod err;
mod future;
mod iter;
mod look;
mod op;
mod park;
mod select;
mod state;
mod transfer;
mod wait;

pub use chan::{Receiver, Sender, bounded, never, unbounded};
pub use clock::{after, at, tick};
pub use ctx::{RecvCtxError, SendCtxError};
pub use err::{
    ReadyTimeoutError, RecvError, RecvTimeoutError, SelectTimeoutError, SendError, SendTimeoutError, TryReadyError,
    TryRecvError, TrySelectError, TrySendError,
};
pub use future::{RecvFuture, SendFuture};
pub use iter::{IntoIter, Iter, TryIter};
#[doc(hidden)]
pub use select::internal;
pub use select::{Select, SelectedOperation};

/// What loom checks, for its tests.
#[doc(hidden)]
pub mod models {
    pub use crate::wait::{Node, Outcome, Queue, Waiter, Woken};
}
