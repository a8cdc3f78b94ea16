//! Goroutines are born, panic, exit, recurse, change the number of processors. Law: each that was spawned ends in the
//! way that was asked of it, and its joiner learns of it.

use std::time::Duration;

use crate::random::Random;

pub(crate) fn round(random: &mut Random) -> u64 {
    let depth = random.between(1, 5) as u32;
    let mut own = random.fork();
    let count = tree(depth, &mut own);
    scoped(random);
    if random.one_in(10) {
        let procs = random.between(1, 6) as usize;
        gander::set_procs(procs);
    }
    count
}

/// How a goroutine is asked to end.
#[derive(Clone, Copy, Debug, PartialEq)]
enum End {
    Value,
    Panic,
    Exit,
}

/// A goroutine that spawns others; says how many there were.
fn tree(depth: u32, random: &mut Random) -> u64 {
    let mut children = Vec::new();
    for _ in 0..random.between(0, 3) {
        let mut own = random.fork();
        let end = match random.below(10) {
            0 => End::Panic,
            1 => End::Exit,
            _ => End::Value,
        };
        let child = gander::spawn(move || {
            let count = live(depth, &mut own);
            match end {
                End::Value => count,
                // Without the noise of the panic hook.
                End::Panic => std::panic::resume_unwind(Box::new(count)),
                End::Exit => gander::exit(),
            }
        });
        children.push((end, child));
    }
    1 + children
        .into_iter()
        .map(|(end, child)| match (end, child.join()) {
            (End::Value, Ok(count)) => count,
            (End::Panic, Err(payload)) => *payload.downcast::<u64>().expect("what was thrown"),
            (End::Exit, Err(payload)) if gander::is_exit(&*payload) => 1,
            (end, answer) => {
                panic!("asked to end by {end:?}, and ended with {:?}", answer.map_err(|_| "a payload"))
            }
        })
        .sum::<u64>()
}

fn live(depth: u32, random: &mut Random) -> u64 {
    random.dawdle();
    match random.below(8) {
        0 => assert_eq!(deep(random.between(1, 200)), 0),
        1 => gander::blocking(|| std::thread::sleep(random.micros(300))),
        2 => std::thread::sleep(random.micros(300)),
        3 => {
            gander::lock_os_thread();
            random.dawdle();
            gander::unlock_os_thread();
        }
        4 => {
            let me = gander::current();
            let waker = gander::spawn(move || me.unpark());
            gander::park_timeout(Duration::from_millis(200));
            waker.join().expect("it only wakes");
        }
        _ => {}
    }
    if depth > 0 { tree(depth - 1, random) } else { 1 }
}

/// Some hundreds of KiB of stack.
#[inline(never)]
fn deep(left: u64) -> u64 {
    let page = std::hint::black_box([left; 128]);
    if left == 0 { 0 } else { std::hint::black_box(deep(left - 1)) * page[1] }
}

/// Goroutines that borrow.
fn scoped(random: &mut Random) {
    let mut numbers = vec![0; random.between(1, 20) as usize];
    let seed = random.below(1000);
    gander::scope(|scope| {
        for (i, number) in numbers.iter_mut().enumerate() {
            scope.spawn(move || *number = seed + i as u64);
        }
    });
    assert!(numbers.iter().enumerate().all(|(i, &number)| number == seed + i as u64), "a scope ended too early");
}
