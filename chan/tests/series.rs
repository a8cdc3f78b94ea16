//! chan-10: power series, each a goroutine that answers requests for its next coefficient.

mod common;

use common::in_goroutines;
use gander_chan::{Receiver, Sender, bounded};
use gander_runtime::{go, num_goroutines};

/// A rational number in lowest terms, with a positive denominator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Ratio(i128, i128);

fn ratio(above: i128, below: i128) -> Ratio {
    fn gcd(a: i128, b: i128) -> i128 {
        if b == 0 { a.abs() } else { gcd(b, a % b) }
    }
    let by = gcd(above, below) * below.signum();
    Ratio(above / by, below / by)
}

impl std::ops::Add for Ratio {
    type Output = Ratio;
    fn add(self, other: Ratio) -> Ratio {
        ratio(self.0 * other.1 + other.0 * self.1, self.1 * other.1)
    }
}

impl std::ops::Mul for Ratio {
    type Output = Ratio;
    fn mul(self, other: Ratio) -> Ratio {
        ratio(self.0 * other.0, self.1 * other.1)
    }
}

const ZERO: Ratio = Ratio(0, 1);
const ONE: Ratio = Ratio(1, 1);

/// A series: one asks, then it answers with the next coefficient.
#[derive(Clone)]
struct Series {
    ask: Sender<()>,
    answer: Receiver<Ratio>,
}

/// The series' own end.
struct Source {
    asked: Receiver<()>,
    put: Sender<Ratio>,
}

impl Series {
    fn get(&self) -> Ratio {
        self.ask.send(()).unwrap();
        self.answer.recv().unwrap()
    }

    fn first(&self, count: usize) -> Vec<Ratio> {
        (0..count).map(|_| self.get()).collect()
    }
}

impl Source {
    /// Answers the next request with what `coefficient` then finds. False when nobody will ask any more.
    fn put(&self, coefficient: impl FnOnce() -> Ratio) -> bool {
        self.asked.recv().is_ok() && self.put.send(coefficient()).is_ok()
    }

    /// Answers all further requests.
    fn put_all(&self, mut coefficient: impl FnMut() -> Ratio) {
        while self.put(&mut coefficient) {}
    }
}

fn series(run: impl FnOnce(Source) + Send + 'static) -> Series {
    let ((ask, asked), (put, answer)) = (bounded(0), bounded(0));
    go(move || run(Source { asked, put }));
    Series { ask, answer }
}

/// Two series equal to one, to be read at different speeds.
fn split(from: Series) -> (Series, Series) {
    // What one has read ahead of the other waits between them.
    let (from, ahead) = (std::sync::Mutex::new((from, 0)), std::sync::Mutex::new(Vec::new()));
    let shared = std::sync::Arc::new((from, ahead));
    let reader = || {
        let shared = std::sync::Arc::clone(&shared);
        series(move |source| {
            let mut at = 0;
            source.put_all(|| {
                // A turn token rather than a mutex over a pause: the reader that is ahead asks, one at a time.
                loop {
                    if let Some(&value) = shared.1.lock().unwrap().get(at) {
                        at += 1;
                        return value;
                    }
                    let mine = {
                        let mut from = shared.0.lock().unwrap();
                        let free = from.1 == 0;
                        from.1 = 1;
                        free.then(|| from.0.clone())
                    };
                    match mine {
                        Some(from) => {
                            let value = from.get();
                            shared.1.lock().unwrap().push(value);
                            shared.0.lock().unwrap().1 = 0;
                        }
                        None => gander_runtime::yield_now(),
                    }
                }
            });
        })
    };
    (reader(), reader())
}

fn constant(value: Ratio) -> Series {
    series(move |source| {
        source.put(|| value);
        source.put_all(|| ZERO);
    })
}

/// 1 / (1 - x).
fn ones() -> Series {
    series(|source| source.put_all(|| ONE))
}

fn add(a: Series, b: Series) -> Series {
    series(move |source| source.put_all(|| a.get() + b.get()))
}

fn scale(by: Ratio, a: Series) -> Series {
    series(move |source| source.put_all(|| by * a.get()))
}

/// x · a.
fn shift(a: Series) -> Series {
    series(move |source| {
        source.put(|| ZERO);
        source.put_all(|| a.get());
    })
}

/// a without its constant term, divided by x.
fn tail(a: Series) -> Series {
    series(move |source| {
        a.get();
        source.put_all(|| a.get());
    })
}

