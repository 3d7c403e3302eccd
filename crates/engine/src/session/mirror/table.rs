//! The rows of a mirror: each stored once, found by its id and by its keys.
//!
//! The indexes hold a hash and a place, nine bytes each, and no id or key: those are compared with what the row itself
//! says, so that a collision confuses nothing. With 100,000 rows anything more is tens of megabytes.

use std::{
    hash::{BuildHasher, Hash, RandomState},
    sync::Arc,
    time::Duration,
};

use hashbrown::HashTable;

use crate::kind::{Id, Key, Managed};

/// A listing cannot contradict our own write for this long: the API's listings lag behind its writes.
pub(super) const SETTLE: Duration = Duration::from_secs(30);

/// Nanoseconds since the mirror was made: a third of what an optional [`Instant`] takes.
pub(super) type Moment = i64;
pub(super) const NEVER: Moment = i64::MIN;

pub(super) fn nanos(duration: Duration) -> Moment {
    Moment::try_from(duration.as_nanos()).unwrap_or(Moment::MAX)
}

/// A row and what is known about that knowledge.
#[derive(Debug)]
pub(super) struct Entry<R> {
    pub(super) row: Arc<R>,
    /// When the read that showed it was sent, or the write answered.
    pub(super) as_of: Moment,
    /// Our last write of it.
    pub(super) written: Moment,
    /// Events up to this server time, in microseconds since 1970, tell of our own write.
    pub(super) echo_until: i64,
    /// The last sweep that saw it.
    pub(super) sweep: u32,
    pub(super) missed: u8,
    pub(super) stale: bool,
}

impl<R> Entry<R> {
    pub(super) fn new(row: R, as_of: Moment, sweep: u32) -> Self {
        Self { row: Arc::new(row), as_of, written: NEVER, echo_until: NEVER, sweep, missed: 0, stale: false }
    }

    /// Our own write is so fresh that a listing begun at `started` cannot contradict it.
    pub(super) fn settles(&self, started: Moment) -> bool {
        started < self.written.saturating_add(nanos(SETTLE))
    }
}

/// Places by hash; whoever looks one up compares what it finds there.
#[derive(Debug, Default)]
struct Places(HashTable<(u32, u32)>);

impl Places {
    fn add(&mut self, hash: u32, place: u32) {
        self.0.insert_unique(spread(hash), (hash, place), |(hash, _)| spread(*hash));
    }

    fn remove(&mut self, hash: u32, place: u32) {
        if let Ok(found) = self.0.find_entry(spread(hash), |at| *at == (hash, place)) {
            found.remove();
        }
    }

    fn of(&self, hash: u32) -> impl Iterator<Item = u32> {
        self.0.iter_hash(spread(hash)).filter(move |at| at.0 == hash).map(|at| at.1)
    }
}

/// The table takes its bucket from the low bits and its tag from the high ones.
fn spread(hash: u32) -> u64 {
    (u64::from(hash) << 32) | u64::from(hash)
}

/// All rows of a mirror.
#[derive(Debug)]
pub(super) struct Table<K: Managed> {
    entries: Vec<Option<Entry<K::Row>>>,
    /// Places of rows that went.
    free: Vec<u32>,
    ids: Places,
    keys: Places,
    hasher: RandomState,
}

impl<K: Managed> Default for Table<K> {
    fn default() -> Self {
        Self {
            entries: Vec::new(),
            free: Vec::new(),
            ids: Places::default(),
            keys: Places::default(),
            hasher: RandomState::new(),
        }
    }
}

