//! What we last saw of one listing. Newest knowledge wins; one absence is doubt.

mod accepted;
mod listed;
mod pool;
mod table;
mod told;
mod under_way;

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
    time::Duration,
};

use jiff::Timestamp;
use parking_lot::RwLock;
use tokio::time::Instant;

pub(crate) use self::accepted::{UnderWay, poll};
use self::{
    accepted::Accepted,
    table::{Entry, Moment, NEVER, SETTLE, Table, nanos},
};
use crate::kind::{Id, Key, LookupRow, Managed};

/// An absence is remembered this long; after that it is in doubt, and a read proves it anew.
const REMEMBERED: Duration = Duration::from_secs(24 * 3600);

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

/// A sweep in progress, one at a time; dropping it without finishing changes nothing.
#[derive(Debug)]
pub struct Sweep {
    started: Instant,
    wall: Timestamp,
    /// What the rows it sees are marked with; 0 before the first page.
    number: u32,
    seen: u64,
    totals: BTreeSet<u64>,
    /// Ids that nothing is known of, of rows that could not be read.
    unreadable: BTreeSet<Id>,
    /// Rows that could not be read, not even their ids.
    nameless: bool,
}

impl Sweep {
    /// When it began.
    pub fn started(&self) -> Instant {
        self.started
    }
}

/// Why a sweep proves nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Incomplete {
    /// The number of entries changed between pages, or differs from what the pages held.
    #[error("the listing moved while it was read")]
    Moved,
    /// A full page came without a word on how many there are.
    #[error("a full page says nothing of those that follow")]
    Cut,
    /// More than a tenth of what was known is missing: believed only when repeated.
    #[error("{missing} of {known} known objects are missing")]
    Loss {
        /// Missing entries.
        missing: usize,
        /// Entries known before.
        known: usize,
    },
}

/// What the API said does not exist.
#[derive(Debug)]
struct Grave {
    at: Moment,
    /// The last sweep that showed it all the same.
    sweep: u32,
    doubted: bool,
}

#[derive(Debug)]
struct PartsEntry<K: Managed> {
    parts: Arc<K::Parts>,
    as_of: Vec<(K::Part, Moment)>,
    /// Something says that what was never read matters as well.
    doubted: bool,
}

impl<K: Managed> Default for PartsEntry<K> {
    fn default() -> Self {
        Self { parts: Arc::default(), as_of: Vec::new(), doubted: false }
    }
}

#[derive(Debug)]
struct Inner<K: Managed> {
    /// Moment zero.
    began: Instant,
    rows: Table<K>,
    gone: HashMap<Id, Grave>,
    /// When a read said for the first time that it does not exist, while nothing else agrees.
    denied: HashMap<Id, Moment>,
    parts: HashMap<Id, PartsEntry<K>>,
    news: HashMap<Id, (K::News, Timestamp)>,
    /// What emnify accepted and carries out later.
    under_way: HashMap<Id, Accepted>,
    complete: Option<Timestamp>,
    /// What the last complete sweep could not show, and since when that is so: anything may be behind it.
    veiled: Veil,
    loss_seen: bool,
    /// Number of the last sweep.
    sweeps: u32,
}

/// Rows that could not be read and of which nothing is known.
#[derive(Debug, Default)]
struct Veil {
    /// By id, with when the sweep began that met it first.
    ids: HashMap<Id, Timestamp>,
    /// Others have no id.
    nameless: bool,
}

impl Veil {
    fn may_hide(&self, id: &Id) -> bool {
        self.nameless || self.ids.contains_key(id)
    }
}

impl<K: Managed> PartsEntry<K> {
    fn doubt(&mut self) {
        self.as_of.clear();
        self.doubted = true;
    }
}

/// Last known state of one kind in one session.
#[derive(Debug)]
pub struct Mirror<K: Managed>(RwLock<Inner<K>>);

