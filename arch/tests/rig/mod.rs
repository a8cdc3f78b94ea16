//! What the tests stand on: a stack, a closure that runs on it, a timer that fires at it.

#![allow(dead_code, reason = "every test file is a crate of its own and uses a part of this")]
#![allow(unreachable_pub, reason = "as above")]

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

use gander_arch::{Context, init, switch};

pub mod timer;

/// How often to repeat: `full` in a release build on real hardware, less in a debug build, and least where the
/// machine is emulated or somebody asks for small tests.
pub fn repeats(full: usize) -> usize {
    if std::env::var_os("GANDER_TEST_SMALL").is_some() {
        full / 100
    } else if cfg!(debug_assertions) {
        full / 10
    } else {
        full
    }
}

/// Sixteen aligned bytes, so that a vector of them is a stack.
#[derive(Clone, Copy)]
#[repr(C, align(16))]
struct Chunk([u8; 16]);

/// Memory for a stack. No guard page: what the tests run on it is known.
pub struct Stack(Vec<Chunk>);

impl Stack {
    /// Filled with a pattern, so that nothing works because the memory happened to be zero.
    pub fn new(bytes: usize) -> Stack {
        Stack(vec![Chunk([0xa5; 16]); bytes / 16])
    }

    pub fn top(&mut self) -> *mut u8 {
        self.0.as_mut_ptr_range().end.cast()
    }
}

type Body = Box<dyn FnOnce(&Link, usize) -> usize>;

/// The two ends of one coroutine; lives in a box, so that both sides can point at it.
pub struct Link {
    near: Context,
    far: Context,
    body: Option<Body>,
    panic: Option<Box<dyn Any + Send>>,
    done: bool,
}

impl Link {
    /// From inside: back to whoever resumed us.
    pub fn leave(&self, message: usize) -> usize {
        let this = (self as *const Link).cast_mut();
        // SAFETY: we run on the far stack, so `near` was saved by `resume` and waits.
        unsafe { switch(&raw mut (*this).far, &raw const (*this).near, message) }
    }

    pub fn near(&self) -> *mut Context {
        (&raw const self.near).cast_mut()
    }

    pub fn far(&self) -> *mut Context {
        (&raw const self.far).cast_mut()
    }
}

/// A closure on a stack of its own.
pub struct Coroutine {
    link: *mut Link,
    stack: Stack,
}

impl Coroutine {
    pub fn new(body: impl FnOnce(&Link, usize) -> usize + 'static) -> Coroutine {
        Coroutine::with_stack(256 * 1024, body)
    }

    pub fn with_stack(bytes: usize, body: impl FnOnce(&Link, usize) -> usize + 'static) -> Coroutine {
        let mut stack = Stack::new(bytes);
        let link = Box::into_raw(Box::new(Link {
            near: Context::new(),
            far: Context::new(),
            body: Some(Box::new(body)),
            panic: None,
            done: false,
        }));
        // SAFETY: the stack and the link live as long as the coroutine does.
        unsafe { (*link).far = init(stack.top(), enter, link.cast()) };
        Coroutine { link, stack }
    }

    /// Runs the closure until it leaves or is done; a panic of it goes on here.
    pub fn resume(&mut self, message: usize) -> usize {
        assert!(!self.is_done(), "resumed a coroutine that is done");
        let link = self.link;
        // SAFETY: not done, so `far` is fresh or was saved by `leave`.
        let answer = unsafe { switch(&raw mut (*link).near, &raw const (*link).far, message) };
        // SAFETY: the far side is at rest.
        if let Some(panic) = unsafe { (*link).panic.take() } {
            std::panic::resume_unwind(panic);
        }
        answer
    }

    pub fn is_done(&self) -> bool {
        // SAFETY: the far side is at rest.
        unsafe { (*self.link).done }
    }

    pub fn link(&self) -> *mut Link {
        self.link
    }
}

impl Drop for Coroutine {
    fn drop(&mut self) {
        // SAFETY: made by `into_raw` in `new`. What a suspended closure owns is leaked.
        drop(unsafe { Box::from_raw(self.link) });
    }
}

/// The first Rust frame of every coroutine.
unsafe extern "C" fn enter(arg: *mut (), message: usize) -> ! {
    let link: *mut Link = arg.cast();
    // SAFETY: `arg` is the link that `new` gave to `init`, and the near side waits. The switch at the end is never
    // answered.
    unsafe {
        let body = (*link).body.take().expect("entered twice");
        let mut answer = 0;
        match catch_unwind(AssertUnwindSafe(|| body(&*link, message))) {
            Ok(value) => answer = value,
            Err(panic) => (*link).panic = Some(panic),
        }
        (*link).done = true;
        switch(&raw mut (*link).far, &raw const (*link).near, answer);
        unreachable!("resumed after the end")
    }
}
