//! Lookup tables of the API, read whole when first needed and kept for a while.

use std::collections::HashMap;

use parking_lot::Mutex;
use tokio::time::Instant;

use crate::kind::{Id, LookupRow, Table};

/// What a name means in a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Lookup {
    /// The table is not read yet, or has to be read again.
    Unread,
    /// No row is called so.
    Missing,
    /// Exactly one is.
    One(Id),
    /// Several are; these are their ids.
    Several(Vec<Id>),
    /// The table could not be read.
    Failed(String),
}

#[derive(Debug)]
struct Loaded {
    rows: Result<HashMap<String, Vec<Id>>, String>,
    at: Instant,
}

/// A failed reading is tried again after this time.
const RETRY: std::time::Duration = std::time::Duration::from_secs(30);

#[derive(Debug, Default)]
struct Inner {
    loaded: HashMap<&'static str, Loaded>,
    loading: HashMap<&'static str, Vec<crate::refs::Named>>,
}

/// The tables of one session.
#[derive(Debug, Default)]
pub struct Tables(Mutex<Inner>);

impl Tables {
    /// What `name` means.
    pub fn find(&self, table: &Table, name: &str) -> Lookup {
        let inner = self.lock();
        let Some(loaded) = inner.loaded.get(table.name) else { return Lookup::Unread };
        let keep = if loaded.rows.is_ok() { table.keep } else { RETRY };
        let again = loaded.rows.is_err() && inner.loading.contains_key(table.name);
        if loaded.at.elapsed() > keep && !again {
            return Lookup::Unread;
        }
        match &loaded.rows {
            Err(message) => Lookup::Failed(message.clone()),
            Ok(rows) => match rows.get(&fold(name)).map(Vec::as_slice) {
                None | Some([]) => Lookup::Missing,
                Some([id]) => Lookup::One(id.clone()),
                Some(several) => Lookup::Several(several.to_vec()),
            },
        }
    }

    /// Registers who waits for the table; true if the caller has to read it.
    pub fn wait_for(&self, table: &Table, who: crate::refs::Named) -> bool {
        let mut inner = self.lock();
        let first = !inner.loading.contains_key(table.name);
        let waiting = inner.loading.entry(table.name).or_default();
        if !waiting.contains(&who) {
            waiting.push(who);
        }
        first
    }

    /// Stores a reading; returns who waited for it. After one that failed they go on waiting.
    pub fn store(&self, table: &Table, rows: Result<Vec<LookupRow>, String>) -> Vec<crate::refs::Named> {
        let rows = rows.map(|rows| {
            let mut names: HashMap<String, Vec<Id>> = HashMap::new();
            for row in rows {
                for name in &row.names {
                    let ids = names.entry(fold(name)).or_default();
                    if !ids.contains(&row.id) {
                        ids.push(row.id.clone());
                    }
                }
            }
            names
        });
        let mut inner = self.lock();
        let read = rows.is_ok();
        inner.loaded.insert(table.name, Loaded { rows, at: Instant::now() });
        if read {
            return inner.loading.remove(table.name).unwrap_or_default();
        }
        inner.loading.get(table.name).cloned().unwrap_or_default()
    }

    /// The table changed in emnify: read it before the next decision.
    pub fn refresh(&self, table: &Table) {
        self.lock().loaded.remove(table.name);
    }

    fn lock(&self) -> parking_lot::MutexGuard<'_, Inner> {
        self.0.lock()
    }
}

fn fold(name: &str) -> String {
    name.trim().to_lowercase()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    static TABLE: Table = Table {
        name: "operator",
        keep: Duration::from_secs(60),
        load: |_| Box::pin(async { Ok(Vec::new()) }),
    };

    fn row(id: i64, names: &[&str]) -> LookupRow {
        LookupRow { id: Id::Int(id), names: names.iter().map(ToString::to_string).collect() }
    }

    #[tokio::test(start_paused = true)]
    async fn an_ambiguous_name_is_never_guessed() {
        let tables = Tables::default();
        assert_eq!(tables.find(&TABLE, "x"), Lookup::Unread);
        tables.store(&TABLE, Ok(vec![row(1, &["Orange", "OFR"]), row(2, &["Orange"])]));
        assert_eq!(tables.find(&TABLE, "orange "), Lookup::Several(vec![Id::Int(1), Id::Int(2)]));
        assert_eq!(tables.find(&TABLE, "ofr"), Lookup::One(Id::Int(1)));
        assert_eq!(tables.find(&TABLE, "Vodafone"), Lookup::Missing);
        tokio::time::advance(Duration::from_secs(61)).await;
        assert_eq!(tables.find(&TABLE, "ofr"), Lookup::Unread, "a reading is good for a while only");
    }

    #[tokio::test(start_paused = true)]
    async fn one_reading_serves_all_who_wait() {
        let tables = Tables::default();
        let who = |n: &str| crate::refs::Named { kind: "Toy", namespace: "d".into(), name: n.into() };
        assert!(tables.wait_for(&TABLE, who("a")));
        assert!(!tables.wait_for(&TABLE, who("b")));
        assert_eq!(tables.store(&TABLE, Err("down".into())), vec![who("a"), who("b")]);
        assert_eq!(tables.find(&TABLE, "x"), Lookup::Failed("down".into()));
        assert!(!tables.wait_for(&TABLE, who("c")), "it is being tried again already");
        assert_eq!(tables.store(&TABLE, Ok(Vec::new())), vec![who("a"), who("b"), who("c")]);
        assert!(tables.wait_for(&TABLE, who("a")), "nobody waits any more");
    }
}
