//! Does a block hold? Tried by running on it, before the first goroutine does.
//!
//! A helper thread exchanges its thread pointer, keeps its stack, and asks of libc and of the compiler what a goroutine
//! will rely on. Every question is a function of its own, reached through a pointer the compiler cannot see through.
#![allow(unsafe_code, reason = "runs on foreign blocks and calls libc")]

use core::cell::Cell;
use core::ffi::c_void;
use core::hint::black_box;
use core::mem::MaybeUninit;
use core::ops::Range;
use core::ptr;

use crate::{ThreadPointer, TlsError};

/// What is known on the thread's own block before the exchange.
struct Setting {
    block: Range<usize>,
    handle: usize,
    key: libc::pthread_key_t,
    heap: Cell<[*mut c_void; SIZES.len()]>,
}

/// One for each kind of chunk that allocators tell apart: cached, binned, mapped.
const SIZES: [usize; 5] = [1, 24, 1000, 70_000, 1 << 20];
const INITIAL: u64 = 0x6761_6e64_6572; // in the image: not zero
const NATIVE: u64 = 1;
const FOREIGN: u64 = 2;
const NATIVE_ERRNO: i32 = libc::ENOTTY;

thread_local! {
    static MARK: Cell<u64> = const { Cell::new(INITIAL) };
    static ZERO: Cell<u64> = const { Cell::new(0) };
}

type Question = fn(&Setting) -> bool;

/// Asked on the block, in this order.
const ON_THE_BLOCK: [(&str, Question); 8] = [
    ("pthread_self() is not the block's", self_is_in_block),
    ("errno is not in the block", errno_is_in_block),
    ("a thread_local! has not its initial value", locals_are_initial),
    ("a thread_local! is not in the block", locals_are_in_block),
    ("pthread_getspecific finds another thread's value", keys_are_fresh),
    ("the character tables are missing", characters_are_known),
    ("malloc and free fail", heap_works),
    ("sched_getcpu fails", processor_is_known),
];

/// Asked on the thread's own block afterwards.
const BACK_HOME: [(&str, Question); 4] = [
    ("pthread_self() changed after the return", |s| handle() == s.handle),
    ("errno did not survive", |_| errno() == NATIVE_ERRNO),
    ("a thread_local! did not survive", |_| MARK.get() == NATIVE && ZERO.get() == NATIVE),
    ("memory cannot be freed across blocks", free_all),
];

/// Tries the block at `tp`, which takes up `block`.
///
/// # Safety
/// A whole block that nobody runs on, from one of the two makers.
pub(crate) unsafe fn run(tp: *mut u8, block: Range<usize>) -> Result<(), TlsError> {
    let tp = ThreadPointer::from_raw(tp);
    let helper = std::thread::Builder::new().name("gander-tls".into()).spawn(move || {
        // SAFETY: passed on; the closure owns the block until it ends.
        unsafe { try_out(tp, block) }
    });
    let helper = helper.map_err(|e| TlsError::Unsound {
        what: format!("no thread could be started to try a block (limits as for any thread): {e}"),
    })?;
    let answer = helper.join().unwrap_or(Err("the self-test panicked"));
    answer.map_err(|what| TlsError::Unsound { what: format!("on a block of our own, {what}") })
}

/// # Safety
/// As for [`run`].
unsafe fn try_out(tp: ThreadPointer, block: Range<usize>) -> Result<(), &'static str> {
    // No handler of the program's shall see a block under test. The thread ends soon, so nothing is restored.
    block_signals();
    let setting =
        black_box::<fn(Range<usize>) -> Option<Setting>>(prepare)(block).ok_or("pthread_key_create fails")?;
    let mut answer = Ok(());
    for (complaint, question) in ON_THE_BLOCK {
        // SAFETY: the block is whole and ours; a question keeps nothing that is bound to it.
        if answer.is_ok() && !unsafe { tp.visit(|| question(&setting)) } {
            answer = Err(complaint);
        }
    }
    for (complaint, question) in BACK_HOME {
        let holds = black_box(question)(&setting);
        if answer.is_ok() && !holds {
            answer = Err(complaint);
        }
    }
    // SAFETY: created by `prepare`, used by nobody else.
    unsafe { libc::pthread_key_delete(setting.key) };
    answer
}

fn block_signals() {
    let mut all = MaybeUninit::uninit();
    // SAFETY: the set is filled before its use.
    unsafe {
        libc::sigfillset(all.as_mut_ptr());
        libc::pthread_sigmask(libc::SIG_SETMASK, all.as_ptr(), ptr::null_mut());
    }
}

