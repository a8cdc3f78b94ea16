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

#![allow(unsafe_code, reason = "this is about the switch alone, below everything that makes it safe")]

use std::hint::black_box;
use std::time::Instant;

use corosensei::{Coroutine, CoroutineResult};
use gander_arch::Context;

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

/// A switch of gander's.
trait Way {
    /// # Safety
    ///
    /// As [`gander_arch::switch_tp`]; `tp` is this thread's.
    unsafe fn switch(save: *mut Context, to: *const Context, message: usize, tp: *mut u8) -> usize;
}

struct Bare;
struct Full;
struct ThreadPointer;

impl Way for Bare {
    #[inline(always)]
    unsafe fn switch(save: *mut Context, to: *const Context, message: usize, _: *mut u8) -> usize {
        // SAFETY: by contract; nothing in this program changes the control words.
        unsafe { gander_arch::switch_bare(save, to, message) }
    }
}

impl Way for Full {
    #[inline(always)]
    unsafe fn switch(save: *mut Context, to: *const Context, message: usize, _: *mut u8) -> usize {
        // SAFETY: by contract.
        unsafe { gander_arch::switch(save, to, message) }
    }
}

impl Way for ThreadPointer {
    #[inline(always)]
    unsafe fn switch(save: *mut Context, to: *const Context, message: usize, tp: *mut u8) -> usize {
        // SAFETY: by contract; `main` has asked whether there is the instruction.
        unsafe { gander_arch::switch_tp(save, to, message, tp) }
    }
}

/// Sixteen aligned bytes: a vector of them is a stack.
#[derive(Clone, Copy)]
#[repr(C, align(16))]
struct Chunk([u8; 16]);

/// The two ends of one coroutine, which adds one to what it gets, and its stack.
struct Pair<W> {
    ends: *mut Ends,
    _stack: Vec<Chunk>,
    way: std::marker::PhantomData<W>,
}

struct Ends {
    near: Context,
    far: Context,
    /// Both ends have this thread's thread pointer: to write it costs the same as to write another.
    tp: *mut u8,
}

impl<W: Way> Pair<W> {
    fn new() -> Pair<W> {
        let mut stack = vec![Chunk([0; 16]); 64 << 10 >> 4];
        let ends = Box::new(Ends { near: Context::new(), far: Context::new(), tp: gander_arch::thread_pointer() });
        let ends = Box::into_raw(ends);
        // SAFETY: stack and ends stay where they are as long as the pair does.
        unsafe { (*ends).far = gander_arch::init(stack.as_mut_ptr_range().end.cast(), far_side::<W>, ends.cast()) };
        Pair { ends, _stack: stack, way: std::marker::PhantomData }
    }

    #[inline(always)]
    fn resume(&mut self, number: usize) -> usize {
        let ends = self.ends;
        // SAFETY: `far` is fresh or was saved by the last answer, and nobody has resumed it since.
        unsafe { W::switch(&raw mut (*ends).near, &raw const (*ends).far, number, (*ends).tp) }
    }
}

impl<W> Drop for Pair<W> {
    fn drop(&mut self) {
        // SAFETY: it came out of a box. The far side, which points to it, rests and is never resumed again; it owns
        // nothing.
        drop(unsafe { Box::from_raw(self.ends) });
    }
}

unsafe extern "C" fn far_side<W: Way>(ends: *mut (), mut number: usize) -> ! {
    let ends: *mut Ends = ends.cast();
    loop {
        // SAFETY: `near` was saved by the resume that runs us.
        number = unsafe { W::switch(&raw mut (*ends).far, &raw const (*ends).near, number + 1, (*ends).tp) };
    }
}
