//! All goroutines are asleep: when it is said, and when not.

use super::*;

cases! {
    // panics-1, semantics 42: main blocks for ever, alone.
    panics_1_deadlock: |name| {
        let ended = child(name, &[]);
        ended.expect(2, &[
            "fatal error: all goroutines are asleep - deadlock!",
            "goroutine 1 \"main\" [chan receive",
            "created",
            "tests/process/deadlock.rs:",
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
}