/// Leaves a mark in everything that each thread has of its own.
#[inline(never)]
fn prepare(block: Range<usize>) -> Option<Setting> {
    let mut key = 0;
    // SAFETY: plain calls; no destructor.
    let made = unsafe { libc::pthread_key_create(&raw mut key, None) } == 0
        && unsafe { libc::pthread_setspecific(key, ptr::without_provenance(NATIVE as usize)) } == 0;
    MARK.set(NATIVE);
    ZERO.set(NATIVE);
    let heap = Cell::new(allocate());
    // SAFETY: the thread's own errno.
    unsafe { *libc::__errno_location() = NATIVE_ERRNO };
    made.then(|| Setting { block, handle: handle(), key, heap })
}

#[inline(never)]
fn self_is_in_block(s: &Setting) -> bool {
    handle() != s.handle && s.block.contains(&handle()) && handle() == handle()
}

#[inline(never)]
fn errno_is_in_block(s: &Setting) -> bool {
    // SAFETY: valid in every thread.
    let place = unsafe { libc::__errno_location() };
    // SAFETY: as above; a bad descriptor is all that close is given.
    s.block.contains(&(place as usize))
        && errno() == 0
        && unsafe { libc::close(-1) } == -1
        && errno() == libc::EBADF
}

#[inline(never)]
fn locals_are_initial(_: &Setting) -> bool {
    let initial = MARK.get() == INITIAL && ZERO.get() == 0;
    MARK.set(FOREIGN);
    ZERO.set(FOREIGN);
    initial && MARK.get() == FOREIGN && ZERO.get() == FOREIGN
}

#[inline(never)]
fn locals_are_in_block(s: &Setting) -> bool {
    // A library that was loaded late has its thread-locals on the heap, in every thread; then there is nothing to ask.
    MARK.with(|m| s.block.contains(&ptr::from_ref(m).addr())) || MARK.get() == FOREIGN
}

#[inline(never)]
fn keys_are_fresh(s: &Setting) -> bool {
    // SAFETY: the key is alive.
    unsafe {
        libc::pthread_getspecific(s.key).is_null()
            && libc::pthread_setspecific(s.key, ptr::without_provenance(FOREIGN as usize)) == 0
            && libc::pthread_getspecific(s.key).addr() == FOREIGN as usize
            && libc::pthread_setspecific(s.key, ptr::null()) == 0
    }
}

#[inline(never)]
fn characters_are_known(_: &Setting) -> bool {
    // SAFETY: both are values of an unsigned char.
    unsafe { libc::isalpha(b'q'.into()) != 0 && libc::isalpha(b'7'.into()) == 0 }
}

#[inline(never)]
fn processor_is_known(_: &Setting) -> bool {
    // SAFETY: no preconditions. A kernel without the call is no fault of the block's.
    unsafe { libc::sched_getcpu() >= 0 || errno() == libc::ENOSYS }
}

/// Frees what was allocated at home, and leaves as much to be freed there.
#[inline(never)]
fn heap_works(s: &Setting) -> bool {
    let freed = free_all(s);
    let passing = Setting { block: s.block.clone(), heap: Cell::new(allocate()), ..*s };
    let freed = freed && free_all(&passing);
    s.heap.set(allocate());
    freed
}

#[inline(never)]
fn free_all(s: &Setting) -> bool {
    let all = s.heap.replace([ptr::null_mut(); SIZES.len()]);
    let whole = all.iter().zip(SIZES).all(|(chunk, size)| {
        // SAFETY: `allocate` made and marked it, or it is null.
        !chunk.is_null() && unsafe { *chunk.cast::<u8>().add(size - 1) } == size as u8
    });
    for chunk in all {
        // SAFETY: from malloc or null, and forgotten by the replace above.
        unsafe { libc::free(chunk) };
    }
    whole
}

#[inline(never)]
fn allocate() -> [*mut c_void; SIZES.len()] {
    SIZES.map(|size| {
        // SAFETY: malloc has no preconditions; the write is within what it gave.
        unsafe {
            let chunk = libc::malloc(size);
            if !chunk.is_null() {
                chunk.cast::<u8>().add(size - 1).write_volatile(size as u8);
            }
            chunk
        }
    })
}

#[inline(never)]
fn handle() -> usize {
    // SAFETY: no preconditions.
    unsafe { libc::pthread_self() as usize }
}

#[inline(never)]
fn errno() -> i32 {
    // SAFETY: the thread's own errno.
    unsafe { *libc::__errno_location() }
}
