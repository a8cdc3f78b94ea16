//! The border to futures: a task waits for one.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};

use crate::g::reason::WaitReason;
use crate::park::{Task, wait_if};
use crate::token::Token;

/// Where the task that runs a future waits to be told to poll it again.
#[derive(Default)]
struct Bell {
    token: Token,
}

impl Bell {
    /// Waits for a ring since the last wait.
    fn wait(&self) {
        if self.token.take() {
            return;
        }
        let bits = Task::current().bits();
        // SAFETY: who rings takes the task off the token and readies it once. The exchange that publishes it is the last
        // access to the token from here, and who rings has a share of the bell.
        unsafe { wait_if(WaitReason::Future, || self.token.commit(bits)) }
    }
}

impl Wake for Bell {
    fn wake(self: Arc<Bell>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Bell>) {
        if let Some(bits) = self.token.set() {
            // SAFETY: it stood on the token, at rest, and the token gave it to us alone.
            unsafe { Task::from_bits(bits).ready() }
        }
    }
}

/// Runs a future to its end, here: the way from blocking code into `async` code. Its waker may be called from anywhere, the
/// threads of another runtime included; so what hangs on such a runtime works in a goroutine as long as that one is there
/// ([`enter`](https://docs.rs/tokio/latest/tokio/runtime/struct.Handle.html#method.enter)ed, for tokio).
///
/// # Blocking
///
/// Parks the goroutine while the future is pending; blocks an ordinary thread.
///
/// # Panics
///
/// With the future's panic.
///
/// # Examples
///
/// ```
/// # gander_runtime::run(|| {
/// let worker = gander_runtime::spawn(|| 6 * 7);
/// let answer = gander_runtime::block_on(async { worker.await.unwrap() + 1 });
/// assert_eq!(answer, 43);
/// # });
/// ```
pub fn block_on<F: Future>(future: F) -> F::Output {
    let bell = Arc::new(Bell::default());
    let waker = Waker::from(Arc::clone(&bell));
    let mut context = Context::from_waker(&waker);
    let mut future = pin!(future);
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut context) {
            return output;
        }
        bell.wait();
    }
}
