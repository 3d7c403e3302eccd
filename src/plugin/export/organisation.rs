//! Reads an organisation kind by kind, and writes what was read as manifests. What cannot be read or written is told, and the rest goes on.

use std::{
    collections::{BTreeMap, HashSet},
    sync::Arc,
};

use emnify::{Api, Cursor};
use emnify_engine::kind::{
    Have, Id, Key, Managed, Table, set::ObjectSet, spec::WorkspaceRef, task::Task, trigger::Trigger,
};
use futures::{FutureExt, StreamExt, future::BoxFuture, stream};
use serde_json::Value;

use super::{choice::Choice, names, proof, yaml};
use crate::{
    check::{Checker, Report},
    definitions,
    kinds::{
        Visitor,
        export::{Draft, Export, Exported, Known, Manifest, ToFillIn},
        for_each,
    },
    plugin::emnify::mended,
};

/// So many objects are read at once, where a listing does not show all of them.
const AT_ONCE: usize = 4;

/// An organisation as manifests.
#[derive(Debug, Default)]
pub struct Organisation {
    /// Its id.
    pub id: Option<i64>,
    /// Documents by kind, in the order of the registry.
    pub written: Vec<Written>,
    /// Keys of Secrets that a person fills in.
    pub to_fill_in: Vec<ToFillIn>,
    /// What was left out on purpose.
    pub notes: Vec<String>,
    /// What could not be exported, or not all of it.
    pub problems: Vec<String>,
}

/// The manifests of a kind.
#[derive(Debug)]
pub struct Written {
    /// Its name.
    pub kind: &'static str,
    /// There may be thousands.
    pub many: bool,
    /// YAML, each a document.
    pub documents: Vec<String>,
}

/// A kind of which everything is read, whatever its types are.
trait Stock: Send {
    fn read<'a>(&'a mut self, api: &'a Api, told: &'a mut Organisation) -> BoxFuture<'a, ()>;
    fn tables(&self) -> Vec<&'static Table>;
    fn name(&self, known: &mut Known);
    fn write(&self, known: &Known, checker: &Checker) -> Batch;
}

/// What came of writing a kind.
struct Batch {
    written: Written,
    to_fill_in: Vec<ToFillIn>,
    lacks: Vec<String>,
    /// Objects without a manifest, and why.
    failed: Vec<(Id, String)>,
}

/// Reads what was chosen and writes it; all objects name the workspace. Everything that is sent is a GET.
pub async fn read(api: &Api, choice: &Choice, workspace: Option<WorkspaceRef>) -> Organisation {
    struct Gather<'a>(&'a Choice, Vec<Box<dyn Stock>>);
    impl Visitor for Gather<'_> {
        fn visit<K: Export>(&mut self) {
            let (asked_for, manifest) = match K::EXPORT {
                Exported::Always(manifest) => (false, manifest),
                Exported::OnRequest(_, manifest) => (true, manifest),
                Exported::Never(_) => return,
            };
            if self.0.has(K::KIND, asked_for) {
                self.1.push(Box::new(All::<K> { manifest, rows: Vec::new() }));
            }
        }
        fn visit_set<F: ObjectSet>(&mut self) {}
        fn visit_task<T: Task>(&mut self) {}
        fn visit_trigger<T: Trigger>(&mut self) {}
    }
    let mut gather = Gather(choice, Vec::new());
    for_each(&mut gather);
    let mut stocks = gather.1;
    let mut told = Organisation { notes: choice.left_out(), ..Organisation::default() };
    for stock in &mut stocks {
        stock.read(api, &mut told).await;
    }
    told.id = api.client().identity().map(|identity| identity.organisation_id);
    let mut known = Known::of(workspace);
    learn(api, &stocks, &mut known, &mut told).await;
    for stock in &stocks {
        stock.name(&mut known);
    }
    write(&stocks, &mut known, &mut told);
    told
}

