//! What we last saw of one listing. Newest knowledge wins; one absence is doubt.

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    sync::{Arc, RwLock},
    time::Duration,
};

use jiff::Timestamp;
use tokio::time::Instant;

use crate::kind::{Id, Key, Managed};

/// A listing cannot contradict our own write for this long: the API's listings lag behind its writes.
const SETTLE: Duration = Duration::from_secs(30);

/// What is known about one id.
#[derive(Debug, Clone)]
pub enum Known<R> {
    /// Nothing proven either way.
    Unknown,
    /// It was there, and something says that it may have changed or gone: read it.
    Doubt,
    /// The API said that it does not exist.
    Absent,
    /// It is there.
    Present(Arc<R>),
}

/// A sweep in progress; dropping it without finishing changes nothing.
#[derive(Debug)]
pub struct Sweep {
    started: Instant,
    wall: Timestamp,
    seen: HashSet<Id>,
    totals: BTreeSet<u64>,
}

/// Why a sweep proves nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Incomplete {
    /// The number of entries changed between pages, or differs from what the pages held.
    #[error("the listing moved while it was read")]
    Moved,
    /// More than a tenth of what was known is missing: believed only when repeated.
    #[error("{missing} of {known} known objects are missing")]
    Loss {
        /// Missing entries.
        missing: usize,
        /// Entries known before.
        known: usize,
    },
}

#[derive(Debug)]
struct Entry<R> {
    row: Arc<R>,
    as_of: Instant,
    written: Option<Instant>,
    /// Events up to this server time tell of our own write.
    echo_until: Option<Timestamp>,
    missed: u8,
    stale: bool,
}

impl<R> Entry<R> {
    /// Our own write is so fresh that a listing begun at `started` cannot contradict it.
    fn settles(&self, started: Instant) -> bool {
        self.written.is_some_and(|written| started < written + SETTLE)
    }
}

#[derive(Debug)]
struct PartsEntry<K: Managed> {
    parts: Arc<K::Parts>,
    as_of: HashMap<K::Part, Instant>,
}

#[derive(Debug)]
struct Inner<K: Managed> {
    rows: HashMap<Id, Entry<K::Row>>,
    index: HashMap<Key, BTreeSet<Id>>,
    gone: HashMap<Id, Instant>,
    parts: HashMap<Id, PartsEntry<K>>,
    news: HashMap<Id, (K::News, Timestamp)>,
    complete: Option<Timestamp>,
    loss_seen: bool,
}

/// Last known state of one kind in one session.
#[derive(Debug)]
pub struct Mirror<K: Managed>(RwLock<Inner<K>>);

impl<K: Managed> Default for Mirror<K> {
    fn default() -> Self {
        Self(RwLock::new(Inner {
            rows: HashMap::new(),
            index: HashMap::new(),
            gone: HashMap::new(),
            parts: HashMap::new(),
            news: HashMap::new(),
            complete: None,
            loss_seen: false,
        }))
    }
}

impl<K: Managed> Mirror<K> {
    /// What is known about `id`.
    pub fn get(&self, id: &Id) -> Known<K::Row> {
        let inner = self.read();
        match inner.rows.get(id) {
            Some(e) if K::gone(&e.row) => Known::Absent,
            Some(e) if e.missed > 0 || e.stale => Known::Doubt,
            Some(e) => Known::Present(e.row.clone()),
            None if inner.gone.contains_key(id) => Known::Absent,
            None if inner.complete.is_some() => Known::Doubt,
            None => Known::Unknown,
        }
    }

    /// The row as last seen, however old.
    pub fn row(&self, id: &Id) -> Option<Arc<K::Row>> {
        self.read().rows.get(id).map(|e| e.row.clone())
    }

    /// Ids whose rows carry `key`.
    pub fn find(&self, key: &Key) -> Vec<Id> {
        self.read().index.get(key).map(|ids| ids.iter().cloned().collect()).unwrap_or_default()
    }

    /// Shows every object as last seen, in no order, while nothing can be written.
    pub fn each(&self, show: &mut dyn FnMut(&K::Row)) {
        self.read().rows.values().filter(|e| !K::gone(&e.row)).for_each(|e| show(&e.row));
    }

    /// Number of objects.
    pub fn len(&self) -> usize {
        self.read().rows.len()
    }

    /// True if nothing is known.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// When the last complete sweep began; what it did not show was not there then.
    pub fn complete_since(&self) -> Option<Timestamp> {
        self.read().complete
    }

