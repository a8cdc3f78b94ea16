//! A map that many use at once.

use std::borrow::Borrow;
use std::collections::HashMap;
use std::fmt;
use std::hash::{BuildHasher, Hash, RandomState};
use std::sync::PoisonError;

use crate::rwlock::{RwLock, RwLockReadGuard, RwLockWriteGuard};

/// A map that many tasks use at once, without a lock around it. (Go's `sync.Map`.)
///
/// It gives out copies: a value that is large or cannot be copied goes in as an [`Arc`](std::sync::Arc). Each operation
/// is one step that nobody sees half done. Values that are deleted or overwritten are dropped at once.
///
/// # Blocking
///
/// Operations on keys that fall into the same of 64 parts wait for each other. Keys' and values' own code (`Hash`, `Eq`,
/// `Clone`) must not use the map.
///
/// # Examples
///
/// ```
/// use gander_sync::Map;
///
/// let ports = Map::new();
/// ports.store("http", 80);
/// assert_eq!(ports.load_or_store("http", 8080), (80, true));
/// assert!(ports.compare_and_swap("http", &80, 8080));
/// assert_eq!(ports.load("http"), Some(8080));
/// ```
pub struct Map<K, V, S = RandomState> {
    parts: Box<[Part<K, V, S>]>,
    hasher: S,
}

/// Neighbours do not share a cache line.
#[repr(align(64))]
struct Part<K, V, S>(RwLock<HashMap<K, V, S>>);

const PARTS: usize = 64;

impl<K: Eq + Hash, V: Clone> Map<K, V> {
    /// An empty map.
    #[must_use]
    pub fn new() -> Map<K, V> {
        Map::with_hasher(RandomState::new())
    }
}

impl<K: Eq + Hash, V: Clone, S: BuildHasher + Clone> Map<K, V, S> {
    /// An empty map whose keys are hashed so.
    #[must_use]
    pub fn with_hasher(hasher: S) -> Map<K, V, S> {
        let part = || Part(RwLock::new(HashMap::with_hasher(hasher.clone())));
        Map { parts: (0..PARTS).map(|_| part()).collect(), hasher }
    }

    /// The value of a key.
    pub fn load<Q: Eq + Hash + ?Sized>(&self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
    {
        self.read(key).get(key).cloned()
    }

    /// Sets the value of a key.
    pub fn store(&self, key: K, value: V) {
        drop(self.swap(key, value));
    }

    /// Sets the value of a key; the old one.
    pub fn swap(&self, key: K, value: V) -> Option<V> {
        self.write(&key).insert(key, value)
    }

    /// The value of a key and true; or, where there is none, sets it, and returns it with false.
    pub fn load_or_store(&self, key: K, value: V) -> (V, bool) {
        if let Some(value) = self.load(&key) {
            return (value, true);
        }
        let mut part = self.write(&key);
        if let Some(value) = part.get(&key) {
            return (value.clone(), true);
        }
        part.insert(key, value.clone());
        (value, false)
    }

    /// Removes a key.
    pub fn delete<Q: Eq + Hash + ?Sized>(&self, key: &Q)
    where
        K: Borrow<Q>,
    {
        drop(self.remove(key, |_| true));
    }

    /// Removes a key; its value.
    pub fn load_and_delete<Q: Eq + Hash + ?Sized>(&self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
    {
        self.remove(key, |_| true).map(|(_, value)| value)
    }

    /// Sets the value of a key if it is `old`; whether it was.
    pub fn compare_and_swap<Q: Eq + Hash + ?Sized>(&self, key: &Q, old: &V, new: V) -> bool
    where
        K: Borrow<Q>,
        V: PartialEq,
    {
        let mut part = self.write(key);
        let Some(value) = part.get_mut(key).filter(|value| *value == old) else { return false };
        let old = std::mem::replace(value, new);
        drop(part);
        drop(old);
        true
    }

    /// Removes a key if its value is `old`; whether it was.
    pub fn compare_and_delete<Q: Eq + Hash + ?Sized>(&self, key: &Q, old: &V) -> bool
    where
        K: Borrow<Q>,
        V: PartialEq,
    {
        self.remove(key, |value| value == old).is_some()
    }

    /// Removes all keys. What is stored meanwhile may stay.
    pub fn clear(&self) {
        for part in &self.parts {
            let mut map = part.0.write().unwrap_or_else(PoisonError::into_inner);
            let old = std::mem::replace(&mut *map, HashMap::with_hasher(self.hasher.clone()));
            drop(map);
            drop(old);
        }
    }

    /// Calls `f` with each key and its value, until it returns false. No key comes twice. What is stored or deleted
    /// meanwhile may be seen or not; `f` itself may do that.
    pub fn range(&self, mut f: impl FnMut(&K, &V) -> bool)
    where
        K: Clone,
    {
        for part in &self.parts {
            let map = part.0.read().unwrap_or_else(PoisonError::into_inner);
            let pairs: Vec<(K, V)> = map.iter().map(|(key, value)| (key.clone(), value.clone())).collect();
            drop(map);
            if !pairs.iter().all(|(key, value)| f(key, value)) {
                return;
            }
        }
    }

    /// Removes a key whose value is `unwanted`. What was removed is dropped by the caller, who has no lock.
    fn remove<Q: Eq + Hash + ?Sized>(&self, key: &Q, unwanted: impl FnOnce(&V) -> bool) -> Option<(K, V)>
    where
        K: Borrow<Q>,
    {
        let mut part = self.write(key);
        if part.get(key).is_some_and(unwanted) { part.remove_entry(key) } else { None }
    }

    fn read<Q: Hash + ?Sized>(&self, key: &Q) -> RwLockReadGuard<'_, HashMap<K, V, S>> {
        self.part(key).read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write<Q: Hash + ?Sized>(&self, key: &Q) -> RwLockWriteGuard<'_, HashMap<K, V, S>> {
        self.part(key).write().unwrap_or_else(PoisonError::into_inner)
    }

    /// The part a key belongs to, by bits of its hash that the part's own map hardly uses.
    fn part<Q: Hash + ?Sized>(&self, key: &Q) -> &RwLock<HashMap<K, V, S>> {
        let hash = self.hasher.hash_one(key);
        &self.parts[(hash >> 48) as usize % PARTS].0
    }
}

impl<K: Eq + Hash, V: Clone, S: BuildHasher + Clone + Default> Default for Map<K, V, S> {
    fn default() -> Map<K, V, S> {
        Map::with_hasher(S::default())
    }
}

impl<K: fmt::Debug, V: fmt::Debug, S> fmt::Debug for Map<K, V, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = f.debug_map();
        for part in &self.parts {
            out.entries(part.0.read().unwrap_or_else(PoisonError::into_inner).iter());
        }
        out.finish()
    }
}
