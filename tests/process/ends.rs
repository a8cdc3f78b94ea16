//! How a program ends: main returns, exits or panics, and what it says then.

use super::*;

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
        ended.expect(2, &["boom in go", "goroutine ", "tests/process/ends.rs:", "created by goroutine "]);
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
            println!("hook: {text} {}", panic.spawned_at().file().ends_with("ends.rs"));
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
}
