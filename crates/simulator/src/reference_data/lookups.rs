//! The rows of the platform's lookups.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde_json::Value;

static LOOKUPS: LazyLock<BTreeMap<String, Vec<Value>>> = LazyLock::new(|| {
    serde_json::from_str(include_str!("lookups.json")).expect("lookups.json is part of this crate")
});

/// All rows of a lookup (the keys of `lookups.json`), as the API shows them.
pub fn rows(lookup: &str) -> &'static [Value] {
    LOOKUPS.get(lookup).map_or(&[], Vec::as_slice)
}

/// One row of a lookup.
pub fn row(lookup: &str, id: u64) -> Option<&'static Value> {
    rows(lookup).iter().find(|row| row["id"] == id)
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