/// Reads the tables that manifests take names from.
async fn learn(api: &Api, stocks: &[Box<dyn Stock>], known: &mut Known, told: &mut Organisation) {
    let tables = stocks.iter().flat_map(|stock| stock.tables());
    let tables: BTreeMap<&str, &'static Table> = tables.map(|table| (table.name, table)).collect();
    for table in tables.into_values() {
        match (table.load)(api.clone()).await {
            Ok(rows) => known.learn(table, rows),
            Err(error) => {
                let why = mended(error);
                told.notes.push(format!("no {} is called by its name: {why:#}", table.name));
            }
        }
    }
}

/// Writes everything; what cannot be written is named by its id in what refers to it, which is then written anew.
fn write(stocks: &[Box<dyn Stock>], known: &mut Known, told: &mut Organisation) {
    let checker = Checker::new(&definitions::crds());
    loop {
        let batches: Vec<Batch> = stocks.iter().map(|stock| stock.write(known, &checker)).collect();
        let mut whole = true;
        for batch in &batches {
            for (id, why) in &batch.failed {
                whole = false;
                known.forget(batch.written.kind, id);
                told.problems.push(format!("{} {id}: {why}", batch.written.kind));
            }
        }
        if whole {
            for batch in batches {
                told.problems.extend(batch.lacks);
                told.to_fill_in.extend(batch.to_fill_in);
                told.written.push(batch.written);
            }
            return;
        }
    }
}

/// Everything of one kind.
struct All<K: Export> {
    manifest: Manifest<K>,
    rows: Vec<Whole<K>>,
}

impl<K: Export> Stock for All<K> {
    fn read<'a>(&'a mut self, api: &'a Api, told: &'a mut Organisation) -> BoxFuture<'a, ()> {
        async move {
            let rows = listed::<K>(api, told).await;
            let parts = self.manifest.parts;
            let reading = free::<K>(rows, told).into_iter().map(|row| {
                let needed = parts(&row);
                whole::<K>(api.clone(), row, needed)
            });
            let mut read = stream::iter(reading).buffered(AT_ONCE);
            while let Some(one) = read.next().await {
                match one {
                    Ok(one) => self.rows.push(one),
                    Err(why) => told.problems.push(why),
                }
            }
        }
        .boxed()
    }

    fn tables(&self) -> Vec<&'static Table> {
        self.rows.iter().flat_map(|(row, parts)| (self.manifest.tables)(row, parts)).collect()
    }

    fn name(&self, known: &mut Known) {
        let called: Vec<_> =
            self.rows.iter().map(|(row, _)| (K::id(row), (self.manifest.called)(row))).collect();
        let names = names::of(K::KIND, &called);
        for ((row, _), name) in self.rows.iter().zip(names) {
            known.put(K::KIND, K::id(row), name, K::shown(row));
        }
    }

    fn write(&self, known: &Known, checker: &Checker) -> Batch {
        let written = Written { kind: K::KIND, many: self.manifest.many, documents: Vec::new() };
        let mut batch = Batch { written, to_fill_in: Vec::new(), lacks: Vec::new(), failed: Vec::new() };
        for (row, parts) in &self.rows {
            let id = K::id(row);
            let Some(name) = known.name(K::KIND, &id) else { continue };
            let mut draft = Draft::new(known, name, &id);
            let have = Have { row: row.clone(), parts: parts.clone(), output: None };
            match self.document(&have, &mut draft, known, checker) {
                Ok(document) => {
                    let (lacks, secrets) = draft.finish();
                    batch.written.documents.push(document);
                    batch.to_fill_in.extend(secrets);
                    batch.lacks.extend(lacks.iter().map(|lack| format!("{} {id}: {lack}", K::KIND)));
                }
                Err(why) => batch.failed.push((id, why)),
            }
        }
        batch
    }
}

