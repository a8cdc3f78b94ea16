//! Groups of goroutines: `ErrGroup`, `try_scope`, `all`.

#[path = "../../chan/tests/common/mod.rs"]
mod common;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use common::{in_goroutines, rounds};
use gander_chan::bounded;
use gander_context::{Context, ContextError, ErrGroup, all, try_scope};
use gander_runtime::{go, spawn, yield_now};
use gander_time::sleep_ctx;

const MS: Duration = Duration::from_millis(1);
const HOUR: Duration = Duration::from_secs(3600);

/// xsync-1: the first error, and a context that is done in every case.
/// Semantics 33.
#[test]
fn xsync_1_with_context() {
    in_goroutines(|| {
        type Outcome = Result<(), &'static str>;
        let cases: &[(&[Outcome], Outcome)] =
            &[(&[], Ok(())), (&[Ok(())], Ok(())), (&[Err("one")], Err("one")), (&[Err("one"), Ok(())], Err("one"))];
        for (results, expected) in cases {
            let (group, ctx) = ErrGroup::with_context(&Context::background());
            for &result in *results {
                group.go(move || result);
            }
            assert_eq!(group.wait(), *expected);
            assert_eq!(ctx.err(), Some(ContextError::Canceled));
            assert_eq!(group.wait(), Ok(()), "handed out once");
        }
    });
}

/// xsync-2: never more than the limit, and nobody is lost.
#[test]
fn xsync_2_limit() {
    in_goroutines(|| {
        const LIMIT: usize = 10;
        let group = ErrGroup::<()>::new();
        group.set_limit(Some(LIMIT));
        let (active, done) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let count = rounds(100);
        for _ in 0..count {
            let (active, done) = (active.clone(), done.clone());
            group.go(move || {
                assert!(active.fetch_add(1, Ordering::SeqCst) < LIMIT);
                yield_now();
                active.fetch_sub(1, Ordering::SeqCst);
                done.fetch_add(1, Ordering::SeqCst);
                Ok(())
            });
        }
        group.wait().unwrap();
        assert_eq!(done.load(Ordering::SeqCst), count);
    });
}

/// Go's rules for limits: `try_go`, zero, a change while members run.
#[test]
fn limits() {
    in_goroutines(|| {
        let group = ErrGroup::<()>::new();
        group.set_limit(Some(1));
        let (tx, rx) = bounded::<()>(0);
        assert!(group.try_go(move || {
            let _ = rx.recv();
            Ok(())
        }));
        assert!(!group.try_go(|| Ok(())));
        assert!(catch_unwind(AssertUnwindSafe(|| group.set_limit(None))).is_err());
        drop(tx);
        group.wait().unwrap();
        group.set_limit(Some(0));
        assert!(!group.try_go(|| Ok(())));
        group.set_limit(None);
        assert!(group.try_go(|| Ok(())));
        group.wait().unwrap();
    });
}

/// xsync-3: a pipeline whose stages end with the first error, or deliver all.
#[test]
fn xsync_3_pipeline() {
    in_goroutines(|| {
        for bad in [None, Some(30)] {
            let (group, ctx) = ErrGroup::with_context(&Context::background());
            let (paths, todo) = bounded(0);
            let (results, sums) = bounded(0);
            let walking = ctx.clone();
            group.go(move || {
                for path in 0..100u64 {
                    while paths.send_timeout(path, MS).is_err() {
                        if walking.err().is_some() {
                            return Err("walk".to_string());
                        }
                    }
                }
                Ok(())
            });
            for _ in 0..20 {
                let (todo, results, ctx) = (todo.clone(), results.clone(), ctx.clone());
                group.go(move || {
                    for path in todo {
                        if Some(path) == bad {
                            return Err(format!("bad {path}"));
                        }
                        while results.send_timeout((path, path * path), MS).is_err() {
                            if ctx.err().is_some() {
                                return Err("sum".to_string());
                            }
                        }
                    }
                    Ok(())
                });
            }
            drop(results);
            drop(todo);
            let all: std::collections::BTreeMap<_, _> = sums.iter().collect();
            match bad {
                None => {
                    group.wait().unwrap();
                    assert!(all.into_iter().eq((0..100).map(|path| (path, path * path))));
                }
                Some(bad) => assert_eq!(group.wait(), Err(format!("bad {bad}"))),
            }
        }
    });
}

