//! Doing one thing for all who want it at the same time.

use std::any::Any;
use std::collections::HashMap;
use std::fmt;
use std::hash::Hash;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::{Arc, PoisonError};

use gander_chan::{Receiver, Sender, bounded};
use gander_runtime::{exit, go, is_exit, is_goroutine};

use crate::condvar::Condvar;
use crate::mutex::{Mutex, MutexGuard};
use crate::payload::copy;

/// Runs one function for all who call with the same key at the same time, and gives each a copy of what it returned.
/// (Go's `golang.org/x/sync/singleflight`.)
///
/// A clone is the same group. Functions that can fail return a `Result` whose error can be cloned.
///
/// # Examples
///
/// ```
/// # gander_runtime::run(|| {
/// use gander_sync::SingleFlight;
///
/// let flights = SingleFlight::new();
/// let (page, shared) = flights.call("/index", || "<html>".to_string());
/// assert_eq!((page.as_str(), shared), ("<html>", false));
/// # });
/// ```
pub struct SingleFlight<K, V> {
    flights: Arc<Mutex<HashMap<K, Arc<Flight<V>>>>>,
}

type Payload = Box<dyn Any + Send>;

/// One run of a function.
struct Flight<V> {
    state: Mutex<State<V>>,
    landed: Condvar,
}

struct State<V> {
    outcome: Option<Outcome<V>>,
    /// How many more than the first want it.
    sharers: usize,
    channels: Vec<Sender<(V, bool)>>,
}

#[derive(Clone)]
enum Outcome<V> {
    Returned(V),
    /// With these words.
    Panicked(Arc<Mutex<Payload>>),
    /// Its goroutine has exited.
    Exited,
}

/// Locks, panics or not: what is locked here is in order after each step.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<K: Eq + Hash, V: Clone> SingleFlight<K, V> {
    /// A group in which nothing runs.
    #[must_use]
    pub fn new() -> SingleFlight<K, V> {
        SingleFlight { flights: Arc::new(Mutex::new(HashMap::new())) }
    }

    /// Runs `f`, or waits for a function that already runs for this key. Returns what it returned, and whether others
    /// got that too.
    ///
    /// # Blocking
    ///
    /// Parks the goroutine, blocks an ordinary thread, while another runs the function; for ever, if that is the caller
    /// itself, further up.
    ///
    /// # Panics
    ///
    /// With the function's panic; where it ran for another, with the same message. If that one called
    /// [`exit`](gander_runtime::exit) a goroutine exits too, and an ordinary thread panics.
    pub fn call(&self, key: K, f: impl FnOnce() -> V) -> (V, bool)
    where
        K: Clone,
    {
        match self.board(key, |_| {}) {
            Boarding::Joined(flight) => flight.wait(),
            Boarding::First(landing) => {
                let flight = Arc::clone(&landing.flight);
                match landing.fly(f) {
                    Ok(answer) => answer,
                    Err(payload) => {
                        // Those with a channel could not see it otherwise.
                        if !is_exit(&*payload) && flight.had_channels() {
                            let again = copy(&*payload);
                            go(move || resume_unwind(again));
                        }
                        resume_unwind(payload)
                    }
                }
            }
        }
    }

    /// [`call`](Self::call) without waiting: the function runs in a goroutine of its own, and the answer comes through
    /// the channel. If the function panics that is a panic of a goroutine without a handle, which ends the process; if it
    /// exits, the channel closes without an answer.
    ///
    /// # Panics
    ///
    /// If the goroutine cannot be made.
    pub fn call_chan(&self, key: K, f: impl FnOnce() -> V + Send + 'static) -> Receiver<(V, bool)>
    where
        K: Clone + Send + 'static,
        V: Send + 'static,
    {
        let (tx, rx) = bounded(1);
        let boarding = self.board(key, |state| state.channels.push(tx));
        if let Boarding::First(landing) = boarding {
            go(move || {
                if let Err(payload) = landing.fly(f) {
                    resume_unwind(payload);
                }
            });
        }
        rx
    }

    /// Lets the next call with this key run its function, also while one runs: who waits for that goes on waiting.
    pub fn forget(&self, key: &K) {
        let flight = lock(&self.flights).remove(key);
        drop(flight);
    }

    /// Joins the flight with this key, or makes one.
    fn board(&self, key: K, register: impl FnOnce(&mut State<V>)) -> Boarding<K, V>
    where
        K: Clone,
    {
        let mut flights = lock(&self.flights);
        if let Some(flight) = flights.get(&key) {
            let flight = Arc::clone(flight);
            let mut state = lock(&flight.state);
            state.sharers += 1;
            register(&mut state);
            drop(state);
            return Boarding::Joined(flight);
        }
        let mut state = State { outcome: None, sharers: 0, channels: Vec::new() };
        register(&mut state);
        let flight = Arc::new(Flight { state: Mutex::new(state), landed: Condvar::new() });
        flights.insert(key.clone(), Arc::clone(&flight));
        Boarding::First(Landing { group: self.clone(), key, flight, outcome: Outcome::Exited })
    }
}

