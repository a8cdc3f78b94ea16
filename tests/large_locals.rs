//! A program with large and strongly aligned static thread-locals: each goroutine has a block of them at the top of its
//! stack, small stacks and segments included.

use std::cell::RefCell;

#[repr(align(4096))]
struct Page([u8; 4096]);

thread_local! {
    static PAGE: RefCell<Page> = const { RefCell::new(Page([7; 4096])) };
    static LARGE: RefCell<[u8; 200_000]> = const { RefCell::new([5; 200_000]) };
}

/// Changes all of them, lets others do the same, and looks.
fn use_locals(byte: u8) {
    PAGE.with_borrow_mut(|page| page.0.fill(byte));
    LARGE.with_borrow_mut(|large| large.fill(byte));
    gander::yield_now();
    PAGE.with_borrow(|page| {
        assert_eq!(std::ptr::from_ref(page).addr() % 4096, 0);
        assert!(page.0.iter().all(|&it| it == byte));
    });
    LARGE.with_borrow(|large| assert!(large.iter().all(|&it| it == byte)));
}

fn descend(bytes: usize) -> usize {
    let frame = std::hint::black_box([1u8; 512]);
    if bytes < frame.len() { 0 } else { usize::from(frame[bytes % 512]) + descend(bytes - frame.len()) }
}

#[test]
fn stacks_of_every_size_have_room_beside_them() {
    gander::run(|| {
        for size in [0, 16 << 10, 32 << 10, 64 << 10, 128 << 10, 256 << 10, 512 << 10, 1 << 20, 4 << 20] {
            let all: Vec<_> = (0..40u8)
                .map(|i| {
                    let small = gander::Builder::new().stack_size(size);
                    small.spawn(move || {
                        use_locals(i);
                        descend(6 << 10)
                    })
                })
                .collect();
            for one in all {
                one.expect("a goroutine can be made").join().expect("it finds its own values");
            }
        }
    });
}

#[test]
fn segments_have_room_beside_them() {
    gander::run(|| {
        let all: Vec<_> = (0..20u8)
            .map(|i| {
                gander::spawn(move || {
                    for size in [0, 16 << 10, 64 << 10, 256 << 10] {
                        gander::stack::grow_to(size, || {
                            use_locals(i);
                            descend(6 << 10)
                        });
                    }
                })
            })
            .collect();
        all.into_iter().for_each(|one| one.join().expect("it finds its own values"));
    });
}

#[test]
fn the_largest_stack_can_be_had() {
    gander::run(|| {
        let largest = gander::Builder::new().stack_size(1 << 30).spawn(|| use_locals(1));
        largest.expect("a goroutine can be made").join().expect("it finds its own values");
        gander::stack::grow_to(1 << 30, || use_locals(2));
    });
}
