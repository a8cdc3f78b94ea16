//! Work that computes: memory, text, panics, recursion, floating point, C.

use std::cell::RefCell;
use std::collections::HashMap;
use std::ffi::{CStr, CString, c_int, c_void};
use std::hint::black_box;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;

use crate::random::Random;
use crate::record::{Worker, is_over, wrong};

/// Computes and nothing else: nobody else would run.
pub(crate) fn spin(worker: &Worker, random: &mut Random) {
    while !is_over() {
        let start = random.next();
        let count = 1000 + random.below(200_000);
        let mut x = start;
        for i in 0..count {
            x = black_box(x.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(i));
        }
        let mut again = start;
        for i in 0..count {
            again = black_box(again.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(i));
        }
        if x != again {
            wrong("spin", &format!("{count} steps from {start} came to {x} and to {again}"));
        }
        worker.round();
    }
}

/// Blocks of all sizes, filled, checked and freed, some of them by another goroutine.
pub(crate) fn malloc(worker: &Worker, random: &mut Random) {
    static SHARED: Mutex<Vec<Vec<u8>>> = Mutex::new(Vec::new());
    let check = |block: &[u8], whose: &str| {
        if block.iter().any(|&byte| byte != block[0]) {
            wrong("malloc", &format!("a block of {} bytes of {whose} was overwritten", block.len()));
        }
    };
    let mut mine: Vec<Vec<u8>> = Vec::new();
    while !is_over() {
        for _ in 0..50 {
            let size = 1 << random.below(14);
            let block = vec![random.next() as u8; size as usize + random.below(size) as usize];
            if mine.len() < 64 {
                mine.push(block);
            } else {
                let old = std::mem::replace(&mut mine[random.below(64) as usize], block);
                check(&old, "this goroutine");
                if random.below(4) == 0 {
                    let other = {
                        let mut shared = SHARED.lock().unwrap();
                        shared.push(old);
                        let at = random.below(shared.len() as u64) as usize;
                        if shared.len() > 100 { Some(shared.swap_remove(at)) } else { None }
                    };
                    if let Some(other) = other {
                        check(&other, "another goroutine");
                    }
                }
            }
        }
        worker.round();
    }
}

/// Numbers to text and back.
pub(crate) fn format(worker: &Worker, random: &mut Random) {
    while !is_over() {
        let (a, b) = (random.next(), random.next() as i32);
        let f = f64::from(b) / 7.0;
        let text = format!("{a:>25}|{b:+}|{f:?}|{:?}", Some("text"));
        let parts: Vec<&str> = text.split('|').collect();
        let same = parts.len() == 4
            && parts[0].trim().parse() == Ok(a)
            && parts[1].parse() == Ok(b)
            && parts[2].parse() == Ok(f);
        if !same {
            wrong("format", &format!("{a} {b} {f} became {text:?}"));
        }
        worker.round();
    }
}

/// Lines to standard output, where each is checked.
pub(crate) fn println(worker: &Worker, random: &mut Random) {
    while !is_over() {
        for _ in 0..5 {
            let number = random.next();
            println!("line {number} {} end", crate::output::check_digit(number));
        }
        worker.round();
    }
}

/// Thread-locals: whoever is interrupted in the middle must find them as they were.
pub(crate) fn tls(worker: &Worker, random: &mut Random) {
    thread_local! {
        static PAIR: RefCell<(u64, u64)> = const { RefCell::new((0, 0)) };
    }
    /// A function that does not park: in shared mode what is borrowed is the worker's.
    #[inline(never)]
    fn touch(random: &mut Random) {
        PAIR.with(|pair| match pair.try_borrow_mut() {
            Err(_) => wrong("tls", "a thread-local was borrowed while nobody of this thread runs"),
            Ok(mut pair) => {
                if pair.0 != pair.1 {
                    wrong("tls", &format!("halves of a thread-local differ: {pair:?}"));
                }
                pair.0 = random.next();
                let mut x = pair.0;
                for i in 0..random.below(20_000) {
                    x = black_box(x ^ i);
                }
                black_box(x);
                pair.1 = pair.0;
            }
        });
    }
    while !is_over() {
        touch(random);
        worker.round();
    }
}

/// Maps, with the thread-local keys of their hashers.
pub(crate) fn hashmap(worker: &Worker, random: &mut Random) {
    while !is_over() {
        let mut map = HashMap::new();
        let count = 1 + random.below(2000);
        for i in 0..count {
            map.insert(i, i * i);
        }
        let sum: u64 = map.values().sum();
        if sum != (0..count).map(|i| i * i).sum() {
            wrong("hashmap", &format!("the values of {count} keys come to {sum}"));
        }
        worker.round();
    }
}

/// Panics, caught, with destructors on the way.
pub(crate) fn panics(worker: &Worker, random: &mut Random) {
    struct Count<'a>(&'a mut u64);
    impl Drop for Count<'_> {
        fn drop(&mut self) {
            *self.0 += 1;
        }
    }
    #[inline(never)]
    fn descend(depth: u64, dropped: &mut u64, payload: u64) {
        if depth == 0 {
            std::panic::panic_any(payload);
        }
        let count = Count(dropped);
        descend(depth - 1, count.0, payload);
    }
    while !is_over() {
        let (depth, payload) = (random.below(30), random.next());
        let mut dropped = 0;
        let caught = catch_unwind(AssertUnwindSafe(|| descend(depth, &mut dropped, payload)));
        let right = caught.is_err_and(|caught| caught.downcast_ref() == Some(&payload));
        if !right || dropped != depth || std::thread::panicking() {
            wrong("panics", &format!("a panic through {depth} frames: {right}, {dropped} dropped"));
        }
        worker.round();
    }
}

