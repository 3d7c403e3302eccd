//! Lookup tables of the API, read whole when first needed and kept for a while.

use std::collections::{BTreeSet, HashMap};

use emnify::Error;
use parking_lot::Mutex;
use tokio::time::Instant;

use crate::kind::{Id, LookupRow, Shown, Table};

/// What a name means in a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Lookup {
    /// The table is not read yet, or has to be read again.
    Unread,
    /// No row is called so.
    Missing,
    /// No row is called so, but one is that differs in case or in blanks only: this is how it is written.
    Near(String),
    /// Exactly one is.
    One(Id),
    /// Several are; these are their ids.
    Several(Vec<Id>),
    /// The table could not be read.
    Failed(Error),
}

/// Ids by folded name, each with the name as it is written where that matters.
type Names = HashMap<String, Vec<(Id, Option<String>)>>;

#[derive(Debug)]
struct Loaded {
    rows: Result<Names, Error>,
    /// What rows say of themselves.
    shown: HashMap<Id, Shown>,
    at: Instant,
}

/// A failed reading is tried again after this time.
const RETRY: std::time::Duration = std::time::Duration::from_secs(30);

#[derive(Debug, Default)]
struct Inner {
    loaded: HashMap<&'static str, Loaded>,
    /// Tables that are being read, and who waits for them.
    loading: HashMap<&'static str, BTreeSet<crate::kind::object_key::ObjectKey>>,
    /// Rows that were learned of, of tables that are fed, and when.
    learned: HashMap<&'static str, Vec<(Instant, LookupRow)>>,
    /// When a table that is fed was found to be wrong.
    refreshed: HashMap<&'static str, Instant>,
}

/// The tables of one session.
#[derive(Debug, Default)]
pub struct Lookups(Mutex<Inner>);

impl Lookups {
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
            Err(error) => Lookup::Failed(error.clone()),
            Ok(rows) => display_name(rows.get(&fold(name)).map_or(&[], Vec::as_slice), name),
        }
    }

    /// What a row of the table says of itself.
    pub(crate) fn shown(&self, table: &Table, id: &Id) -> Option<Shown> {
        self.lock().loaded.get(table.name)?.shown.get(id).cloned()
    }

    /// Registers who waits for the table; true if the caller has to read it.
    pub fn wait_for(&self, table: &Table, who: crate::kind::object_key::ObjectKey) -> bool {
        let mut inner = self.lock();
        let first = !inner.loading.contains_key(table.name);
        inner.loading.entry(table.name).or_default().insert(who);
        first
    }

    /// Stores a reading; returns who waited for it. After one that failed they go on waiting.
    pub fn store(
        &self,
        table: &Table,
        rows: Result<Vec<LookupRow>, Error>,
    ) -> BTreeSet<crate::kind::object_key::ObjectKey> {
        let mut shown = HashMap::new();
        let rows = rows.map(|rows| {
            let mut names = Names::new();
            for row in &rows {
                add(&mut names, table, row);
                shown.extend(row.shown.clone().map(|says| (row.id.clone(), says)));
            }
            names
        });
        let mut inner = self.lock();
        let read = rows.is_ok();
        inner.loaded.insert(table.name, Loaded { rows, shown, at: Instant::now() });
        if read {
            return inner.loading.remove(table.name).unwrap_or_default();
        }
        inner.loading.get(table.name).cloned().unwrap_or_default()
    }

    /// A listing that began at `since` is the table: what was learned later is added, and one that began before the table was
    /// found to be wrong is none.
    pub(crate) fn feed(&self, table: &Table, mut rows: Vec<LookupRow>, since: Instant) {
        {
            let mut inner = self.lock();
            if inner.refreshed.get(table.name).is_some_and(|at| *at > since) {
                return;
            }
            inner.refreshed.remove(table.name);
            let learned = inner.learned.entry(table.name).or_default();
            learned.retain(|(at, _)| *at >= since);
            let later = learned.iter().map(|(_, row)| row.clone());
            rows.extend(later);
        }
        self.store(table, Ok(rows));
    }

    /// Who waits for a table that is being read; whoever still does has to say so again.
    pub(crate) fn ask_anew(&self, table: &Table) -> BTreeSet<crate::kind::object_key::ObjectKey> {
        self.lock().loading.get_mut(table.name).map(std::mem::take).unwrap_or_default()
    }

    /// Nobody waits for the table any more, so that its reading may end; whoever needs it later begins anew.
    pub(crate) fn ends_unread(&self, table: &Table) -> bool {
        let mut inner = self.lock();
        let nobody = inner.loading.get(table.name).is_none_or(BTreeSet::is_empty);
        if nobody {
            inner.loading.remove(table.name);
        }
        nobody
    }

    /// The table changed in emnify: read it before the next decision.
    pub fn refresh(&self, table: &Table) {
        let mut inner = self.lock();
        inner.loaded.remove(table.name);
        inner.refreshed.insert(table.name, Instant::now());
    }

    /// A row was added to the table in emnify, and this is all that changed.
    pub(crate) fn learn(&self, table: &Table, row: &LookupRow) {
        let mut inner = self.lock();
        inner.learned.entry(table.name).or_default().push((Instant::now(), row.clone()));
        if let Some(Loaded { rows: Ok(names), .. }) = inner.loaded.get_mut(table.name) {
            add(names, table, row);
        }
    }

    fn lock(&self) -> parking_lot::MutexGuard<'_, Inner> {
        self.0.lock()
    }
}

