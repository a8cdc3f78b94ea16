//! Profiles, as far as they can be read without Go; with it (`GANDER_GO=/path/to/go`) its own tool reads them.

use std::io::Read;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use gander_inspect::profile;
use gander_runtime::{Builder, blocking, park, spawn, yield_now};

/// What is in the file: the names are there as they are.
fn unpacked(file: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    flate2::read::GzDecoder::new(file).read_to_end(&mut bytes).expect("it is gzip");
    bytes
}

/// Waits are measured for one at a time.
fn alone() -> MutexGuard<'static, ()> {
    static ONE: Mutex<()> = Mutex::new(());
    ONE.lock().unwrap_or_else(PoisonError::into_inner)
}

fn contains(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|window| window == text.as_bytes())
}

/// What Go's tool makes of it, if there is one.
fn top(name: &str, file: &[u8]) -> Option<String> {
    let go = std::env::var_os("GANDER_GO")?;
    let path = std::env::temp_dir().join(format!("gander-{name}-{}.pb.gz", std::process::id()));
    std::fs::write(&path, file).unwrap();
    let run = Command::new(go).args(["tool", "pprof", "-top", "-nodecount=50"]).arg(&path).output().unwrap();
    std::fs::remove_file(&path).unwrap();
    let text = String::from_utf8_lossy(&run.stdout).into_owned();
    assert!(run.status.success(), "{text}{}", String::from_utf8_lossy(&run.stderr));
    Some(text)
}

#[inline(never)]
fn wait_in_here() {
    park();
    std::hint::black_box(());
}

#[inline(never)]
fn burn_in_here(stop: &AtomicBool) -> u64 {
    let mut x = 1u64;
    while !stop.load(Ordering::Relaxed) {
        x = std::hint::black_box(x.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1));
    }
    x
}

#[test]
fn goroutines_by_place() {
    gander_runtime::run(|| {
        let all: Vec<_> = (0..17).map(|_| spawn(wait_in_here)).collect();
        let parked = || gander_inspect::goroutines().iter().filter(|g| g.state.to_string() == "park").count();
        while parked() < 17 {
            yield_now();
        }
        let mut file = Vec::new();
        profile::goroutine(&mut file).unwrap();
        let bytes = unpacked(&file);
        for text in ["goroutine", "count", "wait_in_here", "profile.rs", "state", "park", "created at"] {
            assert!(contains(&bytes, text), "no {text:?}");
        }
        if let Some(top) = top("goroutine", &file) {
            assert!(top.contains("Type: goroutine") && top.contains("wait_in_here"), "{top}");
            println!("{top}");
        }
        all.iter().for_each(|task| task.goroutine().unpark());
        all.into_iter().for_each(|task| task.join().unwrap());
    });
}

#[test]
fn time_by_place_and_goroutine() {
    gander_runtime::run(|| {
        // One for who looks, one for who is looked at.
        gander_runtime::set_procs(gander_runtime::procs().max(2));
        let stop = Arc::new(AtomicBool::new(false));
        let hot = Builder::new().name("burner".into()).spawn({
            let stop = stop.clone();
            move || burn_in_here(&stop)
        });
        let mut found = None;
        // On a loaded machine it may not run at all for a while.
        for _ in 0..30 {
            let mut file = Vec::new();
            blocking(|| profile::cpu(Duration::from_millis(200), &mut file)).unwrap();
            if contains(&unpacked(&file), "burn_in_here") {
                found = Some(file);
                break;
            }
        }
        let file = found.expect("it burns");
        let bytes = unpacked(&file);
        for text in ["cpu", "nanoseconds", "samples", "burner", "name"] {
            assert!(contains(&bytes, text), "no {text:?}");
        }
        if let Some(top) = top("cpu", &file) {
            assert!(top.contains("Type: cpu") && top.contains("burn_in_here"), "{top}");
            println!("{top}");
        }
        stop.store(true, Ordering::Relaxed);
        hot.unwrap().join().unwrap();
    });
}

#[inline(never)]
fn sleep_in_here() {
    gander_runtime::sleep(std::hint::black_box(Duration::from_millis(2)));
}

#[test]
fn waits_by_place_and_reason() {
    let _alone = alone();
    gander_runtime::run(|| {
        let stop = Arc::new(AtomicBool::new(false));
        let sleeper = spawn({
            let stop = stop.clone();
            move || {
                while !stop.load(Ordering::Relaxed) {
                    sleep_in_here();
                }
            }
        });
        let began = Instant::now();
        let file = loop {
            let mut file = Vec::new();
            blocking(|| profile::block(Duration::from_millis(100), &mut file)).unwrap();
            if contains(&unpacked(&file), "sleep_in_here") {
                break file;
            }
            assert!(began.elapsed() < Duration::from_secs(30), "it sleeps all the time");
        };
        let bytes = unpacked(&file);
        for text in ["contentions", "delay", "reason", "sleep"] {
            assert!(contains(&bytes, text), "no {text:?}");
        }
        if let Some(top) = top("block", &file) {
            assert!(top.contains("Type: delay") && top.contains("sleep_in_here"), "{top}");
        }
        // It sleeps, but not for a lock; and two cannot measure at once.
        let mut locks = Vec::new();
        std::thread::scope(|s| {
            let first = s.spawn(|| profile::block(Duration::from_millis(300), std::io::sink()));
            std::thread::sleep(Duration::from_millis(50));
            let second = profile::mutex(Duration::from_millis(1), std::io::sink());
            assert_eq!(second.unwrap_err().kind(), std::io::ErrorKind::ResourceBusy);
            first.join().unwrap().unwrap();
        });
        blocking(|| profile::mutex(Duration::from_millis(50), &mut locks)).unwrap();
        assert!(!contains(&unpacked(&locks), "sleep_in_here"));
        stop.store(true, Ordering::Relaxed);
        sleeper.join().unwrap();
    });
}

#[inline(never)]
fn hold_in_here(lock: &gander_sync::Mutex<u32>) {
    let mut held = lock.lock().unwrap();
    gander_runtime::sleep(Duration::from_millis(2));
    *held += 1;
}

/// Who waits for a lock is in the profile of locks, at the place where it waits.
#[test]
fn waits_for_locks() {
    let _alone = alone();
    gander_runtime::run(|| {
        let stop = Arc::new(AtomicBool::new(false));
        let lock = Arc::new(gander_sync::Mutex::new(0));
        let fight = || {
            let (stop, lock) = (stop.clone(), lock.clone());
            spawn(move || {
                while !stop.load(Ordering::Relaxed) {
                    hold_in_here(&lock);
                }
            })
        };
        let both = [fight(), fight()];
        let began = Instant::now();
        let file = loop {
            let mut file = Vec::new();
            blocking(|| profile::mutex(Duration::from_millis(100), &mut file)).unwrap();
            if contains(&unpacked(&file), "hold_in_here") {
                break file;
            }
            assert!(began.elapsed() < Duration::from_secs(30), "one of them waits all the time");
        };
        if let Some(top) = top("mutex", &file) {
            assert!(top.contains("Type: delay") && top.contains("hold_in_here"), "{top}");
            println!("{top}");
        }
        stop.store(true, Ordering::Relaxed);
        both.into_iter().for_each(|task| task.join().unwrap());
    });
}
