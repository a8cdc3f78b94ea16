//! Everything in shared mode: thread-locals are the threads'.

const SHARED: bool = true;

mod common;

#[path = "bodies/inspect.rs"]
mod inspect;
#[path = "bodies/leak.rs"]
mod leak;
#[path = "bodies/locals.rs"]
mod locals;
#[path = "bodies/lock.rs"]
mod lock;
#[path = "bodies/panics.rs"]
mod panics;
#[path = "bodies/park.rs"]
mod park;
#[path = "bodies/preempt.rs"]
mod preempt;
#[path = "bodies/procs.rs"]
mod procs;
#[path = "bodies/scope.rs"]
mod scope;
#[path = "bodies/sockets.rs"]
mod sockets;
#[path = "bodies/spawn.rs"]
mod spawn;
#[path = "bodies/stacks.rs"]
mod stacks;
#[path = "bodies/thread.rs"]
mod thread;
