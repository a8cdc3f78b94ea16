//! Channels in `async` code: a receive or a send that waits as a future.
//!
//! A task that waits rests, and its node lies in its frame. A future may be polled, moved to another thread, or dropped at
//! any moment, also between being served and hearing of it. So its node and its value lie in a [`Seat`](seat::Seat) on
//! the heap, which the line has a share of:
//!
//! ```text
//!   RecvFuture ──► Seat { node, value, waker } ◄── the line, or who popped the node; until that one has told the waker
//! ```
//!
//! It has a seat only while it waits, and never more than one. Dropped, it leaves (all under the channel's lock):
//!
//! | the node is | then |
//! |---|---|
//! | in line | it is taken out |
//! | served: the seat holds a value | the value goes to the receiver that waits longest, or back to the front of the channel (`back.rs`) |
//! | promised a value that is still to be made | it says that it has left; who makes the value sees that, and the value goes the same way |
//! | ended without a value | nothing |

mod back;
mod recv;
mod seat;
mod send;

pub(crate) use back::Futures;
pub use recv::RecvFuture;
pub use send::SendFuture;
