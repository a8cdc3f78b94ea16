//! What libc keeps for each thread is kept for each block.
#![allow(unsafe_code, reason = "calls libc")]

mod common;

use std::collections::HashSet;
use std::mem::{MaybeUninit, zeroed};
use std::ptr;

use common::{Block, with_both_makers};

fn errno() -> i32 {
    // SAFETY: the thread's own.
    unsafe { *libc::__errno_location() }
}

#[test]
fn fork_returns_twice_on_a_block() {
    with_both_makers(|maker, blocks: &[_; 2]| {
        for _ in 0..10 {
            for block in blocks {
                // SAFETY: the child allocates a little, as libc's own fork handlers allow, and ends without clean-up.
                let status = block.on(|| unsafe {
                    let child = libc::fork();
                    if child == 0 {
                        libc::free(libc::malloc(100));
                        libc::_exit(if libc::getpid() == libc::gettid() { 42 } else { 1 });
                    }
                    assert!(child > 0);
                    let mut status = 0;
                    assert_eq!(libc::waitpid(child, &raw mut status, 0), child);
                    status
                });
                assert!(libc::WIFEXITED(status) && libc::WEXITSTATUS(status) == 42, "{maker}: {status:#x}");
            }
        }
    });
}

#[test]
fn a_forked_child_may_start_threads_and_fork_again() {
    with_both_makers(|maker, [block]: &[_; 1]| {
        // SAFETY: as above; glibc lets a child of a threaded process start threads.
        let status = block.on(|| unsafe {
            let child = libc::fork();
            if child == 0 {
                let fine = std::thread::spawn(|| 5).join().is_ok_and(|n| n == 5);
                let grandchild = libc::fork();
                if grandchild == 0 {
                    libc::_exit(0);
                }
                let mut status = 0;
                libc::waitpid(grandchild, &raw mut status, 0);
                libc::_exit(if fine && status == 0 { 0 } else { 1 });
            }
            let mut status = 0;
            libc::waitpid(child, &raw mut status, 0);
            status
        });
        assert_eq!(status, 0, "{maker}");
    });
}

#[test]
fn a_command_runs_from_a_block() {
    with_both_makers(|_, [block]: &[_; 1]| {
        let output = block.on(|| std::process::Command::new("echo").arg("hello").output()).unwrap();
        assert_eq!(output.stdout, b"hello\n");
    });
}

#[test]
fn recursive_mutexes_tell_blocks_apart() {
    with_both_makers(|maker, [one, two]: &[_; 2]| {
        // SAFETY: initialised before its use, and not moved.
        unsafe {
            let mut mutex: libc::pthread_mutex_t = zeroed();
            let mutex = &raw mut mutex;
            let mut attr: libc::pthread_mutexattr_t = zeroed();
            libc::pthread_mutexattr_init(&raw mut attr);
            libc::pthread_mutexattr_settype(&raw mut attr, libc::PTHREAD_MUTEX_RECURSIVE);
            libc::pthread_mutex_init(mutex, &raw const attr);
            one.on(|| {
                assert_eq!(libc::pthread_mutex_lock(mutex), 0);
                assert_eq!(libc::pthread_mutex_trylock(mutex), 0, "its own");
            });
            assert_eq!(two.on(|| libc::pthread_mutex_trylock(mutex)), libc::EBUSY, "{maker}");
            assert_eq!(two.on(|| libc::pthread_mutex_unlock(mutex)), libc::EPERM, "{maker}");
            assert_eq!(libc::pthread_mutex_trylock(mutex), libc::EBUSY);
            one.on(|| assert_eq!(libc::pthread_mutex_unlock(mutex) | libc::pthread_mutex_unlock(mutex), 0));
            assert_eq!(two.on(|| libc::pthread_mutex_trylock(mutex)), 0);
            assert_eq!(two.on(|| libc::pthread_mutex_unlock(mutex)), 0);
        }
    });
}

#[test]
fn errno_is_the_blocks() {
    with_both_makers(|_, blocks: &[_; 2]| {
        // SAFETY: bad arguments are refused.
        unsafe {
            libc::close(-1);
            blocks[0].on(|| libc::isatty(0) + libc::chdir(c"".as_ptr()));
            assert_eq!(errno(), libc::EBADF);
            assert_eq!(blocks[0].on(errno), libc::ENOENT);
            assert_eq!(blocks[1].on(errno), 0);
        }
    });
}

#[test]
fn memory_crosses_blocks() {
    with_both_makers(|_, [one, two]: &[_; 2]| {
        for size in [1_usize, 24, 100, 1000, 10_000, 100_000, 1 << 22] {
            let make = || vec![size as u8; size];
            let (a, b, c) = (make(), one.on(make), two.on(make));
            one.on(move || drop(a));
            two.on(move || drop(b));
            assert!(c.iter().all(|x| *x == size as u8));
        }
    });
}

