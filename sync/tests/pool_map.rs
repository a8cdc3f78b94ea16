//! Pools and maps.

#[path = "../../chan/tests/common/mod.rs"]
mod common;

use std::collections::HashMap;
use std::hash::{BuildHasher, Hasher};
use std::sync::Mutex as StdMutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use common::{Chance, in_goroutines, rounds};
use gander_runtime::{scope, yield_now};
use gander_sync::{Arc, Map, Pool};
use proptest::prelude::*;

/// sync-19: what was put in comes out; an empty pool has nothing; what it does not keep it drops.
/// Semantics 33.
#[test]
fn sync_19_pool() {
    in_goroutines(|| {
        let pool = Pool::new();
        assert!(pool.get().is_none());
        let value = Arc::new(7);
        pool.put(Arc::clone(&value));
        assert_eq!(pool.get(), Some(Arc::clone(&value)));
        assert!(pool.get().is_none());
        assert_eq!(pool.get_or_else(|| Arc::new(8)), Arc::new(8));
        for _ in 0..100_000 {
            pool.put(Arc::clone(&value));
        }
        let kept = Arc::strong_count(&value) - 1;
        assert!((1..100_000).contains(&kept), "it keeps {kept}");
        thread::scope(|threads| {
            threads.spawn(|| assert!(pool.get().is_some()));
        });
        drop(pool);
        assert_eq!(Arc::strong_count(&value), 1);
    });
}

/// sync-20, sync-26: only what was put in comes out, whole, and no more than that.
#[test]
fn sync_20_stress() {
    in_goroutines(|| {
        let (pool, inside) = (Pool::<(usize, usize)>::new(), AtomicUsize::new(0));
        scope(|s| {
            for i in 0..10 {
                let (pool, inside) = (&pool, &inside);
                s.spawn(move || {
                    for j in 0..rounds(500) {
                        // Counted before it is in: never fewer than there are.
                        inside.fetch_add(1, Ordering::SeqCst);
                        pool.put((i * 1000 + j, !(i * 1000 + j)));
                        if let Some((one, other)) = pool.get() {
                            assert_eq!(one, !other);
                            assert!(inside.fetch_sub(1, Ordering::SeqCst) > 0, "it has more than was put in");
                        }
                        if j % 64 == 0 {
                            yield_now();
                        }
                    }
                });
            }
        });
    });
}

/// An operation on a map of few keys.
#[derive(Clone, Debug)]
enum Op {
    Load(u8),
    Store(u8, u8),
    LoadOrStore(u8, u8),
    Swap(u8, u8),
    CompareAndSwap(u8, u8, u8),
    Delete(u8),
    LoadAndDelete(u8),
    CompareAndDelete(u8, u8),
    Clear,
}

fn ops() -> impl Strategy<Value = Vec<Op>> {
    let (key, value) = (0..6u8, 0..4u8);
    let op = prop_oneof![
        8 => key.clone().prop_map(Op::Load),
        8 => (key.clone(), value.clone()).prop_map(|(k, v)| Op::Store(k, v)),
        8 => (key.clone(), value.clone()).prop_map(|(k, v)| Op::LoadOrStore(k, v)),
        8 => (key.clone(), value.clone()).prop_map(|(k, v)| Op::Swap(k, v)),
        8 => (key.clone(), value.clone(), value.clone()).prop_map(|(k, o, n)| Op::CompareAndSwap(k, o, n)),
        4 => key.clone().prop_map(Op::Delete),
        4 => key.clone().prop_map(Op::LoadAndDelete),
        4 => (key, value).prop_map(|(k, v)| Op::CompareAndDelete(k, v)),
        1 => Just(Op::Clear),
    ];
    prop::collection::vec(op, 0..200)
}

/// Does it on both; the same must come out.
fn step<S: BuildHasher + Clone>(ours: &Map<u8, u8, S>, model: &mut HashMap<u8, u8>, op: &Op) {
    match *op {
        Op::Load(k) => assert_eq!(ours.load(&k), model.get(&k).copied()),
        Op::Store(k, v) => {
            ours.store(k, v);
            model.insert(k, v);
        }
        Op::LoadOrStore(k, v) => {
            let was = model.contains_key(&k);
            assert_eq!(ours.load_or_store(k, v), (*model.entry(k).or_insert(v), was));
        }
        Op::Swap(k, v) => assert_eq!(ours.swap(k, v), model.insert(k, v)),
        Op::CompareAndSwap(k, old, new) => {
            let fits = model.get(&k) == Some(&old);
            assert_eq!(ours.compare_and_swap(&k, &old, new), fits);
            if fits {
                model.insert(k, new);
            }
        }
        Op::Delete(k) => {
            ours.delete(&k);
            model.remove(&k);
        }
        Op::LoadAndDelete(k) => assert_eq!(ours.load_and_delete(&k), model.remove(&k)),
        Op::CompareAndDelete(k, old) => {
            let fits = model.get(&k) == Some(&old);
            assert_eq!(ours.compare_and_delete(&k, &old), fits);
            if fits {
                model.remove(&k);
            }
        }
        Op::Clear => {
            ours.clear();
            model.clear();
        }
    }
}

