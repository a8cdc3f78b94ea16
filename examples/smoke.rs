//! smoke
use std::time::Instant;
fn body() {
    let h = gander::spawn(|| 42);
    assert_eq!(h.join().unwrap(), 42);
    println!("joined");
    let t = Instant::now();
    let hs: Vec<_> = (0..100_000u64).map(|i| gander::spawn(move || { gander::yield_now(); i })).collect();
    let s: u64 = hs.into_iter().map(|h| h.join().unwrap()).sum();
    assert_eq!(s, 100_000 * 99_999 / 2);
    println!("100k spawn+yield+join {:?}", t.elapsed());
    for _ in 0..3 {
    let t = Instant::now();
    let n = 1_000_000;
    let hs: Vec<_> = (0..2).map(|_| gander::spawn(move || { for _ in 0..n { gander::yield_now(); } })).collect();
    for h in hs { h.join().unwrap(); }
    println!("yield {:?}", t.elapsed() / (2 * n));
    }
    let t = Instant::now();
    for _ in 0..100 { gander::sleep(std::time::Duration::from_millis(1)); }
    println!("100 sleeps of 1ms {:?}", t.elapsed());
    let t = Instant::now();
    let hs: Vec<_> = (0..100_000u64).map(|i| gander::spawn(move || { gander::sleep(std::time::Duration::from_micros(i * 10)); })).collect();
    for h in hs { h.join().unwrap(); }
    println!("100k sleepers over 1 s {:?}", t.elapsed());
    let mut v = [0; 100];
    gander::scope(|s| { for x in &mut v { s.spawn(|| *x += 1); } });
    assert_eq!(v, [1; 100]);
    let r = gander::spawn(|| panic!("boo")).join();
    assert!(r.is_err());
    let r = gander::spawn(|| gander::exit()).join();
    assert!(gander::is_exit(&*r.unwrap_err()));
    println!("n = {}", gander::num_goroutines());
}
fn main() {
    let shared = std::env::args().any(|a| a == "shared");
    let mut b = gander::Builder::new();
    if let Some(n) = std::env::var("P").ok() { b = b.procs(n.parse().unwrap()); }
    #[allow(unsafe_code)]
    if shared { b = unsafe { b.shared() }; }
    b.run(body);
}