/// What a caller has come to.
enum Boarding<K: Eq + Hash, V: Clone> {
    First(Landing<K, V>),
    Joined(Arc<Flight<V>>),
}

/// The end of a flight, when dropped: also where no goroutine can be made for it, or a value's own code panics.
struct Landing<K: Eq + Hash, V: Clone> {
    group: SingleFlight<K, V>,
    key: K,
    flight: Arc<Flight<V>>,
    outcome: Outcome<V>,
}

impl<K: Eq + Hash, V: Clone> Landing<K, V> {
    /// Runs the function, and lets all know what became of it.
    fn fly(mut self, f: impl FnOnce() -> V) -> Result<(V, bool), Payload> {
        let answer = catch_unwind(AssertUnwindSafe(f));
        self.outcome = match &answer {
            Ok(value) => Outcome::Returned(value.clone()),
            Err(payload) if is_exit(&**payload) => Outcome::Exited,
            Err(payload) => Outcome::Panicked(Arc::new(Mutex::new(copy(&**payload)))),
        };
        let flight = Arc::clone(&self.flight);
        drop(self);
        answer.map(|value| (value, lock(&flight.state).sharers > 0))
    }
}

impl<K: Eq + Hash, V: Clone> Drop for Landing<K, V> {
    fn drop(&mut self) {
        let outcome = std::mem::replace(&mut self.outcome, Outcome::Exited);
        let _announced_last = Announcement { flight: &self.flight, outcome: Some(outcome) };
        // From now on others fly anew.
        let mut flights = lock(&self.group.flights);
        let is_ours = flights.get(&self.key).is_some_and(|now| Arc::ptr_eq(now, &self.flight));
        let ours = is_ours.then(|| flights.remove(&self.key));
        drop(flights);
        drop(ours);
    }
}

/// Announces an outcome at its end, also where a key's own code panics.
struct Announcement<'a, V: Clone> {
    flight: &'a Flight<V>,
    outcome: Option<Outcome<V>>,
}

impl<V: Clone> Drop for Announcement<'_, V> {
    fn drop(&mut self) {
        let mut state = lock(&self.flight.state);
        state.outcome = self.outcome.take();
        let shared = state.sharers > 0;
        let channels = state.channels.clone();
        drop(state);
        // Before a value is copied, which may panic.
        self.flight.landed.notify_all();
        for channel in channels {
            let outcome = lock(&self.flight.state).outcome.clone();
            if let Some(Outcome::Returned(value)) = outcome {
                // It has room. Nobody may want it any more.
                let _ = channel.send((value, shared));
            }
        }
    }
}

impl<V: Clone> Flight<V> {
    fn had_channels(&self) -> bool {
        !lock(&self.state).channels.is_empty()
    }

    /// Waits for the outcome, as one of several.
    fn wait(&self) -> (V, bool) {
        let state = self.landed.wait_while(lock(&self.state), |state| state.outcome.is_none());
        let outcome = state.unwrap_or_else(PoisonError::into_inner).outcome.clone();
        match outcome.expect("waited for") {
            Outcome::Returned(value) => (value, true),
            Outcome::Panicked(payload) => resume_unwind(copy(&**lock(&payload))),
            Outcome::Exited if is_goroutine() => exit(),
            Outcome::Exited => panic!("the goroutine that ran this flight's function has exited"),
        }
    }
}

impl<K, V> Clone for SingleFlight<K, V> {
    fn clone(&self) -> SingleFlight<K, V> {
        SingleFlight { flights: Arc::clone(&self.flights) }
    }
}

impl<K: Eq + Hash, V: Clone> Default for SingleFlight<K, V> {
    fn default() -> SingleFlight<K, V> {
        SingleFlight::new()
    }
}

impl<K, V> fmt::Debug for SingleFlight<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SingleFlight").finish_non_exhaustive()
    }
}
