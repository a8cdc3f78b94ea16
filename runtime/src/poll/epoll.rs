//! The kernel's side of the poller: one epoll instance, and an eventfd that calls the worker that sleeps in it.
//!
//! Descriptors are registered edge-triggered. The eventfd is level-triggered and read by the sleeper only: if a look of
//! somebody else's took the event, the sleeper would go on sleeping.

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::RawFd;
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};
use std::sync::{Mutex, PoisonError};

use super::{EVENTS, Readied, slots};
use crate::timer::now;

/// −1 until there is a source; then they stay open.
static EPOLL: AtomicI32 = AtomicI32::new(-1);
static CALL: AtomicI32 = AtomicI32::new(-1);

/// Stands for the eventfd; no slot has it.
const CALL_KEY: u64 = u64::MAX;

const READABLE: u32 = (libc::EPOLLIN | libc::EPOLLRDHUP | libc::EPOLLPRI | libc::EPOLLHUP | libc::EPOLLERR) as u32;
const WRITABLE: u32 = (libc::EPOLLOUT | libc::EPOLLHUP | libc::EPOLLERR) as u32;
const SPECIAL: u32 = (libc::EPOLLRDHUP | libc::EPOLLPRI | libc::EPOLLHUP | libc::EPOLLERR) as u32;

type Event = libc::epoll_event;

/// The epoll instance, opened if need be. Not called inside the runtime.
pub(super) fn open() -> io::Result<RawFd> {
    static OPENING: Mutex<()> = Mutex::new(());
    let epoll = EPOLL.load(Ordering::Acquire);
    if epoll >= 0 {
        return Ok(epoll);
    }
    let _one = OPENING.lock().unwrap_or_else(PoisonError::into_inner);
    let epoll = EPOLL.load(Ordering::Acquire);
    if epoll >= 0 {
        return Ok(epoll);
    }
    // SAFETY: they make descriptors and close them again where the second fails.
    unsafe {
        let call = check(libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK))?;
        let epoll = check(libc::epoll_create1(libc::EPOLL_CLOEXEC)).and_then(|epoll| {
            control(epoll, libc::EPOLL_CTL_ADD, call, libc::EPOLLIN as u32, CALL_KEY).map(|()| epoll)
        });
        match epoll {
            Ok(epoll) => {
                CALL.store(call, Ordering::Relaxed);
                EPOLL.store(epoll, Ordering::Release);
            }
            Err(_) => {
                libc::close(call);
            }
        }
        epoll
    }
}

fn check(answer: libc::c_int) -> io::Result<libc::c_int> {
    if answer < 0 { Err(io::Error::last_os_error()) } else { Ok(answer) }
}

fn control(epoll: RawFd, operation: libc::c_int, fd: RawFd, events: u32, key: u64) -> io::Result<()> {
    let mut event = Event { events, u64: key };
    // SAFETY: reads our local.
    check(unsafe { libc::epoll_ctl(epoll, operation, fd, &mut event) }).map(drop)
}

/// Registers `fd`; what it is ready for already is reported too.
pub(super) fn add(fd: RawFd, key: u64) -> io::Result<()> {
    let epoll = open()?;
    let events = (libc::EPOLLIN | libc::EPOLLOUT | libc::EPOLLRDHUP | libc::EPOLLPRI | libc::EPOLLET) as u32;
    match control(epoll, libc::EPOLL_CTL_ADD, fd, events, key) {
        // The other direction was faster; or the number's last owner was leaked, whose slot is nobody's now.
        Err(error) if error.raw_os_error() == Some(libc::EEXIST) => {
            control(epoll, libc::EPOLL_CTL_MOD, fd, events, key)
        }
        answer => answer,
    }
}

/// Takes `fd` out. (Closing it would do that only if nobody has a duplicate.)
pub(super) fn delete(fd: RawFd) {
    // It can only fail for a descriptor that is not ours any more.
    let _ = control(EPOLL.load(Ordering::Acquire), libc::EPOLL_CTL_DEL, fd, 0, 0);
}