#[test]
fn keys_of_both_levels_are_the_blocks() {
    // libc keeps the first 32 keys in the descriptor and the others on the heap.
    let keys: Vec<_> = (0..40)
        .map(|_| {
            let mut key = 0;
            // SAFETY: a place for the key, no destructor.
            assert_eq!(unsafe { libc::pthread_key_create(&raw mut key, None) }, 0);
            key
        })
        .collect();
    // SAFETY: the keys are alive.
    let get = |key| unsafe { libc::pthread_getspecific(key) }.addr();
    let set = |value: usize| {
        // SAFETY: as above; the value is never followed.
        let put = |key| unsafe { libc::pthread_setspecific(key, ptr::without_provenance(value)) };
        assert!(keys.iter().all(|key| put(*key) == 0));
    };
    set(1);
    with_both_makers(|_, blocks: &[_; 2]| {
        for (nth, block) in blocks.iter().enumerate() {
            assert!(block.on(|| keys.iter().all(|key| get(*key) == 0)));
            block.on(|| set(nth + 2));
        }
        assert!(blocks[0].on(|| keys.iter().all(|key| get(*key) == 2)));
        assert!(keys.iter().all(|key| get(*key) == 1));
    });
}

#[test]
fn the_processor_is_asked_of_the_kernel() {
    // A stale note of restartable sequences would name one processor for ever.
    with_both_makers(|maker, [block]: &[_; 1]| {
        // SAFETY: the thread changes its own affinity, within what it has.
        unsafe {
            let mut all: libc::cpu_set_t = zeroed();
            libc::sched_getaffinity(0, size_of_val(&all), &raw mut all);
            for cpu in (0..64).filter(|cpu| libc::CPU_ISSET(*cpu, &all)) {
                let mut one: libc::cpu_set_t = zeroed();
                libc::CPU_SET(cpu, &mut one);
                assert_eq!(libc::sched_setaffinity(0, size_of_val(&one), &raw const one), 0);
                assert_eq!(block.on(|| libc::sched_getcpu()), cpu as i32, "{maker}");
            }
            libc::sched_setaffinity(0, size_of_val(&all), &raw const all);
        }
    });
}

#[test]
fn locale_time_names_and_numbers_work() {
    with_both_makers(|_, blocks: &[_; 2]| {
        for block in blocks {
            // SAFETY: plain calls with valid arguments.
            block.on(|| unsafe {
                assert_eq!(libc::strtod(c"2.5".as_ptr(), ptr::null_mut()), 2.5);
                assert!(!libc::strerror(libc::ENOENT).is_null());
                let mut tm: libc::tm = zeroed();
                assert!(!libc::localtime_r(&0, &raw mut tm).is_null());
                assert!(libc::toupper(i32::from(b'a')) == i32::from(b'A'));
            });
            let found = block.on(|| std::net::ToSocketAddrs::to_socket_addrs("127.0.0.1:80").map(|a| a.count()));
            assert_eq!(found.unwrap(), 1);
        }
    });
}

#[test]
fn signals_are_handled_on_a_block() {
    extern "C" fn handler(_: i32) {
        // SAFETY: a handler may set errno, if it means to.
        unsafe { *libc::__errno_location() = 77 };
    }
    with_both_makers(|_, [block]: &[_; 1]| {
        // SAFETY: the handler only sets errno.
        unsafe {
            libc::signal(libc::SIGUSR1, handler as extern "C" fn(i32) as libc::sighandler_t);
            *libc::__errno_location() = 1;
            // raise() asks the kernel for the thread, since libc's note of it is no one's.
            assert_eq!(block.on(|| libc::raise(libc::SIGUSR1)), 0);
            assert_eq!((errno(), block.on(errno)), (1, 77));
        }
    });
}

#[test]
fn abort_ends_the_process() {
    with_both_makers(|_, [block]: &[_; 1]| {
        // SAFETY: the child aborts.
        let status = block.on(|| unsafe {
            let child = libc::fork();
            if child == 0 {
                let none = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
                libc::setrlimit(libc::RLIMIT_CORE, &raw const none);
                libc::abort();
            }
            let mut status = 0;
            libc::waitpid(child, &raw mut status, 0);
            status
        });
        assert!(libc::WIFSIGNALED(status) && libc::WTERMSIG(status) == libc::SIGABRT);
    });
}

/// A limit: libc asks the kernel for the thread's processors too, and the kernel knows no such thread.
#[test]
fn the_stack_is_not_told() {
    with_both_makers(|_, blocks: &[_; 2]| {
        let told: HashSet<_> = blocks.iter().map(|block| block.on(|| stack_of_self(block))).collect();
        println!("pthread_getattr_np: {told:?}");
        assert!(told.iter().all(|answer| matches!(answer, Ok(()) | Err(libc::ESRCH))), "{told:?}");
    });
}

fn stack_of_self(block: &Block) -> Result<(), i32> {
    let mut attr = MaybeUninit::uninit();
    let (mut low, mut size) = (ptr::null_mut(), 0);
    // SAFETY: places for the answers; the attributes are initialised if the call says so.
    unsafe {
        let answer = libc::pthread_getattr_np(libc::pthread_self(), attr.as_mut_ptr());
        if answer != 0 {
            return Err(answer);
        }
        libc::pthread_attr_getstack(attr.as_ptr(), &raw mut low, &raw mut size);
        libc::pthread_attr_destroy(attr.as_mut_ptr());
    }
    assert_eq!((low.addr(), size), (block.slot.start, block.slot.len()));
    Ok(())
}
