//! What the process does: how it ends, what it prints, signals, limits. Each case runs this binary again with the
//! scenario's name in `GANDER_SCENARIO`.

#![allow(unsafe_code, reason = "system calls, handlers and the faults that are tested")]

const SHARED: bool = false;

mod common;

use std::io::{Read, Write};
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use common::cases::cases;
use common::child;
use gander::__private::main as gander_main;
use gander::Builder;

/// A scenario under the entry point of `#[gander::main]`.
macro_rules! under_main {
    ($body:expr) => {
        || gander_main(builder(), $body)
    };
}

/// The builder of a scenario: four processors unless the environment says.
fn builder() -> Builder {
    Builder::new().procs(4)
}

fn park_for_ever() -> ! {
    loop {
        gander::park();
    }
}

/// Recurses until the stack ends; the name is looked for in backtraces.
#[inline(never)]
fn descend_without_end(depth: u64) -> u64 {
    let frame = std::hint::black_box([depth; 16]);
    if depth == u64::MAX { 0 } else { descend_without_end(depth + 1) + frame[3] }
}

#[inline(never)]
fn receive_for_ever(rx: gander::chan::Receiver<()>) {
    let _ = std::hint::black_box(rx.recv());
}

#[inline(never)]
fn sleep_for_ever() {
    gander::sleep(std::hint::black_box(Duration::from_secs(1_000_000)));
    std::hint::black_box(());
}

#[inline(never)]
fn spin_for_ever() {
    loop {
        std::hint::black_box(1);
    }
}

#[inline(never)]
fn read_for_ever() {
    gander::blocking(|| {
        loop {
            std::thread::sleep(Duration::from_secs(1000));
        }
    })
}

fn start_named(name: &str, f: impl FnOnce() + Send + 'static) -> gander::JoinHandle<()> {
    Builder::new().name(name.into()).spawn(f).expect("memory for a goroutine")
}

/// One of each: a leaked receiver, a hot loop, a thread stuck in a call, two that wait for each other, two with two locks, and sleepers. Returns when each is where it will stay.
fn name_every_kind(sleepers: usize) {
    let (tx, rx) = gander::chan::bounded(0);
    std::mem::forget(tx);
    start_named("leaked receiver", || receive_for_ever(rx));
    start_named("hot", spin_for_ever);
    start_named("stuck in read", read_for_ever);
    let (tx, rx) = gander::chan::bounded(0);
    let a = start_named("cycle a", move || {
        let b: gander::JoinHandle<()> = rx.recv().expect("sent below");
        let _ = b.join();
    });
    let (send_a, a_here) = gander::chan::bounded::<()>(0);
    let b = start_named("cycle b", move || {
        let _a = (a, a_here.recv());
    });
    tx.send(b).expect("a receives it");
    std::mem::forget(send_a);
    take_both_locks();
    (0..sleepers).for_each(|_| gander::go(sleep_for_ever));
    let count = |words: &str| {
        let mut count = 0;
        gander::inspect::for_each_goroutine(|g| count += usize::from(g.state.to_string() == words));
        count
    };
    while count("sleep") < sleepers
        || count("chan receive") < 2
        || count("join") < 1
        || count("blocking call") < 1
        || count("mutex lock") < 2
    {
        gander::sleep(Duration::from_millis(10));
    }
}

/// Two goroutines, with a lock each, that want the other's.
fn take_both_locks() {
    use gander::sync::{Arc, Barrier, Mutex};
    let (a, b, both) = (Arc::new(Mutex::new(())), Arc::new(Mutex::new(())), Arc::new(Barrier::new(2)));
    for (name, first, second) in [("a, then b", &a, &b), ("b, then a", &b, &a)] {
        let (first, second, both) = (first.clone(), second.clone(), both.clone());
        start_named(name, move || {
            let _first = first.lock().unwrap();
            both.wait();
            let _second = second.lock().unwrap();
        });
    }
}

fn quit_and_wait() {
    // SAFETY: sends a signal to ourselves.
    unsafe { libc::kill(libc::getpid(), libc::SIGQUIT) };
    park_for_ever();
}

