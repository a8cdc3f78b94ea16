//! The switch and the current word work in a library that is loaded at run time, for threads old and new.
#![allow(unsafe_code, reason = "loads a library")]

use std::ffi::{CStr, CString};
use std::sync::mpsc::channel;

#[test]
fn a_loaded_library_switches() {
    // target/<profile>/deps/plugin-<hash>, beside target/<profile>/examples/libplugin.so
    let exe = std::env::current_exe().unwrap();
    let path = exe.ancestors().nth(2).unwrap().join("examples/libplugin.so");
    if !path.exists() {
        println!("skipped: {} has not been built (cargo test --examples does)", path.display());
        return;
    }
    let path = CString::new(path.into_os_string().into_encoded_bytes()).unwrap();

    type Plugin = extern "C" fn(usize) -> usize;
    let (send, receive) = channel::<Plugin>();
    let use_it = |plugin: Plugin| (0..3).for_each(|turn| assert_eq!(plugin(100), 100 + turn));

    let older = std::thread::spawn(move || use_it(receive.recv().unwrap()));
    // SAFETY: the library has no constructors, and the symbol is the function it is taken for.
    let plugin: Plugin = unsafe {
        let library = libc::dlopen(path.as_ptr(), libc::RTLD_NOW);
        assert!(!library.is_null(), "{:?}", CStr::from_ptr(libc::dlerror()));
        let symbol = libc::dlsym(library, c"gander_plugin".as_ptr());
        assert!(!symbol.is_null());
        std::mem::transmute::<*mut libc::c_void, Plugin>(symbol)
    };
    send.send(plugin).unwrap();
    older.join().unwrap();
    use_it(plugin);
    std::thread::spawn(move || use_it(plugin)).join().unwrap();
}
