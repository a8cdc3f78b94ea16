//! gander's contexts: who may stop waiting, and why?
//!
//! A [`Context`] goes along with a piece of work, from function to function and from goroutine to goroutine. It says when
//! nobody wants the work's result any more: because somebody cancelled it, or because its time is up. Whoever makes a
//! context from another one makes a child: it ends with its parent, or before.
//!
//! ```
//! # gander_runtime::run(|| {
//! use gander_chan::{Receiver, bounded};
//! use gander_context::{Context, ContextError};
//! use std::time::Duration;
//!
//! /// The natural numbers, for as long as somebody wants them.
//! fn numbers(ctx: Context) -> Receiver<u32> {
//!     let (tx, rx) = bounded(0);
//!     gander_runtime::go(move || {
//!         for i in 1.. {
//!             if ctx.err().is_some() || tx.send_timeout(i, Duration::from_millis(10)).is_err() {
//!                 break;
//!             }
//!         }
//!     });
//!     rx
//! }
//!
//! let (ctx, cancel) = Context::background().with_timeout(Duration::from_secs(10));
//! assert_eq!(numbers(ctx.clone()).iter().take(3).sum::<u32>(), 6);
//! cancel.cancel();
//! assert_eq!(ctx.err(), Some(ContextError::Canceled));
//! # });
//! ```
//!
//! Calls of gander that wait have a form that takes a context: `recv_ctx`, `send_ctx`, `lock_ctx`, `read_ctx`,
//! `write_ctx`, `wait_ctx` (of conditions, notifications and wait groups), `acquire_ctx`, `sleep_ctx`; of sockets
//! `connect_ctx`, `accept_ctx`, `recv_from_ctx`, and `with_ctx` for reads and writes. In a `select!` there is
//! [`done`](Context::done). All of them can be told of an end of another kind too, by
//! whoever implements [`Cancel`].
//!
//! # Groups of goroutines
//!
//! [`ErrGroup`] waits for several goroutines and cancels the others when one fails. [`try_scope`] does the same for those
//! that borrow, and [`all`] also collects what they return, in order.
//!
//! # What is other than in Go
//!
//! A context whose last handle is gone leaves its parent by itself: not to call `cancel` leaks nothing. Contexts are one
//! type and not an interface; what Go's own implementations are for, [`Cancel`] is.

mod all;
mod context;
mod core;
mod error;
mod group;
mod scope;
mod value;

pub use all::all;
pub use context::{CancelCauseFunc, CancelFunc, CancelOnDrop, Context, StopFunc};
pub use error::{Cause, ContextError};
pub use gander_runtime::Cancel;
pub use group::ErrGroup;
pub use scope::{TryScope, try_scope};
