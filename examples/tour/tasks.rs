//! Two tasks at once.
//!
//! ```go
//! go task1()
//! go task2()
//! // The Go scheduler switches between them as needed
//! ```

pub(crate) fn run() {
    crate::heading(
        7,
        "Two tasks make progress side by side, and on two processors at the same time.",
        "what the tasks print, in any order, as far as they come before main returns.",
    );

    let mut words = Vec::new();
    let mut count = 0;
    // A scope waits for its goroutines, so they may borrow main's variables.
    gander::scope(|s| {
        s.spawn(|| task1(&mut words));
        s.spawn(|| task2(&mut count));
    });
    println!("task1: {}", words.join(" "));
    println!("task2: counted to {count}");
}

fn task1(words: &mut Vec<&str>) {
    for word in ["many", "things", "at", "once"] {
        words.push(word);
        gander::yield_now();
    }
}

fn task2(count: &mut u32) {
    while *count < 1000 {
        *count += 1;
        gander::yield_now();
    }
}
