//! Libraries loaded while blocks exist. Builds small ones with the C compiler; without one, there is nothing to test.
#![cfg(not(target_feature = "crt-static"))] // a static program cannot load libraries
#![allow(unsafe_code, reason = "loads C libraries")]

mod common;

use std::ffi::{CStr, CString};
use std::path::Path;
use std::process::Command;
use std::sync::{Mutex, MutexGuard, PoisonError};

use common::{Block, Slots};
use gander_tls::{Maker, Model};

/// `bytes` of thread-locals besides two numbers, one of them not zero at first.
fn source(text: &str, bytes: usize) -> String {
    format!(
        "static __thread int set = 42;
         static __thread int zero;
         static __thread char large[{bytes}] = \"{text}\";
         int add(int n) {{ set += n; zero += n; *(volatile char *)&large[n]; return set * 1000 + zero; }}"
    )
}

/// The shared library of a source, if there is a compiler.
fn build(name: &str, flags: &[&str], source: &str) -> Option<CString> {
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let (c, so) = (dir.join(format!("{name}.c")), dir.join(format!("lib{name}.so")));
    std::fs::write(&c, source).unwrap();
    let cross = Path::new("/usr/bin/aarch64-linux-gnu-gcc");
    let compiler = if cfg!(target_arch = "aarch64") && cross.exists() { cross } else { Path::new("cc") };
    let status =
        Command::new(compiler).args(["-shared", "-fPIC", "-O1", "-o"]).arg(&so).arg(&c).args(flags).status();
    match status {
        Ok(status) if status.success() => Some(CString::new(so.to_str().unwrap()).unwrap()),
        other => {
            eprintln!("not tested, no C compiler: {other:?}");
            None
        }
    }
}

type Add = unsafe extern "C" fn(i32) -> i32;

fn load(path: &CString) -> Add {
    // SAFETY: the library is ours and runs nothing when loaded; `add` has that type.
    unsafe {
        let library = libc::dlopen(path.as_ptr(), libc::RTLD_NOW | libc::RTLD_LOCAL);
        assert!(!library.is_null(), "{:?}", CStr::from_ptr(libc::dlerror()));
        std::mem::transmute(libc::dlsym(library, c"add".as_ptr()))
    }
}

/// What `add` answers on a block that has the library's thread-locals: 42 and 0 at first.
fn assert_fresh(add: Add, on: &Block) {
    // SAFETY: the library stays loaded.
    let answers = [1, 2].map(|n| on.on(|| unsafe { add(n) }));
    assert_eq!(answers, [43_001, 45_003]);
}

/// Libraries of one process share libc's room, and its notices: one test after the other.
fn alone() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

fn load_on_a_block_and_use_on_others(name: &str, flags: &[&str], source: &str) {
    let _alone = alone();
    let Some(path) = build(name, flags, source) else {
        return;
    };
    for model in [Model::learn().unwrap(), Model::learn_donors_only().unwrap()] {
        let slots = Slots::map(5, 512 << 10);
        let epoch = model.epoch();
        let early: Vec<_> = (0..3).map(|nth| slots.lay(model, nth).unwrap()).collect();
        let add = early[0].on(|| load(&path));
        let unnoticed = slots.lay(model, 3).unwrap();
        assert_fresh(add, &unnoticed);
        let noticed = early[0].on(|| model.notice_libraries());
        println!("{name} by {}: epoch {epoch} to {noticed}", model.maker());
        for block in early.iter().chain([&unnoticed]) {
            // SAFETY: nobody runs on them.
            assert_eq!(unsafe { model.catch_up(block.tp, epoch) }, noticed);
        }
        early.iter().for_each(|block| assert_fresh(add, block));
        // SAFETY: the library stays loaded.
        let third = unnoticed.on(|| unsafe { add(1) });
        assert_eq!(third, 46_004, "what was in use stays");
        assert_fresh(add, &slots.lay(model, 4).unwrap());
        if model.maker() == Maker::Clone {
            // SAFETY: nobody runs on it any more.
            assert!(unsafe { model.unlay(early[1].tp) });
        }
    }
}

/// Thread-locals on the heap, found through the module vector's generation: nothing to catch up with.
#[test]
fn large_dynamic_thread_locals() {
    load_on_a_block_and_use_on_others("dynamic", &[], &source("large", 64 << 10));
}

/// On the heap on x86_64, in the room on aarch64.
#[test]
fn small_dynamic_thread_locals() {
    load_on_a_block_and_use_on_others("small", &[], &source("small", 8));
}

/// In the room everywhere.
#[test]
fn initial_exec_thread_locals() {
    load_on_a_block_and_use_on_others("initial_exec", &["-ftls-model=initial-exec"], &source("exec", 64));
}

/// More modules than a new thread's vector has entries for, so libc must replace the one we made.
#[test]
fn a_longer_module_vector() {
    for nth in 0..20 {
        load_on_a_block_and_use_on_others(&format!("many{nth}"), &[], &source(&format!("many{nth}"), 4096));
    }
}
