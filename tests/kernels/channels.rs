//! Somebody sends or receives, and the other side is not there.

use std::time::Duration;

use gander::chan::after;
use gander::context::Context;
use gander::select;

use crate::{ends, kept};

/// Two that serve each other, and each offers before it looks what the other has.
#[test]
fn cockroach_2448() {
    ends(&[&["raft: select", "store: select"]], |all| {
        let (events, next_event) = kept(0);
        let (callbacks, next_callback) = kept::<()>(0);
        let (_, stop) = kept::<()>(0);
        let stopped = stop.clone();
        all.go("store", move || {
            next_event.recv().unwrap();
            select! { send(callbacks, ()) -> _ => {}, recv(stopped) -> _ => {} }
            next_event.recv().unwrap();
        });
        all.go("raft", move || {
            for event in 0..2 {
                select! { send(events, event) -> _ => {}, recv(stop) -> _ => {} }
            }
            next_callback.recv().unwrap();
        });
    });
}

/// A wish that came before the start takes the room of the one that the start itself sends.
#[test]
fn cockroach_24808() {
    ends(&[&["start: chan send"]], |all| {
        let (wishes, next) = kept(1);
        wishes.send(()).unwrap();
        all.go("start", move || {
            wishes.send(()).unwrap();
            next.recv().unwrap();
        });
    });
}

/// To learn whether the store closes, it waits until it does.
#[test]
fn cockroach_25456() {
    ends(&[&["queue: chan receive"]], |all| {
        let (_, closing) = kept::<()>(0);
        all.go("queue", move || assert!(closing.recv().is_err()));
    });
}

/// Rows that nobody closes keep the one that waits for their context.
#[test]
fn cockroach_13755() {
    ends(&[&["rows: chan receive"]], |all| {
        let (ctx, cancel) = Context::background().with_cancel();
        std::mem::forget(cancel);
        all.go("rows", move || assert!(ctx.done().recv().is_err()));
    });
}

/// Who asks a node that has stopped gets no answer; who asks before, does.
#[test]
fn etcd_6857() {
    ends(&[&[], &["ask: chan send"]], |all| {
        let (ask, asked) = kept::<()>(0);
        let (stop, stopped) = kept::<()>(0);
        let (done, is_done) = kept::<()>(0);
        all.go("node", move || {
            loop {
                select! {
                    recv(asked) -> _ => {}
                    recv(stopped) -> _ => break,
                }
            }
            done.close();
        });
        all.go("ask", move || ask.send(()).unwrap());
        all.go("stop", move || {
            stop.send(()).unwrap();
            let _ = is_done.recv();
        });
    });
}

/// The one that collects leaves when it is told to, with a worker still at its answer.
#[test]
fn grpc_660() {
    ends(&[&["worker: chan send"]], |all| {
        let (answer, answers) = kept::<()>(0);
        let (stop, stopped) = kept::<()>(0);
        all.go("worker", move || answer.send(()).unwrap());
        all.go("collect", move || {
            stopped.recv().unwrap();
            drop(answers);
        });
        all.go("helper", move || stop.send(()).unwrap());
    });
}

/// Closing the stream forgets to tell its reader, whose end the closer waits for.
#[test]
fn grpc_1275() {
    ends(&[&["close: chan receive", "read: chan receive"]], |all| {
        let (_, frames) = kept::<()>(1);
        let (done, is_done) = kept::<()>(0);
        all.go("read", move || {
            let _ = frames.recv();
            done.close();
        });
        all.go("close", move || assert!(is_done.recv().is_err()));
    });
}

/// The request is given up, and its handler still answers.
#[test]
fn kubernetes_5316() {
    ends(&[&[], &["handler: chan send"]], |all| {
        let (answer, answers) = kept::<()>(0);
        all.go("handler", move || {
            gander::sleep(Duration::from_micros(50));
            answer.send(()).unwrap();
        });
        all.go("finish", move || {
            select! {
                recv(answers) -> _ => {}
                recv(after(Duration::from_micros(50))) -> _ => {}
            }
        });
    });
}

/// A monitor that stops leaves its probe with the result.
#[test]
fn moby_33781() {
    ends(&[&["probe: chan send"]], |all| {
        let (result, results) = kept::<()>(0);
        let (stop, stopped) = kept::<()>(0);
        all.go("monitor", move || {
            stopped.recv().unwrap();
            let (ctx, cancel) = Context::background().with_cancel();
            all_done(&ctx, &cancel);
            drop(results);
        });
        all.go("probe", move || result.send(()).unwrap());
        all.go("stop", move || stop.send(()).unwrap());
    });
}

fn all_done(ctx: &Context, cancel: &gander::context::CancelFunc) {
    cancel.cancel();
    let _ = ctx.done().recv();
}

/// Restarted twice, each run reports its end to one who is not there any more.
#[test]
fn istio_17860() {
    ends(&[&["run: chan send", "run: chan send"]], |all| {
        let (status, _) = kept::<u32>(0);
        for epoch in 0..2 {
            let status = status.clone();
            all.go("run", move || status.send(epoch).unwrap());
        }
    });
}
