//! `select!` as a program sees it: by each of its names, in goroutines and on threads.

use gander::chan::{Select, bounded, select};

#[test]
fn by_all_names() {
    let (s, r) = bounded(1);
    for _ in 0..2 {
        select! {
            send(s, 1) -> sent => assert!(sent.is_ok()),
            default => panic!("there is room"),
        }
        gander::select! {
            recv(r) -> value => assert_eq!(value, Ok(1)),
            recv(gander::chan::never::<()>()) -> _ => unreachable!(),
        }
        s.send(2).unwrap();
        gander::chan::select! {
            recv(r) -> value => assert_eq!(value, Ok(2)),
            default => panic!("there is a value"),
        }
        s.send(3).unwrap();
        let index = gander::select_biased! {
            recv(r) -> _ => 0,
            recv(r) -> _ => 1,
        };
        assert_eq!(index, 0);
    }
}

#[test]
fn goroutines_and_a_thread_meet() {
    let (s, r) = bounded(0);
    let (quit, quitted) = bounded::<()>(0);
    let thread = std::thread::spawn(move || {
        let mut sum = 0;
        loop {
            gander::select! {
                recv(r) -> value => sum += value.unwrap_or(0),
                recv(quitted) -> _ => return sum,
            }
        }
    });
    gander::run(|| {
        let goroutines: Vec<_> = (1..=10)
            .map(|i| {
                let s = s.clone();
                gander::spawn(move || {
                    let mut select = Select::new();
                    select.send(&s);
                    select.select().send(&s, i).unwrap();
                })
            })
            .collect();
        goroutines.into_iter().for_each(|goroutine| goroutine.join().unwrap());
    });
    drop(quit);
    assert_eq!(thread.join().unwrap(), 55);
}