fn contents<S: BuildHasher + Clone>(map: &Map<u8, u8, S>) -> HashMap<u8, u8> {
    let mut all = HashMap::new();
    map.range(|key, value| all.insert(*key, *value).is_none());
    all
}

/// Hashes of few bits.
#[derive(Clone)]
struct Poor(u64);

impl BuildHasher for Poor {
    type Hasher = PoorHasher;
    fn build_hasher(&self) -> PoorHasher {
        PoorHasher(0, self.0)
    }
}

struct PoorHasher(u64, u64);

impl Hasher for PoorHasher {
    fn finish(&self) -> u64 {
        self.0 & self.1
    }
    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.0 = (self.0 << 7) ^ u64::from(*byte).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    /// sync-22, sync-24, sync-25: as a `HashMap` under a lock, with good hashes and with poor ones.
    #[test]
    fn sync_22_as_a_hash_map(ops in ops()) {
        let good = Map::new();
        let (constant, few) = (Map::with_hasher(Poor(0)), Map::with_hasher(Poor(3 << 48 | 1)));
        let mut models = [HashMap::new(), HashMap::new(), HashMap::new()];
        for op in &ops {
            step(&good, &mut models[0], op);
            step(&constant, &mut models[1], op);
            step(&few, &mut models[2], op);
        }
        prop_assert_eq!(contents(&good), models[0].clone());
        prop_assert_eq!(contents(&constant), models[1].clone());
        prop_assert_eq!(contents(&few), models[2].clone());
    }
}

/// sync-23: what is deleted or overwritten is dropped at once.
#[test]
fn sync_23_drops() {
    in_goroutines(|| {
        let (map, value) = (Map::new(), Arc::new(()));
        for key in 0..rounds(10_000) {
            map.store(key, Arc::clone(&value));
            map.store(key, Arc::clone(&value));
            assert_eq!(Arc::strong_count(&value), 2);
            map.delete(&key);
            assert_eq!(Arc::strong_count(&value), 1);
        }
        (0..100).for_each(|key| map.store(key, Arc::clone(&value)));
        map.clear();
        assert_eq!(Arc::strong_count(&value), 1);
    });
}

/// sync-24: what is not there cannot be compared.
#[test]
fn sync_24_missing_keys() {
    let map = Map::<&str, Option<i32>>::new();
    assert!(!map.compare_and_swap("key", &None, Some(1)));
    assert!(!map.compare_and_delete("key", &None));
    assert_eq!(map.load("key"), None);
}

/// sync-25: many use it at once, `range` included, which may use the map itself.
#[test]
fn sync_25_concurrent() {
    in_goroutines(|| {
        let map = Map::with_hasher(Poor(7 << 48));
        let mut chance = Chance::new("sync_25_concurrent");
        let stored = StdMutex::new([0usize; 20]);
        scope(|s| {
            for _ in 0..6 {
                let (map, stored, mut chance) = (&map, &stored, chance.split());
                s.spawn(move || {
                    for _ in 0..rounds(200) {
                        let key = chance.below(20);
                        match chance.below(6) {
                            // A cache: whoever misses fills in.
                            0..3 => {
                                let (value, was) = map.load_or_store(key, key * 10);
                                assert_eq!(value, key * 10);
                                if !was {
                                    let mut stored = stored.lock().unwrap();
                                    // A deletion may be booked before the store it undoes.
                                    stored[key] = stored[key].wrapping_add(1);
                                }
                            }
                            3 => {
                                if map.compare_and_delete(&key, &(key * 10)) {
                                    let mut stored = stored.lock().unwrap();
                                    stored[key] = stored[key].wrapping_sub(1);
                                }
                            }
                            4 => map.range(|key, value| {
                                assert_eq!(*value, key * 10);
                                map.load(key).is_none_or(|value| value == key * 10)
                            }),
                            _ => yield_now(),
                        }
                    }
                });
            }
        });
        // Each that was stored once more than deleted is there.
        let stored = stored.into_inner().unwrap();
        for (key, stored) in stored.into_iter().enumerate() {
            assert_eq!(map.load(&key).map_or(0, |_| 1), stored, "{key}");
        }
    });
}
