//! Making blocks: how many, how fast, within which limits.

#![allow(unsafe_code, reason = "lays blocks")]

mod common;

use std::collections::HashSet;
use std::time::Instant;

use common::{Slots, with_both_makers};
use gander_tls::{Maker, Model, ThreadPointer, TlsError, exchange_is_one_instruction};

fn lay_many(model: &Model, count: usize, each: usize) {
    let slots = Slots::map(count, each);
    let start = Instant::now();
    let blocks: Vec<_> = (0..count).map(|nth| slots.lay(model, nth).unwrap()).collect();
    let time = start.elapsed();
    println!("{count} by {}: {:?} each, {} bytes", model.maker(), time / count as u32, model.size());
    let handles: HashSet<_> = blocks.iter().map(|b| b.on(handle)).collect();
    assert_eq!(handles.len(), count);
    assert!(blocks.iter().all(|b| b.range.contains(&b.on(handle))));
    for block in &blocks {
        // SAFETY: nobody runs on them any more.
        let freed = unsafe { model.unlay(block.tp) };
        assert_eq!(freed, model.maker() == Maker::Clone);
    }
    if model.maker() == Maker::Clone {
        let start = Instant::now();
        for nth in 0..count {
            slots.lay(model, nth).unwrap();
        }
        report(model, "touched", start, count);
    }
}

fn report(model: &Model, pages: &str, start: Instant, count: usize) {
    let each = start.elapsed() / count as u32;
    println!("{count} by {} on {pages} pages: {each:?} each, {} bytes", model.maker(), model.size());
}

fn handle() -> usize {
    // SAFETY: no preconditions.
    unsafe { libc::pthread_self() as usize }
}

#[test]
fn a_thousand_clones() {
    let model = Model::learn().unwrap();
    if model.maker() == Maker::Clone {
        lay_many(model, 1000, 8192);
        lay_many(model, 100_000, 8192);
    }
}

#[test]
fn a_thousand_donors() {
    let model = Model::learn_donors_only().unwrap();
    lay_many(model, 1000, model.slot_min().next_multiple_of(65536));
}

#[test]
fn glibc_is_cloned() {
    let maker = Model::learn().unwrap().maker();
    println!("maker: {maker}; one instruction: {}", exchange_is_one_instruction());
    if cfg!(target_env = "gnu") {
        assert_eq!(maker, Maker::Clone);
    }
}

#[test]
fn limits_are_named() {
    let model = Model::learn().unwrap();
    let mut slot = vec![0_u8; model.size() + 4096];
    let low = slot.as_mut_ptr();
    // SAFETY: refused before anything is written.
    let small = unsafe { model.lay(low, low.wrapping_add(low.align_offset(model.align()))) };
    assert!(matches!(small, Err(TlsError::SlotTooSmall { .. })), "{small:?}");
    let odd = low.wrapping_add(low.align_offset(model.align()) + 8 + model.size());
    // SAFETY: as above.
    let odd = unsafe { model.lay(low, odd) };
    assert!(matches!(odd, Err(TlsError::Misaligned { .. })), "{odd:?}");
}

#[test]
fn learning_is_done_once_for_all_threads() {
    let models: HashSet<usize> = std::thread::scope(|scope| {
        let threads: Vec<_> =
            (0..4).map(|_| scope.spawn(|| std::ptr::from_ref(Model::learn().unwrap()).addr())).collect();
        threads.into_iter().map(|t| t.join().unwrap()).collect()
    });
    assert_eq!(models.len(), 1);
}

#[test]
fn old_contents_of_a_slot_do_not_matter() {
    for model in [Model::learn().unwrap(), Model::learn_donors_only().unwrap()] {
        let slots = Slots::map(1, model.slot_min().next_multiple_of(65536));
        let first = slots.lay(model, 0).unwrap();
        if model.maker() != Maker::Clone {
            continue; // a donor's slot is never laid again
        }
        // SAFETY: the block is given up, and the slot is ours.
        unsafe {
            assert!(model.unlay(first.tp));
            std::ptr::with_exposed_provenance_mut::<u8>(first.slot.start).write_bytes(0xa5, first.slot.len());
        }
        let again = slots.lay(model, 0).unwrap();
        assert_eq!(again.tp, first.tp);
        assert_eq!(again.on(|| std::thread::current().name().map(str::to_owned)), None);
    }
}

#[test]
fn clones_are_laid_from_clones() {
    with_both_makers(|_, [block]: &[_; 1]| {
        let model = Model::learn().unwrap();
        let slots = Slots::map(1, 1 << 20);
        let inner = block.on(|| slots.lay(model, 0).unwrap());
        assert_eq!(inner.on(ThreadPointer::current), inner.tp);
        // SAFETY: nobody runs on it any more.
        unsafe { model.unlay(inner.tp) };
    });
}

#[test]
fn threads_lay_run_and_unlay_at_once() {
    let model = Model::learn().unwrap();
    if model.maker() != Maker::Clone {
        return;
    }
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let slots = Slots::map(8, 16 << 10);
                for round in 0..500 {
                    let blocks: Vec<_> = (0..8).map(|nth| slots.lay(model, nth).unwrap()).collect();
                    let kept: Vec<_> =
                        blocks.iter().map(|b| b.on(|| vec![round.to_string(); round % 50])).collect();
                    let next = blocks.iter().rev().zip(kept);
                    assert!(next.into_iter().all(|(b, v)| b.on(|| v.iter().all(|s| *s == round.to_string()))));
                    for block in &blocks {
                        // SAFETY: nobody runs on it any more.
                        assert!(unsafe { model.unlay(block.tp) });
                    }
                }
            });
        }
    });
}