    /// Stores what a direct read sent at `as_of` brought; true if it differs from what was known.
    pub fn put(&self, row: K::Row, as_of: Instant) -> bool {
        self.write().put(row, as_of, false)
    }

    /// Stores what a write's answer showed or implies; nothing older contradicts it.
    pub fn wrote(&self, row: K::Row, at: Instant) -> bool {
        self.write().put(row, at, true)
    }

    /// The API said that the object does not exist.
    pub fn forget(&self, id: &Id) {
        let mut inner = self.write();
        inner.drop_row(id);
        inner.gone.insert(id.clone(), Instant::now());
    }

    /// Our own write will show in the event log with times up to `until`.
    pub fn expect_echo(&self, id: &Id, until: Timestamp) {
        if let Some(entry) = self.write().rows.get_mut(id) {
            entry.echo_until = Some(until);
        }
    }

    /// An event of `at` says that the object changed; true if it is known here and the event is news: neither an echo
    /// of our write, nor so old (`now` is the server's time too) that what was read since shows it.
    pub fn doubt_since(&self, id: &Id, at: Timestamp, now: Timestamp) -> bool {
        let age = Duration::try_from(now.duration_since(at)).unwrap_or_default();
        let old = |e: &Entry<K::Row>| {
            e.echo_until.is_some_and(|until| at <= until) || e.as_of.elapsed() + SETTLE < age
        };
        !self.read().rows.get(id).is_some_and(old) && self.doubt(id)
    }

    /// Something says that the object changed; true if it is known here.
    pub fn doubt(&self, id: &Id) -> bool {
        let mut inner = self.write();
        inner.gone.remove(id);
        match inner.rows.get_mut(id) {
            Some(entry) => {
                entry.stale = true;
                true
            }
            None => false,
        }
    }

    /// The pieces of one object and which of `wanted` are not known or older than `oldest`.
    pub fn parts(
        &self,
        id: &Id,
        wanted: &[K::Part],
        oldest: Option<Instant>,
    ) -> (Arc<K::Parts>, Vec<K::Part>) {
        let inner = self.read();
        let Some(entry) = inner.parts.get(id) else { return (Arc::default(), wanted.to_vec()) };
        let fresh = |p: &K::Part| entry.as_of.get(p).is_some_and(|at| oldest.is_none_or(|o| *at >= o));
        (entry.parts.clone(), wanted.iter().copied().filter(|p| !fresh(p)).collect())
    }

    /// Stores pieces that were read at `as_of` or changed by us.
    pub fn put_parts(&self, id: &Id, parts: K::Parts, read: &[K::Part], as_of: Instant) {
        let mut inner = self.write();
        let entry = inner
            .parts
            .entry(id.clone())
            .or_insert_with(|| PartsEntry { parts: Arc::default(), as_of: HashMap::new() });
        entry.parts = Arc::new(parts);
        for part in read {
            entry.as_of.insert(*part, as_of);
        }
    }

    /// Forgets how fresh the pieces of an object are, so that they are read before the next decision.
    pub fn doubt_parts(&self, id: &Id) {
        if let Some(entry) = self.write().parts.get_mut(id) {
            entry.as_of.clear();
        }
    }

    /// What events said last, and when it happened.
    pub fn news(&self, id: &Id) -> Option<(K::News, Timestamp)> {
        self.read().news.get(id).cloned()
    }

    /// Stores news unless what is known is newer; true if it says something else. Events come in the order of the log.
    pub fn hear(&self, id: &Id, news: K::News, at: Timestamp) -> bool {
        let mut inner = self.write();
        match inner.news.get(id) {
            // of two events of one moment the later in the log wins: a device attaches and opens its session at once
            Some((_, known)) if *known > at => false,
            Some((old, _)) => {
                let news = K::follow(old, news);
                let changed = *old != news;
                inner.news.insert(id.clone(), (news, at));
                changed
            }
            None => {
                inner.news.insert(id.clone(), (news, at));
                true
            }
        }
    }

    /// Starts reading the whole listing.
    #[must_use]
    pub fn begin_sweep(now: Timestamp) -> Sweep {
        Sweep { started: Instant::now(), wall: now, seen: HashSet::new(), totals: BTreeSet::new() }
    }