impl<K: Managed> Table<K> {
    pub(super) fn len(&self) -> usize {
        self.entries.len() - self.free.len()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Entry<K::Row>> {
        self.entries.iter().flatten()
    }

    pub(super) fn get(&self, id: &Id) -> Option<&Entry<K::Row>> {
        self.entries.get(self.place(id)? as usize)?.as_ref()
    }

    pub(super) fn get_mut(&mut self, id: &Id) -> Option<&mut Entry<K::Row>> {
        let place = self.place(id)?;
        self.entries.get_mut(place as usize)?.as_mut()
    }

    /// Rows that carry `key`, in no order; one that carries it twice comes twice.
    pub(super) fn carrying(&self, key: &Key) -> impl Iterator<Item = &Entry<K::Row>> {
        let carries = |row: &K::Row| {
            let mut found = false;
            K::keys(row, &mut |own| found |= own == *key);
            found
        };
        self.keys.of(self.hash(key)).filter_map(|place| self.at(place)).filter(move |e| carries(&e.row))
    }

    /// Adds a row whose id is not there yet.
    pub(super) fn insert(&mut self, id: &Id, entry: Entry<K::Row>) {
        let place = self.free.pop().unwrap_or_else(|| {
            self.entries.push(None);
            u32::try_from(self.entries.len() - 1).expect("fewer than four billion rows")
        });
        for hash in self.hashes(&entry.row) {
            self.keys.add(hash, place);
        }
        self.ids.add(self.hash(id), place);
        self.entries[place as usize] = Some(entry);
    }

    /// Replaces the row of an id that is there.
    pub(super) fn replace(&mut self, id: &Id, row: K::Row) {
        let Some(place) = self.place(id) else { return };
        let Some(entry) = self.entries[place as usize].as_mut() else { return };
        let new = Arc::new(row);
        let old = std::mem::replace(&mut entry.row, new.clone());
        let (old, new) = (self.hashes(&old), self.hashes(&new));
        if old != new {
            for hash in old {
                self.keys.remove(hash, place);
            }
            for hash in new {
                self.keys.add(hash, place);
            }
        }
    }

    /// Takes a row out.
    pub(super) fn remove(&mut self, id: &Id) -> Option<Entry<K::Row>> {
        let place = self.place(id)?;
        let entry = self.entries[place as usize].take()?;
        for hash in self.hashes(&entry.row) {
            self.keys.remove(hash, place);
        }
        self.ids.remove(self.hash(id), place);
        self.free.push(place);
        Some(entry)
    }

    fn at(&self, place: u32) -> Option<&Entry<K::Row>> {
        self.entries.get(place as usize)?.as_ref()
    }

    fn place(&self, id: &Id) -> Option<u32> {
        let is = |place: &u32| self.at(*place).is_some_and(|entry| K::id(&entry.row) == *id);
        self.ids.of(self.hash(id)).find(is)
    }

    fn hashes(&self, row: &K::Row) -> Vec<u32> {
        let mut hashes = Vec::new();
        K::keys(row, &mut |key| hashes.push(self.hash(&key)));
        hashes
    }

    /// Half of the hash tells rows apart well enough, and what is found is compared.
    fn hash(&self, value: &impl Hash) -> u32 {
        (self.hasher.hash_one(value) >> 32) as u32
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::toy::{Toy, ToyRow};

    fn row(id: i64, name: &str) -> ToyRow {
        ToyRow { id, name: name.into(), ..ToyRow::default() }
    }

    fn filled(rows: i64) -> Table<Toy> {
        let mut table = Table::default();
        for id in 0..rows {
            table.insert(&Id::Int(id), Entry::new(row(id, &format!("n{id}")), 0, 0));
        }
        table
    }

    fn carrying(table: &Table<Toy>, name: &str) -> Vec<i64> {
        table.carrying(&Key::new(Key::NAME, name)).map(|entry| entry.row.id).collect()
    }

    #[test]
    fn a_collision_of_hashes_confuses_nothing() {
        let mut table = filled(2);
        let other = table.hash(&Key::new(Key::NAME, "n1"));
        table.keys.add(other, 0);
        assert_eq!(carrying(&table, "n1"), [1], "the row says which key it carries");
        let other = table.hash(&Id::Int(1));
        table.ids.add(other, 0);
        assert_eq!(table.get(&Id::Int(1)).map(|entry| entry.row.id), Some(1), "and which id");
    }

    #[test]
    fn what_goes_leaves_nothing_behind_and_its_place_is_used_again() {
        let mut table = filled(100);
        let (keys, places) = (table.keys.0.len(), table.entries.len());
        for id in 0..100 {
            table.replace(&Id::Int(id), row(id, "renamed"));
        }
        assert_eq!(table.keys.0.len(), keys, "old keys go");
        assert_eq!(carrying(&table, "renamed").len(), 100);
        for id in 0..100 {
            table.remove(&Id::Int(id));
            table.insert(&Id::Int(id + 1_000), Entry::new(row(id + 1_000, "new"), 0, 0));
        }
        let held = (table.keys.0.len(), table.ids.0.len(), table.entries.len(), table.len());
        assert_eq!(held, (keys, 100, places, 100), "a fleet that is replaced takes no more room");
    }
}