impl<K: Export> All<K> {
    /// The manifest of one object, which takes it over as it is.
    fn document(
        &self,
        have: &Have<K>,
        draft: &mut Draft<'_>,
        known: &Known,
        checker: &Checker,
    ) -> Result<String, String> {
        let object = (self.manifest.write)(&have.row, &have.parts, draft)?;
        proof::takes_over(&object, have, &self.manifest, known)?;
        let mut value = serde_json::to_value(&object).map_err(|error| error.to_string())?;
        if let Some(top) = value.as_object_mut() {
            top.retain(|_, part| *part != Value::Null);
        }
        let document = yaml::document(&value);
        if !self.manifest.many {
            let mut report = Report::default();
            checker.file("", &document, &mut report);
            let told = |finding: &crate::check::Finding| format!("{}: {}", finding.path, finding.message);
            let wrong: Vec<String> = report.findings.iter().map(told).collect();
            if !wrong.is_empty() {
                return Err(format!("no manifest can say it: {}", wrong.join("; ")));
            }
        }
        Ok(document)
    }
}

/// What the listing shows, each object once.
async fn listed<K: Managed>(api: &Api, told: &mut Organisation) -> Vec<K::Row> {
    let (mut rows, mut seen, mut next) = (Vec::new(), HashSet::new(), Some(Cursor::first()));
    while let Some(at) = next {
        let page = match K::list(api, at).await {
            Ok(page) => page,
            Err(error) => {
                let part = if rows.is_empty() { "" } else { " to its end" };
                told.problems.push(format!(
                    "{}: the listing cannot be read{part}: {:#}",
                    K::KIND,
                    mended(error)
                ));
                break;
            }
        };
        next = page.next();
        let odd = page.unreadable.iter().map(|id| format!("{} {id}: it cannot be read", K::KIND));
        told.problems.extend(odd);
        if page.nameless > 0 {
            told.problems.push(format!("{}: {} cannot be read, not even their ids", K::KIND, page.nameless));
        }
        if next.is_none() && page.cut {
            told.problems.push(format!("{}: emnify does not say whether there are more", K::KIND));
        }
        let before = rows.len();
        let empty = page.items.is_empty();
        rows.extend(page.items.into_iter().filter(|row| seen.insert(K::id(row))));
        // pages that repeat themselves end, too
        if rows.len() == before && !empty {
            break;
        }
    }
    rows.sort_by_cached_key(K::id);
    rows
}

/// Without what is gone, what an operator made, and all but one of what is as good as one another.
fn free<K: Managed>(rows: Vec<K::Row>, told: &mut Organisation) -> Vec<K::Row> {
    let (mut kept, mut marked, mut alike) = (Vec::new(), 0_usize, 0_usize);
    let mut keys: HashSet<Key> = HashSet::new();
    for row in rows {
        if K::is_deleted(&row) {
            continue;
        }
        if K::mark(&row).is_some() {
            marked += 1;
            continue;
        }
        let mut new = true;
        if K::INTERCHANGEABLE {
            K::keys(&row, &mut |key| new &= keys.insert(key));
        }
        if new {
            kept.push(row);
        } else {
            alike += 1;
        }
    }
    if marked > 0 {
        told.notes.push(format!(
            "{}: {marked} left out that carry the mark of an operator: they are in a cluster already",
            K::KIND
        ));
    }
    if alike > 0 {
        told.notes.push(format!("{}: {alike} left out that are the same as another one", K::KIND));
    }
    kept
}

type Whole<K> = (Arc<<K as Managed>::Row>, Arc<<K as Managed>::Parts>);

/// A row with the pieces that its manifest needs.
async fn whole<K: Managed>(api: Api, row: K::Row, needed: Vec<K::Part>) -> Result<Whole<K>, String> {
    let (id, mut parts) = (K::id(&row), K::Parts::default());
    for part in needed {
        let read = K::read_part(&api, &id, part, &mut parts).await;
        read.map_err(|error| format!("{} {id}: it cannot be read whole: {:#}", K::KIND, mended(error)))?;
    }
    Ok((Arc::new(row), Arc::new(parts)))
}