impl<K: Managed> Default for Mirror<K> {
    fn default() -> Self {
        Self(RwLock::new(Inner {
            began: Instant::now(),
            rows: Table::default(),
            gone: HashMap::new(),
            denied: HashMap::new(),
            parts: HashMap::new(),
            news: HashMap::new(),
            under_way: HashMap::new(),
            complete: None,
            veiled: Veil::default(),
            loss_seen: false,
            sweeps: 0,
        }))
    }
}

impl<K: Managed> Mirror<K> {
    /// What is known about `id`.
    pub fn get(&self, id: &Id) -> Known<K::Row> {
        let inner = self.read();
        match inner.rows.get(id) {
            Some(e) if K::is_deleted(&e.row) => Known::Absent,
            Some(e) if e.missed > 0 || e.stale => Known::Doubt,
            Some(e) => Known::Present(e.row.clone()),
            None if inner.gone.get(id).is_some_and(|grave| !grave.doubted) => Known::Absent,
            None if inner.complete.is_some() => Known::Doubt,
            None => Known::Unknown,
        }
    }

    /// The row as last seen, however old.
    pub fn row(&self, id: &Id) -> Option<Arc<K::Row>> {
        self.read().rows.get(id).map(|e| e.row.clone())
    }

    /// Ids whose rows carry `key`, in order.
    pub fn find(&self, key: &Key) -> Vec<Id> {
        let mut ids: Vec<Id> = self.read().rows.carrying(key).map(|e| K::id(&e.row)).collect();
        ids.sort_unstable();
        ids.dedup();
        ids
    }

    /// Shows every object as it was last seen when this began, in no order. No lock is held meanwhile: `show` may ask
    /// this mirror, or another one that somebody else asks the other way round.
    pub fn each(&self, show: &mut dyn FnMut(&K::Row)) {
        let rows: Vec<Arc<K::Row>> = self.read().rows.iter().map(|e| e.row.clone()).collect();
        rows.iter().filter(|row| !K::is_deleted(row)).for_each(|row| show(row));
    }

    /// Every name of every row, also of those that are nobody's.
    pub fn names(&self) -> Vec<LookupRow> {
        let rows: Vec<Arc<K::Row>> = self.read().rows.iter().map(|e| e.row.clone()).collect();
        let named = |row: &Arc<K::Row>| {
            let mut names = Vec::new();
            K::keys(row, &mut |key| {
                names.extend(Some(key).filter(|key| key.name == Key::NAME).map(|key| key.value));
            });
            LookupRow { id: K::id(row), names, shown: K::shown(row) }
        };
        rows.iter().map(named).collect()
    }

    /// Shows every object with what events and reads of single objects told of it, in no order. A lock is held meanwhile:
    /// `show` asks no mirror.
    pub fn survey(&self, mut show: impl FnMut(&K::Row, Option<&K::News>, Option<&K::Parts>)) {
        let inner = self.read();
        for row in inner.rows.iter().map(|e| &e.row).filter(|row| !K::is_deleted(row)) {
            let id = K::id(row);
            let news = inner.news.get(&id).map(|(news, _)| news);
            show(row, news, inner.parts.get(&id).map(|entry| &*entry.parts));
        }
    }

    /// Number of objects.
    pub fn len(&self) -> usize {
        self.read().rows.len()
    }

    /// True if nothing is known.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// A complete sweep that began at `proof` or later shows all that was made since `sent`. A row that could not be read
    /// and that no sweep before met may be just that.
    pub(crate) fn accounts_for(&self, sent: Timestamp, proof: Timestamp) -> bool {
        let inner = self.read();
        let veiled = inner.veiled.nameless || inner.veiled.ids.values().any(|first| *first >= sent);
        inner.complete.is_some_and(|began| began >= proof) && !veiled
    }

    /// When the last complete sweep began; what it did not show was not there then.
    pub fn complete_since(&self) -> Option<Timestamp> {
        self.read().complete
    }

    /// Stores what a direct read sent at `as_of` brought; true if it differs from what was known.
    pub fn put(&self, row: K::Row, as_of: Instant) -> bool {
        let mut inner = self.write();
        let as_of = inner.moment(as_of);
        inner.put(row, as_of, false)
    }

