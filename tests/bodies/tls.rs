//! Own mode: what breaks when thread-locals are shared holds here. The rows of the table of hazards in
//! docs/soundness.md; each test asserts that goroutines did migrate, so that none passes for lack of trying.

#![allow(unsafe_code, reason = "errno and fork are the subject")]

use std::cell::{Cell, RefCell};
use std::collections::HashSet;
use std::io::Write;
use std::process::Command;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, mpsc};
use std::time::Duration;

use crate::common::{run_on, scaled, tid};

const PROCS: usize = 4;
const GOROUTINES: usize = 200;

/// Runs `body` in many goroutines on several processors; each calls `pause` wherever another thread may take over.
/// Once more if hardly any goroutine changed its thread; fails if they never do.
fn storm(body: impl Fn(usize, &dyn Fn()) + Send + Sync + 'static) {
    const ROUNDS: usize = 20;
    run_on(PROCS, || {
        let body = Arc::new(body);
        let moves = (0..ROUNDS).map(|_| moves(&body)).find(|&moves| moves > 10);
        assert!(moves.is_some(), "nobody migrated in {ROUNDS} rounds: the test has tested nothing");
    });
}

/// One round: how often a goroutine changed its thread.
fn moves(body: &Arc<impl Fn(usize, &dyn Fn()) + Send + Sync + 'static>) -> usize {
    let moved = Arc::new(AtomicUsize::new(0));
    let all: Vec<_> = (0..GOROUTINES)
        .map(|i| {
            let (moved, body) = (moved.clone(), body.clone());
            gander::spawn(move || {
                let turn = Cell::new(i);
                body(i, &|| {
                    let here = tid();
                    turn.set(turn.get() + 1);
                    match turn.get() % 3 {
                        0 => gander::sleep(Duration::from_micros(10)),
                        1 => gander::park_timeout(Duration::from_micros(10)),
                        _ => gander::yield_now(),
                    }
                    moved.fetch_add(usize::from(tid() != here), Ordering::Relaxed);
                });
            })
        })
        .collect();
    for one in all {
        one.join().unwrap();
    }
    moved.load(Ordering::Relaxed)
}

/// An `Rc` in a thread-local, cloned after a pause: always the goroutine's own.
#[test]
fn rc_cloned_after_a_park() {
    thread_local!(static OWN: RefCell<Rc<usize>> = RefCell::new(Rc::new(usize::MAX)));
    storm(|i, pause| {
        OWN.set(Rc::new(i));
        for _ in 0..50 {
            let before = OWN.with_borrow(Rc::clone);
            pause();
            let after = OWN.with_borrow(Rc::clone);
            assert!(Rc::ptr_eq(&before, &after) && *after == i);
        }
    });
}

/// A `RefCell` in a thread-local, borrowed across a pause: nobody else finds it borrowed.
#[test]
fn refcell_borrowed_across_a_park() {
    thread_local!(static CELL: RefCell<Vec<usize>> = const { RefCell::new(Vec::new()) });
    storm(|i, pause| {
        CELL.with_borrow_mut(|list| {
            list.clear();
            for _ in 0..50 {
                list.push(i);
                pause();
            }
            assert_eq!(*list, vec![i; 50]);
        });
    });
}

scoped_tls::scoped_thread_local!(static SCOPED: usize);

/// scoped-tls: the reference that it keeps is the goroutine's, nested, and gone after.
#[test]
fn scoped_tls_nests() {
    storm(|i, pause| {
        for _ in 0..20 {
            let (outer, inner) = (i, i + GOROUTINES);
            assert!(!SCOPED.is_set());
            SCOPED.set(&outer, || {
                pause();
                SCOPED.set(&inner, || {
                    pause();
                    SCOPED.with(|value| assert_eq!(*value, inner));
                });
                pause();
                SCOPED.with(|value| assert_eq!(*value, outer));
            });
        }
    });
}

/// std's re-entrant lock of stderr is exclusive across a pause.
#[test]
fn stderr_lock_is_exclusive() {
    static INSIDE: AtomicUsize = AtomicUsize::new(0);
    run_on(PROCS, || {
        let all: Vec<_> = (0..2)
            .map(|_| {
                gander::spawn(|| {
                    for _ in 0..scaled(200) {
                        let mut lock = std::io::stderr().lock();
                        assert_eq!(INSIDE.fetch_add(1, Ordering::SeqCst), 0, "two hold the lock of stderr");
                        lock.write_all(b"").unwrap();
                        gander::sleep(Duration::from_micros(20));
                        INSIDE.fetch_sub(1, Ordering::SeqCst);
                    }
                })
            })
            .collect();
        for one in all {
            one.join().unwrap();
        }
    });
}

/// errno is the goroutine's.
#[test]
fn errno_across_a_park() {
    storm(|i, pause| {
        for round in 0..50 {
            let number = 1 + ((i + round) % 100) as i32;
            // SAFETY: errno is the calling (own) thread's.
            unsafe { *libc::__errno_location() = number };
            gander::yield_now();
            assert_eq!(std::io::Error::last_os_error().raw_os_error(), Some(number));
            pause();
        }
    });
}