/// Prints in its destructor.
struct Loud(&'static str);

impl Drop for Loud {
    fn drop(&mut self) {
        println!("dropped {}", self.0);
    }
}

fn limit(resource: libc::__rlimit_resource_t, most: u64) {
    let limit = libc::rlimit { rlim_cur: most, rlim_max: most };
    // SAFETY: reads our local.
    assert_eq!(unsafe { libc::setrlimit(resource, &limit) }, 0);
}

static HANDLED: AtomicBool = AtomicBool::new(false);

extern "C" fn own_handler(_: libc::c_int, _: *mut libc::siginfo_t, _: *mut libc::c_void) {
    HANDLED.store(true, Ordering::SeqCst);
    let text = b"the user's handler\n";
    // SAFETY: async-signal-safe calls.
    unsafe {
        libc::write(2, text.as_ptr().cast(), text.len());
        libc::_exit(42);
    }
}

cases! {
    // panics-3: main returns while goroutines yield, sleep, park and block; what they would print does not appear.
    // Semantics 39.
    panics_3_main_returns: |name| {
        let ended = child(name, &[]);
        ended.expect(0, &[]);
        assert_eq!(ended.out, "main returns\n");
        assert!(ended.took < Duration::from_secs(5), "{ended:?}");
    }, under_main!(|| {
        for i in 0..100 {
            gander::go(move || {
                let _loud = Loud("a goroutine's");
                match i % 3 {
                    0 => gander::sleep(Duration::from_millis(1500)),
                    1 => park_for_ever(),
                    _ => loop { gander::yield_now() },
                }
                println!("still here");
            });
        }
        gander::go(|| std::thread::sleep(Duration::from_secs(1000)));
        gander::sleep(Duration::from_millis(20));
        println!("main returns");
    });
    // An error that main returns is printed as std prints it, code 1.
    main_error: |name| { child(name, &[]).expect(1, &["Error: \"no luck\""]); },
        under_main!(|| -> Result<(), String> { Err("no luck".to_string()) });
    // An exit code that main returns is the process's.
    main_exit_code: |name| { child(name, &[]).expect(7, &[]); }, under_main!(|| ExitCode::from(7));
    // panics-7: a panic of main ends the process with code 2 and names it.
    panics_7_main: |name| {
        child(name, &[]).expect(2, &["boom in main", "panic in the main goroutine"]);
    }, under_main!(|| if true { panic!("boom in main") });
    // panics-7, panics-9: an uncaught panic of `go!` ends the process with code 2, names goroutine and spawn site.
    // Semantics 37.
    panics_9_go: |name| {
        let ended = child(name, &[]);
        ended.expect(2, &["boom in go", "goroutine ", "tests/process.rs:", "created by goroutine "]);
        assert!(!ended.out.contains("still here"), "{ended:?}");
    }, under_main!(|| {
        gander::go!(if true { panic!("boom in go") });
        gander::sleep(Duration::from_secs(10));
        println!("still here");
    });
    // The report of a named goroutine has the name; its destructors ran before the process ends (semantics 37).
    panics_7_named: |name| {
        let ended = child(name, &[]);
        ended.expect(2, &["\"the worker\"", "panic: 17"]);
        assert!(ended.out.contains("dropped guard"), "{ended:?}");
    }, under_main!(|| {
        Builder::new().name("the worker".into()).go(|| { let _guard = Loud("guard"); panic!("{}", 17) }).unwrap();
        gander::sleep(Duration::from_secs(10));
    });
    // A hook contains the panic of `go!`; a hook that panics ends the process.
    unhandled_hook: |name| {
        let ended = child(name, &[]);
        ended.expect(2, &["and the hook for unhandled panics panicked"]);
        assert_eq!(ended.out, "hook: first true\nafter\n");
    }, under_main!(|| {
        static CALLS: AtomicUsize = AtomicUsize::new(0);
        gander::set_unhandled_panic_hook(|panic| {
            assert_eq!(CALLS.fetch_add(1, Ordering::SeqCst), 0, "the hook's own panic");
            let text = panic.payload().downcast_ref::<&str>().unwrap();
            println!("hook: {text} {}", panic.spawned_at().file().ends_with("process.rs"));
        });
        gander::go(|| panic!("first"));
        while CALLS.load(Ordering::SeqCst) == 0 { gander::yield_now(); }
        gander::sleep(Duration::from_millis(5));
        println!("after");
        gander::go(|| panic!("second"));
        gander::sleep(Duration::from_secs(10));
    });
    // panics-2: main exits, the others go on, then the process says that none is left.
    // Semantics 38.
    panics_2_main_exits: |name| {
        let ended = child(name, &[]);
        ended.expect(2, &["no goroutines (main called gander::exit) - deadlock!"]);
        assert_eq!(ended.out, "dropped main's\nthe other one\n");
    }, under_main!(|| {
        gander::go(|| { gander::sleep(Duration::from_millis(60)); println!("the other one"); });
        let _loud = Loud("main's");
        gander::exit();
    });
    // panics-1, semantics 42: main blocks for ever, alone.
    panics_1_deadlock: |name| {
        let ended = child(name, &[]);
        ended.expect(2, &[
            "fatal error: all goroutines are asleep - deadlock!",
            "goroutine 1 \"main\" [chan receive",
            "created",
            "tests/process.rs:",
        ]);
        assert!(ended.took < Duration::from_secs(10), "{ended:?}");
    }, under_main!(|| {
        let (_tx, rx) = gander::chan::bounded::<()>(0);
        let _ = rx.recv();
    });
    // semantics 43: whatever they wait for; a ticker that nobody waits for does not keep the process.
    // Semantics 40.
    deadlock_of_many: |name| {
        child(name, &[]).expect(2, &[
            "all goroutines are asleep - deadlock!", "[join]", "\"stuck\" [park]", "[chan send]", "[scope end]",
        ]);
    }, under_main!(|| {
        let _ticker = gander::time::Ticker::new(Duration::from_millis(1));
        let _timer = gander::time::Timer::new(Duration::from_millis(1));
        gander::go(|| gander::scope(|s| { s.spawn(|| park_for_ever()); }));
        let (tx, _rx) = gander::chan::bounded(0);
        gander::go(move || { let _ = tx.send(1); });
        let _ = Builder::new().name("stuck".into()).spawn(|| park_for_ever()).unwrap().join();
    });
    // leaks-1: where a bug (cockroach#7504, two locks in two orders) takes main with it, all of it is reported.
    leaks_1_nothing_moves: |name| {
        child(name, &[]).expect(2, &[
            "all goroutines are asleep", "\"main\" [mutex lock", "\"release\" [mutex lock",
            // Who has what they wait for, and that it is a circle.
            "circle: goroutine ", "\"release\" [mutex lock], which waits for goroutine ", ", held by goroutine ",
        ]);
    }, under_main!(|| {
        use gander::sync::{Arc, Mutex};
        let (lease, cache) = (Arc::new(Mutex::new(())), Arc::new(Mutex::new(())));
        let (here, there) = gander::chan::bounded::<()>(0);
        let (lease_too, cache_too) = (lease.clone(), cache.clone());
        start_named("release", move || {
            let _lease = lease_too.lock().unwrap();
            here.send(()).unwrap();
            let _cache = cache_too.lock().unwrap();
        });
        let _cache = cache.lock().unwrap();
        there.recv().unwrap();
        let _lease = lease.lock().unwrap();
    });
    // The same under `run`, from the process's only thread; and where main has exited.
    deadlock_under_run: |name| { child(name, &[]).expect(2, &["all goroutines are asleep", "[park]"]); }, || {
        builder().run(|| park_for_ever());
        ExitCode::SUCCESS
    };
    deadlock_after_exit: |name| { child(name, &[]).expect(2, &["all goroutines are asleep", "[park]"]); },
    under_main!(|| {
        gander::go(|| park_for_ever());
        gander::exit();
    });
    // The context's timer is over, and nobody else is there.
    // Semantics 43.
    deadlock_after_timers: |name| { child(name, &[]).expect(2, &["all goroutines are asleep"]); }, under_main!(|| {
        let (ctx, _cancel) = gander::context::Context::background().with_timeout(Duration::from_millis(30));
        let _ = ctx.done().recv();
        gander::time::after_func(Duration::from_millis(30), || {});
        park_for_ever();
    });
    // semantics 43 to 45: no alarm while something may still happen: a sleep, a function to be called, a call that
    // blocks, a process that is waited for, a thread that never used gander but holds an end of a channel.
    no_deadlock: |name| {
        let ended = child(name, &[]);
        ended.expect(0, &[]);
        assert_eq!(ended.out, "slept\ncalled\nblocked\nran\nreceived\ndone\n");
    }, under_main!(|| {
        let pause = Duration::from_millis(150);
        gander::sleep(pause);
        println!("slept");
        let (tx, rx) = gander::chan::bounded(0);
        let theirs = tx.clone();
        gander::time::after_func(pause, move || theirs.send("called").unwrap());
        println!("{}", rx.recv().unwrap());
        let theirs = tx.clone();
        gander::go(move || {
            gander::blocking(|| std::thread::sleep(pause));
            theirs.send("blocked").unwrap();
        });
        println!("{}", rx.recv().unwrap());
        let theirs = tx.clone();
        gander::go(move || {
            assert!(std::process::Command::new("sleep").arg("0.15").status().unwrap().success());
            theirs.send("ran").unwrap();
        });
        println!("{}", rx.recv().unwrap());
        let thread = std::thread::spawn(move || {
            std::thread::sleep(pause);
            tx.send("received").unwrap();
            std::thread::sleep(pause);
        });
        println!("{}", rx.recv().unwrap());
        assert!(rx.recv().is_err());
        thread.join().unwrap();
        println!("done");
    });
    // semantics 44: nor while one waits for the kernel: for a child, for what it prints, for a signal.
    no_deadlock_io: |name| {
        let ended = child(name, &[]);
        ended.expect(0, &[]);
        assert_eq!(ended.out, "waited\nread: hello\nsignalled\n");
    }, under_main!(|| {
        use gander::process::Command;
        assert!(Command::new("sleep").arg("0.2").status().unwrap().success());
        println!("waited");
        let output = Command::new("sh").args(["-c", "sleep 0.2; echo hello"]).output().unwrap();
        print!("read: {}", String::from_utf8(output.stdout).unwrap());
        let signals = gander::signal::notify(&[gander::signal::Signal::USR1]).unwrap();
        let script = format!("sleep 0.2; kill -USR1 {}", std::process::id());
        let mut child = Command::new("sh").args(["-c", &script]).spawn().unwrap();
        signals.recv().unwrap();
        child.wait().unwrap();
        println!("signalled");
    });
    // Nor when a thread that called `run` has its result, and the others sleep.
    // Semantics 45.
    no_deadlock_after_run: |name| { child(name, &[]).expect(0, &[]); }, || {
        let (tx, rx) = gander::chan::bounded(0);
        let worker = builder().run(move || gander::spawn(move || rx.recv()));
        std::thread::sleep(Duration::from_millis(100));
        tx.send(1).unwrap();
        assert_eq!(worker.join().unwrap(), Ok(1));
        ExitCode::SUCCESS
    };
    // Nor while the thread rings that minds what was set before the runtime ran, however long it takes.
    no_deadlock_while_rung: |name| { child(name, &[]).expect(0, &[]); }, || {
        use gander_runtime::timer::{Call, deadline_after};
        let (tx, rx) = gander::chan::bounded(1);
        let call = Call::new(move |_| {
            std::thread::sleep(Duration::from_millis(300));
            tx.send(1).unwrap();
        });
        call.set(deadline_after(Duration::from_millis(50)));
        assert_eq!(builder().run(|| rx.recv()), Ok(1));
        ExitCode::SUCCESS
    };
    // sync-4: signals hit all threads all the time, workers that sleep included: no wake-up is lost, no sleep is short.
    sync_4_signals_while_workers_sleep: |name| { child(name, &[]).expect(0, &[]); }, under_main!(|| {
        static HITS: AtomicUsize = AtomicUsize::new(0);
        static IS_OVER: AtomicBool = AtomicBool::new(false);
        extern "C" fn count(_: i32) { HITS.fetch_add(1, Ordering::Relaxed); }
        // SAFETY: a zeroed action is valid; the handler does nothing but count. Calls are not restarted.
        unsafe {
            let mut action: libc::sigaction = std::mem::zeroed();
            action.sa_sigaction = count as extern "C" fn(i32) as usize;
            action.sa_flags = libc::SA_ONSTACK;
            assert_eq!(libc::sigaction(libc::SIGUSR1, &action, std::ptr::null_mut()), 0);
        }
        let hammer = std::thread::spawn(|| {
            let me = common::tid();
            while !IS_OVER.load(Ordering::Relaxed) {
                for entry in std::fs::read_dir("/proc/self/task").unwrap().flatten() {
                    let thread: i64 = entry.file_name().to_str().unwrap().parse().unwrap();
                    if thread != me {
                        // SAFETY: sends a signal that has a handler; the thread may be gone by now.
                        unsafe { libc::syscall(libc::SYS_tgkill, libc::getpid(), thread, libc::SIGUSR1) };
                    }
                }
            }
        });
        const NAP: Duration = Duration::from_micros(200);
        let (ping, pong) = (gander::chan::bounded(0), gander::chan::bounded(0));
        let (theirs, ours) = (ping.1, pong.0);
        // An ordinary thread that sleeps in a receive, a goroutine that does, and one that naps.
        let echo = std::thread::spawn(move || for i in theirs { ours.send(i).unwrap() });
        let napper = gander::spawn(|| for _ in 0..common::scaled(500) {
            let start = std::time::Instant::now();
            gander::sleep(NAP);
            assert!(start.elapsed() >= NAP);
        });
        for i in 0..common::scaled(2000) {
            ping.0.send(i).unwrap();
            assert_eq!(pong.1.recv(), Ok(i));
        }
        napper.join().unwrap();
        drop(ping.0);
        gander::blocking(|| echo.join()).unwrap();
        common::until(|| HITS.load(Ordering::Relaxed) > common::scaled(1000));
        IS_OVER.store(true, Ordering::Relaxed);
        gander::blocking(|| hammer.join()).unwrap();
    });
    // timers-20: a program that only sleeps, with its output closed.
    timers_20_only_sleeps: |name| {
        let ended = child(name, &[]);
        ended.expect(0, &[]);
        assert!(ended.took >= Duration::from_millis(300) && ended.err.is_empty(), "{ended:?}");
    }, under_main!(|| {
        // SAFETY: nobody in this process prints.
        unsafe { libc::close(1) };
        gander::sleep(Duration::from_millis(300));
    });
    // panics-5: two panics caught, the third not: messages in order, the exit is the third's.
    // Semantics 37.
    panics_5_order: |name| {
        let ended = child(name, &[]);
        ended.expect(2, &["first", "second", "third"]);
        let at = |text| ended.err.find(text).unwrap();
        assert!(at("first") < at("second") && at("second") < at("third"), "{ended:?}");
    }, under_main!(|| {
        struct Cleanup;
        impl Drop for Cleanup {
            fn drop(&mut self) {
                let caught = std::panic::catch_unwind(|| panic!("second"));
                assert!(caught.is_err());
            }
        }
        gander::go(|| {
            let caught = std::panic::catch_unwind(|| { let _cleanup = Cleanup; panic!("first"); });
            assert!(caught.is_err());
            panic!("third");
        });
        gander::sleep(Duration::from_secs(10));
    });
    // panics-8: the message parks while it is put together, and the hook parks and writes to a pipe that is full.
    panics_8_slow_report: |name| {
        child(name, &[]).expect(2, &["told: put together after a while", "the pipe took all of it"]);
    }, under_main!(|| {
        const LENGTH: usize = 1 << 18;
        struct Slow(gander::chan::Receiver<()>);
        impl std::fmt::Display for Slow {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                self.0.recv().map_err(|_| std::fmt::Error)?;
                f.write_str("put together after a while")
            }
        }
        let (mut full, pipe) = std::io::pipe().unwrap();
        let (go_on, may_go_on) = gander::chan::bounded::<()>(0);
        let message = Slow(may_go_on.clone());
        std::panic::set_hook(Box::new(move |info| {
            may_go_on.recv().unwrap();
            pipe.try_clone().unwrap().write_all(&[b'x'; LENGTH]).unwrap();
            eprintln!("told: {}\nthe pipe took all of it", info.payload().downcast_ref::<String>().unwrap());
        }));
        gander::go(move || panic!("{message}"));
        for _ in 0..16 {
            gander::sleep(Duration::from_millis(2));
            // It is heard by the message as often as it is put together, then by the hook.
            let _ = go_on.try_send(());
        }
        gander::go(move || while go_on.send(()).is_ok() {});
        gander::blocking(|| full.read_exact(&mut vec![0; LENGTH])).unwrap();
        gander::sleep(Duration::from_secs(10));
    });
    // panics-12: a panic in a destructor while unwinding aborts.
    // Semantics 41.
    panics_12_drop: |name| {
        let ended = child(name, &[]);
        assert_eq!(ended.signal, Some(libc::SIGABRT), "{ended:?}");
        assert!(ended.err.contains("panic in a destructor during cleanup"), "{ended:?}");
    }, under_main!(|| {
        struct Bad;
        impl Drop for Bad { fn drop(&mut self) { panic!("second") } }
        let _ = gander::spawn(|| { let _bad = Bad; panic!("first"); }).join();
    });
    // panics-12: a panic that would cross `extern "C"` aborts.
    panics_12_extern: |name| {
        let ended = child(name, &[]);
        assert_eq!(ended.signal, Some(libc::SIGABRT), "{ended:?}");
        assert!(ended.err.contains("cannot unwind"), "{ended:?}");
    }, under_main!(|| {
        extern "C" fn outer() { panic!("through C") }
        let _ = gander::spawn(|| outer()).join();
    });
    // stack-7a: the overflow of a goroutine is reported with everything one needs, code 2; four others run meanwhile.
    // Semantics 40.
    stack_7_overflow: |name| {
        let ended = child(name, &[]);
        ended.expect(2, &["stack overflow", "goroutine ", "\"deep\"", "tests/process.rs:", "1024 KiB", "stack_size",
            "maybe_grow", "descend_without_end"]);
        assert!(!ended.out.contains("not reached"), "{ended:?}");
    }, under_main!(|| {
        for _ in 0..4 { gander::go(|| loop { gander::yield_now() }); }
        let deep = Builder::new().name("deep".into()).spawn(|| descend_without_end(0)).unwrap();
        println!("not reached {:?}", deep.join().is_ok());
    });
    // The limit in the report is that of the stack, and a large one is reported in time as well.
    stack_7_overflow_large: |name| {
        child(name, &[]).expect(2, &["stack overflow", "65536 KiB", "descend_without_end"]);
    }, under_main!(|| {
        let deep = Builder::new().stack_size(64 << 20).spawn(|| descend_without_end(0)).unwrap();
        let _ = deep.join();
    });
    // The overflow of a segment is reported with the segment's size.
    stack_7_overflow_segment: |name| { child(name, &[]).expect(2, &["stack overflow", "2048 KiB"]); },
    under_main!(|| {
        let _ = gander::spawn(|| gander::stack::grow_to(2 << 20, || descend_without_end(0))).join();
    });
    // That of a segment of an ordinary thread, too.
    stack_7_overflow_thread_segment: |name| {
        child(name, &[]).expect(2, &["stack overflow", "thread \"grower\"", "2048 KiB", "grow_to"]);
    }, under_main!(|| {
        let grower = std::thread::Builder::new().name("grower".into());
        let _ = grower.spawn(|| gander::stack::grow_to(2 << 20, || descend_without_end(0))).unwrap().join();
    });
    // Several goroutines overflow at once: one report, code 2.
    stack_7_overflow_many: |name| {
        let ended = child(name, &[]);
        ended.expect(2, &["stack overflow"]);
        assert_eq!(ended.err.matches("fatal error: stack overflow").count(), 1, "{ended:?}");
    }, under_main!(|| {
        let all: Vec<_> = (0..8).map(|_| gander::spawn(|| descend_without_end(0))).collect();
        for one in all { let _ = one.join(); }
    });
    // stack-7b, signals-10: a null dereference dies by SIGSEGV and is not called an overflow.
    stack_7_null: |name| {
        let ended = child(name, &[]);
        assert_eq!(ended.signal, Some(libc::SIGSEGV), "{ended:?}");
        assert!(!ended.err.contains("overflow"), "{ended:?}");
    }, under_main!(|| {
        let _ = gander::spawn(|| {
            let null = std::hint::black_box(8 as *const u8);
            // SAFETY: it is not; that is the test.
            unsafe { null.read_volatile() }
        }).join();
    });
    // stack-7c: the overflow of an ordinary thread gives Rust's own message.
    stack_7_thread: |name| {
        let ended = child(name, &[]);
        assert_eq!(ended.signal, Some(libc::SIGABRT), "{ended:?}");
        assert!(ended.err.contains("has overflowed its stack"), "{ended:?}");
    }, under_main!(|| {
        let _ = std::thread::spawn(|| descend_without_end(0)).join();
    });
    // stack-7d: a handler from before the runtime gets what is not ours.
    stack_7_chained: |name| { child(name, &[]).expect(42, &["the user's handler"]); }, || {
        // SAFETY: a zeroed action is valid; the handler has the signature of SA_SIGINFO.
        unsafe {
            let mut action: libc::sigaction = std::mem::zeroed();
            action.sa_sigaction = own_handler as *const () as usize;
            action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK;
            assert_eq!(libc::sigaction(libc::SIGSEGV, &action, std::ptr::null_mut()), 0);
        }
        gander_main(builder(), || {
            let _ = gander::spawn(|| {
                let null = std::hint::black_box(8 as *const u8);
                // SAFETY: it is not; that is the test.
                unsafe { null.read_volatile() }
            }).join();
        })
    };
    // signals-6: SIGSEGV that somebody sent still kills.
    signals_6_bogus: |name| {
        let ended = child(name, &[]);
        assert_eq!(ended.signal, Some(libc::SIGSEGV), "{ended:?}");
    }, under_main!(|| {
        // SAFETY: sends a signal to this process.
        unsafe { libc::kill(libc::getpid(), libc::SIGSEGV); }
        gander::sleep(Duration::from_secs(10));
    });
    // chan-19's rule for spawning: before the runtime runs there is a clear error, and afterwards it works.
    before_start: |name| {
        let ended = child(name, &[]);
        ended.expect(0, &[]);
        assert!(ended.out.contains("no gander runtime runs in this process"), "{ended:?}");
        assert!(ended.out.contains("set_procs panicked true"), "{ended:?}");
    }, || {
        println!("{}", Builder::new().spawn(|| ()).unwrap_err());
        assert!(matches!(Builder::new().go(|| ()), Err(gander::SpawnError::NotRunning)));
        assert!(std::panic::catch_unwind(|| gander::spawn(|| ())).is_err());
        println!("set_procs panicked {}", std::panic::catch_unwind(|| gander::set_procs(2)).is_err());
        assert_eq!(gander::num_goroutines(), 0);
        assert!(gander::try_current().is_none());
        gander::yield_now();
        gander::sleep(Duration::from_millis(1));
        gander::unlock_os_thread();
        assert_eq!(gander::run(|| gander::spawn(|| 5).join().unwrap()), 5);
        // And after `run` has returned the runtime is still there.
        assert_eq!(gander::spawn(|| 6).join().unwrap(), 6);
        ExitCode::SUCCESS
    };
    // GANDER_PROCS is taken, a wrong one is reported and ignored, Builder::procs wins.
    procs_env: |name| {
        assert_eq!(child(name, &[("GANDER_PROCS", "3")]).expect(0, &[]).out, "3\n");
        assert_eq!(child(name, &[("GANDER_PROCS", " 5 ")]).expect(0, &[]).out, "5\n");
        for wrong in ["0", "1025", "many", "-1", ""] {
            child(name, &[("GANDER_PROCS", wrong)]).expect(0, &["is not a number from 1 to 1024: ignored"]);
        }
        assert_eq!(child("procs_builder", &[("GANDER_PROCS", "3")]).expect(0, &[]).out, "6\n");
    }, || { gander::run(|| println!("{}", gander::procs())); ExitCode::SUCCESS };
    // Settings that contradict the running ones.
    procs_builder: |name| { assert_eq!(child(name, &[]).expect(0, &[]).out, "6\n"); }, || {
        Builder::new().procs(6).run(|| println!("{}", gander::procs()));
        let error = Builder::new().procs(2).try_run(|| ()).unwrap_err().to_string();
        assert!(error.contains("the runtime runs already, with procs 6") && error.contains("2 was asked for"), "{error}");
        // SAFETY: refused.
        let error = unsafe { Builder::new().shared() }.try_run(|| ()).unwrap_err().to_string();
        assert!(error.contains("thread-locals") && error.contains("shared mode"), "{error}");
        assert!(matches!(Builder::new().procs(2).spawn(|| ()), Err(gander::SpawnError::RuntimeSetting("procs"))));
        assert!(std::panic::catch_unwind(|| Builder::new().procs(2).run(|| ())).is_err());
        Builder::new().procs(6).run(|| ());
        ExitCode::SUCCESS
    };
    // `procs` out of range: a panic that says so, and the runtime can still be started.
    procs_invalid: |name| {
        child(name, &[]).expect(0, &["0 processors asked for", "1025 processors asked for"]);
    }, || {
        for wrong in [0, 1025] {
            assert!(std::panic::catch_unwind(|| Builder::new().procs(wrong).run(|| ())).is_err());
        }
        assert_eq!(Builder::new().procs(2).run(|| gander::spawn(|| 1).join().unwrap()), 1);
        ExitCode::SUCCESS
    };
    // sched-14: the default follows the affinity mask.
    sched_14_affinity: |name| { assert_eq!(child(name, &[]).expect(0, &[]).out, "1\n"); }, || {
        // SAFETY: a zeroed set is a valid set.
        unsafe {
            let mut set: libc::cpu_set_t = std::mem::zeroed();
            libc::CPU_SET(0, &mut set);
            assert_eq!(libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), &set), 0);
        }
        gander::run(|| println!("{}", gander::procs()));
        ExitCode::SUCCESS
    };
    // A forked child may only exec or _exit; spawning there is refused, not a hang.
    fork_refused: |name| { assert_eq!(child(name, &[]).expect(0, &[]).out, "child 77\n"); }, under_main!(|| {
        for _ in 0..20 {
            let code = gander::spawn(|| {
                // SAFETY: the child allocates no more than the error needs, and ends by _exit.
                unsafe {
                    match libc::fork() {
                        0 => {
                            let spawn = matches!(Builder::new().spawn(|| ()), Err(gander::SpawnError::Forked));
                            let run = matches!(Builder::new().try_run(|| ()), Err(gander::StartError::Forked));
                            libc::_exit(if spawn && run { 77 } else { 1 })
                        }
                        pid => {
                            let mut status = 0;
                            assert_eq!(libc::waitpid(pid, &mut status, 0), pid);
                            assert!(libc::WIFEXITED(status), "status {status:#x}");
                            libc::WEXITSTATUS(status)
                        }
                    }
                }
            }).join().unwrap();
            assert_eq!(code, 77);
        }
        println!("child 77");
    });
    // With little address space spawning fails by an error that names the limit; nothing that runs is hurt, and
    // when it has ended there is room again.
    exhaustion: |name| {
        let ended = child(name, &[]);
        ended.expect(0, &[]);
        assert!(ended.out.contains("RLIMIT_AS"), "{ended:?}");
        assert!(ended.out.contains("fine again"), "{ended:?}");
    }, || {
        limit(libc::RLIMIT_AS, 3 << 30);
        gander_main(builder(), || {
            let mut all = Vec::new();
            let error = loop {
                match Builder::new().stack_size(16 << 20).spawn(|| { gander::park(); 1u32 }) {
                    Ok(one) => all.push(one),
                    Err(error) => break error,
                }
                assert!(all.len() < 10_000, "no end of it");
            };
            assert!(all.len() > 10, "{} and then {error}", all.len());
            println!("{error}");
            for one in &all { one.goroutine().unpark(); }
            let count = all.len();
            assert_eq!(all.into_iter().map(|one| one.join().unwrap()).sum::<u32>() as usize, count);
            for _ in 0..3 {
                let again: Vec<_> = (0..count / 2).map(|i| {
                    Builder::new().stack_size(16 << 20).spawn(move || i).unwrap()
                }).collect();
                for (i, one) in again.into_iter().enumerate() { assert_eq!(one.join().unwrap(), i); }
            }
            println!("fine again");
        })
    };
    // panics-4: no more threads: it says so once and goes on with those that run.
    // Semantics 40.
    panics_4_threads: |name| {
        let ended = child(name, &[]);
        // root is not bound by RLIMIT_NPROC: then there is nothing to see.
        ended.expect(0, &[]);
        assert!(ended.out.contains("done"), "{ended:?}");
    }, under_main!(|| {
        limit(libc::RLIMIT_NPROC, 1);
        let all: Vec<_> = (0..20).map(|_| gander::spawn(|| {
            gander::lock_os_thread();
            for _ in 0..5 { gander::yield_now(); }
            gander::unlock_os_thread();
        })).collect();
        for one in all { one.join().unwrap(); }
        println!("done");
    });
    // sched-15: the count of goroutines goes up with them and comes back.
    sched_15_num_goroutines: |name| { child(name, &[]).expect(0, &[]); }, under_main!(|| {
        for _ in 0..5 {
            common::until(|| gander::num_goroutines() == 1);
            let all: Vec<_> = (0..1000).map(|_| gander::spawn(gander::park)).collect();
            assert_eq!(gander::num_goroutines(), 1001);
            all.iter().for_each(|one| one.goroutine().unpark());
            for one in all { one.join().unwrap(); }
        }
        common::until(|| gander::num_goroutines() == 1);
    });
    // signals-7, leaks-2: SIGQUIT names every goroutine and what it does, those in tight loops and stuck threads too.
    signals_7_quit: |name| {
        let ended = child(name, &[]);
        ended.expect(2, &[
            "SIGQUIT: quit", "\"leaked receiver\" [chan receive]:", "receive_for_ever", "\"hot\" [", "spin_for_ever",
            "\"stuck in read\" [blocking call]:", "read_for_ever", " [sleep]:", " … and ", "sleep_for_ever",
            "\"cycle a\" [join]:", " waits for goroutine ", "\"cycle b\" [chan receive]:", "created by goroutine ",
            "circle: goroutine ", " \"a, then b\" [mutex lock]", " \"b, then a\" [mutex lock]", ", held by goroutine ",
        ]);
        let sleepers = ended.err.lines().find(|line| line.ends_with(" more") && line.contains("[sleep]")).expect("sleepers");
        let count: usize = sleepers.split(' ').next().unwrap().parse().unwrap();
        assert_eq!(count, common::scaled(10_000), "{sleepers}");
        assert!(!ended.err.contains("gander_runtime::switch"), "{ended:?}");
    }, under_main!(|| {
        name_every_kind(common::scaled(10_000));
        quit_and_wait();
    });
    // Two signals end a process that cannot print; GANDER_TRACEBACK says how much is printed.
    traceback: |name| {
        let none = child(name, &[("GANDER_TRACEBACK", "none")]);
        none.expect(2, &["SIGQUIT: quit"]);
        assert!(!none.err.contains("goroutine "), "{none:?}");
        let single = child(name, &[("GANDER_TRACEBACK", "single")]);
        single.expect(2, &["\"hot\" ["]);
        assert!(!single.err.contains("leaked receiver") && !single.err.contains("circle"), "{single:?}");
        child(name, &[("GANDER_TRACEBACK", "system")]).expect(2, &["leaked receiver", "gander_runtime::"]);
        child(name, &[("GANDER_TRACEBACK", "loud")]).expect(2, &["GANDER_TRACEBACK=\"loud\"", "leaked receiver"]);
    }, under_main!(|| {
        name_every_kind(50);
        quit_and_wait();
    });
    // GANDER_TRACEBACK=all: a panic lists the others as well.
    traceback_of_panic: |name| {
        child(name, &[("GANDER_TRACEBACK", "all")]).expect(2, &["panic: alone", "\"leaked receiver\" [chan receive]:", "receive_for_ever"]);
        let alone = child(name, &[]);
        alone.expect(2, &["panic: alone"]);
        assert!(!alone.err.contains("leaked receiver"), "{alone:?}");
    }, under_main!(|| {
        name_every_kind(50);
        gander::go(|| panic!("alone"));
        park_for_ever();
    });
    // GANDER_SCHEDTRACE: a line each period.
    schedtrace: |name| {
        let ended = child(name, &[("GANDER_SCHEDTRACE", "20")]);
        ended.expect(0, &["SCHED ", "ms: procs=4 ", " goroutines=", " runqueue="]);
        assert!(ended.err.matches("SCHED ").count() >= 3, "{ended:?}");
        let wrong = child(name, &[("GANDER_SCHEDTRACE", "often")]);
        wrong.expect(0, &["GANDER_SCHEDTRACE=\"often\""]);
    }, under_main!(|| gander::sleep(Duration::from_millis(300)));
    // leaks-4: idle, the process uses no processor time.
    idle_is_quiet: |name| { child(name, &[]).expect(0, &[]); }, under_main!(|| {
        let cpu = || {
            // SAFETY: a zeroed rusage is valid and gets written.
            let usage = unsafe {
                let mut usage: libc::rusage = std::mem::zeroed();
                libc::getrusage(libc::RUSAGE_SELF, &mut usage);
                usage
            };
            let micros = |at: libc::timeval| at.tv_sec as u64 * 1_000_000 + at.tv_usec as u64;
            micros(usage.ru_utime) + micros(usage.ru_stime)
        };
        gander::spawn(|| for _ in 0..100 { gander::yield_now() }).join().unwrap();
        gander::sleep(Duration::from_millis(100));
        let before = cpu();
        gander::sleep(Duration::from_millis(1000));
        let used = cpu() - before;
        assert!(used < 20_000, "{used} us of processor time in an idle second");
    });
}

fn main() -> ExitCode {
    common::cases::run(CASES)
}
