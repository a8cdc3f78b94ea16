//! What a message costs. `bench [shared]`: in own mode, or with shared thread-locals; `only=name` and `count=n`.

#![allow(unsafe_code, reason = "shared mode is a promise")]

use std::hint::black_box;
use std::time::{Duration, Instant};

use gander_chan::{Receiver, Select, Sender, after, bounded, never, select, unbounded};
use gander_runtime::{Builder, set_procs, spawn};

const PASSES: usize = 5;

/// The median of some passes, in nanoseconds per `count`.
fn report(name: &str, count: usize, mut pass: impl FnMut()) {
    pass();
    let mut nanos: Vec<f64> = (0..PASSES)
        .map(|_| {
            let begin = Instant::now();
            pass();
            begin.elapsed().as_nanos() as f64 / count as f64
        })
        .collect();
    nanos.sort_by(f64::total_cmp);
    println!("{name:34} {:8.1} ns   ({:.1} .. {:.1})", nanos[PASSES / 2], nanos[0], nanos[PASSES - 1]);
}

fn ping_pong(rounds: usize) {
    let (ping, pinged) = bounded::<usize>(0);
    let (pong, ponged) = bounded::<usize>(0);
    let other = spawn(move || {
        for value in pinged {
            pong.send(value).unwrap();
        }
    });
    for i in 0..rounds {
        ping.send(i).unwrap();
        assert_eq!(ponged.recv(), Ok(i));
    }
    drop(ping);
    other.join().unwrap();
}

fn stream((s, r): (Sender<usize>, Receiver<usize>), senders: usize, receivers: usize, count: usize) {
    let sending: Vec<_> = (0..senders)
        .map(|_| {
            let s = s.clone();
            spawn(move || (0..count / senders).for_each(|i| s.send(i).unwrap()))
        })
        .collect();
    let receiving: Vec<_> = (0..receivers)
        .map(|_| {
            let r = r.clone();
            spawn(move || r.iter().fold((0, 0), |(n, sum), i| (n + 1, sum + i)))
        })
        .collect();
    drop((s, r));
    sending.into_iter().for_each(|s| s.join().unwrap());
    let (n, sum) = receiving.into_iter().map(|r| r.join().unwrap()).fold((0, 0), |a, b| (a.0 + b.0, a.1 + b.1));
    let each = count / senders;
    assert_eq!((n, sum), (each * senders, each * (each - 1) / 2 * senders));
}

fn sieve(primes: usize) {
    let (s, mut r) = bounded(0);
    gander_runtime::go(move || {
        let mut i = 2;
        while s.send(i).is_ok() {
            i += 1;
        }
    });
    let mut last = 0;
    for _ in 0..primes {
        last = r.recv().unwrap();
        let (s, next) = bounded(0);
        let source = std::mem::replace(&mut r, next);
        gander_runtime::go(move || {
            for i in source {
                if i % last != 0 && s.send(i).is_err() {
                    return;
                }
            }
        });
    }
    if primes == 2000 {
        assert_eq!(last, 17389);
    }
}

/// `count` values in all, each through one of the channels into one select.
fn selected(channels: usize, capacity: usize, count: usize) {
    let handles: Vec<_> = (0..channels).map(|_| bounded::<usize>(capacity)).collect();
    for (s, _) in &handles {
        let s = s.clone();
        gander_runtime::go(move || (0..count / channels).for_each(|i| s.send(i).unwrap()));
    }
    let r: Vec<_> = handles.iter().map(|(_, r)| r).collect();
    let mut sum = 0;
    match channels {
        2 => {
            for _ in 0..count {
                sum += select! { recv(r[0]) -> v => v.unwrap(), recv(r[1]) -> v => v.unwrap() };
            }
        }
        8 => {
            for _ in 0..count {
                sum += select! {
                    recv(r[0]) -> v => v.unwrap(),
                    recv(r[1]) -> v => v.unwrap(),
                    recv(r[2]) -> v => v.unwrap(),
                    recv(r[3]) -> v => v.unwrap(),
                    recv(r[4]) -> v => v.unwrap(),
                    recv(r[5]) -> v => v.unwrap(),
                    recv(r[6]) -> v => v.unwrap(),
                    recv(r[7]) -> v => v.unwrap(),
                };
            }
        }
        _ => {
            let mut select = Select::new();
            r.iter().for_each(|r| assert!(select.recv(r) < channels));
            for _ in 0..count {
                let operation = select.select();
                let i = operation.index();
                sum += operation.recv(r[i]).unwrap();
            }
        }
    }
    let each = count / channels;
    assert_eq!(sum, each * (each - 1) / 2 * channels);
}

