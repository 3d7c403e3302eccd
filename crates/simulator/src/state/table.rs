//! Rows by id, written in a seed file as a list in which ids may be left out.

use std::collections::BTreeMap;
use std::ops::{Deref, DerefMut};

use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::NextIds;

/// Something with a numeric id. Id 0 in a seed means "give it the next one".
pub trait Row {
    /// Its id.
    fn id(&self) -> u64;
    /// Gives it an id.
    fn set_id(&mut self, id: u64);
    /// The counter its ids come from.
    fn counter(next: &mut NextIds) -> &mut u64;
}

/// Implements [`Row`] for a struct with a field `id`.
macro_rules! rows {
    ($($row:ty => $counter:ident),* $(,)?) => {$(
        impl $crate::state::table::Row for $row {
            fn id(&self) -> u64 {
                self.id
            }
            fn set_id(&mut self, id: u64) {
                self.id = id;
            }
            fn counter(next: &mut $crate::state::NextIds) -> &mut u64 {
                &mut next.$counter
            }
        }
    )*};
}
pub(crate) use rows;

/// Rows by id. Reads as the map it wraps.
#[derive(Debug, Clone, PartialEq)]
pub struct Table<T> {
    rows: BTreeMap<u64, T>,
    unnumbered: Vec<T>,
}

impl<T> Default for Table<T> {
    fn default() -> Self {
        Self { rows: BTreeMap::new(), unnumbered: Vec::new() }
    }
}

impl<T: Row> Table<T> {
    /// Adds a row under the next free id, which it returns.
    pub fn add(&mut self, next: &mut NextIds, mut row: T) -> u64 {
        let counter = T::counter(next);
        let id = *counter;
        *counter += 1;
        row.set_id(id);
        self.rows.insert(id, row);
        id
    }

    /// Adds a row under the id it has, which it returns.
    pub fn put(&mut self, row: T) -> u64 {
        let id = row.id();
        self.rows.insert(id, row);
        id
    }

    /// Moves the counter past every explicit id.
    pub(super) fn raise(&self, next: &mut NextIds) {
        if let Some((last, _)) = self.rows.last_key_value() {
            let counter = T::counter(next);
            *counter = (*counter).max(last + 1);
        }
    }

    /// Gives ids to the rows of a seed that have none, in their order.
    pub(super) fn number(&mut self, next: &mut NextIds) {
        for row in std::mem::take(&mut self.unnumbered) {
            self.add(next, row);
        }
    }
}

impl<T> Deref for Table<T> {
    type Target = BTreeMap<u64, T>;
    fn deref(&self) -> &Self::Target {
        &self.rows
    }
}

impl<T> DerefMut for Table<T> {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.rows
    }
}

impl<T: Serialize> Serialize for Table<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.rows.values())
    }
}

impl<'de, T: Row + Deserialize<'de>> Deserialize<'de> for Table<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut table = Self::default();
        for row in Vec::<T>::deserialize(deserializer)? {
            let id = row.id();
            if id == 0 {
                table.unnumbered.push(row);
            } else if table.rows.insert(id, row).is_some() {
                return Err(D::Error::custom(format!("id {id} is used twice")));
            }
        }
        Ok(table)
    }
}
