//! What stands where std's stood is like it to the compiler too: what may be borrowed, shared, sent and caught.

use std::cell::Cell;
use std::panic::{RefUnwindSafe, UnwindSafe, catch_unwind};
use std::rc::Rc;
use std::time::Duration;

use gander_sync::mpsc::{channel, sync_channel};
use gander_sync::{
    Arc, Barrier, Condvar, LazyLock, Mutex, MutexGuard, Once, OnceLock, RwLock, RwLockReadGuard, RwLockWriteGuard,
};

fn send<T: Send + ?Sized>() {}
fn sync<T: Sync + ?Sized>() {}
fn caught<T: UnwindSafe + RefUnwindSafe + ?Sized>() {}

#[test]
fn auto_traits_are_those_of_std() {
    send::<Mutex<Cell<u8>>>();
    sync::<Mutex<Cell<u8>>>();
    sync::<MutexGuard<'static, u8>>();
    send::<RwLock<Cell<u8>>>();
    sync::<RwLock<u8>>();
    sync::<RwLockReadGuard<'static, u8>>();
    sync::<RwLockWriteGuard<'static, u8>>();
    send::<OnceLock<Cell<u8>>>();
    sync::<LazyLock<u8, Cell<u8>>>();
    // Whatever they guard; a panic poisons them.
    caught::<Mutex<Rc<Cell<u8>>>>();
    caught::<RwLock<Rc<Cell<u8>>>>();
    caught::<MutexGuard<'static, Rc<Cell<u8>>>>();
    caught::<RwLockReadGuard<'static, Rc<Cell<u8>>>>();
    caught::<RwLockWriteGuard<'static, Rc<Cell<u8>>>>();
    caught::<(Condvar, Once, Barrier, OnceLock<u8>, LazyLock<u8>)>();
}

/// Statics need functions that are `const`.
#[test]
fn all_can_be_statics() {
    static BARRIER: Barrier = Barrier::new(1);
    static CONDVAR: Condvar = Condvar::new();
    static LAZY: LazyLock<u8> = LazyLock::new(|| 1);
    static MUTEX: Mutex<u8> = Mutex::new(2);
    static ONCE: Once = Once::new();
    #[allow(deprecated)]
    static OLD: Once = gander_sync::ONCE_INIT;
    static CELL: OnceLock<u8> = OnceLock::new();
    static LOCK: RwLock<u8> = RwLock::new(3);
    assert!(BARRIER.wait().is_leader());
    CONDVAR.notify_all();
    ONCE.call_once(|| {});
    OLD.call_once(|| {});
    assert!(ONCE.is_completed() && OLD.is_completed());
    assert_eq!(CELL.get_or_init(|| 4) + *LAZY + *MUTEX.lock().unwrap() + *LOCK.read().unwrap(), 10);
}

/// A cell and a lock may hold what dies together with them, or a little before.
#[test]
fn may_hold_what_is_declared_later() {
    let cell = OnceLock::new();
    let mutex = Mutex::new(None);
    let lock = RwLock::new(None);
    let lazy = LazyLock::new(|| 1);
    let text = "gander".to_string();
    cell.set(&text).unwrap();
    *mutex.lock().unwrap() = Some(&text);
    *lock.write().unwrap() = Some(&text);
    assert_eq!(*lazy, 1);
    assert_eq!(cell.get().map(|text| text.len()), Some(6));
}

/// Who only reads may take what lives longer for what lives shorter.
#[test]
fn a_read_guard_is_covariant() {
    fn longer<'a>(one: RwLockReadGuard<'a, &'static str>, other: &'a str) -> usize {
        fn same<'a>(one: &RwLockReadGuard<'a, &'a str>, other: &&'a str) -> usize {
            one.len().max(other.len())
        }
        same(&one, &other)
    }
    let lock = RwLock::new("a long one");
    let other = "short".to_string();
    assert_eq!(longer(lock.read().unwrap(), &other), 10);
    *lock.write().unwrap() = "and it is open again";
}

