//! What should be known, kept as plainly as possible: the rules without indexes and marks.

use std::collections::{BTreeMap, BTreeSet};

use super::*;

/// What the newest knowledge says of an id.
struct Fact {
    row: ToyRow,
    as_of: Instant,
    written: Option<Instant>,
    misses: usize,
    doubted: bool,
}

impl Fact {
    fn settles(&self, listed: Instant) -> bool {
        self.written.is_some_and(|at| listed < at + Duration::from_secs(30))
    }
}

/// A listing as far as it was read.
pub(super) struct Listing {
    started: Instant,
    seen: BTreeSet<i64>,
    totals: BTreeSet<usize>,
}

impl Listing {
    pub(super) fn begin() -> Self {
        Self { started: Instant::now(), seen: BTreeSet::new(), totals: BTreeSet::new() }
    }
}

/// Everything that should be known.
#[derive(Default)]
pub(super) struct Model {
    facts: BTreeMap<i64, Fact>,
    /// Proven absent, and when.
    absent: BTreeMap<i64, Instant>,
    complete: bool,
    loss: bool,
}

impl Model {
    /// What is known of an id, in one word.
    pub(super) fn word(&self, id: i64) -> String {
        let word = match (self.facts.get(&id), self.absent.contains_key(&id)) {
            (Some(fact), _) if fact.row.status == 2 => "absent",
            (Some(fact), _) if fact.doubted || fact.misses > 0 => "doubt",
            (Some(fact), _) => &fact.row.name,
            (None, true) => "absent",
            (None, false) if self.complete => "doubt",
            (None, false) => "unknown",
        };
        word.to_owned()
    }

    pub(super) fn len(&self) -> usize {
        self.facts.len()
    }

    /// Ids of rows with a key, however old the rows.
    pub(super) fn find(&self, key: &Key) -> Vec<Id> {
        let mut found = Vec::new();
        for fact in self.facts.values() {
            let mut carries = false;
            Toy::keys(&fact.row, &mut |own| carries |= own == *key);
            found.extend(carries.then_some(Id::Int(fact.row.id)));
        }
        found
    }

    pub(super) fn put(&mut self, row: &ToyRow, as_of: Instant, ours: bool) {
        if self.absent.get(&row.id).is_some_and(|at| *at > as_of) {
            return;
        }
        self.absent.remove(&row.id);
        let old = self.facts.get(&row.id);
        if old.is_some_and(|old| old.as_of > as_of) {
            return;
        }
        let written = ours.then_some(as_of).or(old.and_then(|old| old.written));
        self.facts.insert(row.id, Fact { row: row.clone(), as_of, written, misses: 0, doubted: false });
    }

    pub(super) fn forget(&mut self, id: i64) {
        self.facts.remove(&id);
        self.absent.insert(id, Instant::now());
    }

    pub(super) fn doubt(&mut self, id: i64) {
        self.absent.remove(&id);
        if let Some(fact) = self.facts.get_mut(&id) {
            fact.doubted = true;
        }
    }

    pub(super) fn page(&mut self, listing: &mut Listing, rows: &[ToyRow], total: Option<usize>) {
        listing.totals.extend(total);
        for row in rows {
            listing.seen.insert(row.id);
            if !self.facts.get(&row.id).is_some_and(|fact| fact.settles(listing.started)) {
                self.put(row, listing.started, false);
            }
        }
    }

    /// Ids that are in doubt now; `None` if the listing proves nothing.
    pub(super) fn finish(&mut self, listing: &Listing, has_read: bool) -> Option<Vec<Id>> {
        if listing.totals.iter().any(|total| *total != listing.seen.len()) {
            return None;
        }
        let known = self.facts.len();
        let missing = |(id, fact): &(&i64, &mut Fact)| {
            fact.as_of <= listing.started && !fact.settles(listing.started) && !listing.seen.contains(id)
        };
        let missing: Vec<i64> = self.facts.iter_mut().filter(missing).map(|(id, _)| *id).collect();
        let repeated = std::mem::replace(&mut self.loss, missing.len() > 1 && missing.len() * 10 > known);
        if self.loss && !repeated {
            return None;
        }
        self.complete = true;
        for id in &missing {
            let Some(fact) = self.facts.get_mut(id) else { continue };
            fact.misses += 1;
            if fact.misses > 1 && !has_read {
                self.forget(*id);
            }
        }
        Some(missing.into_iter().map(Id::Int).collect())
    }
}