    /// Stores what a write's answer showed or implies; nothing older contradicts it.
    pub fn wrote(&self, row: K::Row, at: Instant) -> bool {
        let mut inner = self.write();
        let at = inner.moment(at);
        inner.put(row, at, true)
    }

    /// A read or a deletion sent at `sent` was answered that the object does not exist. One such answer is doubt: a second
    /// one half a minute after it, a complete listing that does not show the object, or our own deletion that was accepted
    /// before makes it certain. True if it is.
    #[must_use]
    pub fn denied(&self, id: &Id, sent: Instant) -> bool {
        let mut inner = self.write();
        let sent = inner.moment(sent);
        let unlisted = match inner.rows.get(id) {
            Some(entry) => entry.missed > 0,
            // a row that could not be read may be just this one
            None => inner.complete.is_some() && !inner.veiled.may_hide(id),
        };
        let first = *inner.denied.entry(id.clone()).or_insert(sent);
        let certain = unlisted || inner.leaves(id) || sent - first >= nanos(SETTLE);
        if certain {
            inner.bury(id);
        } else if let Some(entry) = inner.rows.get_mut(id) {
            entry.stale = true;
        }
        certain
    }

    /// The object is gone: we ended it.
    pub fn forget(&self, id: &Id) {
        self.write().bury(id);
    }

    /// Our own write will show in the event log with times up to `until`.
    pub fn expect_echo(&self, id: &Id, until: Timestamp) {
        if let Some(entry) = self.write().rows.get_mut(id) {
            entry.echo_until = until.as_microsecond();
        }
    }

    /// An event of `at` says that the object changed; true if that is news: neither an echo of our write, nor so old
    /// (`now` is the server's time too) that what was read since shows it.
    pub fn is_news(&self, id: &Id, at: Timestamp, now: Timestamp) -> bool {
        let age = Duration::try_from(now.duration_since(at)).unwrap_or_default();
        let inner = self.read();
        let now = inner.moment(Instant::now());
        let shows = |e: &Entry<K::Row>| now - e.as_of + nanos(SETTLE) < nanos(age);
        !inner.rows.get(id).is_some_and(|e| at.as_microsecond() <= e.echo_until || shows(e))
    }

    /// Something says that the object changed; true if it is known here.
    pub fn doubt(&self, id: &Id) -> bool {
        let mut inner = self.write();
        if let Some(grave) = inner.gone.get_mut(id) {
            grave.doubted = true;
        }
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
        let oldest = oldest.map_or(NEVER, |oldest| inner.moment(oldest));
        let fresh = |p: &K::Part| entry.as_of.iter().any(|(part, at)| part == p && *at >= oldest);
        (entry.parts.clone(), wanted.iter().copied().filter(|p| !fresh(p)).collect())
    }

    /// When a piece was last read.
    pub fn read_at(&self, id: &Id, part: K::Part) -> Option<Instant> {
        let inner = self.read();
        let (_, at) = inner.parts.get(id)?.as_of.iter().find(|(known, _)| *known == part)?;
        Some(inner.began + Duration::from_nanos(u64::try_from(*at).unwrap_or_default()))
    }

    /// The piece was not read since the start, and nothing says that it changed.
    pub fn is_unread(&self, id: &Id, part: K::Part) -> bool {
        let inner = self.read();
        let known =
            |entry: &PartsEntry<K>| entry.doubted || entry.as_of.iter().any(|(known, _)| *known == part);
        !inner.parts.get(id).is_some_and(known)
    }

    /// Stores pieces that were read at `as_of` or changed by us.
    pub fn put_parts(&self, id: &Id, parts: K::Parts, read: &[K::Part], as_of: Instant) {
        let mut inner = self.write();
        let as_of = inner.moment(as_of);
        if read.is_empty() && !inner.parts.contains_key(id) && parts == K::Parts::default() {
            return; // of most objects nothing is known but the row
        }
        let entry = inner.parts.entry(id.clone()).or_default();
        entry.parts = Arc::new(parts);
        entry.as_of.retain(|(part, _)| !read.contains(part));
        entry.as_of.extend(read.iter().map(|part| (*part, as_of)));
    }

