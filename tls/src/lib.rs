//! What makes a goroutine a thread to libc and to the compiler?
//!
//! The thread pointer, and the block it points to: static thread-locals and libc's descriptor of the thread. LLVM takes
//! the address of a thread-local to be constant within a function, libc keeps errno and lock owners there, crates
//! rely on guards that nest. A goroutine that moves between threads breaks all of that, unless it *is* a thread to
//! them: unless it has a block of its own, and the scheduler exchanges the thread pointer at each switch. This crate
//! makes such blocks. It knows nothing of goroutines, stacks or schedulers.
//!
//! ```
//! use gander_tls::Model;
//!
//! # fn main() -> Result<(), gander_tls::TlsError> {
//! let model = Model::learn()?;
//! let slot = vec![0_u8; 256 << 10].leak(); // leaked, so that it suits donors as well
//! let low = slot.as_mut_ptr();
//! let spare = low.wrapping_add(slot.len()) as usize % model.align();
//! let top = low.wrapping_add(slot.len() - spare);
//! // SAFETY: the slot is ours.
//! let block = unsafe { model.lay(low, top) }?;
//! let here = std::thread::current().id();
//! // SAFETY: nobody else runs on the block; what comes back is not bound to it.
//! let there = unsafe { block.visit(|| std::thread::current().id()) };
//! assert_ne!(here, there);
//! # Ok(())
//! # }
//! ```
//!
//! # Two makers
//!
//! | | how | time | what it relies on | can be unmade |
//! |---|---|---|---|---|
//! | donor | a thread is started on the slot, and ends at once by the raw system call; its block stays | 20 to 60 µs | public interfaces only | no |
//! | clone | a donor's block is copied, and some twelve words are corrected | 0.7 µs, and the slot's page faults | what was learnt | yes |
//!
//! Nothing about libc's layout is written down here. [`Model::learn`] makes three donors and compares them word by
//! word: a word that is equal in all is copied; one that differs must be explained by what differs between the donors.
//! If a single word is unexplained, or the libc is not glibc, donors make all blocks. Then it runs on a block of each
//! maker, and asks libc and the compiler what goroutines will rely on. If clones fail, donors make all blocks; if
//! donors fail, own mode cannot hold, and the error says why.
//!
//! | found, with glibc 2.36 | x86_64 | aarch64 |
//! |---|---|---|
//! | bytes of a block, libc's room for later libraries (1,664) included | 4,352 | 3,840 |
//! | words corrected: into the own block / list links / slot's place and size / into dead frames / thread id / module vector | 5 / 4 / 2 / 1 / ½ / 1 | the same kinds |
//!
//! # A block is a thread of a pool
//!
//! Blocks are meant to be used by one goroutine after another, as a pool reuses its threads. What a guest leaves in
//! thread-locals, the next one finds; destructors of thread-locals do not run when a guest leaves. They never run for a
//! block, since libc never sees its thread end: [`Model::unlay`] frees the module vector and the thread-locals of
//! libraries loaded later, but not what destructors or `malloc`'s cache would. Keep blocks rather than unlay them, or
//! accept a loss (glibc: nothing where no `malloc` ran, 0.8 KiB after a first one, more as the cache fills;
//! `glibc.malloc.tcache_count=0` in `GLIBC_TUNABLES` turns it off).
//!
//! # Libraries loaded later
//!
//! Dynamic thread-locals need nothing: libc makes them at first use, on clones too, and grows their module vector.
//! Static ones (the initial-exec model everywhere; on aarch64 any library's, as long as they are small) are initialised
//! by libc when the library is loaded, in blocks it knows: threads and donors. Clones laid afterwards have them,
//! because the donor they are copied from has. Clones laid before have zeros there, until [`Model::notice_libraries`]
//! was called (after each `dlopen`, or now and then) and [`Model::catch_up`] for the block. A goroutine that uses such
//! a library earlier, on a clone older than the library, finds zeros where its initial values should be.
//!
//! # What works on a block
//!
//! Tested with both makers: `thread_local!`, errno, thread ids, locks (recursive ones tell blocks apart), channels,
//! panics, `malloc` and `free` across blocks, keys of both levels, locale tables, `fork` (and threads and forks of the
//! child), commands, signals (handlers run on the block), `raise`, `abort`, `sched_getcpu`.
//!
//! # What does not
//!
//! - **What asks the kernel for the thread by libc's note of its id.** The id in a block is one that the kernel never
//!   gives, so that two goroutines are never one to a mutex. `pthread_getattr_np` (thus the stack's place),
//!   `pthread_setaffinity_np`, `pthread_setschedparam` and `pthread_kill` from outside answer ESRCH. Robust and
//!   priority-inheriting mutexes are the kernel's, and must not be used.
//! - **`setuid` and its family** are carried out by libc in every thread by a signal. It marks the blocks it knows, and
//!   the handler clears the mark of the block it runs on. So the call waits (and keeps signalling) until each thread
//!   has been back on its own block for a moment; made on a goroutine's block it waits for the caller itself, for ever.
//!   Make it on the worker's own block.
//! - **`pthread_exit`, `pthread_cancel`, `pthread_join`, `pthread_detach`** of a goroutine: there is no thread. The
//!   pointer to the frame that `pthread_exit` would return to is null, so it ends the process by SIGSEGV rather than
//!   run wild.
//! - **Restartable sequences**: a block says that it is not registered, since the kernel writes to the worker's. Users
//!   of rseq take their slow path.
//! - libc counts donors as threads that live for ever: three of them with clones. The process does not end when `main`
//!   calls `pthread_exit` and all others have ended.
//!
//! Tools that walk libc's list of threads see donors there, with ids that do not exist.
//!
//! # Rules for whoever exchanges
//!
//! 1. A block is complete from [`Model::lay`] on; signals may arrive on it at any time.
//! 2. No function may touch thread-locals on both sides of an exchange: the compiler keeps their addresses. The switch
//!    must be opaque to it, and what runs after it must be another function. [`ThreadPointer::visit`] does this for
//!    closures.
//! 3. An exchange is not a switch of stacks. The two belong in one piece of assembly with no signal-visible
//!    state between that a handler could not bear; a handler bears any whole block with any whole stack.
//! 4. In the child of a `fork`, libc takes the block that forked for the only thread's. It must stay what the child
//!    runs on: a worker's own block is dead there. It also forgets the donors: static thread-locals of libraries that
//!    the child loads are initialised in its only thread's block and in none laid later.

#[cfg(not(all(
    target_os = "linux",
    any(target_arch = "x86_64", target_arch = "aarch64"),
    target_pointer_width = "64"
)))]
compile_error!("gander-tls needs Linux on x86_64 or aarch64: elsewhere the thread pointer cannot be exchanged");

mod clone;
mod donor;
mod error;
mod extent;
mod image;
mod late;
mod learn;
mod model;
mod pointer;
mod scratch;
mod selftest;
mod tid;
mod weak;

pub use error::TlsError;
pub use model::{Maker, Model};
pub use pointer::{ThreadPointer, exchange_is_one_instruction};
