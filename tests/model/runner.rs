//! What comes of a program on gander.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant};

use gander::chan::{Receiver, Select, Sender, bounded, unbounded};
use gander::inspect::{GoroutineState, goroutines};
use gander::sync::WaitGroup;
use gander::{GoroutineId, JoinHandle};

use crate::program::{Arm, Op, Program, Seen, value};

/// What each goroutine saw; less than it has operations: it waits for ever in the next. None: it was not started.
pub(crate) type Outcome = Vec<Option<Vec<Seen>>>;

#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Honesty {
    Honest,
    /// A plain send into a buffer says that it sent, and does not: to see that this is noticed.
    LosesBuffered,
}

/// No program may take longer to come to rest: a limit, not a measurement.
const REST: Duration = Duration::from_secs(20);

/// So often in a row all must be found at rest.
const LOOKS: usize = 3;

struct Value {
    number: u16,
    _alive: Arc<()>,
}

struct Board {
    program: Program,
    pauses: u64,
    honesty: Honesty,
    channels: Vec<(Sender<Value>, Receiver<Value>)>,
    group: WaitGroup,
    goroutines: Vec<Place>,
    handles: Mutex<Vec<JoinHandle<()>>>,
    /// Counts what is begun and ended.
    moves: AtomicUsize,
    /// The outcome was read: who is woken now returns.
    is_over: AtomicBool,
    /// One more than there are values.
    alive: Arc<()>,
}

#[derive(Default)]
struct Place {
    is_born: AtomicBool,
    id: OnceLock<GoroutineId>,
    seen: Vec<OnceLock<Seen>>,
}

/// Runs the program until all have ended or wait, reads what they saw, and lets go of those that wait.
///
/// # Errors
///
/// If it does not come to rest, a goroutine panics, or values are lost or stay.
pub(crate) fn execute(program: &Program, pauses: u64, honesty: Honesty) -> Result<Outcome, String> {
    let channel = |capacity: &Option<usize>| capacity.map_or_else(unbounded, bounded);
    let place = |ops: &Vec<Op>| Place { seen: ops.iter().map(|_| OnceLock::new()).collect(), ..Place::default() };
    let board = Arc::new(Board {
        program: program.clone(),
        pauses,
        honesty,
        channels: program.capacities.iter().map(channel).collect(),
        group: WaitGroup::new(),
        goroutines: program.goroutines.iter().map(place).collect(),
        handles: Mutex::default(),
        moves: AtomicUsize::new(0),
        is_over: AtomicBool::new(false),
        alive: Arc::default(),
    });
    board.group.add(program.dones() as isize);
    for g in (0..program.goroutines.len()).filter(|g| program.is_there_from_the_beginning(*g)) {
        board.start(g);
    }
    board.come_to_rest(None)?;
    let outcome = board.goroutines.iter().map(Place::outcome).collect();
    board.release(&outcome);
    board.come_to_rest(None)?;
    let states = states();
    let stuck = board.goroutines.iter().filter(|place| !place.has_ended());
    if stuck.filter_map(|place| place.id.get()).any(|id| states.contains_key(id)) {
        return Err(format!("not released by closing everything: {outcome:?}"));
    }
    let alive = board.alive.clone();
    for handle in std::mem::take(&mut *board.handles.lock().unwrap()) {
        handle.join().map_err(|payload| format!("a goroutine panicked: {:?}", payload.downcast::<String>()))?;
    }
    drop(Arc::into_inner(board).ok_or("an ended goroutine still holds the channels")?);
    match Arc::strong_count(&alive) {
        1 => Ok(outcome),
        count => Err(format!("{} values were never dropped", count - 1)),
    }
}

impl Place {
    fn outcome(&self) -> Option<Vec<Seen>> {
        let seen = || self.seen.iter().map_while(|seen| seen.get().copied()).collect();
        self.is_born.load(Ordering::SeqCst).then(seen)
    }

    fn has_ended(&self) -> bool {
        self.seen.iter().all(|seen| seen.get().is_some())
    }
}

impl Board {
    /// Whether it was not started before.
    fn start(self: &Arc<Board>, g: usize) -> bool {
        let is_first = !self.goroutines[g].is_born.swap(true, Ordering::SeqCst);
        if is_first {
            let board = self.clone();
            let handle = gander::spawn(move || board.run(g));
            self.handles.lock().unwrap().push(handle);
        }
        is_first
    }

    fn run(self: &Arc<Board>, g: usize) {
        self.goroutines[g].id.set(gander::current().id()).expect("a goroutine is started once");
        for (k, op) in self.program.goroutines[g].iter().enumerate() {
            if self.pauses >> (g * 16 + k * 4) & 1 == 1 {
                gander::yield_now();
            }
            self.moves.fetch_add(1, Ordering::SeqCst);
            let seen = self.perform(g, k, op);
            if self.is_over.load(Ordering::SeqCst) {
                return;
            }
            self.goroutines[g].seen[k].set(seen).expect("an operation ends once");
            self.moves.fetch_add(1, Ordering::SeqCst);
        }
    }

