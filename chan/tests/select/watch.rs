//! `ready`: watching without taking.

use super::*;

#[test]
fn ready_watches_and_takes_nothing() {
    everywhere(|| {
        let (s, r) = bounded(0);
        let (full, rest) = bounded(1);
        full.send(0).unwrap();
        let (theirs, theirs_full) = (r.clone(), full.clone());
        let watcher = beside(move || {
            let mut select = Select::new();
            select.recv(&theirs);
            select.send(&theirs_full);
            select.ready()
        });
        settle();
        // What only watches does not count as a receiver or a sender.
        assert!(s.try_send(1).is_err());
        assert_eq!((rest.len(), rest.recv()), (1, Ok(0)));
        assert_eq!(watcher(), 1);
        let theirs = r.clone();
        let watcher = beside(move || {
            let mut select = Select::new();
            select.recv(&theirs);
            select.ready_timeout(Duration::from_secs(30))
        });
        let other = beside(move || s.send(1).unwrap());
        assert_eq!(watcher(), Ok(0));
        assert_eq!(r.recv(), Ok(1));
        other();
    });
}

/// Who watches learns of partners of every kind, also of those that wait in a select.
#[test]
fn ready_sees_selects() {
    everywhere(|| {
        for watches_send in [false, true] {
            for watcher_first in [false, true] {
                let (s, r) = bounded(0);
                let ends = (s.clone(), r.clone());
                let (idle, ws, wr) = (never::<()>(), s.clone(), r.clone());
                let watch = move || {
                    let mut select = Select::new();
                    if watches_send {
                        select.send(&ws)
                    } else {
                        select.recv(&wr)
                    };
                    select.ready();
                };
                let partner = move || {
                    if watches_send {
                        select! { recv(r) -> v => v.unwrap(), recv(idle) -> _ => unreachable!() }
                    } else {
                        select! { send(s, 7) -> r => r.unwrap(), recv(idle) -> _ => unreachable!() }
                        7
                    }
                };
                let (first, second) = {
                    let watch: Box<dyn FnOnce() + Send> = Box::new(watch);
                    let partner: Box<dyn FnOnce() + Send> = Box::new(move || assert_eq!(partner(), 7));
                    if watcher_first { (watch, partner) } else { (partner, watch) }
                };
                let (first, second) = {
                    let first = beside(first);
                    settle();
                    (first, beside(second))
                };
                settle();
                let (watcher, partner) = if watcher_first { (first, second) } else { (second, first) };
                watcher();
                if watches_send {
                    ends.0.send(7).unwrap();
                } else {
                    assert_eq!(ends.1.recv(), Ok(7));
                }
                partner();
            }
        }
    });
}
