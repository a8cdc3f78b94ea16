//! What the environment, the kernel and the builder allow.

use super::*;

cases! {
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
}