    fn perform(self: &Arc<Board>, g: usize, k: usize, op: &Op) -> Seen {
        match op {
            Op::Plain(Arm::Send(channel)) => {
                let has_room = self.channels[*channel].0.capacity() != Some(0);
                if self.honesty == Honesty::LosesBuffered && has_room {
                    return Seen::Sent(0);
                }
                let sent = self.channels[*channel].0.send(self.value(g, k, 0));
                given_back(sent.map_err(|error| error.into_inner()), g, k, 0)
            }
            Op::Plain(Arm::Recv(channel)) => received(self.channels[*channel].1.recv(), 0),
            Op::Try(Arm::Send(channel)) => match self.channels[*channel].0.try_send(self.value(g, k, 0)) {
                Err(error) if error.is_full() => {
                    assert_eq!(error.into_inner().number, value(g, k, 0), "another value came back");
                    Seen::NotReady
                }
                sent => given_back(sent.map_err(|error| error.into_inner()), g, k, 0),
            },
            Op::Try(Arm::Recv(channel)) => match self.channels[*channel].1.try_recv() {
                Err(error) if error.is_empty() => Seen::NotReady,
                got => received(got, 0),
            },
            Op::Select(arms) | Op::TrySelect(arms) => self.select(g, k, arms, matches!(op, Op::Select(_))),
            Op::Close(channel) => Seen::Closed(self.channels[*channel].0.close()),
            Op::Spawn(child) => Seen::Started(self.start(*child)),
            Op::Done => {
                self.group.done();
                Seen::Counted
            }
            Op::Wait => {
                self.group.wait();
                Seen::Waited
            }
            Op::Settle => {
                self.come_to_rest(Some(g)).unwrap();
                Seen::Settled
            }
        }
    }

    fn select(&self, g: usize, k: usize, arms: &[Arm], may_wait: bool) -> Seen {
        let mut select = Select::new();
        for arm in arms {
            match arm {
                Arm::Send(channel) => select.send(&self.channels[*channel].0),
                Arm::Recv(channel) => select.recv(&self.channels[*channel].1),
            };
        }
        let operation = if may_wait {
            select.select()
        } else {
            let Ok(operation) = select.try_select() else { return Seen::NotReady };
            operation
        };
        let i = operation.index();
        match arms[i] {
            Arm::Send(channel) => {
                let sent = operation.send(&self.channels[channel].0, self.value(g, k, i));
                given_back(sent.map_err(|error| error.into_inner()), g, k, i)
            }
            Arm::Recv(channel) => received(operation.recv(&self.channels[channel].1), i),
        }
    }

    fn value(&self, g: usize, k: usize, arm: usize) -> Value {
        Value { number: value(g, k, arm), _alive: self.alive.clone() }
    }

    /// Yields until nothing (but one goroutine) moves any more: several times in a row all were found parked or ended, and nothing was
    /// begun or ended meanwhile. Who was woken between two looks is found awake by the second, or has moved.
    fn come_to_rest(&self, but: Option<usize>) -> Result<(), String> {
        let start = Instant::now();
        let mut quiet = 0;
        while quiet < LOOKS {
            let before = self.moves.load(Ordering::SeqCst);
            let is_quiet = self.all_rest(but) && self.moves.load(Ordering::SeqCst) == before;
            quiet = if is_quiet { quiet + 1 } else { 0 };
            if start.elapsed() > REST {
                return Err(format!("it does not come to rest: {:#?}", gander::inspect::dump()));
            }
            gander::yield_now();
        }
        Ok(())
    }

    fn all_rest(&self, but: Option<usize>) -> bool {
        // Those that are there from the beginning may still have to be started.
        let is_born = |(g, place): &(usize, &Place)| {
            self.program.is_there_from_the_beginning(*g) || place.is_born.load(Ordering::SeqCst)
        };
        let others = self.goroutines.iter().enumerate().filter(|(g, _)| Some(*g) != but);
        let born: Vec<_> = others.filter(is_born).map(|(_, place)| place).collect();
        let ids: Vec<_> = born.iter().map(|place| place.id.get().copied()).collect();
        if born.iter().all(|place| place.has_ended()) {
            return true;
        }
        let states = states();
        born.iter().zip(ids).all(|(place, id)| match id.map(|id| states.get(&id)) {
            _ if place.has_ended() => true,
            None => false,
            // It is not there any more and has not ended: it panicked, which its handle will tell.
            Some(None) => true,
            Some(Some(state)) => matches!(state, GoroutineState::Waiting(_)),
        })
    }

    /// Ends the waits of those that nobody would wake.
    fn release(&self, outcome: &Outcome) {
        self.is_over.store(true, Ordering::SeqCst);
        for (sender, _) in &self.channels {
            sender.close();
        }
        let all = outcome.iter().flatten().flatten();
        let counted = all.filter(|seen| matches!(seen, Seen::Counted)).count();
        self.group.add(counted as isize - self.program.dones() as isize);
    }
}

fn states() -> HashMap<GoroutineId, GoroutineState> {
    goroutines().into_iter().map(|info| (info.id, info.state)).collect()
}

fn given_back(sent: Result<(), Value>, g: usize, k: usize, arm: usize) -> Seen {
    match sent {
        Ok(()) => Seen::Sent(arm),
        Err(back) => {
            assert_eq!(back.number, value(g, k, arm), "another value came back");
            Seen::Refused(arm)
        }
    }
}

fn received<E>(got: Result<Value, E>, arm: usize) -> Seen {
    got.map_or(Seen::Ended(arm), |value| Seen::Got(arm, value.number))
}