/// A thread-local written and read on both sides of a pause in one function: no address is remembered wrongly.
#[test]
fn cell_on_both_sides() {
    thread_local!(static COUNT: Cell<usize> = const { Cell::new(0) });
    storm(|i, pause| {
        COUNT.set(i * 1000);
        for round in 0..100 {
            assert_eq!(COUNT.get(), i * 1000 + round);
            pause();
            COUNT.set(COUNT.get() + 1);
        }
    });
}

/// The standard library's thread is another one for each live goroutine, and stays the same.
#[test]
fn std_thread_id() {
    let ids = Arc::new(Mutex::new(HashSet::new()));
    let seen = ids.clone();
    storm(move |_, pause| {
        let id = std::thread::current().id();
        assert!(seen.lock().unwrap().insert(id), "two live goroutines with one id");
        for _ in 0..50 {
            pause();
            assert_eq!(std::thread::current().id(), id);
        }
        assert!(seen.lock().unwrap().remove(&id));
    });
    assert!(ids.lock().unwrap().is_empty());
}

/// std's own blocking things work between goroutines while there are workers enough: mpsc, Mutex and Condvar, park,
/// scoped threads.
#[test]
fn std_blocking() {
    run_on(16, || {
        let (sender, receiver) = mpsc::sync_channel(0);
        let producer = gander::spawn(move || (0..scaled(1000)).for_each(|i| sender.send(i).unwrap()));
        let consumer = gander::spawn(move || receiver.iter().map(|i| (gander::yield_now(), i).1).sum::<usize>());
        let pair = Arc::new((Mutex::new(0), Condvar::new()));
        let turns: Vec<_> = (0..3)
            .map(|me| {
                let pair = pair.clone();
                gander::spawn(move || {
                    for round in 0..100 {
                        let turn = pair.0.lock().unwrap();
                        let mut turn = pair.1.wait_while(turn, |turn| *turn != 3 * round + me).unwrap();
                        *turn += 1;
                        pair.1.notify_all();
                    }
                })
            })
            .collect();
        let (tell, told) = mpsc::channel();
        let flag = Arc::new(AtomicBool::new(false));
        let seen = flag.clone();
        let parked = gander::spawn(move || {
            tell.send(std::thread::current()).unwrap();
            while !seen.load(Ordering::SeqCst) {
                std::thread::park();
            }
        });
        let thread = told.recv().unwrap();
        gander::sleep(Duration::from_millis(2));
        flag.store(true, Ordering::SeqCst);
        thread.unpark();
        let mut numbers = [0; 4];
        std::thread::scope(|s| {
            for number in &mut numbers {
                s.spawn(|| *number = 1);
            }
        });
        assert_eq!(numbers, [1; 4]);
        producer.join().unwrap();
        let count = scaled(1000);
        assert_eq!(consumer.join().unwrap(), count * (count - 1) / 2);
        for turn in turns {
            turn.join().unwrap();
        }
        parked.join().unwrap();
    });
}

/// Processes are started and awaited from goroutines, with their output.
#[test]
fn commands() {
    run_on(8, || {
        let all: Vec<_> = (0..50)
            .map(|i| {
                gander::spawn(move || {
                    gander::yield_now();
                    let output = Command::new("echo").arg(format!("child {i}")).env("X", "1").output().unwrap();
                    assert!(output.status.success());
                    assert_eq!(output.stdout, format!("child {i}\n").into_bytes());
                    // Its own directory makes std fork and exec instead of posix_spawn on some systems.
                    let status = Command::new("true").current_dir("/").status().unwrap();
                    assert!(status.success());
                })
            })
            .collect();
        for one in all {
            one.join().unwrap();
        }
    });
}

/// A plain fork in a goroutine: the child can end, the parent goes on.
#[test]
fn fork_and_exit() {
    run_on(PROCS, || {
        for i in 0..20 {
            let code = gander::spawn(move || {
                gander::yield_now();
                // SAFETY: the child only ends.
                unsafe {
                    match libc::fork() {
                        0 => libc::_exit(i),
                        pid => {
                            assert!(pid > 0);
                            let mut status = 0;
                            assert_eq!(libc::waitpid(pid, &mut status, 0), pid);
                            assert!(libc::WIFEXITED(status), "status {status:#x}");
                            libc::WEXITSTATUS(status)
                        }
                    }
                }
            });
            assert_eq!(code.join().unwrap(), i);
        }
    });
}

/// A goroutine that panics while it holds a std lock poisons it, and others learn it.
#[test]
fn poison() {
    run_on(PROCS, || {
        let lock = Arc::new(Mutex::new(1));
        let held = lock.clone();
        let error = gander::spawn(move || {
            let _held = held.lock().unwrap();
            gander::yield_now();
            std::panic::resume_unwind(Box::new(()));
        });
        assert!(error.join().is_err());
        assert!(lock.is_poisoned());
        let lock = Arc::new(Mutex::new(1));
        let held = lock.clone();
        gander::spawn(move || drop((held.lock().unwrap(), gander::yield_now()))).join().unwrap();
        assert!(!lock.is_poisoned());
    });
}
