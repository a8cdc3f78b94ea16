//! The table of Ps, and how many of them are in service.

use std::fs;
use std::ptr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicUsize, Ordering};

use super::service;
use crate::m::place;
use crate::p::P;

/// The most Ps there can be.
pub(crate) const MAX_PROCS: usize = 1024;

static TABLE: [AtomicPtr<P>; MAX_PROCS] = [const { AtomicPtr::new(ptr::null_mut()) }; MAX_PROCS];
/// How many were ever made; the table is filled up to here and entries stay.
static EVER: AtomicUsize = AtomicUsize::new(0);
static IN_SERVICE: AtomicUsize = AtomicUsize::new(0);
/// The user chose the number: the machine is not asked again.
static CHOSEN: AtomicBool = AtomicBool::new(false);
/// One change at a time; never taken inside the runtime.
static CHANGE: Mutex<()> = Mutex::new(());

/// How many Ps were ever made.
#[inline(always)]
pub(crate) fn ever() -> usize {
    EVER.load(Ordering::Acquire)
}

/// A P by number, below [`ever`].
#[inline(always)]
pub(crate) fn get(i: usize) -> &'static P {
    // SAFETY: entries below `ever` are filled, for good.
    unsafe { &*TABLE[i].load(Ordering::Acquire) }
}

/// How many Ps are in service: so many goroutines run at once.
#[inline(always)]
pub(crate) fn in_service() -> usize {
    IN_SERVICE.load(Ordering::Relaxed)
}

pub(crate) fn set_in_service(count: usize) {
    IN_SERVICE.store(count, Ordering::Relaxed);
}

/// Fires what is due in the heaps of all Ps.
pub(crate) fn run_due_timers() {
    let mut time = None;
    for i in 0..ever() {
        let timers = &get(i).timers;
        if timers.earliest() != u64::MAX {
            let time = *time.get_or_insert_with(crate::timer::now);
            if timers.earliest() <= time {
                timers.run_due(time);
            }
        }
    }
}

/// The earliest timer of all Ps.
pub(crate) fn earliest_timer() -> u64 {
    (0..ever()).map(|i| get(i).timers.earliest()).min().unwrap_or(u64::MAX)
}

/// The earliest timer of all Ps but for those that are due at `now`.
pub(crate) fn next_timer_after(now: u64) -> u64 {
    (0..ever()).map(|i| get(i).timers.earliest()).filter(|&at| at > now).min().unwrap_or(u64::MAX)
}

/// Sets the number of Ps in service; `chosen` by the user rather than read off the machine.
pub(crate) fn set(count: usize, chosen: bool) {
    assert!(
        (1..=MAX_PROCS).contains(&count),
        "gander: {count} processors asked for; there can be 1 to {MAX_PROCS}"
    );
    let _one = CHANGE.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    if chosen {
        CHOSEN.store(true, Ordering::Relaxed);
    } else if CHOSEN.load(Ordering::Relaxed) || count == in_service() {
        return;
    }
    for (i, entry) in TABLE.iter().enumerate().take(count).skip(ever()) {
        entry.store(Box::into_raw(Box::new(P::new(i))), Ordering::Release);
        EVER.store(i + 1, Ordering::Release);
        crate::inspect::trace::join(get(i));
    }
    service::set_service(count);
}

/// Asks the machine again, unless the user chose.
pub(crate) fn follow_machine() {
    if !CHOSEN.load(Ordering::Relaxed) {
        set(machine(), false);
    }
}

/// How many processors this process may use: its affinity, and the quota of its control group rounded up (but two
/// where the machine has two, as Go does: a quota limits time, not how much can be at hand at once).
pub(crate) fn machine() -> usize {
    let cpus = affinity();
    let count = match quota() {
        Some(quota) => cpus.min((quota.ceil() as usize).max(2)),
        None => cpus,
    };
    count.clamp(1, MAX_PROCS)
}

fn affinity() -> usize {
    // SAFETY: both answer with a number; the set is a valid one.
    let count: i64 = unsafe {
        match place::allowed(0) {
            Some(set) => libc::CPU_COUNT(&set).into(),
            // More CPUs than the set has bits.
            None => libc::sysconf(libc::_SC_NPROCESSORS_ONLN),
        }
    };
    count.max(1) as usize
}

/// Processors' worth of time that the control groups above this process allow.
fn quota() -> Option<f64> {
    quota_from(&fs::read_to_string("/proc/self/cgroup").ok()?, |path| fs::read_to_string(path).ok())
}

/// The smallest quota on the way from the process's group to the root, for both versions of control groups.
fn quota_from(groups: &str, read: impl Fn(&str) -> Option<String>) -> Option<f64> {
    let mut least: Option<f64> = None;
    for line in groups.lines() {
        let mut fields = line.splitn(3, ':');
        let (Some(_), Some(controllers), Some(path)) = (fields.next(), fields.next(), fields.next()) else {
            continue;
        };
        let second = controllers.is_empty();
        if !second && !controllers.split(',').any(|name| name == "cpu") {
            continue;
        }
        let mut at = path.trim_end_matches('/').to_string();
        loop {
            let here = if second {
                let both = read(&format!("/sys/fs/cgroup{at}/cpu.max"));
                both.and_then(|both| {
                    let (quota, period) = both.trim().split_once(' ')?;
                    Some(quota.parse::<f64>().ok()? / period.parse::<f64>().ok()?)
                })
            } else {
                let number =
                    |name| read(&format!("/sys/fs/cgroup/cpu{at}/cpu.cfs_{name}_us"))?.trim().parse::<f64>().ok();
                number("quota").filter(|&quota| quota > 0.0).zip(number("period")).map(|(q, p)| q / p)
            };
            if let Some(here) = here.filter(|here| here.is_finite() && *here > 0.0) {
                least = Some(least.map_or(here, |least| least.min(here)));
            }
            match at.rfind('/') {
                Some(slash) => at.truncate(slash),
                None => break,
            }
        }
    }
    least
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::quota_from;

    fn files<'a>(list: &'a [(&'a str, &'a str)]) -> impl Fn(&str) -> Option<String> + 'a {
        move |path| list.iter().find(|(name, _)| *name == path).map(|(_, text)| text.to_string())
    }

    /// sched-14.
    #[test]
    fn quota_is_the_smallest_on_the_way_up() {
        let second = "0::/a/b\n";
        assert_eq!(quota_from(second, files(&[])), None);
        let max = [("/sys/fs/cgroup/a/b/cpu.max", "max 100000\n")];
        assert_eq!(quota_from(second, files(&max)), None);
        let nested =
            [("/sys/fs/cgroup/a/b/cpu.max", "250000 100000\n"), ("/sys/fs/cgroup/a/cpu.max", "150000 100000\n")];
        assert_eq!(quota_from(second, files(&nested)), Some(1.5));
        let first = "4:cpu,cpuacct:/x\n3:memory:/y\n";
        let limits = [
            ("/sys/fs/cgroup/cpu/x/cpu.cfs_quota_us", "50000\n"),
            ("/sys/fs/cgroup/cpu/x/cpu.cfs_period_us", "100000\n"),
            ("/sys/fs/cgroup/cpu/cpu.cfs_quota_us", "-1\n"),
        ];
        assert_eq!(quota_from(first, files(&limits)), Some(0.5));
        assert_eq!(quota_from("garbage\n:::\n", files(&[])), None);
    }
}
