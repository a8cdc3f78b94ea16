//! What a program shows of itself: dumps, backtraces, lines of the scheduler; and that it rests.

use super::*;

cases! {
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