fn add(names: &mut Names, table: &Table, row: &LookupRow) {
    for name in &row.names {
        let written = (!table.folds).then(|| name.clone());
        let called = (row.id.clone(), written);
        let all = names.entry(fold(name)).or_default();
        if !all.contains(&called) {
            all.push(called);
        }
    }
}

/// Which of the rows that are called nearly so are meant.
fn display_name(rows: &[(Id, Option<String>)], name: &str) -> Lookup {
    let so = |written: &Option<String>| written.as_ref().is_none_or(|written| written == name);
    let ids: Vec<Id> = rows.iter().filter(|(_, written)| so(written)).map(|(id, _)| id.clone()).collect();
    match (ids.as_slice(), rows.first()) {
        ([id], _) => Lookup::One(id.clone()),
        ([_, _, ..], _) => Lookup::Several(ids),
        ([], Some((_, Some(written)))) => Lookup::Near(written.clone()),
        ([], _) => Lookup::Missing,
    }
}

/// What names have in common that differ only in case, or in blanks around them.
pub fn fold(name: &str) -> String {
    name.trim().to_lowercase()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    static TABLE: Table = Table {
        name: "operator",
        folds: true,
        keep: Duration::from_secs(60),
        load: |_| Box::pin(async { Ok(Vec::new()) }),
    };

    fn row(id: i64, names: &[&str]) -> LookupRow {
        LookupRow { id: Id::Int(id), names: names.iter().map(ToString::to_string).collect(), shown: None }
    }

    #[tokio::test(start_paused = true)]
    async fn an_ambiguous_name_is_never_guessed() {
        let tables = Lookups::default();
        assert_eq!(tables.find(&TABLE, "x"), Lookup::Unread);
        tables.store(&TABLE, Ok(vec![row(1, &["Orange", "OFR"]), row(2, &["Orange"])]));
        assert_eq!(tables.find(&TABLE, "orange "), Lookup::Several(vec![Id::Int(1), Id::Int(2)]));
        assert_eq!(tables.find(&TABLE, "ofr"), Lookup::One(Id::Int(1)));
        assert_eq!(tables.find(&TABLE, "Vodafone"), Lookup::Missing);
        tokio::time::advance(Duration::from_secs(61)).await;
        assert_eq!(tables.find(&TABLE, "ofr"), Lookup::Unread, "a reading is good for a while only");
    }

    #[tokio::test(start_paused = true)]
    async fn a_name_that_must_be_exact_is_not_guessed_either() {
        static TAGS: Table = Table { name: "tag", folds: false, keep: TABLE.keep, load: TABLE.load };
        let tables = Lookups::default();
        tables.store(&TAGS, Ok(vec![row(1, &["meters"]), row(2, &["Prod"]), row(3, &["prod"])]));
        assert_eq!(tables.find(&TAGS, "meters"), Lookup::One(Id::Int(1)));
        assert_eq!(
            tables.find(&TAGS, " METERS"),
            Lookup::Near("meters".into()),
            "and how it is written is told"
        );
        assert_eq!(tables.find(&TAGS, "prod"), Lookup::One(Id::Int(3)), "two that differ in case are two");
        assert_eq!(tables.find(&TAGS, "yard"), Lookup::Missing);
    }

    #[tokio::test(start_paused = true)]
    async fn a_listing_is_the_table_but_for_what_was_learned_while_it_was_read() {
        let tables = Lookups::default();
        let second = || tokio::time::advance(Duration::from_secs(1));
        tables.feed(&TABLE, vec![row(1, &["roof"])], Instant::now());
        assert_eq!(tables.find(&TABLE, "roof"), Lookup::One(Id::Int(1)));
        second().await;
        let began = Instant::now();
        second().await;
        tables.learn(&TABLE, &row(2, &["attic"]));
        tables.feed(&TABLE, vec![row(1, &["roof"])], began);
        assert_eq!(tables.find(&TABLE, "attic"), Lookup::One(Id::Int(2)), "the listing is older");
        second().await;
        tables.feed(&TABLE, vec![row(1, &["roof"])], Instant::now());
        assert_eq!(tables.find(&TABLE, "attic"), Lookup::Missing, "a later one does not show it: it is gone");

        second().await;
        let began = Instant::now();
        second().await;
        tables.refresh(&TABLE);
        tables.feed(&TABLE, vec![row(1, &["roof"])], began);
        assert_eq!(
            tables.find(&TABLE, "roof"),
            Lookup::Unread,
            "it began before the table was found to be wrong"
        );
        second().await;
        tables.feed(&TABLE, vec![row(3, &["roof"])], Instant::now());
        assert_eq!(tables.find(&TABLE, "roof"), Lookup::One(Id::Int(3)));
    }

    #[tokio::test(start_paused = true)]
    async fn one_reading_serves_all_who_wait() {
        let tables = Lookups::default();
        let who = |n: &str| crate::kind::object_key::ObjectKey {
            kind: "Toy",
            namespace: "d".into(),
            name: n.into(),
        };
        assert!(tables.wait_for(&TABLE, who("a")));
        assert!(!tables.wait_for(&TABLE, who("b")));
        let down = Error::Unavailable { message: "down".into() };
        assert_eq!(tables.store(&TABLE, Err(down.clone())), [who("a"), who("b")].into());
        assert_eq!(tables.find(&TABLE, "x"), Lookup::Failed(down));
        assert!(!tables.wait_for(&TABLE, who("c")), "it is being tried again already");
        assert_eq!(tables.store(&TABLE, Ok(Vec::new())), [who("a"), who("b"), who("c")].into());
        assert!(tables.wait_for(&TABLE, who("a")), "nobody waits any more");
    }
}