    /// Folds in one page; returns what changed.
    pub fn page(&self, sweep: &mut Sweep, rows: Vec<K::Row>, total: Option<u64>) -> Vec<Id> {
        sweep.totals.extend(total);
        let mut inner = self.write();
        let mut changed = Vec::new();
        for row in rows {
            let id = K::id(&row);
            sweep.seen.insert(id.clone());
            if inner.rows.get(&id).is_some_and(|e| e.settles(sweep.started)) {
                continue;
            }
            if inner.put(row, sweep.started, false) {
                changed.push(id);
            }
        }
        changed
    }

    /// The last page was read: what was not seen is in doubt. Returns those.
    pub fn finish_sweep(&self, sweep: Sweep) -> Result<Vec<Id>, Incomplete> {
        let Sweep { started, wall, seen, totals } = sweep;
        let count = u64::try_from(seen.len()).unwrap_or(u64::MAX);
        if totals.len() > 1 || totals.first().is_some_and(|t| *t != count) {
            return Err(Incomplete::Moved);
        }
        let mut inner = self.write();
        let missing: Vec<Id> = inner
            .rows
            .iter()
            .filter(|(id, e)| e.as_of <= started && !e.settles(started) && !seen.contains(*id))
            .map(|(id, _)| id.clone())
            .collect();
        let known = inner.rows.len();
        let loss = missing.len() > 1 && missing.len() * 10 > known;
        if loss && !std::mem::replace(&mut inner.loss_seen, true) {
            return Err(Incomplete::Loss { missing: missing.len(), known });
        }
        inner.loss_seen = loss;
        inner.complete = Some(wall);
        inner.settle(&missing);
        Ok(missing)
    }

    fn read(&self) -> std::sync::RwLockReadGuard<'_, Inner<K>> {
        self.0.read().expect("nobody panics while holding the mirror")
    }

    fn write(&self) -> std::sync::RwLockWriteGuard<'_, Inner<K>> {
        self.0.write().expect("nobody panics while holding the mirror")
    }
}

impl<K: Managed> Inner<K> {
    fn put(&mut self, row: K::Row, as_of: Instant, ours: bool) -> bool {
        let id = K::id(&row);
        if self.gone.get(&id).is_some_and(|at| *at > as_of) {
            return false;
        }
        self.gone.remove(&id);
        let written = ours.then_some(as_of);
        if let Some(entry) = self.rows.get_mut(&id) {
            if entry.as_of > as_of {
                return false;
            }
            entry.as_of = as_of;
            entry.written = written.or(entry.written);
            entry.missed = 0;
            let doubted = std::mem::replace(&mut entry.stale, false);
            if *entry.row == row {
                return doubted;
            }
            let old = std::mem::replace(&mut entry.row, Arc::new(row));
            let new = entry.row.clone();
            self.reindex(&id, Some(&old), Some(&new));
            // what the listing shows moved without us, so what it does not show may have moved too
            if !ours && let Some(parts) = self.parts.get_mut(&id) {
                parts.as_of.clear();
            }
            return true;
        }
        self.reindex(&id, None, Some(&row));
        self.rows.insert(
            id,
            Entry { row: Arc::new(row), as_of, written, echo_until: None, missed: 0, stale: false },
        );
        true
    }

    fn reindex(&mut self, id: &Id, old: Option<&K::Row>, new: Option<&K::Row>) {
        if let Some(row) = old {
            K::keys(row, &mut |key| {
                if let Some(ids) = self.index.get_mut(&key) {
                    ids.remove(id);
                    if ids.is_empty() {
                        self.index.remove(&key);
                    }
                }
            });
        }
        if let Some(row) = new {
            K::keys(row, &mut |key| {
                self.index.entry(key).or_default().insert(id.clone());
            });
        }
    }

    fn drop_row(&mut self, id: &Id) {
        if let Some(entry) = self.rows.remove(id) {
            self.reindex(id, Some(&entry.row), None);
        }
        self.parts.remove(id);
        self.news.remove(id);
    }

    /// With a read of one object, a miss is doubt until that read; without, the second miss in a row is absence.
    fn settle(&mut self, missing: &[Id]) {
        for id in missing {
            let Some(entry) = self.rows.get_mut(id) else { continue };
            entry.missed = entry.missed.saturating_add(1);
            if !K::FACTS.has_read && entry.missed >= 2 {
                self.drop_row(id);
                self.gone.insert(id.clone(), Instant::now());
            }
        }
    }
}

#[cfg(test)]
mod tests;
