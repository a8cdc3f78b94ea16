//! Locks alone. A guard that is forgotten stands for an unlock that is missing.

use std::mem::forget;
use std::sync::Arc;

use gander::sync::{Condvar, Mutex, RwLock};

use crate::{ends, kept};

/// Both leave their loop without an unlock: the second one waits.
#[test]
fn cockroach_584() {
    ends(&[&["bootstrap: mutex lock"], &["manage: mutex lock"]], |all| {
        let gossip = Arc::new(Mutex::new(()));
        for name in ["bootstrap", "manage"] {
            let gossip = gossip.clone();
            all.go(name, move || forget(gossip.lock().unwrap()));
        }
    });
}

/// A log that ends the program locks itself again.
#[test]
fn cockroach_9935() {
    ends(&[&["output: mutex lock"]], |all| {
        let log = Arc::new(Mutex::new(()));
        all.go("output", move || {
            let _output = log.lock().unwrap();
            let _exit = log.lock().unwrap();
        });
    });
}

/// The same through a method of one's own.
#[test]
fn moby_36114() {
    ends(&[&["start: mutex lock"]], |all| {
        struct Machine(Mutex<Vec<u32>>);
        impl Machine {
            fn remove_disks(&self) {
                self.0.lock().unwrap().clear();
            }
        }
        let machine = Arc::new(Machine(Mutex::default()));
        all.go("start", move || {
            let disks = machine.0.lock().unwrap();
            machine.remove_disks();
            drop(disks);
        });
    });
}

/// An unlock is missing where the server stops gracefully; the next stop waits.
#[test]
fn grpc_795() {
    ends(&[&["stop: mutex lock"]], |all| {
        let server = Arc::new(Mutex::new(()));
        all.go("stop", move || {
            forget(server.lock().unwrap());
            drop(server.lock());
        });
    });
}

/// One locks the lease and then the cache, the other the cache and then the lease; both have their first.
#[test]
fn cockroach_7504() {
    ends(&[&["acquire: mutex lock", "release: mutex lock"]], |all| {
        let (lease, cache) = (Arc::new(Mutex::new(())), Arc::new(Mutex::new(())));
        let (here, there) = kept::<()>(0);
        let (lease_too, cache_too) = (lease.clone(), cache.clone());
        all.go("acquire", move || {
            let _cache = cache_too.lock().unwrap();
            here.send(()).unwrap();
            let _lease = lease_too.lock().unwrap();
        });
        all.go("release", move || {
            let _lease = lease.lock().unwrap();
            there.recv().unwrap();
            let _cache = cache.lock().unwrap();
        });
    });
}

/// The same between all devices and one, as chance has it.
#[test]
fn moby_4951() {
    ends(&[&[], &["delete: mutex lock", "remove: mutex lock"]], |all| {
        let (devices, device) = (Arc::new(Mutex::new(())), Arc::new(Mutex::new(())));
        let (devices_too, device_too) = (devices.clone(), device.clone());
        all.go("delete", move || {
            let _devices = devices_too.lock().unwrap();
            gander::yield_now();
            let _device = device_too.lock().unwrap();
        });
        all.go("remove", move || {
            let _device = device.lock().unwrap();
            gander::yield_now();
            let _devices = devices.lock().unwrap();
        });
    });
}

/// Where acquiring fails the read lock stays, and closing waits for ever.
#[test]
fn etcd_5509() {
    ends(&[&["close: rwlock write"]], |all| {
        let client = Arc::new(RwLock::new(()));
        forget(client.read().unwrap());
        all.go("close", move || drop(client.write()));
    });
}

/// Who reads twice, with a writer in between.
#[test]
fn kubernetes_62464() {
    ends(&[&["reconcile: rwlock read", "remove: rwlock write"]], |all| {
        let state = Arc::new(RwLock::new(()));
        let (has_read, may_write) = kept::<()>(0);
        let theirs = state.clone();
        all.go("reconcile", move || {
            let _or_default = theirs.read().unwrap();
            has_read.send(()).unwrap();
            // Until the writer waits.
            while theirs.try_read().is_ok() {
                gander::yield_now();
            }
            let _set = theirs.read().unwrap();
        });
        all.go("remove", move || {
            may_write.recv().unwrap();
            let _set = state.write().unwrap();
        });
    });
}

/// A condition that nobody signals.
#[test]
fn moby_29733() {
    ends(&[&["wait: condvar wait"]], |all| {
        let plugin = Arc::new((Mutex::new(false), Condvar::new()));
        let theirs = plugin.clone();
        all.go("wait", move || {
            let enabled = plugin.0.lock().unwrap();
            drop(plugin.1.wait(enabled));
        });
        all.go("enable", move || *theirs.0.lock().unwrap() = true);
    });
}