    /// Forgets how fresh the pieces of an object are, so that they are read before the next decision.
    pub fn doubt_parts(&self, id: &Id) {
        self.write().parts.entry(id.clone()).or_default().doubt();
    }

    /// What events said last, and when it happened.
    pub fn news(&self, id: &Id) -> Option<(K::News, Timestamp)> {
        self.read().news.get(id).cloned()
    }

    /// Stores news unless what is known is newer; true if it says something else. Events come in the order of the log.
    pub fn on_events(&self, id: &Id, news: K::News, at: Timestamp) -> bool {
        let mut inner = self.write();
        match inner.news.get(id) {
            // of two events of one moment the later in the log wins: a device attaches and opens its session at once
            Some((_, known)) if *known > at => false,
            Some((old, _)) => {
                let news = match K::EVENTS {
                    Some(events) => (events.follow)(old, news),
                    None => news,
                };
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
        Sweep {
            started: Instant::now(),
            wall: now,
            number: 0,
            seen: 0,
            totals: BTreeSet::new(),
            unreadable: BTreeSet::new(),
            nameless: false,
        }
    }

    /// Folds in one page; returns what changed.
    pub fn page(&self, sweep: &mut Sweep, rows: Vec<K::Row>, total: Option<u64>) -> Vec<Id> {
        sweep.totals.extend(total);
        let mut inner = self.write();
        inner.number(sweep);
        let started = inner.moment(sweep.started);
        let mut changed = Vec::new();
        for row in rows {
            let id = K::id(&row);
            let settled = inner.rows.get(&id).is_some_and(|e| e.settles(started));
            let news = !settled && inner.put(row, started, false);
            sweep.seen += u64::from(inner.see(&id, sweep.number));
            if news {
                changed.push(id);
            }
        }
        changed
    }

    /// Notes rows of a page that could not be read, some without an id: they are there, so what is known of them stays, and
    /// they count towards the total.
    pub fn unreadable(&self, sweep: &mut Sweep, ids: impl IntoIterator<Item = Id>, nameless: usize) {
        let mut inner = self.write();
        inner.number(sweep);
        let started = inner.moment(sweep.started);
        sweep.seen += nameless as u64;
        sweep.nameless |= nameless > 0;
        for id in ids {
            if let Some(grave) = inner.gone.get_mut(&id).filter(|grave| grave.at <= started) {
                grave.doubted = true;
            }
            if let Some(entry) = inner.rows.get_mut(&id) {
                entry.stale |= std::mem::take(&mut entry.missed) > 0;
            }
            if inner.rows.get(&id).is_some() || inner.gone.contains_key(&id) {
                sweep.seen += u64::from(inner.see(&id, sweep.number));
            } else {
                sweep.seen += u64::from(sweep.unreadable.insert(id));
            }
        }
    }

    /// The last page was read: what was not seen is in doubt. Returns those.
    pub fn finish_sweep(&self, mut sweep: Sweep) -> Result<Vec<Id>, Incomplete> {
        if sweep.totals.len() > 1 || sweep.totals.first().is_some_and(|t| *t != sweep.seen) {
            return Err(Incomplete::Moved);
        }
        let mut inner = self.write();
        inner.number(&mut sweep);
        let started = inner.moment(sweep.started);
        let unseen = |e: &&Entry<K::Row>| e.as_of <= started && !e.settles(started) && e.sweep < sweep.number;
        // any of them may be a row without an id
        let shown = inner.rows.iter().filter(|_| !sweep.nameless);
        let missing: Vec<Id> = shown.filter(unseen).map(|e| K::id(&e.row)).collect();
        let known = inner.rows.len();
        let loss = missing.len() > 1 && missing.len() * 10 > known;
        if loss && !std::mem::replace(&mut inner.loss_seen, true) {
            return Err(Incomplete::Loss { missing: missing.len(), known });
        }
        inner.loss_seen = loss;
        inner.complete = Some(sweep.wall);
        let first = |inner: &Inner<K>, id: &Id| inner.veiled.ids.get(id).copied().unwrap_or(sweep.wall);
        let ids = sweep.unreadable.iter().map(|id| (id.clone(), first(&inner, id))).collect();
        inner.veiled = Veil { ids, nameless: sweep.nameless };
        inner.settle(&missing);
        let forgotten = inner.moment(Instant::now()) - nanos(REMEMBERED);
        inner.gone.retain(|_, grave| grave.at > forgotten);
        inner.denied.retain(|_, first| *first > forgotten);
        Ok(missing)
    }

    fn read(&self) -> parking_lot::RwLockReadGuard<'_, Inner<K>> {
        self.0.read()
    }

    fn write(&self) -> parking_lot::RwLockWriteGuard<'_, Inner<K>> {
        self.0.write()
    }
}

