//! gander's scheduler: who runs next, and where?
//!
//! G is a goroutine, M a worker thread, P the right to run goroutines with what its holder keeps at hand. The tour
//! begins in `sched/README.md`; a goroutine's life goes through `spawn.rs` (made), `sched/find.rs` (found),
//! `switch.rs` (started and left), `park.rs` (waits), `entry.rs` (ends).
//!
//! This crate is gander's inside. Programs use the crate `gander`; its other rooms (channels, locks, sockets) use
//! [`wait_if`], [`lock`], [`timer`].

#![allow(unsafe_code, reason = "goroutines are shared by address between threads, under protocols of this crate")]

mod alarm;
mod asym;
mod block_on;
mod blocking;
mod builder;
mod cancel;
mod current;
mod deadlock;
mod door;
mod entry;
mod error;
mod fatal;
mod fault;
mod futex;
mod g;
mod grow;
pub mod inspect;
mod join;
pub mod leak;
mod listener;
pub mod lock;
mod m;
mod main_macro;
mod p;
mod panics;
mod park;
pub mod poll;
mod preempt;
mod runtime;
mod sched;
mod scope;
mod spawn;
mod switch;
pub mod thread;
pub mod timer;
mod token;
mod waker;

pub use block_on::block_on;
pub use blocking::blocking;
pub use builder::{Builder, go, go_surely, run, spawn};
pub use cancel::{Cancel, Signal, wait_cancellable};
pub use current::{
    Surroundings, current, lock_os_thread, park, park_timeout, proc_index, procs, set_procs, sleep, surroundings,
    try_current, unlock_os_thread, yield_now,
};
pub use entry::{exit, is_exit, is_exiting, is_goroutine, not_exiting, num_goroutines};
pub use error::{SpawnError, StartError};
pub use g::handle::{Goroutine, GoroutineId};
pub use g::local::GoroutineLocal;
pub use g::reason::WaitReason;
pub use grow::{grow, grow_to, maybe_grow, remaining};
pub use join::JoinHandle;
pub use listener::Listener;
pub use main_macro::{main, test, test_unit};
pub use panics::{UnhandledPanic, set_unhandled_panic_hook, take_unhandled_panic_hook};
pub use park::{Claim, Task, wait, wait_if, wait_until};
pub use preempt::hold::{Unpreempted, no_preempt};
pub use scope::{Scope, ScopedJoinHandle, scope};
pub use waker::WakerCell;

/// Protocols that loom checks, for its tests.
#[doc(hidden)]
pub mod models {
    pub use crate::cancel::Waiter;
    pub use crate::m::seat::Seat;
    pub use crate::p::ring::Ring;
    pub use crate::sched::spin::Spin;
    pub use crate::token::Token;
}
