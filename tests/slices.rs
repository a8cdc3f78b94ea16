//! Preemption beside what else a program does with signals, threads, processes and memory. A process has one slice and
//! one signal, so each case is a process of its own: this binary, run again with the scenario's name.

#![allow(unsafe_code, reason = "signals, masks, handlers, and the promise of shared mode")]

const SHARED: bool = false;

mod common;

use std::hint::black_box;
use std::process::{Command, ExitCode};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use common::cases::cases;
use common::{child, scaled};
use gander::{Builder, StartError};

/// A scenario that asserts by itself.
macro_rules! asserting {
    ($body:expr) => {
        || {
            let body: fn() = $body;
            body();
            ExitCode::SUCCESS
        }
    };
}

/// The check of such a scenario.
fn passes(name: &'static str) {
    child(name, &[]).expect(0, &[]);
}

/// The shortest slice, on so many processors.
fn shortest(procs: usize) -> Builder {
    Builder::new().procs(procs).slice(Duration::from_micros(100))
}

/// The processors that the calling thread may use.
fn allowed() -> Vec<usize> {
    // SAFETY: writes our set, for which zero is valid.
    unsafe {
        let mut set: libc::cpu_set_t = std::mem::zeroed();
        assert_eq!(libc::sched_getaffinity(0, size_of_val(&set), &mut set), 0);
        (0..libc::CPU_SETSIZE as usize).filter(|&i| libc::CPU_ISSET(i, &set)).collect()
    }
}

fn compute(micros: u64) {
    let start = Instant::now();
    while start.elapsed() < Duration::from_micros(micros) {
        black_box(0);
    }
}

/// Keeps a processor busy beside `f`, so that whoever runs is preempted.
fn beside_busy_ones<T>(f: impl FnOnce() -> T) -> T {
    let stop = AtomicBool::new(false);
    gander::scope(|s| {
        for _ in 0..3 {
            s.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    black_box(0);
                }
            });
        }
        let answer = f();
        stop.store(true, Ordering::Relaxed);
        answer
    })
}

fn handler_of(signal: i32) -> usize {
    // SAFETY: zeroed is valid; writes our local.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        assert_eq!(libc::sigaction(signal, std::ptr::null(), &mut action), 0);
        action.sa_sigaction
    }
}

static HANDLED: AtomicUsize = AtomicUsize::new(0);

extern "C" fn count(_: libc::c_int) {
    HANDLED.fetch_add(1, Ordering::Relaxed);
}

fn handle(signal: i32, flags: i32, handler: extern "C" fn(libc::c_int)) {
    // SAFETY: zeroed is valid; the handlers of this file are async-signal-safe.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = handler as *const () as usize;
        action.sa_flags = flags;
        assert_eq!(libc::sigaction(signal, &action, std::ptr::null_mut()), 0);
    }
}

/// A timer of the process that sends a signal so often.
fn every(micros: i64) {
    let interval = libc::timeval { tv_sec: 0, tv_usec: micros };
    let timer = libc::itimerval { it_interval: interval, it_value: interval };
    // SAFETY: reads our local.
    assert_eq!(unsafe { libc::setitimer(libc::ITIMER_PROF, &timer, std::ptr::null_mut()) }, 0);
}

extern "C" fn long_handler(_: libc::c_int) {
    HANDLED.fetch_add(1, Ordering::Relaxed);
    for i in 0..20_000_u32 {
        black_box(i);
    }
}

/// What a goroutine computes while it is interrupted comes out as without.
fn sums() -> (f64, u64) {
    let (mut x, mut y) = (1.0_f64, 1_u64);
    for i in 1..20_000_u32 {
        x = (x + 1.0 / f64::from(i)).sqrt() * 1.25;
        y = y.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(i.into());
    }
    (x, y)
}