/// Of slices and trait objects, by the usual coercions.
#[test]
fn unsized_data() {
    let mutex: Arc<Mutex<dyn std::fmt::Debug + Send>> = Arc::new(Mutex::new(7));
    assert_eq!(format!("{:?}", &*mutex.lock().unwrap()), "7");
    let lock: Box<RwLock<[u8]>> = Box::new(RwLock::new([1, 2, 3]));
    lock.write().unwrap()[1] = 5;
    assert_eq!(lock.read().unwrap().iter().sum::<u8>(), 9);
    let reader: RwLockReadGuard<'_, [u8]> = lock.read().unwrap();
    assert_eq!(reader.len(), 3);
}

/// A cell drops what is in it once, however it came there and goes.
#[test]
fn a_cell_drops_its_value_once() {
    let value = Rc::new(());
    let mut cell = OnceLock::from(value.clone());
    assert_eq!(Rc::strong_count(&value), 2);
    cell.take();
    assert_eq!(Rc::strong_count(&value), 1);
    // Once more, after a run that panicked.
    assert!(catch_unwind(std::panic::AssertUnwindSafe(|| cell.get_or_init(|| panic!("not yet")))).is_err());
    assert!(cell.get().is_none() && cell.get_mut().is_none() && cell.take().is_none());
    cell.set(value.clone()).unwrap();
    assert!(cell.set(value.clone()).is_err());
    assert_eq!(Rc::strong_count(&value), 2);
    assert!(cell.into_inner().is_some());
    assert_eq!(Rc::strong_count(&value), 1);
}

#[test]
#[allow(deprecated)]
fn waiting_by_milliseconds() {
    let (mutex, condvar) = (Mutex::new(false), Condvar::new());
    let (guard, was_notified) = condvar.wait_timeout_ms(mutex.lock().unwrap(), 1).unwrap();
    assert!(!was_notified);
    drop(guard);
    std::thread::scope(|s| {
        let mut done = mutex.lock().unwrap();
        s.spawn(|| {
            *mutex.lock().unwrap() = true;
            condvar.notify_one();
        });
        while !*done {
            let (guard, was_notified) = condvar.wait_timeout_ms(done, 60_000).unwrap();
            assert!(was_notified);
            done = guard;
        }
    });
}

#[test]
fn what_is_printed() {
    macro_rules! prints {
        ($($made:expr),+) => {$(
            let ours = { use gander_sync::*; format!("{:?}", $made) };
            let theirs = { use std::sync::*; format!("{:?}", $made) };
            assert_eq!(ours, theirs);
        )+};
    }
    prints!(
        Mutex::new(1),
        RwLock::new(1),
        Condvar::new(),
        Once::new(),
        OnceLock::<u8>::new(),
        OnceLock::from(1),
        Barrier::new(1),
        Barrier::new(1).wait(),
        mpsc::channel::<u8>(),
        mpsc::sync_channel::<u8>(1),
        mpsc::channel::<u8>().1.iter(),
        mpsc::channel::<u8>().1.try_iter(),
        mpsc::channel::<u8>().1.into_iter(),
        LazyLock::<u8>::new(|| 1)
    );
    let ours = Cell::new(String::new());
    Once::new().call_once_force(|state| ours.set(format!("{state:?}")));
    assert_eq!(ours.into_inner(), "OnceState { poisoned: false }");
}

/// The types of errors are std's own, so that `?` and `From` go on as before.
#[test]
fn errors_are_std_s() {
    fn all() -> Result<(), Box<dyn std::error::Error>> {
        let (tx, rx) = channel();
        tx.send(1)?;
        let got: Result<i32, std::sync::mpsc::RecvError> = rx.recv();
        assert_eq!(got?, 1);
        let (tx, rx) = sync_channel(1);
        tx.try_send(2)?;
        assert_eq!(rx.recv_timeout(Duration::from_secs(60))?, 2);
        drop(tx);
        rx.recv()?;
        Ok(())
    }
    assert!(all().unwrap_err().is::<std::sync::mpsc::RecvError>());
}
