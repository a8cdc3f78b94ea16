//! Coroutines without a scheduler in the comparison: variants `corosensei` and `generator`, and gander's switch without
//! its runtime, as `shared` and `own`. They have no channels and nobody who decides who runs, so they show what the rows
//! about stacks and switches could cost at least.

#[path = "../../../switch/pair.rs"]
#[allow(dead_code, reason = "the bench measures one way more")]
mod pair;

use corosensei::stack::DefaultStack;
use corosensei::{Coroutine, CoroutineResult};
use generator::{Gn, Scope};
use pair::{Bare, Pair, ThreadPointer, Way};
use versus_rows::numbers::{memory_kib, recurse};
use versus_rows::{Measure, unsupported};

fn main() {
    let mut m = Measure::from_args();
    let (variant, row) = (m.variant.clone(), m.row.clone());
    let sum = match (variant.as_str(), row.as_str()) {
        ("corosensei", "switch") => switch::<Corosensei>(&mut m),
        ("corosensei", "parked") => parked::<Corosensei>(&mut m),
        ("corosensei", "recursion-cold") => recursion_cold::<Corosensei>(&mut m),
        ("corosensei", "recursion-warm") => recursion_warm::<Corosensei>(&mut m),
        ("shared", "switch") => switch::<Pair<Bare>>(&mut m),
        ("own", "switch") if gander_arch::exchange_by_instruction() => switch::<Pair<ThreadPointer>>(&mut m),
        ("generator", "switch") => switch::<Generator>(&mut m),
        ("generator", "parked") => parked::<Generator>(&mut m),
        ("generator", "recursion-cold") => recursion_cold::<Generator>(&mut m),
        ("generator", "recursion-warm") => recursion_warm::<Generator>(&mut m),
        _ => unsupported("it has no scheduler"),
    };
    m.answer(m.size, sum)
}

/// A coroutine that is resumed with a number and answers with one.
trait Resume: Sized {
    /// It calls `body` for each number, on a stack of so many bytes.
    fn new(bytes: usize, body: impl FnMut(u64) -> u64 + Send + 'static) -> Self;
    fn resume(&mut self, number: u64) -> u64;
}

struct Corosensei(Coroutine<u64, u64, ()>);

impl Resume for Corosensei {
    fn new(bytes: usize, mut body: impl FnMut(u64) -> u64 + Send + 'static) -> Corosensei {
        let stack = match DefaultStack::new(bytes) {
            Ok(stack) => stack,
            Err(error) => unsupported(&format!("no more stacks: {error}")),
        };
        Corosensei(Coroutine::with_stack(stack, move |yielder, mut number| {
            loop {
                number = yielder.suspend(body(number));
            }
        }))
    }

    #[inline(always)]
    fn resume(&mut self, number: u64) -> u64 {
        match self.0.resume(number) {
            CoroutineResult::Yield(answer) => answer,
            CoroutineResult::Return(()) => unreachable!("it loops for ever"),
        }
    }
}

struct Generator(generator::Generator<'static, u64, u64>);

impl Resume for Generator {
    fn new(bytes: usize, mut body: impl FnMut(u64) -> u64 + Send + 'static) -> Generator {
        // It counts in words.
        Generator(Gn::new_scoped_opt(bytes / size_of::<usize>(), move |mut scope: Scope<'_, 'static, u64, u64>| {
            let mut number = scope.get_yield().expect("it is sent a number");
            loop {
                number = scope.yield_(body(number)).expect("it is sent a number");
            }
        }))
    }

    #[inline(always)]
    fn resume(&mut self, number: u64) -> u64 {
        self.0.send(number)
    }
}

/// gander's switch alone, as shared mode or own mode uses it.
impl<W: Way> Resume for Pair<W> {
    fn new(bytes: usize, body: impl FnMut(u64) -> u64 + Send + 'static) -> Pair<W> {
        drop((bytes, body));
        Pair::new()
    }

    #[inline(always)]
    fn resume(&mut self, number: u64) -> u64 {
        Pair::resume(self, number as usize) as u64
    }
}

fn switch<C: Resume>(m: &mut Measure) -> u64 {
    let mut coroutine = C::new(64 << 10, |number| number + 1);
    let mut run = |count| (0..count).fold(0, |number, _| coroutine.resume(std::hint::black_box(number)));
    run(m.size / 10);
    m.start();
    let sum = run(m.size);
    m.stop();
    sum
}

/// So many rest on stacks of the size that a task in such numbers would be given; then each goes on once.
fn parked<C: Resume>(m: &mut Measure) -> u64 {
    let before = memory_kib();
    m.start();
    let mut all: Vec<C> = (0..m.size).map(|_| C::new(64 << 10, |number| number)).collect();
    let started: u64 = all.iter_mut().map(|one| one.resume(1)).sum();
    m.stop();
    m.note("memory_kib", (memory_kib() - before) / started as f64);
    m.note_each("create_wall_ns", "create_cpu_ns", started);
    m.start();
    let sum = all.iter_mut().map(|one| one.resume(1)).sum();
    m.stop();
    std::mem::forget(all);
    sum
}

const FRAMES: u64 = 10_000;
const DEEP: usize = 8 << 20;

/// Each on a stack that was never used before.
fn recursion_cold<C: Resume>(m: &mut Measure) -> u64 {
    m.start();
    let mut all: Vec<C> = (0..m.size).map(|_| C::new(DEEP, recurse)).collect();
    let sum = all.iter_mut().map(|one| one.resume(FRAMES)).sum();
    m.stop();
    std::mem::forget(all);
    sum
}

/// Again and again on one stack.
fn recursion_warm<C: Resume>(m: &mut Measure) -> u64 {
    let mut one = C::new(DEEP, recurse);
    one.resume(FRAMES);
    m.start();
    let sum = (0..m.size).map(|_| one.resume(FRAMES)).sum();
    m.stop();
    sum
}