cases! {
    // Signals from outside are nobody's request: 300 of them to the process.
    from_outside: passes, asserting!(|| {
        shortest(2).run(|| beside_busy_ones(|| {
            for _ in 0..300 {
                // SAFETY: sends a signal to this process.
                unsafe { libc::kill(libc::getpid(), libc::SIGURG) };
                compute(100);
            }
        }));
    });
    // A handler that was there before goes on to get the signals that are not ours, and only those.
    chained: passes, asserting!(|| {
        handle(libc::SIGURG, libc::SA_RESTART, count);
        Builder::new().procs(1).slice(Duration::from_millis(1)).run(|| beside_busy_ones(|| {
            compute(50_000);
            assert_eq!(HANDLED.load(Ordering::Relaxed), 0, "our own signals are not passed on");
            for _ in 0..3 {
                // SAFETY: sends a signal to this process.
                unsafe { libc::kill(libc::getpid(), libc::SIGURG) };
                compute(20_000);
            }
            assert!(HANDLED.load(Ordering::Relaxed) > 0);
        }));
    });
    // A signal that was chosen and is somebody else's is refused, and another can be chosen then.
    taken: passes, asserting!(|| {
        handle(libc::SIGUSR1, 0, count);
        let refused = Builder::new().preempt_signal(libc::SIGUSR1).try_run(|| ()).unwrap_err();
        assert!(matches!(refused, StartError::Signal { signal: libc::SIGUSR1, .. }), "{refused:?}");
        assert!(refused.to_string().contains("somebody else handles it"), "{refused}");
        let before = handler_of(libc::SIGURG);
        Builder::new().procs(1).preempt_signal(libc::SIGWINCH).run(|| beside_busy_ones(|| compute(30_000)));
        assert_eq!(handler_of(libc::SIGURG), before, "the default signal was left alone");
        assert_eq!(handler_of(libc::SIGUSR1), count as *const () as usize);
        let conflict = Builder::new().preempt_signal(libc::SIGURG).try_run(|| ()).unwrap_err();
        assert!(matches!(conflict, StartError::Conflict { setting: "preempt_signal", .. }), "{conflict:?}");
    });
    // Signals that cannot serve.
    unfit: passes, asserting!(|| {
        let real_time = libc::SIGRTMIN() + 3;
        for signal in [real_time, libc::SIGKILL, libc::SIGSTOP, libc::SIGSEGV, libc::SIGABRT, 0, -1, 65, i32::MAX] {
            let refused = Builder::new().preempt_signal(signal).try_run(|| ()).unwrap_err();
            assert!(matches!(refused, StartError::Signal { .. }), "{signal}: {refused:?}");
        }
        let text = Builder::new().preempt_signal(real_time).try_run(|| ()).unwrap_err().to_string();
        assert!(text.contains("real-time"), "{text}");
        assert!(matches!(Builder::new().max_threads(0).try_run(|| ()), Err(StartError::MaxThreads)));
        assert!(Builder::new().slice(Duration::ZERO).spawn(|| ()).is_err(), "a setting of the runtime");
        // Shorter than the shortest is the shortest.
        shortest(1).run(|| ());
        Builder::new().slice(Duration::ZERO).run(|| ());
    });
    // Without preemption: no handler, and who computes keeps the processor.
    off: passes, asserting!(|| {
        let before = handler_of(libc::SIGURG);
        Builder::new().procs(1).slice(Duration::MAX).run(|| {
            let ran = AtomicBool::new(false);
            gander::scope(|s| {
                s.spawn(|| ran.store(true, Ordering::Relaxed));
                compute(100_000);
                assert!(!ran.load(Ordering::Relaxed));
            });
            assert!(ran.into_inner());
        });
        assert_eq!(handler_of(libc::SIGURG), before);
    });
    // A goroutine that blocks the signal opts out, and its thread is as before for those who come after it.
    masked: passes, asserting!(|| {
        shortest(1).run(|| {
            gander::spawn(|| {
                // SAFETY: changes the mask of this goroutine's thread, to which it is tied, and back.
                unsafe {
                    gander::lock_os_thread();
                    let (mut set, mut before) = (std::mem::zeroed(), std::mem::zeroed());
                    libc::sigemptyset(&mut set);
                    libc::sigaddset(&mut set, libc::SIGURG);
                    libc::pthread_sigmask(libc::SIG_BLOCK, &set, &mut before);
                    compute(30_000);
                    libc::pthread_sigmask(libc::SIG_SETMASK, &before, std::ptr::null_mut());
                    compute(10_000);
                    gander::unlock_os_thread();
                }
            })
            .join()
            .unwrap();
            beside_busy_ones(|| compute(10_000));
        });
    });
    // Whatever mask the runtime is started with, its workers can be preempted.
    started_masked: passes, asserting!(|| {
        // SAFETY: changes this thread's mask.
        unsafe {
            let mut set = std::mem::zeroed();
            libc::sigfillset(&mut set);
            libc::pthread_sigmask(libc::SIG_BLOCK, &set, std::ptr::null_mut());
        }
        Builder::new().procs(1).run(|| beside_busy_ones(|| compute(1000)));
    });
    // Handlers of the program's, with and without a stack of their own, long enough to be struck.
    other_handlers: passes, asserting!(|| {
        handle(libc::SIGPROF, libc::SA_RESTART | libc::SA_ONSTACK, long_handler);
        shortest(2).run(|| {
            every(1000);
            let expected = sums();
            beside_busy_ones(|| {
                for _ in 0..scaled(300) {
                    assert_eq!(sums(), expected);
                }
            });
            handle(libc::SIGPROF, libc::SA_RESTART, long_handler);
            beside_busy_ones(|| {
                for _ in 0..scaled(300) {
                    assert_eq!(sums(), expected);
                }
            });
            every(0);
        });
        assert!(HANDLED.load(Ordering::Relaxed) > 0);
    });
    // sched-7: frames close to the end of the stack.
    near_the_end: passes, asserting!(|| {
        #[inline(never)]
        fn descend(bytes: usize) -> (f64, u64) {
            let frame = black_box([1_u8; 1024]);
            if gander::stack::remaining().is_some_and(|left| left > bytes) {
                let answer = descend(bytes);
                assert_eq!(black_box(&frame)[7], 1);
                answer
            } else {
                sums()
            }
        }
        shortest(2).run(|| {
            let expected = sums();
            gander::scope(|s| {
                for i in 0..8 {
                    Builder::new()
                        .stack_size(16 << 10 << (i % 4))
                        .spawn_scoped(s, move || {
                            for _ in 0..scaled(100) {
                                assert_eq!(descend(4096), expected);
                            }
                        })
                        .unwrap();
                }
            });
        });
    });
    // fork and exec, at the shortest slice.
    commands: passes, asserting!(|| {
        // An emulator does not survive a fork beside other threads.
        if std::env::var_os("GANDER_TEST_SMALL").is_some() {
            return;
        }
        shortest(2).run(|| beside_busy_ones(|| {
            for i in 0..100 {
                let output = Command::new("/bin/echo").arg(i.to_string()).output().unwrap();
                assert_eq!(output.stdout, format!("{i}\n").into_bytes());
            }
        }));
    });
    // malloc with one arena: whoever allocates in the runtime would wait for a goroutine that was preempted there.
    one_arena: passes, asserting!(|| {
        // SAFETY: before other threads allocate.
        unsafe { libc::mallopt(libc::M_ARENA_MAX, 1) };
        for procs in [1, 3] {
            shortest(1).run(|| {
                gander::set_procs(procs);
                gander::scope(|s| {
                    for i in 0..30_usize {
                        s.spawn(move || {
                            let mut blocks: Vec<Vec<u8>> = Vec::new();
                            for round in 0..scaled(3000) {
                                blocks.push(vec![i as u8; 1 + (round * 37 + i) % 3000]);
                                if blocks.len() > 50 {
                                    let block = blocks.swap_remove(round % 50);
                                    assert!(block.iter().all(|&byte| byte == i as u8));
                                }
                                if round % 100 == 0 {
                                    gander::spawn(|| ()).join().unwrap();
                                }
                            }
                        });
                    }
                });
            });
        }
    });
    // At the cap those that have threads take turns, the others begin when one ends, and it is counted and said.
    // A thread that is woken in another's place is bound to its processor for a moment: nobody is to see that, and what
    // a program bound by itself stays bound.
    processors_stay_allowed: passes, asserting!(|| {
        let before = allowed();
        shortest(2).run(|| {
            let bound = gander::spawn(|| {
                gander::lock_os_thread();
                let only = allowed()[0];
                // SAFETY: sets which processors the calling thread may use.
                unsafe {
                    let mut set: libc::cpu_set_t = std::mem::zeroed();
                    libc::CPU_SET(only, &mut set);
                    assert_eq!(libc::sched_setaffinity(0, size_of_val(&set), &set), 0);
                }
                for _ in 0..scaled(300) { compute(300); assert_eq!(allowed(), [only]); }
            });
            let free: Vec<_> = (0..4).map(|_| before.clone()).map(|before| gander::spawn(move || {
                for i in 0..scaled(300) {
                    compute(300);
                    if i % 16 == 0 { gander::sleep(Duration::from_micros(100)); }
                    assert_eq!(allowed(), before);
                }
            })).collect();
            bound.join().unwrap();
            free.into_iter().for_each(|one| one.join().unwrap());
            assert!(gander::stats().preemptions > 0);
        });
    });
    // Threads that were needed once, for goroutines that were preempted all at once, end when they have not been needed
    // for a while, and there are new ones when there is need again.
    threads_go_home: passes, asserting!(|| {
        let threads = || std::fs::read_dir("/proc/self/task").unwrap().count();
        let many = 120;
        Builder::new().procs(2).slice(Duration::from_micros(100)).run(|| {
            for _ in 0..2 {
                let (begun, stop) = (AtomicUsize::new(0), AtomicBool::new(false));
                gander::scope(|s| {
                    for _ in 0..many {
                        s.spawn(|| {
                            begun.fetch_add(1, Ordering::Relaxed);
                            while !stop.load(Ordering::Relaxed) { black_box(0); }
                        });
                    }
                    while begun.load(Ordering::Relaxed) < many { gander::sleep(Duration::from_millis(5)); }
                    assert!(threads() > many, "{} threads", threads());
                    stop.store(true, Ordering::Relaxed);
                });
                common::until(|| { gander::sleep(Duration::from_millis(50)); threads() < 110 });
            }
        });
    });
    cap: |name| { child(name, &[]).expect(0, &["which is the most"]); }, asserting!(|| {
        Builder::new().procs(1).slice(Duration::from_millis(1)).max_threads(4).run(|| {
            let counts = [const { AtomicU64::new(0) }; 12];
            gander::scope(|s| {
                for count in &counts {
                    s.spawn(move || {
                        while count.fetch_add(1, Ordering::Relaxed) < 200 {
                            compute(200);
                        }
                    });
                }
            });
            assert!(counts.iter().all(|count| count.load(Ordering::Relaxed) > 200), "{counts:?}");
            assert!(gander::stats().preemptions_failed > 0);
        });
    });
    // Threads that are blocked do not count: what they wait for can happen.
    cap_and_blocked: passes, asserting!(|| {
        Builder::new().procs(1).max_threads(2).run(|| {
            let lock = std::sync::Mutex::new(0);
            gander::scope(|s| {
                for _ in 0..10 {
                    s.spawn(|| {
                        let mut guard = lock.lock().unwrap();
                        gander::sleep(Duration::from_millis(2));
                        *guard += 1;
                    });
                }
            });
            assert_eq!(*lock.lock().unwrap(), 10);
        });
    });
    // Not even if all threads that may be are blocked before the first of them has lost its processor.
    cap_and_all_blocked: passes, asserting!(|| {
        Builder::new().procs(2).max_threads(2).run(|| {
            let (tx, rx) = std::sync::mpsc::channel();
            let rx = std::sync::Mutex::new(rx);
            gander::scope(|s| {
                for _ in 0..6 {
                    s.spawn(|| rx.lock().unwrap().recv().unwrap());
                }
                gander::sleep(Duration::from_millis(2));
                s.spawn(move || (0..6).for_each(|i| tx.send(i).unwrap()));
            });
        });
    });
    // Busy goroutines by the hundred, all of which begin and end.
    crowd: passes, asserting!(|| {
        Builder::new().procs(2).slice(Duration::from_millis(1)).run(|| {
            let ended = AtomicU64::new(0);
            let many = scaled(200) as u64;
            gander::scope(|s| {
                for _ in 0..many {
                    s.spawn(|| {
                        compute(3000);
                        ended.fetch_add(1, Ordering::Relaxed);
                    });
                }
            });
            assert_eq!(ended.into_inner(), many);
        });
    });
    // signals-4: the clock, which libc reads in the kernel's page, under fire.
    clock: passes, asserting!(|| {
        shortest(2).run(|| beside_busy_ones(|| {
            let mut last = Instant::now();
            for _ in 0..scaled(1_000_000) {
                let now = Instant::now();
                assert!(now >= last);
                last = now;
            }
        }));
    });
}

fn main() -> ExitCode {
    common::cases::run(CASES)
}