/// Makes the sleeper return from its sleep, or its next one.
pub(crate) fn call_sleeper() {
    let one = 1u64;
    // SAFETY: writes our local; the eventfd stays open. It fails only if 2⁶⁴−2 calls have not been read.
    unsafe {
        libc::write(CALL.load(Ordering::Relaxed), (&raw const one).cast(), 8);
    }
}

/// Takes what is there.
pub(super) fn look(readied: &mut Readied) {
    let mut events = [const { MaybeUninit::<Event>::uninit() }; EVENTS];
    // SAFETY: writes no more than there is room.
    let count = unsafe {
        libc::epoll_wait(EPOLL.load(Ordering::Acquire), events.as_mut_ptr().cast(), EVENTS as libc::c_int, 0)
    };
    // SAFETY: so many were written.
    unsafe { report(&events, count, readied) };
}

/// Sleeps until there is something, or the sleeper is called, or until `deadline`.
pub(super) fn sleep_until(deadline: u64, readied: &mut Readied) {
    let mut events = [const { MaybeUninit::<Event>::uninit() }; EVENTS];
    let count = wait(&mut events, deadline);
    // SAFETY: so many were written.
    let called = unsafe { report(&events, count, readied) };
    if called {
        let mut calls = 0u64;
        // SAFETY: reads into our local, without blocking.
        unsafe { libc::read(CALL.load(Ordering::Relaxed), (&raw mut calls).cast(), 8) };
    }
}

/// `epoll_pwait2`, which takes nanoseconds; on kernels before 5.11 `epoll_wait`, which takes milliseconds.
fn wait(events: &mut [MaybeUninit<Event>], deadline: u64) -> libc::c_int {
    static COARSE: AtomicBool = AtomicBool::new(false);
    let epoll = EPOLL.load(Ordering::Acquire);
    let (at, most) = (events.as_mut_ptr().cast::<Event>(), events.len() as libc::c_int);
    let left = deadline.saturating_sub(now());
    if !COARSE.load(Ordering::Relaxed) {
        let spec = libc::timespec {
            tv_sec: (left / 1_000_000_000) as libc::time_t,
            tv_nsec: (left % 1_000_000_000) as libc::c_long,
        };
        let spec = if deadline == u64::MAX { std::ptr::null() } else { &raw const spec };
        let none = std::ptr::null::<libc::sigset_t>();
        // SAFETY: writes no more events than there is room; the time is null or our local.
        let count = unsafe { libc::syscall(libc::SYS_epoll_pwait2, epoll, at, most, spec, none, 0) };
        // SAFETY: errno is the calling thread's own.
        if count >= 0 || !matches!(unsafe { *libc::__errno_location() }, libc::ENOSYS | libc::EPERM) {
            return count as libc::c_int;
        }
        COARSE.store(true, Ordering::Relaxed);
    }
    let millis = if deadline == u64::MAX { -1 } else { left.div_ceil(1_000_000).min(1 << 30) as libc::c_int };
    // SAFETY: as above.
    unsafe { libc::epoll_wait(epoll, at, most, millis) }
}

/// Passes on the first `count` events. Whether the sleeper was called.
///
/// # Safety
///
/// So many were written; none if it is negative.
unsafe fn report(events: &[MaybeUninit<Event>], count: libc::c_int, readied: &mut Readied) -> bool {
    let mut called = false;
    let events = &events[..usize::try_from(count).unwrap_or(0)];
    // SAFETY: by contract.
    let events = || events.iter().map(|event| unsafe { event.assume_init_read() });
    // Of many connections each one's slot and goroutine come from far away: ask for all of them, then wait once.
    events().for_each(|event| slots::prefetch(event.u64));
    events().for_each(|event| slots::prefetch_tasks(event.u64));
    for event in events() {
        let (is, key) = (event.events, event.u64);
        if key == CALL_KEY {
            called = true;
        } else {
            readied.report(key, is & READABLE != 0, is & WRITABLE != 0, is & SPECIAL != 0);
        }
    }
    called
}