/// Frames that know each other, deep down.
pub(crate) fn recursion(worker: &Worker, random: &mut Random) {
    #[inline(never)]
    fn descend(depth: u64, seed: u64) -> u64 {
        let mut frame = [seed; 24];
        frame[(seed % 24) as usize] ^= depth;
        let below = if depth == 0 { seed } else { descend(depth - 1, seed.wrapping_mul(3)) };
        black_box(&mut frame);
        frame.iter().fold(below, |sum, &x| sum.wrapping_add(x))
    }
    while !is_over() {
        let (depth, seed) = (random.below(1500), random.next());
        let (first, second) = (descend(depth, seed), descend(depth, seed));
        if first != second {
            wrong("recursion", &format!("depth {depth}: {first}, then {second}"));
        }
        worker.round();
    }
}

/// Registers that only floating point and vectors use.
pub(crate) fn float(worker: &Worker, random: &mut Random) {
    #[inline(never)]
    fn series(seed: f64, count: u64) -> [f64; 8] {
        let mut sums = [seed; 8];
        for i in 1..count {
            for (k, sum) in sums.iter_mut().enumerate() {
                *sum = (*sum + seed / (i as f64 + k as f64)).sqrt() * 1.5;
            }
        }
        sums
    }
    while !is_over() {
        let (seed, count) = (1.0 + random.below(1000) as f64, random.below(20_000));
        let (first, second) = (series(seed, count), series(seed, count));
        if first.map(f64::to_bits) != second.map(f64::to_bits) {
            wrong("float", &format!("{count} steps from {seed}: {first:?}, then {second:?}"));
        }
        worker.round();
    }
}

/// The C library: callbacks, its allocator, its locks, errno.
pub(crate) fn ffi(worker: &Worker, random: &mut Random) {
    while !is_over() {
        sort(random);
        numbers(random);
        patterns(random);
        files();
        worker.round();
    }
}

extern "C" fn compare(a: *const c_void, b: *const c_void) -> c_int {
    // SAFETY: qsort passes addresses of elements.
    let (a, b) = unsafe { (*a.cast::<u64>(), *b.cast::<u64>()) };
    a.cmp(&b) as c_int
}

fn sort(random: &mut Random) {
    let mut values: Vec<u64> = (0..200).map(|_| random.next()).collect();
    // SAFETY: sorts our buffer.
    unsafe { libc::qsort(values.as_mut_ptr().cast(), values.len(), 8, Some(compare)) };
    if !values.is_sorted() {
        wrong("ffi", "qsort did not sort");
    }
}

fn numbers(random: &mut Random) {
    let number = random.next() as i64;
    let mut text = [0; 64];
    // SAFETY: writes at most the buffer; reads what it wrote.
    let back = unsafe {
        libc::snprintf(text.as_mut_ptr(), text.len(), c"%lld".as_ptr(), number);
        libc::strtoll(text.as_ptr(), std::ptr::null_mut(), 10)
    };
    let time: libc::time_t = random.below(1 << 31) as libc::time_t;
    // SAFETY: zeroed is valid; writes our local.
    let time_back = unsafe {
        let mut parts: libc::tm = std::mem::zeroed();
        libc::gmtime_r(&time, &mut parts);
        libc::timegm(&mut parts)
    };
    if back != number || time_back != time {
        wrong("ffi", &format!("{number} became {back}, time {time} became {time_back}"));
    }
}

/// Regular expressions allocate much, in C.
fn patterns(random: &mut Random) {
    let word = format!("{:x}", random.next());
    let (pattern, text) = (CString::new(format!("^({word}|[g-z]+)$")).unwrap(), CString::new(word).unwrap());
    // SAFETY: zeroed is what regcomp fills; freed once.
    unsafe {
        let mut compiled: libc::regex_t = std::mem::zeroed();
        if libc::regcomp(&mut compiled, pattern.as_ptr(), libc::REG_EXTENDED) != 0
            || libc::regexec(&compiled, text.as_ptr(), 0, std::ptr::null_mut(), 0) != 0
        {
            wrong("ffi", &format!("{pattern:?} does not match {text:?}"));
        }
        libc::regfree(&mut compiled);
    }
}

fn files() {
    // SAFETY: C strings; the environment is not changed; errno is ours.
    unsafe {
        let home = libc::getenv(c"PATH".as_ptr());
        if home.is_null() || CStr::from_ptr(home).is_empty() {
            wrong("ffi", "PATH is gone");
        }
        let null = libc::open(c"/dev/null".as_ptr(), libc::O_WRONLY | libc::O_CLOEXEC);
        if libc::write(null, c"x".as_ptr().cast(), 1) != 1 {
            wrong("ffi", "/dev/null took nothing");
        }
        libc::close(null);
        let missing = libc::open(c"/nonexistent/file".as_ptr(), libc::O_RDONLY);
        for _ in 0..2000 {
            black_box(missing);
        }
        let errno = *libc::__errno_location();
        if missing != -1 || errno != libc::ENOENT {
            wrong("ffi", &format!("opening a missing file gave {missing}, errno {errno}"));
        }
    }
}
