//! What each word of a block means, found by comparing three donors.
//!
//! No offset of libc's is written down here (but the module vector's, which the psABI fixes). Three slots at unrelated
//! addresses and of different sizes give three images; a word that is the same in all is copied, and a word that
//! differs must be explained by something that differs between the donors: where the slot ends, where it begins, how
//! large it is, who the thread was, who was born before and after. One word that cannot be explained, and there is no
//! recipe. Three rather than two, so that no explanation holds by chance.

/// One donor as it was seen. Addresses are as in memory.
pub(crate) struct Sight {
    pub(crate) low: u64,
    pub(crate) top: u64,
    pub(crate) tid: u32,
    /// The block's known words, the last one ending at `top`.
    pub(crate) words: Vec<u64>,
    /// The module vector's words, from its hidden first entry.
    pub(crate) vector: Vec<u64>,
}

/// What makes a copy of a donor's block a block of its own. Places are bytes down from the top.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Recipe {
    pub(crate) fixes: Vec<Fix>,
    /// Where the pointer to the module vector stands.
    pub(crate) vector_at: usize,
    /// Words of the module vector's allocation.
    pub(crate) vector_words: usize,
    /// Its words that point into the block: index, place pointed to.
    pub(crate) vector_fixes: Vec<(usize, usize)>,
}

/// One word to write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fix {
    pub(crate) at: usize,
    pub(crate) value: Value,
}

/// What to write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Value {
    /// The address of this place in the same block: also what makes a list's node an empty list.
    Place(usize),
    /// The slot's lowest address.
    Low,
    /// The slot's size.
    Size,
    /// Four bytes: the thread's name.
    Tid,
    /// Null, for a pointer into the donor's dead frames (libc's clean-up buffer for `pthread_exit`).
    Null,
}

const WORD: usize = size_of::<u64>();

impl Sight {
    /// The address of the word at `index`.
    fn address(&self, index: usize) -> u64 {
        self.top - ((self.words.len() - index) * WORD) as u64
    }

    /// How far below the top an address in this block is.
    fn place(&self, address: u64) -> Option<usize> {
        let down = usize::try_from(self.top.checked_sub(address)?).ok()?;
        (down <= self.words.len() * WORD).then_some(down)
    }

    /// Whether an address is in the slot below the block.
    fn in_frames(&self, address: u64) -> bool {
        (self.low..self.address(0)).contains(&address)
    }
}

/// The places (of four bytes) that hold the thread's name in all images.
pub(crate) fn tid_places(sights: &[Sight; 3]) -> Vec<usize> {
    let words = sights[0].words.len();
    (0..words * 2)
        .filter(|half| sights.iter().all(|s| (s.words[half / 2] >> (32 * (half % 2))) as u32 == s.tid))
        .map(|half| words * WORD - half * 4)
        .collect()
}

/// The places of pointers into the donors' dead frames.
pub(crate) fn frame_places(sights: &[Sight; 3]) -> Vec<usize> {
    let words = sights[0].words.len();
    let stale = |index: &usize| {
        let seen = sights.each_ref().map(|s| s.words[*index]);
        explain_word(sights, &seen) == Some(Value::Null)
    };
    (0..words).filter(stale).map(|index| (words - index) * WORD).collect()
}

/// Explains every word, or says which it could not.
pub(crate) fn explain(sights: &[Sight; 3], vector_at: usize) -> Result<Recipe, String> {
    let words = sights[0].words.len();
    let tids = tid_places(sights);
    let mut fixes = Vec::new();
    let mut index = 0;
    while index < words {
        let at = (words - index) * WORD;
        let seen = sights.each_ref().map(|s| s.words[index]);
        if at == vector_at {
            // Written by whoever allocates the vector.
        } else if tids.contains(&at) || tids.contains(&(at - 4)) {
            for half in [at, at - 4] {
                let values = seen.map(|v| (v >> (if half == at { 0 } else { 32 })) as u32);
                if tids.contains(&half) {
                    fixes.push(Fix { at: half, value: Value::Tid });
                } else if !same(&values) {
                    return Err(strange(at, &seen));
                }
            }
        } else if !same(&seen) {
            if let Some(value) = explain_word(sights, &seen) {
                fixes.push(Fix { at, value });
            } else if is_node(sights, index) {
                // Two words that link the donors to each other. A clone is on no list of libc's; linked to itself, it
                // survives libc's taking it off one (fork does, in the child).
                fixes.push(Fix { at, value: Value::Place(at) });
                fixes.push(Fix { at: at - WORD, value: Value::Place(at) });
                index += 1;
            } else {
                return Err(strange(at, &seen));
            }
        }
        index += 1;
    }
    let (vector_words, vector_fixes) = explain_vector(sights)?;
    Ok(Recipe { fixes, vector_at, vector_words, vector_fixes })
}

fn explain_word(sights: &[Sight; 3], seen: &[u64; 3]) -> Option<Value> {
    let all = |holds: fn(&Sight, u64) -> bool| sights.iter().zip(seen).all(|(s, v)| holds(s, *v));
    if all(|s, v| v == s.low) {
        return Some(Value::Low);
    }
    if all(|s, v| v == s.top - s.low) {
        return Some(Value::Size);
    }
    if let Some(place) = shared_place(sights, seen) {
        return Some(Value::Place(place));
    }
    all(Sight::in_frames).then_some(Value::Null)
}

