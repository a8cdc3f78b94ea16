//! Claim: a resume and the suspend that answers it cost at most what corosensei 0.3 takes for them in shared mode, which
//! exchanges the same (ratio ≤ 1.00). Own mode does more, and its rows say what that costs.
//! Floor: about 2.5 ns, or two predicted indirect jumps and the loads and stores of the registers that are live.
//!
//! ```text
//! cargo bench --bench switch
//! ```
//!
//! | row | what is exchanged |
//! |---|---|
//! | `corosensei` | registers; not the floating-point control words |
//! | `shared mode` | the same, by gander: its promise covers the control words (`switch_bare`) |
//! | `all of the ABI` | registers and control words, all that the C ABI calls the callee's (`switch`) |
//! | `own mode` | these and the thread pointer (`switch_tp`) |
//!
//! Not criterion: the rows take turns in short rounds, so that what else the machine does hits all of them alike, and a
//! ratio is the median of the ratios within a round. Each pair carries a number there and back; the sum is checked.

#[path = "switch/pair.rs"]
mod pair;

use std::hint::black_box;
use std::time::Instant;

use corosensei::{Coroutine, CoroutineResult};
use pair::{Bare, Full, Pair, ThreadPointer};

const ROUNDS: usize = 301;
const PAIRS: usize = 200_000;

fn main() {
    // Without `--bench` cargo only wants to know that it runs.
    let is_bench = std::env::args().any(|arg| arg == "--bench");
    let (rounds, pairs) = if is_bench { (ROUNDS, PAIRS) } else { (3, 1000) };

    let mut coroutine = Coroutine::new(|yielder, mut number: usize| {
        loop {
            number = yielder.suspend(number + 1);
        }
    });
    let mut corosensei = move |number| match coroutine.resume(number) {
        CoroutineResult::Yield(answer) => answer,
        CoroutineResult::Return(()) => unreachable!("it loops for ever"),
    };
    let mut bare = Pair::<Bare>::new();
    let mut full = Pair::<Full>::new();
    let mut exchanged = gander_arch::exchange_by_instruction().then(Pair::<ThreadPointer>::new);

    let mut rows = vec![Row::new("corosensei"), Row::new("shared mode"), Row::new("all of the ABI")];
    if exchanged.is_some() {
        rows.push(Row::new("own mode"));
    }
    // The first round warms up.
    for round in 0..=rounds {
        let mut times = vec![
            time(pairs, &mut corosensei),
            time(pairs, |number| bare.resume(number)),
            time(pairs, |number| full.resume(number)),
        ];
        times.extend(exchanged.as_mut().map(|pair| time(pairs, |number| pair.resume(number))));
        if round > 0 {
            rows.iter_mut().zip(times).for_each(|(row, time)| row.rounds.push(time));
        }
    }
    report(&rows);
}

/// Nanoseconds for one resume and one suspend.
fn time(pairs: usize, mut resume: impl FnMut(usize) -> usize) -> f64 {
    let begin = Instant::now();
    let mut number = 0;
    for _ in 0..pairs {
        number = resume(black_box(number));
    }
    let elapsed = begin.elapsed();
    assert_eq!(number, pairs, "every pair adds one");
    elapsed.as_secs_f64() * 1e9 / pairs as f64
}

struct Row {
    name: &'static str,
    rounds: Vec<f64>,
}

impl Row {
    fn new(name: &'static str) -> Row {
        Row { name, rounds: Vec::new() }
    }
}

fn report(rows: &[Row]) {
    let peer = &rows[0];
    println!("resume + suspend   median  quartiles       of corosensei");
    for row in rows {
        let ratios: Vec<f64> = row.rounds.iter().zip(&peer.rounds).map(|(ours, theirs)| ours / theirs).collect();
        let [low, median, high] = quartiles(&row.rounds);
        println!("{:16} {median:5.2} ns  {low:5.2} to {high:5.2}  {:8.2}", row.name, quartiles(&ratios)[1]);
    }
}

fn quartiles(values: &[f64]) -> [f64; 3] {
    let mut sorted = values.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    [1, 2, 3].map(|quarter| sorted[(sorted.len() - 1) * quarter / 4])
}
