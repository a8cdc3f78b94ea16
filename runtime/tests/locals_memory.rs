//! What a goroutine's locals took goes back when it ends.

#![cfg(not(loom))]
#![allow(unsafe_code, reason = "an allocator that counts")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};

static IN_USE: AtomicUsize = AtomicUsize::new(0);

struct Counting;

// SAFETY: the system's allocator does it all.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        IN_USE.fetch_add(layout.size(), Ordering::Relaxed);
        // SAFETY: by the caller's contract.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        IN_USE.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: by the caller's contract.
        unsafe { System.dealloc(memory, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

gander_runtime::goroutine_local! {
    static TEXT: String = "a value with memory of its own".to_string();
}

#[test]
fn locals_leave_nothing_behind() {
    const GOROUTINES: usize = 2000;
    let use_them = || {
        for _ in 0..GOROUTINES {
            let len = gander_runtime::spawn(|| TEXT.with(String::len)).join().expect("it does not panic");
            assert_eq!(len, 30);
        }
    };
    let growth = gander_runtime::run(|| {
        use_them();
        let before = IN_USE.load(Ordering::Relaxed);
        use_them();
        IN_USE.load(Ordering::Relaxed).saturating_sub(before)
    });
    // The runtime's own threads allocate a little now and then.
    assert!(growth < GOROUTINES * 8, "{growth} bytes more after {GOROUTINES} goroutines");
}