impl<K: Managed> Inner<K> {
    fn moment(&self, at: Instant) -> Moment {
        match at.checked_duration_since(self.began) {
            Some(since) => nanos(since),
            None => -nanos(self.began.duration_since(at)),
        }
    }

    /// A sweep is numbered when its first page is there.
    fn number(&mut self, sweep: &mut Sweep) {
        if sweep.number == 0 {
            self.sweeps += 1;
            sweep.number = self.sweeps;
        }
    }

    /// True if this sweep had not seen it yet.
    fn see(&mut self, id: &Id, sweep: u32) -> bool {
        let mark = match self.rows.get_mut(id) {
            Some(entry) => Some(&mut entry.sweep),
            None => self.gone.get_mut(id).map(|grave| &mut grave.sweep),
        };
        mark.is_some_and(|mark| std::mem::replace(mark, sweep.max(*mark)) < sweep)
    }

    fn put(&mut self, row: K::Row, as_of: Moment, ours: bool) -> bool {
        let id = K::id(&row);
        let grave = self.gone.get(&id);
        if grave.is_some_and(|grave| !grave.doubted && grave.at > as_of) {
            return false;
        }
        let sweep = self.gone.remove(&id).map_or(0, |grave| grave.sweep);
        let Some(entry) = self.rows.get_mut(&id) else {
            let mut entry = Entry::new(row, as_of, sweep);
            if ours {
                entry.written = as_of;
            }
            self.rows.insert(&id, entry);
            return true;
        };
        if entry.as_of > as_of {
            return false;
        }
        entry.as_of = as_of;
        if ours {
            entry.written = as_of;
        }
        entry.missed = 0;
        self.denied.remove(&id);
        let doubted = std::mem::replace(&mut entry.stale, false);
        if *entry.row == row {
            return doubted;
        }
        self.rows.replace(&id, row);
        // what the listing shows moved without us, so what it does not show may have moved too
        if !ours && let Some(parts) = self.parts.get_mut(&id) {
            parts.doubt();
        }
        true
    }

    /// emnify accepted our deletion of it.
    fn leaves(&self, id: &Id) -> bool {
        self.under_way.get(id).is_some_and(|accepted| accepted.ends)
    }

    /// The object does not exist; that a sweep saw it is not forgotten.
    fn bury(&mut self, id: &Id) {
        let at = self.moment(Instant::now());
        let seen = self.rows.remove(id).map(|entry| entry.sweep);
        let sweep = seen.or_else(|| self.gone.get(id).map(|grave| grave.sweep)).unwrap_or(0);
        self.gone.insert(id.clone(), Grave { at, sweep, doubted: false });
        self.denied.remove(id);
        self.parts.remove(id);
        self.news.remove(id);
        self.under_way.remove(id);
    }

    /// With a read of one object, a miss is doubt until that read, unless one said so before; without, the second miss in a
    /// row is absence.
    fn settle(&mut self, missing: &[Id]) {
        for id in missing {
            let Some(entry) = self.rows.get_mut(id) else { continue };
            entry.missed = entry.missed.saturating_add(1);
            let missed = entry.missed;
            if self.leaves(id) || self.denied.contains_key(id) || (!K::FACTS.has_read && missed >= 2) {
                self.bury(id);
            }
        }
    }
}

#[cfg(test)]
mod tests;
