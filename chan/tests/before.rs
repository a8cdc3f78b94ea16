//! chan-19, before any runtime was started: one test alone in its process.

use std::thread;
use std::time::Duration;

use gander_chan::{RecvError, RecvTimeoutError, bounded, unbounded};

#[test]
fn chan_19_before_the_runtime() {
    assert_eq!(gander_runtime::num_goroutines(), 0);
    let (s, r) = bounded(2);
    let (back, sums) = unbounded();
    let threads: Vec<_> = (0..3)
        .map(|_| {
            let (r, back) = (r.clone(), back.clone());
            thread::spawn(move || back.send(r.iter().sum::<u32>()).unwrap())
        })
        .collect();
    (0..100).for_each(|i| s.send(i).unwrap());
    assert!(s.close());
    threads.into_iter().for_each(|t| t.join().unwrap());
    assert_eq!(sums.try_iter().sum::<u32>(), 4950);
    assert_eq!(r.recv(), Err(RecvError));
    assert_eq!(sums.recv_timeout(Duration::from_millis(2)), Err(RecvTimeoutError::Timeout));
    // A thread that began to wait before the runtime was there is woken by a goroutine.
    let (s, r) = bounded(0);
    let waiting = thread::spawn(move || r.recv());
    thread::sleep(Duration::from_millis(5));
    gander_runtime::run(|| s.send(1).unwrap());
    assert_eq!(waiting.join().unwrap(), Ok(1));
}