/// A receive with a time limit, as a clock among the arms or as a default.
fn limited(count: usize, by_clock: bool) {
    let (s, r) = bounded::<usize>(0);
    let idle = never::<()>();
    gander_runtime::go(move || (0..count).for_each(|i| s.send(i).unwrap()));
    let limit = Duration::from_secs(3600);
    let mut sum = 0;
    for _ in 0..count {
        sum += if by_clock {
            select! { recv(r) -> v => v.unwrap(), recv(after(limit)) -> _ => panic!() }
        } else {
            select! { recv(r) -> v => v.unwrap(), recv(idle) -> _ => panic!(), default(limit) => panic!() }
        };
    }
    assert_eq!(sum, count * (count - 1) / 2);
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let has = |name: &str| arguments.iter().any(|a| a == name);
    let builder = if has("shared") {
        // SAFETY: nothing here keeps thread-locals over a pause.
        unsafe { Builder::new().shared() }
    } else {
        Builder::new()
    };
    let only = arguments.iter().find_map(|a| a.strip_prefix("only="));
    let n: usize =
        arguments.iter().find_map(|a| a.strip_prefix("count=")).map_or(1_000_000, |n| n.parse().unwrap());
    builder.run(move || {
        println!("{} mode", if has("shared") { "shared" } else { "own" });
        let bench = |name: &str, count: usize, pass: &mut dyn FnMut()| {
            if only.is_none_or(|only| name.contains(only)) {
                report(name, count, pass);
            }
        };
        let (s, r) = bounded::<usize>(128);
        for procs in [1, 2] {
            set_procs(procs);
            let name = |what: &str| format!("{what}, p{procs}");
            bench(&name("ping-pong unbuffered"), n, &mut || ping_pong(n));
            bench(&name("buffered 128, 1:1"), 4 * n, &mut || stream(bounded(128), 1, 1, 4 * n));
            bench(&name("buffered 128, 4:4"), 4 * n, &mut || stream(bounded(128), 4, 4, 4 * n));
            bench(&name("unbuffered, 1:1"), n, &mut || stream(bounded(0), 1, 1, n));
            bench(&name("unbounded, 1:1"), 4 * n, &mut || stream(unbounded(), 1, 1, 4 * n));
            bench(&name("sieve 2000 (ns per run)"), 1, &mut || sieve(2000));
            for (channels, capacity) in [(2, 0), (2, 128), (8, 0), (8, 128), (3, 0)] {
                let what = format!("select of {channels}, capacity {capacity}");
                bench(&name(&what), n, &mut || selected(channels, capacity, n / 24 * 24));
            }
            bench(&name("select, recv(after)"), n, &mut || limited(n, true));
            bench(&name("select, default(timeout)"), n, &mut || limited(n, false));
        }
        bench("send + recv, no wait", 10 * n, &mut || {
            for i in 0..10 * n {
                s.send(i).unwrap();
                black_box(r.recv().unwrap());
            }
        });
        let (idle_s, idle_r) = bounded::<usize>(0);
        bench("select of 1 with default", 10 * n, &mut || {
            for _ in 0..10 * n {
                select! { recv(black_box(&r)) -> _ => panic!(), default => {} }
            }
        });
        bench("select of 2 with default", 10 * n, &mut || {
            for _ in 0..10 * n {
                select! { recv(black_box(&r)) -> _ => panic!(), recv(idle_r) -> _ => panic!(), default => {} }
            }
        });
        bench("select of 1 send with default", 10 * n, &mut || {
            for i in 0..10 * n {
                select! { send(black_box(&idle_s), i) -> _ => panic!(), default => {} }
            }
        });
        bench("try_recv on empty", 10 * n, &mut || {
            for _ in 0..10 * n {
                black_box(&r).try_recv().unwrap_err();
            }
        });
    });
}
