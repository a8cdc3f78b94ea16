//! How shuttle is asked: so many random schedules, half of them by chance alone, half with priorities that change at
//! random moments (PCT), which finds what needs a few unlucky steps. The seed is printed; `GANDER_SHUTTLE_SEED` says which
//! to take, and `GANDER_SHUTTLE_TIMES` how many times as many schedules.

use shuttle::scheduler::{PctScheduler, RandomScheduler, Scheduler};
use shuttle::{Config, Runner};

/// Preemptions in an unlucky schedule.
const DEPTH: usize = 4;

pub(crate) fn check(schedules: usize, model: impl Fn() + Send + Sync + Clone + 'static) {
    let number = |name: &str| -> Option<u64> {
        std::env::var(name).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{name} is a number")))
    };
    let seed = number("GANDER_SHUTTLE_SEED").unwrap_or_else(|| {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970");
        now.as_nanos() as u64
    });
    let times = number("GANDER_SHUTTLE_TIMES").unwrap_or(1) as usize;
    let name = std::thread::current().name().unwrap_or("a test").to_string();
    println!("{name}: GANDER_SHUTTLE_SEED={seed}");
    let half = schedules * times / 2;
    run(RandomScheduler::new_from_seed(seed, half), model.clone());
    run(PctScheduler::new_from_seed(seed, DEPTH, half), model);
}

fn run(scheduler: impl Scheduler + 'static, model: impl Fn() + Send + Sync + 'static) {
    Runner::new(scheduler, Config::new()).run(model);
}