/// (a0 + x·A)(b0 + x·B) = a0·b0 + x·(a0·B + b0·A + x·A·B).
fn multiply(a: Series, b: Series) -> Series {
    series(move |source| {
        let (mut a0, mut b0) = (ZERO, ZERO);
        let first = || {
            (a0, b0) = (a.get(), b.get());
            a0 * b0
        };
        if !source.put(first) {
            return;
        }
        let ((a1, a2), (b1, b2)) = (split(a), split(b));
        let rest = add(add(scale(b0, a1), scale(a0, b1)), shift(multiply(a2, b2)));
        source.put_all(|| rest.get());
    })
}

fn differentiate(a: Series) -> Series {
    series(move |source| {
        a.get();
        let mut n = 0;
        source.put_all(|| {
            n += 1;
            ratio(n, 1) * a.get()
        });
    })
}

fn integrate(first: Ratio, a: Series) -> Series {
    series(move |source| {
        source.put(|| first);
        let mut n = 0;
        source.put_all(|| {
            n += 1;
            ratio(1, n) * a.get()
        });
    })
}

/// exp(a) for a(0) = 0: the X with X' = a'·X and X(0) = 1, fed back to itself.
fn exponential(a: Series) -> Series {
    feedback(|own| integrate(ONE, multiply(own, differentiate(a))))
}

/// 1/a: the X = (1 - x·A·X) / a0.
fn reciprocal(a: Series) -> Series {
    series(move |source| {
        let mut first = ZERO;
        if !source.put(|| {
            let a0 = a.get();
            first = ratio(a0.1, a0.0);
            first
        }) {
            return;
        }
        let whole = feedback(move |own| {
            let rest = scale(ratio(-1, 1) * first, multiply(a, own));
            series(move |source| {
                source.put(|| first);
                source.put_all(|| rest.get());
            })
        });
        whole.get();
        source.put_all(|| whole.get());
    })
}

/// a(b(x)) for b(0) = 0: a0 + b·A(b).
fn substitute(a: Series, b: Series) -> Series {
    series(move |source| {
        if !source.put(|| a.get()) {
            return;
        }
        let (b1, b2) = split(b);
        let rest = multiply(tail(b1), substitute(a, b2));
        source.put_all(|| rest.get());
    })
}

/// The X with a(X(x)) = x, for a(0) = 0: X = x / A(X).
fn reversion(a: Series) -> Series {
    feedback(|own| shift(reciprocal(substitute(tail(a), own))))
}

/// A series made from itself.
fn feedback(make: impl FnOnce(Series) -> Series + Send + 'static) -> Series {
    let ((ask, asked), (put, answer)) = (bounded(0), bounded(0));
    let (out, back) = split(Series { ask, answer });
    let made = make(back);
    go(move || Source { asked, put }.put_all(|| made.get()));
    out
}

fn x() -> Series {
    shift(constant(ONE))
}

#[test]
fn chan_10_power_series() {
    in_goroutines(|| {
        const N: usize = 10;
        let whole = |list: [i128; N]| list.map(|n| ratio(n, 1)).to_vec();
        assert_eq!(ones().first(N), whole([1; N]));
        assert_eq!(multiply(ones(), ones()).first(N), whole([1, 2, 3, 4, 5, 6, 7, 8, 9, 10]));
        let factorials = (0..N as i128).map(|n| ratio(1, (1..=n).product())).collect::<Vec<_>>();
        assert_eq!(exponential(x()).first(N), factorials);
        let alternating = substitute(ones(), scale(ratio(-1, 1), multiply(x(), x())));
        assert_eq!(alternating.first(N), whole([1, 0, -1, 0, 1, 0, -1, 0, 1, 0]));
        let (a, b) = split(add(constant(ONE), x()));
        assert_eq!(reciprocal(multiply(a, b)).first(N), whole([1, -2, 3, -4, 5, -6, 7, -8, 9, -10]));
        let square = substitute(ones(), multiply(x(), x()));
        assert_eq!(square.first(N), whole([1, 0, 1, 0, 1, 0, 1, 0, 1, 0]));
        // tan is the reversion of arctan, which is the integral of 1/(1 + x²).
        let arctan = integrate(ZERO, substitute(ones(), scale(ratio(-1, 1), multiply(x(), x()))));
        let tan = reversion(arctan).first(N);
        let known = [(0, 1), (1, 1), (0, 1), (1, 3), (0, 1), (2, 15), (0, 1), (17, 315), (0, 1), (62, 2835)];
        assert_eq!(tan, known.map(|(a, b)| ratio(a, b)).to_vec());
        assert!(num_goroutines() > 100, "{}", num_goroutines());
    });
}
