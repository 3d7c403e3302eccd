//! The rows of the platform's lookups.

use std::collections::{BTreeMap, HashMap};
use std::sync::{LazyLock, PoisonError, RwLock};

use serde_json::Value;

static LOOKUPS: LazyLock<BTreeMap<String, Vec<Value>>> = LazyLock::new(|| {
    serde_json::from_str(include_str!("lookups.json")).expect("lookups.json is part of this crate")
});

/// All rows of a lookup (the keys of `lookups.json`), as the API shows them.
pub fn rows(lookup: &str) -> &'static [Value] {
    LOOKUPS.get(lookup).map_or(&[], Vec::as_slice)
}

/// Rows of another platform than the simulated one, by lookup and id. They are few, and stay as long as the process does.
static LEARNT: LazyLock<RwLock<HashMap<(String, u64), &'static Value>>> = LazyLock::new(RwLock::default);

/// From now on the row of that id is this one, in every simulator of the process: whoever copies a platform has its lookups, too.
pub fn learn(lookup: &str, id: u64, row: Value) {
    if self::row(lookup, id) == Some(&row) {
        return;
    }
    let kept: &'static Value = Box::leak(Box::new(row));
    LEARNT.write().unwrap_or_else(PoisonError::into_inner).insert((lookup.to_owned(), id), kept);
}

/// One row of a lookup.
pub fn row(lookup: &str, id: u64) -> Option<&'static Value> {
    let learnt = LEARNT.read().unwrap_or_else(PoisonError::into_inner);
    let known = if learnt.is_empty() { None } else { learnt.get(&(lookup.to_owned(), id)).copied() };
    known.or_else(|| rows(lookup).iter().find(|row| row["id"] == id))
}

/// What an id of a lookup is called: its `description`, or its `name` where it has none.
pub fn describe(lookup: &str, id: u64) -> Option<&'static str> {
    let row = row(lookup, id)?;
    row["description"].as_str().or_else(|| row["name"].as_str())
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn ids_within_a_lookup_are_unique() {
        for (lookup, rows) in LOOKUPS.iter() {
            let ids: HashSet<_> = rows.iter().filter_map(|row| row["id"].as_u64()).collect();
            assert_eq!(ids.len(), rows.len(), "{lookup} has an id twice");
        }
    }

    #[test]
    fn statuses_carry_their_published_ids() {
        assert_eq!(describe("sim_status", 4), Some("Factory Test"));
        assert_eq!(describe("endpoint_status", 1), Some("Disabled"));
        assert_eq!(describe("user_status", 2), Some("SUSPENDED"));
        assert_eq!(describe("user_role", 3), Some("Observer"));
        assert_eq!(describe("esme_interface_type", 1), Some("REST API"));
        assert_eq!(describe("sim_status", 77), None);
    }
}
