//! std's channels.

#[path = "../../chan/tests/common/mod.rs"]
mod common;

use std::sync::mpsc as std_mpsc;
use std::thread;
use std::time::Duration;

use common::{Ledger, in_goroutines, rounds};
use gander_runtime::{go, spawn};
use gander_sync::mpsc::{
    Receiver, RecvError, RecvTimeoutError, SendError, Sender, SyncSender, TryRecvError, TrySendError, channel,
    sync_channel,
};

/// What holds for std's types holds for ours.
#[test]
fn bounds() {
    fn send<T: Send>() {}
    fn sync<T: Sync>() {}
    send::<(Sender<i32>, SyncSender<i32>, Receiver<i32>)>();
    sync::<(Sender<i32>, SyncSender<i32>)>();
    // The errors are std's own.
    let error: std_mpsc::SendError<i32> = SendError(1);
    assert_eq!(error.to_string(), "sending on a closed channel");
}

#[test]
fn without_a_limit() {
    in_goroutines(|| {
        let (tx, rx) = channel();
        let count = rounds(300);
        for i in 0..4 {
            let tx = tx.clone();
            go(move || (0..count).for_each(|j| tx.send(i * count + j).unwrap()));
        }
        let from_thread = thread::spawn(move || tx.send(4 * count).unwrap());
        let mut all: Vec<_> = rx.iter().collect();
        from_thread.join().unwrap();
        all.sort_unstable();
        assert!(all.into_iter().eq(0..=4 * count));
        assert_eq!((rx.recv(), rx.try_recv()), (Err(RecvError), Err(TryRecvError::Disconnected)));
        assert_eq!(rx.recv_timeout(Duration::ZERO), Err(RecvTimeoutError::Disconnected));
        drop(rx);
        let (tx, rx) = channel();
        assert_eq!(rx.try_recv(), Err(TryRecvError::Empty));
        assert_eq!(rx.recv_timeout(Duration::from_millis(1)), Err(RecvTimeoutError::Timeout));
        tx.send(1).unwrap();
        tx.send(2).unwrap();
        assert_eq!(rx.try_iter().collect::<Vec<_>>(), [1, 2]);
        drop(rx);
        assert_eq!(tx.send(3), Err(SendError(3)));
    });
}

#[test]
fn with_a_limit() {
    in_goroutines(|| {
        let (tx, rx) = sync_channel(2);
        tx.send(1).unwrap();
        tx.try_send(2).unwrap();
        assert_eq!(tx.try_send(3), Err(TrySendError::Full(3)));
        let theirs = tx.clone();
        let waits = spawn(move || theirs.send(4));
        assert_eq!((&rx).into_iter().take(3).collect::<Vec<_>>(), [1, 2, 4]);
        waits.join().unwrap().unwrap();
        // Whoever waits for room when the receiver goes gets its value back.
        (0..2).for_each(|i| tx.send(i).unwrap());
        let theirs = tx.clone();
        let waits = spawn(move || theirs.send(9));
        thread::sleep(Duration::from_millis(2));
        drop(rx);
        assert_eq!(waits.join().unwrap(), Err(SendError(9)));
        assert_eq!(tx.try_send(5), Err(TrySendError::Disconnected(5)));
        // Rendezvous.
        let (tx, rx) = sync_channel(0);
        assert_eq!(tx.try_send(0), Err(TrySendError::Full(0)));
        go(move || (0..5).for_each(|i| tx.send(i).unwrap()));
        assert_eq!(rx.into_iter().collect::<Vec<_>>(), [0, 1, 2, 3, 4]);
    });
}

#[test]
fn values_are_dropped_once() {
    in_goroutines(|| {
        let ledger = Ledger::new(6);
        let (tx, rx) = channel();
        (0..4).for_each(|i| tx.send(ledger.value(i)).unwrap());
        drop(rx.recv());
        drop(rx);
        drop(tx.send(ledger.value(4)).unwrap_err());
        drop(ledger.value(5));
        ledger.settle();
    });
}
