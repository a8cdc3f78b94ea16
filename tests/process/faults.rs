//! Stacks that overflow, other faults, and signals of others.

use super::*;

cases! {
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
    // stack-7a: the overflow of a goroutine is reported with everything one needs, code 2; four others run meanwhile.
    // Semantics 40.
    stack_7_overflow: |name| {
        let ended = child(name, &[]);
        ended.expect(2, &["stack overflow", "goroutine ", "\"deep\"", "tests/process/faults.rs:", "1024 KiB", "stack_size",
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
}