/// A member that panics cancels the others, and `wait` panics with it. One that exits is not a failure.
#[test]
fn panics_of_members() {
    in_goroutines(|| {
        let (group, ctx) = ErrGroup::<()>::with_context(&Context::background());
        let theirs = ctx.clone();
        group.go(move || {
            let _ = theirs.done().recv();
            Ok(())
        });
        group.go(|| panic!("a member's"));
        group.go(|| gander_runtime::exit());
        let payload = catch_unwind(AssertUnwindSafe(|| group.wait())).unwrap_err();
        assert_eq!(payload.downcast_ref(), Some(&"a member's"));
        assert!(ctx.err().is_some());
        assert_eq!(group.wait(), Ok(()));
    });
}

/// Members start members; several wait; a group is used again.
#[test]
fn members_start_members() {
    in_goroutines(|| {
        fn split(group: &ErrGroup<()>, n: usize, count: &Arc<AtomicUsize>) {
            count.fetch_add(1, Ordering::Relaxed);
            for _ in 0..n {
                let (theirs, counter) = (group.clone(), count.clone());
                group.go(move || {
                    split(&theirs, n - 1, &counter);
                    Ok(())
                });
            }
        }
        let group = ErrGroup::new();
        for _ in 0..rounds(5) {
            let count = Arc::new(AtomicUsize::new(0));
            split(&group, 4, &count);
            let waiters: Vec<_> = (0..3)
                .map(|_| {
                    let group = group.clone();
                    spawn(move || group.wait())
                })
                .collect();
            group.wait().unwrap();
            // 1 + 4 + 4·3 + 4·3·2 + 4·3·2·1
            assert_eq!(count.load(Ordering::Relaxed), 65);
            waiters.into_iter().for_each(|waiter| waiter.join().unwrap().unwrap());
        }
    });
}

#[test]
fn scopes_fail_once() {
    in_goroutines(|| {
        let text = String::from("borrowed");
        let failed = try_scope(&Context::background(), |s| {
            for i in 0..10 {
                let text = &text;
                s.spawn(move |ctx| {
                    if i == 5 {
                        return Err(text.as_str());
                    }
                    assert!(sleep_ctx(ctx, HOUR).is_err());
                    Ok(())
                });
            }
            Ok(())
        });
        assert_eq!(failed, Err("borrowed"));
        // The body's own error cancels too, and comes first here.
        let failed: Result<(), _> = try_scope(&Context::background(), |s| {
            s.spawn(|ctx| {
                let _ = ctx.done().recv();
                Err("second")
            });
            Err("first")
        });
        assert_eq!(failed, Err("first"));
        // From outside.
        let (ctx, cancel) = Context::background().with_cancel();
        go(move || cancel.cancel());
        let ended = try_scope(&ctx, |s| {
            s.spawn(|ctx| sleep_ctx(ctx, HOUR));
            Ok(())
        });
        assert_eq!(ended, Err(ContextError::Canceled));
    });
}

#[test]
fn panics_in_scopes() {
    in_goroutines(|| {
        let run = |child: bool| {
            catch_unwind(|| {
                try_scope::<_, (), ()>(&Context::background(), |s| {
                    s.spawn(|ctx| {
                        let _ = ctx.done().recv();
                        Ok(())
                    });
                    if child {
                        s.spawn(|_| panic!("in a goroutine"));
                        Ok(())
                    } else {
                        panic!("in the body");
                    }
                })
            })
        };
        assert_eq!(run(false).unwrap_err().downcast_ref(), Some(&"in the body"));
        assert!(run(true).is_err());
    });
}

#[test]
fn results_in_order() {
    in_goroutines(|| {
        let squares = all(
            &Context::background(),
            (0..50u64).map(|i| {
                move |ctx: &Context| {
                    sleep_ctx(ctx, Duration::from_micros((50 - i) * 20))?;
                    Ok::<_, ContextError>(i * i)
                }
            }),
        );
        assert!(squares.unwrap().into_iter().eq((0..50).map(|i| i * i)));
        let failed = all(
            &Context::background(),
            (0..10).map(|i| {
                move |ctx: &Context| {
                    if i == 3 {
                        return Err("three");
                    }
                    let _ = ctx.done().recv();
                    Ok(i)
                }
            }),
        );
        assert_eq!(failed, Err("three"));
        assert_eq!(all(&Context::background(), Vec::<fn(&Context) -> Result<(), ()>>::new()), Ok(vec![]));
    });
}