/// The place in its own block that each of the words points to, if it is the same one.
fn shared_place(sights: &[Sight; 3], seen: &[u64; 3]) -> Option<usize> {
    let places = [0, 1, 2].map(|i| sights[i].place(seen[i]));
    if same(&places) { places[0] } else { None }
}

/// Whether the two words at `index` are a link of a doubly linked list that the donors joined one after the other, at
/// either end.
fn is_node(sights: &[Sight; 3], index: usize) -> bool {
    if index + 1 >= sights[0].words.len() {
        return false;
    }
    let node = sights.each_ref().map(|s| s.address(index));
    let first = sights.each_ref().map(|s| s.words[index]);
    let second = sights.each_ref().map(|s| s.words[index + 1]);
    let linked = |towards_older: &[u64; 3], towards_newer: &[u64; 3]| {
        (0..2).all(|i| towards_older[i + 1] == node[i] && towards_newer[i] == node[i + 1])
    };
    linked(&first, &second) || linked(&second, &first)
}

/// The vector's length, its generation and its modules are the same in all; its pointers lead into the own block;
/// nothing is allocated yet (the second word of each entry, what to free, is null).
fn explain_vector(sights: &[Sight; 3]) -> Result<(usize, Vec<(usize, usize)>), String> {
    let words = sights[0].vector.len();
    if sights.iter().any(|s| s.vector.len() != words) {
        return Err("the donors' module vectors differ in length".into());
    }
    let mut fixes = Vec::new();
    for index in 0..words {
        let seen = sights.each_ref().map(|s| s.vector[index]);
        if index % 2 == 1 && seen != [0; 3] {
            return Err(format!("word {index} of a new module vector is in use: {seen:x?}"));
        }
        if !same(&seen) {
            let place = shared_place(sights, &seen)
                .ok_or_else(|| format!("word {index} of the module vector is unexplained: {seen:x?}"))?;
            fixes.push((index, place));
        }
    }
    Ok((words, fixes))
}

fn same<T: PartialEq>(seen: &[T; 3]) -> bool {
    seen[0] == seen[1] && seen[1] == seen[2]
}

fn strange(at: usize, seen: &[u64; 3]) -> String {
    format!("the word {at} bytes below the top is unexplained: {seen:x?}")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Blocks of eight words: node, node, tid|7, top pointer, low, size, frame pointer, vector.
    fn sights() -> [Sight; 3] {
        let low = [0x10_0000_u64, 0x50_0000, 0x20_0000];
        let size = [0x1000, 0x2000, 0x3000];
        let node = [0, 1, 2].map(|i: usize| low[i] + size[i] - 64);
        let older = [0xaaaa_0000, node[0], node[1]];
        let newer = [node[1], node[2], 0xbbbb_0000];
        [0, 1, 2].map(|i| {
            let tid = 100 + i as u32;
            let top = low[i] + size[i];
            Sight {
                low: low[i],
                top,
                tid,
                words: vec![
                    older[i],
                    newer[i],
                    7 << 32 | u64::from(tid),
                    top - 24,
                    low[i],
                    size[i],
                    top - 100 - i as u64 * 8,
                    0xdead_0000 + i as u64,
                ],
                vector: vec![14, 0, 3, 0, top - 8, 0, u64::MAX, 0],
            }
        })
    }

    #[test]
    fn each_kind_is_explained() {
        let recipe = explain(&sights(), 8).unwrap();
        let fix = |at, value| Fix { at, value };
        assert_eq!(
            recipe.fixes,
            [
                fix(64, Value::Place(64)),
                fix(56, Value::Place(64)),
                fix(48, Value::Tid),
                fix(40, Value::Place(24)),
                fix(32, Value::Low),
                fix(24, Value::Size),
                fix(16, Value::Null),
            ]
        );
        assert_eq!((recipe.vector_words, recipe.vector_fixes), (8, vec![(4, 8)]));
    }

    #[test]
    fn the_unexplained_is_refused() {
        let mut broken = sights();
        broken[1].words[5] += 1;
        assert!(explain(&broken, 8).unwrap_err().contains("24 bytes below the top"));
        let mut broken = sights();
        broken[2].words[0] = 0xcccc_0000;
        assert!(explain(&broken, 8).unwrap_err().contains("64 bytes below the top"));
        let mut broken = sights();
        broken[2].words[2] ^= 1 << 33;
        assert!(explain(&broken, 8).unwrap_err().contains("48 bytes below the top"));
    }

    #[test]
    fn a_used_module_vector_is_refused() {
        let mut broken = sights();
        broken[0].vector[5] = 1;
        assert!(explain(&broken, 8).unwrap_err().contains("in use"));
        let mut broken = sights();
        broken[0].vector[2] = 4;
        assert!(explain(&broken, 8).unwrap_err().contains("unexplained"));
    }
}
