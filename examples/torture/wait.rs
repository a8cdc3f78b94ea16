//! Work that waits: on locks of std's, sleeps, pipes, processes, channels, timers.

use std::hint::black_box;
use std::io::{Read, Write};
use std::process::Command;
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use gander::chan::{bounded, unbounded};

use crate::random::Random;
use crate::record::{Worker, is_over, wrong};

fn compute(count: u64) {
    for i in 0..count {
        black_box(i);
    }
}

/// A lock of std's: who is preempted while he holds it keeps it.
pub(crate) fn mutex(worker: &Worker, random: &mut Random) {
    static PAIRS: [Mutex<(u64, u64)>; 2] = [const { Mutex::new((0, 0)) }; 2];
    while !is_over() {
        let which = random.below(2) as usize;
        let mut pair = PAIRS[which].lock().unwrap();
        if pair.0 != pair.1 {
            wrong("mutex", &format!("halves differ: {pair:?}"));
        }
        pair.0 += 1;
        compute(random.below(3000));
        pair.1 += 1;
        drop(pair);
        compute(random.below(3000));
        worker.round();
    }
}

/// A lock of std's that is held while its goroutine parks. Own mode only: in shared mode it is a broken promise.
pub(crate) fn held(worker: &Worker, random: &mut Random) {
    static PAIR: Mutex<(u64, u64)> = Mutex::new((0, 0));
    while !is_over() {
        let mut pair = PAIR.lock().unwrap();
        if pair.0 != pair.1 {
            wrong("held", &format!("halves differ: {pair:?}"));
        }
        pair.0 += 1;
        gander::sleep(Duration::from_micros(random.below(200)));
        pair.1 += 1;
        drop(pair);
        gander::yield_now();
        worker.round();
    }
}

/// Giving way by itself.
pub(crate) fn yields(worker: &Worker, random: &mut Random) {
    while !is_over() {
        for _ in 0..100 {
            compute(random.below(300));
            gander::yield_now();
        }
        worker.round();
    }
}

/// Sleeps that block the thread: they must not be short, whatever interrupts them.
pub(crate) fn sleep(worker: &Worker, random: &mut Random) {
    while !is_over() {
        let (asked, start) = (Duration::from_micros(random.below(2000)), Instant::now());
        std::thread::sleep(asked);
        if start.elapsed() < asked {
            wrong("sleep", &format!("thread::sleep({asked:?}) took {:?}", start.elapsed()));
        }
        worker.round();
    }
}

/// Sleeps that park.
pub(crate) fn timers(worker: &Worker, random: &mut Random) {
    while !is_over() {
        let (asked, start) = (Duration::from_micros(random.below(3000)), Instant::now());
        gander::sleep(asked);
        if start.elapsed() < asked {
            wrong("timers", &format!("sleep({asked:?}) took {:?}", start.elapsed()));
        }
        compute(random.below(5000));
        worker.round();
    }
}

/// Two goroutines and two pipes: reads and writes that block the thread.
pub(crate) fn pipes(worker: &Worker, random: &mut Random) {
    let ((mut read, mut their_write), (mut their_read, mut write)) =
        (std::io::pipe().unwrap(), std::io::pipe().unwrap());
    let echo = gander::spawn(move || {
        let mut bytes = [0; 64];
        while let Ok(count @ 1..) = their_read.read(&mut bytes) {
            their_write.write_all(&bytes[..count]).unwrap();
        }
    });
    while !is_over() {
        let sent: Vec<u8> = (0..1 + random.below(64)).map(|_| random.next() as u8).collect();
        let mut back = vec![0; sent.len()];
        // `read` and not `read_exact`, which hides EINTR: pipes are restarted, so there must be none.
        let mut got = 0;
        write.write_all(&sent).unwrap();
        while got < back.len() {
            match read.read(&mut back[got..]) {
                Ok(count @ 1..) => got += count,
                other => return wrong("pipes", &format!("a read gave {other:?}")),
            }
        }
        if back != sent {
            wrong("pipes", &format!("{sent:?} came back as {back:?}"));
        }
        worker.round();
    }
    drop(write);
    echo.join().unwrap();
}

/// Condition variables of std's, with timeouts.
pub(crate) fn condvar(worker: &Worker, random: &mut Random) {
    let shared = Arc::new((Mutex::new(0_u64), Condvar::new()));
    let theirs = shared.clone();
    let partner = gander::spawn(move || {
        while !is_over() {
            *theirs.0.lock().unwrap() += 1;
            theirs.1.notify_all();
            std::thread::sleep(Duration::from_micros(100));
        }
    });
    while !is_over() {
        let (asked, start) = (Duration::from_micros(random.below(1000)), Instant::now());
        let guard = shared.0.lock().unwrap();
        let before = *guard;
        let (guard, timeout) = shared.1.wait_timeout_while(guard, asked, |now| *now == before).unwrap();
        let changed = *guard != before;
        drop(guard);
        if timeout.timed_out() == changed || timeout.timed_out() && start.elapsed() < asked {
            let took = start.elapsed();
            wrong("condvar", &format!("waited {took:?} of {asked:?}: {timeout:?}, changed: {changed}"));
        }
        worker.round();
    }
    partner.join().unwrap();
}

/// fork and exec.
pub(crate) fn command(worker: &Worker, random: &mut Random) {
    while !is_over() {
        let number = random.next().to_string();
        match Command::new("/bin/echo").arg(&number).output() {
            Ok(output) if output.status.success() && output.stdout == format!("{number}\n").as_bytes() => {}
            other => wrong("command", &format!("echo {number} gave {other:?}")),
        }
        worker.round();
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Channels, bounded and not, with partners that come and go.
pub(crate) fn channels(worker: &Worker, random: &mut Random) {
    while !is_over() {
        let (tx, rx) = if random.below(3) == 0 { unbounded() } else { bounded(random.below(4) as usize) };
        let (count, partners) = (100 + random.below(200), 1 + random.below(3));
        for _ in 0..partners {
            let tx = tx.clone();
            gander::go(move || {
                for i in 0..count {
                    tx.send(Box::new(i)).unwrap();
                    compute(i % 50);
                }
            });
        }
        drop(tx);
        let sum: u64 = rx.iter().map(|value| *value).sum();
        if sum != partners * (count * (count - 1) / 2) {
            wrong("channels", &format!("{partners} times 0..{count} came to {sum}"));
        }
        worker.round();
    }
}
